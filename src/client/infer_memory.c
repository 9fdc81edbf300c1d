/* SPDX-License-Identifier: Apache-2.0 */
#include "client/infer_memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "client/client.h"

/* What INFER_MEMORY has behind INFER's metadata: where payload is, how many places, and each of them. */
#define META_MEMORY_BYTES (8u + 4)
#define META_PLACE_BYTES (8u + 8)

static struct memory *memory_of(const struct tensock_request *request)
{
	return &request->client->connection.memory;
}

void infer_memory_set_inline(struct infer_memory *m, struct tensock_request *request)
{
	if (!m->inlined.head)
		return;
	free(request->head);
	request->head = m->inlined.head;
	request->head_bytes = m->inlined.head_bytes;
	request->head_payload = m->inlined.head_payload;
	request->out = m->inlined.out;
	m->inlined = (struct infer_inline){ 0 };
	free(TAKE_PTR(m->places));
}

static void put_inline_aside(struct infer_memory *m, struct tensock_request *request)
{
	m->inlined = (struct infer_inline){
		.head = TAKE_PTR(request->head),
		.head_bytes = request->head_bytes,
		.head_payload = request->head_payload,
		.out = request->out,
	};
	request->out = (struct pieces){ 0 };
}

static struct block *block_of(const struct infer_memory *m, uint32_t i)
{
	return m->blocks ? m->blocks[i] : NULL;
}

/* Where in the memory it is, for a block that is there. */
static uint64_t place_in(const struct block *block, const void *data)
{
	return block->slice.at + ((uintptr_t)data - (uintptr_t)block->start);
}

/* Each output's place, in its block or from `at` on, if all go to memory of the caller's; *ret is where
 * they end.  False: there are none.  places may be NULL. */
static bool lay_out_places(const struct infer_memory *m, const struct tensock_output *outputs,
			   uint64_t at, uint64_t max, struct wire_place *places, uint64_t *ret)
{
	for (uint32_t i = 0; i < m->n_outputs; i++) {
		const struct block *block = block_of(m, i);

		if (!outputs[i].data || !tsk_align_up(at, WIRE_ALIGN, &at))
			return false;
		if (places)
			places[i] = (struct wire_place){
				.at = block ? place_in(block, outputs[i].data) : at,
				.bytes = outputs[i].capacity,
			};
		if (!block && (!tsk_add(at, outputs[i].capacity, &at) || at > max))
			return false;
	}
	*ret = at;
	return true;
}

/*
 * ---- Blocks
 */

struct span {
	const unsigned char *start;
	uint64_t bytes;
};

static bool overlap(const struct span *a, const struct span *b)
{
	uintptr_t from = (uintptr_t)a->start, other = (uintptr_t)b->start;

	return from < other ? other - from < a->bytes : from - other < b->bytes;
}

/* Where all inputs lie as they would be sent; no start: they do not. */
static struct span span_of_inputs(const struct pieces *out)
{
	struct span span = { 0 };

	for (unsigned i = 0; i < out->n; i++) {
		const struct piece *piece = &out->pieces[i];

		if (i == 0)
			span.start = piece->data;
		if (piece->data && piece->data != span.start + span.bytes)
			return (struct span){ 0 };
		span.bytes += piece->bytes;
	}
	return span;
}

/* The block that it lies in, in the memory from now on. */
static struct block *share(struct tensock_client *client, const struct span *span)
{
	struct block *block = span->start && span->bytes
				      ? blocks_find(&client->blocks, span->start, span->bytes)
				      : NULL;

	if (!block || (uintptr_t)(span->start - block->start) % WIRE_ALIGN != 0)
		return NULL;
	return block_share(block, &client->connection.memory, true) ? block : NULL;
}

