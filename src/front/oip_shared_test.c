/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors in regions that the worker maps, or does not; the test plays worker and supervisor. */
#include "front/oip_shared.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/testing.h"
#include "front/oip_asked.h"

#define REGION_BYTES (UINT64_C(512) << 10)
#define REGION_OFFSET UINT64_C(4096) /* of what is registered, in the memory */
#define ROWS 6400
#define TENSOR_BYTES (UINT64_C(12) * ROWS) /* a multiple of RUN_ALIGN, above WORKER_FOREIGN_BYTES_MIN */
#define OUT_AT (UINT64_C(256) << 10)

static struct region_task task;
static unsigned n_registered;

static void on_region(struct region_task *done, const struct tensock_error *error)
{
	(void)done;
	assert_null(error);
	n_registered++;
}

/* Region "one", all but its first bytes of memory that the test has, too. */
static int register_region(struct rig *rig)
{
	int fd = memfd_create("region", MFD_CLOEXEC);
	struct tensock_error error;
	unsigned n = n_registered;

	assert_int_equal(ftruncate(fd, (off_t)(REGION_OFFSET + REGION_BYTES)), 0);
	task = (struct region_task){ .done = on_region };
	assert_int_equal(regions_register(&rig->guest->regions, &task, wire_string("one"),
					  wire_string("key"), REGION_OFFSET, REGION_BYTES, &error),
			 0);
	rig_send(rig, FRONT_REGION_OPENED, rig_expect(rig, FRONT_REGION).id, 0, 0, fd);
	for (int i = 0; i < 2000 && n_registered == n; i++)
		rig_run(rig, 1);
	assert_int_equal(n_registered, n + 1);
	return fd;
}

struct setting {
	struct rig rig;
	struct front_start limits;
	struct rig_worker *worker;
	int fd;
};

static void begin(struct setting *s)
{
	s->limits = rig_limits();
	rig_init(&s->rig, &s->limits);
	s->worker = push_loaded(&s->rig, "model", "name", "");
	s->fd = register_region(&s->rig);
}

static void end(struct setting *s)
{
	close(s->fd);
	rig_worker_exit(&s->rig, s->worker, 0);
	rig_done(&s->rig);
}

/* x from that offset of region "one"; y, where out_bytes is not 0, to out_at of it. */
static void submit(struct setting *s, struct oip_asked *i, uint64_t offset, uint64_t out_at,
		   uint64_t out_bytes)
{
	struct tensock_error error;
	unsigned char *room;

	oip_asked_make(i);
	i->inputs[0].tensor.dims[0] = ROWS;
	i->inputs[0].tensor.bytes = TENSOR_BYTES;
	i->inputs[0].source = OIP_REGION;
	i->inputs[0].region = (struct oip_region){ .name = wire_string("one"),
						   .offset = offset,
						   .bytes = TENSOR_BYTES };
	i->infer.n_outputs = out_bytes != 0;
	i->infer.outputs = i->outputs;
	i->outputs[0] = (struct oip_output){
		.name = wire_string("y"),
		.region = { .name = wire_string("one"), .offset = out_at, .bytes = out_bytes },
	};
	oip_asked_begin(&s->rig, i);
	assert_int_equal(oip_call_take(&i->call, wire_string("name"), 1 + i->infer.n_outputs,
				       TENSOR_BYTES, &room, &error),
			 0);
	memset(room, 0xee, TENSOR_BYTES);
	oip_call_submit(&i->call, &i->infer, wire_string("name"), wire_string(""));
}

/* What the worker was told. */
struct told {
	struct run_entry start;
	struct run_tensor t[2];
	unsigned n, n_places;
	unsigned char *region;
};

static struct told expect_start(struct setting *s)
{
	struct told told = { .start = rig_worker_expect(&s->rig, s->worker, RUN_START) };

	told.region = rig_worker_region(s->worker, told.start.in_buffer, told.start.in_offset,
					told.start.in_bytes);
	assert_int_equal(run_read_foreign(told.region, told.start.in_bytes, told.t, 2, &told.n,
					  &told.n_places),
			 0);
	assert_int_equal(told.n, 1);
	return told;
}

static void finish(struct setting *s, const struct told *told, struct oip_asked *i)
{
	rig_worker_done(s->worker, &told->start, values, 2);
	oip_asked_expect_done(&s->rig, i);
	assert_int_equal(i->error.status, TENSOCK_OK);
	oip_call_end(&i->call);
}

