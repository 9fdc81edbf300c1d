/* SPDX-License-Identifier: Apache-2.0 */
/* Models as the Open Inference Protocol names them, loads and unloads them. */
#include "front/oip_models.h"

#include <string.h>

#include "base/testing.h"
#include "front/models_asked.h"

struct done {
	struct oip_task task;
	unsigned n;
	struct tensock_error error;
};

static void on_task(struct oip_task *task, const struct tensock_error *error)
{
	struct done *done = (struct done *)(void *)task;

	done->n++;
	done->error = error ? *error : (struct tensock_error){ 0 };
}

static void expect_task(struct rig *rig, struct done *done, enum tensock_status status)
{
	for (int i = 0; i < 2000 && !done->n; i++)
		rig_run(rig, 1);
	assert_int_equal(done->n, 1);
	assert_int_equal(done->error.status, status);
	oip_task_end(&done->task);
	*done = (struct done){ .task.done = on_task };
}

static int find(struct rig *rig, const char *name, const char *version, struct oip_model *m)
{
	return oip_find(rig->guest, wire_string(name), wire_string(version), m, NULL);
}

static void test_names(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *a, *b;
	struct oip_model m = { 0 };
	char digits[65];
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	assert_false(oip_next(rig.guest, &m));
	a = push_loaded(&rig, "model a", "name", "");
	b = push_loaded(&rig, "model b", "", "");
	assert_int_equal(find(&rig, "name", "", &m), 0);
	assert_string_equal(m.name, "name");
	assert_string_equal(m.version, "1");
	assert_true(m.is_ready);
	assert_string_equal(m.info->engine, "rig");
	assert_int_equal(find(&rig, "name", "1", &m), 0);
	assert_int_equal(find(&rig, "name", "2", &m), -ENOENT);
	assert_int_equal(find(&rig, "nam", "", &m), -ENOENT);
	assert_int_equal(find(&rig, "", "", &m), -ENOENT);
	m = (struct oip_model){ 0 };
	assert_true(oip_next(rig.guest, &m));
	assert_string_equal(m.name, "name");
	assert_true(oip_next(rig.guest, &m));
	assert_string_equal(m.name, m.digits);
	memcpy(digits, m.digits, sizeof(digits));
	assert_false(oip_next(rig.guest, &m));
	assert_int_equal(find(&rig, digits, "", &m), 0);
	assert_ptr_equal(m.model, of_bytes(&rig, "model b"));
	assert_int_equal(find(&rig, digits, "2", &m), -ENOENT);
	digits[0] = 'g';
	assert_int_equal(find(&rig, digits, "", &m), -ENOENT);
	rig_worker_exit(&rig, a, 0);
	rig_worker_exit(&rig, b, 0);
	rig_done(&rig);
}

static void test_load_bytes(void **state)
{
	struct front_start limits = rig_limits();
	struct done done = { .task.done = on_task };
	struct tensock_error error;
	struct rig_worker *worker;
	struct oip_model m;
	struct rig rig;
	void *room;

	(void)state;
	rig_init(&rig, &limits);
	assert_int_equal(oip_load_room(&done.task, rig.guest, 5, &room, &error), 0);
	memcpy(room, "model", 5);
	oip_load(&done.task, rig.guest, wire_string("name"), wire_string(""));
	worker = rig_worker_with(&rig, "model");
	expect_task(&rig, &done, TENSOCK_OK);
	assert_int_equal(find(&rig, "name", "1", &m), 0);
	assert_true(m.is_ready);
	assert_int_equal(rig.guest->n_calls, 0);

	assert_true(oip_load_room(&done.task, rig.guest, limits.model_bytes_max + 1, &room,
				  &error) < 0);
	assert_int_equal(error.status, TENSOCK_TOO_LARGE);
	assert_non_null(strstr(error.message, "max-model-size"));
	oip_task_end(&done.task);
	done = (struct done){ .task.done = on_task };
	assert_true(oip_load_room(&done.task, rig.guest, 0, &room, &error) < 0);
	oip_task_end(&done.task);
	assert_int_equal(rig.guest->counters.error, 2);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* One that has been unloaded is not ready until it is loaded again. */
static void test_unload_and_load(void **state)
{
	struct front_start limits = rig_limits();
	struct done done = { .task.done = on_task };
	struct rig_worker *one, *two;
	struct oip_model m;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	one = push_loaded(&rig, "model 1", "name", "1");
	two = push_loaded(&rig, "model 2", "name", "2");
	oip_unload(&done.task, rig.guest, wire_string("name"), wire_string(""));
	rig_worker_expect_end(&rig, two);
	rig_worker_exit(&rig, two, 0);
	rig_worker_expect_end(&rig, one);
	assert_int_equal(done.n, 0);
	rig_worker_exit(&rig, one, 0);
	expect_task(&rig, &done, TENSOCK_OK);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(find(&rig, "name", i ? "2" : "1", &m), 0);
		assert_false(m.is_ready);
		assert_string_equal(m.reason, "unloaded");
	}
	oip_load(&done.task, rig.guest, wire_string("name"), wire_string("1"));
	one = rig_worker_with(&rig, "model 1");
	expect_task(&rig, &done, TENSOCK_OK);
	assert_int_equal(find(&rig, "name", "1", &m), 0);
	assert_true(m.is_ready);
	assert_int_equal(find(&rig, "name", "2", &m), 0);
	assert_false(m.is_ready);

	oip_unload(&done.task, rig.guest, wire_string("nome"), wire_string(""));
	expect_task(&rig, &done, TENSOCK_NOT_FOUND);
	oip_load(&done.task, rig.guest, wire_string("nome"), wire_string(""));
	expect_task(&rig, &done, TENSOCK_NOT_FOUND);
	/* Given up: the unload goes on, and nobody is told. */
	oip_unload(&done.task, rig.guest, wire_string("name"), wire_string("1"));
	oip_task_end(&done.task);
	rig_worker_expect_end(&rig, one);
	rig_worker_exit(&rig, one, 0);
	assert_int_equal(done.n, 0);
	assert_int_equal(rig.guest->counters.cancelled, 1);
	rig_done(&rig);
}

/* Two names of one model: each is unloaded for itself, and the worker goes with the last. */
static void test_unload_one_name(void **state)
{
	struct front_start limits = rig_limits();
	struct done done = { .task.done = on_task };
	const struct model_labels second = { .name = "b" };
	struct tensock_error error;
	struct rig_worker *worker;
	struct oip_model m;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "a", "");
	assert_int_equal(models_label(rig.guest->models, named(&rig, "a", ""), &second, &error), 0);
	oip_unload(&done.task, rig.guest, wire_string("a"), wire_string(""));
	expect_task(&rig, &done, TENSOCK_OK);
	assert_int_equal(find(&rig, "a", "", &m), 0);
	assert_false(m.is_ready);
	assert_int_equal(find(&rig, "b", "", &m), 0);
	assert_true(m.is_ready);
	oip_unload(&done.task, rig.guest, wire_string("b"), wire_string(""));
	rig_worker_expect_end(&rig, worker);
	rig_worker_exit(&rig, worker, 0);
	expect_task(&rig, &done, TENSOCK_OK);
	assert_int_equal(find(&rig, "b", "", &m), 0);
	assert_false(m.is_ready);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_names),
		TSK_TEST(test_load_bytes),
		TSK_TEST(test_unload_and_load),
		TSK_TEST(test_unload_one_name),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
