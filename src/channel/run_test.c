/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/run.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/testing.h"

#define N 3u
#define HEADER_BYTES 8u

static const struct run_tensor samples[N] = {
	{ .index = 0, .dtype = TENSOCK_FLOAT32, .rank = 4, .bytes = 96, .dims = { 1, 2, 3, 4 } },
	{ .index = 5, .dtype = TENSOCK_BYTES, .rank = 1, .bytes = 13, .dims = { 2 } },
	{ .index = 1, .dtype = TENSOCK_INT4, .rank = 1, .bytes = 2, .dims = { 3 } },
};

/* A region of the samples, on the heap and of its exact size. */
static unsigned char *make_region(uint64_t *ret_size)
{
	struct run_tensor tensors[N];
	uint64_t bytes[N], offsets[N];
	unsigned char *region;

	for (unsigned i = 0; i < N; i++)
		bytes[i] = samples[i].bytes;
	assert_int_equal(run_layout(bytes, N, offsets, ret_size), 0);
	for (unsigned i = 0; i < N; i++) {
		tensors[i] = samples[i];
		tensors[i].offset = offsets[i];
	}
	region = calloc(1, *ret_size);
	assert_non_null(region);
	assert_int_equal(run_write(region, *ret_size, tensors, N), 0);
	return region;
}

static struct run_tensor *tensor_at(unsigned char *region, unsigned i)
{
	return (struct run_tensor *)(void *)(region + HEADER_BYTES) + i;
}

static void test_layout(void **state)
{
	static const uint64_t bytes[] = { 1, 0, 64, 65, 4096 };
	uint64_t offsets[5], total, end = HEADER_BYTES + 5 * sizeof(struct run_tensor);

	(void)state;
	assert_int_equal(run_layout(bytes, 5, offsets, &total), 0);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(offsets[i] % RUN_ALIGN, 0);
		assert_in_range(offsets[i], end, end + RUN_ALIGN - 1);
		end = offsets[i] + bytes[i];
	}
	assert_in_range(total, end, end + RUN_ALIGN - 1);
	assert_int_equal(total % RUN_ALIGN, 0);
	assert_int_equal(run_layout(NULL, 0, NULL, &total), 0);
	assert_int_equal(total, RUN_ALIGN);
}

static void test_layout_refused(void **state)
{
	uint64_t huge[2] = { UINT64_MAX - 1000, 1000 }, total = 7;
	static uint64_t many[RUN_TENSORS_MAX + 1];

	(void)state;
	assert_int_equal(run_layout(huge, 2, NULL, &total), -EOVERFLOW);
	huge[0] = UINT64_MAX;
	assert_int_equal(run_layout(huge, 1, NULL, &total), -EOVERFLOW);
	assert_int_equal(run_layout(many, RUN_TENSORS_MAX + 1, NULL, &total), -E2BIG);
	assert_int_equal(total, 7);
	assert_int_equal(run_layout(many, RUN_TENSORS_MAX, NULL, &total), 0);
}

static void test_there_and_back(void **state)
{
	struct run_tensor got[N];
	uint64_t size;
	unsigned char *region = make_region(&size);
	unsigned n = 0;

	(void)state;
	assert_int_equal(run_read(region, size, got, N, &n), 0);
	assert_int_equal(n, N);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(got[i].index, samples[i].index);
		assert_int_equal(got[i].dtype, samples[i].dtype);
		assert_int_equal(got[i].rank, samples[i].rank);
		assert_int_equal(got[i].bytes, samples[i].bytes);
		assert_memory_equal(got[i].dims, samples[i].dims, sizeof(got[i].dims));
		assert_true(got[i].offset + got[i].bytes <= size);
	}
	free(region);
}

static void test_write_without_room(void **state)
{
	uint64_t block = HEADER_BYTES + N * sizeof(struct run_tensor);
	unsigned char *region = malloc(block);

	(void)state;
	assert_non_null(region);
	memset(region, 0xaa, block);
	assert_int_equal(run_write(region, block - 1, samples, N), -ENOSPC);
	assert_int_equal(run_write(region, 0, samples, 0), -ENOSPC);
	assert_int_equal(run_write(region, UINT64_MAX, samples, RUN_TENSORS_MAX + 1), -E2BIG);
	assert_int_equal(region[0], 0xaa);
	assert_int_equal(run_write(region, block, samples, N), 0);
	free(region);
}

