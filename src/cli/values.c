/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/values.h"

#include <inttypes.h>

#include "cli/text.h"
#include "tensor/value.h"

#define TEXT_SHOWN 256u

static void print_one(FILE *out, const struct tsk_value *value)
{
	if (value->kind != TSK_VALUE_TEXT) {
		tsk_value_print_number(out, value);
		return;
	}
	fputc('"', out);
	text_print_bytes(out, value->text,
			 value->text_bytes < TEXT_SHOWN ? value->text_bytes : TEXT_SHOWN);
	fputs(value->text_bytes > TEXT_SHOWN ? "...\"" : "\"", out);
}

void values_print(FILE *out, uint32_t dtype, const void *data, uint64_t bytes, uint64_t n_elems,
		  uint64_t n_max)
{
	struct tsk_value_reader reader = tsk_value_reader(dtype, data, (size_t)bytes);
	struct tsk_value value;
	uint64_t i;

	for (i = 0; i < n_elems && i < n_max && tsk_value_next(&reader, &value); i++) {
		if (i)
			fputc(' ', out);
		print_one(out, &value);
	}
	if (i < n_elems)
		fprintf(out, "%s... %" PRIu64 " more", i ? " " : "", n_elems - i);
	fputc('\n', out);
}

static void json_one(struct json *json, const struct tsk_value *value)
{
	switch (value->kind) {
	case TSK_VALUE_BOOL:
		json_bool(json, value->number);
		break;
	case TSK_VALUE_UNSIGNED:
		json_uint(json, value->number);
		break;
	case TSK_VALUE_SIGNED:
		json_int(json, tsk_value_signed(value));
		break;
	case TSK_VALUE_REAL:
		json_number(json, value->real, value->is_double);
		break;
	case TSK_VALUE_COMPLEX:
		json_array(json);
		json_number(json, value->real, value->is_double);
		json_number(json, value->imaginary, value->is_double);
		json_end_array(json);
		break;
	case TSK_VALUE_TEXT:
		json_bytes(json, value->text, value->text_bytes);
		break;
	}
}

void values_json(struct json *json, uint32_t dtype, const void *data, uint64_t bytes,
		 uint64_t n_max)
{
	struct tsk_value_reader reader = tsk_value_reader(dtype, data, (size_t)bytes);
	struct tsk_value value;

	json_array(json);
	for (uint64_t i = 0; i < n_max && tsk_value_next(&reader, &value); i++)
		json_one(json, &value);
	json_end_array(json);
}
