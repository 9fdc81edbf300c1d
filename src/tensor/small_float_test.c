/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/small_float.h"

#include <math.h>
#include <string.h>

#include <tensock/types.h>

#include "base/testing.h"

/* Every half, widened and narrowed again, is itself; and so is every bfloat16. */
static void test_round_trip(void **state)
{
	(void)state;
	for (uint32_t bits = 0; bits <= UINT16_MAX; bits++) {
		float half = small_float_value(TENSOCK_FLOAT16, (uint16_t)bits);
		float bfloat16 = small_float_value(TENSOCK_BFLOAT16, (uint16_t)bits);

		if (isnan(half))
			assert_true((bits & 0x7fff) > 0x7c00 &&
				    (half_from_float(half) & 0x7fff) > 0x7c00);
		else
			assert_int_equal(half_from_float(half), bits);
		if (isnan(bfloat16))
			assert_true((bits & 0x7fff) > 0x7f80 &&
				    (bfloat16_from_float(bfloat16) & 0x7fff) > 0x7f80);
		else
			assert_int_equal(bfloat16_from_float(bfloat16), bits);
	}
}

/* Between two neighbours a and b the nearer wins, and the even one in the very middle. */
static void test_rounding(void **state)
{
	(void)state;
	for (uint32_t bits = 0; bits < 0x7bff; bits++) {
		float a = small_float_value(TENSOCK_FLOAT16, (uint16_t)bits);
		float b = small_float_value(TENSOCK_FLOAT16, (uint16_t)(bits + 1));
		float middle = a + (b - a) / 2;

		assert_int_equal(half_from_float(middle), bits + (bits & 1));
		assert_int_equal(half_from_float(nextafterf(middle, 0)), bits);
		assert_int_equal(half_from_float(nextafterf(middle, INFINITY)), bits + 1);
		assert_int_equal(half_from_float(-middle), 0x8000 | (bits + (bits & 1)));
	}
	assert_int_equal(half_from_float(65519.0f), 0x7bff);
	assert_int_equal(half_from_float(65520.0f), 0x7c00);
	assert_int_equal(half_from_float(1e9f), 0x7c00);
	assert_int_equal(half_from_float(-INFINITY), 0xfc00);
	assert_int_equal(bfloat16_from_float(0.1f), 0x3dcd);
	assert_int_equal(bfloat16_from_float(1.00390625f), 0x3f80); /* a tie, to even */
}

static void value_is(uint32_t dtype, uint16_t bits, float expected)
{
	float v = small_float_value(dtype, bits);

	assert_memory_equal(&v, &expected, sizeof(v));
}

/* The ends of each range, from the types' definitions in ONNX. */
static void test_known_values(void **state)
{
	(void)state;
	value_is(TENSOCK_FLOAT16, 0x3c00, 1.0f);
	value_is(TENSOCK_FLOAT16, 0x0001, 0x1p-24f);
	value_is(TENSOCK_FLOAT8E4M3FN, 0x7e, 448.0f);
	value_is(TENSOCK_FLOAT8E4M3FN, 0x01, 0x1p-9f);
	assert_true(isnan(small_float_value(TENSOCK_FLOAT8E4M3FN, 0x7f)));
	value_is(TENSOCK_FLOAT8E4M3FNUZ, 0x7f, 240.0f);
	assert_true(isnan(small_float_value(TENSOCK_FLOAT8E4M3FNUZ, 0x80)));
	value_is(TENSOCK_FLOAT8E5M2, 0x7b, 57344.0f);
	value_is(TENSOCK_FLOAT8E5M2, 0xfc, -INFINITY);
	assert_true(isnan(small_float_value(TENSOCK_FLOAT8E5M2, 0x7d)));
	value_is(TENSOCK_FLOAT8E5M2FNUZ, 0x7f, 57344.0f);
	value_is(TENSOCK_FLOAT4E2M1, 0x7, 6.0f);
	value_is(TENSOCK_FLOAT4E2M1, 0x9, -0.5f);
	value_is(TENSOCK_FLOAT4E2M1, 0x8, -0.0f);
	assert_true(small_float_value(TENSOCK_FLOAT32, 0x7b) == 0); /* none of them */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_round_trip),
		TSK_TEST(test_rounding),
		TSK_TEST(test_known_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
