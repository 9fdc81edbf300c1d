/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/latency.h"

#include <stdlib.h>

#include "base/testing.h"

static struct latency *new_latency(void)
{
	return calloc(1, sizeof(struct latency));
}

static void near(uint64_t v, uint64_t expected)
{
	assert_in_range(v, expected - expected / 256, expected + expected / 256);
}

static void test_none_and_one(void **state)
{
	struct latency *l = new_latency();

	(void)state;
	assert_int_equal(latency_percentile(l, 50), 0);
	latency_add(l, 1234567);
	for (int percent = 0; percent <= 100; percent += 10)
		assert_int_equal(latency_percentile(l, percent), 1234567);
	free(l);
}

static void test_percentiles(void **state)
{
	struct latency *l = new_latency();

	(void)state;
	for (uint64_t i = 100000; i > 0; i--)
		latency_add(l, i * 1000);
	assert_int_equal(l->n, 100000);
	assert_int_equal(l->min_ns, 1000);
	assert_int_equal(l->max_ns, 100000000);
	near(latency_percentile(l, 50), 50000000);
	near(latency_percentile(l, 90), 90000000);
	near(latency_percentile(l, 99), 99000000);
	near(latency_percentile(l, 99.9), 99900000);
	assert_int_equal(latency_percentile(l, 0), 1000);
	assert_int_equal(latency_percentile(l, 100), 100000000);
	free(l);
}

/* By the definition of the nearest rank, over few. */
static void test_few(void **state)
{
	struct latency *l = new_latency();

	(void)state;
	latency_add(l, 30);
	latency_add(l, 10);
	latency_add(l, 20);
	latency_add(l, 200);
	assert_int_equal(latency_percentile(l, 25), 10);
	assert_int_equal(latency_percentile(l, 50), 20);
	assert_int_equal(latency_percentile(l, 51), 30);
	assert_int_equal(latency_percentile(l, 75), 30);
	assert_int_equal(latency_percentile(l, 76), 200);
	free(l);
}

/* Every magnitude has a bucket, and it is near. */
static void test_magnitudes(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		for (int d = -1; d <= 1; d++) {
			uint64_t ns = (UINT64_C(1) << bit) + (uint64_t)(int64_t)d;
			struct latency *l = new_latency();

			latency_add(l, 0);
			latency_add(l, ns);
			latency_add(l, UINT64_MAX);
			if (ns > 0 && ns < UINT64_MAX / 2)
				near(latency_percentile(l, 60), ns);
			free(l);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_none_and_one),
		TSK_TEST(test_percentiles),
		TSK_TEST(test_few),
		TSK_TEST(test_magnitudes),
	};

	return cmocka_run_group_tests_name("latency", tests, NULL, NULL);
}
