/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/worker_control.h"

#include <errno.h>
#include <string.h>

#include "base/seqpacket.h"
#include "base/testing.h"

#define MSG_BYTES (offsetof(struct worker_msg, text) + sizeof(((struct worker_msg *)0)->text))

struct fixture {
	int a, b;
	struct worker_received *received;
};

static void init(struct fixture *f)
{
	int pair[2];

	assert_int_equal(tsk_seqpacket_pair(pair), 0);
	*f = (struct fixture){ .a = pair[0], .b = pair[1] };
	f->received = calloc(1, sizeof(*f->received));
	assert_non_null(f->received);
}

static void done(struct fixture *f)
{
	tsk_close(f->a);
	tsk_close(f->b);
	free(f->received);
}

static int receive(struct fixture *f)
{
	return worker_control_recv(f->b, f->received);
}

static const struct {
	uint32_t type;
	unsigned n_fds;
} types[] = {
	{ WORKER_ATTACH, 3 },         { WORKER_LOAD, 1 },    { WORKER_BUFFER, 1 },
	{ WORKER_BUFFER_DROP, 0 },    { WORKER_FOREIGN, 1 }, { WORKER_FOREIGN_DROP, 0 },
	{ WORKER_FOREIGN_MAPPED, 0 }, { WORKER_READY, 0 },   { WORKER_LOADED, 0 },
	{ WORKER_FAILED, 0 },
};

static struct worker_msg make_msg(uint32_t type)
{
	struct worker_msg msg = { .type = type, .id = 7, .value = UINT64_MAX, .text = "words" };

	if (type == WORKER_FAILED)
		msg.status = TENSOCK_INVALID_MODEL;
	return msg;
}

static size_t description_of(uint32_t type)
{
	return type == WORKER_LOADED ? 5 : 0;
}

static void test_each_type_there_and_back(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct worker_msg msg = make_msg(types[i].type);
		size_t len = description_of(types[i].type);
		int fds[3] = { f.a, f.b, f.a };

		assert_int_equal(worker_control_send(f.a, &msg, len ? "model" : NULL, len, fds,
						     types[i].n_fds),
				 0);
		assert_int_equal(receive(&f), 1);
		assert_memory_equal(&f.received->msg, &msg, MSG_BYTES);
		assert_int_equal(f.received->n_fds, types[i].n_fds);
		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(f.received->fds[k] >= 0, k < types[i].n_fds);
		assert_int_equal(f.received->description_bytes, len);
		if (len)
			assert_memory_equal(f.received->description, "model", 5);
		else
			assert_null(f.received->description);
		worker_received_done(f.received);
		worker_received_done(f.received);
	}
	worker_received_done(NULL);
	done(&f);
}

static void test_taken_fds_stay_open(void **state)
{
	struct worker_msg msg = make_msg(WORKER_LOAD);
	struct fixture f;
	int fd;

	(void)state;
	init(&f);
	assert_int_equal(worker_control_send(f.a, &msg, NULL, 0, &f.a, 1), 0);
	assert_int_equal(receive(&f), 1);
	fd = TAKE_FD(f.received->fds[0]);
	worker_received_done(f.received);
	assert_int_equal(tsk_seqpacket_send(fd, "x", 1, NULL, 0), 0);
	tsk_close(fd);
	done(&f);
}

/* As a hostile sender does: not through worker_control_send(). */
static int receive_raw(struct fixture *f, const struct worker_msg *msg, size_t description_bytes,
		       unsigned n_fds)
{
	unsigned char bytes[MSG_BYTES + 64] = { 0 };
	int fds[TSK_SEQPACKET_FDS_MAX] = { f->a, f->a, f->a, f->a };
	int r;

	memcpy(bytes, msg, MSG_BYTES);
	assert_int_equal(tsk_seqpacket_send(f->a, bytes, MSG_BYTES + description_bytes, fds, n_fds),
			 0);
	r = receive(f);
	worker_received_done(f->received);
	return r;
}

static void test_wrong_number_of_fds(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct worker_msg msg = make_msg(types[i].type);
		size_t len = description_of(types[i].type);

		for (unsigned n = 0; n <= TSK_SEQPACKET_FDS_MAX; n++) {
			int fds[TSK_SEQPACKET_FDS_MAX] = { f.a, f.a, f.a, f.a };

			if (n == types[i].n_fds)
				continue;
			assert_int_equal(receive_raw(&f, &msg, len, n), -EPROTO);
			assert_int_equal(f.received->fds[0], -1);
			assert_int_equal(worker_control_send(f.a, &msg, "model", len, fds, n),
					 -EINVAL);
		}
	}
	done(&f);
}

static void test_text_without_its_end(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct worker_msg msg = make_msg(types[i].type);

		memset(msg.text, 'x', sizeof(msg.text));
		assert_int_equal(receive_raw(&f, &msg, description_of(types[i].type),
					     types[i].n_fds),
				 -EPROTO);
		msg.text[sizeof(msg.text) - 1] = '\0';
		assert_int_equal(receive_raw(&f, &msg, description_of(types[i].type),
					     types[i].n_fds),
				 1);
	}
	done(&f);
}

