/* SPDX-License-Identifier: Apache-2.0 */
#include "front/model.h"

#include <assert.h>
#include <string.h>

#include "base/hex.h"

/* What a description may take beside what is accounted for: that of a usual model takes a tenth. */
#define INFO_BYTES_SMALL (UINT64_C(16) << 10)

struct model *model_new(struct models *models, struct model_file *file)
{
	struct model *model = calloc(1, sizeof(*model));

	if (!model)
		return NULL;
	model->models = models;
	model->file = file;
	TAILQ_INIT(&model->waiting);
	TAILQ_INIT(&model->behind);
	TAILQ_INIT(&model->unloads);
	TAILQ_INIT(&model->ending);
	TAILQ_INSERT_TAIL(&models->list, model, entry);
	models->n++;
	return model;
}

bool model_is_at_work(const struct model *model)
{
	return model->is_running || !TAILQ_EMPTY(&model->waiting);
}

bool model_is_needed(const struct model *model)
{
	return model_is_at_work(model) || !TAILQ_EMPTY(&model->behind);
}

bool model_is_idle(const struct model *model)
{
	return model->state == MODEL_READY && !model_is_needed(model) &&
	       TAILQ_EMPTY(&model->ending);
}

static void drop_info(struct model *model)
{
	tsk_model_info_done(&model->info);
	account_give(model->models->account, model->info_bytes);
	model->info_bytes = 0;
	model->has_info = false;
}

int model_set_info(struct model *model, struct tsk_model_info *info)
{
	uint64_t bytes = tsk_model_info_bytes(info);
	int r;

	drop_info(model);
	if (bytes <= INFO_BYTES_SMALL)
		bytes = 0;
	r = account_take(model->models->account, bytes);
	if (r < 0)
		return r;
	model->info = *info;
	*info = (struct tsk_model_info){ 0 };
	model->info_bytes = bytes;
	model->has_info = true;
	return 0;
}

void model_set_kept(struct model *model, bool is_kept)
{
	struct models *models = model->models;

	if (model->is_kept == is_kept)
		return;
	model->is_kept = is_kept;
	models->n_kept = is_kept ? models->n_kept + 1 : models->n_kept - 1;
	if (models->n_kept == 0 && models->emptied)
		models->emptied(models->emptied_context);
}

void model_became_unloaded(struct model *model)
{
	if (model->worker)
		model->runs += model->worker->runs_ok;
	model->worker = NULL;
	model->is_running = false;
	model->state = MODEL_UNLOADED;
}

void model_unload(struct model *model)
{
	assert(!model_is_at_work(model));
	if (model->worker)
		worker_link_close(model->worker);
	model_became_unloaded(model);
	TAILQ_CONCAT(&model->waiting, &model->behind, entry);
}

void model_forget(struct model *model)
{
	struct models *models = model->models;

	assert(!model_is_needed(model));
	model_unload(model);
	model_set_kept(model, false);
	labels_drop(&models->labels, model);
	inferences_add(&models->gone, &model->inferences);
	TAILQ_REMOVE(&models->list, model, entry);
	models->n--;
	drop_info(model);
	model_file_free(model->file);
	free(model);
}

/* How long it may stay as it is, without use; UINT64_MAX: for ever. */
static uint64_t time_of(const struct model *model)
{
	const struct front_start *limits = model->models->limits;

	if (model_is_idle(model))
		return limits->model_idle_ms;
	if (model->state == MODEL_UNLOADED && model->is_kept && !model_is_needed(model) &&
	    TAILQ_EMPTY(&model->ending))
		return limits->model_keep_ms;
	return UINT64_MAX;
}

/* The one whose time is over first, and what is left of it. */
static struct model *next_over(struct models *models, uint64_t *ret_left_ms)
{
	struct model *next = NULL, *model;

	TAILQ_FOREACH(model, &models->list, entry)
	{
		uint64_t age_ms = uv_now(models->loop) - model->used_ms;
		uint64_t time_ms = time_of(model);
		uint64_t left_ms = time_ms > age_ms ? time_ms - age_ms : 0;

		if (time_ms == UINT64_MAX || (next && left_ms >= *ret_left_ms))
			continue;
		next = model;
		*ret_left_ms = left_ms;
	}
	return next;
}

static void on_idle_time(uv_timer_t *timer);

void model_watch(struct model *model)
{
	uv_timer_t *timer = model->models->idle_timer;
	uint64_t ms = time_of(model);

	if (ms != UINT64_MAX &&
	    (!uv_is_active((uv_handle_t *)timer) || uv_timer_get_due_in(timer) > ms))
		uv_timer_start(timer, on_idle_time, ms, 0);
}

