/* SPDX-License-Identifier: Apache-2.0 */
/* What is on the disk, whatever fails, whoever is killed, whatever lies there. */
#include "store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/memfd.h"
#include "base/sha256.h"
#include "base/testing.h"
#include "store/names.h"

#define BLOCK 4096u
#define BLOCKS 64u

static char folder[64];
static struct files files;

/* Lets the n-th operation fail, or kills the process before it. */
static struct {
	int left, error;
	char seen[32]; /* the operation it was */
} fault;

static int before(void *context, const char *operation)
{
	(void)context;
	if (fault.left < 0 || fault.left-- > 0)
		return 0;
	snprintf(fault.seen, sizeof(fault.seen), "%s", operation);
	if (!fault.error)
		kill(getpid(), SIGKILL);
	return fault.error;
}

static int set_up(void **state)
{
	(void)tsk_test_setup(state);
	snprintf(folder, sizeof(folder), "/tmp/tensock-files-XXXXXX");
	assert_non_null(mkdtemp(folder));
	fault.left = -1;
	files = (struct files){ .root_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
				.before = before };
	assert_true(files.root_fd >= 0);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const guests[] = { "g", "h", "link" };

	fault.left = -1;
	for (unsigned i = 0; i < ARRAY_SIZE(guests); i++) {
		(void)!files_forget(&files, guests[i]);
		unlinkat(files.root_fd, guests[i], 0);
	}
	close(files.root_fd);
	assert_int_equal(rmdir(folder), 0);
	return tsk_test_teardown(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static unsigned char content[BLOCK * BLOCKS];
static unsigned char hash[TSK_SHA256_BYTES];

/* A frozen memfd of content, which `seed` makes unlike others; its hash comes into hash. */
static int make(unsigned char seed, size_t n)
{
	struct tsk_map map;
	int fd;

	for (size_t i = 0; i < n; i++)
		content[i] = (unsigned char)(i * 7 + i / BLOCK + seed);
	tsk_sha256(content, n, hash);
	assert_int_equal(tsk_memfd_new("test", n, &fd), 0);
	assert_int_equal(tsk_map_new(fd, n, true, &map), 0);
	memcpy(map.addr, content, n);
	tsk_map_done(&map);
	assert_int_equal(tsk_memfd_freeze(fd), 0);
	return fd;
}

static int put(const char *guest, unsigned char seed, size_t n)
{
	int fd = make(seed, n), r = files_put(&files, guest, hash, fd, n);

	close(fd);
	return r;
}

/* What is got is what was put: 0, or the failure. */
static int get(const char *guest, size_t n)
{
	struct tsk_map map;
	uint64_t size;
	int fd, r = files_get(&files, guest, hash, n, &fd);

	if (r < 0)
		return r;
	assert_int_equal(tsk_memfd_check(fd, true, &size), 0);
	assert_int_equal(size, n);
	assert_int_equal(tsk_map_new(fd, n, false, &map), 0);
	assert_memory_equal(map.addr, content, n);
	tsk_map_done(&map);
	close(fd);
	return 0;
}

static int model_path(const char *guest, char *ret, size_t size)
{
	char name[NAMES_SIZE];

	names_of_model(hash, name);
	return snprintf(ret, size, "%s/%s/%s", folder, guest, name);
}

struct found {
	unsigned n;
	struct files_found last;
};

static void on_found(void *context, const struct files_found *file)
{
	struct found *found = context;

	found->n++;
	found->last = *file;
}

static struct found scan(void)
{
	struct found found = { 0 };

	assert_int_equal(files_scan(&files, on_found, &found), 0);
	return found;
}

/* So many names in a guest's folder. */
static unsigned n_names(const char *guest)
{
	char path[128];
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", folder, guest);
	dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n > 2 ? n - 2 : 0;
}

static void test_put_and_get(void **state)
{
	struct found found;
	char path[256];
	struct stat st;

	(void)state;
	assert_int_equal(get("g", 1), -ENOENT);
	assert_int_equal(put("g", 1, sizeof(content)), 0);
	assert_int_equal(get("g", sizeof(content)), 0);
	assert_int_equal(get("h", sizeof(content)), -ENOENT);
	assert_int_equal(get("g", sizeof(content) - 1), -EBADMSG);
	model_path("g", path, sizeof(path));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, sizeof(content));
	found = scan();
	assert_int_equal(found.n, 1);
	assert_int_equal(found.last.size, sizeof(content));
	assert_int_equal(found.last.have, sizeof(content));
	assert_memory_equal(found.last.hash, hash, sizeof(hash));
	assert_true(found.last.used_ms / 1000 >= st.st_mtime);
	/* Again, over what is there. */
	assert_int_equal(put("g", 1, sizeof(content)), 0);
	assert_int_equal(n_names("g"), 1);
	assert_int_equal(files_remove(&files, "g", hash), 0);
	assert_int_equal(files_remove(&files, "g", hash), 0);
	assert_int_equal(get("g", sizeof(content)), -ENOENT);
	/* A folder with nothing in it goes. */
	assert_int_equal(scan().n, 0);
	snprintf(path, sizeof(path), "%s/g", folder);
	assert_int_equal(stat(path, &st), -1);
}

static void test_touch(void **state)
{
	const struct timespec long_ago[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	char path[256];

	(void)state;
	assert_int_equal(put("g", 1, 10), 0);
	model_path("g", path, sizeof(path));
	assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
	assert_int_equal(scan().last.used_ms, 1000000);
	assert_int_equal(files_touch(&files, "g", hash), 0);
	assert_true(scan().last.used_ms > 1000000);
}

/* Where no file can be without a name. */
static void test_named(void **state)
{
	(void)state;
	files_probe(&files);
	assert_int_equal(rmdir(folder), 0); /* it leaves nothing */
	assert_int_equal(mkdir(folder, 0700), 0);
	close(files.root_fd);
	files.root_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	files.has_no_tmpfile = true;
	assert_int_equal(put("g", 1, sizeof(content)), 0);
	assert_int_equal(get("g", sizeof(content)), 0);
	assert_int_equal(n_names("g"), 1);
}

/* One changed bit in any block, one byte less or more: it is not given out. */
static void test_damaged(void **state)
{
	char path[256];
	int fd;

	(void)state;
	assert_int_equal(put("g", 3, sizeof(content)), 0);
	model_path("g", path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	for (unsigned block = 0; block < BLOCKS; block++) {
		off_t at = (off_t)block * BLOCK + block * 61 % BLOCK;
		unsigned char changed = content[at] ^ (unsigned char)(1 << block % 8);

		assert_int_equal(pwrite(fd, &changed, 1, at), 1);
		assert_int_equal(get("g", sizeof(content)), -EBADMSG);
		assert_int_equal(pwrite(fd, &content[at], 1, at), 1);
	}
	assert_int_equal(get("g", sizeof(content)), 0);
	assert_int_equal(ftruncate(fd, sizeof(content) - 1), 0);
	assert_int_equal(get("g", sizeof(content)), -EBADMSG);
	assert_int_equal(ftruncate(fd, sizeof(content) + 1), 0);
	assert_int_equal(get("g", sizeof(content)), -EBADMSG);
	close(fd);
}

/* Links, fifos and folders in the place of what is ours. */
static void test_planted(void **state)
{
	char path[256], outside[128], target[300];
	struct found found;

	(void)state;
	assert_int_equal(put("g", 1, 10), 0);
	model_path("g", path, sizeof(path));
	snprintf(target, sizeof(target), "%s.moved", path);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(get("g", 10), -ELOOP);
	assert_int_equal(scan().n, 0);
	/* Putting it again takes the place of the link, and does not go through it. */
	assert_int_equal(put("g", 1, 10), 0);
	assert_int_equal(get("g", 10), 0);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(get("g", 10), -EBADMSG);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(get("g", 10) < 0);
	found = scan();
	assert_int_equal(found.n, 0);
	rmdir(path);
	unlink(target);

	/* A guest's folder that is a link to another's. */
	snprintf(outside, sizeof(outside), "%s/link", folder);
	assert_int_equal(put("g", 1, 10), 0);
	assert_int_equal(symlink("g", outside), 0);
	assert_int_equal(get("link", 10), -ENOTDIR);
	assert_int_equal(put("link", 1, 10), -ENOTDIR);
	assert_int_equal(scan().n, 1);
	assert_int_equal(put("..", 1, 10), -EINVAL);
	assert_int_equal(put("a/b", 1, 10), -EINVAL);
	assert_int_equal(put("", 1, 10), -EINVAL);
}

/* For each operation of a put: it fails as on a full or broken disk, and nothing has changed. */
static void fail_each(int error)
{
	int n = 0, r;

	for (;; n++) {
		fault.left = n;
		fault.error = error;
		r = put("g", 9, sizeof(content));
		if (fault.left >= 0)
			break;
		/* All that comes after the name is written is a matter of the next power cut. */
		assert_int_equal(r, error);
		if (strcmp(fault.seen, "fsync folder") != 0 && strcmp(fault.seen, "unlink") != 0)
			assert_int_equal(get("g", sizeof(content)), -ENOENT);
		fault.left = -1;
		(void)!files_remove(&files, "g", hash);
	}
	fault.left = -1;
	assert_int_equal(r, 0);
	assert_true(n >= 6);
	assert_int_equal(get("g", sizeof(content)), 0);
	assert_int_equal(n_names("g"), 1);
	assert_int_equal(files_forget(&files, "g"), 0);
}

static void test_failures(void **state)
{
	static const int errors[] = { -ENOSPC, -EIO, -EROFS };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++) {
		files.has_no_tmpfile = i == 1;
		fail_each(errors[i]);
	}
}

/* Puts all of fd under a hash of its own. */
static int put_all(int fd)
{
	const unsigned char other[TSK_SHA256_BYTES] = { 1 };

	return files_put(&files, "g", other, fd, sizeof(content));
}

/* A full disk in the middle of a file, by the kernel's own word. */
static void test_too_large(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	pid = fork();
	if (pid == 0) {
		const struct rlimit limit = { BLOCK * 3, BLOCK * 3 };
		int fd = make(9, sizeof(content)); /* the limit is a memfd's, too */

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		_exit(put("g", 8, BLOCK * 2) == 0 && put_all(fd) == -EFBIG ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(n_names("g"), 1);
}

/* kill -9 before each operation: what is found then is whole, or nothing. */
static void kill_each(bool named)
{
	unsigned n = 0, n_whole = 0;
	int status;

	do {
		pid_t pid = fork();

		if (pid == 0) {
			fault.left = (int)n;
			fault.error = 0;
			files.has_no_tmpfile = named;
			_exit(put("g", 5, sizeof(content)) == 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) || status == 0);
		close(make(5, sizeof(content)));
		if (scan().n) {
			assert_int_equal(get("g", sizeof(content)), 0);
			n_whole++;
		} else {
			assert_int_equal(get("g", sizeof(content)), -ENOENT);
		}
		/* Nothing is left of what was begun. */
		assert_int_equal(n_names("g"), n_whole ? 1 : 0);
		n++;
	} while (status != 0 && n < 100);
	assert_int_equal(status, 0);
	assert_true(n > 6 && n_whole > 1);
	assert_int_equal(files_forget(&files, "g"), 0);
}

static void test_killed(void **state)
{
	(void)state;
	kill_each(false);
	kill_each(true);
}

static void test_labels(void **state)
{
	_cleanup_free_ void *bytes = NULL;
	size_t n;
	int fd = make(1, 100);

	(void)state;
	assert_int_equal(files_get_labels(&files, "g", &bytes, &n), -ENOENT);
	assert_int_equal(files_put_labels(&files, "g", fd, 100), 0);
	assert_int_equal(files_get_labels(&files, "g", &bytes, &n), 0);
	assert_int_equal(n, 100);
	assert_memory_equal(bytes, content, n);
	/* When it fails, those before stay. */
	for (int i = 0;; i++) {
		_cleanup_free_ void *again = NULL;

		fault.left = i;
		fault.error = -ENOSPC;
		if (files_put_labels(&files, "g", fd, 50) == 0)
			break;
		fault.left = -1;
		assert_int_equal(files_get_labels(&files, "g", &again, &n), 0);
		assert_true(n == 100 || strcmp(fault.seen, "fsync folder") == 0);
	}
	fault.left = -1;
	assert_int_equal(n_names("g"), 1);
	close(fd);
}

static void test_part(void **state)
{
	struct tsk_map map;
	struct found found;
	char path[300];
	int fd = make(6, 1000), got;

	(void)state;
	assert_int_equal(files_put_part(&files, "g", hash, fd, 1000, 0, 300), 0);
	assert_int_equal(files_put_part(&files, "g", hash, fd, 1000, 300, 700), 0);
	found = scan();
	assert_int_equal(found.n, 1);
	assert_int_equal(found.last.size, 1000);
	assert_int_equal(found.last.have, 700);
	assert_int_equal(files_get_part(&files, "g", hash, 1000, 700, &got), 0);
	assert_int_equal(tsk_map_new(got, 1000, true, &map), 0);
	assert_memory_equal(map.addr, content, 700);
	assert_int_equal(((unsigned char *)map.addr)[700], 0);
	tsk_map_done(&map);
	close(got);
	assert_int_equal(files_get_part(&files, "g", hash, 1000, 701, &got), -EBADMSG);
	/* From before what is there: what stood behind is gone. */
	assert_int_equal(files_put_part(&files, "g", hash, fd, 1000, 100, 200), 0);
	assert_int_equal(scan().last.have, 200);
	/* The whole takes its place. */
	assert_int_equal(files_put(&files, "g", hash, fd, 1000), 0);
	assert_int_equal(n_names("g"), 1);
	assert_int_equal(files_remove(&files, "g", hash), 0);
	close(fd);
	/* One that is cut in its header, or says less than it has, is no use. */
	for (int n = 0; n <= 20; n += 4) {
		char name[NAMES_SIZE];
		int part;

		assert_int_equal(mkdirat(files.root_fd, "g", 0700) < 0 && errno != EEXIST, 0);
		names_of_part(hash, name);
		snprintf(path, sizeof(path), "%s/g/%s", folder, name);
		part = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_int_equal(write(part, "\x0c\0\0\0\0\0\0\0............", (size_t)n), n);
		close(part);
		assert_int_equal(scan().n, n == 12 || n == 16);
		unlink(path);
	}
}

static void test_forget(void **state)
{
	(void)state;
	assert_int_equal(put("g", 1, 10), 0);
	assert_int_equal(put("g", 2, 10), 0);
	assert_int_equal(put("h", 2, 10), 0);
	assert_int_equal(files_forget(&files, "g"), 0);
	assert_int_equal(files_forget(&files, "g"), 0);
	assert_int_equal(get("g", 10), -ENOENT);
	assert_int_equal(get("h", 10), 0);
	assert_int_equal(scan().n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_put_and_get), TEST(test_touch),     TEST(test_named),
		TEST(test_damaged),     TEST(test_planted),   TEST(test_failures),
		TEST(test_killed),      TEST(test_too_large), TEST(test_labels),
		TEST(test_part),        TEST(test_forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
