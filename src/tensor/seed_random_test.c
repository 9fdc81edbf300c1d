/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/seed_random.h"

#include <string.h>

#include "base/testing.h"

/*
 * Bits that g++ 12 printed for std::uniform_real_distribution<float>(0.1f, 1.0f) over a fresh
 * std::mt19937; around 624 because there the generator renews its words.
 */
static const struct {
	unsigned index;
	uint32_t bits;
} known[] = {
	{ 0, 0x3f554ff5 },     { 1, 0x3e634170 },   { 2, 0x3f6a4b62 },   { 3, 0x3f59fc69 },
	{ 4, 0x3e5b6e59 },     { 5, 0x3f78d3bf },   { 6, 0x3f6c0ab3 },   { 7, 0x3e990d70 },
	{ 622, 0x3f111593 },   { 623, 0x3f714460 }, { 624, 0x3f79c5f9 }, { 625, 0x3e6977a6 },
	{ 99999, 0x3ed75274 },
};

static void test_known_values(void **state)
{
	struct seed_random random;
	unsigned at = 0;

	(void)state;
	seed_random_init(&random);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		float f = 0;
		uint32_t bits;

		for (; at <= known[i].index; at++)
			f = seed_random_next(&random);
		memcpy(&bits, &f, sizeof(bits));
		assert_int_equal(bits, known[i].bits);
	}
}

static void test_range_and_restart(void **state)
{
	struct seed_random a, b;

	(void)state;
	seed_random_init(&a);
	for (int i = 0; i < 100000; i++) {
		float f = seed_random_next(&a);

		assert_true(f >= 0.1f && f <= 1.0f);
	}
	seed_random_init(&a);
	seed_random_init(&b);
	assert_memory_equal(&a, &b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_known_values),
		TSK_TEST(test_range_and_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
