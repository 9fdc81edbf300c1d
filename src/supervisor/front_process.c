/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/front_process_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/seqpacket.h"
#include "base/unix_socket.h"
#include "supervisor/region.h"

#define MESSAGES_A_TURN 32

/* A front whose control socket has gone must exit within this; one that closed it itself, within that. */
#define EXIT_TIMEOUT_MS 5000
#define LOST_TIMEOUT_MS 200

static void on_ready(uv_poll_t *poll, int status, int events);

/*
 * Whether a process ended by what it did.  SIGKILL and what else is sent from outside, by an operator
 * or by the kernel that is out of memory, is nobody's crash.
 */
static bool is_crash(int wait_status)
{
	if (!WIFSIGNALED(wait_status))
		return WEXITSTATUS(wait_status) != 0;
	switch (WTERMSIG(wait_status)) {
	case SIGSEGV:
	case SIGABRT:
	case SIGFPE:
	case SIGBUS:
	case SIGILL:
	case SIGSYS:
	case SIGTRAP:
	case SIGXCPU:
	case SIGXFSZ:
		return true;
	default:
		return false;
	}
}

static void tell_end(const struct front_process *front, bool is_front, bool was_crash)
{
	struct launcher *launcher = front->launcher;
	struct process_end process_end = { .guest = front->name,
					   .is_front = is_front,
					   .is_crash = was_crash };

	if (launcher->ended && !front->is_unwanted)
		launcher->ended(launcher->ended_context, &process_end);
}

static void on_exit_timeout(uv_timer_t *timer)
{
	struct front_process *front = timer->data;

	/* Without a control socket it has nothing to live for, and knows it. */
	front->is_rogue = true;
	kill(front->child.pid, SIGKILL);
}

static void on_closed(uv_handle_t *handle)
{
	struct front_process *front = handle->data;

	if (--front->n_handles == 0)
		free(front);
}

/*
 * The handle is closed before its fd: later it would take that fd's successor, which has the same
 * number, out of the loop.
 */
static void close_control(struct front_process *front)
{
	if (front->n_handles && !uv_is_closing((uv_handle_t *)&front->poll))
		uv_close((uv_handle_t *)&front->poll, on_closed);
	front->fd = tsk_close(front->fd);
}

/* The workers */

static void drop_worker(struct front_process *front, struct worker_process *worker)
{
	struct worker_process **p = &front->workers;

	while (*p != worker)
		p = &(*p)->next;
	*p = worker->next;
	front->n_workers--;
	free(worker);
}

static struct worker_process *find_worker(const struct front_process *front, uint64_t id)
{
	struct worker_process *worker = front->workers;

	while (worker && worker->id != id)
		worker = worker->next;
	return worker;
}

/* Kills all workers; from here on they belong to nobody, and free themselves when they have gone. */
static void kill_workers(struct front_process *front)
{
	while (front->workers) {
		struct worker_process *worker = front->workers;

		front->workers = worker->next;
		if (worker->has_exited) {
			free(worker);
			continue;
		}
		worker->front = NULL;
		kill(worker->child.pid, SIGKILL);
	}
	front->n_workers = 0;
}

void front_process_watch_memory(struct front_process *front)
{
	front->sees_oom = cgroups_oom(&front->launcher->cgroups, front->name, &front->oom) == 0;
}

/*
 * Whether the kernel was out of memory when it ended this worker: then it has counted one more than was
 * told of.  It counts before it kills.
 */
static uint64_t memory_of(struct front_process *front, const struct worker_process *worker,
			  int wait_status)
{
	struct cgroup_oom now;
	bool is_at_limit;

	if (!front->sees_oom || worker->is_killed || !WIFSIGNALED(wait_status) ||
	    WTERMSIG(wait_status) != SIGKILL ||
	    cgroups_oom(&front->launcher->cgroups, front->name, &now) < 0)
		return 0;
	if (now.kills < front->oom.kills)
		front->oom = (struct cgroup_oom){ 0 }; /* a new one of that name: it begins at 0 */
	if (now.kills == front->oom.kills)
		return 0;
	is_at_limit = now.at_limit > front->oom.at_limit;
	front->oom.kills++;
	if (now.kills == front->oom.kills)
		front->oom.at_limit = now.at_limit;
	return is_at_limit ? FRONT_EXITED_GUEST_MEMORY : FRONT_EXITED_HOST_MEMORY;
}

