/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon_metrics.h"

#include <string.h>

#include "base/status.h"
#include "sandbox/feature.h"
#include "supervisor/daemon.h"

/* The samples */

static void put(struct tsk_writer *w, enum metrics_id id, uint64_t value)
{
	const struct metrics_sample sample = { .id = id, .value = value };

	metrics_write(w, &sample);
}

static void put_features(struct tsk_writer *w, enum metrics_id id, unsigned features)
{
	for (unsigned i = 0; i < SANDBOX_FEATURES; i++) {
		struct metrics_sample sample = { .id = id, .value = features >> i & 1 };

		sample.labels[0].index = i;
		metrics_write(w, &sample);
	}
}

static void put_daemon(const struct daemon *d, struct tsk_writer *w)
{
	static const char version[] = TENSOCK_VERSION;
	struct metrics_sample build = { .id = METRICS_BUILD, .value = 1 };

	build.labels[0] = (struct metrics_value){ .text = version, .len = strlen(version) };
	metrics_write(w, &build);
	put_features(w, METRICS_MAY_LACK, d->launcher.may_lack);
	put_features(w, METRICS_LACKS, d->lacks);
	put(w, METRICS_GUESTS, d->guests.n_guests);
	put(w, METRICS_GUESTS_REFUSED, d->guests.n_refused);
	put(w, METRICS_STORE_RESTARTS, d->store_restarts);
	put(w, METRICS_DAEMON_LOG_DROPPED, tsk_log_dropped());
}

static struct metrics_sample sample_of(enum metrics_id id, const struct guest_info *guest)
{
	struct metrics_sample sample = { .id = id };

	sample.labels[0] =
		(struct metrics_value){ .text = guest->name, .len = strlen(guest->name) };
	return sample;
}

static uint64_t value_of(enum metrics_id id, const struct guest_info *guest)
{
	const struct guest_counts *counts = guest->counts;

	switch (id) {
	case METRICS_FRONT_UP:
		return guest->pid != 0;
	case METRICS_FRONTS_STARTED:
		return counts->fronts_started;
	case METRICS_FRONTS_LOST:
		return counts->fronts_lost;
	case METRICS_FRONT_CRASHES:
		return counts->front_crashes;
	case METRICS_WORKERS_STARTED:
		return counts->workers_started;
	case METRICS_WORKER_KILLS:
		return counts->worker_kills;
	case METRICS_WORKER_CRASHES:
		return counts->worker_crashes;
	case METRICS_WORKERS_REFUSED:
		return counts->workers_refused;
	default:
		return counts->accepted;
	}
}

static void put_refused(struct tsk_writer *w, const struct guest_info *guest)
{
	struct metrics_sample sample = sample_of(METRICS_REFUSED, guest);

	for (unsigned i = 0; i < METRICS_REASON_MAX; i++) {
		sample.labels[1].index = i;
		sample.value = guest->counts->refused[i];
		metrics_write(w, &sample);
	}
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct guest_info *)a)->name, ((const struct guest_info *)b)->name);
}

/* The guests by their names, as the order of a page has it.  NULL: no memory. */
static struct guest_info *sorted_guests(const struct guest_table *table)
{
	struct guest_info *list = calloc(table->n_guests + 1, sizeof(*list));
	const struct guest *guest = NULL;
	unsigned n = 0;

	while (list && n < table->n_guests && (guest = guest_table_next(table, guest)))
		list[n++] = guest_info(guest);
	if (list)
		qsort(list, n, sizeof(*list), compare);
	return list;
}

static void put_guests(const struct guest_table *table, struct tsk_writer *w)
{
	_cleanup_free_ struct guest_info *list = sorted_guests(table);

	for (unsigned id = METRICS_FRONT_UP; list && id < METRICS_REFUSED; id++) {
		for (unsigned i = 0; i < table->n_guests; i++) {
			struct metrics_sample sample = sample_of((enum metrics_id)id, &list[i]);

			sample.value = value_of(sample.id, &list[i]);
			metrics_write(w, &sample);
		}
	}
	for (unsigned i = 0; list && i < table->n_guests; i++)
		put_refused(w, &list[i]);
}

static void on_write(void *context, struct tsk_writer *w)
{
	const struct daemon *d = context;

	put_daemon(d, w);
	put_guests(&d->guests, w);
}

/* The process */

static void on_may_tell(void *context, bool is_new)
{
	struct daemon *d = context;

	guest_table_tell_metrics(&d->guests, is_new);
}

static int bind_listener(struct daemon *d, struct listener **ret, struct tensock_error *reterr)
{
	const struct address *address = &d->config->metrics.address;
	struct listener *listener = calloc(1, sizeof(*listener));
	struct place place = { .kind = LISTENER_METRICS };
	struct listener_handed handed;
	int r;

	if (!listener)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	if (address->kind == ADDRESS_TCP) {
		place.kind = LISTENER_TCP;
		place.ipv4 = address->ipv4;
		place.port = address->port;
	}
	memcpy(place.path, address->path, sizeof(place.path));
	r = listener_bind(listener, &place,
			  activation_take(&d->activation, &place, &handed) ? &handed : NULL,
			  reterr);
	if (r < 0) {
		tsk_error_prefix(reterr, "metrics");
		listener_close(listener);
		return r;
	}
	*ret = listener;
	return 0;
}

int daemon_metrics_open(struct daemon *d, struct tensock_error *reterr)
{
	struct metrics_process_config config = { .may_tell = on_may_tell,
						 .write = on_write,
						 .context = d };
	int r;

	if (!d->config->metrics.is_on)
		return 0;
	r = launcher_find_metrics(&d->launcher, reterr);
	if (r == 0)
		r = bind_listener(d, &config.listener, reterr);
	if (r < 0)
		return r;
	d->lacks = d->launcher.may_lack ? d->launcher.may_lack & sandbox_missing() : 0;
	tsk_info("metrics at %s", config.listener->text);
	r = metrics_process_new(&d->launcher, &config, &d->guests.metrics);
	return r == 0 ? 0
		      : tsk_fail(reterr, TENSOCK_INTERNAL, "the metrics cannot be started: %s",
				 strerror(-r));
}
