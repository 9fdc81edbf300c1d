/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/oip_pb.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "front/protocol/oip_pb_read.h"
#include "front/protocol/oip_pb_values.h"
#include "tensor/model_info.h"

/* ModelInferRequest. */
enum request_field {
	REQUEST_MODEL_NAME = 1,
	REQUEST_MODEL_VERSION = 2,
	REQUEST_ID = 3,
	REQUEST_PARAMETERS = 4,
	REQUEST_INPUTS = 5,
	REQUEST_OUTPUTS = 6,
	REQUEST_RAW = 7, /* has been taken out */
};

/* InferInputTensor; name and parameters of InferRequestedOutputTensor have numbers of their own. */
enum input_field {
	INPUT_NAME = 1,
	INPUT_DATATYPE = 2,
	INPUT_SHAPE = 3,
	INPUT_PARAMETERS = 4,
	INPUT_CONTENTS = OIP_PB_INPUT_CONTENTS,
};

enum output_field {
	OUTPUT_NAME = 1,
	OUTPUT_PARAMETERS = 2,
};

/* What infer->own is: the arrays, then the message. */
struct own {
	struct oip_pb_values *values; /* of each input */
	unsigned char *message;
};

struct reading {
	struct oip_infer infer;
	struct own *own;
	struct wire_string name, version;
	const struct oip_pb_raw *raws;
	uint32_t n_raws, raw; /* all, taken */
	struct tensock_error *reterr;
};

static uint64_t tensors_memory(uint64_t n_inputs, uint64_t n_outputs)
{
	return sizeof(struct own) +
	       n_inputs * (sizeof(struct oip_input) + sizeof(struct oip_pb_values)) +
	       n_outputs * sizeof(struct oip_output);
}

uint64_t oip_pb_memory(size_t n)
{
	/* A tensor takes two bytes at least. */
	uint64_t tensors = n / 2 < OIP_TENSORS_MAX ? n / 2 : OIP_TENSORS_MAX;

	return n + tensors_memory(tensors, tensors);
}

static int malformed(const struct reading *r)
{
	return oip_pb_malformed("ModelInferRequest", r->reterr);
}

/*
 * ---- Parameters: entries of a map
 */

/* InferParameter: one of, the last one. */
static bool read_value(struct tsk_reader value, struct oip_parameter *ret)
{
	struct proto_field field;

	while (proto_next(&value, &field)) {
		switch (field.number) {
		case 1:
			ret->kind = OIP_PARAMETER_BOOL;
			ret->truth = proto_int(&value, &field) != 0;
			break;
		case 2:
			ret->kind = OIP_PARAMETER_INT;
			ret->i = proto_int(&value, &field);
			break;
		case 3:
			if (proto_is(&value, &field, PROTO_BYTES))
				oip_parameter_set_string(ret, field.bytes, field.n_bytes);
			break;
		case 4:
			ret->kind = OIP_PARAMETER_OTHER;
			(void)proto_is(&value, &field, PROTO_FIXED64);
			break;
		case 5:
			ret->kind = OIP_PARAMETER_UINT;
			ret->u = (uint64_t)proto_int(&value, &field);
			break;
		default:
			break;
		}
	}
	return !value.bad;
}

/* A map's entry: key 1, value 2. */
static int read_entry(const struct reading *r, struct tsk_reader entry, struct oip_parameter *ret)
{
	struct oip_parameter parameter = { .kind = OIP_PARAMETER_NONE };
	struct proto_field field;
	int err;

	while (proto_next(&entry, &field)) {
		if (field.number == 1) {
			err = oip_pb_string(&entry, &field, OIP_KEY_MAX, "key of a parameter",
					    &parameter.key, r->reterr);
			if (err < 0)
				return err;
		} else if (field.number == 2) {
			if (!read_value(proto_message(&entry, &field), &parameter))
				return malformed(r);
		}
	}
	if (entry.bad)
		return malformed(r);
	*ret = parameter;
	return 0;
}

static int read_infer_parameter(struct reading *r, struct tsk_reader entry)
{
	struct oip_parameter parameter;
	int err = read_entry(r, entry, &parameter);

	return err < 0 ? err : oip_infer_parameter(&r->infer, &parameter, r->reterr);
}

/* All of an input or output, the fields of that number in its message. */
static int read_tensor_parameters(const struct reading *r, struct tsk_reader tensor,
				  uint32_t number, struct wire_string name,
				  struct oip_tensor_parameters *ret)
{
	struct oip_tensor_parameters parameters = { .is_binary = true };
	struct oip_parameter parameter;
	struct proto_field field;
	int err;

	while (proto_next(&tensor, &field)) {
		if (field.number != number)
			continue;
		err = read_entry(r, proto_message(&tensor, &field), &parameter);
		if (err < 0)
			return err;
		err = oip_tensor_parameter(name, &parameter, &parameters, r->reterr);
		if (err < 0)
			return err;
	}
	err = oip_tensor_parameters_end(name, &parameters, r->reterr);
	if (err < 0)
		return err;
	*ret = parameters;
	return 0;
}

