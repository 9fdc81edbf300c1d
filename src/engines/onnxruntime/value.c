/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/onnxruntime/ort.h"

#include <stdlib.h>
#include <string.h>

static uint32_t out_of_memory(struct tensock_error *reterr)
{
	return ort_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
}

/* False when the product does not fit. */
static bool count_elems(const int64_t *dims, uint32_t rank, uint64_t *ret)
{
	uint64_t n = 1;

	for (uint32_t d = 0; d < rank; d++) {
		if (dims[d] < 0 || __builtin_mul_overflow(n, (uint64_t)dims[d], &n))
			return false;
	}
	*ret = n;
	return true;
}

/* A u32 little-endian, read once: another process may write there. */
static uint32_t read_u32(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	__asm__ volatile("" : "+r"(v));
	return v; /* x86-64 and arm64 are little-endian, as the library is */
}

/* Copies the elements of a TENSOCK_BYTES tensor into a string tensor. */
static uint32_t fill_strings(const struct ort *ort, const struct tensock_tensor *tensor, uint64_t n,
			     OrtValue *value, struct tensock_error *reterr)
{
	const unsigned char *p = tensor->data;
	uint64_t left = tensor->bytes;

	for (uint64_t i = 0; i < n; i++) {
		uint32_t s, len;
		char *room = NULL;

		if (left < 4)
			break;
		len = read_u32(p);
		p += 4;
		left -= 4;
		if (len > left)
			return ort_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"string %llu ends outside its tensor",
					(unsigned long long)i);
		s = ort_check(ort,
			      ort->api->GetResizedStringTensorElementBuffer(value, (size_t)i, len,
									    &room),
			      reterr);
		if (s != TENSOCK_OK)
			return s;
		if (len)
			memcpy(room, p, len);
		p += len;
		left -= len;
		if (i + 1 == n && left == 0)
			return TENSOCK_OK;
	}
	return n == 0 && left == 0
		       ? TENSOCK_OK
		       : ort_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				  "the tensor's bytes are not the strings of its shape");
}

static uint32_t string_value(const struct ort *ort, const struct tensock_tensor *tensor,
			     OrtValue **ret, struct tensock_error *reterr)
{
	OrtValue *value = NULL;
	uint64_t n;
	uint32_t s;

	/* Each element takes four bytes at least: no tensor of more strings than that is made. */
	if (!count_elems(tensor->dims, tensor->rank, &n) || n > tensor->bytes / 4)
		return ort_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"the tensor's bytes are not the strings of its shape");
	s = ort_check(ort,
		      ort->api->CreateTensorAsOrtValue(ort->allocator, tensor->dims, tensor->rank,
						       ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING,
						       &value),
		      reterr);
	if (s == TENSOCK_OK)
		s = fill_strings(ort, tensor, n, value, reterr);
	if (s == TENSOCK_OK)
		*ret = value;
	else if (value)
		ort->api->ReleaseValue(value);
	return s;
}

uint32_t ort_value_new(const struct ort *ort, const struct tensock_tensor *tensor, OrtValue **ret,
		       struct tensock_error *reterr)
{
	if (tensor->dtype == TENSOCK_BYTES)
		return string_value(ort, tensor, ret, reterr);
	return ort_check(ort,
			 ort->api->CreateTensorWithDataAsOrtValue(
				 ort->cpu, tensor->data, tensor->bytes, tensor->dims, tensor->rank,
				 ort_dtype_from_tensock(tensor->dtype), ret),
			 reterr);
}

static uint32_t read_shape(const struct ort *ort, const OrtValue *value, struct tensock_tensor *ret,
			   struct tensock_error *reterr)
{
	ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
	OrtTensorTypeAndShapeInfo *shape = NULL;
	size_t rank = 0;
	uint32_t s = ort_check(ort, ort->api->GetTensorTypeAndShape(value, &shape), reterr);

	if (s != TENSOCK_OK)
		return s;
	s = ort_check(ort, ort->api->GetTensorElementType(shape, &element), reterr);
	if (s == TENSOCK_OK)
		s = ort_check(ort, ort->api->GetDimensionsCount(shape, &rank), reterr);
	if (s == TENSOCK_OK && rank > TENSOCK_RANK_MAX)
		s = ort_fail(reterr, TENSOCK_UNSUPPORTED, "an output has %zu dimensions, above %u",
			     rank, TENSOCK_RANK_MAX);
	if (s == TENSOCK_OK)
		s = ort_check(ort, ort->api->GetDimensions(shape, ret->dims, rank), reterr);
	ort->api->ReleaseTensorTypeAndShapeInfo(shape);
	if (s != TENSOCK_OK)
		return s;
	ret->rank = (uint32_t)rank;
	ret->dtype = ort_dtype_to_tensock(element);
	if (ret->dtype == TENSOCK_DTYPE_INVALID)
		return ort_fail(reterr, TENSOCK_UNSUPPORTED, "an output has element type %d",
				(int)element);
	return TENSOCK_OK;
}

