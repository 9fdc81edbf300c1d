/* SPDX-License-Identifier: Apache-2.0 */
#include "front/uploads.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/status.h"
#include "front/handle.h"
#include "front/limit_hits.h"

enum upload_state {
	UPLOAD_COMING,  /* somebody sends it */
	UPLOAD_KEPT,    /* nobody does */
	UPLOAD_HASHING, /* done() is awaited */
	UPLOAD_FAILED,  /* so it is, and error will be said */
};

struct upload {
	TAILQ_ENTRY(upload) entry; /* in one of the two lists */
	struct uploads *uploads;
	enum upload_state state;
	unsigned char hash[MODEL_HASH_BYTES];
	struct model_file *file;
	uint64_t received;
	uint64_t saved;   /* of them, in the store */
	uint64_t kept_ms; /* of the loop's clock: since when */

	void (*done)(void *context, struct model_file *file, const struct tensock_error *error);
	void *context;
	struct work fail;
	struct tensock_error error;
};

TAILQ_HEAD(upload_list, upload);

struct uploads {
	struct uploads_host host;
	uv_timer_t *timer;
	struct upload_list busy, kept; /* the longest kept one first */
	unsigned n_busy, n_kept;
};

static bool is_kept(const struct upload *upload)
{
	return upload->state == UPLOAD_KEPT;
}

static void leave_list(struct upload *upload)
{
	struct uploads *uploads = upload->uploads;

	if (is_kept(upload)) {
		TAILQ_REMOVE(&uploads->kept, upload, entry);
		uploads->n_kept--;
	} else {
		TAILQ_REMOVE(&uploads->busy, upload, entry);
		uploads->n_busy--;
	}
}

/* It and its bytes go; those in the store, too, unless somebody may come back for them. */
static void drop(struct upload *upload, bool is_over)
{
	if (is_over && upload->saved)
		parts_forget(upload->uploads->host.parts, upload->hash);
	leave_list(upload);
	work_remove(upload->uploads->host.work, &upload->fail);
	model_file_free(upload->file);
	free(upload);
}

static void tell_if_emptied(struct uploads *uploads)
{
	if (uploads->n_kept == 0)
		uploads->host.emptied(uploads->host.context);
}

static void drop_oldest(struct uploads *uploads, const char *why, bool is_over)
{
	struct upload *oldest = TAILQ_FIRST(&uploads->kept);

	tsk_info("an unfinished upload of %llu bytes is dropped: %s",
		 (unsigned long long)model_file_size(oldest->file), why);
	uploads->host.counters->uploads_dropped++;
	drop(oldest, is_over);
}

static void on_time(uv_timer_t *timer)
{
	struct uploads *uploads = timer->data;
	uint64_t keep_ms = uploads->host.limits->upload_keep_ms;
	struct upload *oldest;

	while ((oldest = TAILQ_FIRST(&uploads->kept))) {
		uint64_t age_ms = uv_now(uploads->host.loop) - oldest->kept_ms;

		if (age_ms < keep_ms) {
			uv_timer_start(timer, on_time, keep_ms - age_ms, 0);
			return;
		}
		drop_oldest(uploads, "nobody went on with it for too long", true);
	}
	tell_if_emptied(uploads);
}

int uploads_new(const struct uploads_host *host, struct uploads **ret)
{
	struct uploads *uploads = calloc(1, sizeof(*uploads));

	if (!uploads)
		return -ENOMEM;
	uploads->host = *host;
	TAILQ_INIT(&uploads->busy);
	TAILQ_INIT(&uploads->kept);
	uploads->timer = handle_timer_new(host->loop, uploads);
	if (!uploads->timer) {
		free(uploads);
		return -ENOMEM;
	}
	*ret = uploads;
	return 0;
}

void uploads_free(struct uploads *uploads)
{
	struct upload *upload;

	if (!uploads)
		return;
	while ((upload = TAILQ_FIRST(&uploads->busy)))
		drop(upload, false);
	while ((upload = TAILQ_FIRST(&uploads->kept)))
		drop_oldest(uploads, "the front ends", false);
	handle_free(uploads->timer);
	free(uploads);
}

void uploads_reclaim(struct uploads *uploads, uint64_t bytes)
{
	const struct account *account = uploads->host.account;

	if (uploads->n_kept == 0)
		return;
	while (uploads->n_kept && bytes > account->max_bytes - account->used_bytes)
		drop_oldest(uploads, "its memory is needed", true);
	tell_if_emptied(uploads);
}

