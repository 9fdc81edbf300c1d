/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/control_socket.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/seqpacket.h"
#include "base/status.h"
#include "supervisor/listener.h"

#define REQUESTS_A_TURN 4

struct control_peer {
	struct control_socket *control; /* NULL: closed */
	struct control_peer *next;
	int fd;
	struct ucred cred;
	uv_poll_t poll;
	uv_timer_t idle;
	unsigned n_handles;

	struct operator_request request;
	bool is_asking;  /* the request is being handed over: what is answered is sent after that */
	bool is_busy;    /* the request's RESULT has not come yet */
	bool is_last;    /* it is closed once its answers are sent */
	bool is_failing; /* it is closed in any case */

	/* The answers that are not sent yet: those from n_sent on. */
	unsigned char (*answers)[OPERATOR_ANSWER_BYTES];
	size_t n_answers, n_sent, n_room;
};

struct control_socket {
	uv_loop_t *loop;
	struct listener *listener;
	const struct control_socket_ops *ops;
	void *context;
	unsigned idle_ms;
	struct control_peer *peers;
	unsigned n_peers;
};

/* Peers */

static void on_ready(uv_poll_t *poll, int status, int events);

static void on_closed(uv_handle_t *handle)
{
	struct control_peer *peer = handle->data;

	if (--peer->n_handles)
		return;
	free(peer->answers);
	free(peer);
}

static void close_peer(struct control_peer *peer)
{
	struct control_peer **p = &peer->control->peers;

	while (*p != peer)
		p = &(*p)->next;
	*p = peer->next;
	peer->control->n_peers--;
	peer->control = NULL;
	uv_close((uv_handle_t *)&peer->poll, on_closed);
	uv_close((uv_handle_t *)&peer->idle, on_closed);
	peer->fd = tsk_close(peer->fd);
}

static void on_idle(uv_timer_t *timer)
{
	close_peer(timer->data);
}

/* From now on it has so long for its next move.  While it waits for us it has all the time there is. */
static void restart_idle(struct control_peer *peer)
{
	if (peer->is_busy && peer->n_sent == peer->n_answers)
		uv_timer_stop(&peer->idle);
	else
		uv_timer_start(&peer->idle, on_idle, peer->control->idle_ms, 0);
}

/* Answers */

static int make_room(struct control_peer *peer)
{
	size_t n_room = peer->n_room ? 2 * peer->n_room : 1;
	unsigned char(*answers)[OPERATOR_ANSWER_BYTES];

	if (peer->n_answers < peer->n_room)
		return 0;
	answers = reallocarray(peer->answers, n_room, sizeof(*answers));
	if (!answers)
		return -ENOMEM;
	peer->answers = answers;
	peer->n_room = n_room;
	return 0;
}

void control_answer(struct control_peer *peer, const struct operator_answer *answer)
{
	if (make_room(peer) < 0 ||
	    operator_answer_write(answer, peer->answers[peer->n_answers]) < 0) {
		tsk_error("control socket: an answer is lost, and its connection is closed");
		peer->is_failing = true;
		return;
	}
	peer->n_answers++;
	if (answer->type == OPERATOR_RESULT)
		peer->is_busy = false;
}

/* Sends what there is.  False when that has closed the peer. */
static bool flush(struct control_peer *peer)
{
	bool is_full = false;

	while (!peer->is_failing && !is_full && peer->n_sent < peer->n_answers) {
		int r = tsk_seqpacket_send(peer->fd, peer->answers[peer->n_sent],
					   OPERATOR_ANSWER_BYTES, NULL, 0);

		is_full = r == -EAGAIN;
		peer->is_failing = r < 0 && !is_full;
		if (r >= 0)
			peer->n_sent++;
	}
	if (peer->is_failing || (peer->is_last && !is_full)) {
		close_peer(peer);
		return false;
	}
	if (!is_full)
		peer->n_sent = peer->n_answers = 0;
	restart_idle(peer);
	/* One that waits for its answer is watched all the same: it may go away. */
	uv_poll_start(&peer->poll,
		      is_full         ? UV_WRITABLE
		      : peer->is_busy ? UV_DISCONNECT
				      : UV_READABLE,
		      on_ready);
	return true;
}

void control_answer_detached(struct control_socket *control, const char *name,
			     const struct operator_answer *answer)
{
	struct control_peer *peer = control->peers;

	while (peer) {
		struct control_peer *next = peer->next;

		if (peer->is_busy && peer->request.type == OPERATOR_DETACH &&
		    strcmp(peer->request.name, name) == 0) {
			control_answer(peer, answer);
			if (!peer->is_asking)
				(void)flush(peer);
		}
		peer = next;
	}
}

struct ucred control_peer_cred(const struct control_peer *peer)
{
	return peer->cred;
}

/* Requests */

