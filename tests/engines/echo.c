/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine for tests: each output is the input of the same number.  The model is a text:
 *
 *	TSKECHO1 tensors=1 dtype=11 shape=-1,4 delay_ms=0 load_ms=0 runs=1 together=0
 *
 * with words after the first in any order, all of them optional (these are the defaults).  dtype is
 * a number of enum tensock_dtype.  delay_ms, of each run, ends early when it is cancelled.  runs: how
 * many may be under way at once; more at once end the process.  together: a run goes on only once so many
 * are under way, or after a while with an error.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tensock/engine.h>

#define MAGIC "TSKECHO1"
#define TENSORS_MAX 1024u
#define CANCELLED_MAX 64u
#define TOGETHER_S 10

struct model {
	struct tensock_model_description description;
	struct tensock_tensor_info infos[TENSORS_MAX];
	char names[TENSORS_MAX][16];
	long delay_ms, runs, together;

	pthread_mutex_t mutex;
	pthread_cond_t changed;
	uint64_t cancelled[CANCELLED_MAX]; /* the latest: a ring */
	unsigned n_cancelled;
	long n_inside; /* runs under way */
	long met;      /* so many have waited for each other until now, `together` at a time */
};

static uint32_t fail(struct tensock_error *reterr, uint32_t status, const char *text)
{
	if (reterr) {
		reterr->status = status;
		snprintf(reterr->message, sizeof(reterr->message), "%s", text);
	}
	return status;
}

static uint32_t probe(const void *bytes, uint64_t n_bytes, const char **ret_format)
{
	if (n_bytes < strlen(MAGIC) || memcmp(bytes, MAGIC, strlen(MAGIC)) != 0)
		return 0;
	*ret_format = "echo";
	return 100;
}

static uint32_t open_engine(const struct tensock_host *host, void **ret_engine,
			    struct tensock_error *reterr)
{
	static char engine;
	const char *refuse = host->option(host->context, "refuse");

	if (refuse)
		return fail(reterr, TENSOCK_UNAVAILABLE, refuse);
	host->log(host->context, TENSOCK_LOG_DEBUG, "echo: open");
	*ret_engine = &engine;
	return TENSOCK_OK;
}

static void close_engine(void *engine)
{
	(void)engine;
}

static const char *version(void *engine)
{
	(void)engine;
	return "1";
}

static void read_shape(const char *text, struct tensock_tensor_info *ret)
{
	char *end;

	ret->rank = 0;
	while (*text && ret->rank < TENSOCK_RANK_MAX) {
		ret->dims[ret->rank++] = strtoll(text, &end, 10);
		text = *end == ',' ? end + 1 : "";
	}
}

static void sleep_ms(long ms)
{
	/* What a sealed worker may wait by. */
	poll(NULL, 0, (int)ms);
}

/* One word, "name=value". */
static void apply(struct model *model, struct tensock_tensor_info *info, const char *word)
{
	long n = 0;

	if (sscanf(word, "tensors=%ld", &n) == 1)
		model->description.n_inputs = (uint32_t)(n < TENSORS_MAX ? n : TENSORS_MAX);
	else if (sscanf(word, "dtype=%ld", &n) == 1)
		info->dtype = (uint32_t)n;
	else if (strncmp(word, "shape=", 6) == 0)
		read_shape(word + 6, info);
	else if (sscanf(word, "delay_ms=%ld", &n) == 1)
		model->delay_ms = n;
	else if (sscanf(word, "runs=%ld", &n) == 1)
		model->runs = n;
	else if (sscanf(word, "together=%ld", &n) == 1)
		model->together = n;
	else if (sscanf(word, "load_ms=%ld", &n) == 1)
		sleep_ms(n);
}

