/* SPDX-License-Identifier: Apache-2.0 */
/* Writes an ONNX graph as a file: a ModelProto, in protobuf's wire format. */
#ifndef TRANSLATE_ONNX_FILE_H
#define TRANSLATE_ONNX_FILE_H

#include <stddef.h>

#include "translate/graph.h"

/*
 * *ret_bytes from malloc, the caller's.  The graph's own failure, or its file's being larger than
 * bytes_max, is an error: OUT_OF_MEMORY, TOO_LARGE, INVALID_MODEL (bytes and shape of a constant differ;
 * two inputs or outputs of one name).
 */
int onnx_file_write(struct onnx_graph *graph, size_t bytes_max, unsigned char **ret_bytes,
		    size_t *ret_n_bytes, struct tensock_error *reterr) _nodiscard_;

#endif
