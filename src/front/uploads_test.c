/* SPDX-License-Identifier: Apache-2.0 */
#include "front/uploads.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/clock.h"
#include "base/testing.h"
#include "front/rig.h"

enum {
	BIG = 20 << 20 /* hashed in more than one turn */
};

struct fixture {
	uv_loop_t loop;
	struct work_queue work;
	struct account account;
	struct front_start limits;
	struct counters counters;
	struct uploads *uploads;
	unsigned emptied;
	unsigned done; /* calls */
	struct model_file *file;
	struct tensock_error error;
};

static void on_emptied(void *context)
{
	((struct fixture *)context)->emptied++;
}

static void reclaim(void *context, uint64_t bytes)
{
	uploads_reclaim(((struct fixture *)context)->uploads, bytes);
}

static void begin(struct fixture *f)
{
	struct uploads_host host = {
		.loop = &f->loop,
		.work = &f->work,
		.account = &f->account,
		.limits = &f->limits,
		.counters = &f->counters,
		.emptied = on_emptied,
		.context = f,
	};

	*f = (struct fixture){ .limits = rig_limits(),
			       .account = { .max_bytes = 64 << 20, .reclaim = reclaim } };
	f->account.context = f;
	f->limits.model_bytes_max = BIG;
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(work_queue_init(&f->work, &f->loop), 0);
	assert_int_equal(uploads_new(&host, &f->uploads), 0);
}

static void end(struct fixture *f)
{
	model_file_free(f->file);
	uploads_free(f->uploads);
	assert_int_equal(f->account.used_bytes, 0);
	work_queue_done(&f->work);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
}

static void on_done(void *context, struct model_file *file, const struct tensock_error *error)
{
	struct fixture *f = context;

	assert_true(!file == !!error);
	f->done++;
	f->file = file;
	if (error)
		f->error = *error;
}

static const unsigned char *hash_of(const void *bytes, size_t n)
{
	static unsigned char hash[MODEL_HASH_BYTES];

	assert_int_equal(EVP_Digest(bytes, n, hash, NULL, EVP_sha256(), NULL), 1);
	return hash;
}

static struct upload *offer(struct fixture *f, const char *model, uint64_t offset)
{
	struct upload *upload = NULL;
	struct tensock_error error;
	uint64_t at = 77;

	assert_int_equal(uploads_begin(f->uploads, hash_of(model, strlen(model)), strlen(model),
				       &upload, &at, &error),
			 0);
	assert_int_equal(at, offset);
	return upload;
}

static void send_bytes(struct upload *upload, const char *bytes, size_t n)
{
	void *room;

	assert_true(upload_room(upload, &room) >= n);
	memcpy(room, bytes, n);
	upload_received(upload, n);
}

static void finish(struct fixture *f, struct upload *upload)
{
	unsigned before = f->done;

	upload_finish(upload, on_done, f);
	assert_int_equal(f->done, before); /* never from within */
	for (int i = 0; i < 100 && f->done == before; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->done, before + 1);
}

static void expect_file(struct fixture *f, const char *model)
{
	struct tsk_map map;
	uint64_t size;

	assert_non_null(f->file);
	assert_memory_equal(model_file_hash(f->file), hash_of(model, strlen(model)),
			    MODEL_HASH_BYTES);
	assert_int_equal(tsk_memfd_check(model_file_fd(f->file), true, &size), 0);
	assert_int_equal(size, strlen(model));
	assert_int_equal(tsk_map_new(model_file_fd(f->file), size, false, &map), 0);
	assert_memory_equal(map.addr, model, size);
	tsk_map_done(&map);
	model_file_free(TAKE_PTR(f->file));
}

