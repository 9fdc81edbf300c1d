/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/seal.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/testing.h"
#include "sandbox/testing.h"

static const struct filter_call calls[] = { { .name = "write" }, { .name = "exit_group" } };

/* Each of the three by what only it takes away; `lacking`: those that this process cannot have. */
static void seal_all(unsigned lacking)
{
	int root = open("/", O_RDONLY | O_DIRECTORY), fd;
	struct tensock_error error = { 0 };
	struct filter filter = { 0 };
	struct seal seal;

	REQUIRE(root >= 0);
	seal_begin(&seal);
	REQUIRE(seal_build(calls, ARRAY_SIZE(calls), lacking, &filter) == 0);
	REQUIRE(seal_files(&seal, lacking, &error) == 0);
	REQUIRE(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	if (!(lacking & SANDBOX_NAMESPACES))
		REQUIRE(open("/etc/passwd", O_RDONLY) < 0);
	/* Its old root is still open: what is in that, Landlock alone refuses. */
	fd = openat(root, "etc/passwd", O_RDONLY);
	REQUIRE(lacking & SANDBOX_LANDLOCK ? fd >= 0 : fd < 0 && errno == EACCES);
	REQUIRE(seal_calls(&filter, lacking, &error) == 0);
	REQUIRE((syscall(SYS_getuid) < 0) == !(lacking & SANDBOX_SECCOMP));
}

static const struct {
	enum sandbox_feature feature;
	const char *call;
	int error;
} features[] = {
	{ SANDBOX_SECCOMP, "seccomp", ENOSYS },
	{ SANDBOX_LANDLOCK, "landlock_create_ruleset", ENOSYS },
	{ SANDBOX_NAMESPACES, "unshare", EPERM },
};
static_assert(ARRAY_SIZE(features) == SANDBOX_FEATURES, "a feature is not tried");

static unsigned tried;

static void seal_with_all(void)
{
	seal_all(0);
}

static void seal_without(void)
{
	without(features[tried].call, features[tried].error);
	seal_all(features[tried].feature);
}

/* What may be lacking is something else. */
static void fail_without(void)
{
	unsigned may_lack = SANDBOX_ALL & ~features[tried].feature;
	struct tensock_error error = { 0 };
	struct filter filter = { 0 };
	struct seal seal;
	char name[SANDBOX_TEXT_SIZE];

	without(features[tried].call, features[tried].error);
	seal_begin(&seal);
	REQUIRE(seal_build(calls, ARRAY_SIZE(calls), may_lack, &filter) == 0);
	REQUIRE(seal_files(&seal, may_lack, &error) < 0 ||
		seal_calls(&filter, may_lack, &error) < 0);
	sandbox_features_text(features[tried].feature, name);
	REQUIRE(error.status == TENSOCK_INTERNAL && strstr(error.message, name));
}

/* What may be lacking is done without; what is there is used. */
static void test_seal(void **state)
{
	(void)state;
	if (SANDBOX_SANITIZED || sandbox_missing())
		skip();
	assert_int_equal(in_child(seal_with_all), 0);
	for (tried = 0; tried < SANDBOX_FEATURES; tried++) {
		assert_int_equal(in_child(seal_without), 0);
		assert_int_equal(in_child(fail_without), 0);
	}
}

static void seal_alone_with_all(void)
{
	static const struct filter_call few[] = { { .name = "write" },
						  { .name = "exit_group" },
						  { .name = "prlimit64" } };
	struct tensock_error error;
	struct rlimit limit;
	struct seal seal;

	seal_begin(&seal);
	REQUIRE(seal_alone(&seal, few, ARRAY_SIZE(few), 0, &error) == 0);
	REQUIRE(getrlimit(RLIMIT_NPROC, &limit) == 0);
	REQUIRE(limit.rlim_cur == 1 && limit.rlim_max == 1);
	REQUIRE(syscall(SYS_getuid) < 0);
}

static void fail_alone_without(void)
{
	unsigned may_lack = SANDBOX_ALL & ~features[tried].feature;
	struct tensock_error error = { 0 };
	struct seal seal;

	without(features[tried].call, features[tried].error);
	seal_begin(&seal);
	REQUIRE(seal_alone(&seal, calls, ARRAY_SIZE(calls), may_lack, &error) < 0);
	REQUIRE(error.status == TENSOCK_INTERNAL);
}

static void test_alone(void **state)
{
	(void)state;
	if (SANDBOX_SANITIZED || sandbox_missing())
		skip();
	assert_int_equal(in_child(seal_alone_with_all), 0);
	for (tried = 0; tried < SANDBOX_FEATURES; tried++)
		assert_int_equal(in_child(fail_alone_without), 0);
}

static void limit_twice(void)
{
	struct rlimit limit;

	REQUIRE(seal_limit(RLIMIT_NOFILE, 16) == 0 && seal_limit(RLIMIT_NOFILE, 17) == 0);
	REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	REQUIRE(limit.rlim_cur == 16 && limit.rlim_max == 16);
}

static void test_limit(void **state)
{
	(void)state;
	assert_int_equal(in_child(limit_twice), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_seal), TSK_TEST(test_alone),
					    TSK_TEST(test_limit) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
