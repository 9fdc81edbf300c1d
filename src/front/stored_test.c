/* SPDX-License-Identifier: Apache-2.0 */
/* A front's models and the store. */
#include "front/stored.h"

#include "base/testing.h"
#include "front/store_played.h"

static struct peer peer;

static const struct held two[] = { { "model", "m", 5 }, { "other", "o", 9 } };

static void test_stored(void **state)
{
	struct rig_worker *worker, *second;
	struct asked asked = to_load();
	struct rig rig;

	(void)state;
	begin(&rig, NULL, 0);
	expect_silence(&rig);
	worker = push_loaded(&rig, "model", "m", "1");
	expect_put(&rig, "model", 0);
	expect_labels(&rig, "m:1 ");
	expect_silence(&rig);
	/* Once more by another name: nothing but that is new. */
	push(&rig, "model", "n", "", &asked);
	expect_loaded(&rig, &asked);
	expect_labels(&rig, "m:1 n: ");
	second = push_loaded(&rig, "other", "o", "");
	expect_put(&rig, "other", 0);
	expect_labels(&rig, "m:1 n: o: ");
	expect_silence(&rig);
	assert_false(stored_is_behind(rig.guest->stored));
	rig_worker_exit(&rig, worker, 0);
	rig_worker_exit(&rig, second, 0);
	end(&rig);
}

/* What the store cannot take is kept as ever, and told of. */
static void test_not_stored(void **state)
{
	struct rig_worker *worker;
	struct rig rig;

	(void)state;
	begin(&rig, NULL, 0);
	worker = push_loaded(&rig, "model", "m", "1");
	expect_put(&rig, "model", -ENOSPC);
	rig_expect_log(&rig, "kept in memory only");
	expect_labels(&rig, "m:1 ");
	expect_silence(&rig);
	assert_true(stored_is_behind(rig.guest->stored));
	assert_non_null(named(&rig, "m", "1"));
	rig_worker_exit(&rig, worker, 0);
	end(&rig);
}

/* A model of the seed's, and one that is none, are nobody's to keep. */
static void test_not_kept(void **state)
{
	struct asked asked = to_load();
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	begin(&rig, NULL, 0);
	fd = rig_connect(&rig);
	rig_write_frame(&rig, fd, 1, "seed");
	worker = rig_worker_with(&rig, "seed");
	rig_run_ok(&rig, worker, fd);
	rig_worker_exit(&rig, worker, 0);
	push(&rig, "bad", "b", "", &asked);
	worker = rig_worker_new(&rig);
	rig_worker_expect_load(&rig, worker, "bad");
	rig_worker_send(worker, WORKER_FAILED, TENSOCK_INVALID_MODEL, "no model");
	rig_run(&rig, 5);
	rig_worker_exit(&rig, worker, 0);
	/* It may have been saved while it came. */
	await_msg(&rig, STORE_REMOVE_PART, NULL);
	expect_silence(&rig);
	close(fd);
	end(&rig);
}

static void test_comes_back(void **state)
{
	struct asked run = to_run();
	struct rig_worker *worker;
	struct model_view view;
	struct rig rig;

	(void)state;
	begin(&rig, two, 2);
	expect_labels(&rig, "m:1 o:1 ");
	assert_int_equal(models_kept(rig.guest->models), 2);
	assert_int_equal(rig.guest->account.used_bytes, 0);
	models_view(named(&rig, "m", "1"), &view);
	assert_int_equal(view.size, 5);
	assert_int_equal(view.memory, 0);
	assert_int_equal(view.state, MODEL_UNLOADED);
	ask(&rig, named(&rig, "m", ""), &run);
	expect_get(&rig, "model", "model");
	worker = rig_worker_with(&rig, "model");
	answer_run(&rig, worker);
	expect_ok(&rig, &run, true);
	assert_true(rig.guest->account.used_bytes > 5);
	/* Nothing of it is stored again. */
	expect_silence(&rig);
	rig_worker_exit(&rig, worker, 0);
	end(&rig);
}

