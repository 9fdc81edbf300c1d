/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors in memory that a connection shares, mapped by the worker or not; the test plays the worker. */
#include "front/native_memory.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/testing.h"
#include "front/native_peer.h"

#define MEMORY_BYTES (UINT64_C(512) << 10)
#define ROWS 6400
#define TENSOR_BYTES (UINT64_C(12) * ROWS) /* above WORKER_FOREIGN_BYTES_MIN */
#define OUT_AT (UINT64_C(256) << 10)

static struct peer peer;

struct setting {
	struct rig rig;
	struct front_start limits;
	struct rig_worker *worker;
	unsigned char *memory;
};

/* Another memory, from now on. */
static void share(struct setting *s)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);
	unsigned char frame[WIRE_HEADER_BYTES + 8];
	const struct wire_header header = { .type = WIRE_MEMORY, .size = 8 };
	struct tsk_writer w = tsk_writer(frame + WIRE_HEADER_BYTES, 8);

	assert_int_equal(ftruncate(fd, (off_t)MEMORY_BYTES), 0);
	if (s->memory)
		munmap(s->memory, MEMORY_BYTES);
	s->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(s->memory != MAP_FAILED);
	wire_header_write(frame, &header);
	wire_memory_write(&w, MEMORY_BYTES);
	rig_pass_fd(peer.fd, frame, sizeof(frame), fd, 1);
	rig_run(&s->rig, 1);
	close(fd);
}

static void begin(struct setting *s)
{
	*s = (struct setting){ .limits = rig_limits() };
	rig_init(&s->rig, &s->limits);
	peer.rig = &s->rig;
	peer.fd = rig_connect(&s->rig);
	peer_hello_with(&peer, 1, 1, WIRE_FEATURE_MEMORY);
	peer_expect(&peer, WIRE_WELCOME, 0);
	s->worker = peer_push(&peer, 1, "model", "");
	share(s);
}

static void end(struct setting *s)
{
	munmap(s->memory, MEMORY_BYTES);
	peer_close(&peer);
	assert_int_equal(s->rig.guest->regions.n, 0);
	rig_worker_exit(&s->rig, s->worker, 0);
	rig_done(&s->rig);
}

/* x [ROWS, 3] from there; y to its place, where that has room. */
static void ask(uint32_t id, uint64_t at, struct wire_place place)
{
	struct wire_tensor x = { .name = wire_string("x"),
				 .index = WIRE_INDEX_NONE,
				 .dtype = TENSOCK_FLOAT32,
				 .rank = 2,
				 .dims = { ROWS, 3 },
				 .bytes = TENSOR_BYTES };
	struct wire_tensor y = { .name = wire_string("y"), .index = WIRE_INDEX_NONE };
	struct wire_infer infer = { .model = ref_of("model"), .n_inputs = 1, .n_outputs = 1 };
	unsigned char meta[512], body[512];
	struct tsk_writer m = tsk_writer(meta, sizeof(meta)), w = tsk_writer(body, sizeof(body));

	assert_int_equal(wire_tensors_layout(&x, 1, &infer.payload_bytes), 0);
	wire_infer_write(&m, &infer, &x, &y);
	wire_infer_memory_write(&w, meta, tsk_writer_len(&m), at, &place, place.bytes > 0);
	assert_false(m.bad || w.bad);
	peer_send(&peer, WIRE_INFER_MEMORY, id, body, tsk_writer_len(&w));
}

static struct wire_place out(uint64_t bytes)
{
	return (struct wire_place){ OUT_AT, bytes };
}

/* What the worker was told. */
struct told {
	struct run_entry start;
	struct run_tensor t[2]; /* x, then y's place */
	unsigned n_places;
	unsigned char *region;
};

static struct told expect_start(struct setting *s)
{
	struct told told = { .start = rig_worker_expect(&s->rig, s->worker, RUN_START) };
	unsigned n;

	told.region = rig_worker_region(s->worker, told.start.in_buffer, told.start.in_offset,
					told.start.in_bytes);
	assert_int_equal(run_read_foreign(told.region, told.start.in_bytes, told.t, 2, &n,
					  &told.n_places),
			 0);
	assert_int_equal(n, 1);
	assert_int_equal(told.t[0].bytes, TENSOR_BYTES);
	return told;
}

static void expect_copied(const struct setting *s, const struct told *told, uint64_t at)
{
	assert_int_equal(told->t[0].foreign, 0);
	assert_int_equal(told->n_places, 0);
	assert_memory_equal(told->region + told->t[0].offset, s->memory + at, TENSOR_BYTES);
}

