/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bicubic resizing with half-pixel centers.  MindSpore takes its weights from a table of 1024 steps,
 * which ONNX's Resize does not: so the weights are written out, as a matrix for each direction.
 */
#include "translate/mindir/mindir_resize.h"

#include <math.h>

#define STEPS 1024
#define A (-0.5)
#define TAPS 4
#define ELEMENTS_MAX (1 << 20) /* of a matrix */

/* The cubic for distances up to 1, and from 1 to 2. */
static double near_weight(double x)
{
	return ((A + 2) * x - (A + 3)) * x * x + 1;
}

static double far_weight(double x)
{
	x += 1;
	return ((A * x - 5 * A) * x + 8 * A) * x - 4 * A;
}

/* Of one row: elements outside do not count, and the others make up for them. */
static void fill_row(float *row, int64_t n, double at)
{
	double floor_at = floor(at), step = rint((at - floor_at) * STEPS) / STEPS, sum = 0;
	const double weights[TAPS] = { far_weight(step), near_weight(step), near_weight(1 - step),
				       far_weight(1 - step) };
	int64_t first = (int64_t)floor_at - 1;

	for (int t = 0; t < TAPS; t++)
		sum += first + t >= 0 && first + t < n ? weights[t] : 0;
	for (int t = 0; t < TAPS; t++) {
		if (first + t >= 0 && first + t < n)
			row[first + t] = (float)(fabs(sum) > 1e-3 ? weights[t] / sum : weights[t]);
	}
}

/* [to, from]; NULL where that is not known, or too much. */
static struct onnx_value *matrix(struct mindir_op *op, int64_t from, int64_t to)
{
	const int64_t dims[] = { to, from };
	float *weights;

	if (from < 1 || to < 1 || from > ELEMENTS_MAX || to > ELEMENTS_MAX / from)
		return NULL;
	weights = onnx_take(op->graph, (size_t)(from * to), sizeof(*weights));
	if (!weights)
		return NULL;
	for (int64_t i = 0; i < to; i++)
		fill_row(weights + i * from, from,
			 ((double)i + 0.5) * ((double)from / (double)to) - 0.5);
	return onnx_constant(op->graph, TENSOCK_FLOAT32, dims, 2, weights,
			     (size_t)(from * to) * sizeof(*weights));
}

struct onnx_value *mindir_resize_cubic(struct mindir_op *op, struct onnx_value *x,
				       const int64_t *size)
{
	struct onnx_value *rows = matrix(op, x->dims[2], size[0]);
	struct onnx_value *columns = rows ? matrix(op, x->dims[3], size[1]) : NULL;
	uint32_t dtype = x->dtype;

	if (!columns)
		return NULL;
	x = emit_cast(op->graph, x, TENSOCK_FLOAT32);
	x = emit_matmul(op->graph, x, columns, false, true);
	x = emit_matmul(op->graph, rows, x, false, false);
	return emit_cast(op->graph, x, dtype);
}
