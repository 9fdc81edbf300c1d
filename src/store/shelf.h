/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in the store, and what must go so that more can come.  Without I/O; what it says has to be
 * done on the disk by others.
 *
 * The rule: a guest's own bound is its own matter, and the model that it has not asked for longest
 * goes.  Where the bound of all is reached, the guest that is furthest above its equal share (the
 * bound divided by the guests that have something here) loses its own oldest.  So nobody loses
 * anything to another guest while it keeps within its share.
 */
#ifndef STORE_SHELF_H
#define STORE_SHELF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "channel/store_control.h"
#include "channel/store_index.h"

struct shelf_entry {
	TAILQ_ENTRY(shelf_entry) entry;
	struct shelf_guest *guest;
	unsigned char hash[STORE_HASH_BYTES];
	uint64_t size;
	uint64_t have;   /* what it takes: less than size for a part */
	int64_t used_ms; /* of the wall clock; in the future: just now */
	bool is_busy;    /* is being written: cannot go */
};

struct shelf_guest {
	TAILQ_ENTRY(shelf_guest) entry;
	char name[STORE_NAME_SIZE];
	uint64_t bytes, bytes_max; /* UINT64_MAX: no bound of its own */
	TAILQ_HEAD(, shelf_entry) entries;
	unsigned n_entries;
	void *channel; /* that is served, the store's: its front sees to the age of what it has itself */
};

struct shelf {
	uint64_t bytes, bytes_max;
	TAILQ_HEAD(, shelf_guest) guests;
	unsigned n_with; /* of them, that have something */
};

void shelf_init(struct shelf *shelf, uint64_t bytes_max);
void shelf_done(struct shelf *shelf);

/* The guest of that name, made if need be: NULL without memory. */
struct shelf_guest *shelf_guest(struct shelf *shelf, const char *name);
struct shelf_guest *shelf_find_guest(const struct shelf *shelf, const char *name);
/* Forgets it, where it has nothing, nor a channel. */
void shelf_let_go(struct shelf *shelf, struct shelf_guest *guest);

struct shelf_entry *shelf_find(const struct shelf_guest *guest,
			       const unsigned char hash[STORE_HASH_BYTES]);

/* Adds one that is not there: NULL without memory. */
struct shelf_entry *shelf_add(struct shelf *shelf, struct shelf_guest *guest,
			      const unsigned char hash[STORE_HASH_BYTES], uint64_t size,
			      uint64_t have, int64_t used_ms);
void shelf_remove(struct shelf *shelf, struct shelf_entry *entry);
/* It takes so much from now on. */
void shelf_set_have(struct shelf *shelf, struct shelf_entry *entry, uint64_t have);

/*
 * Whether so many bytes more of that guest, in another entry or not, find room: 0; 1: not before
 * *ret_victim has gone; -ENOSPC: never, whatever goes.
 */
int shelf_make_room(const struct shelf *shelf, const struct shelf_guest *guest, uint64_t bytes,
		    bool is_new, struct shelf_entry **ret_victim) _nodiscard_;

/* One of a guest without a channel, which nobody has asked for since then; NULL: none. */
struct shelf_entry *shelf_expired(const struct shelf *shelf, int64_t since_ms);

#endif
