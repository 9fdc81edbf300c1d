/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/small_float.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include <tensock/types.h>

static uint32_t bits_of(float v)
{
	uint32_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

/* v without its low `shift` bits, rounded to nearest, ties to even. */
static uint32_t round_off(uint32_t v, unsigned shift)
{
	uint32_t half = UINT32_C(1) << (shift - 1);
	uint32_t odd = v >> shift & 1;

	return (v + half - 1 + odd) >> shift;
}

uint16_t bfloat16_from_float(float v)
{
	uint32_t bits = bits_of(v);

	if (isnan(v))
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)round_off(bits, 16);
}

uint16_t half_from_float(float v)
{
	uint32_t bits = bits_of(v);
	uint32_t sign = bits >> 16 & 0x8000;
	uint32_t magnitude = bits & UINT32_C(0x7fffffff);
	unsigned exponent = magnitude >> 23;

	if (magnitude > UINT32_C(0x7f800000))
		return (uint16_t)(sign | 0x7e00);
	if (magnitude >= UINT32_C(0x47800000)) /* 65536 and more */
		return (uint16_t)(sign | 0x7c00);
	if (exponent < 102) /* below half of the smallest */
		return (uint16_t)sign;
	if (exponent < 113) { /* a half without leading one */
		uint32_t mantissa = (magnitude & 0x7fffff) | 0x800000;

		return (uint16_t)(sign | round_off(mantissa, 126 - exponent));
	}
	/* A carry out of the mantissa goes into the exponent, up to infinity: as it should. */
	return (uint16_t)(sign | round_off(magnitude - (UINT32_C(112) << 23), 13));
}

struct layout {
	uint32_t dtype;
	unsigned exponent_bits, mantissa_bits;
	int bias;
	/* What the largest exponent means besides numbers. */
	enum {
		IEEE,
		LAST_IS_NAN,
		NONE,
		NEGATIVE_ZERO_IS_NAN
	} special;
};

static const struct layout layouts[] = {
	{ TENSOCK_FLOAT16, 5, 10, 15, IEEE },
	{ TENSOCK_BFLOAT16, 8, 7, 127, IEEE },
	{ TENSOCK_FLOAT8E4M3FN, 4, 3, 7, LAST_IS_NAN },
	{ TENSOCK_FLOAT8E4M3FNUZ, 4, 3, 8, NEGATIVE_ZERO_IS_NAN },
	{ TENSOCK_FLOAT8E5M2, 5, 2, 15, IEEE },
	{ TENSOCK_FLOAT8E5M2FNUZ, 5, 2, 16, NEGATIVE_ZERO_IS_NAN },
	{ TENSOCK_FLOAT4E2M1, 2, 1, 1, NONE },
};

static const struct layout *find_layout(uint32_t dtype)
{
	for (unsigned i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (layouts[i].dtype == dtype)
			return &layouts[i];
	}
	return NULL;
}

static bool is_nan(const struct layout *l, bool sign, unsigned exponent, unsigned mantissa)
{
	unsigned exponent_max = (1u << l->exponent_bits) - 1;

	switch (l->special) {
	case IEEE:
		return exponent == exponent_max && mantissa;
	case LAST_IS_NAN:
		return exponent == exponent_max && mantissa == (1u << l->mantissa_bits) - 1;
	case NEGATIVE_ZERO_IS_NAN:
		return sign && !exponent && !mantissa;
	case NONE:
		break;
	}
	return false;
}

static float magnitude(const struct layout *l, unsigned exponent, unsigned mantissa)
{
	int scale = -l->bias - (int)l->mantissa_bits;

	if (l->special == IEEE && exponent == (1u << l->exponent_bits) - 1)
		return INFINITY;
	if (exponent == 0)
		return ldexpf((float)mantissa, 1 + scale);
	return ldexpf((float)(mantissa | 1u << l->mantissa_bits), (int)exponent + scale);
}

float small_float_value(uint32_t dtype, uint16_t bits)
{
	const struct layout *l = find_layout(dtype);
	unsigned mantissa, exponent;
	bool sign;

	if (!l)
		return 0;
	mantissa = bits & ((1u << l->mantissa_bits) - 1);
	exponent = (unsigned)bits >> l->mantissa_bits & ((1u << l->exponent_bits) - 1);
	sign = (unsigned)bits >> (l->mantissa_bits + l->exponent_bits) & 1;
	if (is_nan(l, sign, exponent, mantissa))
		return sign ? -NAN : NAN;
	return sign ? -magnitude(l, exponent, mantissa) : magnitude(l, exponent, mantissa);
}