unsigned uploads_kept(const struct uploads *uploads)
{
	return uploads->n_kept;
}

static struct upload *find_kept(struct uploads *uploads, const unsigned char *hash, uint64_t size)
{
	struct upload *upload;

	TAILQ_FOREACH(upload, &uploads->kept, entry)
	{
		if (model_file_size(upload->file) == size &&
		    memcmp(upload->hash, hash, MODEL_HASH_BYTES) == 0)
			return upload;
	}
	return NULL;
}

static void become_busy(struct upload *upload)
{
	upload->state = UPLOAD_COMING;
	TAILQ_INSERT_TAIL(&upload->uploads->busy, upload, entry);
	upload->uploads->n_busy++;
}

static int check(const struct uploads *uploads, uint64_t size, struct tensock_error *reterr)
{
	uint64_t max = uploads->host.limits->model_bytes_max;

	if (size == 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "a model of no bytes");
	if (size > max)
		return limit_fail(METRICS_LIMIT_MODEL_SIZE, reterr, TENSOCK_TOO_LARGE,
				  "a model of %llu bytes, above max-model-size, which is %llu",
				  (unsigned long long)size, (unsigned long long)max);
	if (uploads->n_busy >= UPLOADS_AT_ONCE_MAX)
		return tsk_fail(reterr, TENSOCK_LIMIT_REACHED,
				"%u uploads are under way, as many as may be at once",
				uploads->n_busy);
	return 0;
}

/* fd: as for model_file_new_from(), or -1: with new memory. */
static int make(struct uploads *uploads, const unsigned char *hash, uint64_t size, int fd,
		struct upload **ret, struct tensock_error *reterr)
{
	struct upload *upload = calloc(1, sizeof(*upload));
	int r;

	if (!upload) {
		tsk_close(fd);
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory");
	}
	upload->uploads = uploads;
	memcpy(upload->hash, hash, MODEL_HASH_BYTES);
	r = fd < 0 ? model_file_new(uploads->host.account, size, &upload->file, reterr)
		   : model_file_new_from(uploads->host.account, size, fd, &upload->file, reterr);
	if (r < 0) {
		free(upload);
		return r;
	}
	*ret = upload;
	return 0;
}

int uploads_begin(struct uploads *uploads, const unsigned char hash[MODEL_HASH_BYTES],
		  uint64_t size, struct upload **ret, uint64_t *ret_offset,
		  struct tensock_error *reterr)
{
	struct upload *upload;
	int r = check(uploads, size, reterr);

	if (r < 0)
		return r;
	upload = find_kept(uploads, hash, size);
	if (upload) {
		leave_list(upload);
		uploads->host.counters->uploads_resumed++;
	} else {
		r = make(uploads, hash, size, -1, &upload, reterr);
		if (r < 0)
			return r;
		uploads->host.counters->uploads_begun++;
	}
	become_busy(upload);
	*ret = upload;
	*ret_offset = upload->received;
	return 0;
}

/* What is kept is saved to its last byte, what still comes in steps. */
static bool is_to_be_saved(const struct upload *upload)
{
	uint64_t news = upload->received - upload->saved;

	if (upload->received == model_file_size(upload->file))
		return false; /* it is a model in a moment */
	return is_kept(upload) ? news > 0 : news >= PARTS_STEP_BYTES;
}

static bool save(struct upload *upload, bool is_last)
{
	if (!parts_save(upload->uploads->host.parts, upload->hash, model_file_fd(upload->file),
			model_file_size(upload->file), upload->received, is_last))
		return false;
	upload->saved = upload->received;
	return true;
}

static void save_one(struct upload_list *list)
{
	struct upload *upload;

	TAILQ_FOREACH(upload, list, entry)
	{
		if (is_to_be_saved(upload)) {
			(void)save(upload, false);
			return;
		}
	}
}

static bool are_kept(const struct uploads *uploads)
{
	return uploads->host.limits->uploads_max && uploads->host.limits->upload_keep_ms;
}

void uploads_save(struct uploads *uploads)
{
	if (!are_kept(uploads))
		return;
	save_one(&uploads->kept);
	save_one(&uploads->busy);
}

static void flush(struct upload_list *list)
{
	struct upload *upload;

	TAILQ_FOREACH(upload, list, entry)
	{
		if (upload->received > upload->saved &&
		    upload->received < model_file_size(upload->file))
			(void)save(upload, true);
	}
}

