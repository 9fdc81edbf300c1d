/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MindIR (.mindir) to ONNX.  Source of the format: MindSpore's mind_ir.proto.  Read are the files of
 * 2.x, with their table of primitives, whether settings stand in attributes (2.0) or in constant inputs
 * at the end (2.10), and those of 1.x without that table.
 */
#ifndef TRANSLATE_MINDIR_MINDIR_H
#define TRANSLATE_MINDIR_MINDIR_H

#include <stddef.h>

#include "translate/graph.h"

/*
 * Builds the graph of a model: 0, or the -errno of *reterr (INVALID_MODEL, UNSUPPORTED, TOO_LARGE); what
 * the graph itself fails with is left in it.  The graph refers to the bytes.
 *
 * Names: an input is called as in construct() ("x"), an output as its value in the file ("CNode_37:40",
 * or "out:3" where construct() gave it to a variable), both without the graph's name in front.  Where
 * construct() returns several, also within each other, they are outputs in a row, each with its own
 * value's name; those that one operator gives as a tuple have its name and their number: "CNode_5:1_0".
 * One that would have the name of an input or of an output before it (`return x, y, y`) gets a number
 * behind it, too.  An output that MindSpore would give as a Python number is a tensor of rank 0.
 */
int mindir_translate(const void *bytes, size_t n_bytes, struct onnx_graph *graph,
		     struct tensock_error *reterr) _nodiscard_;

/* Whether the bytes look like MindIR: a ModelProto of its own, which ONNX's is not. */
bool mindir_probe(const void *bytes, size_t n_bytes);

#endif
