/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is freed all at once, up to a limit: for what is made of a peer's bytes. */
#ifndef TSK_BASE_ARENA_H
#define TSK_BASE_ARENA_H

#include <stddef.h>

struct tsk_arena_block;

struct tsk_arena {
	struct tsk_arena_block *blocks; /* the newest first */
	size_t used;                    /* of the newest block */
	size_t taken, limit;            /* of all blocks, in bytes */
};

void tsk_arena_init(struct tsk_arena *arena, size_t limit);
void tsk_arena_done(struct tsk_arena *arena);

/* Zeroed, aligned for any type; NULL without memory, or above the limit. */
void *tsk_arena_alloc(struct tsk_arena *arena, size_t bytes);

/* n × bytes each, likewise. */
void *tsk_arena_array(struct tsk_arena *arena, size_t n, size_t bytes);

#endif
