/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/checked.h"

#define BLOCK_BYTES ((size_t)1 << 16)

struct tsk_arena_block {
	struct tsk_arena_block *next;
	size_t room;
	alignas(max_align_t) unsigned char bytes[];
};

void tsk_arena_init(struct tsk_arena *arena, size_t limit)
{
	*arena = (struct tsk_arena){ .limit = limit };
}

void tsk_arena_done(struct tsk_arena *arena)
{
	struct tsk_arena_block *block = arena->blocks;

	while (block) {
		struct tsk_arena_block *next = block->next;

		free(block);
		block = next;
	}
	*arena = (struct tsk_arena){ .limit = arena->limit };
}

/* A block with room for that much at least. */
static struct tsk_arena_block *add_block(struct tsk_arena *arena, size_t bytes)
{
	size_t room = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES, all;
	struct tsk_arena_block *block;

	if (!tsk_add(room, sizeof(*block), &all) || all > arena->limit - arena->taken)
		return NULL;
	block = calloc(1, all);
	if (!block)
		return NULL;
	block->room = room;
	block->next = arena->blocks;
	arena->blocks = block;
	arena->taken += all;
	arena->used = 0;
	return block;
}

void *tsk_arena_alloc(struct tsk_arena *arena, size_t bytes)
{
	struct tsk_arena_block *block = arena->blocks;
	uint64_t rounded;
	void *p;

	if (!tsk_align_up(bytes, alignof(max_align_t), &rounded))
		return NULL;
	if (!block || rounded > block->room - arena->used)
		block = add_block(arena, rounded);
	if (!block)
		return NULL;
	p = block->bytes + arena->used;
	arena->used += rounded;
	return p;
}

void *tsk_arena_array(struct tsk_arena *arena, size_t n, size_t bytes)
{
	size_t all;

	return tsk_mul(n, bytes, &all) ? tsk_arena_alloc(arena, all) : NULL;
}
