/* SPDX-License-Identifier: Apache-2.0 */
/* For unit tests only: a client of gRPC that speaks to a rig, by nghttp2 and protobuf-c. */
#ifndef FRONT_GRPC_TESTING_H
#define FRONT_GRPC_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "front/protocol/grpc.h"
#include "front/protocol/h2_peer.h"
#include "front/protocol/oip_pb_testing.h"
#include "front/models_asked.h"
#include "front/rig.h"

#define INFERENCE "/inference.GRPCInferenceService/"
#define PEER_PATIENCE 5000u

struct client {
	struct rig *rig;
	int fd;
	struct h2_peer h2;
	bool is_closed;  /* by the host */
	bool is_unheard; /* so it seems, by what is sent */
	bool is_lazy;    /* it reads nothing */
};

static inline void client_connect_with(struct client *c, struct rig *rig, uint32_t window)
{
	memset(c, 0, sizeof(*c));
	c->rig = rig;
	c->fd = rig_connect(rig);
	assert_true(peer_init(&c->h2, window, 1 << 20));
}

static inline void client_connect(struct client *c, struct rig *rig)
{
	client_connect_with(c, rig, 8 << 20);
}

static inline void client_close(struct client *c)
{
	close(c->fd);
	peer_done(&c->h2);
	rig_run(c->rig, 2);
}

static inline void client_say(struct client *c)
{
	const uint8_t *bytes;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(c->h2.session, &bytes)) > 0) {
		for (ssize_t at = 0; at < n && !c->is_unheard;) {
			ssize_t sent = send(c->fd, bytes + at, (size_t)(n - at), MSG_NOSIGNAL);

			assert_true(sent > 0 || errno == EAGAIN || errno == EPIPE ||
				    errno == ECONNRESET);
			c->is_unheard |= sent < 0 && errno != EAGAIN;
			at += sent > 0 ? sent : 0;
			rig_run(c->rig, 0);
		}
	}
}

static inline void client_listen(struct client *c)
{
	static unsigned char bytes[65536];
	ssize_t n;

	while (!c->is_lazy && !c->is_closed && (n = read(c->fd, bytes, sizeof(bytes))) != -1) {
		if (n <= 0)
			c->is_closed = true;
		else if (nghttp2_session_mem_recv(c->h2.session, bytes, (size_t)n) != n)
			fail_msg("what came is not HTTP/2");
	}
	if (!c->is_lazy && errno == ECONNRESET)
		c->is_closed = true;
	errno = 0;
}

static inline void client_talk(struct client *c)
{
	client_say(c);
	rig_run(c->rig, 0);
	client_listen(c);
}

/* Until all has been said that may be, by the windows. */
static inline void client_say_all(struct client *c)
{
	for (unsigned quiet = 0; quiet < 3;) {
		client_talk(c);
		quiet = nghttp2_session_want_write(c->h2.session) ? 0 : quiet + 1;
	}
}

static inline void client_await_end(struct client *c, const struct h2_peer_stream *s)
{
	for (unsigned i = 0; !s->is_closed; i++) {
		client_talk(c);
		if (!s->is_closed && (i > PEER_PATIENCE || c->is_closed))
			fail_msg("the call has not ended: %s", s->headers);
	}
}

/* So many bytes of the answer have come. */
static inline void client_await(struct client *c, const struct h2_peer_stream *s, size_t n)
{
	for (unsigned i = 0; s->n_answer < n; i++) {
		client_talk(c);
		if (i > PEER_PATIENCE || c->is_closed || s->is_closed)
			fail_msg("the answer has not come: %s", s->headers);
	}
}

/* Bytes to be sent, which are kept until the test ends. */
struct said {
	unsigned char *bytes;
	size_t n;
};

static inline void said_add(struct said *said, const void *message)
{
	struct oip_pb pb = packed(message);

	said->bytes = realloc(said->bytes, said->n + GRPC_PREFIX_BYTES + pb.n);
	assert_non_null(said->bytes);
	grpc_prefix_write((uint32_t)pb.n, said->bytes + said->n);
	memcpy(said->bytes + said->n + GRPC_PREFIX_BYTES, pb.bytes, pb.n);
	said->n += GRPC_PREFIX_BYTES + pb.n;
	free_pb(&pb);
}

static inline void said_done(struct said *said)
{
	free(said->bytes);
	*said = (struct said){ 0 };
}

/* The nth message of what has come, unpacked. */
static inline void *client_message(const struct h2_peer_stream *s, unsigned n,
				   const ProtobufCMessageDescriptor *type)
{
	size_t at = 0;

	for (;;) {
		const unsigned char *p = s->answer + at;
		struct oip_pb pb;

		assert_true(s->n_answer - at >= GRPC_PREFIX_BYTES);
		assert_int_equal(p[0], 0);
		pb.n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
		assert_true(s->n_answer - at - GRPC_PREFIX_BYTES >= pb.n);
		pb.bytes = (unsigned char *)(uintptr_t)p + GRPC_PREFIX_BYTES;
		if (n-- == 0)
			return unpacked(type, &pb);
		at += GRPC_PREFIX_BYTES + pb.n;
	}
}

