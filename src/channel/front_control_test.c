/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/front_control.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/seqpacket.h"
#include "base/testing.h"

struct fixture {
	int a, b;
	struct front_msg msg;
	int fd;
};

static void init(struct fixture *f)
{
	int pair[2];

	assert_int_equal(tsk_seqpacket_pair(pair), 0);
	*f = (struct fixture){ .a = pair[0], .b = pair[1], .fd = -7 };
}

static void done(struct fixture *f)
{
	tsk_close(f->a);
	tsk_close(f->b);
}

static int receive(struct fixture *f)
{
	return front_control_recv(f->b, &f->msg, &f->fd);
}

static const struct front_start start = {
	.version = FRONT_CONTROL_VERSION,
	.log_level = TSK_LOG_INFO,
	.name = "vm1",
	.cid = 3,
	.model_bytes_max = UINT64_C(1) << 31,
	.model_idle_ms = 60000,
	.ports = { 9999 },
};

static void set_key(struct front_msg *msg, const char *key)
{
	memset(msg->key, 0, sizeof(msg->key));
	memcpy(msg->key, key, strlen(key));
}

static struct front_msg make_msg(uint32_t type)
{
	struct front_msg msg = { .type = type, .id = 0x1122334455667788, .value = UINT64_MAX };

	if (type == FRONT_START)
		msg.start = start;
	if (type == FRONT_REGION)
		set_key(&msg, "region.1");
	return msg;
}

/* Each type with its number of fds where result is 0. */
static const struct {
	uint32_t type;
	unsigned n_fds;
} types[] = {
	{ FRONT_START, 0 },         { FRONT_CONNECTION, 1 },    { FRONT_HOST_STREAM, 1 },
	{ FRONT_DEVICE, 1 },        { FRONT_STORE, 1 },         { FRONT_WORKER, 1 },
	{ FRONT_WORKER_EXITED, 0 }, { FRONT_CONNECTED, 1 },     { FRONT_STOP, 0 },
	{ FRONT_READY, 0 },         { FRONT_SPAWN, 0 },         { FRONT_KILL, 0 },
	{ FRONT_CONNECT, 0 },       { FRONT_IDLE, 0 },          { FRONT_MODELS, 1 },
	{ FRONT_REGION, 0 },        { FRONT_REGION_OPENED, 1 }, { FRONT_METRICS, 1 },
};

/* What names a path, or could be taken for something else in a log, is no key. */
static void test_region_keys(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/a", "a b", "a\nb", "\xc3\xa4" };
	char key[FRONT_REGION_KEY_SIZE] = "region.1";

	(void)state;
	assert_int_equal(front_region_key_check(key), 0);
	key[20] = 'x';
	assert_int_equal(front_region_key_check(key), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(key, 0, sizeof(key));
		memcpy(key, bad[i], strlen(bad[i]));
		assert_int_equal(front_region_key_check(key), -EINVAL);
	}
	memset(key, 'a', sizeof(key));
	assert_int_equal(front_region_key_check(key), -EINVAL);
	key[sizeof(key) - 1] = '\0';
	assert_int_equal(front_region_key_check(key), 0);
}

static void test_each_type_there_and_back(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct front_msg msg = make_msg(types[i].type);

		assert_int_equal(front_control_send(f.a, &msg, types[i].n_fds ? f.a : -1), 0);
		assert_int_equal(receive(&f), 1);
		assert_memory_equal(&f.msg, &msg, sizeof(msg));
		assert_int_equal(f.fd >= 0, types[i].n_fds == 1);
		tsk_close(f.fd);
	}
	done(&f);
}

/* As a hostile sender does: not through front_control_send(). */
static int receive_raw(struct fixture *f, const struct front_msg *msg, unsigned n_fds)
{
	int fds[TSK_SEQPACKET_FDS_MAX] = { f->a, f->a, f->a, f->a };

	assert_int_equal(tsk_seqpacket_send(f->a, msg, sizeof(*msg), fds, n_fds), 0);
	return receive(f);
}

static void test_wrong_number_of_fds(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct front_msg msg = make_msg(types[i].type);

		for (unsigned n = 0; n <= TSK_SEQPACKET_FDS_MAX; n++) {
			if (n == types[i].n_fds)
				continue;
			assert_int_equal(receive_raw(&f, &msg, n), -EPROTO);
			if (n < 2)
				assert_int_equal(front_control_send(f.a, &msg, n ? f.a : -1),
						 -EINVAL);
		}
	}
	assert_int_equal(f.fd, -7);
	done(&f);
}

static void test_answers_that_failed(void **state)
{
	static const uint32_t answers[] = { FRONT_WORKER, FRONT_CONNECTED };
	struct fixture f;

	(void)state;
	init(&f);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct front_msg msg = make_msg(answers[i]);

		msg.result = -ECONNREFUSED;
		assert_int_equal(front_control_send(f.a, &msg, -1), 0);
		assert_int_equal(receive(&f), 1);
		assert_int_equal(f.msg.result, -ECONNREFUSED);
		assert_int_equal(f.fd, -1);
		assert_int_equal(receive_raw(&f, &msg, 1), -EPROTO);
		msg.result = 1;
		assert_int_equal(receive_raw(&f, &msg, 0), -EPROTO);
		assert_int_equal(receive_raw(&f, &msg, 1), -EPROTO);
		assert_int_equal(front_control_send(f.a, &msg, -1), -EINVAL);
	}
	done(&f);
}

