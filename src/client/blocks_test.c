/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that callers were given: where the host finds it, and that it is theirs whatever happens. */
#include "client/blocks.h"

#include "base/testing.h"

#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "client/infer_rig.h"

#define MIB ((uint64_t)1 << 20)
#define PAGE 4096u

/*
 * ---- Without a host
 */

static void test_sizes(void **state)
{
	static const uint64_t sizes[] = { 0, 1, PAGE, PAGE + 1, 3 * MIB + 5 };
	struct tensock_client *client;
	struct tensock_error error;
	unsigned char *start;

	(void)state;
	assert_int_equal(tensock_client_new("unix:/nonexistent", NULL, &client, NULL), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(tensock_alloc(client, sizes[i], (void **)&start, NULL), 0);
		assert_int_equal((uintptr_t)start % PAGE, 0);
		memset(start, 1, (size_t)sizes[i]);
		if (i % 2 == 0)
			tensock_free(client, start);
	}
	start = NULL;
	assert_int_equal(tensock_alloc(client, UINT64_MAX, (void **)&start, &error),
			 TENSOCK_OUT_OF_MEMORY);
	assert_string_equal(error.message, "no memory for tensors of 18446744073709551615 bytes");
	assert_int_equal(tensock_alloc(client, SIZE_MAX / 2, (void **)&start, NULL),
			 TENSOCK_OUT_OF_MEMORY);
	assert_null(start);
	tensock_free(client, NULL);
	/* What is left goes with it. */
	tensock_client_free(client);
}

static void test_find(void **state)
{
	struct blocks blocks = LIST_HEAD_INITIALIZER(blocks);
	struct block *a, *b;
	struct memory memory;

	(void)state;
	memory_init(&memory);
	assert_null(blocks_find(&blocks, &memory, 1));
	assert_int_equal(block_new(&blocks, 2 * PAGE, &a), 0);
	assert_int_equal(block_new(&blocks, PAGE, &b), 0);
	assert_ptr_equal(blocks_find(&blocks, a->start, 2 * PAGE), a);
	assert_ptr_equal(blocks_find(&blocks, a->start + 2 * PAGE - 1, 1), a);
	assert_ptr_equal(blocks_find(&blocks, b->start + 7, PAGE - 7), b);
	assert_null(blocks_find(&blocks, b->start + 7, PAGE - 6));
	assert_null(blocks_find(&blocks, b->start, UINT64_MAX));
	assert_null(blocks_find(&blocks, &memory, 1));
	block_free(a, &memory);
	block_free(b, &memory);
	memory_done(&memory);
}

/* It moves into the memory and out of it again, and its bytes with it. */
static void test_moves(void **state)
{
	struct blocks blocks = LIST_HEAD_INITIALIZER(blocks);
	struct memory_slice other = { 0 };
	struct memory memory;
	struct block *block;

	(void)state;
	memory_init(&memory);
	assert_int_equal(block_new(&blocks, MIB, &block), 0);
	block->start[5] = 7;
	assert_true(memory_take(&memory, 1, &other));
	assert_true(block_share(block, &memory, true));
	assert_int_equal(block->slice.at, PAGE);
	assert_int_equal(memory.start[PAGE + 5], 7);
	memory.start[PAGE + MIB - 1] = 8;
	assert_int_equal(block->start[MIB - 1], 8);
	/* Nothing is wrong with it. */
	blocks_settle(&blocks, &memory);
	assert_true(block_share(block, &memory, true));

	memory_give_up(&memory, &other);
	assert_false(block_share(block, &memory, true));
	block->n_uses = 1;
	blocks_settle(&blocks, &memory);
	assert_true(block->is_shared);
	block->n_uses = 0;
	blocks_settle(&blocks, &memory);
	assert_false(block->is_shared);
	memory.start[PAGE + 5] = 99;
	assert_int_equal(block->start[5], 7);
	assert_int_equal(block->start[MIB - 1], 8);
	/* Nobody gets anything of that memory. */
	assert_false(block_share(block, &memory, true));
	memory_give(&memory, &other);
	assert_null(memory.start);
	assert_true(block_share(block, &memory, true));
	assert_int_equal(memory.start[5], 7);

	/* Another connection. */
	memory_done(&memory);
	assert_false(block_share(block, &memory, true));
	blocks_settle(&blocks, &memory);
	assert_int_equal(block->start[5], 7);
	block_free(block, &memory);
	memory_done(&memory);
}

