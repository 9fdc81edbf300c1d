/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"
#include "front/protocol/json_document.h"
#include "front/protocol/oip_json.h"
#include "front/protocol/oip_json_values.h"

struct parsed {
	struct json_document document;
	struct oip_input *inputs;
	struct oip_output *outputs;
};

static void free_parsed(void *own)
{
	struct parsed *parsed = own;

	json_document_done(&parsed->document);
	free(parsed->inputs);
	free(parsed->outputs);
	free(parsed);
}

uint64_t oip_json_memory(const char *text, size_t n)
{
	/* An input or output is at least "{}," */
	size_t each = n / 3 < OIP_TENSORS_MAX ? n / 3 : OIP_TENSORS_MAX;

	return json_document_memory(text, n) + sizeof(struct parsed) +
	       each * (sizeof(struct oip_input) + sizeof(struct oip_output));
}

/* Errors of ours, too, say which tensor they are about. */
static int named(int r, struct wire_string name, const char *what, struct tensock_error *reterr)
{
	if (r < 0)
		tsk_error_prefix(reterr, "%s '%.*s'", what, OIP_SAID(name));
	return r;
}

static int unnamed(int r, size_t index, const char *what, struct tensock_error *reterr)
{
	if (r < 0)
		tsk_error_prefix(reterr, "%s %zu", what, index);
	return r;
}

#define PARAMETERS_MAX 64u /* each is compared with all, for a key that is there twice */

static bool is_again(yyjson_val *object, yyjson_val *key)
{
	yyjson_val *other, *value;
	size_t i, n;

	yyjson_obj_foreach(object, i, n, other, value)
	{
		if (other == key)
			return false;
		if (yyjson_equals(other, key))
			return true;
	}
	return false;
}

static void read_value(yyjson_val *value, struct oip_parameter *ret)
{
	double ignored;

	if (yyjson_is_str(value)) {
		oip_parameter_set_string(ret, yyjson_get_str(value), yyjson_get_len(value));
	} else if (yyjson_is_bool(value)) {
		ret->kind = OIP_PARAMETER_BOOL;
		ret->truth = yyjson_get_bool(value);
	} else if (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX) {
		ret->kind = OIP_PARAMETER_UINT;
		ret->u = yyjson_get_uint(value);
	} else if (yyjson_is_int(value)) {
		ret->kind = OIP_PARAMETER_INT;
		ret->i = yyjson_get_sint(value);
	} else if (yyjson_is_real(value) || json_raw_number(value, &ignored)) {
		ret->kind = OIP_PARAMETER_OTHER;
	}
}

/* What is done with a parameter. */
typedef int take_parameter(void *context, const struct oip_parameter *parameter,
			   struct tensock_error *reterr);

static int read_parameter(yyjson_val *key, yyjson_val *value, take_parameter *take, void *context,
			  struct tensock_error *reterr)
{
	struct oip_parameter parameter = { 0 };
	int r = json_get_string(key, "parameter's key", OIP_KEY_MAX, &parameter.key, reterr);

	if (r < 0)
		return r;
	read_value(value, &parameter);
	return take(context, &parameter, reterr);
}

/* Of an object, or NULL.  A parameter that is null is none. */
static int read_parameters(yyjson_val *object, take_parameter *take, void *context,
			   struct tensock_error *reterr)
{
	yyjson_val *key, *value;
	size_t i, n;
	int r = 0;

	if (!object)
		return 0;
	if (!yyjson_is_obj(object))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"'parameters' is not a JSON object");
	if (yyjson_obj_size(object) > PARAMETERS_MAX)
		return tsk_fail(reterr, TENSOCK_TOO_LARGE, "'parameters' are %zu, more than %u",
				yyjson_obj_size(object), PARAMETERS_MAX);
	yyjson_obj_foreach(object, i, n, key, value)
	{
		if (is_again(object, key))
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"parameter '%.64s' is there twice", yyjson_get_str(key));
		if (!yyjson_is_null(value))
			r = read_parameter(key, value, take, context, reterr);
		if (r < 0)
			break;
	}
	return r;
}

/* The request's: such as mean nothing to us are the model's, and models here take none. */
static int take_request_parameter(void *context, const struct oip_parameter *parameter,
				  struct tensock_error *reterr)
{
	if (parameter->kind == OIP_PARAMETER_NONE)
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"parameter '%.*s' has invalid type. It should be either 'int', 'bool', "
			"or 'string'.",
			OIP_SAID(parameter->key));
	return oip_infer_parameter(context, parameter, reterr);
}

