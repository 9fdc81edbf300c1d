/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/metrics_control.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/log.h"
#include "base/seqpacket.h"

static_assert(sizeof(struct metrics_msg) == 8 + METRICS_NAME_SIZE,
	      "metrics_msg has padding, which would leak");

/* Whether the fields go with the type; *ret_n_fds says how many fds do. */
static bool msg_is_valid(const struct metrics_msg *msg, unsigned *ret_n_fds)
{
	static const char none[METRICS_NAME_SIZE];
	bool has_name = msg->type == METRICS_FRONT || msg->type == METRICS_LOST ||
			msg->type == METRICS_FORGET;

	if (msg->type < METRICS_START || msg->type > METRICS_FORGET)
		return false;
	*ret_n_fds = msg->type <= METRICS_FRONT ? 1 : 0;
	if (msg->type == METRICS_START ? tsk_log_level_of(msg->value) == TSK_LOG_LEVEL_MAX
				       : msg->value != 0)
		return false;
	return has_name ? msg->name[0] && memchr(msg->name, '\0', sizeof(msg->name))
			: memcmp(msg->name, none, sizeof(none)) == 0;
}

int metrics_control_send(int socket_fd, const struct metrics_msg *msg, int fd)
{
	unsigned n_fds = fd >= 0 ? 1 : 0;
	unsigned wanted;

	if (!msg_is_valid(msg, &wanted) || n_fds != wanted)
		return -EINVAL;
	return tsk_seqpacket_send(socket_fd, msg, sizeof(*msg), &fd, n_fds);
}

int metrics_control_recv(int socket_fd, struct metrics_msg *ret, int *ret_fd)
{
	int fds[TSK_SEQPACKET_FDS_MAX];
	struct metrics_msg msg;
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
