/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/ms_coding.h"

#include <string.h>

#include "tensor/shape.h"
#include "translate/ms/ms_quant.h"

/* A list of one value takes no bits, and a run few: what they say is bounded by the bytes that say it. */
#define DECODED_FREE ((uint64_t)16 << 20)
#define DECODED_FACTOR 16

enum {
	BITS_OF_RUN_WIDTH = 8, /* in SPARSE: of the number that says how wide runs are written */
	BITS_OF_COUNT = 32,
};

struct coding {
	const unsigned char *bytes;
	uint64_t n_bits; /* that there are */
	uint64_t n_elems;
	unsigned bits;  /* of a value */
	unsigned width; /* of a decoded one, in bytes */

	/* INDEXING and SPARSE: the values, and where the places in their list begin */
	uint32_t n_values;
	const int32_t *values;
	unsigned place_bits;
	uint64_t places;

	/* SPARSE: n_set elements behind runs of what is 0 in a channel */
	uint64_t n_set;
	unsigned run_bits;
	uint64_t runs;
	uint32_t n_channels;
	const int32_t *zeros;
};

bool ms_is_coded(const struct ms_tensor *tensor)
{
	return tensor->is_huffman || tensor->coding != MS_CODING_NONE || ms_quant_is_packed(tensor);
}

/* The five bytes from a place on, the first the most significant; those beyond the end are 0. */
static uint64_t window_at(const struct coding *coding, uint64_t at)
{
	uint64_t n_bytes = coding->n_bits / 8, from = at / 8, v = 0;

	for (uint64_t i = from; i < from + 5; i++)
		v = v << 8 | (i < n_bytes ? coding->bytes[i] : 0U);
	return v;
}

/* n ≤ 32 bits at a place, the most significant first; those beyond the end are 0. */
static uint32_t bits_at(const struct coding *coding, uint64_t at, unsigned n)
{
	uint64_t mask = (UINT64_C(1) << n) - 1;

	return (uint32_t)(window_at(coding, at) >> (40 - at % 8 - n) & mask);
}

/* n ≤ 16 bits likewise, the least significant first. */
static uint32_t packed_at(const struct coding *coding, uint64_t at, unsigned n)
{
	uint64_t n_bytes = coding->n_bits / 8, from = at / 8;
	uint32_t v = 0;

	for (unsigned i = 0; i < 3 && from + i < n_bytes; i++)
		v |= (uint32_t)coding->bytes[from + i] << (8 * i);
	return v >> at % 8 & ((UINT32_C(1) << n) - 1);
}

/* Values are written with their sign bit turned. */
static int32_t signed_of(const struct coding *coding, uint32_t v)
{
	return (int32_t)v - (int32_t)(UINT32_C(1) << (coding->bits - 1));
}

static void put(const struct coding *coding, unsigned char *to, uint64_t i, int32_t v)
{
	uint32_t u = (uint32_t)v;

	to[i * coding->width] = (unsigned char)u;
	if (coding->width == 2)
		to[i * 2 + 1] = (unsigned char)(u >> 8);
}

static void write_packed(const struct onnx_constant *constant, unsigned char *to)
{
	const struct coding *coding = constant->context;

	for (uint64_t i = 0; i < coding->n_elems; i++)
		put(coding, to, i,
		    signed_of(coding, packed_at(coding, i * coding->bits, coding->bits)));
}

/* The i-th place; below n_values, as is checked before. */
static uint32_t place_at(const struct coding *coding, uint64_t i)
{
	return bits_at(coding, coding->places + i * coding->place_bits, coding->place_bits);
}

static void write_indexed(const struct onnx_constant *constant, unsigned char *to)
{
	const struct coding *coding = constant->context;

	for (uint64_t i = 0; i < coding->n_elems; i++)
		put(coding, to, i, coding->values[place_at(coding, i)]);
}

static int32_t zero_at(const struct coding *coding, uint64_t elem)
{
	return coding->zeros[elem / (coding->n_elems / coding->n_channels)];
}

static void write_sparse(const struct onnx_constant *constant, unsigned char *to)
{
	const struct coding *coding = constant->context;
	uint64_t at = 0;

	for (uint64_t i = 0; i < coding->n_set; i++) {
		uint32_t run =
			bits_at(coding, coding->runs + i * coding->run_bits, coding->run_bits);
		/* The whole run is of the channel in which it begins. */
		int32_t zero = zero_at(coding, at);

		while (run-- > 0)
			put(coding, to, at++, zero);
		put(coding, to, at++, coding->values[place_at(coding, i)]);
	}
	for (; at < coding->n_elems; at++)
		put(coding, to, at, zero_at(coding, at));
}

