/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unix_socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

static char folder[] = "/tmp/tensock-socket-XXXXXX";
static char path[UNIX_SOCKET_PATH_SIZE];

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/tensock-socket-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(folder); /* fails when something was left in it */
}

static void test_listen(void **state)
{
	struct unix_socket_file file;
	struct stat st;
	int fd, client;
	mode_t before = umask(0077);

	(void)state;
	assert_int_equal(unix_socket_listen(path, SOCK_STREAM, 0660, &fd, &file, NULL), 0);
	assert_int_equal(umask(before), 0077); /* as it was */
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660); /* the umask does not count */
	assert_int_equal(unix_socket_connect(path, SOCK_STREAM, &client), 0);
	close(client);
	close(fd);
	unix_socket_remove(&file);
	unix_socket_remove(&file); /* does nothing more */
}

static void test_stale(void **state)
{
	struct unix_socket_file first, second;
	int fd;

	(void)state;
	assert_int_equal(unix_socket_listen(path, SOCK_STREAM, 0600, &fd, &first, NULL), 0);
	close(fd); /* its program died: the file stays, nobody answers */
	assert_int_equal(unix_socket_connect(path, SOCK_STREAM, &fd), -ECONNREFUSED);
	assert_int_equal(unix_socket_listen(path, SOCK_STREAM, 0600, &fd, &second, NULL), 0);
	close(fd);
	unix_socket_remove(&second);
}

static void test_served(void **state)
{
	struct unix_socket_file file, other;
	struct tensock_error error;
	int fd, fd2 = 77;

	(void)state;
	assert_int_equal(unix_socket_listen(path, SOCK_STREAM, 0600, &fd, &file, NULL), 0);
	assert_true(unix_socket_listen(path, SOCK_STREAM, 0600, &fd2, &other, &error) < 0);
	assert_non_null(strstr(error.message, "another program serves"));
	assert_int_equal(fd2, 77);
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
	unix_socket_remove(&file);
}

static void test_types(void **state)
{
	struct unix_socket_file file, other;
	struct tensock_error error;
	char byte;
	int fd, fd2 = 77, client, accepted;

	(void)state;
	assert_int_equal(unix_socket_listen(path, SOCK_SEQPACKET, 0600, &fd, &file, NULL), 0);
	assert_int_equal(unix_socket_connect(path, SOCK_STREAM, &client), -EPROTOTYPE);
	assert_int_equal(unix_socket_connect(path, SOCK_SEQPACKET, &client), 0);
	accepted = accept(fd, NULL, NULL);
	assert_int_equal(send(accepted, "ab", 2, 0), 2);
	assert_int_equal(send(accepted, "c", 1, 0), 1);
	assert_int_equal(recv(client, &byte, 1, MSG_TRUNC), 2);
	close(accepted);
	close(client);
	/* It is served, by whichever type. */
	assert_true(unix_socket_listen(path, SOCK_STREAM, 0600, &fd2, &other, &error) < 0);
	assert_non_null(strstr(error.message, "another program serves"));
	assert_int_equal(fd2, 77);
	close(fd);
	/* And left over, by whichever type. */
	assert_int_equal(unix_socket_listen(path, SOCK_STREAM, 0600, &fd, &file, NULL), 0);
	assert_int_equal(unix_socket_connect(path, SOCK_SEQPACKET, &client), -EPROTOTYPE);
	close(fd);
	unix_socket_remove(&file);
}

/* A full queue is a program that is busy, not one that is gone. */
static void test_full(void **state)
{
	int clients[1024], n = 0, fd, r;
	struct unix_socket_file file, other;
	int fd2;

	(void)state;
	assert_int_equal(unix_socket_listen(path, SOCK_STREAM, 0600, &fd, &file, NULL), 0);
	while ((r = unix_socket_connect(path, SOCK_STREAM, &clients[n])) == 0)
		assert_true(++n < 1024);
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(unix_socket_listen(path, SOCK_STREAM, 0600, &fd2, &other, NULL), -EBUSY);
	while (n)
		close(clients[--n]);
	close(fd);
	unix_socket_remove(&file);
}

