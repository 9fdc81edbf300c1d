/* SPDX-License-Identifier: Apache-2.0 */
/* Uploads that are not whole, and the store. */
#include "front/parts.h"

#include "base/testing.h"
#include "front/store_played.h"

static struct peer peer;

static const char model[] = "a model of some bytes";
#define BYTES (sizeof(model) - 1)

static const struct held part[] = { { model, "m", .age_ms = 5, .have = 7 } };

/* A guest comes, and offers it. */
static void offer(struct rig *rig)
{
	peer_connect(&peer, rig);
	peer_offer(&peer, 1, model, "");
}

/* The front saves so many bytes of it. */
static void expect_part(struct rig *rig, uint64_t have)
{
	struct tsk_map map;
	int fd;
	struct store_msg msg = await_msg(rig, STORE_PART, &fd);

	expect_hash(&msg, model);
	assert_int_equal(msg.bytes, BYTES);
	assert_int_equal(msg.value, have);
	assert_int_equal(tsk_map_new(fd, BYTES, false, &map), 0);
	assert_memory_equal(map.addr, model, have);
	tsk_map_done(&map);
	close(fd);
}

/* The front asks for what there is: so many bytes; none: it is gone. */
static void expect_get_part(struct rig *rig, uint64_t have)
{
	struct store_msg msg = await_msg(rig, STORE_GET_PART, NULL);
	struct tsk_map map;
	int fd = -1;

	expect_hash(&msg, model);
	msg.type = STORE_PART_BYTES;
	msg.result = have ? 0 : -ENOENT;
	if (have) {
		msg.bytes = BYTES;
		msg.value = have;
		assert_int_equal(tsk_memfd_new("test", BYTES, &fd), 0);
		assert_int_equal(tsk_map_new(fd, BYTES, true, &map), 0);
		memcpy(map.addr, model, have);
		tsk_map_done(&map);
	}
	assert_int_equal(store_control_send(store, &msg, fd), 0);
	tsk_close(fd);
	rig_run(rig, 1);
}

/* SEND from there; sends the rest, and the model is whole. */
static void go_on(struct rig *rig, uint32_t id, uint64_t from)
{
	struct rig_worker *worker;
	uint64_t offset;

	peer_expect(&peer, WIRE_SEND, id);
	assert_int_equal(wire_send_read(peer.body, peer.header.size, &offset), 0);
	assert_int_equal(offset, from);
	peer_send(&peer, WIRE_CHUNK, id, model + from, BYTES - from);
	worker = rig_worker_with(rig, model);
	peer_expect(&peer, WIRE_MODEL, id);
	expect_put(rig, model, 0);
	rig_worker_exit(rig, worker, 0);
}

static void test_breaks_off(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, NULL, 0);
	offer(&rig);
	peer_expect(&peer, WIRE_SEND, 1);
	peer_send(&peer, WIRE_CHUNK, 1, model, 5);
	rig_run(&rig, 2);
	expect_silence(&rig); /* while more may come */
	peer_close(&peer);
	expect_part(&rig, 5);
	/* Goes on, before that is on the disk, and breaks off again. */
	offer(&rig);
	peer_expect(&peer, WIRE_SEND, 1);
	peer_send(&peer, WIRE_CHUNK, 1, model + 5, 4);
	peer_close(&peer);
	expect_silence(&rig);
	answer(&rig, STORE_PART_STORED, model, 0, -1);
	expect_part(&rig, 9);
	answer(&rig, STORE_PART_STORED, model, -ENOSPC, -1);
	offer(&rig);
	go_on(&rig, 1, 9);
	peer_close(&peer);
	end(&rig);
}

/* Who says that he does not want it has it forgotten. */
static void test_cancelled(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, part, 1);
	offer(&rig);
	expect_get_part(&rig, 7);
	peer_expect(&peer, WIRE_SEND, 1);
	peer_send(&peer, WIRE_CANCEL, 1, NULL, 0);
	peer_expect_error(&peer, 1, TENSOCK_CANCELLED, "");
	await_msg(&rig, STORE_REMOVE_PART, NULL);
	peer_close(&peer);
	end(&rig);
}

static void test_goes_on(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, part, 1);
	offer(&rig);
	expect_get_part(&rig, 7);
	assert_int_equal(rig.guest->counters.uploads_resumed, 1);
	go_on(&rig, 1, 7);
	assert_int_equal(rig.guest->counters.uploads_begun, 0);
	peer_close(&peer);
	end(&rig);
}