/* The input's byte is what was written there, in the room or in the region. */
static void expect_copied(const struct told *told, unsigned char byte)
{
	assert_int_equal(told->t[0].foreign, 0);
	assert_int_equal(told->region[told->t[0].offset], byte);
	assert_int_equal(told->region[told->t[0].offset + TENSOR_BYTES - 1], 0);
}

/* n: inputs and outputs that the request describes. */
static void expect_in_place(const struct setting *s, const struct told *told, uint64_t offset,
			    unsigned n)
{
	assert_int_equal(told->t[0].foreign, s->worker->foreign.id);
	assert_int_equal(told->t[0].offset, REGION_OFFSET + offset);
	assert_int_equal(told->t[0].bytes, TENSOR_BYTES);
	/* Nothing was copied. */
	assert_int_equal(told->region[run_payload_at(n)], 0xee);
}

/* A first run, by which the worker learns of the region. */
static void map(struct setting *s, bool is_mapped)
{
	struct oip_asked i;
	struct told told;
	unsigned n = s->worker->n_foreign;

	submit(s, &i, 0, 0, 0);
	told = expect_start(s);
	expect_copied(&told, 0);
	assert_int_equal(s->worker->n_foreign, n + 1);
	assert_int_equal(s->worker->foreign.value, REGION_OFFSET + REGION_BYTES);
	finish(s, &told, &i);
	rig_worker_foreign_mapped(&s->rig, s->worker, is_mapped);
}

static void test_input(void **state)
{
	struct setting s;
	struct oip_asked i;
	struct told told;

	(void)state;
	begin(&s);
	map(&s, true);
	submit(&s, &i, 128, 0, 0);
	told = expect_start(&s);
	expect_in_place(&s, &told, 128, 1);
	finish(&s, &told, &i);
	/* Where an engine could not read it as it lies. */
	assert_int_equal(pwrite(s.fd, "a", 1, REGION_OFFSET + 4), 1);
	submit(&s, &i, 4, 0, 0);
	told = expect_start(&s);
	expect_copied(&told, 'a');
	finish(&s, &told, &i);
	assert_int_equal(s.worker->n_foreign, 1);
	end(&s);
}

static void test_not_mapped(void **state)
{
	struct setting s;
	struct oip_asked i;
	struct told told;

	(void)state;
	begin(&s);
	map(&s, false);
	assert_int_equal(pwrite(s.fd, "b", 1, REGION_OFFSET), 1);
	submit(&s, &i, 0, 0, 0);
	told = expect_start(&s);
	expect_copied(&told, 'b');
	finish(&s, &told, &i);
	assert_int_equal(s.worker->n_foreign, 1);
	end(&s);
}

/* More than the worker's addresses are bounded by. */
static void test_too_large(void **state)
{
	struct setting s;
	struct oip_asked i;
	struct told told;

	(void)state;
	begin(&s);
	s.rig.guest->limits.memory_bytes_max = REGION_OFFSET + REGION_BYTES - 1;
	submit(&s, &i, 0, 0, 0);
	told = expect_start(&s);
	expect_copied(&told, 0);
	assert_int_equal(s.worker->n_foreign, 0);
	finish(&s, &told, &i);
	end(&s);
}

/* The worker keeps it as long as a run may be at it, and no new one is. */
static void test_unregistered_meanwhile(void **state)
{
	struct oip_asked i, waits, late;
	struct setting s;
	struct told told;

	(void)state;
	begin(&s);
	map(&s, true);
	submit(&s, &i, 0, 0, 0);
	told = expect_start(&s);
	expect_in_place(&s, &told, 0, 1);
	regions_unregister(&s.rig.guest->regions, wire_string("one"));
	submit(&s, &late, 0, 0, 0);
	oip_asked_expect_error(&late, TENSOCK_NOT_FOUND, "Unable to find");
	oip_call_end(&late.call);
	rig_worker_take(&s.rig, s.worker);
	assert_int_equal(s.worker->n_foreign_drops, 0);
	/* Of the same name, and another one. */
	close(s.fd);
	s.fd = register_region(&s.rig);
	submit(&s, &waits, 0, 0, 0);
	finish(&s, &told, &i);
	told = expect_start(&s);
	expect_copied(&told, 0);
	assert_int_equal(s.worker->n_foreign_drops, 1);
	assert_int_equal(s.worker->n_foreign, 2);
	assert_int_not_equal(s.worker->foreign.id, s.worker->foreign_drop.id);
	finish(&s, &told, &waits);
	/* Before the worker has answered; then nobody is at work. */
	regions_unregister(&s.rig.guest->regions, wire_string("one"));
	rig_worker_take(&s.rig, s.worker);
	assert_int_equal(s.worker->n_foreign_drops, 2);
	assert_int_equal(s.worker->foreign_drop.id, s.worker->foreign.id);
	rig_worker_foreign_mapped(&s.rig, s.worker, true);
	end(&s);
}

