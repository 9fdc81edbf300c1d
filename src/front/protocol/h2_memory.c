/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/h2_memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

/* Stands before each piece; as large as keeps what follows aligned. */
struct piece {
	_Alignas(max_align_t) size_t bytes; /* with this */
};

static void give(void *p, void *user)
{
	struct h2_memory *memory = user;
	struct piece *piece = p;

	if (!piece)
		return;
	piece--;
	memory->used -= piece->bytes;
	free(piece);
}

/* A piece of n bytes in the place of old, or a new one. */
static void *resize(void *old, size_t n, void *user)
{
	struct h2_memory *memory = user;
	struct piece *piece = old ? (struct piece *)old - 1 : NULL;
	size_t used = memory->used - (piece ? piece->bytes : 0);

	if (!tsk_add(n, sizeof(*piece), &n) || n > memory->max - used)
		return NULL;
	piece = realloc(piece, n);
	if (!piece)
		return NULL;
	piece->bytes = n;
	memory->used = used + n;
	return piece + 1;
}

static void *take(size_t n, void *user)
{
	return resize(NULL, n, user);
}

static void *take_zeroed(size_t n, size_t size, void *user)
{
	void *p;

	if (!tsk_mul(n, size, &n))
		return NULL;
	p = resize(NULL, n, user);
	return p ? memset(p, 0, n) : NULL;
}

nghttp2_mem h2_memory_functions(struct h2_memory *memory)
{
	return (nghttp2_mem){ .mem_user_data = memory,
			      .malloc = take,
			      .free = give,
			      .calloc = take_zeroed,
			      .realloc = resize };
}