static void test_no_tensors(void **state)
{
	unsigned char region[HEADER_BYTES];
	unsigned n = 7;

	(void)state;
	assert_int_equal(run_write(region, sizeof(region), NULL, 0), 0);
	assert_int_equal(run_read(region, sizeof(region), NULL, 0, &n), 0);
	assert_int_equal(n, 0);
}

/* The last payload ends where the region does: every size below is refused. */
static void test_every_smaller_size(void **state)
{
	struct run_tensor got[N];
	uint64_t size, used;
	unsigned char *region = make_region(&size);
	unsigned n = 7;

	(void)state;
	used = tensor_at(region, N - 1)->offset + tensor_at(region, N - 1)->bytes;
	for (uint64_t i = 0; i < used; i++) {
		unsigned char *exact = malloc(i ? i : 1);

		assert_non_null(exact);
		memcpy(exact, region, i);
		assert_int_equal(run_read(exact, i, got, N, &n), -EPROTO);
		free(exact);
	}
	assert_int_equal(n, 7);
	assert_int_equal(run_read(region, used, got, N, &n), 0);
	free(region);
}

static void test_too_many(void **state)
{
	static const uint32_t counts[] = { N + 1, RUN_TENSORS_MAX, RUN_TENSORS_MAX + 1, INT32_MAX,
					   UINT32_MAX };
	struct run_tensor got[N];
	uint64_t size;
	unsigned char *region = make_region(&size);
	unsigned n = 7;

	(void)state;
	for (unsigned max = 0; max < N; max++)
		assert_int_equal(run_read(region, size, got, max, &n), -EPROTO);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		memcpy(region, &counts[i], sizeof(counts[i]));
		assert_int_equal(run_read(region, size, got, N, &n), -EPROTO);
	}
	assert_int_equal(n, 7);
	free(region);
}

/* A large region and a large max: the constant is the bound. */
static void test_more_than_the_constant(void **state)
{
	uint64_t block = HEADER_BYTES + (RUN_TENSORS_MAX + 1) * sizeof(struct run_tensor);
	uint64_t size = block + RUN_ALIGN;
	unsigned char *region = calloc(1, size);
	struct run_tensor *got = calloc(RUN_TENSORS_MAX + 1, sizeof(*got));
	uint32_t count = RUN_TENSORS_MAX + 1;
	unsigned n = 7;

	(void)state;
	assert_non_null(region);
	assert_non_null(got);
	for (unsigned i = 0; i < count; i++)
		*tensor_at(region, i) = (struct run_tensor){
			.dtype = TENSOCK_UINT8, .rank = 1, .offset = RUN_ALIGN * (size / RUN_ALIGN)
		};
	memcpy(region, &count, sizeof(count));
	assert_int_equal(run_read(region, size, got, count, &n), -EPROTO);
	count--;
	memcpy(region, &count, sizeof(count));
	assert_int_equal(run_read(region, size, got, count + 1, &n), 0);
	free(got);
	free(region);
}

enum field {
	DTYPE,
	RANK,
	FOREIGN,
	OFFSET,
	BYTES,
	DIM0,
	DIM3,
};

static void set_field(struct run_tensor *t, enum field field, uint64_t value)
{
	switch (field) {
	case DTYPE:
		t->dtype = (uint32_t)value;
		break;
	case RANK:
		t->rank = (uint32_t)value;
		break;
	case FOREIGN:
		t->foreign = (uint32_t)value;
		break;
	case OFFSET:
		t->offset = value;
		break;
	case BYTES:
		t->bytes = value;
		break;
	case DIM0:
		t->dims[0] = (int64_t)value;
		break;
	case DIM3:
		t->dims[3] = (int64_t)value;
		break;
	}
}

