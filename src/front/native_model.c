/* SPDX-License-Identifier: Apache-2.0 */
/* INFO → MODEL, UNLOAD → DONE, LIST → MODELS, STATS → COUNTERS. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "channel/worker_control.h"
#include "front/native_call.h"
#include "front/vhost/vsock_device.h"
#include "wire/session.h"

static_assert(WIRE_HASH_BYTES == MODEL_HASH_BYTES, "a model's name has another length on the wire");
static_assert((int)WIRE_MODEL_STORED == (int)MODEL_UNLOADED &&
		      (int)WIRE_MODEL_LOADING == (int)MODEL_LOADING &&
		      (int)WIRE_MODEL_READY == (int)MODEL_READY,
	      "a model's state has another number on the wire");
static_assert(WORKER_DESCRIPTION_MAX <= WIRE_META_MAX, "a description does not fit MODEL");

/* What a model takes in MODEL and MODELS, at most. */
#define MODEL_BYTES_MAX (WIRE_HASH_BYTES + 3 * 8 + 4 + 2 + WIRE_NAME_MAX + 2 + WIRE_LABEL_MAX)

/*
 * ---- What is told of a model
 */

/* The name that a model is asked for by; empty where that is its hash. */
struct asked_name {
	char name[WIRE_NAME_MAX + 1], version[WIRE_LABEL_MAX + 1];
};

static void asked_name_init(struct asked_name *asked, const struct wire_model_ref *ref)
{
	asked->name[0] = asked->version[0] = '\0';
	if (ref->kind == WIRE_BY_HASH)
		return;
	memcpy(asked->name, ref->name.bytes, ref->name.len);
	memcpy(asked->version, ref->version.bytes, ref->version.len);
	asked->name[ref->name.len] = asked->version[ref->version.len] = '\0';
}

struct model *native_model_find(struct guest *guest, const struct wire_model_ref *ref,
				struct tensock_error *reterr)
{
	struct asked_name asked;
	struct model_name name = { .name = asked.name, .version = asked.version };
	struct model *model;

	asked_name_init(&asked, ref);
	if (ref->kind == WIRE_BY_HASH)
		name.hash = ref->hash;
	model = models_find(guest->models, &name);
	if (model)
		return model;
	if (ref->kind == WIRE_BY_HASH)
		(void)tsk_fail(reterr, TENSOCK_NOT_FOUND, "the host has no model of this hash");
	else
		(void)tsk_fail(reterr, TENSOCK_NOT_FOUND, "the host has no model \"%.64s\"%s%s",
			       asked.name, asked.version[0] ? " of version " : "", asked.version);
	return NULL;
}

static struct wire_model on_wire(const struct model_view *view)
{
	struct wire_model m = {
		.size = view->size,
		.memory = view->memory,
		.runs = view->runs,
		.state = (uint32_t)view->state,
		.name = wire_string(view->name),
		.version = wire_string(view->version),
	};

	memcpy(m.hash, view->hash, sizeof(m.hash));
	return m;
}

/* What came from a worker encoded can be encoded again.  False without memory. */
static bool describe(const struct native_session *session, const struct tsk_model_info *from,
		     unsigned char *description, size_t *ret_n)
{
	struct tsk_model_info info;

	*ret_n = 0;
	if (!description || !from)
		return description;
	info = *from;
	if (!native_has_operators(session))
		info.operators = NULL;
	return tsk_model_info_encode(&info, description, WORKER_DESCRIPTION_MAX, ret_n) == 0;
}

static bool send_model(struct native_session *session, uint32_t id, const struct model *model,
		       const struct asked_name *asked, struct tensock_error *reterr)
{
	_cleanup_free_ unsigned char *description = malloc(WORKER_DESCRIPTION_MAX);
	struct native_output *output = native_answers(session);
	struct model_view view;
	struct wire_model m;
	struct tsk_writer w;
	size_t n = 0;

	if (!model) {
		(void)tsk_fail(reterr, TENSOCK_NOT_FOUND, "the model has been removed");
		return false;
	}
	models_view_as(model, asked->name, asked->version, &view);
	if (!describe(session, view.info, description, &n)) {
		(void)tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for its description");
		return false;
	}
	m = on_wire(&view);
	w = native_output_begin(output, MODEL_BYTES_MAX + 4 + n);
	wire_model_write(&w, &m, description, n);
	native_output_commit(output, &w, WIRE_MODEL, id);
	return true;
}

