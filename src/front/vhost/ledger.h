/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device's next front must know of the present one and is written with every connection: where
 * each queue stands, and which connections the guest must be told of as lost.  It lies in a memfd that
 * the supervisor keeps, so that it outlives this process whenever that ends; each entry is whole at
 * any moment.  Between fronts nobody else has it, but a front may have been taken over by its guest:
 * what stands there is checked, and can only mislead that guest.
 *
 * A queue.  Chains are given back in the order in which they were offered, one for one, so while a
 * queue runs the used index, which the guest has seen, says where to go on: at used index plus a
 * number that does not change.
 *
 * A connection is entered before the guest can know of it, and struck out after the guest has been
 * given the packet that ends it.  In between, the next front owes the guest an RST.
 */
#ifndef VHOST_LEDGER_H
#define VHOST_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

#define LEDGER_QUEUES_MAX 4u
#define LEDGER_NONE (-1)

struct ledger_entry {
	uint32_t guest_port, host_port;
	uint32_t type; /* enum vsock_type; 0 in the memory: nothing is entered here */
};

struct ledger;

/* fd stays the caller's.  -EPROTO: its size may change, or is too small. */
int ledger_new(int fd, struct ledger **ret) _nodiscard_;
struct ledger *ledger_free(struct ledger *ledger); /* NULL */

/* Queue q runs, and pops at its used index plus offset; it has stopped, and is to go on at base. */
void ledger_runs(struct ledger *ledger, unsigned q, uint16_t offset);
void ledger_stopped(struct ledger *ledger, unsigned q, uint16_t base);
/* Whether queue q ran: *ret is the offset then, else the base. */
bool ledger_queue(const struct ledger *ledger, unsigned q, uint16_t *ret);

/* All take NULL for a device that nobody takes over.  Returns a place, LEDGER_NONE: all are taken. */
int ledger_enter(struct ledger *ledger, const struct ledger_entry *entry);
void ledger_strike(struct ledger *ledger, int place); /* LEDGER_NONE, struck already: nothing */
/* The first entry at or behind `place`; LEDGER_NONE: there is none. */
int ledger_next(const struct ledger *ledger, int place, struct ledger_entry *ret);

#endif