static void test_whole(void **state)
{
	struct upload *upload;
	struct fixture f;
	void *room;

	(void)state;
	begin(&f);
	upload = offer(&f, "the model", 0);
	assert_int_equal(upload_room(upload, &room), 9);
	send_bytes(upload, "the", 3);
	assert_int_equal(upload_room(upload, &room), 6);
	send_bytes(upload, " model", 6);
	assert_int_equal(upload_room(upload, &room), 0);
	finish(&f, upload);
	expect_file(&f, "the model");
	assert_int_equal(f.counters.uploads_begun, 1);
	assert_int_equal(f.counters.uploads_finished, 1);
	assert_int_equal(f.counters.upload_bytes, 9);
	assert_int_equal(uploads_kept(f.uploads), 0);
	end(&f);
}

/* A connection breaks, twice, the second time after the last byte; nothing is sent again. */
static void test_resume(void **state)
{
	struct upload *upload;
	struct fixture f;

	(void)state;
	begin(&f);
	upload = offer(&f, "the model", 0);
	send_bytes(upload, "the", 3);
	upload_leave(upload);
	assert_int_equal(uploads_kept(f.uploads), 1);
	upload = offer(&f, "the model", 3);
	assert_int_equal(uploads_kept(f.uploads), 0);
	send_bytes(upload, " model", 6);
	upload_leave(upload);
	upload = offer(&f, "the model", 9);
	finish(&f, upload);
	expect_file(&f, "the model");
	assert_int_equal(f.counters.uploads_begun, 1);
	assert_int_equal(f.counters.uploads_resumed, 2);
	/* It is used up. */
	upload = offer(&f, "the model", 0);
	upload_cancel(upload);
	end(&f);
}

/* Left while it is hashed: whole, and hashed again when somebody asks. */
static void test_leave_while_hashing(void **state)
{
	char *bytes = calloc(1, BIG);
	unsigned char hash[MODEL_HASH_BYTES];
	struct tensock_error error;
	struct upload *upload;
	struct fixture f;
	uint64_t offset;
	void *room;

	(void)state;
	begin(&f);
	memcpy(hash, hash_of(bytes, BIG), sizeof(hash));
	assert_int_equal(uploads_begin(f.uploads, hash, BIG, &upload, &offset, &error), 0);
	send_bytes(upload, bytes, BIG);
	upload_finish(upload, on_done, &f);
	uv_run(&f.loop, UV_RUN_NOWAIT);
	uv_run(&f.loop, UV_RUN_NOWAIT);
	upload_leave(upload);
	for (int i = 0; i < 20; i++)
		uv_run(&f.loop, UV_RUN_NOWAIT);
	assert_int_equal(f.done, 0);
	assert_int_equal(uploads_kept(f.uploads), 1);
	assert_int_equal(uploads_begin(f.uploads, hash, BIG, &upload, &offset, &error), 0);
	assert_int_equal(offset, BIG);
	assert_int_equal(upload_room(upload, &room), 0);
	finish(&f, upload);
	assert_non_null(f.file);
	assert_memory_equal(model_file_hash(f.file), hash, sizeof(hash));
	free(bytes);
	end(&f);
}

/* The bytes are not those that were offered: they are not kept, and what is offered next is new. */
static void test_wrong_hash(void **state)
{
	struct upload *upload;
	struct fixture f;

	(void)state;
	begin(&f);
	upload = offer(&f, "the model", 0);
	send_bytes(upload, "the mOdel", 9);
	finish(&f, upload);
	assert_null(f.file);
	assert_int_equal(f.error.status, TENSOCK_INVALID_ARGUMENT);
	assert_non_null(strstr(f.error.message, "SHA-256"));
	assert_int_equal(f.account.used_bytes, 0);
	assert_int_equal(f.counters.uploads_wrong, 1);
	assert_int_equal(f.counters.uploads_finished, 0);
	upload = offer(&f, "the model", 0);
	send_bytes(upload, "the model", 9);
	finish(&f, upload);
	expect_file(&f, "the model");
	end(&f);
}

