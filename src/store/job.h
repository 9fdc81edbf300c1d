/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done on the disk, in a thread of libuv's pool: the loop, and with it everybody else's
 * answers, never wait for it.
 */
#ifndef STORE_JOB_H
#define STORE_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/cleanup.h"
#include "channel/store_control.h"
#include "channel/store_index.h"
#include "store/files.h"

/* A file that is to go first. */
struct job_victim {
	char guest[STORE_NAME_SIZE];
	unsigned char hash[STORE_HASH_BYTES];
};

struct job {
	uv_work_t work;
	LIST_ENTRY(job) entry; /* its owner's */
	const struct files *files;
	char guest[STORE_NAME_SIZE];
	struct store_msg
		msg;   /* what is asked: its type says what is done, 0: only the victims go */
	int fd;        /* that came with it, or -1 */
	uint64_t from; /* PART: so many bytes are there */
	struct job_victim *victims;
	unsigned n_victims;
	struct store_entry *entries; /* INDEX: its first half */
	unsigned n_entries;

	int result;
	int ret_fd; /* GET, GET_PART, INDEX; or -1 */
	uint64_t ret_bytes;

	void (*done)(void *context, struct job *job); /* in the loop; frees it */
	void *context;
};

/* NULL without memory.  msg may be NULL; takes fd in every case. */
struct job *job_new(const struct files *files, const char *guest, const struct store_msg *msg,
		    int fd);
void job_free(struct job *job);

/* -ENOMEM. */
int job_add_victim(struct job *job, const char *guest, const unsigned char *hash) _nodiscard_;

/* Whether that file goes with it. */
bool job_has_victim(const struct job *job, const char *guest, const unsigned char *hash);

/* Whether that is a failure which says nothing of what is on the disk. */
bool job_failed_for_now(int result);

/* Does it here and now: for the thread, and for tests. */
void job_run(struct job *job);

void job_start(uv_loop_t *loop, struct job *job, void (*done)(void *context, struct job *job),
	       void *context);

#endif
