/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/model_info.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "tensor/dtype.h"

/* Of a short string on the heap, its NUL included. */
#define HEAP_BYTES 32u

/* The second has the operators at its end. */
#define FORM_PLAIN 1u
#define FORM_OPERATORS 2u

static void done_tensors(struct tsk_tensor_info *tensors, uint32_t n)
{
	if (!tensors)
		return;
	for (uint32_t i = 0; i < n; i++) {
		free(tensors[i].name);
		for (uint32_t d = 0; d < TENSOCK_RANK_MAX; d++)
			free(tensors[i].dim_names[d]);
	}
	free(tensors);
}

void tsk_model_info_done(struct tsk_model_info *info)
{
	if (!info)
		return;
	free(info->engine);
	free(info->format);
	free(info->operators);
	done_tensors(info->inputs, info->n_inputs);
	done_tensors(info->outputs, info->n_outputs);
	*info = (struct tsk_model_info){ 0 };
}

static uint64_t string_bytes(const char *text)
{
	return text ? HEAP_BYTES + strlen(text) : 0;
}

static uint64_t tensors_bytes(const struct tsk_tensor_info *tensors, uint32_t n)
{
	uint64_t bytes = n * sizeof(*tensors);

	for (uint32_t i = 0; i < n; i++) {
		bytes += string_bytes(tensors[i].name);
		for (uint32_t d = 0; d < tensors[i].rank; d++)
			bytes += string_bytes(tensors[i].dim_names[d]);
	}
	return bytes;
}

uint64_t tsk_model_info_bytes(const struct tsk_model_info *info)
{
	return string_bytes(info->engine) + string_bytes(info->format) +
	       string_bytes(info->operators) + tensors_bytes(info->inputs, info->n_inputs) +
	       tensors_bytes(info->outputs, info->n_outputs);
}

static bool string_is_valid(const char *text)
{
	return text && strnlen(text, TSK_TENSOR_NAME_MAX + 1) <= TSK_TENSOR_NAME_MAX;
}

static bool tensor_is_valid(const struct tsk_tensor_info *t)
{
	if (!string_is_valid(t->name) || !tsk_dtype_is_valid(t->dtype) ||
	    t->rank > TENSOCK_RANK_MAX)
		return false;
	for (uint32_t d = 0; d < t->rank; d++) {
		if (t->dims[d] < -1 || (t->dim_names[d] && !string_is_valid(t->dim_names[d])))
			return false;
	}
	return true;
}

static bool tensors_are_valid(const struct tsk_tensor_info *tensors, uint32_t n)
{
	if (n > TSK_MODEL_TENSORS_MAX)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (!tensor_is_valid(&tensors[i]))
			return false;
	}
	return true;
}

static void write_string(struct tsk_writer *w, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	tsk_write_u16(w, (uint16_t)len);
	tsk_write_bytes(w, text, len);
}

/* The string, allocated; NULL for a malformed one (and the reader is bad) or without memory. */
static char *read_string(struct tsk_reader *r)
{
	size_t len = tsk_read_u16(r);
	const char *bytes = tsk_read_bytes(r, len);

	if (!bytes || len > TSK_TENSOR_NAME_MAX || memchr(bytes, '\0', len)) {
		r->bad = true;
		return NULL;
	}
	return strndup(bytes, len);
}

static void write_tensor(struct tsk_writer *w, const struct tsk_tensor_info *t)
{
	write_string(w, t->name);
	tsk_write_u32(w, t->dtype);
	tsk_write_u32(w, t->rank);
	for (uint32_t d = 0; d < t->rank; d++) {
		tsk_write_u64(w, (uint64_t)t->dims[d]);
		write_string(w, t->dim_names[d]);
	}
}

