/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/oip.h"

#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/status.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

int oip_string(const void *bytes, size_t n, size_t max, const char *what, struct wire_string *ret,
	       struct tensock_error *reterr)
{
	if (n > max || n > UINT16_MAX)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"the %s is %zu bytes long, more than %zu", what, n, max);
	if (n && memchr(bytes, '\0', n))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "the %s has a zero byte in it",
				what);
	*ret = (struct wire_string){ .bytes = bytes, .len = (uint16_t)n };
	return 0;
}

/*
 * ---- Types and shapes
 */

uint32_t oip_dtype(struct wire_string name)
{
	for (uint32_t dtype = TENSOCK_DTYPE_INVALID + 1; dtype < TENSOCK_DTYPE_MAX; dtype++) {
		if (wire_string_equals(name, tsk_dtype_name(dtype)))
			return dtype;
	}
	return TENSOCK_DTYPE_INVALID;
}

static int bad_shape(const struct oip_input *input, int r, struct tensock_error *reterr)
{
	if (r == -EINVAL)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"input '%.*s': its shape has a negative dimension",
				OIP_SAID(input->tensor.name));
	return tsk_fail(reterr, TENSOCK_TOO_LARGE, "input '%.*s': its shape has too many elements",
			OIP_SAID(input->tensor.name));
}

int oip_input_set_shape(struct oip_input *input, struct wire_string datatype, const int64_t *dims,
			size_t rank, struct tensock_error *reterr)
{
	struct wire_tensor *tensor = &input->tensor;
	uint64_t elems, bytes = 0;
	uint32_t dtype = oip_dtype(datatype);
	int r;

	if (dtype == TENSOCK_DTYPE_INVALID)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"input '%.*s': there is no datatype '%.*s'", OIP_SAID(tensor->name),
				OIP_SAID(datatype));
	if (rank > TENSOCK_RANK_MAX)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"input '%.*s': its shape has %zu dimensions, more than %u",
				OIP_SAID(tensor->name), rank, TENSOCK_RANK_MAX);
	r = tsk_shape_elems(dims, (uint32_t)rank, &elems);
	if (r == 0 && dtype != TENSOCK_BYTES)
		r = tsk_shape_bytes(dtype, dims, (uint32_t)rank, &bytes);
	if (r < 0)
		return bad_shape(input, r, reterr);
	tensor->dtype = dtype;
	tensor->rank = (uint32_t)rank;
	for (size_t i = 0; i < rank; i++)
		tensor->dims[i] = dims[i];
	tensor->bytes = bytes;
	return 0;
}

/* BYTES: a length of 4 bytes for each element, and none without one. */
static int set_string_bytes(struct oip_input *input, uint64_t bytes, struct tensock_error *reterr)
{
	struct wire_tensor *tensor = &input->tensor;
	uint64_t elems, least;

	if (tsk_shape_elems(tensor->dims, tensor->rank, &elems) < 0 ||
	    !tsk_mul(elems, UINT64_C(4), &least))
		return bad_shape(input, -EOVERFLOW, reterr);
	if (bytes < least || (!elems && bytes))
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"input byte size mismatch for input '%.*s'. Expected %s%llu, got %llu",
			OIP_SAID(tensor->name), elems ? "at least " : "", (unsigned long long)least,
			(unsigned long long)bytes);
	tensor->bytes = bytes;
	return 0;
}

int oip_input_set_bytes(struct oip_input *input, uint64_t bytes, struct tensock_error *reterr)
{
	if (input->tensor.dtype == TENSOCK_BYTES)
		return set_string_bytes(input, bytes, reterr);
	if (bytes != input->tensor.bytes)
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"input byte size mismatch for input '%.*s'. Expected %llu, got %llu",
			OIP_SAID(input->tensor.name), (unsigned long long)input->tensor.bytes,
			(unsigned long long)bytes);
	return 0;
}

/*
 * ---- Parameters
 */

void oip_parameter_set_string(struct oip_parameter *parameter, const void *bytes, size_t n)
{
	parameter->kind = OIP_PARAMETER_OTHER;
	if (oip_string(bytes, n, UINT16_MAX, "", &parameter->string, NULL) == 0)
		parameter->kind = OIP_PARAMETER_STRING;
}

static bool is_key(const struct oip_parameter *parameter, const char *key)
{
	return wire_string_equals(parameter->key, key);
}

static int bad_value(const struct oip_parameter *parameter, const char *expected,
		     struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"invalid value for '%.*s' parameter, expected %s", OIP_SAID(parameter->key),
			expected);
}