/* The bytes come from the guest itself, before the store has found them. */
static void test_comes_otherwise(void **state)
{
	struct asked run = to_run(), again = to_load();
	struct rig_worker *worker;
	struct rig rig;

	(void)state;
	begin(&rig, two, 1);
	expect_labels(&rig, "m:1 ");
	ask(&rig, named(&rig, "m", ""), &run);
	push(&rig, "model", "m", "1", &again);
	worker = rig_worker_with(&rig, "model");
	answer_run(&rig, worker);
	expect_ok(&rig, &run, true);
	expect_loaded(&rig, &again);
	expect_get(&rig, "model", "model");
	assert_int_equal(models_kept(rig.guest->models), 1);
	rig_worker_exit(&rig, worker, 0);
	end(&rig);
}

static void expect_failed(struct rig *rig, const struct asked *asked, enum tensock_status status)
{
	rig_run(rig, 2);
	assert_int_equal(asked->n_done, 1);
	assert_int_equal(asked->status, status);
}

static void test_lost(void **state)
{
	struct asked run = to_run(), other = to_run();
	struct rig rig;

	(void)state;
	begin(&rig, two, 2);
	expect_labels(&rig, "m:1 o:1 ");
	ask(&rig, named(&rig, "m", ""), &run);
	expect_get(&rig, "model", NULL);
	expect_failed(&rig, &run, TENSOCK_NOT_FOUND);
	assert_null(named(&rig, "m", ""));
	assert_null(of_bytes(&rig, "model"));
	expect_labels(&rig, "o:1 ");
	/* Of another size than was said: that is no loss, but no model either. */
	ask(&rig, named(&rig, "o", ""), &other);
	expect_get(&rig, "other", "othe");
	expect_failed(&rig, &other, TENSOCK_UNAVAILABLE);
	assert_non_null(named(&rig, "o", ""));
	assert_int_equal(rig.guest->account.used_bytes, 0);
	end(&rig);
}

/* The store does not answer: the guest is answered all the same. */
static void test_silent_store(void **state)
{
	struct front_start limits = rig_limits();
	struct asked run = to_run(), again = to_run();
	struct rig_worker *worker;
	struct rig rig;

	(void)state;
	limits.load_deadline_ms = 30;
	rig_init(&rig, &limits);
	open_store(&rig, two, 1);
	expect_labels(&rig, "m:1 ");
	ask(&rig, named(&rig, "m", ""), &run);
	rig_run(&rig, 40);
	expect_failed(&rig, &run, TENSOCK_DEADLINE_EXCEEDED);
	assert_int_equal(rig.guest->account.used_bytes, 0);
	/* What comes too late is nobody's; what is asked anew comes. */
	expect_get(&rig, "model", "model");
	assert_int_equal(rig.guest->account.used_bytes, 0);
	rig.guest->limits.load_deadline_ms = 60000;
	ask(&rig, named(&rig, "m", ""), &again);
	expect_get(&rig, "model", "model");
	worker = rig_worker_with(&rig, "model");
	answer_run(&rig, worker);
	expect_ok(&rig, &again, true);
	rig_worker_exit(&rig, worker, 0);
	end(&rig);
}

