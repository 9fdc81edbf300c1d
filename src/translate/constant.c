/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/constant.h"

#include <errno.h>
#include <string.h>

#include "base/checked.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/small_float.h"
#include "tensor/value.h"
#include "translate/permute.h"

static void write_copy(const struct onnx_constant *constant, unsigned char *to)
{
	if (constant->n_bytes)
		memcpy(to, constant->bytes, constant->n_bytes);
}

static void write_permuted(const struct onnx_constant *constant, unsigned char *to)
{
	permute(constant->bytes, constant->source_dims, constant->perm, constant->rank,
		tsk_dtype_bits(constant->dtype) / 8, to);
}

struct onnx_value *onnx_constant_made(struct onnx_graph *graph,
				      const struct onnx_constant *constant)
{
	struct onnx_value *value = onnx_value_new(graph, constant->dtype);
	struct onnx_constant *own;
	uint64_t n_bytes;

	if (tsk_shape_bytes(constant->dtype, constant->dims, constant->rank, &n_bytes) < 0) {
		onnx_fail(graph, -EINVAL);
		return value;
	}
	own = onnx_copy(graph, constant, 1, sizeof(*constant));
	if (!own)
		return value;
	own->n_bytes = n_bytes;
	own->transposed = NULL;
	value->constant = own;
	onnx_value_set_shape(value, constant->dims, (int)constant->rank);
	return value;
}

static void set_dims(struct onnx_constant *constant, const int64_t *dims, uint32_t rank)
{
	constant->rank = rank;
	for (uint32_t i = 0; i < rank; i++)
		constant->dims[i] = dims[i];
}

struct onnx_value *onnx_constant(struct onnx_graph *graph, uint32_t dtype, const int64_t *dims,
				 uint32_t rank, const void *bytes, size_t n_bytes)
{
	struct onnx_constant constant = {
		.dtype = dtype, .write = write_copy, .bytes = bytes, .n_source = n_bytes
	};
	uint64_t wanted;

	if (rank > TENSOCK_RANK_MAX || tsk_shape_bytes(dtype, dims, rank, &wanted) < 0 ||
	    wanted != n_bytes) {
		onnx_fail(graph, -EINVAL);
		return onnx_value_new(graph, dtype);
	}
	set_dims(&constant, dims, rank);
	return onnx_constant_made(graph, &constant);
}

static struct onnx_value *copied(struct onnx_graph *graph, uint32_t dtype, const int64_t *dims,
				 uint32_t rank, const void *bytes, size_t n_bytes)
{
	const void *own = onnx_copy(graph, bytes, n_bytes, 1);

	return own ? onnx_constant(graph, dtype, dims, rank, own, n_bytes)
		   : onnx_value_new(graph, dtype);
}

struct onnx_value *onnx_int64s(struct onnx_graph *graph, const int64_t *v, size_t n)
{
	const int64_t dims[] = { (int64_t)n };

	return copied(graph, TENSOCK_INT64, dims, 1, v, n * sizeof(*v));
}

struct onnx_value *onnx_int64(struct onnx_graph *graph, int64_t v)
{
	return copied(graph, TENSOCK_INT64, NULL, 0, &v, sizeof(v));
}

struct onnx_value *onnx_floats(struct onnx_graph *graph, const float *v, size_t n)
{
	const int64_t dims[] = { (int64_t)n };

	return copied(graph, TENSOCK_FLOAT32, dims, 1, v, n * sizeof(*v));
}

/* C leaves the conversion of a double that does not fit undefined. */
static int64_t nearest_int64(double v)
{
	if (!(v > -9.2e18))
		return v < 0 ? INT64_MIN : 0; /* 0: not a number */
	return v < 9.2e18 ? (int64_t)v : INT64_MAX;
}

static bool is_unsigned(uint32_t dtype)
{
	return dtype == TENSOCK_UINT8 || dtype == TENSOCK_UINT16 || dtype == TENSOCK_UINT32 ||
	       dtype == TENSOCK_UINT64;
}

/* The low bytes are those of the nearest that a type of integers has: a bound of Clip is often beyond. */
static int64_t nearest_integer(uint32_t dtype, double v)
{
	size_t bits = tsk_dtype_bits(dtype);
	int64_t i = nearest_int64(v), lowest, highest;

	if (dtype == TENSOCK_BOOL)
		return v != 0;
	if (dtype == TENSOCK_UINT64 && v >= 9.2e18)
		return (int64_t)(v < 1.8e19 ? (uint64_t)v : UINT64_MAX);
	highest = bits >= 64 ? INT64_MAX : (INT64_C(1) << (bits - !is_unsigned(dtype))) - 1;
	lowest = is_unsigned(dtype) ? 0 : -highest - 1;
	return i < lowest ? lowest : i > highest ? highest : i;
}

struct onnx_value *onnx_scalar(struct onnx_graph *graph, uint32_t dtype, double v)
{
	unsigned char bytes[8] = { 0 };
	size_t n = tsk_dtype_bits(dtype) / 8;
	const float f = (float)v;
	const uint16_t half =
		dtype == TENSOCK_BFLOAT16 ? bfloat16_from_float(f) : half_from_float(f);
	int64_t i;

	if (n == 0 || n > sizeof(bytes)) {
		onnx_fail(graph, -EINVAL);
		return onnx_value_new(graph, dtype);
	}
	i = nearest_integer(dtype, v);
	if (dtype == TENSOCK_FLOAT64)
		memcpy(bytes, &v, sizeof(v));
	else if (dtype == TENSOCK_FLOAT32)
		memcpy(bytes, &f, sizeof(f));
	else if (dtype == TENSOCK_FLOAT16 || dtype == TENSOCK_BFLOAT16)
		memcpy(bytes, &half, sizeof(half));
	else
		memcpy(bytes, &i, n); /* little-endian: the low bytes */
	return copied(graph, dtype, NULL, 0, bytes, n);
}

