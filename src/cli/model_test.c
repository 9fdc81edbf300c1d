/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/model.h"

#include "base/testing.h"

#define HASH "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c"

static bool fits(const char *name, const char *version, const char *text)
{
	struct tensock_model_info info = { .name = name, .version = version, .hash = HASH };

	return model_fits(&info, text);
}

static void test_labels(void **state)
{
	(void)state;
	assert_true(fits("two", "1", "two"));
	assert_true(fits("two", "1", "two:1"));
	assert_false(fits("two", "1", "two:2"));
	assert_false(fits("two", "1", "two:"));
	assert_false(fits("two", "1", "tw"));
	assert_false(fits("two", "1", "two1"));
	assert_true(fits("two", "", "two"));
	assert_true(fits("a:b", "1", "a:b"));
	assert_true(fits("a:b", "1", "a:b:1"));
	assert_false(fits("", "", ""));
	assert_false(fits("", "", ":"));
}

static void test_hashes(void **state)
{
	(void)state;
	assert_true(fits("", "", "sha256:" HASH));
	assert_true(fits("two", "1", "sha256:e47ace"));
	assert_false(fits("two", "1", "sha256:e47ac")); /* too few to be sure */
	assert_false(fits("two", "1", "sha256:e47acf"));
	assert_false(fits("two", "1", "sha256:" HASH "0"));
	assert_false(fits("two", "1", "sha256:"));
	assert_false(fits("two", "1", "e47acedf6632"));
}

static void test_states(void **state)
{
	(void)state;
	assert_string_equal(model_state_name(TENSOCK_MODEL_READY), "ready");
	assert_string_equal(model_state_name(UINT32_MAX), "?");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_labels),
		TSK_TEST(test_hashes),
		TSK_TEST(test_states),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
