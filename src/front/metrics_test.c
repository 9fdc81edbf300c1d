/* SPDX-License-Identifier: Apache-2.0 */
/* A front's page, as tensock-metrics finds it. */
#include "front/metrics.h"

#include <string.h>

#include "base/memfd.h"
#include "base/testing.h"
#include "channel/metrics_page.h"
#include "channel/metrics_testing.h"
#include "front/rig.h"

static unsigned char copy[METRICS_FRONT_PAGE_BYTES];

static int page_new(struct tsk_map *ret)
{
	int fd;

	assert_int_equal(tsk_memfd_new("page", METRICS_FRONT_PAGE_BYTES, &fd), 0);
	assert_int_equal(tsk_map_new(fd, METRICS_FRONT_PAGE_BYTES, false, ret), 0);
	return fd;
}

/* The value of the first sample of that id, with that index where its last label has one; -1: none. */
static int64_t value_of(const struct tsk_map *page, enum metrics_id id, unsigned index)
{
	const struct metrics_family *family = metrics_family(id);
	struct metrics_sample before = { .id = METRICS_ID_MAX }, sample;
	unsigned last = family->labels[2] ? 2 : 0;
	struct tsk_reader r;
	size_t n;

	assert_int_equal(metrics_page_copy(page->addr, page->size, copy, &n), 0);
	assert_int_equal(metrics_check(copy, n, false), 0);
	r = tsk_reader(copy, n);
	while (metrics_read(&r, false, &before, &sample) > 0) {
		if (sample.id == id && sample.labels[last].index == index)
			return (int64_t)sample.value;
	}
	return -1;
}

static void become(struct rig *rig, const struct tsk_map *page, enum metrics_id id, unsigned index,
		   int64_t value)
{
	for (int i = 0; i < 100 && value_of(page, id, index) != value; i++)
		rig_run(rig, 50);
	assert_int_equal(value_of(page, id, index), value);
}

static void test_page(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct run_entry run;
	struct tsk_map page;
	struct rig rig;
	int fd, guest;

	(void)state;
	rig_init(&rig, &limits);
	fd = page_new(&page);
	rig_send(&rig, FRONT_METRICS, 0, 0, 0, fd);
	close(fd);
	rig_run(&rig, 20);
	assert_int_equal(value_of(&page, METRICS_CONNECTIONS, 0), 0);
	guest = rig_connect(&rig);
	rig_write_frame(&rig, guest, 1, "model");
	worker = rig_worker_with(&rig, "model");
	become(&rig, &page, METRICS_CONNECTIONS, 0, 1);
	assert_int_equal(value_of(&page, METRICS_WORKERS, 0), 1);
	assert_int_equal(value_of(&page, METRICS_INFERENCES, TENSOCK_OK), -1);
	rig_run_ok(&rig, worker, guest);
	become(&rig, &page, METRICS_INFERENCES, TENSOCK_OK, 1);
	assert_int_equal(value_of(&page, METRICS_REQUESTS, METRICS_OK), 1);
	assert_int_equal(value_of(&page, METRICS_MODELS, 0), 1);
	rig_write_frame(&rig, guest, 2, "model");
	run = rig_worker_expect(&rig, worker, RUN_START);
	rig_worker_error(worker, &run, TENSOCK_ENGINE_FAILED, "no");
	rig_expect_bytes(&rig, guest, "ER");
	become(&rig, &page, METRICS_INFERENCES, TENSOCK_ENGINE_FAILED, 1);
	assert_int_equal(value_of(&page, METRICS_REQUESTS, METRICS_ERROR), 1);
	/* What has been counted last is there when the front ends. */
	close(guest);
	rig_run(&rig, 20);
	assert_int_equal(value_of(&page, METRICS_CONNECTIONS, 0), 1);
	metrics_flush(rig.guest->metrics);
	assert_int_equal(value_of(&page, METRICS_CONNECTIONS, 0), 0);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
	tsk_map_done(&page);
}

/* A front that is idle does not write, and so does not wake. */
static void test_idle(void **state)
{
	struct front_start limits = rig_limits();
	const struct metrics_page *memory;
	struct tsk_map page;
	uint64_t sequence;
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = page_new(&page);
	memory = page.addr;
	rig_send(&rig, FRONT_METRICS, 0, 0, 0, fd);
	close(fd);
	rig_run(&rig, 20);
	sequence = memory->sequence;
	assert_int_equal(sequence, 2);
	/* The rig's loop turns all the time: a second apart, no more often. */
	rig_run(&rig, 500);
	assert_int_equal(memory->sequence, 2);
	rig_run(&rig, 700);
	assert_int_equal(memory->sequence, 4);
	rig_done(&rig);
	tsk_map_done(&page);
}

static void test_wrong_pages(void **state)
{
	struct front_start limits = rig_limits();
	struct tsk_map page;
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	assert_int_equal(tsk_memfd_new("page", 4096, &fd), 0);
	rig_send(&rig, FRONT_METRICS, 0, 0, 0, fd);
	close(fd);
	rig_expect_log(&rig, "no metrics are told");
	fd = page_new(&page);
	rig_send(&rig, FRONT_METRICS, 0, 0, 0, fd);
	close(fd);
	tsk_map_done(&page);
	fd = page_new(&page);
	rig_send(&rig, FRONT_METRICS, 0, 0, 0, fd);
	close(fd);
	rig_expect_log(&rig, "no metrics are told");
	rig_done(&rig);
	tsk_map_done(&page);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_page), TSK_TEST(test_idle),
					    TSK_TEST(test_wrong_pages) };

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
