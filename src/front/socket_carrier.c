/* SPDX-License-Identifier: Apache-2.0 */
#include "front/socket_carrier.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "front/handle.h"
#include "front/region_fd.h"

/* What one socket may move in one turn of the loop, each way, before the others have theirs. */
#define TURN_BYTES ((size_t)1 << 20)
#define PIECES_MAX 16u /* of one call */

/*
 * The send buffer of a Unix socket whose answers do not fit the usual one: the peer is woken once for
 * an answer, not for each piece of it.  The kernel takes twice as much for what it keeps beside.
 */
#define SEND_BUFFER_BYTES ((size_t)512 << 10)
#define SEND_BUFFER_MEMORY (2 * (uint64_t)SEND_BUFFER_BYTES)

struct socket_carrier {
	struct stream_host host; /* first: a host is its carrier */
	TAILQ_ENTRY(socket_carrier) entry;
	TAILQ_ENTRY(socket_carrier) woken_entry;
	struct socket_carriers *carriers;
	int fd;
	bool is_unix;
	int passed_fd; /* for the stream, or -1 */
	uv_poll_t *poll;
	int events; /* polled for */
	void *stream;
	bool is_woken;
	bool has_ended;    /* the peer sends no more, and the stream knows */
	bool is_half_shut; /* so it seems, while the stream wants no bytes */
	bool is_full;      /* its send buffer was once; and it may then have got a larger one: */
	uint64_t memory;   /* of the guest's, for that */
};

struct socket_carriers {
	uv_loop_t *loop;
	struct stream_service service;
	struct account *account;
	uv_idle_t *idle; /* active while woken is not empty */
	TAILQ_HEAD(carrier_list, socket_carrier) list;
	TAILQ_HEAD(woken_list, socket_carrier) woken;
	unsigned n;
};

static void carrier_free(struct socket_carrier *c)
{
	struct socket_carriers *all = c->carriers;

	if (c->is_woken)
		TAILQ_REMOVE(&all->woken, c, woken_entry);
	TAILQ_REMOVE(&all->list, c, entry);
	all->n--;
	handle_free(c->poll);
	tsk_close(c->fd);
	tsk_close(c->passed_fd);
	account_give(all->account, c->memory);
	if (c->stream)
		all->service.ops->close(c->stream);
	free(c);
}

/*
 * The peer has shut its side.  It may wait for an answer, or be gone.  -EPIPE when it is gone.
 */
static int look_whether_gone(struct socket_carrier *c)
{
	struct pollfd p = { .fd = c->fd };

	if (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)))
		return -EPIPE;
	c->is_half_shut = true;
	return 0;
}

/* Room for the next bytes; how much it is: at most a turn's and one buffer. */
static size_t scatter(const struct socket_carrier *c, struct iovec iov[STREAM_SCATTER_MAX],
		      unsigned *ret_n)
{
	const struct stream_ops *ops = c->carriers->service.ops;
	size_t room = 0;

	*ret_n = stream_scatter(ops, c->stream, iov);
	if (*ret_n && iov[0].iov_len > TURN_BYTES) {
		iov[0].iov_len = TURN_BYTES;
		*ret_n = 1;
	}
	for (unsigned i = 0; i < *ret_n; i++)
		room += iov[i].iov_len;
	return room;
}

/* What has come takes the place of what came before.  MSG_CTRUNC alone: there was no number for it. */
static void keep_fd(struct socket_carrier *c, struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

	if (!cmsg && !(msg->msg_flags & MSG_CTRUNC))
		return;
	c->passed_fd = tsk_close(c->passed_fd);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(c->passed_fd)))
		memcpy(&c->passed_fd, CMSG_DATA(cmsg), sizeof(c->passed_fd));
	if (!region_fd_is_memory(c->passed_fd))
		c->passed_fd = tsk_close(c->passed_fd);
}

