/* SPDX-License-Identifier: Apache-2.0 */
#include "front/region_fd.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/status.h"

bool region_fd_is_memory(int fd)
{
	struct stat st;

	/* The kernel knows seals of files in memory only, made by memfd_create() or on a tmpfs. */
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && fcntl(fd, F_GET_SEALS) >= 0;
}

static bool is_open_for_both(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	/* With O_APPEND an output would not go where it belongs. */
	return flags >= 0 && (flags & (O_ACCMODE | O_APPEND | O_PATH)) == O_RDWR;
}

/* hugetlbfs has seals, and no write(): even one of nothing fails. */
static bool has_write(int fd)
{
	return pwrite(fd, "", 0, 0) == 0;
}

int region_fd_check(int fd, struct tensock_error *reterr)
{
	const char *why = NULL;

	if (fd < 0)
		why = "no descriptor of shared memory has come: pass one of memfd_create() or "
		      "shm_open() with the bytes of this request (SCM_RIGHTS), over a Unix "
		      "socket of this host";
	else if (!is_open_for_both(fd))
		why = "the descriptor must be open for reading and writing, and not for appending";
	else if (!has_write(fd))
		why = "the descriptor is of a file in huge pages, which cannot be written: pass one "
		      "of usual pages";
	if (!why)
		return 0;
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"Unable to open shared memory region: '" REGION_FD_KEY "': %s", why);
}