static void refuse(struct control_peer *peer, enum tensock_status status, const char *text)
{
	struct operator_answer answer = operator_result(status, text);

	control_answer(peer, &answer);
	peer->is_last = true;
}

/* True while there may be more. */
static bool receive_one(struct control_peer *peer)
{
	unsigned char bytes[OPERATOR_REQUEST_BYTES];
	int fds[TSK_SEQPACKET_FDS_MAX], r;
	unsigned n_fds;
	ssize_t len = tsk_seqpacket_recv(peer->fd, bytes, sizeof(bytes), fds, &n_fds);

	if (len == -EAGAIN)
		return false;
	if (len == 0 || (len < 0 && len != -EMSGSIZE)) {
		close_peer(peer);
		return false;
	}
	if (len > 0)
		tsk_close_all(fds, n_fds);
	r = len < 0 || n_fds ? -EPROTO : operator_request_read(bytes, (size_t)len, &peer->request);
	if (r == -EPROTONOSUPPORT) {
		refuse(peer, TENSOCK_UNSUPPORTED,
		       "tensockd and this program are of different versions");
	} else if (r < 0) {
		refuse(peer, TENSOCK_PROTOCOL, "that is no request of the control socket");
	} else {
		peer->is_busy = peer->is_asking = true;
		peer->control->ops->request(peer->control->context, peer, &peer->request);
		peer->is_asking = false;
	}
	return flush(peer) && !peer->is_busy && !peer->n_answers;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct control_peer *peer = poll->data;

	if (status < 0 || (events & UV_DISCONNECT)) {
		close_peer(peer);
		return;
	}
	if ((events & UV_WRITABLE) && !flush(peer))
		return;
	if (!(events & UV_READABLE))
		return;
	for (int i = 0; i < REQUESTS_A_TURN && receive_one(peer); i++)
		;
}

static int watch(struct control_socket *control, struct control_peer *peer)
{
	int r = uv_poll_init(control->loop, &peer->poll, peer->fd);

	if (r < 0)
		return r;
	uv_timer_init(control->loop, &peer->idle);
	peer->poll.data = peer->idle.data = peer;
	peer->n_handles = 2;
	peer->control = control;
	peer->next = control->peers;
	control->peers = peer;
	control->n_peers++;
	return 0;
}

static void on_accepted(struct listener *listener, const char *guest, int fd)
{
	struct control_socket *control = listener->context;
	struct control_peer *peer = calloc(1, sizeof(*peer));
	socklen_t len = sizeof(peer->cred);
	int r;

	(void)guest;
	if (peer)
		peer->fd = fd;
	r = !peer || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer->cred, &len) < 0
		    ? -errno
		    : watch(control, peer);
	if (r < 0) {
		tsk_warning("control socket: a connection is closed: %s", strerror(-r));
		free(peer);
		tsk_close(fd);
		return;
	}
	/* The file's mode says the same, as long as nobody has changed it. */
	if (peer->cred.uid != 0 && peer->cred.uid != geteuid()) {
		tsk_warning("control socket: refused a connection of uid %u, pid %d",
			    peer->cred.uid, (int)peer->cred.pid);
		refuse(peer, TENSOCK_PERMISSION_DENIED,
		       "only root and tensockd's own user may use its control socket");
	}
	(void)flush(peer);
}

static bool has_room(struct listener *listener)
{
	struct control_socket *control = listener->context;

	return control->n_peers < CONTROL_PEERS_MAX;
}

/* The socket */

int control_socket_new(uv_loop_t *loop, const char *path, const struct listener_handed *handed,
		       unsigned idle_ms, const struct control_socket_ops *ops, void *context,
		       struct control_socket **ret, struct tensock_error *reterr)
{
	_cleanup_free_ struct control_socket *control = calloc(1, sizeof(*control));
	struct listener *listener = calloc(1, sizeof(*listener));
	struct place place = { .kind = LISTENER_CONTROL };
	int r;

	if (!control || !listener) {
		free(listener);
		tsk_close(handed ? handed->fd : -1);
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	}
	control->loop = loop;
	control->ops = ops;
	control->context = context;
	control->idle_ms = idle_ms;
	control->listener = listener;
	listener->accepted = on_accepted;
	listener->has_room = has_room;
	listener->context = control;
	snprintf(place.path, sizeof(place.path), "%s", path);
	r = listener_open(listener, loop, &place, handed, reterr);
	if (r < 0) {
		listener_close(listener);
		return r;
	}
	*ret = TAKE_PTR(control);
	return 0;
}

void control_socket_free(struct control_socket *control)
{
	if (!control)
		return;
	listener_close(control->listener);
	while (control->peers)
		close_peer(control->peers);
	free(control);
}

const struct listener *control_socket_listener(const struct control_socket *control)
{
	return control->listener;
}

const char *control_socket_text(const struct control_socket *control)
{
	return control->listener->text;
}
