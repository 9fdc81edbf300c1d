/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/backend.h"

#include <fcntl.h>

#include "base/clock.h"
#include "front/vhost/test_vmm.h"
#include "front/vhost/vring_internal.h"

/* ---- what a VMM does ---- */

/* The messages of QEMU 7.2, in its order. */
static void qemu_starts_and_resets_the_device(void **state)
{
	struct vmm *v = *state;
	unsigned char config[20] = { 0, 0, 0, 0, 8 }, bytes[64];
	struct guest_region region = { VMM_GUEST, VMM_MEMORY, VMM_USER, 0 };
	uint64_t cid;

	/* realize */
	vmm_empty(v, VHOST_USER_GET_FEATURES);
	assert_int_equal(vmm_reply(v, VHOST_USER_GET_FEATURES), 0x170000002);
	vmm_empty(v, VHOST_USER_GET_PROTOCOL_FEATURES);
	assert_int_equal(vmm_reply(v, VHOST_USER_GET_PROTOCOL_FEATURES), 0x8209);
	vmm_u64(v, VHOST_USER_SET_PROTOCOL_FEATURES, 0x209);
	vmm_empty(v, VHOST_USER_GET_QUEUE_NUM);
	assert_int_equal(vmm_reply(v, VHOST_USER_GET_QUEUE_NUM), 3);
	vmm_empty(v, VHOST_USER_SET_OWNER);
	vmm_empty(v, VHOST_USER_GET_FEATURES);
	assert_int_equal(vmm_reply(v, VHOST_USER_GET_FEATURES), 0x170000002);
	for (unsigned q = 0; q < 2; q++) {
		vmm_ring_fd(v, VHOST_USER_SET_VRING_CALL, q, v->call[q]);
		vmm_ring_fd(v, VHOST_USER_SET_VRING_ERR, q, v->err[q]);
	}
	vmm_send(v, VHOST_USER_GET_CONFIG, 0, config, sizeof(config), NULL, 0);
	assert_int_equal(vmm_recv(v, bytes, sizeof(bytes)), 32);
	memcpy(&cid, bytes + 24, 8);
	assert_int_equal(cid, VMM_CID);
	vmm_assert_silent(v);

	for (unsigned round = 0; round < 3; round++) {
		/* the driver is ready */
		vmm_ring_fd(v, VHOST_USER_SET_VRING_CALL, 1, v->call[1]);
		vmm_ring_fd(v, VHOST_USER_SET_VRING_CALL, 0, v->call[0]);
		vmm_u64(v, VHOST_USER_SET_FEATURES, 0x160000000);
		vmm_table(v, NEED_REPLY, &region, &v->memory_fd, 1);
		assert_int_equal(vmm_reply(v, VHOST_USER_SET_MEM_TABLE), 0);
		memset(v->map.addr, 0, v->map.size); /* the driver begins anew */
		for (uint32_t q = 0; q < 2; q++) {
			v->drivers[q].avail_idx = 0;
			vmm_state(v, VHOST_USER_SET_VRING_NUM, q, VMM_QUEUE_SIZE);
			vmm_state(v, VHOST_USER_SET_VRING_BASE, q, 0);
			vmm_addr(v, q, 0);
			vmm_ring_fd(v, VHOST_USER_SET_VRING_KICK, q, v->kick[q]);
		}
		assert_int_equal(v->started, 2 * round); /* not before they are enabled */
		vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 0, 1);
		vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 1, 1);
		assert_int_equal(v->started, 2 * round + 2);
		vmm_ring_fd(v, VHOST_USER_SET_VRING_CALL, 0, v->call[0]);
		vmm_ring_fd(v, VHOST_USER_SET_VRING_CALL, 1, v->call[1]);
		for (unsigned i = 0; i < 300; i++)
			vmm_assert_works(v, i % 2);

		/* reset */
		vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 0, 0);
		vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 1, 0);
		assert_int_equal(v->stopped, v->started);
		for (uint32_t q = 0; q < 2; q++) {
			vmm_state(v, VHOST_USER_GET_VRING_BASE, q, 0);
			assert_int_equal(vmm_reply(v, VHOST_USER_GET_VRING_BASE),
					 q | UINT64_C(150) << 32);
		}
	}
	vmm_assert_silent(v);
}

