/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/status.h"

#define BACKLOG 511

static int set_path(struct sockaddr_un *ret, const char *path)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!path[0] || strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	memcpy(ret->sun_path, path, strlen(path) + 1);
	return 0;
}

int unix_socket_connect(const char *path, int type, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un addr;
	int r = set_path(&addr, path);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Makes room at path: 0 when there is some, also by removing a socket that nobody serves. */
static int clear_path(const char *path, struct tensock_error *reterr)
{
	struct stat st;
	int fd, r;

	if (lstat(path, &st) < 0)
		return 0; /* bind() says what is wrong, if anything */
	if (!S_ISSOCK(st.st_mode))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"%s is there and is no socket; remove it, or choose another path",
				path);
	r = unix_socket_connect(path, SOCK_STREAM, &fd);
	if (r == 0)
		tsk_close(fd);
	if (r == 0 || r == -EAGAIN || r == -EPROTOTYPE)
		return tsk_fail(
			reterr, TENSOCK_LIMIT_REACHED,
			"another program serves %s, or it is given twice; end it, or choose another path",
			path);
	if (r != -ECONNREFUSED)
		return tsk_fail(reterr, TENSOCK_PERMISSION_DENIED,
				"%s is there and cannot be tried: %s", path, strerror(-r));
	if (unlink(path) < 0 && errno != ENOENT)
		return tsk_fail(reterr, TENSOCK_PERMISSION_DENIED,
				"%s is left over and cannot be removed: %s", path, strerror(errno));
	return 0;
}

/* Binds with the file's mode right from the start: nobody can connect in between. */
static int bind_mode(int fd, const struct sockaddr_un *addr, mode_t mode)
{
	mode_t before = umask(~mode & 0777);
	int r = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? -errno : 0;

	umask(before);
	return r;
}

int unix_socket_listen(const char *path, int type, mode_t mode, int *ret_fd,
		       struct unix_socket_file *ret_file, struct tensock_error *reterr)
{
	_cleanup_close_ int fd = -1;
	struct unix_socket_file file = { 0 };
	struct sockaddr_un addr;
	struct stat st;
	int r;

	if (set_path(&addr, path) < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%s cannot be a socket's path",
				path);
	r = clear_path(path, reterr);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	r = fd < 0 ? -errno : bind_mode(fd, &addr, mode);
	if (r == 0 && (lstat(path, &st) < 0 || listen(fd, BACKLOG) < 0))
		r = -errno;
	if (r < 0)
		return tsk_fail(reterr, TENSOCK_PERMISSION_DENIED,
				"no socket can be made at %s: %s", path, strerror(-r));
	memcpy(file.path, addr.sun_path, sizeof(file.path));
	file.dev = st.st_dev;
	file.ino = st.st_ino;
	*ret_file = file;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void unix_socket_remove(struct unix_socket_file *file)
{
	struct stat st;

	if (file->path[0] && lstat(file->path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    st.st_dev == file->dev && st.st_ino == file->ino)
		unlink(file->path);
	file->path[0] = '\0';
}
