/* SPDX-License-Identifier: Apache-2.0 */
#include "front/quarantine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct quarantine q;

/* A hash that no other number has. */
static const unsigned char *hash(unsigned number)
{
	static unsigned char ret[MODEL_HASH_BYTES];

	memset(ret, 7, sizeof(ret));
	memcpy(ret + MODEL_HASH_BYTES - sizeof(number), &number, sizeof(number));
	return ret;
}

static void test_third_death(void **state)
{
	(void)state;
	quarantine_init(&q, 1000);
	assert_false(quarantine_count(&q, hash(1), 5000));
	assert_false(quarantine_count(&q, hash(1), 5100));
	assert_int_equal(quarantine_left_ms(&q, hash(1), 5100), 0);
	assert_false(quarantine_count(&q, hash(2), 5150));
	assert_true(quarantine_count(&q, hash(1), 5200));
	assert_int_equal(quarantine_left_ms(&q, hash(1), 5200), 1000);
	assert_int_equal(quarantine_left_ms(&q, hash(1), 6199), 1);
	assert_int_equal(quarantine_left_ms(&q, hash(2), 5200), 0);
	assert_int_equal(quarantine_left_ms(&q, hash(3), 5200), 0);
}

static void test_forgotten(void **state)
{
	(void)state;
	quarantine_init(&q, 1000);
	for (uint64_t now = 0; now < 3; now++)
		(void)quarantine_count(&q, hash(1), now);
	assert_int_equal(quarantine_left_ms(&q, hash(1), 1002), 0);
	/* As if it had never died: three more are needed. */
	assert_false(quarantine_count(&q, hash(1), 1002));
	assert_false(quarantine_count(&q, hash(1), 1003));
	assert_true(quarantine_count(&q, hash(1), 1004));
	/* Two deaths, and a third one long after: no quarantine. */
	assert_false(quarantine_count(&q, hash(2), 10));
	assert_false(quarantine_count(&q, hash(2), 20));
	assert_false(quarantine_count(&q, hash(2), 1020));
	assert_int_equal(quarantine_left_ms(&q, hash(2), 1020), 0);
}

/* A death more, of a worker that had been started before: it is told once, and lasts longer. */
static void test_fourth_death(void **state)
{
	(void)state;
	quarantine_init(&q, 1000);
	for (uint64_t now = 0; now < 3; now++)
		(void)quarantine_count(&q, hash(1), now);
	assert_false(quarantine_count(&q, hash(1), 500));
	assert_int_equal(quarantine_left_ms(&q, hash(1), 500), 1000);
}

static void test_off(void **state)
{
	(void)state;
	quarantine_init(&q, 0);
	for (uint64_t now = 0; now < 10; now++)
		assert_false(quarantine_count(&q, hash(1), now));
	assert_int_equal(quarantine_left_ms(&q, hash(1), 10), 0);
	assert_int_equal(q.n, 0);
}

/* However many models die, the table does not grow; the latest ones stay. */
static void test_many(void **state)
{
	(void)state;
	quarantine_init(&q, 1000000);
	for (unsigned i = 0; i < 3; i++)
		(void)quarantine_count(&q, hash(0), i);
	for (unsigned i = 1; i < QUARANTINE_MAX; i++)
		assert_false(quarantine_count(&q, hash(i), 100 + i));
	assert_int_not_equal(quarantine_left_ms(&q, hash(0), 500), 0);
	for (unsigned i = QUARANTINE_MAX; i < 10 * QUARANTINE_MAX; i++)
		assert_false(quarantine_count(&q, hash(i), 1000 + i));
	assert_int_equal(q.n, QUARANTINE_MAX);
	assert_int_equal(quarantine_left_ms(&q, hash(0), 2000), 0);
	assert_false(quarantine_count(&q, hash(10 * QUARANTINE_MAX - 1), 3000));
	assert_true(quarantine_count(&q, hash(10 * QUARANTINE_MAX - 1), 3000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_third_death),  cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_fourth_death), cmocka_unit_test(test_off),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
