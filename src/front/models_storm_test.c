/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything at once, in an order that is drawn: pushes, requests, labels, unloads, removals, cancels,
 * uploads, workers that refuse, die and hang.  Each request ends once, and nothing is left behind.
 */
#include "front/models.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/seqpacket.h"
#include "base/status.h"
#include "base/testing.h"
#include "front/rig.h"

enum {
	STEPS = 6000,
	REQUESTS = 24,
	WORKERS = 16, /* processes, also those that have yet to end */
	RUNS = 64,
	MODELS = 7,
};

struct asked {
	struct request request;
	bool is_used, is_cancelled, is_push;
	unsigned n_done;
};

struct played {
	struct rig_worker *worker; /* NULL: none */
	bool is_loading, has_ended;
	uint64_t runs[RUNS]; /* to be answered */
	unsigned n_runs;
};

struct storm {
	struct rig rig;
	uint64_t dice;
	struct asked asked[REQUESTS];
	struct played workers[WORKERS];
	struct upload *upload;
	unsigned n_ended;
};

static unsigned roll(struct storm *s, unsigned n)
{
	s->dice ^= s->dice << 13;
	s->dice ^= s->dice >> 7;
	s->dice ^= s->dice << 17;
	return (unsigned)(s->dice % n);
}

static int prepare(struct request *request, const struct tsk_model_info *info,
		   uint64_t *ret_in_bytes, uint64_t *ret_out_bytes, struct tensock_error *reterr)
{
	struct asked *asked = (struct asked *)(void *)request;

	(void)reterr;
	assert_string_equal(info->engine, "rig");
	*ret_in_bytes = 64;
	*ret_out_bytes = 4096;
	return asked->is_push ? 1 : 0;
}

static bool fill(struct request *request, void *region)
{
	(void)request;
	memset(region, 0, 64);
	return false;
}

static void done(struct request *request, struct request_outputs *outputs,
		 const struct tensock_error *error)
{
	struct asked *asked = (struct asked *)(void *)request;

	assert_false(outputs && error);
	assert_true(asked->is_used && !asked->is_cancelled);
	assert_null(request->model);
	asked->n_done++;
}

static const struct request_ops ops = { .prepare = prepare, .fill = fill, .done = done };

/* A request that is not under way; NULL: all are. */
static struct request *new_request(struct storm *s, bool is_push)
{
	for (unsigned i = 0; i < REQUESTS; i++) {
		struct asked *asked = &s->asked[i];

		assert_true(asked->n_done <= 1);
		if (asked->is_used && !asked->n_done && !asked->is_cancelled)
			continue;
		s->n_ended += asked->n_done;
		*asked = (struct asked){ .request.ops = &ops, .is_used = true, .is_push = is_push };
		return &asked->request;
	}
	return NULL;
}

static void on_hashed(void *context)
{
	*(bool *)context = true;
}

static struct model_file *file_of(struct storm *s, const char *bytes)
{
	struct tensock_error error;
	struct model_file *file;
	bool is_hashed = false;

	if (model_file_new(&s->rig.guest->account, strlen(bytes), &file, &error) < 0)
		return NULL;
	memcpy(model_file_room(file), bytes, strlen(bytes));
	assert_int_equal(model_file_freeze(file, &s->rig.guest->work, on_hashed, &is_hashed,
					   &error),
			 0);
	while (!is_hashed)
		uv_run(&s->rig.loop, UV_RUN_NOWAIT);
	return file;
}

static void submit(struct storm *s, bool is_push)
{
	const char *names[] = { "", "a", "b", "c" };
	struct model_labels labels = { .name = names[roll(s, 4)], .version = names[roll(s, 2)] };
	char bytes[] = { 'm', (char)('0' + roll(s, MODELS)), '\0' };
	struct model_file *file = file_of(s, bytes);
	struct request *request = file ? new_request(s, is_push) : NULL;

	if (!request)
		model_file_free(file);
	else if (is_push)
		models_keep(s->rig.guest->models, file, &labels, request);
	else
		models_submit(s->rig.guest->models, file, request);
}

/* Any model that can be found. */
static struct model *pick(struct storm *s)
{
	struct models *models = s->rig.guest->models;
	struct model *model = models_next(models, NULL);
	struct model_view view;

	for (unsigned i = roll(s, MODELS); i && model; i--)
		model = models_next(models, model);
	if (!model)
		return NULL;
	models_view(model, &view);
	assert_ptr_equal(models_find(models, &(struct model_name){ .hash = view.hash }), model);
	assert_true(view.size == 2 && view.memory >= 2 && view.state <= MODEL_READY);
	return model;
}

static void ask(struct storm *s)
{
	struct model *model = pick(s);
	struct request *request = model ? new_request(s, roll(s, 4) == 0) : NULL;

	if (request)
		models_request(s->rig.guest->models, model, request);
}

