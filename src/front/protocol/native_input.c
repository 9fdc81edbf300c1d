/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/native_input.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/status.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

static_assert(WIRE_ALIGN == RUN_ALIGN, "payload does not lie as a run's region has it");

/* Names are shown up to so many bytes, and so are types with their shapes. */
#define NAME_SHOWN 48
#define TYPE_TEXT_BYTES 72u
/* Of models with more inputs no names are looked up for a guess. */
#define GUESS_INPUTS_MAX 16u

int native_input_layout(const struct wire_tensor *inputs, uint32_t n, uint32_t n_places,
			uint64_t *ret_payload_at, uint64_t *ret_region_bytes)
{
	_cleanup_free_ uint64_t *bytes = calloc((size_t)n + 1, sizeof(*bytes));
	uint64_t region, places;
	int r;

	if (!bytes)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		bytes[i] = inputs[i].bytes;
	r = run_layout(bytes, n, NULL, &region);
	if (r < 0)
		return r;
	if (n_places > RUN_TENSORS_MAX - n)
		n_places = RUN_TENSORS_MAX - n;
	places = run_payload_at(n + n_places) - run_payload_at(n);
	if (!tsk_add(region, places, ret_region_bytes))
		return -EOVERFLOW;
	*ret_payload_at = run_payload_at(n + n_places);
	return 0;
}

/* "FP32 [1,3,224,224]", cut short with "..." where it is too long. */
static void type_text(char text[TYPE_TEXT_BYTES], uint32_t dtype, const int64_t *dims,
		      uint32_t rank)
{
	const char *name = tsk_dtype_name(dtype);
	size_t at = (size_t)snprintf(text, TYPE_TEXT_BYTES, "%s [", name ? name : "?");

	for (uint32_t i = 0; i < rank; i++) {
		char dim[24];
		size_t len =
			(size_t)snprintf(dim, sizeof(dim), "%s%" PRId64, i ? "," : "", dims[i]);

		if (len > TYPE_TEXT_BYTES - at - sizeof("...]")) {
			memcpy(text + at, "...", 3);
			at += 3;
			break;
		}
		memcpy(text + at, dim, len);
		at += len;
	}
	memcpy(text + at, "]", 2);
}

/* A model that says no rank, or rank 0, takes any. */
static bool fits(const struct tsk_tensor_info *info, const struct wire_tensor *t)
{
	if (info->dtype != t->dtype || (info->rank && info->rank != t->rank))
		return false;
	for (uint32_t i = 0; i < info->rank; i++) {
		if (info->dims[i] >= 0 && info->dims[i] != t->dims[i])
			return false;
	}
	return true;
}

/*
 * The one of n that t names, or -1.  hint: where it probably is, for guests tend to keep to the
 * model's order.
 */
static int64_t find(const struct tsk_tensor_info *infos, uint32_t n, const struct wire_tensor *t,
		    uint32_t hint)
{
	if (!t->name.len)
		return t->index < n ? (int64_t)t->index : -1;
	if (hint < n && wire_string_equals(t->name, infos[hint].name))
		return hint;
	for (uint32_t i = 0; i < n; i++) {
		if (wire_string_equals(t->name, infos[i].name))
			return i;
	}
	return -1;
}

/* Marks it; what: "input" or "output". */
static int find_once(const struct tsk_tensor_info *infos, uint32_t n, const struct wire_tensor *t,
		     uint32_t hint, bool *seen, const char *what, uint32_t *ret,
		     struct tensock_error *reterr)
{
	int64_t i = find(infos, n, t, hint);
	enum tensock_status unknown = what[0] == 'i' ? TENSOCK_INVALID_ARGUMENT : TENSOCK_NOT_FOUND;

	if (i < 0 && t->name.len)
		return tsk_fail(reterr, unknown, "the model has no %s \"%.*s\"", what,
				t->name.len < NAME_SHOWN ? (int)t->name.len : NAME_SHOWN,
				t->name.bytes);
	if (i < 0)
		return tsk_fail(reterr, unknown, "the model has no %s number %u: it has %u of them",
				what, t->index, n);
	if (seen[i])
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%s \"%.*s\" comes twice", what,
				NAME_SHOWN, infos[i].name);
	seen[i] = true;
	*ret = (uint32_t)i;
	return 0;
}

static int refuse_type(const struct tsk_tensor_info *info, const struct wire_tensor *t,
		       struct tensock_error *reterr)
{
	char expected[TYPE_TEXT_BYTES], came[TYPE_TEXT_BYTES];

