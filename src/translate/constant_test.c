/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/constant.h"

#include <errno.h>
#include <string.h>

#include "translate/graph_testing.h"

static void test_bytes_are_those_of_the_shape(void **state)
{
	static const float bytes[6] = { 1, 2, 3, 4, 5, 6 };
	static const int64_t good[] = { 2, 3 }, bad[] = { 2, 4 }, negative[] = { -2, -3 };
	const struct onnx_value *v;

	(void)state;
	v = onnx_constant(&graph, TENSOCK_FLOAT32, good, 2, bytes, sizeof(bytes));
	assert_int_equal(graph.failed, 0);
	assert_int_equal(v->constant->n_bytes, sizeof(bytes));
	assert_ptr_equal(v->constant->bytes, bytes); /* where it lies */
	assert_non_null(onnx_constant(&graph, TENSOCK_FLOAT32, bad, 2, bytes, sizeof(bytes)));
	assert_int_equal(graph.failed, -EINVAL);
	graph.failed = 0;
	assert_non_null(onnx_constant(&graph, TENSOCK_FLOAT32, negative, 2, bytes, sizeof(bytes)));
	assert_int_equal(graph.failed, -EINVAL);
	graph.failed = 0;
	assert_non_null(onnx_constant(&graph, 99, good, 2, bytes, sizeof(bytes)));
	assert_int_equal(graph.failed, -EINVAL);
}

static void test_transposed(void **state)
{
	static const float bytes[6] = { 1, 2, 3, 4, 5, 6 }, expected[6] = { 1, 4, 2, 5, 3, 6 };
	static const int64_t dims[] = { 2, 3 }, perm[] = { 1, 0 };
	struct onnx_value *v, *t;
	float written[6];
	int64_t back[6];

	(void)state;
	v = onnx_constant(&graph, TENSOCK_FLOAT32, dims, 2, bytes, sizeof(bytes));
	t = onnx_constant_transposed(&graph, v, perm);
	assert_int_equal(t->dims[0], 3);
	assert_int_equal(t->dims[1], 2);
	t->constant->write(t->constant, (unsigned char *)written);
	assert_memory_equal(written, expected, sizeof(expected));
	/* The same again is the same: a weight that many nodes read is written once. */
	assert_ptr_equal(onnx_constant_transposed(&graph, v, perm), t);
	/* And back. */
	v = onnx_constant_transposed(&graph, t, perm);
	v->constant->write(v->constant, (unsigned char *)written);
	assert_memory_equal(written, bytes, sizeof(bytes));
	assert_int_equal(onnx_constant_read_ints(v, back, 6), -EINVAL);
	assert_int_equal(graph.failed, 0);
}

static void test_reshaped(void **state)
{
	static const int32_t bytes[6] = { 1, 2, 3, 4, 5, -6 };
	static const int64_t dims[] = { 2, 3 }, perm[] = { 1, 0 }, flat[] = { 6 }, wrong[] = { 5 };
	struct onnx_value *v;
	int64_t read[6];

	(void)state;
	v = onnx_constant(&graph, TENSOCK_INT32, dims, 2, bytes, sizeof(bytes));
	v = onnx_constant_reshaped(&graph, onnx_constant_transposed(&graph, v, perm), flat, 1);
	assert_int_equal(graph.failed, 0);
	assert_int_equal(v->rank, 1);
	assert_int_equal(onnx_constant_read_ints(v, read, 6), 6);
	assert_int_equal(read[1], 4);
	assert_int_equal(read[5], -6);
	assert_int_equal(onnx_constant_read_ints(v, read, 5), -E2BIG);
	assert_non_null(onnx_constant_reshaped(&graph, v, wrong, 1));
	assert_int_equal(graph.failed, -EINVAL);
}

static void test_scalars(void **state)
{
	double d;
	int64_t i;

	(void)state;
	assert_int_equal(onnx_constant_read_floats(onnx_scalar(&graph, TENSOCK_FLOAT16, 0.5), &d,
						   1),
			 1);
	assert_true(d == 0.5);
	assert_int_equal(onnx_constant_read_floats(onnx_scalar(&graph, TENSOCK_FLOAT64, 0.1), &d,
						   1),
			 1);
	assert_true(d == 0.1);
	assert_int_equal(onnx_constant_read_ints(onnx_scalar(&graph, TENSOCK_INT8, -3), &i, 1), 1);
	assert_int_equal(i, -3);
	assert_int_equal(onnx_constant_read_ints(onnx_scalar(&graph, TENSOCK_INT64, 1e30), &i, 1),
			 1);
	assert_true(i == INT64_MAX);
	assert_int_equal(onnx_constant_read_ints(onnx_int64(&graph, INT64_MIN), &i, 1), 1);
	assert_true(i == INT64_MIN);
	assert_int_equal(graph.failed, 0);
	assert_non_null(onnx_scalar(&graph, TENSOCK_BYTES, 1));
	assert_int_equal(graph.failed, -EINVAL);
}

/* What a type has not becomes the nearest that it has: as a bound that changes nothing. */
static void test_scalars_beyond_their_type(void **state)
{
	static const struct {
		uint32_t dtype;
		double v;
		int64_t nearest;
	} rows[] = {
		{ TENSOCK_INT32, -3.4e38, INT32_MIN },
		{ TENSOCK_INT32, 3.4e38, INT32_MAX },
		{ TENSOCK_INT32, 3e9, INT32_MAX },
		{ TENSOCK_INT8, -129, INT8_MIN },
		{ TENSOCK_UINT8, -1, 0 },
		{ TENSOCK_UINT8, 255, 255 },
		{ TENSOCK_UINT32, 5e9, UINT32_MAX },
		{ TENSOCK_UINT64, -3, 0 },
		{ TENSOCK_INT64, -1e30, INT64_MIN },
		{ TENSOCK_BOOL, 2, 1 },
		{ TENSOCK_INT16, 32767, 32767 },
	};
	int64_t i;

	(void)state;
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		assert_int_equal(onnx_constant_read_ints(onnx_scalar(&graph, rows[k].dtype,
								     rows[k].v),
							 &i, 1),
				 1);
		assert_true(i == rows[k].nearest);
	}
}

/* Reading what is no constant, and what is not of the kind. */
static void test_reads_that_are_refused(void **state)
{
	static const uint64_t huge[1] = { UINT64_MAX };
	static const int64_t dims[] = { 1 };
	struct onnx_value *input = onnx_input(&graph, ONNX_TEXT("x"), TENSOCK_INT64, dims, 1);
	int64_t i;
	double d;

	(void)state;
	assert_int_equal(onnx_constant_read_ints(input, &i, 1), -EINVAL);
	assert_int_equal(onnx_constant_read_floats(input, &d, 1), -EINVAL);
	input = onnx_constant(&graph, TENSOCK_UINT64, dims, 1, huge, sizeof(huge));
	assert_int_equal(onnx_constant_read_ints(input, &i, 1), -EINVAL);
	input = onnx_scalar(&graph, TENSOCK_FLOAT32, 1);
	assert_int_equal(onnx_constant_read_ints(input, &i, 1), -EINVAL);
	assert_int_equal(graph.failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GRAPH_TEST(test_bytes_are_those_of_the_shape),
		GRAPH_TEST(test_transposed),
		GRAPH_TEST(test_reshaped),
		GRAPH_TEST(test_scalars),
		GRAPH_TEST(test_scalars_beyond_their_type),
		GRAPH_TEST(test_reads_that_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
