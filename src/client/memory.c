/* SPDX-License-Identifier: Apache-2.0 */
#include "client/memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/checked.h"

#define STEP_BYTES ((uint64_t)1 << 20)

/* Neither the host nor the processes that it hands this to can pull a page from under it. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

void memory_init(struct memory *memory)
{
	*memory = (struct memory){ .fd = -1 };
	TAILQ_INIT(&memory->slices);
}

/* Of the memory alone; what else is known of it stays. */
static void drop(struct memory *memory)
{
	if (memory->start)
		munmap(memory->start, (size_t)memory->bytes);
	memory->fd = tsk_close(memory->fd);
	memory->start = NULL;
	memory->bytes = 0;
	memory->is_given_up = false;
	if (memory->state != MEMORY_OFF)
		memory->state = MEMORY_NONE;
}

void memory_done(struct memory *memory)
{
	struct memory_slice *slice;

	while ((slice = TAILQ_FIRST(&memory->slices))) {
		TAILQ_REMOVE(&memory->slices, slice, entry);
		slice->bytes = 0;
	}
	drop(memory);
	memory_init(memory);
}

/* A file that is longer than the process may make one is a signal that ends it. */
static bool may_be_as_long(uint64_t bytes)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
	       (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= bytes);
}

static int make(struct memory *memory, uint64_t bytes)
{
	_cleanup_close_ int fd = -1;
	void *start;

	if (!may_be_as_long(bytes))
		return -EFBIG;
	fd = memfd_create("tensock", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	start = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (start == MAP_FAILED)
		return -errno;
	memory->fd = TAKE_FD(fd);
	memory->start = start;
	memory->bytes = bytes;
	memory->state = MEMORY_NEW;
	return 0;
}

/* For a first slice of so many bytes, and some like it. */
static uint64_t size_for(uint64_t bytes)
{
	uint64_t size = MEMORY_BYTES_MIN;

	if (2 * bytes > size && !tsk_align_up(2 * bytes, STEP_BYTES, &size))
		return MEMORY_BYTES_MAX;
	return size < MEMORY_BYTES_MAX ? size : MEMORY_BYTES_MAX;
}

/* Into the first gap that is long enough. */
static bool place(struct memory *memory, uint64_t bytes, struct memory_slice *slice)
{
	struct memory_slice *next;
	uint64_t at = 0;

	TAILQ_FOREACH(next, &memory->slices, entry)
	{
		if (next->at - at >= bytes)
			break;
		at = next->at + next->bytes;
	}
	if (!next && memory->bytes - at < bytes)
		return false;
	slice->at = at;
	slice->bytes = bytes;
	if (next)
		TAILQ_INSERT_BEFORE(next, slice, entry);
	else
		TAILQ_INSERT_TAIL(&memory->slices, slice, entry);
	return true;
}

bool memory_take(struct memory *memory, uint64_t bytes, struct memory_slice *slice)
{
	if (memory->state == MEMORY_OFF || memory->is_given_up || bytes > MEMORY_BYTES_MAX ||
	    !tsk_align_up(bytes, MEMORY_PAGE_BYTES, &bytes))
		return false;
	/* The frame that is about to go says how long the one is that goes with it. */
	if (TAILQ_EMPTY(&memory->slices) && bytes > memory->bytes &&
	    memory->state != MEMORY_GOING) {
		drop(memory);
		if (make(memory, size_for(bytes)) < 0) {
			memory->state = MEMORY_OFF;
			return false;
		}
	}
	return place(memory, bytes, slice);
}

/* The last one that goes closes the door. */
static void leave(struct memory *memory, struct memory_slice *slice)
{
	TAILQ_REMOVE(&memory->slices, slice, entry);
	slice->bytes = 0;
	if (TAILQ_EMPTY(&memory->slices) && (memory->is_given_up || memory->state == MEMORY_OFF))
		drop(memory);
}

void memory_give(struct memory *memory, struct memory_slice *slice)
{
	if (slice->bytes)
		leave(memory, slice);
}

void memory_give_up(struct memory *memory, const struct memory_slice *slice)
{
	if (slice->bytes)
		memory->is_given_up = true;
}

void memory_off(struct memory *memory)
{
	memory->state = MEMORY_OFF;
	if (TAILQ_EMPTY(&memory->slices))
		drop(memory);
}