static void expect_in_place(const struct setting *s, const struct told *told, uint64_t at)
{
	assert_int_equal(told->t[0].foreign, s->worker->foreign.id);
	assert_int_equal(told->t[0].offset, at);
	assert_int_equal(told->n_places, 1);
	assert_int_equal(told->t[1].index, 0);
	assert_int_equal(told->t[1].foreign, s->worker->foreign.id);
	assert_int_equal(told->t[1].offset, OUT_AT);
}

static const float values[2] = { 1.5f, -2 };

/* y of these bytes is answered. */
static void expect_result(uint32_t id, uint64_t bytes)
{
	struct wire_tensor *tensors;
	struct wire_result result;

	peer_expect(&peer, WIRE_RESULT_MEMORY, id);
	assert_int_equal(wire_result_read(peer.body, peer.header.size, &result, &tensors), 0);
	assert_int_equal(result.n_outputs, 1);
	assert_true(wire_string_equals(tensors[0].name, "y"));
	assert_int_equal(tensors[0].bytes, bytes);
	free(tensors);
}

/* The worker writes y into the run's own region, wherever it was to go. */
static void finish(struct setting *s, const struct told *told, uint32_t id)
{
	rig_worker_done(s->worker, &told->start, values, 2);
	expect_result(id, sizeof(values));
}

/* A first run, by which the worker learns of the memory. */
static void map(struct setting *s, uint32_t id, bool is_mapped)
{
	unsigned n = s->worker->n_foreign;
	struct told told;

	memset(s->memory, (int)id, TENSOR_BYTES);
	ask(id, 0, out(TENSOR_BYTES));
	told = expect_start(s);
	expect_copied(s, &told, 0);
	assert_int_equal(s->worker->n_foreign, n + 1);
	assert_int_equal(s->worker->foreign.value, MEMORY_BYTES);
	finish(s, &told, id);
	assert_memory_equal(s->memory + OUT_AT, values, sizeof(values));
	rig_worker_foreign_mapped(&s->rig, s->worker, is_mapped);
}

static void begin_mapped(struct setting *s)
{
	begin(s);
	map(s, 2, true);
}

static void test_in_place(void **state)
{
	struct setting s;
	struct told told;

	(void)state;
	begin_mapped(&s);
	memset(s.memory + OUT_AT, 0xee, sizeof(values));
	ask(3, 128, out(TENSOR_BYTES));
	told = expect_start(&s);
	expect_in_place(&s, &told, 128);
	assert_int_equal(told.t[1].bytes, TENSOR_BYTES);
	/* A worker that does not write it there: the front does. */
	finish(&s, &told, 3);
	assert_memory_equal(s.memory + OUT_AT, values, sizeof(values));
	end(&s);
}

static void test_written_by_the_worker(void **state)
{
	struct setting s;
	struct told told;
	struct run_entry done;
	struct run_tensor y = { .dtype = TENSOCK_FLOAT32, .rank = 1, .dims = { ROWS } };

	(void)state;
	begin_mapped(&s);
	memset(s.memory + OUT_AT, 0xee, 4 * ROWS);
	ask(3, 0, out(TENSOR_BYTES));
	told = expect_start(&s);
	y.bytes = 4 * ROWS;
	y.foreign = told.t[1].foreign;
	y.offset = told.t[1].offset;
	done = (struct run_entry){ .type = RUN_DONE,
				   .request_id = told.start.request_id,
				   .out_bytes = RUN_ALIGN * 3 };
	assert_int_equal(run_write(rig_worker_region(s.worker, told.start.out_buffer,
						     told.start.out_offset, told.start.out_bytes),
				   done.out_bytes, &y, 1),
			 0);
	rig_worker_push(s.worker, &done);
	expect_result(3, 4 * ROWS);
	/* Nobody but the worker writes there. */
	assert_int_equal(s.memory[OUT_AT], 0xee);
	end(&s);
}

static void test_not_mapped(void **state)
{
	struct setting s;
	struct told told;

	(void)state;
	begin(&s);
	map(&s, 2, false);
	ask(3, 64, out(TENSOR_BYTES));
	told = expect_start(&s);
	expect_copied(&s, &told, 64);
	finish(&s, &told, 3);
	assert_int_equal(s.worker->n_foreign, 1);
	end(&s);
}

static void test_no_room(void **state)
{
	struct setting s;
	struct told told;

	(void)state;
	begin_mapped(&s);
	memset(s.memory + OUT_AT, 0xee, sizeof(values));
	ask(3, 0, out(sizeof(values) - 1));
	told = expect_start(&s);
	assert_int_equal(told.n_places, 0);
	finish(&s, &told, 3);
	assert_int_equal(s.memory[OUT_AT], 0xee);
	end(&s);
}

