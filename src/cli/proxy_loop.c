/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/proxy_loop.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/signalfd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "cli/relay.h"

#define EVENTS_A_TURN 256
#define ACCEPTS_A_TURN 32
#define TICK_MS 50
#define TICK_NS (TICK_MS * TSK_NS_PER_MS)
#define SHORTAGE_PAUSE_NS (100 * TSK_NS_PER_MS)

/* A daemon that restarts is back within this. */
#define RETRY_NS (2 * TSK_NS_PER_SEC)
#define RETRY_FIRST_NS (25 * TSK_NS_PER_MS) /* doubled each time */
#define CONNECT_NS (5 * TSK_NS_PER_SEC)

/* At the end: for answers that are due; and how long a connection is silent that waits for none. */
#define STOP_NS (10 * TSK_NS_PER_SEC)
#define QUIET_TICKS 10

enum source_kind {
	SOURCE_SIGNALS,
	SOURCE_FORWARD,
	SOURCE_CLIENT,
	SOURCE_HOST
};

/* What an event of epoll is of. */
struct source {
	enum source_kind kind;
	void *owner;
};

enum stage {
	STAGE_WAITING, /* for the next try to connect */
	STAGE_CONNECTING,
	STAGE_OPEN,
	STAGE_ENDED /* to be freed when the batch of events is through, which may name it */
};

struct connection {
	struct relay relay;
	struct source client, host;
	struct forward *forward;
	enum stage stage;
	uint64_t begun_ns, again_ns, pause_ns; /* until it is open */
	unsigned quiet_ticks;                  /* at the end */
	bool is_due[RELAY_SIDES];              /* ways that have something to do */
	bool is_listed;                        /* in `due` */
	TAILQ_ENTRY(connection) link, due_link;
};

TAILQ_HEAD(connections, connection);

struct proxy {
	int epoll_fd, signal_fd;
	struct forward *forwards;
	struct source *forward_sources;
	unsigned n_forwards;
	struct source signals;
	struct connections all, due, ended;
	unsigned n, n_max;
	unsigned n_pending; /* waiting or connecting */
	struct pipe_pool pipes;
	uint64_t tick_ns;         /* when the last one was */
	uint64_t accept_again_ns; /* 0: it accepts */
	uint64_t stop_ns;         /* when it must have ended; 0: it is not asked to */
	uint64_t n_refused;
};

