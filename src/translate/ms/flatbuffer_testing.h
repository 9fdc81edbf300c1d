/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A FlatBuffer for tests, written front to back: what is pointed to is made after what points.  Each
 * field has a slot of 8 bytes in its table.
 */
#ifndef TRANSLATE_MS_FLATBUFFER_TESTING_H
#define TRANSLATE_MS_FLATBUFFER_TESTING_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct build {
	unsigned char bytes[8192];
	size_t n;
};

static inline void build_put(struct build *build, size_t at, uint64_t v, size_t width)
{
	assert(at + width <= sizeof(build->bytes));
	for (size_t i = 0; i < width; i++)
		build->bytes[at + i] = (unsigned char)(v >> (8 * i));
}

static inline size_t build_room(struct build *build, size_t n)
{
	size_t at = build->n;

	build->n += (n + 3) / 4 * 4;
	assert(build->n <= sizeof(build->bytes));
	return at;
}

/* A table of fields that are all absent. */
static inline size_t build_table(struct build *build, unsigned n_fields)
{
	size_t vtable = build_room(build, 4 + 2 * (size_t)n_fields);
	size_t table = build_room(build, 4 + 8 * (size_t)n_fields);

	build_put(build, vtable, 4 + 2 * (size_t)n_fields, 2);
	build_put(build, vtable + 2, 4 + 8 * (size_t)n_fields, 2);
	build_put(build, table, table - vtable, 4);
	return table;
}

static inline size_t build_field(struct build *build, size_t table, unsigned field)
{
	uint32_t back;
	size_t vtable;

	memcpy(&back, build->bytes + table, sizeof(back));
	vtable = table - back;
	build_put(build, vtable + 4 + 2 * (size_t)field, 4 + 8 * (size_t)field, 2);
	return table + 4 + 8 * (size_t)field;
}

static inline void build_scalar(struct build *build, size_t table, unsigned field, uint64_t v)
{
	build_put(build, build_field(build, table, field), v, 8);
}

/* To what is made next. */
static inline void build_offset(struct build *build, size_t table, unsigned field)
{
	size_t at = build_field(build, table, field);

	build_put(build, at, build->n - at, 4);
}

static inline size_t build_child(struct build *build, size_t table, unsigned field,
				 unsigned n_fields)
{
	size_t at = build_field(build, table, field);
	size_t child = build_table(build, n_fields);

	build_put(build, at, child - at, 4);
	return child;
}

/* Gives where the first element is. */
static inline size_t build_vector(struct build *build, size_t table, unsigned field, uint32_t n,
				  size_t width)
{
	size_t at;

	build_offset(build, table, field);
	at = build_room(build, 4 + n * width);
	build_put(build, at, n, 4);
	return at + 4;
}

static inline void build_ints(struct build *build, size_t table, unsigned field, const int32_t *v,
			      uint32_t n)
{
	size_t at = build_vector(build, table, field, n, 4);

	for (uint32_t i = 0; i < n; i++)
		build_put(build, at + 4 * (size_t)i, (uint32_t)v[i], 4);
}

static inline void build_text(struct build *build, size_t table, unsigned field, const char *text)
{
	size_t at = build_vector(build, table, field, (uint32_t)strlen(text), 1);

	memcpy(build->bytes + at, text, strlen(text));
}

/* Element i of a vector of tables. */
static inline size_t build_element(struct build *build, size_t vector, uint32_t i,
				   unsigned n_fields)
{
	size_t at = vector + 4 * (size_t)i, table = build_table(build, n_fields);

	build_put(build, at, table - at, 4);
	return table;
}

/* The root, with an identifier or NULL. */
static inline size_t build_root(struct build *build, const char *identifier, unsigned n_fields)
{
	size_t table;

	*build = (struct build){ .n = identifier ? 8 : 4 };
	if (identifier)
		memcpy(build->bytes + 4, identifier, 4);
	table = build_table(build, n_fields);
	build_put(build, 0, table, 4);
	return table;
}

#endif
