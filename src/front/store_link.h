/* SPDX-License-Identifier: Apache-2.0 */
/* The front's end of a channel to the store (channel/store_control.h). */
#ifndef FRONT_STORE_LINK_H
#define FRONT_STORE_LINK_H

#include <uv.h>

#include "base/cleanup.h"
#include "channel/store_control.h"

struct store_link;

struct store_link_ops {
	/* fd: the receiver's from here on, or -1. */
	void (*message)(void *context, const struct store_msg *msg, int fd);
	/* What could not be sent may be sent now. */
	void (*writable)(void *context);
	/* The last call, from the loop only; store_link_free() is due. */
	void (*ended)(void *context, int result);
};

/* Takes fd over, also when this fails. */
int store_link_new(uv_loop_t *loop, int fd, const struct store_link_ops *ops, void *context,
		   struct store_link **ret) _nodiscard_;
/* NULL is fine; also from within ended(). */
void store_link_free(struct store_link *link);

/*
 * fd stays the caller's.  -EAGAIN: writable() will come.  Any other failure is shown by ended(), too.
 */
int store_link_send(struct store_link *link, const struct store_msg *msg, int fd) _nodiscard_;

/* Waits for a message, for at most ms, and takes it. */
void store_link_await(struct store_link *link, unsigned ms);

#endif