static int read_tensor(struct tsk_reader *r, struct tsk_tensor_info *ret)
{
	ret->name = read_string(r);
	if (!ret->name)
		return r->bad ? -EPROTO : -ENOMEM;
	ret->dtype = tsk_read_u32(r);
	ret->rank = tsk_read_u32(r);
	if (ret->rank > TENSOCK_RANK_MAX)
		return -EPROTO;
	for (uint32_t d = 0; d < ret->rank; d++) {
		_cleanup_free_ char *name = NULL;

		ret->dims[d] = (int64_t)tsk_read_u64(r);
		name = read_string(r);
		if (!name)
			return r->bad ? -EPROTO : -ENOMEM;
		if (name[0])
			ret->dim_names[d] = TAKE_PTR(name);
	}
	return tensor_is_valid(ret) ? 0 : -EPROTO;
}

static int read_tensors(struct tsk_reader *r, uint32_t n, struct tsk_tensor_info **ret,
			uint32_t *ret_n)
{
	struct tsk_tensor_info *tensors;
	int err;

	if (n > TSK_MODEL_TENSORS_MAX)
		return -EPROTO;
	tensors = calloc(n ? n : 1, sizeof(*tensors));
	if (!tensors)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		err = read_tensor(r, &tensors[i]);
		if (err < 0) {
			done_tensors(tensors, n);
			return err;
		}
	}
	*ret = tensors;
	*ret_n = n;
	return 0;
}

int tsk_model_info_encode(const struct tsk_model_info *info, void *buf, size_t size,
			  size_t *ret_len)
{
	struct tsk_writer w = tsk_writer(buf, size);

	if (!string_is_valid(info->engine) || !string_is_valid(info->format) ||
	    (info->operators && !string_is_valid(info->operators)) ||
	    !tensors_are_valid(info->inputs, info->n_inputs) ||
	    !tensors_are_valid(info->outputs, info->n_outputs))
		return -EINVAL;
	tsk_write_u32(&w, info->operators ? FORM_OPERATORS : FORM_PLAIN);
	write_string(&w, info->engine);
	write_string(&w, info->format);
	tsk_write_u32(&w, info->n_inputs);
	tsk_write_u32(&w, info->n_outputs);
	for (uint32_t i = 0; i < info->n_inputs; i++)
		write_tensor(&w, &info->inputs[i]);
	for (uint32_t i = 0; i < info->n_outputs; i++)
		write_tensor(&w, &info->outputs[i]);
	if (info->operators)
		write_string(&w, info->operators);
	if (w.bad)
		return -ENOSPC;
	*ret_len = tsk_writer_len(&w);
	return 0;
}

static int read_info(struct tsk_reader *r, struct tsk_model_info *ret)
{
	uint32_t form = tsk_read_u32(r), n_inputs, n_outputs;
	int err;

	if (form != FORM_PLAIN && form != FORM_OPERATORS)
		return -EPROTO;
	ret->engine = read_string(r);
	ret->format = read_string(r);
	if (!ret->engine || !ret->format)
		return r->bad ? -EPROTO : -ENOMEM;
	n_inputs = tsk_read_u32(r);
	n_outputs = tsk_read_u32(r);
	err = read_tensors(r, n_inputs, &ret->inputs, &ret->n_inputs);
	if (err < 0)
		return err;
	err = read_tensors(r, n_outputs, &ret->outputs, &ret->n_outputs);
	if (err < 0)
		return err;
	if (form == FORM_OPERATORS) {
		ret->operators = read_string(r);
		if (!ret->operators)
			return r->bad ? -EPROTO : -ENOMEM;
	}
	return tsk_reader_end(r) ? 0 : -EPROTO;
}

int tsk_model_info_decode(const void *buf, size_t len, struct tsk_model_info *ret)
{
	struct tsk_model_info info = { 0 };
	struct tsk_reader r = tsk_reader(buf, len);
	int err = read_info(&r, &info);

	if (err < 0) {
		tsk_model_info_done(&info);
		return err;
	}
	*ret = info;
	return 0;
}
