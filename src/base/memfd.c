/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SIZE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int tsk_memfd_new(const char *name, uint64_t size, int *ret_fd)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (size > INT64_MAX)
		return -EFBIG;
	if (ftruncate(fd, (off_t)size) < 0)
		return -errno;
	/* F_SEAL_SEAL comes with the last seal: a model still awaits F_SEAL_WRITE. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int tsk_memfd_freeze(int fd)
{
	return fcntl(fd, F_ADD_SEALS, SIZE_SEALS | F_SEAL_WRITE) < 0 ? -errno : 0;
}

int tsk_memfd_check(int fd, bool frozen, uint64_t *ret_size)
{
	int wanted = F_SEAL_SHRINK | F_SEAL_GROW | (frozen ? F_SEAL_WRITE : 0);
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & wanted) != wanted)
		return -EPROTO;
	if (fstat(fd, &st) < 0)
		return -errno;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

int tsk_map_new(int fd, uint64_t size, bool writable, struct tsk_map *ret)
{
	void *addr;

	if (size > SIZE_MAX)
		return -EFBIG;
	if (size == 0) {
		*ret = (struct tsk_map){ 0 };
		return 0;
	}
	addr = mmap(NULL, (size_t)size, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
	if (addr == MAP_FAILED)
		return -errno;
	*ret = (struct tsk_map){ .addr = addr, .size = (size_t)size };
	return 0;
}

void tsk_map_done(struct tsk_map *map)
{
	if (map->addr)
		munmap(map->addr, map->size);
	*map = (struct tsk_map){ 0 };
}