static void unload(struct storm *s, bool remove)
{
	struct model *model = pick(s);
	struct request *request = model ? new_request(s, false) : NULL;

	if (request)
		models_unload(s->rig.guest->models, model, remove, request);
}

static void label(struct storm *s)
{
	struct model_labels labels = { .name = "l", .version = "1" };
	struct model *model = pick(s);

	if (model)
		(void)!models_label(s->rig.guest->models, model, &labels, NULL);
}

static void cancel(struct storm *s)
{
	struct asked *asked = &s->asked[roll(s, REQUESTS)];

	if (!asked->is_used || asked->n_done || asked->is_cancelled)
		return;
	asked->is_cancelled = true;
	models_cancel(s->rig.guest->models, &asked->request);
}

static void on_uploaded(void *context, struct model_file *file, const struct tensock_error *error)
{
	struct storm *s = context;

	assert_true(!file && error->status == TENSOCK_INVALID_ARGUMENT);
	s->upload = NULL;
}

static void upload(struct storm *s)
{
	unsigned char hash[MODEL_HASH_BYTES] = { (unsigned char)roll(s, 4) };
	uint64_t offset, missing;
	void *room;

	if (!s->upload) {
		if (uploads_begin(s->rig.guest->uploads, hash, 1000, &s->upload, &offset, NULL) < 0)
			return;
		missing = upload_room(s->upload, &room);
		assert_true(offset + missing == 1000);
		upload_received(s->upload, missing ? 1 + roll(s, (unsigned)missing) : 0);
		if (upload_room(s->upload, &room) == 0)
			upload_finish(s->upload, on_uploaded, s);
		return;
	}
	if (roll(s, 2))
		upload_leave(TAKE_PTR(s->upload));
	else
		upload_cancel(TAKE_PTR(s->upload));
}

static void act(struct storm *s)
{
	switch (roll(s, 16)) {
	case 0:
	case 1:
		submit(s, true);
		break;
	case 2:
		submit(s, false);
		break;
	case 3:
		unload(s, false);
		break;
	case 4:
		unload(s, roll(s, 2));
		break;
	case 5:
	case 6:
		cancel(s);
		break;
	case 7:
		label(s);
		break;
	case 8:
		upload(s);
		break;
	case 9:
		if (account_take(&s->rig.guest->account, 90000) == 0)
			account_give(&s->rig.guest->account, 90000);
		break;
	default:
		ask(s);
	}
}

static void end_worker(struct storm *s, struct played *p, int wait_status)
{
	rig_worker_exit(&s->rig, p->worker, wait_status);
	*p = (struct played){ 0 };
}

/* Starts what the front has asked for, be it not wanted any more. */
static void spawn(struct storm *s, struct played *p)
{
	static struct worker_received received;
	struct front_msg msg = rig_expect(&s->rig, FRONT_SPAWN);
	struct rig_worker *worker = calloc(1, sizeof(*worker));
	int fds[2];

	assert_int_equal(tsk_seqpacket_pair(fds), 0);
	rig_send(&s->rig, FRONT_WORKER, msg.id, 0, 0, fds[1]);
	close(fds[1]);
	*worker = (struct rig_worker){ .id = msg.id, .socket = fds[0], .model = -1 };
	*p = (struct played){ .worker = worker };
	if (worker_control_recv(worker->socket, &received) <= 0) {
		p->has_ended = true;
		return;
	}
	assert_int_equal(received.msg.type, WORKER_ATTACH);
	assert_int_equal(ring_pair_init(&worker->rings, RING_WORKER, received.fds[0],
					received.fds[2], received.fds[1]),
			 0);
	worker->has_rings = true;
	close(received.fds[0]);
	rig_worker_send(worker, WORKER_READY, TENSOCK_OK, "rig 1");
}

/* What the front says to its supervisor. */
static void supervise(struct storm *s)
{
	for (;;) {
		struct front_msg msg;
		unsigned i = 0;

		if (recv(s->rig.supervisor, &msg, sizeof(msg), MSG_PEEK | MSG_DONTWAIT) <= 0)
			return;
		if (msg.type == FRONT_SPAWN) {
			while (s->workers[i].worker)
				assert_true(++i < WORKERS);
			spawn(s, &s->workers[i]);
			continue;
		}
		msg = rig_expect(&s->rig, FRONT_KILL);
		for (; i < WORKERS; i++) {
			if (s->workers[i].worker && s->workers[i].worker->id == msg.id)
				end_worker(s, &s->workers[i], SIGKILL);
		}
	}
}