/*
 * ---- With a host
 */

/* Each in a block of its own. */
static struct run new_run(struct rig *rig, uint64_t bytes, unsigned seed)
{
	struct run run = run_new(bytes, seed);
	void *x, *y;

	assert_int_equal(tensock_alloc(rig->client, bytes, &x, NULL), 0);
	assert_int_equal(tensock_alloc(rig->client, bytes, &y, NULL), 0);
	memcpy(x, run.x, bytes);
	run.input.data = x;
	run.output.data = y;
	return run;
}

static void end_run(struct rig *rig, struct run *run)
{
	tensock_free(rig->client, (void *)(uintptr_t)run->input.data);
	tensock_free(rig->client, run->output.data);
	run_done(run);
}

static void expect(struct fake_host *host, uint64_t at, uint64_t place, struct fake_infer *ret)
{
	rig_take(host, WIRE_INFER_MEMORY, ret);
	assert_int_equal(ret->at, at);
	assert_int_equal(ret->n_places, 1);
	assert_int_equal(ret->places[0].at, place);
}

/* The same, answered as it should be. */
static void echo_at(struct fake_host *host, uint64_t at, uint64_t place)
{
	struct fake_infer infer;

	expect(host, at, place, &infer);
	fake_host_echo(host, &infer);
	fake_infer_done(&infer);
}

/* Both lie where they lie; when they are freed there is room for others. */
static void host_in_place(struct fake_host *host)
{
	rig_host_model(host);
	fake_host_memory(host);
	for (unsigned i = 0; i < 4; i++)
		echo_at(host, 0, 20 * MIB);
	rig_wait_for_the_end(host);
}

static void test_in_place(void **state)
{
	struct run run;
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_in_place);
	for (unsigned i = 0; i < 2; i++) {
		run = new_run(&rig, 20 * MIB, i);
		for (unsigned k = 0; k < 2; k++)
			rig_infer_well(&rig, &run);
		end_run(&rig, &run);
	}
	rig_end(&rig);
}

/* One of the two is anywhere: it has a slice.  An output that is allocated comes in frames. */
static void host_of_each(struct fake_host *host)
{
	struct fake_infer infer;

	rig_host_model(host);
	fake_host_memory(host);
	echo_at(host, 0, 2 * MIB);
	echo_at(host, 2 * MIB, MIB);
	rig_take(host, WIRE_INFER_MEMORY, &infer);
	assert_int_equal(infer.at, 0);
	assert_int_equal(infer.n_places, 0);
	fake_host_echo(host, &infer);
	fake_infer_done(&infer);
	rig_wait_for_the_end(host);
}

static void test_one_of_the_two(void **state)
{
	struct rig rig;
	struct run run;
	void *y;

	(void)state;
	rig_begin(&rig, host_of_each);
	run = new_run(&rig, MIB, 1);
	y = run.output.data;
	run.output.data = run.y;
	rig_infer_well(&rig, &run);

	const void *x = run.input.data;
	run.input.data = run.x;
	run.output.data = y;
	rig_infer_well(&rig, &run);

	run.input.data = x;
	run.output.data = NULL;
	rig_infer_well(&rig, &run);
	tensock_outputs_done(&run.output, 1);
	run.output.data = y;
	end_run(&rig, &run);
	rig_end(&rig);
}

/* Where the tensors do not lie as they must, they are copied, and all is well. */
enum {
	GAP = 100032 /* the next multiple of 64 */
};

static void host_many(struct fake_host *host)
{
	static const uint64_t at[][3] = {
		{ 0, GAP, MIB },       /* inputs, outputs: as they lie */
		{ 4 * MIB, GAP, MIB }, /* inputs are not behind each other */
		{ 0, 4 * MIB, MIB },   /* the first output upon an input */
		{ 4 * MIB, 4 * MIB + 2 * GAP, 4 * MIB + 3 * GAP }, /* nothing is a multiple of 64 */
	};

	rig_host_model(host);
	fake_host_memory(host);
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		struct fake_infer infer;

		rig_take(host, WIRE_INFER_MEMORY, &infer);
		assert_int_equal(infer.at, at[i][0]);
		assert_int_equal(infer.n_places, 2);
		if (i == 0) {
			assert_int_equal(infer.places[0].at, 2 * MIB);
			assert_int_equal(infer.places[1].at, 3 * MIB);
		} else if (i == 1) {
			assert_int_equal(infer.places[0].at, 2 * MIB);
		} else {
			assert_int_equal(infer.places[0].at, at[i][1]);
		}
		fake_host_echo(host, &infer);
		fake_infer_done(&infer);
	}
	rig_wait_for_the_end(host);
}