void model_rest(struct model *model)
{
	if (!model->is_kept) {
		model_forget(model);
		return;
	}
	model_unload(model);
	model_watch(model);
}

static void on_idle_time(uv_timer_t *timer)
{
	struct models *models = timer->data;
	struct model *model;
	uint64_t left_ms;

	while ((model = next_over(models, &left_ms))) {
		if (left_ms > 0) {
			uv_timer_start(timer, on_idle_time, left_ms, 0);
			return;
		}
		if (model->state == MODEL_READY) {
			model_rest(model);
			continue;
		}
		stored_remove(models->stored, model);
		model_forget(model);
	}
}

void model_used(struct model *model)
{
	model->used_ms = uv_now(model->models->loop);
	stored_used(model->models->stored, model);
	model_watch(model);
}

/* Its first load has failed in a way that every other one would.  What is stored has been loaded once. */
static bool is_no_model(const struct model *model, const struct tensock_error *why)
{
	switch (why->status) {
	case TENSOCK_INVALID_ARGUMENT:
	case TENSOCK_INVALID_MODEL:
	case TENSOCK_UNSUPPORTED:
	case TENSOCK_TOO_LARGE:
	case TENSOCK_ENGINE_FAILED:
		return !model->has_info && model->stored != MODEL_IS_STORED;
	default:
		return false;
	}
}

void model_load_failed(struct model *model, const struct tensock_error *why)
{
	if (model_is_needed(model))
		return;
	labels_drop_pending(&model->models->labels, model);
	model->used_ms = uv_now(model->models->loop);
	if (!is_no_model(model, why))
		return;
	if (model->models->stored)
		parts_forget(stored_parts(model->models->stored), models_hash(model));
	model_set_kept(model, false);
}

const unsigned char *models_hash(const struct model *model)
{
	return model_file_hash(model->file);
}

const struct tsk_model_info *models_info(const struct model *model)
{
	return model->has_info ? &model->info : NULL;
}

const struct oip_stats *models_stats(const struct model *model)
{
	return &model->stats;
}

void models_withdraw(struct model *model, bool is_withdrawn)
{
	model->is_withdrawn = is_withdrawn;
}

bool models_is_withdrawn(const struct model *model)
{
	return model->is_withdrawn;
}

struct label *models_next_pair(const struct models *models, const struct label *after)
{
	struct label *label =
		after ? TAILQ_NEXT(after, entry) : TAILQ_FIRST(&models->labels.list);

	while (label && label->is_pending)
		label = TAILQ_NEXT(label, entry);
	return label;
}

void models_view(const struct model *model, struct model_view *ret)
{
	const struct label *label = labels_of(&model->models->labels, model);
	const struct buffer_pool *buffers = &model->models->workers->buffers;
	const struct worker_link *worker = model->worker;

	*ret = (struct model_view){
		.size = model_file_size(model->file),
		.memory = (model_file_is_here(model->file) ? model_file_size(model->file) : 0) +
			  model->info_bytes +
			  (worker ? buffer_pool_known_bytes(buffers, worker->id) : 0),
		.runs = model->runs + (worker ? worker->runs_ok : 0),
		.state = model->state,
		.name = label ? label->name : "",
		.version = label ? label->version : "",
		.info = models_info(model),
	};
	memcpy(ret->hash, models_hash(model), MODEL_HASH_BYTES);
}

void models_called(const struct model *model, struct model_called *ret)
{
	const struct label *label = labels_of(&model->models->labels, model);

	if (label) {
		ret->name = label->name;
		ret->version = label->version;
		return;
	}
	*tsk_hex_write(ret->digits, models_hash(model), MODEL_HASH_BYTES) = '\0';
	ret->name = ret->digits;
	ret->version = "";
}

void models_view_as(const struct model *model, const char *name, const char *version,
		    struct model_view *ret)
{
	const struct label *label = labels_look_up(&model->models->labels, name, version);

	models_view(model, ret);
	if (!label || label->model != model)
		return;
	ret->name = label->name;
	ret->version = label->version;
}

const struct label *models_next_label(const struct model *model, const struct label *after)
{
	return labels_next(&model->models->labels, model, after);
}

static bool is_in(const struct request_queue *queue, const struct request *request)
{
	const struct request *r;

	TAILQ_FOREACH(r, queue, entry)
	{
		if (r == request)
			return true;
	}
	return false;
}

struct request_queue *model_queue_of(struct model *model, const struct request *request)
{
	if (is_in(&model->unloads, request))
		return &model->unloads;
	if (is_in(&model->ending, request))
		return &model->ending;
	return is_in(&model->behind, request) ? &model->behind : &model->waiting;
}