bool native_model_send(struct native_session *session, uint32_t id, const struct model *model,
		       struct tensock_error *reterr)
{
	static const struct asked_name none;

	return send_model(session, id, model, &none, reterr);
}

/* NULL: its last one, or none. */
static void list_as(struct tsk_writer *w, const struct model *model, const struct label *label)
{
	struct model_view view;
	struct wire_model m;

	models_view(model, &view);
	if (label) {
		view.name = label->name;
		view.version = label->version;
	}
	m = on_wire(&view);
	wire_models_add(w, &m);
}

static unsigned count_names(const struct model *model)
{
	const struct label *label = NULL;
	unsigned n = 0;

	while ((label = models_next_label(model, label)))
		n++;
	return n ? n : 1;
}

/* A model of several names comes once by each: first all models, by their last, then the other names. */
void native_model_list(struct native_session *session, uint32_t id)
{
	struct models *models = native_guest(session)->models;
	struct native_output *output = native_answers(session);
	struct model *model;
	struct tsk_writer w;
	uint32_t n = 0, left;

	for (model = models_next(models, NULL); model; model = models_next(models, model))
		n += count_names(model);
	if (n > WIRE_MODELS_MAX)
		n = WIRE_MODELS_MAX;
	w = native_output_begin(output, 4 + n * MODEL_BYTES_MAX);
	wire_models_begin(&w, n);
	left = n;
	for (model = models_next(models, NULL); model && left; model = models_next(models, model)) {
		list_as(&w, model, NULL);
		left--;
	}
	for (model = models_next(models, NULL); model && left; model = models_next(models, model)) {
		const struct label *label = models_next_label(model, NULL);

		while (label && left && (label = models_next_label(model, label))) {
			list_as(&w, model, label);
			left--;
		}
	}
	native_output_commit(output, &w, WIRE_MODELS, id);
	native_answered(session);
}

void native_stats(struct native_session *session, uint32_t id)
{
	const struct guest *guest = native_guest(session);
	const struct counters *c = &guest->counters;
	struct native_output *output = native_answers(session);
	/* As docs/protocol.md names them. */
	const struct wire_counter counters[] = {
		{ wire_string("connections"), guest->sessions.n },
		{ wire_string("connections-refused"), guest->sessions.refused },
		{ wire_string("requests-accepted"), c->accepted },
		{ wire_string("requests-ok"), c->ok },
		{ wire_string("requests-error"), c->error },
		{ wire_string("requests-cancelled"), c->cancelled },
		{ wire_string("requests-reset"), c->reset },
		{ wire_string("requests-active"), counters_active(c) },
		{ wire_string("models"), models_count(guest->models) },
		{ wire_string("models-kept"), models_kept(guest->models) },
		{ wire_string("models-loaded"), models_loaded(guest->models) },
		{ wire_string("uploads"), guest->n_uploads + uploads_kept(guest->uploads) },
		{ wire_string("uploads-begun"), c->uploads_begun },
		{ wire_string("uploads-resumed"), c->uploads_resumed },
		{ wire_string("uploads-finished"), c->uploads_finished },
		{ wire_string("uploads-wrong"), c->uploads_wrong },
		{ wire_string("uploads-dropped"), c->uploads_dropped },
		{ wire_string("upload-bytes"), c->upload_bytes },
		{ wire_string("memory-bytes"), guest->account.used_bytes },
		{ wire_string("memory-max-bytes"), guest->account.max_bytes },
		{ wire_string("workers"), guest->workers->n },
		{ wire_string("workers-max"), guest->limits.workers_max },
		{ wire_string("packets-forged"),
		  guest->device ? vsock_device_forged(guest->device) : 0 },
	};
	struct tsk_writer w =
		native_output_begin(output, 4 + ARRAY_SIZE(counters) * (2 + WIRE_LABEL_MAX + 8));

	wire_counters_write(&w, counters, ARRAY_SIZE(counters));
	native_output_commit(output, &w, WIRE_COUNTERS, id);
	native_answered(session);
}

/*
 * ---- What takes its time: a worker's start or end
 */

struct native_wait {
	struct native_call call;
	struct request request;
	unsigned char hash[MODEL_HASH_BYTES];
	bool is_load; /* MODEL is the answer; else DONE */
	struct asked_name asked;
};

