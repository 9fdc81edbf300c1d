/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of gRPC in pieces of hostile sizes: the first byte of the input chooses the sizes, whether
 * they are ModelInferRequests, whether raw contents are wanted, and whether a packed message, which then
 * says its own bytes, is taken; the rest is the body.  Whatever
 * comes, each byte lands in the buffer or in the place of announced contents.
 */
#include "front/protocol/grpc.h"

#include <stdlib.h>
#include <string.h>

#define LENGTH_MAX 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

struct fuzz {
	struct grpc_decoder d;
	unsigned char *unpacked; /* what the last packed one said */
	unsigned char *raw; /* exactly sized, so that a sanitizer sees the first byte too far */
	bool is_wanted;
	bool has_begun;
	uint64_t used; /* bytes of the message, in the buffer and elsewhere */
};

static void begin_raw(struct fuzz *f)
{
	check(f->has_begun && f->d.is_infer && f->d.raw_bytes <= f->d.length);
	free(f->raw);
	f->raw = malloc(f->d.raw_bytes + 1);
	check(f->raw != NULL);
	if (f->is_wanted)
		grpc_place(&f->d, f->raw);
	f->used += f->d.raw_bytes;
}

/* What was fed behind it is lost: a stream that is cut. */
static void unpack(struct fuzz *f)
{
	check(f->d.takes_packed);
	free(f->unpacked);
	f->unpacked = malloc(f->d.n + 1);
	check(f->unpacked != NULL);
	if (f->d.n)
		memcpy(f->unpacked, f->d.buffer, f->d.n);
	grpc_unpacked(&f->d, f->unpacked, (uint32_t)f->d.n);
}

static void end_message(struct fuzz *f)
{
	struct grpc_decoder *d = &f->d;

	check(f->has_begun && d->n <= d->size && d->n + f->used <= d->length);
	check((d->is_infer && !d->is_packed) || d->n == d->length);
	check(d->name_at <= d->n && d->name_bytes <= d->n - d->name_at);
	if (d->is_packed)
		unpack(f);
	else
		f->has_begun = false;
}

static bool take_event(struct fuzz *f)
{
	struct grpc_decoder *d = &f->d;

	switch (grpc_next(d)) {
	case GRPC_MORE:
		return false;
	case GRPC_BEGIN:
		check(!f->has_begun && d->length <= LENGTH_MAX);
		f->has_begun = true;
		f->used = 0;
		break;
	case GRPC_FULL:
		check(f->has_begun && d->needed > d->size && d->needed <= d->length);
		check(grpc_grow(d, d->needed) == 0);
		break;
	case GRPC_RAW:
		begin_raw(f);
		break;
	case GRPC_RAW_END:
		check(f->has_begun && d->raw_left == 0);
		break;
	case GRPC_MESSAGE:
		end_message(f);
		break;
	case GRPC_BROKEN:
		check(d->error.status && d->error.message[0]);
		return false;
	}
	return true;
}

static void headers(const uint8_t *data, size_t size)
{
	char text[64], encoded[GRPC_PERCENT_MAX + 1];
	uint64_t ms;

	size = size < sizeof(text) ? size : sizeof(text) - 1;
	memcpy(text, data, size);
	text[size] = '\0';
	(void)grpc_is_content_type(text);
	if (grpc_timeout_read(text, &ms) == 0)
		check(ms > 0);
	grpc_percent_encode(text, encoded);
	check(strlen(encoded) >= strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { .d = { .length_max = LENGTH_MAX, .limit = "a key" } };
	size_t pace, at = 1;

	if (size == 0)
		return 0;
	headers(data + 1, size - 1);
	pace = data[0] % 32u * (data[0] % 32u) + 1;
	f.d.is_infer = data[0] & 32;
	f.is_wanted = data[0] & 64;
	f.d.takes_packed = data[0] & 128;
	while (at < size) {
		size_t n = size - at < pace ? size - at : pace;
		unsigned char *staging = malloc(n);
		void *place = NULL;
		uint64_t room = grpc_room(&f.d, &place);

		check(staging != NULL);
		n = room && room < n ? (size_t)room : n;
		place = room ? place : staging;
		memcpy(place, data + at, n);
		at += n;
		grpc_feed(&f.d, place, n);
		while (take_event(&f))
			;
		free(staging);
	}
	(void)grpc_is_between(&f.d);
	grpc_decoder_done(&f.d);
	free(f.raw);
	free(f.unpacked);
	return 0;
}