static void a_vmm_without_protocol_features_needs_no_enabling(void **state)
{
	struct vmm *v = *state;

	vmm_start(v, VIRTIO_F_VERSION_1);
	vmm_assert_works(v, 0);
	vmm_assert_works(v, 1);
}

static void the_device_hears_what_its_driver_knows(void **state)
{
	struct vmm *v = *state;

	vmm_u64(v, VHOST_USER_SET_FEATURES, VIRTIO_F_VERSION_1 | 2);
	assert_int_equal(v->acknowledged, VIRTIO_F_VERSION_1 | 2);
	/* The next driver may know less. */
	vmm_u64(v, VHOST_USER_SET_FEATURES, VIRTIO_F_VERSION_1);
	assert_int_equal(v->acknowledged, VIRTIO_F_VERSION_1);
	/* What was not offered is nobody's word. */
	vmm_u64(v, VHOST_USER_SET_FEATURES, VIRTIO_F_VERSION_1 | 2 | 4);
	assert_int_equal(v->acknowledged, VIRTIO_F_VERSION_1);
}

static void all_three_queues_can_be_handed_over(void **state)
{
	struct vmm *v = *state;

	vmm_start(v, VMM_FEATURES);
	vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 2, 1);
	vmm_prepare_queue(v, 2);
	assert_int_equal(v->started, 3);
	vmm_assert_works(v, 2);
}

/* Counted down by each ring that is to be made: while it is not 0, that fails. */
static unsigned n_failures;
static int failure = -ENOMEM;

int __real_vring_new(const struct vring_config *config, struct guest_memory *memory, int call_fd,
		     struct vring **ret);
int __wrap_vring_new(const struct vring_config *config, struct guest_memory *memory, int call_fd,
		     struct vring **ret);

int __wrap_vring_new(const struct vring_config *config, struct guest_memory *memory, int call_fd,
		     struct vring **ret)
{
	return n_failures && n_failures-- ? failure
					  : __real_vring_new(config, memory, call_fd, ret);
}

/* The VMM says it once: a queue that finds no memory then is started when there is some. */
static void a_queue_without_memory_starts_later(void **state)
{
	struct vmm *v = *state;

	n_failures = 1000;
	vmm_empty(v, VHOST_USER_SET_OWNER);
	vmm_u64(v, VHOST_USER_SET_FEATURES, VMM_FEATURES);
	vmm_memory(v, 0);
	vmm_prepare_queue(v, 0);
	vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	n_failures = 3;
	assert_int_equal(v->started, 0);
	while (!v->started)
		uv_run(&v->loop, UV_RUN_ONCE);
	assert_int_equal(n_failures, 0);
	vmm_assert_works(v, 0);
}

/* What it said of the memory was for the moment: what is said of the ring later is the VMM's to mend. */
static void a_queue_without_memory_may_turn_out_to_be_no_ring(void **state)
{
	struct vmm *v = *state;
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3), log[2];
	char said[512] = "";

	assert_int_equal(pipe(log), 0);
	assert_int_equal(dup2(log[1], STDERR_FILENO), STDERR_FILENO);
	vmm_empty(v, VHOST_USER_SET_OWNER);
	vmm_u64(v, VHOST_USER_SET_FEATURES, VMM_FEATURES);
	vmm_memory(v, 0);
	vmm_prepare_queue(v, 0);
	n_failures = 1000;
	vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	failure = -EFAULT;
	vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	failure = -ENOMEM;
	n_failures = 0;
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(log[1]);
	assert_true(read(log[0], said, sizeof(said) - 1) > 0);
	assert_non_null(strstr(said, "queue 0 cannot run: Cannot allocate memory"));
	assert_non_null(strstr(said, "queue 0 cannot run: its ring is not in the guest's memory"));
	close(saved);
	close(log[0]);
}

static void what_was_offered_before_the_start_is_taken(void **state)
{
	struct vmm *v = *state;

	vmm_offer(v, 0);
	vmm_offer(v, 0);
	v->drivers[0].avail_idx = 0;
	vmm_start(v, VMM_FEATURES);
	assert_int_equal(v->taken, 2);
	assert_int_equal(driver_used_idx(&v->drivers[0]), 2);
}

