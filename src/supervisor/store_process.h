/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tensock-store, as the supervisor sees it: started with the folder, started again when it dies, and
 * asked for a channel for each front that may have one.  Fronts do without it meanwhile.
 */
#ifndef SUPERVISOR_STORE_PROCESS_H
#define SUPERVISOR_STORE_PROCESS_H

#include <stdint.h>

#include "base/cleanup.h"
#include "channel/store_control.h"
#include "supervisor/launcher.h"

struct store_process;

struct store_process_config {
	int folder_fd;
	uint64_t bytes;   /* of all guests */
	uint64_t keep_ms; /* see STORE_START */
	/* It has been started again: the fronts that are there need new channels. */
	void (*restarted)(void *context);
	void *context;
};

/* Takes the folder_fd over, also when this fails. */
int store_process_new(struct launcher *launcher, const struct store_process_config *config,
		      struct store_process **ret) _nodiscard_;

/*
 * The front's end of a channel for that guest, whose front this is now.  bytes: what it may take, 0: no bound of
 * its own.  The store is told as soon as it takes that: until then the channel is silent.  -ENOTCONN while
 * there is no store.
 */
int store_process_open(struct store_process *store, const char *guest, uint64_t bytes, int *ret_fd)
	_nodiscard_;

/* What that guest, whose front is gone, has stored is forgotten: now, or by the next store. */
void store_process_forget(struct store_process *store, const char *guest);

/*
 * It ends once all fronts have closed their channels, with all that they have sent written, and what is
 * to be forgotten forgotten.
 */
void store_process_stop(struct store_process *store);

/* NULL is fine.  The process must be gone; memory goes with the loop's next turns. */
void store_process_free(struct store_process *store);

#endif