static int get_bool(const struct oip_parameter *parameter, bool *ret, struct tensock_error *reterr)
{
	if (parameter->kind != OIP_PARAMETER_BOOL)
		return bad_value(parameter, "a bool", reterr);
	*ret = parameter->truth;
	return 0;
}

/* A number that is not negative. */
static int get_count(const struct oip_parameter *parameter, uint64_t *ret,
		     struct tensock_error *reterr)
{
	if (parameter->kind == OIP_PARAMETER_UINT)
		*ret = parameter->u;
	else if (parameter->kind == OIP_PARAMETER_INT && parameter->i >= 0)
		*ret = (uint64_t)parameter->i;
	else
		return bad_value(parameter, "an integer from 0", reterr);
	return 0;
}

static int no_sequences(const struct oip_parameter *parameter, struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
			"parameter '%.*s': this host has no sequences, it runs each request alone",
			OIP_SAID(parameter->key));
}

/* 0 and "" say that there is no sequence: clients send that with each request. */
static int check_sequence_id(const struct oip_parameter *parameter, struct tensock_error *reterr)
{
	bool is_none;

	switch (parameter->kind) {
	case OIP_PARAMETER_INT:
		is_none = parameter->i == 0;
		break;
	case OIP_PARAMETER_UINT:
		is_none = parameter->u == 0;
		break;
	case OIP_PARAMETER_STRING:
		is_none = parameter->string.len == 0;
		break;
	default:
		return bad_value(parameter, "an integer or a string", reterr);
	}
	return is_none ? 0 : no_sequences(parameter, reterr);
}

static int check_sequence_flag(const struct oip_parameter *parameter, struct tensock_error *reterr)
{
	bool is_set = false;
	int r = get_bool(parameter, &is_set, reterr);

	if (r < 0)
		return r;
	return is_set ? no_sequences(parameter, reterr) : 0;
}

/* Keys that begin so are the protocol's own. */
static int check_reserved(const struct oip_parameter *parameter, struct tensock_error *reterr)
{
	bool ignored = false;

	if (is_key(parameter, "triton_enable_empty_final_response"))
		return get_bool(parameter, &ignored, reterr);
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"parameter keys starting with 'triton_' are reserved for Triton usage. "
			"Only the following keys starting with 'triton_' are allowed: "
			"triton_enable_empty_final_response");
}

int oip_infer_parameter(struct oip_infer *infer, const struct oip_parameter *parameter,
			struct tensock_error *reterr)
{
	static const char reserved[] = "triton_";
	size_t n = sizeof(reserved) - 1;
	uint64_t ignored = 0;

	if (is_key(parameter, "sequence_id"))
		return check_sequence_id(parameter, reterr);
	if (is_key(parameter, "sequence_start") || is_key(parameter, "sequence_end"))
		return check_sequence_flag(parameter, reterr);
	if (is_key(parameter, "priority"))
		return get_count(parameter, &ignored, reterr);
	if (is_key(parameter, "timeout"))
		return get_count(parameter, &infer->timeout_us, reterr);
	if (is_key(parameter, "binary_data_output"))
		return get_bool(parameter, &infer->is_binary, reterr);
	if (parameter->key.len >= n && memcmp(parameter->key.bytes, reserved, n) == 0)
		return check_reserved(parameter, reterr);
	return 0;
}

static int get_region_name(const struct oip_parameter *parameter, struct oip_region *region,
			   struct tensock_error *reterr)
{
	if (parameter->kind != OIP_PARAMETER_STRING || !parameter->string.len ||
	    parameter->string.len > OIP_REGION_NAME_MAX)
		return bad_value(parameter, "a region's name", reterr);
	region->name = parameter->string;
	return 0;
}

static int get_classes(const struct oip_parameter *parameter, uint32_t *ret,
		       struct tensock_error *reterr)
{
	uint64_t n = 0;
	int r = get_count(parameter, &n, reterr);

	if (r < 0)
		return r;
	if (!n)
		return bad_value(parameter, "an integer from 1", reterr);
	*ret = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
	return 0;
}

int oip_tensor_parameter(struct wire_string tensor, const struct oip_parameter *parameter,
			 struct oip_tensor_parameters *parameters, struct tensock_error *reterr)
{
	int r = 0;

