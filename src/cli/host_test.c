/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cmdline.h"
#include "base/testing.h"

static void test_given(void **state)
{
	char address[HOST_ADDRESS_BYTES], longest[HOST_ADDRESS_BYTES + 1];
	struct tensock_error error;

	(void)state;
	setenv("TENSOCK_HOST", "unix:/from/environment", 1);
	assert_int_equal(host_address("tcp:127.0.0.1:1", false, address, &error), 0);
	assert_string_equal(address, "tcp:127.0.0.1:1");
	assert_int_equal(host_address(NULL, false, address, &error), 0);
	assert_string_equal(address, "unix:/from/environment");
	unsetenv("TENSOCK_HOST");
	memset(longest, 'a', sizeof(longest));
	longest[HOST_ADDRESS_BYTES] = '\0';
	assert_true(host_address(longest, false, address, &error) < 0);
	assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
}

/* Without a local socket nothing goes to CID 2 unless somebody says that this is a guest. */
static void test_default(void **state)
{
	char folder[] = "/tmp/tensock-host.XXXXXX", path[60];
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	char address[HOST_ADDRESS_BYTES];
	struct tensock_error error;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_non_null(mkdtemp(folder));
	setenv("XDG_RUNTIME_DIR", folder, 1);
	if (!host_local_socket(path, sizeof(path)) && !tsk_is_said_guest()) {
		assert_true(host_address(NULL, false, address, &error) < 0);
		assert_int_equal(error.status, TENSOCK_UNAVAILABLE);
		assert_int_equal(host_address(NULL, true, address, &error), 0);
		assert_string_equal(address, "vsock:2:9999");
	}
	snprintf(path, sizeof(path), "%s/tensock", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(name.sun_path, sizeof(name.sun_path), "%s/tensock.sock", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(host_address(NULL, true, address, &error), 0);
	assert_memory_equal(address, "unix:", 5);
	assert_string_equal(address + 5, name.sun_path);
	close(fd);
	unlink(name.sun_path);
	rmdir(path);
	rmdir(folder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_given),
		TSK_TEST(test_default),
	};

	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
