/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/native.h"

#include <assert.h>
#include <string.h>

#include "base/status.h"
#include "wire/infer.h"

/* Payload is received past the buffer where at least so much of it is missing: below, one receive
 * of it and of what follows is cheaper than two. */
#define DIRECT_MIN (NATIVE_BUFFER_BYTES / 2)

/* What an INFER begins with: the lengths of metadata and payload. */
#define HEAD_BYTES 12u

int native_decoder_init(struct native_decoder *decoder)
{
	*decoder = (struct native_decoder){
		.buf = malloc(NATIVE_BUFFER_BYTES),
		.size = NATIVE_BUFFER_BYTES,
		.needed = WIRE_HEADER_BYTES,
	};
	return decoder->buf ? 0 : -ENOMEM;
}

void native_decoder_done(struct native_decoder *decoder)
{
	free(TAKE_PTR(decoder->buf));
}

static size_t buffered(const struct native_decoder *d)
{
	return d->end - d->start;
}

static bool is_direct(const struct native_decoder *d)
{
	return d->place && d->left >= DIRECT_MIN && buffered(d) == 0;
}

/* Makes the buffer as large as it must be, and no larger than it needs to be. */
static void fit_buffer(struct native_decoder *d)
{
	size_t wanted = d->needed > NATIVE_BUFFER_BYTES ? d->needed : NATIVE_BUFFER_BYTES;
	unsigned char *buf;

	memmove(d->buf, d->buf + d->start, buffered(d));
	d->end -= d->start;
	d->start = 0;
	if (wanted == d->size || d->end > wanted)
		return;
	buf = realloc(d->buf, wanted);
	if (!buf)
		return;
	d->buf = buf;
	d->size = wanted;
}

size_t native_window(struct native_decoder *decoder, void **ret_buf)
{
	struct native_decoder *d = decoder;

	if (d->is_broken)
		return 0;
	if (is_direct(d)) {
		*ret_buf = d->place;
		return d->left < SIZE_MAX ? (size_t)d->left : SIZE_MAX;
	}
	if (d->start || d->needed > d->size || d->size > NATIVE_BUFFER_BYTES)
		fit_buffer(d);
	*ret_buf = d->buf + d->end;
	return d->size - d->end;
}

unsigned native_scatter(struct native_decoder *decoder, struct iovec *iov)
{
	struct native_decoder *d = decoder;

	iov[0].iov_len = native_window(d, &iov[0].iov_base);
	if (!iov[0].iov_len || !is_direct(d))
		return iov[0].iov_len > 0;
	/* Of a frame that goes on with it the header alone: payload behind it would be copied twice. */
	iov[1].iov_base = d->buf;
	iov[1].iov_len = d->more >= DIRECT_MIN ? WIRE_HEADER_BYTES : d->size;
	return 2;
}

void native_received(struct native_decoder *decoder, size_t n)
{
	struct native_decoder *d = decoder;
	size_t direct = 0;

	if (is_direct(d)) {
		direct = n < d->left ? n : (size_t)d->left;
		d->place += direct;
		d->left -= direct;
		d->direct += direct;
	}
	assert(n - direct <= d->size - d->end);
	d->end += n - direct;
}

static enum native_event broken(struct native_decoder *d, enum tensock_status status,
				const char *how)
{
	const char *name = wire_type_name(d->header.type);

	(void)tsk_fail(&d->error, status, "%s%s%s", name ? name : "", name ? ": " : "", how);
	d->is_broken = true;
	return NATIVE_BROKEN;
}

/* Until so many bytes from `start` on have come. */
static bool has(struct native_decoder *d, size_t n)
{
	d->needed = n;
	return buffered(d) >= n;
}

static void consume(struct native_decoder *d, size_t n)
{
	d->start += n;
	d->needed = WIRE_HEADER_BYTES;
	if (d->start == d->end)
		d->start = d->end = 0;
}

