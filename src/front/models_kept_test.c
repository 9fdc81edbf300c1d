/* SPDX-License-Identifier: Apache-2.0 */
/* Models that are kept: pushed, named, looked at, forgotten. */
#include "front/models_asked.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/testing.h"

static void test_push_and_view(void **state)
{
	struct front_start limits = rig_limits();
	struct asked run = to_run();
	struct rig_worker *worker;
	struct model_view view;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "m", "1");
	assert_int_equal(models_kept(rig.guest->models), 1);
	assert_ptr_equal(named(&rig, "m", "1"), of_bytes(&rig, "model"));
	assert_ptr_equal(named(&rig, "m", NULL), of_bytes(&rig, "model"));
	assert_null(named(&rig, "m", "2"));
	assert_null(of_bytes(&rig, "other"));
	ask(&rig, named(&rig, "m", ""), &run);
	answer_run(&rig, worker);
	expect_ok(&rig, &run, true);
	models_view(named(&rig, "m", "1"), &view);
	assert_int_equal(view.size, 5);
	assert_int_equal(view.runs, 1);
	assert_int_equal(view.state, MODEL_READY);
	assert_string_equal(view.name, "m");
	assert_string_equal(view.version, "1");
	assert_int_equal(view.info->n_outputs, 1);
	assert_int_equal(view.memory, rig.guest->account.used_bytes);
	assert_true(view.memory > 5);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* Requests for a run are counted, well or badly ended; push_loaded()'s ends without a run. */
static void test_stats(void **state)
{
	struct front_start limits = rig_limits();
	struct asked good = to_run(), bad = to_run();
	const struct oip_stats *stats;
	struct rig_worker *worker;
	struct run_entry start;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "");
	stats = models_stats(named(&rig, "name", ""));
	assert_int_equal(stats->success.count, 0);
	assert_int_equal(stats->fail.count, 1);
	ask(&rig, named(&rig, "name", ""), &good);
	answer_run(&rig, worker);
	expect_ok(&rig, &good, true);
	assert_int_equal(stats->success.count, 1);
	assert_int_equal(stats->queue.count, 1);
	assert_int_equal(stats->infer.count, 1);
	assert_true(stats->success.ns >= stats->queue.ns + stats->infer.ns);
	assert_true(stats->last_ms <= tsk_wall_ms() && tsk_wall_ms() - stats->last_ms < 60000);
	ask(&rig, named(&rig, "name", ""), &bad);
	start = rig_worker_expect(&rig, worker, RUN_START);
	rig_worker_error(worker, &start, TENSOCK_ENGINE_FAILED, "no");
	for (int i = 0; i < 2000 && !bad.n_done; i++)
		rig_run(&rig, 1);
	assert_int_equal(bad.status, TENSOCK_ENGINE_FAILED);
	assert_int_equal(stats->success.count, 1);
	assert_int_equal(stats->fail.count, 2);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* The same bytes again, under a second name: no second model, and both names stand. */
static void test_two_labels(void **state)
{
	struct front_start limits = rig_limits();
	struct asked again = to_load();
	struct rig_worker *worker;
	struct model_view view;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "a", "1");
	push(&rig, "model", "b", "2", &again);
	expect_loaded(&rig, &again);
	assert_int_equal(models_count(rig.guest->models), 1);
	assert_non_null(named(&rig, "a", "1"));
	assert_ptr_equal(named(&rig, "a", "1"), named(&rig, "b", "2"));
	models_view(named(&rig, "a", "1"), &view);
	assert_string_equal(view.name, "b");
	assert_string_equal(view.version, "2");
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* A name goes to the model that was pushed last, when that has been loaded and not before. */
static void test_moved_label(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *first, *second;
	struct asked asked = to_load();
	struct model *old;
	struct model_view view;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	first = push_loaded(&rig, "old", "m", "1");
	old = named(&rig, "m", "1");
	push(&rig, "new", "m", "1", &asked);
	assert_ptr_equal(named(&rig, "m", "1"), old);
	second = rig_worker_with(&rig, "new");
	expect_loaded(&rig, &asked);
	assert_ptr_equal(named(&rig, "m", "1"), of_bytes(&rig, "new"));
	models_view(old, &view);
	assert_string_equal(view.name, "");
	assert_string_equal(view.version, "");
	assert_int_equal(models_kept(rig.guest->models), 2);
	assert_ptr_equal(models_next(rig.guest->models, NULL), old);
	assert_ptr_equal(models_next(rig.guest->models, old), of_bytes(&rig, "new"));
	assert_null(models_next(rig.guest->models, of_bytes(&rig, "new")));
	rig_worker_exit(&rig, first, 0);
	rig_worker_exit(&rig, second, 0);
	rig_done(&rig);
}