static void test_other_things(void **state)
{
	struct unix_socket_file file;
	struct tensock_error error;
	char target[UNIX_SOCKET_PATH_SIZE];
	struct stat st;
	FILE *f;
	int fd;

	(void)state;
	/* A file stays as it is. */
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	assert_true(unix_socket_listen(path, SOCK_STREAM, 0600, &fd, &file, &error) < 0);
	assert_non_null(strstr(error.message, "is no socket"));
	assert_int_equal(unlink(path), 0);
	/* A link is not followed, wherever it leads. */
	snprintf(target, sizeof(target), "%.90s/elsewhere", folder);
	assert_int_equal(symlink(target, path), 0);
	assert_true(unix_socket_listen(path, SOCK_STREAM, 0600, &fd, &file, &error) < 0);
	assert_int_equal(stat(target, &st), -1);
	assert_int_equal(unlink(path), 0);
	/* No folder. */
	assert_true(unix_socket_listen("/nonexistent/s", SOCK_STREAM, 0600, &fd, &file, &error) <
		    0);
	assert_non_null(strstr(error.message, "No such file"));
	memset(target, 'a', sizeof(target));
	target[sizeof(target) - 1] = '\0';
	assert_int_equal(unix_socket_connect("", SOCK_STREAM, &fd), -ENAMETOOLONG);
}

/* What took our file's place is not removed with ours. */
static void test_replaced(void **state)
{
	struct unix_socket_file ours, theirs;
	int fd, fd2;

	(void)state;
	assert_int_equal(unix_socket_listen(path, SOCK_STREAM, 0600, &fd, &ours, NULL), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unix_socket_listen(path, SOCK_STREAM, 0600, &fd2, &theirs, NULL), 0);
	unix_socket_remove(&ours);
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
	close(fd2);
	unix_socket_remove(&theirs);
}

/* Connects with checks: 0 and closes, or the error. */
static int try_checked(const char *at)
{
	int fd = -1, r = unix_socket_connect_checked(at, SOCK_STREAM, &fd);

	if (r == 0)
		close(fd);
	return r;
}

static void test_checked(void **state)
{
	struct unix_socket_file file;
	char other[UNIX_SOCKET_PATH_SIZE];
	int fd;

	(void)state;
	snprintf(other, sizeof(other), "%.90s/other", folder);
	assert_int_equal(try_checked(path), -ENOENT);
	assert_int_equal(try_checked("/nonexistent/s"), -ENOENT);
	assert_int_equal(try_checked(folder), -ECONNREFUSED); /* a folder */
	assert_int_equal(unix_socket_listen(path, SOCK_STREAM, 0600, &fd, &file, NULL), 0);
	assert_int_equal(try_checked(path), 0);
	/* A link, also to a good socket, and to none. */
	assert_int_equal(symlink(path, other), 0);
	assert_int_equal(try_checked(other), -ELOOP);
	assert_int_equal(unlink(other), 0);
	assert_int_equal(symlink("/nonexistent", other), 0);
	assert_int_equal(try_checked(other), -ELOOP);
	assert_int_equal(unlink(other), 0);
	/* Beside us in the folder we are in. */
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(try_checked("s"), 0);
	assert_int_equal(chdir("/"), 0);
	close(fd);
	assert_int_equal(try_checked(path), -ECONNREFUSED);
	unix_socket_remove(&file);
}

static void test_full_checked(void **state)
{
	struct unix_socket_file file;
	int clients[1024], n = 0, fd, r;

	(void)state;
	assert_int_equal(unix_socket_listen(path, SOCK_STREAM, 0600, &fd, &file, NULL), 0);
	while ((r = unix_socket_connect_checked(path, SOCK_STREAM, &clients[n])) == 0)
		assert_true(++n < 1024);
	assert_int_equal(r, -EAGAIN);
	while (n)
		close(clients[--n]);
	close(fd);
	unix_socket_remove(&file);
}

/* Where everybody may make a socket, one of another user's may be a trap. */
static void test_planted(void **state)
{
	struct unix_socket_file file;
	int fd;

	(void)state;
	assert_int_equal(unix_socket_listen(path, SOCK_STREAM, 0666, &fd, &file, NULL), 0);
	assert_int_equal(chmod(folder, 01777), 0);
	assert_int_equal(try_checked(path), 0); /* it is ours */
	if (geteuid() == 0) {
		assert_int_equal(lchown(path, 12345, 12345), 0);
		assert_int_equal(try_checked(path), -EPERM);
		assert_int_equal(chmod(folder, 0770), 0);
		assert_int_equal(try_checked(path),
				 0); /* the folder's owner has let that user in */
	}
	close(fd);
	unix_socket_remove(&file);
}

#define socket_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		socket_test(test_listen),       socket_test(test_stale),
		socket_test(test_served),       socket_test(test_full),
		socket_test(test_types),        socket_test(test_other_things),
		socket_test(test_replaced),     socket_test(test_checked),
		socket_test(test_full_checked), socket_test(test_planted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
