/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/store_control.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/seqpacket.h"

static_assert(sizeof(struct store_msg) == 32 + STORE_HASH_BYTES + STORE_NAME_SIZE,
	      "store_msg has padding, which would leak");

/* What goes with a type; what does not is zero. */
enum field {
	HAS_FD = 1,
	HAS_BYTES = 2,
	HAS_VALUE = 4,
	HAS_MS = 8,
	HAS_HASH = 16,
	HAS_NAME = 32,
	HAS_RESULT = 64, /* and where it is no 0, only the hash, if any */
};

static unsigned fields_of(uint32_t type)
{
	switch (type) {
	case STORE_START:
		return HAS_FD | HAS_BYTES | HAS_VALUE | HAS_MS;
	case STORE_GUEST:
		return HAS_FD | HAS_BYTES | HAS_NAME;
	case STORE_FORGET:
		return HAS_NAME;
	case STORE_PUT:
		return HAS_FD | HAS_BYTES | HAS_HASH;
	case STORE_GET:
	case STORE_USED:
	case STORE_REMOVE:
	case STORE_GET_PART:
	case STORE_REMOVE_PART:
	case STORE_DROPPED:
		return HAS_HASH;
	case STORE_LABELS:
	case STORE_INDEX:
		return HAS_FD | HAS_BYTES;
	case STORE_PART:
		return HAS_FD | HAS_BYTES | HAS_VALUE | HAS_HASH;
	case STORE_STORED:
	case STORE_PART_STORED:
		return HAS_HASH | HAS_RESULT;
	case STORE_LABELED:
		return HAS_RESULT;
	case STORE_BYTES:
		return HAS_FD | HAS_BYTES | HAS_HASH | HAS_RESULT;
	case STORE_PART_BYTES:
		return HAS_FD | HAS_BYTES | HAS_VALUE | HAS_HASH | HAS_RESULT;
	default:
		return 0;
	}
}

static bool is_zero(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	while (n && !*p)
		p++, n--;
	return n == 0;
}

bool store_name_is_valid(const char *name)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strnlen(name, STORE_NAME_SIZE);

	return len > 0 && len < STORE_NAME_SIZE && name[0] != '.' && strspn(name, allowed) == len;
}

/* True when the message's fields go with its type; *ret_n_fds says how many fds do. */
static bool msg_is_valid(const struct store_msg *msg, unsigned *ret_n_fds)
{
	unsigned has = fields_of(msg->type);

	if (!has || msg->result > 0 || (msg->result && !(has & HAS_RESULT)))
		return false;
	if (msg->result)
		has &= HAS_HASH;
	*ret_n_fds = has & HAS_FD ? 1 : 0;
	return (has & HAS_BYTES || !msg->bytes) && (has & HAS_VALUE || !msg->value) &&
	       (has & HAS_MS || !msg->ms) &&
	       (has & HAS_HASH || is_zero(msg->hash, sizeof(msg->hash))) &&
	       (has & HAS_NAME ? store_name_is_valid(msg->name)
			       : is_zero(msg->name, sizeof(msg->name)));
}

int store_control_send(int socket_fd, const struct store_msg *msg, int fd)
{
	unsigned n_fds = fd >= 0 ? 1 : 0;
	unsigned wanted;

	if (!msg_is_valid(msg, &wanted) || n_fds != wanted)
		return -EINVAL;
	return tsk_seqpacket_send(socket_fd, msg, sizeof(*msg), &fd, n_fds);
}

int store_control_recv(int socket_fd, struct store_msg *ret, int *ret_fd)
{
	int fds[TSK_SEQPACKET_FDS_MAX];
	struct store_msg msg;
	unsigned n_fds, wanted;
	ssize_t len = tsk_seqpacket_recv(socket_fd, &msg, sizeof(msg), fds, &n_fds);

	if (len == -EMSGSIZE)
		return -EPROTO;
	if (len <= 0)
		return (int)len;
	if (len != sizeof(msg) || !msg_is_valid(&msg, &wanted) || n_fds != wanted) {
		tsk_close_all(fds, n_fds);
		return -EPROTO;
	}
	*ret = msg;
	*ret_fd = fds[0];
	return 1;
}
