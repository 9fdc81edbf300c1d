/* SPDX-License-Identifier: Apache-2.0 */
#include "store/shelf.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void shelf_init(struct shelf *shelf, uint64_t bytes_max)
{
	*shelf = (struct shelf){ .bytes_max = bytes_max };
	TAILQ_INIT(&shelf->guests);
}

void shelf_done(struct shelf *shelf)
{
	struct shelf_guest *guest;
	struct shelf_entry *entry;

	while ((guest = TAILQ_FIRST(&shelf->guests))) {
		while ((entry = TAILQ_FIRST(&guest->entries)))
			shelf_remove(shelf, entry);
		TAILQ_REMOVE(&shelf->guests, guest, entry);
		free(guest);
	}
}

struct shelf_guest *shelf_find_guest(const struct shelf *shelf, const char *name)
{
	struct shelf_guest *guest;

	TAILQ_FOREACH(guest, &shelf->guests, entry)
	{
		if (strcmp(guest->name, name) == 0)
			return guest;
	}
	return NULL;
}

struct shelf_guest *shelf_guest(struct shelf *shelf, const char *name)
{
	struct shelf_guest *guest = shelf_find_guest(shelf, name);

	if (guest)
		return guest;
	guest = calloc(1, sizeof(*guest));
	if (!guest)
		return NULL;
	snprintf(guest->name, sizeof(guest->name), "%s", name);
	guest->bytes_max = UINT64_MAX;
	TAILQ_INIT(&guest->entries);
	TAILQ_INSERT_TAIL(&shelf->guests, guest, entry);
	return guest;
}

void shelf_let_go(struct shelf *shelf, struct shelf_guest *guest)
{
	if (guest->channel || guest->n_entries)
		return;
	TAILQ_REMOVE(&shelf->guests, guest, entry);
	free(guest);
}

struct shelf_entry *shelf_find(const struct shelf_guest *guest,
			       const unsigned char hash[STORE_HASH_BYTES])
{
	struct shelf_entry *entry;

	TAILQ_FOREACH(entry, &guest->entries, entry)
	{
		if (memcmp(entry->hash, hash, STORE_HASH_BYTES) == 0)
			return entry;
	}
	return NULL;
}

struct shelf_entry *shelf_add(struct shelf *shelf, struct shelf_guest *guest,
			      const unsigned char hash[STORE_HASH_BYTES], uint64_t size,
			      uint64_t have, int64_t used_ms)
{
	struct shelf_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	*entry = (struct shelf_entry){
		.guest = guest, .size = size, .have = have, .used_ms = used_ms
	};
	memcpy(entry->hash, hash, sizeof(entry->hash));
	TAILQ_INSERT_TAIL(&guest->entries, entry, entry);
	shelf->n_with += guest->n_entries++ == 0;
	guest->bytes += have;
	shelf->bytes += have;
	return entry;
}

void shelf_remove(struct shelf *shelf, struct shelf_entry *entry)
{
	struct shelf_guest *guest = entry->guest;

	shelf_set_have(shelf, entry, 0);
	TAILQ_REMOVE(&guest->entries, entry, entry);
	shelf->n_with -= --guest->n_entries == 0;
	free(entry);
}

void shelf_set_have(struct shelf *shelf, struct shelf_entry *entry, uint64_t have)
{
	entry->guest->bytes = entry->guest->bytes - entry->have + have;
	shelf->bytes = shelf->bytes - entry->have + have;
	entry->have = have;
}

static bool fits(uint64_t used, uint64_t more, uint64_t max)
{
	return used <= max && more <= max - used;
}

static struct shelf_entry *oldest(const struct shelf_guest *guest)
{
	struct shelf_entry *found = NULL, *entry;

	TAILQ_FOREACH(entry, &guest->entries, entry)
	{
		if (!entry->is_busy && (!found || entry->used_ms < found->used_ms))
			found = entry;
	}
	return found;
}

/* The oldest one of the guest that is furthest above the share, if it were to take what is asked. */
static struct shelf_entry *of_largest(const struct shelf *shelf, const struct shelf_guest *asking,
				      uint64_t bytes, uint64_t share)
{
	struct shelf_entry *found = NULL;
	const struct shelf_guest *guest;
	uint64_t most = share;

	TAILQ_FOREACH(guest, &shelf->guests, entry)
	{
		uint64_t takes = guest->bytes + (guest == asking ? bytes : 0);
		struct shelf_entry *entry = takes > most ? oldest(guest) : NULL;

		if (!entry)
			continue;
		most = takes;
		found = entry;
	}
	return found;
}

int shelf_make_room(const struct shelf *shelf, const struct shelf_guest *guest, uint64_t bytes,
		    bool is_new, struct shelf_entry **ret_victim)
{
	unsigned n_with = shelf->n_with + (guest->n_entries == 0);
	struct shelf_entry *victim = NULL;

	if (bytes > shelf->bytes_max || bytes > guest->bytes_max)
		return -ENOSPC;
	if (!fits(guest->bytes, bytes, guest->bytes_max) ||
	    (is_new && guest->n_entries >= STORE_ENTRIES_MAX))
		victim = oldest(guest);
	else if (!fits(shelf->bytes, bytes, shelf->bytes_max))
		victim = of_largest(shelf, guest, bytes, shelf->bytes_max / n_with);
	else
		return 0;
	if (!victim)
		return -ENOSPC;
	*ret_victim = victim;
	return 1;
}

struct shelf_entry *shelf_expired(const struct shelf *shelf, int64_t since_ms)
{
	const struct shelf_guest *guest;
	struct shelf_entry *entry;

	TAILQ_FOREACH(guest, &shelf->guests, entry)
	{
		if (guest->channel)
			continue;
		entry = oldest(guest);
		if (entry && entry->used_ms < since_ms)
			return entry;
	}
	return NULL;
}
