/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/seed.h"

#include <assert.h>

#include "base/bytes.h"
#include "base/status.h"

void seed_decoder_init(struct seed_decoder *decoder, uint64_t model_bytes_max)
{
	*decoder =
		(struct seed_decoder){ .state = SEED_HEADER, .model_bytes_max = model_bytes_max };
}

size_t seed_window(struct seed_decoder *decoder, void **ret_buf)
{
	switch (decoder->state) {
	case SEED_HEADER:
		*ret_buf = decoder->header + decoder->header_bytes;
		return SEED_HEADER_BYTES - decoder->header_bytes;
	case SEED_BODY:
		if (!decoder->body)
			return 0;
		*ret_buf = decoder->body;
		return decoder->body_left < SIZE_MAX ? (size_t)decoder->body_left : SIZE_MAX;
	case SEED_WAITING:
	case SEED_REFUSED:
		break;
	}
	return 0;
}

static void header_complete(struct seed_decoder *decoder, struct tensock_error *reterr)
{
	struct tsk_reader r = tsk_reader(decoder->header, SEED_HEADER_BYTES);
	uint32_t type = tsk_read_u32(&r);

	decoder->id = tsk_read_u32(&r);
	decoder->size = tsk_read_u64(&r);
	assert(tsk_reader_end(&r));
	decoder->state = SEED_REFUSED;
	if (type != SEED_TYPE_MODEL) {
		tsk_fail(reterr, TENSOCK_PROTOCOL, "unknown frame type %u", type);
	} else if (decoder->size == 0) {
		tsk_fail(reterr, TENSOCK_INVALID_MODEL, "a model of 0 bytes");
	} else if (decoder->size > decoder->model_bytes_max) {
		tsk_fail(reterr, TENSOCK_TOO_LARGE,
			 "a model of %llu bytes, above max-model-size, which is %llu",
			 (unsigned long long)decoder->size,
			 (unsigned long long)decoder->model_bytes_max);
	} else {
		decoder->state = SEED_BODY;
		decoder->body_left = decoder->size;
	}
}

void seed_received(struct seed_decoder *decoder, size_t n, struct tensock_error *reterr)
{
	if (decoder->state == SEED_HEADER) {
		assert(n <= SEED_HEADER_BYTES - decoder->header_bytes);
		decoder->header_bytes += n;
		if (decoder->header_bytes == SEED_HEADER_BYTES)
			header_complete(decoder, reterr);
		return;
	}
	assert(decoder->state == SEED_BODY && decoder->body && n <= decoder->body_left);
	decoder->body += n;
	decoder->body_left -= n;
	if (decoder->body_left == 0)
		decoder->state = SEED_WAITING;
}

void seed_body(struct seed_decoder *decoder, void *body)
{
	assert(decoder->state == SEED_BODY && !decoder->body);
	decoder->body = body;
}

void seed_next(struct seed_decoder *decoder)
{
	assert(decoder->state == SEED_WAITING);
	seed_decoder_init(decoder, decoder->model_bytes_max);
}

void seed_refuse(struct seed_decoder *decoder)
{
	decoder->state = SEED_REFUSED;
	decoder->body = NULL;
}

bool seed_is_between(const struct seed_decoder *decoder)
{
	return decoder->state == SEED_HEADER && decoder->header_bytes == 0;
}
