/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/landlock.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/testing.h"
#include "sandbox/testing.h"

static void try_files(void)
{
	int fd = open("/proc/self/status", O_RDONLY);
	char byte;

	REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	REQUIRE(landlock_deny_all() == 0);
	REQUIRE(open("/dev/null", O_RDONLY) < 0 && errno == EACCES);
	REQUIRE(open("/tmp", O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES);
	REQUIRE(mkdir("/tmp/tensock-landlock-test", 0700) < 0 && errno == EACCES);
	/* What is open stays so. */
	REQUIRE(read(fd, &byte, 1) == 1);
}

static char folder[] = "/tmp/tensock-landlock-XXXXXX";

static void try_folder(void)
{
	int dir = open(folder, O_RDONLY | O_DIRECTORY), fd;

	REQUIRE(dir >= 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	REQUIRE(landlock_only(dir) == 0);
	REQUIRE(mkdirat(dir, "a", 0700) == 0);
	fd = openat(dir, "a/file", O_RDWR | O_CREAT, 0600);
	REQUIRE(fd >= 0 && write(fd, "x", 1) == 1 && ftruncate(fd, 0) == 0);
	REQUIRE(renameat(dir, "a/file", dir, "a/other") == 0);
	REQUIRE(symlinkat("a", dir, "link") < 0 && errno == EACCES);
	REQUIRE(mkfifoat(dir, "fifo", 0600) < 0 && errno == EACCES);
	REQUIRE(openat(dir, "..", O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES);
	REQUIRE(open("/dev/null", O_RDONLY) < 0 && errno == EACCES);
	REQUIRE(unlinkat(dir, "a/other", 0) == 0 && unlinkat(dir, "a", AT_REMOVEDIR) == 0);
	/* Itself it is not in. */
	REQUIRE(rmdir(folder) < 0 && errno == EACCES);
}

static void try_network(void)
{
	struct sockaddr_in loopback = { .sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	REQUIRE(fd >= 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	REQUIRE(landlock_deny_all() == 0);
	REQUIRE(bind(fd, (struct sockaddr *)&loopback, sizeof(loopback)) < 0 && errno == EACCES);
	loopback.sin_port = htons(9);
	REQUIRE(connect(fd, (struct sockaddr *)&loopback, sizeof(loopback)) < 0 && errno == EACCES);
}

static void try_signals(void)
{
	REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	REQUIRE(landlock_deny_all() == 0);
	REQUIRE(kill(getppid(), 0) < 0 && errno == EPERM);
}

static void test_denied(void **state)
{
	int abi = landlock_abi(), status;

	(void)state;
	if (abi < 1)
		skip();
	assert_int_equal(in_child(try_files), 0);
	assert_int_equal(landlock_only(-1), -EBADF);
	assert_non_null(mkdtemp(folder));
	status = in_child(try_folder);
	rmdir(folder);
	assert_int_equal(status, 0);
	if (abi >= 4)
		assert_int_equal(in_child(try_network), 0);
	if (abi >= 6)
		assert_int_equal(in_child(try_signals), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_denied) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