/*
 * ---- Inputs and outputs
 */

static int no_name(const struct reading *r, const char *what, uint32_t i)
{
	return tsk_fail(r->reterr, TENSOCK_INVALID_ARGUMENT, "%s %u has no name", what, i);
}

struct shape {
	int64_t dims[TENSOCK_RANK_MAX];
	size_t rank; /* also where it is more than has been kept */
};

static void add_dim(struct shape *shape, int64_t dim)
{
	if (shape->rank < TENSOCK_RANK_MAX)
		shape->dims[shape->rank] = dim;
	shape->rank++;
}

/* One dimension, or some of them, packed. */
static void read_dims(struct tsk_reader *tensor, const struct proto_field *field,
		      struct shape *shape)
{
	struct tsk_reader packed = tsk_reader(field->bytes, field->n_bytes);

	if (field->type != PROTO_BYTES) {
		add_dim(shape, proto_int(tensor, field));
		return;
	}
	while (!packed.bad && packed.p != packed.end)
		add_dim(shape, (int64_t)proto_varint(&packed));
	if (packed.bad)
		tensor->bad = true;
}

/* But parameters and contents, which *ret_contents tells of. */
static int read_input_fields(struct reading *r, struct tsk_reader tensor, struct oip_input *input,
			     bool *ret_contents)
{
	struct wire_string datatype = { 0 };
	struct shape shape = { .rank = 0 };
	struct proto_field field;
	int err = 0;

	while (err == 0 && proto_next(&tensor, &field)) {
		if (field.number == INPUT_NAME)
			err = oip_pb_string(&tensor, &field, TSK_TENSOR_NAME_MAX,
					    "name of an input", &input->tensor.name, r->reterr);
		else if (field.number == INPUT_DATATYPE)
			err = oip_pb_string(&tensor, &field, TSK_TENSOR_NAME_MAX,
					    "datatype of an input", &datatype, r->reterr);
		else if (field.number == INPUT_SHAPE)
			read_dims(&tensor, &field, &shape);
		else if (field.number == INPUT_CONTENTS)
			*ret_contents = proto_is(&tensor, &field, PROTO_BYTES);
	}
	if (err < 0)
		return err;
	if (tensor.bad)
		return malformed(r);
	if (!input->tensor.name.len)
		return no_name(r, "input", r->infer.n_inputs);
	return oip_input_set_shape(input, datatype, shape.dims, shape.rank, r->reterr);
}

static int bad_data(const struct reading *r, const struct oip_input *input, const char *before,
		    const char *after)
{
	return tsk_fail(r->reterr, TENSOCK_INVALID_ARGUMENT, "%s '%.*s' for model '%.*s'%s", before,
			OIP_SAID(input->tensor.name), OIP_SAID(r->name), after);
}

/* Of a region, by value, or the next raw entry. */
static int find_data(struct reading *r, struct oip_input *input, bool has_contents)
{
	if (input->region.name.len) {
		if (has_contents)
			return bad_data(
				r, input,
				"unexpected 'content' provided when using shared memory for "
				"input tensor",
				"");
		input->source = OIP_REGION;
		return oip_input_set_bytes(input, input->region.bytes, r->reterr);
	}
	if (has_contents) {
		if (r->n_raws)
			return bad_data(r, input,
					"contents field must not be specified when using "
					"raw_input_contents for",
					"");
		input->source = OIP_VALUES;
		return oip_pb_values_check(input, r->reterr);
	}
	if (r->raw == r->n_raws)
		return bad_data(r, input, "unable to find data for input tensor", " in request.");
	input->source = OIP_BINARY;
	input->tensor.offset = r->raws[r->raw].offset;
	return oip_input_set_bytes(input, r->raws[r->raw++].bytes, r->reterr);
}

static int read_input(struct reading *r, struct tsk_reader tensor)
{
	struct oip_input *input = &r->infer.inputs[r->infer.n_inputs];
	struct oip_pb_values *values = &r->own->values[r->infer.n_inputs];
	struct oip_tensor_parameters parameters;
	bool has_contents = false;
	int err;

	*values = (struct oip_pb_values){ .bytes = tensor.p, .n = tsk_reader_left(&tensor) };
	*input = (struct oip_input){ .tensor.index = WIRE_INDEX_NONE, .values = values };
	err = read_input_fields(r, tensor, input, &has_contents);
	if (err < 0)
		return err;
	err = read_tensor_parameters(r, tensor, INPUT_PARAMETERS, input->tensor.name, &parameters);
	if (err < 0)
		return err;
	input->region = parameters.region;
	r->infer.n_inputs++;
	return find_data(r, input, has_contents);
}

