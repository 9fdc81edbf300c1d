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

#define GUARD (2u << 20)

static void *guarded[256];

void *__real_mmap64(void *addr, size_t size, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *addr, size_t size, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t size);
int __wrap_munmap(void *addr, size_t size);

static void **find_guarded(const void *addr)
{
	for (unsigned i = 0; i < ARRAY_SIZE(guarded); i++) {
		if (guarded[i] == addr)
			return &guarded[i];
	}
	return NULL;
}

void *__wrap_mmap64(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
{
	void **place = fd >= 0 && (flags & MAP_SHARED) ? find_guarded(NULL) : NULL;
	char *room;

	if (!place)
		return __real_mmap64(addr, size, prot, flags, fd, offset);
	room = __real_mmap64(NULL, size + 2 * GUARD, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return room;
	*place = __real_mmap64(room + GUARD, size, prot, flags | MAP_FIXED, fd, offset);
	if (*place == MAP_FAILED) {
		*place = NULL;
		__real_munmap(room, size + 2 * GUARD);
		return MAP_FAILED;
	}
	return *place;
}

int __wrap_munmap(void *addr, size_t size)
{
	void **place = addr ? find_guarded(addr) : NULL;

	if (!place)
		return __real_munmap(addr, size);
	*place = NULL;
	return __real_munmap((char *)addr - GUARD, size + 2 * GUARD);
}

#endif
