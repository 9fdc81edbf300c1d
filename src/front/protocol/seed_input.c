/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/seed_input.h"

#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "base/status.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/small_float.h"

#define SLICE_ELEMS 131072u
#define SLICE_ZERO_BYTES (UINT64_C(4) << 20)

static_assert(TSK_MODEL_TENSORS_MAX <= RUN_TENSORS_MAX, "a model's tensors do not fit a run");

static int64_t made_up_dim(const struct tsk_tensor_info *info, uint32_t i)
{
	if (info->dims[i] >= 0)
		return info->dims[i];
	return info->rank == 4 && i >= 2 ? SEED_IMAGE_SIDE : 1;
}

/* The tensor's shape and bytes; offset is set later. */
static int make_up(const struct tsk_tensor_info *info, uint32_t index, struct run_tensor *ret)
{
	struct run_tensor t = { .index = index, .dtype = info->dtype, .rank = info->rank };
	int r;

	for (uint32_t i = 0; i < info->rank; i++)
		t.dims[i] = made_up_dim(info, i);
	if (t.dtype == TENSOCK_BYTES) {
		r = tsk_shape_elems(t.dims, t.rank, &t.bytes);
		if (r == 0 && !tsk_mul(t.bytes, UINT64_C(4), &t.bytes))
			r = -EOVERFLOW;
	} else {
		r = tsk_shape_bytes(t.dtype, t.dims, t.rank, &t.bytes);
	}
	if (r == 0)
		*ret = t;
	return r;
}

/* Shapes and layout of n tensors in one region; ret: n of them. */
static int lay_out(const struct tsk_tensor_info *infos, uint32_t n, struct run_tensor *ret,
		   uint64_t *ret_bytes)
{
	_cleanup_free_ uint64_t *bytes = calloc(2 * ((size_t)n + 1), sizeof(*bytes));
	uint64_t *offsets;
	int r = 0;

	if (!bytes)
		return -ENOMEM;
	offsets = bytes + n;
	for (uint32_t i = 0; i < n && r == 0; i++) {
		r = make_up(&infos[i], i, &ret[i]);
		bytes[i] = ret[i].bytes;
	}
	if (r == 0)
		r = run_layout(bytes, n, offsets, ret_bytes);
	for (uint32_t i = 0; i < n && r == 0; i++)
		ret[i].offset = offsets[i];
	return r;
}

int seed_input_init(struct seed_input *input, const struct tsk_model_info *info,
		    struct tensock_error *reterr)
{
	int r;

	*input = (struct seed_input){ .n_tensors = info->n_inputs };
	input->tensors = calloc((size_t)info->n_inputs + 1, sizeof(*input->tensors));
	if (!input->tensors)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory");
	r = lay_out(info->inputs, info->n_inputs, input->tensors, &input->bytes);
	if (r == 0)
		return 0;
	seed_input_done(input);
	if (r == -ENOMEM)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory");
	return tsk_fail(reterr, TENSOCK_TOO_LARGE, "the model's inputs are larger than any memory");
}

void seed_input_done(struct seed_input *input)
{
	free(TAKE_PTR(input->tensors));
}

static bool is_random(uint32_t dtype)
{
	return dtype == TENSOCK_FLOAT32 || dtype == TENSOCK_FLOAT64 || dtype == TENSOCK_FLOAT16 ||
	       dtype == TENSOCK_BFLOAT16;
}

/* One number, converted, at p.  Returns its size. */
static size_t put_random(struct seed_random *random, uint32_t dtype, unsigned char *p)
{
	float f = seed_random_next(random);
	double d = (double)f;
	uint16_t small;

	if (dtype == TENSOCK_FLOAT32) {
		memcpy(p, &f, sizeof(f));
		return sizeof(f);
	}
	if (dtype == TENSOCK_FLOAT64) {
		memcpy(p, &d, sizeof(d));
		return sizeof(d);
	}
	small = dtype == TENSOCK_FLOAT16 ? half_from_float(f) : bfloat16_from_float(f);
	memcpy(p, &small, sizeof(small));
	return sizeof(small);
}

/* Fills the next slice of the current tensor; returns its bytes. */
static uint64_t fill_slice(struct seed_input *input, unsigned char *region)
{
	const struct run_tensor *t = &input->tensors[input->current];
	unsigned char *p = region + t->offset + input->current_filled;
	uint64_t left = t->bytes - input->current_filled;
	uint64_t n = left < SLICE_ZERO_BYTES ? left : SLICE_ZERO_BYTES;
	unsigned char *start = p, *end = region + t->offset + t->bytes;

	if (!is_random(t->dtype)) {
		memset(p, 0, n);
		return n;
	}
	if (input->current_filled == 0)
		seed_random_init(&input->random);
	for (unsigned i = 0; i < SLICE_ELEMS && p < end; i++)
		p += put_random(&input->random, t->dtype, p);
	return (uint64_t)(p - start);
}

bool seed_input_fill(struct seed_input *input, void *region)
{
	if (input->current == 0 && input->current_filled == 0) {
		/* The layout was made for exactly these: they fit. */
		int r = run_write(region, input->bytes, input->tensors, input->n_tensors);

		assert(r == 0);
		(void)r;
	}
	if (input->current < input->n_tensors) {
		input->current_filled += fill_slice(input, region);
		if (input->current_filled == input->tensors[input->current].bytes) {
			input->current++;
			input->current_filled = 0;
		}
	}
	return input->current < input->n_tensors;
}

uint64_t seed_output_guess(const struct tsk_model_info *info)
{
	_cleanup_free_ struct run_tensor *tensors =
		calloc((size_t)info->n_outputs + 1, sizeof(*tensors));
	uint64_t bytes;

	if (!tensors || lay_out(info->outputs, info->n_outputs, tensors, &bytes) < 0)
		return 0;
	return bytes;
}
