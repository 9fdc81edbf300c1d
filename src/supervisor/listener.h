/* SPDX-License-Identifier: Apache-2.0 */
/* One socket that the daemon accepts on, and who it is that comes in there. */
#ifndef SUPERVISOR_LISTENER_H
#define SUPERVISOR_LISTENER_H

#include <stdbool.h>
#include <uv.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "supervisor/address.h"
#include "supervisor/log_budget.h"
#include "supervisor/unix_socket.h"

/* Every kind of socket that is accepted on. */
enum listener_kind {
	LISTENER_VSOCK,  /* guests of the kernel's vsock: "cid-N", by the peer's address */
	LISTENER_UNIX,   /* programs of this host: "uid-N", by SO_PEERCRED */
	LISTENER_HYBRID, /* a VMM's hybrid vsock, PATH_9999: the guest that the path is for */
	LISTENER_TCP,    /* loopback: all of them are "tcp" */
	LISTENER_VHOST,  /* a VMM's vhost-user connection: the guest that the path is for */
	LISTENER_HOST,   /* host programs that want a port of that guest */
	LISTENER_HOST_SEQPACKET, /* the same, over a seqpacket socket */
	LISTENER_CONTROL,        /* operators: of no guest */
	LISTENER_KIND_MAX
};

struct listener {
	enum listener_kind kind;
	char text[ADDRESS_TEXT_SIZE]; /* the address, for people */
	char guest[FRONT_NAME_SIZE];  /* HYBRID, VHOST, HOST, HOST_SEQPACKET */
	bool allow_local_cid;         /* VSOCK: take CIDs below 3 */

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

/*
 * Listens at address and begins to accept once the loop runs.  -EAFNOSUPPORT: this kernel has no
 * vsock.  The listener must stay where it is until listener_close() is done.
 */
int listener_open(struct listener *listener, uv_loop_t *loop, const struct address *address,
		  struct tensock_error *reterr) _nodiscard_;

/* The same at a path, for kinds VHOST, HOST and HOST_SEQPACKET, and for CONTROL with guest "". */
int listener_open_path(struct listener *listener, uv_loop_t *loop, enum listener_kind kind,
		       const char *guest, const char *path, struct tensock_error *reterr)
	_nodiscard_;

/* The name of the guest with that CID.  -EPERM for one of the host's own, which is said all the same. */
int listener_cid_guest(uint32_t cid, bool allow_local, char ret[FRONT_NAME_SIZE]) _nodiscard_;

/* Closes a connection that accepted() has brought: counted, and logged once a second at most. */
void listener_refuse(struct listener *listener, const char *guest, int fd, const char *why);

/* Accepts no more and removes the socket's file.  Frees the listener once the loop has let it go. */
void listener_close(struct listener *listener);

#endif