static int watch(struct proxy *proxy, int fd, uint32_t events, struct source *source)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return epoll_ctl(proxy->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* By the edge: what a wake-up brings is moved until there is no more, or the connection stays due. */
static int watch_socket(struct proxy *proxy, int fd, struct source *source)
{
	return watch(proxy, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, source);
}

static void make_due(struct proxy *proxy, struct connection *c, enum relay_side from)
{
	c->is_due[from] = true;
	if (c->is_listed)
		return;
	TAILQ_INSERT_TAIL(&proxy->due, c, due_link);
	c->is_listed = true;
}

static void end_connection(struct proxy *proxy, struct connection *c)
{
	if (c->stage == STAGE_ENDED)
		return;
	if (c->stage != STAGE_OPEN)
		proxy->n_pending--;
	if (c->is_listed)
		TAILQ_REMOVE(&proxy->due, c, due_link);
	TAILQ_REMOVE(&proxy->all, c, link);
	TAILQ_INSERT_TAIL(&proxy->ended, c, link);
	relay_done(&c->relay);
	c->stage = STAGE_ENDED;
	proxy->n--;
}

static void free_ended(struct proxy *proxy)
{
	struct connection *c;

	while ((c = TAILQ_FIRST(&proxy->ended))) {
		TAILQ_REMOVE(&proxy->ended, c, link);
		free(c);
	}
}

static void opened(struct proxy *proxy, struct connection *c)
{
	struct forward *forward = c->forward;

	if (forward->is_unreachable)
		tsk_info("%s is there again", forward->host.text);
	forward->is_unreachable = false;
	c->stage = STAGE_OPEN;
	proxy->n_pending--;
	make_due(proxy, c, RELAY_CLIENT);
	make_due(proxy, c, RELAY_HOST);
}

/* Waits for the next try, or gives up. */
static void not_connected(struct proxy *proxy, struct connection *c,
			  const struct tensock_error *error)
{
	uint64_t now_ns = tsk_now_ns();
	struct forward *forward = c->forward;

	c->relay.fds[RELAY_HOST] = tsk_close(c->relay.fds[RELAY_HOST]);
	if (error->status == TENSOCK_UNAVAILABLE && now_ns - c->begun_ns < RETRY_NS) {
		c->stage = STAGE_WAITING;
		c->again_ns = now_ns + c->pause_ns;
		c->pause_ns *= 2;
		return;
	}
	if (!forward->is_unreachable)
		tsk_warning("%s; connections to %s are closed until it can be reached",
			    error->message, forward->local.text);
	forward->is_unreachable = true;
	end_connection(proxy, c);
}

static void connect_host(struct proxy *proxy, struct connection *c)
{
	struct tensock_error error = { 0 };
	int *fd = &c->relay.fds[RELAY_HOST];
	int r = address_connect(&c->forward->host, fd, &error);

	if (*fd >= 0 && watch_socket(proxy, *fd, &c->host) < 0) {
		r = tsk_fail(&error, TENSOCK_OUT_OF_MEMORY, "cannot watch a connection to %s: %s",
			     c->forward->host.text, strerror(errno));
	}
	if (r == ADDRESS_CONNECTED)
		opened(proxy, c);
	else if (r == ADDRESS_CONNECTING)
		c->stage = STAGE_CONNECTING;
	else
		not_connected(proxy, c, &error);
}

/* fd: the client's, which is taken over. */
static void add_connection(struct proxy *proxy, struct forward *forward, int fd)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c || watch_socket(proxy, fd, &c->client) < 0) {
		tsk_warning("a connection to %s is closed: not enough memory", forward->local.text);
		tsk_close(fd);
		free(c);
		return;
	}
	relay_init(&c->relay, fd);
	c->client = (struct source){ SOURCE_CLIENT, c };
	c->host = (struct source){ SOURCE_HOST, c };
	c->forward = forward;
	c->begun_ns = tsk_now_ns();
	c->pause_ns = RETRY_FIRST_NS;
	c->stage = STAGE_WAITING;
	TAILQ_INSERT_TAIL(&proxy->all, c, link);
	proxy->n++;
	proxy->n_pending++;
	connect_host(proxy, c);
}

static void refuse_client(struct proxy *proxy, const struct forward *forward, int fd)
{
	proxy->n_refused++;
	tsk_warning(
		"%s: refused a connection: %u are open, which is --max-connections (%llu refused "
		"so far)",
		forward->local.text, proxy->n, (unsigned long long)proxy->n_refused);
	tsk_close(fd);
}

static void set_accepting(struct proxy *proxy, bool accepts)
{
	for (unsigned i = 0; i < proxy->n_forwards; i++) {
		struct epoll_event event = { .events = accepts ? EPOLLIN : 0,
					     .data.ptr = &proxy->forward_sources[i] };

		(void)epoll_ctl(proxy->epoll_fd, EPOLL_CTL_MOD, proxy->forwards[i].fd, &event);
	}
	proxy->accept_again_ns = accepts ? 0 : tsk_now_ns() + SHORTAGE_PAUSE_NS;
}

/* False: there are no more for now. */
static bool accept_one(struct proxy *proxy, struct forward *forward)
{
	int fd = accept4(forward->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		int error = errno;

		if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
			tsk_warning("%s: no connection can be accepted for now: %s",
				    forward->local.text, strerror(error));
			set_accepting(proxy, false);
		}
		/* Others are one connection's: it was gone before it was accepted. */
		return error == ECONNABORTED || error == EINTR || error == EPROTO;
	}
	if (proxy->n >= proxy->n_max)
		refuse_client(proxy, forward, fd);
	else
		add_connection(proxy, forward, fd);
	return true;
}

static void on_forward(struct proxy *proxy, struct forward *forward)
{
	for (unsigned i = 0; i < ACCEPTS_A_TURN && accept_one(proxy, forward); i++)
		;
}