/* What is offered and stored is not asked for, unless the store has lost it. */
static void test_offer(void **state)
{
	struct rig_worker *worker;
	struct rig rig;

	(void)state;
	begin(&rig, two, 2);
	expect_labels(&rig, "m:1 o:1 ");
	peer_connect(&peer, &rig);
	peer_offer(&peer, 1, "model", "new");
	expect_get(&rig, "model", "model");
	worker = rig_worker_with(&rig, "model");
	peer_expect(&peer, WIRE_MODEL, 1);
	assert_non_null(named(&rig, "new", ""));
	expect_labels(&rig, "m:1 o:1 new: ");
	rig_worker_exit(&rig, worker, 0);

	peer_offer(&peer, 2, "other", "newer");
	expect_get(&rig, "other", NULL);
	expect_labels(&rig, "m:1 new: ");
	peer_expect(&peer, WIRE_SEND, 2);
	peer_send(&peer, WIRE_CHUNK, 2, "other", 5);
	worker = rig_worker_with(&rig, "other");
	peer_expect(&peer, WIRE_MODEL, 2);
	expect_put(&rig, "other", 0);
	assert_non_null(named(&rig, "newer", ""));
	assert_null(named(&rig, "o", ""));
	peer_close(&peer);
	rig_worker_exit(&rig, worker, 0);
	end(&rig);
}

/* The guest goes while the store looks. */
static void test_offer_given_up(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, two, 1);
	expect_labels(&rig, "m:1 ");
	peer_connect(&peer, &rig);
	peer_offer(&peer, 1, "model", "");
	peer_close(&peer);
	expect_get(&rig, "model", NULL);
	assert_null(of_bytes(&rig, "model"));
	end(&rig);
}

static void test_removed(void **state)
{
	struct asked asked = to_load();
	struct store_msg msg;
	struct rig rig;

	(void)state;
	begin(&rig, two, 2);
	expect_labels(&rig, "m:1 o:1 ");
	models_unload(rig.guest->models, named(&rig, "m", ""), true, &asked.request);
	assert_int_equal(asked.n_done, 1);
	msg = await_msg(&rig, STORE_REMOVE, NULL);
	expect_hash(&msg, "model");
	expect_labels(&rig, "o:1 ");
	assert_int_equal(models_count(rig.guest->models), 1);
	end(&rig);
}

/* While there is no store: however often it comes and goes, it is removed once. */
static void test_removed_often(void **state)
{
	struct rig_worker *worker;
	struct asked asked;
	struct rig rig;

	(void)state;
	begin(&rig, two, 1);
	expect_labels(&rig, "m:1 ");
	close(store);
	rig_run(&rig, 2);
	rig_expect_log(&rig, "the store is gone");
	for (int i = 0; i < 3; i++) {
		asked = to_load();
		worker = push_loaded(&rig, "model", "m", "1");
		models_unload(rig.guest->models, named(&rig, "m", ""), true, &asked.request);
		rig_worker_expect_end(&rig, worker);
		rig_worker_exit(&rig, worker, 0);
		assert_int_equal(asked.n_done, 1);
	}
	open_store(&rig, NULL, 0);
	await_msg(&rig, STORE_REMOVE, NULL);
	expect_labels(&rig, "");
	expect_silence(&rig);
	end(&rig);
}

/* Too old: off the disk, too. */
static void test_expired(void **state)
{
	struct front_start limits = rig_limits();
	struct store_msg msg;
	struct rig rig;

	(void)state;
	limits.model_keep_ms = 50;
	rig_init(&rig, &limits);
	open_store(&rig, two, 1);
	expect_labels(&rig, "m:1 ");
	msg = await_msg(&rig, STORE_REMOVE, NULL);
	expect_hash(&msg, "model");
	rig_run(&rig, 2);
	assert_int_equal(models_count(rig.guest->models), 0);
	end(&rig);
}

static void test_dropped(void **state)
{
	struct rig_worker *worker;
	struct rig rig;

	(void)state;
	begin(&rig, two, 1);
	expect_labels(&rig, "m:1 ");
	worker = push_loaded(&rig, "other", "o", "");
	expect_put(&rig, "other", 0);
	expect_labels(&rig, "m:1 o: ");
	answer(&rig, STORE_DROPPED, "model", 0, -1);
	answer(&rig, STORE_DROPPED, "other", 0, -1);
	answer(&rig, STORE_DROPPED, "unknown", 0, -1);
	/* The bytes of one are here still. */
	assert_null(named(&rig, "m", ""));
	assert_non_null(named(&rig, "o", ""));
	rig_worker_exit(&rig, worker, 0);
	end(&rig);
}

