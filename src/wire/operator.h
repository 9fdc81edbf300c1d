/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator's program and tensockd say to each other over the control socket, a SOCK_SEQPACKET
 * Unix socket of this host: one request a message, of OPERATOR_REQUEST_BYTES, then its answers, of
 * OPERATOR_ANSWER_BYTES.  The last of them is a RESULT; the next request may follow it.
 *
 * All numbers are little-endian.  Texts fill their field up with zeros, and the last byte is one.
 */
#ifndef TSK_WIRE_OPERATOR_H
#define TSK_WIRE_OPERATOR_H

#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"

#define OPERATOR_VERSION 1u
#define OPERATOR_NAME_SIZE 64u  /* of a guest's name */
#define OPERATOR_PATH_SIZE 108u /* of a Unix socket's path */
#define OPERATOR_TEXT_SIZE 256u

/* Attaching is answered by the GUEST that there is then, and a RESULT. */
enum operator_request_type {
	OPERATOR_ATTACH_HYBRID = 1, /* name, path: tensockd is to listen on path_PORT */
	OPERATOR_ATTACH_VM =
		2,           /* name, path (vhost-user), cid (0: the lowest free one), uds or "" */
	OPERATOR_DETACH = 3, /* name, flags */
	OPERATOR_LIST = 4,   /* → GUEST for each guest, RESULT */
	OPERATOR_STATE = 5,  /* → DAEMON, RESULT, whose text is where metrics are told, or "" */
	OPERATOR_REQUEST_MAX
};

/* Detach: also while a VMM is connected, whose guest then loses its vsock device. */
#define OPERATOR_FORCE 1u

/* u32 version, type, flags, cid, then the texts in this order. */
struct operator_request {
	uint32_t type; /* enum operator_request_type */
	uint32_t flags;
	uint32_t cid;
	char name[OPERATOR_NAME_SIZE];
	char path[OPERATOR_PATH_SIZE];
	char uds[OPERATOR_PATH_SIZE];
};

#define OPERATOR_REQUEST_BYTES (4u * 4 + OPERATOR_NAME_SIZE + 2 * OPERATOR_PATH_SIZE)

enum operator_answer_type {
	OPERATOR_RESULT = 1, /* status, text: a sentence; ends the request */
	OPERATOR_GUEST = 2,  /* name, ways, cid, pid; text: its socket's path, or "" */
	OPERATOR_DAEMON = 3, /* pid, n_guests, uptime_ms; text: the version */
	OPERATOR_ANSWER_MAX
};

/* The ways of a guest. */
#define OPERATOR_HAS_DEVICE 1u /* the built-in device */
#define OPERATOR_HAS_HYBRID 2u /* a VMM's hybrid vsock */
#define OPERATOR_IS_ATTACHED \
	4u                  /* by this protocol: the next start of tensockd does not know of it */
#define OPERATOR_HAS_VMM 8u /* a VMM is connected to the device */
#define OPERATOR_WAYS_ALL 15u

/* u32 version, type, status, ways, cid, pid, n_guests, 0, u64 uptime_ms, then the texts. */
struct operator_answer {
	uint32_t type;   /* enum operator_answer_type */
	uint32_t status; /* enum tensock_status */
	uint32_t ways;
	uint32_t cid; /* of the built-in device, else 0 */
	uint32_t pid; /* of the guest's front, or 0; of the daemon */
	uint32_t n_guests;
	uint64_t uptime_ms;
	char name[OPERATOR_NAME_SIZE];
	char text[OPERATOR_TEXT_SIZE];
};

#define OPERATOR_ANSWER_BYTES (8u * 4 + 8 + OPERATOR_NAME_SIZE + OPERATOR_TEXT_SIZE)

/*
 * Writers take what the readers would: -EINVAL for anything else.
 *
 * Readers set *ret only when they succeed.  -EPROTO: malformed, which is also a field that is set and
 * does not belong to the type, and a control character in a text.  -EPROTONOSUPPORT: of another
 * version.
 */
int operator_request_write(const struct operator_request *request,
			   unsigned char ret[OPERATOR_REQUEST_BYTES]) _nodiscard_;
int operator_request_read(const void *bytes, size_t size, struct operator_request *ret) _nodiscard_;
int operator_answer_write(const struct operator_answer *answer,
			  unsigned char ret[OPERATOR_ANSWER_BYTES]) _nodiscard_;
int operator_answer_read(const void *bytes, size_t size, struct operator_answer *ret) _nodiscard_;

/* Sets the text: control characters as '?', and cut where it is too long. */
void operator_set_text(struct operator_answer *answer, const char *text);

/* A RESULT.  The text of a success is empty, but of STATE's. */
struct operator_answer operator_result(uint32_t status, const char *text);

#endif