static void a_stopped_queue_goes_on_where_it_was(void **state)
{
	struct vmm *v = *state;

	vmm_start(v, VMM_FEATURES);
	for (unsigned i = 0; i < 5; i++)
		vmm_assert_works(v, 0);
	vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 0, 0);
	assert_int_equal(v->stopped, 1);
	vmm_offer(v, 0);
	vmm_kick(v, 0);
	assert_int_equal(v->taken, 5);
	vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	assert_int_equal(v->taken, 6);
	vmm_assert_works(v, 0);
	vmm_assert_works(v, 1);
	/* After GET_VRING_BASE a new kick is needed. */
	vmm_state(v, VHOST_USER_GET_VRING_BASE, 0, 0);
	assert_int_equal(vmm_reply(v, VHOST_USER_GET_VRING_BASE), UINT64_C(7) << 32);
	vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	assert_null(v->rings[0]);
	vmm_ring_fd(v, VHOST_USER_SET_VRING_KICK, 0, v->kick[0]);
	vmm_assert_works(v, 0);
}

/* Stops queue 0 as for a pause, lets something happen, and starts it; how it begins then. */
static enum vhost_begin begins_after(struct vmm *v, void (*change)(struct vmm *v))
{
	unsigned started = v->started;

	vmm_state(v, VHOST_USER_GET_VRING_BASE, 0, 0);
	vmm_reply(v, VHOST_USER_GET_VRING_BASE);
	vmm_u64(v, VHOST_USER_SET_FEATURES, VMM_FEATURES);
	vmm_memory(v, 0);
	if (change)
		change(v);
	vmm_ring_fd(v, VHOST_USER_SET_VRING_KICK, 0, v->kick[0]);
	assert_int_equal(v->started, started + 1);
	return v->begins[0];
}

static void to_another_base(struct vmm *v)
{
	vmm_state(v, VHOST_USER_SET_VRING_BASE, 0, 1);
}

static void to_a_new_driver(struct vmm *v)
{
	vmm_state(v, VHOST_USER_SET_VRING_BASE, 0, 0);
}

static void to_the_same_base(struct vmm *v)
{
	vmm_state(v, VHOST_USER_SET_VRING_BASE, 0, v->drivers[0].avail_idx);
}

static void to_another_size(struct vmm *v)
{
	vmm_state(v, VHOST_USER_SET_VRING_NUM, 0, VMM_QUEUE_SIZE / 2);
}

static void to_another_address(struct vmm *v)
{
	vmm_addr(v, 0, 0x100);
}

static void to_other_features(struct vmm *v)
{
	vmm_u64(v, VHOST_USER_SET_FEATURES, VMM_FEATURES | VIRTIO_F_RING_INDIRECT_DESC);
}

static void the_device_hears_how_a_queue_begins(void **state)
{
	static void (*const changes[])(struct vmm * v) = { to_another_size, to_another_address,
							   to_other_features };
	struct vmm *v = *state;

	vmm_start(v, VMM_FEATURES);
	assert_int_equal(v->begins[0], VHOST_BEGINS_ANEW);
	assert_int_equal(begins_after(v, NULL), VHOST_BEGINS_UNUSED);
	assert_int_equal(begins_after(v, to_another_base), VHOST_BEGINS_ANEW);
	/* From here on it stops as it began, and nothing is taken of what is not there. */
	vmm_state(v, VHOST_USER_GET_VRING_BASE, 0, 0);
	vmm_reply(v, VHOST_USER_GET_VRING_BASE);
	vmm_prepare_queue(v, 0);
	assert_int_equal(v->begins[0], VHOST_BEGINS_ANEW);
	for (unsigned i = 0; i < 3; i++) {
		vmm_assert_works(v, 0);
		assert_int_equal(begins_after(v, NULL), VHOST_BEGINS_AGAIN);
		assert_int_equal(begins_after(v, to_the_same_base), VHOST_BEGINS_AGAIN);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(changes); i++) {
		assert_int_equal(begins_after(v, changes[i]), VHOST_BEGINS_ANEW);
		/* And back: another one again. */
		vmm_state(v, VHOST_USER_GET_VRING_BASE, 0, 0);
		vmm_reply(v, VHOST_USER_GET_VRING_BASE);
		vmm_u64(v, VHOST_USER_SET_FEATURES, VMM_FEATURES);
		vmm_prepare_queue(v, 0);
		assert_int_equal(v->begins[0], VHOST_BEGINS_ANEW);
		vmm_assert_works(v, 0);
	}
	/* What it waits for does not matter, as long as it is the same in the end. */
	vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 0, 0);
	vmm_memory(v, 0x10000000);
	vmm_memory(v, 0);
	vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	assert_int_equal(v->begins[0], VHOST_BEGINS_AGAIN);
	assert_int_equal(begins_after(v, to_a_new_driver), VHOST_BEGINS_ANEW);
}

