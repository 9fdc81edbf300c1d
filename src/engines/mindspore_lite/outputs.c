/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/mindspore_lite/outputs.h"

#include <stdio.h>
#include <string.h>

/* Fields, by their ids. */
#define META_OUTPUT_INDEX 4
#define META_TENSORS 7
#define META_SUBGRAPHS 8
#define SUBGRAPH_OUTPUT_INDICES 2
#define TENSOR_NAME 9

struct file {
	const unsigned char *bytes;
	size_t n;
};

/* A vector's elements. */
struct vector {
	size_t first;
	uint32_t n;
};

/* Positions are those of a byte in the file; all reads are checked against its end. */
static bool read_uint(const struct file *f, size_t at, unsigned width, uint32_t *ret)
{
	uint32_t v = 0;

	if (at > f->n || f->n - at < width)
		return false;
	for (unsigned i = 0; i < width; i++)
		v |= (uint32_t)f->bytes[at + i] << (8 * i);
	*ret = v;
	return true;
}

/* From the offset at `at` to what it is the offset of. */
static bool follow(const struct file *f, size_t at, size_t *ret)
{
	uint32_t offset;

	if (!read_uint(f, at, 4, &offset) || offset > f->n - at)
		return false;
	*ret = at + offset;
	return true;
}

/* Where a table's field is; false when it is absent. */
static bool field(const struct file *f, size_t table, unsigned id, size_t *ret)
{
	uint32_t to_vtable, vtable_bytes, offset;
	size_t vtable;

	if (!read_uint(f, table, 4, &to_vtable))
		return false;
	/* A signed distance, backwards. */
	if (to_vtable > INT32_MAX)
		vtable = table + (size_t)(UINT64_C(0x100000000) - to_vtable);
	else if (to_vtable <= table)
		vtable = table - to_vtable;
	else
		return false;
	if (!read_uint(f, vtable, 2, &vtable_bytes) || vtable_bytes < 4 + 2 * (id + 1) ||
	    !read_uint(f, vtable + 4 + 2 * (size_t)id, 2, &offset) || !offset ||
	    offset > f->n - table)
		return false;
	*ret = table + offset;
	return true;
}

/* A field that is a vector (or a text); its elements are within the file. */
static bool vector(const struct file *f, size_t table, unsigned id, unsigned width,
		   struct vector *ret)
{
	size_t at;
	uint32_t n;

	if (!field(f, table, id, &at) || !follow(f, at, &at) || !read_uint(f, at, 4, &n) ||
	    n > (f->n - at - 4) / width)
		return false;
	*ret = (struct vector){ at + 4, n };
	return true;
}

/* Of a vector of tables. */
static bool element(const struct file *f, const struct vector *v, uint32_t i, size_t *ret)
{
	return i < v->n && follow(f, v->first + 4 * (size_t)i, ret);
}

/* The library takes the outputs of the first sub-graph where there are such, and else the model's. */
static bool output_numbers(const struct file *f, size_t root, struct vector *ret)
{
	struct vector subgraphs;
	size_t subgraph;

	if (vector(f, root, META_SUBGRAPHS, 4, &subgraphs) && element(f, &subgraphs, 0, &subgraph))
		return vector(f, subgraph, SUBGRAPH_OUTPUT_INDICES, 4, ret);
	return vector(f, root, META_OUTPUT_INDEX, 4, ret);
}

static bool read_output(const struct file *f, const struct vector *tensors, size_t at,
			struct ms_output *ret)
{
	struct vector name;
	size_t tensor;

	if (!read_uint(f, at, 4, &ret->number) || !element(f, tensors, ret->number, &tensor))
		return false;
	ret->name = NULL;
	ret->name_bytes = 0;
	if (vector(f, tensor, TENSOR_NAME, 1, &name)) {
		ret->name = (const char *)f->bytes + name.first;
		ret->name_bytes = name.n;
	}
	return true;
}

uint32_t ms_outputs_read(const void *bytes, size_t n_bytes, struct ms_output *ret, uint32_t max)
{
	const struct file f = { bytes, n_bytes };
	struct vector numbers, tensors;
	size_t root;
	uint32_t n = 0;

	if (!follow(&f, 0, &root) || !output_numbers(&f, root, &numbers) ||
	    !vector(&f, root, META_TENSORS, 4, &tensors))
		return 0;
	while (n < max && n < numbers.n &&
	       read_output(&f, &tensors, numbers.first + 4 * (size_t)n, &ret[n]))
		n++;
	return n;
}

bool ms_output_is(const struct ms_output *output, const char *name)
{
	char number[16];

	if (output->name_bytes)
		return strlen(name) == output->name_bytes &&
		       memcmp(name, output->name, output->name_bytes) == 0;
	snprintf(number, sizeof(number), "%u", output->number);
	return strcmp(name, number) == 0;
}
