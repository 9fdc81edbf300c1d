/* SPDX-License-Identifier: Apache-2.0 */
#include "front/models.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "front/handle.h"
#include "front/limit_hits.h"
#include "front/model.h"

/* A request goes on to another worker when one died before its turn came, once. */
#define WORKERS_LOST_MAX 1u

static void advance(struct models *models);

/* The end of a request that has no outputs.  Without an error: it wanted none. */
static void end_request(struct models *models, struct request *request,
			const struct tensock_error *error)
{
	buffer_pool_put(&models->workers->buffers, TAKE_PTR(request->in));
	request_end(request, NULL, error);
}

static void answer(struct models *models, struct request *request, enum tensock_status status,
		   const char *text)
{
	struct tensock_error error;

	(void)tsk_fail(&error, status, "%s", text);
	end_request(models, request, &error);
}

static struct request *take_first(struct model *model)
{
	struct request *request = TAILQ_FIRST(&model->waiting);

	if (request) {
		TAILQ_REMOVE(&model->waiting, request, entry);
		model->models->n_waiting--;
	}
	return request;
}

static void answer_waiting(struct model *model, const struct tensock_error *why)
{
	struct request *request;

	while ((request = take_first(model)))
		end_request(model->models, request, why);
}

/* Those that have seen more than one worker die before their turn came are answered. */
static void answer_unlucky(struct model *model, const struct tensock_error *why)
{
	struct request_queue waiting = TAILQ_HEAD_INITIALIZER(waiting);
	struct request *request;

	TAILQ_CONCAT(&waiting, &model->waiting, entry);
	while ((request = TAILQ_FIRST(&waiting))) {
		TAILQ_REMOVE(&waiting, request, entry);
		if (++request->workers_lost <= WORKERS_LOST_MAX) {
			TAILQ_INSERT_TAIL(&model->waiting, request, entry);
			continue;
		}
		model->models->n_waiting--;
		end_request(model->models, request, why);
	}
}

/* The one that has had nothing to do for longest, perhaps only of those that are not kept. */
static struct model *longest_idle(struct models *models, bool but_kept)
{
	struct model *oldest = NULL, *model;

	TAILQ_FOREACH(model, &models->list, entry)
	{
		if (model_is_idle(model) && !(but_kept && model->is_kept) &&
		    (!oldest || model->used_ms < oldest->used_ms))
			oldest = model;
	}
	return oldest;
}

/* Tells all of *queue that the model has been unloaded. */
static void answer_unloads(struct models *models, struct request_queue *queue)
{
	struct request *request;

	while ((request = TAILQ_FIRST(queue))) {
		TAILQ_REMOVE(queue, request, entry);
		models->n_waiting--;
		end_request(models, request, NULL);
	}
}

/*
 * What is to become of a model that may not be needed any more; it may be gone afterwards.  An
 * unload waits for all processes that had the model by then, also those that had been let go of.
 */
static void settle(struct model *model)
{
	struct request_queue ended = TAILQ_HEAD_INITIALIZER(ended);
	struct models *models = model->models;

	if (model->is_unloading && !model_is_at_work(model)) {
		model_unload(model);
		model->is_unloading = false;
		model->ending_id = models->workers->last_id;
		TAILQ_CONCAT(&model->ending, &model->unloads, entry);
	}
	if (!TAILQ_EMPTY(&model->ending)) {
		if (workers_are_there(models->workers, model, model->ending_id))
			return;
		TAILQ_CONCAT(&ended, &model->ending, entry);
	}
	if (model->state == MODEL_UNLOADED && !model->is_kept && !model_is_needed(model))
		model_forget(model);
	else
		model_watch(model);
	answer_unloads(models, &ended);
}

static void on_loaded(void *user, struct tsk_model_info *info)
{
	struct model *model = user;
	struct models *models = model->models;
	bool is_named;

	if (model_set_info(model, info) < 0) {
		tsk_model_info_done(info);
		limit_hit(METRICS_LIMIT_MEMORY);
		/* As for one that did not load: on_lost() tells those that wait. */
		worker_link_fail(
			model->worker, true, TENSOCK_LIMIT_REACHED,
			"no room for the model's description beside what is in use (max-memory)");
		return;
	}
	model->state = MODEL_READY;
	is_named = labels_settle(&models->labels, model);
	if (model->stored == MODEL_CANNOT_BE_STORED)
		model->stored = MODEL_NOT_STORED;
	stored_look(models->stored, is_named);
	model_used(model);
	advance(models);
}

