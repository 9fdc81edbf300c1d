/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/store_control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/seqpacket.h"
#include "base/testing.h"

static const struct {
	enum store_msg_type type;
	bool has_fd, has_bytes, has_value, has_ms, has_hash, has_name, has_result;
} types[] = {
	{ STORE_START, .has_fd = true, .has_bytes = true, .has_value = true, .has_ms = true },
	{ STORE_GUEST, .has_fd = true, .has_bytes = true, .has_name = true },
	{ STORE_FORGET, .has_name = true },
	{ STORE_PUT, .has_fd = true, .has_bytes = true, .has_hash = true },
	{ STORE_GET, .has_hash = true },
	{ STORE_USED, .has_hash = true },
	{ STORE_REMOVE, .has_hash = true },
	{ STORE_LABELS, .has_fd = true, .has_bytes = true },
	{ STORE_PART, .has_fd = true, .has_bytes = true, .has_value = true, .has_hash = true },
	{ STORE_GET_PART, .has_hash = true },
	{ STORE_REMOVE_PART, .has_hash = true },
	{ STORE_PART_STORED, .has_hash = true, .has_result = true },
	{ STORE_INDEX, .has_fd = true, .has_bytes = true },
	{ STORE_STORED, .has_hash = true, .has_result = true },
	{ STORE_BYTES, .has_fd = true, .has_bytes = true, .has_hash = true, .has_result = true },
	{ STORE_DROPPED, .has_hash = true },
	{ STORE_LABELED, .has_result = true },
	{ STORE_PART_BYTES, .has_fd = true, .has_bytes = true, .has_value = true, .has_hash = true,
	  .has_result = true },
};

static struct store_msg sample(unsigned i)
{
	struct store_msg msg = { .type = types[i].type };

	msg.bytes = types[i].has_bytes ? 1000 : 0;
	msg.value = types[i].has_value ? 7 : 0;
	msg.ms = types[i].has_ms ? 9 : 0;
	if (types[i].has_hash)
		memset(msg.hash, 0xab, sizeof(msg.hash));
	if (types[i].has_name)
		snprintf(msg.name, sizeof(msg.name), "uid-1000");
	return msg;
}

static int pair[2];

/* What the other side makes of these bytes. */
static int recv_of(const void *bytes, size_t n, int n_fds)
{
	int fds[2] = { 0, 0 }, fd = -1, r;
	struct store_msg msg;

	assert_int_equal(tsk_seqpacket_send(pair[0], bytes, n, fds, (unsigned)n_fds), 0);
	r = store_control_recv(pair[1], &msg, &fd);
	tsk_close(fd);
	return r;
}

static void test_each_type(void **state)
{
	struct store_msg msg, got;
	int fd;

	(void)state;
	assert_int_equal(tsk_seqpacket_pair(pair), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		int given = types[i].has_fd ? 0 : -1;

		msg = sample(i);
		assert_int_equal(store_control_send(pair[0], &msg, given), 0);
		assert_int_equal(store_control_recv(pair[1], &got, &fd), 1);
		assert_memory_equal(&msg, &got, sizeof(msg));
		assert_int_equal(fd >= 0, types[i].has_fd);
		tsk_close(fd);
		/* The other number of fds is refused by both ends. */
		assert_int_equal(store_control_send(pair[0], &msg, types[i].has_fd ? -1 : 0),
				 -EINVAL);
		assert_int_equal(recv_of(&msg, sizeof(msg), !types[i].has_fd), -EPROTO);
		assert_int_equal(recv_of(&msg, sizeof(msg), 2), -EPROTO);
	}
	close(pair[0]);
	close(pair[1]);
}

static void expect_refused(const struct store_msg *msg, bool has_fd)
{
	assert_int_equal(store_control_send(pair[0], msg, has_fd ? 0 : -1), -EINVAL);
	assert_int_equal(recv_of(msg, sizeof(*msg), has_fd), -EPROTO);
}

/* What is not of a type's own is not there. */
static void test_fields(void **state)
{
	(void)state;
	assert_int_equal(tsk_seqpacket_pair(pair), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		bool has_fd = types[i].has_fd;
		struct store_msg msg;

#define REFUSED_WITHOUT(has, change)                  \
	do {                                          \
		msg = sample(i);                      \
		change;                               \
		if (!(has))                           \
			expect_refused(&msg, has_fd); \
	} while (0)
		REFUSED_WITHOUT(types[i].has_bytes, msg.bytes = 1);
		REFUSED_WITHOUT(types[i].has_value, msg.value = 1);
		REFUSED_WITHOUT(types[i].has_ms, msg.ms = 1);
		REFUSED_WITHOUT(types[i].has_hash, msg.hash[31] = 1);
		REFUSED_WITHOUT(types[i].has_name, msg.name[63] = 1);
		REFUSED_WITHOUT(types[i].has_result, msg.result = -5);
		REFUSED_WITHOUT(false, msg.result = 5);
		REFUSED_WITHOUT(false, msg.type = 100);
		REFUSED_WITHOUT(false, msg.type = 0);
		if (!types[i].has_result)
			continue;
		/* A failure says nothing but whose it is, and brings nothing. */
		msg = (struct store_msg){ .type = types[i].type, .result = -ENOENT };
		assert_int_equal(recv_of(&msg, sizeof(msg), 0), 1);
		expect_refused(&msg, true);
		msg.bytes = 1;
		expect_refused(&msg, false);
	}
	close(pair[0]);
	close(pair[1]);
}

static void test_lengths(void **state)
{
	struct store_msg msg = sample(2);
	char bytes[sizeof(msg) + 1] = { 0 };
	int fd;

	(void)state;
	assert_int_equal(tsk_seqpacket_pair(pair), 0);
	memcpy(bytes, &msg, sizeof(msg));
	for (size_t n = 1; n < sizeof(bytes); n++) {
		while (recv(pair[1], &msg, sizeof(msg), MSG_DONTWAIT) > 0)
			;
		if (n != sizeof(msg))
			assert_int_equal(recv_of(bytes, n, 0), -EPROTO);
	}
	assert_int_equal(recv_of(bytes, sizeof(bytes), 0), -EPROTO);
	assert_int_equal(store_control_recv(pair[1], &msg, &fd), -EAGAIN);
	close(pair[0]);
	assert_int_equal(store_control_recv(pair[1], &msg, &fd), 0);
	close(pair[1]);
}

static void test_names(void **state)
{
	static const char *const good[] = { "a", "uid-0", "cid-4294967294", "tcp", "VM_1.x", "-" };
	static const char *const bad[] = {
		"", ".", "..", ".a", "a/b", "/", "a b", "a\n", "\xc3\xa4"
	};
	char name[STORE_NAME_SIZE];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(store_name_is_valid(good[i]));
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(store_name_is_valid(bad[i]));
	memset(name, 'x', sizeof(name));
	assert_false(store_name_is_valid(name)); /* no NUL within it */
	name[sizeof(name) - 1] = '\0';
	assert_true(store_name_is_valid(name));
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_each_type), TSK_TEST(test_fields),
					    TSK_TEST(test_lengths), TSK_TEST(test_names) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
