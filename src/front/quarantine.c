/* SPDX-License-Identifier: Apache-2.0 */
#include "front/quarantine.h"

#include <string.h>

void quarantine_init(struct quarantine *quarantine, uint64_t time_ms)
{
	quarantine->time_ms = time_ms;
	quarantine->n = 0;
}

static const struct quarantine_entry *find(const struct quarantine *quarantine,
					   const unsigned char *hash)
{
	for (unsigned i = 0; i < quarantine->n; i++) {
		if (memcmp(quarantine->entries[i].hash, hash, MODEL_HASH_BYTES) == 0)
			return &quarantine->entries[i];
	}
	return NULL;
}

static bool is_over(const struct quarantine *quarantine, const struct quarantine_entry *entry,
		    uint64_t now_ms)
{
	return now_ms - entry->last_ms >= quarantine->time_ms;
}

/* A place for one more: a new one, or that of the model that has been good for longest. */
static struct quarantine_entry *make_room(struct quarantine *quarantine)
{
	struct quarantine_entry *oldest = &quarantine->entries[0];

	if (quarantine->n < QUARANTINE_MAX)
		return &quarantine->entries[quarantine->n++];
	for (unsigned i = 1; i < quarantine->n; i++) {
		if (quarantine->entries[i].last_ms < oldest->last_ms)
			oldest = &quarantine->entries[i];
	}
	return oldest;
}

bool quarantine_count(struct quarantine *quarantine, const unsigned char hash[MODEL_HASH_BYTES],
		      uint64_t now_ms)
{
	const struct quarantine_entry *found = find(quarantine, hash);
	struct quarantine_entry *entry;

	if (!quarantine->time_ms)
		return false;
	entry = found ? &quarantine->entries[found - quarantine->entries] : make_room(quarantine);
	if (!found || is_over(quarantine, entry, now_ms))
		*entry = (struct quarantine_entry){ .deaths = 0 };
	memcpy(entry->hash, hash, MODEL_HASH_BYTES);
	entry->last_ms = now_ms;
	return ++entry->deaths == QUARANTINE_DEATHS;
}

uint64_t quarantine_left_ms(const struct quarantine *quarantine,
			    const unsigned char hash[MODEL_HASH_BYTES], uint64_t now_ms)
{
	const struct quarantine_entry *entry = find(quarantine, hash);

	if (!entry || entry->deaths < QUARANTINE_DEATHS || is_over(quarantine, entry, now_ms))
		return 0;
	return quarantine->time_ms - (now_ms - entry->last_ms);
}