/* Tensor 0 is FP32 [1, 2, 3, 4] of 96 bytes. */
static void test_each_field_tampered(void **state)
{
	static const struct {
		const char *what;
		enum field field;
		uint64_t value;
	} changes[] = {
		{ "no dtype", DTYPE, TENSOCK_DTYPE_INVALID },
		{ "a dtype that is none", DTYPE, TENSOCK_DTYPE_MAX },
		{ "dtype 2^32-1", DTYPE, UINT32_MAX },
		{ "a wider dtype", DTYPE, TENSOCK_FLOAT64 },
		{ "a narrower dtype", DTYPE, TENSOCK_FLOAT16 },
		{ "rank 3", RANK, 3 },
		{ "rank 5, whose dim is 0", RANK, 5 },
		{ "rank 17", RANK, TENSOCK_RANK_MAX + 1 },
		{ "rank 2^32-1", RANK, UINT32_MAX },
		{ "foreign memory", FOREIGN, 1 },
		{ "dim -1", DIM0, UINT64_MAX },
		{ "dim INT64_MIN", DIM0, UINT64_C(1) << 63 },
		{ "dim 2^62: the product wraps", DIM0, UINT64_C(1) << 62 },
		{ "dim 2^60: the bytes wrap to 96", DIM0, (UINT64_C(1) << 60) + 1 },
		{ "dim 5", DIM3, 5 },
		{ "dim 0", DIM3, 0 },
		{ "95 bytes", BYTES, 95 },
		{ "97 bytes", BYTES, 97 },
		{ "0 bytes", BYTES, 0 },
		{ "2^64-1 bytes", BYTES, UINT64_MAX },
		{ "offset in the header", OFFSET, 0 },
		{ "offset in the descriptors", OFFSET, 448 },
		{ "offset not aligned", OFFSET, 516 },
		{ "offset not aligned by 1", OFFSET, 513 },
		{ "offset at the end", OFFSET, 768 },
		{ "offset beyond the end", OFFSET, 832 },
		{ "payload half beyond the end", OFFSET, 704 },
		{ "offset + bytes wraps", OFFSET, UINT64_MAX - 63 },
	};
	struct run_tensor got[N];
	unsigned n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		uint64_t size;
		unsigned char *region = make_region(&size);
		int r;

		assert_int_equal(tensor_at(region, 0)->offset, 512);
		assert_int_equal(size, 768);
		set_field(tensor_at(region, 0), changes[i].field, changes[i].value);
		r = run_read(region, size, got, N, &n);
		if (r != -EPROTO)
			fail_msg("%s: %d", changes[i].what, r);
		free(region);
	}
}

/* Payload in foreign memory, and places behind the tensors. */
static void test_foreign(void **state)
{
	struct run_tensor tensors[] = { samples[0], samples[2] };
	struct run_tensor places[] = { { .index = 1, .foreign = 9, .offset = 64, .bytes = 1000 },
				       { .index = 0, .foreign = 2, .offset = 0, .bytes = 0 } };
	unsigned char region[1024];
	struct run_tensor got[4];
	unsigned n = 7, n_places = 7;

	(void)state;
	tensors[0].foreign = 9;
	tensors[0].offset = UINT64_C(1) << 40;
	tensors[1].offset = run_payload_at(4);
	assert_int_equal(run_write_places(region, sizeof(region), tensors, 2, places, 2), 0);
	assert_int_equal(run_read_foreign(region, sizeof(region), got, 4, &n, &n_places), 0);
	assert_int_equal(n, 2);
	assert_int_equal(n_places, 2);
	assert_memory_equal(got, tensors, sizeof(tensors));
	assert_memory_equal(got + 2, places, sizeof(places));
	/* Who does not ask for them. */
	assert_int_equal(run_read_foreign(region, sizeof(region), got, 4, &n, NULL), -EPROTO);
	assert_int_equal(run_read_foreign(region, sizeof(region), got, 3, &n, &n_places), -EPROTO);
	assert_int_equal(run_read_foreign(region, run_payload_at(4) - RUN_ALIGN, got, 4, &n,
					  &n_places),
			 -EPROTO);
	assert_int_equal(run_read(region, sizeof(region), got, 4, &n), -EPROTO);
	assert_int_equal(run_write(region, sizeof(region), tensors, 2), 0);
	assert_int_equal(run_read_foreign(region, sizeof(region), got, 4, &n, NULL), 0);
	assert_int_equal(run_read(region, sizeof(region), got, 4, &n), -EPROTO);
	assert_int_equal(run_write_places(region, sizeof(region), tensors, 2, places,
					  RUN_TENSORS_MAX - 1),
			 -E2BIG);
	assert_int_equal(run_write_places(region, sizeof(region), tensors, 2, places, UINT32_MAX),
			 -E2BIG);
	assert_int_equal(run_write_places(region, run_payload_at(4) - RUN_ALIGN, tensors, 2, places,
					  2),
			 -ENOSPC);
}

