/* SPDX-License-Identifier: Apache-2.0 */
/* Writes protobuf messages for tests, here and in tests/conformance: good ones and bad ones. */
#ifndef WORKER_PB_H
#define WORKER_PB_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A protobuf under construction, from its innermost message outwards. */
struct pb {
	unsigned char *bytes;
	size_t len, room; /* room: allocated; more than len, or 0 */
};

static inline struct pb pb_empty(void)
{
	return (struct pb){ 0 };
}

static inline void pb_append(struct pb *pb, const void *bytes, size_t len)
{
	if (len >= pb->room - pb->len) {
		pb->room = 2 * pb->room + len + 64;
		pb->bytes = realloc(pb->bytes, pb->room);
	}
	if (!pb->bytes)
		abort();
	if (len)
		memcpy(pb->bytes + pb->len, bytes, len);
	pb->len += len;
}

static inline void pb_append_varint(struct pb *pb, uint64_t v)
{
	do {
		unsigned char byte = (unsigned char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));

		pb_append(pb, &byte, 1);
		v >>= 7;
	} while (v);
}

static inline void pb_add_number(struct pb *pb, unsigned field, uint64_t v)
{
	pb_append_varint(pb, field << 3);
	pb_append_varint(pb, v);
}

static inline void pb_add_bytes(struct pb *pb, unsigned field, const void *bytes, size_t len)
{
	pb_append_varint(pb, field << 3 | 2);
	pb_append_varint(pb, len);
	pb_append(pb, bytes, len);
}

static inline void pb_add_text(struct pb *pb, unsigned field, const char *text)
{
	pb_add_bytes(pb, field, text, strlen(text));
}

/* Puts a message into another, and frees it. */
static inline void pb_add_message(struct pb *pb, unsigned field, struct pb inner)
{
	pb_add_bytes(pb, field, inner.bytes, inner.len);
	free(inner.bytes);
}

static inline struct pb pb_wrap(unsigned field, struct pb inner)
{
	struct pb pb = pb_empty();

	pb_add_message(&pb, field, inner);
	return pb;
}

#endif