/* An input's, or output's. */
struct tensor {
	struct wire_string name;
	struct oip_tensor_parameters parameters;
	bool has_binary_size;
	uint64_t binary_size;
};

static int take_binary_size(struct tensor *tensor, const struct oip_parameter *parameter,
			    struct tensock_error *reterr)
{
	if (parameter->kind != OIP_PARAMETER_INT || parameter->i < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"tensor '%.*s': 'binary_data_size' is not an integer from 0",
				OIP_SAID(tensor->name));
	tensor->has_binary_size = true;
	tensor->binary_size = (uint64_t)parameter->i;
	return 0;
}

static int take_tensor_parameter(void *context, const struct oip_parameter *parameter,
				 struct tensock_error *reterr)
{
	struct tensor *tensor = context;

	if (wire_string_equals(parameter->key, "binary_data_size"))
		return take_binary_size(tensor, parameter, reterr);
	return oip_tensor_parameter(tensor->name, parameter, &tensor->parameters, reterr);
}

static int read_tensor_parameters(yyjson_val *object, struct tensor *tensor,
				  struct tensock_error *reterr)
{
	int r = read_parameters(object, take_tensor_parameter, tensor, reterr);

	return r < 0 ? r : oip_tensor_parameters_end(tensor->name, &tensor->parameters, reterr);
}

static int read_name(yyjson_val *value, struct wire_string *ret, struct tensock_error *reterr)
{
	int r = json_get_string(value, "'name'", TSK_TENSOR_NAME_MAX, ret, reterr);

	if (r == 0 && ret->len == 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "'name' is empty");
	return r;
}

static int read_shape(yyjson_val *value, int64_t dims[TENSOCK_RANK_MAX],
		      struct tensock_error *reterr)
{
	int r = json_get_array(value, "'shape'", TENSOCK_RANK_MAX, reterr);
	yyjson_val *dim;
	size_t i, n;

	if (r < 0)
		return r;
	yyjson_arr_foreach(value, i, n, dim)
	{
		if (!yyjson_is_uint(dim) || yyjson_get_uint(dim) > INT64_MAX)
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"'shape' holds something else than integers from 0");
		dims[i] = (int64_t)yyjson_get_uint(dim);
	}
	return 0;
}

static int read_type(yyjson_val *datatype, yyjson_val *shape, struct oip_input *input,
		     struct tensock_error *reterr)
{
	int64_t dims[TENSOCK_RANK_MAX];
	struct wire_string name;
	int r = json_get_string(datatype, "'datatype'", TSK_TENSOR_NAME_MAX, &name, reterr);

	if (r == 0)
		r = read_shape(shape, dims, reterr);
	if (r < 0)
		return named(r, input->tensor.name, "input", reterr);
	return oip_input_set_shape(input, name, dims, yyjson_arr_size(shape), reterr);
}

static int read_source(yyjson_val *data, const struct tensor *tensor, struct oip_input *input,
		       struct tensock_error *reterr)
{
	const struct oip_region *region = &tensor->parameters.region;

	if (!!data + tensor->has_binary_size + !!region->name.len != 1)
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"input '%.*s': Input must set only one of the following fields: 'data', "
			"'binary_data_size' in 'parameters', 'shared_memory_region' in "
			"'parameters'",
			OIP_SAID(tensor->name));
	if (data) {
		input->source = OIP_VALUES;
		input->values = data;
		return named(oip_json_values_check(data, &input->tensor, reterr), tensor->name,
			     "input", reterr);
	}
	input->source = tensor->has_binary_size ? OIP_BINARY : OIP_REGION;
	input->region = *region;
	return oip_input_set_bytes(input,
				   tensor->has_binary_size ? tensor->binary_size : region->bytes,
				   reterr);
}

static int read_input(yyjson_val *value, size_t index, struct oip_input *input,
		      struct tensock_error *reterr)
{
	yyjson_val *name, *datatype, *shape, *data, *parameters;
	const struct json_field fields[] = {
		{ "name", &name }, { "datatype", &datatype },     { "shape", &shape },
		{ "data", &data }, { "parameters", &parameters },
	};
	struct tensor tensor = { 0 };
	int r = json_get_fields(value, "it", fields, ARRAY_SIZE(fields), reterr);