/* Those outputs that lie in blocks, and not upon the inputs or each other. */
static void share_outputs(struct infer_memory *m, struct tensock_client *client,
			  const struct tensock_output *outputs, struct span *taken)
{
	uint32_t n_taken = 1; /* the inputs' */

	for (uint32_t i = 0; i < m->n_outputs; i++) {
		struct span span = { outputs[i].data, outputs[i].capacity };
		bool is_free = true;

		for (uint32_t k = 0; is_free && k < n_taken; k++)
			is_free = !overlap(&span, &taken[k]);
		if (is_free)
			m->blocks[i] = share(client, &span);
		if (m->blocks[i])
			taken[n_taken++] = span;
	}
}

static void use_blocks(const struct infer_memory *m, int by)
{
	for (uint32_t i = 0; m->blocks && i <= m->n_outputs; i++) {
		if (m->blocks[i])
			m->blocks[i]->n_uses += (unsigned)by;
	}
}

/* What of the request lies in blocks can be used where it lies.  False: nothing does. */
static bool share_blocks(struct infer_memory *m, struct tensock_request *request,
			 const struct tensock_output *outputs, bool has_places)
{
	struct tensock_client *client = request->client;
	_cleanup_free_ struct span *taken = NULL;
	bool is_any = false;

	if (LIST_EMPTY(&client->blocks))
		return false;
	taken = calloc((size_t)m->n_outputs + 1, sizeof(*taken));
	m->blocks = calloc((size_t)m->n_outputs + 1, sizeof(struct block *));
	if (taken && m->blocks) {
		taken[0] = span_of_inputs(&request->out);
		m->blocks[m->n_outputs] = share(client, &taken[0]);
		if (has_places)
			share_outputs(m, client, outputs, taken);
		for (uint32_t i = 0; i <= m->n_outputs; i++)
			is_any |= m->blocks[i] != NULL;
	}
	if (!is_any)
		free(TAKE_PTR(m->blocks));
	use_blocks(m, 1);
	return is_any;
}

/*
 * ---- Asking
 */

/* Of the tensors of one request. */
static uint64_t bytes_max(const struct tensock_client *client)
{
	uint64_t max = client->host.request_bytes_max;

	return max < MEMORY_BYTES_MAX ? max : MEMORY_BYTES_MAX;
}

/* Whether it is, for so many bytes of tensors. */
static bool is_worth_it(const struct tensock_client *client, uint64_t bytes)
{
	return client->connection.has_memory && bytes >= MEMORY_WORTH_BYTES &&
	       bytes <= bytes_max(client);
}

/* New pages cost more than the socket: who asks once would only pay. */
static bool has_asked_much(struct tensock_client *client)
{
	bool has = client->has_asked_much;

	client->has_asked_much = true;
	return has;
}

/* Blocks and a slice for it, where that is worth it and there are.  *ret_has_places: outputs, too. */
static bool take_memory(struct infer_memory *m, struct tensock_request *request,
			const struct tensock_output *outputs, bool *ret_has_places)
{
	struct tensock_client *client = request->client;
	uint64_t payload = request->out.left, bytes = payload, end;

	*ret_has_places = lay_out_places(m, outputs, payload, bytes_max(client), NULL, &end);
	if (*ret_has_places)
		bytes = end;
	if (!is_worth_it(client, bytes))
		return false;
	blocks_settle(&client->blocks, memory_of(request));
	if (share_blocks(m, request, outputs, *ret_has_places)) {
		bytes = block_of(m, m->n_outputs) ? 0 : payload;
		if (*ret_has_places)
			(void)lay_out_places(m, outputs, bytes, UINT64_MAX, NULL, &bytes);
	} else if (!has_asked_much(client)) {
		return false;
	}
	return !bytes || memory_take(memory_of(request), bytes, &m->slice);
}

