/* SPDX-License-Identifier: Apache-2.0 */
/* Which outputs the engine is told to write in place, and what becomes of a model that breaks its word. */
#include "worker/runner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REGION_BYTES 4096u

/* An output of `rows` times 2 ones. */
static struct {
	int64_t rows;
	unsigned n_calls;
	bool was_placed; /* in the last call */
} engine;

static void free_data(struct tensock_tensor *tensor)
{
	free(tensor->data);
}

static uint32_t engine_run(void *model, uint64_t run_id, const struct tensock_tensor *inputs,
			   uint32_t n_inputs, struct tensock_tensor *outputs, uint32_t n_outputs,
			   struct tensock_error *reterr)
{
	struct tensock_tensor *y = &outputs[0];
	uint64_t bytes = (uint64_t)engine.rows * 2;

	(void)model, (void)run_id, (void)inputs, (void)n_inputs, (void)reterr;
	assert_int_equal(n_outputs, 1);
	engine.n_calls++;
	engine.was_placed = y->data != NULL;
	if (engine.was_placed && (y->rank != 2 || y->dims[0] != engine.rows || y->dims[1] != 2))
		return TENSOCK_ENGINE_FAILED;
	if (engine.was_placed) {
		assert_int_equal(y->dtype, TENSOCK_UINT8);
		assert_int_equal(y->bytes, bytes);
		assert_null(y->release);
	} else {
		*y = (struct tensock_tensor){ .dtype = TENSOCK_UINT8,
					      .rank = 2,
					      .dims = { engine.rows, 2 },
					      .data = malloc(bytes + 1),
					      .bytes = bytes,
					      .release = free_data };
		assert_non_null(y->data);
	}
	memset(y->data, 1, bytes);
	return TENSOCK_OK;
}

static const struct tensock_engine fake = { .size = sizeof(fake),
					    .name = "fake",
					    .run = engine_run };
static const struct plugin plugin = { .engine = &fake, .parallel = 1 };

/* Of two inputs [a] and [b] and an output [y, 2], a dimension's name each. */
struct served {
	struct tensock_tensor_info inputs[2], output;
	struct tensock_model_description description;
	struct model model;
	struct runner runner;
	_Alignas(64) unsigned char in[REGION_BYTES], out[REGION_BYTES];
};

static void serve(struct served *s, const char *a, const char *b, const char *y)
{
	*s = (struct served){ 0 };
	s->inputs[0] = (struct tensock_tensor_info){
		.name = "a", .dtype = TENSOCK_UINT8, .rank = 1, .dims = { -1 }, .dim_names = { a }
	};
	s->inputs[1] = (struct tensock_tensor_info){
		.name = "b", .dtype = TENSOCK_UINT8, .rank = 1, .dims = { -1 }, .dim_names = { b }
	};
	s->output = (struct tensock_tensor_info){ .name = "y",
						  .dtype = TENSOCK_UINT8,
						  .rank = 2,
						  .dims = { -1, 2 },
						  .dim_names = { y } };
	s->description = (struct tensock_model_description){ .size = sizeof(s->description),
							     .n_inputs = 2,
							     .n_outputs = 1,
							     .inputs = s->inputs,
							     .outputs = &s->output };
	s->model = (struct model){ .plugin = &plugin, .description = &s->description };
	assert_int_equal(runner_init(&s->runner, &s->model), 0);
	memset(&engine, 0, sizeof(engine));
}

/* A run of inputs of so many elements, whose output has so many rows. */
static struct run_entry run(struct served *s, int64_t a, int64_t b, int64_t rows, uint64_t room)
{
	struct run_tensor inputs[2] = { { .index = 0,
					  .dtype = TENSOCK_UINT8,
					  .rank = 1,
					  .dims = { a },
					  .bytes = (uint64_t)a },
					{ .index = 1,
					  .dtype = TENSOCK_UINT8,
					  .rank = 1,
					  .dims = { b },
					  .bytes = (uint64_t)b } };
	uint64_t sizes[2] = { (uint64_t)a, (uint64_t)b }, offsets[2], total;
	struct region in = { s->in, 0 }, out = { s->out, room };
	struct job job = { .run_id = 1, .entry = { .type = RUN_START } };

	assert_int_equal(run_layout(sizes, 2, offsets, &total), 0);
	assert_in_range(total, 1, REGION_BYTES);
	inputs[0].offset = offsets[0];
	inputs[1].offset = offsets[1];
	assert_int_equal(run_write(s->in, REGION_BYTES, inputs, 2), 0);
	in.bytes = total;
	memset(s->out, 0, sizeof(s->out));
	engine.rows = rows;
	engine.n_calls = 0;
	runner_answer(&s->runner, &job, &in, &out);
	kept_free(job.kept);
	return job.done;
}

static void assert_rows(const struct served *s, const struct run_entry *done, int64_t rows)
{
	struct run_tensor y;
	unsigned n;

	assert_int_equal(done->status, TENSOCK_OK);
	assert_int_equal(run_read(s->out, done->out_bytes, &y, 1, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(y.rank, 2);
	assert_int_equal(y.dims[0], rows);
	assert_int_equal(y.bytes, 2 * rows);
	for (uint64_t i = 0; i < y.bytes; i++)
		assert_int_equal(s->out[y.offset + i], 1);
}

static void test_named_dimension(void **state)
{
	static const int64_t rows[] = { 3, 700, 1, 0 };
	struct served s;

	(void)state;
	serve(&s, "n", "m", "n");
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run_entry done = run(&s, rows[i], 5, rows[i], REGION_BYTES);

		assert_rows(&s, &done, rows[i]);
		assert_true(engine.was_placed);
		assert_int_equal(engine.n_calls, 1);
	}
	runner_done(&s.runner);
}

static void assert_not_placed(const char *a, const char *b, const char *y, int64_t n_b)
{
	struct run_entry done;
	struct served s;

	serve(&s, a, b, y);
	done = run(&s, 3, n_b, 3, REGION_BYTES);
	assert_rows(&s, &done, 3);
	assert_false(engine.was_placed);
	assert_int_equal(engine.n_calls, 1);
	runner_done(&s.runner);
}

static void test_unknown_dimension(void **state)
{
	(void)state;
	assert_not_placed("n", "m", "k", 3);
	assert_not_placed("n", "m", NULL, 3);
	assert_not_placed(NULL, NULL, NULL, 3);
	/* One name for two sizes says nothing. */
	assert_not_placed("?", "?", "?", 4);
}

static void test_no_room(void **state)
{
	struct run_entry done;
	struct served s;

	(void)state;
	serve(&s, "n", "m", "n");
	done = run(&s, 700, 5, 700, 512);
	assert_int_equal(done.status, TENSOCK_TOO_LARGE);
	assert_true(done.needed > 1400);
	assert_false(engine.was_placed);
	runner_done(&s.runner);
}

/* The names promise as many rows as `a` has elements, and there are twice as many. */
static void test_broken_word(void **state)
{
	struct run_entry done;
	struct served s;

	(void)state;
	serve(&s, "n", "m", "n");
	done = run(&s, 3, 5, 6, REGION_BYTES);
	assert_rows(&s, &done, 6);
	assert_int_equal(engine.n_calls, 2);
	done = run(&s, 3, 5, 6, REGION_BYTES);
	assert_rows(&s, &done, 6);
	assert_false(engine.was_placed);
	assert_int_equal(engine.n_calls, 1);
	runner_done(&s.runner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_named_dimension),
		cmocka_unit_test(test_unknown_dimension),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_broken_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
