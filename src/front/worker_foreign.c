/* SPDX-License-Identifier: Apache-2.0 */
#include "front/worker_foreign.h"

#include <errno.h>

#include "channel/worker_control.h"
#include "front/workers.h"

static struct worker_region *find(struct worker_foreign *foreign, uint64_t number)
{
	for (unsigned i = 0; i < foreign->n; i++) {
		if (foreign->regions[i].number == number)
			return &foreign->regions[i];
	}
	return NULL;
}

/* What the worker may map beside what it has: its addresses are bounded so (worker/seal.c). */
static bool has_room(const struct worker_link *link, uint64_t bytes)
{
	uint64_t max = link->workers->limits->memory_bytes_max;

	return link->foreign.n < REGIONS_MAX && bytes <= max && link->foreign.bytes <= max - bytes;
}

static void offer(struct worker_link *link, const struct region *region)
{
	struct worker_foreign *foreign = &link->foreign;
	struct worker_msg msg = { .type = WORKER_FOREIGN, .id = region_number(region) };
	int fd;

	msg.value = region_memory(region, &fd);
	/* A worker that takes no message now may take this one with the next request. */
	if (!has_room(link, msg.value) ||
	    worker_control_send(link->socket, &msg, NULL, 0, &fd, 1) < 0)
		return;
	foreign->regions[foreign->n++] =
		(struct worker_region){ .number = region_number(region), .bytes = msg.value };
	foreign->bytes += msg.value;
	foreign->n_asked++;
}

static bool use(struct worker_link *link, const struct region *region)
{
	const struct worker_region *known = find(&link->foreign, region_number(region));

	if (!known && !region_is_gone(region))
		offer(link, region);
	return known && known->is_mapped && !known->is_gone;
}

bool worker_foreign_point(struct worker_link *link, const struct region *region,
			  const struct oip_region *part, uint32_t dtype, struct run_tensor *t)
{
	uint64_t offset = region_offset(region, part);

	if (part->bytes < WORKER_FOREIGN_BYTES_MIN || dtype == TENSOCK_BYTES ||
	    offset % RUN_ALIGN != 0 || !region_has(region, part) || !use(link, region))
		return false;
	t->foreign = region_number(region);
	t->offset = offset;
	return true;
}

int worker_foreign_answered(struct worker_link *link, uint64_t number, bool is_mapped)
{
	struct worker_region *known = find(&link->foreign, number);

	if (!link->foreign.n_asked)
		return -EPROTO;
	link->foreign.n_asked--;
	/* It may be forgotten by now. */
	if (known)
		known->is_mapped = is_mapped;
	return 0;
}

/* No run that the worker can be at was given it. */
static bool is_unused(const struct worker_link *link, const struct worker_region *region)
{
	return !link->n_runs || link->runs[link->first].id > region->last_run;
}

static void drop(struct worker_link *link, struct worker_region *region)
{
	struct worker_foreign *foreign = &link->foreign;
	struct worker_msg msg = { .type = WORKER_FOREIGN_DROP, .id = region->number };

	foreign->bytes -= region->bytes;
	foreign->n_gone--;
	*region = foreign->regions[--foreign->n];
	/* As with buffers: who does not take it keeps it mapped, at its own loss. */
	if (link->socket >= 0)
		(void)!worker_control_send(link->socket, &msg, NULL, 0, NULL, 0);
}

void worker_foreign_run_ended(struct worker_link *link)
{
	struct worker_foreign *foreign = &link->foreign;

	for (unsigned i = foreign->n; i-- && foreign->n_gone;) {
		if (foreign->regions[i].is_gone && is_unused(link, &foreign->regions[i]))
			drop(link, &foreign->regions[i]);
	}
}

void worker_foreign_forget(struct worker_link *link, uint32_t number)
{
	struct worker_region *known = find(&link->foreign, number);

	if (!known || known->is_gone)
		return;
	known->is_gone = true;
	known->last_run = link->last_run;
	link->foreign.n_gone++;
	worker_foreign_run_ended(link);
}
