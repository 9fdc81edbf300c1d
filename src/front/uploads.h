/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models on their way: bytes of a model that has been offered by its SHA-256, in the order of the
 * model.  One that is let go before its end is kept for a while, so that the guest can go on with it
 * after its connection broke or it rebooted: at most uploads_max of them, upload_keep_ms long, the
 * oldest first to go, also where the guest's memory is needed for something else.
 */
#ifndef FRONT_UPLOADS_H
#define FRONT_UPLOADS_H

#include <stdint.h>
#include <uv.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "channel/front_control.h"
#include "front/account.h"
#include "front/counters.h"
#include "front/model_file.h"
#include "front/parts.h"
#include "front/work.h"

/* Uploads that somebody sends or waits for; each holds an fd (supervisor/limits.c counts them). */
#define UPLOADS_AT_ONCE_MAX 64u

struct uploads;
struct upload;

/* What uploads need.  All of it must outlive them. */
struct uploads_host {
	uv_loop_t *loop;
	struct work_queue *work;
	struct account *account;
	const struct front_start *limits;
	struct counters *counters;
	struct parts *parts;            /* NULL: none */
	void (*emptied)(void *context); /* none is kept any more */
	void *context;
};

int uploads_new(const struct uploads_host *host, struct uploads **ret) _nodiscard_;

/* All of them, also those that somebody sends or waits for; no done() is called. */
void uploads_free(struct uploads *uploads);

/* For account->reclaim: drops those that are kept until so many bytes are free, or none is left. */
void uploads_reclaim(struct uploads *uploads, uint64_t bytes);

/* Saves what has come, where it is worth it and parts_save() takes it. */
void uploads_save(struct uploads *uploads);

/* The process ends: saves all that has come, as far as the store takes it. */
void uploads_flush(struct uploads *uploads);

/*
 * One of an earlier front, of which `have` bytes have come: kept from now on, as one that broke off.
 * Takes fd, a memfd of size bytes, in every case.
 */
void uploads_adopt(struct uploads *uploads, const unsigned char hash[MODEL_HASH_BYTES],
		   uint64_t size, int fd, uint64_t have);

/* Kept ones: unfinished, and nobody sends them. */
unsigned uploads_kept(const struct uploads *uploads);

/*
 * Begins, or goes on with one of the same hash and size that nobody is sending: *ret_offset bytes of
 * it are there, perhaps all.  INVALID_ARGUMENT (no bytes), TOO_LARGE, LIMIT_REACHED (memory, or too
 * many at once), OUT_OF_MEMORY.
 */
int uploads_begin(struct uploads *uploads, const unsigned char hash[MODEL_HASH_BYTES],
		  uint64_t size, struct upload **ret, uint64_t *ret_offset,
		  struct tensock_error *reterr) _nodiscard_;

/* Where the next bytes go, and how many are missing. */
uint64_t upload_room(struct upload *upload, void **ret_room);
/* So many of them have come: no more than are missing. */
void upload_received(struct upload *upload, uint64_t n);

/*
 * Nobody sends it, or waits for its end, any more: kept, unless nothing has come yet.  Also between
 * upload_finish() and done(), which will then not be called.
 */
void upload_leave(struct upload *upload);

/*
 * All bytes are there: freezes and hashes them, and gives the file to done(), later, from the loop:
 * file is its receiver's.  Or file NULL, and error says why: the hash is another than was offered
 * (INVALID_ARGUMENT), no memory.  The upload is freed before done() is called; until then there are
 * upload_cancel() and upload_leave().
 */
void upload_finish(struct upload *upload,
		   void (*done)(void *context, struct model_file *file,
				const struct tensock_error *error),
		   void *context);

/* It is not wanted any more, in whatever state: it and its bytes go; done() will not be called. */
void upload_cancel(struct upload *upload);

#endif