/* Writes n elements, whose texts lie end to end in `texts`, each with its length before it. */
static void write_strings(unsigned char *to, const unsigned char *texts, size_t total,
			  const size_t *offsets, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		size_t end = i + 1 < n ? offsets[i + 1] : total;
		uint32_t len = (uint32_t)(end - offsets[i]);

		memcpy(to, &len, sizeof(len));
		memcpy(to + sizeof(len), texts + offsets[i], len);
		to += sizeof(len) + len;
	}
}

static void free_strings(struct tensock_tensor *tensor)
{
	free(tensor->data);
}

static uint32_t read_strings(const struct ort *ort, const OrtValue *value,
			     struct tensock_tensor *ret, struct tensock_error *reterr)
{
	size_t total = 0, bytes;
	unsigned char *texts, *data;
	size_t *offsets;
	uint64_t n;
	uint32_t s = ort_check(ort, ort->api->GetStringTensorDataLength(value, &total), reterr);

	if (s != TENSOCK_OK)
		return s;
	if (!count_elems(ret->dims, ret->rank, &n) || n > SIZE_MAX / sizeof(size_t) - 1 ||
	    __builtin_add_overflow(total, (size_t)n * 4, &bytes) || total > UINT32_MAX)
		return ort_fail(reterr, TENSOCK_TOO_LARGE, "an output's strings are too large");
	texts = malloc(total + 1);
	offsets = calloc((size_t)n + 1, sizeof(*offsets));
	data = malloc(bytes + 1);
	if (!texts || !offsets || !data)
		s = out_of_memory(reterr);
	if (s == TENSOCK_OK)
		s = ort_check(ort,
			      ort->api->GetStringTensorContent(value, texts, total, offsets,
							       (size_t)n),
			      reterr);
	if (s == TENSOCK_OK) {
		write_strings(data, texts, total, offsets, n);
		ret->data = data;
		ret->bytes = bytes;
		ret->release = free_strings;
		data = NULL;
	}
	free(texts);
	free(offsets);
	free(data);
	return s;
}

/* What release() needs to give a value back. */
struct owned {
	const OrtApi *api;
	OrtValue *value;
};

static void release_value(struct tensock_tensor *tensor)
{
	struct owned *owned = tensor->private_data;

	owned->api->ReleaseValue(owned->value);
	free(owned);
}

static uint32_t own_data(const struct ort *ort, OrtValue **value, struct tensock_tensor *ret,
			 struct tensock_error *reterr)
{
	struct owned *owned;
	uint64_t n, bytes;
	uint32_t s;

	if (!count_elems(ret->dims, ret->rank, &n) ||
	    __builtin_mul_overflow(n, (uint64_t)ort_dtype_bits(ret->dtype), &bytes))
		return ort_fail(reterr, TENSOCK_TOO_LARGE, "an output is too large");
	s = ort_check(ort, ort->api->GetTensorMutableData(*value, &ret->data), reterr);
	if (s != TENSOCK_OK)
		return s;
	owned = malloc(sizeof(*owned));
	if (!owned)
		return out_of_memory(reterr);
	*owned = (struct owned){ ort->api, *value };
	*value = NULL;
	ret->bytes = bytes / 8 + (bytes % 8 ? 1 : 0);
	ret->private_data = owned;
	ret->release = release_value;
	return TENSOCK_OK;
}

uint32_t ort_value_to_tensor(const struct ort *ort, OrtValue **value, struct tensock_tensor *tensor,
			     struct tensock_error *reterr)
{
	struct tensock_tensor ret = { .index = tensor->index };
	uint32_t s = read_shape(ort, *value, &ret, reterr);

	if (s == TENSOCK_OK && ret.dtype == TENSOCK_BYTES)
		s = read_strings(ort, *value, &ret, reterr);
	else if (s == TENSOCK_OK)
		s = own_data(ort, value, &ret, reterr);
	if (s == TENSOCK_OK)
		*tensor = ret;
	return s;
}
