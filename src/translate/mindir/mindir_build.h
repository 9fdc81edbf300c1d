/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: builds .mindir files, good ones and bad ones. */
#ifndef TRANSLATE_MINDIR_MINDIR_BUILD_H
#define TRANSLATE_MINDIR_MINDIR_BUILD_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A message under construction, from the innermost outwards. */
struct message {
	unsigned char bytes[32768];
	size_t n;
};

static inline void put_raw(struct message *m, const void *bytes, size_t n)
{
	if (n > sizeof(m->bytes) - m->n)
		abort();
	if (n)
		memcpy(m->bytes + m->n, bytes, n);
	m->n += n;
}

static inline void put_varint(struct message *m, uint64_t v)
{
	do {
		unsigned char byte = (unsigned char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));

		put_raw(m, &byte, 1);
		v >>= 7;
	} while (v);
}

static inline void put_number(struct message *m, unsigned field, int64_t v)
{
	put_varint(m, field << 3);
	put_varint(m, (uint64_t)v);
}

static inline void put_bytes(struct message *m, unsigned field, const void *bytes, size_t n)
{
	put_varint(m, field << 3 | 2);
	put_varint(m, n);
	put_raw(m, bytes, n);
}

static inline void put_text(struct message *m, unsigned field, const char *text)
{
	put_bytes(m, field, text, strlen(text));
}

static inline void put_message(struct message *m, unsigned field, const struct message *inner)
{
	put_bytes(m, field, inner->bytes, inner->n);
}

static inline void put_float(struct message *m, unsigned field, float v)
{
	put_varint(m, field << 3 | 5);
	put_raw(m, &v, sizeof(v));
}

enum {
	BUILD_FLOAT32 = 1,
	BUILD_INT64 = 7
}; /* TensorProto.DataType */

/* A TensorProto; bytes may be NULL. */
static inline void build_tensor(struct message *tensor, const char *name, int64_t data_type,
				const int64_t *dims, size_t rank, const void *bytes, size_t n)
{
	tensor->n = 0;
	for (size_t i = 0; i < rank; i++)
		put_number(tensor, 1, dims[i]);
	put_number(tensor, 2, data_type);
	if (name)
		put_text(tensor, 7, name);
	if (bytes)
		put_bytes(tensor, 9, bytes, n);
}

/* A whole model.  The graph is called "g", so that the names of what is in it begin with "g:". */
struct build {
	struct message graph, primitives, inner, tensor, attribute, model;
};

static inline void build_begin(struct build *b)
{
	b->graph.n = b->primitives.n = 0;
	put_text(&b->graph, 2, "g");
}

static inline void build_port(struct build *b, unsigned field, const char *name,
			      const int64_t *dims, size_t rank)
{
	b->inner.n = 0;
	put_text(&b->inner, 1, name);
	build_tensor(&b->tensor, NULL, BUILD_FLOAT32, dims, rank, NULL, 0);
	put_message(&b->inner, 2, &b->tensor);
	put_message(&b->graph, field, &b->inner);
}

static inline void build_input(struct build *b, const char *name, const int64_t *dims, size_t rank)
{
	build_port(b, 5, name, dims, rank);
}

static inline void build_output(struct build *b, const char *name)
{
	b->inner.n = 0;
	put_text(&b->inner, 1, name);
	put_message(&b->graph, 6, &b->inner);
}

static inline void build_parameter(struct build *b, const char *name, const int64_t *dims,
				   size_t rank, const float *v, size_t n)
{
	build_tensor(&b->tensor, name, BUILD_FLOAT32, dims, rank, v, n * sizeof(*v));
	put_message(&b->graph, 3, &b->tensor);
}

/* A Constant whose attribute `value` holds what b->attribute does. */
static inline void build_constant(struct build *b, const char *name)
{
	put_text(&b->attribute, 1, "value");
	b->inner.n = 0;
	put_text(&b->inner, 2, name);
	put_text(&b->inner, 4, "Constant");
	put_message(&b->inner, 5, &b->attribute);
	put_message(&b->graph, 1, &b->inner);
}

static inline void build_int(struct build *b, const char *name, int64_t v)
{
	b->attribute.n = 0;
	put_number(&b->attribute, 16, 7);
	put_number(&b->attribute, 3, v);
	build_constant(b, name);
}

static inline void build_ints(struct build *b, const char *name, const int64_t *v, size_t n)
{
	b->attribute.n = 0;
	put_number(&b->attribute, 16, 20);
	for (size_t i = 0; i < n; i++) {
		b->inner.n = 0;
		put_number(&b->inner, 16, 7);
		put_number(&b->inner, 10, v[i]);
		put_message(&b->attribute, 17, &b->inner);
	}
	build_constant(b, name);
}

/* A primitive of the table; b->attribute is its only one, where it is not empty. */
static inline void build_primitive(struct build *b, const char *name, const char *op)
{
	b->inner.n = 0;
	put_text(&b->inner, 1, name);
	put_text(&b->inner, 2, op);
	if (b->attribute.n)
		put_message(&b->inner, 3, &b->attribute);
	put_message(&b->primitives, 12, &b->inner);
}

/* A node of an operator without attributes; the inputs' names end with NULL. */
static inline void build_node(struct build *b, const char *op_type, const char *output, ...)
{
	const char *input;
	va_list args;

	b->inner.n = 0;
	va_start(args, output);
	while ((input = va_arg(args, const char *)))
		put_text(&b->inner, 1, input);
	va_end(args);
	put_text(&b->inner, 2, output);
	put_text(&b->inner, 3, output);
	put_text(&b->inner, 4, op_type);
	put_message(&b->graph, 1, &b->inner);
}

/* The model's bytes: b->model. */
static inline void build_end(struct build *b)
{
	b->model.n = 0;
	put_text(&b->model, 1, "1.1");
	put_text(&b->model, 2, "MindSpore");
	put_message(&b->model, 7, &b->graph);
	put_number(&b->model, 10, 1);
	put_raw(&b->model, b->primitives.bytes, b->primitives.n);
}

#endif
