/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP requests in pieces of hostile sizes: the first byte of the input chooses the sizes, and what is
 * done with bodies; the rest is the stream.  Whatever comes, each byte lands in the buffer or in a
 * place that was given, and strings lie in the head.
 */
#include "front/protocol/http.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Exactly sized, so that a sanitizer sees the first byte too far. */
struct place {
	unsigned char *bytes;
	size_t size, filled;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void touch(struct wire_string s)
{
	volatile char touched;

	for (size_t i = 0; i < s.len; i++)
		touched = s.bytes[i];
	(void)touched;
}

static void look_at_head(const struct http_decoder *d)
{
	const struct http_head *head = &d->head;

	check(head->minor <= 1 && !(head->has_length && head->is_chunked));
	check(head->n_segments <= HTTP_SEGMENTS_MAX + 1);
	for (unsigned i = 0; i < head->n_segments && i < HTTP_SEGMENTS_MAX; i++) {
		touch(head->segments[i]);
		check(!memchr(head->segments[i].bytes, 0, head->segments[i].len));
	}
	touch(head->query);
	touch(head->content_type);
	touch(head->id);
	check(!memchr(head->id.bytes ? head->id.bytes : "", '\n', head->id.len));
}

static void give_place(struct http_decoder *d, struct place *place, size_t size)
{
	free(place->bytes);
	*place = (struct place){ .bytes = malloc(size), .size = size };
	check(place->bytes);
	http_place(d, place->bytes, size);
}

/* True while there is more to look at. */
static bool take_event(struct http_decoder *d, struct place *place, size_t room)
{
	switch (http_next(d)) {
	case HTTP_MORE:
		return false;
	case HTTP_BROKEN:
		check(d->error.status && d->error.message[0]);
		check(d->status >= 400 && d->status < 600);
		return false;
	case HTTP_BEGUN:
		look_at_head(d);
		if (room && d->head.has_length && d->head.length)
			give_place(d, place, room);
		return true;
	case HTTP_ROOM:
		check(d->place_left == 0);
		if (room)
			give_place(d, place, room);
		else
			http_discard(d);
		return true;
	case HTTP_PLACED:
		check(d->placed && d->placed <= place->size - place->filled);
		place->filled += d->placed;
		check(d->place_left == place->size - place->filled);
		return true;
	case HTTP_ENDED:
		look_at_head(d);
		return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t pace = size ? data[0] % 64u * (data[0] % 64u) * 8 + 1 : 1;
	size_t room = size && data[0] < 128 ? (size_t)(data[0] & 64 ? 20000 : 5) : 0;
	struct place place = { 0 };
	struct http_decoder d;

	check(http_decoder_init(&d) == 0);
	for (size_t at = 1; at < size;) {
		void *buf = NULL;
		size_t n = http_window(&d, &buf);

		if (n == 0)
			break;
		n = n < pace ? n : pace;
		n = n < size - at ? n : size - at;
		memcpy(buf, data + at, n);
		http_received(&d, n);
		at += n;
		while (take_event(&d, &place, room))
			;
	}
	free(place.bytes);
	http_decoder_done(&d);
	return 0;
}
