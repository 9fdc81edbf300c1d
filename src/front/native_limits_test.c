/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest that takes nothing, or too much, can have its front hold. */
#include "front/native_session.h"

#include <sys/socket.h>

#include "base/testing.h"
#include "front/native_peer.h"

static const float values[] = { 0.5f, 1 };
static struct peer peer, other;

/* A peer that asks and asks and takes nothing: it is no longer read, then left. */
static void test_never_reads(void **state)
{
	struct front_start limits = rig_limits();
	unsigned char frames[1600];
	struct rig_worker *worker;
	size_t sent = 0;
	struct rig rig;

	(void)state;
	limits.idle_timeout_ms = 100;
	rig_init(&rig, &limits);
	peer_connect(&other, &rig);
	worker = peer_push(&other, 1, "model", "");
	peer_connect(&peer, &rig);
	for (unsigned i = 0; i < 100; i++)
		wire_header_write(frames + 16 * i, &(struct wire_header){ WIRE_LIST, 1, 0 });
	for (unsigned vain = 0; vain < 50;) {
		ssize_t n = send(peer.fd, frames, sizeof(frames), MSG_NOSIGNAL);

		vain = n < 0 ? vain + 1 : 0;
		sent += n > 0 ? (size_t)n : 0;
		assert_true(sent < 16 << 20);
		rig_run(&rig, 0);
	}
	rig_expect_log(&rig, "its guest has been silent for too long");
	rig_run(&rig, 5);
	assert_int_equal(rig.guest->sessions.n, 1);
	peer_close(&peer);
	peer_close(&other);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* Answers that nobody takes hold memory and files: with the requests under way they are bounded. */
static void test_never_takes_answers(void **state)
{
	static float many[100000];
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct run_entry start;
	struct rig rig;
	uint32_t id;

	(void)state;
	limits.requests_max = 8;
	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	peer_connect(&other, &rig);
	worker = peer_push(&other, 1, "model", "");
	for (id = 1; id <= 50 && rig.guest->n_held < 8; id++) {
		peer_infer_small(&peer, id, "model");
		start = rig_worker_expect(&rig, worker, RUN_START);
		if (start.out_bytes < sizeof(many) + 1024) {
			rig_worker_push(worker,
					&(struct run_entry){ .type = RUN_DONE,
							     .request_id = start.request_id,
							     .status = TENSOCK_TOO_LARGE,
							     .needed = sizeof(many) + 1024 });
			start = rig_worker_expect(&rig, worker, RUN_FETCH);
		}
		rig_worker_done(worker, &start, many, ARRAY_SIZE(many));
		rig_run(&rig, 1);
	}
	assert_int_equal(rig.guest->n_held, 8);
	assert_int_equal(rig.guest->n_calls, 0);
	peer_infer_small(&other, 2, "model");
	peer_expect_error(&other, 2, TENSOCK_LIMIT_REACHED, "8 requests of this guest are under");
	/* The first one taken makes room for another. */
	peer_expect(&peer, WIRE_RESULT, 1);
	while (rig.guest->n_held == 8)
		peer_take(&peer);
	peer_infer_small(&other, 3, "model");
	start = rig_worker_expect(&rig, worker, RUN_START);
	rig_worker_done(worker, &start, values, 2);
	peer_expect_result(&other, 3, values, 2);
	peer_close(&peer);
	assert_int_equal(rig.guest->n_held, 0);
	peer_close(&other);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* A description as large as one may be: 1,024 inputs, each with names for its dimensions. */
static void send_large_description(struct rig_worker *worker)
{
	static unsigned char bytes[WORKER_DESCRIPTION_MAX];
	static struct tsk_tensor_info inputs[TSK_MODEL_TENSORS_MAX];
	char name[] = "n", engine[] = "rig", format[] = "text";
	struct tsk_model_info info = { .engine = engine,
				       .format = format,
				       .inputs = inputs,
				       .n_inputs = TSK_MODEL_TENSORS_MAX };
	struct worker_msg msg = { .type = WORKER_LOADED };
	size_t len;

	for (unsigned i = 0; i < TSK_MODEL_TENSORS_MAX; i++) {
		inputs[i] = (struct tsk_tensor_info){ .name = name,
						      .dtype = TENSOCK_FLOAT32,
						      .rank = 8 };
		for (unsigned d = 0; d < inputs[i].rank; d++)
			inputs[i].dim_names[d] = name;
	}
	assert_int_equal(tsk_model_info_encode(&info, bytes, sizeof(bytes), &len), 0);
	assert_int_equal(worker_control_send(worker->socket, &msg, bytes, len, NULL, 0), 0);
}

/* It is kept with its model, over unloads: so it counts. */
static void test_large_description(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct wire_model model;
	const void *description;
	struct rig rig;
	size_t len;

	(void)state;
	limits.memory_bytes_max = 1 << 20;
	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	for (uint32_t id = 1; id <= 2; id++) {
		const char *bytes = id == 1 ? "first" : "second";

		peer_offer(&peer, id, bytes, "");
		peer_expect(&peer, WIRE_SEND, id);
		peer_send(&peer, WIRE_CHUNK, id, bytes, strlen(bytes));
		worker = rig_worker_new(&rig);
		rig_worker_expect_load(&rig, worker, bytes);
		send_large_description(worker);
		if (id == 2) {
			peer_expect_error(&peer, id, TENSOCK_LIMIT_REACHED, "model's description");
			(void)rig_expect(&rig, FRONT_KILL);
			rig_worker_exit(&rig, worker, 9);
			break;
		}
		peer_expect(&peer, WIRE_MODEL, id);
		assert_int_equal(wire_model_read(peer.body, peer.header.size, &model, &description,
						 &len),
				 0);
		assert_in_range(model.memory, 512 << 10, 1 << 20);
		assert_int_equal(model.memory, rig.guest->account.used_bytes);
		peer_about(&peer, WIRE_UNLOAD, 9, bytes, 0);
		rig_worker_exit(&rig, worker, 0);
		peer_expect(&peer, WIRE_DONE, 9);
	}
	/* What was refused may come again, when there is room. */
	peer_about(&peer, WIRE_UNLOAD, 9, "first", WIRE_UNLOAD_REMOVE);
	peer_expect(&peer, WIRE_DONE, 9);
	assert_int_equal(rig.guest->account.used_bytes, strlen("second"));
	peer_about(&peer, WIRE_INFO, 3, "second", WIRE_INFO_LOAD);
	worker = rig_worker_new(&rig);
	rig_worker_expect_load(&rig, worker, "second");
	send_large_description(worker);
	peer_expect(&peer, WIRE_MODEL, 3);
	peer_close(&peer);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* One connection too many is told which limit that is, in its own protocol, and closed. */
static void test_connections(void **state)
{
	static struct peer peers[8];
	struct front_start limits = rig_limits();
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		peer_connect(&peers[i], &rig);
	for (unsigned i = 0; i < 20; i++) {
		peer.rig = &rig;
		peer.fd = rig_connect(&rig);
		peer_hello(&peer, 1, 1);
		peer_expect_error(&peer, 0, TENSOCK_LIMIT_REACHED, "max-connections");
		rig_expect_end(&rig, peer.fd);
		peer_close(&peer);
	}
	fd = rig_connect(&rig);
	rig_write(&rig, fd, "\1\0\0\0", 4);
	rig_expect_bytes(&rig, fd, "ER");
	rig_expect_end(&rig, fd);
	close(fd);
	assert_int_equal(rig.guest->sessions.refused, 21);
	assert_int_equal(rig.guest->sessions.n_beyond, 0);
	assert_int_equal(rig.guest->sessions.n, 8);
	peer_send(&peers[0], WIRE_PING, 5, NULL, 0);
	peer_expect(&peers[0], WIRE_PONG, 5);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		peer_close(&peers[i]);
	rig_done(&rig);
}

/* Those that say nothing are not kept, however many there are. */
static void test_silent_connections(void **state)
{
	struct front_start limits = rig_limits();
	struct rig rig;
	int fds[40];

	(void)state;
	rig_init(&rig, &limits);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = rig_connect(&rig);
	rig_run(&rig, 5);
	assert_int_equal(rig.guest->sessions.n, 8);
	assert_int_equal(rig.guest->sessions.n_beyond, 8);
	for (size_t i = 8; i < ARRAY_SIZE(fds); i++)
		rig_expect_end(&rig, fds[i]);
	assert_int_equal(rig.guest->sessions.n_beyond, 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_never_reads),
		TSK_TEST(test_never_takes_answers),
		TSK_TEST(test_large_description),
		TSK_TEST(test_connections),
		TSK_TEST(test_silent_connections),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
