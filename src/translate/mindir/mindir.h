/* SPDX-License-Identifier: Apache-2.0 */
/* MindIR (.mindir) to ONNX.  Source of the format: MindSpore 2.10's mind_ir.proto. */
#ifndef TRANSLATE_MINDIR_MINDIR_H
#define TRANSLATE_MINDIR_MINDIR_H

#include <stddef.h>

#include "translate/graph.h"

/*
 * Builds the graph of a model: 0, or the -errno of *reterr (INVALID_MODEL, UNSUPPORTED, TOO_LARGE); what
 * the graph itself fails with is left in it.  The graph refers to the bytes.
 */
int mindir_translate(const void *bytes, size_t n_bytes, struct onnx_graph *graph,
		     struct tensock_error *reterr) _nodiscard_;

/* Whether the bytes look like MindIR: a ModelProto of its own, which ONNX's is not. */
bool mindir_probe(const void *bytes, size_t n_bytes);

#endif
