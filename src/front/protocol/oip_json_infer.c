/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/status.h"
#include "front/protocol/json_document.h"
#include "front/protocol/oip_json.h"
#include "front/protocol/oip_json_values.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

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

/* One of the protocol's names. */
static uint32_t dtype_of(struct wire_string name)
{
	for (uint32_t dtype = TENSOCK_BOOL; dtype <= TENSOCK_BYTES; dtype++) {
		if (wire_string_equals(name, tsk_dtype_name(dtype)))
			return dtype;
	}
	return TENSOCK_DTYPE_INVALID;
}

/* What "parameters" of an input or output may hold that means something. */
struct tensor_parameters {
	yyjson_val *binary_data_size, *binary_data, *classification;
	yyjson_val *region, *region_offset, *region_bytes;
};

static int read_tensor_parameters(yyjson_val *value, struct tensor_parameters *ret,
				  struct tensock_error *reterr)
{
	const struct json_field fields[] = {
		{ "binary_data_size", &ret->binary_data_size },
		{ "binary_data", &ret->binary_data },
		{ "classification", &ret->classification },
		{ "shared_memory_region", &ret->region },
		{ "shared_memory_offset", &ret->region_offset },
		{ "shared_memory_byte_size", &ret->region_bytes },
	};

	*ret = (struct tensor_parameters){ 0 };
	if (!value)
		return 0;
	return json_get_fields(value, "'parameters'", fields, ARRAY_SIZE(fields), reterr);
}

static int read_region(const struct tensor_parameters *parameters, struct oip_region *ret,
		       struct tensock_error *reterr)
{
	int r = json_get_string(parameters->region, "'shared_memory_region'", OIP_REGION_NAME_MAX,
				&ret->name, reterr);

	if (r < 0)
		return r;
	if (ret->name.len == 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"'shared_memory_region' is empty");
	r = json_get_uint(parameters->region_bytes, "'shared_memory_byte_size'", &ret->bytes,
			  reterr);
	if (r < 0 || !parameters->region_offset)
		return r;
	return json_get_uint(parameters->region_offset, "'shared_memory_offset'", &ret->offset,
			     reterr);
}

static int read_name(yyjson_val *value, struct wire_string *ret, struct tensock_error *reterr)
{
	int r = json_get_string(value, "'name'", TSK_TENSOR_NAME_MAX, ret, reterr);

	if (r == 0 && ret->len == 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "'name' is empty");
	return r;
}

static int read_datatype(yyjson_val *value, uint32_t *ret, struct tensock_error *reterr)
{
	struct wire_string name;
	int r = json_get_string(value, "'datatype'", UINT16_MAX, &name, reterr);

	if (r < 0)
		return r;
	*ret = dtype_of(name);
	if (*ret == TENSOCK_DTYPE_INVALID)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "no such datatype: %.*s",
				(int)name.len, name.bytes);
	return 0;
}

static int read_shape(yyjson_val *value, struct wire_tensor *tensor, struct tensock_error *reterr)
{
	int r = json_get_array(value, "'shape'", TENSOCK_RANK_MAX, reterr);
	yyjson_val *dim;
	size_t i, n;

	if (r < 0)
		return r;
	tensor->rank = (uint32_t)yyjson_arr_size(value);
	yyjson_arr_foreach(value, i, n, dim)
	{
		if (!yyjson_is_uint(dim) || yyjson_get_uint(dim) > INT64_MAX)
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"'shape' holds something else than integers from 0 on");
		tensor->dims[i] = (int64_t)yyjson_get_uint(dim);
	}
	return 0;
}

/* tensor->bytes: what the shape says; of BYTES the least, which the lengths take. */
static int measure(struct wire_tensor *tensor, struct tensock_error *reterr)
{
	uint32_t dtype = tensor->dtype == TENSOCK_BYTES ? TENSOCK_UINT32 : tensor->dtype;

	if (tsk_shape_bytes(dtype, tensor->dims, tensor->rank, &tensor->bytes) < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "its shape is too large");
	return 0;
}

