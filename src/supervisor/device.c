/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/device.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

#include "base/log.h"
#include "base/memfd.h"
#include "base/seqpacket.h"
#include "channel/device_control.h"
#include "supervisor/log_budget.h"

#define MESSAGES_A_TURN 32

struct device {
	uv_loop_t *loop;
	const char *name;
	uint64_t connections_max;
	void (*broke)(void *context);
	void *context;

	/* The front's; -1 and NULL without a front. */
	int fd;
	uv_poll_t *poll;

	/* The session; vmm_fd -1: there is none. */
	int vmm_fd, ledger_fd;
	int kept[DEVICE_FDS_MAX];
	uint32_t state_bytes;
	unsigned char state[DEVICE_STATE_MAX];
	int next_vmm_fd; /* waits for the end of this one, or -1 */
	struct log_budget log;
};

int device_new(uv_loop_t *loop, const char *name, uint64_t connections_max,
	       void (*broke)(void *context), void *context, struct device **ret)
{
	struct device *device = calloc(1, sizeof(*device));

	if (!device)
		return -ENOMEM;
	*device = (struct device){ .loop = loop,
				   .name = name,
				   .connections_max = connections_max,
				   .broke = broke,
				   .context = context,
				   .fd = -1,
				   .vmm_fd = -1,
				   .ledger_fd = -1,
				   .next_vmm_fd = -1 };
	for (unsigned i = 0; i < DEVICE_FDS_MAX; i++)
		device->kept[i] = -1;
	*ret = device;
	return 0;
}

/* Never fewer: the front that is there was started with what held then. */
void device_allow_connections(struct device *device, uint64_t connections_max)
{
	if (connections_max > device->connections_max)
		device->connections_max = connections_max;
}

/* ---- the session ---- */

static int send_session(struct device *device)
{
	struct device_msg msg = { .type = DEVICE_SESSION, .state_bytes = device->state_bytes };
	int fds[DEVICE_MSG_FDS_MAX] = { device->vmm_fd, device->ledger_fd };
	unsigned n = 2;

	memcpy(msg.state, device->state, device->state_bytes);
	for (unsigned i = 0; i < DEVICE_FDS_MAX; i++) {
		if (device->kept[i] < 0)
			continue;
		msg.kept |= UINT64_C(1) << i;
		fds[n++] = device->kept[i];
	}
	return device_control_send(device->fd, &msg, fds);
}

static void forget_session(struct device *device)
{
	device->vmm_fd = tsk_close(device->vmm_fd);
	device->ledger_fd = tsk_close(device->ledger_fd);
	for (unsigned i = 0; i < DEVICE_FDS_MAX; i++)
		device->kept[i] = tsk_close(device->kept[i]);
	device->state_bytes = 0;
}

static void begin_session(struct device *device, int vmm_fd)
{
	int r = tsk_memfd_new("ledger", DEVICE_LEDGER_BYTES(device->connections_max),
			      &device->ledger_fd);

	if (r < 0) {
		tsk_error("guest %s: its VMM is turned away: %s", device->name, strerror(-r));
		tsk_close(vmm_fd);
		return;
	}
	device->vmm_fd = vmm_fd;
	/* A front that cannot be told is on its way out: the next one will be. */
	if (device->fd >= 0 && send_session(device) == -EAGAIN)
		device->broke(device->context);
}

