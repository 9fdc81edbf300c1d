/* SPDX-License-Identifier: Apache-2.0 */
#include "front/oip_models.h"

#include <string.h>

#include "base/hex.h"
#include "base/log.h"
#include "base/status.h"
#include "front/labels.h"
#include "front/limit_hits.h"
#include "front/models.h"

/* Of a model whose label has no version, and of one that comes without. */
#define ONLY_VERSION "1"
#define HASH_DIGITS (2 * MODEL_HASH_BYTES)
#define NAME_SHOWN 64

/*
 * ---- What there is
 */

static const char *version_of(const struct label *label)
{
	return label && label->version[0] ? label->version : ONLY_VERSION;
}

/* On the path of each inference: without the walk over all buffers that models_view() makes. */
static void describe(struct model *model, struct label *label, struct oip_model *ret)
{
	bool is_withdrawn = label ? label->is_withdrawn : models_is_withdrawn(model);

	*ret = (struct oip_model){
		.model = model,
		.label = label,
		.version = version_of(label),
		.info = models_info(model),
		.stats = models_stats(model),
		.reason = is_withdrawn ? "unloaded" : "",
	};
	ret->is_ready = ret->info && !is_withdrawn;
	if (!label)
		*tsk_hex_write(ret->digits, models_hash(model), MODEL_HASH_BYTES) = '\0';
	ret->name = label ? label->name : ret->digits;
}

/* The one of that name, and version if one is given, that was labelled last; one that is ready, if any is. */
static struct label *find_label(const struct guest *guest, struct wire_string name,
				struct wire_string version)
{
	struct label *label = NULL, *first = NULL;

	while ((label = models_next_pair(guest->models, label))) {
		if (!wire_string_equals(name, label->name) ||
		    (version.len && !wire_string_equals(version, version_of(label))))
			continue;
		if (!label->is_withdrawn)
			return label;
		if (!first)
			first = label;
	}
	return first;
}

static struct model *find_hash(struct guest *guest, struct wire_string name,
			       struct wire_string version)
{
	unsigned char hash[MODEL_HASH_BYTES];
	struct model_name wanted = { .hash = hash };

	if (name.len != HASH_DIGITS || (version.len && !wire_string_equals(version, ONLY_VERSION)))
		return NULL;
	if (!tsk_hex_read_lower(name.bytes, MODEL_HASH_BYTES, hash))
		return NULL;
	return models_find(guest->models, &wanted);
}

static int refuse_name(struct wire_string name, struct wire_string version,
		       struct tensock_error *reterr)
{
	int shown = name.len < NAME_SHOWN ? name.len : NAME_SHOWN;

	if (version.len)
		return tsk_fail(reterr, TENSOCK_NOT_FOUND,
				"Request for unknown model: '%.*s' version %.*s is not found",
				shown, name.bytes,
				version.len < NAME_SHOWN ? version.len : NAME_SHOWN, version.bytes);
	return tsk_fail(reterr, TENSOCK_NOT_FOUND, "Request for unknown model: '%.*s' is not found",
			shown, name.bytes);
}

int oip_find(struct guest *guest, struct wire_string name, struct wire_string version,
	     struct oip_model *ret, struct tensock_error *reterr)
{
	struct label *label = find_label(guest, name, version);
	struct model *model = label ? label->model : find_hash(guest, name, version);

	if (!model)
		return refuse_name(name, version, reterr);
	describe(model, label, ret);
	return 0;
}

static bool has_label(const struct guest *guest, const struct model *model)
{
	const struct label *label = NULL;

	while ((label = models_next_pair(guest->models, label))) {
		if (label->model == model)
			return true;
	}
	return false;
}

