/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/metrics_page.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/testing.h"
#include "channel/metrics_testing.h"

#define PAGE_SIZE_TRIED 65536u

static _Alignas(16) unsigned char memory[PAGE_SIZE_TRIED];
static struct metrics_page *const page = (struct metrics_page *)(void *)memory;

static struct metrics_sample sample_of(enum metrics_id id, const char *model, const char *version,
				       unsigned outcome, uint64_t value)
{
	struct metrics_sample sample = { .id = id, .value = value };

	sample.labels[0] = (struct metrics_value){ .text = model, .len = strlen(model) };
	sample.labels[1] = (struct metrics_value){ .text = version, .len = strlen(version) };
	sample.labels[2].index = outcome;
	return sample;
}

static int next(struct tsk_reader *r, struct metrics_sample *before, struct metrics_sample *ret)
{
	return metrics_read(r, false, before, ret);
}

/* What is written is read. */
static void test_round_trip(void **state)
{
	struct metrics_sample before = { .id = METRICS_ID_MAX }, got;
	struct metrics_sample histogram = sample_of(METRICS_QUEUE, "m", "", 0, 0);
	struct metrics_sample outcome =
		sample_of(METRICS_INFERENCES, "m", "1", TENSOCK_NOT_FOUND, UINT64_MAX);
	struct tsk_writer w = metrics_page_begin(page, sizeof(memory));
	unsigned char copy[PAGE_SIZE_TRIED];
	struct tsk_reader r;
	size_t n;

	(void)state;
	histogram.histogram.counts[3] = 7;
	histogram.histogram.sum_ns = 9;
	metrics_write(&w, &outcome);
	metrics_write(&w, &histogram);
	metrics_page_commit(page, &w);
	assert_int_equal(metrics_page_copy(page, sizeof(memory), copy, &n), 0);
	r = tsk_reader(copy, n);
	assert_int_equal(next(&r, &before, &got), 1);
	assert_int_equal(got.id, METRICS_INFERENCES);
	assert_int_equal(got.labels[0].len, 1);
	assert_memory_equal(got.labels[1].text, "1", 1);
	assert_int_equal(got.labels[2].index, TENSOCK_NOT_FOUND);
	assert_true(got.value == UINT64_MAX);
	assert_int_equal(next(&r, &before, &got), 1);
	assert_int_equal(got.histogram.counts[3], 7);
	assert_int_equal(got.histogram.sum_ns, 9);
	assert_int_equal(next(&r, &before, &got), 0);
	for (size_t i = 1; i < n; i++)
		assert_int_equal(metrics_check(copy, i, false),
				 i == 1 + 2 + 2 + 1 + 8 ? 0 : -EPROTO);
}

/* What two samples come to. */
static int check_two(struct metrics_sample a, struct metrics_sample b, bool is_daemons)
{
	unsigned char bytes[1024];
	struct tsk_writer w = tsk_writer(bytes, sizeof(bytes));

	metrics_write(&w, &a);
	metrics_write(&w, &b);
	assert_false(w.bad);
	return metrics_check(bytes, tsk_writer_len(&w), is_daemons);
}

/* Two of the same, or in another order, would stand there twice in the text. */
static void test_order(void **state)
{
	static const struct {
		const char *model, *version;
		unsigned outcome;
	} rising[] = { { "", "", 1 },  { "", "", 2 },   { "", "1", 0 },  { "a", "", 0 },
		       { "a", "", 1 }, { "a", "a", 0 }, { "aa", "", 0 }, { "b", "", 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rising); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(rising); k++)
			assert_int_equal(
				check_two(sample_of(METRICS_INFERENCES, rising[i].model,
						    rising[i].version, rising[i].outcome, 1),
					  sample_of(METRICS_INFERENCES, rising[k].model,
						    rising[k].version, rising[k].outcome, 1),
					  false),
				i < k ? 0 : -EPROTO);
	}
	assert_int_equal(check_two((struct metrics_sample){ .id = METRICS_WORKERS },
				   (struct metrics_sample){ .id = METRICS_MODELS }, false),
			 -EPROTO);
}