static void test_cancelled_and_unregistered(void **state)
{
	struct setting s;
	struct oip_asked i;
	struct told told;

	(void)state;
	begin(&s);
	map(&s, true);
	submit(&s, &i, 0, 0, 0);
	told = expect_start(&s);
	oip_call_end(&i.call);
	regions_unregister(&s.rig.guest->regions, wire_string("one"));
	assert_int_equal(rig_worker_expect(&s.rig, s.worker, RUN_CANCEL).request_id,
			 told.start.request_id);
	assert_int_equal(s.worker->n_foreign_drops, 0);
	rig_worker_error(s.worker, &told.start, TENSOCK_CANCELLED, "");
	rig_run(&s.rig, 2);
	rig_worker_take(&s.rig, s.worker);
	assert_int_equal(s.worker->n_foreign_drops, 1);
	end(&s);
}

static void test_cut(void **state)
{
	struct setting s;
	struct oip_asked i;

	(void)state;
	begin(&s);
	map(&s, true);
	assert_int_equal(ftruncate(s.fd, (off_t)(REGION_OFFSET + TENSOR_BYTES - 1)), 0);
	submit(&s, &i, 0, 0, 0);
	oip_asked_expect_done(&s.rig, &i);
	oip_asked_expect_error(&i, TENSOCK_INVALID_ARGUMENT, "cut");
	oip_call_end(&i.call);
	end(&s);
}

/* Another worker knows nothing of what one before it had. */
static void test_next_worker(void **state)
{
	struct setting s;
	struct oip_asked i;
	struct told told;

	(void)state;
	begin(&s);
	map(&s, true);
	rig_worker_exit(&s.rig, s.worker, SIGKILL);
	assert_int_equal(pwrite(s.fd, "c", 1, REGION_OFFSET), 1);
	submit(&s, &i, 0, 0, 0);
	s.worker = rig_worker_with(&s.rig, "model");
	told = expect_start(&s);
	expect_copied(&told, 'c');
	assert_int_equal(s.worker->n_foreign, 1);
	rig_worker_foreign_mapped(&s.rig, s.worker, true);
	finish(&s, &told, &i);
	submit(&s, &i, 0, 0, 0);
	told = expect_start(&s);
	expect_in_place(&s, &told, 0, 1);
	finish(&s, &told, &i);
	end(&s);
}

static void test_answer_to_nothing(void **state)
{
	struct setting s;

	(void)state;
	begin(&s);
	map(&s, true);
	rig_worker_foreign_mapped(&s.rig, s.worker, true);
	assert_int_equal(rig_expect(&s.rig, FRONT_KILL).id, s.worker->id);
	rig_expect_log(&s.rig, "memory that it was not given");
	end(&s);
}

/* One output of FP32 [n], where place says. */
static void say_placed(struct setting *s, const struct told *told, const struct run_tensor *place,
		       uint64_t n)
{
	struct run_entry done = { .type = RUN_DONE, .request_id = told->start.request_id };
	struct run_tensor t = { .dtype = TENSOCK_FLOAT32,
				.rank = 1,
				.foreign = place->foreign,
				.offset = place->offset,
				.bytes = 4 * n,
				.dims = { (int64_t)n } };
	void *region =
		rig_worker_region(s->worker, told->start.out_buffer, 0, told->start.out_bytes);

	done.out_bytes = run_payload_at(1);
	assert_int_equal(run_write(region, done.out_bytes, &t, 1), 0);
	rig_worker_push(s->worker, &done);
}

