/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/operator.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/testing.h"

static const struct operator_request vm = { .type = OPERATOR_ATTACH_VM,
					    .cid = 7,
					    .name = "web",
					    .path = "/run/web.vhost",
					    .uds = "/run/web" };

static void test_request_round_trip(void **state)
{
	static const struct operator_request requests[] = {
		{ .type = OPERATOR_ATTACH_HYBRID, .name = "fc", .path = "/run/fc" },
		{ .type = OPERATOR_ATTACH_VM, .name = "web", .path = "/run/web.vhost" },
		{ .type = OPERATOR_DETACH, .name = "web" },
		{ .type = OPERATOR_DETACH, .flags = OPERATOR_FORCE, .name = "web" },
		{ .type = OPERATOR_LIST },
		{ .type = OPERATOR_STATE },
	};
	unsigned char bytes[OPERATOR_REQUEST_BYTES];
	struct operator_request back;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		memset(&back, 0xff, sizeof(back));
		assert_int_equal(operator_request_write(&requests[i], bytes), 0);
		assert_int_equal(operator_request_read(bytes, sizeof(bytes), &back), 0);
		assert_memory_equal(&back, &requests[i], sizeof(back));
	}
}

/* The bytes themselves: another version of this file must read them. */
static void test_request_bytes(void **state)
{
	unsigned char bytes[OPERATOR_REQUEST_BYTES];
	static const unsigned char head[] = { 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 'w' };

	(void)state;
	assert_int_equal(OPERATOR_REQUEST_BYTES, 296);
	assert_int_equal(OPERATOR_ANSWER_BYTES, 360);
	assert_int_equal(operator_request_write(&vm, bytes), 0);
	assert_memory_equal(bytes, head, sizeof(head));
	assert_string_equal((char *)bytes + 80, "/run/web.vhost");
	assert_string_equal((char *)bytes + 188, "/run/web");
}

static void test_request_length(void **state)
{
	unsigned char bytes[OPERATOR_REQUEST_BYTES + 1] = { 0 };
	struct operator_request back, untouched;

	(void)state;
	memset(&back, 0xee, sizeof(back));
	untouched = back;
	assert_int_equal(operator_request_write(&vm, bytes), 0);
	for (size_t size = 0; size <= sizeof(bytes); size++) {
		if (size == OPERATOR_REQUEST_BYTES)
			continue;
		assert_int_equal(operator_request_read(bytes, size, &back), -EPROTO);
		assert_memory_equal(&back, &untouched, sizeof(back));
	}
	bytes[0] = 2;
	assert_int_equal(operator_request_read(bytes, 4, &back), -EPROTONOSUPPORT);
	assert_int_equal(operator_request_read(bytes, sizeof(bytes), &back), -EPROTONOSUPPORT);
}

/* Each byte changed: what is accepted has that change in it, and in a place where it may be. */
static void test_request_tampered(void **state)
{
	unsigned char good[OPERATOR_REQUEST_BYTES], bytes[OPERATOR_REQUEST_BYTES],
		again[OPERATOR_REQUEST_BYTES];
	struct operator_request back;
	unsigned taken = 0;

	(void)state;
	assert_int_equal(operator_request_write(&vm, good), 0);
	for (size_t i = 0; i < sizeof(good); i++) {
		memcpy(bytes, good, sizeof(good));
		bytes[i] ^= 0x80;
		if (operator_request_read(bytes, sizeof(bytes), &back) < 0)
			continue;
		assert_int_equal(operator_request_write(&back, again), 0);
		assert_memory_equal(again, bytes, sizeof(bytes));
		taken++;
	}
	/* The bytes of the cid and of the three texts, and the one that makes a text longer. */
	assert_int_equal(taken, 4 + (3 + 1) + (14 + 1) + (8 + 1));
}

static void assert_refused(struct operator_request request)
{
	unsigned char bytes[OPERATOR_REQUEST_BYTES];

	assert_int_equal(operator_request_write(&request, bytes), -EINVAL);
}

