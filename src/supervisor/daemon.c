/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/status.h"
#include "supervisor/daemon_metrics.h"
#include "supervisor/listen.h"
#include "supervisor/operators.h"
#include "supervisor/reload.h"
#include "supervisor/store_process.h"

/* Beyond what the fronts may need to finish: they report, and exit. */
#define DRAIN_EXTRA_MS 2000

/* How long a killed process is waited for: to free its memory takes a while. */
#define KILLED_MS 10000

#define LOG_LINES_PER_SEC 50u

static const int signal_numbers[DAEMON_SIGNAL_MAX] = { [DAEMON_SIGNAL_TERM] = SIGTERM,
						       [DAEMON_SIGNAL_INT] = SIGINT,
						       [DAEMON_SIGNAL_HUP] = SIGHUP,
						       [DAEMON_SIGNAL_USR2] = SIGUSR2 };

void daemon_set_log(enum tsk_log_level level, unsigned bits)
{
	tsk_log_init("tensockd", NULL, level, LOG_LINES_PER_SEC);
	tsk_log_set_json(bits & TSK_LOG_JSON);
}

/* Connections */

static void on_accepted(struct listener *listener, const char *name, int fd)
{
	static const enum front_msg_type types[] = {
		[LISTENER_VSOCK] = FRONT_CONNECTION,  [LISTENER_UNIX] = FRONT_CONNECTION,
		[LISTENER_HYBRID] = FRONT_CONNECTION, [LISTENER_TCP] = FRONT_CONNECTION,
		[LISTENER_HOST] = FRONT_HOST_STREAM,  [LISTENER_HOST_SEQPACKET] = FRONT_HOST_STREAM,
	};
	struct daemon *d = listener->context;
	struct guest *guest;
	int r = -EACCES;

	if (!d->config->only_configured || config_knows(d->config, name))
		r = guest_table_get(&d->guests, name, &guest);
	if (r == 0 && listener->place.kind == LISTENER_VHOST) {
		guest_vmm(guest, fd);
		return;
	}
	if (r == 0) {
		guest_deliver(guest, types[listener->place.kind], fd);
		return;
	}
	listener_refuse(listener, name, fd,
			r == -EDQUOT   ? "there are max-guests of others"
			: r == -EACCES ? "it has no section (guests = configured)"
				       : strerror(-r));
}

static bool has_room(struct listener *listener)
{
	struct daemon *d = listener->context;
	struct guest *guest;

	if (guest_table_get(&d->guests, listener->place.guest, &guest) < 0)
		return true;
	return guest_has_room(guest) &&
	       (listener->place.kind != LISTENER_HYBRID || guest_may_connect(guest));
}

/* The end */

/* Nothing runs any more: closes what keeps the loop going. */
static void end(struct daemon *d)
{
	guest_table_done(&d->guests);
	store_process_free(TAKE_PTR(d->guests.store));
	metrics_process_free(TAKE_PTR(d->guests.metrics));
	launcher_done(&d->launcher);
	for (unsigned i = 0; i < DAEMON_SIGNAL_MAX; i++)
		uv_close((uv_handle_t *)&d->signals[i], NULL);
	uv_close((uv_handle_t *)&d->drain, NULL);
	notify_done(&d->notify);
	upgrade_done(&d->upgrade);
}

static void on_none_left(void *context)
{
	struct daemon *d = context;

	if (d->stopping)
		end(d);
}

static void on_killed_for_long(uv_timer_t *timer)
{
	struct daemon *d = timer->data;

	children_leave(&d->launcher.children);
}

static void kill_all(struct daemon *d)
{
	children_kill(&d->launcher.children);
	uv_timer_start(&d->drain, on_killed_for_long, KILLED_MS, 0);
}

static void on_drain_over(uv_timer_t *timer)
{
	tsk_warning("what still runs has passed its deadline, and is killed");
	kill_all(timer->data);
}

static void stop(struct daemon *d)
{
	d->stopping = true;
	notify_stopping(&d->notify, "Finishing what runs");
	listen_stop(d);
	guest_table_stop(&d->guests);
	if (d->guests.store)
		store_process_stop(d->guests.store);
	if (d->guests.metrics)
		metrics_process_stop(d->guests.metrics);
	uv_timer_start(&d->drain, on_drain_over, guest_table_drain_ms(&d->guests) + DRAIN_EXTRA_MS,
		       0);
	if (!d->launcher.children.first)
		end(d);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	struct daemon *d = handle->data;

	if (signum == SIGHUP) {
		if (!d->stopping)
			reload(d);
	} else if (signum == SIGUSR2) {
		upgrade_begin(d);
	} else if (!d->stopping) {
		tsk_info("%s: finishing what runs; a second signal ends it now",
			 signum == SIGTERM ? "SIGTERM" : "SIGINT");
		stop(d);
	} else {
		tsk_info("ending now");
		kill_all(d);
	}
}

