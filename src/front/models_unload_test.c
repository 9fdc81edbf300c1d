/* SPDX-License-Identifier: Apache-2.0 */
/* Models that are unloaded or removed, at rest and at work. */
#include "base/testing.h"
#include "front/models_asked.h"

/* The end is told when the process has ended; bytes and names stay. */
static void test_unload(void **state)
{
	struct front_start limits = rig_limits();
	struct asked unload = to_load(), again = to_load(), gone = to_load();
	struct rig_worker *worker;
	struct model_view view;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "m", "");
	models_unload(rig.guest->models, named(&rig, "m", ""), false, &unload.request);
	rig_worker_expect_end(&rig, worker);
	rig_run(&rig, 5);
	assert_int_equal(unload.n_done, 0);
	models_view(named(&rig, "m", ""), &view);
	assert_int_equal(view.state, MODEL_UNLOADED);
	/* A second one waits for the same end; one that is cancelled waits no more. */
	models_unload(rig.guest->models, named(&rig, "m", ""), false, &again.request);
	models_unload(rig.guest->models, named(&rig, "m", ""), false, &gone.request);
	models_cancel(rig.guest->models, &gone.request);
	assert_int_equal(again.n_done, 0);
	rig_worker_exit(&rig, worker, 0);
	expect_ok(&rig, &unload, false);
	expect_ok(&rig, &again, false);
	assert_int_equal(gone.n_done, 0);
	/* Of one that is not loaded: at once. */
	unload = to_load();
	models_unload(rig.guest->models, named(&rig, "m", ""), false, &unload.request);
	assert_int_equal(unload.n_done, 1);
	assert_int_equal(models_kept(rig.guest->models), 1);
	assert_int_equal(rig.guest->account.used_bytes, 5);
	rig_done(&rig);
}

/* The run that is under way ends first, and so does the one that waits; nobody finds it meanwhile. */
static void test_remove_while_running(void **state)
{
	struct front_start limits = rig_limits();
	struct asked runs[2] = { to_run(), to_run() };
	struct asked unload = to_load(), again = to_load();
	struct rig_worker *worker, *other;
	struct run_entry start;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "m", "");
	for (int i = 0; i < 2; i++)
		ask(&rig, named(&rig, "m", ""), &runs[i]);
	start = rig_worker_expect(&rig, worker, RUN_START);
	unload.account = &rig.guest->account;
	models_unload(rig.guest->models, named(&rig, "m", ""), true, &unload.request);
	assert_null(named(&rig, "m", ""));
	assert_null(of_bytes(&rig, "model"));
	assert_null(models_next(rig.guest->models, NULL));
	assert_int_equal(models_kept(rig.guest->models), 0);
	rig_worker_done(worker, &start, values, 2);
	expect_ok(&rig, &runs[0], true);
	answer_run(&rig, worker);
	expect_ok(&rig, &runs[1], true);
	rig_worker_expect_end(&rig, worker);
	/* The same bytes may come again before the end. */
	push(&rig, "model", "m", "", &again);
	other = rig_worker_with(&rig, "model");
	expect_loaded(&rig, &again);
	assert_int_equal(unload.n_done, 0);
	assert_int_equal(models_count(rig.guest->models), 2);
	rig_worker_exit(&rig, worker, 0);
	expect_ok(&rig, &unload, false);
	assert_int_equal(unload.used_bytes, 5);
	assert_int_equal(models_count(rig.guest->models), 1);
	assert_non_null(named(&rig, "m", ""));
	rig_worker_exit(&rig, other, 0);
	rig_done(&rig);
}

