/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_options(void **state)
{
	char threads[] = "threads=2", again[] = "threads=4=x", none[] = "library=";
	char no_equals[] = "threads", no_name[] = "=1";
	static struct host host;

	(void)state;
	host_init(&host);
	assert_true(TENSOCK_HAS(&host.api, log));
	assert_null(host.api.option(host.api.context, "threads"));
	assert_false(host_add_option(&host, no_equals));
	assert_false(host_add_option(&host, no_name));
	assert_true(host_add_option(&host, threads));
	assert_string_equal(host.api.option(host.api.context, "threads"), "2");
	assert_true(host_add_option(&host, again));
	assert_string_equal(host.api.option(host.api.context, "threads"), "4=x");
	assert_true(host_add_option(&host, none));
	assert_string_equal(host.api.option(host.api.context, "library"), "");
	assert_null(host.api.option(host.api.context, "thread"));
}

static void test_bound(void **state)
{
	static char texts[HOST_OPTIONS_MAX + 1][4];
	static struct host host;

	(void)state;
	host_init(&host);
	for (unsigned i = 0; i <= HOST_OPTIONS_MAX; i++) {
		memcpy(texts[i], "a=b", 4);
		assert_int_equal(host_add_option(&host, texts[i]), i < HOST_OPTIONS_MAX);
	}
}

/* A structure from before a member was appended, and one with the member unset. */
static void test_has(void **state)
{
	struct tensock_engine engine = { .size = sizeof(engine), .name = "x" };

	(void)state;
	assert_true(TENSOCK_HAS(&engine, name));
	assert_false(TENSOCK_HAS(&engine, cancel));
	engine.cancel = (void (*)(void *, uint64_t))(uintptr_t)1;
	assert_true(TENSOCK_HAS(&engine, cancel));
	engine.size = offsetof(struct tensock_engine, cancel);
	assert_false(TENSOCK_HAS(&engine, cancel));
	engine.concurrency = (uint32_t(*)(void *))(uintptr_t)1;
	engine.size = sizeof(engine) - 1;
	assert_false(TENSOCK_HAS(&engine, concurrency));
	/* One that was built for 1.0. */
	engine.size = offsetof(struct tensock_engine, concurrency);
	assert_false(TENSOCK_HAS(&engine, concurrency));
	assert_true(TENSOCK_HAS(&engine, cancel));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
