/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC's connections, as they begin and end, against a whole front. */
#include "front/grpc_session.h"

#include <string.h>

#include "front/grpc_testing.h"

static struct client client;

static void test_live(void **state)
{
	struct front_start limits = rig_limits();
	struct said said = message_of(0, NULL);
	Inference__ServerLiveResponse *r;
	struct h2_peer_stream *s;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	client_connect(&client, &rig);
	s = client_call(&client, INFERENCE "ServerLive", &said);
	client_expect(&client, s, 0, "");
	r = client_message(s, 0, &inference__server_live_response__descriptor);
	assert_true(r->live);
	free_unpacked(r);
	client_close(&client);
	assert_int_equal(rig.guest->counters.ok, 1);
	said_done(&said);
	rig_done(&rig);
}

static void test_stop(void **state)
{
	struct front_start limits = rig_limits();
	struct said said = infer_of("name"), health = message_of(0, NULL);
	struct h2_peer_stream *s, *stream, *watch;
	struct rig_worker *worker;
	struct run_entry start;
	struct rig rig;

	(void)state;
	worker = begin_loaded(&client, &rig, &limits);
	s = client_call(&client, INFERENCE "ModelInfer", &said);
	stream = peer_request(&client.h2, INFERENCE "ModelStreamInfer", NULL, "", 0, true);
	watch = client_call(&client, "/grpc.health.v1.Health/Watch", &health);
	start = expect_run(&client, worker);
	await_messages(&client, watch, 1);
	sessions_stop(&rig.guest->sessions);
	client_expect(&client, stream, 14, "going down");
	client_expect(&client, watch, 0, "");
	assert_int_equal(client_messages(watch), 2);
	assert_memory_equal(watch->answer, "\0\0\0\0\2\10\1\0\0\0\0\2\10\2", 14);
	assert_true(client.h2.has_goaway && !client.is_closed);
	rig_worker_done(worker, &start, values, 2);
	client_expect(&client, s, 0, "");
	expect_result(s);
	for (unsigned i = 0; i < 100 && !client.is_closed; i++)
		client_talk(&client);
	assert_true(client.is_closed);
	end_loaded(&client, worker);
	said_done(&said);
	said_done(&health);
}

static void test_give_up(void **state)
{
	struct front_start limits = rig_limits();
	struct said said = infer_of("name");
	struct rig_worker *worker;
	struct h2_peer_stream *s;
	struct run_entry start;
	struct rig rig;

	(void)state;
	worker = begin_loaded(&client, &rig, &limits);
	s = client_call(&client, INFERENCE "ModelInfer", &said);
	start = expect_run(&client, worker);
	sessions_stop(&rig.guest->sessions);
	sessions_give_up(&rig.guest->sessions);
	client_expect(&client, s, 14, "takes too long");
	rig_worker_expect(&rig, worker, RUN_CANCEL);
	rig_worker_done(worker, &start, values, 2);
	assert_int_equal(rig.guest->counters.error, 1);
	end_loaded(&client, worker);
	said_done(&said);
}

static void test_beyond_the_connections(void **state)
{
	struct front_start limits = rig_limits();
	struct client second;
	struct rig rig;

	(void)state;
	limits.connections_max = 1;
	rig_init(&rig, &limits);
	client_connect(&client, &rig);
	client_talk(&client);
	client_connect(&second, &rig);
	for (unsigned i = 0; i < PEER_PATIENCE && !second.is_closed; i++)
		client_talk(&second);
	assert_true(second.is_closed && second.h2.has_goaway);
	assert_non_null(strstr(second.h2.goaway_text, "max-connections"));
	client_close(&second);
	client_close(&client);
	rig_done(&rig);
}

static void expect_silence_to_end(struct client *c)
{
	for (unsigned i = 0; i < PEER_PATIENCE && !c->is_closed; i++)
		client_talk(c);
	assert_true(c->is_closed);
	rig_expect_log(c->rig, "silent for too long");
	client_close(c);
	assert_int_equal(c->rig->guest->n_calls, 0);
}

static void test_silence(void **state)
{
	const unsigned idle_ms = 300; /* more than a busy machine takes for a call */
	struct front_start limits = rig_limits();
	struct said said = infer_of("name");
	struct rig_worker *worker;
	struct h2_peer_stream *s;
	struct rig rig;

	(void)state;
	limits.idle_timeout_ms = idle_ms;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "");
	/* In the middle of the preface, of a message, and without a window for the answer. */
	client_connect(&client, &rig);
	rig_write(&rig, client.fd, "PRI * HTTP", 10);
	for (unsigned i = 0; i < PEER_PATIENCE && !client.is_closed; i++) {
		rig_run(&rig, 0);
		client_listen(&client);
	}
	assert_true(client.is_closed);
	client_close(&client);
	client_connect(&client, &rig);
	peer_request(&client.h2, INFERENCE "ModelInfer", NULL, said.bytes, said.n - 3, true);
	expect_silence_to_end(&client);
	client_connect_with(&client, &rig, 0);
	client_call(&client, INFERENCE "ModelInfer", &said);
	play_run(&client, worker);
	expect_silence_to_end(&client);
	/* A stream between its messages, and a connection between its streams, may be silent. */
	client_connect(&client, &rig);
	s = peer_request(&client.h2, INFERENCE "ModelStreamInfer", NULL, "", 0, true);
	client_talk(&client);
	for (unsigned i = 0; i < 3 * idle_ms / 2; i++) {
		rig_run(&rig, 1);
		client_talk(&client);
	}
	assert_false(client.is_closed || s->is_closed);
	end_loaded(&client, worker);
	said_done(&said);
}

static void test_a_connection_that_breaks_the_rules(void **state)
{
	struct front_start limits = rig_limits();
	struct said said = infer_of("name");
	struct rig_worker *worker;
	struct run_entry start;
	struct rig rig;

	(void)state;
	worker = begin_loaded(&client, &rig, &limits);
	client_call(&client, INFERENCE "ModelInfer", &said);
	start = expect_run(&client, worker);
	/* DATA of a stream that is not open. */
	rig_write(&rig, client.fd, "\0\0\1\0\0\0\0\0\77x", 10);
	for (unsigned i = 0; i < PEER_PATIENCE && !client.is_closed; i++)
		client_talk(&client);
	assert_true(client.is_closed && client.h2.has_goaway);
	assert_int_equal(rig.guest->n_calls, 0);
	rig_worker_expect(&rig, worker, RUN_CANCEL);
	rig_worker_done(worker, &start, values, 2);
	end_loaded(&client, worker);
	said_done(&said);
}

static void test_memory_that_runs_short(void **state)
{
	struct front_start limits = rig_limits();
	unsigned char *zeros = calloc(1, 1 << 20);
	struct h2_peer_stream *s;
	struct rig rig;

	(void)state;
	assert_non_null(zeros);
	limits.memory_bytes_max = 640 << 10;
	rig_init(&rig, &limits);
	client_connect(&client, &rig);
	grpc_prefix_write(900000, zeros);
	memcpy(zeros + 5, "\022\277\267\066", 4); /* a version of 899,999 bytes */
	s = peer_request(&client.h2, INFERENCE "ModelInfer", NULL, zeros, 900005, false);
	client_expect(&client, s, 8, "max-memory");
	client_close(&client);
	free(zeros);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_live),
		TSK_TEST(test_stop),
		TSK_TEST(test_give_up),
		TSK_TEST(test_beyond_the_connections),
		TSK_TEST(test_silence),
		TSK_TEST(test_a_connection_that_breaks_the_rules),
		TSK_TEST(test_memory_that_runs_short),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