/* Somebody waits for the load: it ends first.  Nobody does any more: so does the load. */
static void test_unload_while_loading(void **state)
{
	struct front_start limits = rig_limits();

	(void)state;
	for (int is_cancelled = 0; is_cancelled < 2; is_cancelled++) {
		struct asked asked = to_load(), unload = to_load();
		struct rig_worker *worker;
		struct rig rig;

		rig_init(&rig, &limits);
		push(&rig, "model", "m", "", &asked);
		worker = rig_worker_new(&rig);
		rig_worker_expect_load(&rig, worker, "model");
		models_unload(rig.guest->models, of_bytes(&rig, "model"), false, &unload.request);
		rig_run(&rig, 2);
		if (is_cancelled) {
			models_cancel(rig.guest->models, &asked.request);
		} else {
			rig_worker_loaded(worker, TENSOCK_FLOAT32);
			expect_loaded(&rig, &asked);
		}
		rig_worker_expect_end(&rig, worker);
		assert_int_equal(unload.n_done, 0);
		assert_int_equal(asked.n_done, !is_cancelled);
		rig_worker_exit(&rig, worker, 0);
		expect_ok(&rig, &unload, false);
		assert_int_equal(!!named(&rig, "m", ""), !is_cancelled);
		assert_int_equal(models_kept(rig.guest->models), 1);
		rig_done(&rig);
	}
}

/* An unload whose asker went before the run ended happens all the same; so does a removal. */
static void test_cancelled_unload(void **state)
{
	struct front_start limits = rig_limits();

	(void)state;
	for (int removes = 0; removes < 2; removes++) {
		struct asked run = to_run(), unload = to_load();
		struct rig_worker *worker;
		struct rig rig;

		rig_init(&rig, &limits);
		worker = push_loaded(&rig, "model", "m", "");
		ask(&rig, named(&rig, "m", ""), &run);
		rig_run(&rig, 2);
		models_unload(rig.guest->models, named(&rig, "m", ""), removes, &unload.request);
		models_cancel(rig.guest->models, &unload.request);
		answer_run(&rig, worker);
		expect_ok(&rig, &run, true);
		rig_worker_expect_end(&rig, worker);
		rig_worker_exit(&rig, worker, 0);
		assert_int_equal(unload.n_done, 0);
		assert_int_equal(models_count(rig.guest->models), !removes);
		rig_done(&rig);
	}
}

/*
 * A request comes while the old process still ends: a new one serves it, and the unload ends.  Also
 * where the model is one that is forgotten with its worker.
 */
static void test_request_after_unload(void **state)
{
	struct front_start limits = rig_limits();

	(void)state;
	limits.model_idle_ms = 0; /* not even that ends it before it has told */
	for (int is_kept = 0; is_kept < 2; is_kept++) {
		struct asked unload = to_load(), run = to_run(), first = to_run();
		struct rig_worker *worker, *second;
		struct rig rig;

		rig_init(&rig, &limits);
		if (is_kept)
			push(&rig, "model", "m", "", &first);
		else
			models_submit(rig.guest->models, file_of(&rig, "model"), &first.request);
		worker = rig_worker_with(&rig, "model");
		models_unload(rig.guest->models, of_bytes(&rig, "model"), false, &unload.request);
		answer_run(&rig, worker);
		expect_ok(&rig, &first, true);
		ask(&rig, of_bytes(&rig, "model"), &run);
		second = rig_worker_with(&rig, "model");
		answer_run(&rig, second);
		expect_ok(&rig, &run, true);
		rig_run(&rig, 5);
		assert_int_equal(unload.n_done, 0);
		rig_worker_exit(&rig, worker, 0);
		expect_ok(&rig, &unload, false);
		rig_worker_expect_end(&rig, second);
		rig_worker_exit(&rig, second, 0);
		assert_int_equal(models_count(rig.guest->models), is_kept);
		rig_done(&rig);
	}
}