static bool has_hung_up(int fd)
{
	struct pollfd look = { .fd = fd, .events = POLLRDHUP };

	return poll(&look, 1, 0) > 0 && look.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

void device_vmm(struct device *device, int fd)
{
	if (device->vmm_fd < 0) {
		begin_session(device, fd);
	} else if (device->next_vmm_fd < 0 && has_hung_up(device->vmm_fd)) {
		device->next_vmm_fd = fd;
	} else {
		log_about_guest(&device->log, TSK_LOG_WARNING, device->name,
				"a second VMM at the vhost-user socket was turned away");
		tsk_close(fd);
	}
}

bool device_has_vmm(const struct device *device)
{
	int fd = device->next_vmm_fd >= 0 ? device->next_vmm_fd : device->vmm_fd;

	return fd >= 0 && !has_hung_up(fd);
}

/* ---- what a front says ---- */

static void on_end(struct device *device)
{
	forget_session(device);
	if (device->next_vmm_fd >= 0)
		begin_session(device, TAKE_FD(device->next_vmm_fd));
}

static void on_step(struct device *device, const struct device_msg *step, int *fds)
{
	struct device_msg answer = { .type = DEVICE_STEPPED };
	unsigned n = 0;

	for (unsigned i = 0; i < DEVICE_FDS_MAX; i++) {
		uint64_t bit = UINT64_C(1) << i;

		if ((step->dropped | step->kept) & bit)
			device->kept[i] = tsk_close(device->kept[i]);
		if (step->kept & bit)
			device->kept[i] = TAKE_FD(fds[n++]);
	}
	memcpy(device->state, step->state, step->state_bytes);
	device->state_bytes = step->state_bytes;
	answer.result = device_step_answer(device->vmm_fd, step);
	/* At most one is unanswered, so there is room; a front that has died reads it no more. */
	if (device_control_send(device->fd, &answer, NULL) == -EAGAIN)
		device->broke(device->context);
}

/* True while there may be more. */
static bool receive_one(struct device *device)
{
	int fds[DEVICE_MSG_FDS_MAX];
	struct device_msg msg;
	int r = device_control_recv(device->fd, &msg, fds);

	if (r == -EAGAIN || r == 0 || r == -ECONNRESET) /* an end: the process's, too */
		return false;
	if (r > 0 && msg.type == DEVICE_STEP && device->vmm_fd >= 0) {
		on_step(device, &msg, fds);
	} else if (r > 0 && msg.type == DEVICE_END && device->vmm_fd >= 0) {
		on_end(device);
	} else {
		/* Also for want of fds: what the step was of, the next front finds again. */
		if (r > 0)
			tsk_close_all(fds, device_msg_fds(&msg));
		tsk_warning("guest %s: a step of its device cannot be taken: %s", device->name,
			    strerror(r > 0 ? EPROTO : -r));
		device->broke(device->context);
		return false;
	}
	return true;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct device *device = poll->data;

	(void)events;
	/* An end is the control socket's to tell: what was sent before it is read by then. */
	for (int i = 0; i < MESSAGES_A_TURN && status == 0 && device->poll == poll; i++) {
		if (!receive_one(device))
			break;
	}
	if (device->poll == poll && (status < 0 || has_hung_up(device->fd)))
		uv_poll_stop(poll);
}

/* ---- the channel ---- */

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

static int watch(struct device *device)
{
	uv_poll_t *poll = malloc(sizeof(*poll));
	int r = poll ? uv_poll_init(device->loop, poll, device->fd) : -ENOMEM;

	if (r < 0) {
		free(poll);
		return r;
	}
	poll->data = device;
	device->poll = poll;
	return uv_poll_start(poll, UV_READABLE, on_ready);
}

int device_open_channel(struct device *device, int *ret_front_fd)
{
	int fds[2], r = tsk_seqpacket_pair(fds);

	if (r < 0)
		return r;
	device->fd = fds[0];
	r = watch(device);
	if (r == 0 && device->vmm_fd >= 0)
		r = send_session(device);
	if (r < 0) {
		tsk_close(fds[1]);
		device_close_channel(device);
		return r;
	}
	*ret_front_fd = fds[1];
	return 0;
}

void device_close_channel(struct device *device)
{
	if (device->poll)
		uv_close((uv_handle_t *)TAKE_PTR(device->poll), on_closed);
	while (device->fd >= 0 && receive_one(device))
		;
	device->fd = tsk_close(device->fd);
}

void device_free(struct device *device)
{
	if (!device)
		return;
	if (device->poll)
		uv_close((uv_handle_t *)device->poll, on_closed);
	tsk_close(device->fd);
	forget_session(device);
	tsk_close(device->next_vmm_fd);
	free(device);
}

/* ---- one tensockd takes another's place ---- */

void device_save(const struct device *device, struct takeover_device *ret)
{
	ret->channel_fd = device->fd;
	ret->vmm_fd = device->vmm_fd;
	ret->ledger_fd = device->ledger_fd;
	ret->next_vmm_fd = device->next_vmm_fd;
	for (unsigned i = 0; i < DEVICE_FDS_MAX; i++)
		ret->kept[i] = device->kept[i];
	ret->state_bytes = device->state_bytes;
	memcpy(ret->state, device->state, device->state_bytes);
}

int device_adopt(struct device *device, struct takeover_device *saved)
{
	device->fd = TAKE_FD(saved->channel_fd);
	device->vmm_fd = TAKE_FD(saved->vmm_fd);
	device->ledger_fd = TAKE_FD(saved->ledger_fd);
	device->next_vmm_fd = TAKE_FD(saved->next_vmm_fd);
	for (unsigned i = 0; i < DEVICE_FDS_MAX; i++)
		device->kept[i] = TAKE_FD(saved->kept[i]);
	device->state_bytes = saved->state_bytes;
	memcpy(device->state, saved->state, saved->state_bytes);
	return device->fd >= 0 ? watch(device) : 0;
}
