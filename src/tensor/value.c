/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/value.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "tensor/dtype.h"
#include "tensor/small_float.h"

struct tsk_value_reader tsk_value_reader(uint32_t dtype, const void *payload, size_t bytes)
{
	struct tsk_reader r = tsk_reader(payload, bytes);

	return (struct tsk_value_reader){ .dtype = dtype, .p = r.p, .end = r.end };
}

static double read_float(struct tsk_reader *r)
{
	uint32_t bits = tsk_read_u32(r);
	float v;

	memcpy(&v, &bits, sizeof(v));
	return (double)v;
}

static double read_double(struct tsk_reader *r)
{
	uint64_t bits = tsk_read_u64(r);
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static void read_unsigned(struct tsk_reader *r, unsigned bits, struct tsk_value *value)
{
	value->kind = TSK_VALUE_UNSIGNED;
	value->number = tsk_read_uint(r, bits / 8);
}

static void extend_sign(unsigned bits, struct tsk_value *value)
{
	uint64_t sign = UINT64_C(1) << (bits - 1);

	value->kind = TSK_VALUE_SIGNED;
	value->number = (value->number ^ sign) - sign;
}

static void read_text(struct tsk_reader *r, struct tsk_value *value)
{
	value->kind = TSK_VALUE_TEXT;
	value->text_bytes = tsk_read_u32(r);
	value->text = tsk_read_bytes(r, value->text_bytes);
}

static void read_real(struct tsk_reader *r, uint32_t dtype, struct tsk_value *value)
{
	value->kind = TSK_VALUE_REAL;
	if (dtype == TENSOCK_FLOAT32) {
		value->real = read_float(r);
	} else if (dtype == TENSOCK_FLOAT64) {
		value->real = read_double(r);
		value->is_double = true;
	} else {
		uint64_t bits = tsk_read_uint(r, tsk_dtype_bits(dtype) / 8);

		value->real = (double)small_float_value(dtype, (uint16_t)bits);
	}
}

static void read_complex(struct tsk_reader *r, uint32_t dtype, struct tsk_value *value)
{
	value->kind = TSK_VALUE_COMPLEX;
	value->is_double = dtype == TENSOCK_COMPLEX128;
	value->real = value->is_double ? read_double(r) : read_float(r);
	value->imaginary = value->is_double ? read_double(r) : read_float(r);
}

/* Of a type that takes whole bytes. */
static void read_value(struct tsk_reader *r, uint32_t dtype, struct tsk_value *value)
{
	switch (dtype) {
	case TENSOCK_BYTES:
		read_text(r, value);
		break;
	case TENSOCK_BOOL:
		value->kind = TSK_VALUE_BOOL;
		value->number = tsk_read_u8(r) ? 1 : 0;
		break;
	case TENSOCK_UINT8:
	case TENSOCK_UINT16:
	case TENSOCK_UINT32:
	case TENSOCK_UINT64:
		read_unsigned(r, tsk_dtype_bits(dtype), value);
		break;
	case TENSOCK_INT8:
	case TENSOCK_INT16:
	case TENSOCK_INT32:
	case TENSOCK_INT64:
		read_unsigned(r, tsk_dtype_bits(dtype), value);
		extend_sign(tsk_dtype_bits(dtype), value);
		break;
	case TENSOCK_COMPLEX64:
	case TENSOCK_COMPLEX128:
		read_complex(r, dtype, value);
		break;
	default:
		read_real(r, dtype, value);
	}
}

/* The first of a pair lies in the low four bits. */
static bool next_nibble(struct tsk_value_reader *reader, struct tsk_value *value)
{
	bool is_high = reader->index % 2;

	if (reader->p == reader->end)
		return false;
	value->number = (unsigned)*reader->p >> (is_high ? 4 : 0) & 0xf;
	reader->p += is_high;
	value->kind = TSK_VALUE_UNSIGNED;
	if (reader->dtype == TENSOCK_INT4) {
		extend_sign(4, value);
	} else if (reader->dtype == TENSOCK_FLOAT4E2M1) {
		value->kind = TSK_VALUE_REAL;
		value->real = (double)small_float_value(reader->dtype, (uint16_t)value->number);
	}
	return true;
}

bool tsk_value_next(struct tsk_value_reader *reader, struct tsk_value *ret)
{
	struct tsk_reader r = { .p = reader->p, .end = reader->end };
	struct tsk_value value = { 0 };

	if (!tsk_dtype_is_valid(reader->dtype))
		return false;
	if (tsk_dtype_bits(reader->dtype) == 4) {
		if (!next_nibble(reader, &value))
			return false;
	} else {
		read_value(&r, reader->dtype, &value);
		if (r.bad)
			return false;
		reader->p = r.p;
	}
	reader->index++;
	*ret = value;
	return true;
}

void tsk_value_print_number(FILE *out, const struct tsk_value *value)
{
	switch (value->kind) {
	case TSK_VALUE_BOOL:
	case TSK_VALUE_UNSIGNED:
		fprintf(out, "%" PRIu64, value->number);
		break;
	case TSK_VALUE_SIGNED:
		fprintf(out, "%" PRId64, tsk_value_signed(value));
		break;
	case TSK_VALUE_REAL:
		fprintf(out, "%g", value->real);
		break;
	case TSK_VALUE_COMPLEX:
		fprintf(out, "(%g,%g)", value->real, value->imaginary);
		break;
	case TSK_VALUE_TEXT:
		break;
	}
}
