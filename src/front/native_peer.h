/* SPDX-License-Identifier: Apache-2.0 */
/* For unit tests only: a guest that speaks native frames to a rig, by the codecs of wire/. */
#ifndef FRONT_NATIVE_PEER_H
#define FRONT_NATIVE_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "front/rig.h"
#include "wire/infer.h"
#include "wire/session.h"

struct peer {
	struct rig *rig;
	int fd;
	/* The frame that came last. */
	struct wire_header header;
	unsigned char body[WIRE_BODY_MAX];
};

/* In one piece: a host that closes over the header lets nobody write the body. */
static inline void peer_send(struct peer *p, uint32_t type, uint32_t id, const void *body, size_t n)
{
	static unsigned char frame[WIRE_HEADER_BYTES + WIRE_BODY_MAX];
	struct wire_header header = { .type = type, .id = id, .size = n };

	wire_header_write(frame, &header);
	if (n)
		memcpy(frame + WIRE_HEADER_BYTES, body, n);
	rig_write(p->rig, p->fd, frame, WIRE_HEADER_BYTES + n);
}

static inline void peer_read(struct peer *p, void *buf, size_t n)
{
	unsigned char *at = buf;

	for (unsigned patience = 0; n;) {
		ssize_t got = read(p->fd, at, n);

		if (got == 0)
			fail_msg("the connection has ended");
		at += got > 0 ? got : 0;
		n -= got > 0 ? (size_t)got : 0;
		rig_run(p->rig, got > 0 ? 0 : 1);
		if (got <= 0 && ++patience > 5000)
			fail_msg("nothing came");
	}
}

static inline void peer_take(struct peer *p)
{
	unsigned char bytes[WIRE_HEADER_BYTES];

	peer_read(p, bytes, sizeof(bytes));
	assert_int_equal(wire_header_read(bytes, &p->header), 0);
	peer_read(p, p->body, p->header.size);
}

/* The next frame is this. */
static inline void peer_expect(struct peer *p, enum wire_type type, uint32_t id)
{
	struct tensock_error error;

	peer_take(p);
	if (p->header.type == WIRE_ERROR && type != WIRE_ERROR &&
	    wire_error_read(p->body, p->header.size, &error) == 0)
		fail_msg("%u: %s", p->header.id, error.message);
	assert_int_equal(p->header.type, type);
	assert_int_equal(p->header.id, id);
}

static inline void peer_expect_error(struct peer *p, uint32_t id, enum tensock_status status,
				     const char *text)
{
	struct tensock_error error;

	peer_expect(p, WIRE_ERROR, id);
	assert_int_equal(wire_error_read(p->body, p->header.size, &error), 0);
	if (!strstr(error.message, text))
		fail_msg("%s", error.message);
	assert_int_equal(error.status, status);
}

static inline void peer_hello_with(struct peer *p, uint32_t min, uint32_t max, uint64_t features)
{
	struct wire_hello hello = { .version_min = min,
				    .version_max = max,
				    .features = features,
				    .program = wire_string("peer") };
	unsigned char body[WIRE_HELLO_BYTES_MAX];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	wire_hello_write(&w, &hello);
	assert_false(w.bad);
	peer_send(p, WIRE_HELLO, 0, body, tsk_writer_len(&w));
}

static inline void peer_hello(struct peer *p, uint32_t min, uint32_t max)
{
	peer_hello_with(p, min, max, 0);
}

static inline void peer_connect(struct peer *p, struct rig *rig)
{
	p->rig = rig;
	p->fd = rig_connect(rig);
	peer_hello(p, 1, 1);
	peer_expect(p, WIRE_WELCOME, 0);
}

static inline void peer_close(struct peer *p)
{
	close(p->fd);
	rig_run(p->rig, 2);
}

static inline void hash_of(const char *model, unsigned char ret[WIRE_HASH_BYTES])
{
	assert_int_equal(EVP_Digest(model, strlen(model), ret, NULL, EVP_sha256(), NULL), 1);
}

static inline struct wire_model_ref ref_of(const char *model)
{
	struct wire_model_ref ref = { .kind = WIRE_BY_HASH };

	hash_of(model, ref.hash);
	return ref;
}

