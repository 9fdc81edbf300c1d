/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inputs.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/status.h"
#include "cli/args.h"
#include "cli/file.h"
#include "tensor/npy.h"
#include "tensor/seed_random.h"
#include "tensor/shape.h"
#include "tensor/small_float.h"

#define SEED_IMAGE_SIDE 224

int settings_add(struct settings *settings, const char *text)
{
	const char **texts =
		reallocarray(settings->texts, settings->n + 1, sizeof(*settings->texts));

	if (!texts)
		return -ENOMEM;
	settings->texts = texts;
	texts[settings->n++] = text;
	return 0;
}

void settings_done(struct settings *settings)
{
	free(settings->texts);
	*settings = (struct settings){ 0 };
}

/* "2=..." → 2, where there are as many. */
static bool find_index(const char *text, uint32_t n, uint32_t *ret_index, const char **ret_value)
{
	uint64_t index = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9' && index < n; p++)
		index = index * 10 + (uint64_t)(*p - '0');
	if (p == text || *p != '=' || index >= n)
		return false;
	*ret_index = (uint32_t)index;
	*ret_value = p + 1;
	return true;
}

int settings_find(const char *option, const char *text, const struct tensock_tensor_info *infos,
		  uint32_t n, uint32_t *ret_index, const char **ret_value,
		  struct tensock_error *reterr)
{
	const char *value = NULL;
	size_t longest = 0;

	if (!strchr(text, '='))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"%s: '%.80s' is not of the form NAME=...", option, text);
	for (uint32_t i = 0; i < n; i++) {
		size_t len = strlen(infos[i].name);

		if (strncmp(infos[i].name, text, len) != 0 || text[len] != '=' ||
		    (value && len <= longest))
			continue;
		longest = len;
		*ret_index = i;
		value = text + len + 1;
	}
	if (value) {
		*ret_value = value;
		return 0;
	}
	if (find_index(text, n, ret_index, ret_value))
		return 0;
	return tsk_fail(reterr, TENSOCK_NOT_FOUND,
			"%s: the model has no such tensor: '%.*s' (it has %" PRIu32
			"; tensock show tells their names)",
			option, (int)strcspn(text, "="), text, n);
}

int settings_of(const char *option, const struct settings *settings,
		const struct tensock_tensor_info *infos, uint32_t n, uint32_t index,
		const char **ret_value, struct tensock_error *reterr)
{
	const char *last = NULL;

	for (unsigned i = 0; i < settings->n; i++) {
		const char *value;
		uint32_t found;
		int r = settings_find(option, settings->texts[i], infos, n, &found, &value, reterr);

		if (r < 0)
			return r;
		if (found == index)
			last = value;
	}
	*ret_value = last;
	return 0;
}

static void made_up_shape(const struct tensock_tensor_info *info, struct tensock_input *ret)
{
	ret->rank = info->rank;
	for (uint32_t i = 0; i < info->rank; i++) {
		ret->dims[i] = info->dims[i];
		if (info->dims[i] < 0)
			ret->dims[i] = info->rank == 4 && i >= 2 ? SEED_IMAGE_SIDE : 1;
	}
}

/* Whether the model takes this shape, as far as it says. */
static int check_shape(const struct tensock_tensor_info *info, const struct tensock_input *input,
		       struct tensock_error *reterr)
{
	/* A rank of 0 may mean any. */
	if (info->rank == 0)
		return 0;
	if (info->rank != input->rank)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"input %.80s has %" PRIu32 " dimensions, not %" PRIu32, info->name,
				info->rank, input->rank);
	for (uint32_t i = 0; i < info->rank; i++) {
		if (info->dims[i] >= 0 && info->dims[i] != input->dims[i])
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"dimension %" PRIu32 " of input %.80s is %" PRId64
					", not %" PRId64,
					i, info->name, info->dims[i], input->dims[i]);
	}
	return 0;
}

/* Bytes of an input that is to be made up: texts are empty ones. */
static int made_up_bytes(struct tensock_input *input)
{
	int r;

	if (input->dtype != TENSOCK_BYTES)
		return tsk_shape_bytes(input->dtype, input->dims, input->rank, &input->bytes);
	r = tsk_shape_elems(input->dims, input->rank, &input->bytes);
	if (r == 0 && !tsk_mul(input->bytes, UINT64_C(4), &input->bytes))
		r = -EOVERFLOW;
	return r;
}

static void fill_random(uint32_t dtype, unsigned char *p, uint64_t bytes)
{
	struct seed_random random;
	unsigned char *end = p + bytes;

	seed_random_init(&random);
	while (p < end) {
		float f = seed_random_next(&random);
		double d = (double)f;
		uint16_t small =
			dtype == TENSOCK_FLOAT16 ? half_from_float(f) : bfloat16_from_float(f);

		if (dtype == TENSOCK_FLOAT32) {
			memcpy(p, &f, sizeof(f));
			p += sizeof(f);
		} else if (dtype == TENSOCK_FLOAT64) {
			memcpy(p, &d, sizeof(d));
			p += sizeof(d);
		} else {
			memcpy(p, &small, sizeof(small));
			p += sizeof(small);
		}
	}
}