static void test_request_fields(void **state)
{
	struct operator_request bad = vm;

	(void)state;
	assert_refused((struct operator_request){ 0 });
	assert_refused((struct operator_request){ .type = OPERATOR_REQUEST_MAX });
	assert_refused((struct operator_request){ .type = OPERATOR_DETACH });
	assert_refused(
		(struct operator_request){ .type = OPERATOR_DETACH, .name = "a", .flags = 2 });
	assert_refused((struct operator_request){ .type = OPERATOR_DETACH, .name = "a", .cid = 3 });
	assert_refused(
		(struct operator_request){ .type = OPERATOR_DETACH, .name = "a", .path = "/" });
	assert_refused((struct operator_request){ .type = OPERATOR_LIST, .name = "a" });
	assert_refused((struct operator_request){ .type = OPERATOR_STATE, .flags = 1 });
	assert_refused((struct operator_request){ .type = OPERATOR_ATTACH_HYBRID, .name = "a" });
	assert_refused((struct operator_request){
		.type = OPERATOR_ATTACH_HYBRID, .name = "a", .path = "/a", .uds = "/b" });
	bad.flags = OPERATOR_FORCE;
	assert_refused(bad);
	bad = vm;
	bad.path[3] = '\n';
	assert_refused(bad);
	bad = vm;
	bad.name[sizeof(bad.name) - 1] = 'x'; /* behind its end */
	assert_refused(bad);
	bad = vm;
	memset(bad.uds, 'x', sizeof(bad.uds)); /* no end */
	assert_refused(bad);
}

static void test_answer(void **state)
{
	static const struct operator_answer answers[] = {
		{ .type = OPERATOR_RESULT },
		{ .type = OPERATOR_RESULT, .status = TENSOCK_NOT_FOUND, .text = "no guest web" },
		{ .type = OPERATOR_GUEST,
		  .ways = OPERATOR_WAYS_ALL,
		  .cid = 3,
		  .pid = 12,
		  .name = "web" },
		{ .type = OPERATOR_DAEMON,
		  .pid = 9,
		  .n_guests = 2,
		  .uptime_ms = UINT64_MAX,
		  .text = "0.1" },
	};
	unsigned char bytes[OPERATOR_ANSWER_BYTES + 1] = { 0 };
	struct operator_answer back;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(answers); i++) {
		memset(&back, 0xff, sizeof(back));
		assert_int_equal(operator_answer_write(&answers[i], bytes), 0);
		assert_int_equal(operator_answer_read(bytes, OPERATOR_ANSWER_BYTES, &back), 0);
		assert_memory_equal(&back, &answers[i], sizeof(back));
		for (size_t size = 0; size < OPERATOR_ANSWER_BYTES; size++)
			assert_int_equal(operator_answer_read(bytes, size, &back), -EPROTO);
		assert_int_equal(operator_answer_read(bytes, sizeof(bytes), &back), -EPROTO);
	}
	bytes[28] = 1; /* the number that is 0 */
	assert_int_equal(operator_answer_read(bytes, OPERATOR_ANSWER_BYTES, &back), -EPROTO);
}

static void test_answer_fields(void **state)
{
	static const struct operator_answer bad[] = {
		{ 0 },
		{ .type = OPERATOR_ANSWER_MAX },
		{ .type = OPERATOR_RESULT, .pid = 1 },
		{ .type = OPERATOR_RESULT, .name = "web" },
		{ .type = OPERATOR_RESULT, .text = "\033[2J" },
		{ .type = OPERATOR_GUEST },
		{ .type = OPERATOR_GUEST, .name = "web", .status = TENSOCK_INTERNAL },
		{ .type = OPERATOR_GUEST, .name = "web", .ways = OPERATOR_WAYS_ALL + 1 },
		{ .type = OPERATOR_GUEST, .name = "web", .uptime_ms = 1 },
		{ .type = OPERATOR_DAEMON, .cid = 3 },
	};
	unsigned char bytes[OPERATOR_ANSWER_BYTES];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(operator_answer_write(&bad[i], bytes), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_request_round_trip), TSK_TEST(test_request_bytes),
		TSK_TEST(test_request_length),     TSK_TEST(test_request_tampered),
		TSK_TEST(test_request_fields),     TSK_TEST(test_answer),
		TSK_TEST(test_answer_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