static void test_unknown_types(void **state)
{
	static const uint32_t none[] = { 0, 7, 63, 68, INT32_MAX, UINT32_MAX };
	struct fixture f;

	(void)state;
	init(&f);
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		struct worker_msg msg = make_msg(none[i]);

		for (unsigned n = 0; n <= 3; n++)
			assert_int_equal(receive_raw(&f, &msg, 0, n), -EPROTO);
		assert_int_equal(worker_control_send(f.a, &msg, NULL, 0, NULL, 0), -EINVAL);
	}
	done(&f);
}

static void test_status_that_does_not_go_with_the_type(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct worker_msg msg = make_msg(types[i].type);
		size_t len = description_of(types[i].type);

		msg.status = types[i].type == WORKER_FAILED ? TENSOCK_OK : TENSOCK_INTERNAL;
		assert_int_equal(receive_raw(&f, &msg, len, types[i].n_fds), -EPROTO);
		msg.status = TENSOCK_STATUS_MAX;
		assert_int_equal(receive_raw(&f, &msg, len, types[i].n_fds), -EPROTO);
		msg.status = UINT32_MAX;
		assert_int_equal(receive_raw(&f, &msg, len, types[i].n_fds), -EPROTO);
	}
	done(&f);
}

static void test_description_only_of_loaded(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct worker_msg msg = make_msg(types[i].type);
		int fds[3] = { f.a, f.a, f.a };
		size_t wrong = description_of(types[i].type) ? 0 : 1;

		assert_int_equal(receive_raw(&f, &msg, wrong, types[i].n_fds), -EPROTO);
		assert_int_equal(worker_control_send(f.a, &msg, "x", wrong, fds, types[i].n_fds),
				 -EINVAL);
	}
	done(&f);
}

static void test_largest_description(void **state)
{
	struct worker_msg msg = make_msg(WORKER_LOADED);
	size_t size = MSG_BYTES + WORKER_DESCRIPTION_MAX + 1000;
	unsigned char *bytes = malloc(size);
	struct fixture f;

	(void)state;
	init(&f);
	assert_non_null(bytes);
	memset(bytes, 0x5a, size);
	assert_int_equal(worker_control_send(f.a, &msg, bytes, WORKER_DESCRIPTION_MAX, NULL, 0), 0);
	assert_int_equal(receive(&f), 1);
	assert_int_equal(f.received->description_bytes, WORKER_DESCRIPTION_MAX);
	assert_memory_equal(f.received->description, bytes, WORKER_DESCRIPTION_MAX);
	assert_int_equal(worker_control_send(f.a, &msg, bytes, WORKER_DESCRIPTION_MAX + 1, NULL, 0),
			 -EINVAL);
	memcpy(bytes, &msg, MSG_BYTES);
	for (size_t more = 1; more <= 1000; more += 111) {
		size_t len = MSG_BYTES + WORKER_DESCRIPTION_MAX + more;

		assert_int_equal(tsk_seqpacket_send(f.a, bytes, len, &f.a, 1), 0);
		assert_int_equal(receive(&f), -EPROTO);
		assert_int_equal(f.received->n_fds, 0);
	}
	free(bytes);
	done(&f);
}

static void test_too_short(void **state)
{
	struct worker_msg msg = make_msg(WORKER_LOAD);
	struct fixture f;

	(void)state;
	init(&f);
	for (size_t len = 0; len < MSG_BYTES; len++) {
		assert_int_equal(tsk_seqpacket_send(f.a, &msg, len, &f.a, 1), 0);
		assert_int_equal(receive(&f), -EPROTO);
		assert_int_equal(f.received->fds[0], -1);
	}
	done(&f);
}

static void test_nothing_and_the_end(void **state)
{
	struct worker_msg msg = make_msg(WORKER_BUFFER_DROP);
	struct fixture f;

	(void)state;
	init(&f);
	assert_int_equal(receive(&f), -EAGAIN);
	worker_received_done(f.received);
	assert_int_equal(worker_control_send(f.a, &msg, NULL, 0, NULL, 0), 0);
	f.a = tsk_close(f.a);
	assert_int_equal(receive(&f), 1);
	assert_int_equal(receive(&f), 0);
	worker_received_done(f.received);
	assert_int_equal(worker_control_send(f.b, &msg, NULL, 0, NULL, 0), -EPIPE);
	done(&f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_each_type_there_and_back),
		TSK_TEST(test_taken_fds_stay_open),
		TSK_TEST(test_wrong_number_of_fds),
		TSK_TEST(test_text_without_its_end),
		TSK_TEST(test_unknown_types),
		TSK_TEST(test_status_that_does_not_go_with_the_type),
		TSK_TEST(test_description_only_of_loaded),
		TSK_TEST(test_largest_description),
		TSK_TEST(test_too_short),
		TSK_TEST(test_nothing_and_the_end),
	};

	return cmocka_run_group_tests_name("worker_control", tests, NULL, NULL);
}
