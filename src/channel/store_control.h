/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said to tensock-store, which keeps the guests' models on disk: by the supervisor on its
 * STORE_CONTROL_FD, and by each front on a channel of its own.  Fixed-size messages over
 * SOCK_SEQPACKET, at most one fd each.  The supervisor says whose a channel is: no front can name a
 * guest, so none is answered for another.  The store trusts no front; a front takes its word for
 * hashes, but checks sizes and seals.
 *
 * A channel's messages are served one after the other.  It begins with INDEX, unasked.
 */
#ifndef CHANNEL_STORE_CONTROL_H
#define CHANNEL_STORE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

#define STORE_CONTROL_FD 3
#define STORE_NAME_SIZE 64u /* a guest's name with its NUL byte */
#define STORE_HASH_BYTES 32u

enum store_msg_type {
	/* supervisor → store */
	/* the first message, once; fd: the store's folder; bytes: what all guests may take together;
	 * ms: what is older than this goes, of guests that are not there; value: the log's level, and
	 * what stands beside it (base/log.h) */
	STORE_START = 1,
	/* fd: the channel of the front of guest `name`; bytes: what it may take (0: no bound of its own) */
	STORE_GUEST = 2,
	STORE_FORGET = 3, /* all that guest `name` has stored, now */

	/* front → store */
	STORE_PUT = 32,    /* hash; bytes; fd: all of them, a frozen memfd */
	STORE_GET = 33,    /* hash */
	STORE_USED = 34,   /* hash: is asked for */
	STORE_REMOVE = 35, /* hash: the model, and what there is of its upload */
	STORE_LABELS =
		36, /* bytes; fd: an index of labels only (store_index.h), in the place of the last */
	/* hash; bytes: of the whole model; value: so many have come; fd: a memfd of that size */
	STORE_PART = 37,
	STORE_GET_PART = 38,    /* hash */
	STORE_REMOVE_PART = 39, /* hash: only what there is of an upload */

	/* store → front */
	STORE_INDEX = 64,  /* bytes; fd: the guest's index (store_index.h), a frozen memfd */
	STORE_STORED = 65, /* answers PUT.  hash; result */
	/* answers GET.  hash; result 0: fd: the bytes, whose hash is right, a frozen memfd; -ENOENT: there
	 * are none, or were not the right ones */
	STORE_BYTES = 66,
	STORE_DROPPED = 67, /* hash: the model is there no more: others needed the room */
	/* answers GET_PART.  hash; result 0: bytes; value; fd: a memfd, the first `value` bytes are there */
	STORE_PART_BYTES = 68,
	STORE_LABELED = 69,     /* answers LABELS.  result */
	STORE_PART_STORED = 70, /* answers PART.  hash; result */
};

struct store_msg {
	uint32_t type;  /* enum store_msg_type */
	int32_t result; /* 0 or -errno */
	uint64_t bytes;
	uint64_t value;
	uint64_t ms;
	unsigned char hash[STORE_HASH_BYTES];
	char name[STORE_NAME_SIZE];
};

/* One about that model; its other fields are zero. */
static inline struct store_msg store_msg_about(enum store_msg_type type,
					       const unsigned char hash[STORE_HASH_BYTES])
{
	struct store_msg msg = { .type = type };

	memcpy(msg.hash, hash, sizeof(msg.hash));
	return msg;
}

/* Whether a guest's folder may have that name: 1 to 63 of [A-Za-z0-9._-], not beginning with '.'. */
bool store_name_is_valid(const char *name);

/*
 * Sends *msg and fd (or -1), which stays the caller's.  -EAGAIN: the peer does not keep up.  -EINVAL
 * for a message that the other side would refuse as malformed.
 */
int store_control_send(int socket_fd, const struct store_msg *msg, int fd) _nodiscard_;

/*
 * Receives one message.  1 with *ret_fd the caller's (or -1), 0 at the end of the connection, -EAGAIN
 * when there is none now, -EPROTO for one that is malformed: length, unknown type, a field that is
 * none of its own, a number of fds or a result that does not go with it.  A type that only the other
 * side may send passes: the caller's switch refuses it.
 */
int store_control_recv(int socket_fd, struct store_msg *ret, int *ret_fd) _nodiscard_;

#endif
