/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vhost_user.h"

#include <errno.h>

#include "base/bytes.h"

#define FLAG_VERSION 1u /* the two lowest bits */
#define FLAG_REPLY 4u
#define FLAG_NEED_REPLY 8u

#define RING_FD_INDEX UINT64_C(0xff)
#define RING_FD_NONE UINT64_C(0x100)

int vhost_user_decode_header(const void *bytes, struct vhost_user_header *ret)
{
	struct tsk_reader r = tsk_reader(bytes, VHOST_USER_HEADER_SIZE);
	uint32_t request = tsk_read_u32(&r);
	uint32_t flags = tsk_read_u32(&r);
	uint32_t size = tsk_read_u32(&r);

	if ((flags & ~FLAG_NEED_REPLY) != FLAG_VERSION || size > VHOST_USER_PAYLOAD_MAX)
		return -EPROTO;
	*ret = (struct vhost_user_header){
		.request = request,
		.need_reply = flags & FLAG_NEED_REPLY,
		.size = size,
	};
	return 0;
}

/*
 * The readers of the payloads.  Each returns whether the values can be; what is left over, or was
 * missing, is seen by the caller.
 */
typedef bool payload_reader(struct tsk_reader *r, unsigned n_fds, struct vhost_user_message *ret);

static bool read_nothing(struct tsk_reader *r, unsigned n_fds, struct vhost_user_message *ret)
{
	(void)r;
	(void)ret;
	return n_fds == 0;
}

static bool read_u64(struct tsk_reader *r, unsigned n_fds, struct vhost_user_message *ret)
{
	ret->u64 = tsk_read_u64(r);
	return n_fds == 0;
}

static bool read_state(struct tsk_reader *r, unsigned n_fds, struct vhost_user_message *ret)
{
	ret->state.index = tsk_read_u32(r);
	ret->state.num = tsk_read_u32(r);
	return n_fds == 0;
}

static bool read_addr(struct tsk_reader *r, unsigned n_fds, struct vhost_user_message *ret)
{
	ret->addr.index = tsk_read_u32(r);
	ret->addr.flags = tsk_read_u32(r);
	ret->addr.desc = tsk_read_u64(r);
	ret->addr.used = tsk_read_u64(r);
	ret->addr.avail = tsk_read_u64(r);
	ret->addr.log = tsk_read_u64(r);
	return n_fds == 0;
}

static bool read_ring_fd(struct tsk_reader *r, unsigned n_fds, struct vhost_user_message *ret)
{
	uint64_t v = tsk_read_u64(r);

	ret->ring_fd.index = (uint32_t)(v & RING_FD_INDEX);
	ret->ring_fd.has_fd = !(v & RING_FD_NONE);
	return (v & ~(RING_FD_INDEX | RING_FD_NONE)) == 0 && n_fds == ret->ring_fd.has_fd;
}

static void read_one_region(struct tsk_reader *r, struct guest_region *ret)
{
	ret->guest_addr = tsk_read_u64(r);
	ret->size = tsk_read_u64(r);
	ret->user_addr = tsk_read_u64(r);
	ret->mmap_offset = tsk_read_u64(r);
}

static bool read_table(struct tsk_reader *r, unsigned n_fds, struct vhost_user_message *ret)
{
	ret->table.n = tsk_read_u32(r);
	tsk_read_u32(r); /* padding */
	if (ret->table.n > GUEST_MEMORY_REGIONS_MAX)
		return false;
	for (uint32_t i = 0; i < ret->table.n; i++)
		read_one_region(r, &ret->table.regions[i]);
	return n_fds == ret->table.n;
}

static bool read_new_region(struct tsk_reader *r, unsigned n_fds, struct vhost_user_message *ret)
{
	tsk_read_u64(r); /* padding */
	read_one_region(r, &ret->region);
	return n_fds == 1;
}

static bool read_old_region(struct tsk_reader *r, unsigned n_fds, struct vhost_user_message *ret)
{
	tsk_read_u64(r);
	read_one_region(r, &ret->region);
	return n_fds <= 1; /* some VMMs send one; it is closed unused */
}

static bool read_config(struct tsk_reader *r, unsigned n_fds, struct vhost_user_message *ret)
{
	ret->config.offset = tsk_read_u32(r);
	ret->config.size = tsk_read_u32(r);
	ret->config.flags = tsk_read_u32(r);
	/* The bytes: zero in a question, without meaning where the config cannot be set. */
	tsk_read_bytes(r, ret->config.size);
	return n_fds == 0;
}

