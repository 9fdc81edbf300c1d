/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and answers, between two that keep the rules. */
#include "base/testing.h"
#include "front/protocol/h2_pair.h"

static void test_requests_are_answered(void **state)
{
	static const size_t paces[] = { 1, 3, 9, 100, 20000, SIZE_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paces); i++) {
		struct test *t = begin(paces[i]);
		struct h2_peer_stream *a, *b;

		t->has_place = i & 1;
		a = peer_request(&t->peer, "/a", "1S", pattern, 40000, false);
		b = peer_request(&t->peer, "/b", NULL, NULL, 0, false);
		talk(t);
		expect_answer(a, pattern, 40000);
		expect_answer(b, NULL, 0);
		assert_string_equal(t->streams[0].head.values[H2_PATH], "/a");
		assert_string_equal(t->streams[0].head.values[H2_METHOD], "POST");
		assert_string_equal(t->streams[0].head.values[H2_TE], "trailers");
		assert_string_equal(t->streams[0].head.values[H2_CONTENT_TYPE], "application/grpc");
		assert_string_equal(t->streams[0].head.values[H2_GRPC_TIMEOUT], "1S");
		assert_string_equal(t->streams[1].head.values[H2_GRPC_TIMEOUT], "");
		assert_true(t->streams[0].is_closed && t->streams[1].is_closed);
		assert_true(h2_is_between(t->h2) && !h2_is_sending(t->h2) && !h2_is_over(t->h2));
		assert_true(t->n_drained > 0);
		assert_false(t->peer.has_goaway);
		done(t);
	}
}

/* All but what came with a frame's header has been received in its place; answers lie where they are. */
static void test_large_bodies_are_not_copied(void **state)
{
	struct test *t = begin(SIZE_MAX);
	struct h2_peer_stream *a;

	(void)state;
	t->has_place = true;
	talk(t);
	a = peer_request(&t->peer, "/a", NULL, pattern, BODY_MAX, false);
	talk(t);
	expect_answer(a, pattern, BODY_MAX);
	assert_true(t->streams[0].n_in_place >= BODY_MAX - 7 * H2_BUFFER_BYTES);
	assert_int_equal(t->n_out_in_place, BODY_MAX);
	done(t);
}

static void test_small_frames_too(void **state)
{
	struct test *t = begin(SIZE_MAX);
	struct h2_peer_stream *a;

	(void)state;
	t->has_place = true;
	t->peer.frame_max = 16384;
	a = peer_request(&t->peer, "/a", NULL, pattern, 1 << 20, false);
	talk(t);
	expect_answer(a, pattern, 1 << 20);
	assert_true(t->streams[0].n_in_place >= (1 << 20) - 3 * H2_BUFFER_BYTES);
	done(t);
}

static void test_padded_bodies(void **state)
{
	static const size_t paces[] = { 1, 17, SIZE_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paces); i++) {
		struct test *t = begin(paces[i]);
		struct h2_peer_stream *a;

		t->has_place = true;
		t->peer.n_pads = 100;
		t->peer.frame_max = 10000;
		a = peer_request(&t->peer, "/a", NULL, pattern, 100000, false);
		talk(t);
		expect_answer(a, pattern, 100000);
		assert_int_equal(t->streams[0].n_in_place, 0);
		done(t);
	}
}

/* Two at once: their frames come and go in turns. */
static void test_streams_take_turns(void **state)
{
	struct test *t = begin(SIZE_MAX);
	struct h2_peer_stream *a, *b;

	(void)state;
	t->has_place = true;
	talk(t);
	a = peer_request(&t->peer, "/a", NULL, pattern, 3 << 20, false);
	b = peer_request(&t->peer, "/b", NULL, pattern + 1, 2 << 20, false);
	talk(t);
	expect_answer(a, pattern, 3 << 20);
	expect_answer(b, pattern + 1, 2 << 20);
	done(t);
}

