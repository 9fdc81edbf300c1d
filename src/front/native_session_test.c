/* SPDX-License-Identifier: Apache-2.0 */
/* Whole native conversations of guests over sockets. */
#include "front/native_session.h"

#include <sys/socket.h>

#include "base/testing.h"
#include "front/native_peer.h"

static const float values[] = { 0.5f, 1 };
static struct peer peer, other;

static void test_greeting(void **state)
{
	struct front_start limits = rig_limits();
	struct wire_welcome welcome;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	assert_int_equal(wire_welcome_read(peer.body, peer.header.size, &welcome), 0);
	assert_int_equal(welcome.version, 1);
	assert_int_equal(welcome.requests_max, limits.requests_max);
	assert_int_equal(welcome.model_bytes_max, limits.model_bytes_max);
	assert_int_equal(welcome.request_bytes_max, limits.request_bytes_max);
	assert_true(wire_string_equals(welcome.guest, "rig"));
	peer_send(&peer, WIRE_PING, 5, NULL, 0);
	peer_expect(&peer, WIRE_PONG, 5);
	peer_send(&peer, WIRE_PING, 0, NULL, 0);
	peer_expect(&peer, WIRE_PONG, 0);
	peer_send(&peer, WIRE_PONG, 9, NULL, 0);
	peer_hello(&peer, 1, 1);
	peer_expect_error(&peer, 0, TENSOCK_PROTOCOL, "HELLO 0: a second one");
	rig_expect_end(&rig, peer.fd);
	peer_close(&peer);
	rig_done(&rig);
}

static void test_versions(void **state)
{
	static const struct {
		uint32_t min, max;
		bool fits;
	} rows[] = { { 1, 7, true }, { 2, 2, false }, { 2, UINT32_MAX, false } };
	struct front_start limits = rig_limits();
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		peer.rig = &rig;
		peer.fd = rig_connect(&rig);
		peer_hello(&peer, rows[i].min, rows[i].max);
		if (rows[i].fits) {
			peer_expect(&peer, WIRE_WELCOME, 0);
		} else {
			peer_expect_error(&peer, 0, TENSOCK_UNSUPPORTED,
					  "speaks version 1 of the protocol, the guest's peer");
			rig_expect_end(&rig, peer.fd);
		}
		peer_close(&peer);
	}
	rig_done(&rig);
}

/* What a model is made of is said to those who asked for it, and no feature that nobody asked for. */
static void test_operators(void **state)
{
	static const struct {
		uint64_t offered, agreed;
	} rows[] = { { 0, 0 }, { WIRE_FEATURE_OPERATORS | 4, WIRE_FEATURE_OPERATORS } };
	struct front_start limits = rig_limits();
	struct wire_welcome welcome;
	struct tsk_model_info info;
	struct rig_worker *worker;
	struct wire_model model;
	const void *description;
	struct rig rig;
	size_t len;

	(void)state;
	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	worker = peer_push(&peer, 1, "model", "cat");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		other.rig = &rig;
		other.fd = rig_connect(&rig);
		peer_hello_with(&other, 1, 1, rows[i].offered);
		peer_expect(&other, WIRE_WELCOME, 0);
		assert_int_equal(wire_welcome_read(other.body, other.header.size, &welcome), 0);
		assert_true(welcome.features == rows[i].agreed);
		peer_about(&other, WIRE_INFO, 1, "model", 0);
		peer_expect(&other, WIRE_MODEL, 1);
		assert_int_equal(wire_model_read(other.body, other.header.size, &model,
						 &description, &len),
				 0);
		assert_int_equal(tsk_model_info_decode(description, len, &info), 0);
		assert_true(rows[i].agreed ? strcmp(info.operators, "Relu 1") == 0
					   : !info.operators);
		tsk_model_info_done(&info);
		peer_close(&other);
	}
	peer_close(&peer);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* Offered, sent, loaded; had the next time; told of; unloaded. */
