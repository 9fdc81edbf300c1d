/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/region.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Where the C library keeps what shm_open() opens. */
#define FOLDER "/dev/shm"

/* Nothing but what stands in the folder itself; and a FIFO must not hold us. */
static int open_in(int folder_fd, const char *key)
{
	struct open_how how = {
		.flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_XDEV,
	};
	long fd = syscall(SYS_openat2, folder_fd, key, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int region_open(const struct rights *rights, const char key[FRONT_REGION_KEY_SIZE], int *ret_fd)
{
	_cleanup_close_ int folder_fd = -1, fd = -1;
	struct stat st;

	if (!rights->n_uids || front_region_key_check(key) < 0)
		return -EACCES;
	folder_fd = open(FOLDER, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder_fd < 0)
		return -errno;
	fd = open_in(folder_fd, key);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!rights_has_region_of(rights, st.st_uid))
		return -EACCES;
	/* A second name could be a link that somebody else has put there. */
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return -EINVAL;
	*ret_fd = TAKE_FD(fd);
	return 0;
}
