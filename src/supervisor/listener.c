/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/status.h"

#define ACCEPTS_A_TURN 32
#define BACKLOG 511
#define SHORTAGE_PAUSE_MS 100 /* of fds or memory */
#define ROOM_PAUSE_MS 10      /* for a front that is behind */

#define CID_FIRST_GUEST 3u

/* Others of this host may use the local socket, each as a guest of its own; the sockets of a VM are
 * its owner's and its group's, for who connects there is that VM; who can attach a VM can name any
 * path that the daemon may use. */
#define MODE_LOCAL 0666
#define MODE_VM 0660
#define MODE_CONTROL 0600
#define MODE_METRICS 0660 /* whom the operator puts into the group */

union peer {
	struct sockaddr any;
	struct sockaddr_vm vm;
	struct sockaddr_storage storage;
};

int listener_cid_guest(uint32_t cid, bool allow_local, char ret[FRONT_NAME_SIZE])
{
	snprintf(ret, FRONT_NAME_SIZE, "cid-%u", cid);
	return cid < CID_FIRST_GUEST && !allow_local ? -EPERM : 0;
}

/* Who has connected.  -EPERM for one who may not, *ret is said all the same. */
static int identify(const struct listener *listener, int fd, const union peer *peer,
		    char ret[FRONT_NAME_SIZE])
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	switch (listener->place.kind) {
	case LISTENER_VSOCK:
		return listener_cid_guest(peer->vm.svm_cid, listener->allow_local_cid, ret);
	case LISTENER_UNIX:
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
			return -errno;
		snprintf(ret, FRONT_NAME_SIZE, "uid-%u", cred.uid);
		return 0;
	case LISTENER_TCP:
		snprintf(ret, FRONT_NAME_SIZE, "tcp");
		return 0;
	case LISTENER_HYBRID:
	case LISTENER_VHOST:
	case LISTENER_HOST:
	case LISTENER_HOST_SEQPACKET:
	case LISTENER_CONTROL:
	case LISTENER_METRICS:
	case LISTENER_KIND_MAX:
		break;
	}
	memcpy(ret, listener->place.guest, FRONT_NAME_SIZE);
	return 0;
}

void listener_refuse(struct listener *listener, const char *guest, int fd, const char *why)
{
	listener->refused++;
	log_about_socket(&listener->refusals, listener->text,
			 "refused a connection of %s: %s (%llu refused so far)", guest, why,
			 (unsigned long long)listener->refused);
	tsk_close(fd);
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
	struct listener *listener = timer->data;

	uv_poll_start(&listener->poll, UV_READABLE, on_ready);
}

/* The connection stays in the queue and would be reported again at once: wait a little. */
static void pause_accepting(struct listener *listener, unsigned pause_ms)
{
	uv_poll_stop(&listener->poll);
	uv_timer_start(&listener->pause, on_pause_over, pause_ms, 0);
}

static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static bool has_room(struct listener *listener)
{
	bool is_asked = listener->place.guest[0] || listener->place.kind == LISTENER_CONTROL;

	return !is_asked || listener->has_room(listener);
}

/* True while there may be more. */
static bool accept_one(struct listener *listener)
{
	union peer peer = { 0 };
	socklen_t len = sizeof(peer);
	char guest[FRONT_NAME_SIZE] = "";
	int fd, r;

	if (!has_room(listener)) {
		pause_accepting(listener, ROOM_PAUSE_MS);
		return false;
	}
	fd = accept4(listener->fd, &peer.any, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		int error = errno;

		if (is_shortage(error)) {
			log_about_socket(&listener->shortages, listener->text,
					 "no connection can be accepted for now: %s",
					 strerror(error));
			pause_accepting(listener, SHORTAGE_PAUSE_MS);
		}
		/* Others are one connection's: it was gone before it was accepted. */
		return error == ECONNABORTED || error == EINTR || error == EPROTO;
	}
	r = identify(listener, fd, &peer, guest);
	if (r < 0) {
		listener_refuse(listener, guest[0] ? guest : "an unknown peer", fd,
				r == -EPERM ? "not a guest; see allow-local-cid" : strerror(-r));
		return true;
	}
	listener->accepted(listener, guest, fd);
	return true;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct listener *listener = poll->data;

	(void)status; /* accept4() tells */
	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN && accept_one(listener); i++)
		;
}

static int open_vsock(struct listener *listener, const struct place *place,
		      struct tensock_error *reterr)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK,
				    .svm_cid = VMADDR_CID_ANY,
				    .svm_port = place->port };
	_cleanup_close_ int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0 && (errno == EAFNOSUPPORT || errno == ESOCKTNOSUPPORT || errno == ENODEV)) {
		(void)tsk_fail(
			reterr, TENSOCK_UNSUPPORTED,
			"this kernel has no vsock; load the module vhost_vsock, or use --vm or hybrid:");
		return -EAFNOSUPPORT;
	}
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		error = errno;
		return tsk_fail(reterr, TENSOCK_PERMISSION_DENIED, "vsock port %u: %s%s",
				place->port, strerror(error),
				error == EADDRINUSE ? "; another program serves it: end it" : "");
	}
	listener->fd = TAKE_FD(fd);
	return 0;
}

