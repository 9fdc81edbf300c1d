/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/oip_pb_values.h"

#include <inttypes.h>
#include <string.h>

#include "front/protocol/oip_pb.h"
#include "front/protocol/oip_pb_read.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

/* InferTensorContents. */
enum contents {
	BOOL_CONTENTS = 1,
	INT_CONTENTS = 2,
	INT64_CONTENTS = 3,
	UINT_CONTENTS = 4,
	UINT64_CONTENTS = 5,
	FP32_CONTENTS = 6,
	FP64_CONTENTS = 7,
	BYTES_CONTENTS = 8,
};

/* How values of a type travel: in which field, as what; an element's width, 0 of BYTES. */
struct form {
	enum contents field;
	enum proto_type type;
	unsigned width;
	int64_t min, max; /* of what an element can hold, where the field's type can hold more */
};

/* NULL: only as raw bytes. */
static const struct form *form_of(uint32_t dtype)
{
	static const struct form forms[TENSOCK_DTYPE_MAX] = {
		[TENSOCK_BOOL] = { BOOL_CONTENTS, PROTO_VARINT, 1, 0, 0 },
		[TENSOCK_UINT8] = { UINT_CONTENTS, PROTO_VARINT, 1, 0, UINT8_MAX },
		[TENSOCK_UINT16] = { UINT_CONTENTS, PROTO_VARINT, 2, 0, UINT16_MAX },
		[TENSOCK_UINT32] = { UINT_CONTENTS, PROTO_VARINT, 4, 0, UINT32_MAX },
		[TENSOCK_UINT64] = { UINT64_CONTENTS, PROTO_VARINT, 8, 0, 0 },
		[TENSOCK_INT8] = { INT_CONTENTS, PROTO_VARINT, 1, INT8_MIN, INT8_MAX },
		[TENSOCK_INT16] = { INT_CONTENTS, PROTO_VARINT, 2, INT16_MIN, INT16_MAX },
		[TENSOCK_INT32] = { INT_CONTENTS, PROTO_VARINT, 4, INT32_MIN, INT32_MAX },
		[TENSOCK_INT64] = { INT64_CONTENTS, PROTO_VARINT, 8, 0, 0 },
		[TENSOCK_FLOAT32] = { FP32_CONTENTS, PROTO_FIXED32, 4, 0, 0 },
		[TENSOCK_FLOAT64] = { FP64_CONTENTS, PROTO_FIXED64, 8, 0, 0 },
		[TENSOCK_BYTES] = { BYTES_CONTENTS, PROTO_BYTES, 0, 0, 0 },
	};

	return dtype < TENSOCK_DTYPE_MAX && forms[dtype].field ? &forms[dtype] : NULL;
}

/* Where values go.  A first pass has no place (to is NULL), counts and checks. */
struct sink {
	const struct form *form;
	unsigned char *to;
	uint64_t n_values, bytes;
	bool is_other;        /* there are values in a field of another type */
	bool is_out_of_range; /* one does not fit its element */
};

static void put(struct sink *sink, const void *bytes, size_t n)
{
	if (sink->to && n)
		memcpy(sink->to + sink->bytes, bytes, n);
	sink->bytes += n;
}

/* The low bytes, the lowest first. */
static void put_low(struct sink *sink, uint64_t v, unsigned width)
{
	unsigned char bytes[8];

	for (unsigned i = 0; i < width; i++)
		bytes[i] = (unsigned char)(v >> (8 * i));
	put(sink, bytes, width);
}

/* A varint, as the field's type reads it: of int32 and uint32 the low 32 bits count. */
static void put_integer(struct sink *sink, uint64_t v)
{
	const struct form *form = sink->form;
	int64_t narrow;

	sink->n_values++;
	switch (form->field) {
	case BOOL_CONTENTS:
		v = v != 0;
		break;
	case INT_CONTENTS:
	case UINT_CONTENTS:
		narrow = form->field == INT_CONTENTS ? (int64_t)(int32_t)(uint32_t)v
						     : (int64_t)(uint32_t)v;
		if (narrow < form->min || narrow > form->max)
			sink->is_out_of_range = true;
		break;
	default:
		break;
	}
	put_low(sink, v, form->width);
}

