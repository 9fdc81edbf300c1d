/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/testing.h"

/* What the request comes to, received whole and byte by byte. */
static unsigned status_of(const char *text, size_t len)
{
	struct head whole, bytewise;
	unsigned status, by_byte = 0;

	head_init(&whole);
	head_init(&bytewise);
	status = head_received(&whole, text, len);
	for (size_t i = 0; i < len && !by_byte; i++)
		by_byte = head_received(&bytewise, text + i, 1);
	assert_int_equal(status, by_byte);
	return status;
}

static void test_requests(void **state)
{
	static const struct {
		const char *text;
		unsigned status;
	} cases[] = {
		{ "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 200 },
		{ "GET /metrics HTTP/1.0\r\n\r\n", 200 },
		{ "GET /metrics?a=b HTTP/1.1\r\nHost: a\r\n\r\n", 200 },
		{ "HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 200 },
		{ "GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 200 },
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404 },
		{ "GET /metric HTTP/1.1\r\nHost: a\r\n\r\n", 404 },
		{ "GET /metricsx HTTP/1.1\r\nHost: a\r\n\r\n", 404 },
		{ "GET /../metrics HTTP/1.1\r\nHost: a\r\n\r\n", 404 },
		{ "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405 },
		{ "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", 405 },
		{ "GET /metrics HTTP/1.1\r\nHost: a\r\n", 0 },
		{ "GE", 0 },
		{ "\x16\x03\x01\x02", 400 }, /* TLS */
		{ "GET /metrics\r\n\r\n", 400 },
		{ "hello\r\n\r\n", 400 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(status_of(cases[i].text, strlen(cases[i].text)), cases[i].status);
}

static void test_too_large(void **state)
{
	static const char start[] = "GET /metrics HTTP/1.1\r\nA: ";
	static char text[2 * HEAD_BYTES_MAX];
	char target[2 * HEAD_TARGET_MAX] = "GET /metrics?";

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, start, strlen(start));
	assert_int_equal(status_of(text, HEAD_BYTES_MAX), 0);
	assert_int_equal(status_of(text, HEAD_BYTES_MAX + 1), 431);
	/* A target that is not kept is none that is known. */
	memset(target + 13, 'x', sizeof(target) - 13);
	memcpy(target + sizeof(target) - 14, " HTTP/1.1\r\n\r\n\0", 14);
	assert_int_equal(status_of(target, strlen(target)), 404);
}

static void test_bodiless(void **state)
{
	static const char text[] = "HEAD /metrics HTTP/1.1\r\n\r\n";
	struct head head;

	(void)state;
	head_init(&head);
	assert_int_equal(head_received(&head, text, strlen(text) - 1), 0);
	assert_false(head_is_bodiless(&head));
	assert_int_equal(head_received(&head, "\n", 1), 200);
	assert_true(head_is_bodiless(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_requests), TSK_TEST(test_too_large),
					    TSK_TEST(test_bodiless) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