static void test_models(void **state)
{
	struct front_start limits = rig_limits();
	struct tsk_model_info info;
	struct rig_worker *worker;
	struct wire_model model;
	const void *description;
	struct tsk_reader r;
	struct rig rig;
	uint32_t n;
	size_t len;

	(void)state;
	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	worker = peer_push(&peer, 1, "model", "cat");
	assert_int_equal(wire_model_read(peer.body, peer.header.size, &model, &description, &len),
			 0);
	assert_int_equal(model.state, WIRE_MODEL_READY);
	assert_true(wire_string_equals(model.name, "cat"));
	assert_int_equal(tsk_model_info_decode(description, len, &info), 0);
	assert_string_equal(info.inputs[0].name, "x");
	tsk_model_info_done(&info);
	/* No second worker, no bytes: it is there. */
	peer_connect(&other, &rig);
	peer_offer(&other, 1, "model", "dog");
	peer_expect(&other, WIRE_MODEL, 1);
	peer_about(&other, WIRE_INFO, 1, "model", WIRE_INFO_LOAD);
	peer_expect(&other, WIRE_MODEL, 1);
	peer_about(&other, WIRE_INFO, 2, "mode", 0);
	peer_expect_error(&other, 2, TENSOCK_NOT_FOUND, "no model of this hash");
	peer_send(&other, WIRE_LIST, 3, NULL, 0);
	peer_expect(&other, WIRE_MODELS, 3);
	assert_int_equal(wire_models_read(other.body, other.header.size, &r, &n), 0);
	assert_int_equal(n, 2); /* by both of its names, the last one first */
	assert_int_equal(wire_models_next(&r, false, &model), 0);
	assert_true(wire_string_equals(model.name, "dog"));
	assert_int_equal(wire_models_next(&r, true, &model), 0);
	assert_true(wire_string_equals(model.name, "cat"));
	assert_int_equal(model.size, 5);
	/* DONE when the process has ended, not before. */
	peer_about(&other, WIRE_UNLOAD, 4, "model", WIRE_UNLOAD_REMOVE);
	rig_worker_expect_end(&rig, worker);
	peer_send(&other, WIRE_PING, 5, NULL, 0);
	peer_expect(&other, WIRE_PONG, 5);
	rig_worker_exit(&rig, worker, 0);
	peer_expect(&other, WIRE_DONE, 4);
	peer_about(&other, WIRE_UNLOAD, 4, "model", 0);
	peer_expect_error(&other, 4, TENSOCK_NOT_FOUND, "");
	peer_close(&peer);
	peer_close(&other);
	assert_int_equal(rig.guest->account.used_bytes, 0);
	rig_done(&rig);
}

static void test_stats(void **state)
{
	struct front_start limits = rig_limits();
	struct wire_counter counters[WIRE_COUNTERS_MAX];
	struct rig rig;
	unsigned n;

	(void)state;
	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	peer_infer_small(&peer, 1, "none");
	peer_expect_error(&peer, 1, TENSOCK_NOT_FOUND, "no model of this hash");
	peer_send(&peer, WIRE_STATS, 2, NULL, 0);
	peer_expect(&peer, WIRE_COUNTERS, 2);
	assert_int_equal(wire_counters_read(peer.body, peer.header.size, counters, &n), 0);
	assert_true(wire_string_equals(counters[2].name, "requests-accepted"));
	assert_int_equal(counters[2].value, 1);
	assert_true(wire_string_equals(counters[4].name, "requests-error"));
	assert_int_equal(counters[4].value, 1);
	peer_close(&peer);
	rig_done(&rig);
}

