/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/onnxruntime/ort.h"

#include <stdlib.h>
#include <string.h>

/* The host takes no more. */
#define TENSORS_MAX 1024u

static const char *const kinds[] = {
	[ONNX_TYPE_UNKNOWN] = "of an unknown kind",
	[ONNX_TYPE_TENSOR] = "a tensor",
	[ONNX_TYPE_SEQUENCE] = "a sequence",
	[ONNX_TYPE_MAP] = "a map",
	[ONNX_TYPE_OPAQUE] = "opaque",
	[ONNX_TYPE_SPARSETENSOR] = "a sparse tensor",
	[ONNX_TYPE_OPTIONAL] = "optional",
};

static void done_infos(struct tensock_tensor_info *infos, uint32_t n)
{
	for (uint32_t i = 0; infos && i < n; i++) {
		free((void *)(uintptr_t)infos[i].name);
		for (unsigned d = 0; d < TENSOCK_RANK_MAX; d++)
			free((void *)(uintptr_t)infos[i].dim_names[d]);
	}
	free(infos);
}

static uint32_t out_of_memory(struct tensock_error *reterr)
{
	return ort_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
}

static uint32_t describe_dims(const struct ort *ort, const OrtTensorTypeAndShapeInfo *shape,
			      struct tensock_tensor_info *ret, struct tensock_error *reterr)
{
	const char *names[TENSOCK_RANK_MAX] = { 0 };
	size_t rank = 0;
	uint32_t s = ort_check(ort, ort->api->GetDimensionsCount(shape, &rank), reterr);

	if (s != TENSOCK_OK)
		return s;
	if (rank > TENSOCK_RANK_MAX)
		return ort_fail(reterr, TENSOCK_UNSUPPORTED,
				"\"%.100s\" has %zu dimensions, above %u", ret->name, rank,
				TENSOCK_RANK_MAX);
	ret->rank = (uint32_t)rank;
	s = ort_check(ort, ort->api->GetDimensions(shape, ret->dims, rank), reterr);
	if (s == TENSOCK_OK)
		s = ort_check(ort, ort->api->GetSymbolicDimensions(shape, names, rank), reterr);
	for (size_t d = 0; s == TENSOCK_OK && d < rank; d++) {
		if (ret->dims[d] < 0)
			ret->dims[d] = -1;
		if (!names[d] || !names[d][0])
			continue;
		ret->dim_names[d] = strdup(names[d]);
		if (!ret->dim_names[d])
			return out_of_memory(reterr);
	}
	return s;
}

static uint32_t describe_tensor(const struct ort *ort, const OrtTypeInfo *type,
				struct tensock_tensor_info *ret, struct tensock_error *reterr)
{
	const OrtTensorTypeAndShapeInfo *shape = NULL;
	ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
	enum ONNXType kind = ONNX_TYPE_UNKNOWN;
	uint32_t s = ort_check(ort, ort->api->GetOnnxTypeFromTypeInfo(type, &kind), reterr);

	if (s != TENSOCK_OK)
		return s;
	if (kind != ONNX_TYPE_TENSOR)
		return ort_fail(reterr, TENSOCK_UNSUPPORTED,
				"\"%.100s\" is %s; only tensors are served", ret->name,
				(unsigned)kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[kind]
										  : kinds[0]);
	s = ort_check(ort, ort->api->CastTypeInfoToTensorInfo(type, &shape), reterr);
	if (s == TENSOCK_OK)
		s = ort_check(ort, ort->api->GetTensorElementType(shape, &element), reterr);
	if (s != TENSOCK_OK)
		return s;
	ret->dtype = ort_dtype_to_tensock(element);
	if (ret->dtype == TENSOCK_DTYPE_INVALID)
		return ort_fail(reterr, TENSOCK_UNSUPPORTED,
				"\"%.100s\" has element type %d, which is not served", ret->name,
				(int)element);
	return describe_dims(ort, shape, ret, reterr);
}

/* Inputs and outputs are asked for by functions of equal shape. */
struct side {
	OrtStatus *(ORT_API_CALL *count)(const OrtSession *session, size_t *out);
	OrtStatus *(ORT_API_CALL *name)(const OrtSession *session, size_t index,
					OrtAllocator *allocator, char **value);
	OrtStatus *(ORT_API_CALL *type)(const OrtSession *session, size_t index,
					OrtTypeInfo **type_info);
};

static uint32_t describe_one(const struct ort_model *model, const struct side *side, size_t index,
			     struct tensock_tensor_info *ret, struct tensock_error *reterr)
{
	const struct ort *ort = model->ort;
	OrtTypeInfo *type = NULL;
	char *name = NULL;
	uint32_t s;

	s = ort_check(ort, side->name(model->session, index, ort->allocator, &name), reterr);
	if (s != TENSOCK_OK)
		return s;
	ret->name = strdup(name);
	ort->allocator->Free(ort->allocator, name);
	if (!ret->name)
		return out_of_memory(reterr);
	s = ort_check(ort, side->type(model->session, index, &type), reterr);
	if (s == TENSOCK_OK)
		s = describe_tensor(ort, type, ret, reterr);
	if (type)
		ort->api->ReleaseTypeInfo(type);
	return s;
}

static uint32_t describe_side(const struct ort_model *model, const struct side *side,
			      struct tensock_tensor_info **ret, uint32_t *ret_n,
			      struct tensock_error *reterr)
{
	size_t n = 0;
	uint32_t s = ort_check(model->ort, side->count(model->session, &n), reterr);

	if (s != TENSOCK_OK)
		return s;
	if (n > TENSORS_MAX)
		return ort_fail(reterr, TENSOCK_UNSUPPORTED,
				"the model has %zu inputs or outputs, above %u", n, TENSORS_MAX);
	*ret = calloc(n + 1, sizeof(**ret));
	if (!*ret)
		return out_of_memory(reterr);
	*ret_n = (uint32_t)n;
	for (size_t i = 0; s == TENSOCK_OK && i < n; i++)
		s = describe_one(model, side, i, &(*ret)[i], reterr);
	return s;
}

uint32_t ort_describe(struct ort_model *model, struct tensock_error *reterr)
{
	const OrtApi *api = model->ort->api;
	const struct side inputs = { api->SessionGetInputCount, api->SessionGetInputName,
				     api->SessionGetInputTypeInfo };
	const struct side outputs = { api->SessionGetOutputCount, api->SessionGetOutputName,
				      api->SessionGetOutputTypeInfo };
	struct tensock_model_description *d = &model->description;
	uint32_t s;

	d->size = sizeof(*d);
	s = describe_side(model, &inputs, &model->inputs, &d->n_inputs, reterr);
	if (s == TENSOCK_OK)
		s = describe_side(model, &outputs, &model->outputs, &d->n_outputs, reterr);
	d->inputs = model->inputs;
	d->outputs = model->outputs;
	return s;
}

void ort_describe_done(struct ort_model *model)
{
	done_infos(model->inputs, model->description.n_inputs);
	done_infos(model->outputs, model->description.n_outputs);
}