/* Only so many are kept: the ones that were used last. */
static void test_too_many(void **state)
{
	static const struct held held[] = {
		{ "a", "a", 10 }, { "b", "b", 50 }, { "c", "c", 30 },
		{ "d", "d", 20 }, { "e", "e", 5 },
	};
	struct store_msg msg;
	struct rig rig;

	(void)state;
	begin(&rig, held, ARRAY_SIZE(held));
	msg = await_msg(&rig, STORE_REMOVE, NULL);
	expect_hash(&msg, "b");
	expect_labels(&rig, "a:1 c:1 d:1 e:1 ");
	assert_int_equal(models_kept(rig.guest->models), 4);
	end(&rig);
}

/* The store dies and comes back: it is told what it does not know, and what is no more. */
static void test_store_restarts(void **state)
{
	static const struct held now[] = { { "other", "o", 1 }, { "gone", "g", 1 } };
	struct asked asked = to_load(), run = to_run();
	struct rig_worker *worker, *second;
	struct store_msg msg;
	struct rig rig;

	(void)state;
	begin(&rig, two, 2);
	expect_labels(&rig, "m:1 o:1 ");
	close(store);
	rig_run(&rig, 2);
	rig_expect_log(&rig, "the store is gone");
	/* Meanwhile: one more, one less, and one that is waited for. */
	worker = push_loaded(&rig, "new", "n", "");
	models_unload(rig.guest->models, named(&rig, "m", ""), true, &asked.request);
	ask(&rig, named(&rig, "o", ""), &run);
	rig_run(&rig, 2);
	assert_int_equal(run.n_done, 0);
	open_store(&rig, now, 2);
	msg = await_msg(&rig, STORE_REMOVE, NULL);
	expect_hash(&msg, "model");
	msg = await_msg(&rig, STORE_REMOVE, NULL);
	expect_hash(&msg, "gone");
	expect_get(&rig, "other", "other");
	expect_put(&rig, "new", 0);
	second = rig_worker_with(&rig, "other");
	answer_run(&rig, second);
	expect_ok(&rig, &run, true);
	expect_labels(&rig, "o:1 n: ");
	assert_null(named(&rig, "g", ""));
	rig_worker_exit(&rig, worker, 0);
	rig_worker_exit(&rig, second, 0);
	end(&rig);
}

/* It has lost what this front has nowhere else. */
static void test_store_lost_all(void **state)
{
	struct asked run = to_run();
	struct rig rig;

	(void)state;
	begin(&rig, two, 2);
	expect_labels(&rig, "m:1 o:1 ");
	ask(&rig, named(&rig, "o", ""), &run);
	await_msg(&rig, STORE_GET, NULL);
	close(store);
	open_store(&rig, NULL, 0);
	assert_null(named(&rig, "m", ""));
	expect_get(&rig, "other", NULL);
	expect_failed(&rig, &run, TENSOCK_NOT_FOUND);
	assert_int_equal(models_count(rig.guest->models), 0);
	end(&rig);
}

/* A store that starts after its guest has begun: what the guest has said by then is what holds. */
static void test_late_store(void **state)
{
	static const struct held held[] = { { "model", "m", 1 }, { "other", "o", 1 } };
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "new", "m", "1");
	open_store(&rig, held, 2);
	expect_put(&rig, "new", 0);
	assert_ptr_equal(named(&rig, "m", "1"), of_bytes(&rig, "new"));
	assert_non_null(of_bytes(&rig, "model"));
	assert_non_null(named(&rig, "o", "1"));
	rig_worker_exit(&rig, worker, 0);
	end(&rig);
}