/* Two connections send the same bytes at once: each its own, both are served. */
static void test_same_at_once(void **state)
{
	struct upload *a, *b;
	struct fixture f;

	(void)state;
	begin(&f);
	a = offer(&f, "the model", 0);
	send_bytes(a, "the ", 4);
	b = offer(&f, "the model", 0);
	send_bytes(b, "th", 2);
	send_bytes(a, "model", 5);
	finish(&f, a);
	expect_file(&f, "the model");
	send_bytes(b, "e model", 7);
	finish(&f, b);
	expect_file(&f, "the model");
	assert_int_equal(f.counters.uploads_finished, 2);
	end(&f);
}

/* Nothing of another size, or hash, is gone on with; and nothing that has no byte is kept. */
static void test_other_offers(void **state)
{
	struct tensock_error error;
	struct upload *upload;
	struct fixture f;
	uint64_t offset;

	(void)state;
	begin(&f);
	upload = offer(&f, "the model", 0);
	upload_leave(upload);
	assert_int_equal(uploads_kept(f.uploads), 0);
	upload = offer(&f, "the model", 0);
	send_bytes(upload, "the", 3);
	upload_leave(upload);
	assert_int_equal(uploads_begin(f.uploads, hash_of("the model", 9), 10, &upload, &offset,
				       &error),
			 0);
	assert_int_equal(offset, 0);
	upload_cancel(upload);
	upload_cancel(offer(&f, "the mode!", 0));
	assert_int_equal(uploads_kept(f.uploads), 1);
	end(&f);
	assert_int_equal(f.counters.uploads_dropped, 1);
}

static void test_limits(void **state)
{
	struct upload *uploads[UPLOADS_AT_ONCE_MAX], *upload = NULL;
	struct tensock_error error;
	struct fixture f;
	uint64_t offset;

	(void)state;
	begin(&f);
	assert_int_equal(uploads_begin(f.uploads, hash_of("", 0), 0, &upload, &offset, &error),
			 -EINVAL);
	assert_int_equal(uploads_begin(f.uploads, hash_of("", 0), BIG + 1, &upload, &offset,
				       &error),
			 -EFBIG);
	assert_int_equal(error.status, TENSOCK_TOO_LARGE);
	assert_non_null(strstr(error.message, "max-model-size"));
	assert_int_equal(uploads_begin(f.uploads, hash_of("", 0), UINT64_MAX, &upload, &offset,
				       &error),
			 -EFBIG);
	assert_int_equal(uploads_begin(f.uploads, hash_of("", 0), BIG, &upload, &offset, &error),
			 0);
	upload_cancel(upload);
	f.account.max_bytes = BIG - 1;
	upload = NULL;
	assert_int_equal(uploads_begin(f.uploads, hash_of("", 0), BIG, &upload, &offset, &error),
			 -EBUSY);
	assert_int_equal(error.status, TENSOCK_LIMIT_REACHED);
	assert_null(upload);
	for (unsigned i = 0; i < UPLOADS_AT_ONCE_MAX; i++)
		uploads[i] = offer(&f, "x", 0);
	assert_int_equal(uploads_begin(f.uploads, hash_of("", 0), 1, &upload, &offset, &error),
			 -EBUSY);
	assert_int_equal(error.status, TENSOCK_LIMIT_REACHED);
	upload_cancel(uploads[7]);
	uploads[7] = offer(&f, "x", 0);
	for (unsigned i = 0; i < UPLOADS_AT_ONCE_MAX; i++)
		upload_cancel(uploads[i]);
	end(&f);
}

static void leave(struct fixture *f, const char *model)
{
	struct upload *upload = offer(f, model, 0);

	send_bytes(upload, model, 1);
	upload_leave(upload);
}