static void test_where_they_lie(void **state)
{
	static const uint64_t places[][4] = {
		/* of two inputs and two outputs */
		{ 0, GAP, 2 * MIB, 3 * MIB },
		{ 0, MIB, 2 * MIB, 3 * MIB },
		{ 0, GAP, GAP + 64, 3 * MIB },
		{ 1, GAP + 1, 2 * MIB + 1, 3 * MIB + 1 },
	};
	unsigned char *start;
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_many);
	assert_int_equal(tensock_alloc(rig.client, 4 * MIB, (void **)&start, NULL), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		struct run runs[2] = { run_new(100000, i), run_new(100000, i + 7) };
		struct tensock_output outputs[2] = { 0 };
		struct tensock_input inputs[2] = { 0 };

		for (unsigned k = 0; k < 2; k++) {
			inputs[k] = runs[k].input;
			inputs[k].name = NULL;
			inputs[k].index = outputs[k].index = k;
			inputs[k].data = start + places[i][k];
			memcpy(start + places[i][k], runs[k].x, 100000);
			outputs[k].data = start + places[i][2 + k];
			outputs[k].capacity = 100000;
		}
		assert_int_equal(tensock_infer(rig.client, rig.model, inputs, 2, outputs, 2, NULL,
					       NULL),
				 0);
		for (unsigned k = 0; k < 2; k++) {
			assert_memory_equal(outputs[k].data, runs[k].x, 100000);
			run_done(&runs[k]);
		}
	}
	rig_end(&rig);
}

/* Small ones go through the socket, from wherever they lie. */
static void host_small(struct fake_host *host)
{
	rig_host_model(host);
	rig_echo(host, WIRE_INFER);
	rig_wait_for_the_end(host);
}

static void test_small(void **state)
{
	struct run run;
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_small);
	run = new_run(&rig, MEMORY_WORTH_BYTES / 4, 1);
	rig_infer_well(&rig, &run);
	end_run(&rig, &run);
	rig_end(&rig);
}

/* What is in it before there is a connection is there afterwards. */
static void host_late(struct fake_host *host)
{
	rig_host_model(host);
	fake_host_close(host);
	rig_greet(host);
	fake_host_memory(host);
	echo_at(host, 0, MIB);
	rig_wait_for_the_end(host);
}

static void test_before_the_connection(void **state)
{
	struct run run;
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_late);
	connection_close(&rig.client->connection);
	run = new_run(&rig, MIB, 3);
	rig_infer_well(&rig, &run);
	end_run(&rig, &run);
	rig_end(&rig);
}

/* A sign that the client has heard what was said before. */
static void answer_stats(struct fake_host *host)
{
	fake_host_expect(host, WIRE_STATS);
	fake_host_write(host, WIRE_COUNTERS, host->header.id, "\0\0\0\0", 4);
}

static void ask_stats(struct rig *rig)
{
	struct tensock_counter *counters;
	size_t n;

	assert_int_equal(tensock_stats(rig->client, &counters, &n, NULL), 0);
	free(counters);
}

/* What a run that has been given up writes later, its caller does not see; what another one writes, its does. */
static void host_fails(struct fake_host *host)
{
	struct fake_infer infers[2];
	unsigned char *old;

	rig_host_model(host);
	fake_host_memory(host);
	expect(host, 0, MIB, &infers[0]);
	expect(host, 2 * MIB, 3 * MIB, &infers[1]);
	old = host->memory;
	rig_refuse(host, &infers[0], TENSOCK_DEADLINE_EXCEEDED);
	answer_stats(host);
	fake_host_echo(host, &infers[1]);
	fake_host_expect(host, WIRE_STATS);
	memset(old, 0xee, 4 * MIB);
	fake_host_write(host, WIRE_COUNTERS, host->header.id, "\0\0\0\0", 4);
	fake_infer_done(&infers[0]);
	fake_infer_done(&infers[1]);
	fake_host_memory(host);
	expect(host, 0, MIB, &infers[0]);
	fake_host_echo(host, &infers[0]);
	fake_infer_done(&infers[0]);
	rig_wait_for_the_end(host);
}

