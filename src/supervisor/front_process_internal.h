/* SPDX-License-Identifier: Apache-2.0 */
/* What front_process.c and front_process_takeover.c share. */
#ifndef SUPERVISOR_FRONT_PROCESS_INTERNAL_H
#define SUPERVISOR_FRONT_PROCESS_INTERNAL_H

#include <assert.h>
#include <stddef.h>
#include <sys/queue.h>

#include "supervisor/front_process.h"
#include "supervisor/log_budget.h"
#include "supervisor/rate.h"

struct worker_process {
	struct child child;
	struct front_process *front; /* NULL: it has gone before this worker */
	struct worker_process *next; /* the front's */
	uint64_t id;
	bool is_told;    /* its crash has been told of: the front says that it breaks the rules */
	bool is_killed;  /* by its front's wish */
	bool has_exited; /* and the front has not been told yet */
	uint64_t memory; /* a bit of FRONT_EXITED, or 0 */
	int wait_status;
};

/* A connection that the socket had no room for. */
struct waiting_fd {
	STAILQ_ENTRY(waiting_fd) entry;
	enum front_msg_type type;
	int fd;
};

struct front_process {
	struct child child;
	struct launcher *launcher;
	const struct front_process_ops *ops; /* NULL once abandoned or retired */
	bool is_lost;
	bool is_rogue;    /* it is killed, for it breaks the rules */
	bool is_unwanted; /* it was asked to end, and nothing it does counts any more */
	bool is_killed;   /* as it was meant */
	void *context;
	const char *uds;
	char name[FRONT_NAME_SIZE];
	unsigned workers_max;
	bool has_device;
	uint64_t run_deadline_ms;
	uint64_t memory_bytes_max;
	uint64_t started_ns;
	bool sees_oom;         /* the guest's cgroup tells who is ended for memory, */
	struct cgroup_oom oom; /* beyond these, which are told of or were before its time */
	struct log_budget log; /* of what is said about it */
	int log_fd; /* the budget of what it says, and its workers; the guest's; 0: none */
	struct rate connects;

	int fd; /* the control socket; -1 once closed */
	uv_poll_t poll;
	uv_timer_t exit_timer;
	unsigned n_handles; /* not yet closed */
	uint64_t n_sent;

	/* What waits for room in the socket.  The front is not read from meanwhile, so that there is
	 * never more than one answer. */
	struct front_msg answer;
	int answer_fd;
	bool has_answer, stop_wanted;
	STAILQ_HEAD(, waiting_fd) waiting;
	unsigned n_waiting, waiting_max;

	struct worker_process *workers;
	unsigned n_workers;
	uint64_t crashed_id; /* of the worker that crashed last, which has been told of */
};

/* Children are told by their first member. */
static_assert(offsetof(struct worker_process, child) == 0, "child must come first");
static_assert(offsetof(struct front_process, child) == 0, "child must come first");

/* The child's exited(). */
void front_process_exited(struct child *child, int wait_status);
void worker_process_exited(struct child *child, int wait_status);

/* Has it see from now on what the kernel ends for memory, if anybody can. */
void front_process_watch_memory(struct front_process *front);

/* Sets up the handles of the control socket, which is not watched yet. */
int front_process_watch(struct front_process *front) _nodiscard_;

/*
 * Sends what waits, in an order in which a worker's start comes before its exit, and watches the socket.  A
 * front that cannot be told, for whatever reason but a full socket, would wait for ever.
 */
void front_process_send_waiting(struct front_process *front);

/* The process is gone, or was never there: the rest goes with the loop's next turn. */
void front_process_free(struct front_process *front);

#endif
