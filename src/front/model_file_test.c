/* SPDX-License-Identifier: Apache-2.0 */
#include "front/model_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/testing.h"
#include "front/rig.h"

struct fixture {
	uv_loop_t loop;
	struct work_queue queue;
	struct account account;
	unsigned hashed, turns;
};

static void begin(struct fixture *f)
{
	*f = (struct fixture){ .account.max_bytes = 64 << 20 };
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(work_queue_init(&f->queue, &f->loop), 0);
}

static void end(struct fixture *f)
{
	assert_int_equal(f->account.used_bytes, 0);
	work_queue_done(&f->queue);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
}

static void on_hashed(void *context)
{
	((struct fixture *)context)->hashed++;
}

static struct model_file *frozen(struct fixture *f, const char *bytes, size_t n)
{
	struct tensock_error error;
	struct model_file *file;

	assert_int_equal(model_file_new(&f->account, n, &file, &error), 0);
	memcpy(model_file_room(file), bytes, n);
	assert_int_equal(model_file_freeze(file, &f->queue, on_hashed, f, &error), 0);
	return file;
}

static void test_hash_and_seals(void **state)
{
	/* SHA-256("abc"), FIPS 180-2 appendix B.1 */
	static const unsigned char abc[] = {
		0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
		0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
		0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
	};
	struct model_file *file;
	struct fixture f;
	uint64_t size;

	(void)state;
	begin(&f);
	file = frozen(&f, "abc", 3);
	assert_int_equal(f.hashed, 0); /* never from within */
	uv_run(&f.loop, UV_RUN_DEFAULT);
	assert_int_equal(f.hashed, 1);
	assert_memory_equal(model_file_hash(file), abc, sizeof(abc));
	assert_int_equal(tsk_memfd_check(model_file_fd(file), true, &size), 0);
	assert_int_equal(size, 3);
	/* What was hashed stays: no way in, not even for us. */
	assert_int_equal(pwrite(model_file_fd(file), "x", 1, 0), -1);
	assert_ptr_equal(mmap(NULL, 3, PROT_READ | PROT_WRITE, MAP_SHARED, model_file_fd(file), 0),
			 MAP_FAILED);
	assert_int_equal(f.account.used_bytes, 3);
	model_file_free(file);
	end(&f);
}

/* 20 MiB are hashed in several turns, as if at once: SHA-256 of a million 'a', and more. */
static void test_slices(void **state)
{
	static const unsigned char million[] = {
		0xcd, 0xc7, 0x6e, 0x5c, 0x99, 0x14, 0xfb, 0x92, 0x81, 0xa1, 0xc7,
		0xe2, 0x84, 0xd7, 0x3e, 0x67, 0xf1, 0x80, 0x9a, 0x48, 0xa4, 0x97,
		0x20, 0x0e, 0x04, 0x6d, 0x39, 0xcc, 0xc7, 0x11, 0x2c, 0xd0,
	};
	enum {
		BIG = 20 << 20
	};
	char *bytes = malloc(BIG);
	struct model_file *small, *big;
	struct fixture f;

	(void)state;
	memset(bytes, 'a', BIG);
	begin(&f);
	big = frozen(&f, bytes, BIG);
	small = frozen(&f, bytes, 1000000);
	/* The small one is done while the big one still is at it. */
	for (int turns = 0; f.hashed == 0; turns++)
		assert_true(uv_run(&f.loop, UV_RUN_NOWAIT) && turns < 4);
	assert_memory_equal(model_file_hash(small), million, sizeof(million));
	assert_int_equal(f.hashed, 1);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	assert_int_equal(f.hashed, 2);
	model_file_free(small);
	model_file_free(big);
	free(bytes);
	end(&f);
}

static void test_free_while_hashing(void **state)
{
	enum {
		BIG = 20 << 20
	};
	char *bytes = calloc(1, BIG);
	struct model_file *file;
	struct fixture f;

	(void)state;
	begin(&f);
	file = frozen(&f, bytes, BIG);
	uv_run(&f.loop, UV_RUN_NOWAIT);
	model_file_free(file);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	assert_int_equal(f.hashed, 0);
	free(bytes);
	end(&f);
}

/* Nobody waits for the hash any more, and then somebody does: it is that of all bytes. */
static void test_stop_and_again(void **state)
{
	enum {
		BIG = 20 << 20
	};
	char *bytes = calloc(1, BIG);
	struct model_file *stopped, *whole;
	struct tensock_error error;
	struct fixture f;

	(void)state;
	begin(&f);
	stopped = frozen(&f, bytes, BIG);
	uv_run(&f.loop, UV_RUN_NOWAIT);
	uv_run(&f.loop, UV_RUN_NOWAIT);
	model_file_stop(stopped);
	model_file_stop(stopped);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	assert_int_equal(f.hashed, 0);
	assert_int_equal(model_file_freeze(stopped, &f.queue, on_hashed, &f, &error), 0);
	whole = frozen(&f, bytes, BIG);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	assert_int_equal(f.hashed, 2);
	assert_memory_equal(model_file_hash(stopped), model_file_hash(whole), MODEL_HASH_BYTES);
	model_file_free(stopped);
	model_file_free(whole);
	free(bytes);
	end(&f);
}

static void test_limit(void **state)
{
	struct tensock_error error;
	struct model_file *file = NULL;
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(model_file_new(&f.account, f.account.max_bytes + 1, &file, &error),
			 -EBUSY);
	assert_int_equal(error.status, TENSOCK_LIMIT_REACHED);
	assert_int_equal(model_file_new(&f.account, UINT64_MAX, &file, &error), -EBUSY);
	assert_null(file);
	model_file_free(NULL);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_hash_and_seals),
		TSK_TEST(test_slices),
		TSK_TEST(test_free_while_hashing),
		TSK_TEST(test_stop_and_again),
		TSK_TEST(test_limit),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
