/* SPDX-License-Identifier: Apache-2.0 */
/* Regions whose descriptors guests pass: of which kinds, and over which connections. */
#include "front/region_fd.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/testing.h"
#include "front/rig.h"

#define REGION_BYTES 4096u
#define REGISTER                                                       \
	"POST /v2/systemsharedmemory/region/one/register HTTP/1.1\r\n" \
	"Host: h\r\nContent-Length: 47\r\n\r\n"                        \
	"{\"key\": \"fd:\", \"offset\": 96, \"byte_size\":%5u}"

static int region_new(unsigned flags)
{
	int fd = memfd_create("region", MFD_CLOEXEC | flags);

	if (fd >= 0)
		assert_int_equal(ftruncate(fd, REGION_BYTES), 0);
	return fd;
}

/* Takes fd. */
static void expect_refused(int fd, const char *word)
{
	struct tensock_error error = { 0 };

	assert_true(region_fd_check(fd, &error) < 0);
	assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
	if (!strstr(error.message, word))
		fail_msg("%s", error.message);
	tsk_close(fd);
}

static void test_kinds(void **state)
{
	struct tensock_error error;
	int fd = region_new(0);
	char path[64];

	(void)state;
	assert_int_equal(region_fd_check(fd, &error), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	expect_refused(open(path, O_RDONLY | O_CLOEXEC), "for reading and writing");
	expect_refused(open(path, O_WRONLY | O_CLOEXEC), "for reading and writing");
	expect_refused(open(path, O_RDWR | O_APPEND | O_CLOEXEC), "appending");
	expect_refused(open(path, O_PATH | O_CLOEXEC), "for reading and writing");
	close(fd);
	expect_refused(-1, "no descriptor of shared memory has come");
	fd = memfd_create("region", MFD_CLOEXEC | MFD_HUGETLB);
	if (fd >= 0)
		expect_refused(fd, "huge pages");
}

/* Takes fd. */
static void expect_no_memory(int fd)
{
	assert_true(fd >= 0);
	assert_false(region_fd_is_memory(fd));
	close(fd);
}

static void test_no_memory(void **state)
{
	char path[] = "region_fd_test.XXXXXX";
	int fds[2], fd = region_new(0);

	(void)state;
	assert_true(region_fd_is_memory(fd));
	close(fd);
	expect_no_memory(open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	expect_no_memory(open("/dev/zero", O_RDWR | O_CLOEXEC));
	expect_no_memory(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	expect_no_memory(fds[0]);
	expect_no_memory(fds[1]);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	expect_no_memory(fds[0]);
	expect_no_memory(fds[1]);
	/* A plain file of a disk, where the folder of the test is on one. */
	fd = mkostemp(path, O_CLOEXEC);
	unlink(path);
	if (fcntl(fd, F_GET_SEALS) < 0)
		expect_no_memory(fd);
	else
		close(fd);
}

static int register_fd(struct rig *rig, const char *name, uint64_t bytes, int fd,
		       struct tensock_error *reterr)
{
	return regions_register_fd(&rig->guest->regions, wire_string(name), 96, bytes, fd, reterr);
}

static void test_register(void **state)
{
	struct front_start limits = rig_limits();
	struct oip_region part = { .name = wire_string("one"), .offset = 4, .bytes = 6 };
	const struct region *at = NULL;
	struct region *region;
	struct oip_region_view view;
	struct tensock_error error;
	struct rig rig;
	char bytes[8] = "";
	int fd = region_new(0);

	(void)state;
	rig_init(&rig, &limits);
	assert_int_equal(register_fd(&rig, "one", 4000, dup(fd), &error), 0);
	assert_true(regions_next(&rig.guest->regions, &at, &view));
	assert_string_equal(view.name, "one");
	assert_string_equal(view.key, REGION_FD_KEY);
	assert_int_equal(view.offset, 96);
	assert_int_equal(view.bytes, 4000);
	assert_int_equal(pwrite(fd, "abcdef", 6, 100), 6);
	assert_int_equal(regions_hold(&rig.guest->regions, &part, &region, &error), 0);
	assert_int_equal(region_read(region, &part, bytes, &error), 0);
	assert_string_equal(bytes, "abcdef");
	assert_int_equal(region_write(region, &part, "xyz", 3, &error), 0);
	regions_release(&rig.guest->regions, region);
	assert_int_equal(pread(fd, bytes, 6, 100), 6);
	assert_string_equal(bytes, "xyzdef");
	/* The descriptor goes, whatever comes of it. */
	assert_true(register_fd(&rig, "one", 4000, dup(fd), &error) < 0);
	assert_non_null(strstr(error.message, "already in manager"));
	assert_true(register_fd(&rig, "two", 4001, dup(fd), &error) < 0);
	assert_non_null(strstr(error.message, "shorter"));
	assert_true(register_fd(&rig, "two", UINT64_MAX, dup(fd), &error) < 0);
	assert_true(register_fd(&rig, "two", 1, -1, &error) < 0);
	assert_int_equal(rig.guest->regions.n, 1);
	close(fd);
	rig_done(&rig);
}

/* What can be cut is looked at each time; what cannot reaches as far as it did. */
static void test_cut(void **state)
{
	struct front_start limits = rig_limits();
	struct oip_region part = { .name = wire_string("one"), .bytes = REGION_BYTES - 96 };
	struct tensock_error error;
	struct region *region;
	struct rig rig;

	(void)state;
	for (unsigned seals = 0; seals <= F_SEAL_SHRINK; seals += F_SEAL_SHRINK) {
		int fd = memfd_create("region_fd_test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

		rig_init(&rig, &limits);
		assert_int_equal(ftruncate(fd, REGION_BYTES), 0);
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
		assert_int_equal(register_fd(&rig, "one", part.bytes, dup(fd), &error), 0);
		assert_int_equal(regions_hold(&rig.guest->regions, &part, &region, &error), 0);
		assert_true(region_has(region, &part));
		assert_int_equal(ftruncate(fd, REGION_BYTES - 1) == 0, !seals);
		assert_int_equal(region_has(region, &part), seals != 0);
		regions_release(&rig.guest->regions, region);
		close(fd);
		rig_done(&rig);
	}
}

/* Registered, unless a word of a refusal is given. */
static void expect_answer(struct rig *rig, int socket, const char *refusal)
{
	char answer[1024] = "";

	for (int i = 0; i < 2000 && recv(socket, answer, sizeof(answer) - 1, MSG_DONTWAIT) < 0; i++)
		rig_run(rig, 1);
	if (!strstr(answer, refusal ? refusal : "HTTP/1.1 200 "))
		fail_msg("%s", answer);
}

/* With the first bytes of a connection, and with later ones; one for each request. */
static void test_http(void **state)
{
	struct front_start limits = rig_limits();
	struct rig rig;
	char text[256];
	size_t n = (size_t)snprintf(text, sizeof(text), REGISTER, REGION_BYTES - 96);
	int fd = region_new(0), before, socket;

	(void)state;
	rig_init(&rig, &limits);
	socket = rig_connect(&rig);
	rig_write(&rig, socket, text, n);
	expect_answer(&rig, socket, "no descriptor of shared memory");
	before = tsk_open_fds();
	for (size_t at = 1; at < n; at += 50) {
		rig_pass_fd(socket, text, at, fd, 1);
		rig_write(&rig, socket, text + at, n - at);
		expect_answer(&rig, socket, NULL);
		rig_write(&rig, socket, text, n);
		expect_answer(&rig, socket, "already in manager");
		regions_unregister(&rig.guest->regions, wire_string("one"));
		rig_write(&rig, socket, text, n);
		expect_answer(&rig, socket, "no descriptor of shared memory");
		assert_int_equal(tsk_open_fds(), before);
	}
	close(socket);
	close(fd);
	rig_done(&rig);
}

/* The protocols that have no use for one close it, and so does a connection that ends. */
static void test_others(void **state)
{
	static const char *const hellos[] = { "\x01\0\0\0\x01\0\0\0", "\x10\0\0\0\x10\0\0\0",
					      "zzzzzzzz" };
	struct front_start limits = rig_limits();
	struct rig rig;
	int fd = region_new(0), before, socket;

	(void)state;
	rig_init(&rig, &limits);
	for (size_t i = 0; i < ARRAY_SIZE(hellos); i++) {
		socket = rig_connect(&rig);
		rig_run(&rig, 5);
		before = tsk_open_fds();
		rig_pass_fd(socket, hellos[i], 3, fd, 253);
		rig_run(&rig, 5);
		assert_int_equal(tsk_open_fds(), before + 1);
		rig_pass_fd(socket, hellos[i] + 3, 5, fd, 253);
		rig_run(&rig, 5);
		assert_true(tsk_open_fds() <= before);
		close(socket);
		rig_run(&rig, 5);
		assert_int_equal(tsk_open_fds(), before - 2);
	}
	close(fd);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_kinds), TSK_TEST(test_no_memory), TSK_TEST(test_register),
		TSK_TEST(test_cut),   TSK_TEST(test_http),      TSK_TEST(test_others),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
