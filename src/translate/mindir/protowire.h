/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf's wire format, read in place.  A message is a run of fields; what a field holds is handed
 * out by reference.  Failure is sticky: a field that does not fit, a group, or a field that is asked
 * for as what it is not marks the message bad, and it has no further fields.
 */
#ifndef TRANSLATE_MINDIR_PROTOWIRE_H
#define TRANSLATE_MINDIR_PROTOWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WIRE_VARINT_BYTES_MAX 10

enum wire_type {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_BYTES = 2,
	WIRE_FIXED32 = 5,
};

struct wire {
	const unsigned char *p, *end;
	bool bad;
};

struct wire_field {
	uint32_t number;
	enum wire_type type;
	uint64_t v;                 /* of a number */
	const unsigned char *bytes; /* of WIRE_BYTES */
	size_t n_bytes;
};

static inline struct wire wire_of(const void *bytes, size_t n_bytes)
{
	const unsigned char *p = bytes;

	return (struct wire){ .p = p, .end = p ? p + n_bytes : p };
}

static inline uint64_t wire_varint(struct wire *wire)
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

static inline uint64_t wire_fixed(struct wire *wire, size_t width)
{
	uint64_t v = 0;

	if (width > (size_t)(wire->end - wire->p)) {
		wire->bad = true;
		return 0;
	}
	for (size_t i = 0; i < width; i++)
		v |= (uint64_t)wire->p[i] << (8 * i);
	wire->p += width;
	return v;
}

static inline void wire_bytes(struct wire *wire, struct wire_field *field)
{
	uint64_t n = wire_varint(wire);

	if (wire->bad || n > (uint64_t)(wire->end - wire->p)) {
		wire->bad = true;
		return;
	}
	field->bytes = wire->p;
	field->n_bytes = (size_t)n;
	wire->p += n;
}

/* The next field; false at the end, and for a message that is bad. */
static inline bool wire_next(struct wire *wire, struct wire_field *ret)
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
		field.v = wire_fixed(wire, 8);
		break;
	case WIRE_BYTES:
		wire_bytes(wire, &field);
		break;
	case WIRE_FIXED32:
		field.v = wire_fixed(wire, 4);
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
static inline bool wire_is(struct wire *wire, const struct wire_field *field, enum wire_type type)
{
	if (field->type != type)
		wire->bad = true;
	return field->type == type;
}

static inline int64_t wire_int(struct wire *wire, const struct wire_field *field)
{
	return wire_is(wire, field, WIRE_VARINT) ? (int64_t)field->v : 0;
}

static inline float wire_float(struct wire *wire, const struct wire_field *field)
{
	uint32_t bits = (uint32_t)field->v;
	float v;

	if (!wire_is(wire, field, WIRE_FIXED32))
		return 0;
	memcpy(&v, &bits, sizeof(v));
	return v;
}

static inline double wire_double(struct wire *wire, const struct wire_field *field)
{
	double v;

	if (!wire_is(wire, field, WIRE_FIXED64))
		return 0;
	memcpy(&v, &field->v, sizeof(v));
	return v;
}

/* A message within this one. */
static inline struct wire wire_message(struct wire *wire, const struct wire_field *field)
{
	if (!wire_is(wire, field, WIRE_BYTES))
		return (struct wire){ .bad = true };
	return wire_of(field->bytes, field->n_bytes);
}

/* How many fields of that number a message has.  (One that is bad: up to where it is.) */
static inline size_t wire_count(struct wire wire, uint32_t number)
{
	struct wire_field field;
	size_t n = 0;

	while (wire_next(&wire, &field))
		n += field.number == number;
	return n;
}

#endif
