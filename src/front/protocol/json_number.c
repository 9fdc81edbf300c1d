/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/json_number.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "base/cleanup.h"

static char *write_text(char *to, const char *text)
{
	size_t n = strlen(text);

	memcpy(to, text, n);
	return to + n;
}

char *json_write_uint(char *to, uint64_t v)
{
	char digits[20];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		*to++ = digits[--n];
	return to;
}

char *json_write_int(char *to, int64_t v)
{
	if (v >= 0)
		return json_write_uint(to, (uint64_t)v);
	*to++ = '-';
	return json_write_uint(to, -(uint64_t)v);
}

/* digits × 10^exponent; digits is not 0. */
struct decimal {
	uint64_t digits;
	int exponent;
};

/* All that a double holds exactly. */
static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
				 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
				 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

/* One multiplication or division by an exact power: rounded once. */
static double scaled(double v, int exponent)
{
	return exponent >= 0 ? v * powers[exponent] : v / powers[-exponent];
}

/*
 * Whether a reader makes v of it.  Rounding keeps the order, and what lies between two floats is a double:
 * so the decimal lies on the same side of it as the double that is nearest to the decimal, unless that is
 * in the very middle.
 */
static bool reads_as(struct decimal decimal, float v)
{
	double read = scaled((double)decimal.digits, decimal.exponent);
	uint64_t bits;

	memcpy(&bits, &read, sizeof(bits));
	return (float)read == v && (bits & 0x1fffffff) != 0x10000000;
}

/* 10^ret <= v, or 10 times more; v is normal. */
static int magnitude(float v)
{
	int exponent;

	frexpf(v, &exponent);
	return (exponent - 1) * 1233 >> 12;
}

#define DIGITS_MIN 6 /* as many decimals as any float tells apart */
#define DIGITS_MAX 9 /* as many as tell all floats apart */

/* The fewest digits that do, of which the last may be zeros.  For the common magnitudes: else false. */
static bool decimal_fast(float v, struct decimal *ret)
{
	int power;

	if (v < 1e-13F || v > 1e26F)
		return false;
	power = magnitude(v);
	if (scaled((double)v, DIGITS_MIN - 1 - power) + 0.5 >= 1e6)
		power++;
	for (int n = DIGITS_MIN; n <= DIGITS_MAX; n++) {
		int exponent = power - (n - 1);
		struct decimal decimal = {
			.digits = (uint64_t)(scaled((double)v, -exponent) + 0.5),
			.exponent = exponent,
		};

		if (reads_as(decimal, v)) {
			*ret = decimal;
			return true;
		}
	}
	return false;
}

/* By the C library, which is exact. */
static struct decimal decimal_slow(float v)
{
	struct decimal decimal;
	char text[32];

	for (int n = DIGITS_MIN; n <= DIGITS_MAX; n++) {
		snprintf(text, sizeof(text), "%.*e", n - 1, (double)v);
		if (strtof(text, NULL) == v)
			break;
	}
	/* "d.ddde-45" */
	decimal.digits = (uint64_t)(text[0] - '0');
	decimal.exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
	for (const char *p = text + 2; *p != 'e'; p++, decimal.exponent--)
		decimal.digits = decimal.digits * 10 + (uint64_t)(*p - '0');
	return decimal;
}

static char *write_zeros(char *to, int n)
{
	memset(to, '0', (size_t)n);
	return to + n;
}

/* The first `point` of n digits, a point, the rest. */
static char *write_split(char *to, const char *digits, int n, int point)
{
	memcpy(to, digits, (size_t)point);
	to[point] = '.';
	memcpy(to + point + 1, digits + point, (size_t)(n - point));
	return to + n + 1;
}

static char *write_scientific(char *to, const char *digits, int n, int power)
{
	if (n == 1)
		*to++ = *digits;
	else
		to = write_split(to, digits, n, 1);
	*to++ = 'e';
	return json_write_int(to, power);
}

static char *write_decimal(char *to, struct decimal decimal)
{
	char digits[20];
	int n, point;

	while (decimal.digits % 10 == 0) {
		decimal.digits /= 10;
		decimal.exponent++;
	}
	n = (int)(json_write_uint(digits, decimal.digits) - digits);
	point = n + decimal.exponent; /* 0.ddd × 10^point */
	if (point < -4 || point > 16)
		return write_scientific(to, digits, n, point - 1);
	if (point <= 0) {
		to = write_zeros(write_text(to, "0."), -point);
		memcpy(to, digits, (size_t)n);
		return to + n;
	}
	if (n > point)
		return write_split(to, digits, n, point);
	memcpy(to, digits, (size_t)n);
	return write_text(write_zeros(to + n, point - n), ".0");
}

char *json_write_float(char *to, float v)
{
	struct decimal decimal;

	if (isnan(v))
		return write_text(to, "NaN");
	if (signbit(v)) {
		*to++ = '-';
		v = -v;
	}
	if (isinf(v))
		return write_text(to, "Infinity");
	if (v == 0)
		return write_text(to, "0.0");
	return write_decimal(to, decimal_fast(v, &decimal) ? decimal : decimal_slow(v));
}

/* yyjson writes doubles fast, but only as part of a value: an array on the stack. */
int json_write_doubles(char **to, const double *v, size_t n)
{
	yyjson_val values[JSON_DOUBLES_MAX + 1];
	char room[JSON_DOUBLES_MAX * 3 * JSON_NUMBER_MAX];
	yyjson_alc pool;
	size_t length;
	char *text;

	if (n == 0)
		return 0;
	if (n > JSON_DOUBLES_MAX || !yyjson_alc_pool_init(&pool, room, sizeof(room)))
		return -ENOMEM;
	values[0].tag = (uint64_t)n << YYJSON_TAG_BIT | YYJSON_TYPE_ARR | YYJSON_SUBTYPE_NONE;
	values[0].uni.ofs = (n + 1) * sizeof(*values);
	for (size_t i = 0; i < n; i++) {
		values[i + 1].tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL;
		values[i + 1].uni.f64 = v[i];
	}
	text = yyjson_val_write_opts(values, YYJSON_WRITE_ALLOW_INF_AND_NAN, &pool, &length, NULL);
	if (!text)
		return -ENOMEM;
	/* Without the brackets. */
	memcpy(*to, text + 1, length - 2);
	*to += length - 2;
	return 0;
}
