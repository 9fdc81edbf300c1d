/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile VMM at the whole back end.  The input is a row of messages: a byte of fds (how many, in
 * the low half; which kind, above), 2 bytes of request and flags, a byte that says how the header's
 * size lies, 1 of payload length, payload.
 */
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/memfd.h"
#include "front/vhost/backend.h"
#include "front/vhost/test_keeper.h"
#include "front/vhost/vhost_user.h"

#define MEMORY 0x10000u

static uv_loop_t loop;
static int memory_fd, kick_fd, call_fd = -1;

struct device {
	struct vring *rings[VHOST_QUEUES_MAX];
	unsigned gone;
};

static void config(void *device, uint32_t offset, void *ret, uint32_t len)
{
	(void)device;
	memset(ret, (int)offset, len);
}

static void started(void *context, unsigned q, struct vring *ring, enum vhost_begin begin)
{
	struct device *device = context;

	(void)begin;
	if (q >= VHOST_QUEUES_MAX || device->rings[q] || device->gone)
		abort();
	device->rings[q] = ring;
}

static void kicked(void *context, unsigned q)
{
	static struct vring_chain chain;
	struct device *device = context;
	unsigned taken = 0;

	if (!device->rings[q])
		abort();
	while (vring_pop(device->rings[q], &chain) == 1 && taken++ < VRING_SIZE_MAX)
		vring_push(device->rings[q], chain.head, 0);
	vring_flush(device->rings[q]);
}

static void stopped(void *context, unsigned q)
{
	struct device *device = context;

	if (!device->rings[q])
		abort();
	device->rings[q] = NULL;
}

static void disconnected(void *context)
{
	struct device *device = context;

	for (unsigned q = 0; q < VHOST_QUEUES_MAX; q++) {
		if (device->rings[q])
			abort();
	}
	if (device->gone++)
		abort();
}

static const struct vhost_device_ops ops = { .features = 0,
					     .config = config,
					     .started = started,
					     .kicked = kicked,
					     .stopped = stopped,
					     .disconnected = disconnected };

static void init(void)
{
	tsk_log_init("fuzz", NULL, TSK_LOG_ERROR, 1);
	call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	kick_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (uv_loop_init(&loop) < 0 || tsk_memfd_new("guest", MEMORY, &memory_fd) < 0)
		abort();
}

/* The kinds: as the request would have it most often, or another. */
static int pick_fd(unsigned kind, uint32_t request)
{
	if (kind == 1)
		return kick_fd;
	if (kind == 2)
		return memory_fd;
	if (request == VHOST_USER_SET_MEM_TABLE || request == VHOST_USER_ADD_MEM_REG)
		return memory_fd;
	return request == VHOST_USER_SET_VRING_KICK ? kick_fd : call_fd;
}

static void send_message(int fd, const void *bytes, size_t len, int fd_to_pass, unsigned n_fds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 16)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		for (unsigned i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &fd_to_pass, sizeof(int));
	}
	if (sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return; /* hung up already */
}

/* Sends the input's next message.  False: there is none. */
static bool send_next(struct tsk_reader *r, int fd)
{
	unsigned char bytes[VHOST_USER_HEADER_SIZE + 255];
	struct tsk_writer w = tsk_writer(bytes, sizeof(bytes));
	unsigned fds = tsk_read_u8(r);
	uint32_t request = tsk_read_u8(r), flags = tsk_read_u8(r), lie = tsk_read_u8(r);
	uint32_t len = tsk_read_u8(r);
	const void *payload;

	if (len > tsk_reader_left(r))
		len = (uint32_t)tsk_reader_left(r);
	payload = tsk_read_bytes(r, len);
	if (r->bad)
		return false;
	tsk_write_u32(&w, request);
	tsk_write_u32(&w, flags);
	tsk_write_u32(&w, lie & 0x80 ? lie << 24 : len + lie);
	tsk_write_bytes(&w, payload, len);
	send_message(fd, bytes, tsk_writer_len(&w), pick_fd(fds >> 4, request), fds & 15);
	return true;
}

static void drain(int fd)
{
	char bytes[4096];

	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tsk_reader r = tsk_reader(data, size);
	struct device device = { 0 };
	struct vhost_backend *backend;
	struct test_keeper keeper;
	struct vhost_session session;
	int fds[2];

	if (call_fd < 0)
		init();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	session = test_keeper_begin(&keeper, fds[1]);
	if (vhost_backend_new(&loop, &session, &ops, &device, &backend) < 0)
		abort();
	while (!device.gone && send_next(&r, fds[0])) {
		uv_run(&loop, UV_RUN_NOWAIT);
		drain(fds[0]);
	}
	close(fds[0]);
	uv_run(&loop, UV_RUN_NOWAIT);
	if (!device.gone && r.p == r.end) {
		/* A long last message leaves the end unread for one more turn. */
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	vhost_backend_free(backend);
	test_keeper_done(&keeper);
	uv_run(&loop, UV_RUN_DEFAULT);
	return 0;
}