static inline void peer_offer(struct peer *p, uint32_t id, const char *model, const char *name)
{
	struct wire_offer offer = { .size = strlen(model), .name = wire_string(name) };
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	hash_of(model, offer.hash);
	wire_offer_write(&w, &offer);
	assert_false(w.bad);
	peer_send(p, WIRE_OFFER, id, body, tsk_writer_len(&w));
}

/* INFO or UNLOAD. */
static inline void peer_about(struct peer *p, enum wire_type type, uint32_t id, const char *model,
			      uint32_t flags)
{
	struct wire_about about = { .model = ref_of(model), .flags = flags };
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	wire_about_write(&w, &about);
	peer_send(p, type, id, body, tsk_writer_len(&w));
}

/* Uploads and loads it, with a worker of its own. */
static inline struct rig_worker *peer_push(struct peer *p, uint32_t id, const char *model,
					   const char *name)
{
	struct rig_worker *worker;

	peer_offer(p, id, model, name);
	peer_expect(p, WIRE_SEND, id);
	peer_send(p, WIRE_CHUNK, id, model, strlen(model));
	worker = rig_worker_with(p->rig, model);
	peer_expect(p, WIRE_MODEL, id);
	return worker;
}

/* One input "x", FP32 [n / 3, 3], of which `first` bytes go with the first frame. */
struct peer_infer {
	const char *model;
	uint32_t deadline_ms;
	size_t n, first;
};

/* The first frame's body at body; its length. */
static inline size_t peer_infer_body(const struct peer_infer *infer, unsigned char *body,
				     size_t size)
{
	struct wire_tensor x = { .name = wire_string("x"),
				 .index = WIRE_INDEX_NONE,
				 .dtype = TENSOCK_FLOAT32,
				 .rank = 2,
				 .dims = { (int64_t)infer->n / 3, 3 },
				 .bytes = 4 * infer->n };
	struct wire_infer wire = { .model = ref_of(infer->model),
				   .deadline_ms = infer->deadline_ms,
				   .n_inputs = 1 };
	struct tsk_writer w = tsk_writer(body, size);
	size_t meta, offset;

	assert_int_equal(wire_tensors_layout(&x, 1, &wire.payload_bytes), 0);
	wire_infer_write(&w, &wire, &x, NULL);
	assert_false(w.bad);
	meta = tsk_writer_len(&w);
	if (!infer->first)
		return meta;
	(void)wire_first_payload(meta, wire.payload_bytes, &offset);
	memset(body + meta, 0, offset - meta);
	for (size_t i = 0; i < infer->first; i++)
		body[offset + i] = (unsigned char)(i % 199);
	return offset + infer->first;
}

static inline void peer_infer(struct peer *p, uint32_t id, const struct peer_infer *infer)
{
	static unsigned char body[WIRE_BODY_MAX];

	peer_send(p, WIRE_INFER, id, body, peer_infer_body(infer, body, sizeof(body)));
}

/* Three floats, at once. */
static inline void peer_infer_small(struct peer *p, uint32_t id, const char *model)
{
	struct peer_infer infer = { .model = model, .n = 3, .first = 12 };

	peer_infer(p, id, &infer);
}

/* The RESULT to id: one FP32 output "y" of these values. */
static inline void peer_expect_result(struct peer *p, uint32_t id, const float *wanted, unsigned n)
{
	struct wire_tensor *tensors;
	struct wire_result result;
	uint64_t offset, payload;
	uint32_t meta;

	peer_expect(p, WIRE_RESULT, id);
	assert_int_equal(wire_meta_bytes(p->body, p->header.size, &meta), 0);
	assert_int_equal(wire_result_read(p->body, meta, &result, &tensors), 0);
	assert_int_equal(result.n_outputs, 1);
	assert_true(wire_string_equals(tensors[0].name, "y"));
	assert_int_equal(tensors[0].bytes, 4 * n);
	free(tensors);
	assert_int_equal(wire_body_payload(p->header.size, meta, result.payload_bytes, &offset,
					   &payload),
			 0);
	assert_int_equal(payload, 4 * n);
	assert_memory_equal(p->body + offset, wanted, 4 * n);
}

#endif
