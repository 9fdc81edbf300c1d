/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of those who scrape: one request each, one answer, then the end.  Who is slow has
 * SCRAPE_HEAD_MS to ask, and SCRAPE_ANSWER_MS to take the answer; where too many are open, the oldest goes.
 */
#ifndef METRICS_SCRAPE_H
#define METRICS_SCRAPE_H

#include <stddef.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/cleanup.h"

#define SCRAPES_MAX 128u
#define SCRAPE_HEAD_MS 5000u
#define SCRAPE_ANSWER_MS 20000u

/* An answer's text, which several may be sending. */
struct scrape_body {
	unsigned n_users;
	char *text;
	size_t len;
};

/* One user less; the last one frees it.  NULL is fine. */
void scrape_body_put(struct scrape_body *body);

struct scrapes {
	uv_loop_t *loop;
	/* The text as it is now, with one user more; NULL: no memory. */
	struct scrape_body *(*body)(void *context);
	void *context;
	TAILQ_HEAD(scrape_list, scrape) list; /* the oldest first */
	unsigned n;
};

void scrapes_init(struct scrapes *scrapes, uv_loop_t *loop,
		  struct scrape_body *(*body)(void *context), void *context);
/* Closes all; their memory goes with the loop's next turn. */
void scrapes_done(struct scrapes *scrapes);

/* fd: a connection that was accepted, non-blocking; taken over. */
void scrapes_add(struct scrapes *scrapes, int fd);

#endif
