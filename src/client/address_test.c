/* SPDX-License-Identifier: Apache-2.0 */
#include "base/testing.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

#include "client/address.h"

static void test_good(void **state)
{
	struct address address;
	struct sockaddr_vm vm;
	struct sockaddr_in in;
	struct sockaddr_un un;

	(void)state;
	assert_int_equal(address_parse("vsock:2:9999", &address, NULL), 0);
	memcpy(&vm, &address.socket, sizeof(vm));
	assert_int_equal(vm.svm_family, AF_VSOCK);
	assert_int_equal(vm.svm_cid, 2);
	assert_int_equal(vm.svm_port, 9999);
	assert_string_equal(address.text, "vsock:2:9999");
	assert_int_equal(address_parse("vsock:4294967294:4294967294", &address, NULL), 0);
	assert_int_equal(address_parse("unix:/run/x", &address, NULL), 0);
	memcpy(&un, &address.socket, sizeof(un));
	assert_string_equal(un.sun_path, "/run/x");
	assert_int_equal(address_parse("tcp:127.0.0.1:80", &address, NULL), 0);
	memcpy(&in, &address.socket, sizeof(in));
	assert_int_equal(ntohs(in.sin_port), 80);
	assert_int_equal(ntohl(in.sin_addr.s_addr), 0x7f000001);
	assert_int_equal(address_parse("tcp:[::1]:80", &address, NULL), 0);
	assert_int_equal(address.socket.ss_family, AF_INET6);
}

static void test_bad(void **state)
{
	static const char *const bad[] = {
		"",
		"vsock",
		"vsock:",
		"vsock:9999",
		"vsock:2:",
		"vsock::9999",
		"vsock:-1:9999",
		"vsock:2:99x",
		"vsock:2:9999:1",
		"vsock: 2:9999",
		"vsock:4294967295:1",
		"vsock:2:4294967295",
		"vsock:99999999999999999999:1",
		"unix:",
		"tcp:127.0.0.1",
		"tcp:127.0.0.1:",
		"tcp:127.0.0.1:65536",
		"tcp:localhost:80",
		"tcp:1.2.3:80",
		"tcp:[::1:80",
		"tcp:0000000000000000000000000000000000000000000000000000000:80",
		"hybrid:a=/b",
		"UNIX:/x",
		"/run/tensock/tensock.sock",
	};
	char path[200];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct tensock_error error = { 0 };
		struct address address;
		int r = address_parse(bad[i], &address, &error);

		if (r == 0)
			print_error("'%s' is taken\n", bad[i]);
		assert_true(r < 0);
		assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
	}
	snprintf(path, sizeof(path), "unix:/%0106d", 0);
	assert_int_equal(address_parse(path, &(struct address){ 0 }, NULL), 0);
	snprintf(path, sizeof(path), "unix:/%0107d", 0);
	assert_true(address_parse(path, &(struct address){ 0 }, NULL) < 0);
}

/* A local socket is for who has one; else the device tells a guest. */
static void test_default(void **state)
{
	char buf[ADDRESS_TEXT_SIZE];

	(void)state;
	assert_string_equal(address_default(false, NULL, "/nowhere/socket", buf),
			    ADDRESS_DEFAULT_LOCAL);
	assert_string_equal(address_default(true, "", "/nowhere/socket", buf),
			    ADDRESS_DEFAULT_GUEST);
	assert_string_equal(address_default(true, "/nowhere", "/dev/null", buf),
			    ADDRESS_DEFAULT_LOCAL);
}

/* A user's own comes before all: also where there is a device, and another socket. */
static void test_own(void **state)
{
	char folder[] = "/tmp/tensock.XXXXXX", path[64], expected[80], buf[ADDRESS_TEXT_SIZE];
	char longest[200];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/tensock", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/tensock/tensock.sock", folder);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	snprintf(expected, sizeof(expected), "unix:%s", path);
	assert_string_equal(address_default(true, folder, "/dev/null", buf), expected);
	/* Cut, it could be the name of another. */
	memset(longest, '/', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	memcpy(longest, folder, strlen(folder));
	assert_string_equal(address_default(true, longest, "/dev/null", buf),
			    ADDRESS_DEFAULT_LOCAL);
	unlink(path);
	snprintf(path, sizeof(path), "%s/tensock", folder);
	rmdir(path);
	rmdir(folder);
}

static void test_refused(void **state)
{
	struct tensock_error error = { 0 };
	struct address address;
	int fd = -1;

	(void)state;
	assert_int_equal(address_parse("unix:/nowhere/at/all", &address, NULL), 0);
	assert_true(address_connect(&address, &fd, &error) < 0);
	assert_int_equal(error.status, TENSOCK_UNAVAILABLE);
	assert_int_equal(fd, -1);
	/* A file that is no socket. */
	assert_int_equal(address_parse("unix:/dev/null", &address, NULL), 0);
	assert_true(address_connect(&address, &fd, &error) < 0);
	assert_string_equal(error.message,
			    "cannot connect to unix:/dev/null: nobody listens there");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_good), TSK_TEST(test_bad),     TSK_TEST(test_default),
		TSK_TEST(test_own),  TSK_TEST(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
