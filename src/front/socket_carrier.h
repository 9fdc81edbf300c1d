/* SPDX-License-Identifier: Apache-2.0 */
/* Carries streams (front/stream.h) over connected stream sockets: Unix, AF_VSOCK, TCP. */
#ifndef FRONT_SOCKET_CARRIER_H
#define FRONT_SOCKET_CARRIER_H

#include <uv.h>

#include "base/cleanup.h"
#include "front/account.h"
#include "front/stream.h"

struct socket_carriers;

/* Large send buffers are taken from the account, which must outlive it as the loop. */
int socket_carriers_new(uv_loop_t *loop, const struct stream_service *service,
			struct account *account, struct socket_carriers **ret) _nodiscard_;

/* Closes all. */
void socket_carriers_free(struct socket_carriers *carriers);

/* Takes the socket over.  -errno (and the socket is closed) when the service has no room for it. */
int socket_carriers_add(struct socket_carriers *carriers, int fd) _nodiscard_;

unsigned socket_carriers_count(const struct socket_carriers *carriers);

#endif