static void test_unknown_types(void **state)
{
	static const uint32_t none[] = { 0, 10, 63, 99, 128, INT32_MAX, UINT32_MAX };
	struct fixture f;

	(void)state;
	init(&f);
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		struct front_msg msg = make_msg(none[i]);

		assert_int_equal(receive_raw(&f, &msg, 0), -EPROTO);
		assert_int_equal(receive_raw(&f, &msg, 1), -EPROTO);
		assert_int_equal(front_control_send(f.a, &msg, -1), -EINVAL);
	}
	done(&f);
}

static void test_fields_that_do_not_go_with_the_type(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct front_msg msg = make_msg(types[i].type);

		msg.result =
			types[i].type == FRONT_WORKER || types[i].type == FRONT_CONNECTED ? 1 : -1;
		assert_int_equal(receive_raw(&f, &msg, types[i].n_fds), -EPROTO);
		if (types[i].type == FRONT_START)
			continue;
		msg.result = 0;
		msg.start.model_idle_ms = 1;
		assert_int_equal(receive_raw(&f, &msg, types[i].n_fds), -EPROTO);
	}
	done(&f);
}

static void test_start_out_of_bounds(void **state)
{
	struct front_msg msg = make_msg(FRONT_START);
	struct fixture f;

	(void)state;
	init(&f);
	memset(msg.start.name, 'n', sizeof(msg.start.name));
	assert_int_equal(receive_raw(&f, &msg, 0), -EPROTO);
	msg.start.name[FRONT_NAME_SIZE - 1] = '\0';
	assert_int_equal(receive_raw(&f, &msg, 0), 1);
	msg.start.name[0] = '\0';
	assert_int_equal(receive_raw(&f, &msg, 0), -EPROTO);
	msg = make_msg(FRONT_START);
	msg.start.version = FRONT_CONTROL_VERSION + 1;
	assert_int_equal(receive_raw(&f, &msg, 0), -EPROTO);
	msg = make_msg(FRONT_START);
	msg.start.log_level = TSK_LOG_LEVEL_MAX;
	assert_int_equal(receive_raw(&f, &msg, 0), -EPROTO);
	msg = make_msg(FRONT_START);
	msg.start.may_lack = FRONT_MAY_LACK_MAX;
	assert_int_equal(receive_raw(&f, &msg, 0), 1);
	msg.start.may_lack = FRONT_MAY_LACK_MAX + 1;
	assert_int_equal(receive_raw(&f, &msg, 0), -EPROTO);
	assert_int_equal(front_control_send(f.a, &msg, -1), -EINVAL);
	msg = make_msg(FRONT_START);
	msg.start.is_borrowed = 1;
	assert_int_equal(receive_raw(&f, &msg, 0), 1);
	msg.start.is_borrowed = 2;
	assert_int_equal(receive_raw(&f, &msg, 0), -EPROTO);
	msg = make_msg(FRONT_START);
	for (unsigned i = 0; i < FRONT_PORTS_MAX; i++)
		msg.start.ports[i] = 8000 + i;
	assert_int_equal(receive_raw(&f, &msg, 0), 1);
	msg.start.ports[FRONT_PORTS_MAX - 2] = 0;
	assert_int_equal(receive_raw(&f, &msg, 0), -EPROTO);
	memset(msg.start.ports, 0, sizeof(msg.start.ports));
	assert_int_equal(receive_raw(&f, &msg, 0), -EPROTO);
	done(&f);
}

static void test_wrong_length(void **state)
{
	unsigned char bytes[sizeof(struct front_msg) + 8] = { 0 };
	struct front_msg msg = make_msg(FRONT_CONNECTION);
	struct fixture f;

	(void)state;
	init(&f);
	memcpy(bytes, &msg, sizeof(msg));
	for (size_t len = 1; len <= sizeof(bytes); len++) {
		int r;

		assert_int_equal(tsk_seqpacket_send(f.a, bytes, len, &f.a, 1), 0);
		r = receive(&f);
		assert_int_equal(r, len == sizeof(msg) ? 1 : -EPROTO);
		if (r == 1)
			tsk_close(f.fd);
	}
	/* Nothing but an fd: not the end of the connection, and no leak. */
	assert_int_equal(tsk_seqpacket_send(f.a, bytes, 0, &f.a, 1), 0);
	assert_int_equal(receive(&f), -EPROTO);
	done(&f);
}

static void test_nothing_and_the_end(void **state)
{
	struct front_msg msg = make_msg(FRONT_STOP);
	struct fixture f;
	int r = 0;

	(void)state;
	init(&f);
	assert_int_equal(receive(&f), -EAGAIN);
	for (unsigned i = 0; i < 100000 && r == 0; i++)
		r = front_control_send(f.b, &msg, -1);
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(front_control_send(f.a, &msg, -1), 0);
	while (front_control_recv(f.a, &f.msg, &f.fd) == 1)
		;
	f.a = tsk_close(f.a);
	assert_int_equal(receive(&f), 1);
	assert_int_equal(receive(&f), 0);
	assert_int_equal(front_control_send(f.b, &msg, -1), -EPIPE);
	done(&f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_region_keys),
		TSK_TEST(test_each_type_there_and_back),
		TSK_TEST(test_wrong_number_of_fds),
		TSK_TEST(test_answers_that_failed),
		TSK_TEST(test_unknown_types),
		TSK_TEST(test_fields_that_do_not_go_with_the_type),
		TSK_TEST(test_start_out_of_bounds),
		TSK_TEST(test_wrong_length),
		TSK_TEST(test_nothing_and_the_end),
	};

	return cmocka_run_group_tests_name("front_control", tests, NULL, NULL);
}