static const char *name_of(const struct ms_tensor *tensor)
{
	static const char *const names[] = {
		[MS_CODING_NONE] = "packed bits",      [MS_CODING_INDEXING] = "INDEXING",
		[MS_CODING_SPARSE] = "SPARSE",         [MS_CODING_FSE] = "FSE",
		[MS_CODING_BITPACKING] = "BITPACKING", [MS_CODING_FSE_INT] = "FSE_INT",
		[MS_CODING_FSE_INFER] = "FSE_INFER",
	};

	if (tensor->is_huffman)
		return "Huffman";
	if (tensor->coding < 0 || tensor->coding >= (int32_t)ARRAY_SIZE(names))
		return "not known";
	return names[tensor->coding];
}

static int broken(struct ms_op *op, const struct ms_tensor *tensor)
{
	return ms_invalid(op,
			  "tensor %u '%.*s' is broken: its coding (%s) and its shape do not go "
			  "together; get the file anew",
			  tensor->number, MS_TEXT(tensor->name), name_of(tensor));
}

static int refuse(struct ms_op *op, const struct ms_tensor *tensor)
{
	return ms_unsupported(op,
			      "tensor %u '%.*s' is compressed, its coding is %s (%d): convert "
			      "the model without compression of its weights",
			      tensor->number, MS_TEXT(tensor->name), name_of(tensor),
			      tensor->coding);
}

/* n bits of the file from *at on: *at moves behind them. */
static int take(const struct coding *coding, uint64_t *at, uint64_t n, unsigned bits)
{
	/* Of n below 2^32 and bits below 2^8 the product is far from its end. */
	if (*at > coding->n_bits || n * bits > coding->n_bits - *at)
		return -1;
	*at += n * bits;
	return 0;
}

/* The bits that the number of values needs. */
static unsigned bits_of(uint32_t n)
{
	unsigned bits = 0;

	while ((UINT32_C(1) << bits) < n)
		bits++;
	return bits;
}

/* The number of values (0: all that there are) and the values; -1: they are cut off, or memory is. */
static int read_values(struct ms_op *op, struct coding *coding, uint64_t *at)
{
	uint64_t from = *at + coding->bits;
	int32_t *values;

	coding->n_values = bits_at(coding, *at, coding->bits);
	if (coding->n_values == 0)
		coding->n_values = UINT32_C(1) << coding->bits;
	*at = from;
	if (take(coding, at, coding->n_values, coding->bits) < 0)
		return -1;
	values = onnx_take(op->graph, coding->n_values, sizeof(*values));
	for (uint32_t i = 0; values && i < coding->n_values; i++)
		values[i] = signed_of(coding, bits_at(coding, from + (uint64_t)i * coding->bits,
						      coding->bits));
	coding->values = values;
	coding->place_bits = bits_of(coding->n_values);
	return values ? 0 : -1;
}

static int check_places(const struct coding *coding, uint64_t n)
{
	if (coding->n_values == UINT32_C(1) << coding->place_bits)
		return 0;
	for (uint64_t i = 0; i < n; i++) {
		if (place_at(coding, i) >= coding->n_values)
			return -1;
	}
	return 0;
}

static int read_indexed(struct ms_op *op, struct coding *coding)
{
	uint64_t at = 0;

	if (read_values(op, coding, &at) < 0)
		return -1;
	coding->places = at;
	if (take(coding, &at, coding->n_elems, coding->place_bits) < 0)
		return -1;
	return check_places(coding, coding->n_elems);
}

/* All elements that are set, with their runs, have room. */
static int check_runs(const struct coding *coding)
{
	uint64_t n = coding->n_set;

	for (uint64_t i = 0; i < coding->n_set && n <= coding->n_elems; i++)
		n += bits_at(coding, coding->runs + i * coding->run_bits, coding->run_bits);
	return n <= coding->n_elems ? 0 : -1;
}

static int read_zeros(struct ms_op *op, const struct ms_tensor *tensor, struct coding *coding)
{
	int32_t *zeros = onnx_take(op->graph, tensor->quant_params.n, sizeof(*zeros));

	coding->n_channels = tensor->quant_params.n;
	coding->zeros = zeros;
	for (uint32_t i = 0; zeros && i < coding->n_channels; i++)
		zeros[i] = ms_quant_param(tensor, i).zero_point;
	return zeros && coding->n_elems % coding->n_channels == 0 ? 0 : -1;
}

