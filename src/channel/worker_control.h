/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rare words between a front and a worker, over a SOCK_SEQPACKET pair: fds, load, death (the end
 * of the connection).  Requests go over the rings (channel/ring.h, channel/run.h).  The worker's end
 * is its fd WORKER_CONTROL_FD.  The front trusts nothing that a worker says.
 *
 * A worker's life: READY (its engine is open; no byte of a guest has been seen) · ATTACH and LOAD,
 * in this order, in any state of READY · LOADED or FAILED · runs · the end of the connection, at
 * which it exits 0.  A worker holds one model; to unload it is to close the socket.
 */
#ifndef CHANNEL_WORKER_CONTROL_H
#define CHANNEL_WORKER_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"

#define WORKER_CONTROL_FD 3
#define WORKER_FDS_MAX 3u
#define WORKER_DESCRIPTION_MAX ((size_t)128 * 1024) /* the encoded description of a model */

enum worker_msg_type {
	/* front → worker */
	/* fds: the rings' memfd, doorbell front→worker (end to read), worker→front (end to write) */
	WORKER_ATTACH = 1,
	WORKER_LOAD = 2,   /* fd: the model, a frozen memfd; value: its bytes (the whole memfd) */
	WORKER_BUFFER = 3, /* fd: a memfd for tensors; id names it from now on; value: its bytes */
	WORKER_BUFFER_DROP = 4, /* id: unmap it; no run of it is under way */
	/*
	 * fd: memory of a program of the host, which may be cut short at any time (channel/run.h); id,
	 * 1 to UINT32_MAX, names it from its FOREIGN_MAPPED on; value: its bytes, from the start of fd
	 */
	WORKER_FOREIGN = 5,
	WORKER_FOREIGN_DROP = 6, /* as BUFFER_DROP */

	/* worker → front */
	WORKER_READY = 64, /* the engine is open; text: its name and version */
	/* description: see tensor/model_info.h; value: runs that it has under way at once */
	WORKER_LOADED = 65,
	WORKER_FAILED = 66, /* the engine cannot be opened, or the model not loaded; status, text */
	WORKER_FOREIGN_MAPPED =
		67, /* one for each FOREIGN: its id; value: 1, or 0 where it cannot */
};

struct worker_msg {
	uint32_t type;
	uint32_t status; /* enum tensock_status */
	uint64_t id;
	uint64_t value;
	char text[sizeof(((struct tensock_error *)0)->message)];
};

/* A received message with what came along; done with worker_received_done(). */
struct worker_received {
	struct worker_msg msg;
	int fds[WORKER_FDS_MAX]; /* -1 where there is none */
	unsigned n_fds;
	const unsigned char *description; /* within bytes; of LOADED, else NULL */
	size_t description_bytes;
	unsigned char bytes[sizeof(struct worker_msg) + WORKER_DESCRIPTION_MAX];
};

/*
 * description: NULL but for WORKER_LOADED.  fds stay the caller's.  -EINVAL for a message that the
 * other side would refuse as malformed, -EAGAIN when the peer does not keep up.
 */
int worker_control_send(int socket_fd, const struct worker_msg *msg, const void *description,
			size_t description_bytes, const int *fds, unsigned n_fds) _nodiscard_;

/*
 * 1, 0 at the end of the connection, -EAGAIN when there is none now, -EPROTO for a malformed one
 * (length, unknown type or status, text without NUL, a number of fds or a description that does not
 * go with the type), or another -errno.  A type that only the other side may send passes: the
 * caller's switch refuses it.  *ret is large: keep it static or on the heap, and do not copy it.
 * Its fds are the caller's (TAKE_FD, or _done); without a message there are none.
 */
int worker_control_recv(int socket_fd, struct worker_received *ret) _nodiscard_;
void worker_received_done(struct worker_received *received);

#endif
