/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/memfd.h"

#define ENTRIES 3u
#define SIZE (LEDGER_QUEUES_MAX * 4u + ENTRIES * sizeof(struct ledger_entry))

static int new_fd(uint64_t size)
{
	int fd;

	assert_int_equal(tsk_memfd_new("ledger", size, &fd), 0);
	return fd;
}

static void assert_entry(const struct ledger *ledger, int *place, uint32_t guest_port)
{
	struct ledger_entry entry;

	*place = ledger_next(ledger, *place, &entry);
	assert_int_not_equal(*place, LEDGER_NONE);
	assert_int_equal(entry.guest_port, guest_port);
	assert_int_equal(entry.host_port, guest_port + 1);
	assert_int_equal(entry.type, 2);
	++*place;
}

static void what_is_entered_is_there_for_the_next_one(void **state)
{
	struct ledger_entry entry = { .type = 2 };
	struct ledger *one, *next;
	int fd = new_fd(SIZE), places[ENTRIES], place = 0;

	(void)state;
	assert_int_equal(ledger_new(fd, &one), 0);
	assert_int_equal(ledger_next(one, 0, &entry), LEDGER_NONE);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		entry = (struct ledger_entry){ 100 + i, 101 + i, 2 };
		places[i] = ledger_enter(one, &entry);
		assert_int_not_equal(places[i], LEDGER_NONE);
	}
	assert_int_equal(ledger_enter(one, &entry), LEDGER_NONE); /* full */
	ledger_strike(one, places[1]);
	ledger_strike(one, places[1]);
	ledger_strike(one, LEDGER_NONE);
	ledger_free(one); /* as it dies: nothing is cleared */

	assert_int_equal(ledger_new(fd, &next), 0);
	assert_entry(next, &place, 100);
	assert_entry(next, &place, 102);
	assert_int_equal(ledger_next(next, place, &entry), LEDGER_NONE);
	/* Only the struck place is free. */
	entry = (struct ledger_entry){ 7, 8, 2 };
	assert_int_equal(ledger_enter(next, &entry), places[1]);
	assert_int_equal(ledger_enter(next, &entry), LEDGER_NONE);
	ledger_free(next);
	close(fd);
}

static void queues_are_told_apart(void **state)
{
	int fd = new_fd(SIZE);
	struct ledger *ledger;
	uint16_t value = 9;

	(void)state;
	assert_int_equal(ledger_new(fd, &ledger), 0);
	assert_false(ledger_queue(ledger, 1, &value));
	assert_int_equal(value, 0);
	ledger_runs(ledger, 1, 0xffff);
	ledger_stopped(ledger, 2, 0x8001);
	assert_true(ledger_queue(ledger, 1, &value));
	assert_int_equal(value, 0xffff);
	assert_false(ledger_queue(ledger, 2, &value));
	assert_int_equal(value, 0x8001);
	ledger_stopped(ledger, 1, 3);
	assert_false(ledger_queue(ledger, 1, &value));
	assert_int_equal(value, 3);
	ledger_free(ledger);
	close(fd);
}

static void a_memory_that_may_vanish_is_none(void **state)
{
	int fd = memfd_create("ledger", MFD_ALLOW_SEALING);
	struct ledger *ledger;

	(void)state;
	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_int_equal(ledger_new(fd, &ledger), -EPROTO);
	close(fd);
	fd = new_fd(LEDGER_QUEUES_MAX * 4u);
	assert_int_equal(ledger_new(fd, &ledger), -EPROTO);
	close(fd);
}

static void without_one_nothing_is_entered(void **state)
{
	struct ledger_entry entry = { 1, 2, 1 };
	uint16_t value = 9;

	(void)state;
	assert_int_equal(ledger_enter(NULL, &entry), LEDGER_NONE);
	assert_int_equal(ledger_next(NULL, 0, &entry), LEDGER_NONE);
	ledger_strike(NULL, 0);
	ledger_runs(NULL, 0, 1);
	ledger_stopped(NULL, 0, 1);
	assert_false(ledger_queue(NULL, 0, &value));
	assert_int_equal(value, 0);
	assert_null(ledger_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_entered_is_there_for_the_next_one),
		cmocka_unit_test(queues_are_told_apart),
		cmocka_unit_test(a_memory_that_may_vanish_is_none),
		cmocka_unit_test(without_one_nothing_is_entered),
	};

	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