/* A front says nothing that is the supervisor's to say, nor the other way round. */
static void test_whose(void **state)
{
	(void)state;
	for (unsigned i = 0; i < METRICS_ID_MAX; i++) {
		struct metrics_sample sample = sample_of((enum metrics_id)i, "a", "b", 0, 0);
		bool is_daemons = metrics_family(sample.id)->is_daemons;
		unsigned char bytes[512];
		struct tsk_writer w = tsk_writer(bytes, sizeof(bytes));

		metrics_write(&w, &sample);
		assert_int_equal(metrics_check(bytes, tsk_writer_len(&w), is_daemons), 0);
		assert_int_equal(metrics_check(bytes, tsk_writer_len(&w), !is_daemons), -EPROTO);
	}
}

static int check_text(const char *text, size_t len)
{
	struct metrics_sample sample = sample_of(METRICS_INFERENCES, "", "", 0, 1);
	unsigned char bytes[1024];
	struct tsk_writer w = tsk_writer(bytes, sizeof(bytes));

	sample.labels[0] = (struct metrics_value){ .text = text, .len = len };
	metrics_write(&w, &sample);
	return metrics_check(bytes, tsk_writer_len(&w), false);
}

static void test_hostile_samples(void **state)
{
	static const char *const bad[] = { "a\nb", "\x1b[2J", "\xff", "\xe2\x80\xae", "a\xc3" };
	struct metrics_sample histogram = sample_of(METRICS_QUEUE, "", "", 0, 0);
	char longest[METRICS_TEXT_MAX + 2];
	unsigned char bytes[512];
	struct tsk_writer w;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(check_text("a\"b\\", 4), 0);
	assert_int_equal(check_text(longest, METRICS_TEXT_MAX), 0);
	assert_int_equal(check_text(longest, METRICS_TEXT_MAX + 1), -EPROTO);
	assert_int_equal(check_text("a\0b", 3), -EPROTO);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(check_text(bad[i], strlen(bad[i])), -EPROTO);
	/* An index that is none, an id that is none. */
	assert_int_equal(check_two(sample_of(METRICS_INFERENCES, "", "", 0, 1),
				   sample_of(METRICS_INFERENCES, "", "", TENSOCK_STATUS_MAX, 1),
				   false),
			 -EPROTO);
	memset(bytes, 0, sizeof(bytes));
	bytes[0] = METRICS_ID_MAX;
	assert_int_equal(metrics_check(bytes, 16, false), -EPROTO);
	/* Counts that come to more than a number holds. */
	histogram.histogram.counts[0] = UINT64_MAX;
	histogram.histogram.counts[METRICS_BUCKETS - 1] = 1;
	w = tsk_writer(bytes, sizeof(bytes));
	metrics_write(&w, &histogram);
	assert_int_equal(metrics_check(bytes, tsk_writer_len(&w), false), -EPROTO);
}

static void test_texts(void **state)
{
	char long_one[200], made[METRICS_TEXT_MAX + 1];

	(void)state;
	metrics_text("a\nb\xff", made);
	assert_string_equal(made, "a?b?");
	/* Cut between characters. */
	memset(long_one, 'x', METRICS_TEXT_MAX - 1);
	strncpy(long_one + METRICS_TEXT_MAX - 1, "\xc3\xa4zzz", 6);
	metrics_text(long_one, made);
	assert_int_equal(strlen(made), METRICS_TEXT_MAX - 1);
	long_one[METRICS_TEXT_MAX - 1] = 'x';
	long_one[METRICS_TEXT_MAX] = '\0';
	metrics_text(long_one, made);
	assert_int_equal(strlen(made), METRICS_TEXT_MAX);
}

static void test_hostile_page(void **state)
{
	unsigned char copy[64];
	size_t n = 77;

	(void)state;
	memset(memory, 0, sizeof(memory));
	assert_int_equal(metrics_page_copy(page, 64, copy, &n), -EAGAIN);
	page->sequence = 3;
	assert_int_equal(metrics_page_copy(page, 64, copy, &n), -EAGAIN);
	page->sequence = 2;
	page->bytes = 64 - sizeof(*page) + 1;
	assert_int_equal(metrics_page_copy(page, 64, copy, &n), -EPROTO);
	page->bytes = UINT64_MAX;
	assert_int_equal(metrics_page_copy(page, 64, copy, &n), -EPROTO);
	assert_int_equal(n, 77);
	page->bytes = 64 - sizeof(*page);
	assert_int_equal(metrics_page_copy(page, 64, copy, &n), 0);
	assert_int_equal(n, 64 - sizeof(*page));
}