/* Some of what it took it may not have given back. */
static void a_broken_queue_begins_anew(void **state)
{
	struct vmm *v = *state;

	vmm_start(v, VMM_FEATURES);
	vmm_assert_works(v, 0);
	driver_offer(&v->drivers[0], VMM_QUEUE_SIZE);
	vmm_kick(v, 0);
	v->drivers[0].avail_idx--;
	driver_set_avail_idx(&v->drivers[0], v->drivers[0].avail_idx);
	assert_int_equal(begins_after(v, NULL), VHOST_BEGINS_ANEW);
	vmm_assert_works(v, 0);
	assert_int_equal(begins_after(v, NULL), VHOST_BEGINS_AGAIN);
}

static void a_new_memory_table_comes_while_queues_run(void **state)
{
	struct vmm *v = *state;
	int fds[] = { v->memory_fd, v->memory_fd };
	/* The same memory in other pieces, the second one first. */
	struct guest_region regions[] = {
		{ VMM_GUEST + VMM_WINDOW, VMM_MEMORY - VMM_WINDOW, VMM_USER + VMM_WINDOW,
		  VMM_WINDOW },
		{ VMM_GUEST, VMM_WINDOW, VMM_USER, 0 },
	};

	vmm_start(v, VMM_FEATURES);
	vmm_assert_works(v, 0);
	vmm_table(v, 0, regions, fds, 2);
	assert_int_equal(v->stopped, 0);
	vmm_assert_works(v, 0);
	vmm_assert_works(v, 1);

	/* A table without the rings stops them, one that has them lets them go on. */
	vmm_memory(v, 0x10000000);
	assert_int_equal(v->stopped, 2);
	vmm_assert_silent(v);
	vmm_memory(v, 0);
	assert_int_equal(v->started, 4);
	vmm_assert_works(v, 0);
	vmm_assert_works(v, 1);
}

static void memory_comes_and_goes_by_region(void **state)
{
	struct vmm *v = *state;
	struct guest_region a = { VMM_GUEST, VMM_WINDOW, VMM_USER, 0 };
	struct guest_region b = { VMM_GUEST + VMM_WINDOW, VMM_WINDOW, VMM_USER + VMM_WINDOW,
				  VMM_WINDOW };

	vmm_u64(v, VHOST_USER_SET_FEATURES, VMM_FEATURES);
	vmm_empty(v, VHOST_USER_GET_MAX_MEM_SLOTS);
	assert_int_equal(vmm_reply(v, VHOST_USER_GET_MAX_MEM_SLOTS), GUEST_MEMORY_REGIONS_MAX);
	vmm_region(v, VHOST_USER_ADD_MEM_REG, &a, 1);
	for (uint32_t q = 0; q < 2; q++) {
		vmm_prepare_queue(v, q);
		vmm_state(v, VHOST_USER_SET_VRING_ENABLE, q, 1);
	}
	assert_int_equal(v->started, 1);
	vmm_region(v, VHOST_USER_ADD_MEM_REG, &b, 1);
	assert_int_equal(v->started, 2);
	vmm_assert_works(v, 0);
	vmm_assert_works(v, 1);
	vmm_region(v, VHOST_USER_REM_MEM_REG, &a, 1); /* some send an fd */
	assert_int_equal(v->stopped, 1);
	assert_null(v->rings[0]);
	vmm_assert_works(v, 1);
	vmm_region(v, VHOST_USER_ADD_MEM_REG, &a, 1);
	vmm_assert_works(v, 0);
	vmm_region(v, VHOST_USER_REM_MEM_REG, &a, 0);
	vmm_region(v, VHOST_USER_REM_MEM_REG, &b, 0);
	assert_int_equal(v->stopped, v->started);
	vmm_assert_silent(v);
}

