/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/mindspore_lite/outputs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "engines/mindspore_lite/ms_writer.h"

#define MAX 8u

static const struct ms_tensor tensors[] = { { "x", 43, 0, { 0 } },
					    { "Stack-12", 43, 0, { 0 } },
					    { NULL, 43, 0, { 0 } },
					    { "Stack-8", 43, 0, { 0 } } };
static const uint32_t order[] = { 3, 2, 1 };

static struct ms_model model(void)
{
	return (struct ms_model){ .identifier = "MSL2",
				  .name = "test",
				  .tensors = tensors,
				  .n_tensors = 4,
				  .n_inputs = 1,
				  .outputs = order };
}

static void check(const struct ms_model *m)
{
	static struct ms_writer w;
	struct ms_output found[MAX];

	ms_write(&w, m);
	assert_int_equal(ms_outputs_read(w.bytes, w.len, found, MAX), 3);
	assert_true(ms_output_is(&found[0], "Stack-8"));
	assert_false(ms_output_is(&found[0], "Stack-8x"));
	assert_false(ms_output_is(&found[0], "Stack-"));
	/* Without a name it is called by its number. */
	assert_true(ms_output_is(&found[1], "2"));
	assert_false(ms_output_is(&found[1], ""));
	assert_true(ms_output_is(&found[2], "Stack-12"));
	assert_false(ms_output_is(&found[2], "1"));
	assert_int_equal(ms_outputs_read(w.bytes, w.len, found, 2), 2);
}

static void test_order(void **state)
{
	struct ms_model m = model();

	(void)state;
	check(&m);
	m.has_subgraph = true;
	check(&m);
}

static void test_number_of_no_tensor(void **state)
{
	static const uint32_t bad[] = { 3, 4, 1 };
	static struct ms_writer w;
	struct ms_output found[MAX];
	struct ms_model m = model();

	(void)state;
	m.outputs = bad;
	ms_write(&w, &m);
	assert_int_equal(ms_outputs_read(w.bytes, w.len, found, MAX), 1);
}

/* In memory of just that size: a sanitizer sees what is read behind it. */
static uint32_t read_copy(const unsigned char *bytes, size_t n)
{
	unsigned char *copy = malloc(n ? n : 1);
	struct ms_output found[MAX];
	uint32_t n_found;

	assert_non_null(copy);
	if (n)
		memcpy(copy, bytes, n);
	n_found = ms_outputs_read(copy, n, found, MAX);
	for (uint32_t i = 0; i < n_found; i++)
		assert_false(ms_output_is(&found[i], "no such name"));
	free(copy);
	return n_found;
}

static void test_truncated(void **state)
{
	static struct ms_writer w;
	struct ms_model m = model();

	(void)state;
	m.has_subgraph = true;
	ms_write(&w, &m);
	for (size_t n = 0; n < w.len; n++)
		assert_true(read_copy(w.bytes, n) <= 3);
	assert_int_equal(read_copy(w.bytes, 0), 0);
	assert_int_equal(read_copy(w.bytes, 40), 0);
}

/* Each word in turn is as bad as can be. */
static void test_tampered(void **state)
{
	static const uint32_t bad[] = { 0,          1,          3,          0x7fffffff,
					0x80000000, 0x80000001, 0xffffffff, 0xfffffff0 };
	static struct ms_writer w;
	struct ms_model m = model();

	(void)state;
	m.has_subgraph = true;
	for (size_t at = 0;; at += 2) {
		ms_write(&w, &m);
		if (at + 4 > w.len)
			break;
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			ms_put(&w, at, bad[i], 4);
			assert_true(read_copy(w.bytes, w.len) <= MAX);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_number_of_no_tensor),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_tampered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
