/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/session.h"

#include <errno.h>
#include <string.h>

#include "base/status.h"
#include "wire/testing.h"

static void assert_hello(const char *name, const struct wire_hello *hello, bool is_exact)
{
	struct wire_frame frame = wire_frame(name, WIRE_HELLO);
	unsigned char body[256];
	struct tsk_writer w = tsk_writer(body, sizeof(body));
	struct wire_hello got;

	assert_int_equal(wire_hello_read(frame.body, frame.size, &got), 0);
	assert_int_equal(got.version_min, hello->version_min);
	assert_int_equal(got.version_max, hello->version_max);
	assert_true(got.features == hello->features);
	assert_int_equal(got.program.len, hello->program.len);
	assert_memory_equal(got.program.bytes, hello->program.bytes, hello->program.len);
	wire_hello_write(&w, hello);
	if (is_exact)
		wire_frame_assert_written(&frame, &w);
	free(frame.body);
}

static void test_hello(void **state)
{
	struct wire_hello hello = { .version_min = 1, .version_max = 1, .features = WIRE_FEATURES };

	(void)state;
	hello.program = wire_string("libtensock 0.1.0");
	assert_hello("hello", &hello, true);
	hello.features = 0;
	hello.program = wire_string(NULL);
	assert_hello("hello-nameless", &hello, true);
	hello.version_max = 3;
	hello.features = 4;
	hello.program = wire_string("libtensock 9.0.0");
	assert_hello("later-hello", &hello, false);
}

static void test_hello_bounds(void **state)
{
	struct wire_hello hello = { .version_min = 1, .version_max = 1 };
	static const char longest[] =
		"ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp";
	unsigned char body[256];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	(void)state;
	assert_int_equal(strlen(longest), WIRE_LABEL_MAX);
	hello.program = wire_string(longest);
	wire_hello_write(&w, &hello);
	assert_false(w.bad);
	assert_int_equal(wire_hello_read(body, tsk_writer_len(&w), &hello), 0);
	assert_true(wire_string_equals(hello.program, longest));

	hello.program.len++; /* the NUL behind it */
	w = tsk_writer(body, sizeof(body));
	wire_hello_write(&w, &hello);
	assert_true(w.bad);

	hello = (struct wire_hello){ .version_min = 2, .version_max = 1 };
	w = tsk_writer(body, sizeof(body));
	wire_hello_write(&w, &hello);
	assert_true(w.bad);

	hello = (struct wire_hello){ .version_min = 0, .version_max = 1 };
	w = tsk_writer(body, sizeof(body));
	wire_hello_write(&w, &hello);
	assert_true(w.bad);
}

static void assert_welcome(const char *name, const struct wire_welcome *welcome, bool is_exact)
{
	struct wire_frame frame = wire_frame(name, WIRE_WELCOME);
	unsigned char body[256];
	struct tsk_writer w = tsk_writer(body, sizeof(body));
	struct wire_welcome got;

	assert_int_equal(wire_welcome_read(frame.body, frame.size, &got), 0);
	assert_int_equal(got.version, welcome->version);
	assert_int_equal(got.requests_max, welcome->requests_max);
	assert_true(got.features == welcome->features);
	assert_true(got.model_bytes_max == welcome->model_bytes_max);
	assert_true(got.request_bytes_max == welcome->request_bytes_max);
	assert_true(wire_string_equals(got.program, welcome->program.bytes));
	assert_true(wire_string_equals(got.guest, welcome->guest.bytes));
	wire_welcome_write(&w, welcome);
	if (is_exact)
		wire_frame_assert_written(&frame, &w);
	free(frame.body);
}

static void test_welcome(void **state)
{
	struct wire_welcome welcome = { .version = 1,
					.requests_max = 64,
					.model_bytes_max = UINT64_C(2) << 30,
					.request_bytes_max = UINT64_C(256) << 20,
					.program = wire_string("tensockd 0.1.0"),
					.guest = wire_string("vm-7") };

	(void)state;
	assert_welcome("welcome", &welcome, true);
	welcome.model_bytes_max = UINT64_C(1) << 40;
	welcome.request_bytes_max = UINT64_C(1) << 30;
	welcome.program = wire_string("tensockd 9.0.0");
	welcome.guest = wire_string("");
	assert_welcome("later-welcome", &welcome, false);
}

