/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/exposition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/testing.h"
#include "channel/metrics_page.h"

static unsigned char bytes[8192];

static size_t write_all(const struct metrics_sample *samples, unsigned n)
{
	struct tsk_writer w = tsk_writer(bytes, sizeof(bytes));

	for (unsigned i = 0; i < n; i++)
		metrics_write(&w, &samples[i]);
	assert_false(w.bad);
	return tsk_writer_len(&w);
}

static struct metrics_sample model_sample(enum metrics_id id, const char *model)
{
	struct metrics_sample sample = { .id = id, .value = 3 };

	sample.labels[0] = (struct metrics_value){ .text = model, .len = strlen(model) };
	sample.labels[1] = (struct metrics_value){ .text = "1", .len = 1 };
	return sample;
}

static void test_text(void **state)
{
	struct metrics_sample samples[] = { { .id = METRICS_REQUESTS_ACTIVE, .value = 2 },
					    model_sample(METRICS_INFERENCES, "a\"b\\"),
					    model_sample(METRICS_QUEUE, "m") };
	struct exposition front = { 0 }, again = { 0 }, daemon = { 0 };
	const struct exposition *list[] = { &daemon, &front, &again };
	size_t n, len;
	char *text;

	(void)state;
	samples[2].histogram.counts[0] = 4;
	samples[2].histogram.counts[METRICS_BUCKETS - 1] = 1;
	samples[2].histogram.sum_ns = UINT64_C(1500000000);
	n = write_all(samples, 3);
	assert_int_equal(exposition_make(bytes, n, "vm1", 65536, &front), 0);
	assert_int_equal(exposition_make(bytes, n, "vm2", 65536, &again), 0);
	assert_int_equal(exposition_make(bytes, 0, NULL, 65536, &daemon), 0);
	again.is_lost = true;
	text = exposition_join(list, 3, 5, &len);
	assert_non_null(text);
	assert_int_equal(strlen(text), len);
	assert_non_null(strstr(text, "# TYPE tensock_requests_active gauge\n"
				     "tensock_requests_active{guest=\"vm1\"} 2\n# HELP"));
	assert_non_null(strstr(text, "# TYPE tensock_inferences_total counter\n"
				     "tensock_inferences_total{guest=\"vm1\",model=\"a\\\"b\\\\\","
				     "version=\"1\",outcome=\"ok\"} 3\n"
				     "tensock_inferences_total{guest=\"vm2\",model="));
	assert_non_null(strstr(text, "_bucket{guest=\"vm1\",model=\"m\",version=\"1\","
				     "le=\"0.00005\"} 4\n"));
	assert_non_null(strstr(text, ",le=\"60\"} 4\n"));
	assert_non_null(strstr(text, ",le=\"+Inf\"} 5\n"));
	assert_non_null(strstr(text, "_sum{guest=\"vm1\",model=\"m\",version=\"1\"} 1.5\n"));
	assert_non_null(strstr(text, "_count{guest=\"vm1\",model=\"m\",version=\"1\"} 5\n"));
	assert_non_null(strstr(text, "\ntensock_metrics_errors_total 5\n"));
	free(text);
	exposition_done(&front);
	exposition_done(&again);
	exposition_done(&daemon);
}

/* Whose labels stand in the page: no guest beside them. */
static void test_daemons(void **state)
{
	struct metrics_sample samples[] = { { .id = METRICS_GUESTS, .value = 1 },
					    { .id = METRICS_ACCEPTED, .value = 9 } };
	struct exposition daemon = { 0 };
	size_t n;

	(void)state;
	samples[1].labels[0] = (struct metrics_value){ .text = "vm1", .len = 3 };
	n = write_all(samples, 2);
	assert_int_equal(exposition_make(bytes, n, NULL, 65536, &daemon), 0);
	assert_string_equal(daemon.text, "tensock_guests 1\n"
					 "tensock_connections_accepted_total{guest=\"vm1\"} 9\n");
	exposition_done(&daemon);
}

/* What cannot be read takes nothing away of what was. */
static void test_refused(void **state)
{
	struct metrics_sample sample = { .id = METRICS_WORKERS, .value = 1 };
	size_t n = write_all(&sample, 1);
	struct exposition front = { 0 };

	(void)state;
	assert_int_equal(exposition_make(bytes, n, "vm1", 65536, &front), 0);
	assert_int_equal(exposition_make(bytes, n - 1, "vm1", 65536, &front), -EPROTO);
	assert_int_equal(exposition_make(bytes, n, NULL, 65536, &front), -EPROTO);
	assert_int_equal(exposition_make(bytes, n, "vm1", 8, &front), -EFBIG);
	assert_string_equal(front.text, "tensock_workers{guest=\"vm1\"} 1\n");
	exposition_done(&front);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_text), TSK_TEST(test_daemons),
					    TSK_TEST(test_refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