static void test_bad_foreign(void **state)
{
	const struct run_tensor place = { .foreign = 9, .offset = 64, .bytes = 1000 };
	const struct run_tensor payload = { .dtype = TENSOCK_UINT8,
					    .rank = 1,
					    .foreign = 9,
					    .offset = 64,
					    .bytes = 8,
					    .dims = { 8 } };
	struct run_tensor bad[8] = { payload, payload, payload, place, place, place, place, place };
	unsigned char region[512];
	struct run_tensor got[1];
	unsigned n, n_places;

	(void)state;
	bad[0].offset = 65;
	bad[1].bytes = 9;
	bad[2].dtype = TENSOCK_BYTES; /* whose bytes would be enough */
	bad[2].dims[0] = 1;
	bad[3].foreign = 0;
	bad[4].offset = 1;
	bad[5].dtype = TENSOCK_UINT8;
	bad[6].rank = 1;
	bad[7].offset = UINT64_MAX;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(run_write_places(region, sizeof(region), &bad[i], i < 3, &bad[i],
						  i >= 3),
				 0);
		if (run_read_foreign(region, sizeof(region), got, 1, &n, &n_places) != -EPROTO)
			fail_msg("number %u passes", i);
	}
}

static int read_one(uint32_t dtype, uint32_t rank, int64_t dim, uint64_t bytes)
{
	unsigned char region[512] = { 0 };
	struct run_tensor t = {
		.dtype = dtype, .rank = rank, .offset = 192, .bytes = bytes, .dims = { dim }
	};
	struct run_tensor got;
	unsigned n;

	assert_int_equal(run_write(region, sizeof(region), &t, 1), 0);
	return run_read(region, sizeof(region), &got, 1, &n);
}

static void test_bytes_of_dims(void **state)
{
	(void)state;
	assert_int_equal(read_one(TENSOCK_UINT8, 0, 0, 1), 0);
	assert_int_equal(read_one(TENSOCK_UINT8, 0, 0, 0), -EPROTO);
	assert_int_equal(read_one(TENSOCK_UINT8, 1, 320, 320), 0);
	assert_int_equal(read_one(TENSOCK_UINT8, 1, 321, 321), -EPROTO);
	assert_int_equal(read_one(TENSOCK_FLOAT32, 1, 0, 0), 0);
	assert_int_equal(read_one(TENSOCK_FLOAT32, 1, 0, 1), -EPROTO);
	assert_int_equal(read_one(TENSOCK_UINT4, 1, 3, 2), 0);
	assert_int_equal(read_one(TENSOCK_UINT4, 1, 3, 1), -EPROTO);
	assert_int_equal(read_one(TENSOCK_UINT4, 1, 4, 2), 0);
	assert_int_equal(read_one(TENSOCK_UINT4, 1, 5, 2), -EPROTO);
	assert_int_equal(read_one(TENSOCK_BYTES, 1, 3, 12), 0);
	assert_int_equal(read_one(TENSOCK_BYTES, 1, 3, 300), 0);
	assert_int_equal(read_one(TENSOCK_BYTES, 1, 3, 11), -EPROTO);
	assert_int_equal(read_one(TENSOCK_BYTES, 1, 0, 0), 0);
	assert_int_equal(read_one(TENSOCK_BYTES, 1, -1, 12), -EPROTO);
	assert_int_equal(read_one(TENSOCK_BYTES, 1, INT64_C(1) << 62, 0), -EPROTO);
	/* The bytes are right, but with the offset they wrap. */
	assert_int_equal(read_one(TENSOCK_BYTES, 1, 3, UINT64_MAX), -EPROTO);
	assert_int_equal(read_one(TENSOCK_UINT16, 1, INT64_MAX, UINT64_MAX - 1), -EPROTO);
}

