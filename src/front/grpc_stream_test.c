/* SPDX-License-Identifier: Apache-2.0 */
/* ModelStreamInfer against a whole front. */
#include "front/grpc_stream.h"

#include <string.h>

#include "front/grpc_testing.h"

static struct client client;

static const char *stream_error(const struct h2_peer_stream *s, unsigned n)
{
	static char text[256];
	Inference__ModelStreamInferResponse *r =
		client_message(s, n, &inference__model_stream_infer_response__descriptor);

	snprintf(text, sizeof(text), "%s", r->error_message);
	free_unpacked(r);
	return text;
}

static void test_stream(void **state)
{
	struct front_start limits = rig_limits();
	struct said good = infer_of("name"), said = { 0 };
	Inference__ModelStreamInferResponse *r;
	struct test_request request = { 0 };
	struct rig_worker *worker;
	struct h2_peer_stream *s;
	struct run_entry start;
	struct rig rig;

	(void)state;
	worker = begin_loaded(&client, &rig, &limits);
	/* A good one, a bad one, which is answered behind it, and the stream goes on. */
	make(&request, "name");
	said_add(&said, &request.message);
	request.message.model_name = "nome";
	said_add(&said, &request.message);
	s = peer_request(&client.h2, INFERENCE "ModelStreamInfer", NULL, said.bytes, said.n, true);
	start = expect_run(&client, worker);
	for (unsigned i = 0; i < 20; i++)
		client_talk(&client);
	assert_int_equal(s->n_answer, 0);
	rig_worker_done(worker, &start, values, 2);
	await_messages(&client, s, 2);
	r = client_message(s, 0, &inference__model_stream_infer_response__descriptor);
	assert_string_equal(r->error_message, "");
	assert_string_equal(r->infer_response->id, "one");
	assert_memory_equal(r->infer_response->raw_output_contents[0].data, values, sizeof(values));
	free_unpacked(r);
	assert_non_null(strstr(stream_error(s, 1), "'nome' is not found"));
	assert_false(s->is_closed);
	peer_send_more(&client.h2, s, good.bytes, good.n, false);
	play_run(&client, worker);
	client_expect(&client, s, 0, "");
	assert_int_equal(client_messages(s), 3);
	assert_int_equal(rig.guest->counters.ok, 2);
	assert_int_equal(rig.guest->counters.error, 1);
	end_loaded(&client, worker);
	said_done(&said);
	said_done(&good);
}

/* More messages than are looked at: they wait, in order, and none is lost. */
static void test_stream_of_many(void **state)
{
	enum {
		N = 100
	};
	struct front_start limits = rig_limits();
	struct test_request request = { 0 };
	struct said said = { 0 };
	struct rig_worker *worker;
	struct h2_peer_stream *s;
	struct rig rig;

	(void)state;
	worker = begin_loaded(&client, &rig, &limits);
	make(&request, "name");
	for (unsigned i = 0; i < N; i++) {
		char id[8];

		snprintf(id, sizeof(id), "%u", i);
		request.message.id = id;
		said_add(&said, &request.message);
	}
	s = peer_request(&client.h2, INFERENCE "ModelStreamInfer", NULL, said.bytes, said.n, false);
	for (unsigned i = 0; i < N; i++) {
		struct run_entry start = expect_run(&client, worker);

		assert_true(rig.guest->n_calls <= 16);
		rig_worker_done(worker, &start, values, 2);
	}
	client_expect(&client, s, 0, "");
	assert_int_equal(client_messages(s), N);
	for (unsigned i = 0; i < N; i++) {
		Inference__ModelStreamInferResponse *r =
			client_message(s, i, &inference__model_stream_infer_response__descriptor);

		assert_int_equal(atoi(r->infer_response->id), i);
		free_unpacked(r);
	}
	end_loaded(&client, worker);
	said_done(&said);
}

/* Who takes no answers is not given more than a few. */
static void test_stream_that_takes_nothing(void **state)
{
	enum {
		N = 60
	};
	struct front_start limits = rig_limits();
	struct test_request request = { 0 };
	struct said said = { 0 };
	struct rig_worker *worker;
	struct h2_peer_stream *s;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "");
	client_connect_with(&client, &rig, 0);
	make(&request, "name");
	for (unsigned i = 0; i < N; i++)
		said_add(&said, &request.message);
	s = peer_request(&client.h2, INFERENCE "ModelStreamInfer", NULL, said.bytes, said.n, false);
	for (unsigned i = 0; i < 16; i++)
		play_run(&client, worker);
	for (unsigned i = 0; i < 20; i++)
		client_talk(&client);
	assert_int_equal(rig.guest->counters.accepted, 16);
	/* Once it takes them, the others are looked at. */
	assert_int_equal(nghttp2_submit_window_update(client.h2.session, 0, s->id, 1 << 20), 0);
	for (unsigned i = 16; i < N; i++)
		play_run(&client, worker);
	client_expect(&client, s, 0, "");
	assert_int_equal(client_messages(s), N);
	end_loaded(&client, worker);
	said_done(&said);
}

/* max-requests: the next message waits until an answer has gone, and is not refused while it goes. */
static void test_stream_of_more_than_may_be_under_way(void **state)
{
	static const float large[900];
	struct front_start limits = rig_limits();
	struct said said = infer_of("name");
	struct rig_worker *worker;
	struct h2_peer_stream *s;
	struct run_entry start;
	unsigned n = 0;
	struct rig rig;

	(void)state;
	limits.requests_max = 1;
	worker = begin_loaded(&client, &rig, &limits);
	s = peer_request(&client.h2, INFERENCE "ModelStreamInfer", NULL, "", 0, true);
	/* What holds an answer up is the socket, not HTTP/2's windows. */
	assert_int_equal(nghttp2_session_set_local_window_size(client.h2.session, 0, 0, 64 << 20),
			 0);
	client_say_all(&client);
	client.is_lazy = true;
	while (!rig.guest->n_calls) {
		assert_true(n++ < 10000);
		peer_send_more(&client.h2, s, said.bytes, said.n, true);
		start = expect_run(&client, worker);
		rig_worker_done(worker, &start, large, ARRAY_SIZE(large));
		for (unsigned i = 0; i < 20; i++)
			client_talk(&client);
	}
	peer_send_more(&client.h2, s, said.bytes, said.n, false);
	for (unsigned i = 0; i < 20; i++)
		client_talk(&client);
	assert_int_equal(rig.guest->counters.error, 0);
	client.is_lazy = false;
	play_run(&client, worker);
	client_expect(&client, s, 0, "");
	assert_int_equal(client_messages(s), n + 1);
	assert_int_equal(rig.guest->counters.ok, n + 1);
	assert_int_equal(rig.guest->counters.error, 0);
	end_loaded(&client, worker);
	said_done(&said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_stream),
		TSK_TEST(test_stream_of_many),
		TSK_TEST(test_stream_that_takes_nothing),
		TSK_TEST(test_stream_of_more_than_may_be_under_way),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
