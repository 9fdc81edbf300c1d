/* SPDX-License-Identifier: Apache-2.0 */
#include "front/metrics.h"

#include <string.h>

#include "base/log.h"
#include "base/memfd.h"
#include "channel/metrics_page.h"
#include "front/handle.h"
#include "front/inferences.h"
#include "front/limit_hits.h"
#include "front/model.h"

#define REFRESH_MS 1000u

/* One model, or several that have the same name. */
struct row {
	char model[METRICS_TEXT_MAX + 1], version[METRICS_TEXT_MAX + 1];
	struct inferences inferences;
};

struct metrics {
	struct guest *guest;
	struct tsk_map page;
	uv_timer_t *timer; /* runs from when something may have changed */
	uv_check_t *check; /* the loop has turned */
	struct row rows[METRICS_MODELS_MAX], *sorted[METRICS_MODELS_MAX];
	unsigned n_rows;
};

/* Models */

static bool has_any(const struct inferences *inferences)
{
	for (unsigned i = 0; i < TENSOCK_STATUS_MAX; i++) {
		if (inferences->outcomes[i])
			return true;
	}
	return false;
}

static int compare(const struct row *row, const char *model, const char *version)
{
	int r = strcmp(row->model, model);

	return r ? r : strcmp(row->version, version);
}

/*
 * The one of that name: of names that were cut there may be several models.  NULL: there is no room for
 * one more.
 */
static struct row *get_row(struct metrics *metrics, const char *model, const char *version)
{
	struct row *row = &metrics->rows[metrics->n_rows];
	unsigned i = 0;
	int r = 1;

	while (i < metrics->n_rows && (r = compare(metrics->sorted[i], model, version)) < 0)
		i++;
	if (i < metrics->n_rows && r == 0)
		return metrics->sorted[i];
	if (metrics->n_rows == METRICS_MODELS_MAX)
		return NULL;
	*row = (struct row){ 0 };
	snprintf(row->model, sizeof(row->model), "%s", model);
	snprintf(row->version, sizeof(row->version), "%s", version);
	for (unsigned k = metrics->n_rows++; k > i; k--)
		metrics->sorted[k] = metrics->sorted[k - 1];
	metrics->sorted[i] = row;
	return row;
}

static void add_model(struct metrics *metrics, const struct model *model)
{
	char name[METRICS_TEXT_MAX + 1], version[METRICS_TEXT_MAX + 1];
	struct model_called called;
	struct row *row;

	if (!has_any(&model->inferences))
		return;
	models_called(model, &called);
	metrics_text(called.name, name);
	metrics_text(called.version, version);
	row = get_row(metrics, name, version);
	if (!row)
		row = get_row(metrics, METRICS_OTHERS, "");
	inferences_add(&row->inferences, &model->inferences);
}

/* The others have a row from the start, so that there is always room for what has none. */
static void make_rows(struct metrics *metrics)
{
	const struct models *models = metrics->guest->models;
	const struct model *model;

	metrics->n_rows = 0;
	get_row(metrics, METRICS_OTHERS, "")->inferences = models->gone;
	TAILQ_FOREACH(model, &models->list, entry)
	add_model(metrics, model);
}

static struct metrics_sample sample_of(const struct row *row, enum metrics_id id)
{
	struct metrics_sample sample = { .id = id };

	sample.labels[0].text = row->model;
	sample.labels[0].len = strlen(row->model);
	sample.labels[1].text = row->version;
	sample.labels[1].len = strlen(row->version);
	return sample;
}

static void put_outcomes(const struct metrics *metrics, struct tsk_writer *w)
{
	for (unsigned i = 0; i < metrics->n_rows; i++) {
		struct metrics_sample sample = sample_of(metrics->sorted[i], METRICS_INFERENCES);
		const uint64_t *outcomes = metrics->sorted[i]->inferences.outcomes;

		for (unsigned k = 0; k < TENSOCK_STATUS_MAX; k++) {
			sample.labels[2].index = k;
			sample.value = outcomes[k];
			if (outcomes[k] ||
			    (k == TENSOCK_OK && has_any(&metrics->sorted[i]->inferences)))
				metrics_write(w, &sample);
		}
	}
}

static const struct metrics_histogram *histogram_of(const struct row *row, enum metrics_id id)
{
	return id == METRICS_TRANSFER  ? &row->inferences.transfer
	       : id == METRICS_QUEUE   ? &row->inferences.queue
	       : id == METRICS_COMPUTE ? &row->inferences.compute
				       : &row->inferences.total;
}

static void put_histograms(const struct metrics *metrics, struct tsk_writer *w, enum metrics_id id)
{
	for (unsigned i = 0; i < metrics->n_rows; i++) {
		struct metrics_sample sample = sample_of(metrics->sorted[i], id);

		if (!metrics->sorted[i]->inferences.outcomes[TENSOCK_OK])
			continue;
		sample.histogram = *histogram_of(metrics->sorted[i], id);
		metrics_write(w, &sample);
	}
}

