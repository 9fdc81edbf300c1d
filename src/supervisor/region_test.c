/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/region.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/testing.h"

struct named {
	char key[FRONT_REGION_KEY_SIZE];
	char path[FRONT_REGION_KEY_SIZE + 16];
};

static struct named name(const char *what)
{
	struct named n = { .key = "" };

	snprintf(n.key, sizeof(n.key), "tensock-test-%d-%s", (int)getpid(), what);
	snprintf(n.path, sizeof(n.path), "/dev/shm/%s", n.key);
	return n;
}

static struct rights of(uint32_t uid)
{
	return (struct rights){ .uids = { uid }, .n_uids = 1, .regions_said = true };
}

static void test_own(void **state)
{
	struct rights rights = of(getuid()), other = of(getuid() + 1), none = { 0 };
	struct named n = name("own");
	char bytes[4] = "";
	int fd, made;

	(void)state;
	assert_int_equal(region_open(&rights, n.key, &fd), -ENOENT);
	made = shm_open(n.key, O_CREAT | O_EXCL | O_RDWR, 0600);
	assert_true(made >= 0);
	assert_int_equal(write(made, "abc", 3), 3);
	assert_int_equal(region_open(&none, n.key, &fd), -EACCES);
	assert_int_equal(region_open(&other, n.key, &fd), -EACCES);
	assert_int_equal(region_open(&rights, n.key, &fd), 0);
	assert_int_equal(pread(fd, bytes, 3, 0), 3);
	assert_string_equal(bytes, "abc");
	close(fd);
	close(made);
	shm_unlink(n.key);
}

/* What is no region of its own. */
static void test_others(void **state)
{
	struct named link = name("link"), fifo = name("fifo"), folder = name("folder"),
		     file = name("file"), second = name("second");
	struct rights rights = of(getuid());
	int fd;

	(void)state;
	assert_int_equal(symlink("/etc/hostname", link.path), 0);
	assert_int_equal(region_open(&rights, link.key, &fd), -ELOOP);
	unlink(link.path);
	assert_int_equal(mkfifo(fifo.path, 0600), 0);
	assert_int_equal(region_open(&rights, fifo.key, &fd), -EINVAL);
	unlink(fifo.path);
	assert_int_equal(mkdir(folder.path, 0700), 0);
	assert_int_equal(region_open(&rights, folder.key, &fd), -EISDIR);
	rmdir(folder.path);
	fd = shm_open(file.key, O_CREAT | O_EXCL | O_RDWR, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(linkat(AT_FDCWD, file.path, AT_FDCWD, second.path, 0), 0);
	assert_int_equal(region_open(&rights, file.key, &fd), -EINVAL);
	unlink(second.path);
	assert_int_equal(region_open(&rights, file.key, &fd), 0);
	close(fd);
	unlink(file.path);
	assert_int_equal(region_open(&rights, (char[FRONT_REGION_KEY_SIZE]){ "../etc/hostname" },
				     &fd),
			 -EACCES);
	assert_int_equal(region_open(&rights, (char[FRONT_REGION_KEY_SIZE]){ "." }, &fd), -EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_own), TSK_TEST(test_others) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
