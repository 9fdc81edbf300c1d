/* SPDX-License-Identifier: Apache-2.0 */
/* Regions of shared memory, opened by a supervisor that the test plays. */
#include "front/regions.h"

#include <string.h>
#include <sys/mman.h>

#include "base/testing.h"
#include "front/oip_asked.h"

#define REGION_BYTES 4096u

struct asked_region {
	struct region_task task;
	unsigned n_done;
	struct tensock_error error;
};

static void on_region(struct region_task *task, const struct tensock_error *error)
{
	struct asked_region *a = (struct asked_region *)(void *)task;

	a->n_done++;
	a->error = error ? *error : (struct tensock_error){ 0 };
}

static int ask_for(struct rig *rig, struct asked_region *a, const char *name, const char *key,
		   uint64_t offset, uint64_t bytes)
{
	*a = (struct asked_region){ .task.done = on_region };
	return regions_register(&rig->guest->regions, &a->task, wire_string(name), wire_string(key),
				offset, bytes, &a->error);
}

/* The supervisor opens it, or not; the memory is the test's as well. */
static int answer_region(struct rig *rig, struct asked_region *a, const char *key, int result)
{
	struct front_msg msg = rig_expect(rig, FRONT_REGION);
	int fd = result ? -1 : memfd_create("region", 0);

	assert_string_equal(msg.key, key);
	if (fd >= 0)
		assert_int_equal(ftruncate(fd, REGION_BYTES), 0);
	rig_send(rig, FRONT_REGION_OPENED, msg.id, 0, result, fd);
	for (int i = 0; i < 2000 && !a->n_done; i++)
		rig_run(rig, 1);
	assert_int_equal(a->n_done, 1);
	return fd;
}

static int register_region(struct rig *rig, const char *name)
{
	struct asked_region a;
	int fd;

	assert_int_equal(ask_for(rig, &a, name, "/key", 0, REGION_BYTES), 0);
	fd = answer_region(rig, &a, "key", 0);
	assert_int_equal(a.error.status, TENSOCK_OK);
	return fd;
}

static void test_register(void **state)
{
	struct front_start limits = rig_limits();
	const struct region *at = NULL;
	struct asked_region a, b;
	struct oip_region_view view;
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	assert_int_equal(ask_for(&rig, &a, "one", "/key", 96, 4000), 0);
	/* Not there before it is open. */
	assert_false(regions_next(&rig.guest->regions, &at, &view));
	assert_false(regions_have(&rig.guest->regions, wire_string("one")));
	assert_true(ask_for(&rig, &b, "one", "/other", 0, 10) < 0);
	assert_non_null(strstr(b.error.message, "already in manager"));
	fd = answer_region(&rig, &a, "key", 0);
	close(fd);
	assert_int_equal(a.error.status, TENSOCK_OK);
	assert_true(regions_next(&rig.guest->regions, &at, &view));
	assert_string_equal(view.name, "one");
	assert_string_equal(view.key, "/key");
	assert_int_equal(view.offset, 96);
	assert_int_equal(view.bytes, 4000);
	assert_false(regions_next(&rig.guest->regions, &at, &view));
	regions_unregister(&rig.guest->regions, wire_string("two"));
	assert_true(regions_have(&rig.guest->regions, wire_string("one")));
	regions_unregister(&rig.guest->regions, wire_string(""));
	assert_false(regions_have(&rig.guest->regions, wire_string("one")));
	rig_done(&rig);
}

