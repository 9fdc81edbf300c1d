/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/forward.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/testing.h"

#define HOST "unix:/nonexistent/host"

static int parse(const char *text, struct forward *ret)
{
	struct tensock_error error = { 0 };
	int r = forward_parse(text, HOST, false, ret, &error);

	assert_int_equal(error.status, r < 0 ? TENSOCK_INVALID_ARGUMENT : TENSOCK_OK);
	return r;
}

static void test_addresses(void **state)
{
	static const struct {
		const char *text, *local, *host;
	} rows[] = {
		{ "tcp:127.0.0.1:8000", "tcp:127.0.0.1:8000", HOST },
		{ "tcp:127.1.2.3:0", "tcp:127.1.2.3:0", HOST },
		{ "tcp:[::1]:8000=vsock:2:9999", "tcp:[::1]:8000", "vsock:2:9999" },
		{ "unix:/a=tcp:192.0.2.1:9", "unix:/a", "tcp:192.0.2.1:9" },
		{ "unix:/a=b", "unix:/a=b", HOST },
		{ "unix:/a=b=unix:/c=d", "unix:/a=b", "unix:/c=d" },
	};
	struct forward forward;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(parse(rows[i].text, &forward), 0);
		assert_string_equal(forward.local.text, rows[i].local);
		assert_string_equal(forward.host.text, rows[i].host);
		assert_int_equal(forward.fd, -1);
		assert_int_equal(forward_has_host(rows[i].text), strcmp(rows[i].host, HOST) != 0);
	}
}

static void test_no_addresses(void **state)
{
	static const char *const texts[] = {
		"",
		"8000",
		"=unix:/a",
		"tcp:8000",
		"tcp:localhost:8000",
		"tcp:0.0.0.0:8000",
		"tcp:10.1.2.3:8000",
		"tcp:[::]:8000",
		"tcp:[::ffff:127.0.0.1]:8000",
		"vsock:2:9999",
		"hybrid:a=/b",
		"unix:/a=vsock:2",
		"unix:/a=unix:",
		/* To itself. */
		"tcp:127.0.0.1:8000=tcp:127.0.0.1:8000",
		HOST,
	};
	struct forward forward, before;
	char text[400];

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
		forward = before;
		assert_int_equal(parse(texts[i], &forward), -EINVAL);
		assert_memory_equal(&forward, &before, sizeof(before));
	}
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "unix:", 5);
	assert_int_equal(parse(text, &forward), -EINVAL);
}

static void test_remote_is_to_be_allowed(void **state)
{
	struct forward forward;

	(void)state;
	assert_int_equal(forward_parse("tcp:0.0.0.0:8000", HOST, true, &forward, NULL), 0);
	assert_int_equal(forward_parse("tcp:[::]:8000", HOST, true, &forward, NULL), 0);
	assert_int_equal(forward_parse("vsock:2:9999", HOST, true, &forward, NULL), -EINVAL);
}

static void test_listening(void **state)
{
	struct forward first, second;
	struct tensock_error error;
	char text[200];

	(void)state;
	assert_int_equal(parse("tcp:127.0.0.1:0", &first), 0);
	assert_int_equal(forward_open(&first, &error), 0);
	assert_string_not_equal(first.local.text, "tcp:127.0.0.1:0");
	/* Where it is told to be, nobody else can. */
	snprintf(text, sizeof(text), "%s", first.local.text);
	assert_int_equal(parse(text, &second), 0);
	assert_true(forward_open(&second, &error) < 0);
	assert_non_null(strstr(error.message, text));
	assert_non_null(strstr(error.message, "another program listens there"));
	assert_int_equal(second.fd, -1);
	forward_close(&first);
	assert_int_equal(forward_open(&second, &error), 0);
	forward_close(&second);
	forward_close(&second);
}

static void test_file_of_the_socket(void **state)
{
	char folder[] = "/tmp/tensock-forward-XXXXXX", text[100];
	struct forward forward;
	struct tensock_error error;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(text, sizeof(text), "unix:%s/s", folder);
	assert_int_equal(parse(text, &forward), 0);
	assert_int_equal(forward_open(&forward, &error), 0);
	assert_int_equal(access(text + 5, W_OK), 0);
	forward_close(&forward);
	assert_int_equal(rmdir(folder), 0); /* fails when something was left in it */
	assert_true(forward_open(&forward, &error) < 0);
	assert_non_null(strstr(error.message, folder));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_addresses),
		TSK_TEST(test_no_addresses),
		TSK_TEST(test_remote_is_to_be_allowed),
		TSK_TEST(test_listening),
		TSK_TEST(test_file_of_the_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
