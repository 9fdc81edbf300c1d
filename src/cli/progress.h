/* SPDX-License-Identifier: Apache-2.0 */
/* How far a long upload is: a line on standard error, where that is a terminal. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
	bool is_terminal, is_shown;
	uint64_t begin_ns, shown_ns;
	/* When the host was first known to have bytes, and how many; 0: it has none yet. */
	uint64_t start_ns, start_bytes;
};

void progress_init(struct progress *progress);

/* tensock_push_options.progress; user: a struct progress. */
void progress_update(void *user, uint64_t done_bytes, uint64_t total_bytes);

/* Takes the line away. */
void progress_done(struct progress *progress);

/* As long as the host has nothing: the bytes are read to be hashed. */
void progress_hash_line(char *ret, size_t size, unsigned width, uint64_t total_bytes);

/*
 * The line, of at most `width` columns (and size bytes), without its end.  sent_bytes of done_bytes went
 * within elapsed_ns.
 */
void progress_line(char *ret, size_t size, unsigned width, uint64_t done_bytes,
		   uint64_t total_bytes, uint64_t sent_bytes, uint64_t elapsed_ns);

#endif
