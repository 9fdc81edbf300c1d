/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/translate.h"

#include <errno.h>

#include "base/testing.h"
#include "translate/mindir/mindir_testing.h"

static struct build b;

/*
 * Im2Col of 100 channels by windows of size × size: a convolution whose weights, size ^ 4 numbers for each
 * channel, the file does not hold.
 */
static int translated(int64_t size, struct translation *ret, struct tensock_error *error)
{
	static const int64_t dims[] = { 1, 100, 32, 32 };

	build_begin(&b);
	build_input(&b, "g:x", dims, 4);
	b.attribute.n = 0;
	put_text(&b.attribute, 1, "ksizes");
	put_number(&b.attribute, 16, 20);
	put_number(&b.attribute, 10, size);
	put_number(&b.attribute, 10, size);
	build_primitive(&b, "p", "Im2Col");
	build_node(&b, "REF::p", "g:y", "g:x", NULL);
	build_output(&b, "g:y");
	build_end(&b);
	*error = (struct tensock_error){ 0 };
	return translate(b.model.bytes, b.model.n, ret, error);
}

/* A small file makes no large one: 11 MB of weights are translated, 52 MB are not. */
static void test_memory(void **state)
{
	struct translation translation = { 0 };
	struct tensock_error error;

	(void)state;
	if (translated(13, &translation, &error) < 0)
		fail_msg("%s", error.message);
	assert_in_range(translation.n_bytes, 11000000, 12000000);
	translation_done(&translation);
	assert_null(translation.onnx);
	assert_true(translated(19, &translation, &error) < 0);
	assert_int_equal(error.status, TENSOCK_TOO_LARGE);
	assert_null(translation.onnx);
}

/* GroupNorm's scale and offset, of a number for each group, have 2^63 bytes each. */
static void test_sizes_that_wrap(void **state)
{
	static const int64_t groups = INT64_C(1) << 61, dims[] = { 1, INT64_C(1) << 61, 1 };
	struct translation translation = { 0 };
	struct tensock_error error = { 0 };

	(void)state;
	build_begin(&b);
	build_input(&b, "g:x", dims, 3);
	build_int(&b, "g:n", groups);
	b.attribute.n = 0;
	build_primitive(&b, "p", "GroupNorm");
	build_node(&b, "REF::p", "g:all", "g:x", "g:n", NULL);
	build_int(&b, "g:first", 0);
	build_node(&b, "TupleGetItem", "g:y", "g:all", "g:first", NULL);
	build_output(&b, "g:y");
	build_end(&b);
	assert_true(translate(b.model.bytes, b.model.n, &translation, &error) < 0);
	assert_int_equal(error.status, TENSOCK_TOO_LARGE);
}

static void test_other_formats(void **state)
{
	struct translation translation = { 0 };
	struct tensock_error error = { 0 };

	(void)state;
	assert_int_equal(translate("\x08\x08\x3a\x00", 4, &translation, &error), -EINVAL);
	assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(translate(NULL, 0, &translation, &error), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_memory), TSK_TEST(test_sizes_that_wrap),
					    TSK_TEST(test_other_formats) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
