/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf's wire format, read in place with a reader of base/bytes.h.  A message is a run of fields;
 * what a field holds is handed out by reference.  Failure is sticky: a field that does not fit, a group,
 * or a field that is asked for as what it is not marks the message bad, and it has no further fields.
 */
#ifndef TRANSLATE_PROTOWIRE_H
#define TRANSLATE_PROTOWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

#define WIRE_VARINT_BYTES_MAX 10

enum wire_type {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_BYTES = 2,
	WIRE_FIXED32 = 5,
};

struct wire_field {
	uint32_t number;
	enum wire_type type;
	uint64_t v;                 /* of a number */
	const unsigned char *bytes; /* of WIRE_BYTES */
	size_t n_bytes;
};

static inline uint64_t wire_varint(struct tsk_reader *wire)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < WIRE_VARINT_BYTES_MAX && wire->p < wire->end; i++) {
		unsigned char byte = *wire->p++;

		/* The tenth byte holds the one bit that is left. */
		if (i == WIRE_VARINT_BYTES_MAX - 1 && byte > 1)
			break;
		v |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80))
			return v;
	}
	wire->bad = true;
	return 0;
}

static inline void wire_bytes(struct tsk_reader *wire, struct wire_field *field)
{
	uint64_t n = wire_varint(wire);

	if (n > tsk_reader_left(wire))
		wire->bad = true;
	field->bytes = tsk_read_bytes(wire, (size_t)n);
	field->n_bytes = (size_t)n;
}

/* The next field; false at the end, and for a message that is bad. */
static inline bool wire_next(struct tsk_reader *wire, struct wire_field *ret)
{
	struct wire_field field = { 0 };
	uint64_t tag;

	if (wire->bad || wire->p == wire->end)
		return false;
	tag = wire_varint(wire);
	if (tag >> 3 == 0 || tag >> 32 != 0)
		wire->bad = true;
	field.number = (uint32_t)(tag >> 3);
	field.type = (enum wire_type)(tag & 7);
	switch (field.type) {
	case WIRE_VARINT:
		field.v = wire_varint(wire);
		break;
	case WIRE_FIXED64:
		field.v = tsk_read_u64(wire);
		break;
	case WIRE_BYTES:
		wire_bytes(wire, &field);
		break;
	case WIRE_FIXED32:
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
static inline bool wire_is(struct tsk_reader *wire, const struct wire_field *field,
			   enum wire_type type)
{
	if (field->type != type)
		wire->bad = true;
	return field->type == type;
}

static inline int64_t wire_int(struct tsk_reader *wire, const struct wire_field *field)
{
	return wire_is(wire, field, WIRE_VARINT) ? (int64_t)field->v : 0;
}

static inline float wire_float(struct tsk_reader *wire, const struct wire_field *field)
{
	uint32_t bits = (uint32_t)field->v;
	float v;

	if (!wire_is(wire, field, WIRE_FIXED32))
		return 0;
	memcpy(&v, &bits, sizeof(v));
	return v;
}

static inline double wire_double(struct tsk_reader *wire, const struct wire_field *field)
{
	double v;

	if (!wire_is(wire, field, WIRE_FIXED64))
		return 0;
	memcpy(&v, &field->v, sizeof(v));
	return v;
}

/* A message within this one. */
static inline struct tsk_reader wire_message(struct tsk_reader *wire,
					     const struct wire_field *field)
{
	if (!wire_is(wire, field, WIRE_BYTES))
		return (struct tsk_reader){ .bad = true };
	return tsk_reader(field->bytes, field->n_bytes);
}

/* How many fields of that number a message has.  (One that is bad: up to where it is.) */
static inline size_t wire_count(struct tsk_reader wire, uint32_t number)
{
	struct wire_field field;
	size_t n = 0;

	while (wire_next(&wire, &field))
		n += field.number == number;
	return n;
}

#endif
