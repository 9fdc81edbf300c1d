/* SPDX-License-Identifier: Apache-2.0 */
#include "front/access_log.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "front/models.h"

#define NS_PER_US 1000u
#define ID_MAX 128u /* bytes of a request's own id that are told */
#define FIELDS_MAX 16u

struct fields {
	struct tsk_log_field list[FIELDS_MAX];
	unsigned n;
};

static bool is_on;

void access_log_set(bool on)
{
	is_on = on;
}

bool access_log_is_on(void)
{
	return is_on;
}

static void add_text(struct fields *fields, const char *name, const char *text)
{
	fields->list[fields->n++] = (struct tsk_log_field){ .name = name, .text = text };
}

static void add_number(struct fields *fields, const char *name, uint64_t number)
{
	fields->list[fields->n++] = (struct tsk_log_field){ .name = name, .number = number };
}

static uint64_t bytes_of(const struct request_outputs *outputs)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; outputs && i < outputs->n_tensors; i++)
		bytes += outputs->tensors[i].bytes;
	return bytes;
}

static uint64_t begun_ns(const struct request *request)
{
	if (request->origin.begun_ns)
		return request->origin.begun_ns;
	return request->queued_ns ? request->queued_ns : tsk_now_ns();
}

/* Of an inference that came to its model. */
static void add_parts(struct fields *fields, const struct request *request,
		      const struct request_outputs *outputs)
{
	add_number(fields, "bytes_in", request->origin.bytes);
	add_number(fields, "bytes_out", bytes_of(outputs));
	add_number(fields, "transfer_us", (request->queued_ns - begun_ns(request)) / NS_PER_US);
	add_number(fields, "queue_us", outputs ? outputs->queue_ns / NS_PER_US : 0);
	add_number(fields, "compute_us", outputs ? outputs->compute_ns / NS_PER_US : 0);
}

/* As it was asked for, or as it is called. */
static void add_model(struct fields *fields, const struct request_origin *origin,
		      const struct model_called *called)
{
	if (!called && !(origin->model && origin->model[0]))
		return;
	add_text(fields, "model", called ? called->name : origin->model);
	add_text(fields, "version", called ? called->version : origin->version);
}

static void write_line(const struct request *request, uint32_t status,
		       const struct tensock_error *error)
{
	const struct request_ending *ending = request_ending(request);
	const struct model *model = request->is_counted ? request->model : NULL;
	const struct request_origin *origin = &request->origin;
	int n_text = origin->text.len < ID_MAX ? (int)origin->text.len : (int)ID_MAX;
	struct fields fields = { .n = 0 };
	struct model_called called;
	char id[ID_MAX + 1];

	if (ending)
		model = ending->model;
	if (model)
		models_called(model, &called);
	snprintf(id, sizeof(id), "%.*s", n_text, origin->text.bytes ? origin->text.bytes : "");
	add_text(&fields, "protocol", origin->protocol);
	add_number(&fields, "connection", origin->connection);
	if (id[0])
		add_text(&fields, "request", id);
	else
		add_number(&fields, "request", origin->id);
	add_text(&fields, "what", origin->what ? origin->what : "");
	add_model(&fields, origin, model ? &called : NULL);
	add_text(&fields, "outcome", tsk_status(status)->name);
	add_number(&fields, "status", status);
	if (origin->http_status)
		add_number(&fields, "http", origin->http_status);
	if (model)
		add_parts(&fields, request, ending ? ending->outputs : NULL);
	add_number(&fields, "total_us", (tsk_now_ns() - begun_ns(request)) / NS_PER_US);
	if (error)
		add_text(&fields, "error", error->message);
	tsk_log_event(TSK_LOG_INFO, "access", fields.list, fields.n);
}

void access_log(struct request *request, uint32_t status, const struct tensock_error *error)
{
	if (!is_on || request->origin.is_told)
		return;
	request->origin.is_told = true;
	write_line(request, status, error);
}
