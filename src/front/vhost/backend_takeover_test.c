/* SPDX-License-Identifier: Apache-2.0 */
/* A back end whose process dies, at any moment, and the next one that goes on with its session. */
#include "front/vhost/test_vmm.h"

#define LEDGER_BYTES DEVICE_LEDGER_BYTES(1)

/*
 * The process dies now: what it would have written at an orderly end is undone.  Then the next one
 * goes on; -errno when it will not.
 */
static int die_and_go_on(struct vmm *v)
{
	struct vhost_session session;
	struct tsk_map page;
	unsigned char *memory = malloc(VMM_MEMORY), *ledger = malloc(LEDGER_BYTES);
	int r;

	assert_true(memory && ledger);
	assert_int_equal(tsk_map_new(v->ledger_fd, LEDGER_BYTES, true, &page), 0);
	memcpy(memory, v->map.addr, VMM_MEMORY);
	memcpy(ledger, page.addr, LEDGER_BYTES);
	vhost_backend_free(TAKE_PTR(v->backend));
	v->ledger = ledger_free(v->ledger);
	memcpy(v->map.addr, memory, VMM_MEMORY);
	memcpy(page.addr, ledger, LEDGER_BYTES);
	tsk_map_done(&page);
	free(memory);
	free(ledger);
	for (unsigned q = 0; q < VHOST_QUEUES_MAX; q++)
		vmm_was_called(v, q);

	session = test_keeper_again(&v->keeper);
	assert_int_equal(ledger_new(v->ledger_fd, &v->ledger), 0);
	session.ledger = v->ledger;
	r = vhost_backend_new(&v->loop, &session, &vmm_device_ops, v, &v->backend);
	if (r == 0) {
		r = vhost_backend_resume(v->backend);
		vmm_run(v);
	}
	return r;
}

static void queues_go_on_where_the_driver_saw_them(void **state)
{
	struct vmm *v = *state;

	vmm_start(v, VMM_FEATURES);
	for (unsigned round = 0; round < 300; round++) {
		vmm_assert_works(v, round % 2);
		v->acknowledged = 0;
		assert_int_equal(die_and_go_on(v), 0);
		assert_int_equal(v->acknowledged, VMM_FEATURES);
		assert_int_equal(v->started, v->stopped + 2);
		/* A signal of the dead one may be lost: each queue's driver gets one more. */
		assert_true(vmm_was_called(v, 0));
		assert_true(vmm_was_called(v, 1));
	}
	assert_int_equal(v->taken, 300);
}

/* What has been popped, or even pushed, but not published, was never done. */
static void a_chain_that_the_driver_has_not_back_is_taken_again(void **state)
{
	struct vmm *v = *state;
	struct vring_chain chain;

	vmm_start(v, VMM_FEATURES);
	vmm_assert_works(v, 0);
	vmm_offer(v, 0);
	vmm_offer(v, 0);
	vmm_offer(v, 0);
	assert_int_equal(vring_pop(v->rings[0], &chain), 1);
	vring_push(v->rings[0], chain.head, 1);
	assert_int_equal(vring_pop(v->rings[0], &chain), 1);
	v->taken = 0;
	assert_int_equal(die_and_go_on(v), 0);
	assert_int_equal(v->taken, 3);
	assert_int_equal(driver_used_idx(&v->drivers[0]), 4);
	assert_int_equal(driver_used_len(&v->drivers[0], 1), 16);
	vmm_assert_works(v, 0);
}

static void a_queue_that_began_elsewhere_goes_on(void **state)
{
	struct vmm *v = *state;

	/* A VMM that brings a guest from elsewhere: neither index begins at 0. */
	v->drivers[0].avail_idx = 65530;
	driver_set_avail_idx(&v->drivers[0], 65530);
	driver_put(&v->drivers[0], DRIVER_USED + 2, 65530, 2);
	vmm_start(v, VMM_FEATURES);
	for (unsigned i = 0; i < 20; i++) {
		vmm_assert_works(v, 0);
		assert_int_equal(die_and_go_on(v), 0);
	}
	vmm_state(v, VHOST_USER_GET_VRING_BASE, 0, 0);
	assert_int_equal(vmm_reply(v, VHOST_USER_GET_VRING_BASE), UINT64_C(14) << 32);
}

/* Whatever a VMM says: the process may die before, or just after. */
static void no_message_is_lost_or_answered_twice(void **state)
{
	struct guest_region region = { VMM_GUEST, VMM_MEMORY, VMM_USER, 0 };
	struct vmm *v = *state;

	for (unsigned lost = 0; lost < 2; lost++) {
		v->keeper.forgets = lost;
		vmm_u64(v, VHOST_USER_SET_FEATURES, VMM_FEATURES);
		vmm_table(v, NEED_REPLY, &region, &v->memory_fd, 1);
		if (lost) {
			vmm_assert_silent(v);
			v->keeper.forgets = false;
			assert_int_equal(die_and_go_on(v), 0);
		}
		assert_int_equal(vmm_reply(v, VHOST_USER_SET_MEM_TABLE), 0);
		assert_int_equal(die_and_go_on(v), 0);
		vmm_assert_silent(v);
	}
	for (uint32_t q = 0; q < 2; q++) {
		vmm_prepare_queue(v, q);
		vmm_state(v, VHOST_USER_SET_VRING_ENABLE, q, 1);
		assert_int_equal(die_and_go_on(v), 0);
	}
	vmm_assert_works(v, 0);
	vmm_assert_works(v, 1);
	v->keeper.forgets = true;
	vmm_state(v, VHOST_USER_GET_VRING_BASE, 0, 0);
	v->keeper.forgets = false;
	assert_int_equal(die_and_go_on(v), 0);
	assert_int_equal(vmm_reply(v, VHOST_USER_GET_VRING_BASE), UINT64_C(1) << 32);
	vmm_assert_silent(v);
	/* It is stopped for the next one, too. */
	assert_int_equal(die_and_go_on(v), 0);
	vmm_offer(v, 0);
	vmm_kick(v, 0);
	assert_int_equal(driver_used_idx(&v->drivers[0]), 1);
	vmm_assert_works(v, 1);
}