/* An empty payload may stand at the very end, and nowhere behind. */
static void test_empty_payload_at_the_end(void **state)
{
	struct run_tensor t = { .dtype = TENSOCK_UINT8, .rank = 1, .offset = 192 }, got;
	unsigned char region[192];
	unsigned n;

	(void)state;
	assert_int_equal(run_write(region, sizeof(region), &t, 1), 0);
	assert_int_equal(run_read(region, sizeof(region), &got, 1, &n), 0);
	t.offset = 256;
	assert_int_equal(run_write(region, sizeof(region), &t, 1), 0);
	assert_int_equal(run_read(region, sizeof(region), &got, 1, &n), -EPROTO);
}

struct flipper {
	struct run_tensor *tensor;
	atomic_bool stop;
};

/* Goes between [8] of 8 bytes and [256] of 256 bytes, each field by itself. */
static void *flip(void *arg)
{
	struct flipper *f = arg;
	volatile struct run_tensor *t = f->tensor;

	while (!atomic_load(&f->stop)) {
		t->dims[0] = 256;
		t->bytes = 256;
		t->dims[0] = 8;
		t->bytes = 8;
	}
	return NULL;
}

/*
 * A peer that rewrites descriptors while they are read: each answer is one consistent state.  How many
 * there are is the scheduler's to say: the peer may stand still in the middle of a change.
 */
static void test_peer_writes_meanwhile(void **state)
{
	_Alignas(RUN_ALIGN) static unsigned char region[512];
	struct run_tensor t = {
		.dtype = TENSOCK_UINT8, .rank = 1, .offset = 192, .bytes = 8, .dims = { 8 }
	};
	struct flipper flipper = { .tensor = tensor_at(region, 0) };
	struct run_tensor got;
	pthread_t thread;
	unsigned n;

	(void)state;
	assert_int_equal(run_write(region, sizeof(region), &t, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, flip, &flipper), 0);
	for (unsigned i = 0; i < 500000; i++) {
		if (run_read(region, sizeof(region), &got, 1, &n) < 0)
			continue;
		assert_true((uint64_t)got.dims[0] == got.bytes);
		assert_true(got.bytes == 8 || got.bytes == 256);
	}
	atomic_store(&flipper.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(run_read(region, sizeof(region), &got, 1, &n), 0);
	assert_int_equal(got.bytes, 8);
}

static void test_pace(void **state)
{
	uint64_t pace;

	(void)state;
	assert_int_equal(run_pace(0, 100, 1000), 100);
	assert_int_equal(run_pace(0, 5000, 1000), 1000);
	assert_int_equal(run_pace(100, 20, 1000), 80);
	/* One that was held up counts for little, many do not. */
	pace = run_pace(100, UINT64_MAX, 1000);
	assert_in_range(pace, 101, 200);
	for (int i = 0; i < 100; i++)
		pace = run_pace(pace, 5000, 1000);
	assert_in_range(pace, 900, 1000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_layout),
		TSK_TEST(test_layout_refused),
		TSK_TEST(test_there_and_back),
		TSK_TEST(test_write_without_room),
		TSK_TEST(test_no_tensors),
		TSK_TEST(test_every_smaller_size),
		TSK_TEST(test_too_many),
		TSK_TEST(test_more_than_the_constant),
		TSK_TEST(test_each_field_tampered),
		TSK_TEST(test_foreign),
		TSK_TEST(test_bad_foreign),
		TSK_TEST(test_bytes_of_dims),
		TSK_TEST(test_empty_payload_at_the_end),
		TSK_TEST(test_peer_writes_meanwhile),
		TSK_TEST(test_pace),
	};

	return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
