/* SPDX-License-Identifier: Apache-2.0 */
#include "front/models.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "front/handle.h"

/* A request goes on to another worker when one died before its turn came, once. */
#define WORKERS_LOST_MAX 1u

enum model_state {
	MODEL_UNLOADED, /* no worker */
	MODEL_LOADING,
	MODEL_READY, /* its worker may be busy */
};

struct model {
	TAILQ_ENTRY(model) entry;
	struct models *models;
	struct model_file *file;
	enum model_state state;
	struct worker_link *worker;
	struct tsk_model_info info; /* READY */
	struct request_queue waiting;
	bool is_running;  /* a request, which may have been cancelled since */
	uint64_t used_ms; /* of the loop's clock: when it last had something to do */
};

struct models {
	uv_loop_t *loop;
	struct workers *workers;
	struct account *account;
	const struct front_start *limits;
	uv_timer_t *idle_timer;
	TAILQ_HEAD(, model) list; /* those that wait for a worker in the order in which they came */
	unsigned n;
	unsigned n_waiting; /* requests */
	bool is_advancing;
	bool is_making_room; /* a worker has been let go for a waiting model; it has yet to end */
};

static void advance(struct models *models);

/* The end of a request that has no outputs.  Without an error: it wanted none. */
static void end_request(struct models *models, struct request *request,
			const struct tensock_error *error)
{
	buffer_pool_put(&models->workers->buffers, TAKE_PTR(request->in));
	request->model = NULL;
	request->is_running = false;
	request->ops->done(request, NULL, error);
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

static bool is_needed(const struct model *model)
{
	return model->is_running || !TAILQ_EMPTY(&model->waiting);
}

/* Nobody needs it: worker, bytes and all go. */
static void forget(struct model *model)
{
	struct models *models = model->models;

	assert(!is_needed(model));
	if (model->worker)
		worker_link_close(model->worker);
	TAILQ_REMOVE(&models->list, model, entry);
	models->n--;
	tsk_model_info_done(&model->info);
	model_file_free(model->file);
	free(model);
}

/* The one that has had nothing to do for longest, of those that loaded. */
static struct model *longest_idle(struct models *models)
{
	struct model *oldest = NULL, *model;

	TAILQ_FOREACH(model, &models->list, entry)
	{
		if (model->state == MODEL_READY && !is_needed(model) &&
		    (!oldest || model->used_ms < oldest->used_ms))
			oldest = model;
	}
	return oldest;
}

static void on_idle_time(uv_timer_t *timer)
{
	struct models *models = timer->data;
	struct model *model;

	while ((model = longest_idle(models))) {
		uint64_t age_ms = uv_now(models->loop) - model->used_ms;

		if (age_ms < models->limits->model_idle_ms) {
			uv_timer_start(timer, on_idle_time, models->limits->model_idle_ms - age_ms,
				       0);
			return;
		}
		forget(model);
	}
}

static void became_idle(struct model *model)
{
	struct models *models = model->models;

	model->used_ms = uv_now(models->loop);
	if (!uv_is_active((uv_handle_t *)models->idle_timer))
		uv_timer_start(models->idle_timer, on_idle_time, models->limits->model_idle_ms, 0);
}

static void on_loaded(void *user, struct tsk_model_info *info)
{
	struct model *model = user;

	model->info = *info;
	*info = (struct tsk_model_info){ 0 };
	model->state = MODEL_READY;
	became_idle(model);
	advance(model->models);
}

static void on_idle(void *user)
{
	struct model *model = user;

	model->is_running = worker_link_is_busy(model->worker);
	became_idle(model);
	advance(model->models);
}

/* Back to where it came from. */
static void put_first(struct model *model, struct request *request)
{
	request->is_running = false;
	TAILQ_INSERT_HEAD(&model->waiting, request, entry);
	model->models->n_waiting++;
}

static void became_unloaded(struct model *model)
{
	tsk_model_info_done(&model->info);
	model->info = (struct tsk_model_info){ 0 };
	model->worker = NULL;
	model->is_running = false;
	model->state = MODEL_UNLOADED;
}

/*
 * What becomes of the requests of a model whose worker is lost.  One is to blame: the one that ran,
 * or the first of those that it was being loaded for.  The others have a second worker, unless the
 * model itself was refused or takes too long to load: the next worker would say the same.
 */
static void on_lost(void *user, struct request *ran, struct request_queue *others,
		    const struct tensock_error *why)
{
	struct model *model = user;
	struct models *models = model->models;
	bool was_loading = model->state == MODEL_LOADING;
	struct request *request;

	became_unloaded(model);
	if (was_loading)
		ran = take_first(model);
	if (ran)
		end_request(models, ran, why);
	else
		tsk_info("a worker is lost that was at no work: %s", why->message);
	while ((request = TAILQ_LAST(others, request_queue))) {
		TAILQ_REMOVE(others, request, entry);
		put_first(model, request);
	}
	if (was_loading && why->status != TENSOCK_WORKER_DIED)
		answer_waiting(model, why);
	answer_unlucky(model, why);
	if (!is_needed(model))
		forget(model);
	advance(models);
}

static const struct worker_user_ops worker_ops = {
	.loaded = on_loaded,
	.idle = on_idle,
	.lost = on_lost,
};

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
		idle = longest_idle(models);
		/* Its worker's end brings us back here. */
		if (idle && !models->is_making_room) {
			models->is_making_room = true;
			forget(idle);
		}
		return false;
	}
	(void)tsk_fail(&error, tsk_status_from_errno(-r), "no worker can be started: %s",
		       strerror(-r));
	answer_waiting(model, &error);
	forget(model);
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
	became_idle(model);
	end_request(model->models, request, r < 0 ? &error : NULL);
}

