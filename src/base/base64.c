/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <stdbool.h>
#include <stdint.h>

/* Above 63: no digit. */
#define LINE_BREAK 64
#define PADDING 65
#define NONE 66

static unsigned digit(char c)
{
	static const unsigned char digits[256] = {
		/* One more than the digit, so that what is not named is none. */
		['A'] = 1,
		['B'] = 2,
		['C'] = 3,
		['D'] = 4,
		['E'] = 5,
		['F'] = 6,
		['G'] = 7,
		['H'] = 8,
		['I'] = 9,
		['J'] = 10,
		['K'] = 11,
		['L'] = 12,
		['M'] = 13,
		['N'] = 14,
		['O'] = 15,
		['P'] = 16,
		['Q'] = 17,
		['R'] = 18,
		['S'] = 19,
		['T'] = 20,
		['U'] = 21,
		['V'] = 22,
		['W'] = 23,
		['X'] = 24,
		['Y'] = 25,
		['Z'] = 26,
		['a'] = 27,
		['b'] = 28,
		['c'] = 29,
		['d'] = 30,
		['e'] = 31,
		['f'] = 32,
		['g'] = 33,
		['h'] = 34,
		['i'] = 35,
		['j'] = 36,
		['k'] = 37,
		['l'] = 38,
		['m'] = 39,
		['n'] = 40,
		['o'] = 41,
		['p'] = 42,
		['q'] = 43,
		['r'] = 44,
		['s'] = 45,
		['t'] = 46,
		['u'] = 47,
		['v'] = 48,
		['w'] = 49,
		['x'] = 50,
		['y'] = 51,
		['z'] = 52,
		['0'] = 53,
		['1'] = 54,
		['2'] = 55,
		['3'] = 56,
		['4'] = 57,
		['5'] = 58,
		['6'] = 59,
		['7'] = 60,
		['8'] = 61,
		['9'] = 62,
		['+'] = 63,
		['/'] = 64,
		['\n'] = LINE_BREAK + 1,
		['\r'] = LINE_BREAK + 1,
		['='] = PADDING + 1,
	};
	unsigned found = digits[(unsigned char)c];

	return found ? found - 1 : NONE;
}

struct decoder {
	unsigned char *to; /* NULL: only counted */
	size_t bytes;
	uint32_t bits; /* of the digits of a group that is not whole */
	unsigned n_digits, n_padding;
};

static void put(struct decoder *d, uint32_t bits, unsigned n)
{
	for (unsigned i = 0; d->to && i < n; i++)
		d->to[d->bytes + i] = (unsigned char)(bits >> (16 - 8 * i));
	d->bytes += n;
}

static bool take(struct decoder *d, unsigned digit)
{
	if (digit == LINE_BREAK)
		return true;
	if (digit == PADDING) {
		d->n_padding++;
		return d->n_digits >= 2 && d->n_digits + d->n_padding <= 4;
	}
	if (digit == NONE || d->n_padding)
		return false;
	d->bits = d->bits << 6 | digit;
	if (++d->n_digits == 4) {
		put(d, d->bits, 3);
		d->bits = 0;
		d->n_digits = 0;
	}
	return true;
}

/* Whole groups, as most are; returns where others begin. */
static const char *take_groups(struct decoder *d, const char *p, const char *end)
{
	for (; end - p >= 4; p += 4) {
		unsigned a = digit(p[0]), b = digit(p[1]), c = digit(p[2]), e = digit(p[3]);

		if ((a | b | c | e) > 63)
			break;
		put(d, a << 18 | b << 12 | c << 6 | e, 3);
	}
	return p;
}

/* The bits of a last group that are more than its bytes take are none. */
static bool finish(struct decoder *d)
{
	if (d->n_digits == 0)
		return true;
	if (d->n_digits + d->n_padding != 4)
		return false;
	d->bits <<= 6 * d->n_padding;
	if (d->bits & ((1U << 8 * d->n_padding) - 1))
		return false;
	put(d, d->bits, 3 - d->n_padding);
	return true;
}

int tsk_base64_decode(const char *text, size_t n, void *to, size_t *ret_bytes)
{
	const char *p = text, *end = text + n;
	struct decoder d = { .to = to };

	while (p < end) {
		if (d.n_digits == 0)
			p = take_groups(&d, p, end);
		if (p < end && !take(&d, digit(*p++)))
			return -EINVAL;
	}
	if (!finish(&d))
		return -EINVAL;
	*ret_bytes = d.bytes;
	return 0;
}
