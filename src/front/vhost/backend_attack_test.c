/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of front/vhost/backend.h: VMMs and drivers that mean harm. */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "front/vhost/backend.h"
#include "front/vhost/test_vmm.h"

/* ---- messages ---- */

struct bad_message {
	uint32_t request, flags, size; /* size: as the header says; so many bytes are sent, too */
	unsigned n_fds;
	uint64_t words[5];
};

/* Each of these, sent to a session whose queues run, ends it. */
static void bad_messages_end_the_session(void **state)
{
	static const struct bad_message bad[] = {
		/* no request that there is, or none that is served */
		{ 0, 1, 0, 0, { 0 } },
		{ 41, 1, 0, 0, { 0 } },
		{ UINT32_MAX, 1, 8, 0, { 0 } },
		{ 31, 1, 40, 1, { 0 } },
		/* wrong version, reply, unknown flags */
		{ VHOST_USER_GET_FEATURES, 0, 0, 0, { 0 } },
		{ VHOST_USER_GET_FEATURES, 2, 0, 0, { 0 } },
		{ VHOST_USER_GET_FEATURES, 5, 0, 0, { 0 } },
		{ VHOST_USER_GET_FEATURES, 0x11, 0, 0, { 0 } },
		/* sizes */
		{ VHOST_USER_GET_FEATURES, 1, 8, 0, { 0 } },
		{ VHOST_USER_SET_FEATURES, 1, 4, 0, { 0 } },
		{ VHOST_USER_SET_FEATURES, 1, 0, 0, { 0 } },
		{ VHOST_USER_SET_VRING_NUM, 1, 9, 0, { 1 } },
		{ VHOST_USER_SET_VRING_ADDR, 1, 32, 0, { 0 } },
		{ VHOST_USER_SET_MEM_TABLE, 1, 4, 0, { 0 } },
		{ VHOST_USER_SET_MEM_TABLE, 1, 8, 0, { 1 } },
		{ VHOST_USER_SET_MEM_TABLE, 1, 40, 1, { 2 } },
		{ VHOST_USER_SET_MEM_TABLE, 1, 8, 0, { UINT32_MAX } },
		{ VHOST_USER_ADD_MEM_REG, 1, 32, 1, { 0 } },
		{ VHOST_USER_GET_CONFIG, 1, 12, 0, { UINT64_C(8) << 32 } },
		{ VHOST_USER_GET_CONFIG, 1, 13, 0, { UINT64_C(0xffffffff) << 32 } },
		/* fds: too few, too many */
		{ VHOST_USER_SET_VRING_KICK, 1, 8, 0, { 0 } },
		{ VHOST_USER_SET_VRING_KICK, 1, 8, 2, { 0 } },
		{ VHOST_USER_SET_VRING_CALL, 1, 8, 253, { 0 } },
		{ VHOST_USER_SET_MEM_TABLE, 1, 40, 0, { 1, 0, 4096 } },
		{ VHOST_USER_SET_MEM_TABLE, 1, 40, 2, { 1, 0, 4096 } },
		{ VHOST_USER_ADD_MEM_REG, 1, 40, 0, { 0, 0, 4096 } },
		/* values */
		{ VHOST_USER_SET_FEATURES, 1, 8, 0, { UINT64_C(1) << 26 } },
		{ VHOST_USER_SET_FEATURES, 1, 8, 0, { UINT64_MAX } },
		{ VHOST_USER_SET_PROTOCOL_FEATURES, 1, 8, 0, { 2 } },
		{ VHOST_USER_SET_VRING_NUM, 1, 8, 0, { 2 } }, /* queue 2, size 0 */
		{ VHOST_USER_SET_VRING_NUM, 1, 8, 0, { 2 | UINT64_C(3) << 32 } },
		{ VHOST_USER_SET_VRING_NUM, 1, 8, 0, { 2 | UINT64_C(32768) << 32 } },
		{ VHOST_USER_SET_VRING_NUM, 1, 8, 0, { 3 | UINT64_C(128) << 32 } },
		{ VHOST_USER_SET_VRING_BASE, 1, 8, 0, { 255 } },
		{ VHOST_USER_SET_VRING_BASE, 1, 8, 0, { 2 | UINT64_C(65536) << 32 } },
		{ VHOST_USER_SET_VRING_ADDR, 1, 40, 0, { UINT32_MAX } },
		{ VHOST_USER_SET_VRING_ADDR, 1, 40, 0, { 2, 8 } },
		{ VHOST_USER_SET_VRING_ADDR, 1, 40, 0, { 2, 0, 2 } },
		{ VHOST_USER_SET_VRING_ADDR, 1, 40, 0, { 2, 0, 0, 1 } },
		{ VHOST_USER_SET_VRING_ADDR, 1, 40, 0, { 2 | UINT64_C(1) << 32 } },
		{ VHOST_USER_SET_VRING_ENABLE, 1, 8, 0, { UINT64_C(2) << 32 } },
		{ VHOST_USER_SET_VRING_ENABLE, 1, 8, 0, { 3 } },
		{ VHOST_USER_GET_VRING_BASE, 1, 8, 0, { 3 } },
		{ VHOST_USER_SET_VRING_CALL, 1, 8, 0, { 0x1ff } },
		{ VHOST_USER_SET_VRING_ERR, 1, 8, 1, { 255 } },
		{ VHOST_USER_SET_VRING_KICK, 1, 8, 0, { 0x300 } },
		{ VHOST_USER_REM_MEM_REG, 1, 40, 0, { 0, 0, 4096 } },
		/* a running queue's parameters */
		{ VHOST_USER_SET_VRING_NUM, 1, 8, 0, { UINT64_C(64) << 32 } },
		{ VHOST_USER_SET_VRING_BASE, 1, 8, 0, { 0 } },
		{ VHOST_USER_SET_VRING_ADDR,
		  1,
		  40,
		  0,
		  { 0, VMM_USER, VMM_USER + 0x6000, VMM_USER + 0x4000 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		unsigned char bytes[12 + 40];
		int fds[253];
		struct vmm *v;

		vmm_setup(state);
		v = *state;
		vmm_start(v, VMM_FEATURES);
		for (unsigned n = 0; n < ARRAY_SIZE(fds); n++)
			fds[n] = v->memory_fd;
		memcpy(bytes, &bad[i].request, 4);
		memcpy(bytes + 4, &bad[i].flags, 4);
		memcpy(bytes + 8, &bad[i].size, 4);
		memcpy(bytes + 12, bad[i].words, 40);
		vmm_send_raw(v, bytes, 12 + bad[i].size % 64, fds, bad[i].n_fds);
		vmm_run(v);
		if (!v->disconnected)
			fail_msg("bad message %zu was taken", i);
		vmm_assert_dropped(v);
		vmm_teardown(state);
	}
}

static void fds_that_no_request_has_go_with_their_message(void **state)
{
	struct vmm *v = *state;
	int fds[253];
	unsigned before;

	vmm_start(v, VMM_FEATURES);
	before = vmm_open_fds();
	for (unsigned n = 0; n < ARRAY_SIZE(fds); n++)
		fds[n] = v->memory_fd;
	for (unsigned n = 1; n <= ARRAY_SIZE(fds); n += 252) {
		vmm_send(v, VHOST_USER_GET_QUEUE_NUM, 0, NULL, 0, fds, n);
		assert_int_equal(vmm_reply(v, VHOST_USER_GET_QUEUE_NUM), 3);
	}
	assert_int_equal(vmm_open_fds(), before);
	vmm_assert_works(v, 0);
}

/* The next message has fds, and is there already when this one is looked at. */
static void fds_of_the_next_message_are_left_to_it(void **state)
{
	struct vmm *v = *state;
	unsigned char num[20] = { VHOST_USER_SET_VRING_NUM,
				  0,
				  0,
				  0,
				  1,
				  0,
				  0,
				  0,
				  8,
				  0,
				  0,
				  0,
				  0,
				  0,
				  0,
				  0,
				  VMM_QUEUE_SIZE };
	unsigned char call[20] = { VHOST_USER_SET_VRING_CALL, 0, 0, 0, 1, 0, 0, 0, 8 };

	vmm_start(v, VMM_FEATURES);
	vmm_send_raw(v, num, sizeof(num), NULL, 0);
	vmm_send_raw(v, call, sizeof(call), &v->call[1], 1);
	vmm_send_raw(v, num, sizeof(num), NULL, 0);
	vmm_run(v);
	vmm_assert_silent(v);
	vmm_offer(v, 0);
	vmm_kick(v, 0);
	assert_true(vmm_was_called(v, 1));
}

/* Refused by its header alone: the payload is not awaited. */
static void a_payload_that_is_too_large_ends_the_session(void **state)
{
	static const uint32_t sizes[] = { VHOST_USER_PAYLOAD_MAX + 1, INT32_MAX, UINT32_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint32_t header[] = { VHOST_USER_SET_MEM_TABLE, 1, sizes[i] };

		vmm_setup(state);
		vmm_send_raw(*state, header, sizeof(header), NULL, 0);
		vmm_assert_dropped(*state);
		vmm_teardown(state);
	}
}

/* fds spread over the bytes of one message count together. */
/* Each byte brings one: none but the first byte's is ours, and none is held. */
static void fds_trickling_in_are_bounded(void **state)
{
	struct vmm *v = *state;
	struct guest_region region = { VMM_GUEST, VMM_MEMORY, VMM_USER, 0 };
	unsigned char bytes[52] = { 5, 0, 0, 0, 9, 0, 0, 0, 40, 0, 0, 0, 1 };
	unsigned before = vmm_open_fds();

	memcpy(bytes + 20, &region, sizeof(region));
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		vmm_send_raw(v, bytes + i, 1, i ? &v->call[0] : &v->memory_fd, 1);
		vmm_run(v);
		assert_in_range(vmm_open_fds(), before, before + 1);
	}
	assert_int_equal(vmm_reply(v, VHOST_USER_SET_MEM_TABLE), 0);
	assert_int_equal(vmm_open_fds(), before + 1); /* the keeper's */
	/* More than any message has. */
	bytes[12] = 33;
	{
		int fds[VHOST_USER_FDS_MAX + 1];

		for (unsigned n = 0; n < ARRAY_SIZE(fds); n++)
			fds[n] = v->memory_fd;
		vmm_send_raw(v, bytes, sizeof(bytes), fds, ARRAY_SIZE(fds));
	}
	vmm_assert_dropped(v);
}

static void ring_addresses_need_a_memory_table(void **state)
{
	struct vmm *v = *state;

	vmm_u64(v, VHOST_USER_SET_FEATURES, VMM_FEATURES);
	vmm_state(v, VHOST_USER_SET_VRING_NUM, 0, VMM_QUEUE_SIZE);
	vmm_ring_fd(v, VHOST_USER_SET_VRING_KICK, 0, v->kick[0]);
	vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	vmm_kick(v, 0);
	vmm_assert_silent(v);
	vmm_addr(v, 0, 0);
	vmm_assert_dropped(v);
	assert_int_equal(v->started, 0);
}

static void nothing_runs_before_the_features_are_known(void **state)
{
	struct vmm *v = *state;

	vmm_memory(v, 0);
	vmm_prepare_queue(v, 0);
	vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	assert_int_equal(v->started, 0);
	vmm_u64(v, VHOST_USER_SET_FEATURES, 0);
	assert_int_equal(v->started, 1);
}

static void features_may_be_said_twice(void **state)
{
	struct vmm *v = *state;

	vmm_start(v, VMM_FEATURES);
	for (unsigned i = 0; i < 3; i++) {
		vmm_u64(v, VHOST_USER_SET_FEATURES, i ? VIRTIO_F_VERSION_1 : VMM_FEATURES);
		vmm_u64(v, VHOST_USER_SET_PROTOCOL_FEATURES, i);
		if (i == 2)
			break;          /* 2 is LOG_SHMFD, which was not offered */
		vmm_assert_works(v, 0); /* a running ring keeps what it was started with */
	}
	vmm_assert_dropped(v);
}

static void bad_memory_tables_end_the_session(void **state)
{
	static const struct guest_region bad[][2] = {
		{ { VMM_GUEST, 0, VMM_USER, 0 } },
		{ { VMM_GUEST, VMM_MEMORY + 1, VMM_USER, 0 } },
		{ { VMM_GUEST, VMM_MEMORY, VMM_USER, 1 } },
		{ { VMM_GUEST, 4096, VMM_USER, UINT64_MAX - 4095 } },
		{ { UINT64_MAX - 4095, 4096, VMM_USER, 0 } },
		{ { VMM_GUEST, 4096, UINT64_MAX - 4095, 0 } },
		{ { VMM_GUEST, UINT64_MAX, VMM_USER, 0 } },
		{ { VMM_GUEST, 8192, VMM_USER, 0 }, { VMM_GUEST + 4096, 4096, 0, 0 } },
		{ { VMM_GUEST, 8192, VMM_USER, 0 }, { 0, 4096, VMM_USER + 4096, 0 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int fds[2];
		struct vmm *v;

		vmm_setup(state);
		v = *state;
		vmm_start(v, VMM_FEATURES);
		fds[0] = fds[1] = v->memory_fd;
		/* Told where that can be, and then the old table still serves. */
		vmm_table(v, NEED_REPLY, bad[i], fds, bad[i][1].size ? 2 : 1);
		assert_int_equal(vmm_reply(v, VHOST_USER_SET_MEM_TABLE), 1);
		vmm_assert_works(v, 0);
		vmm_table(v, 0, bad[i], fds, bad[i][1].size ? 2 : 1);
		vmm_assert_dropped(v);
		vmm_teardown(state);
	}
}

static void too_many_or_no_regions_end_the_session(void **state)
{
	struct guest_region regions[GUEST_MEMORY_REGIONS_MAX + 1] = { 0 };
	int fds[GUEST_MEMORY_REGIONS_MAX + 1];

	for (unsigned n = 0; n <= ARRAY_SIZE(regions); n += ARRAY_SIZE(regions)) {
		struct vmm *v;

		vmm_setup(state);
		v = *state;
		for (uint64_t i = 0; i < n; i++) {
			regions[i] = (struct guest_region){ i * 4096, 4096, i * 4096, 0 };
			fds[i] = v->memory_fd;
		}
		vmm_table(v, 0, regions, fds, n);
		vmm_assert_dropped(v);
		vmm_teardown(state);
	}
}

/* Each takes a look at the fd that is to become the kick of queue 0. */
static void assert_kick_is_refused(struct vmm *v, int fd)
{
	uint64_t payload = 0;

	assert_true(fd >= 0);
	for (uint32_t request = VHOST_USER_SET_VRING_KICK; request <= VHOST_USER_SET_VRING_ERR;
	     request++) {
		vmm_send(v, request, NEED_REPLY, &payload, 8, &fd, 1);
		assert_int_equal(vmm_reply(v, request), 1);
	}
	close(fd);
	vmm_assert_works(v, 0);
}

static void an_fd_that_is_no_eventfd_is_refused(void **state)
{
	struct vmm *v = *state;
	int pipes[2];

	vmm_start(v, VMM_FEATURES);
	assert_int_equal(pipe(pipes), 0);
	assert_kick_is_refused(v, pipes[0]);
	assert_kick_is_refused(v, pipes[1]);
	assert_kick_is_refused(v, fcntl(v->memory_fd, F_DUPFD_CLOEXEC, 0));
	assert_kick_is_refused(v, fcntl(v->fd, F_DUPFD_CLOEXEC, 0));
	assert_kick_is_refused(v, open("/dev/null", O_RDWR | O_CLOEXEC));
	assert_kick_is_refused(v, open("/dev/zero", O_RDWR | O_CLOEXEC));
	assert_kick_is_refused(v, epoll_create1(EPOLL_CLOEXEC));
	assert_kick_is_refused(v, timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
	/* And without a reply the session ends. */
	vmm_ring_fd(v, VHOST_USER_SET_VRING_KICK, 0, v->memory_fd);
	vmm_assert_dropped(v);
}

static void replies_that_are_not_read_end_the_session(void **state)
{
	struct vmm *v = *state;

	for (unsigned i = 0; i < 100000 && !v->disconnected; i++)
		vmm_empty(v, VHOST_USER_GET_FEATURES);
	assert_int_equal(v->disconnected, 1);
}

/* A prefix of every length, then noise. */
static void noise_ends_the_session(void **state)
{
	uint32_t x = 12345;

	for (unsigned round = 0; round < 200; round++) {
		unsigned char bytes[256];
		struct vmm *v;

		vmm_setup(state);
		v = *state;
		vmm_start(v, VMM_FEATURES);
		for (unsigned i = 0; i < sizeof(bytes); i++) {
			x = x * 1664525 + 1013904223;
			bytes[i] = (unsigned char)(x >> 24);
		}
		vmm_send_raw(v, bytes, sizeof(bytes), NULL, 0);
		vmm_assert_dropped(v);
		vmm_teardown(state);
	}
}

/* ---- drivers ---- */

static bool was_told(struct vmm *v, unsigned q)
{
	eventfd_t n;

	return eventfd_read(v->err[q], &n) == 0;
}

static void a_broken_queue_leaves_the_other_alone(void **state)
{
	struct vmm *v = *state;
	unsigned kicked;

	vmm_start(v, VMM_FEATURES);
	vmm_assert_works(v, 0);
	assert_false(was_told(v, 0));
	driver_set_avail_idx(&v->drivers[0], 1000);
	vmm_kick(v, 0);
	assert_true(vring_is_broken(v->rings[0]));
	assert_true(was_told(v, 0));
	assert_false(was_told(v, 1));
	/* Nobody listens to it any more. */
	kicked = v->kicked;
	vmm_kick(v, 0);
	vmm_ring_fd(v, VHOST_USER_SET_VRING_KICK, 0, v->kick[0]);
	vmm_kick(v, 0);
	assert_int_equal(v->kicked, kicked);
	vmm_assert_works(v, 1);
	vmm_assert_silent(v);

	/* Reset and begun anew, it serves. */
	vmm_state(v, VHOST_USER_GET_VRING_BASE, 0, 0);
	assert_int_equal(vmm_reply(v, VHOST_USER_GET_VRING_BASE), UINT64_C(1) << 32);
	memset(v->drivers[0].mem, 0, VMM_WINDOW);
	v->drivers[0].avail_idx = 0;
	vmm_prepare_queue(v, 0);
	vmm_assert_works(v, 0);
}

static void a_queue_that_starts_broken_is_told(void **state)
{
	struct vmm *v = *state;

	vmm_start(v, VMM_FEATURES);
	vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 0, 0);
	driver_set_avail_idx(&v->drivers[0], 30000);
	vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	assert_true(was_told(v, 0));
	vmm_assert_works(v, 1);
}

/* CPU that this process has used. */
static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * TSK_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* A semaphore eventfd of 2^64 - 2 stays readable whatever is read from it. */
static void a_kick_that_is_always_readable_does_not_spin(void **state)
{
	struct vmm *v = *state;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE | EFD_NONBLOCK);
	uint64_t end, cpu;

	assert_int_equal(eventfd_write(fd, UINT64_MAX - 1), 0);
	vmm_start(v, VMM_FEATURES);
	vmm_ring_fd(v, VHOST_USER_SET_VRING_KICK, 0, fd);
	close(fd);
	end = tsk_now_ns() + TSK_NS_PER_SEC / 2;
	cpu = cpu_ns();
	v->kicked = 0;
	while (tsk_now_ns() < end)
		uv_run(&v->loop, UV_RUN_ONCE);
	/* Some 17 notifications each 2 ms: 4,250.  A spinning loop makes hundreds of thousands. */
	assert_true(v->kicked > 100 && v->kicked < 10000);
	assert_true(cpu_ns() - cpu < TSK_NS_PER_SEC / 4);
	/* Work gets through all the same, and so do the other queue and the VMM. */
	vmm_offer(v, 0);
	end = tsk_now_ns() + TSK_NS_PER_SEC;
	while (v->taken == 0 && tsk_now_ns() < end)
		uv_run(&v->loop, UV_RUN_ONCE);
	assert_int_equal(v->taken, 1);
	vmm_assert_works(v, 1);
	vmm_state(v, VHOST_USER_GET_VRING_BASE, 0, 0);
	assert_int_equal(vmm_reply(v, VHOST_USER_GET_VRING_BASE), UINT64_C(1) << 32);
}

static void a_storm_of_kicks_loses_nothing(void **state)
{
	struct vmm *v = *state;

	vmm_start(v, VMM_FEATURES);
	for (unsigned i = 0; i < 2000; i++) {
		if (i % 100 == 0)
			vmm_offer(v, 0);
		assert_int_equal(eventfd_write(v->kick[0], 1000), 0);
		uv_run(&v->loop, UV_RUN_ONCE);
	}
	while (v->taken < 20)
		uv_run(&v->loop, UV_RUN_ONCE);
	assert_int_equal(v->taken, 20);
}

/* The call eventfd is full, and its other end never reads. */
static void a_full_call_fd_does_not_block(void **state)
{
	struct vmm *v = *state;
	int fd = eventfd(0, EFD_CLOEXEC); /* blocking, as sent */

	vmm_start(v, VIRTIO_F_VERSION_1);
	vmm_ring_fd(v, VHOST_USER_SET_VRING_CALL, 0, fd);
	assert_int_equal(eventfd_write(fd, UINT64_MAX - 1), 0);
	close(fd);
	for (unsigned i = 0; i < 3; i++) {
		vmm_offer(v, 0);
		vmm_kick(v, 0);
	}
	assert_int_equal(v->taken, 3);
	assert_int_equal(driver_used_idx(&v->drivers[0]), 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, vmm_setup, vmm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_messages_end_the_session),
		cmocka_unit_test(a_payload_that_is_too_large_ends_the_session),
		T(fds_that_no_request_has_go_with_their_message),
		T(fds_of_the_next_message_are_left_to_it),
		T(fds_trickling_in_are_bounded),
		T(ring_addresses_need_a_memory_table),
		T(nothing_runs_before_the_features_are_known),
		T(features_may_be_said_twice),
		cmocka_unit_test(bad_memory_tables_end_the_session),
		cmocka_unit_test(too_many_or_no_regions_end_the_session),
		T(an_fd_that_is_no_eventfd_is_refused),
		T(replies_that_are_not_read_end_the_session),
		cmocka_unit_test(noise_ends_the_session),
		T(a_broken_queue_leaves_the_other_alone),
		T(a_queue_that_starts_broken_is_told),
		T(a_kick_that_is_always_readable_does_not_spin),
		T(a_storm_of_kicks_loses_nothing),
		T(a_full_call_fd_does_not_block),
	};

	return cmocka_run_group_tests_name("backend_attack", tests, vmm_group_setup, NULL);
}
