/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"

static int fail(const char *what, const char *path, struct tensock_error *reterr)
{
	int e = errno;
	enum tensock_status status = tsk_status_from_errno(e);

	if (status == TENSOCK_INTERNAL)
		status = TENSOCK_INVALID_ARGUMENT;
	return tsk_fail(reterr, status, "cannot %s %.150s: %s", what, path, strerror(e));
}

static int read_all(int fd, const char *path, unsigned char *bytes, size_t size,
		    struct tensock_error *reterr)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, bytes + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail("read", path, reterr);
		if (n == 0)
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"%.150s has become shorter while it was read", path);
		done += (size_t)n;
	}
	return 0;
}

int file_check(const char *path, struct tensock_error *reterr)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail("open", path, reterr);
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%.150s is %s", path,
				S_ISREG(st.st_mode) ? "empty" : "no regular file");
	return 0;
}

int file_read(const char *path, unsigned char **ret, size_t *ret_size, struct tensock_error *reterr)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ unsigned char *bytes = NULL;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail("open", path, reterr);
	if (!S_ISREG(st.st_mode))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%.150s is no regular file",
				path);
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY,
				"no memory for the %lld bytes of %.150s", (long long)st.st_size,
				path);
	r = read_all(fd, path, bytes, (size_t)st.st_size, reterr);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(bytes);
	*ret_size = (size_t)st.st_size;
	return 0;
}

int file_read_npy(const char *path, unsigned char **ret, struct tsk_npy *ret_npy,
		  struct tensock_error *reterr)
{
	_cleanup_free_ unsigned char *file = NULL;
	size_t size;
	int r = file_read(path, &file, &size, reterr);

	if (r < 0)
		return r;
	r = tsk_npy_parse(file, size, ret_npy, reterr);
	if (r < 0) {
		tsk_error_prefix(reterr, "%.100s", path);
		return r;
	}
	*ret = TAKE_PTR(file);
	return 0;
}

int file_create(const char *path, FILE **ret, char **ret_temporary, struct tensock_error *reterr)
{
	_cleanup_free_ char *temporary = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;
	FILE *file;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		fd = open(path, O_WRONLY | O_CLOEXEC);
	} else {
		if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
			temporary = NULL;
			return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory");
		}
		fd = mkostemp(temporary, O_CLOEXEC);
		if (fd >= 0) {
			mode_t mask = umask(0);

			umask(mask);
			(void)!fchmod(fd, 0666 & ~mask);
		}
	}
	file = fd >= 0 ? fdopen(fd, "wb") : NULL;
	if (!file)
		return fail("write", path, reterr);
	(void)TAKE_FD(fd);
	*ret = file;
	*ret_temporary = TAKE_PTR(temporary);
	return 0;
}

int file_finish(FILE *file, const char *path, const char *temporary, bool keep,
		struct tensock_error *reterr)
{
	bool failed = ferror(file);
	int r = 0;

	failed |= fclose(file) != 0;
	if (keep && failed)
		r = fail("write", path, reterr);
	else if (keep && temporary && rename(temporary, path) < 0)
		r = fail("write", path, reterr);
	if (temporary && (!keep || r < 0))
		unlink(temporary);
	return r;
}