static void test_output(void **state)
{
	struct setting s;
	struct oip_asked i;
	struct told told;
	float got[2];

	(void)state;
	begin(&s);
	map(&s, true);
	submit(&s, &i, 0, OUT_AT, TENSOR_BYTES);
	told = expect_start(&s);
	expect_in_place(&s, &told, 0, 2);
	assert_int_equal(told.n_places, 1);
	assert_int_equal(told.t[1].index, 0);
	assert_int_equal(told.t[1].foreign, s.worker->foreign.id);
	assert_int_equal(told.t[1].offset, REGION_OFFSET + OUT_AT);
	assert_int_equal(told.t[1].bytes, TENSOR_BYTES);
	say_placed(&s, &told, &told.t[1], TENSOR_BYTES / 4);
	oip_asked_expect_done(&s.rig, &i);
	assert_int_equal(i.error.status, TENSOCK_OK);
	assert_int_equal(i.result.region.bytes, TENSOR_BYTES);
	assert_int_equal(i.result.region.offset, OUT_AT);
	assert_null(i.result.data);
	oip_call_end(&i.call);
	/* The worker may put it into its own region all the same. */
	submit(&s, &i, 0, OUT_AT, TENSOR_BYTES);
	told = expect_start(&s);
	finish(&s, &told, &i);
	assert_int_equal(pread(s.fd, got, sizeof(got), REGION_OFFSET + OUT_AT), sizeof(got));
	assert_memory_equal(got, values, sizeof(values));
	end(&s);
}

static void test_outputs_that_are_copied(void **state)
{
	static const struct {
		uint64_t at, bytes;
	} outputs[] = {
		{ OUT_AT + 4, TENSOR_BYTES },          /* not aligned */
		{ OUT_AT, WORKER_FOREIGN_BYTES_MIN - 64 }, /* small */
		{ 0, TENSOR_BYTES },                   /* upon the input */
		{ TENSOR_BYTES - 64, TENSOR_BYTES },   /* upon its end */
	};
	struct setting s;
	struct oip_asked i;
	struct told told;

	(void)state;
	begin(&s);
	map(&s, true);
	for (size_t k = 0; k < ARRAY_SIZE(outputs); k++) {
		submit(&s, &i, 0, outputs[k].at, outputs[k].bytes);
		told = expect_start(&s);
		expect_in_place(&s, &told, 0, 2);
		assert_int_equal(told.n_places, 0);
		finish(&s, &told, &i);
	}
	submit(&s, &i, 64, 64 + TENSOR_BYTES, TENSOR_BYTES);
	told = expect_start(&s);
	assert_int_equal(told.n_places, 1);
	finish(&s, &told, &i);
	end(&s);
}

/* A worker that says it has written elsewhere, or more than there was room for. */
static void test_hostile_output(void **state)
{
	for (unsigned what = 0; what < 5; what++) {
		struct run_tensor place;
		struct setting s;
		struct oip_asked i;
		struct told told;

		begin(&s);
		map(&s, true);
		submit(&s, &i, 0, OUT_AT, what == 3 ? 0 : TENSOR_BYTES);
		told = expect_start(&s);
		place = what == 3 ? told.t[0] : told.t[1];
		place.foreign += what == 0;
		place.offset += what == 1 ? 64 : 0;
		say_placed(&s, &told, &place, TENSOR_BYTES / 4 + (what == 2));
		if (what == 4) {
			/* As it should be. */
			oip_asked_expect_done(&s.rig, &i);
			assert_int_equal(i.error.status, TENSOCK_OK);
		} else {
			assert_int_equal(rig_expect(&s.rig, FRONT_KILL).id, s.worker->id);
			oip_asked_expect_done(&s.rig, &i);
			oip_asked_expect_error(&i, TENSOCK_WORKER_DIED, "broke the rules");
		}
		oip_call_end(&i.call);
		end(&s);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_input),
		TSK_TEST(test_not_mapped),
		TSK_TEST(test_too_large),
		TSK_TEST(test_unregistered_meanwhile),
		TSK_TEST(test_cancelled_and_unregistered),
		TSK_TEST(test_cut),
		TSK_TEST(test_next_worker),
		TSK_TEST(test_answer_to_nothing),
		TSK_TEST(test_output),
		TSK_TEST(test_outputs_that_are_copied),
		TSK_TEST(test_hostile_output),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