/* Without places the outputs come in frames, whatever the inputs lie in. */
static void test_no_places(void **state)
{
	struct setting s;
	struct told told;

	(void)state;
	begin_mapped(&s);
	ask(3, 0, out(0));
	told = expect_start(&s);
	assert_int_equal(told.t[0].foreign, s.worker->foreign.id);
	rig_worker_done(s.worker, &told.start, values, 2);
	peer_expect_result(&peer, 3, values, 2);
	end(&s);
}

/* What runs keeps its memory; the worker forgets it when nothing does. */
static void test_replaced_meanwhile(void **state)
{
	struct setting s;
	struct told told;

	(void)state;
	begin_mapped(&s);
	ask(3, 0, out(TENSOR_BYTES));
	told = expect_start(&s);
	expect_in_place(&s, &told, 0);
	share(&s);
	rig_worker_take(&s.rig, s.worker);
	assert_int_equal(s.worker->n_foreign_drops, 0);
	assert_int_equal(s.rig.guest->regions.n, 2);
	finish(&s, &told, 3);
	rig_worker_take(&s.rig, s.worker);
	assert_int_equal(s.worker->n_foreign_drops, 1);
	assert_int_equal(s.rig.guest->regions.n, 1);
	map(&s, 4, true);
	assert_int_not_equal(s.worker->foreign.id, s.worker->foreign_drop.id);
	end(&s);
}

/* The worker is not told to forget what a cancelled run may still write to. */
static void test_cancelled(void **state)
{
	struct setting s;
	struct told told;

	(void)state;
	begin_mapped(&s);
	ask(3, 0, out(TENSOR_BYTES));
	told = expect_start(&s);
	peer_send(&peer, WIRE_CANCEL, 3, NULL, 0);
	peer_expect_error(&peer, 3, TENSOCK_CANCELLED, "cancelled");
	share(&s);
	(void)rig_worker_expect(&s.rig, s.worker, RUN_CANCEL);
	assert_int_equal(s.worker->n_foreign_drops, 0);
	rig_worker_done(s.worker, &told.start, values, 2);
	rig_run(&s.rig, 5);
	rig_worker_take(&s.rig, s.worker);
	assert_int_equal(s.worker->n_foreign_drops, 1);
	end(&s);
}

static void test_bounds(void **state)
{
	static const struct {
		uint64_t at;
		struct wire_place place;
	} rows[] = {
		{ MEMORY_BYTES, { OUT_AT, 64 } },
		{ MEMORY_BYTES - TENSOR_BYTES + 64, { OUT_AT, 64 } },
		{ UINT64_MAX - 63, { OUT_AT, 64 } },
		{ 0, { MEMORY_BYTES, 1 } },
		{ 0, { MEMORY_BYTES - 64, 65 } },
		{ 0, { UINT64_MAX - 63, 64 } },
		{ 0, { 64, UINT64_MAX } },
	};
	struct setting s;
	struct told told;

	(void)state;
	begin(&s);
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ask(2 + i, rows[i].at, rows[i].place);
		peer_expect_error(&peer, 2 + i, TENSOCK_INVALID_ARGUMENT, "beyond the memory");
	}
	ask(20, MEMORY_BYTES - TENSOR_BYTES, (struct wire_place){ MEMORY_BYTES - 64, 64 });
	told = expect_start(&s);
	expect_copied(&s, &told, MEMORY_BYTES - TENSOR_BYTES);
	finish(&s, &told, 20);
	end(&s);
}

static void test_none(void **state)
{
	struct setting s;
	unsigned char body[8];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	(void)state;
	begin(&s);
	wire_memory_write(&w, MEMORY_BYTES);
	/* Without a descriptor: the one before is given up all the same. */
	peer_send(&peer, WIRE_MEMORY, 0, body, sizeof(body));
	for (uint32_t id = 2; id < 4; id++) {
		ask(id, 0, out(64));
		peer_expect(&peer, WIRE_INLINE, id);
	}
	assert_int_equal(s.rig.guest->regions.n, 0);
	share(&s);
	map(&s, 4, true);
	end(&s);
}

static void test_not_agreed(void **state)
{
	struct front_start limits = rig_limits();
	unsigned char body[8] = { 64 };
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	for (unsigned i = 0; i < 2; i++) {
		peer_connect(&peer, &rig);
		if (i == 0)
			peer_send(&peer, WIRE_MEMORY, 0, body, sizeof(body));
		else
			ask(1, 0, out(64));
		peer_expect_error(&peer, 0, TENSOCK_PROTOCOL, "has not been agreed on");
		peer_close(&peer);
	}
	rig_done(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_in_place),   TSK_TEST(test_written_by_the_worker),
		TSK_TEST(test_not_mapped), TSK_TEST(test_no_room),
		TSK_TEST(test_no_places),  TSK_TEST(test_replaced_meanwhile),
		TSK_TEST(test_cancelled),  TSK_TEST(test_bounds),
		TSK_TEST(test_none),       TSK_TEST(test_not_agreed),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
