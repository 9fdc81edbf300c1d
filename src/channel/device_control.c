/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/device_control.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/seqpacket.h"

static_assert(DEVICE_MSG_FDS_MAX <= TSK_SEQPACKET_FDS_MAX, "more fds than a message carries");
static_assert(DEVICE_FDS_MAX < 64, "more numbers than kept has bits");
static_assert(offsetof(struct device_msg, reply) == 40 &&
		      sizeof(struct device_msg) == 40 + DEVICE_REPLY_MAX + DEVICE_STATE_MAX,
	      "device_msg has padding, which would leak");

#define NUMBERS ((UINT64_C(1) << DEVICE_FDS_MAX) - 1)

unsigned device_msg_fds(const struct device_msg *msg)
{
	unsigned n = (unsigned)__builtin_popcountll(msg->kept);

	return msg->type == DEVICE_SESSION ? 2 + n : n;
}

static bool msg_is_valid(const struct device_msg *msg)
{
	bool has_fds = msg->kept != 0, steps = msg->dropped || msg->consume || msg->reply_bytes;

	if (msg->kept & ~NUMBERS || msg->dropped & ~NUMBERS || msg->reserved ||
	    msg->consume > DEVICE_CONSUME_MAX || msg->reply_bytes > DEVICE_REPLY_MAX ||
	    msg->state_bytes > DEVICE_STATE_MAX)
		return false;
	switch (msg->type) {
	case DEVICE_SESSION:
		return msg->result == 0 && !steps;
	case DEVICE_STEPPED:
		return msg->result <= 0 && !steps && !has_fds && !msg->state_bytes;
	case DEVICE_STEP:
		return msg->result == 0;
	case DEVICE_END:
		return msg->result == 0 && !steps && !has_fds && !msg->state_bytes;
	default:
		return false;
	}
}

int device_control_send(int socket_fd, const struct device_msg *msg, const int *fds)
{
	if (!msg_is_valid(msg))
		return -EINVAL;
	return tsk_seqpacket_send(socket_fd, msg, sizeof(*msg), fds, device_msg_fds(msg));
}

int device_control_recv(int socket_fd, struct device_msg *ret, int ret_fds[DEVICE_MSG_FDS_MAX])
{
	int fds[TSK_SEQPACKET_FDS_MAX];
	unsigned n_fds;
	ssize_t len = tsk_seqpacket_recv(socket_fd, ret, sizeof(*ret), fds, &n_fds);

	if (len == -EMSGSIZE)
		return -EPROTO;
	if (len <= 0)
		return (int)len;
	if (len != sizeof(*ret) || !msg_is_valid(ret) || n_fds != device_msg_fds(ret)) {
		tsk_close_all(fds, n_fds);
		return -EPROTO;
	}
	for (unsigned i = 0; i < DEVICE_MSG_FDS_MAX; i++)
		ret_fds[i] = fds[i];
	return 1;
}

int device_step_answer(int vmm_fd, const struct device_msg *step)
{
	unsigned char unseen[DEVICE_CONSUME_MAX];
	ssize_t n;

	/* One call ends behind the bytes that fds came with; fds that are not asked for are closed. */
	for (uint32_t left = step->consume; left; left -= (uint32_t)n) {
		n = recv(vmm_fd, unseen, left, MSG_DONTWAIT);
		if (n <= 0)
			return -EPROTO;
	}
	if (step->reply_bytes == 0)
		return 0;
	/* A VMM waits for each reply; one that lets them fill the socket speaks no vhost-user. */
	n = send(vmm_fd, step->reply, step->reply_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
	return n == (ssize_t)step->reply_bytes ? 0 : -EPIPE;
}
