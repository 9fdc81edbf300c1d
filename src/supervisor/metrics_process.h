/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tensock-metrics, as the supervisor sees it: started with a socket that listens, started again when it
 * dies, and told whose pages there are.  The supervisor reads no page but writes its own.
 */
#ifndef SUPERVISOR_METRICS_PROCESS_H
#define SUPERVISOR_METRICS_PROCESS_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "channel/metrics_control.h"
#include "channel/metrics_page.h"
#include "supervisor/launcher.h"
#include "supervisor/listener.h"

struct metrics_process;

struct metrics_process_config {
	struct listener *listener; /* bound (listener_bind()), and nobody accepts there */
	/* It knows nothing of any guest (again): is_new; or it takes messages again. */
	void (*may_tell)(void *context, bool is_new);
	/* Writes the supervisor's own samples: within a second after the loop has turned. */
	void (*write)(void *context, struct tsk_writer *w);
	void *context;
};

/* Takes the listener over, also when this fails. */
int metrics_process_new(struct launcher *launcher, const struct metrics_process_config *config,
			struct metrics_process **ret) _nodiscard_;

/*
 * fd: of METRICS_FRONT, else -1; stays the caller's.  -EAGAIN: it does not keep up, or is not there;
 * may_tell() follows.  It never knows of a guest that is to be forgotten: it is started again, rather.
 */
int metrics_process_tell(struct metrics_process *metrics, enum metrics_msg_type type,
			 const char *guest, int fd) _nodiscard_;

const struct listener *metrics_process_listener(const struct metrics_process *metrics);

/* It ends at once. */
void metrics_process_stop(struct metrics_process *metrics);

/* NULL is fine.  The process must be gone; memory goes with the loop's next turns. */
void metrics_process_free(struct metrics_process *metrics);

#endif