/* Memory that is short is taken from what is on the disk as well. */
static void test_memory(void **state)
{
	struct asked run = to_run();
	struct rig_worker *worker;
	struct account *account;
	struct rig rig;

	(void)state;
	begin(&rig, NULL, 0);
	account = &rig.guest->account;
	worker = push_loaded(&rig, "model", "m", "1");
	expect_put(&rig, "model", 0);
	expect_labels(&rig, "m:1 ");
	account->max_bytes = 20;
	assert_int_equal(account_take(account, 20), 0);
	rig_worker_expect_end(&rig, worker);
	rig_worker_exit(&rig, worker, 0);
	assert_int_equal(account->used_bytes, 20);
	ask(&rig, named(&rig, "m", ""), &run);
	expect_failed(&rig, &run, TENSOCK_LIMIT_REACHED);
	account_give(account, 20);
	account->max_bytes = 8 << 20;
	run = to_run();
	ask(&rig, named(&rig, "m", ""), &run);
	expect_get(&rig, "model", "model");
	worker = rig_worker_with(&rig, "model");
	answer_run(&rig, worker);
	expect_ok(&rig, &run, true);
	rig_worker_exit(&rig, worker, 0);
	end(&rig);
}

/* A store that breaks the rules is done without. */
static void test_rogue_store(void **state)
{
	static const enum store_msg_type types[] = { STORE_GET, STORE_INDEX };
	struct rig_worker *worker;
	struct rig rig;

	(void)state;
	begin(&rig, NULL, 0);
	worker = push_loaded(&rig, "model", "m", "1");
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		struct store_msg msg = { .type = types[i], .bytes = i ? 10 : 0 };
		char byte[sizeof(struct store_msg)];

		assert_int_equal(store_control_send(store, &msg, i ? 0 : -1), 0);
		rig_run(&rig, 2);
		rig_expect_log(&rig, "unexpected message");
		while (recv(store, byte, sizeof(byte), MSG_DONTWAIT) > 0)
			;
		assert_int_equal(recv(store, byte, sizeof(byte), MSG_DONTWAIT), 0);
		close(store);
		open_store(&rig, NULL, 0);
	}
	assert_int_equal(send(store, "x", 1, 0), 1);
	rig_expect_log(&rig, "the store is gone");
	assert_non_null(named(&rig, "m", "1"));
	rig_worker_exit(&rig, worker, 0);
	end(&rig);
}

/* What the store has not heard of yet goes with the front's last words. */
static void test_last_words(void **state)
{
	struct rig_worker *worker, *second;
	struct rig rig;

	(void)state;
	begin(&rig, NULL, 0);
	worker = push_loaded(&rig, "model", "m", "1");
	second = push_loaded(&rig, "other", "o", "");
	rig_run(&rig, 2);
	rig_send(&rig, FRONT_STOP, 0, 0, 0, -1);
	rig_run(&rig, 5);
	assert_true(rig.guest->has_ended);
	rig_worker_hang_up(worker);
	rig_worker_hang_up(second);
	rig_done(&rig);
	for (int i = 0; i < 2; i++)
		await_msg(&rig, i ? STORE_LABELS : STORE_PUT, NULL);
	await_msg(&rig, STORE_PUT, NULL);
	await_msg(&rig, STORE_LABELS, NULL);
	close(store);
	free(worker);
	free(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_stored),          TSK_TEST(test_not_stored),
		TSK_TEST(test_not_kept),        TSK_TEST(test_comes_back),
		TSK_TEST(test_comes_otherwise), TSK_TEST(test_lost),
		TSK_TEST(test_silent_store),    TSK_TEST(test_offer),
		TSK_TEST(test_offer_given_up),  TSK_TEST(test_removed),
		TSK_TEST(test_expired),         TSK_TEST(test_dropped),
		TSK_TEST(test_too_many),        TSK_TEST(test_store_restarts),
		TSK_TEST(test_store_lost_all),  TSK_TEST(test_late_store),
		TSK_TEST(test_memory),          TSK_TEST(test_rogue_store),
		TSK_TEST(test_last_words),      TSK_TEST(test_removed_often),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
