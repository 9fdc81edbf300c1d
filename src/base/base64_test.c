/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <string.h>

#include "base/testing.h"

static void assert_decoded(const char *text, const char *wanted, size_t n)
{
	size_t room = strlen(text) / 4 * 3, bytes;
	/* Exactly sized, so that a sanitizer sees a byte too many. */
	char *to = malloc(room ? room : 1);

	assert_non_null(to);
	assert_int_equal(tsk_base64_decode(text, strlen(text), NULL, &bytes), 0);
	assert_int_equal(bytes, n);
	assert_int_equal(tsk_base64_decode(text, strlen(text), to, &bytes), 0);
	assert_int_equal(bytes, n);
	assert_memory_equal(to, wanted, n);
	free(to);
}

static void test_rfc_4648(void **state)
{
	(void)state;
	assert_decoded("", "", 0);
	assert_decoded("Zg==", "f", 1);
	assert_decoded("Zm8=", "fo", 2);
	assert_decoded("Zm9v", "foo", 3);
	assert_decoded("Zm9vYg==", "foob", 4);
	assert_decoded("Zm9vYmE=", "fooba", 5);
	assert_decoded("Zm9vYmFy", "foobar", 6);
	assert_decoded("+/+/AAAA", "\xfb\xff\xbf\0\0\0", 6);
}

/* As libb64 writes it for Triton's C++ client: a break every 72 characters, and at the end. */
static void test_line_breaks(void **state)
{
	(void)state;
	assert_decoded("Zm9v\nYmFy\n", "foobar", 6);
	assert_decoded("Zm\r\n9vY\nmFy", "foobar", 6);
	assert_decoded("Zm8\n=\n", "fo", 2);
	assert_decoded("\n", "", 0);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"Z",        "Zg",    "Zg=",      "Zm8",   "=",      "====", "Z===",
		"Zg==Zg==", "Zm9v=", "Zm9v====", "Zm 9v", "Zm9v\t", "Zm9-", "Zm9_",
		"Zm9\xff",  "Zh==",  "Zm9=",     "Zg=A",  "Zg===",
	};
	size_t bytes;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (tsk_base64_decode(bad[i], strlen(bad[i]), NULL, &bytes) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
	}
	assert_int_equal(tsk_base64_decode("Zm9\0", 4, NULL, &bytes), -EINVAL);
}

static void test_all_digits(void **state)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char bytes[48];
	uint32_t bits = 0;
	size_t n;

	(void)state;
	assert_int_equal(tsk_base64_decode(digits, 64, bytes, &n), 0);
	assert_int_equal(n, 48);
	for (unsigned i = 0; i < 64; i++) {
		unsigned at = i * 6;

		bits = (uint32_t)bytes[at / 8] << 8 | (at / 8 + 1 < 48 ? bytes[at / 8 + 1] : 0);
		assert_int_equal(bits >> (10 - at % 8) & 63, i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_rfc_4648),
		TSK_TEST(test_line_breaks),
		TSK_TEST(test_refused),
		TSK_TEST(test_all_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
