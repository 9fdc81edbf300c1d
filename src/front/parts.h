/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads that are not whole, on disk: what has come of one is saved from time to time, so that the
 * guest can go on with it after this front's death.  For stored.c, which has the channel to the store,
 * and uploads.c, which has the uploads.
 */
#ifndef FRONT_PARTS_H
#define FRONT_PARTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/cleanup.h"
#include "channel/store_control.h"
#include "channel/store_index.h"
#include "channel/front_control.h"

/* So much of an upload is worth saving while more of it comes. */
#define PARTS_STEP_BYTES (UINT64_C(16) << 20)

struct parts;

/* What parts need.  All of it must outlive them. */
struct parts_host {
	uv_loop_t *loop;
	const struct front_start *limits;
	/* To the store: -ENOTCONN where there is none now, or what store_link_send() says. */
	int (*send)(void *context, const struct store_msg *msg, int fd);
	/* Another one may be saved. */
	void (*free_again)(void *context);
	/* None is kept by the store alone any more. */
	void (*emptied)(void *context);
	void *context;
};

int parts_new(const struct parts_host *host, struct parts **ret) _nodiscard_;
void parts_free(struct parts *parts);

/* The store is gone: what it had is not known any more. */
void parts_lost(struct parts *parts);
/* It has this one. */
void parts_found(struct parts *parts, const struct store_entry *entry);
/* Its answers; fd is taken over. */
void parts_on_saved(struct parts *parts, const struct store_msg *msg);
void parts_on_bytes(struct parts *parts, const struct store_msg *msg, int fd);

/* Those that only the store has. */
unsigned parts_count(const struct parts *parts);

/* ---- For uploads.c.  parts may be NULL: then there are none. */

/*
 * Saves the first `have` bytes of an upload.  False: not now, and free_again() will come; but with
 * is_last it is sent all the same, and nobody waits for the answer.
 */
bool parts_save(struct parts *parts, const unsigned char hash[STORE_HASH_BYTES], int fd,
		uint64_t size, uint64_t have, bool is_last);
void parts_forget(struct parts *parts, const unsigned char hash[STORE_HASH_BYTES]);

/* Waits for the bytes of one; zeroed, in memory that stays where it is until done() or cancel. */
struct parts_fetch {
	TAILQ_ENTRY(parts_fetch) entry;
	unsigned char hash[STORE_HASH_BYTES];
	uint64_t size;
	uint64_t since_ms;
	bool is_waiting;
	/* fd: a memfd of size bytes, the first `have` of them read: the receiver's; or -1: begin anew. */
	void (*done)(void *context, int fd, uint64_t have);
	void *context;
};

/*
 * Whether the store has some of a model of that hash and size: then its bytes are asked for, and
 * done() comes, later; it is not the store's alone any more then.
 */
bool parts_fetch(struct parts *parts, struct parts_fetch *fetch,
		 const unsigned char hash[STORE_HASH_BYTES], uint64_t size);
/* Also of one that waits for nothing. */
void parts_cancel(struct parts *parts, struct parts_fetch *fetch);

#endif
