/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of models, and of the repository. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "front/http_exchange.h"
#include "front/limit_hits.h"
#include "front/oip_told.h"
#include "front/protocol/oip_config.h"

static_assert(HTTP_BODY_PADDING >= OIP_JSON_PADDING, "a body that is read in place is too short");

static struct http_exchange *exchange_of(struct oip_task *task)
{
	return (struct http_exchange *)(void *)((char *)task -
						offsetof(struct http_exchange, task));
}

/* r: of what has made it; -ENOMEM. */
static void answer_made(struct http_exchange *x, int r, unsigned status, struct oip_json *json)
{
	struct tensock_error error;

	if (r < 0) {
		(void)tsk_fail(&error, TENSOCK_OUT_OF_MEMORY, "no memory for the answer");
		http_refuse(x, &error);
		return;
	}
	http_count_ok(x);
	http_answer(x, status, json);
}

/*
 * ---- Models, as they are told of
 */

static void answer_index(struct http_exchange *x)
{
	struct oip_told told = { 0 };
	struct tensock_error error;
	struct oip_json json = { 0 };
	bool only_ready;
	int r = oip_json_index_read(x->body.bytes, x->body.n, &only_ready, &error);

	if (r == 0)
		r = oip_told_all(x->guest, (struct wire_string){ 0 }, only_ready, &told, &error);
	if (r < 0)
		http_refuse(x, &error);
	else
		answer_made(x, oip_json_index(told.models, told.n, &json), 200, &json);
	oip_told_done(&told);
}

static void answer_stats(struct http_exchange *x)
{
	struct oip_told told = { 0 };
	struct oip_json json = { 0 };
	struct tensock_error error;

	if (oip_told_stats(x->guest, x->route.model, x->route.version, &told, &error) < 0)
		http_refuse(x, &error);
	else
		answer_made(x, oip_json_stats(told.models, told.n, &json), 200, &json);
	oip_told_done(&told);
}

static void tell_model(struct http_exchange *x, const struct oip_model_view *model)
{
	bool is_ready = strcmp(model->state, "READY") == 0;
	struct oip_json json = { 0 };

	if (x->route.resource == ROUTE_MODEL_READY)
		answer_made(x, oip_json_model_ready(model, is_ready, &json), is_ready ? 200 : 400,
			    &json);
	else if (x->route.resource == ROUTE_MODEL)
		answer_made(x, oip_json_model_metadata(model, &json), 200, &json);
	else
		answer_made(x, oip_json_model_config(model, &json), 200, &json);
}

static void answer_model(struct http_exchange *x)
{
	bool must_be_described = x->route.resource != ROUTE_MODEL_READY;
	struct oip_told told = { 0 };
	struct tensock_error error;

	if (oip_told_one(x->guest, x->route.model, x->route.version, must_be_described, &told,
			 &error) < 0)
		http_refuse(x, &error);
	else
		tell_model(x, &told.models[0]);
	oip_told_done(&told);
}

/*
 * ---- Load and unload
 */

static void task_done(struct oip_task *task, const struct tensock_error *error)
{
	struct http_exchange *x = exchange_of(task);
	struct oip_json none = { 0 };

	if (error)
		http_answer_error(x, error);
	else
		http_answer(x, 200, &none);
}

/* A configuration is looked at, and must say what is true. */
static int check_config(struct http_exchange *x, const struct oip_json_load *load,
			struct tensock_error *reterr)
{
	char name[OIP_NAME_MAX + 1];
	struct wire_string none = { 0 };
	struct oip_model m = { 0 };

	if (!load->config.len)
		return 0;
	/* Of a model that is new nothing is known yet. */
	if (!load->has_file)
		(void)!oip_find(x->guest, x->route.model, none, &m, NULL);
	snprintf(name, sizeof(name), "%.*s", x->route.model.len, x->route.model.bytes);
	return oip_config_check(load->config, name, m.info, reterr);
}

/* What was read is looked at.  1: it is to be loaded; 0: it has been answered. */
static int begin_load(struct http_exchange *x, const struct oip_json_load *load)
{
	struct tensock_error error;
	void *room;

	if (check_config(x, load, &error) < 0) {
		http_refuse(x, &error);
		return 0;
	}
	if (load->has_file) {
		if (oip_load_room(&x->task, x->guest, load->file_bytes, &room, &error) < 0) {
			http_answer_error(x, &error);
			return 0;
		}
		oip_json_load_file(load, room);
	}
	return 1;
}

static void answer_load(struct http_exchange *x)
{
	uint64_t bytes = oip_json_load_memory(x->body.bytes, x->body.n);
	struct oip_json_load load = { 0 };
	struct wire_string version;
	struct tensock_error error;

	x->task.done = task_done;
	if (account_take(&x->guest->account, bytes) < 0) {
		(void)limit_fail(METRICS_LIMIT_MEMORY, &error, TENSOCK_LIMIT_REACHED,
				 "no room for %zu bytes of JSON beside what is in use (max-memory)",
				 x->body.n);
		http_refuse(x, &error);
		return;
	}
	if (oip_json_load_read(x->body.bytes, x->body.n, &load, &error) < 0) {
		account_give(&x->guest->account, bytes);
		http_refuse(x, &error);
		return;
	}
	version = load.version;
	if (x->route.resource == ROUTE_UNLOAD)
		oip_unload(&x->task, x->guest, x->route.model, version);
	else if (begin_load(x, &load))
		oip_load(&x->task, x->guest, x->route.model, version);
	oip_json_load_done(&load);
	/* Hashing and loading take their time; the text is not needed for it. */
	account_give(&x->guest->account, bytes);
	http_body_done(&x->body);
}

void http_models_answer(struct http_exchange *x)
{
	switch (x->route.resource) {
	case ROUTE_INDEX:
		answer_index(x);
		break;
	case ROUTE_MODEL_STATS:
	case ROUTE_MODELS_STATS:
		answer_stats(x);
		break;
	case ROUTE_LOAD:
	case ROUTE_UNLOAD:
		answer_load(x);
		break;
	default:
		answer_model(x);
	}
}
