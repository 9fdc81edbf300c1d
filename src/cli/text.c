/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/status.h"

/* How long a character is by its first byte; 0 where none begins like that. */
static size_t length_of(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first < 0xe0)
		return 2;
	if (first >= 0xe0 && first < 0xf0)
		return 3;
	return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

size_t utf8_next(const unsigned char *p, size_t n, uint32_t *ret_char)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = length_of(p[0]);
	uint32_t c = length == 1 ? p[0] : length ? p[0] & (0x7fu >> length) : 0;
	bool ok = length && length <= n;

	for (size_t i = 1; ok && i < length; i++) {
		ok = (p[i] & 0xc0) == 0x80;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (!ok || c < smallest[length] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff) {
		*ret_char = UTF8_INVALID;
		return 1;
	}
	*ret_char = c;
	return length;
}

static bool is_harmless(uint32_t c)
{
	return c >= ' ' && c != 0x7f && c != UTF8_INVALID && !tsk_is_steering(c);
}

void text_print_bytes(FILE *out, const void *text, size_t n)
{
	const unsigned char *p = text;

	while (n) {
		uint32_t c;
		size_t length = utf8_next(p, n, &c);

		if (is_harmless(c))
			fwrite(p, 1, length, out);
		else
			fputc('?', out);
		p += length;
		n -= length;
	}
}

void text_print(FILE *out, const char *text)
{
	text_print_bytes(out, text, strlen(text));
}

const char *text_size(uint64_t bytes, char buf[static TEXT_QUANTITY_BYTES])
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes / 1024;
	unsigned i = 0;

	if (bytes < 1024) {
		snprintf(buf, TEXT_QUANTITY_BYTES, "%" PRIu64 " B", bytes);
		return buf;
	}
	while (v >= 1023.95 && i + 1 < ARRAY_SIZE(units)) {
		v /= 1024;
		i++;
	}
	snprintf(buf, TEXT_QUANTITY_BYTES, "%.1f %s", v, units[i]);
	return buf;
}

const char *text_duration(uint64_t ns, char buf[static TEXT_QUANTITY_BYTES])
{
	double us = (double)ns / 1e3;

	double v = us < 999.5 ? us : us < 999500 ? us / 1e3 : us / 1e6;

	snprintf(buf, TEXT_QUANTITY_BYTES, "%.*f %s",
		 v < 9.995   ? 2
		 : v < 99.95 ? 1
			     : 0,
		 v,
		 us < 999.5    ? "µs"
		 : us < 999500 ? "ms"
			       : "s");
	return buf;
}

const char *text_number(double v, bool is_double, char buf[static TEXT_QUANTITY_BYTES])
{
	int digits_max = is_double ? 17 : 9;

	if (!isfinite(v))
		return isnan(v) ? "nan" : v > 0 ? "inf" : "-inf";
	for (int digits = is_double ? 15 : 6; digits <= digits_max; digits++) {
		snprintf(buf, TEXT_QUANTITY_BYTES, "%.*g", digits, v);
		if (is_double ? strtod(buf, NULL) == v : (double)strtof(buf, NULL) == v)
			break;
	}
	return buf;
}