static void on_idle(void *user)
{
	struct model *model = user;
	struct models *models = model->models;

	model->is_running = worker_link_is_busy(model->worker);
	model_used(model);
	settle(model);
	advance(models);
}

/* Back to where it came from. */
static void put_first(struct model *model, struct request *request)
{
	request->is_running = false;
	TAILQ_INSERT_HEAD(&model->waiting, request, entry);
	model->models->n_waiting++;
}

/*
 * Three strikes, and the model is not loaded for a while; who waits for it is told at the next
 * load().  What the process did by itself is known only when it has ended: see on_died().
 */
static void strike(struct models *models, const unsigned char hash[MODEL_HASH_BYTES])
{
	if (quarantine_count(&models->quarantine, hash, uv_now(models->loop)))
		tsk_warning(
			"a model has killed its worker %u times: it is in quarantine for %" PRIu64
			" s",
			QUARANTINE_DEATHS, models->quarantine.time_ms / 1000);
}

static void on_died(void *context, const unsigned char hash[MODEL_HASH_BYTES])
{
	strike(context, hash);
}

/* Runs that nobody can be blamed for count for no model, nor does what a worker says of itself. */
static void blame(struct model *model, bool was_loading, const struct tensock_error *why)
{
	struct worker_link *worker = model->worker;

	if (!worker || (!was_loading && !worker->was_at_work))
		return;
	if (worker->is_killed &&
	    (why->status == TENSOCK_DEADLINE_EXCEEDED || why->status == TENSOCK_WORKER_DIED)) {
		strike(model->models, models_hash(model));
	} else if (why->status == TENSOCK_WORKER_DIED) {
		worker->is_blame_due = true;
		memcpy(worker->blamed, models_hash(model), sizeof(worker->blamed));
	}
}

/*
 * What becomes of the requests of a model whose worker is lost.  One is to blame: the one that ran,
 * or the first of those that it was being loaded for.  The others have a second worker, unless the
 * model itself was refused or takes too long to load: the next worker would say the same.
 *
 * Where several ran, each of them runs again, alone; then it is known.  That loss counts for nobody:
 * it ends when they have had their answers.
 */
static void on_lost(void *user, struct request *ran, struct request_queue *others,
		    const struct tensock_error *why)
{
	struct model *model = user;
	struct models *models = model->models;
	bool was_loading = model->state == MODEL_LOADING;
	bool is_open = model->worker && model->worker->is_blame_open;
	struct request *request;

	blame(model, was_loading, why);
	model_became_unloaded(model);
	if (was_loading)
		ran = take_first(model);
	if (ran)
		end_request(models, ran, why);
	else if (is_open)
		tsk_info(
			"a worker is lost that was at several requests, which run again, one by one: %s",
			why->message);
	else
		tsk_info("a worker is lost that was at no work: %s", why->message);
	while ((request = TAILQ_LAST(others, request_queue))) {
		TAILQ_REMOVE(others, request, entry);
		put_first(model, request);
	}
	if (was_loading && why->status != TENSOCK_WORKER_DIED)
		answer_waiting(model, why);
	if (!is_open)
		answer_unlucky(model, why);
	if (was_loading)
		model_load_failed(model, why);
	settle(model);
	advance(models);
}

static const struct worker_user_ops worker_ops = {
	.loaded = on_loaded,
	.idle = on_idle,
	.lost = on_lost,
};

/* Has the store asked for the bytes of a waiting model. */
static void fetch(struct model *model)
{
	struct tensock_error error;

	if (stored_fetch(model->models->stored, model, &error) == 0)
		return;
	answer_waiting(model, &error);
	settle(model);
}

int models_check(const struct models *models, const unsigned char hash[MODEL_HASH_BYTES],
		 struct tensock_error *reterr)
{
	uint64_t left_ms = quarantine_left_ms(&models->quarantine, hash, uv_now(models->loop));

