/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cgroup (version 2) for each guest, with its front and its workers in it: so that the kernel shares
 * the processors between guests, not between processes.
 *
 * The folders are made below the daemon's own cgroup, where that is the daemon's to divide: "daemon" with
 * the daemon itself, for a cgroup with controllers for others may hold no process, and "guest-NAME".
 */
#ifndef SUPERVISOR_CGROUP_H
#define SUPERVISOR_CGROUP_H

#include <linux/limits.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

#define CGROUP_WEIGHT_DEFAULT 100u

struct cgroups {
	char root[PATH_MAX / 2]; /* the daemon's own; empty: guests have none */
};

/* 0 stands for "no bound", but for the weight. */
struct cgroup_limits {
	uint64_t cpu_weight;  /* 1 to 10000 */
	uint64_t cpu_percent; /* of one processor */
	uint64_t memory_bytes;
	uint64_t pids;
};

/*
 * The daemon's own cgroup, if it may divide it: it is alone there, and has the right to.  -ENOENT
 * without cgroups of version 2, -EPERM, or another -errno.
 */
int cgroup_find_own(char *ret, size_t size) _nodiscard_;

/*
 * For cgroup_find_own(), and its test: the one to divide, of the one that the daemon is in, or, where a
 * daemon before it has moved there, the one above; own is cut to it then.  -EPERM.
 */
int cgroup_choose(char *own) _nodiscard_;

/*
 * Divides the cgroup at root, by its controllers, of which cpu must be one (-ENOTSUP); this process
 * moves.  Removes what an earlier daemon has left.  After a failure, as after cgroups_done(), there are none.
 */
int cgroups_init(struct cgroups *cgroups, const char *root) _nodiscard_;

/* Removes those in which no process is left. */
void cgroups_done(struct cgroups *cgroups);

/* Puts a process into its guest's cgroup, which is made, and bound anew.  -errno. */
int cgroups_enter(const struct cgroups *cgroups, const char *guest,
		  const struct cgroup_limits *limits, pid_t pid) _nodiscard_;

/* How often the kernel has found a cgroup short of memory. */
struct cgroup_oom {
	uint64_t at_limit; /* its own memory.max was reached, and nothing was left to give back */
	uint64_t kills;    /* processes of it that were ended for memory: its own, or the host's */
};

/* Counts since the guest's cgroup was made.  -ENOTSUP, -ENOENT without one, or without its controller. */
int cgroups_oom(const struct cgroups *cgroups, const char *guest, struct cgroup_oom *ret)
	_nodiscard_;

/* The nice value that comes nearest to a weight, for where there are no cgroups: -20 to 19. */
int cgroup_nice(uint64_t cpu_weight);

#endif
