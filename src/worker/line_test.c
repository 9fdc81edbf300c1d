/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct line line;

static int setup(void **state)
{
	(void)state;
	line = (struct line){ 0 };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	line_done(&line);
	return 0;
}

static void add(uint32_t type, uint64_t id)
{
	assert_true(line_has_room(&line));
	line_add(&line, &(struct run_entry){ .type = type, .request_id = id });
}

/* The next one, which must be that of the request. */
static struct job *begin(uint64_t id)
{
	struct job *job = line_next(&line);

	assert_non_null(job);
	assert_int_equal(job->entry.request_id, id);
	line_begin(&line, job);
	return job;
}

static void finish(struct job *job, bool keeps)
{
	static const struct tensock_tensor nothing = { .index = 0 };

	job->done = (struct run_entry){ .type = RUN_DONE, .request_id = job->entry.request_id };
	if (keeps) {
		job->done.status = TENSOCK_TOO_LARGE;
		job->done.needed = 64;
		if (!job->kept)
			assert_int_equal(kept_new(&nothing, 1, &job->kept), 0);
	} else {
		kept_free(TAKE_PTR(job->kept));
	}
	line_finish(&line, job);
}

/* The next answer is that of the request, with this status. */
static void expect(uint64_t id, uint32_t status)
{
	struct job *job = line_answered(&line);

	assert_non_null(job);
	assert_int_equal(job->done.request_id, id);
	assert_int_equal(job->done.status, status);
	assert_int_equal(job->done.needed != 0, status == TENSOCK_TOO_LARGE);
	line_tell(&line);
}

static void test_order(void **state)
{
	struct job *jobs[4];

	(void)state;
	assert_null(line_next(&line));
	assert_null(line_answered(&line));
	for (unsigned round = 0; round < 200; round++) { /* around the end more than once */
		for (unsigned i = 0; i < 4; i++)
			add(RUN_START, i);
		for (unsigned i = 0; i < 4; i++)
			jobs[i] = begin(i);
		assert_int_equal(jobs[3]->run_id, jobs[0]->run_id + 3);
		assert_null(line_next(&line));
		finish(jobs[2], false);
		finish(jobs[1], false);
		assert_null(line_answered(&line));
		finish(jobs[0], false);
		expect(0, TENSOCK_OK);
		expect(1, TENSOCK_OK);
		expect(2, TENSOCK_OK);
		assert_null(line_answered(&line));
		finish(jobs[3], false);
		expect(3, TENSOCK_OK);
		assert_int_equal(line.count, 0);
	}
	assert_true(jobs[3]->run_id == 800);
}

static void test_full(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RING_ENTRIES; i++)
		add(RUN_START, i);
	assert_false(line_has_room(&line));
	finish(begin(0), false);
	assert_false(line_has_room(&line));
	expect(0, TENSOCK_OK);
	assert_true(line_has_room(&line));
}

static void test_cancel(void **state)
{
	struct job *first, *second, *third;

	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		add(RUN_START, i);
	first = begin(1);
	second = begin(2);
	assert_int_equal(line_cancel(&line, 77), 0);
	assert_int_equal(line_cancel(&line, 1), first->run_id);
	assert_int_equal(line_cancel(&line, 2), second->run_id);
	assert_int_equal(line_cancel(&line, 3), 0);
	third = begin(3);
	assert_true(third->is_cancelled);
	assert_int_equal(third->run_id, 0);
	assert_int_equal(line_cancel(&line, 3), 0);
	/* Ended before it was heard: so it stays. */
	finish(second, false);
	assert_int_equal(line_cancel(&line, 2), 0);
	finish(first, false);
	expect(1, TENSOCK_OK);
	expect(2, TENSOCK_OK);
	assert_int_equal(line_cancel(&line, 2), 0);
	finish(third, false);
	expect(3, TENSOCK_OK);
}

/* Outputs that are kept stop what comes behind: the answers, and beginnings. */
static void test_kept(void **state)
{
	struct job *jobs[5];

	(void)state;
	for (unsigned i = 1; i <= 4; i++)
		add(RUN_START, i);
	for (unsigned i = 1; i <= 3; i++)
		jobs[i] = begin(i);
	finish(jobs[2], true);
	assert_null(line_next(&line)); /* though it was not told of yet */
	finish(jobs[1], true);
	expect(1, TENSOCK_TOO_LARGE);
	assert_null(line_answered(&line));
	finish(jobs[3], false);
	assert_null(line_answered(&line));
	/* The FETCH of another one waits like all else. */
	add(RUN_FETCH, 2);
	assert_null(line_next(&line));
	add(RUN_FETCH, 1);
	jobs[1] = begin(1);
	assert_int_equal(jobs[1]->run_id, 0);
	assert_null(line_next(&line));
	finish(jobs[1], true); /* once more it was too small */
	expect(1, TENSOCK_TOO_LARGE);
	add(RUN_FETCH, 1);
	finish(begin(1), false);
	expect(1, TENSOCK_OK);
	expect(2, TENSOCK_TOO_LARGE);
	add(RUN_FETCH, 2);
	finish(begin(2), false);
	expect(2, TENSOCK_OK);
	expect(3, TENSOCK_OK);
	finish(begin(4), false);
	expect(4, TENSOCK_OK);
	finish(begin(2), false); /* the FETCH of what was not kept then */
	expect(2, TENSOCK_OK);
	assert_int_equal(line.n_kept, 0);
}

static void test_cancel_of_kept(void **state)
{
	struct job *first, *second;

	(void)state;
	/* Told of: no answer comes, and the next one's goes out. */
	add(RUN_START, 1);
	add(RUN_START, 2);
	first = begin(1);
	second = begin(2);
	finish(second, false);
	finish(first, true);
	expect(1, TENSOCK_TOO_LARGE);
	assert_int_equal(line_cancel(&line, 1), 0);
	expect(2, TENSOCK_OK);
	/* Not told of yet: one answer, and nothing is kept. */
	add(RUN_START, 3);
	add(RUN_START, 4);
	first = begin(3);
	second = begin(4);
	finish(second, true);
	assert_int_equal(line_cancel(&line, 4), 0);
	finish(first, false);
	expect(3, TENSOCK_OK);
	expect(4, TENSOCK_CANCELLED);
	/* Its FETCH waits: that is its answer. */
	add(RUN_START, 5);
	finish(begin(5), true);
	expect(5, TENSOCK_TOO_LARGE);
	add(RUN_FETCH, 5);
	assert_int_equal(line_cancel(&line, 5), 0);
	first = begin(5);
	assert_true(first->is_cancelled);
	finish(first, false);
	expect(5, TENSOCK_OK);
	assert_int_equal(line.n_kept, 0);
	assert_int_equal(line.count, 0);
	/* What is left is released (LeakSanitizer). */
	add(RUN_START, 6);
	finish(begin(6), true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_of_kept, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