static void put_inferences(struct metrics *metrics, struct tsk_writer *w)
{
	make_rows(metrics);
	put_outcomes(metrics, w);
	put_histograms(metrics, w, METRICS_TRANSFER);
	put_histograms(metrics, w, METRICS_QUEUE);
	put_histograms(metrics, w, METRICS_COMPUTE);
	put_histograms(metrics, w, METRICS_TOTAL);
}

/* The guest */

static void put(struct tsk_writer *w, enum metrics_id id, uint64_t value)
{
	const struct metrics_sample sample = { .id = id, .value = value };

	metrics_write(w, &sample);
}

static void put_at(struct tsk_writer *w, enum metrics_id id, unsigned index, uint64_t value)
{
	struct metrics_sample sample = { .id = id, .value = value };

	sample.labels[0].index = index;
	metrics_write(w, &sample);
}

static void put_requests(const struct guest *guest, struct tsk_writer *w)
{
	const struct counters *c = &guest->counters;

	put_at(w, METRICS_REQUESTS, METRICS_OK, c->ok);
	put_at(w, METRICS_REQUESTS, METRICS_ERROR, c->error);
	put_at(w, METRICS_REQUESTS, METRICS_CANCELLED, c->cancelled);
	put_at(w, METRICS_REQUESTS, METRICS_RESET, c->reset);
	put(w, METRICS_REQUESTS_ACTIVE, counters_active(c));
	put(w, METRICS_REQUESTS_WAITING, guest->models->n_waiting);
}

static void put_holdings(const struct guest *guest, struct tsk_writer *w)
{
	const struct counters *c = &guest->counters;

	put(w, METRICS_CONNECTIONS, guest->sessions.n);
	put(w, METRICS_CONNECTIONS_OPENED, c->connections);
	put(w, METRICS_RECEIVED, c->received_bytes);
	put(w, METRICS_SENT, c->sent_bytes);
	put(w, METRICS_MEMORY, guest->account.used_bytes);
	put(w, METRICS_MEMORY_MAX, guest->account.max_bytes);
	put(w, METRICS_MODELS, models_count(guest->models));
	put(w, METRICS_MODELS_KEPT, models_kept(guest->models));
	put(w, METRICS_MODELS_LOADED, models_loaded(guest->models));
	put(w, METRICS_WORKERS, guest->workers->n);
	put_at(w, METRICS_UPLOADS, METRICS_UPLOAD_BEGUN, c->uploads_begun);
	put_at(w, METRICS_UPLOADS, METRICS_UPLOAD_RESUMED, c->uploads_resumed);
	put_at(w, METRICS_UPLOADS, METRICS_UPLOAD_FINISHED, c->uploads_finished);
	put_at(w, METRICS_UPLOADS, METRICS_UPLOAD_WRONG, c->uploads_wrong);
	put_at(w, METRICS_UPLOADS, METRICS_UPLOAD_DROPPED, c->uploads_dropped);
	put(w, METRICS_UPLOAD_BYTES, c->upload_bytes);
	for (unsigned i = 0; i < METRICS_LIMIT_MAX; i++)
		put_at(w, METRICS_LIMITS, i, limit_hits((enum metrics_limit)i));
	put(w, METRICS_LOG_DROPPED, tsk_log_dropped());
}

/* In the order of their ids. */
static void refresh(struct metrics *metrics)
{
	struct tsk_writer w = metrics_page_begin(metrics->page.addr, metrics->page.size);

	put_requests(metrics->guest, &w);
	put_inferences(metrics, &w);
	put_holdings(metrics->guest, &w);
	metrics_page_commit(metrics->page.addr, &w);
}

/* When */

static void on_time(uv_timer_t *timer)
{
	refresh(timer->data);
}

static void on_turn(uv_check_t *check)
{
	struct metrics *metrics = check->data;

	/* It runs out in a turn whose check comes before, or a turn later: it does not start itself. */
	if (!uv_is_active((const uv_handle_t *)metrics->timer))
		uv_timer_start(metrics->timer, on_time, REFRESH_MS, 0);
}

int metrics_new(struct guest *guest, int fd, struct metrics **ret)
{
	struct metrics *metrics;
	uint64_t size;

	if (tsk_memfd_check(fd, false, &size) < 0 || size != METRICS_FRONT_PAGE_BYTES)
		return -EPROTO;
	metrics = calloc(1, sizeof(*metrics));
	if (!metrics)
		return -ENOMEM;
	metrics->guest = guest;
	metrics->timer = handle_timer_new(guest->loop, metrics);
	metrics->check = handle_check_new(guest->loop, metrics);
	if (!metrics->timer || !metrics->check || tsk_map_new(fd, size, true, &metrics->page) < 0) {
		handle_free(metrics->timer);
		handle_free(metrics->check);
		free(metrics);
		return -ENOMEM;
	}
	uv_check_start(metrics->check, on_turn);
	uv_unref((uv_handle_t *)metrics->check);
	uv_unref((uv_handle_t *)metrics->timer);
	refresh(metrics);
	*ret = metrics;
	return 0;
}

void metrics_flush(struct metrics *metrics)
{
	if (metrics)
		refresh(metrics);
}

void metrics_free(struct metrics *metrics)
{
	if (!metrics)
		return;
	handle_free(metrics->timer);
	handle_free(metrics->check);
	tsk_map_done(&metrics->page);
	free(metrics);
}