static void begin_to_stop(struct proxy *proxy)
{
	struct signalfd_siginfo signal;

	if (read(proxy->signal_fd, &signal, sizeof(signal)) != (ssize_t)sizeof(signal))
		return;
	if (proxy->stop_ns) {
		proxy->stop_ns = 1;
		return;
	}
	tsk_info("it is to end: %u connections are open", proxy->n);
	proxy->stop_ns = tsk_now_ns() + STOP_NS;
	for (unsigned i = 0; i < proxy->n_forwards; i++)
		forward_close(&proxy->forwards[i]);
}

static void on_connected(struct proxy *proxy, struct connection *c)
{
	struct tensock_error error = { 0 };

	if (address_connected(&c->forward->host, c->relay.fds[RELAY_HOST], &error) < 0)
		not_connected(proxy, c, &error);
	else
		opened(proxy, c);
}

static void on_socket(struct proxy *proxy, struct connection *c, enum relay_side side,
		      uint32_t events)
{
	if (c->stage == STAGE_ENDED)
		return;
	if (c->stage != STAGE_OPEN) {
		if (side == RELAY_HOST && c->stage == STAGE_CONNECTING)
			on_connected(proxy, c);
		else if (side == RELAY_CLIENT && (events & (EPOLLHUP | EPOLLERR)))
			end_connection(proxy, c);
		return;
	}
	if (events & (EPOLLHUP | EPOLLERR))
		relay_gone(&c->relay, side);
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		make_due(proxy, c, side);
	if ((events & EPOLLOUT) && relay_waits_for(&c->relay, side))
		make_due(proxy, c, !side);
}

static void on_event(struct proxy *proxy, struct source *source, uint32_t events)
{
	switch (source->kind) {
	case SOURCE_SIGNALS:
		begin_to_stop(proxy);
		break;
	case SOURCE_FORWARD:
		on_forward(proxy, source->owner);
		break;
	case SOURCE_CLIENT:
	case SOURCE_HOST:
		on_socket(proxy, source->owner,
			  source->kind == SOURCE_CLIENT ? RELAY_CLIENT : RELAY_HOST, events);
		break;
	}
}

/* Gives a connection its turn. */
static void move(struct proxy *proxy, struct connection *c)
{
	for (unsigned side = 0; side < RELAY_SIDES; side++) {
		int r;

		if (!c->is_due[side])
			continue;
		r = relay_move(&c->relay, (enum relay_side)side, &proxy->pipes);
		if (r < 0) {
			tsk_warning("a connection to %s is closed: no pipe for it: %s",
				    c->forward->local.text, strerror(-r));
			end_connection(proxy, c);
			return;
		}
		c->is_due[side] = r == RELAY_GOES_ON;
	}
	if (relay_has_ended(&c->relay))
		end_connection(proxy, c);
}

/* Each that is due now, once. */
static void move_due(struct proxy *proxy)
{
	struct connection *last = TAILQ_LAST(&proxy->due, connections), *c;
	bool is_last;

	while ((c = TAILQ_FIRST(&proxy->due))) {
		is_last = c == last;
		TAILQ_REMOVE(&proxy->due, c, due_link);
		c->is_listed = false;
		move(proxy, c);
		if (c->stage != STAGE_ENDED && (c->is_due[RELAY_CLIENT] || c->is_due[RELAY_HOST])) {
			TAILQ_INSERT_TAIL(&proxy->due, c, due_link);
			c->is_listed = true;
		}
		if (is_last)
			break;
	}
}

static void look_at_pending(struct proxy *proxy, struct connection *c, uint64_t now_ns)
{
	struct tensock_error error;

	if (c->stage == STAGE_WAITING && now_ns >= c->again_ns) {
		connect_host(proxy, c);
	} else if (c->stage == STAGE_CONNECTING && now_ns - c->begun_ns >= CONNECT_NS) {
		(void)tsk_fail(&error, TENSOCK_DEADLINE_EXCEEDED,
			       "cannot connect to %s: it does not answer", c->forward->host.text);
		not_connected(proxy, c, &error);
	}
}