/* For end(), which may come early. */
static void init_handles(struct daemon *d)
{
	for (unsigned i = 0; i < DAEMON_SIGNAL_MAX; i++) {
		uv_signal_init(&d->loop, &d->signals[i]);
		d->signals[i].data = d;
	}
	notify_init(&d->notify, &d->loop);
	upgrade_init(&d->upgrade, &d->loop);
	uv_timer_init(&d->loop, &d->drain);
	d->drain.data = d;
}

static int watch_signals(struct daemon *d)
{
	int r = 0;

	for (unsigned i = 0; i < DAEMON_SIGNAL_MAX && r == 0; i++)
		r = uv_signal_start(&d->signals[i], on_signal, signal_numbers[i]);
	return r;
}

/* For the fronts: one that ran out of fds would lose all that its guest has, its device too. */
void daemon_fit_fd_limit(struct config *config)
{
	uint64_t lowered = 0;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limits_fit_files(&config->limits, limit.rlim_cur))
		lowered = config->limits.value[LIMIT_CONNECTIONS];
	for (unsigned i = 0; i < config->n_guests; i++) {
		struct limits *limits = &config->guests[i].limits;

		if (limits_fit_files(limits, limit.rlim_cur) &&
		    (!lowered || limits->value[LIMIT_CONNECTIONS] < lowered))
			lowered = limits->value[LIMIT_CONNECTIONS];
	}
	if (lowered)
		tsk_warning(
			"at most %" PRIu64 " files may be open, so max-connections is "
			"lowered, to %" PRIu64 " where it is least: raise RLIMIT_NOFILE "
			"(ulimit -Hn, LimitNOFILE=), or lower max-connections, max-workers or max-requests",
			(uint64_t)limit.rlim_cur, lowered);
}

static void tell_ready(struct daemon *d)
{
	listen_tell(d);
	notify_ready(&d->notify, "Serving guests");
}

/* A guest that was detached is gone.  It may have been so that it comes back as another one. */
static void on_gone(void *context, const char *name)
{
	struct tensock_error error = { 0 };
	const struct config_guest *guest;
	struct daemon *d = context;

	operators_gone(d, name);
	guest = config_guest(d->config, name);
	if (!d->stopping && guest && guest->vhost_socket[0] && listen_device(d, name, &error) < 0)
		tsk_error("%s", error.message);
}

static void on_store_restarted(void *context)
{
	struct daemon *d = context;

	d->store_restarts++;
	guest_table_store_restarted(&d->guests);
}

static int open_store(struct daemon *d, struct tensock_error *reterr)
{
	const struct config *config = d->config;
	struct store_process_config store = { .bytes = config->store.bytes,
					      .keep_ms = config_longest_keep_ms(config),
					      .restarted = on_store_restarted,
					      .context = d };
	int r;

	if (!config->store.path[0])
		return 0;
	r = launcher_find_store(&d->launcher, reterr);
	if (r == 0)
		r = store_setting_open(&config->store, &store.folder_fd, reterr);
	if (r < 0)
		return r;
	r = store_process_new(&d->launcher, &store, &d->guests.store);
	return r == 0 ? 0
		      : tsk_fail(reterr, TENSOCK_INTERNAL, "the store cannot be started: %s",
				 strerror(-r));
}

static int start(struct daemon *d, struct takeover *takeover, struct tensock_error *reterr)
{
	int r = launcher_init(&d->launcher, &d->loop, d->config);

	guest_table_init(&d->guests, &d->launcher, d->config);
	d->guests.gone = on_gone;
	d->guests.context = d;
	d->launcher.children.none_left = on_none_left;
	d->launcher.children.context = d;
	if (r == 0)
		r = watch_signals(d);
	if (r < 0)
		return tsk_fail(reterr, TENSOCK_INTERNAL, "signals cannot be handled: %s",
				strerror(-r));
	r = launcher_find_programs(&d->launcher, &d->config->engines, reterr);
	if (r == 0)
		r = activation_read(&d->activation, reterr);
	if (r == 0)
		r = open_store(d, reterr);
	if (r == 0 && takeover && upgrade_adopt(d, takeover) < 0)
		r = tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	if (r == 0)
		r = daemon_metrics_open(d, reterr);
	children_reap(&d->launcher.children);
	return r < 0 ? r : listen_all(d, reterr);
}

int daemon_run(struct config *config, int argc, char **argv, struct takeover *takeover,
	       struct tensock_error *reterr)
{
	struct daemon d = { .config = config,
			    .argc = argc,
			    .argv = argv,
			    .started_ns = tsk_now_ns(),
			    .accepted = on_accepted,
			    .has_room = has_room,
			    .control_ops = &operators_ops };
	int r;

	signal(SIGPIPE, SIG_IGN);
	daemon_fit_fd_limit(config);
	r = uv_loop_init(&d.loop);
	if (r < 0)
		return tsk_fail(reterr, TENSOCK_INTERNAL, "no event loop: %s", strerror(-r));
	init_handles(&d);
	r = start(&d, takeover, reterr);
	upgrade_unblock_signals();
	activation_done(&d.activation);
	if (r == 0)
		tell_ready(&d);
	else
		stop(&d);
	uv_run(&d.loop, UV_RUN_DEFAULT);
	uv_loop_close(&d.loop);
	return r;
}
