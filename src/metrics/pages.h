/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages that are read: the supervisor's, and one of each guest's front.  What was read last stays
 * where a page cannot be read: a front may have died while it wrote.  Gauges go with the front all the same.
 */
#ifndef METRICS_PAGES_H
#define METRICS_PAGES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/memfd.h"
#include "channel/metrics_control.h"
#include "metrics/exposition.h"

/* Text of all guests together; each may have an equal share, and this in any case. */
#define PAGES_TEXT_MAX (64u << 20)
#define PAGES_SHARE_MIN (32u << 10)

struct page {
	TAILQ_ENTRY(page) entry;
	char guest[METRICS_NAME_SIZE]; /* empty: the supervisor's */
	struct tsk_map map;
	uint64_t sequence; /* of what was read last */
	bool is_bad;       /* said in the log */
	struct exposition exposition;
};

struct pages {
	TAILQ_HEAD(page_list, page) list; /* the supervisor's first */
	unsigned n;
	uint64_t n_errors; /* times that a page could not be read */
	void *scratch;     /* the largest page's samples */
};

int pages_init(struct pages *pages) _nodiscard_;
void pages_done(struct pages *pages);

/* guest "": the supervisor's.  fd, which stays the caller's: in the place of the one before. */
int pages_set(struct pages *pages, const char *guest, int fd) _nodiscard_;
/* The guest has no front now; is no more. */
void pages_lost(struct pages *pages, const char *guest);
void pages_forget(struct pages *pages, const char *guest);

/* Reads them all, as they are now: the text, which is the caller's.  NULL: no memory. */
char *pages_text(struct pages *pages, size_t *ret_len);

#endif
