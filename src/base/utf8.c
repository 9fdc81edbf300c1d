/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <stdbool.h>

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

size_t tsk_utf8_next(const unsigned char *p, size_t n, uint32_t *ret_char)
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
		*ret_char = TSK_UTF8_INVALID;
		return 1;
	}
	*ret_char = c;
	return length;
}