/* What is no model is not kept, and takes no name away; neither does one whose worker dies. */
static void test_failed_push(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *first, *worker;
	struct model *old;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	first = push_loaded(&rig, "old", "m", "1");
	old = named(&rig, "m", "1");
	for (int dies = 0; dies < 2; dies++) {
		struct asked asked = to_load();

		push(&rig, "bad", "m", "1", &asked);
		worker = rig_worker_new(&rig);
		rig_worker_expect_load(&rig, worker, "bad");
		if (!dies)
			rig_worker_send(worker, WORKER_FAILED, TENSOCK_INVALID_MODEL, "no model");
		else
			rig_worker_hang_up(worker);
		rig_run(&rig, 5);
		assert_int_equal(asked.n_done, 1);
		assert_int_equal(asked.status, dies ? TENSOCK_WORKER_DIED : TENSOCK_INVALID_MODEL);
		rig_worker_exit(&rig, worker, 0);
		assert_ptr_equal(named(&rig, "m", "1"), old);
		assert_int_equal(!!of_bytes(&rig, "bad"), dies);
		assert_int_equal(models_kept(rig.guest->models), 1 + dies);
	}
	rig_worker_exit(&rig, first, 0);
	rig_done(&rig);
}

/* The worker goes after model-idle; bytes, name and description stay, and a request loads it again. */
static void test_idle(void **state)
{
	struct front_start limits = rig_limits();
	struct asked run = to_run();
	struct rig_worker *worker;
	struct model_view view;
	struct rig rig;

	(void)state;
	limits.model_idle_ms = 20;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "m", "");
	rig_worker_expect_end(&rig, worker);
	rig_worker_exit(&rig, worker, 0);
	models_view(named(&rig, "m", NULL), &view);
	assert_int_equal(view.state, MODEL_UNLOADED);
	assert_string_equal(view.info->engine, "rig");
	assert_int_equal(rig.guest->account.used_bytes, 5);
	ask(&rig, named(&rig, "m", NULL), &run);
	models_view(named(&rig, "m", NULL), &view);
	assert_int_equal(view.state, MODEL_LOADING);
	worker = rig_worker_with(&rig, "model");
	answer_run(&rig, worker);
	expect_ok(&rig, &run, true);
	rig_worker_expect_end(&rig, worker);
	rig_worker_exit(&rig, worker, 0);
	models_view(named(&rig, "m", NULL), &view);
	assert_int_equal(view.runs, 1);
	rig_done(&rig);
}

/* Nobody uses it for model-keep: forgotten, and the front is idle then, not before. */
static void test_keep_time(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;

	(void)state;
	limits.model_idle_ms = 10;
	limits.model_keep_ms = 150;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "m", "");
	rig_worker_expect_end(&rig, worker);
	rig_worker_exit(&rig, worker, 0);
	assert_non_null(named(&rig, "m", NULL));
	assert_false(uv_is_active((uv_handle_t *)rig.guest->timer));
	for (int i = 0; i < 3000 && models_kept(rig.guest->models); i++)
		rig_run(&rig, 1);
	assert_int_equal(models_count(rig.guest->models), 0);
	assert_int_equal(rig.guest->account.used_bytes, 0);
	assert_null(named(&rig, "m", NULL));
	assert_true(uv_is_active((uv_handle_t *)rig.guest->timer));
	rig_done(&rig);
}

