/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/activation.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/testing.h"

static char folder[] = "/tmp/tensock-activation-XXXXXX";
static struct place unix_place, control_place;

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	unix_place.kind = LISTENER_UNIX;
	control_place.kind = LISTENER_CONTROL;
	snprintf(unix_place.path, sizeof(unix_place.path), "%s/s", folder);
	snprintf(control_place.path, sizeof(control_place.path), "%s/c", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(folder);
}

static int unix_listener(const struct place *place)
{
	struct unix_socket_file file;
	int fd;

	assert_int_equal(unix_socket_listen(place->path, place_socket_type(place), 0600, &fd, &file,
					    NULL),
			 0);
	return fd;
}

/* At any port of the loopback, which is *ret_port. */
static int tcp_listener(uint32_t *ret_port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*ret_port = ntohs(addr.sin_port);
	return fd;
}

static void test_place_check(void **state)
{
	struct place tcp = { .kind = LISTENER_TCP, .ipv4 = INADDR_LOOPBACK }, other;
	const struct place vsock = { .kind = LISTENER_VSOCK, .port = 9999 };
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC), quiet;
	int stream = unix_listener(&unix_place), packets = unix_listener(&control_place);
	uint32_t port;
	int net = tcp_listener(&port);

	(void)state;
	assert_int_equal(place_check(&unix_place, stream), 0);
	assert_int_equal(place_check(&control_place, packets), 0);
	assert_int_equal(place_check(&tcp, net), 0); /* port 0 is any */
	tcp.port = port;
	assert_int_equal(place_check(&tcp, net), 0);
	tcp.port = port ^ 1;
	assert_int_equal(place_check(&tcp, net), -EADDRNOTAVAIL);
	tcp.port = port;
	tcp.ipv4 = INADDR_LOOPBACK + 1;
	assert_int_equal(place_check(&tcp, net), -EADDRNOTAVAIL);
	/* Another path, the other type, another family. */
	assert_int_equal(place_check(&unix_place, packets), -EADDRNOTAVAIL);
	other = unix_place;
	other.kind = LISTENER_CONTROL;
	assert_int_equal(place_check(&other, stream), -EADDRNOTAVAIL);
	assert_int_equal(place_check(&unix_place, net), -EADDRNOTAVAIL);
	assert_int_equal(place_check(&vsock, stream), -EADDRNOTAVAIL);
	assert_int_equal(place_check(&tcp, stream), -EADDRNOTAVAIL);
	/* A path that only begins so. */
	other = unix_place;
	other.path[strlen(other.path) - 1] = '\0';
	assert_int_equal(place_check(&other, stream), -EADDRNOTAVAIL);
	/* None that listens, none at all. */
	quiet = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(place_check(&unix_place, quiet), -EINVAL);
	assert_int_equal(place_check(&unix_place, file), -ENOTSOCK);
	close(quiet);
	close(file);
	close(stream);
	close(packets);
	close(net);
	unlink(unix_place.path);
	unlink(control_place.path);
}

static void test_take(void **state)
{
	struct activation activation = { 0 };
	struct listener_handed handed = { .fd = unix_listener(&unix_place) }, ret;
	struct tensock_error error;
	int fd = handed.fd;

	(void)state;
	assert_int_equal(activation_add(&activation, &handed), 0);
	assert_false(activation_take(&activation, &control_place, &ret));
	assert_int_equal(activation_check_all_taken(&activation, &error), -EINVAL);
	assert_non_null(strstr(error.message, unix_place.path));
	assert_true(activation_take(&activation, &unix_place, &ret));
	assert_int_equal(ret.fd, fd);
	assert_false(activation_take(&activation, &unix_place, &ret));
	assert_int_equal(activation_check_all_taken(&activation, &error), 0);
	activation_done(&activation);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC); /* it is ours */
	close(fd);
	unlink(unix_place.path);
}

static void set(const char *pid, const char *fds)
{
	char own[16];

	snprintf(own, sizeof(own), "%d", (int)getpid());
	setenv("LISTEN_PID", pid ? pid : own, 1);
	setenv("LISTEN_FDS", fds, 1);
	setenv("LISTEN_FDNAMES", "a:b", 1);
}

static void test_environment(void **state)
{
	static const char *const bad[] = { "-1", "4097", "two", "", "99999999999999999999" };
	struct activation activation = { 0 };
	struct tensock_error error;

	(void)state;
	assert_int_equal(activation_read(&activation, &error), 0); /* nothing is set */
	assert_int_equal(activation.n, 0);
	set("1", "2"); /* of another process */
	assert_int_equal(activation_read(&activation, &error), 0);
	assert_int_equal(activation.n, 0);
	assert_null(getenv("LISTEN_FDS"));
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		set(NULL, bad[i]);
		assert_int_equal(activation_read(&activation, &error), -EINVAL);
		activation_done(&activation);
	}
	unsetenv("LISTEN_FDS");
}

/* The numbers are fixed: fds that stand there already are put aside for the time. */
static void test_fds(void **state)
{
	struct activation activation = { 0 };
	struct tensock_error error;
	struct listener_handed ret;
	int before = fcntl(3, F_DUPFD_CLOEXEC, 100), fd = unix_listener(&unix_place);

	(void)state;
	assert_int_equal(dup2(fd, 3), 3);
	set(NULL, "1");
	assert_int_equal(activation_read(&activation, &error), 0);
	assert_null(getenv("LISTEN_PID"));
	assert_null(getenv("LISTEN_FDNAMES"));
	assert_int_equal(fcntl(3, F_GETFD), FD_CLOEXEC);
	assert_true(activation_take(&activation, &unix_place, &ret));
	assert_int_equal(ret.fd, 3);
	assert_string_equal(ret.file.path, ""); /* whoever made it removes it */
	activation_done(&activation);
	/* What does not listen is somebody's mistake. */
	assert_int_equal(dup2(STDERR_FILENO, 3), 3);
	set(NULL, "1");
	assert_int_equal(activation_read(&activation, &error), -EINVAL);
	assert_non_null(strstr(error.message, "fd 3"));
	activation_done(&activation);
	close(3);
	if (before >= 0) {
		dup2(before, 3);
		close(before);
	}
	close(fd);
	unlink(unix_place.path);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_place_check),
		TSK_TEST(test_take),
		TSK_TEST(test_environment),
		TSK_TEST(test_fds),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