static void test_welcome_bounds(void **state)
{
	struct wire_welcome welcome = { .version = 1,
					.requests_max = 1,
					.program = wire_string(""),
					.guest = wire_string("") };
	struct wire_welcome got = { .version = 77 };
	unsigned char body[256];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	(void)state;
	wire_welcome_write(&w, &welcome);
	assert_false(w.bad);
	body[0] = 0; /* no version */
	assert_int_equal(wire_welcome_read(body, tsk_writer_len(&w), &got), -EPROTO);
	body[0] = 1;
	body[4] = 0; /* no request */
	assert_int_equal(wire_welcome_read(body, tsk_writer_len(&w), &got), -EPROTO);
	assert_int_equal(got.version, 77);

	welcome.requests_max = 0;
	w = tsk_writer(body, sizeof(body));
	wire_welcome_write(&w, &welcome);
	assert_true(w.bad);
}

static void assert_error(const char *name, uint32_t type, uint32_t id, uint32_t status,
			 const char *message)
{
	struct wire_frame frame = wire_frame(name, type);
	struct tensock_error error = { 0 };
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	assert_int_equal(frame.header.id, id);
	assert_int_equal(wire_error_read(frame.body, frame.size, &error), 0);
	assert_int_equal(error.status, status);
	assert_string_equal(error.message, message);
	wire_error_write(&w, &error);
	if (strncmp(name, "later-", 6) != 0)
		wire_frame_assert_written(&frame, &w);
	free(frame.body);
}

static void test_error(void **state)
{
	(void)state;
	assert_error("error-version", WIRE_ERROR, 0, TENSOCK_UNSUPPORTED,
		     "this host speaks version 1 of the protocol, not 2 to 3");
	assert_error("goaway", WIRE_GOAWAY, 0, TENSOCK_UNAVAILABLE, "the host is shutting down");
	assert_error("error-cancelled", WIRE_ERROR, 12, TENSOCK_CANCELLED,
		     "cancelled by the guest");
	assert_error("error-shape", WIRE_ERROR, 10, TENSOCK_INVALID_ARGUMENT,
		     "input x: dimension 1 is 4, the model takes 3");
	assert_error("error-silent", WIRE_ERROR, 10, TENSOCK_INTERNAL, "");
	assert_error("later-error-status", WIRE_ERROR, 10, TENSOCK_INTERNAL, "the moon is full");
	assert_error("later-error-text", WIRE_ERROR, 10, TENSOCK_NOT_FOUND, "a?b?cd");
}

/* Of any length up to the longest, and printf's marks are text. */
static void test_error_messages(void **state)
{
	struct tensock_error error = { .status = TENSOCK_TOO_LARGE }, got;
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	(void)state;
	memset(error.message, 'm', WIRE_ERROR_TEXT_MAX);
	error.message[WIRE_ERROR_TEXT_MAX] = '\0';
	wire_error_write(&w, &error);
	assert_false(w.bad);
	assert_int_equal(wire_error_read(body, tsk_writer_len(&w), &got), 0);
	assert_int_equal(strlen(got.message), WIRE_ERROR_TEXT_MAX);
	assert_string_equal(got.message, error.message);

	error.message[WIRE_ERROR_TEXT_MAX] = 'm'; /* not terminated */
	w = tsk_writer(body, sizeof(body));
	wire_error_write(&w, &error);
	assert_true(w.bad);

	snprintf(error.message, sizeof(error.message), "%s", "%s%n 100%");
	w = tsk_writer(body, sizeof(body));
	wire_error_write(&w, &error);
	assert_int_equal(wire_error_read(body, tsk_writer_len(&w), &got), 0);
	assert_string_equal(got.message, "%s%n 100%");

	error.status = TENSOCK_OK;
	w = tsk_writer(body, sizeof(body));
	wire_error_write(&w, &error);
	assert_true(w.bad);
}

