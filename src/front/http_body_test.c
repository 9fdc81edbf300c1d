/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http_body.h"

#include <string.h>

#include "base/testing.h"
#include "front/limit_hits.h"

#define ACCOUNT_BYTES 100000u

static struct account account;
static struct http_body body;
static struct tensock_error error;

static int begin(uint64_t known, uint64_t max, enum metrics_limit hits)
{
	const struct http_body_limit limit = { .bytes = max, .name = "a key", .hits = hits };

	account = (struct account){ .max_bytes = ACCOUNT_BYTES };
	error = (struct tensock_error){ 0 };
	return http_body_begin(&body, &account, known, limit, &error);
}

static void end(void)
{
	http_body_done(&body);
	http_body_done(&body);
	assert_int_equal(account.used_bytes, 0);
}

static void test_known(void **state)
{
	(void)state;
	assert_int_equal(begin(10, 10, METRICS_LIMIT_MAX), 0);
	assert_int_equal(body.size, 10);
	assert_int_equal(account.used_bytes, 10);
	memset(body.bytes, 'x', 10 + HTTP_BODY_PADDING);
	end();
}

/* Of as many bytes as come: up to all that it may have, and no further. */
static void test_grows(void **state)
{
	(void)state;
	assert_int_equal(begin(0, 70000, METRICS_LIMIT_REQUEST_SIZE), 0);
	assert_int_equal(body.size, 0);
	for (size_t size = 0; size < 70000; size = body.size) {
		assert_int_equal(http_body_grow(&body, &error), 0);
		assert_true(body.size > size && body.size <= 70000);
		memset(body.bytes, 'x', body.size + HTTP_BODY_PADDING);
		assert_int_equal(account.used_bytes, body.size);
	}
	assert_true(http_body_grow(&body, &error) < 0);
	assert_int_equal(error.status, TENSOCK_TOO_LARGE);
	assert_int_equal(body.size, 70000);
	end();
}

/* Too large counts, once, where it is a key that says so. */
static void test_too_large(void **state)
{
	uint64_t hits = limit_hits(METRICS_LIMIT_MODEL_SIZE);

	(void)state;
	assert_true(begin(11, 10, METRICS_LIMIT_MODEL_SIZE) < 0);
	assert_int_equal(error.status, TENSOCK_TOO_LARGE);
	assert_string_equal(error.message, "a body above a key, which is 10 bytes");
	assert_int_equal(limit_hits(METRICS_LIMIT_MODEL_SIZE), hits + 1);
	end();
	assert_int_equal(begin(10, 10, METRICS_LIMIT_MODEL_SIZE), 0);
	assert_true(http_body_grow(&body, &error) < 0);
	assert_int_equal(limit_hits(METRICS_LIMIT_MODEL_SIZE), hits + 2);
	end();
	assert_true(begin(11, 10, METRICS_LIMIT_MAX) < 0);
	assert_int_equal(limit_hits(METRICS_LIMIT_MODEL_SIZE), hits + 2);
	end();
}

static void test_no_room(void **state)
{
	uint64_t hits = limit_hits(METRICS_LIMIT_MEMORY);

	(void)state;
	assert_true(begin(ACCOUNT_BYTES + 1, UINT64_MAX, METRICS_LIMIT_MAX) < 0);
	assert_int_equal(error.status, TENSOCK_LIMIT_REACHED);
	assert_non_null(strstr(error.message, "max-memory"));
	assert_int_equal(limit_hits(METRICS_LIMIT_MEMORY), hits + 1);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_known),
		TSK_TEST(test_grows),
		TSK_TEST(test_too_large),
		TSK_TEST(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