static void fds_are_exchanged_while_a_queue_runs(void **state)
{
	struct vmm *v = *state;

	vmm_start(v, VMM_FEATURES);
	for (unsigned i = 0; i < 3; i++) {
		tsk_close(v->kick[0]);
		tsk_close(v->call[0]);
		v->kick[0] = eventfd(0, EFD_CLOEXEC);
		v->call[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		vmm_ring_fd(v, VHOST_USER_SET_VRING_KICK, 0, v->kick[0]);
		vmm_ring_fd(v, VHOST_USER_SET_VRING_CALL, 0, v->call[0]);
		vmm_assert_works(v, 0);
	}
	vmm_ring_fd(v, VHOST_USER_SET_VRING_CALL, 0, -1);
	vmm_offer(v, 0);
	vmm_kick(v, 0);
	assert_int_equal(v->taken, 4);
	assert_false(vmm_was_called(v, 0));
}

/* What was said on the old one, and not heard yet, is not lost. */
static void a_kick_that_crosses_an_exchange_is_heard(void **state)
{
	struct vmm *v = *state;
	int fresh = eventfd(0, EFD_CLOEXEC);

	vmm_start(v, VMM_FEATURES);
	vmm_offer(v, 0);
	vmm_ring_fd(v, VHOST_USER_SET_VRING_KICK, 0, fresh);
	vmm_run(v);
	assert_int_equal(v->taken, 1);
	close(fresh);
}

static void a_queue_without_a_kick_fd_is_polled(void **state)
{
	struct vmm *v = *state;
	uint64_t end = tsk_now_ns() + 2 * TSK_NS_PER_SEC;

	vmm_start(v, VMM_FEATURES);
	vmm_ring_fd(v, VHOST_USER_SET_VRING_KICK, 0, -1);
	vmm_offer(v, 0);
	while (v->taken == 0 && tsk_now_ns() < end)
		uv_run(&v->loop, UV_RUN_ONCE);
	assert_int_equal(v->taken, 1);
	vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 0, 0);
	vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	vmm_offer(v, 0);
	while (v->taken == 1 && tsk_now_ns() < end)
		uv_run(&v->loop, UV_RUN_ONCE);
	assert_int_equal(v->taken, 2);
}

static void reset_owner_stops_all(void **state)
{
	struct vmm *v = *state;

	vmm_start(v, VMM_FEATURES);
	vmm_empty(v, VHOST_USER_RESET_OWNER);
	assert_int_equal(v->stopped, 2);
	vmm_assert_silent(v);
}

static void messages_come_in_any_pieces(void **state)
{
	struct vmm *v = *state;
	struct guest_region region = { VMM_GUEST, VMM_MEMORY, VMM_USER, 0 };
	unsigned char bytes[52] = { 5, 0, 0, 0, 9, 0, 0, 0, 40, 0, 0, 0, 1 };

	memcpy(bytes + 20, &region, sizeof(region));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		vmm_send_raw(v, bytes + i, 1, &v->memory_fd, i == 0);
		vmm_run(v);
		if (i + 1 < sizeof(bytes))
			vmm_assert_silent(v);
	}
	assert_int_equal(vmm_reply(v, VHOST_USER_SET_MEM_TABLE), 0);
	/* And many in one piece. */
	memset(bytes, 0, sizeof(bytes));
	for (unsigned i = 0; i < 4; i++) {
		bytes[12 * i] = VHOST_USER_GET_QUEUE_NUM;
		bytes[12 * i + 4] = 1;
	}
	vmm_send_raw(v, bytes, 48, NULL, 0);
	vmm_run(v);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(vmm_recv(v, bytes, 20), 20);
		assert_int_equal(bytes[12], 3);
	}
	vmm_assert_silent(v);
}

