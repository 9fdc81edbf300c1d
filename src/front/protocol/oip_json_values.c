/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yyjson keeps an array's values one after the other, each array before what is in it: a row of scalars
 * is a piece of memory, and so are all rows, with the arrays between them.
 */
#include "front/protocol/oip_json_values.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "base/status.h"
#include "front/protocol/json_document.h"
#include "front/protocol/oip_json.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

/* How many of the n values at v are of a type, up to the first one that is not. */

static size_t count_unsigned(yyjson_val *v, size_t n, uint64_t max)
{
	size_t i = 0;

	while (i < n && unsafe_yyjson_is_uint(v + i) && unsafe_yyjson_get_uint(v + i) <= max)
		i++;
	return i;
}

static size_t count_signed(yyjson_val *v, size_t n, int64_t max)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (unsafe_yyjson_is_uint(v + i) ? unsafe_yyjson_get_uint(v + i) > (uint64_t)max
						 : !unsafe_yyjson_is_sint(v + i) ||
							   unsafe_yyjson_get_sint(v + i) < -max - 1)
			break;
	}
	return i;
}

static size_t count_bools(yyjson_val *v, size_t n)
{
	size_t i = 0;

	while (i < n && (unsafe_yyjson_is_bool(v + i) || count_unsigned(v + i, 1, 1)))
		i++;
	return i;
}

/* An integer is rounded to the next double, as Python does. */
static inline double number(yyjson_val *v)
{
	if (unsafe_yyjson_is_real(v))
		return unsafe_yyjson_get_real(v);
	if (unsafe_yyjson_is_uint(v))
		return (double)unsafe_yyjson_get_uint(v);
	return (double)unsafe_yyjson_get_sint(v);
}

/* NaN, Infinity, and integers too long for 64 bits, are floats all the same: they become such. */
static bool make_real(yyjson_val *v)
{
	double real;

	return json_raw_number(v, &real) && yyjson_set_real(v, real);
}

static size_t count_floats(yyjson_val *v, size_t n, bool is_single)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!unsafe_yyjson_is_num(v + i) && !make_real(v + i))
			break;
		if (is_single && isinf((float)number(v + i)) && !isinf(number(v + i)))
			break;
	}
	return i;
}

static size_t count_strings(yyjson_val *v, size_t n)
{
	size_t i = 0;

	while (i < n && unsafe_yyjson_is_str(v + i) && unsafe_yyjson_get_len(v + i) <= UINT32_MAX)
		i++;
	return i;
}

static size_t count_good(uint32_t dtype, yyjson_val *v, size_t n)
{
	switch (dtype) {
	case TENSOCK_BOOL:
		return count_bools(v, n);
	case TENSOCK_UINT8:
		return count_unsigned(v, n, UINT8_MAX);
	case TENSOCK_UINT16:
		return count_unsigned(v, n, UINT16_MAX);
	case TENSOCK_UINT32:
		return count_unsigned(v, n, UINT32_MAX);
	case TENSOCK_UINT64:
		return count_unsigned(v, n, UINT64_MAX);
	case TENSOCK_INT8:
		return count_signed(v, n, INT8_MAX);
	case TENSOCK_INT16:
		return count_signed(v, n, INT16_MAX);
	case TENSOCK_INT32:
		return count_signed(v, n, INT32_MAX);
	case TENSOCK_INT64:
		return count_signed(v, n, INT64_MAX);
	case TENSOCK_FLOAT32:
		return count_floats(v, n, true);
	case TENSOCK_FLOAT64:
		return count_floats(v, n, false);
	case TENSOCK_BYTES:
		return count_strings(v, n);
	default:
		return 0;
	}
}

static bool can_travel(uint32_t dtype)
{
	return dtype >= TENSOCK_BOOL && dtype <= TENSOCK_BYTES && dtype != TENSOCK_FLOAT16 &&
	       dtype != TENSOCK_BFLOAT16;
}

/* Writing: all has been checked.  Each returns where the next value goes. */

static unsigned char *write_bools(yyjson_val *v, size_t n, unsigned char *to)
{
	for (size_t i = 0; i < n; i++)
		*to++ = yyjson_is_bool(v + i) ? yyjson_get_bool(v + i)
					      : yyjson_get_uint(v + i) == 1;
	return to;
}

/* The low bytes of an integer in two's complement.  Little-endian, as all machines that this runs on. */
static inline unsigned char *write_integers(yyjson_val *v, size_t n, unsigned char *to,
					    size_t width)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t bits = unsafe_yyjson_get_uint(v + i);

		memcpy(to + i * width, &bits, width);
	}
	return to + n * width;
}

static unsigned char *write_singles(yyjson_val *v, size_t n, unsigned char *to)
{
	for (size_t i = 0; i < n; i++) {
		float single = (float)number(v + i);

		memcpy(to + i * sizeof(single), &single, sizeof(single));
	}
	return to + n * sizeof(float);
}

static unsigned char *write_doubles(yyjson_val *v, size_t n, unsigned char *to)
{
	for (size_t i = 0; i < n; i++) {
		double real = number(v + i);

		memcpy(to + i * sizeof(real), &real, sizeof(real));
	}
	return to + n * sizeof(double);
}

static unsigned char *write_strings(yyjson_val *v, size_t n, unsigned char *to)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t len = (uint32_t)yyjson_get_len(v + i);

		memcpy(to, &len, sizeof(len));
		memcpy(to + sizeof(len), yyjson_get_str(v + i), len);
		to += sizeof(len) + len;
	}
	return to;
}