static bool can_run(const struct model *model)
{
	return model->state == MODEL_READY && worker_link_has_room(model->worker) &&
	       !TAILQ_EMPTY(&model->waiting);
}

static bool wants_worker(const struct model *model)
{
	return model->state == MODEL_UNLOADED && !TAILQ_EMPTY(&model->waiting);
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
		if (wants_worker(model))
			return load(model);
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

static void on_room(void *context)
{
	struct models *models = context;

	models->is_making_room = false;
	advance(models);
}

static void on_reclaim(void *context, uint64_t bytes)
{
	struct models *models = context;
	struct account *account = models->account;
	struct model *model;

	buffer_pool_reclaim(&models->workers->buffers, bytes);
	while (bytes > account->max_bytes - account->used_bytes && (model = longest_idle(models)))
		forget(model);
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
	models->idle_timer = handle_timer_new(loop, models);
	if (!models->idle_timer) {
		free(models);
		return -ENOMEM;
	}
	workers->room = on_room;
	workers->room_context = models;
	account->reclaim = on_reclaim;
	account->context = models;
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
	models->account->reclaim = NULL;
	while ((model = TAILQ_FIRST(&models->list))) {
		if (model->worker)
			(void)worker_run_drop(model->worker, &dropped);
		model->is_running = false;
		while (take_first(model))
			;
		forget(model);
	}
	handle_free(models->idle_timer);
	free(models);
}

static struct model *find(struct models *models, const unsigned char *hash)
{
	struct model *model;

	TAILQ_FOREACH(model, &models->list, entry)
	{
		if (memcmp(model_file_hash(model->file), hash, MODEL_HASH_BYTES) == 0)
			return model;
	}
	return NULL;
}

static struct model *add(struct models *models, struct model_file *file)
{
	struct model *model = calloc(1, sizeof(*model));

	if (!model)
		return NULL;
	model->models = models;
	model->file = file;
	TAILQ_INIT(&model->waiting);
	TAILQ_INSERT_TAIL(&models->list, model, entry);
	models->n++;
	return model;
}

void models_submit(struct models *models, struct model_file *file, struct request *request)
{
	struct model *model = find(models, model_file_hash(file));

	if (models->n_waiting >= MODELS_WAITING_MAX) {
		model_file_free(file);
		answer(models, request, TENSOCK_LIMIT_REACHED, "too many requests wait");
		return;
	}
	if (model) {
		model_file_free(file);
	} else {
		model = add(models, file);
		if (!model) {
			model_file_free(file);
			answer(models, request, TENSOCK_OUT_OF_MEMORY, "no memory");
			return;
		}
	}
	request->model = model;
	request->is_running = false;
	request->workers_lost = 0;
	request->queued_ns = tsk_now_ns();
	TAILQ_INSERT_TAIL(&model->waiting, request, entry);
	models->n_waiting++;
	advance(models);
}

void models_cancel(struct models *models, struct request *request)
{
	struct model *model = request->model;

	if (!model)
		return;
	if (request->is_running) {
		worker_link_cancel(model->worker, request);
		return;
	}
	TAILQ_REMOVE(&model->waiting, request, entry);
	models->n_waiting--;
	request->model = NULL;
	if (model->state == MODEL_UNLOADED && !is_needed(model))
		forget(model);
}

int models_buffer(struct models *models, const struct model *model, uint64_t bytes,
		  struct buffer **ret)
{
	return workers_buffer(models->workers, model ? model->worker : NULL, bytes, ret);
}

unsigned models_count(const struct models *models)
{
	return models->n;
}