/* As recvmsg().  Descriptors for which there is no room are closed by the kernel: all but one, or all. */
static ssize_t receive_pieces(struct socket_carrier *c, struct iovec *iov, unsigned n_pieces)
{
	const struct stream_ops *ops = c->carriers->service.ops;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n_pieces };
	ssize_t n;

	if (c->is_unix && ops->takes_fd && ops->takes_fd(c->stream)) {
		msg.msg_control = control.bytes;
		/* CMSG_SPACE() would have room for two. */
		msg.msg_controllen = CMSG_LEN(sizeof(int));
	}
	n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n > 0)
		keep_fd(c, &msg);
	return n;
}

/* 0, or -errno when the connection is broken. */
static int receive(struct socket_carrier *c)
{
	const struct stream_ops *ops = c->carriers->service.ops;
	size_t done = 0;

	while (done < TURN_BYTES && !c->has_ended) {
		struct iovec iov[STREAM_SCATTER_MAX];
		unsigned n_pieces;
		size_t room = scatter(c, iov, &n_pieces);
		ssize_t n;

		if (room == 0)
			return 0;
		n = receive_pieces(c, iov, n_pieces);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n == 0) {
			c->has_ended = true;
			ops->ended(c->stream);
			return look_whether_gone(c);
		}
		ops->received(c->stream, (size_t)n);
		/* There was no more, and to ask costs a call. */
		if ((size_t)n < room)
			return 0;
		done += (size_t)n;
	}
	return 0;
}

/* Once, where there is memory to spare.  Whether there may be room now. */
static bool widen(struct socket_carrier *c)
{
	struct account *account = c->carriers->account;
	int bytes = (int)SEND_BUFFER_BYTES;

	if (c->is_full)
		return false;
	c->is_full = true;
	if (!c->is_unix || account->max_bytes - account->used_bytes < SEND_BUFFER_MEMORY ||
	    account_take(account, SEND_BUFFER_MEMORY) < 0)
		return false;
	c->memory = SEND_BUFFER_MEMORY;
	return setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) == 0;
}

/* 0, or -errno when the connection is broken. */
static int transmit(struct socket_carrier *c)
{
	const struct stream_ops *ops = c->carriers->service.ops;
	size_t done = 0;

	while (done < TURN_BYTES) {
		struct iovec iov[PIECES_MAX];
		struct msghdr msg = { .msg_iov = iov,
				      .msg_iovlen =
					      stream_gather(ops, c->stream, iov, PIECES_MAX) };
		ssize_t n;

		if (msg.msg_iovlen == 0)
			return 0;
		n = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && widen(c))
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		ops->sent(c->stream, (size_t)n);
		done += (size_t)n;
	}
	return 0;
}

/*
 * Takes what the peer has sent beyond what was wanted.  A socket that is closed over unread bytes
 * resets the connection, and our last answer may be lost with it.
 */
static void discard_input(const struct socket_carrier *c)
{
	static char rubbish[16384];

	for (unsigned i = 0; i < TURN_BYTES / sizeof(rubbish); i++) {
		if (recv(c->fd, rubbish, sizeof(rubbish), MSG_DONTWAIT) <= 0)
			return;
	}
}

static void on_ready(uv_poll_t *poll, int status, int events);

static int wanted_events(const struct socket_carrier *c)
{
	const struct stream_ops *ops = c->carriers->service.ops;
	const void *out;
	void *in;
	int events = 0;

	if (!c->has_ended && ops->window(c->stream, &in))
		events |= UV_READABLE;
	else if (!c->has_ended && !c->is_half_shut)
		events |= UV_DISCONNECT;
	if (ops->output(c->stream, &out))
		events |= UV_WRITABLE;
	return events;
}

static void watch(struct socket_carrier *c)
{
	int events = wanted_events(c);

	if (events == c->events)
		return;
	c->events = events;
	if (events)
		uv_poll_start(c->poll, events, on_ready);
	else
		uv_poll_stop(c->poll);
}

