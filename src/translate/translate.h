/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models of MindSpore's formats as ONNX: from memory to memory.
 *
 * Memory: the result and what is built on the way stay below 4 × the model + 64 MiB.  Nothing in the
 * model is trusted: every offset, length and count is checked before it is followed.
 */
#ifndef TRANSLATE_TRANSLATE_H
#define TRANSLATE_TRANSLATE_H

#include <stdbool.h>
#include <stddef.h>

#include <tensock/types.h>

#include "base/cleanup.h"

enum model_format {
	MODEL_FORMAT_UNKNOWN = 0,
	MODEL_FORMAT_ONNX,
	MODEL_FORMAT_MINDIR, /* MindSpore's protobuf */
	MODEL_FORMAT_MS,     /* MindSpore Lite's FlatBuffer, of any of the three generations */
	MODEL_FORMAT_MAX
};

/* By content: a look at the head and the outermost structure, not a check. */
enum model_format model_format(const void *bytes, size_t n_bytes);

/* "onnx", "mindir", "ms"; NULL for one that is not known. */
const char *model_format_name(enum model_format format);

struct translation {
	unsigned char *onnx; /* a ModelProto */
	size_t n_bytes;
};

/*
 * 0, or the -errno of the status in *reterr: INVALID_MODEL (broken), UNSUPPORTED (names the operator,
 * its node, and what to do), TOO_LARGE, OUT_OF_MEMORY, INVALID_ARGUMENT (a format that is not
 * MindSpore's).  *ret is the caller's to _done.  bytes must not change meanwhile.
 */
int translate(const void *bytes, size_t n_bytes, struct translation *ret,
	      struct tensock_error *reterr) _nodiscard_;
void translation_done(struct translation *translation);

#endif
