/* SPDX-License-Identifier: Apache-2.0 */
#include "front/guest.h"

#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/status.h"
#include "front/access_log.h"
#include "front/handle.h"
#include "front/limit_hits.h"
#include "front/metrics.h"
#include "front/vhost/vsock_device.h"

#define LOG_LINES_PER_SEC 10u
#define IDLE_MS 60000u
#define STOP_GRACE_MS \
	20u /* what a guest has sent before the end, but nobody has read, is read in this */
#define LAST_WORDS_MS 1000u /* less than the supervisor waits beyond run_deadline_ms */
#define STORE_WAIT_MS 5000u /* for what is stored, before the guest's first word is read */
#define WINDOWS_SHARE 64u   /* the device's wide windows: this part of max-memory, beside it */

static void end(struct guest *guest, int result)
{
	guest->has_ended = true;
	guest->result = result;
	stored_flush(guest->stored);
	uploads_flush(guest->uploads);
	metrics_flush(guest->metrics);
	uv_stop(guest->loop);
}

static void on_last_words_time(uv_timer_t *timer)
{
	struct guest *guest = timer->data;

	tsk_warning("stopping with %u connections that do not take their answers",
		    guest->sessions.n);
	end(guest, 0);
}

static void on_stop_time(uv_timer_t *timer)
{
	struct guest *guest = timer->data;

	tsk_warning("stopping with %u connections still at work", guest->sessions.n);
	uv_timer_start(timer, on_last_words_time, LAST_WORDS_MS, 0);
	sessions_give_up(&guest->sessions);
}

/* Whether the front could go and come again without anyone's loss, or is to. */
static bool is_idle(const struct guest *guest)
{
	bool is_empty = (models_kept(guest->models) == 0 || !stored_is_behind(guest->stored)) &&
			uploads_kept(guest->uploads) == 0;

	return !guest->device && guest->sessions.n == 0 &&
	       socket_carriers_count(guest->carriers) == 0 && guest->workers->n == 0 &&
	       (is_empty || guest->limits.is_borrowed);
}

static void on_idle_time(uv_timer_t *timer)
{
	struct guest *guest = timer->data;
	int r;

	if (!is_idle(guest))
		return;
	r = supervisor_send(guest->supervisor, FRONT_IDLE, 0,
			    supervisor_link_received(guest->supervisor));
	if (r < 0)
		tsk_warning("cannot tell that nothing is open: %s", strerror(-r));
}

/* Something has been opened or closed. */
static void look_at_what_is_open(struct guest *guest)
{
	if (guest->has_ended)
		return;
	if (guest->is_stopping) {
		if (guest->sessions.n == 0)
			end(guest, 0);
	} else if (is_idle(guest)) {
		uv_timer_start(guest->timer, on_idle_time,
			       guest->limits.is_borrowed ? guest->limits.model_idle_ms : IDLE_MS,
			       0);
	} else {
		uv_timer_stop(guest->timer);
	}
}

static int ask_for_connection(void *context, uint64_t id, uint32_t port, int type)
{
	struct guest *guest = context;

	return supervisor_send(guest->supervisor, FRONT_CONNECT, id,
			       port | (type == SOCK_SEQPACKET ? FRONT_CONNECT_SEQPACKET : 0));
}

static void on_session_ended(void *context)
{
	struct guest *guest = context;

	device_link_end(guest->device_link);
}

static int open_device(struct guest *guest)
{
	struct vsock_device_config config = {
		.guest_cid = guest->limits.cid,
		.connections_max = guest->limits.connections_max,
		.window_bytes_max = guest->limits.memory_bytes_max / WINDOWS_SHARE,
		.pause_ms = guest->limits.pause_deadline_ms,
		.service = sessions_service(&guest->sessions),
		.connect = ask_for_connection,
		.connect_context = guest,
		.ended = on_session_ended,
		.ended_context = guest,
	};

	memcpy(config.ports, guest->limits.ports, sizeof(config.ports));
	return guest->limits.cid ? vsock_device_new(guest->loop, &config, &guest->device) : 0;
}

/* The order in which memory is given up for something else. */
static void reclaim(void *context, uint64_t bytes)
{
	struct guest *guest = context;

	if (guest->workers)
		buffer_pool_reclaim(&guest->workers->buffers, bytes);
	if (guest->uploads)
		uploads_reclaim(guest->uploads, bytes);
	if (guest->models)
		models_reclaim(guest->models, bytes);
}

static void on_emptied(void *context)
{
	struct guest *guest = context;

	if (guest->has_started)
		look_at_what_is_open(guest);
}

static void may_save_upload(void *context)
{
	struct guest *guest = context;

	if (guest->uploads)
		uploads_save(guest->uploads);
}

