/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a FlatBuffer that nobody has checked: every offset is checked before it is followed, nothing
 * is allocated or copied, and no load is wider than a byte.
 *
 * Failure is sticky, as in base/bytes.h: what does not fit marks the file bad, and gives the default,
 * an empty vector or a table that is not there; whose every field is absent in turn.  Ask once, with
 * `bad`.  Tables and vectors are values; they refer to the file, which must outlive them.
 */
#ifndef TRANSLATE_MS_FLATBUFFER_H
#define TRANSLATE_MS_FLATBUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flatbuffer {
	const unsigned char *bytes;
	size_t n_bytes;
	bool bad;
};

struct fb_table {
	struct flatbuffer *file;
	size_t at; /* 0: there is none */
	size_t vtable;
	size_t n_bytes, n_vtable; /* of the table, and of its vtable */
};

struct fb_vector {
	struct flatbuffer *file;
	const unsigned char *bytes; /* n × width; NULL: there is none */
	size_t at;                  /* of bytes in the file */
	uint32_t n;
	uint32_t width; /* of an element, in bytes */
};

/* The file as it is; one of 2 GiB or more is bad: no offset reaches so far. */
void fb_open(struct flatbuffer *file, const void *bytes, size_t n_bytes);
/* Bytes 4 to 7 are these. */
bool fb_has_identifier(const struct flatbuffer *file, const char identifier[4]);
struct fb_table fb_root(struct flatbuffer *file);

static inline bool fb_is_there(const struct fb_table *table)
{
	return table->at != 0;
}

/* Whether a field is written down at all. */
bool fb_has(const struct fb_table *table, unsigned field);

/* Fields by their number in the schema; absent ones give `absent`. */
bool fb_bool(const struct fb_table *table, unsigned field, bool absent);
int8_t fb_i8(const struct fb_table *table, unsigned field, int8_t absent);
uint8_t fb_u8(const struct fb_table *table, unsigned field, uint8_t absent);
int32_t fb_i32(const struct fb_table *table, unsigned field, int32_t absent);
uint32_t fb_u32(const struct fb_table *table, unsigned field, uint32_t absent);
int64_t fb_i64(const struct fb_table *table, unsigned field, int64_t absent);
float fb_f32(const struct fb_table *table, unsigned field, float absent);
double fb_f64(const struct fb_table *table, unsigned field, double absent);

struct fb_table fb_child(const struct fb_table *table, unsigned field);
/* Of elements of `width` bytes; of tables and strings the width is FB_OFFSET. */
#define FB_OFFSET 4u
struct fb_vector fb_vector(const struct fb_table *table, unsigned field, uint32_t width);
/* A string is a vector of width 1. */
struct fb_vector fb_string(const struct fb_table *table, unsigned field);

/* The i-th element; one that is not there gives 0, or no table. */
int64_t fb_int_at(const struct fb_vector *vector, uint32_t i); /* signed, of any width */
uint32_t fb_u32_at(const struct fb_vector *vector, uint32_t i);
float fb_f32_at(const struct fb_vector *vector, uint32_t i);
struct fb_table fb_table_at(const struct fb_vector *vector, uint32_t i);

#endif
