/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

/* The folder of path, open as a place only; *ret_name is the rest. */
static int open_folder(const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char folder[UNIX_SOCKET_PATH_SIZE] = ".";
	int fd;

	if (slash && (size_t)(slash - path) + 2 > sizeof(folder))
		return -ENAMETOOLONG;
	if (slash) {
		/* With its slash: that of "/name" is the root. */
		memcpy(folder, path, (size_t)(slash - path) + 1);
		folder[slash - path + 1] = '\0';
	}
	fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_name = slash ? slash + 1 : path;
	return fd;
}

/* Whether a guest may be connected to what stands at file, in that folder. */
static int check_file(int folder_fd, int file_fd)
{
	struct stat folder, file;

	if (fstat(folder_fd, &folder) < 0 || fstat(file_fd, &file) < 0)
		return -errno;
	if (S_ISLNK(file.st_mode))
		return -ELOOP;
	if (!S_ISSOCK(file.st_mode))
		return -ECONNREFUSED;
	if ((folder.st_mode & S_IWOTH) && file.st_uid != 0 && file.st_uid != geteuid())
		return -EPERM;
	return 0;
}

int unix_socket_connect_checked(const char *path, int type, int *ret_fd)
{
	_cleanup_close_ int folder_fd = -1, file_fd = -1;
	const char *name = NULL;
	char link[64];
	int r;

	folder_fd = open_folder(path, &name);
	if (folder_fd < 0)
		return folder_fd;
	/* The file itself, not what a link leads to. */
	file_fd = openat(folder_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (file_fd < 0)
		return -errno;
	r = check_file(folder_fd, file_fd);
	if (r < 0)
		return r;
	/* Another one may have taken its name by now: go by the file. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", file_fd);
	return unix_socket_connect(link, type, ret_fd);
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
