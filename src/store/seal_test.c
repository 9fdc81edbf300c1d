/* SPDX-License-Identifier: Apache-2.0 */
/* What a store can do once it is sealed: what it is for, and nothing else. */
#include "store/seal.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/memfd.h"
#include "base/sha256.h"
#include "base/testing.h"
#include "sandbox/feature.h"
#include "sandbox/filter.h"
#include "sandbox/landlock.h"
#include "sandbox/testing.h"
#include "store/files.h"

static char folder[] = "/tmp/tensock-seal-XXXXXX";
static int folder_fd;

static bool is_refused(int r)
{
	return r < 0 && errno == EACCES;
}

static void *work(void *argument)
{
	return argument;
}

static void try_work(void)
{
	struct tensock_error error;
	struct files files = { .root_fd = folder_fd };
	unsigned char hash[TSK_SHA256_BYTES];
	pthread_t thread;
	int fd, got;

	REQUIRE(store_seal(folder_fd, 0, &error) == 0);
	files_probe(&files);
	REQUIRE(!files.has_no_tmpfile);
	REQUIRE(pthread_create(&thread, NULL, work, NULL) == 0 && pthread_join(thread, NULL) == 0);
	REQUIRE(tsk_memfd_new("test", 10, &fd) == 0 && tsk_memfd_freeze(fd) == 0);
	tsk_sha256("\0\0\0\0\0\0\0\0\0", 10, hash);
	for (int i = 0; i < 2; i++) {
		files.has_no_tmpfile = i;
		REQUIRE(files_put(&files, "g", hash, fd, 10) == 0);
		REQUIRE(files_get(&files, "g", hash, 10, &got) == 0);
		REQUIRE(files_touch(&files, "g", hash) == 0);
		REQUIRE(files_forget(&files, "g") == 0);
	}
}

static void try_others(void)
{
	struct tensock_error error;
	int outside = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool has_landlock = landlock_abi() > 0; /* once it is sealed it cannot be asked */
	int file = openat(folder_fd, "a", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	REQUIRE(outside >= 0 && file >= 0 && store_seal(folder_fd, 0, &error) == 0);
	REQUIRE(is_refused(open("/dev/null", O_RDONLY)));
	REQUIRE(is_refused(openat(folder_fd, "x", O_RDWR | O_CREAT, 0600)));
	REQUIRE(is_refused(socket(AF_UNIX, SOCK_STREAM, 0)));
	REQUIRE(is_refused(chmod(folder, 0777)));
	REQUIRE(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		MAP_FAILED);
	/* Landlock, behind the list: what a folder's fd could reach that is another. */
	if (has_landlock) {
		REQUIRE(is_refused(mkdirat(outside, "tensock-seal-outside", 0700)));
		REQUIRE(is_refused(renameat(folder_fd, "a", outside, "tensock-seal-outside")));
		REQUIRE(is_refused(unlinkat(outside, folder + 5, AT_REMOVEDIR)));
	}
	REQUIRE(unlinkat(folder_fd, "a", 0) == 0);
}

/* As the kernel tells, in a file that was open before. */
static bool has_no_privilege(FILE *status)
{
	char line[256];

	while (fgets(line, sizeof(line), status)) {
		if (strncmp(line, "CapEff:", 7) == 0)
			return strspn(line + 7, "\t0") + 1 == strlen(line + 7);
	}
	return false;
}

static void try_privileges(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	struct tensock_error error;

	REQUIRE(status && store_seal(folder_fd, 0, &error) == 0);
	REQUIRE(has_no_privilege(status));
	/* A process, where threads may be made. */
	REQUIRE(is_refused((int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)));
}

/* As on a kernel without. */
static void try_lacking(void)
{
	struct tensock_error error;

	without("landlock_create_ruleset", EPERM);
	REQUIRE(store_seal(folder_fd, 0, &error) < 0 && strstr(error.message, "landlock"));
	REQUIRE(store_seal(folder_fd, SANDBOX_LANDLOCK, &error) == 0);
	REQUIRE(is_refused(open("/dev/null", O_RDONLY)));
}

static void try_exec(void)
{
	struct tensock_error error;
	char *argv[] = { "/bin/true", NULL };

	REQUIRE(store_seal(folder_fd, 0, &error) == 0);
	execv(argv[0], argv);
}

static void test_sealed(void **state)
{
	(void)state;
	if (SANDBOX_SANITIZED)
		skip();
	assert_non_null(mkdtemp(folder));
	folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(in_child(try_work), 0);
	assert_int_equal(in_child(try_others), 0);
	assert_int_equal(in_child(try_privileges), 0);
	assert_int_equal(in_child(try_lacking), 0);
	assert_int_not_equal(in_child(try_exec), 0);
	close(folder_fd);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_sealed) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