static int start_worker(struct front_process *front, uint64_t id, int *ret_fd)
{
	_cleanup_free_ struct worker_process *worker = calloc(1, sizeof(*worker));
	int fds[2], r;

	if (!worker)
		return -ENOMEM;
	if (front->n_workers >= front->workers_max)
		return -EDQUOT;
	if (find_worker(front, id))
		return -EEXIST;
	r = tsk_seqpacket_pair(fds);
	if (r < 0)
		return r;
	r = launcher_start_worker(front->launcher, front->name, front->memory_bytes_max,
				  front->log_fd, fds[1], &worker->child.pid);
	tsk_close(fds[1]);
	if (r < 0) {
		tsk_close(fds[0]);
		return r;
	}
	worker->child.exited = worker_process_exited;
	worker->front = front;
	worker->id = id;
	worker->next = front->workers;
	front->workers = worker;
	front->n_workers++;
	children_add(&front->launcher->children, &TAKE_PTR(worker)->child);
	*ret_fd = fds[0];
	return 0;
}

/* Sending */

static void watch(struct front_process *front, bool is_full)
{
	int events = (front->has_answer ? 0 : UV_READABLE) | (is_full ? UV_WRITABLE : 0);

	uv_poll_start(&front->poll, events, on_ready);
}

static int send_msg(struct front_process *front, const struct front_msg *msg, int fd)
{
	int r = front_control_send(front->fd, msg, fd);

	if (r == 0)
		front->n_sent++;
	return r;
}

static int send_answer(struct front_process *front)
{
	int r = send_msg(front, &front->answer, front->answer_fd);

	if (r == -EAGAIN)
		return r;
	front->answer_fd = tsk_close(front->answer_fd);
	front->has_answer = false;
	return r;
}

static int send_exits(struct front_process *front)
{
	struct worker_process *worker = front->workers;

	while (worker) {
		struct worker_process *next = worker->next;

		if (worker->has_exited) {
			struct front_msg msg = { .type = FRONT_WORKER_EXITED,
						 .id = worker->id,
						 .value = (uint64_t)(uint32_t)worker->wait_status |
							  worker->memory };
			int r = send_msg(front, &msg, -1);

			if (r < 0)
				return r;
			drop_worker(front, worker);
		}
		worker = next;
	}
	return 0;
}

static void drop_first(struct front_process *front)
{
	struct waiting_fd *first = STAILQ_FIRST(&front->waiting);

	STAILQ_REMOVE_HEAD(&front->waiting, entry);
	front->n_waiting--;
	tsk_close(first->fd);
	free(first);
}

static int send_fds(struct front_process *front)
{
	struct waiting_fd *first;

	while ((first = STAILQ_FIRST(&front->waiting))) {
		struct front_msg msg = { .type = first->type };
		int r = send_msg(front, &msg, first->fd);

		if (r < 0)
			return r;
		drop_first(front);
	}
	return 0;
}

static int send_stop(struct front_process *front)
{
	struct front_msg msg = { .type = FRONT_STOP };
	int r = send_msg(front, &msg, -1);

	if (r == 0)
		front->stop_wanted = false;
	return r;
}

static void drop_waiting(struct front_process *front)
{
	while (front->n_waiting)
		drop_first(front);
}

/* Its control socket has ended: it exits, or is made to after a while. */
static void lose(struct front_process *front)
{
	uint64_t lived_ms = (tsk_now_ns() - front->started_ns) / TSK_NS_PER_MS;

	if (front->is_lost)
		return;
	front->is_lost = true;
	kill_workers(front);
	drop_waiting(front);
	close_control(front);
	uv_timer_start(&front->exit_timer, on_exit_timeout, LOST_TIMEOUT_MS, 0);
	if (front->ops)
		front->ops->lost(front->context, lived_ms);
}

void front_process_condemn(struct front_process *front)
{
	front->is_rogue = true;
	kill(front->child.pid, SIGKILL);
	lose(front);
}

void front_process_end(struct front_process *front)
{
	front->is_unwanted = true;
	lose(front);
	/* Nobody asks why it takes a little longer. */
	uv_timer_start(&front->exit_timer, on_exit_timeout, EXIT_TIMEOUT_MS, 0);
}

pid_t front_process_pid(const struct front_process *front)
{
	return front->child.pid;
}

