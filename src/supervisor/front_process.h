/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A front, as the supervisor sees it: a process, its control socket, and the workers that it has
 * asked for.  It is not trusted: what breaks the rules of channel/front_control.h is killed.
 */
#ifndef SUPERVISOR_FRONT_PROCESS_H
#define SUPERVISOR_FRONT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "channel/front_control.h"
#include "supervisor/launcher.h"
#include "supervisor/takeover.h"

struct front_process;

enum front_process_worker {
	FRONT_PROCESS_STARTED,
	FRONT_PROCESS_REFUSED, /* it was not */
	FRONT_PROCESS_KILLED,  /* for its front has asked for that */
};

struct front_process_ops {
	/* Optional: what became of one of its workers. */
	void (*worker)(void *context, enum front_process_worker event);
	/* How long no worker is to be started for it; 0: one may be. */
	uint64_t (*penalty_ms)(void *context);
	/* Nothing is open in it and nothing is under way to it: it may be abandoned now. */
	void (*idle)(void *context);
	/*
	 * The process has ended, or is being killed, after lived_ms.  The front must not be used any
	 * more, also where it was being used when this came.
	 */
	void (*lost)(void *context, uint64_t lived_ms);
	/* After lost(): the process is gone, and touches nothing any more. */
	void (*exited)(void *context);
};

/*
 * Starts a front and tells it of its guest.  uds: the PATH of its CONNECT requests, or ""; log_fd: the budget
 * of its log and its workers'.  Both outlive the front, or its last op.
 */
int front_process_new(struct launcher *launcher, const struct front_start *start, const char *uds,
		      int log_fd, const struct front_process_ops *ops, void *context,
		      struct front_process **ret) _nodiscard_;

/*
 * Hands fd over (it stays the caller's) as CONNECTION, HOST_STREAM or DEVICE, now or as soon as the
 * front takes it.  -EAGAIN: it does not keep up, and as many wait as it may have open.  -EPIPE: it is
 * gone, and lost() has been called.
 */
int front_process_send(struct front_process *front, enum front_msg_type type, int fd) _nodiscard_;

pid_t front_process_pid(const struct front_process *front);

/* Kills it, which comes as lost() before this returns. */
void front_process_condemn(struct front_process *front);

/* Whether front_process_send() would be taken now, as far as one can tell. */
bool front_process_has_room(const struct front_process *front);

/* Asks it to take no new work, finish what runs and exit, which comes as lost(). */
void front_process_stop(struct front_process *front);

/*
 * Closes its control socket, at which it exits, or is killed after a moment; kills its workers.  Comes
 * as lost() before this returns, then as exited().
 */
void front_process_end(struct front_process *front);

/*
 * Asks it to finish, as front_process_stop() does, and is nobody's from then on: none of the ops is called
 * any more, and the front must not be used any more.  It is killed after deadline_ms.
 */
void front_process_retire(struct front_process *front, uint64_t deadline_ms);

/*
 * Kills it, and is silent about it.  Its workers live as long as it does: its guest never hears of workers
 * that are gone.  Comes as exited(), not as lost().
 */
void front_process_kill(struct front_process *front);

/* Adds the launcher's fronts that can still be spoken to, and their workers, to what the next tensockd finds:
 * retired ones, too. */
int front_process_save_all(const struct launcher *launcher, struct takeover *takeover) _nodiscard_;

/*
 * Goes on with a front that the tensockd before has started: that of *record, and of the n_workers
 * WORKER records behind it.  It is still this process's child.  The fds of *record are taken over.
 */
int front_process_adopt(struct launcher *launcher, struct takeover_record *record,
			unsigned n_workers, const struct front_process_ops *ops, void *context,
			struct front_process **ret) _nodiscard_;

/*
 * Closes its control socket, at which it exits, and kills its workers; none of the ops is called any
 * more, and the front must not be used any more.
 */
void front_process_abandon(struct front_process *front);

#endif
