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

/* Each output's place from `at` on, if all go to memory of the caller's; *ret is where they end.
 * False: there are none.  places may be NULL. */
static bool lay_out_places(const struct tensock_output *outputs, uint32_t n_outputs, uint64_t at,
			   uint64_t bytes_max, struct wire_place *places, uint64_t *ret)
{
	for (uint32_t i = 0; i < n_outputs; i++) {
		if (!outputs[i].data || !tsk_align_up(at, WIRE_ALIGN, &at))
			return false;
		if (places)
			places[i] = (struct wire_place){ at, outputs[i].capacity };
		if (!tsk_add(at, outputs[i].capacity, &at) || at > bytes_max)
			return false;
	}
	*ret = at;
	return true;
}

/* A slice for it, where that is worth it and there is one.  *ret_n_places is 0, or n_outputs. */
static bool take_slice(struct infer_memory *m, const struct tensock_request *request,
		       const struct tensock_output *outputs, uint32_t n_outputs,
		       uint32_t *ret_n_places)
{
	struct tensock_client *client = request->client;
	uint64_t bytes_max = client->host.request_bytes_max, bytes = request->out.left, end;

	if (!client->connection.has_memory)
		return false;
	if (bytes_max > MEMORY_BYTES_MAX)
		bytes_max = MEMORY_BYTES_MAX;
	*ret_n_places = 0;
	if (lay_out_places(outputs, n_outputs, bytes, bytes_max, NULL, &end)) {
		*ret_n_places = n_outputs;
		bytes = end;
	}
	if (bytes < MEMORY_WORTH_BYTES || bytes > bytes_max)
		return false;
	/* New pages cost more than the socket: who asks once would only pay. */
	if (!client->has_asked_much) {
		client->has_asked_much = true;
		return false;
	}
	return memory_take(memory_of(request), bytes, &m->slice);
}

/* What has been put aside, with where it is.  -ENOMEM, -EPROTO: as INFER, then. */
static int write_head(struct infer_memory *m, struct tensock_request *request, uint32_t n_places)
{
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
	wire_infer_memory_write(&w, body, meta_bytes, m->slice.at, m->places, n_places);
	request_head_done(request, WIRE_INFER_MEMORY, tsk_writer_len(&w), 0);
	return w.bad ? -EPROTO : 0;
}

static int ask_in_memory(struct infer_memory *m, struct tensock_request *request,
			 const struct tensock_output *outputs, uint32_t n_places)
{
	uint64_t end;

	put_inline_aside(m, request);
	if (n_places) {
		m->places = calloc(n_places, sizeof(*m->places));
		if (!m->places)
			return -ENOMEM;
		(void)lay_out_places(outputs, n_places, m->slice.at + m->inlined.out.left,
				     UINT64_MAX, m->places, &end);
	}
	return write_head(m, request, n_places);
}

void infer_memory_ask(struct infer_memory *m, struct tensock_request *request,
		      const struct tensock_output *outputs, uint32_t n_outputs)
{
	uint32_t n_places;

	if (!take_slice(m, request, outputs, n_outputs, &n_places))
		return;
	if (ask_in_memory(m, request, outputs, n_places) < 0) {
		memory_give(memory_of(request), &m->slice);
		infer_memory_set_inline(m, request);
		return;
	}
	pieces_copy(&m->inlined.out, memory_of(request)->start + m->slice.at);
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
	if (bytes)
		memcpy(data, memory_of(request)->start + m->places[i].at, (size_t)bytes);
}

void infer_memory_leave(struct infer_memory *m, const struct tensock_request *request,
			bool is_running)
{
	if (is_running)
		memory_abandon(memory_of(request), &m->slice);
	else
		memory_give(memory_of(request), &m->slice);
}

void infer_memory_refuse(struct infer_memory *m, const struct tensock_request *request)
{
	memory_give(memory_of(request), &m->slice);
	memory_off(memory_of(request));
}

void infer_memory_done(struct infer_memory *m, const struct tensock_request *request)
{
	if (m->slice.bytes)
		infer_memory_leave(m, request, request->head_is_sent);
	free(m->inlined.head);
	pieces_done(&m->inlined.out);
	free(m->places);
}