static void test_keep_limit(void **state)
{
	struct front_start limits = rig_limits();
	struct asked second = to_load(), again = to_load(), unload = to_load();
	struct model_labels labels = { .name = "x", .version = "" };
	struct tensock_error error;
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	limits.models_max = 1;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "m", "");
	push(&rig, "second", "m", "", &second);
	assert_int_equal(second.status, TENSOCK_LIMIT_REACHED);
	assert_non_null(strstr(second.message, "max-models"));
	assert_null(of_bytes(&rig, "second"));
	assert_int_equal(rig.guest->account.used_bytes, 5);
	/* The one that is kept already is none more. */
	push(&rig, "model", "n", "", &again);
	expect_loaded(&rig, &again);
	/* The seed's are not counted, nor can they be labelled. */
	fd = rig_connect(&rig);
	rig_write_frame(&rig, fd, 1, "seed");
	rig_worker_exit(&rig, worker, 0);
	worker = rig_worker_with(&rig, "seed");
	rig_run_ok(&rig, worker, fd);
	assert_int_equal(models_label(rig.guest->models, of_bytes(&rig, "seed"), &labels, &error),
			 -EBUSY);
	assert_int_equal(error.status, TENSOCK_LIMIT_REACHED);
	assert_non_null(of_bytes(&rig, "seed"));
	/* One goes, another may come. */
	models_unload(rig.guest->models, named(&rig, "m", ""), true, &unload.request);
	expect_ok(&rig, &unload, false);
	assert_int_equal(models_label(rig.guest->models, of_bytes(&rig, "seed"), &labels, &error),
			 0);
	assert_ptr_equal(named(&rig, "x", ""), of_bytes(&rig, "seed"));
	close(fd);
	rig_worker_exit(&rig, worker, 0);
	assert_non_null(named(&rig, "x", ""));
	rig_done(&rig);
}

/* More models than workers: the idle one gives up its worker, not its bytes. */
static void test_turns(void **state)
{
	struct front_start limits = rig_limits();
	struct asked asked = to_load(), run = to_run();
	struct rig_worker *a, *b;
	struct rig rig;

	(void)state;
	limits.workers_max = 1;
	rig_init(&rig, &limits);
	a = push_loaded(&rig, "model a", "a", "");
	push(&rig, "model b", "b", "", &asked);
	rig_worker_expect_end(&rig, a);
	rig_worker_exit(&rig, a, 0);
	b = rig_worker_with(&rig, "model b");
	expect_loaded(&rig, &asked);
	ask(&rig, named(&rig, "a", ""), &run);
	rig_worker_expect_end(&rig, b);
	rig_worker_exit(&rig, b, 0);
	a = rig_worker_with(&rig, "model a");
	answer_run(&rig, a);
	expect_ok(&rig, &run, true);
	assert_int_equal(models_kept(rig.guest->models), 2);
	rig_worker_exit(&rig, a, 0);
	rig_done(&rig);
}

