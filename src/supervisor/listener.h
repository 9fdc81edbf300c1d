/* SPDX-License-Identifier: Apache-2.0 */
/* One socket that the daemon accepts on, and who it is that comes in there. */
#ifndef SUPERVISOR_LISTENER_H
#define SUPERVISOR_LISTENER_H

#include <stdbool.h>
#include <uv.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "base/unix_socket.h"
#include "supervisor/log_budget.h"
#include "supervisor/place.h"

struct listener {
	struct place place;
	char text
		[ADDRESS_TEXT_SIZE]; /* the address, for people; of TCP with the port that it got */
	bool allow_local_cid;        /* VSOCK: take CIDs below 3 */

	/* A connection came in; fd is the receiver's, non-blocking. */
	void (*accepted)(struct listener *listener, const char *guest, int fd);
	/*
	 * Whether the guest takes connections now: as long as it does not, they wait in the queue of
	 * the socket.  Asked where all connections are one guest's, and for CONTROL.
	 */
	bool (*has_room)(struct listener *listener);
	void *context;

	int fd;
	struct unix_socket_file file;
	uv_poll_t poll;
	uv_timer_t pause; /* runs while nothing can be accepted */
	unsigned n_handles;
	uint64_t refused;
	struct log_budget refusals, shortages;
};

/* A socket that listens already, handed over to this process, and close-on-exec by now; fd -1: none. */
struct listener_handed {
	int fd;
	struct unix_socket_file file; /* empty where it is not ours to remove */
};

/*
 * Listens at place and begins to accept once the loop runs; handed: the socket that does so already,
 * which is taken over also when this fails, or NULL.  -EAFNOSUPPORT: this kernel has no vsock.  The
 * listener must stay where it is until listener_close() is done.
 */
int listener_open(struct listener *listener, uv_loop_t *loop, const struct place *place,
		  const struct listener_handed *handed, struct tensock_error *reterr) _nodiscard_;

/* The same, but nobody accepts there: it is another process's to do, with the listener's fd. */
int listener_bind(struct listener *listener, const struct place *place,
		  const struct listener_handed *handed, struct tensock_error *reterr) _nodiscard_;

/* The name of the guest with that CID.  -EPERM for one of the host's own, which is said all the same. */
int listener_cid_guest(uint32_t cid, bool allow_local, char ret[FRONT_NAME_SIZE]) _nodiscard_;

/* Closes a connection that accepted() has brought: counted, and logged once a second at most. */
void listener_refuse(struct listener *listener, const char *guest, int fd, const char *why);

/* Accepts no more and removes the socket's file.  Frees the listener once the loop has let it go. */
void listener_close(struct listener *listener);

#endif
