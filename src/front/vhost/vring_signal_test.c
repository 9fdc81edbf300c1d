/* SPDX-License-Identifier: Apache-2.0 */
/* Signals that are given later than the used chains are shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "base/memfd.h"
#include "front/vhost/test_driver.h"
#include "front/vhost/vring_internal.h"

#define GUEST UINT64_C(0x40000000)
#define USER UINT64_C(0x7f0000000000)
#define MEMORY 0x20000u

struct fixture {
	struct driver driver;
	struct tsk_map map; /* as the VMM sees it */
	struct guest_memory *memory;
	int memory_fd, call_fd;
	struct vring *ring;
};

static void on_broke(void *context, const char *why)
{
	(void)context;
	(void)why;
	fail();
}

static void start(struct fixture *f, bool event_idx)
{
	const struct vring_config config = {
		.size = 8,
		.event_idx = event_idx,
		.desc = USER + DRIVER_DESC,
		.avail = USER + DRIVER_AVAIL,
		.used = USER + DRIVER_USED,
		.broke = on_broke,
	};

	assert_int_equal(vring_new(&config, f->memory, f->call_fd, &f->ring), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct guest_region region = { GUEST, MEMORY, USER, 0 };

	assert_non_null(f);
	assert_int_equal(tsk_memfd_new("guest", MEMORY, &f->memory_fd), 0);
	assert_int_equal(tsk_map_new(f->memory_fd, MEMORY, true, &f->map), 0);
	assert_int_equal(guest_memory_new(&region, &f->memory_fd, 1, &f->memory), 0);
	f->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->driver = (struct driver){ .mem = f->map.addr, .size = 8 };
	for (unsigned i = 0; i < 8; i++)
		driver_desc(&f->driver, i, GUEST + DRIVER_DATA, 16, 0, 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	vring_free(f->ring);
	guest_memory_unref(f->memory);
	tsk_map_done(&f->map);
	tsk_close(f->memory_fd);
	tsk_close(f->call_fd);
	free(f);
	return 0;
}

/* Signals since the last look. */
static unsigned signals(struct fixture *f)
{
	uint64_t n = 0;

	return read(f->call_fd, &n, sizeof(n)) < 0 ? 0 : (unsigned)n;
}

/* One chain comes and is given back; the driver can see it. */
static void show_one(struct fixture *f)
{
	struct vring_chain chain;
	unsigned idx = driver_used_idx(&f->driver);

	driver_offer(&f->driver, 0);
	assert_int_equal(vring_pop(f->ring, &chain), 1);
	vring_push(f->ring, chain.head, 0);
	vring_show(f->ring);
	assert_int_equal(driver_used_idx(&f->driver), idx + 1);
	assert_int_equal(signals(f), 0);
}

/* The first signal, which is given in any case, is behind us. */
static void begin(struct fixture *f, bool event_idx)
{
	start(f, event_idx);
	assert_false(vring_owes_signal(f->ring));
	show_one(f);
	assert_true(vring_owes_signal(f->ring));
	vring_flush(f->ring);
	assert_int_equal(signals(f), 1);
	assert_false(vring_owes_signal(f->ring));
}

static void a_signal_that_is_wanted_stays_owed(void **state)
{
	struct fixture *f = *state;

	begin(f, true);
	driver_used_event(&f->driver, 1);
	show_one(f);
	assert_true(vring_owes_signal(f->ring));
	/* Later ones do not make it forgotten. */
	show_one(f);
	show_one(f);
	assert_true(vring_owes_signal(f->ring));
	vring_flush(f->ring);
	assert_int_equal(signals(f), 1);
	assert_false(vring_owes_signal(f->ring));
	vring_flush(f->ring);
	assert_int_equal(signals(f), 0);
}

static void a_driver_that_has_looked_needs_none(void **state)
{
	struct fixture *f = *state;

	begin(f, true);
	driver_used_event(&f->driver, 1);
	show_one(f);
	assert_true(vring_owes_signal(f->ring));
	driver_used_event(&f->driver, 2);
	assert_false(vring_owes_signal(f->ring));
	vring_flush(f->ring);
	assert_int_equal(signals(f), 0);
	/* It waits for the next one. */
	show_one(f);
	assert_true(vring_owes_signal(f->ring));
}

static void a_driver_that_wants_a_later_one_gets_that(void **state)
{
	struct fixture *f = *state;

	begin(f, true);
	driver_used_event(&f->driver, 2);
	show_one(f);
	assert_false(vring_owes_signal(f->ring));
	show_one(f);
	assert_true(vring_owes_signal(f->ring));
}

static void by_flags_it_is_owed_until_given(void **state)
{
	struct fixture *f = *state;

	begin(f, false);
	driver_avail_flags(&f->driver, 1);
	show_one(f);
	assert_false(vring_owes_signal(f->ring));
	driver_avail_flags(&f->driver, 0);
	show_one(f);
	assert_true(vring_owes_signal(f->ring));
	vring_flush(f->ring);
	assert_int_equal(signals(f), 1);
}

static void a_queue_that_ends_gives_what_it_owes(void **state)
{
	struct fixture *f = *state;

	begin(f, true);
	driver_used_event(&f->driver, 1);
	show_one(f);
	f->ring = vring_free(f->ring);
	assert_int_equal(signals(f), 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_signal_that_is_wanted_stays_owed),
		CASE(a_driver_that_has_looked_needs_none),
		CASE(a_driver_that_wants_a_later_one_gets_that),
		CASE(by_flags_it_is_owed_until_given),
		CASE(a_queue_that_ends_gives_what_it_owes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
