/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host prints for a seed frame: for each output one line "output data is:" with its first
 * SEED_OUTPUT_VALUES values, each followed by a space.  Floating-point as "%g", integers in
 * decimal, BOOL 0 or 1, complex "(re,im)", BYTES as text: unprintable bytes are '?', and no more
 * than SEED_OUTPUT_TEXT bytes of an element are shown.
 */
#ifndef PROTOCOL_SEED_OUTPUT_H
#define PROTOCOL_SEED_OUTPUT_H

#include <stddef.h>

#include "base/cleanup.h"
#include "channel/run.h"

#define SEED_OUTPUT_VALUES 51u
#define SEED_OUTPUT_TEXT 256u

/*
 * tensors: as run_read() gives them of this region.  The region may change meanwhile: then the text
 * is nonsense, and no more.  *ret_text is the caller's to free, *ret_len its length.  -ENOMEM.
 */
int seed_output_text(const void *region, const struct run_tensor *tensors, unsigned n,
		     char **ret_text, size_t *ret_len) _nodiscard_;

#endif