static struct native_wait *of_request(struct request *request)
{
	return (struct native_wait *)(void *)((char *)request -
					      offsetof(struct native_wait, request));
}

static bool answer(struct native_wait *w, struct tensock_error *reterr)
{
	struct native_session *session = w->call.session;
	struct native_output *output = native_answers(session);
	const struct model_name name = { .hash = w->hash };
	struct tsk_writer empty;

	if (w->is_load)
		return send_model(session, w->call.id,
				  models_find(native_guest(session)->models, &name), &w->asked,
				  reterr);
	empty = native_output_begin(output, 0);
	native_output_commit(output, &empty, WIRE_DONE, w->call.id);
	return true;
}

static void wait_done(struct request *request, struct request_outputs *outputs,
		      const struct tensock_error *error)
{
	struct native_wait *w = of_request(request);
	struct tensock_error own;

	(void)outputs;
	if (!error && !answer(w, &own))
		error = &own;
	if (error)
		native_call_failed(&w->call, error);
	else
		native_call_answered(&w->call);
}

static const struct request_ops wait_request_ops = {
	.prepare = request_load_prepare,
	.fill = request_load_fill,
	.done = wait_done,
	.is_load = true,
};

static void wait_free(struct native_call *call, bool is_unwanted)
{
	struct native_wait *w = (struct native_wait *)(void *)call;

	(void)is_unwanted;
	models_cancel(native_guest(call->session)->models, &w->request);
	free(w);
}

static const struct native_call_ops wait_call_ops = { .free = wait_free };

/* NULL: the guest has been told that there is no memory. */
static struct native_wait *wait_new(struct native_session *session, uint32_t id,
				    const struct model *model)
{
	struct native_wait *w = calloc(1, sizeof(*w));
	struct tensock_error error;

	if (!w) {
		(void)tsk_fail(&error, TENSOCK_OUT_OF_MEMORY, "no memory for the request");
		native_refuse(session, id, &error);
		return NULL;
	}
	memcpy(w->hash, models_hash(model), sizeof(w->hash));
	w->request.ops = &wait_request_ops;
	w->call.ops = &wait_call_ops;
	w->call.request = &w->request;
	w->request.origin.model = w->asked.name;
	w->request.origin.version = w->asked.version;
	native_call_begin(session, &w->call, id);
	return w;
}

/* asked: NULL: by its bytes. */
static void load(struct native_session *session, uint32_t id, struct model *model,
		 const struct asked_name *asked)
{
	struct native_wait *w = wait_new(session, id, model);

	if (!w)
		return;
	w->is_load = true;
	if (asked)
		w->asked = *asked;
	models_request(native_guest(session)->models, model, &w->request);
}

void native_model_load(struct native_session *session, uint32_t id, struct model *model)
{
	load(session, id, model, NULL);
}

int native_model_info(struct native_session *session, uint32_t id, const void *body, size_t size)
{
	struct tensock_error error;
	struct asked_name asked;
	struct model_view view;
	struct wire_about about;
	struct model *model;

	if (wire_about_read(body, size, WIRE_INFO_LOAD, &about) < 0)
		return -EPROTO;
	model = native_model_find(native_guest(session), &about.model, &error);
	if (!model) {
		native_refuse(session, id, &error);
		return 0;
	}
	asked_name_init(&asked, &about.model);
	models_view(model, &view);
	if ((about.flags & WIRE_INFO_LOAD) && view.state != MODEL_READY)
		load(session, id, model, &asked);
	else if (send_model(session, id, model, &asked, &error))
		native_answered(session);
	else
		native_refuse(session, id, &error);
	return 0;
}

int native_model_unload(struct native_session *session, uint32_t id, const void *body, size_t size)
{
	struct models *models = native_guest(session)->models;
	struct tensock_error error;
	struct wire_about about;
	struct native_wait *w;
	struct model *model;

	if (wire_about_read(body, size, WIRE_UNLOAD_REMOVE, &about) < 0)
		return -EPROTO;
	model = native_model_find(native_guest(session), &about.model, &error);
	if (!model) {
		native_refuse(session, id, &error);
		return 0;
	}
	w = wait_new(session, id, model);
	if (!w)
		return 0;
	asked_name_init(&w->asked, &about.model);
	models_unload(models, model, about.flags & WIRE_UNLOAD_REMOVE, &w->request);
	return 0;
}
