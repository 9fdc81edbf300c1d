/* SPDX-License-Identifier: Apache-2.0 */
#include "front/region_fd.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/status.h"

static bool is_open_for_both(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	/* With O_APPEND an output would not go where it belongs. */
	return flags >= 0 && (flags & (O_ACCMODE | O_APPEND | O_PATH)) == O_RDWR;
}

/* The kernel knows seals of files in memory only, made by memfd_create() or on a tmpfs. */
static bool is_in_memory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && fcntl(fd, F_GET_SEALS) >= 0;
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
		why = "no descriptor has come: pass that of the region (SCM_RIGHTS) with the bytes "
		      "of this request, over a Unix socket of this host";
	else if (!is_open_for_both(fd))
		why = "the descriptor must be open for reading and writing, and not for appending";
	else if (!is_in_memory(fd))
		why = "the descriptor is of no file in memory: pass one of memfd_create() or "
		      "shm_open()";
	else if (!has_write(fd))
		why = "the descriptor is of a file in huge pages, which cannot be written: pass one "
		      "of usual pages";
	if (!why)
		return 0;
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"Unable to open shared memory region: '" REGION_FD_KEY "': %s", why);
}
