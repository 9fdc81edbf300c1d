/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/worker_control.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/seqpacket.h"

/* What travels of a worker_msg: all but its trailing padding, which could leak. */
#define MSG_BYTES (offsetof(struct worker_msg, text) + sizeof(((struct worker_msg *)0)->text))

static_assert(offsetof(struct worker_msg, text) == 24, "worker_msg has padding, which would leak");
static_assert(WORKER_FDS_MAX <= TSK_SEQPACKET_FDS_MAX, "more fds than a message carries");

static unsigned fds_of_type(uint32_t type)
{
	switch (type) {
	case WORKER_ATTACH:
		return 3;
	case WORKER_LOAD:
	case WORKER_BUFFER:
	case WORKER_FOREIGN:
		return 1;
	default:
		return 0;
	}
}

static bool status_suits_type(uint32_t type, uint32_t status)
{
	switch (type) {
	case WORKER_ATTACH:
	case WORKER_LOAD:
	case WORKER_BUFFER:
	case WORKER_BUFFER_DROP:
	case WORKER_FOREIGN:
	case WORKER_FOREIGN_DROP:
	case WORKER_FOREIGN_MAPPED:
	case WORKER_READY:
	case WORKER_LOADED:
		return status == TENSOCK_OK;
	case WORKER_FAILED:
		return status != TENSOCK_OK && status < TENSOCK_STATUS_MAX;
	default:
		return false;
	}
}

static bool msg_is_valid(const struct worker_msg *msg, size_t description_bytes, unsigned n_fds)
{
	bool loaded = msg->type == WORKER_LOADED;

	return status_suits_type(msg->type, msg->status) && n_fds == fds_of_type(msg->type) &&
	       memchr(msg->text, '\0', sizeof(msg->text)) && loaded == (description_bytes > 0) &&
	       description_bytes <= WORKER_DESCRIPTION_MAX;
}

int worker_control_send(int socket_fd, const struct worker_msg *msg, const void *description,
			size_t description_bytes, const int *fds, unsigned n_fds)
{
	_cleanup_free_ unsigned char *bytes = NULL;

	if (!msg_is_valid(msg, description_bytes, n_fds))
		return -EINVAL;
	bytes = malloc(MSG_BYTES + description_bytes);
	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, msg, MSG_BYTES);
	if (description_bytes)
		memcpy(bytes + MSG_BYTES, description, description_bytes);
	return tsk_seqpacket_send(socket_fd, bytes, MSG_BYTES + description_bytes, fds, n_fds);
}

static bool parse(const unsigned char *bytes, size_t len, unsigned n_fds, struct worker_msg *ret)
{
	if (len < MSG_BYTES)
		return false;
	*ret = (struct worker_msg){ 0 };
	memcpy(ret, bytes, MSG_BYTES);
	return msg_is_valid(ret, len - MSG_BYTES, n_fds);
}

int worker_control_recv(int socket_fd, struct worker_received *ret)
{
	int fds[TSK_SEQPACKET_FDS_MAX];
	unsigned n_fds = 0;
	ssize_t len = tsk_seqpacket_recv(socket_fd, ret->bytes, sizeof(ret->bytes), fds, &n_fds);

	ret->n_fds = 0;
	for (unsigned i = 0; i < WORKER_FDS_MAX; i++)
		ret->fds[i] = -1;
	if (len == -EMSGSIZE)
		return -EPROTO;
	if (len <= 0)
		return (int)len;
	if (!parse(ret->bytes, (size_t)len, n_fds, &ret->msg)) {
		tsk_close_all(fds, n_fds);
		return -EPROTO;
	}
	memcpy(ret->fds, fds, sizeof(ret->fds));
	ret->n_fds = n_fds;
	ret->description_bytes = (size_t)len - MSG_BYTES;
	ret->description = ret->description_bytes ? ret->bytes + MSG_BYTES : NULL;
	return 1;
}

void worker_received_done(struct worker_received *received)
{
	if (!received)
		return;
	tsk_close_all(received->fds, received->n_fds);
	received->n_fds = 0;
}