static int read_sparse(struct ms_op *op, const struct ms_tensor *tensor, struct coding *coding)
{
	uint64_t at = 0;

	coding->run_bits = bits_at(coding, 0, BITS_OF_RUN_WIDTH);
	coding->n_set = bits_at(coding, BITS_OF_RUN_WIDTH, BITS_OF_COUNT);
	if (take(coding, &at, 1, BITS_OF_RUN_WIDTH + BITS_OF_COUNT) < 0 || coding->run_bits > 32 ||
	    coding->n_set > coding->n_elems || read_values(op, coding, &at) < 0)
		return -1;
	coding->places = at;
	if (take(coding, &at, coding->n_set, coding->place_bits) < 0)
		return -1;
	coding->runs = at;
	if (take(coding, &at, coding->n_set, coding->run_bits) < 0)
		return -1;
	if (read_zeros(op, tensor, coding) < 0 || check_places(coding, coding->n_set) < 0)
		return -1;
	return check_runs(coding);
}

static int read_packed(struct coding *coding)
{
	uint64_t at = 0;

	return take(coding, &at, coding->n_elems, coding->bits);
}

static int read_coding(struct ms_op *op, const struct ms_tensor *tensor, struct coding *coding,
		       struct onnx_constant *constant)
{
	switch (tensor->coding) {
	case MS_CODING_INDEXING:
		constant->write = write_indexed;
		return read_indexed(op, coding);
	case MS_CODING_SPARSE:
		constant->write = write_sparse;
		return read_sparse(op, tensor, coding);
	default:
		constant->write = write_packed;
		return read_packed(coding);
	}
}

/*
 * A coding is read whole before anything is written, and nothing of it may be in the end: what all of
 * them make is bounded as what is written.
 */
static int count_decoded(struct ms_op *op, const struct ms_tensor *tensor,
			 const struct coding *coding)
{
	uint64_t n = coding->n_elems * coding->width, max = op->graph->arena.limit;

	if (n > max - op->file->n_decoded) {
		ms_invalid(op,
			   "tensor %u '%.*s' makes the compressed weights more than %llu bytes: "
			   "convert the model without compression of its weights",
			   tensor->number, MS_TEXT(tensor->name), (unsigned long long)max);
		return -1;
	}
	op->file->n_decoded += n;
	return 0;
}

/* What all codings say of the tensor; -1: it cannot be. */
static int begin(const struct ms_tensor *tensor, const int64_t *dims, struct coding *coding)
{
	int64_t bits = tensor->quant_params.n ? ms_quant_param(tensor, 0).n_bits : 0;

	coding->bytes = tensor->data.bytes;
	coding->n_bits = (uint64_t)tensor->data.n * 8;
	if (bits < 1 || bits > 16 || tsk_shape_elems(dims, tensor->dims.n, &coding->n_elems) < 0)
		return -1;
	coding->bits = (unsigned)bits;
	coding->width = bits <= 8 ? 1 : 2;
	if (tensor->dtype != (bits <= 8 ? TENSOCK_INT8 : TENSOCK_INT16) || coding->n_elems == 0 ||
	    coding->n_elems > DECODED_FREE + DECODED_FACTOR * (uint64_t)tensor->data.n)
		return -1;
	return 0;
}

struct onnx_value *ms_decoded(struct ms_op *op, const struct ms_tensor *tensor, const int64_t *dims)
{
	struct onnx_constant constant = { .dtype = tensor->dtype, .rank = tensor->dims.n };
	struct coding coding = { 0 };

	if (tensor->is_huffman ||
	    (tensor->coding != MS_CODING_NONE && tensor->coding != MS_CODING_INDEXING &&
	     tensor->coding != MS_CODING_SPARSE && tensor->coding != MS_CODING_BITPACKING)) {
		refuse(op, tensor);
		return NULL;
	}
	if (begin(tensor, dims, &coding) < 0) {
		broken(op, tensor);
		return NULL;
	}
	if (count_decoded(op, tensor, &coding) < 0)
		return NULL;
	if (read_coding(op, tensor, &coding, &constant) < 0) {
		broken(op, tensor);
		return NULL;
	}
	memcpy(constant.dims, dims, tensor->dims.n * sizeof(*dims));
	constant.context = onnx_copy(op->graph, &coding, 1, sizeof(coding));
	return constant.context ? onnx_constant_made(op->graph, &constant) : NULL;
}
