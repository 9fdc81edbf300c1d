/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of the guest's models have killed their workers, by SHA-256.  One that has done so
 * QUARANTINE_DEATHS times is refused for a while.  Pure: given the time, in milliseconds of a clock
 * that does not go back.
 *
 * It is the front's, and goes with it: a guest that crashes its front has a penalty of the
 * supervisor's instead.
 */
#ifndef FRONT_QUARANTINE_H
#define FRONT_QUARANTINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "front/model_file.h"

#define QUARANTINE_DEATHS 3u
#define QUARANTINE_MAX 64u /* models that are remembered; the one of the longest ago is forgotten */

struct quarantine {
	uint64_t time_ms; /* a death is forgotten when the last one is so long ago; 0: at once */
	struct quarantine_entry {
		unsigned char hash[MODEL_HASH_BYTES];
		unsigned deaths;
		uint64_t last_ms;
	} entries[QUARANTINE_MAX];
	unsigned n;
};

void quarantine_init(struct quarantine *quarantine, uint64_t time_ms);

/* A worker has died of the model.  Whether that has put the model into quarantine. */
bool quarantine_count(struct quarantine *quarantine, const unsigned char hash[MODEL_HASH_BYTES],
		      uint64_t now_ms);

/* How long the model is refused from now on; 0: it is not. */
uint64_t quarantine_left_ms(const struct quarantine *quarantine,
			    const unsigned char hash[MODEL_HASH_BYTES], uint64_t now_ms);

#endif
