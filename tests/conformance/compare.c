/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance/compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tensor/dtype.h"
#include "tensor/shape.h"

static double half_to_double(uint16_t h)
{
	double sign = h & 0x8000 ? -1.0 : 1.0;
	int exponent = h >> 10 & 0x1f;
	int mantissa = h & 0x3ff;

	if (exponent == 0x1f)
		return mantissa ? NAN : sign * INFINITY;
	if (exponent == 0)
		return sign * ldexp(mantissa, -24);
	return sign * ldexp(1024 + mantissa, exponent - 25);
}

/* Element i as a number; false for a type that is compared byte by byte. */
static bool element(const struct driver_tensor *t, uint64_t i, double *ret)
{
	const unsigned char *data = t->data;
	uint32_t word;
	float single;
	uint16_t half;

	switch (t->descriptor.dtype) {
	case TENSOCK_FLOAT32:
		memcpy(&single, data + 4 * i, 4);
		*ret = (double)single;
		return true;
	case TENSOCK_FLOAT64:
		memcpy(ret, data + 8 * i, 8);
		return true;
	case TENSOCK_FLOAT16:
		memcpy(&half, data + 2 * i, 2);
		*ret = half_to_double(half);
		return true;
	case TENSOCK_BFLOAT16:
		memcpy(&half, data + 2 * i, 2);
		word = (uint32_t)half << 16;
		memcpy(&single, &word, 4);
		*ret = (double)single;
		return true;
	default:
		return false;
	}
}

static bool is_close(double a, double b, double largest, double slack)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	if (isinf(a) || isinf(b))
		return a == b; /* NOLINT: infinities are exact */
	return fabs(a - b) <= slack * (1e-5 + 1e-3 * fabs(b) + 1e-6 * largest);
}

/* The largest finite magnitude: sums of such numbers are off by their rounding, not by the sum's. */
static double largest_element(const struct driver_tensor *t, uint64_t n)
{
	double largest = 0, v;

	for (uint64_t i = 0; i < n && element(t, i, &v); i++) {
		if (isfinite(v) && fabs(v) > largest)
			largest = fabs(v);
	}
	return largest;
}

static bool compare_elements(const struct driver_tensor *got, const struct driver_tensor *wanted,
			     char *text, size_t size)
{
	bool narrow = tsk_dtype_bits(got->descriptor.dtype) == 16;
	uint64_t n = 0;
	double a, b, largest;

	if (tsk_shape_elems(got->descriptor.dims, got->descriptor.rank, &n) < 0)
		return false;
	largest = largest_element(wanted, n);
	for (uint64_t i = 0; i < n; i++) {
		if (!element(got, i, &a) || !element(wanted, i, &b))
			break;
		if (is_close(a, b, largest, narrow ? 10 : 1))
			continue;
		snprintf(text, size, "element %llu is %g, not %g", (unsigned long long)i, a, b);
		return false;
	}
	if (n && element(got, 0, &a))
		return true;
	if (got->descriptor.bytes == wanted->descriptor.bytes &&
	    (!got->descriptor.bytes || !memcmp(got->data, wanted->data, got->descriptor.bytes)))
		return true;
	snprintf(text, size, "the elements differ");
	return false;
}

bool compare_tensors(const struct driver_tensor *got, const struct driver_tensor *wanted,
		     char *text, size_t size)
{
	const struct run_tensor *g = &got->descriptor, *w = &wanted->descriptor;

	if (g->dtype != w->dtype) {
		snprintf(text, size, "it is %s, not %s", tsk_dtype_name(g->dtype),
			 tsk_dtype_name(w->dtype));
		return false;
	}
	if (g->rank != w->rank || memcmp(g->dims, w->dims, g->rank * sizeof(g->dims[0])) != 0) {
		snprintf(text, size, "it has another shape (rank %u, wanted %u)", g->rank, w->rank);
		return false;
	}
	return compare_elements(got, wanted, text, size);
}
