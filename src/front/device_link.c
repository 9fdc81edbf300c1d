/* SPDX-License-Identifier: Apache-2.0 */
#include "front/device_link.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/seqpacket.h"
#include "front/handle.h"

struct device_link {
	int fd;
	uv_poll_t *poll;
	struct vsock_device *device;
	bool has_failed;
	void (*failed)(void *context, int result);
	void *context;
};

static void fail(struct device_link *link, int result)
{
	if (link->has_failed)
		return;
	link->has_failed = true;
	uv_poll_stop(link->poll);
	link->failed(link->context, result);
}

/* For the device's sessions; see struct vhost_keeper. */
static int send_step(void *context, const struct device_msg *step, const int *fds)
{
	struct device_link *link = context;

	return device_control_send(link->fd, step, fds);
}

void device_link_end(struct device_link *link)
{
	struct device_msg msg = { .type = DEVICE_END };
	int r = device_control_send(link->fd, &msg, NULL);

	if (r < 0)
		fail(link, r);
}

/* The fds are in the order of their numbers. */
static void sort_fds(struct vhost_session *session, uint64_t kept, int *fds)
{
	for (unsigned i = 0; i < DEVICE_FDS_MAX; i++)
		session->kept[i] = kept & UINT64_C(1) << i ? *fds++ : -1;
}

static int begin(struct device_link *link, const struct device_msg *msg, int *fds)
{
	struct vhost_session session = { .fd = fds[0],
					 .state = msg->state,
					 .state_bytes = msg->state_bytes,
					 .keeper = { .step = send_step, .context = link } };
	int r;

	sort_fds(&session, msg->kept, fds + 2);
	r = ledger_new(fds[1], &session.ledger);
	tsk_close(fds[1]);
	if (r < 0) {
		vhost_session_close(&session);
		return r;
	}
	return vsock_device_attach(link->device, &session);
}

static void on_session(struct device_link *link, const struct device_msg *msg, int *fds)
{
	int r = begin(link, msg, fds);

	if (r == 0) {
		tsk_info(msg->state_bytes ? "the VM's device goes on" : "a VMM has connected");
		return;
	}
	tsk_error("the VMM cannot be served: %s", strerror(-r));
	/* The next front may have the memory; a state that makes no sense would be its end, too. */
	if (r == -ENOMEM)
		fail(link, r);
	else
		device_link_end(link);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct device_link *link = poll->data;
	int fds[DEVICE_MSG_FDS_MAX];
	struct device_msg msg;
	int r = status < 0 ? status : device_control_recv(link->fd, &msg, fds);

	(void)events;
	if (r == -EAGAIN)
		return;
	if (r <= 0) {
		fail(link, r);
	} else if (msg.type == DEVICE_SESSION) {
		on_session(link, &msg, fds);
	} else if (msg.type == DEVICE_STEPPED) {
		vsock_device_stepped(link->device, msg.result);
	} else {
		tsk_close_all(fds, device_msg_fds(&msg));
		fail(link, -EPROTO);
	}
}

int device_link_new(uv_loop_t *loop, int fd, struct vsock_device *device,
		    void (*failed)(void *context, int result), void *context,
		    struct device_link **ret)
{
	struct device_link *link = calloc(1, sizeof(*link));

	if (!link) {
		tsk_close(fd);
		return -ENOMEM;
	}
	*link = (struct device_link){
		.fd = fd, .device = device, .failed = failed, .context = context
	};
	link->poll = handle_poll_new(loop, fd, link);
	if (!link->poll) {
		device_link_free(link);
		return -ENOMEM;
	}
	uv_poll_start(link->poll, UV_READABLE, on_ready);
	*ret = link;
	return 0;
}

void device_link_free(struct device_link *link)
{
	if (!link)
		return;
	handle_free(link->poll);
	tsk_close(link->fd);
	free(link);
}
