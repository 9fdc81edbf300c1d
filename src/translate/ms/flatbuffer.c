/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/flatbuffer.h"

#include <string.h>

#define FILE_BYTES_MAX 0x7fffffffu
#define VTABLE_HEAD 4u /* its own size, the table's size */
#define TABLE_HEAD 4u  /* where its vtable is */

static const struct fb_table no_table;

/* n bytes at `at`, both of which may be anything. */
static bool is_inside(const struct flatbuffer *file, uint64_t at, uint64_t n)
{
	return at <= file->n_bytes && n <= file->n_bytes - at;
}

static uint64_t load(const unsigned char *p, size_t width)
{
	uint64_t v = 0;

	for (size_t i = 0; i < width; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

/* The caller has checked that it is inside. */
static uint32_t load_u32(const struct flatbuffer *file, size_t at)
{
	return (uint32_t)load(file->bytes + at, 4);
}

void fb_open(struct flatbuffer *file, const void *bytes, size_t n_bytes)
{
	*file = (struct flatbuffer){ .bytes = bytes, .n_bytes = n_bytes };
	if (n_bytes > FILE_BYTES_MAX) {
		file->n_bytes = 0;
		file->bad = true;
	}
}

bool fb_has_identifier(const struct flatbuffer *file, const char identifier[4])
{
	return file->n_bytes >= 8 && memcmp(file->bytes + 4, identifier, 4) == 0;
}

static struct fb_table bad_table(struct flatbuffer *file)
{
	file->bad = true;
	return no_table;
}

static struct fb_table table_at(struct flatbuffer *file, uint64_t at)
{
	struct fb_table table = { .file = file };
	int64_t vtable;

	if (at < TABLE_HEAD || !is_inside(file, at, TABLE_HEAD))
		return bad_table(file);
	table.at = (size_t)at;
	vtable = (int64_t)at - (int32_t)load_u32(file, table.at);
	if (vtable < 0 || !is_inside(file, (uint64_t)vtable, VTABLE_HEAD))
		return bad_table(file);
	table.vtable = (size_t)vtable;
	table.n_vtable = (size_t)load(file->bytes + table.vtable, 2);
	table.n_bytes = (size_t)load(file->bytes + table.vtable + 2, 2);
	if (table.n_vtable < VTABLE_HEAD || table.n_vtable % 2 != 0 ||
	    !is_inside(file, table.vtable, table.n_vtable) || table.n_bytes < TABLE_HEAD ||
	    !is_inside(file, table.at, table.n_bytes))
		return bad_table(file);
	return table;
}

struct fb_table fb_root(struct flatbuffer *file)
{
	if (!is_inside(file, 0, 4))
		return bad_table(file);
	return table_at(file, load_u32(file, 0));
}

/* Where a field of that width lies; 0: it is absent, or bad. */
static size_t field_at(const struct fb_table *table, unsigned field, size_t width)
{
	size_t entry = VTABLE_HEAD + 2 * (size_t)field;
	size_t offset;

	if (!table->at || entry > table->n_vtable - 2)
		return 0;
	offset = (size_t)load(table->file->bytes + table->vtable + entry, 2);
	if (offset == 0)
		return 0;
	if (offset < TABLE_HEAD || offset > table->n_bytes || width > table->n_bytes - offset) {
		table->file->bad = true;
		return 0;
	}
	return table->at + offset;
}

bool fb_has(const struct fb_table *table, unsigned field)
{
	return field_at(table, field, 1) != 0;
}

static uint64_t scalar(const struct fb_table *table, unsigned field, size_t width, uint64_t absent)
{
	size_t at = field_at(table, field, width);

	return at ? load(table->file->bytes + at, width) : absent;
}

bool fb_bool(const struct fb_table *table, unsigned field, bool absent)
{
	return scalar(table, field, 1, absent) != 0;
}

int8_t fb_i8(const struct fb_table *table, unsigned field, int8_t absent)
{
	return (int8_t)scalar(table, field, 1, (uint8_t)absent);
}

uint8_t fb_u8(const struct fb_table *table, unsigned field, uint8_t absent)
{
	return (uint8_t)scalar(table, field, 1, absent);
}

int32_t fb_i32(const struct fb_table *table, unsigned field, int32_t absent)
{
	return (int32_t)scalar(table, field, 4, (uint32_t)absent);
}

uint32_t fb_u32(const struct fb_table *table, unsigned field, uint32_t absent)
{
	return (uint32_t)scalar(table, field, 4, absent);
}

int64_t fb_i64(const struct fb_table *table, unsigned field, int64_t absent)
{
	return (int64_t)scalar(table, field, 8, (uint64_t)absent);
}

static float float_of(uint32_t bits)
{
	float v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

float fb_f32(const struct fb_table *table, unsigned field, float absent)
{
	size_t at = field_at(table, field, 4);

	return at ? float_of(load_u32(table->file, at)) : absent;
}

double fb_f64(const struct fb_table *table, unsigned field, double absent)
{
	size_t at = field_at(table, field, 8);
	uint64_t bits;
	double v;

	if (!at)
		return absent;
	bits = load(table->file->bytes + at, 8);
	memcpy(&v, &bits, sizeof(v));
	return v;
}

/* What the offset at `at` (checked) points to: offsets go forward, and count from where they stand. */
static uint64_t follow(const struct flatbuffer *file, size_t at)
{
	return (uint64_t)at + load_u32(file, at);
}

struct fb_table fb_child(const struct fb_table *table, unsigned field)
{
	size_t at = field_at(table, field, FB_OFFSET);

	return at ? table_at(table->file, follow(table->file, at)) : no_table;
}

struct fb_vector fb_vector(const struct fb_table *table, unsigned field, uint32_t width)
{
	struct flatbuffer *file = table->file;
	size_t at = field_at(table, field, FB_OFFSET);
	struct fb_vector vector = { .file = file, .width = width };
	uint64_t to;
	uint32_t n;

	if (!at)
		return vector;
	to = follow(file, at);
	if (!is_inside(file, to, 4)) {
		file->bad = true;
		return vector;
	}
	n = load_u32(file, (size_t)to);
	if (!is_inside(file, to + 4, (uint64_t)n * width)) {
		file->bad = true;
		return vector;
	}
	vector.at = (size_t)to + 4;
	vector.bytes = file->bytes + vector.at;
	vector.n = n;
	return vector;
}

struct fb_vector fb_string(const struct fb_table *table, unsigned field)
{
	return fb_vector(table, field, 1);
}

int64_t fb_int_at(const struct fb_vector *vector, uint32_t i)
{
	unsigned unused_bits;

	if (i >= vector->n || vector->width == 0 || vector->width > 8)
		return 0;
	unused_bits = 64 - 8 * vector->width;
	return (int64_t)(load(vector->bytes + (size_t)i * vector->width, vector->width)
			 << unused_bits) >>
	       unused_bits;
}

uint32_t fb_u32_at(const struct fb_vector *vector, uint32_t i)
{
	if (i >= vector->n || vector->width != 4)
		return 0;
	return (uint32_t)load(vector->bytes + (size_t)i * 4, 4);
}

float fb_f32_at(const struct fb_vector *vector, uint32_t i)
{
	return float_of(fb_u32_at(vector, i));
}

struct fb_table fb_table_at(const struct fb_vector *vector, uint32_t i)
{
	if (i >= vector->n || vector->width != FB_OFFSET)
		return no_table;
	return table_at(vector->file, follow(vector->file, vector->at + (size_t)i * FB_OFFSET));
}