static enum native_event next_payload(struct native_decoder *d)
{
	size_t n = d->left < buffered(d) ? (size_t)d->left : buffered(d);

	if (n && d->place) {
		memcpy(d->place, d->buf + d->start, n);
		d->place += n;
	}
	if (n)
		consume(d, n);
	d->left -= n;
	d->placed = n + d->direct;
	d->direct = 0;
	return d->placed ? NATIVE_PAYLOAD : NATIVE_MORE;
}

/* The body's own bytes have been looked at; `left` bytes of the frame are still to come. */
static void end_body(struct native_decoder *d, size_t looked_at)
{
	d->body_bytes = looked_at;
	d->left = d->header.size - looked_at;
	d->place = NULL;
	d->is_in_frame = false;
	consume(d, looked_at);
}

static enum native_event next_message(struct native_decoder *d)
{
	if (d->header.size > NATIVE_BUFFER_BYTES && d->header.type != WIRE_INFER_MEMORY)
		return broken(d, TENSOCK_PROTOCOL, "no guest sends this");
	if (!has(d, (size_t)d->header.size))
		return NATIVE_MORE;
	d->body = d->buf + d->start;
	end_body(d, (size_t)d->header.size);
	return NATIVE_MESSAGE;
}

static enum native_event next_infer(struct native_decoder *d)
{
	struct tsk_reader r;
	uint64_t offset, payload;
	uint32_t meta;

	if (d->header.size < HEAD_BYTES)
		return broken(d, TENSOCK_PROTOCOL, "metadata that is cut off");
	if (!has(d, HEAD_BYTES))
		return NATIVE_MORE;
	r = tsk_reader(d->buf + d->start, HEAD_BYTES);
	(void)tsk_read_u32(&r);
	if (wire_meta_bytes(d->buf + d->start, d->header.size, &meta) < 0 ||
	    wire_body_payload(d->header.size, meta, tsk_read_u64(&r), &offset, &payload) < 0)
		return broken(d, TENSOCK_PROTOCOL, "lengths that do not go together");
	if (!has(d, (size_t)offset))
		return NATIVE_MORE;
	d->body = d->buf + d->start;
	end_body(d, (size_t)offset);
	d->body_bytes = meta;
	return NATIVE_INFER;
}

static enum native_event next_in_frame(struct native_decoder *d)
{
	if (d->header.type == WIRE_INFER)
		return next_infer(d);
	if (d->header.type != WIRE_CHUNK)
		return next_message(d);
	end_body(d, 0);
	return NATIVE_CHUNK;
}

static enum native_event next_header(struct native_decoder *d)
{
	if (!has(d, WIRE_HEADER_BYTES))
		return NATIVE_MORE;
	if (wire_header_read(d->buf + d->start, &d->header) < 0) {
		d->header.type = 0;
		return broken(d, TENSOCK_PROTOCOL, "a frame's header that is none");
	}
	consume(d, WIRE_HEADER_BYTES);
	d->is_in_frame = true;
	return next_in_frame(d);
}

enum native_event native_next(struct native_decoder *decoder)
{
	struct native_decoder *d = decoder;
	enum native_event event;

	if (d->is_broken)
		return NATIVE_BROKEN;
	if (d->left || d->direct)
		return next_payload(d);
	event = d->is_in_frame ? next_in_frame(d) : next_header(d);
	if (event == NATIVE_MORE && d->needed > d->size) {
		fit_buffer(d);
		if (d->needed > d->size)
			return broken(d, TENSOCK_OUT_OF_MEMORY, "no memory for its metadata");
	}
	return event;
}

void native_place(struct native_decoder *decoder, void *place, uint64_t more)
{
	decoder->place = place;
	decoder->more = more;
}

bool native_is_between(const struct native_decoder *decoder)
{
	return !decoder->left && !decoder->is_in_frame && buffered(decoder) == 0;
}
