/* SPDX-License-Identifier: Apache-2.0 */
/* Runs on foreign memory; what else a runner does is tested with the inbox, and by tests/conformance. */
#include "worker/runner.h"

#include <errno.h>
#include <string.h>

#include "base/testing.h"

#define ELEMS 32u
#define BYTES (4u * ELEMS)
#define SIZE 2048u
#define FOREIGN 7u

/* y = x + 1, of each input the output of the same number.  The second one is of no fixed shape. */
static unsigned n_in_place, n_calls;
static const void *seen[2];

static void free_data(struct tensock_tensor *tensor)
{
	free(tensor->data);
}

static bool same_shape(const struct tensock_tensor *a, const struct tensock_tensor *b)
{
	return a->rank == b->rank && a->bytes == b->bytes &&
	       memcmp(a->dims, b->dims, a->rank * sizeof(a->dims[0])) == 0;
}

static uint32_t engine_run(void *model, uint64_t run_id, const struct tensock_tensor *inputs,
			   uint32_t n_inputs, struct tensock_tensor *outputs, uint32_t n_outputs,
			   struct tensock_error *reterr)
{
	(void)model;
	(void)run_id;
	(void)reterr;
	assert_int_equal(n_inputs, n_outputs);
	for (uint32_t i = 0; i < n_inputs; i++) {
		const uint32_t *x = inputs[i].data;
		uint32_t *y;

		seen[i] = x;
		n_calls += i == 0;
		if (outputs[i].data && !same_shape(&outputs[i], &inputs[i]))
			return TENSOCK_ENGINE_FAILED;
		n_in_place += outputs[i].data != NULL;
		if (!outputs[i].data) {
			outputs[i] = inputs[i];
			outputs[i].data = malloc(BYTES);
			outputs[i].release = free_data;
		}
		y = outputs[i].data;
		for (unsigned k = 0; k < ELEMS; k++)
			y[k] = x[k] + 1;
	}
	return TENSOCK_OK;
}

static const struct tensock_engine fake = { .size = sizeof(fake),
					    .name = "fake",
					    .run = engine_run };
static const struct tensock_tensor_info infos[] = {
	{ .name = "fixed", .dtype = TENSOCK_UINT32, .rank = 1, .dims = { ELEMS } },
	{ .name = "open", .dtype = TENSOCK_UINT32, .rank = 1, .dims = { -1 } },
};
static const struct tensock_model_description description = { .size = sizeof(description),
							      .n_inputs = 2,
							      .n_outputs = 2,
							      .inputs = infos,
							      .outputs = infos };
static const struct plugin plugin = { .engine = &fake, .parallel = 1 };
static const struct model model = { .plugin = &plugin, .description = &description };

static _Alignas(RUN_ALIGN) unsigned char in_bytes[SIZE], out_bytes[SIZE], foreign[SIZE];

static void *find_foreign(uint32_t id, uint64_t offset, uint64_t bytes)
{
	if (id != FOREIGN || offset > SIZE || bytes > SIZE - offset)
		return NULL;
	return foreign + offset;
}

static struct run_tensor tensor(uint32_t index, uint32_t id, uint64_t offset)
{
	return (struct run_tensor){ .index = index,
				    .dtype = TENSOCK_UINT32,
				    .rank = 1,
				    .foreign = id,
				    .offset = offset,
				    .bytes = BYTES,
				    .dims = { ELEMS } };
}

static struct run_tensor place(uint32_t index, uint64_t offset, uint64_t bytes)
{
	return (struct run_tensor){
		.index = index, .foreign = FOREIGN, .offset = offset, .bytes = bytes
	};
}

static void fill(void *at, uint32_t from)
{
	for (uint32_t k = 0; k < ELEMS; k++)
		((uint32_t *)at)[k] = from + k;
}

static void expect(const void *at, uint32_t from)
{
	for (uint32_t k = 0; k < ELEMS; k++)
		assert_int_equal(((const uint32_t *)at)[k], from + k);
}

struct fixture {
	struct runner runner;
	struct job job;
	struct run_tensor inputs[2];
	struct run_tensor results[2];
};

