/* SPDX-License-Identifier: Apache-2.0 */
#include "client/request.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "client/client.h"

static struct requests *requests_of(const struct tensock_request *request)
{
	return &request->client->requests;
}

void requests_init(struct requests *requests)
{
	*requests = (struct requests){ 0 };
	for (unsigned i = 0; i < REQUEST_STATE_MAX; i++)
		TAILQ_INIT(&requests->in[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(requests->turns); i++)
		TAILQ_INIT(&requests->turns[i]);
	for (unsigned i = 0; i < REQUEST_BUCKETS; i++)
		LIST_INIT(&requests->by_id[i]);
}

static void set_state(struct tensock_request *request, enum request_state state)
{
	struct requests *requests = requests_of(request);

	TAILQ_REMOVE(&requests->in[request->state], request, entry);
	request->state = state;
	TAILQ_INSERT_TAIL(&requests->in[state], request, entry);
}

void request_start(struct tensock_request *request, struct tensock_client *client,
		   const struct tensock_completion *completion, bool is_working)
{
	request->client = client;
	if (completion)
		request->completion = *completion;
	request->moved_ns = tsk_now_ns();
	request->state = is_working ? REQUEST_WORKING : REQUEST_WAITING;
	TAILQ_INSERT_TAIL(&client->requests.in[request->state], request, entry);
}

static void free_request(struct tensock_request *request)
{
	free(request->head);
	pieces_done(&request->out);
	pieces_done(&request->in);
	request->ops->free(request);
}

static void set_cancel_due(struct tensock_request *request, bool is_due)
{
	if (request->cancel_is_due == is_due)
		return;
	request->cancel_is_due = is_due;
	if (is_due)
		requests_of(request)->n_cancels++;
	else
		requests_of(request)->n_cancels--;
}

void request_set_turn(struct tensock_request *request, enum request_turn turn)
{
	struct requests *requests = requests_of(request);

	if (request->turn != TURN_NONE)
		TAILQ_REMOVE(&requests->turns[request->turn], request, turn_entry);
	request->turn = turn;
	if (turn != TURN_NONE)
		TAILQ_INSERT_TAIL(&requests->turns[turn], request, turn_entry);
}

static void leave_connection(struct tensock_request *request)
{
	if (request->state != REQUEST_UNDER_WAY)
		return;
	LIST_REMOVE(request, id_entry);
	requests_of(request)->n_under_way--;
	set_cancel_due(request, false);
	request_set_turn(request, TURN_NONE);
	request->id = 0;
}

void request_drop(struct tensock_request *request)
{
	if (request->client) {
		leave_connection(request);
		TAILQ_REMOVE(&requests_of(request)->in[request->state], request, entry);
	}
	free_request(request);
}

int request_head_init(struct tensock_request *request, size_t size, struct tsk_writer *ret_body)
{
	/* The gap between metadata and payload is less than WIRE_ALIGN. */
	unsigned char *head = calloc(1, WIRE_HEADER_BYTES + size + WIRE_ALIGN);

	if (!head)
		return -ENOMEM;
	free(request->head);
	request->head = head;
	*ret_body = tsk_writer(head + WIRE_HEADER_BYTES, size);
	return 0;
}

void request_head_done(struct tensock_request *request, uint32_t type, size_t offset,
		       uint64_t payload_bytes)
{
	const struct wire_header header = { .type = type, .size = offset + payload_bytes };

	wire_header_write(request->head, &header);
	request->head_bytes = WIRE_HEADER_BYTES + offset;
	request->head_payload = payload_bytes;
}

struct tensock_request *request_find(struct requests *requests, uint32_t id)
{
	struct tensock_request *request;

	LIST_FOREACH(request, &requests->by_id[id % REQUEST_BUCKETS], id_entry)
	{
		if (request->id == id)
			return request;
	}
	return NULL;
}

/* The id stands in the header behind the type. */
static void write_id(struct tensock_request *request)
{
	struct tsk_writer w = tsk_writer(request->head + 4, 4);

	tsk_write_u32(&w, request->id);
}

void request_set_under_way(struct tensock_request *request)
{
	struct requests *requests = requests_of(request);

	assert(request->state == REQUEST_WAITING && request->head);
	if (request->ops->begin)
		request->ops->begin(request);
	request->id = client_new_id(request->client);
	write_id(request);
	request->moved_ns = tsk_now_ns();
	set_state(request, REQUEST_UNDER_WAY);
	LIST_INSERT_HEAD(&requests->by_id[request->id % REQUEST_BUCKETS], request, id_entry);
	requests->n_under_way++;
	request_set_turn(request, TURN_FIRST);
}

void request_set_waiting(struct tensock_request *request)
{
	assert(request->state == REQUEST_WORKING);
	set_state(request, REQUEST_WAITING);
}

void request_set_waiting_again(struct tensock_request *request)
{
	assert(request->state == REQUEST_UNDER_WAY);
	leave_connection(request);
	set_state(request, REQUEST_WAITING);
	request->head_is_sent = false;
	request->is_left = false;
	request->has_result = false;
	request->progress_is_due = false;
	request->is_repeated = true;
	pieces_rewind(&request->out);
	pieces_done(&request->in);
	if (request->ops->restart)
		request->ops->restart(request);
}

void request_ask_again(struct tensock_request *request)
{
	struct request_list *waiting = &requests_of(request)->in[REQUEST_WAITING];

	request_set_waiting_again(request);
	TAILQ_REMOVE(waiting, request, entry);
	TAILQ_INSERT_HEAD(waiting, request, entry);
}

void request_fail(struct tensock_request *request, const struct tensock_error *error)
{
	if (request->has_failed)
		return;
	request->has_failed = true;
	request->error = *error;
}

void request_end(struct tensock_request *request)
{
	if (request->state == REQUEST_ENDED)
		return;
	leave_connection(request);
	set_state(request, REQUEST_ENDED);
}

void requests_deliver(struct requests *requests)
{
	struct tensock_request *request;

	while ((request = TAILQ_FIRST(&requests->in[REQUEST_ENDED]))) {
		const struct tensock_error *error = request->has_failed ? &request->error : NULL;

		TAILQ_REMOVE(&requests->in[REQUEST_ENDED], request, entry);
		if (request->ops->progress && !error)
			request->ops->progress(request);
		if (request->ops->done)
			request->ops->done(request, error);
		if (request->completion.done)
			request->completion.done(request->completion.user, error);
		free_request(request);
	}
}

void requests_end_all(struct requests *requests, const struct tensock_error *error)
{
	struct tensock_request *request;

	for (unsigned state = 0; state < REQUEST_ENDED; state++) {
		while ((request = TAILQ_FIRST(&requests->in[state]))) {
			request_fail(request, error);
			request_end(request);
		}
	}
}

bool requests_are_wanted(const struct requests *requests)
{
	return !TAILQ_EMPTY(&requests->in[REQUEST_WAITING]) ||
	       !TAILQ_EMPTY(&requests->in[REQUEST_UNDER_WAY]);
}

void request_end_cancelled(struct tensock_request *request)
{
	struct tensock_error error;

	(void)tsk_fail(&error, TENSOCK_CANCELLED, "cancelled before the host had it");
	request_fail(request, &error);
	request_end(request);
}

void tensock_request_cancel(struct tensock_request *request)
{
	if (!request || request->cancel_is_wanted || request->state == REQUEST_ENDED)
		return;
	request->cancel_is_wanted = true;
	if (request->state != REQUEST_UNDER_WAY || request->turn == TURN_FIRST) {
		request_end_cancelled(request);
		return;
	}
	/* What is left of it is not sent any more, but for the frame that is on its way. */
	request_set_turn(request, TURN_NONE);
	if (!request->is_answered && !request->is_left)
		set_cancel_due(request, true);
}

struct tensock_request *requests_take_cancel(struct requests *requests)
{
	struct tensock_request *request;

	if (!requests->n_cancels)
		return NULL;
	TAILQ_FOREACH(request, &requests->in[REQUEST_UNDER_WAY], entry)
	{
		if (!request->cancel_is_due)
			continue;
		set_cancel_due(request, false);
		return request;
	}
	return NULL;
}