static void config_is_read_in_any_window(void **state)
{
	struct vmm *v = *state;
	unsigned char config[12 + 256] = { 4, 0, 0, 0, 8 }, bytes[300];

	vmm_send(v, VHOST_USER_GET_CONFIG, 0, config, 20, NULL, 0);
	assert_int_equal(vmm_recv(v, bytes, sizeof(bytes)), 32);
	assert_memory_equal(bytes + 12, config, 12);
	assert_memory_equal(bytes + 24, "\x44\x33\x22\x11\0\0\0\0", 8);
	memcpy(config, "\0\0\0\0\0\1\0\0", 8);
	vmm_send(v, VHOST_USER_GET_CONFIG, 0, config, 12 + 256, NULL, 0);
	assert_int_equal(vmm_recv(v, bytes, sizeof(bytes)), 24 + 256);
	/* Out of range: the answer is empty. */
	config[0] = 1;
	vmm_send(v, VHOST_USER_GET_CONFIG, 0, config, 12 + 256, NULL, 0);
	assert_int_equal(vmm_recv(v, bytes, sizeof(bytes)), 12);
	memcpy(config, "\xff\xff\xff\xff\1\0\0\0", 8);
	vmm_send(v, VHOST_USER_GET_CONFIG, 0, config, 13, NULL, 0);
	assert_int_equal(vmm_recv(v, bytes, sizeof(bytes)), 12);
	/* None of it can be set; a VMM that tries is told where it can be. */
	memcpy(config, "\0\0\0\0\1\0\0\0", 8);
	vmm_send(v, VHOST_USER_SET_CONFIG, 0, config, 13, NULL, 0);
	vmm_assert_silent(v);
	vmm_send(v, VHOST_USER_SET_CONFIG, NEED_REPLY, config, 13, NULL, 0);
	assert_int_equal(vmm_reply(v, VHOST_USER_SET_CONFIG), 1);
}

static void an_error_is_told_where_a_reply_is_awaited(void **state)
{
	struct vmm *v = *state;
	struct guest_region region = { VMM_GUEST, VMM_MEMORY + 1, VMM_USER, 0 };
	uint32_t words[] = { 0, 3 };

	vmm_send(v, VHOST_USER_SET_VRING_NUM, NEED_REPLY, words, 8, NULL, 0);
	assert_int_equal(vmm_reply(v, VHOST_USER_SET_VRING_NUM), 1);
	vmm_table(v, NEED_REPLY, &region, &v->memory_fd, 1);
	assert_int_equal(vmm_reply(v, VHOST_USER_SET_MEM_TABLE), 1);
	vmm_send(v, 99, NEED_REPLY, words, 8, NULL, 0);
	assert_int_equal(vmm_reply(v, 99), 1);
	/* GET_... is answered once. */
	vmm_send(v, VHOST_USER_GET_QUEUE_NUM, NEED_REPLY, NULL, 0, NULL, 0);
	assert_int_equal(vmm_reply(v, VHOST_USER_GET_QUEUE_NUM), 3);
	/* Requests of other devices that no one waits for are passed over. */
	vmm_send(v, 34, 0, NULL, 0, NULL, 0);
	vmm_assert_silent(v);
	vmm_start(v, VMM_FEATURES);
	vmm_assert_works(v, 0);
}

/* ---- the end ---- */

static void the_vmm_goes_away(void **state)
{
	struct vmm *v = *state;

	vmm_start(v, VMM_FEATURES);
	shutdown(v->fd, SHUT_WR);
	vmm_assert_dropped(v);
}

static void the_vmm_goes_away_within_a_message(void **state)
{
	struct vmm *v = *state;

	vmm_send_raw(v, "\5\0\0\0\1\0\0\0\50\0\0\0\1", 13, &v->memory_fd, 1);
	vmm_run(v);
	vmm_assert_silent(v);
	shutdown(v->fd, SHUT_WR);
	vmm_assert_dropped(v);
}

