/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For unit tests only: a whole front, without its process, between a supervisor, workers and guests
 * that the test plays itself over the real channels.  Everything fails the test that goes wrong.
 */
#ifndef FRONT_RIG_H
#define FRONT_RIG_H

#include <stdbool.h>
#include <stdio.h>
#include <uv.h>

#include "base/cleanup.h"
#include "channel/front_control.h"
#include "channel/ring.h"
#include "channel/run.h"
#include "channel/worker_control.h"
#include "front/guest.h"

struct rig {
	uv_loop_t loop;
	struct guest *guest;
	int supervisor; /* the supervisor's end */
	int log;        /* what the front writes to standard error, to be read */
	int saved_stderr;
	FILE *stderr_file;
};

#define RIG_BUFFERS_MAX 256

/* A worker as a test plays it. */
struct rig_worker {
	uint64_t id;
	int socket;
	bool has_rings;
	struct ring_pair rings;
	uint64_t parallel; /* for LOADED: runs at once */
	int model; /* the memfd of LOAD, or -1 */
	uint64_t model_bytes;
	struct {
		uint32_t id;
		struct tsk_map map;
	} buffers[RIG_BUFFERS_MAX];
	/* Foreign memory: what was offered last, and dropped last. */
	struct worker_msg foreign, foreign_drop;
	unsigned n_foreign, n_foreign_drops;
};

/* For a group's setup: libuv keeps some fds for ever, which no test has leaked. */
int rig_warm_up(void **state);

/* Limits that suit most tests; change them before rig_init(). */
struct front_start rig_limits(void);

/* Starts a front and takes its READY. */
void rig_init(struct rig *rig, const struct front_start *limits);
/* Ends it, and checks that counters add up and that no memory is accounted for. */
void rig_done(struct rig *rig);

/* Runs the loop until it has nothing to do at once, for at most ms. */
void rig_run(struct rig *rig, unsigned ms);

/* The next message of the front, which must be of this type. */
struct front_msg rig_expect(struct rig *rig, enum front_msg_type type);
/* No message comes for ms. */
void rig_expect_nothing(struct rig *rig, unsigned ms);
void rig_send(struct rig *rig, enum front_msg_type type, uint64_t id, uint64_t value, int result,
	      int fd);

/* A guest's connection: the guest's end, non-blocking. */
int rig_connect(struct rig *rig);
/* Sends all, running the front. */
void rig_write(struct rig *rig, int fd, const void *bytes, size_t n);
void rig_write_frame(struct rig *rig, int fd, uint32_t id, const char *model);
/* The next n bytes are these. */
void rig_expect_bytes(struct rig *rig, int fd, const char *bytes);
/* The front closes the connection, and sends nothing before. */
void rig_expect_end(struct rig *rig, int fd);

/* Takes a SPAWN and answers it, READY and all. */
struct rig_worker *rig_worker_new(struct rig *rig);
/* The process ends with this wait status, if it has not; frees worker. */
void rig_worker_exit(struct rig *rig, struct rig_worker *worker, int wait_status);
/* The process is gone as far as its socket tells; the supervisor has said nothing yet. */
void rig_worker_hang_up(struct rig_worker *worker);

/* All of these until the model is loaded. */
struct rig_worker *rig_worker_with(struct rig *rig, const char *model);
/* Answers the run that comes, and the guest at fd has its OK. */
void rig_run_ok(struct rig *rig, struct rig_worker *worker, int fd);
void rig_worker_expect_load(struct rig *rig, struct rig_worker *worker, const char *model);
/* One output of this type, and one FP32 input [1,3]. */
void rig_worker_loaded(struct rig_worker *worker, uint32_t output_dtype);
void rig_worker_send(struct rig_worker *worker, uint32_t type, uint32_t status, const char *text);
/* The next entry, which must be of this type. */
struct run_entry rig_worker_expect(struct rig *rig, struct rig_worker *worker, uint32_t type);
void *rig_worker_region(struct rig_worker *worker, uint32_t buffer, uint64_t offset,
			uint64_t bytes);
void rig_worker_push(struct rig_worker *worker, const struct run_entry *entry);
/* Says that what was offered last is mapped, or is not. */
void rig_worker_foreign_mapped(struct rig *rig, struct rig_worker *worker, bool is_mapped);
/* Takes what stands in the worker's socket: buffers, foreign memory. */
void rig_worker_take(struct rig *rig, struct rig_worker *worker);
/* Answers a START or FETCH with one FP32 output of these values. */
void rig_worker_done(struct rig_worker *worker, const struct run_entry *entry, const float *values,
		     unsigned n);
void rig_worker_error(struct rig_worker *worker, const struct run_entry *entry, uint32_t status,
		      const char *text);
/* The front closes its end. */
void rig_worker_expect_end(struct rig *rig, struct rig_worker *worker);

/* A line that contains text has been logged since the last call, or comes. */
void rig_expect_log(struct rig *rig, const char *text);

#endif
