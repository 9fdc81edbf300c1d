/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: a VMM at the other end of the back end's socket, its guest's memory and drivers, and a
 * device that takes every chain.  One thread: the loop runs when the test says so.
 */
#ifndef VHOST_TEST_VMM_H
#define VHOST_TEST_VMM_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <uv.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/memfd.h"
#include "front/vhost/backend.h"
#include "front/vhost/test_driver.h"
#include "front/vhost/test_keeper.h"
#include "front/vhost/vhost_user.h"

#define VMM_GUEST UINT64_C(0x40000000)
#define VMM_USER UINT64_C(0x7f0000000000)
#define VMM_WINDOW 0x20000u /* of one queue: its ring and its buffers */
#define VMM_MEMORY (VHOST_QUEUES_MAX * VMM_WINDOW)
#define VMM_QUEUE_SIZE 128u
#define VMM_CID UINT64_C(0x1122334455667788)
#define NEED_REPLY 8u

struct vmm {
	/* our side */
	int fd, memory_fd;
	struct tsk_map map;
	struct driver drivers[VHOST_QUEUES_MAX];
	int kick[VHOST_QUEUES_MAX], call[VHOST_QUEUES_MAX], err[VHOST_QUEUES_MAX];

	/* the other side */
	uv_loop_t loop;
	struct test_keeper keeper;
	int ledger_fd;
	struct ledger *ledger;
	struct vhost_backend *backend;
	struct vring *rings[VHOST_QUEUES_MAX]; /* as the device knows them */
	uint64_t acknowledged;                 /* features, as the device has heard */
	unsigned started, stopped, kicked, disconnected, taken;
	enum vhost_begin begins[VHOST_QUEUES_MAX];
	enum {
		FREE_NEVER,
		FREE_STARTED,
		FREE_KICKED,
		FREE_STOPPED,
		FREE_DISCONNECTED
	} free_in;
	unsigned fds_before;
};

/* ---- the device ---- */

static inline void vmm_maybe_free(struct vmm *v, int here)
{
	if ((int)v->free_in == here)
		vhost_backend_free(TAKE_PTR(v->backend));
}

static inline void vmm_device_config(void *device, uint32_t offset, void *ret, uint32_t len)
{
	uint64_t cid = VMM_CID;

	(void)device;
	if (offset < sizeof(cid))
		memcpy(ret, (char *)&cid + offset,
		       len < sizeof(cid) - offset ? len : sizeof(cid) - offset);
}

static inline void vmm_device_acknowledged(void *device, uint64_t features)
{
	((struct vmm *)device)->acknowledged = features;
}

static inline void vmm_device_started(void *device, unsigned q, struct vring *ring,
				      enum vhost_begin begin)
{
	struct vmm *v = device;

	assert_null(v->rings[q]);
	v->rings[q] = ring;
	v->begins[q] = begin;
	v->started++;
	vmm_maybe_free(v, FREE_STARTED);
}

static inline void vmm_device_kicked(void *device, unsigned q)
{
	struct vmm *v = device;
	struct vring_chain chain;

	assert_non_null(v->rings[q]);
	v->kicked++;
	while (vring_pop(v->rings[q], &chain) == 1) {
		vring_push(v->rings[q], chain.head, (uint32_t)chain.in_bytes);
		v->taken++;
	}
	vring_flush(v->rings[q]);
	vmm_maybe_free(v, FREE_KICKED);
}

static inline void vmm_device_stopped(void *device, unsigned q)
{
	struct vmm *v = device;

	assert_non_null(v->rings[q]);
	v->rings[q] = NULL;
	v->stopped++;
	vmm_maybe_free(v, FREE_STOPPED);
}

static inline void vmm_device_disconnected(void *device)
{
	struct vmm *v = device;

	for (unsigned q = 0; q < VHOST_QUEUES_MAX; q++)
		assert_null(v->rings[q]);
	v->disconnected++;
	test_keeper_done(&v->keeper);
	vmm_maybe_free(v, FREE_DISCONNECTED);
}

static const struct vhost_device_ops vmm_device_ops = {
	.features = 2,
	.config = vmm_device_config,
	.acknowledged = vmm_device_acknowledged,
	.started = vmm_device_started,
	.kicked = vmm_device_kicked,
	.stopped = vmm_device_stopped,
	.disconnected = vmm_device_disconnected,
};

/* ---- the fixture ---- */

static inline unsigned vmm_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* libuv opens two fds for the whole process with the first loop. */
static inline int vmm_group_setup(void **state)
{
	uv_loop_t loop;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	return uv_loop_close(&loop);
}

