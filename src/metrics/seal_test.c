/* SPDX-License-Identifier: Apache-2.0 */
/* What tensock-metrics can do once it is sealed: answer, and nothing else. */
#include "metrics/seal.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/memfd.h"
#include "base/testing.h"
#include "sandbox/feature.h"
#include "sandbox/filter.h"
#include "sandbox/testing.h"

/* Of a machine that lacks something, which other tests are about. */
static unsigned missing;

static bool is_refused(long r)
{
	return r < 0 && errno == EACCES;
}

static void seal_it(void)
{
	struct tensock_error error;

	metrics_seal_begin();
	REQUIRE(metrics_seal(missing, &error) == 0);
}

static void try_work(void)
{
	int pair[2], fd;
	struct tsk_map map;
	uint64_t size;
	char byte = 0;

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	REQUIRE(tsk_memfd_new("page", 4096, &fd) == 0);
	seal_it();
	REQUIRE(tsk_memfd_check(fd, false, &size) == 0 && size == 4096);
	REQUIRE(tsk_map_new(fd, size, false, &map) == 0);
	tsk_map_done(&map);
	REQUIRE(send(pair[0], &byte, 1, MSG_NOSIGNAL) == 1);
	REQUIRE(recv(pair[1], &byte, 1, 0) == 1);
	REQUIRE(shutdown(pair[0], SHUT_WR) == 0);
}

static void try_others(void)
{
	seal_it();
	REQUIRE(is_refused(open("/dev/null", O_RDONLY)));
	REQUIRE(is_refused(socket(AF_UNIX, SOCK_STREAM, 0)));
	REQUIRE(is_refused(socket(AF_INET, SOCK_STREAM, 0)));
	REQUIRE(is_refused(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)));
	REQUIRE(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		MAP_FAILED);
}

static void test_sealed(void **state)
{
	(void)state;
	if (SANDBOX_SANITIZED)
		skip();
	missing = sandbox_missing();
	assert_int_equal(in_child(try_work), 0);
	if (!(missing & SANDBOX_SECCOMP))
		assert_int_equal(in_child(try_others), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_sealed) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