static const struct row {
	const char *name;
	payload_reader *read;
	bool has_reply;
} rows[VHOST_USER_REQUEST_MAX] = {
	[VHOST_USER_GET_FEATURES] = { "GET_FEATURES", read_nothing, true },
	[VHOST_USER_SET_FEATURES] = { "SET_FEATURES", read_u64, false },
	[VHOST_USER_SET_OWNER] = { "SET_OWNER", read_nothing, false },
	[VHOST_USER_RESET_OWNER] = { "RESET_OWNER", read_nothing, false },
	[VHOST_USER_SET_MEM_TABLE] = { "SET_MEM_TABLE", read_table, false },
	[VHOST_USER_SET_VRING_NUM] = { "SET_VRING_NUM", read_state, false },
	[VHOST_USER_SET_VRING_ADDR] = { "SET_VRING_ADDR", read_addr, false },
	[VHOST_USER_SET_VRING_BASE] = { "SET_VRING_BASE", read_state, false },
	[VHOST_USER_GET_VRING_BASE] = { "GET_VRING_BASE", read_state, true },
	[VHOST_USER_SET_VRING_KICK] = { "SET_VRING_KICK", read_ring_fd, false },
	[VHOST_USER_SET_VRING_CALL] = { "SET_VRING_CALL", read_ring_fd, false },
	[VHOST_USER_SET_VRING_ERR] = { "SET_VRING_ERR", read_ring_fd, false },
	[VHOST_USER_GET_PROTOCOL_FEATURES] = { "GET_PROTOCOL_FEATURES", read_nothing, true },
	[VHOST_USER_SET_PROTOCOL_FEATURES] = { "SET_PROTOCOL_FEATURES", read_u64, false },
	[VHOST_USER_GET_QUEUE_NUM] = { "GET_QUEUE_NUM", read_nothing, true },
	[VHOST_USER_SET_VRING_ENABLE] = { "SET_VRING_ENABLE", read_state, false },
	[VHOST_USER_GET_CONFIG] = { "GET_CONFIG", read_config, true },
	[VHOST_USER_SET_CONFIG] = { "SET_CONFIG", read_config, false },
	[VHOST_USER_GET_MAX_MEM_SLOTS] = { "GET_MAX_MEM_SLOTS", read_nothing, true },
	[VHOST_USER_ADD_MEM_REG] = { "ADD_MEM_REG", read_new_region, false },
	[VHOST_USER_REM_MEM_REG] = { "REM_MEM_REG", read_old_region, false },
};

static const struct row *find_row(uint32_t request)
{
	return request < VHOST_USER_REQUEST_MAX && rows[request].name ? &rows[request] : NULL;
}

int vhost_user_decode(const struct vhost_user_header *header, const void *payload, unsigned n_fds,
		      struct vhost_user_message *ret)
{
	const struct row *row = find_row(header->request);
	struct tsk_reader r = tsk_reader(payload, header->size);

	if (!row)
		return -EOPNOTSUPP;
	ret->header = *header;
	return row->read(&r, n_fds, ret) && tsk_reader_end(&r) ? 0 : -EPROTO;
}

bool vhost_user_wants_fds(const struct vhost_user_header *header, const void *payload)
{
	struct tsk_reader r = tsk_reader(payload, header->size);

	switch (header->request) {
	case VHOST_USER_SET_MEM_TABLE:
	case VHOST_USER_ADD_MEM_REG:
		return true;
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_ERR:
		return !(tsk_read_u64(&r) & RING_FD_NONE);
	default:
		return false;
	}
}

bool vhost_user_has_reply(uint32_t request)
{
	const struct row *row = find_row(request);

	return row && row->has_reply;
}

bool vhost_user_is_one_way(uint32_t request)
{
	switch (request) {
	case 7:  /* SET_LOG_FD */
	case 19: /* SEND_RARP */
	case 20: /* NET_SET_MTU */
	case 21: /* SET_BACKEND_REQ_FD */
	case 23: /* SET_VRING_ENDIAN */
	case 32: /* SET_INFLIGHT_FD */
	case 34: /* RESET_DEVICE */
	case 39: /* SET_STATUS */
		return true;
	default:
		return false;
	}
}

const char *vhost_user_name(uint32_t request)
{
	const struct row *row = find_row(request);

	return row ? row->name : "unknown request";
}

static struct tsk_writer begin_reply(uint32_t request, uint32_t size, void *ret)
{
	struct tsk_writer w = tsk_writer(ret, VHOST_USER_REPLY_MAX);

	tsk_write_u32(&w, request);
	tsk_write_u32(&w, FLAG_VERSION | FLAG_REPLY);
	tsk_write_u32(&w, size);
	return w;
}

size_t vhost_user_reply_u64(uint32_t request, uint64_t value, void *ret)
{
	struct tsk_writer w = begin_reply(request, 8, ret);

	tsk_write_u64(&w, value);
	return tsk_writer_len(&w);
}

size_t vhost_user_reply_state(uint32_t request, const struct vhost_user_state *state, void *ret)
{
	struct tsk_writer w = begin_reply(request, 8, ret);

	tsk_write_u32(&w, state->index);
	tsk_write_u32(&w, state->num);
	return tsk_writer_len(&w);
}

size_t vhost_user_reply_config(const struct vhost_user_config *config, const void *bytes, void *ret)
{
	struct tsk_writer w = begin_reply(VHOST_USER_GET_CONFIG, 12 + config->size, ret);

	tsk_write_u32(&w, config->offset);
	tsk_write_u32(&w, config->size);
	tsk_write_u32(&w, config->flags);
	tsk_write_bytes(&w, bytes, config->size);
	return tsk_writer_len(&w);
}

size_t vhost_user_reply_empty(uint32_t request, void *ret)
{
	struct tsk_writer w = begin_reply(request, 0, ret);

	return tsk_writer_len(&w);
}