/* A constant of another kind is written out first: it is seldom transposed as well. */
static struct onnx_constant flattened(struct onnx_graph *graph,
				      const struct onnx_constant *constant)
{
	struct onnx_constant flat = *constant;
	unsigned char *bytes;

	if (constant->write == write_copy)
		return flat;
	bytes = onnx_take(graph, constant->n_bytes, 1);
	if (bytes)
		constant->write(constant, bytes);
	else
		flat.n_bytes = 0;
	flat.bytes = bytes;
	flat.n_source = flat.n_bytes;
	flat.write = write_copy;
	return flat;
}

static bool has_perm(const struct onnx_constant *constant, const int64_t *perm)
{
	for (uint32_t i = 0; i < constant->rank; i++) {
		if (constant->perm[i] != perm[i])
			return false;
	}
	return true;
}

struct onnx_value *onnx_constant_transposed(struct onnx_graph *graph, struct onnx_value *value,
					    const int64_t *perm)
{
	struct onnx_constant *from = value->constant, made;
	struct onnx_value *ret;

	if (!from || tsk_dtype_bits(from->dtype) < 8) {
		onnx_fail(graph, -EINVAL);
		return onnx_value_new(graph, value->dtype);
	}
	if (from->transposed && has_perm(from->transposed->constant, perm))
		return from->transposed;
	made = flattened(graph, from);
	if (graph->failed)
		return onnx_value_new(graph, value->dtype);
	made.write = write_permuted;
	for (uint32_t i = 0; i < from->rank; i++) {
		made.source_dims[i] = from->dims[i];
		made.perm[i] = (uint8_t)perm[i];
		made.dims[i] = from->dims[perm[i]];
	}
	ret = onnx_constant_made(graph, &made);
	if (ret->constant)
		from->transposed = ret;
	return ret;
}

struct onnx_value *onnx_constant_reshaped(struct onnx_graph *graph, struct onnx_value *value,
					  const int64_t *dims, uint32_t rank)
{
	struct onnx_constant made;
	uint64_t n_bytes;

	if (!value->constant || rank > TENSOCK_RANK_MAX ||
	    tsk_shape_bytes(value->dtype, dims, rank, &n_bytes) < 0 ||
	    n_bytes != value->constant->n_bytes) {
		onnx_fail(graph, -EINVAL);
		return onnx_value_new(graph, value->dtype);
	}
	/* What write() goes by may be its dims. */
	made = flattened(graph, value->constant);
	if (graph->failed)
		return onnx_value_new(graph, value->dtype);
	set_dims(&made, dims, rank);
	return onnx_constant_made(graph, &made);
}

#define SMALL_BYTES (ONNX_SMALL_MAX * 8)

/* The bytes of a small constant: in place, or written to `room`.  NULL: it is none. */
static const unsigned char *small_bytes(const struct onnx_value *value, unsigned char *room,
					size_t n_room)
{
	const struct onnx_constant *constant = value->constant;

	if (!constant)
		return NULL;
	if (constant->write == write_copy)
		return constant->bytes;
	if (constant->n_bytes > n_room)
		return NULL;
	constant->write(constant, room);
	return room;
}

/* How many elements, all of which max has room for. */
static int small_count(const struct onnx_value *value, size_t max)
{
	uint64_t n;

	if (!value->constant ||
	    tsk_shape_elems(value->constant->dims, value->constant->rank, &n) < 0)
		return -EINVAL;
	return n > max || n > ONNX_SMALL_MAX ? -E2BIG : (int)n;
}

/* Begins to read a small constant, by way of `room` where it has to be: how many elements, or -errno. */
static int read_small(const struct onnx_value *value, size_t max,
		      unsigned char room[static SMALL_BYTES], struct tsk_value_reader *ret)
{
	int n = small_count(value, max);
	const unsigned char *bytes = n < 0 ? NULL : small_bytes(value, room, SMALL_BYTES);

	if (n < 0 || (!bytes && n > 0))
		return n < 0 ? n : -EINVAL;
	*ret = tsk_value_reader(value->dtype, bytes, value->constant->n_bytes);
	return n;
}

int onnx_constant_read_ints(const struct onnx_value *value, int64_t *ret, size_t max)
{
	unsigned char room[SMALL_BYTES];
	struct tsk_value_reader reader;
	struct tsk_value v;
	int n = read_small(value, max, room, &reader);

	for (int i = 0; i < n; i++) {
		if (!tsk_value_next(&reader, &v) || v.kind > TSK_VALUE_SIGNED ||
		    (v.kind == TSK_VALUE_UNSIGNED && v.number > INT64_MAX))
			return -EINVAL;
		ret[i] = tsk_value_signed(&v);
	}
	return n;
}

int onnx_constant_read_floats(const struct onnx_value *value, double *ret, size_t max)
{
	unsigned char room[SMALL_BYTES];
	struct tsk_value_reader reader;
	struct tsk_value v;
	int n = read_small(value, max, room, &reader);

	for (int i = 0; i < n; i++) {
		if (!tsk_value_next(&reader, &v) || v.kind > TSK_VALUE_REAL)
			return -EINVAL;
		ret[i] = v.kind == TSK_VALUE_REAL     ? v.real
			 : v.kind == TSK_VALUE_SIGNED ? (double)tsk_value_signed(&v)
						      : (double)v.number;
	}
	return n;
}
