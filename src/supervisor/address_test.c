/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct address parsed(const char *text)
{
	struct tensock_error error;
	struct address address;
	char back[ADDRESS_TEXT_SIZE];

	if (address_parse(text, &address, &error) < 0)
		fail_msg("%s: %s", text, error.message);
	address_format(&address, back);
	assert_string_equal(back, text);
	return address;
}

static void refused(const char *text, const char *why)
{
	struct address address = { .port = 77 };
	struct tensock_error error = { 0 };

	assert_int_equal(address_parse(text, &address, &error), -EINVAL);
	assert_int_equal(address.port, 77);
	if (!strstr(error.message, why))
		fail_msg("%s: \"%s\" does not say \"%s\"", text, error.message, why);
}

static void test_good(void **state)
{
	struct address a;

	(void)state;
	a = parsed("vsock:9999");
	assert_int_equal(a.kind, ADDRESS_VSOCK);
	assert_int_equal(a.port, 9999);
	a = parsed("unix:/run/tensock/a=b,c:d.sock");
	assert_int_equal(a.kind, ADDRESS_UNIX);
	assert_string_equal(a.path, "/run/tensock/a=b,c:d.sock");
	a = parsed("hybrid:web-1=/run/fc/web=1.vsock");
	assert_int_equal(a.kind, ADDRESS_HYBRID);
	assert_string_equal(a.name, "web-1");
	assert_string_equal(a.path, "/run/fc/web=1.vsock");
	a = parsed("tcp:127.0.0.1:0");
	assert_int_equal(a.kind, ADDRESS_TCP);
	assert_true(a.ipv4 == 0x7f000001);
}

static void test_bad(void **state)
{
	(void)state;
	refused("", "is no address");
	refused("/run/x.sock", "is no address");
	refused("vsock", "is no address");
	refused("vsock:", "no vsock port");
	refused("vsock:0", "no vsock port");
	refused("vsock:4294967295", "no vsock port");
	refused("unix:", "empty");
	refused("hybrid:/run/x", "lacks a name");
	refused("hybrid:=x", "lacks a name");
	refused("hybrid:a=", "empty");
	refused("hybrid:a/b=/x", "no guest's name");
	refused("hybrid:uid-0=/x", "another way");
	refused("hybrid:tcp=/x", "another way");
	refused("tcp:9999", "no address and port");
	refused("tcp:localhost:9999", "no address and port");
	refused("tcp:127.0.0.1", "no address and port");
	refused("tcp:127.0.0.1:", "no address and port");
	refused("tcp:127.0.0.1:65536", "no address and port");
	refused("tcp:0.0.0.0:9999", "not a loopback");
	refused("tcp:192.0.2.1:9999", "not a loopback");
	refused("tcp:128.0.0.1:9999", "not a loopback");
	refused("tcp:1111111111111111111111111:9999", "no address and port");
}

/* A path is cut at no length: it fits with all that will be put behind it, or is refused. */
static void test_path_lengths(void **state)
{
	char text[256];

	(void)state;
	for (int len = 90; len < 120; len++) {
		struct address a;

		snprintf(text, sizeof(text), "unix:%0*d", len, 0);
		assert_int_equal(address_parse(text, &a, NULL), len <= 107 ? 0 : -EINVAL);
		snprintf(text, sizeof(text), "hybrid:a=%0*d", len, 0);
		assert_int_equal(address_parse(text, &a, NULL), len <= 96 ? 0 : -EINVAL);
		if (len <= 96)
			assert_int_equal(strlen(a.path), len);
	}
}

static void test_names(void **state)
{
	static const char *const bad[] = {
		"",    ".",   "-a",     "_a",    "a b",      "a/b",
		"a\n", "tcp", "shared", "cid-3", "uid-1000", "\xc3\xa4"
	};
	char longest[FRONT_NAME_SIZE + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(address_check_name(bad[i], NULL), -EINVAL);
	assert_int_equal(address_check_name("a", NULL), 0);
	assert_int_equal(address_check_name("Web_1.x-y", NULL), 0);
	memset(longest, 'a', sizeof(longest));
	longest[FRONT_NAME_SIZE] = '\0';
	assert_int_equal(address_check_name(longest, NULL), -EINVAL);
	longest[FRONT_NAME_SIZE - 1] = '\0';
	assert_int_equal(address_check_name(longest, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_path_lengths),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
