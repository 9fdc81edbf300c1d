/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <errno.h>
#include <string.h>

#include "base/testing.h"

static void test_every_status_has_a_row_of_its_own(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < TENSOCK_STATUS_MAX; i++) {
		const struct tsk_status_row *row = tsk_status(i);

		assert_true(row->name && row->name[0]);
		assert_true(row->text && row->text[0]);
		assert_in_range(row->http, i ? 400 : 200, i ? 599 : 200);
		assert_in_range(row->grpc, i ? 1 : 0, 16);
		for (uint32_t j = 0; j < i; j++) {
			assert_string_not_equal(row->name, tsk_status(j)->name);
			assert_int_not_equal(row->errno_value, tsk_status(j)->errno_value);
		}
	}
}

static void test_number_that_is_none(void **state)
{
	(void)state;
	assert_ptr_equal(tsk_status(TENSOCK_STATUS_MAX), tsk_status(TENSOCK_INTERNAL));
	assert_ptr_equal(tsk_status(UINT32_MAX), tsk_status(TENSOCK_INTERNAL));
}

static void test_from_errno(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < TENSOCK_STATUS_MAX; i++)
		assert_int_equal(tsk_status_from_errno(tsk_status(i)->errno_value), i);
	assert_int_equal(tsk_status_from_errno(EMFILE), TENSOCK_LIMIT_REACHED);
	assert_int_equal(tsk_status_from_errno(ENOSPC), TENSOCK_LIMIT_REACHED);
	assert_int_equal(tsk_status_from_errno(EXDEV), TENSOCK_INTERNAL);
	assert_int_equal(tsk_status_from_errno(-1), TENSOCK_INTERNAL);
}

static void test_fail_fills_and_returns(void **state)
{
	struct tensock_error error = { 0 };

	(void)state;
	assert_int_equal(tsk_fail(&error, TENSOCK_INVALID_MODEL, "node %d", 7), -ENOEXEC);
	assert_int_equal(error.status, TENSOCK_INVALID_MODEL);
	assert_string_equal(error.message, "node 7");
	assert_int_equal(tsk_fail(NULL, TENSOCK_NOT_FOUND, "x"), -ENOENT);
}

static void test_text_of_a_peer_cannot_write_lines(void **state)
{
	struct tensock_error error = { 0 };

	(void)state;
	assert_true(tsk_fail(&error, TENSOCK_PROTOCOL, "a\nb\x1b[31m\x7f%s", "\r\t") < 0);
	assert_string_equal(error.message, "a?b?[31m???");
	tsk_error_prefix(&error, "in\n%s", "\x01");
	assert_string_equal(error.message, "in??: a?b?[31m???");
}

static void test_long_text_is_cut(void **state)
{
	struct tensock_error error = { 0 };
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_true(tsk_fail(&error, TENSOCK_INTERNAL, "%s", text) < 0);
	assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
	tsk_error_prefix(&error, "load");
	assert_memory_equal(error.message, "load: xxx", 9);
	assert_non_null(memchr(error.message, '\0', sizeof(error.message)));
	tsk_error_prefix(&error, "%s", text);
	assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
	assert_int_equal(error.status, TENSOCK_INTERNAL);
}

static void dirty_stack(void)
{
	volatile char garbage[4096];

	for (size_t i = 0; i < sizeof(garbage); i++)
		garbage[i] = 0x55;
}

/* The whole message goes to peers: nothing of our stack may stand behind its NUL. */
static void test_prefix_leaks_no_stack(void **state)
{
	struct tensock_error error = { 0 };

	(void)state;
	assert_true(tsk_fail(&error, TENSOCK_INTERNAL, "b") < 0);
	dirty_stack();
	tsk_error_prefix(&error, "a");
	assert_string_equal(error.message, "a: b");
	for (size_t i = strlen(error.message); i < sizeof(error.message); i++)
		assert_int_equal(error.message[i], 0);
	tsk_error_prefix(NULL, "a");
}

/* Legal UTF-8 passes, all else is '?', byte by byte; and nothing is read behind the end. */
static void test_text_is_utf8(void **state)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{ "\xc3\xa9 \xe6\xa8\xa1 \xf0\x9f\x98\x80",
		  "\xc3\xa9 \xe6\xa8\xa1 \xf0\x9f\x98\x80" },
		{ "a\x80z", "a?z" },
		{ "\xc3", "?" },
		{ "\xe6\xa8", "??" },
		{ "\xf0\x9f\x98", "???" },
		{ "\xc0\xaf", "??" }, /* overlong */
		{ "\xe0\x9f\xbf", "???" },
		{ "\xed\xa0\x80", "???" },      /* a surrogate */
		{ "\xf4\x90\x80\x80", "????" }, /* beyond the last */
		{ "\xff\xfe", "??" },
		{ "\xe6z\xa8", "?z?" },
		{ "\xc2\x9b"
		  "2J",
		  "??2J" },                               /* CSI, as ESC [ is */
		{ "\xe2\x80\xaeslla", "???slla" },        /* from right to left */
		{ "\xe2\x81\xa6\xe2\x80\xa8", "??????" }, /* an isolate, a line's end */
		{ "\xc2\xa0\xe2\x80\x93", "\xc2\xa0\xe2\x80\x93" },
	};
	struct tensock_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)tsk_fail(&error, TENSOCK_INTERNAL, "%s", rows[i].from);
		assert_string_equal(error.message, rows[i].to);
	}
	/* One that the end of the message cuts. */
	(void)tsk_fail(&error, TENSOCK_INTERNAL, "%250s\xc3\xa9", "");
	assert_int_equal(strlen(error.message), 251);
	assert_int_equal(error.message[250], '?');
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_every_status_has_a_row_of_its_own),
		TSK_TEST(test_number_that_is_none),
		TSK_TEST(test_from_errno),
		TSK_TEST(test_fail_fills_and_returns),
		TSK_TEST(test_text_of_a_peer_cannot_write_lines),
		TSK_TEST(test_long_text_is_cut),
		TSK_TEST(test_prefix_leaks_no_stack),
		TSK_TEST(test_text_is_utf8),
	};

	return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