static const struct stored_ops stored_ops = { .changed = on_emptied,
					      .may_save_upload = may_save_upload };

/* Models and what is on its way to them. */
static int open_models(struct guest *guest)
{
	struct uploads_host host = {
		.loop = guest->loop,
		.work = &guest->work,
		.account = &guest->account,
		.limits = &guest->limits,
		.counters = &guest->counters,
		.emptied = on_emptied,
		.context = guest,
	};
	int r = models_new(guest->loop, guest->workers, &guest->account, &guest->limits,
			   &guest->models);

	if (r < 0)
		return r;
	r = stored_new(guest->loop, guest->models, &guest->limits, &stored_ops, guest,
		       &guest->stored);
	if (r < 0)
		return r;
	models_when_empty(guest->models, on_emptied, guest);
	host.parts = stored_parts(guest->stored);
	guest->account.reclaim = reclaim;
	guest->account.context = guest;
	return uploads_new(&host, &guest->uploads);
}

static int open_all(struct guest *guest)
{
	struct stream_service service;
	int r;

	guest->account.max_bytes = guest->limits.memory_bytes_max;
	regions_init(&guest->regions, guest->supervisor);
	sessions_init(&guest->sessions, guest, look_at_what_is_open);
	service = sessions_service(&guest->sessions);
	r = work_queue_init(&guest->work, guest->loop);
	if (r == 0)
		r = workers_new(guest->loop, guest->supervisor, &guest->work, &guest->account,
				&guest->limits, &guest->workers);
	guest->regions.gone = workers_forget_region;
	guest->regions.context = guest->workers;
	if (r == 0)
		r = open_models(guest);
	if (r == 0)
		r = socket_carriers_new(guest->loop, &service, &guest->account, &guest->carriers);
	if (r == 0)
		r = open_device(guest);
	if (r == 0)
		guest->timer = handle_timer_new(guest->loop, guest);
	return r < 0 ? r : guest->timer ? 0 : -ENOMEM;
}

static void on_start(struct guest *guest, const struct front_start *start)
{
	enum tsk_log_level level = tsk_log_level_of(start->log_level);
	struct tensock_error error = { 0 };
	int r;

	guest->limits = *start;
	/* Who asks for debug lines wants all of them. */
	tsk_log_init("tensock-front", guest->limits.name, level,
		     level < TSK_LOG_DEBUG ? LOG_LINES_PER_SEC : 0);
	tsk_log_set_json(start->log_level & TSK_LOG_JSON);
	access_log_set(start->log_level & TSK_LOG_ACCESS);
	r = open_all(guest);
	if (r == 0 && guest->seal)
		r = guest->seal(start->may_lack, &error);
	if (r == 0)
		r = supervisor_send(guest->supervisor, FRONT_READY, 0, 0);
	if (r < 0) {
		tsk_error("cannot start: %s", error.message[0] ? error.message : strerror(-r));
		end(guest, r);
		return;
	}
	guest->has_started = true;
}

static void on_grace_over(uv_timer_t *timer)
{
	struct guest *guest = timer->data;

	uv_timer_start(timer, on_stop_time, guest->limits.run_deadline_ms, 0);
	sessions_stop(&guest->sessions);
	look_at_what_is_open(guest);
}

static void on_stop(struct guest *guest)
{
	if (guest->is_stopping)
		return;
	guest->is_stopping = true;
	uv_timer_start(guest->timer, on_grace_over, STOP_GRACE_MS, 0);
}

static void on_connection(struct guest *guest, int fd)
{
	int r = socket_carriers_add(guest->carriers, fd);

	if (r < 0 && r != -EBUSY) /* -EBUSY: the sessions have said why */
		tsk_warning("a connection was closed: %s", strerror(-r));
}

static void on_device_link_failed(void *context, int result)
{
	tsk_error("the device's channel has ended: %s", strerror(-result));
	end(context, result < 0 ? result : -EPROTO);
}

static void on_device(struct guest *guest, int fd)
{
	int r = -EPROTO;

	if (guest->device && !guest->device_link)
		r = device_link_new(guest->loop, fd, guest->device, on_device_link_failed, guest,
				    &guest->device_link);
	else
		tsk_close(fd);
	if (r < 0) {
		tsk_error("no device can be served: %s", strerror(-r));
		end(guest, r);
	}
}

/*
 * The supervisor gives it first, where there is one.  To wait for what is stored means that nobody
 * who comes after it is told that a model of his is not there.
 */
static void on_store(struct guest *guest, int fd)
{
	bool is_first = supervisor_link_received(guest->supervisor) <= 2;

	stored_open(guest->stored, fd, is_first ? STORE_WAIT_MS : 0);
}

