/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes: settings of operators, and constants.  One value may be written in several ways: a
 * scalar by i, f or s; an element of a tuple as a list of one (ints, floats, strings); a tuple by
 * `values`, or, in the files of 1.x, as one list of all its elements (also of tuples of tuples)
 * that the text in ref_attr_name describes: "scalar:Tuple[value1,value2,],".
 */
#include "translate/mindir/mindir_reading.h"

enum { /* fields of AttributeProto */
	NAME = 1,
	F = 2,
	I = 3,
	D = 4,
	S = 5,
	T = 6,
	FLOATS = 8,
	DOUBLES = 9,
	INTS = 10,
	STRINGS = 11,
	TENSORS = 12,
	REF_ATTR_NAME = 15,
	TYPE = 16,
	VALUES = 17,
};

enum { /* AttributeProto.AttributeType */
	TYPE_BOOL = 9,
	TYPE_TUPLE = 20,
	TYPE_LIST = 21,
	TYPE_UMONAD = 23,
	TYPE_IOMONAD = 24,
	TYPE_NONE = 25,
};

/* What the fields of one say, before they are made a value. */
struct fields {
	struct onnx_text name, form; /* form: ref_attr_name */
	int64_t type;
	uint32_t n; /* elements: of any kind */
};

static bool is_element(uint32_t number)
{
	return (number >= F && number <= T) || (number >= FLOATS && number <= TENSORS) ||
	       number == VALUES;
}

static struct fields read_fields(struct mindir_reading *reading, struct tsk_reader wire)
{
	struct fields fields = { 0 };
	struct proto_field field;

	while (proto_next(&wire, &field)) {
		if (field.number == NAME)
			fields.name = mindir_read_text(&wire, &field);
		else if (field.number == REF_ATTR_NAME)
			fields.form = mindir_read_text(&wire, &field);
		else if (field.number == TYPE)
			fields.type = proto_int(&wire, &field);
		else if (is_element(field.number) && fields.n <= MINDIR_VALUES_MAX)
			fields.n++;
	}
	if (wire.bad)
		mindir_reading_fail(reading, TENSOCK_INVALID_MODEL, "an attribute is broken");
	return fields;
}

static struct mindir_value tensor_value(struct mindir_reading *reading, struct tsk_reader wire)
{
	struct mindir_tensor *tensor =
		mindir_reading_take(reading, 1, 1, sizeof(*tensor), "tensors");

	if (!tensor)
		return (struct mindir_value){ 0 };
	mindir_read_tensor(reading, wire, false, tensor);
	return (struct mindir_value){ .kind = MINDIR_TENSOR, .tensor = tensor };
}

static struct mindir_value element_value(struct mindir_reading *reading, struct tsk_reader *wire,
					 const struct proto_field *field, unsigned depth,
					 bool is_bool)
{
	struct mindir_attribute inner = { 0 };

	switch (field->number) {
	case F:
	case FLOATS:
		return (struct mindir_value){ .kind = MINDIR_FLOAT,
					      .f = (double)proto_float(wire, field) };
	case D:
	case DOUBLES:
		return (struct mindir_value){ .kind = MINDIR_FLOAT,
					      .f = proto_double(wire, field) };
	case S:
	case STRINGS:
		return (struct mindir_value){ .kind = MINDIR_TEXT,
					      .text = mindir_read_text(wire, field) };
	case T:
	case TENSORS:
		return tensor_value(reading, proto_message(wire, field));
	case VALUES:
		mindir_read_attribute(reading, proto_message(wire, field), depth + 1, &inner);
		return inner.value;
	default:
		if (is_bool)
			return (struct mindir_value){ .kind = MINDIR_BOOL,
						      .i = proto_int(wire, field) != 0 };
		return (struct mindir_value){ .kind = MINDIR_INT, .i = proto_int(wire, field) };
	}
}

static bool has_bracket(struct onnx_text text)
{
	return text.len && memchr(text.bytes, '[', text.len);
}

static bool begins_with(struct onnx_text text, const char *word)
{
	size_t n = strlen(word);

	return text.len >= n && !memcmp(text.bytes, word, n);
}

static enum mindir_kind kind_without_elements(const struct fields *fields)
{
	if (fields->type == TYPE_UMONAD || fields->type == TYPE_IOMONAD ||
	    begins_with(fields->form, "Monad:"))
		return MINDIR_MONAD;
	if (fields->type == TYPE_TUPLE || fields->type == TYPE_LIST || has_bracket(fields->form))
		return MINDIR_TUPLE;
	if (fields->type == TYPE_NONE || begins_with(fields->form, "none"))
		return MINDIR_NONE;
	return MINDIR_OTHER;
}

static bool is_tuple(const struct fields *fields)
{
	return fields->n > 1 || fields->type == TYPE_TUPLE || fields->type == TYPE_LIST ||
	       has_bracket(fields->form);
}

static void read_elements(struct mindir_reading *reading, struct tsk_reader wire, unsigned depth,
			  const struct fields *fields, struct mindir_value *items)
{
	struct proto_field field;
	uint32_t n = 0;

	while (!reading->error && n < fields->n && proto_next(&wire, &field)) {
		if (is_element(field.number))
			items[n++] = element_value(reading, &wire, &field, depth,
						   fields->type == TYPE_BOOL);
	}
	if (wire.bad)
		mindir_reading_fail(reading, TENSOCK_INVALID_MODEL, "an attribute is broken");
}

void mindir_read_attribute(struct mindir_reading *reading, struct tsk_reader wire, unsigned depth,
			   struct mindir_attribute *ret)
{
	struct fields fields = read_fields(reading, wire);
	struct mindir_value *items;

	if (depth > MINDIR_NESTING_MAX) {
		mindir_reading_fail(reading, TENSOCK_TOO_LARGE,
				    "attributes are nested more than %u deep", MINDIR_NESTING_MAX);
		return;
	}
	ret->name = fields.name;
	if (!fields.name.len && begins_with(fields.form, "shape:"))
		ret->name = ONNX_TEXT("shape");
	if (reading->error)
		return;
	if (fields.n > MINDIR_VALUES_MAX - reading->n_values) {
		mindir_reading_fail(reading, TENSOCK_TOO_LARGE,
				    "the model's attributes hold more than %u values",
				    MINDIR_VALUES_MAX);
		return;
	}
	reading->n_values += fields.n;
	items = mindir_reading_take(reading, fields.n, MINDIR_VALUES_MAX, sizeof(*items), "values");
	if (!items)
		return;
	read_elements(reading, wire, depth, &fields, items);
	if (is_tuple(&fields))
		ret->value = mindir_tuple(items, fields.n);
	else if (fields.n == 1)
		ret->value = items[0];
	else
		ret->value.kind = kind_without_elements(&fields);
}

void mindir_read_attributes(struct mindir_reading *reading, struct tsk_reader wire, uint32_t number,
			    struct mindir_attributes *ret)
{
	size_t n = proto_count(wire, number);
	struct proto_field field;

	if (n > MINDIR_VALUES_MAX - reading->n_values) {
		mindir_reading_fail(reading, TENSOCK_TOO_LARGE,
				    "the model has more than %u attributes", MINDIR_VALUES_MAX);
		return;
	}
	reading->n_values += n;
	ret->items = mindir_reading_take(reading, n, MINDIR_ATTRIBUTES_MAX, sizeof(*ret->items),
					 "attributes");
	while (!reading->error && ret->n < n && proto_next(&wire, &field)) {
		if (field.number == number)
			mindir_read_attribute(reading, proto_message(&wire, &field), 0,
					      &ret->items[ret->n++]);
	}
}