/* Port 0 has become another one. */
static int tell_port(struct listener *listener, const struct place *place,
		     struct tensock_error *reterr)
{
	struct sockaddr_in addr = { 0 };
	struct place bound = *place;
	socklen_t len = sizeof(addr);

	if (getsockname(listener->fd, (struct sockaddr *)&addr, &len) < 0)
		return tsk_fail(reterr, TENSOCK_INTERNAL, "%s: %s", listener->text,
				strerror(errno));
	bound.port = ntohs(addr.sin_port);
	place_format(&bound, listener->text);
	return 0;
}

static int open_tcp(struct listener *listener, const struct place *place,
		    struct tensock_error *reterr)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)place->port),
				    .sin_addr.s_addr = htonl(place->ipv4) };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	/* Set here, inherited by what is accepted. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, BACKLOG) < 0)
		return tsk_fail(reterr, TENSOCK_PERMISSION_DENIED, "%s: %s", listener->text,
				strerror(errno));
	listener->fd = TAKE_FD(fd);
	return tell_port(listener, place, reterr);
}

static int open_path(struct listener *listener, const struct place *place,
		     struct tensock_error *reterr)
{
	static const mode_t modes[LISTENER_KIND_MAX] = {
		[LISTENER_UNIX] = MODE_LOCAL,        [LISTENER_HYBRID] = MODE_VM,
		[LISTENER_VHOST] = MODE_VM,          [LISTENER_HOST] = MODE_VM,
		[LISTENER_HOST_SEQPACKET] = MODE_VM, [LISTENER_CONTROL] = MODE_CONTROL,
		[LISTENER_METRICS] = MODE_METRICS,
	};

	return unix_socket_listen(place->path, place_socket_type(place), modes[place->kind],
				  &listener->fd, &listener->file, reterr);
}

static int open_socket(struct listener *listener, const struct place *place,
		       struct tensock_error *reterr)
{
	if (place->kind == LISTENER_VSOCK)
		return open_vsock(listener, place, reterr);
	if (place->kind == LISTENER_TCP)
		return open_tcp(listener, place, reterr);
	return open_path(listener, place, reterr);
}

/* The socket of somebody else: as if it had been opened here. */
static int take_over(struct listener *listener, const struct place *place,
		     const struct listener_handed *handed, struct tensock_error *reterr)
{
	int on = 1, flags = fcntl(handed->fd, F_GETFL);

	listener->fd = handed->fd;
	listener->file = handed->file;
	if (flags < 0 || fcntl(handed->fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    (place->kind == LISTENER_TCP &&
	     setsockopt(handed->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0))
		return tsk_fail(reterr, TENSOCK_INTERNAL, "%s was handed over, and is no use: %s",
				listener->text, strerror(errno));
	return place->kind == LISTENER_TCP ? tell_port(listener, place, reterr) : 0;
}

/* The socket is there: polls it. */
static int watch(struct listener *listener, uv_loop_t *loop, struct tensock_error *reterr)
{
	int r = uv_poll_init(loop, &listener->poll, listener->fd);

	if (r < 0) {
		unix_socket_remove(&listener->file);
		listener->fd = tsk_close(listener->fd);
		return tsk_fail(reterr, TENSOCK_INTERNAL, "%s: %s", listener->text, strerror(-r));
	}
	uv_timer_init(loop, &listener->pause);
	listener->n_handles = 2;
	listener->poll.data = listener->pause.data = listener;
	uv_poll_start(&listener->poll, UV_READABLE, on_ready);
	return 0;
}

int listener_bind(struct listener *listener, const struct place *place,
		  const struct listener_handed *handed, struct tensock_error *reterr)
{
	listener->fd = -1;
	listener->place = *place;
	place_format(place, listener->text);
	return handed ? take_over(listener, place, handed, reterr)
		      : open_socket(listener, place, reterr);
}

int listener_open(struct listener *listener, uv_loop_t *loop, const struct place *place,
		  const struct listener_handed *handed, struct tensock_error *reterr)
{
	int r = listener_bind(listener, place, handed, reterr);

	return r < 0 ? r : watch(listener, loop, reterr);
}

static void on_closed(uv_handle_t *handle)
{
	struct listener *listener = handle->data;

	if (--listener->n_handles == 0)
		free(listener);
}

void listener_close(struct listener *listener)
{
	if (!listener)
		return;
	unix_socket_remove(&listener->file);
	if (listener->n_handles) {
		uv_close((uv_handle_t *)&listener->poll, on_closed);
		uv_close((uv_handle_t *)&listener->pause, on_closed);
	}
	listener->fd = tsk_close(listener->fd);
	if (!listener->n_handles)
		free(listener);
}