static void a_step_that_takes_long_holds_the_next_message_back(void **state)
{
	struct vmm *v = *state;

	v->keeper.waits = true;
	vmm_empty(v, VHOST_USER_GET_QUEUE_NUM);
	vmm_empty(v, VHOST_USER_GET_QUEUE_NUM);
	assert_int_equal(v->keeper.steps, 1);
	assert_int_equal(vmm_reply(v, VHOST_USER_GET_QUEUE_NUM), 3);
	vmm_assert_silent(v);
	vhost_backend_stepped(v->backend, 0);
	vmm_run(v);
	assert_int_equal(v->keeper.steps, 2);
	assert_int_equal(vmm_reply(v, VHOST_USER_GET_QUEUE_NUM), 3);
	vhost_backend_stepped(v->backend, 0);
	vhost_backend_stepped(v->backend, -EPIPE); /* to nothing */
	vmm_assert_silent(v);
	vmm_empty(v, VHOST_USER_SET_OWNER);
	vhost_backend_stepped(v->backend, -EPIPE);
	vmm_assert_dropped(v);
}

static void memory_by_region_is_kept_by_region(void **state)
{
	struct vmm *v = *state;
	struct guest_region a = { VMM_GUEST, VMM_WINDOW, VMM_USER, 0 };
	struct guest_region b = { VMM_GUEST + VMM_WINDOW, VMM_WINDOW, VMM_USER + VMM_WINDOW,
				  VMM_WINDOW };

	vmm_u64(v, VHOST_USER_SET_FEATURES, VMM_FEATURES);
	vmm_region(v, VHOST_USER_ADD_MEM_REG, &b, 1);
	assert_int_equal(die_and_go_on(v), 0);
	vmm_region(v, VHOST_USER_ADD_MEM_REG, &a, 1);
	vmm_region(v, VHOST_USER_REM_MEM_REG, &b, 0);
	assert_int_equal(die_and_go_on(v), 0);
	vmm_region(v, VHOST_USER_ADD_MEM_REG, &b, 1);
	for (uint32_t q = 0; q < 2; q++) {
		vmm_prepare_queue(v, q);
		vmm_state(v, VHOST_USER_SET_VRING_ENABLE, q, 1);
	}
	assert_int_equal(die_and_go_on(v), 0);
	vmm_assert_works(v, 0);
	vmm_assert_works(v, 1);
	vmm_assert_silent(v);
}

static void a_polled_queue_is_polled_on(void **state)
{
	struct vmm *v = *state;

	vmm_start(v, VMM_FEATURES);
	vmm_ring_fd(v, VHOST_USER_SET_VRING_KICK, 0, -1);
	assert_int_equal(die_and_go_on(v), 0);
	vmm_offer(v, 0);
	for (unsigned i = 0; i < 1000 && driver_used_idx(&v->drivers[0]) == 0; i++)
		uv_run(&v->loop, UV_RUN_ONCE);
	assert_int_equal(driver_used_idx(&v->drivers[0]), 1);
}

/* A front that its guest has taken over may leave anything behind. */
static void a_state_that_makes_no_sense_is_refused_or_harmless(void **state)
{
	struct vmm *v = *state;
	struct device_msg good;
	unsigned refused = 0;

	vmm_start(v, VMM_FEATURES);
	good = v->keeper.last;
	for (uint32_t at = 0; at < good.state_bytes; at++) {
		v->keeper.last = good;
		v->keeper.last.state[at] ^= 0xff;
		if (die_and_go_on(v) < 0)
			refused++;
		/* A session that has been gone on with leaves what another can go on with. */
		v->keeper.last = good;
		assert_int_equal(die_and_go_on(v), 0);
	}
	assert_true(refused > 20);
	v->keeper.last.state_bytes--;
	assert_int_equal(die_and_go_on(v), -EPROTO);
	v->keeper.last = good;
	v->keeper.kept[0] = tsk_close(v->keeper.kept[0]); /* the memory's */
	assert_int_equal(die_and_go_on(v), -EPROTO);
}

#define T(name) cmocka_unit_test_setup_teardown(name, vmm_setup, vmm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(queues_go_on_where_the_driver_saw_them),
		T(a_chain_that_the_driver_has_not_back_is_taken_again),
		T(a_queue_that_began_elsewhere_goes_on),
		T(no_message_is_lost_or_answered_twice),
		T(a_step_that_takes_long_holds_the_next_message_back),
		T(memory_by_region_is_kept_by_region),
		T(a_polled_queue_is_polled_on),
		T(a_state_that_makes_no_sense_is_refused_or_harmless),
	};

	return cmocka_run_group_tests_name("backend_takeover", tests, vmm_group_setup, NULL);
}
