/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance/onnx_tensor.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

/* Fields of TensorProto. */
enum {
	DIMS = 1,
	DATA_TYPE = 2,
	FLOAT_DATA = 4,
	INT32_DATA = 5,
	STRING_DATA = 6,
	INT64_DATA = 7,
	RAW_DATA = 9,
	DOUBLE_DATA = 10,
	UINT64_DATA = 11
};

/* By TensorProto.DataType. */
static const uint32_t dtypes[] = {
	[1] = TENSOCK_FLOAT32,   [2] = TENSOCK_UINT8,      [3] = TENSOCK_INT8,
	[4] = TENSOCK_UINT16,    [5] = TENSOCK_INT16,      [6] = TENSOCK_INT32,
	[7] = TENSOCK_INT64,     [8] = TENSOCK_BYTES,      [9] = TENSOCK_BOOL,
	[10] = TENSOCK_FLOAT16,  [11] = TENSOCK_FLOAT64,   [12] = TENSOCK_UINT32,
	[13] = TENSOCK_UINT64,   [14] = TENSOCK_COMPLEX64, [15] = TENSOCK_COMPLEX128,
	[16] = TENSOCK_BFLOAT16,
};

struct reading {
	struct tsk_reader r;
	struct driver_tensor *tensor;
	unsigned char *data;
	size_t len;
};

static uint64_t read_varint(struct tsk_reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = tsk_read_u8(r);

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
	r->bad = true;
	return 0;
}

static void append(struct reading *t, const void *bytes, size_t len)
{
	t->data = realloc(t->data, t->len + len + 1);
	if (!t->data)
		abort();
	memcpy(t->data + t->len, bytes, len);
	t->len += len;
}

static void append_number(struct reading *t, uint64_t v)
{
	unsigned bits = tsk_dtype_bits(t->tensor->descriptor.dtype);

	/* Little-endian: the low bytes come first. */
	append(t, &v, bits / 8);
}

static void add_dim(struct reading *t, uint64_t v)
{
	struct run_tensor *d = &t->tensor->descriptor;

	if (d->rank == TENSOCK_RANK_MAX)
		t->r.bad = true;
	else
		d->dims[d->rank++] = (int64_t)v;
}

/* A repeated number in its packed form, or a field of bytes. */
static void read_length(struct reading *t, uint64_t field)
{
	size_t len = (size_t)read_varint(&t->r);
	const void *bytes = tsk_read_bytes(&t->r, len);
	struct tsk_reader packed = tsk_reader(bytes, bytes ? len : 0);
	uint32_t len32 = (uint32_t)len;

	if (!bytes)
		return;
	if (field == STRING_DATA)
		append(t, &len32, sizeof(len32));
	if (field == RAW_DATA || field == FLOAT_DATA || field == DOUBLE_DATA ||
	    field == STRING_DATA)
		append(t, bytes, len);
	while (tsk_reader_left(&packed) && !packed.bad) {
		if (field == DIMS)
			add_dim(t, read_varint(&packed));
		else if (field == INT32_DATA || field == INT64_DATA || field == UINT64_DATA)
			append_number(t, read_varint(&packed));
		else
			break;
	}
	t->r.bad |= packed.bad;
}

static void read_number(struct reading *t, uint64_t field)
{
	uint64_t v = read_varint(&t->r);

	if (field == DIMS)
		add_dim(t, v);
	else if (field == DATA_TYPE && v < ARRAY_SIZE(dtypes))
		t->tensor->descriptor.dtype = dtypes[v];
	else if (field == INT32_DATA || field == INT64_DATA || field == UINT64_DATA)
		append_number(t, v);
}

static void read_field(struct reading *t)
{
	uint64_t tag = read_varint(&t->r);
	const void *bytes;
	size_t width = 4;

	switch (tag & 7) {
	case 0:
		read_number(t, tag >> 3);
		return;
	case 2:
		read_length(t, tag >> 3);
		return;
	case 1:
		width = 8;
		/* fall through */
	case 5:
		bytes = tsk_read_bytes(&t->r, width);
		if (bytes && (tag >> 3 == FLOAT_DATA || tag >> 3 == DOUBLE_DATA))
			append(t, bytes, width);
		return;
	default:
		t->r.bad = true;
	}
}

static bool is_whole(const struct reading *t)
{
	const struct run_tensor *d = &t->tensor->descriptor;
	uint64_t wanted;

	if (d->dtype == TENSOCK_BYTES)
		return tsk_shape_elems(d->dims, d->rank, &wanted) == 0 && t->len / 4 >= wanted;
	return tsk_shape_bytes(d->dtype, d->dims, d->rank, &wanted) == 0 && wanted == t->len;
}

bool onnx_tensor_read(const void *bytes, size_t len, struct driver_tensor *ret)
{
	struct driver_tensor tensor = { 0 };
	struct reading t = { .r = tsk_reader(bytes, len), .tensor = &tensor };

	while (tsk_reader_left(&t.r) && !t.r.bad)
		read_field(&t);
	if (t.r.bad || !is_whole(&t)) {
		free(t.data);
		return false;
	}
	tensor.data = t.data;
	tensor.descriptor.bytes = t.len;
	*ret = tensor;
	return true;
}
