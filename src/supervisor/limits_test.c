/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_set(void **state)
{
	struct limits limits = limits_default;
	struct tensock_error error;

	(void)state;
	assert_int_equal(limits_set(&limits, "max-model-size", "16MiB", &error), 1);
	assert_int_equal(limits.value[LIMIT_MODEL_BYTES], 16 << 20);
	assert_int_equal(limits.set, 1u << LIMIT_MODEL_BYTES);
	assert_int_equal(limits_set(&limits, "no-such-limit", "16MiB", &error), 0);
	assert_int_equal(limits_set(&limits, "max-model-size", "17MiB", &error), -EINVAL);
	assert_string_equal(error.message, "max-model-size is given twice");
	assert_int_equal(limits.value[LIMIT_MODEL_BYTES], 16 << 20);
}

static void test_bad_values(void **state)
{
	static const char *const bad[][2] = {
		{ "load-deadline", "30" },
		{ "load-deadline", "0s" },
		{ "load-deadline", "2000h" },
		{ "load-deadline", "99999999s" },
		{ "max-model-size", "0" },
		{ "max-model-size", "1025GiB" },
		{ "max-workers", "0" },
		{ "max-workers", "4294967297" },
		{ "max-connections", "" },
		{ "max-memory", "-1" },
		{ "max-models", "0" },
		{ "max-models", "513" },
		{ "model-keep", "721h" },
		{ "upload-keep", "10" },
		{ "max-requests", "0" },
		{ "max-uploads", "257" },
		{ "max-connects", "0" },
		{ "max-crashes", "-1" },
		{ "quarantine", "25h" },
		{ "max-bytes-in-flight", "1KiB" },
		{ "cpu-weight", "0" },
		{ "cpu-weight", "10001" },
		{ "cpu-quota", "100" },
		{ "cpu-quota", "0%" },
		{ "max-process-memory", "1MiB" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct limits limits = limits_default;
		struct tensock_error error = { 0 };

		assert_int_equal(limits_set(&limits, bad[i][0], bad[i][1], &error), -EINVAL);
		assert_non_null(strstr(error.message, "for example"));
		assert_memory_equal(&limits, &limits_default, sizeof(limits));
	}
}

static void test_merge(void **state)
{
	struct limits limits = limits_default, over = { 0 };
	struct front_start start = { 0 };

	(void)state;
	assert_int_equal(limits_set(&over, "run-deadline", "250ms", NULL), 1);
	assert_int_equal(limits_set(&over, "max-workers", "3", NULL), 1);
	assert_int_equal(limits_set(&over, "max-bytes-in-flight", "1MiB", NULL), 1);
	limits_merge(&limits, &over);
	limits_to_start(&limits, &start);
	assert_int_equal(start.run_deadline_ms, 250);
	assert_int_equal(start.workers_max, 3);
	assert_int_equal(start.flight_bytes_max, 1 << 20);
	assert_int_equal(start.load_deadline_ms, 30000);
	assert_true(start.model_bytes_max == UINT64_C(2) << 30);
	assert_int_equal(start.models_max, 256);
	assert_int_equal(start.model_keep_ms, 24 * 3600 * 1000);
	assert_int_equal(start.requests_max, 1024);
	assert_int_equal(start.uploads_max, 4);
	assert_int_equal(start.upload_keep_ms, 10 * 60 * 1000);
	assert_int_equal(start.pause_deadline_ms, 60 * 1000);
	assert_int_equal(start.quarantine_ms, 10 * 60 * 1000);
}

static void test_want_cgroup(void **state)
{
	static const char *const asked[][2] = { { "cpu-weight", "50" },
						{ "cpu-quota", "150%" },
						{ "max-process-memory", "1GiB" } };

	(void)state;
	assert_false(limits_want_cgroup(&limits_default));
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		struct limits limits = limits_default;

		assert_int_equal(limits_set(&limits, asked[i][0], asked[i][1], NULL), 1);
		assert_true(limits_want_cgroup(&limits));
	}
}

static void test_files(void **state)
{
	/* Workers, requests, models, uploads, the front itself. */
	const uint64_t others = 16 * 16 + 1024 + 256 + 4 + 192;
	struct limits limits = limits_default;

	(void)state;
	assert_false(limits_fit_files(&limits, UINT64_MAX)); /* RLIM_INFINITY */
	assert_false(limits_fit_files(&limits, 4 * 1024 + others));
	assert_int_equal(limits.value[LIMIT_CONNECTIONS], 1024);
	assert_true(limits_fit_files(&limits, 4 * 1024 + others - 1));
	assert_int_equal(limits.value[LIMIT_CONNECTIONS], 1023);
	assert_true(limits_fit_files(&limits, others + 444));
	assert_int_equal(limits.value[LIMIT_CONNECTIONS], 111);
	assert_true(limits_fit_files(&limits, 64));
	assert_int_equal(limits.value[LIMIT_CONNECTIONS], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),         cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_merge),       cmocka_unit_test(test_files),
		cmocka_unit_test(test_want_cgroup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