static void put_string(struct sink *sink, const struct proto_field *field)
{
	sink->n_values++;
	if (field->n_bytes > UINT32_MAX)
		sink->is_out_of_range = true;
	put_low(sink, field->n_bytes, 4);
	put(sink, field->bytes, field->n_bytes);
}

/* Many in one field: numbers without their tags. */
static void put_packed(struct sink *sink, struct tsk_reader *contents,
		       const struct proto_field *field)
{
	struct tsk_reader packed = tsk_reader(field->bytes, field->n_bytes);

	if (sink->form->type == PROTO_VARINT) {
		while (!packed.bad && packed.p != packed.end) {
			uint64_t v = proto_varint(&packed);

			if (!packed.bad)
				put_integer(sink, v);
		}
	} else if (field->n_bytes % sink->form->width) {
		packed.bad = true;
	} else {
		sink->n_values += field->n_bytes / sink->form->width;
		put(sink, field->bytes, field->n_bytes);
	}
	if (packed.bad)
		contents->bad = true;
}

static void put_field(struct sink *sink, struct tsk_reader *contents,
		      const struct proto_field *field)
{
	const struct form *form = sink->form;

	if (field->number != form->field) {
		bool is_empty = field->type == PROTO_BYTES && !field->n_bytes &&
				field->number != BYTES_CONTENTS;

		if (field->number >= BOOL_CONTENTS && field->number <= BYTES_CONTENTS && !is_empty)
			sink->is_other = true;
	} else if (form->type == PROTO_BYTES) {
		if (proto_is(contents, field, PROTO_BYTES))
			put_string(sink, field);
	} else if (field->type == PROTO_BYTES) {
		put_packed(sink, contents, field);
	} else if (!proto_is(contents, field, form->type)) {
		return;
	} else if (form->type == PROTO_VARINT) {
		put_integer(sink, field->v);
	} else {
		sink->n_values++;
		put_low(sink, field->v, form->width);
	}
}

/* All the contents in an InferInputTensor, which has been read once.  False: a field is bad. */
static bool put_all(struct sink *sink, const struct oip_pb_values *values)
{
	struct tsk_reader tensor = tsk_reader(values->bytes, values->n);
	struct proto_field field;

	while (proto_next(&tensor, &field)) {
		struct tsk_reader contents;

		if (field.number != OIP_PB_INPUT_CONTENTS)
			continue;
		contents = proto_message(&tensor, &field);
		while (proto_next(&contents, &field))
			put_field(sink, &contents, &field);
		if (contents.bad)
			return false;
	}
	return !tensor.bad;
}

static int bad_values(const struct oip_input *input, const char *how, struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"contents of input '%.*s', of type %s: %s", OIP_SAID(input->tensor.name),
			tsk_dtype_name(input->tensor.dtype), how);
}

int oip_pb_values_check(struct oip_input *input, struct tensock_error *reterr)
{
	struct sink sink = { .form = form_of(input->tensor.dtype) };
	uint64_t elems;

	if (!sink.form)
		return bad_values(input, "it travels in raw_input_contents only", reterr);
	if (!put_all(&sink, input->values))
		return oip_pb_malformed("InferTensorContents", reterr);
	if (sink.is_other)
		return bad_values(input, "there are values of another type", reterr);
	if (sink.is_out_of_range)
		return bad_values(input, "a value does not fit the type", reterr);
	if (tsk_shape_elems(input->tensor.dims, input->tensor.rank, &elems) < 0 ||
	    sink.n_values != elems)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"input '%.*s' has %" PRIu64
				" values in its contents, its shape has %" PRIu64 " elements",
				OIP_SAID(input->tensor.name), sink.n_values, elems);
	return oip_input_set_bytes(input, sink.bytes, reterr);
}

void oip_pb_values_write(const struct oip_input *input, void *to)
{
	struct sink sink = { .form = form_of(input->tensor.dtype), .to = to };

	(void)put_all(&sink, input->values);
}