/* Sends what can be sent, and ends what has ended: r is what has become of it so far.  May free c. */
static void end_turn(struct socket_carrier *c, int r)
{
	const struct stream_ops *ops = c->carriers->service.ops;
	const void *out;

	if (r == 0)
		r = transmit(c);
	if (r == 0 && (!ops->finished(c->stream) || ops->output(c->stream, &out))) {
		watch(c);
		return;
	}
	if (r == 0)
		discard_input(c);
	carrier_free(c);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct socket_carrier *c = poll->data;
	void *in;

	if (status < 0) {
		carrier_free(c);
		return;
	}
	if ((events & UV_DISCONNECT) && !c->carriers->service.ops->window(c->stream, &in) &&
	    look_whether_gone(c) < 0) {
		carrier_free(c);
		return;
	}
	end_turn(c, receive(c));
}

static void on_woken(uv_idle_t *idle)
{
	struct socket_carriers *all = idle->data;
	struct socket_carrier *c, *last = TAILQ_LAST(&all->woken, woken_list);

	/* Those that are woken meanwhile have their turn with the next. */
	while ((c = TAILQ_FIRST(&all->woken))) {
		bool is_last = c == last;

		TAILQ_REMOVE(&all->woken, c, woken_entry);
		c->is_woken = false;
		/* Bytes that it may want now wake us by themselves. */
		end_turn(c, 0);
		if (is_last)
			break;
	}
	if (TAILQ_EMPTY(&all->woken))
		uv_idle_stop(idle);
}

static void wake(struct stream_host *host)
{
	struct socket_carrier *c = (struct socket_carrier *)(void *)host;
	struct socket_carriers *all = c->carriers;

	if (c->is_woken)
		return;
	c->is_woken = true;
	TAILQ_INSERT_TAIL(&all->woken, c, woken_entry);
	uv_idle_start(all->idle, on_woken);
}

static int take_fd(struct stream_host *host)
{
	struct socket_carrier *c = (struct socket_carrier *)(void *)host;

	return TAKE_FD(c->passed_fd);
}

static bool is_unix_socket(int fd)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

int socket_carriers_new(uv_loop_t *loop, const struct stream_service *service,
			struct account *account, struct socket_carriers **ret)
{
	struct socket_carriers *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	*all = (struct socket_carriers){ .loop = loop, .service = *service, .account = account };
	TAILQ_INIT(&all->list);
	TAILQ_INIT(&all->woken);
	all->idle = handle_idle_new(loop, all);
	if (!all->idle) {
		free(all);
		return -ENOMEM;
	}
	*ret = all;
	return 0;
}

void socket_carriers_free(struct socket_carriers *carriers)
{
	struct socket_carrier *c;

	if (!carriers)
		return;
	while ((c = TAILQ_FIRST(&carriers->list)))
		carrier_free(c);
	handle_free(carriers->idle);
	free(carriers);
}

int socket_carriers_add(struct socket_carriers *carriers, int fd)
{
	struct socket_carrier *c = calloc(1, sizeof(*c));

	if (!c) {
		tsk_close(fd);
		return -ENOMEM;
	}
	c->host = (struct stream_host){ .wake = wake, .take_fd = take_fd };
	c->carriers = carriers;
	c->fd = fd;
	c->is_unix = is_unix_socket(fd);
	c->passed_fd = -1;
	TAILQ_INSERT_TAIL(&carriers->list, c, entry);
	carriers->n++;
	c->poll = handle_poll_new(carriers->loop, fd, c);
	if (c->poll)
		c->stream = carriers->service.open(carriers->service.context, &c->host);
	if (!c->stream) {
		carrier_free(c);
		return -EBUSY;
	}
	watch(c);
	return 0;
}

unsigned socket_carriers_count(const struct socket_carriers *carriers)
{
	return carriers->n;
}
