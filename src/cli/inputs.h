/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inputs of a run, from what the command line says of them: NAME=file.npy, NAME=@file of raw bytes,
 * NAME=random, NAME=zeros.  NAME may be an index from 0, where no tensor is called that.
 *
 * Whatever is not said is as with the seed: a dimension that the model leaves open is 1, but 224 where it
 * is the third or fourth of four; floats are the seed's random numbers, afresh for each input;
 * everything else is zero.
 */
#ifndef CLI_INPUTS_H
#define CLI_INPUTS_H

#include <tensock/tensock.h>

#include "base/cleanup.h"

struct inputs {
	struct tensock_input *tensors;
	void **owned; /* of each: what its data lies in */
	uint32_t n;
};

/* What repeated options said: texts in the order of the command line. */
struct settings {
	const char **texts;
	unsigned n;
};

/* -ENOMEM. */
int settings_add(struct settings *settings, const char *text) _nodiscard_;
void settings_done(struct settings *settings);

/*
 * Which of n tensors a setting "NAME=value" means; *ret_value is what stands behind it.  The longest name
 * that fits counts.  option: for the sentence.
 */
int settings_find(const char *option, const char *text, const struct tensock_tensor_info *infos,
		  uint32_t n, uint32_t *ret_index, const char **ret_value,
		  struct tensock_error *reterr) _nodiscard_;

/* The setting for tensor `index`, the last one that was given; NULL: none. */
int settings_of(const char *option, const struct settings *settings,
		const struct tensock_tensor_info *infos, uint32_t n, uint32_t index,
		const char **ret_value, struct tensock_error *reterr) _nodiscard_;

/* *ret is the caller's to _done. */
int inputs_make(const struct tensock_tensor_info *infos, uint32_t n, const struct settings *values,
		const struct settings *shapes, struct inputs *ret, struct tensock_error *reterr)
	_nodiscard_;
void inputs_done(struct inputs *inputs);

#endif
