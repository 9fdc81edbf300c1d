/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf's wire format, read in place with a reader of base/bytes.h.  A message is a run of fields;
 * what a field holds is handed out by reference.  Failure is sticky: a field that does not fit, a group,
 * or a field that is asked for as what it is not marks the message bad, and it has no further fields.
 */
#ifndef TSK_BASE_PROTOWIRE_H
#define TSK_BASE_PROTOWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

#define PROTO_VARINT_BYTES_MAX 10

enum proto_type {
	PROTO_VARINT = 0,
	PROTO_FIXED64 = 1,
	PROTO_BYTES = 2,
	PROTO_FIXED32 = 5,
};

struct proto_field {
	uint32_t number;
	enum proto_type type;
	uint64_t v;                 /* of a number */
	const unsigned char *bytes; /* of PROTO_BYTES */
	size_t n_bytes;
};

static inline uint64_t proto_varint(struct tsk_reader *wire)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < PROTO_VARINT_BYTES_MAX && wire->p < wire->end; i++) {
		unsigned char byte = *wire->p++;

		/* The tenth byte holds the one bit that is left. */
		if (i == PROTO_VARINT_BYTES_MAX - 1 && byte > 1)
			break;
		v |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80))
			return v;
	}
	wire->bad = true;
	return 0;
}

static inline void proto_bytes(struct tsk_reader *wire, struct proto_field *field)
{
	uint64_t n = proto_varint(wire);

	if (n > tsk_reader_left(wire))
		wire->bad = true;
	field->bytes = tsk_read_bytes(wire, (size_t)n);
	field->n_bytes = (size_t)n;
}

/* The next field; false at the end, and for a message that is bad. */
static inline bool proto_next(struct tsk_reader *wire, struct proto_field *ret)
{
	struct proto_field field = { 0 };
	uint64_t tag;

	if (wire->bad || wire->p == wire->end)
		return false;
	tag = proto_varint(wire);
	if (tag >> 3 == 0 || tag >> 32 != 0)
		wire->bad = true;
	field.number = (uint32_t)(tag >> 3);
	field.type = (enum proto_type)(tag & 7);
	switch (field.type) {
	case PROTO_VARINT:
		field.v = proto_varint(wire);
		break;
	case PROTO_FIXED64:
		field.v = tsk_read_u64(wire);
		break;
	case PROTO_BYTES:
		proto_bytes(wire, &field);
		break;
	case PROTO_FIXED32:
		field.v = tsk_read_u32(wire);
		break;
	default:
		wire->bad = true;
	}
	if (wire->bad)
		return false;
	*ret = field;
	return true;
}

/* What a field holds; one of another type makes the message bad, and is 0 or empty. */
static inline bool proto_is(struct tsk_reader *wire, const struct proto_field *field,
			    enum proto_type type)
{
	if (field->type != type)
		wire->bad = true;
	return field->type == type;
}

static inline int64_t proto_int(struct tsk_reader *wire, const struct proto_field *field)
{
	return proto_is(wire, field, PROTO_VARINT) ? (int64_t)field->v : 0;
}

static inline float proto_float(struct tsk_reader *wire, const struct proto_field *field)
{
	uint32_t bits = (uint32_t)field->v;
	float v;

	if (!proto_is(wire, field, PROTO_FIXED32))
		return 0;
	memcpy(&v, &bits, sizeof(v));
	return v;
}

static inline double proto_double(struct tsk_reader *wire, const struct proto_field *field)
{
	double v;

	if (!proto_is(wire, field, PROTO_FIXED64))
		return 0;
	memcpy(&v, &field->v, sizeof(v));
	return v;
}

/* A message within this one. */
static inline struct tsk_reader proto_message(struct tsk_reader *wire,
					      const struct proto_field *field)
{
	if (!proto_is(wire, field, PROTO_BYTES))
		return (struct tsk_reader){ .bad = true };
	return tsk_reader(field->bytes, field->n_bytes);
}

/* How many fields of that number a message has.  (One that is bad: up to where it is.) */
static inline size_t proto_count(struct tsk_reader wire, uint32_t number)
{
	struct proto_field field;
	size_t n = 0;

	while (proto_next(&wire, &field))
		n += field.number == number;
	return n;
}

/* Writes v as a varint; how many bytes it took. */
static inline size_t proto_put_varint(unsigned char to[PROTO_VARINT_BYTES_MAX], uint64_t v)
{
	size_t n = 0;

	do {
		to[n++] = (unsigned char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
		v >>= 7;
	} while (v);
	return n;
}

/* What stands before a field of that number and type, as a varint. */
static inline uint64_t proto_tag(uint32_t number, enum proto_type type)
{
	return (uint64_t)number << 3 | type;
}

#endif
