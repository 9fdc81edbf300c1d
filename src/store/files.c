/* SPDX-License-Identifier: Apache-2.0 */
#include "store/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/bytes.h"
#include "base/memfd.h"
#include "base/sha256.h"
#include "store/names.h"

#define PIECE_BYTES ((size_t)1 << 20)
#define PART_HEADER_BYTES 8
#define LABELS_BYTES_MAX ((off_t)8 << 20)
#define OPEN_TRIES 16

static int before(const struct files *files, const char *operation)
{
	return files->before ? files->before(files->context, operation) : 0;
}

/* name: below folder_fd, whatever others do meanwhile. */
static int open_beneath(int folder_fd, const char *name, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_XDEV,
	};
	long r;

	/* EAGAIN: the kernel could not tell, for something was renamed just then. */
	for (int i = 0; i < OPEN_TRIES; i++) {
		r = syscall(SYS_openat2, folder_fd, name, &how, sizeof(how));
		if (r >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return r < 0 ? -errno : (int)r;
}

static int open_folder(int folder_fd, const char *name)
{
	return open_beneath(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

static int flush(const struct files *files, int fd, const char *operation)
{
	int r = before(files, operation);

	return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

/* The guest's folder, made where there is none. */
static int open_guest(const struct files *files, const char *guest, bool make)
{
	int fd, r;

	if (!store_name_is_valid(guest))
		return -EINVAL;
	fd = open_folder(files->root_fd, guest);
	if (fd != -ENOENT || !make)
		return fd;
	r = before(files, "mkdir");
	if (r < 0)
		return r;
	if (mkdirat(files->root_fd, guest, 0700) < 0 && errno != EEXIST)
		return -errno;
	r = flush(files, files->root_fd, "fsync root");
	return r < 0 ? r : open_folder(files->root_fd, guest);
}

static int read_at(int fd, void *bytes, size_t n, uint64_t offset)
{
	char *p = bytes;

	while (n) {
		ssize_t got = pread(fd, p, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EBADMSG;
		p += got;
		n -= (size_t)got;
		offset += (uint64_t)got;
	}
	return 0;
}

static int write_at(int fd, const void *bytes, size_t n, uint64_t offset)
{
	const char *p = bytes;

	while (n) {
		ssize_t done = pwrite(fd, p, n, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		p += done;
		n -= (size_t)done;
		offset += (uint64_t)done;
	}
	return 0;
}

/* A run of bytes, from one file to the other. */
struct copy {
	int from_fd, to_fd;
	uint64_t from, to;      /* offsets */
	struct tsk_sha256 *sha; /* or NULL */
};

static int copy_bytes(const struct files *files, struct copy copy, uint64_t n)
{
	_cleanup_free_ char *piece = malloc(PIECE_BYTES);

	if (!piece)
		return -ENOMEM;
	while (n) {
		size_t bytes = n < PIECE_BYTES ? (size_t)n : PIECE_BYTES;
		int r = before(files, "write");

		if (r == 0)
			r = read_at(copy.from_fd, piece, bytes, copy.from);
		if (r == 0)
			r = write_at(copy.to_fd, piece, bytes, copy.to);
		if (r < 0)
			return r;
		if (copy.sha)
			tsk_sha256_update(copy.sha, piece, bytes);
		copy.from += bytes;
		copy.to += bytes;
		n -= bytes;
	}
	return 0;
}

/* ---- Whole files */

static int remove_file(const struct files *files, int folder_fd, const char *name)
{
	int r = before(files, "unlink");

	if (r < 0)
		return r;
	return unlinkat(folder_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Gives a file without a name its name, in the place of another. */
static int name_file(const struct files *files, int folder_fd, int fd, const char *name)
{
	char path[32];
	int r = remove_file(files, folder_fd, name);

	if (r == 0)
		r = before(files, "link");
	if (r < 0)
		return r;
	if (linkat(fd, "", folder_fd, name, AT_EMPTY_PATH) == 0)
		return 0;
	/* Before Linux 6.10 that is for who may read everything. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, folder_fd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int fill(const struct files *files, int fd, int from_fd, uint64_t bytes)
{
	int r = copy_bytes(files, (struct copy){ .from_fd = from_fd, .to_fd = fd }, bytes);

	return r < 0 ? r : flush(files, fd, "fsync");
}

/* -EOPNOTSUPP where this cannot be done here: then nothing has. */
static int write_nameless(const struct files *files, int folder_fd, const char *name, int from_fd,
			  uint64_t bytes)
{
	_cleanup_close_ int fd = -1;
	int r = before(files, "open");

	if (r < 0)
		return r;
	if (files->has_no_tmpfile)
		return -EOPNOTSUPP;
	fd = open_beneath(folder_fd, ".", O_TMPFILE | O_RDWR, 0600);
	if (fd < 0)
		return fd == -EISDIR || fd == -EINVAL || fd == -ENOENT ? -EOPNOTSUPP : fd;
	r = fill(files, fd, from_fd, bytes);
	if (r < 0)
		return r;
	r = name_file(files, folder_fd, fd, name);
	/* Neither way to name it: there is no /proc, perhaps. */
	return r == -ENOENT || r == -EPERM || r == -EACCES ? -EOPNOTSUPP : r;
}

void files_probe(struct files *files)
{
	_cleanup_close_ int fd = open_beneath(files->root_fd, ".", O_TMPFILE | O_RDWR, 0600);

	files->has_no_tmpfile = fd < 0 || name_file(files, files->root_fd, fd, NAMES_PROBE) < 0;
	unlinkat(files->root_fd, NAMES_PROBE, 0);
}

static int rename_new(const struct files *files, int folder_fd, const char *new_name,
		      const char *name)
{
	int r = before(files, "rename");

	if (r < 0)
		return r;
	return renameat(folder_fd, new_name, folder_fd, name) < 0 ? -errno : 0;
}

static int write_named(const struct files *files, int folder_fd, const char *name, int from_fd,
		       uint64_t bytes)
{
	_cleanup_close_ int fd = -1;
	char new_name[NAMES_SIZE];
	int r = before(files, "open");

	if (r < 0)
		return r;
	snprintf(new_name, sizeof(new_name), NAMES_NEW_PREFIX "%.70s", name);
	fd = open_beneath(folder_fd, new_name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	r = fill(files, fd, from_fd, bytes);
	if (r == 0)
		r = rename_new(files, folder_fd, new_name, name);
	if (r < 0)
		unlinkat(folder_fd, new_name, 0);
	return r;
}

int files_put(const struct files *files, const char *guest, const unsigned char *hash, int from_fd,
	      uint64_t bytes)
{
	_cleanup_close_ int folder_fd = open_guest(files, guest, true);
	char name[NAMES_SIZE], part[NAMES_SIZE];
	int r;

	if (folder_fd < 0)
		return folder_fd;
	names_of_model(hash, name);
	names_of_part(hash, part);
	r = write_nameless(files, folder_fd, name, from_fd, bytes);
	if (r == -EOPNOTSUPP)
		r = write_named(files, folder_fd, name, from_fd, bytes);
	if (r == 0)
		r = remove_file(files, folder_fd, part);
	return r < 0 ? r : flush(files, folder_fd, "fsync folder");
}

/* A file that is there, and has so many bytes. */
static int open_file(int folder_fd, const char *name, uint64_t bytes, int *ret_fd)
{
	_cleanup_close_ int fd =
		open_beneath(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != bytes)
		return -EBADMSG;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int files_get(const struct files *files, const char *guest, const unsigned char *hash,
	      uint64_t bytes, int *ret_fd)
{
	_cleanup_close_ int folder_fd = open_guest(files, guest, false), fd = -1, memfd = -1;
	unsigned char found[TSK_SHA256_BYTES];
	char name[NAMES_SIZE];
	struct tsk_sha256 sha;
	int r;

	if (folder_fd < 0)
		return folder_fd;
	names_of_model(hash, name);
	r = open_file(folder_fd, name, bytes, &fd);
	if (r == 0)
		r = tsk_memfd_new("tensock-model", bytes, &memfd);
	if (r < 0)
		return r;
	tsk_sha256_init(&sha);
	r = copy_bytes(files, (struct copy){ .from_fd = fd, .to_fd = memfd, .sha = &sha }, bytes);
	if (r < 0)
		return r;
	tsk_sha256_final(&sha, found);
	if (memcmp(found, hash, sizeof(found)) != 0)
		return -EBADMSG;
	r = tsk_memfd_freeze(memfd);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(memfd);
	return 0;
}

int files_touch(const struct files *files, const char *guest, const unsigned char *hash)
{
	_cleanup_close_ int folder_fd = open_guest(files, guest, false);
	char name[NAMES_SIZE];

	if (folder_fd < 0)
		return folder_fd;
	names_of_model(hash, name);
	return utimensat(folder_fd, name, NULL, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int remove_names(const struct files *files, const char *guest, const unsigned char *hash,
			bool model)
{
	_cleanup_close_ int folder_fd = open_guest(files, guest, false);
	char name[NAMES_SIZE];
	int r = 0;

	if (folder_fd < 0)
		return folder_fd == -ENOENT ? 0 : folder_fd;
	if (model) {
		names_of_model(hash, name);
		r = remove_file(files, folder_fd, name);
	}
	names_of_part(hash, name);
	if (r == 0)
		r = remove_file(files, folder_fd, name);
	return r < 0 ? r : flush(files, folder_fd, "fsync folder");
}

int files_remove(const struct files *files, const char *guest, const unsigned char *hash)
{
	return remove_names(files, guest, hash, true);
}

int files_remove_part(const struct files *files, const char *guest, const unsigned char *hash)
{
	return remove_names(files, guest, hash, false);
}

int files_put_labels(const struct files *files, const char *guest, int from_fd, uint64_t bytes)
{
	_cleanup_close_ int folder_fd = open_guest(files, guest, true);
	int r;

	if (folder_fd < 0)
		return folder_fd;
	r = write_named(files, folder_fd, NAMES_LABELS, from_fd, bytes);
	return r < 0 ? r : flush(files, folder_fd, "fsync folder");
}

int files_get_labels(const struct files *files, const char *guest, void **ret, size_t *ret_bytes)
{
	_cleanup_close_ int folder_fd = open_guest(files, guest, false), fd = -1;
	_cleanup_free_ void *bytes = NULL;
	struct stat st;
	int r;

	if (folder_fd < 0)
		return folder_fd;
	fd = open_beneath(folder_fd, NAMES_LABELS, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > LABELS_BYTES_MAX)
		return -EBADMSG;
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes)
		return -ENOMEM;
	r = read_at(fd, bytes, (size_t)st.st_size, 0);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(bytes);
	*ret_bytes = (size_t)st.st_size;
	return 0;
}

/* ---- Parts */

int files_put_part(const struct files *files, const char *guest, const unsigned char *hash,
		   int from_fd, uint64_t size, uint64_t from, uint64_t have)
{
	_cleanup_close_ int folder_fd = open_guest(files, guest, true), fd = -1;
	unsigned char header[PART_HEADER_BYTES];
	struct tsk_writer w = tsk_writer(header, sizeof(header));
	char name[NAMES_SIZE];
	int r = before(files, "open");

	if (folder_fd < 0 || r < 0)
		return folder_fd < 0 ? folder_fd : r;
	names_of_part(hash, name);
	fd = open_beneath(folder_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	/* What stands behind is of a try that failed; without a header nothing is. */
	if (ftruncate(fd, from ? (off_t)(PART_HEADER_BYTES + from) : 0) < 0)
		return -errno;
	tsk_write_u64(&w, size);
	r = write_at(fd, header, sizeof(header), 0);
	if (r < 0)
		return r;
	return copy_bytes(files,
			  (struct copy){ .from_fd = from_fd,
					 .to_fd = fd,
					 .from = from,
					 .to = PART_HEADER_BYTES + from },
			  have - from);
}

int files_get_part(const struct files *files, const char *guest, const unsigned char *hash,
		   uint64_t size, uint64_t have, int *ret_fd)
{
	_cleanup_close_ int folder_fd = open_guest(files, guest, false), fd = -1, memfd = -1;
	char name[NAMES_SIZE];
	int r;

	if (folder_fd < 0)
		return folder_fd;
	names_of_part(hash, name);
	r = open_file(folder_fd, name, PART_HEADER_BYTES + have, &fd);
	if (r == 0)
		r = tsk_memfd_new("tensock-model", size, &memfd);
	if (r == 0)
		r = copy_bytes(files,
			       (struct copy){
				       .from_fd = fd, .to_fd = memfd, .from = PART_HEADER_BYTES },
			       have);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(memfd);
	return 0;
}

/* ---- All of a guest, all of all */

/* Calls each() for every name in the folder but "." and "..", until it fails. */
static int walk(int folder_fd, int (*each)(void *context, int folder_fd, const char *name),
		void *context)
{
	int fd = open_folder(folder_fd, ".");
	int r = 0;
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		tsk_close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = each(context, folder_fd, entry->d_name);
	}
	if (r == 0)
		r = -errno;
	closedir(dir);
	return r;
}

static int forget_one(void *context, int folder_fd, const char *name)
{
	return remove_file(context, folder_fd, name);
}

int files_forget(const struct files *files, const char *guest)
{
	_cleanup_close_ int folder_fd = open_guest(files, guest, false);
	int r;

	if (folder_fd < 0)
		return folder_fd == -ENOENT ? 0 : folder_fd;
	r = walk(folder_fd, forget_one, (void *)(uintptr_t)files);
	if (r == 0)
		r = before(files, "rmdir");
	if (r < 0)
		return r;
	if (unlinkat(files->root_fd, guest, AT_REMOVEDIR) < 0)
		return -errno;
	return flush(files, files->root_fd, "fsync root");
}

struct scan {
	const struct files *files;
	void (*found)(void *context, const struct files_found *file);
	void *context;
	const char *guest;
	unsigned n_guests;
};

static int64_t ms_of(const struct timespec *time)
{
	return (int64_t)time->tv_sec * 1000 + time->tv_nsec / 1000000;
}

/* False: its header is none. */
static bool read_part(int folder_fd, const char *name, const struct stat *st,
		      struct files_found *ret)
{
	_cleanup_close_ int fd =
		open_beneath(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	unsigned char header[PART_HEADER_BYTES];
	struct tsk_reader r = tsk_reader(header, sizeof(header));

	if (fd < 0 || st->st_size <= PART_HEADER_BYTES ||
	    read_at(fd, header, sizeof(header), 0) < 0)
		return false;
	ret->size = tsk_read_u64(&r);
	ret->have = (uint64_t)st->st_size - PART_HEADER_BYTES;
	return ret->size <= INT64_MAX && ret->have < ret->size;
}

static int scan_file(void *context, int folder_fd, const char *name)
{
	struct scan *scan = context;
	struct files_found file = { .guest = scan->guest };
	enum names_kind kind = names_read(name, file.hash);
	struct stat st;

	if (kind == NAMES_LABELS_FILE || kind == NAMES_OTHER)
		return 0;
	if (kind == NAMES_NEW)
		return remove_file(scan->files, folder_fd, name);
	if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 0;
	file.used_ms = ms_of(&st.st_mtim);
	file.size = file.have = (uint64_t)st.st_size;
	/* One of these that is empty, or has no header, is no use to anybody. */
	if (kind == NAMES_PART ? !read_part(folder_fd, name, &st, &file) : !file.size)
		return remove_file(scan->files, folder_fd, name);
	scan->found(scan->context, &file);
	return 0;
}

static int scan_guest(void *context, int folder_fd, const char *name)
{
	struct scan *scan = context;
	_cleanup_close_ int fd = -1;
	int r;

	if (!store_name_is_valid(name))
		return 0;
	fd = open_folder(folder_fd, name);
	if (fd < 0)
		return fd == -ENOTDIR || fd == -ELOOP ? 0 : fd;
	if (++scan->n_guests > FILES_GUESTS_MAX)
		return -E2BIG;
	scan->guest = name;
	r = walk(fd, scan_file, scan);
	if (r < 0)
		return r;
	unlinkat(folder_fd, name, AT_REMOVEDIR); /* one that is empty */
	return 0;
}

int files_scan(const struct files *files,
	       void (*found)(void *context, const struct files_found *file), void *context)
{
	struct scan scan = { .files = files, .found = found, .context = context };

	return walk(files->root_fd, scan_guest, &scan);
}