	if (!permitted_has(&models->permitted, hash))
		return tsk_fail(reterr, TENSOCK_PERMISSION_DENIED,
				"this guest may not run this model: its operator has not listed it "
				"(models)");
	if (left_ms)
		return limit_fail(METRICS_LIMIT_QUARANTINE, reterr, TENSOCK_LIMIT_REACHED,
				  "this model has killed its worker %u times, and is in quarantine "
				  "(quarantine); try again in %" PRIu64 " s",
				  QUARANTINE_DEATHS, (left_ms - 1) / 1000 + 1);
	return 0;
}

/* The last look before a worker sees it. */
static bool is_refused(struct model *model)
{
	struct tensock_error error;

	if (models_check(model->models, models_hash(model), &error) == 0)
		return false;
	answer_waiting(model, &error);
	model_load_failed(model, &error);
	settle(model);
	return true;
}

/* Gives a waiting model a worker.  False while there is none to be had. */
static bool load(struct model *model)
{
	struct worker_model file = { .fd = model_file_fd(model->file),
				     .bytes = model_file_size(model->file) };
	struct models *models = model->models;
	struct tensock_error error;
	struct model *idle;
	int r;

	model->state = MODEL_LOADING;
	r = workers_load(models->workers, &file, &worker_ops, model, &model->worker);
	if (r == 0)
		return true;
	model->state = MODEL_UNLOADED;
	if (r == -EBUSY) {
		idle = longest_idle(models, false);
		/* Its worker's end brings us back here. */
		if (idle && !models->is_making_room) {
			models->is_making_room = true;
			model_rest(idle);
		}
		return false;
	}
	(void)tsk_fail(&error, tsk_status_from_errno(-r), "no worker can be started: %s",
		       strerror(-r));
	answer_waiting(model, &error);
	model_load_failed(model, &error);
	settle(model);
	return true;
}

/* Starts the next request of a model whose worker has room. */
static void run_next(struct model *model)
{
	struct request *request = take_first(model);
	struct tensock_error error;
	int r;

	request->is_running = true;
	model->is_running = true;
	r = worker_link_run(model->worker, request, &model->info, &error);
	if (r == 0)
		return;
	model->is_running = worker_link_is_busy(model->worker);
	if (r == WORKER_RUN_NOT_NOW) {
		put_first(model, request);
		return;
	}
	model_used(model);
	end_request(model->models, request, r < 0 ? &error : NULL);
	settle(model);
}

static bool can_run(const struct model *model)
{
	const struct request *first = TAILQ_FIRST(&model->waiting);

	return model->state == MODEL_READY && first && worker_link_has_room(model->worker, first);
}

static bool wants_worker(const struct model *model)
{
	return model->state == MODEL_UNLOADED && !model->is_fetching &&
	       !TAILQ_EMPTY(&model->waiting);
}

/* One step for any model that can take one; false when none can. */
static bool step(struct models *models)
{
	struct model *model;

	TAILQ_FOREACH(model, &models->list, entry)
	{
		if (can_run(model)) {
			run_next(model);
			return true;
		}
	}
	TAILQ_FOREACH(model, &models->list, entry)
	{
		if (!wants_worker(model))
			continue;
		if (is_refused(model))
			return true;
		if (model_file_is_here(model->file))
			return load(model);
		fetch(model);
		return true;
	}
	return false;
}

/*
 * Everything that can start does.  A step may change the list, and call back here (a worker that is
 * lost at once): then the outer call goes on.
 */
static void advance(struct models *models)
{
	if (models->is_advancing)
		return;
	models->is_advancing = true;
	while (step(models))
		;
	models->is_advancing = false;
}

void models_fetched(struct models *models, struct model *model, const struct tensock_error *why)
{
	bool is_lost = why && why->status == TENSOCK_NOT_FOUND;

	model->is_fetching = false;
	if (why)
		model_file_drop_bytes(model->file);
	if (is_lost) {
		model->is_removed = true;
		labels_drop(&models->labels, model);
		model_set_kept(model, false);
		stored_look(models->stored, true);
	}
	if (why) {
		answer_waiting(model, why);
		settle(model);
	}
	advance(models);
}