static inline unsigned client_messages(const struct h2_peer_stream *s)
{
	unsigned n = 0;

	for (size_t at = 0; s->n_answer - at >= GRPC_PREFIX_BYTES; n++) {
		const unsigned char *p = s->answer + at;
		size_t left = s->n_answer - at - GRPC_PREFIX_BYTES;
		size_t len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];

		if (len > left)
			break;
		at += GRPC_PREFIX_BYTES + len;
	}
	return n;
}

/* It ends with this status, and a message that contains text. */
static inline void client_expect(struct client *c, const struct h2_peer_stream *s, unsigned status,
				 const char *text)
{
	char wanted[64];

	client_await_end(c, s);
	assert_non_null(strstr(s->headers, ":status: 200\ncontent-type: application/grpc\n"));
	snprintf(wanted, sizeof(wanted), "grpc-status: %u\n", status);
	if (!strstr(s->headers, wanted) || !strstr(s->headers, text))
		fail_msg("%s", s->headers);
}

/* A call of one message of these bytes, perhaps without the end of the request. */
static inline struct h2_peer_stream *client_call(struct client *c, const char *path,
						 const struct said *said)
{
	return peer_request(&c->h2, path, NULL, said->bytes, said->n, false);
}

/*
 * ---- Inferences of the rig's model
 */

static int64_t shape[] = { 1, 3 };
static const float x[] = { 1, 2, 3 };

/* A request of x to a model of this name. */
static inline void make(struct test_request *r, char *name)
{
	static ProtobufCBinaryData raw;

	request_init(r);
	r->message.model_name = name;
	r->message.id = "one";
	request_input(r, "x", "FP32", shape, 2);
	raw = (ProtobufCBinaryData){ .data = (uint8_t *)(uintptr_t)x, .len = sizeof(x) };
	r->message.raw_input_contents = &raw;
	r->message.n_raw_input_contents = 1;
}

static inline struct said infer_of(char *name)
{
	struct test_request r = { 0 };
	struct said said = { 0 };

	make(&r, name);
	said_add(&said, &r.message);
	return said;
}

/* A message without fields, or with one string. */
static inline struct said message_of(unsigned field, const char *text)
{
	struct said said = { .n = GRPC_PREFIX_BYTES };
	size_t n = text ? strlen(text) : 0;

	said.bytes = malloc(GRPC_PREFIX_BYTES + 2 + n);
	assert_non_null(said.bytes);
	if (text) {
		said.bytes[5] = (unsigned char)(field << 3 | 2);
		said.bytes[6] = (unsigned char)n;
		memcpy(said.bytes + 7, text, n);
		said.n += 2 + n;
	}
	grpc_prefix_write((uint32_t)(said.n - GRPC_PREFIX_BYTES), said.bytes);
	return said;
}

static inline void expect_result(const struct h2_peer_stream *s)
{
	Inference__ModelInferResponse *r =
		client_message(s, 0, &inference__model_infer_response__descriptor);

	assert_string_equal(r->model_name, "name");
	assert_string_equal(r->model_version, "1");
	assert_string_equal(r->id, "one");
	assert_int_equal(r->n_outputs, 1);
	assert_string_equal(r->outputs[0]->name, "y");
	assert_string_equal(r->outputs[0]->datatype, "FP32");
	assert_int_equal(r->n_raw_output_contents, 1);
	assert_int_equal(r->raw_output_contents[0].len, sizeof(values));
	assert_memory_equal(r->raw_output_contents[0].data, values, sizeof(values));
	free_unpacked(r);
}

/* Plays the worker until a run is there, while the client talks. */
static inline struct run_entry expect_run(struct client *c, struct rig_worker *worker)
{
	struct run_entry start;
	struct run_tensor t;
	unsigned n;
	char *region;

	client_say_all(c);
	start = rig_worker_expect(c->rig, worker, RUN_START);
	region = rig_worker_region(worker, start.in_buffer, start.in_offset, start.in_bytes);
	assert_int_equal(run_read(region, start.in_bytes, &t, 1, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(t.bytes, sizeof(x));
	assert_memory_equal(region + t.offset, x, sizeof(x));
	return start;
}

/* The run that comes gives the values that expect_result() expects. */
static inline void play_run(struct client *c, struct rig_worker *worker)
{
	struct run_entry start = expect_run(c, worker);

	rig_worker_done(worker, &start, values, 2);
}

/* A front whose worker has the model "name", and a client of it. */
static inline struct rig_worker *begin_loaded(struct client *c, struct rig *rig,
					      const struct front_start *limits)
{
	struct rig_worker *worker;

	rig_init(rig, limits);
	worker = push_loaded(rig, "model", "name", "");
	client_connect(c, rig);
	return worker;
}

static inline void end_loaded(struct client *c, struct rig_worker *worker)
{
	struct rig *rig = c->rig;

	client_close(c);
	rig_worker_exit(rig, worker, 0);
	rig_done(rig);
}

static inline void await_messages(struct client *c, const struct h2_peer_stream *s, unsigned n)
{
	for (unsigned i = 0; client_messages(s) < n; i++) {
		client_talk(c);
		if (i > PEER_PATIENCE || c->is_closed || s->is_closed)
			fail_msg("%u messages have come: %s", client_messages(s), s->headers);
	}
}

#endif