/* Inputs where the worker reads them; many under way; errors by their id. */
static void test_infer(void **state)
{
	struct front_start limits = rig_limits();
	struct peer_infer wrong = { .model = "model", .n = 3, .first = 12 };
	struct rig_worker *worker;
	struct run_tensor tensor;
	struct run_entry start;
	unsigned char *region, body[1024];
	struct rig rig;
	unsigned n;
	size_t len;

	(void)state;
	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	worker = peer_push(&peer, 1, "model", "");
	for (uint32_t id = 10; id < 20; id++)
		peer_infer_small(&peer, id, "model");
	for (uint32_t id = 10; id < 20; id++) {
		start = rig_worker_expect(&rig, worker, RUN_START);
		region =
			rig_worker_region(worker, start.in_buffer, start.in_offset, start.in_bytes);
		assert_int_equal(run_read(region, start.in_bytes, &tensor, 1, &n), 0);
		assert_int_equal(tensor.bytes, 12);
		for (unsigned i = 0; i < 12; i++)
			assert_int_equal(region[tensor.offset + i], i);
		rig_worker_done(worker, &start, values, 2);
		peer_expect_result(&peer, id, values, 2);
	}
	/* What the model cannot take. */
	len = peer_infer_body(&wrong, body, sizeof(body));
	body[12 + 4 + 33 + 8 + 2] = 'z';
	peer_send(&peer, WIRE_INFER, 30, body, len);
	peer_expect_error(&peer, 30, TENSOCK_INVALID_ARGUMENT, "the model has no input \"z\"");
	/* What the worker says. */
	peer_infer_small(&peer, 31, "model");
	start = rig_worker_expect(&rig, worker, RUN_START);
	rig_worker_error(worker, &start, TENSOCK_ENGINE_FAILED, "it does not like it");
	peer_expect_error(&peer, 31, TENSOCK_ENGINE_FAILED, "it does not like it");
	assert_int_equal(rig.guest->n_calls, 0);
	peer_close(&peer);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* In chunks, with another's small request between them, answered meanwhile. */
static void test_large_and_small(void **state)
{
	enum {
		FLOATS = 150000
	};
	static unsigned char chunk[4 * FLOATS];
	struct peer_infer large = { .model = "model", .n = FLOATS, .first = 100000 };
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct run_tensor tensor;
	struct run_entry start;
	unsigned char *region;
	struct rig rig;
	unsigned n;

	(void)state;
	for (size_t i = 0; i < sizeof(chunk); i++)
		chunk[i] = (unsigned char)(i % 199);
	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	worker = peer_push(&peer, 1, "model", "");
	peer_infer(&peer, 2, &large);
	for (size_t at = large.first; at < sizeof(chunk);) {
		size_t part = sizeof(chunk) - at < 200000 ? sizeof(chunk) - at : 200000;

		peer_infer_small(&peer, 3, "model");
		start = rig_worker_expect(&rig, worker, RUN_START);
		rig_worker_done(worker, &start, values, 1);
		peer_expect_result(&peer, 3, values, 1);
		peer_send(&peer, WIRE_CHUNK, 2, chunk + at, part);
		at += part;
	}
	start = rig_worker_expect(&rig, worker, RUN_START);
	region = rig_worker_region(worker, start.in_buffer, start.in_offset, start.in_bytes);
	assert_int_equal(run_read(region, start.in_bytes, &tensor, 1, &n), 0);
	assert_int_equal(tensor.bytes, sizeof(chunk));
	/* The first frame's bytes begin at 0, the chunks' go on where it ended. */
	assert_memory_equal(region + tensor.offset, chunk, sizeof(chunk));
	rig_worker_done(worker, &start, values, 2);
	peer_expect_result(&peer, 2, values, 2);
	peer_close(&peer);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* Requests that end by cancel or deadline while one runs, one is next and one is received. */
static void ends_early(uint32_t deadline_ms, enum tensock_status status, const char *text)
{
	struct peer_infer infer = { .model = "model", .deadline_ms = deadline_ms, .n = 300 };
	static unsigned char chunk[1200];
	struct front_start limits = rig_limits();
	struct run_entry starts[2], start;
	struct rig_worker *worker;
	struct rig rig;

	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	worker = peer_push(&peer, 1, "model", "");
	for (uint32_t id = 2; id < 5; id++) {
		infer.first = id < 4 ? 1200 : 0;
		peer_infer(&peer, id, &infer);
	}
	for (unsigned i = 0; i < 2; i++)
		starts[i] = rig_worker_expect(&rig, worker, RUN_START);
	for (uint32_t id = 2; id < 5 && !deadline_ms; id++)
		peer_send(&peer, WIRE_CANCEL, id, NULL, 0);
	for (uint32_t id = 2; id < 5; id++)
		peer_expect_error(&peer, id, status, text);
	for (unsigned i = 0; i < 2; i++)
		(void)rig_worker_expect(&rig, worker, RUN_CANCEL);
	/* What comes for them now is nobody's; and the connection goes on. */
	peer_send(&peer, WIRE_CHUNK, 4, chunk, sizeof(chunk));
	peer_send(&peer, WIRE_CANCEL, 2, NULL, 0);
	peer_infer_small(&peer, 2, "model");
	for (unsigned i = 0; i < 2; i++)
		rig_worker_done(worker, &starts[i], values, 1);
	start = rig_worker_expect(&rig, worker, RUN_START);
	rig_worker_done(worker, &start, values, 2);
	peer_expect_result(&peer, 2, values, 2);
	assert_int_equal(rig.guest->counters.cancelled, deadline_ms ? 0 : 3);
	assert_int_equal(rig.guest->counters.error, deadline_ms ? 3 : 0);
	assert_int_equal(rig.guest->n_calls, 0);
	peer_close(&peer);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

static void test_cancel(void **state)
{
	(void)state;
	ends_early(0, TENSOCK_CANCELLED, "cancelled by the guest");
}

static void test_deadline(void **state)
{
	(void)state;
	ends_early(30, TENSOCK_DEADLINE_EXCEEDED, "not answered within its deadline");
}

static void test_upload_is_cancelled(void **state)
{
	struct front_start limits = rig_limits();
	struct rig rig;

	(void)state;
	limits.workers_max = 0;
	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	peer_offer(&peer, 1, "model", "");
	peer_expect(&peer, WIRE_SEND, 1);
	peer_send(&peer, WIRE_CHUNK, 1, "mod", 3);
	peer_send(&peer, WIRE_CANCEL, 1, NULL, 0);
	peer_expect_error(&peer, 1, TENSOCK_CANCELLED, "");
	peer_send(&peer, WIRE_CHUNK, 1, "el", 2);
	assert_int_equal(rig.guest->account.used_bytes, 0);
	/* Of one that breaks off with its connection the beginning is kept. */
	peer_offer(&peer, 1, "model", "");
	peer_expect(&peer, WIRE_SEND, 1);
	peer_send(&peer, WIRE_CHUNK, 1, "mod", 3);
	peer_close(&peer);
	assert_int_equal(rig.guest->counters.reset, 1);
	peer_connect(&peer, &rig);
	peer_offer(&peer, 8, "model", "");
	peer_expect(&peer, WIRE_SEND, 8);
	assert_int_equal(peer.body[0], 3);
	/* More than is missing. */
	peer_send(&peer, WIRE_CHUNK, 8, "elll", 4);
	peer_expect_error(&peer, 0, TENSOCK_PROTOCOL, "CHUNK 8: more bytes than were announced");
	rig_expect_end(&rig, peer.fd);
	peer_close(&peer);
	rig_done(&rig);
}

/* Other bytes than were offered, and bytes that are no model. */
static void test_wrong_models(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	peer_offer(&peer, 1, "model", "");
	peer_expect(&peer, WIRE_SEND, 1);
	peer_send(&peer, WIRE_CHUNK, 1, "mode1", 5);
	peer_expect_error(&peer, 1, TENSOCK_INVALID_ARGUMENT, "");
	peer_offer(&peer, 2, "no model", "");
	peer_expect(&peer, WIRE_SEND, 2);
	peer_send(&peer, WIRE_CHUNK, 2, "no model", 8);
	worker = rig_worker_new(&rig);
	rig_worker_expect_load(&rig, worker, "no model");
	rig_worker_send(worker, WORKER_FAILED, TENSOCK_INVALID_MODEL, "it is none");
	peer_expect_error(&peer, 2, TENSOCK_INVALID_MODEL, "it is none");
	rig_worker_exit(&rig, worker, 0);
	peer_infer_small(&peer, 3, "no model");
	peer_expect_error(&peer, 3, TENSOCK_NOT_FOUND, "");
	peer_close(&peer);
	rig_done(&rig);
}

static void test_limits(void **state)
{
	static unsigned char chunk[100000];
	struct front_start limits = rig_limits();
	struct peer_infer infer = { .model = "model", .n = 90000 };
	char *large = calloc(1, 2 << 20);
	struct rig_worker *worker;
	struct rig rig;

	(void)state;
	limits.request_bytes_max = 300000;
	limits.requests_max = 3;
	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	worker = peer_push(&peer, 1, "model", "");
	peer_infer(&peer, 2, &infer);
	peer_expect_error(&peer, 2, TENSOCK_TOO_LARGE,
			  "360000 bytes, above max-request-size, which is 300000");
	peer_send(&peer, WIRE_CHUNK, 2, chunk, sizeof(chunk));
	memset(large, 'l', (2 << 20) - 1);
	peer_offer(&peer, 2, large, "");
	peer_expect_error(&peer, 2, TENSOCK_TOO_LARGE, "a model of 2097151 bytes");
	free(large);
	/* Requests: of the connection, and of the guest. */
	for (uint32_t id = 2; id < 5; id++)
		peer_infer_small(&peer, id, "model");
	peer_infer_small(&peer, 5, "model");
	peer_expect_error(&peer, 5, TENSOCK_LIMIT_REACHED, "3 requests are under way on this");
	peer_connect(&other, &rig);
	peer_infer_small(&other, 1, "model");
	peer_expect_error(&other, 1, TENSOCK_LIMIT_REACHED, "3 requests of this guest");
	peer_send(&other, WIRE_LIST, 2, NULL, 0);
	peer_expect(&other, WIRE_MODELS, 2);
	peer_close(&peer);
	assert_int_equal(rig.guest->counters.cancelled, 3);
	assert_int_equal(rig.guest->n_calls, 0);
	peer_close(&other);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

static void broken(struct rig *rig, uint32_t type, uint32_t id, const void *body, size_t n)
{
	peer_connect(&peer, rig);
	peer_send(&peer, type, id, body, n);
	peer_expect_error(&peer, 0, TENSOCK_PROTOCOL, "");
	rig_expect_end(rig, peer.fd);
	peer_close(&peer);
	assert_int_equal(rig->guest->account.used_bytes, 0);
}

/* What no guest may say. */
static void test_broken_rules(void **state)
{
	static const uint32_t hosts[] = { WIRE_WELCOME,  WIRE_SEND,  WIRE_MODEL,
					  WIRE_MODELS,   WIRE_DONE,  WIRE_RESULT,
					  WIRE_COUNTERS, WIRE_ERROR, WIRE_GOAWAY };
	static const uint32_t ours[] = { WIRE_OFFER, WIRE_INFO, WIRE_UNLOAD, WIRE_INFER, 99 };
	static const unsigned char rubbish[300] = { 0xff, 1, 2, 3 };
	struct front_start limits = rig_limits();
	struct rig rig;

	(void)state;
	limits.workers_max = 0;
	rig_init(&rig, &limits);
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		bool has_id = hosts[i] != WIRE_WELCOME && hosts[i] != WIRE_GOAWAY;

		broken(&rig, hosts[i], has_id, rubbish, hosts[i] == WIRE_DONE ? 0 : 8);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		broken(&rig, ours[i], 1, rubbish, 30);
		broken(&rig, ours[i], 1, rubbish, sizeof(rubbish));
		broken(&rig, ours[i], 0, rubbish, 30);
	}
	broken(&rig, WIRE_LIST, 1, rubbish, 1);
	broken(&rig, WIRE_CANCEL, 0, NULL, 0);
	/* An id twice. */
	peer_connect(&peer, &rig);
	peer_offer(&peer, 1, "model", "");
	peer_expect(&peer, WIRE_SEND, 1);
	peer_send(&peer, WIRE_LIST, 1, NULL, 0);
	peer_expect_error(&peer, 0, TENSOCK_PROTOCOL, "LIST 1: a request of this id is under way");
	rig_expect_end(&rig, peer.fd);
	peer_close(&peer);
	assert_int_equal(rig.guest->counters.reset, 1);
	rig_done(&rig);
}

/* Everything up to a byte, then gone, by an end or at once. */
static void test_gone_at_every_byte(void **state)
{
	struct peer_infer infer = { .model = "model", .n = 3, .first = 12 };
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	unsigned char frame[512];
	struct run_entry start;
	uint64_t used, reset;
	struct rig rig;
	size_t n;

	(void)state;
	rig_init(&rig, &limits);
	peer_connect(&other, &rig);
	worker = peer_push(&other, 1, "model", "");
	n = WIRE_HEADER_BYTES +
	    peer_infer_body(&infer, frame + WIRE_HEADER_BYTES, sizeof(frame) - WIRE_HEADER_BYTES);
	wire_header_write(frame, &(struct wire_header){ WIRE_INFER, 1, n - WIRE_HEADER_BYTES });
	used = rig.guest->account.used_bytes;
	for (size_t cut = 0; cut <= n; cut++) {
		peer_connect(&peer, &rig);
		rig_write(&rig, peer.fd, frame, cut);
		reset = rig.guest->counters.reset;
		if (cut == n) {
			start = rig_worker_expect(&rig, worker, RUN_START);
		} else if (cut % 2) {
			shutdown(peer.fd, SHUT_WR);
			rig_expect_end(&rig, peer.fd);
		}
		peer_close(&peer);
		assert_int_equal(rig.guest->sessions.n, 1);
		assert_int_equal(rig.guest->n_calls, 0);
		assert_true(rig.guest->counters.reset <= reset + 1);
	}
	assert_int_equal(rig.guest->counters.reset, 12); /* one for each byte of payload */
	assert_int_equal(rig.guest->counters.cancelled, 1);
	(void)rig_worker_expect(&rig, worker, RUN_CANCEL);
	rig_worker_done(worker, &start, values, 1);
	rig_run(&rig, 2);
	/* Buffers are kept, but no more than one run's. */
	assert_true(rig.guest->account.used_bytes <= used + (2 << 17));
	peer_close(&other);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

static void test_half_close(void **state)
{
	struct front_start limits = rig_limits();
	struct peer_infer infer = { .model = "model", .n = 300 };
	struct rig_worker *worker;
	struct run_entry start;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	worker = peer_push(&peer, 1, "model", "");
	peer_infer_small(&peer, 2, "model");
	peer_infer(&peer, 3, &infer); /* will never be whole */
	shutdown(peer.fd, SHUT_WR);
	start = rig_worker_expect(&rig, worker, RUN_START);
	rig_run(&rig, 5);
	assert_int_equal(rig.guest->counters.reset, 1);
	rig_worker_done(worker, &start, values, 2);
	peer_expect_result(&peer, 2, values, 2);
	rig_expect_end(&rig, peer.fd);
	peer_close(&peer);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

static void test_stop(void **state)
{
	struct front_start limits = rig_limits();
	struct peer_infer infer = { .model = "model", .n = 3 };
	static const unsigned char payload[12];
	struct rig_worker *worker;
	struct run_entry start;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	peer_connect(&other, &rig);
	worker = peer_push(&peer, 1, "model", "");
	peer_infer_small(&peer, 2, "model");
	peer_infer(&peer, 3, &infer);
	start = rig_worker_expect(&rig, worker, RUN_START);
	rig_send(&rig, FRONT_STOP, 0, 0, 0, -1);
	peer_expect(&other, WIRE_GOAWAY, 0);
	rig_expect_end(&rig, other.fd);
	peer_close(&other);
	peer_expect(&peer, WIRE_GOAWAY, 0);
	peer_infer_small(&peer, 4, "model");
	peer_expect_error(&peer, 4, TENSOCK_UNAVAILABLE, "going down");
	peer_send(&peer, WIRE_CHUNK, 3, payload, sizeof(payload));
	rig_worker_done(worker, &start, values, 2);
	peer_expect_result(&peer, 2, values, 2);
	start = rig_worker_expect(&rig, worker, RUN_START);
	rig_worker_done(worker, &start, values, 2);
	peer_expect_result(&peer, 3, values, 2);
	rig_expect_end(&rig, peer.fd);
	peer_close(&peer);
	assert_true(rig.guest->has_ended);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* The time to stop is over: a load, and an upload and an INFER that are not whole, are told so. */
static void test_stop_time(void **state)
{
	struct front_start limits = rig_limits();
	struct peer_infer infer = { .model = "model", .n = 3 };
	struct rig_worker *worker, *second;
	struct rig rig;

	(void)state;
	limits.run_deadline_ms = 500;
	limits.load_deadline_ms = 60000;
	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	worker = peer_push(&peer, 1, "model", "");
	peer_offer(&peer, 2, "slow", "");
	peer_expect(&peer, WIRE_SEND, 2);
	peer_send(&peer, WIRE_CHUNK, 2, "slow", 4);
	second = rig_worker_new(&rig);
	rig_worker_expect_load(&rig, second, "slow");
	peer_offer(&peer, 3, "never whole", "");
	peer_expect(&peer, WIRE_SEND, 3);
	peer_infer(&peer, 4, &infer);
	rig_send(&rig, FRONT_STOP, 0, 0, 0, -1);
	peer_expect(&peer, WIRE_GOAWAY, 0);
	/* Both wait for nothing. */
	peer_send(&peer, WIRE_LIST, 5, NULL, 0);
	peer_expect(&peer, WIRE_MODELS, 5);
	peer_send(&peer, WIRE_STATS, 6, NULL, 0);
	peer_expect(&peer, WIRE_COUNTERS, 6);
	assert_false(rig.guest->has_ended);
	for (uint32_t id = 2; id <= 4; id++)
		peer_expect_error(&peer, id, TENSOCK_UNAVAILABLE, "takes too long");
	rig_expect_end(&rig, peer.fd);
	assert_true(rig.guest->has_ended);
	peer_close(&peer);
	rig_worker_exit(&rig, worker, 0);
	rig_worker_exit(&rig, second, 0);
	rig_done(&rig);
}

/* A guest that takes no answers is not waited for. */
static void test_stop_of_the_deaf(void **state)
{
	struct front_start limits = rig_limits();
	struct wire_header ping = { .type = WIRE_PING, .id = 1 };
	unsigned char frame[WIRE_HEADER_BYTES];
	struct rig rig;

	(void)state;
	limits.run_deadline_ms = 20;
	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	wire_header_write(frame, &ping);
	for (unsigned vain = 0; vain < 100;) {
		if (write(peer.fd, frame, sizeof(frame)) == sizeof(frame)) {
			vain = 0;
			continue;
		}
		rig_run(&rig, 1);
		vain++;
	}
	rig_send(&rig, FRONT_STOP, 0, 0, 0, -1);
	for (unsigned i = 0; i < 20000 && !rig.guest->has_ended; i++)
		rig_run(&rig, 1);
	rig_expect_log(&rig, "do not take their answers");
	assert_true(rig.guest->has_ended);
	peer_close(&peer);
	rig_done(&rig);
}

/* Silence within a frame or within payload ends a connection; a quiet one stays. */
static void test_silence(void **state)
{
	const unsigned idle_ms = 300; /* more than a busy machine takes for a push */
	struct front_start limits = rig_limits();
	struct peer_infer infer = { .model = "model", .n = 300 };
	static struct peer quiet;
	struct rig_worker *worker;
	struct rig rig;

	(void)state;
	limits.idle_timeout_ms = idle_ms;
	rig_init(&rig, &limits);
	peer_connect(&quiet, &rig);
	worker = peer_push(&quiet, 1, "model", "");
	peer_connect(&peer, &rig);
	rig_write(&rig, peer.fd, "\x15", 1);
	rig_expect_end(&rig, peer.fd);
	peer_close(&peer);
	peer_connect(&peer, &rig);
	peer_infer(&peer, 3, &infer);
	rig_expect_end(&rig, peer.fd);
	peer_close(&peer);
	assert_int_equal(rig.guest->counters.reset, 1);
	/* While its request runs, it is the host that is waited for. */
	peer_infer_small(&quiet, 2, "model");
	(void)rig_worker_expect(&rig, worker, RUN_START);
	rig_run(&rig, 3 * idle_ms / 2);
	assert_int_equal(rig.guest->sessions.n, 1);
	assert_int_equal(rig.guest->n_calls, 1);
	peer_close(&quiet);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* Paused by full output, it goes on where it stood: each is answered, in any order. */
static void test_goes_on_after_a_pause(void **state)
{
	enum {
		FRAMES = 4000
	};
	static unsigned char frames[16 * FRAMES], answered[FRAMES];
	struct front_start limits = rig_limits();
	unsigned taken = 0;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	for (unsigned i = 0; i < FRAMES; i++)
		wire_header_write(frames + 16 * i, &(struct wire_header){ WIRE_STATS, 1 + i, 0 });
	for (size_t at = 0; at < sizeof(frames) || taken < FRAMES;) {
		ssize_t n = send(peer.fd, frames + at, sizeof(frames) - at, MSG_NOSIGNAL);

		at += n > 0 ? (size_t)n : 0;
		rig_run(&rig, 0);
		if (n > 0)
			continue;
		peer_take(&peer);
		assert_int_equal(peer.header.type, WIRE_COUNTERS);
		assert_in_range(peer.header.id, 1, FRAMES);
		assert_int_equal(answered[peer.header.id - 1]++, 0);
		taken++;
	}
	peer_close(&peer);
	rig_done(&rig);
}

/* The worker dies under one request: it has an error, the others a second worker. */
static void test_worker_dies(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct run_entry start;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	peer_connect(&peer, &rig);
	worker = peer_push(&peer, 1, "model", "");
	peer_infer_small(&peer, 2, "model");
	peer_infer_small(&peer, 3, "model");
	(void)rig_worker_expect(&rig, worker, RUN_START);
	rig_worker_exit(&rig, worker, 11);
	peer_expect_error(&peer, 2, TENSOCK_WORKER_DIED, "");
	worker = rig_worker_with(&rig, "model");
	start = rig_worker_expect(&rig, worker, RUN_START);
	rig_worker_done(worker, &start, values, 2);
	peer_expect_result(&peer, 3, values, 2);
	peer_close(&peer);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_greeting),        TSK_TEST(test_versions),
		TSK_TEST(test_operators),       TSK_TEST(test_models),
		TSK_TEST(test_stats),           TSK_TEST(test_infer),
		TSK_TEST(test_large_and_small), TSK_TEST(test_cancel),
		TSK_TEST(test_deadline),        TSK_TEST(test_upload_is_cancelled),
		TSK_TEST(test_wrong_models),    TSK_TEST(test_limits),
		TSK_TEST(test_broken_rules),    TSK_TEST(test_gone_at_every_byte),
		TSK_TEST(test_half_close),      TSK_TEST(test_stop),
		TSK_TEST(test_stop_time),       TSK_TEST(test_stop_of_the_deaf),
		TSK_TEST(test_silence),         TSK_TEST(test_goes_on_after_a_pause),
		TSK_TEST(test_worker_dies),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
