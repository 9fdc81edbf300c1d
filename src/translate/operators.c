/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/operators.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/protowire.h"
#include "translate/ms/ms_file.h"
#include "translate/ms/ms_op.h"
#include "translate/translate.h"

/* Different operators that are counted apart; what is beyond is not told. */
#define KINDS_MAX 64u
#define NAME_BYTES_MAX 48

/* Fields of onnx.proto. */
#define MODEL_GRAPH 7u
#define GRAPH_NODE 1u
#define NODE_OP_TYPE 4u

struct kind {
	const char *name; /* the model's bytes */
	size_t len;
	unsigned n;
};

struct tally {
	struct kind kinds[KINDS_MAX];
	unsigned n;
	bool has_more;
};

static void count(struct tally *tally, const char *name, size_t len)
{
	/* What is beyond is not told, so those that differ there alone are one. */
	len = len < NAME_BYTES_MAX ? len : NAME_BYTES_MAX;
	for (unsigned i = 0; i < tally->n; i++) {
		struct kind *kind = &tally->kinds[i];

		if (kind->len == len && memcmp(kind->name, name, len) == 0) {
			kind->n++;
			return;
		}
	}
	if (tally->n < KINDS_MAX && len > 0)
		tally->kinds[tally->n++] = (struct kind){ name, len, 1 };
	else
		tally->has_more = true;
}

/* Of several names the last one holds, as engines read it. */
static void count_node(struct tally *tally, struct tsk_reader node)
{
	struct proto_field field, name = { 0 };

	while (proto_next(&node, &field)) {
		if (field.number == NODE_OP_TYPE && field.type == PROTO_BYTES)
			name = field;
	}
	count(tally, (const char *)name.bytes, name.n_bytes);
}

static void count_onnx(struct tally *tally, struct tsk_reader model)
{
	struct proto_field field;

	while (proto_next(&model, &field)) {
		struct tsk_reader graph = tsk_reader(field.bytes, field.n_bytes);

		if (field.number != MODEL_GRAPH || field.type != PROTO_BYTES)
			continue;
		while (proto_next(&graph, &field)) {
			if (field.number == GRAPH_NODE && field.type == PROTO_BYTES)
				count_node(tally, tsk_reader(field.bytes, field.n_bytes));
		}
	}
}

/* The schema's name for what a node does; "?" for a number that it has not. */
static const char *ms_operator(const struct ms_file *file, const struct ms_node *node)
{
	const struct ms_op_table *table =
		file->generation == MS_L2 ? &ms_op_table : &ms_op_table_old;
	const char *name = node->type < table->n ? table->rows[node->type].name : NULL;

	return name ? name : "?";
}

static void count_ms(struct tally *tally, const void *bytes, size_t n_bytes)
{
	struct tsk_arena arena;
	struct tensock_error error;
	struct ms_file file;

	tsk_arena_init(&arena, n_bytes + ((size_t)32 << 20));
	if (ms_file_read(&file, bytes, n_bytes, &arena, &error) == 0) {
		for (uint32_t i = 0; i < file.n_nodes; i++) {
			const char *name = ms_operator(&file, &file.nodes[i]);

			count(tally, name, strlen(name));
		}
	}
	tsk_arena_done(&arena);
}

static int more_first(const void *a, const void *b)
{
	const struct kind *x = a, *y = b;

	return (x->n < y->n) - (x->n > y->n);
}

static void print(struct tally *tally, char *ret, size_t size)
{
	static const char more[] = "...";
	size_t at = 0;

	qsort(tally->kinds, tally->n, sizeof(tally->kinds[0]), more_first);
	for (unsigned i = 0; i < tally->n; i++) {
		const struct kind *kind = &tally->kinds[i];
		char row[NAME_BYTES_MAX + 16];
		int n = snprintf(row, sizeof(row), "%.*s %u", (int)kind->len, kind->name, kind->n);

		if (at + (size_t)n + sizeof(", ") + sizeof(more) > size) {
			tally->has_more = true;
			break;
		}
		at += (size_t)snprintf(ret + at, size - at, "%s%s", at ? ", " : "", row);
	}
	if (tally->has_more)
		snprintf(ret + at, size - at, ", %s", more);
}

bool operators_of(const void *bytes, size_t n_bytes, char ret[OPERATORS_BYTES])
{
	struct tally tally = { .n = 0 };

	switch (model_format(bytes, n_bytes)) {
	case MODEL_FORMAT_ONNX:
		count_onnx(&tally, tsk_reader(bytes, n_bytes));
		break;
	case MODEL_FORMAT_MS:
		count_ms(&tally, bytes, n_bytes);
		break;
	default:
		return false;
	}
	if (!tally.n)
		return false;
	print(&tally, ret, OPERATORS_BYTES);
	return true;
}