static unsigned char *write_row(uint32_t dtype, yyjson_val *v, size_t n, unsigned char *to)
{
	switch (dtype) {
	case TENSOCK_BOOL:
		return write_bools(v, n, to);
	case TENSOCK_BYTES:
		return write_strings(v, n, to);
	case TENSOCK_FLOAT32:
		return write_singles(v, n, to);
	case TENSOCK_FLOAT64:
		return write_doubles(v, n, to);
	case TENSOCK_UINT8:
	case TENSOCK_INT8:
		return write_integers(v, n, to, 1);
	case TENSOCK_UINT16:
	case TENSOCK_INT16:
		return write_integers(v, n, to, 2);
	case TENSOCK_UINT32:
	case TENSOCK_INT32:
		return write_integers(v, n, to, 4);
	default:
		return write_integers(v, n, to, 8);
	}
}

void oip_json_values_write(const struct oip_input *input, void *to)
{
	const yyjson_val *data = input->values;
	yyjson_val *v = (yyjson_val *)(uintptr_t)data, *end = unsafe_yyjson_get_next(v);
	unsigned char *p = to;

	/* An array whose first value is none has no array in it. */
	while (v < end) {
		size_t n = unsafe_yyjson_get_len(v++);

		if (n == 0 || unsafe_yyjson_is_arr(v))
			continue;
		p = write_row(input->tensor.dtype, v, n, p);
		v += n;
	}
}

struct check {
	struct wire_tensor *tensor;
	uint64_t n_before, bytes; /* values that have been looked at; what strings take */
	struct tensock_error *reterr;
};

static const char *what_is(yyjson_val *v)
{
	if (yyjson_is_raw(v) || yyjson_is_num(v))
		return "is a number that this type cannot hold";
	if (yyjson_is_arr(v))
		return "is an array: neither flat nor nested as the shape says";
	if (yyjson_is_str(v))
		return "is a string";
	if (yyjson_is_bool(v))
		return "is a boolean";
	return yyjson_is_obj(v) ? "is an object" : "is null";
}

static int fail_value(const struct check *check, size_t at, yyjson_val *v)
{
	return tsk_fail(check->reterr, TENSOCK_INVALID_ARGUMENT,
			"unable to parse 'data': value %llu of %s %s",
			(unsigned long long)(check->n_before + at),
			tsk_dtype_name(check->tensor->dtype), what_is(v));
}

/* Strings come with four bytes of length; a text of less than 2^60 bytes makes no sum overflow. */
static uint64_t strings_bytes(yyjson_val *v, size_t n)
{
	uint64_t bytes = n * sizeof(uint32_t);

	for (size_t i = 0; i < n; i++)
		bytes += yyjson_get_len(v + i);
	return bytes;
}

static int check_row(struct check *check, yyjson_val *row)
{
	size_t n = yyjson_arr_size(row), good;

	good = count_good(check->tensor->dtype, row + 1, n);
	if (good < n)
		return fail_value(check, good, row + 1 + good);
	if (check->tensor->dtype == TENSOCK_BYTES)
		check->bytes += strings_bytes(row + 1, n);
	check->n_before += n;
	return 0;
}

static int fail_count(const struct check *check, size_t n, uint64_t wanted)
{
	return tsk_fail(check->reterr, TENSOCK_INVALID_ARGUMENT,
			"unable to parse 'data': %zu values where the shape has %llu", n,
			(unsigned long long)wanted);
}

/* As deep as the tensor's rank, which is bounded. */
static int check_nested(struct check *check, yyjson_val *array, uint32_t level)
{
	size_t n = yyjson_arr_size(array), i, count;
	yyjson_val *inner;
	int r = 0;

	if (!yyjson_is_arr(array))
		return fail_value(check, 0, array);
	if (n != (uint64_t)check->tensor->dims[level])
		return fail_count(check, n, (uint64_t)check->tensor->dims[level]);
	if (level + 1 == check->tensor->rank)
		return check_row(check, array);
	yyjson_arr_foreach(array, i, count, inner)
	{
		r = check_nested(check, inner, level + 1);
		if (r < 0)
			break;
	}
	return r;
}

static int fail_type(const struct wire_tensor *tensor, struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
			"receiving %s data via JSON is not supported. Please use the binary data "
			"format for input %.*s",
			tsk_dtype_name(tensor->dtype), OIP_SAID(tensor->name));
}

int oip_json_values_check(yyjson_val *data, struct wire_tensor *tensor,
			  struct tensock_error *reterr)
{
	struct check check = { .tensor = tensor, .reterr = reterr };
	uint64_t elems;
	int r;

	if (!can_travel(tensor->dtype))
		return fail_type(tensor, reterr);
	if (!yyjson_is_arr(data))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"unable to parse 'data': it is not an array");
	r = tsk_shape_elems(tensor->dims, tensor->rank, &elems);
	if (r < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "its shape is too large");
	if (tensor->rank > 1 && yyjson_is_arr(yyjson_arr_get_first(data)))
		r = check_nested(&check, data, 0);
	else if (yyjson_arr_size(data) != elems)
		return fail_count(&check, yyjson_arr_size(data), elems);
	else
		r = check_row(&check, data);
	if (r < 0)
		return r;
	if (tensor->dtype == TENSOCK_BYTES)
		tensor->bytes = check.bytes;
	return 0;
}