/* What has been put aside, with where it is.  -ENOMEM, -EPROTO: as INFER, then. */
static int write_head(struct infer_memory *m, struct tensock_request *request, uint64_t at)
{
	uint32_t n_places = m->places ? m->n_outputs : 0;
	const unsigned char *body = m->inlined.head + WIRE_HEADER_BYTES;
	uint64_t body_bytes = m->inlined.head_bytes - WIRE_HEADER_BYTES;
	struct tsk_writer w;
	uint32_t meta_bytes;
	int r = wire_meta_bytes(body, body_bytes, &meta_bytes);

	if (r == 0)
		r = request_head_init(request,
				      meta_bytes + META_MEMORY_BYTES + META_PLACE_BYTES * n_places,
				      &w);
	if (r < 0)
		return r;
	wire_infer_memory_write(&w, body, meta_bytes, at, m->places, n_places);
	request_head_done(request, WIRE_INFER_MEMORY, tsk_writer_len(&w), 0);
	return w.bad ? -EPROTO : 0;
}

static int ask_in_memory(struct infer_memory *m, struct tensock_request *request,
			 const struct tensock_output *outputs, bool has_places)
{
	const struct block *block = block_of(m, m->n_outputs);
	uint64_t at = m->slice.at, end = at;

	put_inline_aside(m, request);
	if (block)
		at = place_in(block, m->inlined.out.pieces[0].data);
	else
		end += m->inlined.out.left;
	if (has_places) {
		m->places = calloc(m->n_outputs, sizeof(*m->places));
		if (!m->places)
			return -ENOMEM;
		(void)lay_out_places(m, outputs, end, UINT64_MAX, m->places, &end);
	}
	return write_head(m, request, at);
}

void infer_memory_ask(struct infer_memory *m, struct tensock_request *request,
		      const struct tensock_output *outputs, uint32_t n_outputs)
{
	bool has_places;

	m->n_outputs = n_outputs;
	if (take_memory(m, request, outputs, &has_places) &&
	    ask_in_memory(m, request, outputs, has_places) == 0) {
		if (!block_of(m, n_outputs))
			pieces_copy(&m->inlined.out, memory_of(request)->start + m->slice.at);
		return;
	}
	infer_memory_leave(m, request, false);
	infer_memory_set_inline(m, request);
}

bool infer_memory_is_asked(const struct infer_memory *m)
{
	return m->inlined.head;
}

bool infer_memory_is_answered_by(const struct infer_memory *m, uint32_t type)
{
	switch (type) {
	case WIRE_RESULT:
		return !m->places;
	case WIRE_RESULT_MEMORY:
		return m->places;
	case WIRE_INLINE:
		return m->inlined.head;
	default:
		return false;
	}
}

void infer_memory_copy(const struct infer_memory *m, const struct tensock_request *request,
		       uint32_t i, void *data, uint64_t bytes)
{
	if (bytes && !block_of(m, i))
		memcpy(data, memory_of(request)->start + m->places[i].at, (size_t)bytes);
}

static void leave_blocks(struct infer_memory *m, const struct tensock_request *request,
			 bool is_running)
{
	use_blocks(m, -1);
	for (uint32_t i = 0; is_running && i <= m->n_outputs; i++) {
		if (m->blocks[i])
			memory_give_up(memory_of(request), &m->blocks[i]->slice);
	}
	free(TAKE_PTR(m->blocks));
	blocks_settle(&request->client->blocks, memory_of(request));
}

void infer_memory_leave(struct infer_memory *m, const struct tensock_request *request,
			bool is_running)
{
	if (is_running)
		memory_give_up(memory_of(request), &m->slice);
	memory_give(memory_of(request), &m->slice);
	if (m->blocks)
		leave_blocks(m, request, is_running);
}

void infer_memory_refuse(struct infer_memory *m, const struct tensock_request *request)
{
	memory_off(memory_of(request));
	infer_memory_leave(m, request, false);
}

void infer_memory_done(struct infer_memory *m, const struct tensock_request *request)
{
	if (m->slice.bytes || m->blocks)
		infer_memory_leave(m, request, request->head_is_sent);
	free(m->inlined.head);
	pieces_done(&m->inlined.out);
	free(m->places);
}