static inline int vmm_setup(void **state)
{
	struct vmm *v = calloc(1, sizeof(*v));
	struct vhost_session session;
	int fds[2];

	assert_non_null(v);
	v->fds_before = vmm_open_fds();
	assert_int_equal(uv_loop_init(&v->loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	v->fd = fds[0];
	assert_int_equal(tsk_memfd_new("guest", VMM_MEMORY, &v->memory_fd), 0);
	assert_int_equal(tsk_map_new(v->memory_fd, VMM_MEMORY, true, &v->map), 0);
	for (unsigned q = 0; q < VHOST_QUEUES_MAX; q++) {
		v->drivers[q] =
			(struct driver){ .mem = (unsigned char *)v->map.addr + q * VMM_WINDOW,
					 .size = VMM_QUEUE_SIZE };
		v->kick[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		v->call[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		v->err[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	session = test_keeper_begin(&v->keeper, fds[1]);
	assert_int_equal(tsk_memfd_new("ledger", DEVICE_LEDGER_BYTES(1), &v->ledger_fd), 0);
	assert_int_equal(ledger_new(v->ledger_fd, &v->ledger), 0);
	session.ledger = v->ledger;
	assert_int_equal(vhost_backend_new(&v->loop, &session, &vmm_device_ops, v, &v->backend), 0);
	*state = v;
	return 0;
}

/* No fd and, by the sanitizer, no byte is left over. */
static inline int vmm_teardown(void **state)
{
	struct vmm *v = *state;
	unsigned before = v->fds_before;

	v->free_in = FREE_NEVER;
	vhost_backend_free(v->backend);
	test_keeper_done(&v->keeper);
	ledger_free(v->ledger);
	tsk_close(v->ledger_fd);
	uv_run(&v->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&v->loop), 0);
	assert_int_equal(v->started, v->stopped);
	for (unsigned q = 0; q < VHOST_QUEUES_MAX; q++) {
		tsk_close(v->kick[q]);
		tsk_close(v->call[q]);
		tsk_close(v->err[q]);
	}
	tsk_map_done(&v->map);
	tsk_close(v->memory_fd);
	tsk_close(v->fd);
	free(v);
	assert_int_equal(vmm_open_fds(), before);
	return 0;
}

/* Lets the other side do all it has to do now. */
static inline void vmm_run(struct vmm *v)
{
	for (int i = 0; i < 8; i++)
		uv_run(&v->loop, UV_RUN_NOWAIT);
}

/* ---- messages ---- */

/* Bytes as they are, with fds at the first one. */
static inline void vmm_send_raw(struct vmm *v, const void *bytes, size_t len, const int *fds,
				unsigned n_fds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 253)];
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
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	assert_int_equal(sendmsg(v->fd, &m, MSG_NOSIGNAL), len);
}

static inline void vmm_send(struct vmm *v, uint32_t request, uint32_t flags, const void *payload,
			    uint32_t size, const int *fds, unsigned n_fds)
{
	unsigned char bytes[4096];
	struct tsk_writer w = tsk_writer(bytes, sizeof(bytes));

	tsk_write_u32(&w, request);
	tsk_write_u32(&w, 1 | flags);
	tsk_write_u32(&w, size);
	tsk_write_bytes(&w, payload, size);
	assert_false(w.bad);
	vmm_send_raw(v, bytes, tsk_writer_len(&w), fds, n_fds);
	vmm_run(v);
}

static inline void vmm_u64(struct vmm *v, uint32_t request, uint64_t value)
{
	vmm_send(v, request, 0, &value, 8, NULL, 0);
}

static inline void vmm_empty(struct vmm *v, uint32_t request)
{
	vmm_send(v, request, 0, NULL, 0, NULL, 0);
}

static inline void vmm_state(struct vmm *v, uint32_t request, uint32_t index, uint32_t num)
{
	uint32_t words[] = { index, num };

	vmm_send(v, request, 0, words, sizeof(words), NULL, 0);
}

/* fd -1: none. */
static inline void vmm_ring_fd(struct vmm *v, uint32_t request, uint64_t index, int fd)
{
	uint64_t value = index | (fd < 0 ? 0x100 : 0);

	vmm_send(v, request, 0, &value, 8, &fd, fd >= 0);
}

/* The addresses of queue q's parts, moved by delta. */
static inline void vmm_addr(struct vmm *v, uint32_t q, uint64_t delta)
{
	uint64_t base = VMM_USER + q * (uint64_t)VMM_WINDOW + delta;
	uint64_t words[] = { q, base + DRIVER_DESC, base + DRIVER_USED, base + DRIVER_AVAIL, 0 };

	vmm_send(v, VHOST_USER_SET_VRING_ADDR, 0, words, sizeof(words), NULL, 0);
}

static inline void vmm_table(struct vmm *v, uint32_t flags, const struct guest_region *regions,
			     const int *fds, unsigned n)
{
	unsigned char bytes[8 + 64 * sizeof(*regions)] = { (unsigned char)n };

	memcpy(bytes + 8, regions, n * sizeof(*regions));
	vmm_send(v, VHOST_USER_SET_MEM_TABLE, flags, bytes, (uint32_t)(8 + n * sizeof(*regions)),
		 fds, n);
}

/* The whole memory as one region; its addresses in the VMM moved by delta. */
static inline void vmm_memory(struct vmm *v, uint64_t delta)
{
	struct guest_region region = { VMM_GUEST, VMM_MEMORY, VMM_USER + delta, 0 };

	vmm_table(v, 0, &region, &v->memory_fd, 1);
}

/* ADD_MEM_REG or REM_MEM_REG. */
static inline void vmm_region(struct vmm *v, uint32_t request, const struct guest_region *region,
			      unsigned n_fds)
{
	unsigned char bytes[8 + sizeof(*region)] = { 0 };

	memcpy(bytes + 8, region, sizeof(*region));
	vmm_send(v, request, 0, bytes, sizeof(bytes), &v->memory_fd, n_fds);
}

/* What the back end has answered and was not read yet; the number of bytes, 0 for EOF, -1 none. */
static inline ssize_t vmm_recv(struct vmm *v, void *bytes, size_t size)
{
	return recv(v->fd, bytes, size, MSG_DONTWAIT);
}

/* There is one reply, to this request, of 8 bytes: returns them. */
static inline uint64_t vmm_reply(struct vmm *v, uint32_t request)
{
	unsigned char bytes[64];
	struct tsk_reader r;
	uint64_t value;

	assert_int_equal(vmm_recv(v, bytes, sizeof(bytes)), 20);
	r = tsk_reader(bytes, 20);
	assert_int_equal(tsk_read_u32(&r), request);
	assert_int_equal(tsk_read_u32(&r), 5);
	assert_int_equal(tsk_read_u32(&r), 8);
	value = tsk_read_u64(&r);
	return value;
}

static inline void vmm_assert_silent(struct vmm *v)
{
	char byte;

	assert_int_equal(vmm_recv(v, &byte, 1), -1);
	assert_int_equal(v->disconnected, 0);
}

/* The back end has hung up, told its device, and runs nothing. */
static inline void vmm_assert_dropped(struct vmm *v)
{
	char byte;
	ssize_t n;

	vmm_run(v);
	assert_int_equal(v->disconnected, 1);
	assert_int_equal(v->started, v->stopped);
	/* ECONNRESET where it had not read all that we sent. */
	n = vmm_recv(v, &byte, 1);
	assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

/* ---- conversations ---- */

#define VMM_FEATURES (VIRTIO_F_VERSION_1 | VHOST_USER_F_PROTOCOL_FEATURES | VIRTIO_F_RING_EVENT_IDX)

/* All that a queue needs but its enabling. */
static inline void vmm_prepare_queue(struct vmm *v, uint32_t q)
{
	vmm_state(v, VHOST_USER_SET_VRING_NUM, q, VMM_QUEUE_SIZE);
	vmm_state(v, VHOST_USER_SET_VRING_BASE, q, v->drivers[q].avail_idx);
	vmm_addr(v, q, 0);
	vmm_ring_fd(v, VHOST_USER_SET_VRING_KICK, q, v->kick[q]);
	vmm_ring_fd(v, VHOST_USER_SET_VRING_CALL, q, v->call[q]);
	vmm_ring_fd(v, VHOST_USER_SET_VRING_ERR, q, v->err[q]);
}

/* A session in which queues 0 and 1 run. */
static inline void vmm_start(struct vmm *v, uint64_t features)
{
	vmm_empty(v, VHOST_USER_SET_OWNER);
	vmm_u64(v, VHOST_USER_SET_FEATURES, features);
	vmm_memory(v, 0);
	for (uint32_t q = 0; q < 2; q++) {
		vmm_prepare_queue(v, q);
		if (features & VHOST_USER_F_PROTOCOL_FEATURES)
			vmm_state(v, VHOST_USER_SET_VRING_ENABLE, q, 1);
	}
	assert_int_equal(v->started, 2);
	vmm_assert_silent(v);
}

static inline void vmm_kick(struct vmm *v, unsigned q)
{
	assert_int_equal(eventfd_write(v->kick[q], 1), 0);
	vmm_run(v);
}

/* Offers one chain of 16 writable bytes on queue q. */
static inline void vmm_offer(struct vmm *v, unsigned q)
{
	struct driver *d = &v->drivers[q];
	unsigned head = d->avail_idx % VMM_QUEUE_SIZE;

	driver_desc(d, head, VMM_GUEST + q * VMM_WINDOW + DRIVER_DATA, 16, D_WRITE, 0);
	driver_offer(d, head);
}

static inline bool vmm_was_called(struct vmm *v, unsigned q)
{
	eventfd_t n;

	return eventfd_read(v->call[q], &n) == 0;
}

/* Queue q takes a chain, and says so. */
static inline void vmm_assert_works(struct vmm *v, unsigned q)
{
	unsigned taken = v->taken;

	driver_used_event(&v->drivers[q], driver_used_idx(&v->drivers[q]));
	vmm_was_called(v, q);
	vmm_offer(v, q);
	vmm_kick(v, q);
	assert_int_equal(v->taken, taken + 1);
	assert_int_equal(driver_used_idx(&v->drivers[q]), v->drivers[q].avail_idx);
	assert_int_equal(driver_used_len(&v->drivers[q], v->drivers[q].avail_idx - 1u), 16);
	assert_true(vmm_was_called(v, q));
}

#endif
