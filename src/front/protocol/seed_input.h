/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inputs that the host makes up for a seed frame.
 *
 * Shapes: a dimension that the model leaves open is 1, but dimensions 2 and 3 of a tensor of rank 4
 * (height and width of an image, NCHW) are SEED_IMAGE_SIDE unless fixed.
 * Values: FP32 as seed_random.h, afresh for each input; FP16, BF16, FP64 the same numbers
 * converted; everything else zero (BYTES: empty strings).
 */
#ifndef PROTOCOL_SEED_INPUT_H
#define PROTOCOL_SEED_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "channel/run.h"
#include "tensor/seed_random.h"
#include "tensor/model_info.h"

#define SEED_IMAGE_SIDE 224

struct seed_input {
	struct run_tensor *tensors;
	unsigned n_tensors;
	uint64_t bytes; /* of the region */

	unsigned current;        /* the tensor being filled */
	uint64_t current_filled; /* bytes of it */
	struct seed_random random;
};

/* -EFBIG with *reterr where a size cannot be expressed, or -ENOMEM. */
int seed_input_init(struct seed_input *input, const struct tsk_model_info *info,
		    struct tensock_error *reterr) _nodiscard_;
void seed_input_done(struct seed_input *input);

/*
 * Writes the next slice, at most a few milliseconds' worth, into the region (input->bytes of them).
 * True while there is more.
 */
bool seed_input_fill(struct seed_input *input, void *region);

/* Bytes that the region of the outputs takes if open dimensions turn out as for inputs. */
uint64_t seed_output_guess(const struct tsk_model_info *info);

#endif