/* BYTES are at least their lengths, and nothing where there is no element. */
static bool fits(const struct wire_tensor *tensor, uint64_t bytes)
{
	if (tensor->dtype == TENSOCK_BYTES && tensor->bytes)
		return bytes >= tensor->bytes;
	return bytes == tensor->bytes;
}

static int set_bytes(struct wire_tensor *tensor, uint64_t bytes, struct tensock_error *reterr)
{
	if (!fits(tensor, bytes))
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"unexpected size: its shape and datatype make %llu bytes%s, not %llu",
			(unsigned long long)tensor->bytes,
			tensor->dtype == TENSOCK_BYTES ? " at least" : "",
			(unsigned long long)bytes);
	tensor->bytes = bytes;
	return 0;
}

static int read_source(yyjson_val *data, const struct tensor_parameters *parameters,
		       struct oip_input *input, struct tensock_error *reterr)
{
	uint64_t bytes;
	int r;

	if (!!data + !!parameters->binary_data_size + !!parameters->region != 1)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"Input must set only one of the following fields: 'data', "
				"'binary_data_size' in 'parameters', 'shared_memory_region' in "
				"'parameters'");
	if (data) {
		input->source = OIP_VALUES;
		input->values = data;
		return oip_json_values_check(data, &input->tensor, reterr);
	}
	if (parameters->binary_data_size) {
		input->source = OIP_BINARY;
		r = json_get_uint(parameters->binary_data_size, "'binary_data_size'", &bytes,
				  reterr);
	} else {
		input->source = OIP_REGION;
		r = read_region(parameters, &input->region, reterr);
		bytes = input->region.bytes;
	}
	return r < 0 ? r : set_bytes(&input->tensor, bytes, reterr);
}

static void prefix_name(const char *what, struct wire_string name, uint32_t index,
			struct tensock_error *reterr)
{
	/* A longer name would leave no room for what there is to say. */
	int n = name.len < 64 ? name.len : 64;

	if (n)
		tsk_error_prefix(reterr, "%s '%.*s'", what, n, name.bytes);
	else
		tsk_error_prefix(reterr, "%s %u", what, (unsigned)index);
}

static int read_input_fields(yyjson_val *value, struct oip_input *input,
			     struct tensock_error *reterr)
{
	yyjson_val *name, *datatype, *shape, *data, *more;
	const struct json_field fields[] = {
		{ "name", &name }, { "datatype", &datatype }, { "shape", &shape },
		{ "data", &data }, { "parameters", &more },
	};
	struct tensor_parameters parameters;
	int r;

	r = json_get_fields(value, "it", fields, ARRAY_SIZE(fields), reterr);
	if (r == 0)
		r = read_name(name, &input->tensor.name, reterr);
	if (r == 0)
		r = read_datatype(datatype, &input->tensor.dtype, reterr);
	if (r == 0)
		r = read_shape(shape, &input->tensor, reterr);
	if (r == 0)
		r = measure(&input->tensor, reterr);
	if (r == 0)
		r = read_tensor_parameters(more, &parameters, reterr);
	if (r == 0)
		r = read_source(data, &parameters, input, reterr);
	return r;
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
		struct oip_input *input = &parsed->inputs[i];

		input->tensor.index = WIRE_INDEX_NONE;
		r = read_input_fields(each, input, reterr);
		if (r < 0) {
			prefix_name("input", input->tensor.name, (uint32_t)i, reterr);
			return r;
		}
	}
	return 0;
}

static int read_classes(yyjson_val *value, uint32_t *ret, struct tensock_error *reterr)
{
	uint64_t classes;
	int r = json_get_uint(value, "'classification'", &classes, reterr);

	if (r < 0)
		return r;
	*ret = classes < UINT32_MAX ? (uint32_t)classes : UINT32_MAX;
	return 0;
}

static int read_destination(const struct tensor_parameters *parameters, struct oip_output *output,
			    struct tensock_error *reterr)
{
	int r = 0;

	if (parameters->classification)
		r = read_classes(parameters->classification, &output->classes, reterr);
	if (r == 0 && parameters->binary_data)
		r = json_get_bool(parameters->binary_data, "'binary_data'", &output->is_binary,
				  reterr);
	if (r < 0 || !parameters->region)
		return r;
	if (parameters->classification)
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"Output can't set both 'shared_memory_region' and 'classification'");
	if (parameters->binary_data && output->is_binary)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"Output can't set both 'shared_memory_region' and 'binary_data'");
	return read_region(parameters, &output->region, reterr);
}