static int make_up(struct tensock_input *input, bool is_random, void **ret_owned,
		   struct tensock_error *reterr)
{
	unsigned char *bytes = NULL;

	if (made_up_bytes(input) == 0 && input->bytes < SIZE_MAX)
		bytes = calloc(1, (size_t)input->bytes + 1);
	if (!bytes)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY,
				"no memory for an input of that shape");
	if (is_random && (input->dtype == TENSOCK_FLOAT32 || input->dtype == TENSOCK_FLOAT64 ||
			  input->dtype == TENSOCK_FLOAT16 || input->dtype == TENSOCK_BFLOAT16))
		fill_random(input->dtype, bytes, input->bytes);
	input->data = *ret_owned = bytes;
	return 0;
}

static int take_raw(struct tensock_input *input, const char *path, void **ret_owned,
		    struct tensock_error *reterr)
{
	unsigned char *bytes;
	uint64_t expected;
	size_t size;
	int r = file_read(path, &bytes, &size, reterr);

	if (r < 0)
		return r;
	*ret_owned = bytes;
	input->data = bytes;
	input->bytes = size;
	if (input->dtype == TENSOCK_BYTES)
		return 0; /* the host looks at these */
	if (tsk_shape_bytes(input->dtype, input->dims, input->rank, &expected) < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"%.100s: its shape is larger than any memory (see --shape)", path);
	if (expected != size)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"%.100s has %zu bytes, not the %" PRIu64
				" of its shape (see --shape)",
				path, size, expected);
	return 0;
}

static int take_npy(const struct tensock_tensor_info *info, struct tensock_input *input,
		    const char *path, void **ret_owned, struct tensock_error *reterr)
{
	_cleanup_free_ unsigned char *file = NULL;
	struct tsk_npy_tensor tensor;
	struct tsk_npy npy;
	int r = file_read_npy(path, &file, &npy, reterr);

	if (r < 0)
		return r;
	r = tsk_npy_tensor(&npy, info->dtype, &tensor, reterr);
	if (r < 0) {
		tsk_error_prefix(reterr, "%.100s", path);
		return r;
	}
	input->rank = npy.rank;
	memcpy(input->dims, npy.dims, sizeof(input->dims));
	input->data = tensor.data;
	input->bytes = tensor.bytes;
	*ret_owned = tensor.owned ? tensor.owned : TAKE_PTR(file);
	return 0;
}

static int make_one(const struct tensock_tensor_info *info, const char *value, const char *shape,
		    struct tensock_input *input, void **ret_owned, struct tensock_error *reterr)
{
	int r = 0;

	made_up_shape(info, input);
	if (shape)
		r = args_shape("--shape", shape, input->dims, &input->rank, reterr);
	if (r == 0 && shape)
		r = check_shape(info, input, reterr);
	if (r < 0)
		return r;
	if (!value || strcmp(value, "random") == 0 || strcmp(value, "zeros") == 0)
		return make_up(input, !value || *value == 'r', ret_owned, reterr);
	if (*value == '@')
		return take_raw(input, value + 1, ret_owned, reterr);
	r = take_npy(info, input, value, ret_owned, reterr);
	return r < 0 ? r : check_shape(info, input, reterr);
}

int inputs_make(const struct tensock_tensor_info *infos, uint32_t n, const struct settings *values,
		const struct settings *shapes, struct inputs *ret, struct tensock_error *reterr)
{
	struct inputs inputs = { .n = n };
	int r = 0;

	inputs.tensors = calloc((size_t)n + 1, sizeof(*inputs.tensors));
	inputs.owned = calloc((size_t)n + 1, sizeof(*inputs.owned));
	if (!inputs.tensors || !inputs.owned)
		r = tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory");
	for (uint32_t i = 0; i < n && r == 0; i++) {
		const char *value = NULL, *shape = NULL;

		inputs.tensors[i].index = i;
		inputs.tensors[i].dtype = infos[i].dtype;
		r = settings_of("--input", values, infos, n, i, &value, reterr);
		if (r == 0)
			r = settings_of("--shape", shapes, infos, n, i, &shape, reterr);
		if (r == 0)
			r = make_one(&infos[i], value, shape, &inputs.tensors[i], &inputs.owned[i],
				     reterr);
	}
	if (r < 0)
		inputs_done(&inputs);
	else
		*ret = inputs;
	return r;
}

void inputs_done(struct inputs *inputs)
{
	for (uint32_t i = 0; inputs->owned && i < inputs->n; i++)
		free(inputs->owned[i]);
	free(inputs->owned);
	free(inputs->tensors);
	*inputs = (struct inputs){ 0 };
}