static void test_refused(void **state)
{
	static const char *const keys[] = { "", "/", "//a", "a/b", "..", "/.", "a b" };
	struct front_start limits = rig_limits();
	struct asked_region a;
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		assert_true(ask_for(&rig, &a, "one", keys[i], 0, 10) < 0);
		assert_int_equal(a.error.status, TENSOCK_INVALID_ARGUMENT);
	}
	assert_true(ask_for(&rig, &a, "", "key", 0, 10) < 0);
	assert_true(ask_for(&rig, &a, "one", "key", 0, 0) < 0);
	assert_true(ask_for(&rig, &a, "one", "key", UINT64_MAX, 10) < 0);
	rig_expect_nothing(&rig, 5);
	assert_int_equal(ask_for(&rig, &a, "one", "key", 0, 10), 0);
	answer_region(&rig, &a, "key", -EACCES);
	assert_int_equal(a.error.status, TENSOCK_PERMISSION_DENIED);
	assert_int_equal(ask_for(&rig, &a, "one", "key", 0, 10), 0);
	answer_region(&rig, &a, "key", -EAGAIN);
	assert_int_equal(a.error.status, TENSOCK_LIMIT_REACHED);
	assert_non_null(strstr(a.error.message, "max-connects"));
	assert_int_equal(ask_for(&rig, &a, "one", "key", 0, 10), 0);
	answer_region(&rig, &a, "key", -ENOENT);
	assert_int_equal(a.error.status, TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(ask_for(&rig, &a, "one", "key", 1, REGION_BYTES), 0);
	fd = answer_region(&rig, &a, "key", 0);
	close(fd);
	assert_non_null(strstr(a.error.message, "shorter"));
	assert_int_equal(rig.guest->regions.n, 0);
	/* Given up: what comes then is closed. */
	assert_int_equal(ask_for(&rig, &a, "one", "key", 0, 10), 0);
	region_task_end(&rig.guest->regions, &a.task);
	fd = memfd_create("region", 0);
	rig_send(&rig, FRONT_REGION_OPENED, rig_expect(&rig, FRONT_REGION).id, 0, 0, fd);
	close(fd);
	rig_run(&rig, 5);
	assert_int_equal(a.n_done, 0);
	for (unsigned i = 0; i < REGIONS_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", i);
		close(register_region(&rig, name));
	}
	assert_true(ask_for(&rig, &a, "one", "key", 0, 10) < 0);
	assert_int_equal(a.error.status, TENSOCK_LIMIT_REACHED);
	rig_done(&rig);
}

/* A part of region "one"; held until it is let go. */
static struct region *hold(struct rig *rig, const struct oip_region *part)
{
	struct tensock_error error;
	struct region *region;

	assert_int_equal(regions_hold(&rig->guest->regions, part, &region, &error), 0);
	return region;
}

static void test_bytes(void **state)
{
	struct front_start limits = rig_limits();
	struct oip_region part = { .name = wire_string("one"), .offset = 4090, .bytes = 6 };
	struct tensock_error error;
	struct region *region;
	struct rig rig;
	char bytes[8] = "";
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = register_region(&rig, "one");
	region = hold(&rig, &part);
	assert_int_equal(pwrite(fd, "abcdef", 6, 4090), 6);
	assert_int_equal(region_read(region, &part, bytes, &error), 0);
	assert_string_equal(bytes, "abcdef");
	assert_int_equal(region_write(region, &part, "xyz", 3, &error), 0);
	assert_int_equal(pread(fd, bytes, 6, 4090), 6);
	assert_string_equal(bytes, "xyzdef");
	assert_true(region_write(region, &part, "1234567", 7, &error) < 0);
	/* Whoever made it cuts it short. */
	assert_true(region_has(region, &part));
	assert_int_equal(ftruncate(fd, 4095), 0);
	assert_false(region_has(region, &part));
	assert_true(region_read(region, &part, bytes, &error) < 0);
	assert_non_null(strstr(error.message, "cut"));
	close(fd);
	regions_release(&rig.guest->regions, region);
	rig_done(&rig);
}

static void test_parts(void **state)
{
	struct front_start limits = rig_limits();
	struct oip_region part = { .name = wire_string("one"), .offset = 4090, .bytes = 7 };
	struct tensock_error error;
	struct region *region;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	close(register_region(&rig, "one"));
	assert_true(regions_hold(&rig.guest->regions, &part, &region, &error) < 0);
	assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
	part.offset = UINT64_MAX;
	assert_true(regions_hold(&rig.guest->regions, &part, &region, &error) < 0);
	part = (struct oip_region){ .name = wire_string("two"), .bytes = 1 };
	assert_true(regions_hold(&rig.guest->regions, &part, &region, &error) < 0);
	assert_int_equal(error.status, TENSOCK_NOT_FOUND);
	rig_done(&rig);
}