static void configure(struct model *model, char *text)
{
	struct tensock_tensor_info info = { .dtype = TENSOCK_FLOAT32,
					    .rank = 2,
					    .dims = { -1, 4 } };
	struct tensock_model_description *d = &model->description;
	char *rest = NULL;

	d->size = sizeof(*d);
	d->n_inputs = 1;
	for (char *word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
		apply(model, &info, word);
	for (uint32_t i = 0; i < d->n_inputs; i++) {
		snprintf(model->names[i], sizeof(model->names[i]), "x%u", i);
		model->infos[i] = info;
		model->infos[i].name = model->names[i];
	}
	d->n_outputs = d->n_inputs;
	d->inputs = d->outputs = model->infos;
}

static uint32_t load(void *engine, const void *bytes, uint64_t n_bytes, void **ret_model,
		     struct tensock_error *reterr)
{
	struct model *model = calloc(1, sizeof(*model));
	char *text = strndup(bytes, n_bytes);

	(void)engine;
	if (!model || !text) {
		free(model);
		free(text);
		return fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	}
	configure(model, text);
	free(text);
	pthread_mutex_init(&model->mutex, NULL);
	pthread_cond_init(&model->changed, NULL);
	*ret_model = model;
	return TENSOCK_OK;
}

static void unload(void *arg)
{
	struct model *model = arg;

	if (!model)
		return;
	pthread_mutex_destroy(&model->mutex);
	pthread_cond_destroy(&model->changed);
	free(model);
}

static const struct tensock_model_description *describe(void *arg)
{
	return &((const struct model *)arg)->description;
}

static void cancel(void *arg, uint64_t run_id)
{
	struct model *model = arg;

	pthread_mutex_lock(&model->mutex);
	model->cancelled[model->n_cancelled++ % CANCELLED_MAX] = run_id;
	pthread_cond_broadcast(&model->changed);
	pthread_mutex_unlock(&model->mutex);
}

static bool was_cancelled(const struct model *model, uint64_t run_id)
{
	for (unsigned i = 0; i < CANCELLED_MAX; i++) {
		if (model->cancelled[i] == run_id)
			return true;
	}
	return false;
}

static struct timespec after_ms(long ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	return until;
}

/* The mutex is held.  False when it was cancelled on its way. */
static bool wait_delay(struct model *model, uint64_t run_id)
{
	struct timespec until = after_ms(model->delay_ms);
	int r = 0;

	while (!was_cancelled(model, run_id) && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&model->changed, &model->mutex, &until);
	return !was_cancelled(model, run_id);
}

/* The mutex is held.  False when too few have come. */
static bool wait_together(struct model *model)
{
	struct timespec until = after_ms(1000 * TOGETHER_S);
	long turn = model->met / model->together;
	int r = 0;

	model->met++;
	pthread_cond_broadcast(&model->changed);
	while (model->met / model->together == turn && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&model->changed, &model->mutex, &until);
	return model->met / model->together != turn;
}

/* Alone, or beside as many as may be. */
static uint32_t pass_time(struct model *model, uint64_t run_id, struct tensock_error *reterr)
{
	bool is_met = true, is_wanted = true;

	if (!model->delay_ms && !model->together && model->runs < 2)
		return TENSOCK_OK;
	pthread_mutex_lock(&model->mutex);
	if (++model->n_inside > (model->runs > 1 ? model->runs : 1))
		abort();
	if (model->together)
		is_met = wait_together(model);
	if (model->delay_ms)
		is_wanted = wait_delay(model, run_id);
	model->n_inside--;
	pthread_mutex_unlock(&model->mutex);
	if (!is_met)
		return fail(reterr, TENSOCK_ENGINE_FAILED, "it ran without company");
	return is_wanted ? TENSOCK_OK : fail(reterr, TENSOCK_CANCELLED, "cancelled");
}

static void free_data(struct tensock_tensor *tensor)
{
	free(tensor->data);
}

static const struct tensock_tensor *find(const struct tensock_tensor *tensors, uint32_t n,
					 uint32_t index)
{
	for (uint32_t i = 0; i < n; i++) {
		if (tensors[i].index == index)
			return &tensors[i];
	}
	return NULL;
}

static uint32_t echo(const struct tensock_tensor *in, struct tensock_tensor *out,
		     struct tensock_error *reterr)
{
	if (!in)
		return fail(reterr, TENSOCK_INVALID_ARGUMENT, "an input is missing");
	if (out->data && out->bytes != in->bytes)
		return fail(reterr, TENSOCK_ENGINE_FAILED, "the output has another shape");
	if (!out->data) {
		*out = *in;
		out->data = malloc(in->bytes ? in->bytes : 1);
		if (!out->data)
			return fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
		out->release = free_data;
	}
	memcpy(out->data, in->data, in->bytes);
	return TENSOCK_OK;
}

static uint32_t run(void *arg, uint64_t run_id, const struct tensock_tensor *inputs,
		    uint32_t n_inputs, struct tensock_tensor *outputs, uint32_t n_outputs,
		    struct tensock_error *reterr)
{
	struct model *model = arg;
	uint32_t s = pass_time(model, run_id, reterr);

	for (uint32_t i = 0; s == TENSOCK_OK && i < n_outputs; i++)
		s = echo(find(inputs, n_inputs, outputs[i].index), &outputs[i], reterr);
	for (uint32_t i = 0; s != TENSOCK_OK && i < n_outputs; i++) {
		if (outputs[i].release)
			outputs[i].release(&outputs[i]);
	}
	return s;
}

static uint32_t concurrency(void *arg)
{
	return (uint32_t)((const struct model *)arg)->runs;
}

const struct tensock_engine *tensock_engine_entry(void)
{
	static const struct tensock_engine engine = {
		.size = sizeof(engine),
		.abi_major = TENSOCK_ENGINE_ABI_MAJOR,
		.name = "echo",
		.probe = probe,
		.open = open_engine,
		.close = close_engine,
		.version = version,
		.load = load,
		.unload = unload,
		.describe = describe,
		.run = run,
		.cancel = cancel,
		.concurrency = concurrency,
	};

	return &engine;
}
