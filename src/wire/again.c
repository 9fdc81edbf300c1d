/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/again.h"

#include <errno.h>

#include "wire/infer.h"
#include "wire/model.h"
#include "wire/session.h"

static int again_hello(const void *body, size_t size, struct tsk_writer *w)
{
	struct wire_hello hello;
	int r = wire_hello_read(body, size, &hello);

	if (r == 0)
		wire_hello_write(w, &hello);
	return r;
}

static int again_welcome(const void *body, size_t size, struct tsk_writer *w)
{
	struct wire_welcome welcome;
	int r = wire_welcome_read(body, size, &welcome);

	if (r == 0)
		wire_welcome_write(w, &welcome);
	return r;
}

static int again_error(const void *body, size_t size, struct tsk_writer *w)
{
	struct tensock_error error;
	int r = wire_error_read(body, size, &error);

	if (r == 0)
		wire_error_write(w, &error);
	return r;
}

static int again_counters(const void *body, size_t size, struct tsk_writer *w)
{
	struct wire_counter counters[WIRE_COUNTERS_MAX];
	unsigned n;
	int r = wire_counters_read(body, size, counters, &n);

	if (r == 0)
		wire_counters_write(w, counters, n);
	return r;
}

static int again_offer(const void *body, size_t size, struct tsk_writer *w)
{
	struct wire_offer offer;
	int r = wire_offer_read(body, size, &offer);

	if (r == 0)
		wire_offer_write(w, &offer);
	return r;
}

static int again_send(const void *body, size_t size, struct tsk_writer *w)
{
	uint64_t offset;
	int r = wire_send_read(body, size, &offset);

	if (r == 0)
		wire_send_write(w, offset);
	return r;
}

static int again_about(uint32_t flags, const void *body, size_t size, struct tsk_writer *w)
{
	struct wire_about about;
	int r = wire_about_read(body, size, flags, &about);

	if (r == 0)
		wire_about_write(w, &about);
	return r;
}

static int again_model(const void *body, size_t size, struct tsk_writer *w)
{
	struct wire_model model;
	const void *description;
	size_t n;
	int r = wire_model_read(body, size, &model, &description, &n);

	if (r == 0)
		wire_model_write(w, &model, description, n);
	return r;
}

static int again_models(const void *body, size_t size, struct tsk_writer *w)
{
	struct tsk_reader reader;
	uint32_t n;
	int r = wire_models_read(body, size, &reader, &n);

	if (r < 0)
		return r;
	wire_models_begin(w, n);
	for (uint32_t i = 0; i < n; i++) {
		struct wire_model model;

		r = wire_models_next(&reader, i + 1 == n, &model);
		if (r < 0)
			return r;
		wire_models_add(w, &model);
	}
	return 0;
}

/* Behind the metadata: the gap and the payload, as they came. */
static int again_payload(const unsigned char *body, size_t size, uint32_t meta_bytes,
			 uint64_t payload_bytes, struct tsk_writer *w)
{
	uint64_t offset, n;
	int r = wire_body_payload(size, meta_bytes, payload_bytes, &offset, &n);

	if (r == 0)
		tsk_write_bytes(w, body + meta_bytes, (size_t)(offset - meta_bytes + n));
	return r;
}

static int again_infer(const unsigned char *body, size_t size, struct tsk_writer *w)
{
	_cleanup_free_ struct wire_tensor *tensors = NULL;
	struct wire_infer infer;
	uint32_t meta_bytes;
	int r = size < 4 ? -EPROTO : wire_meta_bytes(body, size, &meta_bytes);

	if (r == 0)
		r = wire_infer_read(body, meta_bytes, &infer, &tensors);
	if (r < 0)
		return r;
	wire_infer_write(w, &infer, tensors, tensors + infer.n_inputs);
	return again_payload(body, size, meta_bytes, infer.payload_bytes, w);
}