/* One that is held can be used, and counts, until it is let go. */
static void test_held(void **state)
{
	struct front_start limits = rig_limits();
	struct oip_region part = { .name = wire_string("one"), .bytes = 3 };
	struct region *region, *other;
	struct tensock_error error;
	struct rig rig;
	char bytes[4] = "";
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = register_region(&rig, "one");
	region = hold(&rig, &part);
	assert_ptr_equal(hold(&rig, &part), region);
	regions_unregister(&rig.guest->regions, part.name);
	assert_true(region_is_gone(region));
	assert_false(regions_have(&rig.guest->regions, part.name));
	assert_true(regions_hold(&rig.guest->regions, &part, &other, &error) < 0);
	close(register_region(&rig, "one"));
	other = hold(&rig, &part);
	assert_ptr_not_equal(other, region);
	assert_int_not_equal(region_number(other), region_number(region));
	assert_false(region_is_same(other, region));
	assert_true(region_is_same(region, region));
	assert_int_equal(pwrite(fd, "abc", 3, 0), 3);
	assert_int_equal(region_read(region, &part, bytes, &error), 0);
	assert_string_equal(bytes, "abc");
	assert_int_equal(rig.guest->regions.n, 2);
	regions_release(&rig.guest->regions, region);
	assert_int_equal(rig.guest->regions.n, 2);
	regions_release(&rig.guest->regions, region);
	assert_int_equal(rig.guest->regions.n, 1);
	regions_release(&rig.guest->regions, other);
	regions_release(&rig.guest->regions, NULL);
	assert_int_equal(rig.guest->regions.n, 1);
	close(fd);
	rig_done(&rig);
}

/* Input and output in the region. */
static void submit(struct rig *rig, struct oip_asked *i, uint64_t in_offset, uint64_t out_bytes)
{
	struct tensock_error error;
	unsigned char *room;

	oip_asked_make(i);
	i->inputs[0].source = OIP_REGION;
	i->inputs[0].region = (struct oip_region){ .name = wire_string("one"),
						   .offset = in_offset,
						   .bytes = sizeof(oip_asked_input) };
	i->infer.n_outputs = 1;
	i->infer.outputs = i->outputs;
	i->outputs[0] = (struct oip_output){
		.name = wire_string("y"),
		.region = { .name = wire_string("one"), .offset = 100, .bytes = out_bytes },
	};
	oip_asked_begin(rig, i);
	assert_int_equal(oip_call_take(&i->call, wire_string("name"), 1, sizeof(oip_asked_input),
				       &room, &error),
			 0);
	oip_call_submit(&i->call, &i->infer, wire_string("name"), wire_string(""));
}

static void test_inference(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct run_entry start;
	struct oip_asked i;
	struct run_tensor t;
	struct rig rig;
	float result[2];
	char *region;
	unsigned n;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "");
	fd = register_region(&rig, "one");
	assert_int_equal(pwrite(fd, oip_asked_input, sizeof(oip_asked_input), 50),
			 sizeof(oip_asked_input));
	for (uint64_t room = 7; room <= 8; room++) {
		submit(&rig, &i, 50, room);
		start = rig_worker_expect(&rig, worker, RUN_START);
		region =
			rig_worker_region(worker, start.in_buffer, start.in_offset, start.in_bytes);
		assert_int_equal(run_read(region, start.in_bytes, &t, 1, &n), 0);
		assert_memory_equal(region + t.offset, oip_asked_input, sizeof(oip_asked_input));
		rig_worker_done(worker, &start, values, 2);
		oip_asked_expect_done(&rig, &i);
		assert_int_equal(i.error.status, room < 8 ? TENSOCK_INVALID_ARGUMENT : TENSOCK_OK);
		oip_call_end(&i.call);
	}
	assert_null(i.result.data);
	assert_int_equal(i.result.region.bytes, 8);
	assert_int_equal(i.result.region.offset, 100);
	assert_int_equal(pread(fd, result, sizeof(result), 100), sizeof(result));
	assert_memory_equal(result, values, sizeof(values));
	submit(&rig, &i, REGION_BYTES - 4, 8);
	assert_int_equal(i.error.status, TENSOCK_INVALID_ARGUMENT);
	oip_call_end(&i.call);
	close(fd);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_register), TSK_TEST(test_refused), TSK_TEST(test_bytes),
		TSK_TEST(test_parts),    TSK_TEST(test_held),    TSK_TEST(test_inference),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