static void on_room(void *context)
{
	struct models *models = context;
	struct model *model, *next;

	models->is_making_room = false;
	for (model = TAILQ_FIRST(&models->list); model; model = next) {
		next = TAILQ_NEXT(model, entry);
		if (!TAILQ_EMPTY(&model->ending))
			settle(model);
	}
	advance(models);
}

static bool is_short_of(const struct models *models, uint64_t bytes)
{
	return bytes > models->account->max_bytes - models->account->used_bytes;
}

void models_reclaim(struct models *models, uint64_t bytes)
{
	struct model *model;

	while (is_short_of(models, bytes) && (model = longest_idle(models, true)))
		model_forget(model);
	while (is_short_of(models, bytes) && (model = longest_idle(models, false)))
		model_rest(model);
	while (is_short_of(models, bytes) && stored_reclaim(models->stored))
		;
}

int models_new(uv_loop_t *loop, struct workers *workers, struct account *account,
	       const struct front_start *limits, struct models **ret)
{
	struct models *models = calloc(1, sizeof(*models));

	if (!models)
		return -ENOMEM;
	*models = (struct models){
		.loop = loop,
		.workers = workers,
		.account = account,
		.limits = limits,
	};
	TAILQ_INIT(&models->list);
	permitted_init(&models->permitted, limits->models_listed);
	quarantine_init(&models->quarantine, limits->quarantine_ms);
	labels_init(&models->labels);
	models->idle_timer = handle_timer_new(loop, models);
	if (!models->idle_timer) {
		free(models);
		return -ENOMEM;
	}
	workers->room = on_room;
	workers->died = on_died;
	workers->room_context = models;
	*ret = models;
	return 0;
}

void models_free(struct models *models)
{
	struct request_queue dropped = TAILQ_HEAD_INITIALIZER(dropped);
	struct model *model;

	if (!models)
		return;
	models->is_advancing = true; /* nothing starts any more */
	models->workers->room = NULL;
	models->workers->died = NULL;
	models->emptied = NULL;
	while ((model = TAILQ_FIRST(&models->list))) {
		if (model->worker)
			(void)worker_run_drop(model->worker, false, &dropped);
		model->is_running = false;
		TAILQ_CONCAT(&model->waiting, &model->behind, entry);
		while (take_first(model))
			;
		model_forget(model);
	}
	handle_free(models->idle_timer);
	labels_done(&models->labels);
	permitted_done(&models->permitted);
	free(models);
}

int models_permit(struct models *models, int fd)
{
	return permitted_take(&models->permitted, fd);
}

static struct model *find(struct models *models, const unsigned char *hash)
{
	struct model *model;

	TAILQ_FOREACH(model, &models->list, entry)
	{
		if (!model->is_removed &&
		    memcmp(model_file_hash(model->file), hash, MODEL_HASH_BYTES) == 0)
			return model;
	}
	return NULL;
}

/* The one of these bytes, new or not; takes the file. */
static struct model *take(struct models *models, struct model_file *file)
{
	struct model *model = find(models, model_file_hash(file));

	if (!model) {
		model = model_new(models, file);
	} else if (!model_file_is_here(model->file)) {
		/* Sooner than from the store. */
		model_file_free(model->file);
		model->file = file;
		model->is_fetching = false;
	}
	if (!model || model->file != file)
		model_file_free(file);
	return model;
}

/* False: it has been answered. */
static bool may_wait(struct models *models, struct request *request)
{
	if (models->n_waiting < MODELS_WAITING_MAX)
		return true;
	answer(models, request, TENSOCK_LIMIT_REACHED, "too many requests wait");
	return false;
}

static void enqueue(struct request_queue *queue, struct model *model, struct request *request)
{
	request->model = model;
	request->is_counted = !request->ops->is_load;
	request->is_running = false;
	request->runs_alone = false;
	request->workers_lost = 0;
	request->queued_ns = tsk_now_ns();
	TAILQ_INSERT_TAIL(queue, request, entry);
	model->models->n_waiting++;
}

void models_request(struct models *models, struct model *model, struct request *request)
{
	if (!may_wait(models, request))
		return;
	enqueue(model->is_unloading ? &model->behind : &model->waiting, model, request);
	advance(models);
}

