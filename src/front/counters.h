/* SPDX-License-Identifier: Apache-2.0 */
/* What became of the requests of a guest: accepted = ok + error + cancelled + reset + under way. */
#ifndef FRONT_COUNTERS_H
#define FRONT_COUNTERS_H

#include <stdint.h>

struct counters {
	uint64_t accepted;  /* headers that were complete */
	uint64_t ok;        /* answered OK */
	uint64_t error;     /* answered ER */
	uint64_t cancelled; /* the guest went before the answer was known */
	uint64_t reset;     /* the guest went, or fell silent, in the middle of the body */

	uint64_t connections;                /* that have begun to speak a protocol */
	uint64_t received_bytes, sent_bytes; /* on connections */

	/* Uploads of offered models, each of which is accounted for above by whoever took the offer. */
	uint64_t uploads_begun;    /* from their first byte on */
	uint64_t uploads_resumed;  /* went on where another had broken off */
	uint64_t uploads_finished; /* whole, and of the hash that was offered */
	uint64_t uploads_wrong;    /* whole, and of another */
	uint64_t
		uploads_dropped; /* kept in vain: by their age, for lack of room, at the guest's end */
	uint64_t upload_bytes; /* received by them */
};

/* How many are under way. */
static inline uint64_t counters_active(const struct counters *c)
{
	return c->accepted - c->ok - c->error - c->cancelled - c->reset;
}

#endif