/* Two inputs in foreign memory, which are 10, 11 ... and 20, 21 ... */
static void init(struct fixture *f)
{
	*f = (struct fixture){ .job.entry = { .type = RUN_START, .request_id = 1 },
			       .job.run_id = 1 };
	memset(out_bytes, 0, SIZE);
	assert_int_equal(runner_init(&f->runner, &model, find_foreign), 0);
	f->inputs[0] = tensor(0, FOREIGN, 0);
	f->inputs[1] = tensor(1, FOREIGN, 256);
	fill(foreign, 10);
	fill(foreign + 256, 20);
	n_in_place = 0;
}

static void answer(struct fixture *f, uint64_t room)
{
	struct region in = { in_bytes, SIZE }, out = { out_bytes, room };

	runner_answer(&f->runner, &f->job, &in, &out);
}

/* Runs with these places; the results are read unless it fails. */
static uint32_t run(struct fixture *f, const struct run_tensor *places, unsigned n_places,
		    uint64_t room)
{
	unsigned n;

	assert_int_equal(run_write_places(in_bytes, SIZE, f->inputs, 2, places, n_places), 0);
	answer(f, room);
	if (f->job.done.status == TENSOCK_OK) {
		assert_int_equal(run_read_foreign(out_bytes, f->job.done.out_bytes, f->results, 2,
						  &n, NULL),
				 0);
		assert_int_equal(n, 2);
	}
	return f->job.done.status;
}

static void done(struct fixture *f)
{
	runner_done(&f->runner);
}

static void test_inputs(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	assert_int_equal(run(&f, NULL, 0, SIZE), TENSOCK_OK);
	assert_ptr_equal(seen[0], foreign);
	assert_ptr_equal(seen[1], foreign + 256);
	assert_int_equal(f.results[0].foreign, 0);
	expect(out_bytes + f.results[0].offset, 11);
	expect(out_bytes + f.results[1].offset, 21);
	done(&f);
}

static void test_bad_inputs(void **state)
{
	struct run_tensor bad[] = {
		tensor(0, FOREIGN + 1, 0),             /* none of this id */
		tensor(0, FOREIGN, SIZE - BYTES + 64), /* beyond its end */
		tensor(0, FOREIGN, 4),                 /* not aligned */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct fixture f;

		init(&f);
		f.inputs[0] = bad[i];
		assert_int_equal(run(&f, NULL, 0, SIZE), TENSOCK_PROTOCOL);
		done(&f);
	}
}

/* One the engine writes there, one it makes itself. */
static void test_places(void **state)
{
	struct run_tensor places[] = { place(1, 1024, BYTES + 64), place(0, 512, BYTES) };
	struct fixture f;

	(void)state;
	init(&f);
	/* There is room for the descriptors, and for no payload. */
	assert_int_equal(run(&f, places, 2, run_payload_at(2)), TENSOCK_OK);
	assert_int_equal(n_in_place, 1);
	assert_int_equal(f.job.done.out_bytes, run_payload_at(2));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(f.results[i].foreign, FOREIGN);
		assert_int_equal(f.results[i].bytes, BYTES);
	}
	assert_int_equal(f.results[0].offset, 512);
	assert_int_equal(f.results[1].offset, 1024);
	expect(foreign + 512, 11);
	expect(foreign + 1024, 21);
	/* The next run has none. */
	assert_int_equal(run(&f, NULL, 0, SIZE), TENSOCK_OK);
	assert_int_equal(f.results[0].foreign, 0);
	done(&f);
}

static void test_places_that_are_too_small(void **state)
{
	struct run_tensor places[] = { place(0, 512, BYTES - 1), place(1, 1024, BYTES - 1) };
	struct fixture f;

	(void)state;
	init(&f);
	memset(foreign + 512, 0xab, SIZE - 512);
	assert_int_equal(run(&f, places, 2, SIZE), TENSOCK_OK);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(f.results[i].foreign, 0);
		expect(out_bytes + f.results[i].offset, i ? 21 : 11);
	}
	for (unsigned i = 512; i < SIZE; i++)
		assert_int_equal(foreign[i], 0xab);
	done(&f);
}