/* The same, of new bytes. */
static bool may_come(struct models *models, const struct model_file *file, struct request *request)
{
	struct tensock_error error;

	if (models_check(models, model_file_hash(file), &error) == 0)
		return may_wait(models, request);
	end_request(models, request, &error);
	return false;
}

void models_submit(struct models *models, struct model_file *file, struct request *request)
{
	struct model *model;

	if (!may_come(models, file, request)) {
		model_file_free(file);
		return;
	}
	model = take(models, file);
	if (model)
		models_request(models, model, request);
	else
		answer(models, request, TENSOCK_OUT_OF_MEMORY, "no memory");
}

int models_label(struct models *models, struct model *model, const struct model_labels *labels,
		 struct tensock_error *reterr)
{
	int r;

	if (!model->is_kept && models->n_kept >= models->limits->models_max)
		return limit_fail(METRICS_LIMIT_MODELS, reterr, TENSOCK_LIMIT_REACHED,
				  "%u models are kept, as many as max-models allows",
				  models->n_kept);
	r = labels_add(&models->labels, model, labels->name, labels->version, !model->has_info,
		       reterr);
	if (r < 0)
		return r;
	if (!model->is_kept) {
		model_set_kept(model, true);
		model->used_ms = uv_now(models->loop);
	}
	stored_look(models->stored, model->has_info);
	model_watch(model);
	return 0;
}

void models_keep(struct models *models, struct model_file *file, const struct model_labels *labels,
		 struct request *request)
{
	struct tensock_error error;
	struct model *model;

	if (!may_come(models, file, request)) {
		model_file_free(file);
		return;
	}
	model = take(models, file);
	if (!model) {
		answer(models, request, TENSOCK_OUT_OF_MEMORY, "no memory");
		return;
	}
	if (models_label(models, model, labels, &error) < 0) {
		settle(model); /* forgets it, if it is new */
		end_request(models, request, &error);
		return;
	}
	models_request(models, model, request);
}

struct model *models_find(struct models *models, const struct model_name *name)
{
	return name->hash ? find(models, name->hash)
			  : labels_find(&models->labels, name->name, name->version);
}

void models_unload(struct models *models, struct model *model, bool remove, struct request *request)
{
	if (!may_wait(models, request))
		return;
	enqueue(&model->unloads, model, request);
	/* It is no inference, and may outlive the model. */
	request->is_counted = false;
	model->is_unloading = true;
	if (remove) {
		/* The last worker serves all: nobody comes after them. */
		TAILQ_CONCAT(&model->waiting, &model->behind, entry);
		model->is_removed = true;
		labels_drop(&models->labels, model);
		model_set_kept(model, false);
		stored_remove(models->stored, model);
	}
	settle(model);
	advance(models);
}

struct model *models_next(struct models *models, const struct model *after)
{
	struct model *model = after ? TAILQ_NEXT(after, entry) : TAILQ_FIRST(&models->list);

	while (model && model->is_removed)
		model = TAILQ_NEXT(model, entry);
	return model;
}

void models_cancel(struct models *models, struct request *request)
{
	struct model *model = request->model;

	if (!model)
		return;
	request_cancelled(request);
	if (request->is_running) {
		worker_link_cancel(model->worker, request);
		return;
	}
	TAILQ_REMOVE(model_queue_of(model, request), request, entry);
	models->n_waiting--;
	request->model = NULL;
	settle(model);
	advance(models); /* it may have been what those behind an unload waited for */
}

int models_buffer(struct models *models, const struct model *model, uint64_t bytes,
		  struct buffer **ret)
{
	return workers_buffer(models->workers, model ? model->worker : NULL, bytes, ret);
}

bool models_is_here(const struct model *model)
{
	return model_file_is_here(model->file);
}

unsigned models_count(const struct models *models)
{
	return models->n;
}

unsigned models_loaded(const struct models *models)
{
	const struct model *model;
	unsigned n = 0;

	TAILQ_FOREACH(model, &models->list, entry)
	n += model->state == MODEL_READY && !model->is_removed;
	return n;
}

unsigned models_kept(const struct models *models)
{
	return models->n_kept;
}

void models_when_empty(struct models *models, void (*emptied)(void *context), void *context)
{
	models->emptied = emptied;
	models->emptied_context = context;
}
