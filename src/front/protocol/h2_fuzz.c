/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/2 client that may not keep the rules: the first byte of the input chooses the sizes of the
 * pieces, and how the server's side behaves; the rest is what the client sends, behind the preface.
 * Whatever comes, streams begin and end once, bodies' bytes land within their places, memory stays
 * bounded, and what goes out are whole frames.
 */
#include "front/protocol/h2.h"

#include <stdlib.h>
#include <string.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define PLACE_BYTES 20000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

struct stream {
	struct stream *next;
	struct fuzz *fuzz;
	int32_t id;
	unsigned char *place; /* exactly sized */
	size_t filled, answered;
	bool has_ended;
};

struct fuzz {
	struct h2 *h2;
	struct stream *streams, *closed; /* those may have bytes that go out */
	bool has_places, answers_early, is_slow;
	unsigned char header[9]; /* of the frame that goes out */
	size_t n_header, left;
};

static const struct h2_header head[] = { { ":status", "200" } };
static const struct h2_header trailers[] = { { "grpc-status", "0" } };

static void *on_request(void *context, int32_t id, const struct h2_head *fields)
{
	struct fuzz *f = context;
	struct stream *s = calloc(1, sizeof(*s));

	for (unsigned i = 0; i < H2_FIELDS; i++)
		check(strlen(fields->values[i]) <= H2_VALUE_MAX);
	check(s != NULL);
	s->place = malloc(PLACE_BYTES);
	check(s->place != NULL);
	*s = (struct stream){ .next = f->streams, .fuzz = f, .id = id, .place = s->place };
	f->streams = s;
	if (f->answers_early)
		check(h2_respond(f->h2, id, head, 1, s) == 0);
	return s;
}

static uint64_t on_place(void *stream, void **ret_place)
{
	struct stream *s = stream;

	if (!s->fuzz->has_places || s->has_ended)
		return 0;
	*ret_place = s->place + s->filled;
	return PLACE_BYTES - s->filled;
}

static size_t on_body(void *stream, const unsigned char *bytes, size_t n)
{
	struct stream *s = stream;
	size_t room = PLACE_BYTES - s->filled, part = n < room ? n : room;

	check(!s->has_ended && n > 0);
	if (bytes != s->place + s->filled)
		memcpy(s->place + s->filled, bytes, part);
	s->filled += part;
	if (s->fuzz->answers_early)
		h2_resume(s->fuzz->h2, s->id);
	return s->fuzz->is_slow ? n / 2 : n;
}

static void on_ended(void *stream)
{
	struct stream *s = stream;

	check(!s->has_ended);
	s->has_ended = true;
	if (!s->fuzz->answers_early)
		check(h2_respond(s->fuzz->h2, s->id, head, 1, s) == 0);
	else
		h2_resume(s->fuzz->h2, s->id);
}

static void on_answer(void *stream, size_t max, struct h2_frame *ret)
{
	struct stream *s = stream;
	size_t n = s->filled - s->answered;

	n = n < max ? n : max;
	if (n) {
		ret->pieces[ret->n_pieces++] = (struct iovec){ s->place + s->answered, n };
		ret->bytes = n;
	}
	s->answered += n;
	ret->is_last = s->has_ended && s->answered == s->filled;
	ret->trailers = trailers;
	ret->n_trailers = 1;
}

static void on_closed(void *stream)
{
	struct stream *s = stream, **at = &s->fuzz->streams;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->next = s->fuzz->closed;
	s->fuzz->closed = s;
}

static void free_streams(struct stream **list)
{
	while (*list) {
		struct stream *s = *list;

		*list = s->next;
		free(s->place);
		free(s);
	}
}

static void on_drained(void *context)
{
	struct fuzz *f = context;

	free_streams(&f->closed);
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

static void take_bytes(struct fuzz *f, const unsigned char *bytes, size_t n)
{
	while (n) {
		size_t room = f->left ? f->left : sizeof(f->header) - f->n_header;
		size_t part = n < room ? n : room;

		if (f->left) {
			f->left -= part;
		} else {
			memcpy(f->header + f->n_header, bytes, part);
			f->n_header += part;
			if (f->n_header == sizeof(f->header)) {
				f->n_header = 0;
				f->left = (size_t)f->header[0] << 16 | (size_t)f->header[1] << 8 |
					  f->header[2];
				check(f->header[3] <= 8 && f->left <= 65536);
			}
		}
		bytes += part;
		n -= part;
	}
}

static void take_output(struct fuzz *f, size_t pace)
{
	struct iovec iov[3];
	unsigned n;

	while ((n = h2_gather(f->h2, iov, 3))) {
		size_t done = 0;

		for (unsigned i = 0; i < n && done < pace; i++) {
			size_t part = iov[i].iov_len < pace - done ? iov[i].iov_len : pace - done;

			check(part > 0);
			take_bytes(f, iov[i].iov_base, part);
			done += part;
		}
		h2_sent(f->h2, done);
	}
}

/* False: nothing more is wanted. */
static bool give(struct fuzz *f, const uint8_t *data, size_t n, size_t pace)
{
	while (n) {
		struct iovec iov[2];
		unsigned n_iov = h2_scatter(f->h2, iov);
		size_t done = 0;

		if (!n_iov)
			return false;
		for (unsigned i = 0; i < n_iov && done < n && done < pace; i++) {
			size_t part = iov[i].iov_len < n - done ? iov[i].iov_len : n - done;

			part = part < pace - done ? part : pace - done;
			memcpy(iov[i].iov_base, data + done, part);
			done += part;
		}
		h2_received(f->h2, done);
		check(h2_memory(f->h2) < H2_MEMORY_MAX);
		(void)h2_is_between(f->h2);
		data += done;
		n -= done;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { 0 };
	size_t pace, part = 4096;

	if (size == 0)
		return 0;
	pace = data[0] % 32u * (data[0] % 32u) * 64 + 1;
	f.has_places = data[0] & 32;
	f.answers_early = data[0] & 64;
	f.is_slow = data[0] & 128;
	f.h2 = h2_new(&ops, &f, 16);
	check(f.h2 != NULL);
	if (give(&f, (const uint8_t *)PREFACE, sizeof(PREFACE) - 1, pace)) {
		for (size_t at = 1; at < size; at += part) {
			part = size - at < part ? size - at : part;
			if (!give(&f, data + at, part, pace))
				break;
			take_output(&f, pace);
		}
	}
	h2_go_away(f.h2, "enough");
	take_output(&f, pace);
	if (h2_is_over(f.h2))
		(void)h2_reason(f.h2);
	else
		check(f.n_header == 0 && f.left == 0);
	h2_free(f.h2);
	free_streams(&f.streams);
	free_streams(&f.closed);
	return 0;
}
