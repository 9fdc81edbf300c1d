/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/seed_output.h"

#include <stdio.h>

#include "tensor/shape.h"
#include "tensor/value.h"

static void print_text(FILE *out, const struct tsk_value *value)
{
	for (uint32_t i = 0; i < value->text_bytes && i < SEED_OUTPUT_TEXT; i++) {
		unsigned char c = value->text[i];

		fputc(c < ' ' || c == 0x7f ? '?' : c, out);
	}
}

static void print_value(FILE *out, const struct tsk_value *value)
{
	if (value->kind == TSK_VALUE_TEXT)
		print_text(out, value);
	else
		tsk_value_print_number(out, value);
}

static void print_tensor(FILE *out, const void *region, const struct run_tensor *t)
{
	struct tsk_value_reader reader =
		tsk_value_reader(t->dtype, (const unsigned char *)region + t->offset, t->bytes);
	struct tsk_value value;
	uint64_t n;

	/* run_read() has checked the shape. */
	if (tsk_shape_elems(t->dims, t->rank, &n) < 0)
		return;
	fputs("output data is:", out);
	for (uint64_t i = 0; i < n && i < SEED_OUTPUT_VALUES && tsk_value_next(&reader, &value);
	     i++) {
		print_value(out, &value);
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
