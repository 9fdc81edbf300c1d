/* SPDX-License-Identifier: Apache-2.0 */
/* What is needed to start fronts and workers: where the programs are, and who waits for them. */
#ifndef SUPERVISOR_LAUNCHER_H
#define SUPERVISOR_LAUNCHER_H

#include <limits.h>
#include <uv.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "supervisor/cgroup.h"
#include "supervisor/children.h"
#include "supervisor/config.h"
#include "supervisor/log_budget.h"

/* The end of a front or worker that was not asked to end. */
struct process_end {
	const char *guest;
	bool is_front;
	bool is_crash; /* by what it did itself, or because it broke the rules */
};

struct launcher {
	uv_loop_t *loop;
	struct children children;
	int cwd_fd; /* an empty folder that is in no other folder: nobody can make a file in it */
	struct cgroups cgroups; /* of the guests, where there are any */
	struct log_budget refusals;
	enum tsk_log_level log_level;
	unsigned log_bits; /* what stands beside it in messages (base/log.h) */
	char front[PATH_MAX], worker[PATH_MAX], store[PATH_MAX], metrics[PATH_MAX];
	const struct config *config;                                 /* what each guest may use */
	void (*ended)(void *context, const struct process_end *end); /* NULL: nobody asks */
	void *ended_context;
	struct launcher_engine {
		char name[FRONT_NAME_SIZE];
		char plugin[PATH_MAX];
		bool may_be_missing;
		char threads_option[32];
		char parallel_option[32];                   /* empty: none */
		char library_option[ENGINES_PATH_MAX + 16]; /* empty: none */
		char fp16_option[16];                       /* empty: none */
	} engines[ENGINES_MAX];
	unsigned n_engines;
	bool generates_code; /* one of them does */
	unsigned may_lack;   /* of enum sandbox_feature: what fronts and workers do without */
};

/* *launcher must stay where it is; launcher_done() is due also when this fails. */
int launcher_init(struct launcher *launcher, uv_loop_t *loop, const struct config *config)
	_nodiscard_;
/* The children must be gone.  *launcher must live until the loop has run. */
void launcher_done(struct launcher *launcher);

/* Finds the programs and the engines' plug-ins: beside this program, or where they are installed. */
int launcher_find_programs(struct launcher *launcher, const struct engines *engines,
			   struct tensock_error *reterr) _nodiscard_;

/* Uses from now on what launcher_find_programs() has found for another launcher. */
void launcher_take_programs(struct launcher *launcher, const struct launcher *found);

/* The one that is needed only where models are stored. */
int launcher_find_store(struct launcher *launcher, struct tensock_error *reterr) _nodiscard_;
/* The same where metrics are wanted. */
int launcher_find_metrics(struct launcher *launcher, struct tensock_error *reterr) _nodiscard_;

/*
 * The program's end of the control socket is control_fd; log_fd: the budget of its guest's log, or 0;
 * all stay the caller's.  A worker opens the engines that the guest may use; -ENOPKG where none of them
 * is there.  memory_bytes: the guest's max-memory, which bounds the worker's own.
 */
int launcher_start_front(struct launcher *launcher, const char *guest, int log_fd, int control_fd,
			 pid_t *ret_pid) _nodiscard_;
int launcher_start_worker(struct launcher *launcher, const char *guest, uint64_t memory_bytes,
			  int log_fd, int control_fd, pid_t *ret_pid) _nodiscard_;
int launcher_start_store(struct launcher *launcher, int control_fd, pid_t *ret_pid) _nodiscard_;
int launcher_start_metrics(struct launcher *launcher, int control_fd, pid_t *ret_pid) _nodiscard_;

#endif