/* Without the list nothing may run: no front is better than one whose guest is told so for ever. */
static void on_models(struct guest *guest, int fd)
{
	int r = models_permit(guest->models, fd);

	if (r < 0) {
		tsk_error("the list of models cannot be read: %s", strerror(-r));
		end(guest, r);
	}
}

/* Its guest can do without. */
static void on_metrics(struct guest *guest, int fd)
{
	int r = guest->metrics ? -EEXIST : metrics_new(guest, fd, &guest->metrics);

	if (r < 0)
		tsk_warning("no metrics are told: %s", strerror(-r));
}

static void dispatch(struct guest *guest, const struct front_msg *msg, int fd)
{
	switch (msg->type) {
	case FRONT_CONNECTION:
		on_connection(guest, TAKE_FD(fd));
		break;
	case FRONT_MODELS:
		on_models(guest, fd);
		break;
	case FRONT_HOST_STREAM:
		if (guest->device && !guest->is_stopping)
			vsock_device_host_stream(guest->device, TAKE_FD(fd));
		break;
	case FRONT_DEVICE:
		on_device(guest, TAKE_FD(fd));
		break;
	case FRONT_STORE:
		on_store(guest, TAKE_FD(fd));
		break;
	case FRONT_METRICS:
		on_metrics(guest, fd);
		break;
	case FRONT_WORKER:
		workers_spawned(guest->workers, msg->id, msg->result, msg->value, TAKE_FD(fd));
		break;
	case FRONT_WORKER_EXITED:
		workers_exited(guest->workers, msg->id, msg->value);
		break;
	case FRONT_REGION_OPENED:
		regions_opened(&guest->regions, msg->id, msg->result, TAKE_FD(fd));
		break;
	case FRONT_CONNECTED:
		if (guest->device)
			vsock_device_connected(guest->device, msg->id, msg->result, TAKE_FD(fd));
		break;
	case FRONT_STOP:
		on_stop(guest);
		break;
	default:
		tsk_error("the supervisor sent an unexpected message of type %u", msg->type);
		end(guest, -EPROTO);
	}
	tsk_close(fd);
	look_at_what_is_open(guest);
}

static void on_message(void *context, const struct front_msg *msg, int fd)
{
	struct guest *guest = context;

	if (guest->has_ended) {
		tsk_close(fd);
	} else if (guest->has_started) {
		dispatch(guest, msg, fd);
	} else if (msg->type == FRONT_START) {
		on_start(guest, &msg->start);
	} else {
		tsk_close(fd);
		tsk_error("the supervisor did not begin with a start");
		end(guest, -EPROTO);
	}
}

static void on_supervisor_ended(void *context, int result)
{
	struct guest *guest = context;

	if (result < 0)
		tsk_error("the control socket failed: %s", strerror(-result));
	end(guest, result);
}

static const struct supervisor_link_ops supervisor_ops = {
	.message = on_message,
	.ended = on_supervisor_ended,
};

int guest_new(uv_loop_t *loop, int control_fd, struct guest **ret)
{
	struct guest *guest = calloc(1, sizeof(*guest));
	int r;

	if (!guest) {
		tsk_close(control_fd);
		return -ENOMEM;
	}
	guest->loop = loop;
	r = supervisor_link_new(loop, control_fd, &supervisor_ops, guest, &guest->supervisor);
	if (r < 0) {
		free(guest);
		return r;
	}
	*ret = guest;
	return 0;
}

int guest_may_call(const struct guest *guest, struct tensock_error *reterr)
{
	unsigned n = guest->n_calls + guest->n_held;

	if (guest->is_stopping)
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE, "the host is going down");
	if (n < guest->limits.requests_max)
		return 0;
	return limit_fail(METRICS_LIMIT_REQUESTS, reterr, TENSOCK_LIMIT_REACHED,
			  "%u requests of this guest are under way, as many as max-requests allows",
			  n);
}

static void log_counters(const struct counters *c)
{
	tsk_debug("frames: %" PRIu64 " accepted, %" PRIu64 " ok, %" PRIu64 " error, %" PRIu64
		  " cancelled, %" PRIu64 " reset",
		  c->accepted, c->ok, c->error, c->cancelled, c->reset);
}

void guest_free(struct guest *guest)
{
	if (!guest)
		return;
	guest->has_ended = true;
	metrics_free(guest->metrics);
	handle_free(guest->timer);
	socket_carriers_free(guest->carriers);
	vsock_device_free(guest->device);
	device_link_free(guest->device_link);
	guest->account.reclaim = NULL;
	if (guest->limits.version)
		regions_done(&guest->regions);
	uploads_free(guest->uploads);
	models_free(guest->models);
	stored_free(guest->stored);
	workers_free(guest->workers);
	work_queue_done(&guest->work);
	supervisor_link_free(guest->supervisor);
	if (guest->limits.version)
		log_counters(&guest->counters);
	free(guest);
}
