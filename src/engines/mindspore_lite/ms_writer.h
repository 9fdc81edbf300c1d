/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes .ms files for tests, here and under tests/: FlatBuffers with tensors, inputs and outputs, and
 * without a single operator.
 */
#ifndef ENGINE_MINDSPORE_LITE_MS_WRITER_H
#define ENGINE_MINDSPORE_LITE_MS_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MS_WRITER_BYTES 16384u

struct ms_tensor {
	const char *name; /* NULL: none */
	int32_t type;
	uint32_t rank;
	int32_t dims[32];
};

/* The first tensors are the inputs, the others the outputs, in the order of `outputs`. */
struct ms_model {
	const char *identifier; /* "MSL2" */
	const char *name;
	const struct ms_tensor *tensors;
	uint32_t n_tensors, n_inputs;
	const uint32_t *outputs; /* NULL: as they come */
	bool has_subgraph;       /* the outputs stand in it; the model's own are wrong */
};

struct ms_writer {
	unsigned char bytes[MS_WRITER_BYTES];
	size_t len;
};

static inline void ms_put(struct ms_writer *w, size_t at, uint64_t v, unsigned width)
{
	if (at + width > sizeof(w->bytes))
		abort();
	for (unsigned i = 0; i < width; i++)
		w->bytes[at + i] = (unsigned char)(v >> (8 * i));
}

static inline void ms_append(struct ms_writer *w, uint64_t v, unsigned width)
{
	ms_put(w, w->len, v, width);
	w->len += width;
}

static inline void ms_pad(struct ms_writer *w)
{
	while (w->len % 4)
		ms_append(w, 0, 1);
}

/* A table of n fields of four bytes, of which those with a bit in `mask` are there.  Its place. */
static inline size_t ms_table(struct ms_writer *w, unsigned n, uint32_t mask)
{
	size_t vtable, table;

	ms_pad(w);
	vtable = w->len;
	ms_append(w, 4 + 2 * n, 2);
	ms_append(w, 4 + 4 * n, 2);
	for (unsigned i = 0; i < n; i++)
		ms_append(w, mask >> i & 1 ? 4 + 4 * i : 0, 2);
	ms_pad(w);
	table = w->len;
	ms_append(w, table - vtable, 4);
	for (unsigned i = 0; i < n; i++)
		ms_append(w, 0, 4);
	return table;
}

/* The field holds what comes next in the file. */
static inline void ms_point(struct ms_writer *w, size_t at)
{
	ms_pad(w);
	ms_put(w, at, w->len - at, 4);
}

static inline size_t ms_field(size_t table, unsigned id)
{
	return table + 4 + 4 * (size_t)id;
}

static inline void ms_text(struct ms_writer *w, size_t at, const char *text)
{
	size_t len = strlen(text);

	ms_point(w, at);
	ms_append(w, len, 4);
	for (size_t i = 0; i <= len; i++)
		ms_append(w, (unsigned char)text[i], 1);
}

static inline void ms_numbers(struct ms_writer *w, size_t at, const uint32_t *v, uint32_t n)
{
	ms_point(w, at);
	ms_append(w, n, 4);
	for (uint32_t i = 0; i < n; i++)
		ms_append(w, v[i], 4);
}

static inline void ms_write_tensor(struct ms_writer *w, size_t at, const struct ms_tensor *tensor)
{
	uint32_t dims[32];
	size_t table;

	for (uint32_t i = 0; i < tensor->rank; i++)
		dims[i] = (uint32_t)tensor->dims[i];
	ms_pad(w);
	table = ms_table(w, 10, 1U << 1 | 1U << 2 | (tensor->name ? 1U << 9 : 0));
	ms_put(w, at, table - at, 4);
	ms_put(w, ms_field(table, 1), (uint32_t)tensor->type, 4);
	ms_numbers(w, ms_field(table, 2), dims, tensor->rank);
	if (tensor->name)
		ms_text(w, ms_field(table, 9), tensor->name);
}

static inline void ms_write_tensors(struct ms_writer *w, size_t at, const struct ms_model *model)
{
	size_t first;

	ms_point(w, at);
	ms_append(w, model->n_tensors, 4);
	first = w->len;
	for (uint32_t i = 0; i < model->n_tensors; i++)
		ms_append(w, 0, 4);
	for (uint32_t i = 0; i < model->n_tensors; i++)
		ms_write_tensor(w, first + 4 * (size_t)i, &model->tensors[i]);
}

static inline void ms_write_subgraph(struct ms_writer *w, size_t at, const uint32_t *outputs,
				     uint32_t n)
{
	size_t first, table;

	ms_point(w, at);
	ms_append(w, 1, 4);
	first = w->len;
	ms_append(w, 0, 4);
	table = ms_table(w, 3, 1U << 2);
	ms_put(w, first, table - first, 4);
	ms_numbers(w, ms_field(table, 2), outputs, n);
}

static inline void ms_write(struct ms_writer *w, const struct ms_model *model)
{
	static const uint32_t numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	uint32_t n_outputs = model->n_tensors - model->n_inputs;
	const uint32_t *outputs = model->outputs ? model->outputs : numbers + model->n_inputs;
	size_t table;

	memset(w, 0, sizeof(*w));
	ms_append(w, 0, 4);
	for (unsigned i = 0; i < 4; i++)
		ms_append(w, (unsigned char)model->identifier[i], 1);
	table = ms_table(w, 9,
			 1U << 0 | 1U << 3 | 1U << 4 | 1U << 7 |
				 (model->has_subgraph ? 1U << 8 : 0));
	ms_put(w, 0, table, 4);
	ms_text(w, ms_field(table, 0), model->name);
	ms_numbers(w, ms_field(table, 3), numbers, model->n_inputs);
	if (model->has_subgraph) {
		ms_numbers(w, ms_field(table, 4), numbers, n_outputs);
		ms_write_subgraph(w, ms_field(table, 8), outputs, n_outputs);
	} else {
		ms_numbers(w, ms_field(table, 4), outputs, n_outputs);
	}
	ms_write_tensors(w, ms_field(table, 7), model);
	ms_pad(w);
}

#endif