/* The disk has lost it, the store dies, or lies: it is sent from its beginning. */
static void test_begins_anew(void **state)
{
	struct rig rig;

	(void)state;
	for (int way = 0; way < 3; way++) {
		begin(&rig, part, 1);
		offer(&rig);
		if (way == 0) {
			expect_get_part(&rig, 0);
		} else if (way == 1) {
			await_msg(&rig, STORE_GET_PART, NULL);
			close(store);
			open_store(&rig, NULL, 0);
			expect_labels(&rig, "");
		} else {
			expect_get_part(&rig, BYTES); /* all of it is no part */
		}
		go_on(&rig, 1, 0);
		peer_close(&peer);
		end(&rig);
	}
}

static int send_nothing(void *context, const struct store_msg *msg, int fd)
{
	(void)context;
	(void)msg;
	(void)fd;
	return 0;
}

static void do_nothing(void *context)
{
	(void)context;
}

static void on_fetched(void *context, int fd, uint64_t have)
{
	assert_int_equal(have, 0);
	*(int *)context = fd;
}

/* The store does not say anything, for longer than a guest is kept waiting. */
static void test_silent_store(void **state)
{
	const struct front_start limits = rig_limits();
	struct store_entry entry = { .hash = { 1 }, .size = 10, .have = 5 };
	int fd = 0;
	struct parts_fetch fetch = { .done = on_fetched, .context = &fd };
	struct parts_host host = { .limits = &limits,
				   .send = send_nothing,
				   .free_again = do_nothing,
				   .emptied = do_nothing };
	struct parts *parts;
	uv_loop_t loop;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	host.loop = &loop;
	assert_int_equal(parts_new(&host, &parts), 0);
	parts_found(parts, &entry);
	assert_true(parts_fetch(parts, &fetch, entry.hash, 10));
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_true(fetch.is_waiting);
	fetch.since_ms -= 5000; /* that was long ago */
	entry.hash[0] = 2;
	parts_found(parts, &entry);
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_false(fetch.is_waiting);
	assert_int_equal(fd, -1);
	parts_free(parts);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

/* The guest goes while the store looks: what comes then is nobody's. */
static void test_given_up(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, part, 1);
	offer(&rig);
	peer_close(&peer);
	expect_get_part(&rig, 7);
	assert_int_equal(uploads_kept(rig.guest->uploads), 0);
	assert_int_equal(rig.guest->account.used_bytes, 0);
	end(&rig);
}

/* No room for what was saved: as for any upload. */
static void test_no_memory(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, part, 1);
	rig.guest->account.max_bytes = BYTES - 1;
	offer(&rig);
	expect_get_part(&rig, 7);
	peer_expect_error(&peer, 1, TENSOCK_LIMIT_REACHED, "max-memory");
	peer_close(&peer);
	end(&rig);
}

static void test_bounds(void **state)
{
	static const struct held held[] = { { "part a", "a", .age_ms = 10, .have = 1 },
					    { "part b", "b", .age_ms = 30, .have = 1 },
					    { "part c", "c", .age_ms = 20, .have = 1 },
					    { "part d", "d", .age_ms = 70000, .have = 1 } };
	struct front_start limits = rig_limits();
	struct store_msg msg;
	struct rig rig;

	(void)state;
	/* More than may be kept, and one that is too old. */
	begin(&rig, held, 4);
	msg = await_msg(&rig, STORE_REMOVE_PART, NULL);
	expect_hash(&msg, "part b");
	msg = await_msg(&rig, STORE_REMOVE_PART, NULL);
	expect_hash(&msg, "part d");
	expect_silence(&rig);
	assert_int_equal(parts_count(stored_parts(rig.guest->stored)), 2);
	end(&rig);
	/* None at all. */
	limits.uploads_max = 0;
	rig_init(&rig, &limits);
	open_store(&rig, held, 1);
	await_msg(&rig, STORE_REMOVE_PART, NULL);
	assert_int_equal(parts_count(stored_parts(rig.guest->stored)), 0);
	end(&rig);
	/* Their time passes. */
	limits.uploads_max = 2;
	limits.upload_keep_ms = 60;
	rig_init(&rig, &limits);
	open_store(&rig, held, 3);
	for (int i = 0; i < 3; i++)
		await_msg(&rig, STORE_REMOVE_PART, NULL);
	rig_run(&rig, 2);
	assert_int_equal(parts_count(stored_parts(rig.guest->stored)), 0);
	end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_breaks_off),  TSK_TEST(test_cancelled), TSK_TEST(test_goes_on),
		TSK_TEST(test_begins_anew), TSK_TEST(test_given_up),  TSK_TEST(test_no_memory),
		TSK_TEST(test_bounds),      TSK_TEST(test_silent_store),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