/* Memory is needed: first idle buffers, then the unfinished upload, then the seed's model, then the kept one's worker. */
static void test_reclaim_order(void **state)
{
	static const unsigned char hash[MODEL_HASH_BYTES] = { 1 };
	struct front_start limits = rig_limits();
	struct rig_worker *kept, *seed;
	struct asked run = to_run();
	struct tensock_error error;
	struct account *account;
	struct model_view view;
	struct upload *upload;
	struct rig rig;
	uint64_t offset;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	account = &rig.guest->account;
	kept = push_loaded(&rig, "model", "m", "");
	ask(&rig, named(&rig, "m", ""), &run);
	answer_run(&rig, kept);
	expect_ok(&rig, &run, true);
	fd = rig_connect(&rig);
	rig_write_frame(&rig, fd, 1, "seed");
	seed = rig_worker_with(&rig, "seed");
	rig_run_ok(&rig, seed, fd);
	assert_int_equal(uploads_begin(rig.guest->uploads, hash, 100, &upload, &offset, &error), 0);
	upload_received(upload, 1);
	upload_leave(upload);

	account->max_bytes = account->used_bytes;
	assert_int_equal(account_take(account, 100), 0);
	assert_int_equal(uploads_kept(rig.guest->uploads), 1);
	account_give(account, 100);
	buffer_pool_reclaim(&rig.guest->workers->buffers, UINT64_MAX);
	account->max_bytes = account->used_bytes;
	assert_int_equal(account_take(account, 100), 0);
	assert_int_equal(uploads_kept(rig.guest->uploads), 0);
	assert_non_null(of_bytes(&rig, "seed"));
	assert_int_equal(account_take(account, 4), 0);
	assert_null(of_bytes(&rig, "seed"));
	rig_worker_expect_end(&rig, seed);
	rig_worker_exit(&rig, seed, 0);
	models_view(of_bytes(&rig, "model"), &view);
	assert_int_equal(view.state, MODEL_READY);
	assert_int_equal(account_take(account, account->max_bytes), -EBUSY);
	rig_worker_expect_end(&rig, kept);
	rig_worker_exit(&rig, kept, 0);
	models_view(named(&rig, "m", ""), &view);
	assert_int_equal(view.state, MODEL_UNLOADED);
	assert_int_equal(account->used_bytes, 100 + 4 + 5);
	account_give(account, 104);
	close(fd);
	rig_done(&rig);
}

/* The seed's frame finds a kept model; a model of the seed's that is pushed is kept from then on. */
static void test_seed_and_kept(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker, *spare;
	struct asked asked = to_load();
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	rig_write_frame(&rig, fd, 1, "model");
	worker = rig_worker_with(&rig, "model");
	rig_run_ok(&rig, worker, fd);
	push(&rig, "model", "m", "", &asked);
	expect_loaded(&rig, &asked);
	assert_int_equal(models_count(rig.guest->models), 1);
	rig_write_frame(&rig, fd, 2, "model");
	spare = rig_worker_new(&rig);
	rig_run_ok(&rig, worker, fd);
	rig_worker_exit(&rig, worker, SIGKILL);
	assert_int_equal(models_count(rig.guest->models), 1);
	assert_non_null(named(&rig, "m", ""));
	close(fd);
	rig_worker_exit(&rig, spare, 0);
	rig_done(&rig);
}

/* The front ends with everything at once: what waits, runs, is unloaded, and is kept. */
static void test_end_with_all(void **state)
{
	struct front_start limits = rig_limits();
	struct asked run = to_run(), waits = to_run(), unloads[2] = { to_load(), to_load() };
	struct rig_worker *a, *b;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	a = push_loaded(&rig, "model a", "a", "");
	b = push_loaded(&rig, "model b", "b", "");
	ask(&rig, named(&rig, "a", ""), &run);
	ask(&rig, named(&rig, "a", ""), &waits);
	models_unload(rig.guest->models, named(&rig, "a", ""), true, &unloads[0].request);
	models_unload(rig.guest->models, named(&rig, "b", ""), false, &unloads[1].request);
	rig_run(&rig, 5);
	rig_worker_hang_up(a);
	rig_worker_hang_up(b);
	rig_done(&rig);
	free(a);
	free(b);
	assert_int_equal(unloads[0].n_done + unloads[1].n_done, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_push_and_view), TSK_TEST(test_stats),
		TSK_TEST(test_two_labels),    TSK_TEST(test_moved_label),
		TSK_TEST(test_failed_push),   TSK_TEST(test_idle),
		TSK_TEST(test_keep_time),     TSK_TEST(test_keep_limit),
		TSK_TEST(test_turns),         TSK_TEST(test_reclaim_order),
		TSK_TEST(test_seed_and_kept), TSK_TEST(test_end_with_all),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