static int read_output_fields(yyjson_val *value, struct oip_output *output,
			      struct tensock_error *reterr)
{
	yyjson_val *name, *more;
	const struct json_field fields[] = { { "name", &name }, { "parameters", &more } };
	struct tensor_parameters parameters;
	int r;

	r = json_get_fields(value, "it", fields, ARRAY_SIZE(fields), reterr);
	if (r == 0)
		r = read_name(name, &output->name, reterr);
	if (r == 0)
		r = read_tensor_parameters(more, &parameters, reterr);
	if (r == 0)
		r = read_destination(&parameters, output, reterr);
	return r;
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
		struct oip_output *output = &parsed->outputs[i];

		output->is_binary = infer->is_binary;
		r = read_output_fields(each, output, reterr);
		if (r < 0) {
			prefix_name("output", output->name, (uint32_t)i, reterr);
			return r;
		}
	}
	return 0;
}

static int fail_sequence(const char *parameter, struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
			"parameter '%s': models here keep no state from one request to the next",
			parameter);
}

/* 0 and "" are none. */
static int read_sequence_id(yyjson_val *value, struct tensock_error *reterr)
{
	if (!yyjson_is_uint(value) && !yyjson_is_str(value))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"'sequence_id' is neither an unsigned integer nor a string");
	if (yyjson_is_uint(value) ? yyjson_get_uint(value) != 0 : yyjson_get_len(value) != 0)
		return fail_sequence("sequence_id", reterr);
	return 0;
}

static int read_sequence_flag(yyjson_val *value, const char *name, struct tensock_error *reterr)
{
	bool is_set;
	int r = json_get_bool(value, name, &is_set, reterr);

	return r < 0 || !is_set ? r : fail_sequence(name, reterr);
}

/* Others than those that are known are the model's, and models here take none. */
static int check_custom(yyjson_val *parameters, struct tensock_error *reterr)
{
	yyjson_val *key, *value;
	size_t i, n;

	yyjson_obj_foreach(parameters, i, n, key, value)
	{
		if (json_key_begins(key, "triton_"))
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"parameter keys starting with 'triton_' are reserved for "
					"Triton usage and should not be specified.");
		if (!yyjson_is_str(value) && !yyjson_is_num(value) && !yyjson_is_raw(value) &&
		    !yyjson_is_bool(value) && !yyjson_is_null(value))
			return tsk_fail(
				reterr, TENSOCK_INVALID_ARGUMENT,
				"parameter '%.64s' has invalid type. It should be either 'int', "
				"'bool', or 'string'.",
				yyjson_get_str(key));
	}
	return 0;
}

static int read_parameters(yyjson_val *value, struct oip_infer *infer, struct tensock_error *reterr)
{
	yyjson_val *id, *start, *end, *priority, *timeout, *binary;
	const struct json_field fields[] = {
		{ "sequence_id", &id },   { "sequence_start", &start },
		{ "sequence_end", &end }, { "priority", &priority },
		{ "timeout", &timeout },  { "binary_data_output", &binary },
	};
	uint64_t ignored;
	int r = json_get_fields(value, "'parameters'", fields, ARRAY_SIZE(fields), reterr);

	if (r == 0 && id)
		r = read_sequence_id(id, reterr);
	if (r == 0 && start)
		r = read_sequence_flag(start, "sequence_start", reterr);
	if (r == 0 && end)
		r = read_sequence_flag(end, "sequence_end", reterr);
	if (r == 0 && priority)
		r = json_get_uint(priority, "'priority'", &ignored, reterr);
	if (r == 0 && timeout)
		r = json_get_uint(timeout, "'timeout'", &infer->timeout_us, reterr);
	if (r == 0 && binary)
		r = json_get_bool(binary, "'binary_data_output'", &infer->is_binary, reterr);
	return r < 0 ? r : check_custom(value, reterr);
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
	if (r == 0 && parameters)
		r = read_parameters(parameters, infer, reterr);
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
