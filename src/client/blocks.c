/* SPDX-License-Identifier: Apache-2.0 */
#include "client/blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/checked.h"
#include "base/status.h"
#include "client/client.h"

static void *map_own(uint64_t bytes)
{
	void *start = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	return start == MAP_FAILED ? NULL : start;
}

int block_new(struct blocks *blocks, uint64_t bytes, struct block **ret)
{
	_cleanup_free_ struct block *block = calloc(1, sizeof(*block));

	if (!block || !tsk_align_up(bytes ? bytes : 1, MEMORY_PAGE_BYTES, &bytes) || bytes > SIZE_MAX / 2)
		return -ENOMEM;
	block->start = map_own(bytes);
	if (!block->start)
		return -ENOMEM;
	block->bytes = bytes;
	LIST_INSERT_HEAD(blocks, block, entry);
	*ret = TAKE_PTR(block);
	return 0;
}

void block_free(struct block *block, struct memory *memory)
{
	/* It may be written to for all we know. */
	if (block->n_uses)
		memory_give_up(memory, &block->slice);
	memory_give(memory, &block->slice);
	munmap(block->start, (size_t)block->bytes);
	LIST_REMOVE(block, entry);
	free(block);
}

struct block *blocks_find(const struct blocks *blocks, const void *data, uint64_t bytes)
{
	struct block *block;

	LIST_FOREACH(block, blocks, entry)
	{
		uint64_t at = (uint64_t)((uintptr_t)data - (uintptr_t)block->start);

		if (at < block->bytes && bytes <= block->bytes - at)
			return block;
	}
	return NULL;
}

/* What lies behind it is not what a request may use. */
static bool is_stale(const struct block *block, const struct memory *memory)
{
	return block->is_shared &&
	       (!block->slice.bytes || memory->is_given_up || memory->state == MEMORY_OFF);
}

bool block_share(struct block *block, struct memory *memory, bool keeps_bytes)
{
	if (block->is_shared)
		return !is_stale(block, memory);
	if (!memory_take(memory, block->bytes, &block->slice))
		return false;
	if (keeps_bytes)
		memcpy(memory->start + block->slice.at, block->start, (size_t)block->bytes);
	if (mmap(block->start, (size_t)block->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 memory->fd, (off_t)block->slice.at) == MAP_FAILED) {
		memory_give(memory, &block->slice);
		return false;
	}
	block->is_shared = true;
	return true;
}

/* Where there is no memory for it, all stays as it is for now. */
static void take_back(struct block *block, struct memory *memory)
{
	void *own = map_own(block->bytes);

	if (!own)
		return;
	memcpy(own, block->start, (size_t)block->bytes);
	if (mremap(own, (size_t)block->bytes, (size_t)block->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		   block->start) == MAP_FAILED) {
		munmap(own, (size_t)block->bytes);
		return;
	}
	block->is_shared = false;
	memory_give(memory, &block->slice);
}

void blocks_settle(struct blocks *blocks, struct memory *memory)
{
	struct block *block;

	LIST_FOREACH(block, blocks, entry)
	{
		if (!block->n_uses && is_stale(block, memory))
			take_back(block, memory);
	}
}

int tensock_alloc(struct tensock_client *client, uint64_t bytes, void **ret,
		  struct tensock_error *reterr)
{
	struct connection *connection = &client->connection;
	struct tensock_error error;
	struct block *block;

	if (block_new(&client->blocks, bytes, &block) < 0) {
		(void)tsk_fail(&error, TENSOCK_OUT_OF_MEMORY, "no memory for tensors of %llu bytes",
			       (unsigned long long)bytes);
		return client_failed(&error, reterr);
	}
	/* Else with the first request that uses it, which then has its bytes to copy. */
	if (connection->has_memory && bytes >= MEMORY_WORTH_BYTES)
		(void)block_share(block, &connection->memory, false);
	*ret = block->start;
	return TENSOCK_OK;
}

void tensock_free(struct tensock_client *client, void *memory)
{
	struct block *block = memory ? blocks_find(&client->blocks, memory, 1) : NULL;

	if (block && block->start == memory)
		block_free(block, &client->connection.memory);
}
