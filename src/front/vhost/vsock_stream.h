/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of the front's own service as the host's end of a vsock connection. */
#ifndef VHOST_VSOCK_STREAM_H
#define VHOST_VSOCK_STREAM_H

#include "base/cleanup.h"
#include "front/stream.h"
#include "front/vhost/vsock_conn.h"

/*
 * Opens a stream; *ret is conn's end.  The stream's wake() notes an event of conn's and calls
 * woken(context).  -ECONNREFUSED: the service takes no more.
 */
int vsock_stream_new(const struct stream_service *service, struct vsock_conn *conn,
		     void (*woken)(void *context), void *context, struct vsock_end *ret)
	_nodiscard_;

#endif
