/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSLATE_MINDIR_MINDIR_RESIZE_H
#define TRANSLATE_MINDIR_MINDIR_RESIZE_H

#include "translate/mindir/mindir_op.h"

/*
 * x, [N, C, H, W], to another height and width, as MindSpore's ResizeBicubic does it with half-pixel
 * centers.  NULL where a size is not known, or too large for this.
 */
struct onnx_value *mindir_resize_cubic(struct mindir_op *op, struct onnx_value *x,
				       const int64_t *size);

#endif
