/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/upgrade.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/status.h"
#include "supervisor/daemon.h"
#include "supervisor/options.h"
#include "supervisor/quantity.h"
#include "supervisor/spawn.h"

#define VARIABLE "TENSOCKD_TAKEOVER" /* the number of the memfd */
#define CHECK_TIMEOUT_MS 10000
#define AGAIN_MS 20
#define TRIES_MAX 500 /* for fronts that are on their way out, which are killed after 5 s */

static_assert(offsetof(struct upgrade, check) == 0, "a child is told by its first member");

static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGCHLD };

static void set_of_signals(sigset_t *ret)
{
	sigemptyset(ret);
	for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(ret, signals[i]);
}

void upgrade_unblock_signals(void)
{
	sigset_t set;

	set_of_signals(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void upgrade_init(struct upgrade *upgrade, uv_loop_t *loop)
{
	ssize_t len = readlink("/proc/self/exe", upgrade->program, sizeof(upgrade->program) - 1);

	upgrade->program[len < 0 ? 0 : len] = '\0';
	upgrade->daemon = NULL;
	uv_timer_init(loop, &upgrade->timer);
	upgrade->timer.data = upgrade;
}

void upgrade_done(struct upgrade *upgrade)
{
	uv_close((uv_handle_t *)&upgrade->timer, NULL);
}

/* Ends this upgrade before it has happened. */
static void give_up(struct upgrade *upgrade, const char *why)
{
	struct daemon *d = upgrade->daemon;

	upgrade->daemon = NULL;
	uv_timer_stop(&upgrade->timer);
	if (d->stopping)
		return;
	tsk_error("%s does not take over, and everything goes on as before: %s", upgrade->program,
		  why);
	notify_ready(&d->notify, "Serving guests; an upgrade has failed");
}

/* What is left behind */

static int save_listener(struct takeover *takeover, int fd, const struct unix_socket_file *file)
{
	struct takeover_record *record = takeover_add(takeover, TAKEOVER_LISTENER);

	if (!record)
		return -ENOMEM;
	record->listener.fd = fd;
	memcpy(record->listener.path, file->path, sizeof(file->path));
	record->listener.dev = file->dev;
	record->listener.ino = file->ino;
	return 0;
}

static int save_config_guest(struct takeover *takeover, const struct config_guest *guest)
{
	struct takeover_record *record = takeover_add(takeover, TAKEOVER_GUEST);

	if (!record)
		return -ENOMEM;
	record->guest.cid = guest->cid;
	record->guest.is_attached = guest->is_attached;
	memcpy(record->guest.name, guest->name, sizeof(guest->name));
	memcpy(record->guest.vhost_socket, guest->vhost_socket, sizeof(guest->vhost_socket));
	memcpy(record->guest.uds, guest->uds, sizeof(guest->uds));
	memcpy(record->guest.hybrid, guest->hybrid, sizeof(guest->hybrid));
	return 0;
}

static int save_daemon(const struct daemon *d, struct takeover *takeover)
{
	struct takeover_record *record = takeover_add(takeover, TAKEOVER_DAEMON);

	if (!record)
		return -ENOMEM;
	record->daemon.started_ns = d->started_ns;
	record->daemon.front_version = FRONT_CONTROL_VERSION;
	memcpy(record->daemon.made_folder, d->made_folder, sizeof(d->made_folder));
	return 0;
}

static int save(const struct daemon *d, struct takeover *takeover)
{
	const struct config *config = d->config;
	int r = save_daemon(d, takeover);

	if (r == 0 && d->control)
		r = save_listener(takeover, control_socket_listener(d->control)->fd,
				  &control_socket_listener(d->control)->file);
	for (unsigned i = 0; i < d->n_listeners && r == 0; i++)
		r = save_listener(takeover, d->listeners[i]->fd, &d->listeners[i]->file);
	if (r == 0 && d->guests.metrics) {
		const struct listener *listener = metrics_process_listener(d->guests.metrics);

		r = save_listener(takeover, listener->fd, &listener->file);
	}
	for (unsigned i = 0; i < config->n_guests && r == 0; i++) {
		if (config_has_sockets(config, config->guests[i].name))
			r = save_config_guest(takeover, &config->guests[i]);
	}
	return r < 0 ? r : guest_table_save(&d->guests, takeover);
}

/* The exec */

static void on_time(uv_timer_t *timer);

/* Comes back only with an error, and everything as it was. */
static int become(struct upgrade *upgrade, const struct takeover *takeover)
{
	_cleanup_close_ int fd = -1;
	char number[16];
	int r = takeover_write(takeover, &fd);

	if (r < 0)
		return r;
	snprintf(number, sizeof(number), "%d", fd);
	r = takeover_set_cloexec(takeover, false);
	if (r == 0 && (fcntl(fd, F_SETFD, 0) < 0 || setenv(VARIABLE, number, 1) < 0))
		r = -errno;
	if (r == 0) {
		execv(upgrade->program, upgrade->daemon->argv);
		r = -errno;
	}
	unsetenv(VARIABLE);
	return takeover_set_cloexec(takeover, true) < 0 ? -EBADF : r;
}

static void block_signals(struct upgrade *upgrade)
{
	sigset_t set;

	set_of_signals(&set);
	sigprocmask(SIG_BLOCK, &set, &upgrade->blocked_before);
	upgrade->has_blocked = true;
}

static void restore_signals(struct upgrade *upgrade)
{
	if (upgrade->has_blocked)
		sigprocmask(SIG_SETMASK, &upgrade->blocked_before, NULL);
	upgrade->has_blocked = false;
}

/* 0: it goes on later. */
static int go_on(struct upgrade *upgrade)
{
	struct takeover takeover = { 0 };
	int r = save(upgrade->daemon, &takeover);

	if (r == 0 && upgrade->has_blocked) {
		r = become(upgrade, &takeover);
	} else if (r == 0) {
		/* The loop goes round once more: signals that came before this have their say, for the
		 * next program would never hear of them. */
		block_signals(upgrade);
		uv_timer_start(&upgrade->timer, on_time, 1, 0);
	} else if (r == -EBUSY && upgrade->tries++ < TRIES_MAX) {
		restore_signals(upgrade); /* the exit that is waited for is one */
		uv_timer_start(&upgrade->timer, on_time, AGAIN_MS, 0);
		r = 0;
	}
	takeover_done(&takeover);
	return r;
}

static void on_time(uv_timer_t *timer)
{
	struct upgrade *upgrade = timer->data;
	int r = upgrade->daemon->stopping ? -ECANCELED : go_on(upgrade);

	if (r == 0)
		return;
	restore_signals(upgrade);
	give_up(upgrade, strerror(-r));
}

static void on_checked(struct child *child, int wait_status)
{
	struct upgrade *upgrade = (struct upgrade *)child;

	uv_timer_stop(&upgrade->timer);
	if (!WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0) {
		give_up(upgrade, WIFEXITED(wait_status) ? "it has said why, or cannot be asked"
							: "it was killed, or did not answer");
		return;
	}
	upgrade->tries = 0;
	uv_timer_start(&upgrade->timer, on_time, 0, 0);
}

static void on_check_timeout(uv_timer_t *timer)
{
	const struct upgrade *upgrade = timer->data;

	kill(upgrade->check.pid, SIGKILL);
}

/* Asks the program, as it will be started, whether it would read the records, and its configuration. */
static int start_check(struct upgrade *upgrade)
{
	const struct daemon *d = upgrade->daemon;
	_cleanup_close_ int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_free_ char **argv = calloc((size_t)d->argc + 3, sizeof(*argv));
	static char option[] = "--can-take-over";
	char tag[TAKEOVER_TAG_SIZE];
	struct spawn spawn = {
		.argv = argv, .control_fd = null_fd, .cwd_fd = here, .discard_stdout = true
	};

	if (!argv)
		return -ENOMEM;
	if (here < 0 || null_fd < 0)
		return -EMFILE;
	takeover_tag(tag);
	argv[0] = upgrade->program;
	argv[1] = option;
	argv[2] = tag;
	for (int i = 1; i < d->argc; i++)
		argv[i + 2] = d->argv[i];
	return spawn_process(&spawn, &upgrade->check.pid);
}

void upgrade_begin(struct daemon *d)
{
	struct upgrade *upgrade = &d->upgrade;
	int r;

	if (upgrade->daemon || d->stopping) {
		tsk_info("SIGUSR2 is ignored: %s",
			 d->stopping ? "tensockd is ending" : "an upgrade is under way");
		return;
	}
	upgrade->daemon = d;
	tsk_info("SIGUSR2: %s is to take over", upgrade->program);
	notify_reloading(&d->notify, "Another program is to take over");
	r = start_check(upgrade);
	if (r < 0) {
		give_up(upgrade, strerror(-r));
		return;
	}
	upgrade->check.exited = on_checked;
	children_add(&d->launcher.children, &upgrade->check);
	uv_timer_start(&upgrade->timer, on_check_timeout, CHECK_TIMEOUT_MS, 0);
}

/* On the other side */

static int carry(struct config *running, const struct takeover_guest *saved)
{
	struct config_guest *guests =
		reallocarray(running->guests, running->n_guests + 1, sizeof(*guests));
	struct config_guest *guest;

	if (!guests)
		return -ENOMEM;
	running->guests = guests;
	guest = &guests[running->n_guests++];
	*guest = (struct config_guest){ .cid = saved->cid, .is_attached = saved->is_attached };
	memcpy(guest->name, saved->name, sizeof(guest->name));
	memcpy(guest->vhost_socket, saved->vhost_socket, sizeof(guest->vhost_socket));
	memcpy(guest->uds, saved->uds, sizeof(guest->uds));
	memcpy(guest->hybrid, saved->hybrid, sizeof(guest->hybrid));
	return 0;
}

int upgrade_read(struct takeover *ret, struct config *ret_running, struct tensock_error *reterr)
{
	const char *text = getenv(VARIABLE);
	uint64_t fd;
	int r;

	if (!text)
		return 0;
	r = quantity_number(text, 3, TAKEOVER_FD_MAX, &fd);
	if (r == 0)
		r = takeover_read((int)fd, ret);
	unsetenv(VARIABLE);
	for (unsigned i = 0; r == 0 && i < ret->n; i++) {
		if (ret->list[i].type == TAKEOVER_GUEST)
			r = carry(ret_running, &ret->list[i].guest);
	}
	return r == 0 ? 1
		      : tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				 "this tensockd cannot take the place of the one before: %s",
				 strerror(-r));
}

int upgrade_adopt(struct daemon *d, struct takeover *takeover)
{
	int r = 0;

	for (unsigned i = 0; i < takeover->n && r == 0; i++) {
		struct takeover_record *record = &takeover->list[i];
		struct listener_handed handed = { .fd = -1 };

		if (record->type == TAKEOVER_DAEMON) {
			d->started_ns = record->daemon.started_ns;
			memcpy(d->made_folder, record->daemon.made_folder, sizeof(d->made_folder));
		}
		if (record->type != TAKEOVER_LISTENER)
			continue;
		handed.fd = record->listener.fd;
		memcpy(handed.file.path, record->listener.path, sizeof(handed.file.path));
		handed.file.dev = record->listener.dev;
		handed.file.ino = record->listener.ino;
		r = activation_add(&d->activation, &handed);
		if (r == 0)
			record->listener.fd = -1;
	}
	d->activation.may_be_left = true;
	guest_table_adopt(&d->guests, takeover);
	takeover_close(takeover);
	takeover_done(takeover);
	return r;
}
