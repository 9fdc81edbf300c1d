/* SPDX-License-Identifier: Apache-2.0 */
#include "front/oip_classes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/status.h"
#include "front/limit_hits.h"
#include "tensor/dtype.h"
#include "tensor/value.h"

/* "value:index": as long as the largest double and index are. */
#define TEXT_BYTES 384u

struct class
{
	double value;
	uint32_t index;
};

/* The largest first; of equal ones the first. */
static int compare(const void *a, const void *b)
{
	const struct class *x = a, *y = b;

	if (x->value != y->value)
		return x->value > y->value ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static bool has_order(uint32_t dtype)
{
	return tsk_dtype_is_valid(dtype) && dtype != TENSOCK_BYTES && dtype != TENSOCK_BOOL &&
	       dtype < TENSOCK_COMPLEX64;
}

/* What is no number comes last. */
static double number_of(const struct tsk_value *value)
{
	if (value->kind == TSK_VALUE_UNSIGNED)
		return (double)value->number;
	if (value->kind == TSK_VALUE_SIGNED)
		return (double)tsk_value_signed(value);
	return isnan(value->real) ? -INFINITY : value->real;
}

/* Sorted; *ret is the caller's. */
static int read_all(const struct oip_result *result, struct class **ret, uint32_t *ret_n,
		    struct tensock_error *reterr)
{
	struct tsk_value_reader reader =
		tsk_value_reader(result->dtype, result->data, (size_t)result->bytes);
	uint64_t n = result->bytes * 8 / tsk_dtype_bits(result->dtype);
	struct tsk_value value;
	struct class *all;
	uint32_t i = 0;

	if (n > OIP_CLASSES_ELEMENTS_MAX)
		return tsk_fail(reterr, TENSOCK_TOO_LARGE,
				"classification of %llu elements, above %u", (unsigned long long)n,
				OIP_CLASSES_ELEMENTS_MAX);
	all = calloc((size_t)n + 1, sizeof(*all));
	if (!all)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the answer");
	for (; i < n && tsk_value_next(&reader, &value); i++)
		all[i] = (struct class){ .value = number_of(&value), .index = i };
	qsort(all, i, sizeof(*all), compare);
	*ret = all;
	*ret_n = i;
	return 0;
}

/* The first n as BYTES.  How many bytes that are, also where the writer has no room. */
static size_t write_all(const struct class *all, uint32_t n, struct tsk_writer *w)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < n; i++) {
		char text[TEXT_BYTES];
		int len = snprintf(text, sizeof(text), "%f:%u", all[i].value, all[i].index);

		tsk_write_u32(w, (uint32_t)len);
		tsk_write_bytes(w, text, (size_t)len);
		bytes += 4 + (size_t)len;
	}
	return bytes;
}

static bool is_wanted(const struct oip_infer *infer, uint32_t i)
{
	return i < infer->n_outputs && infer->outputs[i].classes;
}

/* The first n of all become what is answered. */
static int answer_with(struct oip_result *result, const struct class *all, uint32_t n,
		       struct account *account, struct tensock_error *reterr)
{
	struct tsk_writer w = { 0 };
	size_t bytes = write_all(all, n, &w);
	unsigned char *made;

	if (account_take(account, bytes) < 0)
		return limit_fail(METRICS_LIMIT_MEMORY, reterr, TENSOCK_LIMIT_REACHED,
				  "no room for %u classes beside what is in use (max-memory)", n);
	made = malloc(bytes + 1);
	if (!made) {
		account_give(account, bytes);
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the answer");
	}
	w = tsk_writer(made, bytes);
	write_all(all, n, &w);
	result->data = made;
	result->bytes = bytes;
	result->dtype = TENSOCK_BYTES;
	result->rank = 1;
	result->dims[0] = n;
	return 0;
}

int oip_classes_make(struct oip_result *result, const struct oip_infer *infer, uint32_t i,
		     struct account *account, struct tensock_error *reterr)
{
	_cleanup_free_ struct class *all = NULL;
	uint32_t n = 0;
	int r;

	if (!is_wanted(infer, i))
		return 0;
	if (has_order(result->dtype))
		r = read_all(result, &all, &n, reterr);
	else
		r = tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			     "classification of an output of type %s",
			     tsk_dtype_name(result->dtype));
	/* Until it is made there is nothing to free. */
	result->data = NULL;
	if (r < 0)
		return r;
	if (n > infer->outputs[i].classes)
		n = infer->outputs[i].classes;
	return answer_with(result, all, n, account, reterr);
}

void oip_classes_free(struct oip_result *result, const struct oip_infer *infer, uint32_t i,
		      struct account *account)
{
	if (is_wanted(infer, i) && result->data) {
		account_give(account, result->bytes);
		free((void *)(uintptr_t)result->data);
	}
	result->data = NULL;
}