bool oip_next(struct guest *guest, struct oip_model *m)
{
	struct label *label = NULL;
	struct model *model = NULL;

	/* Labels first: it stands among them, or nowhere yet. */
	if (m->label || !m->model)
		label = models_next_pair(guest->models, m->label);
	if (label) {
		describe(label->model, label, m);
		return true;
	}
	model = models_next(guest->models, m->label ? NULL : m->model);
	while (model && has_label(guest, model))
		model = models_next(guest->models, model);
	if (!model)
		return false;
	describe(model, NULL, m);
	return true;
}

/*
 * ---- What takes its time
 */

static struct oip_task *task_of(struct request *request)
{
	return (struct oip_task *)(void *)((char *)request - offsetof(struct oip_task, request));
}

static void task_done(struct oip_task *task, const struct tensock_error *error)
{
	task->is_done = true;
	if (error) {
		task->guest->counters.error++;
		tsk_info("%s of \"%.64s\": %s: %s", task->is_unload ? "unload" : "load",
			 task->name ? task->name : "?", tsk_status(error->status)->name,
			 error->message);
	} else {
		task->guest->counters.ok++;
	}
	task->done(task, error);
}

static void task_fail(struct oip_task *task, enum tensock_status status, const char *text)
{
	struct tensock_error error;

	(void)tsk_fail(&error, status, "%s", text);
	task_done(task, &error);
}

/* Whether it is accepted, as a call of the guest's. */
static int task_begin(struct oip_task *task, struct guest *guest, struct tensock_error *reterr)
{
	int r;

	if (task->is_counted)
		return 0;
	task->guest = guest;
	guest->counters.accepted++;
	r = guest_may_call(guest, reterr);
	if (r < 0)
		return r;
	task->is_counted = true;
	guest->n_calls++;
	return 0;
}

static int set_names(struct oip_task *task, struct wire_string name, struct wire_string version)
{
	task->name = strndup(name.bytes, name.len);
	task->version = version.len ? strndup(version.bytes, version.len) : NULL;
	return task->name && (!version.len || task->version) ? 0 : -ENOMEM;
}

/* What was loaded is ready now, by the name that it was loaded by. */
static void offer(struct oip_task *task)
{
	const struct model_name name = { .hash = task->hash };
	struct model *model = models_find(task->guest->models, &name);
	struct label *label = NULL;

	while (model && (label = models_next_pair(task->guest->models, label))) {
		if (label->model == model && strcmp(label->name, task->name) == 0 &&
		    (!task->version || strcmp(version_of(label), task->version) == 0))
			label->is_withdrawn = false;
	}
	if (model && strlen(task->name) == HASH_DIGITS)
		models_withdraw(model, false);
}

static void load_done(struct request *request, struct request_outputs *outputs,
		      const struct tensock_error *error)
{
	struct oip_task *task = task_of(request);

	(void)outputs;
	if (!error)
		offer(task);
	task_done(task, error);
}

static const struct request_ops load_ops = {
	.prepare = request_load_prepare,
	.fill = request_load_fill,
	.done = load_done,
	.is_load = true,
};

int oip_load_room(struct oip_task *task, struct guest *guest, uint64_t n, void **ret_room,
		  struct tensock_error *reterr)
{
	int r = task_begin(task, guest, reterr);

	if (r == 0 && n > guest->limits.model_bytes_max)
		r = limit_fail(METRICS_LIMIT_MODEL_SIZE, reterr, TENSOCK_TOO_LARGE,
			       "a model of %llu bytes, above max-model-size, which is %llu",
			       (unsigned long long)n,
			       (unsigned long long)guest->limits.model_bytes_max);
	if (r == 0 && n == 0)
		r = tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "a model of no bytes");
	if (r == 0)
		r = model_file_new(&guest->account, n, &task->file, reterr);
	if (r < 0) {
		task->is_done = true;
		guest->counters.error++;
		return r;
	}
	*ret_room = model_file_room(task->file);
	return 0;
}