/* A writer that does not fit leaves a page without samples, not with half of one. */
static void test_full_page(void **state)
{
	struct metrics_sample sample = { .id = METRICS_WORKERS, .value = 1 };
	struct tsk_writer w = metrics_page_begin(page, sizeof(*page) + 9 + 3);
	size_t n = 1;

	(void)state;
	metrics_write(&w, &sample);
	metrics_write(&w, &sample);
	metrics_page_commit(page, &w);
	assert_int_equal(metrics_page_copy(page, sizeof(memory), memory, &n), 0);
	assert_int_equal(n, 0);
}

static atomic_bool is_over;

/* Two samples of one number, which a reader must never see apart. */
static void *keep_writing(void *argument)
{
	for (uint64_t i = 0; !atomic_load(&is_over); i++) {
		struct tsk_writer w = metrics_page_begin(page, sizeof(memory));
		struct metrics_sample a = { .id = METRICS_MEMORY, .value = i },
				      b = { .id = METRICS_MEMORY_MAX, .value = i };

		metrics_write(&w, &a);
		metrics_write(&w, &b);
		metrics_page_commit(page, &w);
	}
	return argument;
}

static void test_at_once(void **state)
{
	unsigned char copy[PAGE_SIZE_TRIED];
	unsigned n_read = 0;
	pthread_t thread;
	size_t n;

	(void)state;
	memset(memory, 0, sizeof(memory));
	assert_int_equal(pthread_create(&thread, NULL, keep_writing, NULL), 0);
	while (n_read < 10000) {
		struct metrics_sample before = { .id = METRICS_ID_MAX }, a, b;
		struct tsk_reader r;

		if (metrics_page_copy(page, sizeof(memory), copy, &n) < 0)
			continue;
		r = tsk_reader(copy, n);
		assert_int_equal(next(&r, &before, &a), 1);
		assert_int_equal(next(&r, &before, &b), 1);
		assert_true(a.value == b.value);
		n_read++;
	}
	atomic_store(&is_over, true);
	pthread_join(thread, NULL);
}

static void test_histogram(void **state)
{
	struct metrics_histogram histogram = { 0 };

	(void)state;
	metrics_histogram_add(&histogram, 0);
	metrics_histogram_add(&histogram, 50000);
	metrics_histogram_add(&histogram, 50001);
	metrics_histogram_add(&histogram, UINT64_C(60000000000));
	metrics_histogram_add(&histogram, UINT64_C(60000000001));
	assert_int_equal(histogram.counts[0], 2);
	assert_int_equal(histogram.counts[1], 1);
	assert_int_equal(histogram.counts[METRICS_BUCKETS - 2], 1);
	assert_int_equal(histogram.counts[METRICS_BUCKETS - 1], 1);
	assert_true(histogram.sum_ns == UINT64_C(120000100002));
	for (unsigned i = 1; i < METRICS_BUCKETS - 1; i++)
		assert_true(metrics_bounds_ns[i] > metrics_bounds_ns[i - 1]);
}

/* As Prometheus wants names to be. */
static void test_families(void **state)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";

	(void)state;
	for (unsigned i = 0; i < METRICS_ID_MAX; i++) {
		const struct metrics_family *family = metrics_family((enum metrics_id)i);
		size_t len = strlen(family->name);
		bool is_total = len > 6 && strcmp(family->name + len - 6, "_total") == 0;

		assert_int_equal(strspn(family->name, letters), len);
		assert_int_equal(is_total, family->kind == METRICS_COUNTER);
		assert_null(strpbrk(family->help, "\\\n"));
	}
	for (unsigned i = 1; i < METRICS_LABEL_MAX; i++)
		assert_true(metrics_label_name((enum metrics_label)i)[0]);
	for (unsigned i = METRICS_OUTCOME; i < METRICS_LABEL_MAX; i++) {
		assert_non_null(metrics_label_value((enum metrics_label)i, 0));
		assert_null(metrics_label_value((enum metrics_label)i, 255));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_round_trip),      TSK_TEST(test_order),   TSK_TEST(test_whose),
		TSK_TEST(test_hostile_samples), TSK_TEST(test_texts),   TSK_TEST(test_hostile_page),
		TSK_TEST(test_full_page),       TSK_TEST(test_at_once), TSK_TEST(test_histogram),
		TSK_TEST(test_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