static void receive(struct played *p)
{
	static struct worker_received received;
	int r;

	while (!p->has_ended &&
	       (r = worker_control_recv(p->worker->socket, &received)) != -EAGAIN) {
		if (r <= 0) {
			p->has_ended = true;
			return;
		}
		if (received.msg.type == WORKER_LOAD)
			p->is_loading = true;
		worker_received_done(&received);
	}
}

static void take_runs(struct played *p)
{
	struct run_entry entry;

	while (p->worker->has_rings && ring_pop(&p->worker->rings.in, &entry)) {
		if (entry.type != RUN_START)
			continue; /* a cancelled one is answered in its turn as well */
		assert_true(p->n_runs < RUNS);
		p->runs[p->n_runs++] = entry.request_id;
	}
}

static void answer_run(struct played *p)
{
	struct run_entry entry = { .type = RUN_DONE,
				   .request_id = p->runs[0],
				   .status = TENSOCK_ENGINE_FAILED };

	memmove(p->runs, p->runs + 1, --p->n_runs * sizeof(p->runs[0]));
	if (!p->worker->has_rings)
		return;
	(void)!ring_push(&p->worker->rings.out, &entry);
	ring_ring(&p->worker->rings.out);
}

static void say_loaded(struct storm *s, struct played *p, bool is_kind)
{
	struct worker_msg failed = { .type = WORKER_FAILED, .status = TENSOCK_INVALID_MODEL };

	p->is_loading = false;
	if (!is_kind && roll(s, 3) == 0)
		(void)!worker_control_send(p->worker->socket, &failed, NULL, 0, NULL, 0);
	else
		rig_worker_loaded(p->worker, TENSOCK_FLOAT32);
}

/* Does one thing, or dies of it. */
static void play(struct storm *s, struct played *p, bool is_kind)
{
	receive(p);
	if (p->has_ended) {
		if (is_kind || roll(s, 3) == 0)
			end_worker(s, p, 0);
		return;
	}
	take_runs(p);
	if (!is_kind && roll(s, 60) == 0)
		end_worker(s, p, SIGSEGV);
	else if (p->is_loading && (is_kind || roll(s, 3) == 0))
		say_loaded(s, p, is_kind);
	else if (p->n_runs && (is_kind || roll(s, 2)))
		answer_run(p);
}

static void turn(struct storm *s, bool is_kind)
{
	const struct guest *guest = s->rig.guest;

	uv_run(&s->rig.loop, UV_RUN_NOWAIT);
	supervise(s);
	for (unsigned i = 0; i < WORKERS; i++) {
		if (s->workers[i].worker)
			play(s, &s->workers[i], is_kind);
	}
	assert_true(guest->account.used_bytes <= guest->account.max_bytes);
	assert_true(models_kept(guest->models) <= guest->limits.models_max);
	assert_true(models_kept(guest->models) <= models_count(guest->models));
	assert_true(uploads_kept(guest->uploads) <= guest->limits.uploads_max);
}

static bool is_under_way(const struct storm *s)
{
	for (unsigned i = 0; i < REQUESTS; i++) {
		const struct asked *asked = &s->asked[i];

		if (asked->is_used && !asked->n_done && !asked->is_cancelled)
			return true;
	}
	return false;
}

static bool has_workers(const struct storm *s)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		if (s->workers[i].worker)
			return true;
	}
	return false;
}

/* All that was asked is answered, and all that is kept is forgotten in its time. */
static void come_to_rest(struct storm *s)
{
	const struct guest *guest = s->rig.guest;

	if (s->upload)
		upload_cancel(TAKE_PTR(s->upload));
	for (int i = 0; i < 5000 && is_under_way(s); i++) {
		turn(s, true);
		usleep(100);
	}
	assert_false(is_under_way(s));
	for (int i = 0; i < 5000 && (has_workers(s) || models_count(guest->models)); i++) {
		turn(s, true);
		usleep(1000);
	}
	assert_int_equal(models_count(guest->models), 0);
	assert_int_equal(models_kept(guest->models), 0);
	assert_int_equal(guest->workers->n, 0);
}

static void test_storm(void **state)
{
	static struct storm s;
	struct front_start limits = rig_limits();

	(void)state;
	limits.log_level = TSK_LOG_ERROR;
	limits.memory_bytes_max = 400000; /* a few buffers of 64 KiB */
	limits.workers_max = 3;
	limits.model_idle_ms = 3;
	limits.model_keep_ms = 40;
	limits.upload_keep_ms = 20;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		s = (struct storm){ .dice = seed * UINT64_C(0x9e3779b97f4a7c15) };
		rig_init(&s.rig, &limits);
		for (unsigned i = 0; i < STEPS; i++) {
			act(&s);
			turn(&s, false);
		}
		come_to_rest(&s);
		assert_true(s.n_ended > STEPS / 20);
		rig_done(&s.rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_storm) };

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