/* The one that was left first makes room for one more. */
static void test_oldest_goes(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(f.limits.uploads_max, 2);
	leave(&f, "aaaa");
	leave(&f, "bbbb");
	leave(&f, "cccc");
	assert_int_equal(uploads_kept(f.uploads), 2);
	assert_int_equal(f.counters.uploads_dropped, 1);
	upload_cancel(offer(&f, "bbbb", 1));
	upload_cancel(offer(&f, "cccc", 1));
	upload_cancel(offer(&f, "aaaa", 0));
	/* None may be kept: by number, and by time. */
	f.limits.uploads_max = 0;
	leave(&f, "aaaa");
	f.limits.uploads_max = 2;
	f.limits.upload_keep_ms = 0;
	leave(&f, "aaaa");
	assert_int_equal(uploads_kept(f.uploads), 0);
	end(&f);
}

static void run_for(struct fixture *f, unsigned ms)
{
	uint64_t end_ns = tsk_now_ns() + ms * TSK_NS_PER_MS;

	do {
		uv_run(&f->loop, UV_RUN_NOWAIT);
		usleep(1000);
	} while (tsk_now_ns() < end_ns);
}

static void test_time(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	/* Far apart: a busy machine may stand still for longer than one would think. */
	f.limits.upload_keep_ms = 1500;
	leave(&f, "aaaa");
	run_for(&f, 500);
	leave(&f, "bbbb");
	for (int i = 0; i < 20000 && uploads_kept(f.uploads) == 2; i++)
		run_for(&f, 1);
	assert_int_equal(uploads_kept(f.uploads), 1);
	assert_int_equal(f.emptied, 0);
	upload_leave(offer(&f, "bbbb", 1)); /* from now on */
	run_for(&f, 20);
	assert_int_equal(uploads_kept(f.uploads), 1);
	for (int i = 0; i < 20000 && f.emptied == 0; i++)
		run_for(&f, 1);
	assert_int_equal(f.emptied, 1);
	assert_int_equal(uploads_kept(f.uploads), 0);
	assert_int_equal(f.account.used_bytes, 0);
	end(&f);
}

/* Memory that somebody needs is taken from those that nobody sends, no more than is needed. */
static void test_reclaim(void **state)
{
	struct upload *sent;
	struct fixture f;

	(void)state;
	begin(&f);
	f.account.max_bytes = 16;
	sent = offer(&f, "ssss", 0);
	send_bytes(sent, "ss", 2);
	leave(&f, "aaaa");
	leave(&f, "bbbb");
	assert_int_equal(account_take(&f.account, 8), 0);
	assert_int_equal(uploads_kept(f.uploads), 1);
	assert_int_equal(f.emptied, 0);
	assert_int_equal(account_take(&f.account, 5), -EBUSY);
	assert_int_equal(uploads_kept(f.uploads), 0);
	assert_int_equal(f.emptied, 1);
	account_give(&f.account, 8);
	send_bytes(sent, "ss", 2);
	finish(&f, sent);
	expect_file(&f, "ssss");
	end(&f);
}

/* While it comes, while it is hashed; and all at once while both, and one that is kept, are there. */
static void test_cancel(void **state)
{
	struct upload *upload;
	struct fixture f;

	(void)state;
	for (int when = 0; when < 4; when++) {
		begin(&f);
		upload = offer(&f, "the model", 0);
		if (when > 0)
			send_bytes(upload, "the model", 9);
		if (when > 1)
			upload_finish(upload, on_done, &f);
		if (when < 3) {
			upload_cancel(upload);
			assert_int_equal(f.account.used_bytes, 0);
			run_for(&f, 2);
		} else {
			leave(&f, "aaaa");
			(void)offer(&f, "bbbb", 0);
		}
		assert_int_equal(f.done, 0);
		end(&f);
		assert_int_equal(f.done, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_whole),
		TSK_TEST(test_resume),
		TSK_TEST(test_leave_while_hashing),
		TSK_TEST(test_wrong_hash),
		TSK_TEST(test_same_at_once),
		TSK_TEST(test_other_offers),
		TSK_TEST(test_limits),
		TSK_TEST(test_oldest_goes),
		TSK_TEST(test_time),
		TSK_TEST(test_reclaim),
		TSK_TEST(test_cancel),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