static void test_bad_places(void **state)
{
	const struct run_tensor bad[][2] = {
		{ place(2, 512, BYTES), place(0, 512, BYTES) },  /* no such output */
		{ place(0, 512, BYTES), place(0, 1024, BYTES) }, /* twice */
		{ place(0, 512, SIZE), place(1, 1024, BYTES) },  /* beyond its end */
		{ place(0, 512, UINT64_MAX), place(1, 1024, BYTES) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct fixture f;

		init(&f);
		assert_int_equal(run(&f, bad[i], 2, SIZE), TENSOCK_PROTOCOL);
		done(&f);
	}
}

/* What does not fit beside a place is fetched, all of it. */
static void test_fetch(void **state)
{
	struct run_tensor one = place(1, 1024, BYTES);
	struct fixture f;
	uint64_t bytes[] = { BYTES, BYTES }, total;
	unsigned n;

	(void)state;
	init(&f);
	memset(foreign + 1024, 0xab, BYTES);
	assert_int_equal(run(&f, &one, 1, run_payload_at(2) + BYTES - 1), TENSOCK_TOO_LARGE);
	assert_int_equal(run_layout(bytes, 2, NULL, &total), 0);
	assert_int_equal(f.job.done.needed, total);
	assert_non_null(f.job.kept);
	f.job.entry.type = RUN_FETCH;
	answer(&f, total);
	assert_int_equal(f.job.done.status, TENSOCK_OK);
	assert_int_equal(run_read(out_bytes, f.job.done.out_bytes, f.results, 2, &n), 0);
	expect(out_bytes + f.results[0].offset, 11);
	expect(out_bytes + f.results[1].offset, 21);
	assert_int_equal(foreign[1024], 0xab);
	done(&f);
}

/* A model of inputs [a, b] and outputs [y, b], all open, with dimensions of these names. */
struct named {
	struct tensock_tensor_info inputs[2], outputs[2];
	struct tensock_model_description description;
	struct model model;
};

static void init_named(struct named *m, struct fixture *f, const char *a, const char *b,
		       const char *y)
{
	init(f);
	runner_done(&f->runner);
	for (unsigned i = 0; i < 2; i++) {
		m->inputs[i] = (struct tensock_tensor_info){ .name = "x",
							     .dtype = TENSOCK_UINT32,
							     .rank = 2,
							     .dims = { -1, -1 },
							     .dim_names = { a, b } };
		m->outputs[i] = m->inputs[i];
		m->outputs[i].dim_names[0] = y;
		f->inputs[i].rank = 2;
		f->inputs[i].dims[0] = 2;
		f->inputs[i].dims[1] = ELEMS / 2;
	}
	m->description = description;
	m->description.inputs = m->inputs;
	m->description.outputs = m->outputs;
	m->model = (struct model){ .plugin = &plugin, .description = &m->description };
	assert_int_equal(runner_init(&f->runner, &m->model, find_foreign), 0);
}

static void expect_named(struct fixture *f, unsigned wanted_in_place, unsigned wanted_calls)
{
	n_in_place = n_calls = 0;
	assert_int_equal(run(f, NULL, 0, SIZE), TENSOCK_OK);
	assert_int_equal(n_in_place, wanted_in_place);
	assert_int_equal(n_calls, wanted_calls);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(f->results[i].dims[0], 2);
		assert_int_equal(f->results[i].dims[1], ELEMS / 2);
		expect(out_bytes + f->results[i].offset, i ? 21 : 11);
	}
}

static void test_named_dimensions(void **state)
{
	static const struct {
		const char *a, *b, *y;
		unsigned n_in_place;
	} cases[] = {
		{ "n", "m", "n", 2 },    { "n", "m", "k", 0 }, { "n", "m", NULL, 0 },
		{ NULL, NULL, NULL, 0 }, { "?", "?", "?", 0 }, /* one name, two sizes */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture f;
		struct named m;

		init_named(&m, &f, cases[i].a, cases[i].b, cases[i].y);
		expect_named(&f, cases[i].n_in_place, 1);
		done(&f);
	}
}

/* As many rows as columns are promised; once that has proved wrong, it is believed no longer. */
static void test_broken_word(void **state)
{
	struct fixture f;
	struct named m;

	(void)state;
	init_named(&m, &f, "n", "m", "m");
	m.outputs[1].dim_names[0] = NULL;
	expect_named(&f, 0, 2);
	expect_named(&f, 0, 1);
	done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_inputs),           TSK_TEST(test_bad_inputs),
		TSK_TEST(test_places),           TSK_TEST(test_places_that_are_too_small),
		TSK_TEST(test_bad_places),       TSK_TEST(test_fetch),
		TSK_TEST(test_named_dimensions), TSK_TEST(test_broken_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
