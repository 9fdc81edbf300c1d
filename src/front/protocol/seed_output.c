/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/seed_output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/small_float.h"

static void print_float(FILE *out, uint32_t dtype, struct tsk_reader *r)
{
	uint64_t bits;
	double d;
	float f;

	if (dtype == TENSOCK_FLOAT32) {
		uint32_t bits32 = tsk_read_u32(r);

		memcpy(&f, &bits32, sizeof(f));
		fprintf(out, "%g", (double)f);
	} else if (dtype == TENSOCK_FLOAT64) {
		bits = tsk_read_u64(r);
		memcpy(&d, &bits, sizeof(d));
		fprintf(out, "%g", d);
	} else {
		bits = tsk_read_uint(r, tsk_dtype_bits(dtype) / 8);
		fprintf(out, "%g", (double)small_float_value(dtype, (uint16_t)bits));
	}
}

static void print_complex(FILE *out, uint32_t part, struct tsk_reader *r)
{
	fputc('(', out);
	print_float(out, part, r);
	fputc(',', out);
	print_float(out, part, r);
	fputc(')', out);
}

static void print_signed(FILE *out, unsigned bits, struct tsk_reader *r)
{
	uint64_t v = tsk_read_uint(r, bits / 8);
	uint64_t sign = UINT64_C(1) << (bits - 1);

	/* Without a shift of a negative number: subtract what the sign bit counts twice. */
	fprintf(out, "%" PRId64, (int64_t)((v ^ sign) - sign));
}

static void print_text(FILE *out, struct tsk_reader *r)
{
	uint32_t len = tsk_read_u32(r);
	const unsigned char *text = tsk_read_bytes(r, len);

	for (uint32_t i = 0; text && i < len && i < SEED_OUTPUT_TEXT; i++) {
		unsigned char c = text[i];

		fputc(c < ' ' || c == 0x7f ? '?' : c, out);
	}
}

/* The next element, of a type that takes whole bytes. */
static void print_value(FILE *out, uint32_t dtype, struct tsk_reader *r)
{
	switch (dtype) {
	case TENSOCK_BYTES:
		print_text(out, r);
		break;
	case TENSOCK_BOOL:
		fputc(tsk_read_u8(r) ? '1' : '0', out);
		break;
	case TENSOCK_UINT8:
	case TENSOCK_UINT16:
	case TENSOCK_UINT32:
	case TENSOCK_UINT64:
		fprintf(out, "%" PRIu64, tsk_read_uint(r, tsk_dtype_bits(dtype) / 8));
		break;
	case TENSOCK_INT8:
	case TENSOCK_INT16:
	case TENSOCK_INT32:
	case TENSOCK_INT64:
		print_signed(out, tsk_dtype_bits(dtype), r);
		break;
	case TENSOCK_COMPLEX64:
		print_complex(out, TENSOCK_FLOAT32, r);
		break;
	case TENSOCK_COMPLEX128:
		print_complex(out, TENSOCK_FLOAT64, r);
		break;
	default:
		print_float(out, dtype, r);
	}
}

/* Element i of a type of four bits. */
static void print_nibble(FILE *out, uint32_t dtype, const unsigned char *payload, uint64_t i)
{
	unsigned v = (unsigned)payload[i / 2] >> (i % 2 ? 4 : 0) & 0xf;

	if (dtype == TENSOCK_UINT4)
		fprintf(out, "%u", v);
	else if (dtype == TENSOCK_INT4)
		fprintf(out, "%d", (int)(v ^ 8) - 8);
	else
		fprintf(out, "%g", (double)small_float_value(dtype, (uint16_t)v));
}

static void print_tensor(FILE *out, const void *region, const struct run_tensor *t)
{
	const unsigned char *payload = (const unsigned char *)region + t->offset;
	struct tsk_reader r = tsk_reader(payload, t->bytes);
	uint64_t n;

	/* run_read() has checked the shape. */
	if (tsk_shape_elems(t->dims, t->rank, &n) < 0)
		return;
	fputs("output data is:", out);
	for (uint64_t i = 0; i < n && i < SEED_OUTPUT_VALUES && !r.bad; i++) {
		if (tsk_dtype_bits(t->dtype) == 4)
			print_nibble(out, t->dtype, payload, i);
		else
			print_value(out, t->dtype, &r);
		fputc(' ', out);
	}
	fputc('\n', out);
}

int seed_output_text(const void *region, const struct run_tensor *tensors, unsigned n,
		     char **ret_text, size_t *ret_len)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool failed;

	if (!out)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		print_tensor(out, region, &tensors[i]);
	failed = ferror(out);
	if (fclose(out) != 0 || failed) {
		free(text);
		return -ENOMEM;
	}
	*ret_text = text;
	*ret_len = len;
	return 0;
}