/* However many requests come, an unload waits for none that came after it; they have the next worker. */
static void test_unload_under_load(void **state)
{
	struct front_start limits = rig_limits();
	struct asked before[2] = { to_run(), to_run() }, after[2] = { to_run(), to_run() };
	struct asked unload = to_load(), gone = to_run();
	struct rig_worker *worker, *second;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "m", "");
	for (int i = 0; i < 2; i++)
		ask(&rig, named(&rig, "m", ""), &before[i]);
	models_unload(rig.guest->models, named(&rig, "m", ""), false, &unload.request);
	for (int i = 0; i < 2; i++)
		ask(&rig, named(&rig, "m", ""), &after[i]);
	ask(&rig, named(&rig, "m", ""), &gone);
	models_cancel(rig.guest->models, &gone.request);
	for (int i = 0; i < 2; i++) {
		answer_run(&rig, worker);
		expect_ok(&rig, &before[i], true);
	}
	rig_worker_expect_end(&rig, worker);
	second = rig_worker_with(&rig, "model");
	assert_int_equal(unload.n_done + after[0].n_done, 0);
	rig_worker_exit(&rig, worker, 0);
	expect_ok(&rig, &unload, false);
	for (int i = 0; i < 2; i++) {
		answer_run(&rig, second);
		expect_ok(&rig, &after[i], true);
	}
	assert_int_equal(gone.n_done, 0);
	rig_worker_exit(&rig, second, 0);
	rig_done(&rig);
}

/* What the unload waited for is not wanted any more: those behind it go on. */
static void test_cancelled_before_unload(void **state)
{
	struct front_start limits = rig_limits();
	struct asked first = to_load(), run = to_run(), unload = to_load();
	struct rig_worker *worker, *second;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	push(&rig, "model", "m", "", &first);
	worker = rig_worker_new(&rig);
	rig_worker_expect_load(&rig, worker, "model");
	models_unload(rig.guest->models, of_bytes(&rig, "model"), false, &unload.request);
	ask(&rig, of_bytes(&rig, "model"), &run);
	models_cancel(rig.guest->models, &first.request);
	rig_worker_expect_end(&rig, worker);
	second = rig_worker_with(&rig, "model");
	rig_worker_exit(&rig, worker, 0);
	expect_ok(&rig, &unload, false);
	answer_run(&rig, second);
	expect_ok(&rig, &run, true);
	rig_worker_exit(&rig, second, 0);
	rig_done(&rig);
}

/* A removal after all that: there is no next worker, so the one that is there serves all. */
static void test_remove_after_unload(void **state)
{
	struct front_start limits = rig_limits();
	struct asked unload = to_load(), removal = to_load();
	struct asked runs[2] = { to_run(), to_run() };
	struct rig_worker *worker;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "m", "");
	ask(&rig, named(&rig, "m", ""), &runs[0]);
	models_unload(rig.guest->models, named(&rig, "m", ""), false, &unload.request);
	ask(&rig, named(&rig, "m", ""), &runs[1]);
	models_unload(rig.guest->models, named(&rig, "m", ""), true, &removal.request);
	for (int i = 0; i < 2; i++) {
		answer_run(&rig, worker);
		expect_ok(&rig, &runs[i], true);
	}
	rig_worker_expect_end(&rig, worker);
	assert_int_equal(unload.n_done + removal.n_done, 0);
	rig_worker_exit(&rig, worker, 0);
	expect_ok(&rig, &unload, false);
	expect_ok(&rig, &removal, false);
	assert_int_equal(models_count(rig.guest->models), 0);
	rig_done(&rig);
}

/* Its time to be kept ends while the unload waits for the process: the unload ends first. */
static void test_keep_time_in_unload(void **state)
{
	struct front_start limits = rig_limits();
	struct asked unload = to_load();
	struct rig_worker *worker;
	struct rig rig;

	(void)state;
	limits.model_keep_ms = 5;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "m", "");
	models_unload(rig.guest->models, named(&rig, "m", ""), false, &unload.request);
	rig_run(&rig, 30);
	assert_int_equal(unload.n_done, 0);
	rig_worker_exit(&rig, worker, 0);
	expect_ok(&rig, &unload, false);
	for (int i = 0; i < 2000 && models_kept(rig.guest->models); i++)
		rig_run(&rig, 1);
	assert_int_equal(models_count(rig.guest->models), 0);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_unload),
		TSK_TEST(test_remove_while_running),
		TSK_TEST(test_unload_while_loading),
		TSK_TEST(test_cancelled_unload),
		TSK_TEST(test_request_after_unload),
		TSK_TEST(test_unload_under_load),
		TSK_TEST(test_cancelled_before_unload),
		TSK_TEST(test_remove_after_unload),
		TSK_TEST(test_keep_time_in_unload),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
