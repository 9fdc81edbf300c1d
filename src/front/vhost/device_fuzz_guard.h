/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory is mapped between two guards: a pointer that leaves it does not come to lie in another
 * mapping unseen.  The linker leads all calls here (mmap() is mmap64() with 64-bit offsets); those of
 * the sanitizers among them are none of ours.
 */
#ifndef VHOST_DEVICE_FUZZ_GUARD_H
#define VHOST_DEVICE_FUZZ_GUARD_H

#include <stddef.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "front/vhost/fuzz_untraced.h"

#define GUARD (2u << 20)

static struct guarded {
	void *addr;
	size_t size;
	int fd; /* a duplicate */
	off_t offset;
} guarded[256];

void *__real_mmap64(void *addr, size_t size, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *addr, size_t size, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t size);
int __wrap_munmap(void *addr, size_t size);

UNTRACED static struct guarded *find_guarded(const void *addr)
{
	for (unsigned i = 0; i < ARRAY_SIZE(guarded); i++) {
		if (guarded[i].addr == addr)
			return &guarded[i];
	}
	return NULL;
}

void *__wrap_mmap64(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
{
	struct guarded *place = fd >= 0 && (flags & MAP_SHARED) ? find_guarded(NULL) : NULL;
	char *room;
	void *got;

	if (!place)
		return __real_mmap64(addr, size, prot, flags, fd, offset);
	room = __real_mmap64(NULL, size + 2 * GUARD, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return room;
	got = __real_mmap64(room + GUARD, size, prot, flags | MAP_FIXED, fd, offset);
	if (got == MAP_FAILED)
		__real_munmap(room, size + 2 * GUARD);
	else
		*place = (struct guarded){ got, size, dup(fd), offset };
	return got;
}

int __wrap_munmap(void *addr, size_t size)
{
	struct guarded *place = addr ? find_guarded(addr) : NULL;

	if (!place)
		return __real_munmap(addr, size);
	tsk_close(place->fd);
	place->addr = NULL;
	return __real_munmap((char *)addr - GUARD, size + 2 * GUARD);
}

/* From here on, what is written to any mapping but one is seen by nobody else, and lost with it. */
static int guarded_detach(const void *but)
{
	for (unsigned i = 0; i < ARRAY_SIZE(guarded); i++) {
		const struct guarded *g = &guarded[i];

		if (!g->addr || g->addr == but)
			continue;
		if (__real_mmap64(g->addr, g->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
				  g->fd, g->offset) == MAP_FAILED)
			return -errno;
	}
	return 0;
}

#endif
