/* SPDX-License-Identifier: Apache-2.0 */
#include "store/names.h"

#include <string.h>

#include "base/testing.h"

static const unsigned char hash[STORE_HASH_BYTES] = { 0x00, 0x1f, 0xff, [31] = 0xa0 };
#define HEX "001fff00000000000000000000000000000000000000000000000000000000a0"

static void test_there_and_back(void **state)
{
	unsigned char read[STORE_HASH_BYTES];
	char name[NAMES_SIZE];

	(void)state;
	names_of_model(hash, name);
	assert_string_equal(name, HEX);
	assert_int_equal(names_read(name, read), NAMES_MODEL);
	assert_memory_equal(read, hash, sizeof(hash));
	names_of_part(hash, name);
	assert_string_equal(name, HEX ".part");
	memset(read, 0, sizeof(read));
	assert_int_equal(names_read(name, read), NAMES_PART);
	assert_memory_equal(read, hash, sizeof(hash));
}

static void test_others(void **state)
{
	static const char *const others[] = {
		"",      "lost+found", "label", "Labels", "labels ", HEX "0", HEX ".par",
		HEX "/", HEX ".partx", ".new",  "001FFF", "g",       "x",
	};
	unsigned char read[STORE_HASH_BYTES];
	char upper[] = HEX, cut[] = HEX;

	(void)state;
	for (unsigned i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_int_equal(names_read(others[i], read), NAMES_OTHER);
	upper[3] = 'F';
	assert_int_equal(names_read(upper, read), NAMES_OTHER);
	cut[63] = '\0';
	assert_int_equal(names_read(cut, read), NAMES_OTHER);
	assert_int_equal(names_read("labels", read), NAMES_LABELS_FILE);
	assert_int_equal(names_read(".new-" HEX, read), NAMES_NEW);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_there_and_back), TSK_TEST(test_others) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
