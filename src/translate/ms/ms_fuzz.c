/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A .ms file becomes an ONNX file, or is refused by a sentence.  Most mutations change a field of a
 * table that the translator reads, and leave the file a FlatBuffer: what is behind is reached so.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "translate/ms/flatbuffer.h"
#include "translate/ms/ms.h"
#include "translate/onnx_file.h"

/* As the translator's caller has it: of the graph, and of the file. */
#define MEMORY_FACTOR 2u
#define MEMORY_BASE ((size_t)32 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max) __attribute__((weak));

static void require(bool truth)
{
	if (!truth)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t memory = MEMORY_FACTOR * size + MEMORY_BASE, n = 0;
	struct tensock_error error = { 0 };
	unsigned char *onnx = NULL;
	struct onnx_graph graph;
	int r;

	(void)ms_probe(data, size);
	onnx_graph_init(&graph, memory);
	r = ms_translate(data, size, &graph, &error);
	require(r == 0 || graph.failed || (error.status != TENSOCK_OK && error.message[0]));
	if (r == 0 || graph.failed) {
		if (!graph.failed)
			onnx_prune(&graph);
		r = onnx_file_write(&graph, memory, &onnx, &n, &error);
		require(r == 0 ? n > 0 : error.message[0] != '\0');
		require(r < 0 || !graph.failed);
	}
	free(onnx);
	onnx_graph_done(&graph);
	return 0;
}

/* Numbers that look random enough for a mutator, and are the seed's. */
static uint32_t next(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static struct fb_table pick(const struct fb_table *graph, unsigned field, uint32_t *random)
{
	struct fb_vector all = fb_vector(graph, field, FB_OFFSET);

	return fb_table_at(&all, all.n ? next(random) % all.n : 0);
}

/* A table that is read: the graph, a node, its primitive, its operator's, or a tensor. */
static struct fb_table pick_table(struct flatbuffer *file, uint32_t *random)
{
	struct fb_table table = fb_root(file), primitive;
	unsigned kind = next(random) % 8;

	if (kind == 0)
		return table;
	if (kind <= 3)
		return pick(&table, 7, random);
	table = pick(&table, 6, random);
	if (kind == 4)
		return table;
	primitive = fb_child(&table, 2);
	return kind == 5 ? primitive : fb_child(&primitive, 1);
}

/* Where a field lies, or what it points to: 0 for none. */
static size_t pick_place(const struct flatbuffer *file, const struct fb_table *table,
			 uint32_t *random)
{
	unsigned n_fields = (unsigned)(table->n_vtable - 4) / 2, field;
	struct fb_vector vector;
	size_t entry, offset;

	if (!fb_is_there(table) || n_fields == 0)
		return 0;
	field = next(random) % n_fields;
	vector = fb_vector(table, field, 4);
	if (vector.n && next(random) % 2)
		return vector.at + 4 * (size_t)(next(random) % vector.n);
	entry = table->vtable + 4 + 2 * (size_t)field;
	offset = (size_t)file->bytes[entry] | (size_t)file->bytes[entry + 1] << 8;
	return offset ? table->at + offset : entry;
}

static uint32_t pick_value(uint32_t *random, uint32_t was)
{
	static const uint32_t values[] = { 0,          1,          2,         3,     4,
					   0xff,       0x7fff,     0xffff,    65536, 0x7fffffff,
					   0x80000000, 0xffffffff, 0x3f800000 };
	unsigned kind = next(random) % 4;

	if (kind == 0)
		return was + 1;
	if (kind == 1)
		return was - 1;
	return kind == 2 ? values[next(random) % (sizeof(values) / sizeof(values[0]))]
			 : next(random) % 256;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	uint32_t random = seed, was = 0, now;
	struct flatbuffer file;
	struct fb_table table;
	size_t place, width;

	fb_open(&file, data, size);
	table = pick_table(&file, &random);
	place = pick_place(&file, &table, &random);
	width = (size_t)1 << next(&random) % 3;
	if (next(&random) % 4 == 0 || place == 0 || place + width > size)
		return LLVMFuzzerMutate ? LLVMFuzzerMutate(data, size, max) : size;
	memcpy(&was, data + place, width);
	now = pick_value(&random, was);
	memcpy(data + place, &now, width);
	return size;
}
