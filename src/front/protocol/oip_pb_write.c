/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/oip_pb_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/protowire.h"
#include "base/utf8.h"

#define ROOM_MIN 256u

void pb_writer_init(struct pb_writer *w)
{
	*w = (struct pb_writer){ .bytes = malloc(ROOM_MIN), .room = ROOM_MIN };
	w->is_failed = !w->bytes;
}

int pb_writer_end(struct pb_writer *w, struct oip_pb *ret)
{
	if (w->is_failed) {
		free(TAKE_PTR(w->bytes));
		return -ENOMEM;
	}
	*ret = (struct oip_pb){ .bytes = TAKE_PTR(w->bytes), .n = w->n };
	return 0;
}

/* Room for n bytes more, or false. */
static bool reserve(struct pb_writer *w, size_t n)
{
	unsigned char *bytes;
	size_t room;

	if (w->is_failed || n <= w->room - w->n)
		return !w->is_failed;
	if (!tsk_mul(w->room, (size_t)2, &room) || !tsk_add(room, n, &room)) {
		w->is_failed = true;
		return false;
	}
	bytes = realloc(w->bytes, room);
	if (!bytes) {
		w->is_failed = true;
		return false;
	}
	w->bytes = bytes;
	w->room = room;
	return true;
}

static void put(struct pb_writer *w, const void *bytes, size_t n)
{
	if (!n || !reserve(w, n))
		return;
	memcpy(w->bytes + w->n, bytes, n);
	w->n += n;
}

static void put_varint(struct pb_writer *w, uint64_t v)
{
	unsigned char bytes[PROTO_VARINT_BYTES_MAX];

	put(w, bytes, proto_put_varint(bytes, v));
}

void pb_list_number(struct pb_writer *w, uint32_t field, uint64_t v)
{
	put_varint(w, proto_tag(field, PROTO_VARINT));
	put_varint(w, v);
}

void pb_number(struct pb_writer *w, uint32_t field, uint64_t v)
{
	if (v)
		pb_list_number(w, field, v);
}

void pb_list_bytes(struct pb_writer *w, uint32_t field, const void *bytes, size_t n)
{
	put_varint(w, proto_tag(field, PROTO_BYTES));
	put_varint(w, n);
	put(w, bytes, n);
}

void pb_bytes(struct pb_writer *w, uint32_t field, const void *bytes, size_t n)
{
	if (n)
		pb_list_bytes(w, field, bytes, n);
}

/* The n bytes that have been written last, as UTF-8. */
static void make_utf8(struct pb_writer *w, size_t n)
{
	unsigned char *p = w->bytes + w->n - n;

	while (n) {
		uint32_t c;
		size_t length = tsk_utf8_next(p, n, &c);

		if (c == TSK_UTF8_INVALID)
			*p = '?';
		p += length;
		n -= length;
	}
}

static void put_text(struct pb_writer *w, uint32_t field, const char *text, size_t n)
{
	pb_list_bytes(w, field, text, n);
	if (!w->is_failed)
		make_utf8(w, n);
}

void pb_string(struct pb_writer *w, uint32_t field, struct wire_string string)
{
	if (string.len)
		put_text(w, field, string.bytes, string.len);
}

void pb_text(struct pb_writer *w, uint32_t field, const char *text)
{
	if (*text)
		put_text(w, field, text, strlen(text));
}

void pb_list_text(struct pb_writer *w, uint32_t field, const char *text)
{
	put_text(w, field, text, strlen(text));
}

void pb_dims(struct pb_writer *w, uint32_t field, const int64_t *dims, uint32_t rank)
{
	unsigned char bytes[TENSOCK_RANK_MAX * PROTO_VARINT_BYTES_MAX];
	size_t n = 0;

	for (uint32_t i = 0; i < rank && i < TENSOCK_RANK_MAX; i++)
		n += proto_put_varint(bytes + n, (uint64_t)dims[i]);
	pb_bytes(w, field, bytes, n);
}

size_t pb_message_begin(struct pb_writer *w, uint32_t field)
{
	put_varint(w, proto_tag(field, PROTO_BYTES));
	return w->n;
}

/* Its length stands before it, and is known now: most are short. */
void pb_message_end(struct pb_writer *w, size_t begun)
{
	unsigned char bytes[PROTO_VARINT_BYTES_MAX];
	size_t n = w->n - begun, n_bytes = proto_put_varint(bytes, n);

	if (!reserve(w, n_bytes))
		return;
	memmove(w->bytes + begun + n_bytes, w->bytes + begun, n);
	memcpy(w->bytes + begun, bytes, n_bytes);
	w->n += n_bytes;
}
