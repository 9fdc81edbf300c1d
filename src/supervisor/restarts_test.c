/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/restarts.h"

#include "base/clock.h"
#include "base/testing.h"

#define STEADY_NS (RESTARTS_STEADY_MS * TSK_NS_PER_MS)

static void test_in_a_row(void **state)
{
	static const uint64_t expected_ms[] = { 50, 200, 1000, 5000, 5000, 5000 };
	struct restarts restarts = { 0 };
	uint64_t now_ns = 7;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(expected_ms); i++) {
		restarts_began(&restarts, now_ns);
		now_ns += STEADY_NS - 1;
		assert_true(restarts_ended(&restarts, now_ns) == expected_ms[i]);
	}
	/* One that has lived for long is the first one again. */
	restarts_began(&restarts, now_ns);
	assert_true(restarts_ended(&restarts, now_ns + STEADY_NS) == 50);
}

/* Who could not even be started has not lived, however long ago the last one was. */
static void test_failed(void **state)
{
	struct restarts restarts = { 0 };

	(void)state;
	restarts_began(&restarts, 7);
	assert_true(restarts_ended(&restarts, 8) == 50);
	assert_true(restarts_failed(&restarts) == 200);
	assert_true(restarts_failed(&restarts) == 1000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { TSK_TEST(test_in_a_row), TSK_TEST(test_failed) };

	return cmocka_run_group_tests_name("restarts", tests, NULL, NULL);
}