void front_process_send_waiting(struct front_process *front)
{
	int r = 0;

	if (front->fd < 0)
		return;
	if (front->has_answer)
		r = send_answer(front);
	if (r == 0)
		r = send_exits(front);
	if (r == 0)
		r = send_fds(front);
	if (r == 0 && front->stop_wanted)
		r = send_stop(front);
	if (r == 0 || r == -EAGAIN)
		watch(front, r == -EAGAIN);
	else if (r == -EPIPE || r == -ECONNRESET)
		lose(front);
	else
		front_process_condemn(front);
}

/* As many may wait as the front may have open. */
static int hold(struct front_process *front, enum front_msg_type type, int fd)
{
	struct waiting_fd *waiting;

	if (front->n_waiting >= front->waiting_max)
		return -EAGAIN;
	waiting = calloc(1, sizeof(*waiting));
	if (!waiting)
		return -ENOMEM;
	waiting->type = type;
	waiting->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (waiting->fd < 0) {
		free(waiting);
		return -errno;
	}
	STAILQ_INSERT_TAIL(&front->waiting, waiting, entry);
	front->n_waiting++;
	watch(front, true);
	return 0;
}

int front_process_send(struct front_process *front, enum front_msg_type type, int fd)
{
	struct front_msg msg = { .type = type };
	int r = front->n_waiting ? -EAGAIN : send_msg(front, &msg, fd);

	if (r == -EAGAIN)
		return hold(front, type, fd);
	if (r != -EPIPE && r != -ECONNRESET)
		return r;
	lose(front);
	return -EPIPE;
}

bool front_process_has_room(const struct front_process *front)
{
	struct pollfd poll_fd = { .fd = front->fd, .events = POLLOUT };

	/* One that is gone is found out by sending. */
	return front->fd < 0 || (!front->n_waiting && poll(&poll_fd, 1, 0) != 0);
}

void front_process_stop(struct front_process *front)
{
	front->is_unwanted = true;
	front->stop_wanted = true;
	front_process_send_waiting(front);
}

/* What the front asks */

static void answer(struct front_process *front, const struct front_msg *msg, int fd)
{
	front->answer = *msg;
	front->answer_fd = fd;
	front->has_answer = true;
	front_process_send_waiting(front);
}

static void tell_worker(const struct front_process *front, enum front_process_worker event)
{
	if (front->ops && front->ops->worker)
		front->ops->worker(front->context, event);
}

static void on_spawn(struct front_process *front, uint64_t id)
{
	struct front_msg msg = { .type = FRONT_WORKER,
				 .id = id,
				 .value = front->ops ? front->ops->penalty_ms(front->context) : 0 };
	int fd = -1;

	msg.result = msg.value ? -EAGAIN : start_worker(front, id, &fd);
	tell_worker(front, msg.result < 0 ? FRONT_PROCESS_REFUSED : FRONT_PROCESS_STARTED);
	if (msg.result < 0)
		log_about_guest(&front->log, TSK_LOG_WARNING, front->name,
				"no worker can be started: %s",
				msg.value ? "its processes have crashed too often (max-crashes)"
					  : strerror(-msg.result));
	answer(front, &msg, fd);
}

/* One that breaks the rules counts at once, if its end has not counted already. */
static void on_kill(struct front_process *front, uint64_t id, bool is_rogue)
{
	struct worker_process *worker = find_worker(front, id);

	if (is_rogue && id != front->crashed_id) {
		front->crashed_id = id;
		if (worker)
			worker->is_told = true;
		tell_end(front, false, true);
	}
	if (!worker || worker->has_exited || worker->is_killed)
		return;
	tell_worker(front, FRONT_PROCESS_KILLED);
	worker->is_killed = true;
	kill(worker->child.pid, SIGKILL);
}

/* The guest asks as often as it likes, and the log is everybody's. */
static void warn_of_socket(struct front_process *front, const char *path, int error)
{
	log_about_guest(
		&front->log, TSK_LOG_WARNING, front->name, "it is not connected to %s: %s", path,
		error == -ELOOP
			? "that is a symbolic link"
			: "in a folder that everybody may write to, that is another user's socket");
}

/* Each costs this process a connect(): a guest has no more of them than of its own connections. */
static bool may_connect(struct front_process *front)
{
	const struct limits *limits = config_limits(front->launcher->config, front->name);

	if (rate_take(&front->connects, limits->value[LIMIT_CONNECTS], TSK_NS_PER_SEC,
		      tsk_now_ns()))
		return true;
	log_about_guest(&front->log, TSK_LOG_WARNING, front->name,
			"a connection or a region is refused: more than max-connects in a second");
	return false;
}

