/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MindSpore Lite's files (.ms) to ONNX.  Source of the format: MindSpore Lite's model.fbs and ops.fbs, of
 * 1.0 (no identifier), 1.1 (MSL1) and 1.2 to 2.7 (MSL2).
 *
 * The interface stays the author's: NHWC where the file has it.  Inputs and outputs are called as their
 * tensors are; where those have no name, as in 1.0, by MindSpore Lite's rule: an output by its tensor's
 * number ("354"), an input by the first node that reads it and the place there ("conv_10"), or, where
 * that has no name either, by its number.  What is an input and an output: "NAME" and "NAME:output".
 */
#ifndef TRANSLATE_MS_MS_H
#define TRANSLATE_MS_MS_H

#include <stddef.h>

#include "translate/graph.h"

/*
 * Builds the graph of a model: 0, or the -errno of *reterr (INVALID_MODEL, UNSUPPORTED, TOO_LARGE); what
 * the graph itself fails with is left in it.  The graph refers to the bytes.
 */
int ms_translate(const void *bytes, size_t n_bytes, struct onnx_graph *graph,
		 struct tensock_error *reterr) _nodiscard_;

/* Whether the bytes look like a .ms file of any generation. */
bool ms_probe(const void *bytes, size_t n_bytes);

#endif
