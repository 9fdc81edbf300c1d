/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"

char *tsk_hex_write(char *to, const void *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++) {
		*to++ = digits[p[i] >> 4];
		*to++ = digits[p[i] & 15];
	}
	return to;
}

/* Below 0: it is no digit. */
static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool tsk_hex_read(const char *text, size_t n, void *ret)
{
	unsigned char *bytes = ret;

	for (size_t i = 0; i < 2 * n; i++) {
		if (digit(text[i]) < 0)
			return false;
	}
	for (size_t i = 0; i < n; i++)
		bytes[i] = (unsigned char)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
	return true;
}

bool tsk_hex_read_lower(const char *text, size_t n, void *ret)
{
	for (size_t i = 0; i < 2 * n; i++) {
		if (text[i] >= 'A' && text[i] <= 'F')
			return false;
	}
	return tsk_hex_read(text, n, ret);
}