static void test_what_is_not_consumed_holds_the_peer(void **state)
{
	struct test *t = begin(SIZE_MAX);
	struct h2_peer_stream *a, *b;

	(void)state;
	t->is_silent = true;
	talk(t);
	a = peer_request(&t->peer, "/a", NULL, pattern, BODY_MAX, false);
	talk(t);
	assert_int_equal(t->streams[0].n_body, H2_STREAM_WINDOW);
	/* Another stream has the connection all the same. */
	t->is_silent = false;
	t->streams[0].is_held = true;
	b = peer_request(&t->peer, "/b", NULL, pattern, 1 << 20, false);
	talk(t);
	expect_answer(b, pattern, 1 << 20);
	h2_consume(t->h2, t->streams[0].id, H2_STREAM_WINDOW);
	talk(t);
	expect_answer(a, pattern, BODY_MAX);
	done(t);
}

static void test_a_peer_that_opens_no_window(void **state)
{
	struct test *t = &test;
	struct h2_peer_stream *a;

	(void)state;
	begin_with(t, SIZE_MAX, 0, 16384);
	a = peer_request(&t->peer, "/a", NULL, pattern, 50000, false);
	talk(t);
	assert_int_equal(a->n_answer, 0);
	assert_false(t->streams[0].is_closed || h2_is_sending(t->h2));
	assert_int_equal(nghttp2_submit_window_update(t->peer.session, 0, a->id, 50000), 0);
	talk(t);
	expect_answer(a, pattern, 50000);
	done(t);
}

static void test_an_answer_before_the_end_of_its_request(void **state)
{
	struct test *t = begin(SIZE_MAX);
	struct h2_peer_stream *a;

	(void)state;
	t->is_early = true;
	a = peer_request(&t->peer, "/a", NULL, "", 0, true);
	talk(t);
	/* The peer is told that it need not send the rest. */
	expect_answer(a, NULL, 0);
	assert_true(t->streams[0].is_closed);
	assert_false(t->peer.has_goaway || h2_is_over(t->h2));
	done(t);
}

static void test_requests_that_are_refused(void **state)
{
	struct test *t = begin(SIZE_MAX);
	struct h2_peer_stream *a;

	(void)state;
	t->refuses = true;
	a = peer_request(&t->peer, "/a", NULL, pattern, 10, false);
	talk(t);
	assert_true(a->is_closed);
	assert_int_equal(a->error, NGHTTP2_REFUSED_STREAM);
	done(t);
}

static void test_a_long_value_is_cut(void **state)
{
	struct test *t = begin(SIZE_MAX);
	char path[2000];

	(void)state;
	memset(path, 'p', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	peer_request(&t->peer, path, NULL, NULL, 0, false);
	talk(t);
	assert_int_equal(strlen(t->streams[0].head.values[H2_PATH]), H2_VALUE_MAX);
	done(t);
}

static void test_going_away(void **state)
{
	struct test *t = begin(SIZE_MAX);
	struct h2_peer_stream *a;

	(void)state;
	a = peer_request(&t->peer, "/a", NULL, "", 0, true);
	talk(t);
	h2_go_away(t->h2, "the host is going down");
	talk(t);
	assert_true(t->peer.has_goaway);
	assert_int_equal(t->peer.goaway, NGHTTP2_NO_ERROR);
	assert_int_equal(t->peer.goaway_last, a->id);
	assert_string_equal(t->peer.goaway_text, "the host is going down");
	assert_false(h2_is_over(t->h2));
	/* What is under way is answered. */
	peer_send_more(&t->peer, a, pattern, 100, false);
	talk(t);
	expect_answer(a, pattern, 100);
	done(t);
}

static void test_a_connection_that_is_refused(void **state)
{
	struct test *t = begin(SIZE_MAX);

	(void)state;
	h2_refuse(t->h2, "too many connections");
	assert_false(h2_is_over(t->h2));
	talk(t);
	assert_string_equal(t->peer.goaway_text, "too many connections");
	assert_true(h2_is_over(t->h2));
	done(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_requests_are_answered),
		TSK_TEST(test_large_bodies_are_not_copied),
		TSK_TEST(test_small_frames_too),
		TSK_TEST(test_padded_bodies),
		TSK_TEST(test_streams_take_turns),
		TSK_TEST(test_what_is_not_consumed_holds_the_peer),
		TSK_TEST(test_a_peer_that_opens_no_window),
		TSK_TEST(test_an_answer_before_the_end_of_its_request),
		TSK_TEST(test_requests_that_are_refused),
		TSK_TEST(test_a_long_value_is_cut),
		TSK_TEST(test_going_away),
		TSK_TEST(test_a_connection_that_is_refused),
	};

	make_pattern();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
