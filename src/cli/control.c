/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/control.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/status.h"

/* Where to go when nobody has said so. */
static const char *default_path(char buf[static OPERATOR_PATH_SIZE])
{
	const char *given = getenv("TENSOCK_CONTROL");
	const char *folder = getenv("XDG_RUNTIME_DIR");
	struct stat st;
	int n;

	if (given && *given)
		return given;
	if (!folder || !*folder)
		return CONTROL_SOCKET;
	n = snprintf(buf, OPERATOR_PATH_SIZE, "%s/tensock/control.sock", folder);
	if (n < 0 || (unsigned)n >= OPERATOR_PATH_SIZE || stat(buf, &st) < 0 ||
	    !S_ISSOCK(st.st_mode))
		return CONTROL_SOCKET;
	return buf;
}

bool control_is_there(void)
{
	char buf[OPERATOR_PATH_SIZE];
	struct stat st;

	return stat(default_path(buf), &st) == 0 && S_ISSOCK(st.st_mode);
}

static int fail_connect(const char *path, int error, struct tensock_error *reterr)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return tsk_fail(
			reterr, TENSOCK_UNAVAILABLE,
			"no tensockd can be asked at %s, which is not there: start it, or say "
			"--control PATH (it has none where --listen is given, but by --control)",
			path);
	case ECONNREFUSED:
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE,
				"no tensockd serves %s any more: start it again", path);
	case EACCES:
	case EPERM:
		return tsk_fail(reterr, TENSOCK_PERMISSION_DENIED,
				"%s is for root and the user that tensockd runs as: use sudo",
				path);
	case EPROTOTYPE:
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"%s is a socket, but not tensockd's control socket", path);
	default:
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE, "%s: %s", path, strerror(error));
	}
}

int control_connect(const char *path, int *ret_fd, struct tensock_error *reterr)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char buf[OPERATOR_PATH_SIZE];
	_cleanup_close_ int fd = -1;

	if (!path)
		path = default_path(buf);
	if (strlen(path) >= sizeof(addr.sun_path))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"%.80s...: that is too long for a socket's path", path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return fail_connect(path, errno, reterr);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int fail_broken(int error, struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_UNAVAILABLE, "tensockd has hung up%s%s", error ? ": " : "",
			error ? strerror(error) : "");
}

static int wait_for(int fd, short events, int timeout_ms, struct tensock_error *reterr)
{
	struct pollfd look = { .fd = fd, .events = events };
	int r = poll(&look, 1, timeout_ms);

	if (r > 0 || (r < 0 && errno == EINTR))
		return 0;
	return tsk_fail(reterr, r < 0 ? TENSOCK_INTERNAL : TENSOCK_DEADLINE_EXCEEDED,
			"tensockd does not answer");
}

static int send_request(int fd, const struct operator_request *request, int timeout_ms,
			struct tensock_error *reterr)
{
	unsigned char bytes[OPERATOR_REQUEST_BYTES];

	if (operator_request_write(request, bytes) < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"that cannot be asked: a name or path is empty, or has a control "
				"character in it");
	while (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) < 0) {
		int r;

		/* What it said before it hung up is still to be read. */
		if (errno == EPIPE || errno == ECONNRESET)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return fail_broken(errno, reterr);
		r = wait_for(fd, POLLOUT, timeout_ms, reterr);
		if (r < 0)
			return r;
	}
	return 0;
}

static int receive_answer(int fd, int timeout_ms, struct operator_answer *ret,
			  struct tensock_error *reterr)
{
	unsigned char bytes[OPERATOR_ANSWER_BYTES];
	bool was_reset = false;
	ssize_t n;
	int r;

	while ((n = recv(fd, bytes, sizeof(bytes), MSG_TRUNC)) < 0) {
		/* Told once where it has not read all of ours, before what is still to be read. */
		if (errno == ECONNRESET && !was_reset) {
			was_reset = true;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return fail_broken(errno, reterr);
		r = wait_for(fd, POLLIN, timeout_ms, reterr);
		if (r < 0)
			return r;
	}
	if (n == 0)
		return fail_broken(0, reterr);
	r = (size_t)n > sizeof(bytes) ? -EPROTO : operator_answer_read(bytes, (size_t)n, ret);
	if (r < 0)
		return tsk_fail(reterr,
				r == -EPROTONOSUPPORT ? TENSOCK_UNSUPPORTED : TENSOCK_PROTOCOL,
				r == -EPROTONOSUPPORT
					? "tensockd is of another version than this program"
					: "what answers there is no tensockd");
	return 0;
}

int control_ask(int fd, const struct operator_request *request, int timeout_ms,
		void (*each)(void *user, const struct operator_answer *answer), void *user,
		struct tensock_error *reterr)
{
	struct operator_answer answer;
	int r = send_request(fd, request, timeout_ms, reterr);

	while (r == 0) {
		r = receive_answer(fd, timeout_ms, &answer, reterr);
		if (r == 0 && answer.type == OPERATOR_RESULT)
			break;
		if (r == 0 && each)
			each(user, &answer);
	}
	if (r == 0 && answer.status == TENSOCK_OK && answer.text[0] && each)
		each(user, &answer);
	if (r < 0 || answer.status == TENSOCK_OK)
		return r;
	return tsk_fail(reterr,
			answer.status < TENSOCK_STATUS_MAX ? (enum tensock_status)answer.status
							   : TENSOCK_INTERNAL,
			"%s", answer.text);
}

int control_ask_once(const char *path, const struct operator_request *request,
		     void (*each)(void *user, const struct operator_answer *answer), void *user,
		     struct tensock_error *reterr)
{
	_cleanup_close_ int fd = -1;
	int r = control_connect(path, &fd, reterr);

	return r < 0 ? r : control_ask(fd, request, CONTROL_TIMEOUT_MS, each, user, reterr);
}

int control_set_name(struct operator_request *request, const char *name,
		     struct tensock_error *reterr)
{
	if (!name[0] || strlen(name) >= sizeof(request->name))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"'%.80s' is no guest's name: it has 1 to %u bytes", name,
				OPERATOR_NAME_SIZE - 1);
	memcpy(request->name, name, strlen(name) + 1);
	return 0;
}

int control_set_path(const char *what, const char *path, char ret[OPERATOR_PATH_SIZE],
		     struct tensock_error *reterr)
{
	char folder[PATH_MAX] = "", whole[2 * PATH_MAX];

	if (path[0] != '/' && !getcwd(folder, sizeof(folder)))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"%s: the current folder cannot be told (%s): give an absolute path",
				what, strerror(errno));
	if (!path[0] || strlen(path) >= PATH_MAX)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%s: the path is %s", what,
				path[0] ? "too long" : "empty");
	snprintf(whole, sizeof(whole), "%s%s%s", folder, path[0] == '/' ? "" : "/", path);
	if (strlen(whole) >= OPERATOR_PATH_SIZE)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"%s: %.80s... has %zu bytes, a socket's path can have %u", what,
				whole, strlen(whole), OPERATOR_PATH_SIZE - 1);
	memcpy(ret, whole, strlen(whole) + 1);
	return 0;
}