/* Whoever asked may use them at once. */
static bool is_private(const struct rig *rig, const struct run *run)
{
	return !blocks_find(&rig->client->blocks, run->input.data, 1)->is_shared &&
	       !blocks_find(&rig->client->blocks, run->output.data, 1)->is_shared;
}

struct failing {
	struct rig *rig;
	struct run *run;
};

static void on_failure(void *user, const struct tensock_error *error)
{
	const struct failing *failing = user;

	assert_true(is_private(failing->rig, failing->run));
	run_on_done(failing->run, error);
}

static void test_failed(void **state)
{
	struct run runs[2];
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_fails);
	for (unsigned i = 0; i < 2; i++)
		runs[i] = new_run(&rig, MIB, i);
	assert_int_equal(tensock_infer_start(rig.client, rig.model, &runs[0].input, 1,
					     &runs[0].output, 1, NULL,
					     &(struct tensock_completion){
						     on_failure,
						     &(struct failing){ &rig, &runs[0] } },
					     NULL, NULL),
			 0);
	rig_start(&rig, &runs[1]);
	rig_await(&rig, &runs[0]);
	assert_int_equal(runs[0].status, TENSOCK_DEADLINE_EXCEEDED);
	ask_stats(&rig);
	rig_await(&rig, &runs[1]);
	assert_int_equal(runs[1].status, 0);
	ask_stats(&rig);
	run_check(&runs[1]);
	assert_memory_equal(runs[0].input.data, runs[0].x, MIB);
	rig_infer_well(&rig, &runs[0]);
	for (unsigned i = 0; i < 2; i++)
		end_run(&rig, &runs[i]);
	rig_end(&rig);
}

/* On the next connection they are in place again. */
static void host_breaks(struct fake_host *host)
{
	struct fake_infer infer;

	rig_host_model(host);
	fake_host_memory(host);
	expect(host, 0, MIB, &infer);
	fake_infer_done(&infer);
	rig_greet(host);
	fake_host_memory(host);
	for (unsigned i = 0; i < 2; i++)
		echo_at(host, 0, MIB);
	rig_wait_for_the_end(host);
}

static void test_broken(void **state)
{
	struct run run;
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_breaks);
	run = new_run(&rig, MIB, 5);
	for (unsigned i = 0; i < 2; i++)
		rig_infer_well(&rig, &run);
	end_run(&rig, &run);
	rig_end(&rig);
}

/* A host that cannot use it. */
static void host_refuses(struct fake_host *host)
{
	struct fake_infer infer;

	rig_host_model(host);
	fake_host_memory(host);
	expect(host, 0, MIB, &infer);
	fake_host_write(host, WIRE_INLINE, infer.id, NULL, 0);
	fake_infer_done(&infer);
	rig_echo(host, WIRE_INFER);
	rig_echo(host, WIRE_INFER);
	rig_wait_for_the_end(host);
}

static void test_inline(void **state)
{
	struct run run;
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_refuses);
	run = new_run(&rig, MIB, 6);
	for (unsigned i = 0; i < 2; i++)
		rig_infer_well(&rig, &run);
	assert_null(rig.client->connection.memory.start);
	end_run(&rig, &run);
	rig_end(&rig);
}

/* What does not fit into the memory is copied into what is left of it, or goes through the socket. */
static void host_full(struct fake_host *host)
{
	rig_host_model(host);
	fake_host_memory(host);
	echo_at(host, 0, 40 * MIB);
	rig_echo(host, WIRE_INFER);
	rig_wait_for_the_end(host);
}

static void test_full(void **state)
{
	struct run runs[2];
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_full);
	for (unsigned i = 0; i < 2; i++)
		runs[i] = new_run(&rig, 40 * MIB, i);
	for (unsigned i = 0; i < 2; i++)
		rig_infer_well(&rig, &runs[i]);
	for (unsigned i = 0; i < 2; i++)
		end_run(&rig, &runs[i]);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_sizes),          TSK_TEST(test_find),
		TSK_TEST(test_moves),          TSK_TEST(test_in_place),
		TSK_TEST(test_one_of_the_two), TSK_TEST(test_where_they_lie),
		TSK_TEST(test_small),          TSK_TEST(test_before_the_connection),
		TSK_TEST(test_failed),         TSK_TEST(test_broken),
		TSK_TEST(test_inline),         TSK_TEST(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