static int again_infer_memory(const void *body, size_t size, struct tsk_writer *w)
{
	_cleanup_free_ struct wire_tensor *tensors = NULL;
	_cleanup_free_ struct wire_place *places = NULL;
	struct wire_infer_memory infer;
	_cleanup_free_ unsigned char *meta = malloc(size ? size : 1);
	int r = wire_infer_memory_read(body, size, &infer, &tensors, &places);
	struct tsk_writer inlined;

	if (!meta)
		return -ENOMEM;
	if (r < 0)
		return r;
	inlined = tsk_writer(meta, size);
	wire_infer_write(&inlined, &infer.infer, tensors, tensors + infer.infer.n_inputs);
	wire_infer_memory_write(w, meta, tsk_writer_len(&inlined), infer.at, places,
				infer.n_places);
	w->bad |= inlined.bad;
	return 0;
}

static int again_result_memory(const void *body, size_t size, struct tsk_writer *w)
{
	_cleanup_free_ struct wire_tensor *tensors = NULL;
	struct wire_result result;
	int r = wire_result_read(body, size, &result, &tensors);

	if (r == 0)
		wire_result_write(w, &result, tensors);
	return r;
}

static int again_memory(const void *body, size_t size, struct tsk_writer *w)
{
	uint64_t bytes;
	int r = wire_memory_read(body, size, &bytes);

	if (r == 0)
		wire_memory_write(w, bytes);
	return r;
}

static int again_result(const unsigned char *body, size_t size, struct tsk_writer *w)
{
	_cleanup_free_ struct wire_tensor *tensors = NULL;
	struct wire_result result;
	uint32_t meta_bytes;
	int r = size < 4 ? -EPROTO : wire_meta_bytes(body, size, &meta_bytes);

	if (r == 0)
		r = wire_result_read(body, meta_bytes, &result, &tensors);
	if (r < 0)
		return r;
	wire_result_write(w, &result, tensors);
	return again_payload(body, size, meta_bytes, result.payload_bytes, w);
}

int wire_again(uint32_t type, const void *body, size_t size, struct tsk_writer *w)
{
	switch (type) {
	case WIRE_HELLO:
		return again_hello(body, size, w);
	case WIRE_WELCOME:
		return again_welcome(body, size, w);
	case WIRE_ERROR:
	case WIRE_GOAWAY:
		return again_error(body, size, w);
	case WIRE_COUNTERS:
		return again_counters(body, size, w);
	case WIRE_OFFER:
		return again_offer(body, size, w);
	case WIRE_SEND:
		return again_send(body, size, w);
	case WIRE_INFO:
		return again_about(WIRE_INFO_LOAD, body, size, w);
	case WIRE_UNLOAD:
		return again_about(WIRE_UNLOAD_REMOVE, body, size, w);
	case WIRE_MODEL:
		return again_model(body, size, w);
	case WIRE_MODELS:
		return again_models(body, size, w);
	case WIRE_INFER:
		return again_infer(body, size, w);
	case WIRE_RESULT:
		return again_result(body, size, w);
	case WIRE_MEMORY:
		return again_memory(body, size, w);
	case WIRE_INFER_MEMORY:
		return again_infer_memory(body, size, w);
	case WIRE_RESULT_MEMORY:
		return again_result_memory(body, size, w);
	case WIRE_CHUNK:
		tsk_write_bytes(w, body, size);
		return 0;
	default:
		return size ? -EPROTO : 0;
	}
}

bool wire_is_exact(uint32_t type)
{
	return type != WIRE_HELLO && type != WIRE_WELCOME && type != WIRE_ERROR &&
	       type != WIRE_GOAWAY;
}

bool wire_is_announced(uint32_t type, uint64_t size)
{
	unsigned char bytes[WIRE_HEADER_BYTES];
	bool announced = false;

	for (uint32_t id = 0; id < 2; id++) {
		struct wire_header header = { .type = type, .id = id, .size = size };

		wire_header_write(bytes, &header);
		announced |= wire_header_read(bytes, &header) == 0;
	}
	return announced;
}
