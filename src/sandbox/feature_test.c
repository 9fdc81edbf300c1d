/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/feature.h"

#include <string.h>

#include "base/testing.h"
#include "sandbox/testing.h"

static void test_texts(void **state)
{
	static const struct {
		const char *text;
		unsigned features;
	} good[] = {
		{ "yes", SANDBOX_ALL },
		{ "no", 0 },
		{ "seccomp", SANDBOX_SECCOMP },
		{ "landlock, namespaces", SANDBOX_LANDLOCK | SANDBOX_NAMESPACES },
		{ "namespaces,seccomp,landlock", SANDBOX_ALL },
	};
	static const char *const bad[] = { "",          "Yes",
					   "landlock,", ",landlock",
					   "landlocks", "seccomp;no",
					   "yes,no",    "landlock nothing" };
	unsigned features = 77;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(sandbox_features_parse(good[i].text, &features), 0);
		assert_int_equal(features, good[i].features);
	}
	features = 77;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(sandbox_features_parse(bad[i], &features), -EINVAL);
	assert_int_equal(features, 77);
}

static void test_there_and_back(void **state)
{
	char text[SANDBOX_TEXT_SIZE];
	unsigned features;

	(void)state;
	for (unsigned all = 1; all <= SANDBOX_ALL; all++) {
		sandbox_features_text(all, text);
		assert_int_equal(sandbox_features_parse(text, &features), 0);
		assert_int_equal(features, all);
	}
	sandbox_features_text(0, text);
	assert_string_equal(text, "none");
	for (unsigned i = 0; i < SANDBOX_FEATURES; i++)
		assert_true(strlen(sandbox_feature_advice((enum sandbox_feature)(1u << i))) > 0);
}

static void look_without_landlock(void)
{
	without("landlock_create_ruleset", ENOSYS);
	REQUIRE(sandbox_missing() & SANDBOX_LANDLOCK);
}

static void look_without_namespaces(void)
{
	without("unshare", EPERM);
	REQUIRE(sandbox_missing() & SANDBOX_NAMESPACES);
}

static void look_without_seccomp(void)
{
	without("seccomp", ENOSYS);
	REQUIRE(sandbox_missing() & SANDBOX_SECCOMP);
}

static void test_missing(void **state)
{
	(void)state;
	assert_int_equal(sandbox_missing() & ~SANDBOX_ALL, 0);
	assert_int_equal(sandbox_missing(), sandbox_missing());
	assert_int_equal(in_child(look_without_landlock), 0);
	assert_int_equal(in_child(look_without_namespaces), 0);
	assert_int_equal(in_child(look_without_seccomp), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_texts),
		TSK_TEST(test_there_and_back),
		TSK_TEST(test_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
