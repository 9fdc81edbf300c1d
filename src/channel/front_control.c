/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/front_control.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/log.h"
#include "base/seqpacket.h"

static_assert(sizeof(struct front_start) == 216, "front_start has padding, which would leak");
static_assert(sizeof(((struct front_msg *)0)->key) <= sizeof(struct front_start),
	      "a message's other bytes would not be seen to be zero");
static_assert(sizeof(struct front_msg) == 24 + sizeof(struct front_start), "front_msg has padding");

/* At least one, and no other port is 0, which none can be. */
static bool ports_are_valid(const uint32_t ports[FRONT_PORTS_MAX])
{
	unsigned n = 0;

	while (n < FRONT_PORTS_MAX && ports[n])
		n++;
	for (unsigned i = n; i < FRONT_PORTS_MAX; i++) {
		if (ports[i])
			return false;
	}
	return n > 0;
}

static bool start_is_valid(const struct front_start *start)
{
	return start->version == FRONT_CONTROL_VERSION &&
	       tsk_log_level_of(start->log_level) != TSK_LOG_LEVEL_MAX &&
	       start->may_lack <= FRONT_MAY_LACK_MAX && start->is_borrowed <= 1 && start->name[0] &&
	       ports_are_valid(start->ports) && memchr(start->name, '\0', sizeof(start->name));
}

int front_region_key_check(const char key[FRONT_REGION_KEY_SIZE])
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-+@:";
	static const char zeros[FRONT_REGION_KEY_SIZE];
	size_t len = strnlen(key, FRONT_REGION_KEY_SIZE);

	if (len == 0 || len == FRONT_REGION_KEY_SIZE || strspn(key, allowed) != len)
		return -EINVAL;
	if (strcmp(key, ".") == 0 || strcmp(key, "..") == 0)
		return -EINVAL;
	return memcmp(key + len, zeros, FRONT_REGION_KEY_SIZE - len) == 0 ? 0 : -EINVAL;
}

/* True when the message's fields go with its type; *ret_n_fds says how many fds do. */
static bool msg_is_valid(const struct front_msg *msg, unsigned *ret_n_fds)
{
	static const struct front_start none;
	unsigned n_fds = 0;

	switch (msg->type) {
	case FRONT_START:
		*ret_n_fds = 0;
		return msg->result == 0 && start_is_valid(&msg->start);
	case FRONT_CONNECTION:
	case FRONT_HOST_STREAM:
	case FRONT_DEVICE:
	case FRONT_STORE:
	case FRONT_MODELS:
	case FRONT_METRICS:
		n_fds = 1;
		break;
	case FRONT_REGION:
		*ret_n_fds = 0;
		return msg->result == 0 && front_region_key_check(msg->key) == 0 &&
		       memcmp((const char *)&msg->start + sizeof(msg->key), &none,
			      sizeof(none) - sizeof(msg->key)) == 0;
	case FRONT_WORKER:
	case FRONT_CONNECTED:
	case FRONT_REGION_OPENED:
		if (msg->result > 0)
			return false;
		*ret_n_fds = msg->result == 0 ? 1 : 0;
		return memcmp(&msg->start, &none, sizeof(none)) == 0;
	case FRONT_WORKER_EXITED:
	case FRONT_STOP:
	case FRONT_READY:
	case FRONT_SPAWN:
	case FRONT_KILL:
	case FRONT_CONNECT:
	case FRONT_IDLE:
		break;
	default:
		return false;
	}
	*ret_n_fds = n_fds;
	return msg->result == 0 && memcmp(&msg->start, &none, sizeof(none)) == 0;
}

int front_control_send(int socket_fd, const struct front_msg *msg, int fd)
{
	unsigned n_fds = fd >= 0 ? 1 : 0;
	unsigned wanted;

	if (!msg_is_valid(msg, &wanted) || n_fds != wanted)
		return -EINVAL;
	return tsk_seqpacket_send(socket_fd, msg, sizeof(*msg), &fd, n_fds);
}

int front_control_recv(int socket_fd, struct front_msg *ret, int *ret_fd)
{
	int fds[TSK_SEQPACKET_FDS_MAX];
	struct front_msg msg;
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
