/* SPDX-License-Identifier: Apache-2.0 */
/* For unit tests only: our side of HTTP/2, and nghttp2's as the client (h2_peer.h), in one process. */
#ifndef PROTOCOL_H2_PAIR_H
#define PROTOCOL_H2_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "front/protocol/h2.h"
#include "front/protocol/h2_peer.h"

#define BODY_MAX ((size_t)6 << 20)

/* A stream as the server has it: it says what came, and answers with the body that it was given. */
struct stream {
	struct test *test;
	int32_t id;
	struct h2_head head;
	unsigned char *body;
	size_t n_body, n_in_place, n_answered;
	bool is_held; /* nothing is consumed */
	bool has_ended, is_closed;
};

struct test {
	struct h2 *h2;
	struct h2_peer peer;
	size_t pace; /* bytes that go at once, either way */
	struct stream streams[PEER_STREAMS_MAX];
	size_t n_streams;
	bool refuses, has_place, is_early, is_silent;
	unsigned n_drained;
	size_t n_out, n_out_in_place; /* bytes of answers' bodies */
	unsigned char *memory;        /* bodies */
};

static struct test test;
static unsigned char pattern[BODY_MAX];

static const struct h2_header answer_head[] = { { ":status", "200" },
						{ "content-type", "application/grpc" } };
static const struct h2_header answer_trailers[] = { { "grpc-status", "0" } };

static inline void *on_request(void *context, int32_t id, const struct h2_head *head)
{
	struct test *t = context;
	struct stream *s = &t->streams[t->n_streams];

	if (t->refuses)
		return NULL;
	assert_true(t->n_streams < ARRAY_SIZE(t->streams));
	t->n_streams++;
	*s = (struct stream){ .test = t, .id = id, .head = *head };
	if (t->is_early)
		assert_int_equal(h2_respond(t->h2, id, answer_head, 2, s), 0);
	return s;
}

static inline unsigned char *body_of(struct stream *s)
{
	if (!s->body)
		s->body = malloc(BODY_MAX);
	assert_non_null(s->body);
	return s->body;
}

static inline uint64_t on_place(void *stream, void **ret_place)
{
	struct stream *s = stream;

	if (!s->test->has_place || s->has_ended)
		return 0;
	*ret_place = body_of(s) + s->n_body;
	return BODY_MAX - s->n_body;
}

static inline size_t on_body(void *stream, const unsigned char *bytes, size_t n)
{
	struct stream *s = stream;
	unsigned char *to = body_of(s) + s->n_body;

	assert_true(n <= BODY_MAX - s->n_body);
	if (bytes == to)
		s->n_in_place += n;
	else
		memcpy(to, bytes, n);
	s->n_body += n;
	return s->is_held || s->test->is_silent ? 0 : n;
}

static inline void on_ended(void *stream)
{
	struct stream *s = stream;

	assert_false(s->has_ended);
	s->has_ended = true;
	if (!s->test->is_early && !s->test->is_silent)
		assert_int_equal(h2_respond(s->test->h2, s->id, answer_head, 2, s), 0);
}

/* In pieces of 1000 bytes. */
static inline void on_answer(void *stream, size_t max, struct h2_frame *ret)
{
	struct stream *s = stream;

	while (ret->n_pieces < H2_PIECES_MAX && ret->bytes < max && s->n_answered < s->n_body) {
		size_t n = s->n_body - s->n_answered;

		n = n < 1000 ? n : 1000;
		n = n < max - ret->bytes ? n : max - ret->bytes;
		ret->pieces[ret->n_pieces++] = (struct iovec){ s->body + s->n_answered, n };
		ret->bytes += n;
		s->n_answered += n;
	}
	ret->is_last = s->n_answered == s->n_body;
	ret->trailers = answer_trailers;
	ret->n_trailers = 1;
}

static inline void on_closed(void *stream)
{
	struct stream *s = stream;

	assert_false(s->is_closed);
	s->is_closed = true;
}

static inline void on_drained(void *context)
{
	struct test *t = context;

	t->n_drained++;
}