	if (is_key(parameter, "shared_memory_region")) {
		r = get_region_name(parameter, &parameters->region, reterr);
	} else if (is_key(parameter, "shared_memory_offset")) {
		parameters->has_offset = true;
		r = get_count(parameter, &parameters->region.offset, reterr);
	} else if (is_key(parameter, "shared_memory_byte_size")) {
		parameters->has_bytes = true;
		r = get_count(parameter, &parameters->region.bytes, reterr);
	} else if (is_key(parameter, "classification")) {
		r = get_classes(parameter, &parameters->classes, reterr);
	} else if (is_key(parameter, "binary_data")) {
		parameters->has_binary_data = true;
		r = get_bool(parameter, &parameters->is_binary, reterr);
	}
	if (r < 0)
		tsk_error_prefix(reterr, "tensor '%.*s'", OIP_SAID(tensor));
	return r;
}

int oip_tensor_parameters_end(struct wire_string tensor,
			      const struct oip_tensor_parameters *parameters,
			      struct tensock_error *reterr)
{
	bool has_region = parameters->region.name.len > 0;

	if (!has_region && (parameters->has_offset || parameters->has_bytes))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"'%s' can not be specified without 'shared_memory_region' "
				"parameter for tensor '%.*s'",
				parameters->has_offset ? "shared_memory_offset"
						       : "shared_memory_byte_size",
				OIP_SAID(tensor));
	if (has_region && !parameters->has_bytes)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"'shared_memory_byte_size' must be specified along with "
				"'shared_memory_region' parameter for tensor '%.*s'",
				OIP_SAID(tensor));
	if (has_region && parameters->classes)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"output can't set both 'shared_memory_region' and "
				"'classification': tensor '%.*s'",
				OIP_SAID(tensor));
	return 0;
}

/*
 * ---- Models
 */

struct wire_string oip_backend(const struct tsk_model_info *info)
{
	return (struct wire_string){ .bytes = info->engine,
				     .len = (uint16_t)strcspn(info->engine, " ") };
}

void oip_platform(const struct tsk_model_info *info, char ret[OIP_PLATFORM_BYTES])
{
	struct wire_string backend = oip_backend(info);

	snprintf(ret, OIP_PLATFORM_BYTES, "%.*s_%s", backend.len, backend.bytes, info->format);
}

uint32_t oip_config_type(uint32_t dtype, const char **ret_name)
{
	static const struct {
		const char *name;
		uint32_t number;
	} rows[TENSOCK_DTYPE_MAX] = {
		[TENSOCK_DTYPE_INVALID] = { "TYPE_INVALID", 0 },
		[TENSOCK_BOOL] = { "TYPE_BOOL", 1 },
		[TENSOCK_UINT8] = { "TYPE_UINT8", 2 },
		[TENSOCK_UINT16] = { "TYPE_UINT16", 3 },
		[TENSOCK_UINT32] = { "TYPE_UINT32", 4 },
		[TENSOCK_UINT64] = { "TYPE_UINT64", 5 },
		[TENSOCK_INT8] = { "TYPE_INT8", 6 },
		[TENSOCK_INT16] = { "TYPE_INT16", 7 },
		[TENSOCK_INT32] = { "TYPE_INT32", 8 },
		[TENSOCK_INT64] = { "TYPE_INT64", 9 },
		[TENSOCK_FLOAT16] = { "TYPE_FP16", 10 },
		[TENSOCK_FLOAT32] = { "TYPE_FP32", 11 },
		[TENSOCK_FLOAT64] = { "TYPE_FP64", 12 },
		[TENSOCK_BYTES] = { "TYPE_STRING", 13 },
		[TENSOCK_BFLOAT16] = { "TYPE_BF16", 14 },
	};

	if (dtype >= TENSOCK_DTYPE_MAX || !rows[dtype].name)
		dtype = TENSOCK_DTYPE_INVALID;
	if (ret_name)
		*ret_name = rows[dtype].name;
	return rows[dtype].number;
}

bool oip_file_key(struct wire_string key, struct wire_string *ret_version)
{
	static const char file[] = "file:";
	const uint16_t n = sizeof(file) - 1;
	struct wire_string version;
	const char *slash;

	if (key.len < n || memcmp(key.bytes, file, n) != 0)
		return false;
	version = (struct wire_string){ .bytes = key.bytes + n, .len = (uint16_t)(key.len - n) };
	slash = version.len ? memchr(version.bytes, '/', version.len) : NULL;
	version.len = slash ? (uint16_t)(slash - version.bytes) : 0;
	*ret_version = version;
	return true;
}
