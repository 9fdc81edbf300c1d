/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/plugin.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "worker/host.h"
#include "worker/model.h"

static unsigned parallel(const char *parallel_text, const char *threads_text)
{
	char option[64], threads[64];
	struct tensock_error error = { 0 };
	struct host host;
	unsigned n = 0;
	int r;

	host_init(&host);
	snprintf(option, sizeof(option), "parallel=%s", parallel_text ? parallel_text : "");
	snprintf(threads, sizeof(threads), "threads=%s", threads_text ? threads_text : "");
	assert_true(!parallel_text || host_add_option(&host, option));
	assert_true(!threads_text || host_add_option(&host, threads));
	r = plugin_parallel(&host.api, &n, &error);
	assert_int_equal(error.status, r == 0 ? TENSOCK_OK : TENSOCK_INVALID_ARGUMENT);
	assert_true((r == 0) == (n > 0));
	return n;
}

static void test_given(void **state)
{
	static const char *const bad[] = { "0", "65", "-1", "", "2x", "99999999999999999999" };

	(void)state;
	assert_int_equal(parallel("1", NULL), 1);
	assert_int_equal(parallel("64", NULL), 64);
	assert_int_equal(parallel("3", "16"), 3);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parallel(bad[i], NULL), 0);
}

/* As many as there are processors for. */
static void test_default(void **state)
{
	cpu_set_t all, one;
	unsigned n, first = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	n = (unsigned)CPU_COUNT(&all);
	assert_int_equal(parallel(NULL, NULL), n < 4 ? n : 4);
	assert_int_equal(parallel(NULL, "1"), n < 4 ? n : 4);
	assert_int_equal(parallel(NULL, "100000"), 1);
	assert_int_equal(parallel(NULL, "nonsense"), n < 4 ? n : 4); /* the engine says so */
	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(parallel(NULL, NULL), 1);
	assert_int_equal(parallel("2", NULL), 2);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

static uint32_t concurrency;

static uint32_t get_concurrency(void *model)
{
	(void)model;
	return concurrency;
}

/* The least of what both allow. */
static void test_of_a_model(void **state)
{
	struct tensock_engine engine = { .size = sizeof(engine), .concurrency = get_concurrency };
	struct plugin plugin = { .engine = &engine, .parallel = 4 };
	struct model model = { .plugin = &plugin };

	(void)state;
	concurrency = UINT32_MAX;
	assert_int_equal(model_parallel(&model), 4);
	concurrency = 3;
	assert_int_equal(model_parallel(&model), 3);
	concurrency = 0;
	assert_int_equal(model_parallel(&model), 1);
	concurrency = UINT32_MAX;
	engine.size = offsetof(struct tensock_engine, concurrency); /* of ABI 1.0 */
	assert_int_equal(model_parallel(&model), 1);
	engine.size = sizeof(engine);
	engine.concurrency = NULL;
	assert_int_equal(model_parallel(&model), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_of_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
