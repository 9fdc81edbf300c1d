/* SPDX-License-Identifier: Apache-2.0 */
/* The front's end of its control socket (channel/front_control.h). */
#ifndef FRONT_SUPERVISOR_LINK_H
#define FRONT_SUPERVISOR_LINK_H

#include <stdint.h>
#include <uv.h>

#include "base/cleanup.h"
#include "channel/front_control.h"

struct supervisor_link;

struct supervisor_link_ops {
	/* fd: the receiver's from here on, or -1. */
	void (*message)(void *context, const struct front_msg *msg, int fd);
	/*
	 * The connection has ended (0), perhaps with messages of ours that nobody read, or failed
	 * (-errno).  The last call.
	 */
	void (*ended)(void *context, int result);
};

/* Takes the socket over, also when this fails. */
int supervisor_link_new(uv_loop_t *loop, int fd, const struct supervisor_link_ops *ops,
			void *context, struct supervisor_link **ret) _nodiscard_;

/* Not from within message() or ended(). */
void supervisor_link_free(struct supervisor_link *link);

/*
 * Sends a message of this end, none of which carries an fd, now or as soon as the socket takes it.
 * Where the other end has gone it is lost, and ended() comes.
 * -ENOMEM, or -EBUSY while SUPERVISOR_LINK_WAITING_MAX already wait (the supervisor is stuck).
 */
int supervisor_send(struct supervisor_link *link, enum front_msg_type type, uint64_t id,
		    uint64_t value) _nodiscard_;

/* FRONT_REGION, of a key that is one; as for supervisor_send(). */
int supervisor_send_region(struct supervisor_link *link, uint64_t id,
			   const char key[FRONT_REGION_KEY_SIZE]) _nodiscard_;

#define SUPERVISOR_LINK_WAITING_MAX 4096u

/* Messages received so far. */
uint64_t supervisor_link_received(const struct supervisor_link *link);

#endif
