/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guests, by name: what each may use, and its front.  A guest with a built-in device always has
 * a front; any other gets one with its first connection, and gives it up when it is idle.
 */
#ifndef SUPERVISOR_GUEST_H
#define SUPERVISOR_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "channel/front_control.h"
#include "supervisor/config.h"
#include "supervisor/front_process.h"
#include "supervisor/launcher.h"
#include "supervisor/metrics_process.h"
#include "supervisor/store_process.h"

struct guest;

/* What became of a guest's processes and connections, since this daemon knows it. */
struct guest_counts {
	uint64_t fronts_started, fronts_lost, front_crashes;
	uint64_t workers_started, worker_kills, worker_crashes, workers_refused;
	uint64_t accepted, refused[METRICS_REASON_MAX]; /* connections */
};

struct guest_table {
	struct launcher *launcher;
	const struct config *config;
	struct guest *first;
	unsigned n_guests;
	bool stopping;
	uint64_t retired_until_ns;   /* fronts of the tensockd before finish until then */
	struct store_process *store; /* NULL: nothing is stored */
	struct metrics_process *metrics; /* NULL: nobody wants any */
	uint64_t n_refused;              /* times that there was no room for a guest more */
	/* The guest of that name, which was detached, is there no more.  May be NULL. */
	void (*gone)(void *context, const char *name);
	void *context;
};

/* launcher and config outlive the table. */
void guest_table_init(struct guest_table *table, struct launcher *launcher,
		      const struct config *config);

/*
 * Forgets the guests; their fronts, if any are left, are abandoned.  Memory goes with the loop's next
 * turns.
 */
void guest_table_done(struct guest_table *table);

/*
 * The guest of that name, which is made where there is none.  When there are too many, one without a
 * front is forgotten; -EDQUOT when all have one.  The result is good until the loop's next turn.
 */
int guest_table_get(struct guest_table *table, const char *name, struct guest **ret) _nodiscard_;

/* Starts the guest's front now, and again whenever it dies.  -errno when it cannot be started. */
int guest_keep(struct guest *guest) _nodiscard_;

/*
 * Gives a connection to the guest's front, which is started if need be.  fd is taken over; what
 * cannot be delivered is closed, counted and logged.
 */
void guest_deliver(struct guest *guest, enum front_msg_type type, int fd);

/* A VMM has connected to the guest's built-in device, which it must have; fd is taken over. */
void guest_vmm(struct guest *guest, int fd);

/* Whether its front is there and keeps up, so that guest_deliver() is not for nothing. */
bool guest_has_room(const struct guest *guest);

/* Whether it has connections left of those of this second: what waits for them costs nobody anything. */
bool guest_may_connect(const struct guest *guest);

/* NULL when there is none of that name, also where the configuration has one. */
struct guest *guest_table_find(const struct guest_table *table, const char *name);

/* What there is to say of a guest, one after the other. */
struct guest_info {
	const char *name;
	uint64_t cid; /* of the built-in device, else 0 */
	pid_t pid;    /* of its front, or 0 */
	bool has_vmm; /* one is connected to the built-in device */
	const struct guest_counts *counts;
};

struct guest_info guest_info(const struct guest *guest);
/* The one after guest, the first for NULL; NULL after the last. */
const struct guest *guest_table_next(const struct guest_table *table, const struct guest *guest);

/*
 * Ends the guest's front, with all that is open in it, and forgets the guest once that process is gone:
 * at once where there is none.  Then comes the table's gone().  Until then no connection may be given to
 * the guest.
 */
void guest_detach(struct guest *guest);

/*
 * The table's configuration is another one now; *before: what it was.  Guests that have no socket any more,
 * or another device, are detached; limits go for fronts that are started from now on.
 */
void guest_table_changed(struct guest_table *table, const struct config *before);

/* Tells all fronts to finish; none is started any more. */
void guest_table_stop(struct guest_table *table);

/*
 * Adds the guests' devices and all fronts to what the next tensockd finds.  -EBUSY: a front that has
 * served a device is on its way out, which will not take long.
 */
int guest_table_save(const struct guest_table *table, struct takeover *takeover) _nodiscard_;

/*
 * Goes on with what the tensockd before has left, of guests that the table's configuration still has; fds
 * are taken over.  A front that serves a device is killed: the next one takes the
 * device over once it is gone.  Any other one finishes what it does, beside its successor.
 */
void guest_table_adopt(struct guest_table *table, struct takeover *takeover);
/* The store has been started again: the fronts that are there get new channels. */
void guest_table_store_restarted(struct guest_table *table);

/* As metrics_process's may_tell() has it. */
void guest_table_tell_metrics(struct guest_table *table, bool is_new);

/* The longest time that a run may take: what guest_table_stop() may have to be waited for. */
uint64_t guest_table_drain_ms(const struct guest_table *table);

#endif
