/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"

#include <stdio.h>
#include <string.h>

#include "base/testing.h"

/* Each byte, by the C library's digits of either case. */
static void test_bytes(void **state)
{
	unsigned char read;
	char text[3], upper[3], wanted[3];

	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		unsigned char byte = (unsigned char)i;

		snprintf(wanted, sizeof(wanted), "%02x", i);
		snprintf(upper, sizeof(upper), "%02X", i);
		text[2] = '\0';
		assert_ptr_equal(tsk_hex_write(text, &byte, 1), text + 2);
		assert_string_equal(text, wanted);
		read = (unsigned char)~byte;
		assert_true(tsk_hex_read(text, 1, &read));
		assert_int_equal(read, i);
		read = (unsigned char)~byte;
		assert_true(tsk_hex_read_lower(text, 1, &read));
		assert_int_equal(read, i);
		read = (unsigned char)~byte;
		assert_true(tsk_hex_read(upper, 1, &read));
		assert_int_equal(read, i);
		assert_int_equal(tsk_hex_read_lower(upper, 1, &read), strcmp(upper, text) == 0);
	}
}

/* Whatever is no digit, at each place: nothing is read. */
static void test_others(void **state)
{
	unsigned char read[2];

	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		bool is_digit = i && strchr("0123456789abcdefABCDEF", (int)i);

		for (unsigned at = 0; at < 4; at++) {
			char text[4] = { '1', '2', '3', '4' };

			text[at] = (char)i;
			memset(read, 0xee, sizeof(read));
			assert_int_equal(tsk_hex_read(text, 2, read), is_digit);
			if (is_digit)
				continue;
			assert_int_equal(read[0] << 8 | read[1], 0xeeee);
			assert_false(tsk_hex_read_lower(text, 2, read));
			assert_int_equal(read[0] << 8 | read[1], 0xeeee);
		}
	}
}

static void test_several(void **state)
{
	static const unsigned char bytes[] = { 0x01, 0xfe, 0x10 };
	unsigned char read[3];
	char text[7] = "";

	(void)state;
	assert_ptr_equal(tsk_hex_write(text, bytes, 3), text + 6);
	assert_string_equal(text, "01fe10");
	assert_true(tsk_hex_read("01fE10", 3, read));
	assert_memory_equal(read, bytes, 3);
	assert_true(tsk_hex_read("", 0, read));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_bytes),
		TSK_TEST(test_others),
		TSK_TEST(test_several),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
