/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/json_number.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/testing.h"

static void assert_text(const char *buf, const char *end, const char *wanted)
{
	assert_true(end - buf <= JSON_NUMBER_MAX);
	assert_int_equal((size_t)(end - buf), strlen(wanted));
	assert_memory_equal(buf, wanted, strlen(wanted));
}

static void assert_float(float v, const char *wanted)
{
	char buf[JSON_NUMBER_MAX];

	assert_text(buf, json_write_float(buf, v), wanted);
}

static void test_integers(void **state)
{
	char buf[JSON_NUMBER_MAX];

	(void)state;
	assert_text(buf, json_write_uint(buf, 0), "0");
	assert_text(buf, json_write_uint(buf, 10), "10");
	assert_text(buf, json_write_uint(buf, UINT64_MAX), "18446744073709551615");
	assert_text(buf, json_write_int(buf, INT64_MAX), "9223372036854775807");
	assert_text(buf, json_write_int(buf, INT64_MIN), "-9223372036854775808");
	assert_text(buf, json_write_int(buf, -1), "-1");
}

static void test_floats_are_short(void **state)
{
	(void)state;
	assert_float(0, "0.0");
	assert_float(-0.0F, "-0.0");
	assert_float(1, "1.0");
	assert_float(-1.5F, "-1.5");
	assert_float(0.1F, "0.1");
	assert_float(100, "100.0");
	assert_float(1.0F / 3, "0.33333334");
	assert_float(0.000123F, "0.000123");
	assert_float(0.00001F, "0.00001");
	assert_float(0.000001F, "1e-6");
	assert_float(1.5e-7F, "1.5e-7");
	assert_float(16777216, "16777216.0");
	assert_float(999999.94F, "999999.94");
	assert_float(1e15F, "1000000000000000.0");
	assert_float(1e20F, "1e20");
	assert_float(FLT_MAX, "3.4028235e38");
	assert_float(-FLT_MAX, "-3.4028235e38");
	assert_float(FLT_MIN, "1.1754944e-38");
	assert_float(0x1p-149F, "1.4013e-45");
}

static void test_what_is_no_number(void **state)
{
	(void)state;
	assert_float(NAN, "NaN");
	assert_float(INFINITY, "Infinity");
	assert_float(-INFINITY, "-Infinity");
}

static size_t significant_digits(const char *text)
{
	size_t n = 0, zeros = 0;

	for (; *text && *text != 'e'; text++) {
		if (*text < '0' || *text > '9' || (n == 0 && *text == '0'))
			continue;
		n++;
		zeros = *text == '0' ? zeros + 1 : 0;
	}
	return n - zeros;
}

/* In the very middle of two floats. */
static bool is_between(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return (bits & 0x1fffffff) == 0x10000000;
}

/* One of all floats' bits in 9973, and what is around each power of two and of ten. */
static void check_float(uint32_t bits)
{
	char buf[JSON_NUMBER_MAX + 1], other[32];
	float v;

	memcpy(&v, &bits, sizeof(v));
	if (!isfinite(v))
		return;
	*json_write_float(buf, v) = 0;
	if (strtof(buf, NULL) != v || (float)strtod(buf, NULL) != v)
		fail_msg("%a became %s", (double)v, buf);
	for (int n = 6; n <= 9; n++) {
		snprintf(other, sizeof(other), "%.*g", n, (double)v);
		if (strtof(other, NULL) == v && !is_between(strtod(other, NULL)))
			break;
	}
	if (significant_digits(buf) > significant_digits(other))
		fail_msg("%s is longer than %s", buf, other);
}

static void test_floats_read_back(void **state)
{
	(void)state;
	for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 9973)
		check_float((uint32_t)bits);
	for (uint32_t exponent = 0; exponent < 255; exponent++) {
		for (uint32_t i = 0; i < 64; i++)
			check_float((exponent << 23) + i - 32);
	}
	for (int power = -45; power <= 38; power++) {
		float v = strtof((char[]){ '1', 'e', power < 0 ? '-' : '+',
					   (char)('0' + abs(power) / 10),
					   (char)('0' + abs(power) % 10), 0 },
				 NULL);
		uint32_t bits;

		memcpy(&bits, &v, sizeof(bits));
		for (uint32_t i = 0; i < 64; i++)
			check_float(bits + i - 32);
	}
}

static void test_doubles(void **state)
{
	static const double v[] = { 0.1, -0.0, 1, 1e300, NAN, INFINITY, -INFINITY, 5e-324 };
	static const char wanted[] = "0.1,-0.0,1.0,1e300,NaN,Infinity,-Infinity,5e-324";
	char buf[sizeof(wanted)], *to = buf;

	(void)state;
	assert_int_equal(json_write_doubles(&to, v, 8), 0);
	assert_int_equal(to - buf, sizeof(wanted) - 1);
	assert_memory_equal(buf, wanted, sizeof(wanted) - 1);
	to = buf;
	assert_int_equal(json_write_doubles(&to, v, 0), 0);
	assert_ptr_equal(to, buf);
	assert_int_not_equal(json_write_doubles(&to, v, JSON_DOUBLES_MAX + 1), 0);
}

/* As many and as long as they may be. */
static void test_longest_doubles(void **state)
{
	char buf[JSON_DOUBLES_MAX * (JSON_NUMBER_MAX + 1)], *to = buf, *p = buf;
	double v[JSON_DOUBLES_MAX];

	(void)state;
	for (size_t i = 0; i < JSON_DOUBLES_MAX; i++)
		v[i] = -2.2250738585072014e-308;
	assert_int_equal(json_write_doubles(&to, v, JSON_DOUBLES_MAX), 0);
	assert_true(to < buf + sizeof(buf));
	*to = 0;
	for (size_t i = 0; i < JSON_DOUBLES_MAX; i++, p++)
		assert_true(strtod(p, &p) == v[i]);
	assert_ptr_equal(p, to + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_integers),          TSK_TEST(test_floats_are_short),
		TSK_TEST(test_what_is_no_number), TSK_TEST(test_floats_read_back),
		TSK_TEST(test_doubles),           TSK_TEST(test_longest_doubles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
