/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/npy.h"

#include <inttypes.h>
#include <stdbool.h>

#include "base/checked.h"
#include "base/status.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/value.h"

#define PREAMBLE_BYTES 10u /* magic, version, length */
#define ALIGNMENT 64u
/* How much padding of BYTES is let pass. */
#define PADDED_FREE (UINT64_C(64) << 20)
#define PADDED_FACTOR 16u

/* NumPy's letter for a type that is no text. */
static char kind_of(uint32_t dtype)
{
	switch (dtype) {
	case TENSOCK_BOOL:
		return 'b';
	case TENSOCK_UINT8:
	case TENSOCK_UINT16:
	case TENSOCK_UINT32:
	case TENSOCK_UINT64:
	case TENSOCK_UINT4:
	case TENSOCK_FLOAT4E2M1:
		return 'u';
	case TENSOCK_INT8:
	case TENSOCK_INT16:
	case TENSOCK_INT32:
	case TENSOCK_INT64:
	case TENSOCK_INT4:
		return 'i';
	case TENSOCK_FLOAT16:
	case TENSOCK_FLOAT32:
	case TENSOCK_FLOAT64:
		return 'f';
	case TENSOCK_COMPLEX64:
	case TENSOCK_COMPLEX128:
		return 'c';
	default:
		return 'V';
	}
}

static void write_header(FILE *out, char kind, uint64_t item_bytes, const int64_t *dims,
			 uint32_t rank)
{
	char text[640]; /* 16 numbers of 19 digits and what is around them */
	size_t n = 0, size;
	unsigned char length[2];

	n += (size_t)snprintf(text, sizeof(text),
			      "{'descr': '%c%c%" PRIu64 "', 'fortran_order': False, 'shape': (",
			      item_bytes > 1 && kind != 'S' ? '<' : '|', kind, item_bytes);
	for (uint32_t i = 0; i < rank; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%" PRId64, i ? ", " : "",
				      dims[i]);
	n += (size_t)snprintf(text + n, sizeof(text) - n, "%s), }", rank == 1 ? "," : "");
	size = (PREAMBLE_BYTES + n + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT - PREAMBLE_BYTES;
	length[0] = (unsigned char)size;
	length[1] = (unsigned char)(size >> 8);
	fwrite("\x93NUMPY\1\0", 1, 8, out);
	fwrite(length, 1, 2, out);
	fprintf(out, "%s%*s\n", text, (int)(size - n - 1), "");
}

/* The longest element.  -EPROTO for bytes that are not n elements, -ENOTSUP for one that ends in 0. */
static int measure_texts(const void *data, uint64_t bytes, uint64_t n, uint32_t *ret_longest)
{
	struct tsk_value_reader reader = tsk_value_reader(TENSOCK_BYTES, data, (size_t)bytes);
	struct tsk_value value;
	uint32_t longest = 1;

	while (tsk_value_next(&reader, &value)) {
		if (value.text_bytes && !value.text[value.text_bytes - 1])
			return -ENOTSUP;
		if (value.text_bytes > longest)
			longest = value.text_bytes;
	}
	if (reader.p != reader.end || reader.index != n)
		return -EPROTO;
	*ret_longest = longest;
	return 0;
}

static void write_zeros(FILE *out, uint64_t n)
{
	static const unsigned char zeros[4096];

	while (n && !ferror(out)) {
		size_t now = n < sizeof(zeros) ? (size_t)n : sizeof(zeros);

		fwrite(zeros, 1, now, out);
		n -= now;
	}
}

static int write_texts(FILE *out, const int64_t *dims, uint32_t rank, uint64_t n, const void *data,
		       uint64_t bytes, struct tensock_error *reterr)
{
	struct tsk_value_reader reader = tsk_value_reader(TENSOCK_BYTES, data, (size_t)bytes);
	struct tsk_value value;
	uint32_t longest;
	uint64_t padded;
	int r = measure_texts(data, bytes, n, &longest);

	if (r == -ENOTSUP)
		return tsk_fail(
			reterr, TENSOCK_UNSUPPORTED,
			"an element ends in a zero byte, which .npy cannot keep; write the raw "
			"bytes");
	if (r < 0)
		return tsk_fail(reterr, TENSOCK_PROTOCOL, "the tensor's texts are broken");
	if (!tsk_mul(n, (uint64_t)longest, &padded) ||
	    (padded > PADDED_FREE && padded / PADDED_FACTOR > bytes))
		return tsk_fail(
			reterr, TENSOCK_TOO_LARGE,
			"the texts are of too different lengths for .npy; write the raw bytes");
	write_header(out, 'S', longest, dims, rank);
	while (tsk_value_next(&reader, &value)) {
		fwrite(value.text, 1, value.text_bytes, out);
		write_zeros(out, longest - value.text_bytes);
	}
	return 0;
}

static void write_nibbles(FILE *out, uint32_t dtype, uint64_t n, const unsigned char *data)
{
	for (uint64_t i = 0; i < n; i++) {
		int v = data[i / 2] >> (i % 2 ? 4 : 0) & 0xf;

		fputc(dtype == TENSOCK_INT4 ? (v ^ 8) - 8 : v, out);
	}
}

int tsk_npy_write(FILE *out, uint32_t dtype, const int64_t *dims, uint32_t rank, const void *data,
		  uint64_t bytes, struct tensock_error *reterr)
{
	unsigned bits = tsk_dtype_bits(dtype);
	uint64_t n, expected;

	if (!tsk_dtype_is_valid(dtype) || tsk_shape_elems(dims, rank, &n) < 0)
		return tsk_fail(reterr, TENSOCK_PROTOCOL, "the tensor's shape is broken");
	if (dtype == TENSOCK_BYTES)
		return write_texts(out, dims, rank, n, data, bytes, reterr);
	if (tsk_shape_bytes(dtype, dims, rank, &expected) < 0 || expected != bytes)
		return tsk_fail(reterr, TENSOCK_PROTOCOL,
				"the tensor has %" PRIu64 " bytes, not those of its shape", bytes);
	write_header(out, kind_of(dtype), bits < 8 ? 1 : bits / 8, dims, rank);
	if (bits == 4)
		write_nibbles(out, dtype, n, data);
	else if (bytes)
		fwrite(data, 1, (size_t)bytes, out);
	return 0;
}
