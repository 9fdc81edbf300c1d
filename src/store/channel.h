/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of one front's channel: its messages, one after the other, each to its end before the next
 * is read.  A guest has one channel that is served; the next one waits for the end of that, so that
 * it finds all of what the front before it had sent.
 */
#ifndef STORE_CHANNEL_H
#define STORE_CHANNEL_H

#include <sys/queue.h>
#include <uv.h>

#include "base/cleanup.h"
#include "channel/store_control.h"
#include "store/files.h"
#include "store/shelf.h"

TAILQ_HEAD(channel_list, channel);

/* All that channels need; what owns it also counts what they do. */
struct channels {
	uv_loop_t *loop;
	struct files files;
	struct shelf shelf;
	struct channel_list list; /* in the order in which they came */
	LIST_HEAD(, job) removing; /* that remove others' files first; empty at first */
	uint64_t n_damaged;       /* models that were found to be others, or not to be read */
	/* One has ended.  May be NULL. */
	void (*ended)(void *context);
	void *context;
};

/* For the guest of that name; takes fd.  bytes: 0: no bound of its own.  Failures are logged. */
void channels_add(struct channels *channels, const char *guest, uint64_t bytes, int fd);

/* All that the guest has, once what was sent before has been done. */
void channels_forget(struct channels *channels, const char *guest);

/* What is older goes, of guests without a channel. */
void channels_expire(struct channels *channels, uint64_t ms);

#endif
