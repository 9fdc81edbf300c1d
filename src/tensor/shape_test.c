/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/shape.h"

#include <errno.h>

#include <tensock/types.h>

#include "base/testing.h"

#define DIMS(...) (const int64_t[]){ __VA_ARGS__ }, sizeof((int64_t[]){ __VA_ARGS__ }) / 8

static void test_elems(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_int_equal(tsk_shape_elems(NULL, 0, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(tsk_shape_elems(DIMS(3, 48, 192), &n), 0);
	assert_int_equal(n, 3 * 48 * 192);
	assert_int_equal(tsk_shape_elems(DIMS(5, 0, 7), &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(tsk_shape_elems(DIMS(INT64_MAX), &n), 0);
	assert_true(n == INT64_MAX);
	assert_int_equal(tsk_shape_elems(DIMS(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2), &n),
			 0);
	assert_int_equal(n, 2);
}

static void test_elems_refused(void **state)
{
	static const int64_t many[TENSOCK_RANK_MAX + 1] = { 0 };
	uint64_t n = 7;

	(void)state;
	assert_int_equal(tsk_shape_elems(many, TENSOCK_RANK_MAX + 1, &n), -E2BIG);
	assert_int_equal(tsk_shape_elems(NULL, UINT32_MAX, &n), -E2BIG);
	assert_int_equal(tsk_shape_elems(DIMS(2, -1), &n), -EINVAL);
	assert_int_equal(tsk_shape_elems(DIMS(-1, -1), &n), -EINVAL);
	assert_int_equal(tsk_shape_elems(DIMS(0, INT64_MIN), &n), -EINVAL);
	assert_int_equal(tsk_shape_elems(DIMS(INT64_MAX, INT64_MAX, -1), &n), -EINVAL);
	assert_int_equal(tsk_shape_elems(DIMS(INT64_C(1) << 62, 2), &n), -EOVERFLOW);
	assert_int_equal(tsk_shape_elems(DIMS(INT64_C(1) << 32, INT64_C(1) << 32), &n), -EOVERFLOW);
	assert_int_equal(tsk_shape_elems(DIMS(INT64_MAX, INT64_MAX), &n), -EOVERFLOW);
	assert_int_equal(n, 7);
}

/* Whatever the place of the zero. */
static void test_empty_with_huge_dims(void **state)
{
	int64_t huge = INT64_C(1) << 40;
	uint64_t n = 7;

	(void)state;
	assert_int_equal(tsk_shape_elems(DIMS(0, huge, huge), &n), -EOVERFLOW);
	assert_int_equal(tsk_shape_elems(DIMS(huge, 0, huge), &n), -EOVERFLOW);
	assert_int_equal(tsk_shape_elems(DIMS(huge, huge, 0), &n), -EOVERFLOW);
	assert_int_equal(n, 7);
}

static void test_bytes(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_int_equal(tsk_shape_bytes(TENSOCK_FLOAT32, DIMS(1, 3, 48, 192), &n), 0);
	assert_int_equal(n, 4 * 3 * 48 * 192);
	assert_int_equal(tsk_shape_bytes(TENSOCK_BOOL, NULL, 0, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(tsk_shape_bytes(TENSOCK_COMPLEX128, DIMS(9), &n), 0);
	assert_int_equal(n, 144);
	assert_int_equal(tsk_shape_bytes(TENSOCK_INT16, DIMS(4, 0), &n), 0);
	assert_int_equal(n, 0);
	for (int64_t i = 0; i < 40; i++) {
		assert_int_equal(tsk_shape_bytes(TENSOCK_FLOAT64, DIMS(i), &n), 0);
		assert_int_equal(n, 8 * i);
		assert_int_equal(tsk_shape_bytes(TENSOCK_INT4, DIMS(i), &n), 0);
		assert_int_equal(n, (i + 1) / 2);
	}
}

static void test_bytes_at_the_edge(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_int_equal(tsk_shape_bytes(TENSOCK_UINT4, DIMS(INT64_MAX), &n), 0);
	assert_true(n == UINT64_C(1) << 62);
	assert_int_equal(tsk_shape_bytes(TENSOCK_UINT16, DIMS(INT64_MAX), &n), 0);
	assert_true(n == UINT64_MAX - 1);
	n = 7;
	assert_int_equal(tsk_shape_bytes(TENSOCK_FLOAT32, DIMS(INT64_C(1) << 62), &n), -EOVERFLOW);
	assert_int_equal(tsk_shape_bytes(TENSOCK_COMPLEX128, DIMS(INT64_C(1) << 60), &n),
			 -EOVERFLOW);
	assert_int_equal(tsk_shape_bytes(TENSOCK_COMPLEX128, DIMS((INT64_C(1) << 60) - 1), &n), 0);
	assert_true(n == UINT64_MAX - 15);
}

static void test_bytes_refused(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_int_equal(tsk_shape_bytes(TENSOCK_BYTES, DIMS(1), &n), -EINVAL);
	assert_int_equal(tsk_shape_bytes(TENSOCK_DTYPE_INVALID, DIMS(1), &n), -EINVAL);
	assert_int_equal(tsk_shape_bytes(TENSOCK_DTYPE_MAX, DIMS(1), &n), -EINVAL);
	assert_int_equal(tsk_shape_bytes(UINT32_MAX, DIMS(1), &n), -EINVAL);
	assert_int_equal(tsk_shape_bytes(TENSOCK_FLOAT32, DIMS(-1), &n), -EINVAL);
	assert_int_equal(tsk_shape_bytes(TENSOCK_FLOAT32, NULL, 17, &n), -E2BIG);
	assert_int_equal(n, 7);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_elems),
		TSK_TEST(test_elems_refused),
		TSK_TEST(test_empty_with_huge_dims),
		TSK_TEST(test_bytes),
		TSK_TEST(test_bytes_at_the_edge),
		TSK_TEST(test_bytes_refused),
	};

	return cmocka_run_group_tests_name("shape", tests, NULL, NULL);
}
