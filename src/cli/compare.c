/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/compare.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "tensor/value.h"

static double distance(double got, double expected)
{
	double d;

	if (isnan(got) || isnan(expected))
		return isnan(got) && isnan(expected) ? 0 : INFINITY;
	if (got == expected)
		return 0;
	d = fabs(got - expected);
	return isfinite(expected) ? d : INFINITY;
}

/* Exactly, though a double does not hold every number of 64 bits. */
static double distance_whole(const struct tsk_value *got, const struct tsk_value *expected)
{
	bool is_less = got->kind == TSK_VALUE_SIGNED
			       ? tsk_value_signed(got) < tsk_value_signed(expected)
			       : got->number < expected->number;

	return (double)(is_less ? expected->number - got->number : got->number - expected->number);
}

static double difference(const struct tsk_value *got, const struct tsk_value *expected)
{
	switch (got->kind) {
	case TSK_VALUE_BOOL:
		return got->number == expected->number ? 0 : INFINITY;
	case TSK_VALUE_UNSIGNED:
	case TSK_VALUE_SIGNED:
		return distance_whole(got, expected);
	case TSK_VALUE_REAL:
		return distance(got->real, expected->real);
	case TSK_VALUE_COMPLEX:
		return fmax(distance(got->real, expected->real),
			    distance(got->imaginary, expected->imaginary));
	case TSK_VALUE_TEXT:
		break;
	}
	return got->text_bytes == expected->text_bytes &&
			       (!got->text_bytes ||
				memcmp(got->text, expected->text, got->text_bytes) == 0)
		       ? 0
		       : INFINITY;
}

static double magnitude(const struct tsk_value *value)
{
	double v = 0;

	if (value->kind == TSK_VALUE_SIGNED)
		v = fabs((double)tsk_value_signed(value));
	else if (value->kind == TSK_VALUE_UNSIGNED)
		v = (double)value->number;
	else if (value->kind == TSK_VALUE_REAL)
		v = fabs(value->real);
	else if (value->kind == TSK_VALUE_COMPLEX)
		v = fmax(fabs(value->real), fabs(value->imaginary));
	return isfinite(v) ? v : 0;
}

int compare_tensors(uint32_t dtype, const void *got, uint64_t got_bytes, const void *expected,
		    uint64_t expected_bytes, struct comparison *ret)
{
	struct tsk_value_reader a = tsk_value_reader(dtype, got, (size_t)got_bytes);
	struct tsk_value_reader b = tsk_value_reader(dtype, expected, (size_t)expected_bytes);
	struct comparison comparison = { 0 };
	struct tsk_value value, wanted;
	bool has_value, has_wanted;

	for (uint64_t i = 0;; i++) {
		double d;

		has_value = tsk_value_next(&a, &value);
		has_wanted = tsk_value_next(&b, &wanted);
		if (!has_value || !has_wanted)
			break;
		d = difference(&value, &wanted);
		comparison.n_differ += d != 0;
		if (d > comparison.largest) {
			comparison.largest = d;
			comparison.at = i;
		}
		comparison.expected_max = fmax(comparison.expected_max, magnitude(&wanted));
	}
	if (has_value || has_wanted)
		return -EPROTO;
	*ret = comparison;
	return 0;
}

double comparison_relative(const struct comparison *comparison)
{
	if (comparison->largest == 0 || comparison->expected_max == 0)
		return comparison->largest;
	return comparison->largest / comparison->expected_max;
}