static void test_counters(void **state)
{
	struct wire_frame frame = wire_frame("counters", WIRE_COUNTERS);
	struct wire_counter counters[WIRE_COUNTERS_MAX] = { { wire_string("requests-ok"), 41 },
							    { wire_string("memory-bytes"),
							      UINT64_C(5) << 30 } };
	struct wire_counter got[WIRE_COUNTERS_MAX];
	unsigned char body[256];
	struct tsk_writer w = tsk_writer(body, sizeof(body));
	unsigned n;

	(void)state;
	assert_int_equal(wire_counters_read(frame.body, frame.size, got, &n), 0);
	assert_int_equal(n, 2);
	for (unsigned i = 0; i < n; i++) {
		assert_true(wire_string_equals(got[i].name, counters[i].name.bytes));
		assert_true(got[i].value == counters[i].value);
	}
	wire_counters_write(&w, counters, 2);
	wire_frame_assert_written(&frame, &w);
	free(frame.body);

	frame = wire_frame("counters-none", WIRE_COUNTERS);
	assert_int_equal(wire_counters_read(frame.body, frame.size, got, &n), 0);
	assert_int_equal(n, 0);
	free(frame.body);
}

/* As many as may be, of the longest names; they fit the longest body that a header announces. */
static void test_counters_bounds(void **state)
{
	struct wire_counter counters[WIRE_COUNTERS_MAX + 1], got[WIRE_COUNTERS_MAX];
	struct wire_header header = { .type = WIRE_COUNTERS, .id = 1 };
	unsigned char bytes[WIRE_HEADER_BYTES], body[8192];
	struct tsk_writer w = tsk_writer(body, sizeof(body));
	char name[WIRE_LABEL_MAX + 1] = "";
	unsigned n = 77;

	(void)state;
	memset(name, 'n', WIRE_LABEL_MAX);
	for (unsigned i = 0; i < ARRAY_SIZE(counters); i++)
		counters[i] = (struct wire_counter){ wire_string(name), i };
	wire_counters_write(&w, counters, WIRE_COUNTERS_MAX);
	assert_false(w.bad);
	header.size = tsk_writer_len(&w);
	wire_header_write(bytes, &header);
	assert_int_equal(wire_header_read(bytes, &header), 0);
	header.size++;
	wire_header_write(bytes, &header);
	assert_int_equal(wire_header_read(bytes, &header), -EPROTO);
	body[0] = WIRE_COUNTERS_MAX + 1;
	assert_int_equal(wire_counters_read(body, tsk_writer_len(&w), got, &n), -EPROTO);
	body[0] = WIRE_COUNTERS_MAX - 1; /* one is left over */
	assert_int_equal(wire_counters_read(body, tsk_writer_len(&w), got, &n), -EPROTO);
	assert_int_equal(n, 77);
	body[0] = WIRE_COUNTERS_MAX;
	assert_int_equal(wire_counters_read(body, tsk_writer_len(&w), got, &n), 0);
	assert_int_equal(n, WIRE_COUNTERS_MAX);
	assert_int_equal(got[63].value, 63);

	w = tsk_writer(body, sizeof(body));
	wire_counters_write(&w, counters, WIRE_COUNTERS_MAX + 1);
	assert_true(w.bad);
	counters[0].name = wire_string("");
	w = tsk_writer(body, sizeof(body));
	wire_counters_write(&w, counters, 1);
	assert_true(w.bad);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_hello),    TSK_TEST(test_hello_bounds),
		TSK_TEST(test_welcome),  TSK_TEST(test_welcome_bounds),
		TSK_TEST(test_error),    TSK_TEST(test_error_messages),
		TSK_TEST(test_counters), TSK_TEST(test_counters_bounds),
	};

	return cmocka_run_group_tests_name("wire_session", tests, NULL, NULL);
}