	type_text(expected, info->dtype, info->dims, info->rank);
	type_text(came, t->dtype, t->dims, t->rank);
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "input \"%.*s\" is %s, not %s",
			NAME_SHOWN, info->name, expected, came);
}

int native_input_resolve(const struct tsk_model_info *info, const struct wire_tensor *inputs,
			 uint32_t n, uint64_t payload_at, struct run_tensor *ret,
			 struct tensock_error *reterr)
{
	bool seen[TSK_MODEL_TENSORS_MAX] = { false };

	for (uint32_t i = 0; i < n; i++) {
		const struct wire_tensor *t = &inputs[i];
		uint32_t index;
		int r = find_once(info->inputs, info->n_inputs, t, i, seen, "input", &index,
				  reterr);

		if (r < 0)
			return r;
		if (!fits(&info->inputs[index], t))
			return refuse_type(&info->inputs[index], t, reterr);
		ret[i] = (struct run_tensor){ .index = index,
					      .dtype = t->dtype,
					      .rank = t->rank,
					      .offset = payload_at + t->offset,
					      .bytes = t->bytes };
		memcpy(ret[i].dims, t->dims, sizeof(ret[i].dims));
	}
	for (uint32_t i = 0; i < info->n_inputs; i++) {
		if (!seen[i])
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"input \"%.*s\" is missing: the model has %u, %u came",
					NAME_SHOWN, info->inputs[i].name, info->n_inputs, n);
	}
	return 0;
}

int native_wanted_resolve(const struct tsk_model_info *info, const struct wire_tensor *wanted,
			  uint32_t n, uint32_t *ret, struct tensock_error *reterr)
{
	bool seen[TSK_MODEL_TENSORS_MAX] = { false };

	for (uint32_t i = 0; i < n; i++) {
		int r = find_once(info->outputs, info->n_outputs, &wanted[i], i, seen, "output",
				  &ret[i], reterr);

		if (r < 0)
			return r;
	}
	return 0;
}

/* A dimension that the model leaves open, as an input with the same name has it. */
static bool find_named_dim(const struct tsk_model_info *info, const char *name,
			   const struct run_tensor *inputs, uint32_t n, int64_t *ret)
{
	for (uint32_t i = 0; i < n && n <= GUESS_INPUTS_MAX; i++) {
		const struct tsk_tensor_info *input = &info->inputs[inputs[i].index];

		for (uint32_t d = 0; d < input->rank; d++) {
			if (!input->dim_names[d] || strcmp(input->dim_names[d], name) != 0)
				continue;
			*ret = inputs[i].dims[d];
			return true;
		}
	}
	return false;
}

static int64_t guess_dim(const struct tsk_model_info *info, const struct tsk_tensor_info *output,
			 uint32_t d, const struct run_tensor *inputs, uint32_t n)
{
	int64_t dim;

	if (output->dims[d] >= 0)
		return output->dims[d];
	if (output->dim_names[d] && find_named_dim(info, output->dim_names[d], inputs, n, &dim))
		return dim;
	return n && d < inputs[0].rank ? inputs[0].dims[d] : 1;
}

static int guess_bytes(const struct tsk_model_info *info, const struct tsk_tensor_info *output,
		       const struct run_tensor *inputs, uint32_t n, uint64_t *ret)
{
	int64_t dims[TENSOCK_RANK_MAX];
	uint64_t elems;

	for (uint32_t d = 0; d < output->rank; d++)
		dims[d] = guess_dim(info, output, d, inputs, n);
	if (output->dtype != TENSOCK_BYTES)
		return tsk_shape_bytes(output->dtype, dims, output->rank, ret);
	if (tsk_shape_elems(dims, output->rank, &elems) < 0 || !tsk_mul(elems, UINT64_C(16), ret))
		return -EOVERFLOW;
	return 0;
}

uint64_t native_output_guess(const struct tsk_model_info *info, const struct run_tensor *inputs,
			     uint32_t n)
{
	_cleanup_free_ uint64_t *bytes = calloc((size_t)info->n_outputs + 1, sizeof(*bytes));
	uint64_t total;

	if (!bytes)
		return 0;
	for (uint32_t i = 0; i < info->n_outputs; i++) {
		if (guess_bytes(info, &info->outputs[i], inputs, n, &bytes[i]) < 0)
			return 0;
	}
	return run_layout(bytes, info->n_outputs, NULL, &total) < 0 ? 0 : total;
}