void uploads_flush(struct uploads *uploads)
{
	if (!uploads || !are_kept(uploads))
		return;
	flush(&uploads->kept);
	flush(&uploads->busy);
}

uint64_t upload_room(struct upload *upload, void **ret_room)
{
	uint64_t missing = model_file_size(upload->file) - upload->received;

	assert(upload->state == UPLOAD_COMING);
	*ret_room = missing ? (char *)model_file_room(upload->file) + upload->received : NULL;
	return missing;
}

void upload_received(struct upload *upload, uint64_t n)
{
	assert(upload->state == UPLOAD_COMING &&
	       n <= model_file_size(upload->file) - upload->received);
	upload->received += n;
	upload->uploads->host.counters->upload_bytes += n;
	if (is_to_be_saved(upload))
		uploads_save(upload->uploads);
}

/* Nobody sends it: waits for somebody who goes on. */
static void keep(struct upload *upload)
{
	struct uploads *uploads = upload->uploads;
	const struct front_start *limits = uploads->host.limits;

	if (uploads->n_kept >= limits->uploads_max) {
		limit_hit(METRICS_LIMIT_UPLOADS);
		drop_oldest(uploads, "too many are kept (max-uploads)", true);
	}
	leave_list(upload);
	upload->state = UPLOAD_KEPT;
	upload->kept_ms = uv_now(uploads->host.loop);
	TAILQ_INSERT_TAIL(&uploads->kept, upload, entry);
	uploads->n_kept++;
	if (!uv_is_active((uv_handle_t *)uploads->timer))
		uv_timer_start(uploads->timer, on_time, limits->upload_keep_ms, 0);
	uploads_save(uploads);
}

void upload_leave(struct upload *upload)
{
	struct uploads *uploads = upload->uploads;

	assert(!is_kept(upload));
	if (upload->state == UPLOAD_FAILED || upload->received == 0 || !are_kept(uploads)) {
		drop(upload, true);
		return;
	}
	model_file_stop(upload->file);
	keep(upload);
}

void uploads_adopt(struct uploads *uploads, const unsigned char hash[MODEL_HASH_BYTES],
		   uint64_t size, int fd, uint64_t have)
{
	struct tensock_error error;
	struct upload *upload;

	if (check(uploads, size, &error) < 0 || !are_kept(uploads) || !have || have >= size ||
	    find_kept(uploads, hash, size)) {
		tsk_close(fd);
		return;
	}
	if (make(uploads, hash, size, fd, &upload, &error) < 0)
		return;
	upload->received = upload->saved = have;
	become_busy(upload);
	keep(upload);
}

/* Frees it, and calls its done(): with its file, unless there is an error. */
static void end(struct upload *upload, const struct tensock_error *error)
{
	void (*done)(void *, struct model_file *, const struct tensock_error *) = upload->done;
	void *context = upload->context;
	struct model_file *file = error ? NULL : TAKE_PTR(upload->file);

	/* What is whole takes the part's place in the store, when it is stored. */
	drop(upload, error);
	done(context, file, error);
}

static void on_hashed(void *user)
{
	struct upload *upload = user;
	struct counters *counters = upload->uploads->host.counters;
	struct tensock_error error;

	if (memcmp(model_file_hash(upload->file), upload->hash, MODEL_HASH_BYTES) == 0) {
		counters->uploads_finished++;
		end(upload, NULL);
		return;
	}
	counters->uploads_wrong++;
	(void)tsk_fail(&error, TENSOCK_INVALID_ARGUMENT,
		       "these are not the bytes that were offered: their SHA-256 is another");
	end(upload, &error);
}

static bool on_fail(struct work *work)
{
	struct upload *upload =
		(struct upload *)(void *)((char *)work - offsetof(struct upload, fail));
	struct tensock_error error = upload->error;

	end(upload, &error);
	return false;
}

void upload_finish(struct upload *upload,
		   void (*done)(void *context, struct model_file *file,
				const struct tensock_error *error),
		   void *context)
{
	struct work_queue *work = upload->uploads->host.work;

	assert(upload->state == UPLOAD_COMING && upload->received == model_file_size(upload->file));
	upload->done = done;
	upload->context = context;
	upload->state = UPLOAD_HASHING;
	if (model_file_freeze(upload->file, work, on_hashed, upload, &upload->error) == 0)
		return;
	upload->state = UPLOAD_FAILED;
	upload->fail.step = on_fail;
	work_add(work, &upload->fail);
}

void upload_cancel(struct upload *upload)
{
	assert(!is_kept(upload));
	drop(upload, true);
}