static void freed_from_within_started(void **state)
{
	struct vmm *v = *state;

	v->free_in = FREE_STARTED;
	vmm_u64(v, VHOST_USER_SET_FEATURES, VMM_FEATURES);
	vmm_memory(v, 0);
	vmm_prepare_queue(v, 0);
	vmm_state(v, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	assert_null(v->backend);
	assert_int_equal(v->kicked + v->disconnected, 0);
	assert_int_equal(v->stopped, 1);
}

static void freed_from_within_kicked(void **state)
{
	struct vmm *v = *state;

	vmm_start(v, VMM_FEATURES);
	v->free_in = FREE_KICKED;
	vmm_kick(v, 1);
	assert_null(v->backend);
	assert_int_equal(v->stopped, 2);
}

static void freed_from_within_stopped(void **state)
{
	struct vmm *v = *state;

	vmm_start(v, VMM_FEATURES);
	v->free_in = FREE_STOPPED;
	vmm_state(v, VHOST_USER_GET_VRING_BASE, 0, 0);
	assert_null(v->backend);
	assert_int_equal(v->stopped, 2);
	assert_int_equal(v->disconnected, 0);
}

static void freed_from_within_stopped_at_the_end(void **state)
{
	struct vmm *v = *state;

	vmm_start(v, VMM_FEATURES);
	v->free_in = FREE_STOPPED;
	shutdown(v->fd, SHUT_WR);
	vmm_run(v);
	assert_null(v->backend);
	assert_int_equal(v->stopped, 2);
}

static void freed_from_within_stopped_by_a_new_table(void **state)
{
	struct vmm *v = *state;

	vmm_start(v, VMM_FEATURES);
	v->free_in = FREE_STOPPED;
	vmm_memory(v, 0x10000000);
	assert_null(v->backend);
	assert_int_equal(v->stopped, 2);
}

static void freed_from_within_disconnected(void **state)
{
	struct vmm *v = *state;

	vmm_start(v, VMM_FEATURES);
	v->free_in = FREE_DISCONNECTED;
	vmm_u64(v, 1000, 0);
	vmm_run(v);
	assert_null(v->backend);
	assert_int_equal(v->disconnected, 1);
}

static void a_socket_that_cannot_be_polled_is_closed(void **state)
{
	struct vmm *v = *state;
	struct vhost_backend *backend = NULL;
	int fd = fcntl(v->memory_fd, F_DUPFD_CLOEXEC, 0);
	struct test_keeper keeper;
	struct vhost_session session = test_keeper_begin(&keeper, fd);

	assert_true(fd >= 0);
	assert_int_equal(vhost_backend_new(&v->loop, &session, &vmm_device_ops, v, &backend),
			 -EPERM);
	test_keeper_done(&keeper);
	assert_null(backend);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	vhost_backend_free(NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, vmm_setup, vmm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(qemu_starts_and_resets_the_device),
		T(a_vmm_without_protocol_features_needs_no_enabling),
		T(the_device_hears_what_its_driver_knows),
		T(all_three_queues_can_be_handed_over),
		T(a_queue_without_memory_starts_later),
		T(a_queue_without_memory_may_turn_out_to_be_no_ring),
		T(what_was_offered_before_the_start_is_taken),
		T(a_stopped_queue_goes_on_where_it_was),
		T(the_device_hears_how_a_queue_begins),
		T(a_broken_queue_begins_anew),
		T(a_new_memory_table_comes_while_queues_run),
		T(memory_comes_and_goes_by_region),
		T(fds_are_exchanged_while_a_queue_runs),
		T(a_kick_that_crosses_an_exchange_is_heard),
		T(a_queue_without_a_kick_fd_is_polled),
		T(reset_owner_stops_all),
		T(messages_come_in_any_pieces),
		T(config_is_read_in_any_window),
		T(an_error_is_told_where_a_reply_is_awaited),
		T(the_vmm_goes_away),
		T(the_vmm_goes_away_within_a_message),
		T(freed_from_within_started),
		T(freed_from_within_kicked),
		T(freed_from_within_stopped),
		T(freed_from_within_stopped_at_the_end),
		T(freed_from_within_stopped_by_a_new_table),
		T(freed_from_within_disconnected),
		T(a_socket_that_cannot_be_polled_is_closed),
	};

	return cmocka_run_group_tests_name("backend", tests, vmm_group_setup, NULL);
}
