/* SPDX-License-Identifier: Apache-2.0 */
#include "base/service_manager.h"

#include <stdio.h>
#include <string.h>

#include "base/testing.h"

/* A manager that listens at name, "@..." or a path. */
static int listen_at(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	memcpy(address.sun_path, name, strlen(name));
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	return fd;
}

static void tell_at(const char *name)
{
	struct service_manager manager;
	char text[32];
	int fd = listen_at(name), told = 0, r;

	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(service_manager_init(&manager), 0);
	assert_true(manager.fd >= 0);
	assert_int_equal(service_manager_tell(&manager, "READY=1"), 0);
	assert_int_equal(recv(fd, text, sizeof(text), 0), 7);
	assert_memory_equal(text, "READY=1", 7);
	/* One who does not read is not waited for. */
	while ((r = service_manager_tell(&manager, "STATUS=x")) == 0)
		assert_true(told++ < 1000000);
	assert_int_equal(r, -EAGAIN);
	close(fd);
	assert_int_equal(service_manager_tell(&manager, "READY=1"), -ECONNREFUSED);
	service_manager_done(&manager);
	unsetenv("NOTIFY_SOCKET");
}

static void test_path(void **state)
{
	char folder[] = "/tmp/tensock-manager-XXXXXX", path[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
	tell_at(path);
	unlink(path);
	rmdir(folder);
}

static void test_abstract_name(void **state)
{
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "@tensock-manager-%d", (int)getpid());
	tell_at(name);
}

static void test_nobody(void **state)
{
	static const char *const none[] = { "", "/", "@", "relative", "vsock:2:1" };
	struct service_manager manager;
	char text[200];

	(void)state;
	memset(text, '/', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (unsigned i = 0; i <= ARRAY_SIZE(none); i++) {
		setenv("NOTIFY_SOCKET", i < ARRAY_SIZE(none) ? none[i] : text, 1);
		assert_int_equal(service_manager_init(&manager), 0);
		assert_int_equal(manager.fd, -1);
		assert_int_equal(service_manager_tell(&manager, "READY=1"), 0);
		service_manager_done(&manager);
	}
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(service_manager_init(&manager), 0);
	assert_int_equal(manager.fd, -1);
}

static void set_sockets(pid_t pid, const char *n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", n, 1);
	setenv("LISTEN_FDNAMES", "a:b", 1);
}

static void test_sockets(void **state)
{
	static const char *const bad[] = { "-1", "4097", "two", "", "1 ", "99999999999999999999" };
	struct tensock_error error;
	unsigned n = 7;

	(void)state;
	assert_int_equal(service_manager_sockets(&n, &error), 0); /* nothing is set */
	assert_int_equal(n, 0);
	set_sockets(1, "2"); /* of another process */
	assert_int_equal(service_manager_sockets(&n, &error), 0);
	assert_int_equal(n, 0);
	assert_null(getenv("LISTEN_FDS"));
	n = 7;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		set_sockets(getpid(), bad[i]);
		assert_int_equal(service_manager_sockets(&n, &error), -EINVAL);
	}
	assert_int_equal(n, 7);
	unsetenv("LISTEN_FDS");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_path),
		TSK_TEST(test_abstract_name),
		TSK_TEST(test_nobody),
		TSK_TEST(test_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
