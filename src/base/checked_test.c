/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checked.h"

#include "base/testing.h"

static void test_add(void **state)
{
	uint64_t u64 = 7;
	int64_t i64 = 7;

	(void)state;
	assert_true(tsk_add(UINT64_MAX - 1, UINT64_C(1), &u64));
	assert_true(u64 == UINT64_MAX);
	assert_false(tsk_add(UINT64_MAX, UINT64_C(1), &u64));
	assert_true(tsk_add(INT64_MIN, INT64_MAX, &i64));
	assert_int_equal(i64, -1);
	assert_false(tsk_add(INT64_MIN, INT64_C(-1), &i64));
}

static void test_result_narrower_than_operands(void **state)
{
	uint32_t u32;

	(void)state;
	assert_true(tsk_add(UINT64_C(0xfffffffe), UINT64_C(1), &u32));
	assert_false(tsk_add(UINT64_C(0xffffffff), UINT64_C(1), &u32));
	assert_false(tsk_add(UINT64_C(1), INT64_C(-2), &u32));
}

static void test_mul(void **state)
{
	uint64_t u64;

	(void)state;
	assert_true(tsk_mul(UINT64_C(1) << 32, (UINT64_C(1) << 32) - 1, &u64));
	assert_true(u64 == UINT64_MAX - UINT32_MAX);
	assert_false(tsk_mul(UINT64_C(1) << 32, UINT64_C(1) << 32, &u64));
	assert_true(tsk_mul(UINT64_MAX, UINT64_C(0), &u64));
	assert_int_equal(u64, 0);
}

static void test_align_up(void **state)
{
	uint64_t v = 7;

	(void)state;
	assert_true(tsk_align_up(0, 64, &v));
	assert_int_equal(v, 0);
	assert_true(tsk_align_up(1, 64, &v));
	assert_int_equal(v, 64);
	assert_true(tsk_align_up(64, 64, &v));
	assert_int_equal(v, 64);
	assert_true(tsk_align_up(UINT64_MAX - 63, 64, &v));
	assert_true(v == UINT64_MAX - 63);
	v = 7;
	assert_false(tsk_align_up(UINT64_MAX - 62, 64, &v));
	assert_false(tsk_align_up(UINT64_MAX, 64, &v));
	assert_int_equal(v, 7);
	assert_true(tsk_align_up(UINT64_MAX, 1, &v));
	assert_true(v == UINT64_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_add),
		TSK_TEST(test_result_narrower_than_operands),
		TSK_TEST(test_mul),
		TSK_TEST(test_align_up),
	};

	return cmocka_run_group_tests_name("checked", tests, NULL, NULL);
}