static void on_connect(struct front_process *front, uint64_t id, uint64_t value)
{
	uint64_t port = value & ~FRONT_CONNECT_SEQPACKET;
	int type = value & FRONT_CONNECT_SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM;
	const struct ports *ports = config_ports(front->launcher->config, front->name);
	char path[ADDRESS_PATH_SIZE + ADDRESS_SUFFIX_MAX];
	struct front_msg msg = { .type = FRONT_CONNECTED, .id = id, .result = -ECONNREFUSED };
	int fd = -1;

	/* Our own ports are served by the front itself, and go nowhere else. */
	if (front->uds[0] && port <= UINT32_MAX && !ports_have(ports, port) && may_connect(front)) {
		snprintf(path, sizeof(path), "%s_%u", front->uds, (unsigned)port);
		msg.result = unix_socket_connect_checked(path, type, &fd);
		if (msg.result == -ELOOP || msg.result == -EPERM)
			warn_of_socket(front, path, msg.result);
	}
	answer(front, &msg, fd);
}

static void on_region(struct front_process *front, const struct front_msg *ask)
{
	struct front_msg msg = { .type = FRONT_REGION_OPENED, .id = ask->id, .result = -EACCES };
	const struct rights *rights = config_rights(front->launcher->config, front->name);
	int fd = -1;

	if (rights->n_uids)
		msg.result = may_connect(front) ? region_open(rights, ask->key, &fd) : -EAGAIN;
	answer(front, &msg, fd);
}

static void on_message(struct front_process *front, const struct front_msg *msg)
{
	switch (msg->type) {
	case FRONT_READY:
		break;
	case FRONT_SPAWN:
		on_spawn(front, msg->id);
		break;
	case FRONT_KILL:
		on_kill(front, msg->id, msg->value == FRONT_KILL_ROGUE);
		break;
	case FRONT_CONNECT:
		on_connect(front, msg->id, msg->value);
		break;
	case FRONT_REGION:
		on_region(front, msg);
		break;
	case FRONT_IDLE:
		/* Anything sent since, or about to be, would be lost with it. */
		if (msg->value != front->n_sent || front->workers || front->n_waiting)
			break;
		if (front->ops)
			front->ops->idle(front->context);
		else
			front_process_abandon(front);
		break;
	default:
		tsk_warning(
			"guest %s: the front sent a message that is not its to send; it is killed",
			front->name);
		front_process_condemn(front);
	}
}

/* True while there may be more, and the front may be read from. */
static bool receive_one(struct front_process *front)
{
	struct front_msg msg;
	int fd = -1;
	int r = front_control_recv(front->fd, &msg, &fd);

	if (r == -EAGAIN)
		return false;
	if (r == 0 || r == -ECONNRESET) {
		lose(front);
		return false;
	}
	if (r < 0) {
		tsk_warning("guest %s: the front breaks the rules (%s), and is killed", front->name,
			    strerror(-r));
		front_process_condemn(front);
		return false;
	}
	tsk_close(fd); /* none of its messages has one */
	on_message(front, &msg);
	return front->fd >= 0 && !front->has_answer;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct front_process *front = poll->data;

	/* It ended with messages unread, which counts as an error. */
	if (status < 0) {
		lose(front);
		return;
	}
	if (events & UV_WRITABLE)
		front_process_send_waiting(front);
	if (!(events & UV_READABLE) || front->fd < 0 || front->has_answer)
		return;
	for (int i = 0; i < MESSAGES_A_TURN && receive_one(front); i++)
		;
}

/* Its life */

void front_process_free(struct front_process *front)
{
	kill_workers(front);
	drop_waiting(front);
	if (front->has_answer)
		tsk_close(front->answer_fd);
	close_control(front);
	if (front->n_handles)
		uv_close((uv_handle_t *)&front->exit_timer, on_closed);
	else
		free(front);
}

static void log_exit(const struct front_process *front, int wait_status)
{
	if (WIFSIGNALED(wait_status) && !front->is_killed)
		tsk_warning("guest %s: front %d was killed by signal %d (%s)", front->name,
			    (int)front->child.pid, WTERMSIG(wait_status),
			    strsignal(WTERMSIG(wait_status)));
	else if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) != 0)
		tsk_warning("guest %s: front %d exited with status %d", front->name,
			    (int)front->child.pid, WEXITSTATUS(wait_status));
	else
		tsk_debug("guest %s: front %d has ended", front->name, (int)front->child.pid);
}