	if (r == 0)
		r = read_name(name, &tensor.name, reterr);
	if (r < 0)
		return unnamed(r, index, "input", reterr);
	input->tensor.name = tensor.name;
	input->tensor.index = WIRE_INDEX_NONE;
	r = read_type(datatype, shape, input, reterr);
	if (r == 0)
		r = read_tensor_parameters(parameters, &tensor, reterr);
	return r < 0 ? r : read_source(data, &tensor, input, reterr);
}

static int read_inputs(yyjson_val *value, struct parsed *parsed, struct oip_infer *infer,
		       struct tensock_error *reterr)
{
	int r = json_get_array(value, "'inputs'", OIP_TENSORS_MAX, reterr);
	yyjson_val *each;
	size_t i, n;

	if (r < 0)
		return r;
	infer->n_inputs = (uint32_t)yyjson_arr_size(value);
	/* calloc() may give NULL for none. */
	parsed->inputs = calloc(infer->n_inputs + 1U, sizeof(*parsed->inputs));
	if (!parsed->inputs)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the request");
	infer->inputs = parsed->inputs;
	yyjson_arr_foreach(value, i, n, each)
	{
		r = read_input(each, i, &parsed->inputs[i], reterr);
		if (r < 0)
			break;
	}
	return r;
}

static int read_output(yyjson_val *value, size_t index, struct oip_output *output,
		       struct tensock_error *reterr)
{
	yyjson_val *name, *parameters;
	const struct json_field fields[] = { { "name", &name }, { "parameters", &parameters } };
	struct tensor tensor = { 0 };
	int r = json_get_fields(value, "it", fields, ARRAY_SIZE(fields), reterr);

	if (r == 0)
		r = read_name(name, &tensor.name, reterr);
	if (r < 0)
		return unnamed(r, index, "output", reterr);
	r = read_tensor_parameters(parameters, &tensor, reterr);
	if (r < 0)
		return r;
	if (tensor.parameters.region.name.len && tensor.parameters.is_binary)
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"output can't set both 'shared_memory_region' and 'binary_data': tensor "
			"'%.*s'",
			OIP_SAID(tensor.name));
	output->name = tensor.name;
	output->classes = tensor.parameters.classes;
	output->region = tensor.parameters.region;
	if (tensor.parameters.has_binary_data)
		output->is_binary = tensor.parameters.is_binary;
	return 0;
}

static int read_outputs(yyjson_val *value, struct parsed *parsed, struct oip_infer *infer,
			struct tensock_error *reterr)
{
	int r = json_get_array(value, "'outputs'", OIP_TENSORS_MAX, reterr);
	yyjson_val *each;
	size_t i, n;

	if (r < 0)
		return r;
	infer->n_outputs = (uint32_t)yyjson_arr_size(value);
	parsed->outputs = calloc(infer->n_outputs + 1U, sizeof(*parsed->outputs));
	if (!parsed->outputs)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the request");
	infer->outputs = parsed->outputs;
	yyjson_arr_foreach(value, i, n, each)
	{
		parsed->outputs[i].is_binary = infer->is_binary;
		r = read_output(each, i, &parsed->outputs[i], reterr);
		if (r < 0)
			break;
	}
	return r;
}

static int read_request(struct parsed *parsed, struct oip_infer *infer,
			struct tensock_error *reterr)
{
	yyjson_val *id, *parameters, *inputs, *outputs;
	const struct json_field fields[] = {
		{ "id", &id },
		{ "parameters", &parameters },
		{ "inputs", &inputs },
		{ "outputs", &outputs },
	};
	int r = json_get_fields(parsed->document.root, "the request", fields, ARRAY_SIZE(fields),
				reterr);

	if (r == 0 && id)
		r = json_get_string(id, "'id'", OIP_ID_MAX, &infer->id, reterr);
	if (r == 0)
		r = read_parameters(parameters, take_request_parameter, infer, reterr);
	if (r == 0)
		r = read_inputs(inputs, parsed, infer, reterr);
	if (r == 0 && outputs)
		r = read_outputs(outputs, parsed, infer, reterr);
	return r;
}

int oip_json_infer_read(const char *text, size_t n, struct oip_infer *ret,
			struct tensock_error *reterr)
{
	struct oip_infer infer = { .free_own = free_parsed };
	struct parsed *parsed = calloc(1, sizeof(*parsed));
	int r;

	if (!parsed)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the request");
	infer.own = parsed;
	r = json_document_read(text, n, &parsed->document, reterr);
	if (r == 0)
		r = read_request(parsed, &infer, reterr);
	if (r < 0) {
		oip_infer_done(&infer);
		return r;
	}
	*ret = infer;
	return 0;
}