/* At the end.  Who has had the last word is the client: it waits for an answer. */
static bool may_be_cut(const struct proxy *proxy, struct connection *c, uint64_t now_ns)
{
	const struct relay *relay = &c->relay;

	c->quiet_ticks = relay->has_moved ? 0 : c->quiet_ticks + 1;
	c->relay.has_moved = false;
	if (now_ns >= proxy->stop_ns || c->stage != STAGE_OPEN)
		return true;
	return c->quiet_ticks >= QUIET_TICKS && !relay->is_asked &&
	       !relay_waits_for(relay, RELAY_CLIENT) && !relay_waits_for(relay, RELAY_HOST);
}

static void tick(struct proxy *proxy)
{
	uint64_t now_ns = tsk_now_ns();
	struct connection *c, *next;

	if (now_ns - proxy->tick_ns < TICK_NS && proxy->stop_ns != 1)
		return;
	proxy->tick_ns = now_ns;
	if (proxy->accept_again_ns && now_ns >= proxy->accept_again_ns && !proxy->stop_ns)
		set_accepting(proxy, true);
	if (!proxy->n_pending && !proxy->stop_ns)
		return;
	for (c = TAILQ_FIRST(&proxy->all); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (proxy->stop_ns && may_be_cut(proxy, c, now_ns))
			end_connection(proxy, c);
		else if (c->stage != STAGE_OPEN)
			look_at_pending(proxy, c, now_ns);
	}
}

static int timeout_ms(const struct proxy *proxy)
{
	if (!TAILQ_EMPTY(&proxy->due))
		return 0;
	return proxy->n_pending || proxy->stop_ns || proxy->accept_again_ns ? TICK_MS : -1;
}

static void serve(struct proxy *proxy)
{
	struct epoll_event events[EVENTS_A_TURN];

	while (!proxy->stop_ns || proxy->n) {
		int n = epoll_wait(proxy->epoll_fd, events, EVENTS_A_TURN, timeout_ms(proxy));

		for (int i = 0; i < n; i++)
			on_event(proxy, events[i].data.ptr, events[i].events);
		move_due(proxy);
		tick(proxy);
		free_ended(proxy);
	}
}

static int open_signals(struct proxy *proxy)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	proxy->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (proxy->signal_fd < 0)
		return -errno;
	proxy->signals = (struct source){ SOURCE_SIGNALS, proxy };
	return watch(proxy, proxy->signal_fd, EPOLLIN, &proxy->signals);
}

static int open_all(struct proxy *proxy)
{
	int r;

	proxy->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	proxy->forward_sources = calloc(proxy->n_forwards, sizeof(*proxy->forward_sources));
	if (proxy->epoll_fd < 0 || !proxy->forward_sources)
		return -errno;
	r = open_signals(proxy);
	for (unsigned i = 0; i < proxy->n_forwards && r == 0; i++) {
		proxy->forward_sources[i] = (struct source){ SOURCE_FORWARD, &proxy->forwards[i] };
		r = watch(proxy, proxy->forwards[i].fd, EPOLLIN, &proxy->forward_sources[i]);
	}
	return r;
}

int proxy_loop_run(struct forward *forwards, unsigned n_forwards, unsigned max_connections,
		   void (*ready)(void *user), void *user, struct tensock_error *reterr)
{
	struct proxy proxy = { .epoll_fd = -1,
			       .signal_fd = -1,
			       .forwards = forwards,
			       .n_forwards = n_forwards,
			       .n_max = max_connections };
	int r;

	TAILQ_INIT(&proxy.all);
	TAILQ_INIT(&proxy.due);
	TAILQ_INIT(&proxy.ended);
	r = open_all(&proxy);
	if (r == 0) {
		ready(user);
		serve(&proxy);
	} else {
		r = tsk_fail(reterr, tsk_status_from_errno(-r), "cannot begin: %s", strerror(-r));
	}
	pipe_pool_done(&proxy.pipes);
	tsk_close(proxy.signal_fd);
	tsk_close(proxy.epoll_fd);
	free(proxy.forward_sources);
	return r;
}