void front_process_exited(struct child *child, int wait_status)
{
	struct front_process *front = (struct front_process *)child;

	log_exit(front, wait_status);
	lose(front);
	tell_end(front, true, front->is_rogue || is_crash(wait_status));
	if (front->ops)
		front->ops->exited(front->context);
	front_process_free(front);
}

void worker_process_exited(struct child *child, int wait_status)
{
	struct worker_process *worker = (struct worker_process *)child;

	if (!worker->front) {
		free(worker);
		return;
	}
	if (!worker->is_told && is_crash(wait_status)) {
		worker->front->crashed_id = worker->id;
		tell_end(worker->front, false, true);
	}
	worker->has_exited = true;
	worker->wait_status = wait_status;
	worker->memory = memory_of(worker->front, worker, wait_status);
	front_process_send_waiting(worker->front);
}

void front_process_abandon(struct front_process *front)
{
	front->is_unwanted |= !front->is_lost;
	front->ops = NULL;
	kill_workers(front);
	drop_waiting(front);
	close_control(front);
	uv_timer_start(&front->exit_timer, on_exit_timeout, EXIT_TIMEOUT_MS, 0);
}

void front_process_retire(struct front_process *front, uint64_t deadline_ms)
{
	front->ops = NULL;
	/* What these are is the guest's, which may go. */
	front->uds = "";
	front->log_fd = 0;
	uv_timer_start(&front->exit_timer, on_exit_timeout, deadline_ms, 0);
	front_process_stop(front);
}

void front_process_kill(struct front_process *front)
{
	front->is_lost = front->is_killed = true;
	kill(front->child.pid, SIGKILL);
	close_control(front);
}

int front_process_watch(struct front_process *front)
{
	int r = uv_poll_init(front->launcher->loop, &front->poll, front->fd);

	if (r < 0)
		return r;
	uv_timer_init(front->launcher->loop, &front->exit_timer);
	front->poll.data = front->exit_timer.data = front;
	front->n_handles = 2;
	return 0;
}

/* Starts the program on one end of a new control socket. */
static int start(struct front_process *front)
{
	int fds[2];
	int r = tsk_seqpacket_pair(fds);

	if (r < 0)
		return r;
	front->fd = fds[0];
	r = front_process_watch(front);
	if (r == 0)
		r = launcher_start_front(front->launcher, front->name, front->log_fd, fds[1],
					 &front->child.pid);
	tsk_close(fds[1]);
	return r;
}

static uint64_t process_bytes_of(const struct front_process *front)
{
	const struct limits *limits = config_limits(front->launcher->config, front->name);
	uint64_t max = limits->value[LIMIT_PROCESS_BYTES];

	return max ? max : UINT64_MAX;
}

int front_process_new(struct launcher *launcher, const struct front_start *front_start,
		      const char *uds, int log_fd, const struct front_process_ops *ops,
		      void *context, struct front_process **ret)
{
	struct front_msg msg = { .type = FRONT_START, .start = *front_start };
	struct front_process *front = calloc(1, sizeof(*front));
	int r;

	if (!front)
		return -ENOMEM;
	front->launcher = launcher;
	front->ops = ops;
	front->context = context;
	front->uds = uds;
	front->log_fd = log_fd;
	front->workers_max = front_start->workers_max;
	front->has_device = front_start->cid;
	front->run_deadline_ms = front_start->run_deadline_ms;
	front->waiting_max = front_start->connections_max;
	STAILQ_INIT(&front->waiting);
	front->memory_bytes_max = front_start->memory_bytes_max;
	front->fd = front->answer_fd = -1;
	front->started_ns = tsk_now_ns();
	memcpy(front->name, front_start->name, sizeof(front->name));
	r = start(front);
	if (r < 0) {
		front_process_free(front);
		return r;
	}
	front->child.exited = front_process_exited;
	children_add(&launcher->children, &front->child);
	front_process_watch_memory(front);
	if (front->sees_oom)
		msg.start.process_bytes_max = process_bytes_of(front);
	r = send_msg(front, &msg, -1);
	if (r < 0) {
		front->ops = NULL; /* it is not lost: it is none yet */
		front_process_condemn(front);
		return r;
	}
	watch(front, false);
	*ret = front;
	return 0;
}