static const struct h2_ops ops = {
	.request = on_request,
	.place = on_place,
	.body = on_body,
	.ended = on_ended,
	.answer = on_answer,
	.closed = on_closed,
	.drained = on_drained,
};

/*
 * ---- Between the two
 */

/* Gives the server n bytes, as a carrier does. */
static inline size_t give(struct test *t, const unsigned char *bytes, size_t n)
{
	struct iovec iov[2];
	unsigned n_iov = h2_scatter(t->h2, iov);
	size_t done = 0;

	n = n < t->pace ? n : t->pace;
	for (unsigned i = 0; i < n_iov && done < n; i++) {
		size_t part = iov[i].iov_len < n - done ? iov[i].iov_len : n - done;

		memcpy(iov[i].iov_base, bytes + done, part);
		done += part;
	}
	if (done)
		h2_received(t->h2, done);
	return done;
}

static inline void give_all(struct test *t, const void *bytes, size_t n)
{
	const unsigned char *at = bytes;

	while (n) {
		size_t done = give(t, at, n);

		if (!done)
			return;
		at += done;
		n -= done;
	}
}

static inline bool is_of_a_body(const struct test *t, const unsigned char *p)
{
	for (size_t i = 0; i < t->n_streams; i++) {
		const unsigned char *body = t->streams[i].body;

		if (body && p >= body && p < body + BODY_MAX)
			return true;
	}
	return false;
}

/* Takes what the server has to say.  How much it was. */
static inline size_t take(struct test *t)
{
	struct iovec iov[5];
	unsigned n = h2_gather(t->h2, iov, 5);
	size_t done = 0;

	for (unsigned i = 0; i < n && done < t->pace; i++) {
		size_t part = iov[i].iov_len < t->pace - done ? iov[i].iov_len : t->pace - done;

		assert_true(part > 0);
		if (is_of_a_body(t, iov[i].iov_base))
			t->n_out_in_place += part;
		if (nghttp2_session_mem_recv(t->peer.session, iov[i].iov_base, part) !=
		    (ssize_t)part)
			fail_msg("the server's bytes are not HTTP/2");
		done += part;
	}
	if (done)
		h2_sent(t->h2, done);
	return done;
}

/* Has the peer say what it has to say, as it stands in a socket's buffer. */
static inline size_t peer_talks(struct test *t)
{
	static unsigned char socket[3 << 20];
	const uint8_t *bytes;
	size_t n = 0;
	ssize_t r;

	while (n < ((size_t)1 << 20) &&
	       (r = nghttp2_session_mem_send(t->peer.session, &bytes)) > 0) {
		assert_true((size_t)r <= sizeof(socket) - n);
		memcpy(socket + n, bytes, (size_t)r);
		n += (size_t)r;
	}
	give_all(t, socket, n);
	return n;
}

/* Until neither side has anything to say. */
static inline void talk(struct test *t)
{
	while (peer_talks(t) + take(t))
		;
}

static inline void begin_with(struct test *t, size_t pace, uint32_t window, uint32_t frame_max)
{
	memset(t, 0, sizeof(*t));
	t->pace = pace;
	t->h2 = h2_new(&ops, t, 100);
	assert_non_null(t->h2);
	assert_true(peer_init(&t->peer, window, frame_max));
}

static inline struct test *begin(size_t pace)
{
	begin_with(&test, pace, 1 << 20, 1 << 20);
	return &test;
}

static inline void done(struct test *t)
{
	h2_free(t->h2);
	peer_done(&t->peer);
	for (size_t i = 0; i < t->n_streams; i++)
		free(t->streams[i].body);
}

static inline void expect_answer(const struct h2_peer_stream *s, const void *body, size_t n)
{
	assert_true(s->is_closed && s->has_ended);
	assert_int_equal(s->error, NGHTTP2_NO_ERROR);
	assert_int_equal(s->n_answer, n);
	if (n)
		assert_memory_equal(s->answer, body, n);
	assert_string_equal(s->headers,
			    ":status: 200\ncontent-type: application/grpc\ngrpc-status: 0\n");
}

static inline void make_pattern(void)
{
	for (size_t i = 0; i < BODY_MAX; i++)
		pattern[i] = (unsigned char)(i * 7 + i / 251);
}

#endif