static int read_output(struct reading *r, struct tsk_reader tensor)
{
	struct oip_output output = { .is_binary = true };
	struct oip_tensor_parameters parameters;
	struct tsk_reader fields = tensor;
	struct proto_field field;
	int err = 0;

	while (err == 0 && proto_next(&fields, &field)) {
		if (field.number == OUTPUT_NAME)
			err = oip_pb_string(&fields, &field, TSK_TENSOR_NAME_MAX,
					    "name of an output", &output.name, r->reterr);
	}
	if (err < 0)
		return err;
	if (fields.bad)
		return malformed(r);
	if (!output.name.len)
		return no_name(r, "output", r->infer.n_outputs);
	err = read_tensor_parameters(r, tensor, OUTPUT_PARAMETERS, output.name, &parameters);
	if (err < 0)
		return err;
	output.classes = parameters.classes;
	output.region = parameters.region;
	r->infer.outputs[r->infer.n_outputs++] = output;
	return 0;
}

/*
 * ---- The message
 */

static int read_field(struct reading *r, struct tsk_reader *message,
		      const struct proto_field *field)
{
	switch (field->number) {
	case REQUEST_MODEL_NAME:
		return oip_pb_string(message, field, UINT16_MAX, "model's name", &r->name,
				     r->reterr);
	case REQUEST_MODEL_VERSION:
		return oip_pb_string(message, field, UINT16_MAX, "model's version", &r->version,
				     r->reterr);
	case REQUEST_ID:
		return oip_pb_string(message, field, OIP_ID_MAX, "request's id", &r->infer.id,
				     r->reterr);
	case REQUEST_PARAMETERS:
		return read_infer_parameter(r, proto_message(message, field));
	case REQUEST_RAW:
		message->bad = true;
		return 0;
	default:
		return 0;
	}
}

/* In an order of its own: what is said of inputs names the model. */
static int read_message(struct reading *r, struct tsk_reader whole)
{
	struct tsk_reader message = whole;
	struct proto_field field;
	int err = 0;

	while (err == 0 && proto_next(&message, &field))
		err = read_field(r, &message, &field);
	if (err < 0)
		return err;
	if (message.bad)
		return malformed(r);
	while (err == 0 && proto_next(&whole, &field)) {
		if (field.number == REQUEST_INPUTS)
			err = read_input(r, proto_message(&whole, &field));
		else if (field.number == REQUEST_OUTPUTS)
			err = read_output(r, proto_message(&whole, &field));
	}
	if (err < 0)
		return err;
	if (r->raw != r->n_raws)
		return tsk_fail(r->reterr, TENSOCK_INVALID_ARGUMENT,
				"there are %u raw_input_contents, and %u inputs that have one",
				r->n_raws, r->raw);
	return 0;
}

/* Takes the memory for it, all at once. */
static int prepare(struct reading *r, const unsigned char *bytes, size_t n, size_t n_inputs,
		   size_t n_outputs)
{
	uint64_t tensors = tensors_memory(n_inputs, n_outputs), size;

	if (n_inputs > OIP_TENSORS_MAX || n_outputs > OIP_TENSORS_MAX)
		return tsk_fail(r->reterr, TENSOCK_TOO_LARGE,
				"the request has %zu inputs and wants %zu outputs, %u are the most",
				n_inputs, n_outputs, OIP_TENSORS_MAX);
	if (!tsk_add(tensors, (uint64_t)n, &size) || !(r->own = malloc(size)))
		return tsk_fail(r->reterr, TENSOCK_OUT_OF_MEMORY,
				"no memory for the request's %zu bytes", n);
	r->infer.own = r->own;
	r->infer.free_own = free;
	r->infer.inputs = (struct oip_input *)(r->own + 1);
	r->infer.outputs = (struct oip_output *)(r->infer.inputs + n_inputs);
	r->own->values = (struct oip_pb_values *)(r->infer.outputs + n_outputs);
	r->own->message = (unsigned char *)(r->own->values + n_inputs);
	if (n)
		memcpy(r->own->message, bytes, n);
	return 0;
}

int oip_pb_infer_read(const unsigned char *bytes, size_t n, const struct oip_pb_raw *raws,
		      uint32_t n_raws, struct oip_infer *ret, struct wire_string *ret_name,
		      struct wire_string *ret_version, struct tensock_error *reterr)
{
	struct reading r = {
		.infer = { .is_binary = true },
		.raws = raws,
		.n_raws = n_raws,
		.reterr = reterr,
	};
	struct tsk_reader message = tsk_reader(bytes, n);
	int err = prepare(&r, bytes, n, proto_count(message, REQUEST_INPUTS),
			  proto_count(message, REQUEST_OUTPUTS));

	if (err == 0)
		err = read_message(&r, tsk_reader(r.own->message, n));
	if (err < 0) {
		oip_infer_done(&r.infer);
		return err;
	}
	r.infer.is_binary = true; /* whatever "binary_data_output" says: that is HTTP's */
	*ret = r.infer;
	*ret_name = r.name;
	*ret_version = r.version;
	return 0;
}
