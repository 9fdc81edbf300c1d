/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translates, and writes what came of it.  With libFuzzer the mutations are of protobuf fields: lengths
 * stay right, so that most mutants are read to the end.
 */
#include "translate/mindir/mindir.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/protowire.h"
#include "translate/onnx_file.h"

#define MEMORY_BASE ((size_t)32 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tensock_error error = { 0 };
	struct onnx_graph graph;
	unsigned char *onnx = NULL;
	size_t n_onnx = 0;
	int r;

	onnx_graph_init(&graph, 2 * size + MEMORY_BASE);
	mindir_probe(data, size);
	r = mindir_translate(data, size, &graph, &error);
	assert((r < 0) == (error.status != TENSOCK_OK));
	assert(memchr(error.message, '\0', sizeof(error.message)));
	if (r == 0) {
		if (!graph.failed)
			onnx_prune(&graph);
		r = onnx_file_write(&graph, 2 * size + MEMORY_BASE, &onnx, &n_onnx, &error);
		assert(r < 0 || (onnx && n_onnx));
	}
	free(onnx);
	onnx_graph_done(&graph);
	return 0;
}

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION

#define DEPTH_MAX 8

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* A message that is written anew, with one field changed. */
struct mutant {
	unsigned char *bytes;
	size_t n, room;
	uint64_t random;
	bool failed;
};

static uint64_t draw(struct mutant *m, uint64_t below)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return below ? m->random % below : 0;
}

static void append(struct mutant *m, const void *bytes, size_t n)
{
	if (n > m->room - m->n) {
		m->failed = true;
		return;
	}
	if (n)
		memcpy(m->bytes + m->n, bytes, n);
	m->n += n;
}

static void append_varint(struct mutant *m, uint64_t v)
{
	unsigned char bytes[PROTO_VARINT_BYTES_MAX];

	append(m, bytes, proto_put_varint(bytes, v));
}

static void append_field(struct mutant *m, const struct proto_field *field)
{
	append_varint(m, proto_tag(field->number, field->type));
	if (field->type == PROTO_VARINT) {
		append_varint(m, field->v);
	} else if (field->type == PROTO_BYTES) {
		append_varint(m, field->n_bytes);
		append(m, field->bytes, field->n_bytes);
	} else {
		append(m, &field->v, field->type == PROTO_FIXED64 ? 8 : 4);
	}
}

static bool is_message(const struct proto_field *field)
{
	struct tsk_reader wire = tsk_reader(field->bytes, field->n_bytes);
	struct proto_field inner;

	if (field->type != PROTO_BYTES || !field->n_bytes)
		return false;
	while (proto_next(&wire, &inner))
		;
	return !wire.bad;
}

static void mutate_message(struct mutant *m, const unsigned char *bytes, size_t n, unsigned depth);

static void mutate_number(struct mutant *m, struct proto_field *field)
{
	static const uint64_t favourites[] = {
		0, 1, 2, 3, UINT64_MAX, INT64_MAX, UINT64_C(1) << 63, 1u << 31, 65536, 16, 17
	};

	switch (draw(m, 3)) {
	case 0:
		field->v = favourites[draw(m, sizeof(favourites) / sizeof(favourites[0]))];
		break;
	case 1:
		field->v += draw(m, 2) ? 1 : UINT64_MAX;
		break;
	default:
		field->v ^= UINT64_C(1) << draw(m, 64);
	}
	append_field(m, field);
}

/* Bytes that are no message: a text, a weight. */
static void mutate_bytes(struct mutant *m, struct proto_field *field)
{
	size_t room = field->n_bytes + 16, n;
	unsigned char *copy = malloc(room);

	if (!copy) {
		m->failed = true;
		return;
	}
	if (field->n_bytes)
		memcpy(copy, field->bytes, field->n_bytes);
	n = LLVMFuzzerMutate(copy, field->n_bytes, room);
	append_varint(m, proto_tag(field->number, PROTO_BYTES));
	append_varint(m, n);
	append(m, copy, n);
	free(copy);
}

static void mutate_inner(struct mutant *m, const struct proto_field *field, unsigned depth)
{
	struct mutant inner = { .room = m->room, .random = m->random };

	inner.bytes = malloc(inner.room ? inner.room : 1);
	if (!inner.bytes) {
		m->failed = true;
		return;
	}
	mutate_message(&inner, field->bytes, field->n_bytes, depth + 1);
	m->random = inner.random;
	append_varint(m, proto_tag(field->number, PROTO_BYTES));
	append_varint(m, inner.n);
	append(m, inner.bytes, inner.n);
	m->failed |= inner.failed;
	free(inner.bytes);
}

static void mutate_field(struct mutant *m, struct proto_field *field, unsigned depth)
{
	uint64_t how = draw(m, 16);

	if (how == 0)
		return; /* gone */
	if (how == 1)
		append_field(m, field); /* and once more below */
	if (how == 2)
		field->number = (uint32_t)draw(m, 20) + 1;
	if (how <= 2)
		append_field(m, field);
	else if (field->type != PROTO_BYTES)
		mutate_number(m, field);
	else if (depth < DEPTH_MAX && is_message(field))
		mutate_inner(m, field, depth);
	else
		mutate_bytes(m, field);
}

static void mutate_message(struct mutant *m, const unsigned char *bytes, size_t n, unsigned depth)
{
	struct tsk_reader wire = tsk_reader(bytes, n);
	struct proto_field field;
	size_t n_fields = 0, at;

	while (proto_next(&wire, &field))
		n_fields++;
	at = draw(m, n_fields);
	wire = tsk_reader(bytes, n);
	for (size_t i = 0; proto_next(&wire, &field); i++) {
		if (i == at)
			mutate_field(m, &field, depth);
		else
			append_field(m, &field);
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	struct mutant m = { .room = max_size, .random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1 };

	m.bytes = malloc(max_size ? max_size : 1);
	/* Now and then plain bytes, for what no structure leads to. */
	if (!m.bytes || draw(&m, 16) == 0) {
		free(m.bytes);
		return LLVMFuzzerMutate(data, size, max_size);
	}
	mutate_message(&m, data, size, 0);
	if (m.failed || !m.n) {
		free(m.bytes);
		return LLVMFuzzerMutate(data, size, max_size);
	}
	memcpy(data, m.bytes, m.n);
	free(m.bytes);
	return m.n;
}

#endif
