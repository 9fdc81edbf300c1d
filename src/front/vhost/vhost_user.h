/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost-user messages: bytes in, a checked struct out, and the replies.  No I/O, no state.  Numbers
 * and layouts are those of QEMU's docs/interop/vhost-user.rst; little-endian, as all hosts that we
 * run on.
 */
#ifndef VHOST_VHOST_USER_H
#define VHOST_VHOST_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "front/vhost/guest_memory.h"

#define VHOST_USER_HEADER_SIZE 12u
#define VHOST_USER_PAYLOAD_MAX (8u + 32u * GUEST_MEMORY_REGIONS_MAX)
#define VHOST_USER_FDS_MAX GUEST_MEMORY_REGIONS_MAX
#define VHOST_USER_CONFIG_MAX 256u
#define VHOST_USER_REPLY_MAX (VHOST_USER_HEADER_SIZE + 12u + VHOST_USER_CONFIG_MAX)

/* The requests that are served. */
enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
	VHOST_USER_GET_MAX_MEM_SLOTS = 36,
	VHOST_USER_ADD_MEM_REG = 37,
	VHOST_USER_REM_MEM_REG = 38,
	VHOST_USER_REQUEST_MAX
};

/* Bits of SET_PROTOCOL_FEATURES. */
#define VHOST_USER_PROTOCOL_F_MQ (UINT64_C(1) << 0)
#define VHOST_USER_PROTOCOL_F_REPLY_ACK (UINT64_C(1) << 3)
#define VHOST_USER_PROTOCOL_F_CONFIG (UINT64_C(1) << 9)
#define VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS (UINT64_C(1) << 15)

/* Bits of SET_FEATURES that belong to the transport. */
#define VIRTIO_F_RING_INDIRECT_DESC (UINT64_C(1) << 28)
#define VIRTIO_F_RING_EVENT_IDX (UINT64_C(1) << 29)
#define VHOST_USER_F_PROTOCOL_FEATURES (UINT64_C(1) << 30)
#define VIRTIO_F_VERSION_1 (UINT64_C(1) << 32)

struct vhost_user_header {
	uint32_t request; /* any number */
	bool need_reply;
	uint32_t size; /* of the payload, at most VHOST_USER_PAYLOAD_MAX */
};

struct vhost_user_state {
	uint32_t index, num;
};

struct vhost_user_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};

struct vhost_user_ring_fd {
	uint32_t index;
	bool has_fd;
};

struct vhost_user_config {
	uint32_t offset, size, flags;
};

struct vhost_user_table {
	uint32_t n;
	struct guest_region regions[GUEST_MEMORY_REGIONS_MAX];
};

/* One message; which member holds its payload follows from the request. */
struct vhost_user_message {
	struct vhost_user_header header;
	union {
		uint64_t u64;                      /* SET_FEATURES, SET_PROTOCOL_FEATURES */
		struct vhost_user_state state;     /* SET_VRING_{NUM,BASE,ENABLE}, GET_VRING_BASE */
		struct vhost_user_addr addr;       /* SET_VRING_ADDR */
		struct vhost_user_ring_fd ring_fd; /* SET_VRING_{KICK,CALL,ERR} */
		struct vhost_user_config config;   /* GET_CONFIG, SET_CONFIG */
		struct vhost_user_table table;     /* SET_MEM_TABLE */
		struct guest_region region;        /* ADD_MEM_REG, REM_MEM_REG */
	};
};

/* -EPROTO: wrong version or flags, or a payload that is too large. */
int vhost_user_decode_header(const void *bytes, struct vhost_user_header *ret) _nodiscard_;

/*
 * Reads the payload of header->size bytes that came with n_fds file descriptors.  -EPROTO: its size
 * or the number of fds is not what the request has; -EOPNOTSUPP: the request is not served.
 */
int vhost_user_decode(const struct vhost_user_header *header, const void *payload, unsigned n_fds,
		      struct vhost_user_message *ret) _nodiscard_;

/* Whether fds are due with a message that has this payload of header->size bytes. */
bool vhost_user_wants_fds(const struct vhost_user_header *header, const void *payload);

/* Whether the specification has a reply for the request beside the acknowledgement. */
bool vhost_user_has_reply(uint32_t request);
/* Whether a request that is not served may be passed over: it surely awaits no reply of its own. */
bool vhost_user_is_one_way(uint32_t request);

/* "SET_VRING_NUM"; a request that is not served is "unknown request". */
const char *vhost_user_name(uint32_t request);

/* Replies into ret, VHOST_USER_REPLY_MAX bytes; all return the length. */
size_t vhost_user_reply_u64(uint32_t request, uint64_t value, void *ret);
size_t vhost_user_reply_state(uint32_t request, const struct vhost_user_state *state, void *ret);
/* bytes: config->size of them, at most VHOST_USER_CONFIG_MAX. */
size_t vhost_user_reply_config(const struct vhost_user_config *config, const void *bytes,
			       void *ret);
/* How GET_CONFIG fails. */
size_t vhost_user_reply_empty(uint32_t request, void *ret);

#endif