static void on_hashed(void *context)
{
	struct oip_task *task = context;
	const struct model_labels labels = {
		.name = task->name,
		.version = task->version ? task->version : ONLY_VERSION,
	};

	memcpy(task->hash, model_file_hash(task->file), sizeof(task->hash));
	models_keep(task->guest->models, TAKE_PTR(task->file), &labels, &task->request);
}

static void load_known(struct oip_task *task, struct wire_string name, struct wire_string version)
{
	struct tensock_error error;
	struct oip_model m;

	if (oip_find(task->guest, name, version, &m, &error) < 0) {
		task_done(task, &error);
		return;
	}
	memcpy(task->hash, models_hash(m.model), sizeof(task->hash));
	models_request(task->guest->models, m.model, &task->request);
}

void oip_load(struct oip_task *task, struct guest *guest, struct wire_string name,
	      struct wire_string version)
{
	struct tensock_error error;

	task->request.ops = &load_ops;
	if (task_begin(task, guest, &error) < 0) {
		task_done(task, &error);
	} else if (set_names(task, name, version) < 0) {
		task_fail(task, TENSOCK_OUT_OF_MEMORY, "no memory for the request");
	} else if (!task->file) {
		load_known(task, name, version);
	} else {
		/* The engine of a new worker opens meanwhile. */
		workers_expect(guest->workers);
		if (model_file_freeze(task->file, &guest->work, on_hashed, task, &error) < 0)
			task_done(task, &error);
	}
}

/* The next of those that are meant and have not been withdrawn; NULL: none. */
static struct label *next_to_unload(const struct oip_task *task)
{
	struct label *label = NULL;

	while ((label = models_next_pair(task->guest->models, label))) {
		if (strcmp(label->name, task->name) == 0 &&
		    (!task->version || strcmp(version_of(label), task->version) == 0) &&
		    !label->is_withdrawn)
			break;
	}
	return label;
}

static bool is_ready_elsewhere(const struct guest *guest, const struct model *model)
{
	const struct label *label = NULL;

	while ((label = models_next_pair(guest->models, label))) {
		if (label->model == model && !label->is_withdrawn)
			return true;
	}
	return false;
}

static void unload_next(struct oip_task *task)
{
	struct models *models = task->guest->models;
	struct label *label;

	while ((label = next_to_unload(task))) {
		label->is_withdrawn = true;
		if (is_ready_elsewhere(task->guest, label->model))
			continue;
		models_unload(models, label->model, false, &task->request);
		return;
	}
	task_done(task, NULL);
}

static void unload_done(struct request *request, struct request_outputs *outputs,
			const struct tensock_error *error)
{
	(void)outputs;
	if (error)
		task_done(task_of(request), error);
	else
		unload_next(task_of(request));
}

static const struct request_ops unload_ops = {
	.prepare = request_load_prepare,
	.fill = request_load_fill,
	.done = unload_done,
	.is_load = true,
};

void oip_unload(struct oip_task *task, struct guest *guest, struct wire_string name,
		struct wire_string version)
{
	struct tensock_error error;
	struct oip_model m;

	task->request.ops = &unload_ops;
	task->is_unload = true;
	if (task_begin(task, guest, &error) < 0 || oip_find(guest, name, version, &m, &error) < 0) {
		task_done(task, &error);
	} else if (set_names(task, name, version) < 0) {
		task_fail(task, TENSOCK_OUT_OF_MEMORY, "no memory for the request");
	} else if (!m.label) {
		models_withdraw(m.model, true);
		models_unload(guest->models, m.model, false, &task->request);
	} else {
		unload_next(task);
	}
}

void oip_task_end(struct oip_task *task)
{
	if (!task->guest)
		return;
	if (task->is_counted) {
		models_cancel(task->guest->models, &task->request);
		task->guest->n_calls--;
		if (!task->is_done)
			task->guest->counters.cancelled++;
	}
	model_file_free(TAKE_PTR(task->file));
	free(TAKE_PTR(task->name));
	free(TAKE_PTR(task->version));
	*task = (struct oip_task){ 0 };
}
