/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/ms_coding.h"

#include "base/testing.h"
#include "translate/ms/ms_sample.h"

static struct onnx_graph graph;
static struct testing_tensor t;
static struct tensock_error error;

static int setup(void **state)
{
	onnx_graph_init(&graph, 1 << 20);
	error = (struct tensock_error){ 0 };
	return tsk_test_setup(state);
}

static int teardown(void **state)
{
	onnx_graph_done(&graph);
	return tsk_test_teardown(state);
}

static struct onnx_value *decode(int32_t coding, int32_t bits, int32_t zero_point, int64_t n,
				 const void *data, uint32_t n_data)
{
	const struct ms_quant_param param = { .scale = 1,
					      .zero_point = zero_point,
					      .n_bits = bits,
					      .is_set = true,
					      .variance_factor = 1 };

	testing_tensor(&t, &graph, &error, bits <= 8 ? TENSOCK_INT8 : TENSOCK_INT16, &n, 1, data,
		       n_data, &param, 1);
	t.tensor.coding = coding;
	return ms_decoded(&t.op, &t.tensor, &n);
}

static void check(const struct onnx_value *value, const void *expected, size_t n)
{
	unsigned char written[64];

	assert_non_null(value);
	assert_int_equal(value->constant->n_bytes, n);
	value->constant->write(value->constant, written);
	assert_memory_equal(written, expected, n);
}

static void check_broken(const struct onnx_value *value)
{
	assert_null(value);
	assert_int_equal(error.status, TENSOCK_INVALID_MODEL);
	error = (struct tensock_error){ 0 };
}

/* -8, 7, 1 as 0, 15, 9: the low bits first. */
static void test_packed(void **state)
{
	static const unsigned char data[] = { 0xf0, 0x09 };
	static const int8_t expected[] = { -8, 7, 1 };

	(void)state;
	check(decode(MS_CODING_NONE, 4, 0, 3, data, 2), expected, 3);
	assert_true(ms_is_coded(&t.tensor));
	check(decode(MS_CODING_BITPACKING, 4, 0, 3, data, 2), expected, 3);
	check_broken(decode(MS_CODING_NONE, 4, 0, 5, data, 2));
}

/* 9 bits: -256, 255 as 0, 511, over the border of 16. */
static void test_packed_wide(void **state)
{
	static const unsigned char data[] = { 0x00, 0xfe, 0x03, 0x00 };
	static const int16_t expected[] = { -256, 255 };

	(void)state;
	check(decode(MS_CODING_NONE, 9, 0, 2, data, 4), expected, 4);
}

/* 4 bits: 2 values, -8 and 3 (as 0 and 11), then the places 0 1 1 0 1: the high bits first. */
static void test_indexed(void **state)
{
	static const unsigned char data[] = { 0x20, 0xb6, 0x80 };
	static const int8_t expected[] = { -8, 3, 3, -8, 3 };

	(void)state;
	check(decode(MS_CODING_INDEXING, 4, 0, 5, data, 3), expected, 5);
	check_broken(decode(MS_CODING_INDEXING, 4, 0, 13, data, 3)); /* 12 bits are left */
	check_broken(decode(MS_CODING_INDEXING, 4, 0, 1, data, 1));
}

/* 3 values have places of 2 bits, of which 3 is none. */
static void test_indexed_beyond_the_list(void **state)
{
	/* 0011, 0000 0001 0010, then the places 0 1 2 or 0 1 3 */
	static const unsigned char good[] = { 0x30, 0x12, 0x18 }, bad[] = { 0x30, 0x12, 0x1c };
	static const int8_t expected[] = { -8, -7, -6 };

	(void)state;
	check(decode(MS_CODING_INDEXING, 4, 0, 3, good, 3), expected, 3);
	check_broken(decode(MS_CODING_INDEXING, 4, 0, 3, bad, 3));
}

/* A count of 0 is that of all values: of 1 bit, 2. */
static void test_indexed_with_all_values(void **state)
{
	/* 0, values 1 and 0 (0 and -1), places 0 1 1 */
	static const unsigned char data[] = { 0x4c };
	static const int8_t expected[] = { 0, -1, -1 };

	(void)state;
	check(decode(MS_CODING_INDEXING, 1, 0, 3, data, 1), expected, 3);
}

/* Runs of 2 bits, 2 set elements of one value: 5 (as 13, of 4 bits), behind runs of 1 and 2. */
static const unsigned char sparse[] = { 0x02, 0, 0, 0, 0x02, 0x1d, 0x60 };

static void test_sparse(void **state)
{
	static const int8_t expected[] = { 3, 5, 3, 3, 5, 3, 3 };

	(void)state;
	check(decode(MS_CODING_SPARSE, 4, 3, 7, sparse, 7), expected, 7);
	check(decode(MS_CODING_SPARSE, 4, 3, 5, sparse, 7), expected, 5);
	check_broken(decode(MS_CODING_SPARSE, 4, 3, 4, sparse, 7)); /* no room for the runs */
	for (uint32_t n = 0; n < 7; n++)
		check_broken(decode(MS_CODING_SPARSE, 4, 3, 7, sparse, n));
}

/* A list of one value says any number of elements in no bytes at all. */
static void test_bombs(void **state)
{
	static const unsigned char data[] = { 0x10 };

	(void)state;
	assert_non_null(decode(MS_CODING_INDEXING, 4, 0, 1 << 20, data, 1));
	check_broken(decode(MS_CODING_INDEXING, 4, 0, 1 << 25, data, 1));
	check_broken(decode(MS_CODING_SPARSE, 4, 0, 1 << 25, sparse, 7));
	check_broken(decode(MS_CODING_INDEXING, 4, 0, -1, data, 1));
	check_broken(decode(MS_CODING_INDEXING, 4, 0, 0, data, 1));
	check_broken(decode(MS_CODING_INDEXING, 17, 0, 1, data, 1));
	check_broken(decode(MS_CODING_INDEXING, 0, 0, 1, data, 1));
	check_broken(decode(MS_CODING_INDEXING, -3, 0, 1, data, 1));
}

/* Many nodes may read one such list, each as a tensor of its own: all together are bounded. */
static void test_bombs_in_a_row(void **state)
{
	static const unsigned char data[] = { 0x10 };

	(void)state;
	assert_non_null(decode(MS_CODING_INDEXING, 4, 0, 1 << 19, data, 1));
	assert_int_equal(t.file.n_decoded, 1 << 19);
	t.file.n_decoded = (1 << 20) - 5;
	assert_non_null(ms_decoded(&t.op, &t.tensor, &(int64_t){ 5 }));
	assert_null(ms_decoded(&t.op, &t.tensor, &(int64_t){ 1 }));
	assert_int_equal(error.status, TENSOCK_INVALID_MODEL);
	assert_non_null(strstr(error.message, "more than 1048576 bytes"));
}

static void test_codings_that_are_not_read(void **state)
{
	static const unsigned char data[] = { 0x10 };

	(void)state;
	assert_null(decode(MS_CODING_FSE, 8, 0, 1, data, 1));
	assert_int_equal(error.status, TENSOCK_UNSUPPORTED);
	assert_non_null(strstr(error.message, "FSE"));
	assert_null(decode(77, 8, 0, 1, data, 1));
	assert_non_null(strstr(error.message, "not known"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_packed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_packed_wide, setup, teardown),
		cmocka_unit_test_setup_teardown(test_indexed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_indexed_beyond_the_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_indexed_with_all_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sparse, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bombs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bombs_in_a_row, setup, teardown),
		cmocka_unit_test_setup_teardown(test_codings_that_are_not_read, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
