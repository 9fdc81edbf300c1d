/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For unit tests only, of both ends: the frames of docs/protocol-vectors.txt.  TSK_WIRE_VECTORS is
 * its path (wire_vectors_args in meson).
 */
#ifndef TSK_WIRE_TESTING_H
#define TSK_WIRE_TESTING_H

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/testing.h"
#include "wire/frame.h"

#define WIRE_VECTOR_MAX 4096u

struct wire_vector {
	char name[64];
	unsigned char bytes[WIRE_VECTOR_MAX]; /* the whole frame */
	size_t n;
};

/* Hexadecimal digits up to the line's end or a comment. */
static inline void wire_vector_append(struct wire_vector *vector, const char *line)
{
	for (;;) {
		char *after;
		unsigned long byte;

		while (isspace((unsigned char)*line))
			line++;
		if (!*line || *line == '#')
			return;
		byte = strtoul(line, &after, 16);
		if (after != line + 2 || byte > 0xff || vector->n == sizeof(vector->bytes))
			fail_msg("vector %s: %s", vector->name, line);
		vector->bytes[vector->n++] = (unsigned char)byte;
		line = after;
	}
}

/* Calls each() with every vector, in the order of the file.  Returns how many there were. */
static inline unsigned wire_vectors_each(void (*each)(const struct wire_vector *vector, void *user),
					 void *user)
{
	FILE *file = fopen(TSK_WIRE_VECTORS, "re");
	struct wire_vector vector = { .n = 0 };
	char line[512];
	unsigned n = 0;

	if (!file)
		fail_msg("%s cannot be read", TSK_WIRE_VECTORS);
	while (fgets(line, sizeof(line), file)) {
		if (line[0] != '[') {
			wire_vector_append(&vector, line);
			continue;
		}
		if (n++)
			each(&vector, user);
		memset(&vector, 0, sizeof(vector));
		if (sscanf(line, "[%63[^]]]", vector.name) != 1)
			fail_msg("not a name: %s", line);
	}
	if (n)
		each(&vector, user);
	fclose(file);
	return n;
}

static inline void wire_vector_take(const struct wire_vector *vector, void *user)
{
	struct wire_vector *wanted = user;

	if (!wanted->n && strcmp(vector->name, wanted->name) == 0)
		*wanted = *vector;
}

/* The one of that name. */
static inline struct wire_vector wire_vector(const char *name)
{
	struct wire_vector vector = { .n = 0 };

	snprintf(vector.name, sizeof(vector.name), "%s", name);
	(void)wire_vectors_each(wire_vector_take, &vector);
	if (!vector.n)
		fail_msg("no vector \"%s\"", name);
	return vector;
}

/*
 * A vector's frame, in memory of exactly its size, so that a sanitizer sees a byte read too far.
 * The header has been read, and is of the type; body is the caller's to free.
 */
struct wire_frame {
	struct wire_header header;
	unsigned char *body;
	size_t size;
};

static inline struct wire_frame wire_frame(const char *name, uint32_t type)
{
	struct wire_vector vector = wire_vector(name);
	struct wire_frame frame = { .size = vector.n - WIRE_HEADER_BYTES };

	assert_true(vector.n >= WIRE_HEADER_BYTES);
	if (wire_header_read(vector.bytes, &frame.header) < 0 || frame.header.type != type ||
	    frame.header.size != frame.size)
		fail_msg("vector \"%s\": not the header of its body", name);
	frame.body = malloc(frame.size ? frame.size : 1);
	assert_non_null(frame.body);
	memcpy(frame.body, vector.bytes + WIRE_HEADER_BYTES, frame.size);
	return frame;
}

/* What was written is the frame's body. */
static inline void wire_frame_assert_written(const struct wire_frame *frame,
					     const struct tsk_writer *w)
{
	assert_false(w->bad);
	assert_int_equal(tsk_writer_len(w), frame->size);
	assert_memory_equal(w->start, frame->body, frame->size);
}

#endif
