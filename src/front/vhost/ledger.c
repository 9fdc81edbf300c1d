/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/ledger.h"

#include <limits.h>

#include "base/memfd.h"

#define RUNS (UINT32_C(1) << 16)

/* The memory, all zero at first.  Numbers are this host's: it never leaves it. */
struct page {
	uint32_t queues[LEDGER_QUEUES_MAX]; /* RUNS | offset, or base */
	struct ledger_entry entries[];
};

struct ledger {
	struct tsk_map map;
	struct page *page;
	unsigned n_entries;
	unsigned n_free;
	uint32_t free[]; /* places, the next one last */
};

int ledger_new(int fd, struct ledger **ret)
{
	struct ledger *ledger;
	uint64_t size, n;
	int r = tsk_memfd_check(fd, false, &size);

	if (r < 0)
		return r;
	if (size < sizeof(struct page) + sizeof(struct ledger_entry))
		return -EPROTO;
	n = (size - sizeof(struct page)) / sizeof(struct ledger_entry);
	if (n > INT_MAX)
		return -EPROTO;
	ledger = calloc(1, sizeof(*ledger) + n * sizeof(ledger->free[0]));
	if (!ledger)
		return -ENOMEM;
	r = tsk_map_new(fd, size, true, &ledger->map);
	if (r < 0) {
		free(ledger);
		return r;
	}
	ledger->page = ledger->map.addr;
	ledger->n_entries = (unsigned)n;
	/* The first places are taken first: the rest of the memory is never touched. */
	for (unsigned i = ledger->n_entries; i-- > 0;) {
		if (!ledger->page->entries[i].type)
			ledger->free[ledger->n_free++] = i;
	}
	*ret = ledger;
	return 0;
}

struct ledger *ledger_free(struct ledger *ledger)
{
	if (!ledger)
		return NULL;
	tsk_map_done(&ledger->map);
	free(ledger);
	return NULL;
}

void ledger_runs(struct ledger *ledger, unsigned q, uint16_t offset)
{
	if (ledger)
		__atomic_store_n(&ledger->page->queues[q], RUNS | offset, __ATOMIC_RELEASE);
}

void ledger_stopped(struct ledger *ledger, unsigned q, uint16_t base)
{
	if (ledger)
		__atomic_store_n(&ledger->page->queues[q], base, __ATOMIC_RELEASE);
}

bool ledger_queue(const struct ledger *ledger, unsigned q, uint16_t *ret)
{
	uint32_t word = ledger ? __atomic_load_n(&ledger->page->queues[q], __ATOMIC_RELAXED) : 0;

	*ret = (uint16_t)word;
	return word & RUNS;
}

int ledger_enter(struct ledger *ledger, const struct ledger_entry *entry)
{
	struct ledger_entry *at;
	uint32_t place;

	if (!ledger || ledger->n_free == 0)
		return LEDGER_NONE;
	place = ledger->free[--ledger->n_free];
	at = &ledger->page->entries[place];
	at->guest_port = entry->guest_port;
	at->host_port = entry->host_port;
	/* The type makes it one: last, and after the ports. */
	__atomic_store_n(&at->type, entry->type, __ATOMIC_RELEASE);
	return (int)place;
}

void ledger_strike(struct ledger *ledger, int place)
{
	if (!ledger || place == LEDGER_NONE || !ledger->page->entries[place].type)
		return;
	__atomic_store_n(&ledger->page->entries[place].type, 0, __ATOMIC_RELEASE);
	ledger->free[ledger->n_free++] = (uint32_t)place;
}

int ledger_next(const struct ledger *ledger, int place, struct ledger_entry *ret)
{
	for (unsigned i = (unsigned)place; ledger && i < ledger->n_entries; i++) {
		*ret = ledger->page->entries[i];
		if (ret->type)
			return (int)i;
	}
	return LEDGER_NONE;
}
