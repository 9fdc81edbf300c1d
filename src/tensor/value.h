/* SPDX-License-Identifier: Apache-2.0 */
/* A tensor's elements one after the other, as values of C, whatever their type. */
#ifndef TSK_TENSOR_VALUE_H
#define TSK_TENSOR_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <tensock/types.h>

enum tsk_value_kind {
	TSK_VALUE_BOOL,     /* number: 0 or 1 */
	TSK_VALUE_UNSIGNED, /* number */
	TSK_VALUE_SIGNED,   /* number, as two's complement */
	TSK_VALUE_REAL,
	TSK_VALUE_COMPLEX,
	TSK_VALUE_TEXT
};

struct tsk_value {
	enum tsk_value_kind kind;
	uint64_t number;
	double real, imaginary;
	bool is_double;            /* else `real` and `imaginary` are floats or narrower */
	const unsigned char *text; /* in the payload; any bytes */
	uint32_t text_bytes;
};

struct tsk_value_reader {
	uint32_t dtype;
	const unsigned char *p, *end;
	uint64_t index; /* of the next element */
};

static inline int64_t tsk_value_signed(const struct tsk_value *value)
{
	/* Without a conversion that C leaves to the compiler. */
	return value->number <= INT64_MAX ? (int64_t)value->number
					  : -(int64_t)(UINT64_MAX - value->number) - 1;
}

/* bytes at payload: a dense tensor of that type. */
struct tsk_value_reader tsk_value_reader(uint32_t dtype, const void *payload, size_t bytes);

/* False when the payload has no whole element left, or the dtype is none. */
bool tsk_value_next(struct tsk_value_reader *reader, struct tsk_value *ret);

/* A number as people read it; a text prints nothing. */
void tsk_value_print_number(FILE *out, const struct tsk_value *value);

#endif
