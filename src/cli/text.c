/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/status.h"
#include "base/utf8.h"

static bool is_harmless(uint32_t c)
{
	return c >= ' ' && c != 0x7f && c != TSK_UTF8_INVALID && !tsk_is_steering(c);
}

void text_print_bytes(FILE *out, const void *text, size_t n)
{
	const unsigned char *p = text;

	while (n) {
		uint32_t c;
		size_t length = tsk_utf8_next(p, n, &c);

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
