/* SPDX-License-Identifier: Apache-2.0 */
/* The guest table, its fronts and their workers, with front_test_child in the place of the programs. */
#include "supervisor/guest.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/unix_socket.h"
#include "channel/device_control.h"

#define TIMEOUT_NS (UINT64_C(20) * TSK_NS_PER_SEC)

struct fixture {
	uv_loop_t loop;
	uv_timer_t tick; /* so that the loop never waits for ever */
	struct config config;
	struct launcher launcher;
	struct guest_table table;
	char folder[64];
};

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct tensock_error error;
	char text[512];

	assert_non_null(f);
	snprintf(f->folder, sizeof(f->folder), "/tmp/tensock-guest-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&f->loop);
	uv_timer_init(&f->loop, &f->tick);
	uv_timer_start(&f->tick, on_tick, 5, 5);
	config_init(&f->config);
	/* The plug-in is the child's to know, and it is no real worker. */
	snprintf(
		text, sizeof(text),
		"[daemon]\nmax-guests = 3\nmax-workers = 2\nmax-connections = 40\nrun-deadline = 70ms\nlog-level = error\n"
		"[engine test]\nplugin = /dev/null\n"
		"[guest connector]\nvhost-socket = /x\nuds = %s/uds\ncid = 42\nports = 9999, 83\n"
		"[guest sharer]\nhybrid = /y\nshared-memory = 0\nmax-connects = 4\n",
		f->folder);
	assert_int_equal(config_parse(&f->config, "test", text, strlen(text), &error), 0);
	assert_int_equal(config_finish(&f->config, &error), 0);
	tsk_log_init("test", NULL, TSK_LOG_ERROR, 0);
	assert_int_equal(launcher_init(&f->launcher, &f->loop, &f->config), 0);
	snprintf(f->launcher.front, sizeof(f->launcher.front), "%s", TEST_CHILD);
	snprintf(f->launcher.worker, sizeof(f->launcher.worker), "%s", TEST_CHILD);
	guest_table_init(&f->table, &f->launcher, &f->config);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	uint64_t end_ns = tsk_now_ns() + TIMEOUT_NS;

	guest_table_done(&f->table);
	while (f->launcher.children.first && tsk_now_ns() < end_ns)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_null(f->launcher.children.first);
	launcher_done(&f->launcher);
	uv_close((uv_handle_t *)&f->tick, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	config_done(&f->config);
	assert_int_equal(rmdir(f->folder), 0);
	/* No child is left, not even as a zombie. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	free(f);
	return 0;
}

static struct guest *guest(struct fixture *f, const char *name)
{
	struct guest *g;

	assert_int_equal(guest_table_get(&f->table, name, &g), 0);
	return g;
}

static char record[8192];

/* Delivers a connection to a guest: what its front has recorded comes into record, or nothing where it
 * is closed. */
static void deliver(struct fixture *f, const char *name, enum front_msg_type type)
{
	uint64_t end_ns = tsk_now_ns() + TIMEOUT_NS;
	size_t len = 0;
	int fds[2];

	memset(record, 0, sizeof(record));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	guest_deliver(guest(f, name), type, fds[1]);
	for (;;) {
		ssize_t n = recv(fds[0], record + len, sizeof(record) - 1 - len, MSG_DONTWAIT);

		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
		assert_true(tsk_now_ns() < end_ns);
		uv_run(&f->loop, UV_RUN_ONCE);
	}
	close(fds[0]);
}

/* Delivers until the record says something. */
static void wait_for(struct fixture *f, const char *name, const char *what)
{
	uint64_t end_ns = tsk_now_ns() + TIMEOUT_NS;

	for (;;) {
		deliver(f, name, FRONT_CONNECTION);
		if (strstr(record, what))
			return;
		if (tsk_now_ns() > end_ns)
			fail_msg("no \"%s\" in \"%s\"", what, record);
		uv_run(&f->loop, UV_RUN_ONCE);
	}
}

static unsigned n_children(const struct fixture *f)
{
	unsigned n = 0;

	for (struct child *c = f->launcher.children.first; c; c = c->next)
		n++;
	return n;
}

static void expect(const char *what)
{
	if (!strstr(record, what))
		fail_msg("no \"%s\" in \"%s\"", what, record);
}

static void test_surroundings(void **state)
{
	struct fixture *f = *state;
	int open_fd = dup(0);

	/* Not even an fd that lacks close-on-exec gets across. */
	deliver(f, "plain", FRONT_CONNECTION);
	close(open_fd);
	expect("fds 5\n");
	expect("cwd gone, 0 entries\n"); /* a folder that is in no other */
}

static void test_start(void **state)
{
	struct fixture *f = *state;

	deliver(f, "plain", FRONT_CONNECTION);
	expect("start plain, cid 0, workers 2, run 70 ms\nfd 2\n");
	expect("session own\n");
	/* Where the kernel tells how long a turn is: 0.1 ms. */
	if (strstr(record, "slice "))
		expect("slice 100000\n");
	expect("core 0\n");
	expect("blocked 0\n");
	expect("sigpipe ignored\n");
	expect("env ORT_DISABLE_TELEMETRY=1\n");
	assert_null(strstr(record, "env HOME="));
	assert_null(strstr(record, "env XDG_"));
	/* The next connection is the same front's. */
	deliver(f, "plain", FRONT_HOST_STREAM);
	expect("fd 2\nfd 3\n");
	assert_int_equal(n_children(f), 1);
}

static void test_workers(void **state)
{
	struct fixture *f = *state;

	wait_for(f, "spawner", "exited 2: 9\n");
	deliver(f, "spawner", FRONT_CONNECTION);
	expect("worker 1: 0\nworker 2: 0\n");
	expect("worker 3: -122\n"); /* EDQUOT: max-workers */
	assert_null(strstr(record, "exited 1"));
	assert_int_equal(n_children(f), 2);
	/* Asked for twice, it is one. */
	assert_int_equal(guest_info(guest(f, "spawner")).counts->worker_kills, 1);
}

static void write_to(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/*
 * The guest's cgroup tells whom the kernel has ended for memory.  Played by a file, with no more to it: real
 * controllers are seldom delegated.
 */
static void test_ended_for_memory(void **state)
{
	static const struct {
		const char *events, *end;
	} cases[] = {
		{ "oom 4\noom_kill 4\n", "exited 1: 9, its guest's memory\n" },
		{ "oom 3\noom_kill 4\n", "exited 1: 9, the host's memory\n" },
		{ "oom 3\noom_kill 3\n", "exited 1: 9\n" }, /* somebody else did it */
		{ "oom 1\noom_kill 1\n", "exited 1: 9, its guest's memory\n" }, /* a new cgroup */
	};
	struct fixture *f = *state;
	char folder[sizeof(f->folder) + 16], events[sizeof(folder) + 16];

	snprintf(folder, sizeof(folder), "%s/guest-spawner", f->folder);
	snprintf(events, sizeof(events), "%s/memory.events", folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	snprintf(f->launcher.cgroups.root, sizeof(f->launcher.cgroups.root), "%s", f->folder);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct child *child;

		write_to(events, "oom 3\noom_kill 3\n");
		wait_for(f, "spawner", "exited 2: 9\n"); /* killed by its front, that one */
		expect("memory 18446744073709551615\n");
		write_to(events, cases[i].events);
		for (child = f->launcher.children.first; child->next->next; child = child->next)
			;
		kill(child->pid, SIGKILL); /* its first worker */
		wait_for(f, "spawner", cases[i].end);
		guest_table_done(&f->table);
		while (f->launcher.children.first)
			uv_run(&f->loop, UV_RUN_ONCE);
	}
	f->launcher.cgroups.root[0] = '\0';
	assert_int_equal(unlink(events), 0);
	assert_int_equal(rmdir(folder), 0);
}

/* With a front, its workers go. */
static void test_front_killed(void **state)
{
	struct fixture *f = *state;
	struct child *child;
	uint64_t end_ns = tsk_now_ns() + TIMEOUT_NS;

	wait_for(f, "spawner", "exited 2: 9\n");
	for (child = f->launcher.children.first; child->next; child = child->next)
		;
	kill(child->pid, SIGKILL); /* the first that was started is the front */
	while (f->launcher.children.first && tsk_now_ns() < end_ns)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(n_children(f), 0);
	wait_for(f, "spawner", "start spawner"); /* and the guest has a new front */
}

/* A front that is kept is killed. */
static void kill_kept(struct fixture *f, const char *name)
{
	uint64_t end_ns = tsk_now_ns() + TIMEOUT_NS;
	pid_t before;

	assert_int_equal(guest_keep(guest(f, name)), 0);
	assert_int_equal(n_children(f), 1);
	before = f->launcher.children.first->pid;
	kill(before, SIGKILL);
	/* A new one comes although nobody connects. */
	while (tsk_now_ns() < end_ns &&
	       (n_children(f) != 1 || f->launcher.children.first->pid == before))
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(n_children(f), 1);
	assert_int_not_equal(f->launcher.children.first->pid, before);
}

static void test_keep(void **state)
{
	kill_kept(*state, "plain");
}

/* The size of the one ledger that this process has. */
static uint64_t ledger_bytes(void)
{
	uint64_t bytes = 0;

	for (int fd = 0; fd < 1024; fd++) {
		char path[32], target[64] = "";
		struct stat st;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof(target) - 1) > 0 &&
		    strstr(target, "memfd:ledger") && fstat(fd, &st) == 0)
			bytes += (uint64_t)st.st_size;
	}
	return bytes;
}

/* A configuration that allows more connections: the next session of the device has room for them. */
static void test_changed_connections(void **state)
{
	struct fixture *f = *state;
	struct config before = f->config;
	int fds[2];

	(void)guest(f, "connector");
	f->config.guests[0].limits.value[LIMIT_CONNECTIONS] = 5000;
	guest_table_changed(&f->table, &before);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	guest_vmm(guest(f, "connector"), fds[1]);
	assert_int_equal(ledger_bytes(), DEVICE_LEDGER_BYTES(5000));
	close(fds[0]);
}

/* With the built-in device nobody else comes in until the next front is there. */
static void test_keep_device(void **state)
{
	struct fixture *f = *state;

	kill_kept(f, "connector");
	wait_for(f, "connector", "connected 4");
	assert_true(guest_has_room(guest(f, "connector")));
	kill(f->launcher.children.first->pid, SIGSTOP);
	kill(f->launcher.children.first->pid, SIGKILL);
	while (guest_has_room(guest(f, "connector")))
		uv_run(&f->loop, UV_RUN_ONCE);
	wait_for(f, "connector", "connected 4");
}

static void test_rogues(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = { "rogue", "garbler" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		uint64_t end_ns = tsk_now_ns() + TIMEOUT_NS;
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		guest_deliver(guest(f, names[i]), FRONT_CONNECTION, fds[1]);
		close(fds[0]);
		while (f->launcher.children.first && tsk_now_ns() < end_ns)
			uv_run(&f->loop, UV_RUN_ONCE);
		assert_int_equal(n_children(f), 0);
	}
}

/* What a front that does not keep up cannot take is not to be taken from the socket's queue, either. */
static void test_has_room(void **state)
{
	struct fixture *f = *state;
	uint64_t end_ns = tsk_now_ns() + TIMEOUT_NS;
	unsigned n = 0;

	assert_true(guest_has_room(guest(f, "plain"))); /* there is none yet */
	deliver(f, "plain", FRONT_CONNECTION);
	kill(f->launcher.children.first->pid, SIGSTOP);
	for (; guest_has_room(guest(f, "plain")) && n < 10000; n++)
		guest_deliver(guest(f, "plain"), FRONT_CONNECTION, dup(0));
	assert_in_range(n, 1, 9999);
	kill(f->launcher.children.first->pid, SIGCONT);
	while (!guest_has_room(guest(f, "plain")) && tsk_now_ns() < end_ns)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_true(guest_has_room(guest(f, "plain")));
	/* A dead one is found out by sending. */
	kill(f->launcher.children.first->pid, SIGKILL);
	assert_true(guest_has_room(guest(f, "plain")));
}

/* All socketpairs' other ends: how many of them have been closed, or answered. */
static unsigned count_ends(const int *fds, unsigned n, bool is_closed)
{
	unsigned ret = 0;

	for (unsigned i = 0; i < n; i++) {
		char byte;
		ssize_t got = recv(fds[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK);

		ret += is_closed ? got == 0 : got > 0;
	}
	return ret;
}

static int deliver_one(struct fixture *f)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	guest_deliver(guest(f, "plain"), FRONT_CONNECTION, fds[1]);
	return fds[0];
}

/* A burst is more than the control socket takes: what the guest may have open is kept for its front, in
 * order, and what is too much is closed. */
static void test_burst(void **state)
{
	static int fds[2000];
	struct fixture *f = *state;
	uint64_t end_ns = tsk_now_ns() + TIMEOUT_NS;
	unsigned n = 0, n_taken;

	deliver(f, "plain", FRONT_CONNECTION);
	kill(f->launcher.children.first->pid, SIGSTOP);
	while (n < ARRAY_SIZE(fds) && count_ends(fds, n, true) < 3)
		fds[n++] = deliver_one(f);
	n_taken = n - 3;
	assert_int_equal(count_ends(fds, n, true), 3);
	assert_int_equal(count_ends(fds, n_taken, true), 0);
	assert_in_range(n_taken, 40 + 1, ARRAY_SIZE(fds) - 3);
	assert_false(guest_has_room(guest(f, "plain")));
	kill(f->launcher.children.first->pid, SIGCONT);
	while (count_ends(fds, n_taken, false) < n_taken && tsk_now_ns() < end_ns)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(count_ends(fds, n_taken, false), n_taken);
	assert_true(guest_has_room(guest(f, "plain")));
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
	/* What waits for a front ends with it. */
	kill(f->launcher.children.first->pid, SIGSTOP);
	for (n = 0; guest_has_room(guest(f, "plain")); n++)
		fds[n] = deliver_one(f);
	fds[n++] = deliver_one(f);
	kill(f->launcher.children.first->pid, SIGKILL);
	while (count_ends(fds, n, true) < n && tsk_now_ns() < end_ns)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(count_ends(fds, n, true), n);
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

/* A front that crashes again and again is not started without end. */
static void test_back_off(void **state)
{
	struct fixture *f = *state;
	uint64_t end_ns = tsk_now_ns() + 500 * TSK_NS_PER_MS;
	unsigned fronts = 0;
	pid_t last = 0;

	assert_int_equal(guest_keep(guest(f, "rogue")), 0);
	while (tsk_now_ns() < end_ns) {
		struct child *child = f->launcher.children.first;

		/* The youngest comes first. */
		fronts += child && child->pid > last;
		last = child && child->pid > last ? child->pid : last;
		uv_run(&f->loop, UV_RUN_ONCE);
	}
	/* at once, at once, after 100 ms, after a second ... */
	assert_in_range(fronts, 2, 3);
}

/* How long a guest whose kept front dies so often, by this signal, is without one at last. */
static uint64_t die_often(struct fixture *f, const char *name, int number, unsigned times)
{
	uint64_t began_ns = 0;

	assert_int_equal(guest_keep(guest(f, name)), 0);
	for (unsigned i = 0; i < times; i++) {
		pid_t pid = guest_info(guest(f, name)).pid;

		began_ns = tsk_now_ns();
		kill(pid, number);
		while (!guest_info(guest(f, name)).pid || guest_info(guest(f, name)).pid == pid) {
			assert_true(tsk_now_ns() - began_ns < TIMEOUT_NS);
			uv_run(&f->loop, UV_RUN_ONCE);
		}
	}
	return (tsk_now_ns() - began_ns) / TSK_NS_PER_MS;
}

/* What is killed from outside has not crashed, and comes back soon however often that is. */
static void test_killed_is_no_crash(void **state)
{
	struct fixture *f = *state;

	assert_in_range(die_often(f, "plain", SIGKILL, 8), 0, 4000);
	/* Of one that crashes, the third waits for a second. */
	assert_in_range(die_often(f, "other", SIGABRT, 3), 900, 20000);
}

/* A CID that no section names may be another VM's one day; all other names are their guests' for good. */
static void test_borrowed_names(void **state)
{
	struct fixture *f = *state;
	struct tensock_error error;

	deliver(f, "cid-77", FRONT_CONNECTION);
	expect("borrowed\n");
	deliver(f, "uid-77", FRONT_CONNECTION);
	assert_null(strstr(record, "borrowed"));
	assert_int_equal(config_parse(&f->config, "test", "[guest cid-78]", 14, &error), 0);
	f->config.guests[f->config.n_guests - 1].limits = f->config.limits;
	f->config.guests[f->config.n_guests - 1].ports = f->config.ports;
	deliver(f, "cid-78", FRONT_CONNECTION);
	expect("start cid-78");
	assert_null(strstr(record, "borrowed"));
}

/* Connections above max-connects of the second are closed. */
static void test_max_connects(void **state)
{
	struct fixture *f = *state;
	unsigned n = 0;

	f->config.limits.value[LIMIT_CONNECTS] = 1;
	assert_true(guest_may_connect(guest(f, "plain")));
	do
		deliver(f, "plain", FRONT_CONNECTION);
	while (record[0] && ++n < 100);
	assert_in_range(n, 1, 99);
	deliver(f, "plain", FRONT_HOST_STREAM); /* is not the guest's doing */
	expect("start plain");
}

static void test_idle(void **state)
{
	struct fixture *f = *state;
	struct guest *idler = guest(f, "idler");
	uint64_t end_ns = tsk_now_ns() + TIMEOUT_NS;
	int fds[2];

	/* It says "idle" after one message, but has been sent two: it must not be ended. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	guest_deliver(idler, FRONT_CONNECTION, fds[1]);
	wait_for(f, "idler", "fd 2\nfd 2\n");
	close(fds[0]);
	wait_for(f, "liar", "fd 2\nfd 2\n");
	assert_int_equal(n_children(f), 2);
	guest_table_done(&f->table);
	while (f->launcher.children.first && tsk_now_ns() < end_ns)
		uv_run(&f->loop, UV_RUN_ONCE);

	/* Nothing but the start: it is ended, unless it is to be kept. */
	guest_table_init(&f->table, &f->launcher, &f->config);
	assert_int_equal(guest_keep(guest(f, "idler")), 0);
	end_ns = tsk_now_ns() + 200 * TSK_NS_PER_MS;
	while (tsk_now_ns() < end_ns)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(n_children(f), 1);
}

/* An idle front ends, and the next connection has a new one. */
static void test_leave(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++) {
		uint64_t end_ns = tsk_now_ns() + TIMEOUT_NS;
		deliver(f, "leaver", FRONT_CONNECTION);

		expect("start leaver, cid 0, workers 2, run 70 ms\nfd 2\n");
		while (f->launcher.children.first && tsk_now_ns() < end_ns)
			uv_run(&f->loop, UV_RUN_ONCE);
		assert_int_equal(n_children(f), 0);
	}
}

static void test_connect(void **state)
{
	struct fixture *f = *state;
	struct unix_socket_file file, messages;
	char path[128];
	int fd, messages_fd;

	snprintf(path, sizeof(path), "%s/uds_80", f->folder);
	assert_int_equal(unix_socket_listen(path, SOCK_STREAM, 0600, &fd, &file, NULL), 0);
	snprintf(path, sizeof(path), "%s/uds_82", f->folder);
	assert_int_equal(unix_socket_listen(path, SOCK_SEQPACKET, 0600, &messages_fd, &messages,
					    NULL),
			 0);
	wait_for(f, "connector", "connected 10");
	deliver(f, "connector", FRONT_CONNECTION);
	expect("start connector, cid 42, workers 2, run 70 ms\nports 9999 83 0\n");
	expect("connected 1: 0\n");
	expect("connected 2: -2\n");   /* no such file */
	expect("connected 3: -111\n"); /* 9999 goes nowhere */
	expect("connected 4: -111\n"); /* no port */
	expect("connected 5: -91\n");  /* a stream's listener, and none of messages */
	expect("connected 6: 0\n");
	expect("connected 7: -91\n");
	expect("connected 8: -111\n");
	expect("connected 9: -111\n");
	expect("connected 10: -111\n"); /* another one of its own */
	close(fd);
	close(messages_fd);
	unix_socket_remove(&file);
	unix_socket_remove(&messages);
}

/* Regions are opened at the pace of connections, and one above it is not what the guest may not have. */
static void test_regions(void **state)
{
	deliver(*state, "sharer", FRONT_CONNECTION);
	wait_for(*state, "sharer", "region 20: ");
	expect("region 1: -2\n"); /* no such region */
	expect(": -11\n");
}

/* A guest's ports are the sockets at their names, not what somebody has made these lead to. */
static void test_connect_link(void **state)
{
	struct fixture *f = *state;
	struct unix_socket_file file;
	char path[128], link[128];
	int fd;

	snprintf(path, sizeof(path), "%s/elsewhere", f->folder);
	snprintf(link, sizeof(link), "%s/uds_80", f->folder);
	assert_int_equal(unix_socket_listen(path, SOCK_STREAM, 0600, &fd, &file, NULL), 0);
	assert_int_equal(symlink(path, link), 0);
	wait_for(f, "connector", "connected 1: -40\n"); /* ELOOP */
	close(fd);
	unix_socket_remove(&file);
	assert_int_equal(unlink(link), 0);
}

static void test_max_guests(void **state)
{
	struct fixture *f = *state;
	struct guest *g;

	wait_for(f, "a", "start a,");
	wait_for(f, "b", "start b,");
	guest(f, "c"); /* has no front: is forgotten first */
	wait_for(f, "d", "start d,");
	assert_int_equal(guest_table_get(&f->table, "e", &g), -EDQUOT);
	wait_for(f, "a", "start a,");
	assert_int_equal(n_children(f), 3);
}

static void test_stop(void **state)
{
	struct fixture *f = *state;
	uint64_t end_ns = tsk_now_ns() + TIMEOUT_NS;

	wait_for(f, "a", "start a,");
	assert_int_equal(guest_table_drain_ms(&f->table), 70);
	guest_table_stop(&f->table);
	while (f->launcher.children.first && tsk_now_ns() < end_ns)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(n_children(f), 0);
	deliver(f, "a", FRONT_CONNECTION); /* closed, and no front is started */
	assert_string_equal(record, "");
	assert_int_equal(n_children(f), 0);
}

static void test_no_program(void **state)
{
	struct fixture *f = *state;

	snprintf(f->launcher.front, sizeof(f->launcher.front), "/nonexistent/front");
	assert_int_equal(guest_keep(guest(f, "a")), -ENOENT);
	deliver(f, "b", FRONT_CONNECTION);
	assert_string_equal(record, "");
	assert_int_equal(n_children(f), 0);
}

/* Detaching: what is gone, and how often the table has said so. */
static char gone[FRONT_NAME_SIZE];
static unsigned n_gone;

static void on_gone(void *context, const char *name)
{
	(void)context;
	snprintf(gone, sizeof(gone), "%s", name);
	n_gone++;
}

static void detach_and_wait(struct fixture *f, const char *name)
{
	uint64_t end_ns = tsk_now_ns() + TIMEOUT_NS;

	f->table.gone = on_gone;
	n_gone = 0;
	guest_detach(guest(f, name));
	while (!n_gone && tsk_now_ns() < end_ns)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(n_gone, 1);
	assert_string_equal(gone, name);
	assert_null(guest_table_find(&f->table, name));
}

/* It is gone only when its process is, and takes nobody with it. */
static void test_detach(void **state)
{
	struct fixture *f = *state;
	pid_t pid, other;

	wait_for(f, "plain", "start plain,");
	wait_for(f, "other", "start other,");
	pid = guest_info(guest(f, "plain")).pid;
	other = guest_info(guest(f, "other")).pid;
	assert_true(pid > 0);
	detach_and_wait(f, "plain");
	assert_int_equal(kill(pid, 0), -1); /* waited for, too */
	assert_int_equal(n_children(f), 1);
	assert_int_equal(guest_info(guest(f, "other")).pid, other);
	/* The next one of that name starts anew. */
	deliver(f, "plain", FRONT_CONNECTION);
	expect("start plain, cid 0, workers 2, run 70 ms\nfd 2\n");
}

static void test_detach_device(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(guest_keep(guest(f, "connector")), 0);
	wait_for(f, "connector", "connected 4");
	detach_and_wait(f, "connector");
	assert_int_equal(n_children(f), 0);
	/* No front comes back. */
	for (unsigned i = 0; i < 60; i++)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(n_children(f), 0);
	assert_int_equal(guest_keep(guest(f, "connector")), 0);
	wait_for(f, "connector", "connected 4");
}

/* While its front is on its way out already, or was never there. */
static void test_detach_early_and_late(void **state)
{
	struct fixture *f = *state;

	guest(f, "plain");
	detach_and_wait(f, "plain");
	kill_kept(f, "connector");
	/* After a second loss there is none for a while. */
	kill(guest_info(guest(f, "connector")).pid, SIGKILL);
	while (guest_info(guest(f, "connector")).pid)
		uv_run(&f->loop, UV_RUN_ONCE);
	detach_and_wait(f, "connector");
	assert_int_equal(n_children(f), 0);
}

/* A front that does not end by itself is killed, and nothing gets to it meanwhile. */
static void test_detach_stuck(void **state)
{
	struct fixture *f = *state;

	wait_for(f, "plain", "start plain,");
	kill(guest_info(guest(f, "plain")).pid, SIGSTOP);
	f->table.gone = on_gone;
	n_gone = 0;
	guest_detach(guest(f, "plain"));
	assert_int_equal(n_gone, 0);
	deliver(f, "plain", FRONT_CONNECTION); /* closed */
	assert_string_equal(record, "");
	assert_int_equal(n_children(f), 1);
	while (!n_gone)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(n_children(f), 0);
}

#define guest_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_test(test_surroundings),
		guest_test(test_start),
		guest_test(test_workers),
		guest_test(test_ended_for_memory),
		guest_test(test_front_killed),
		guest_test(test_keep),
		guest_test(test_rogues),
		guest_test(test_has_room),
		guest_test(test_burst),
		guest_test(test_back_off),
		guest_test(test_borrowed_names),
		guest_test(test_max_connects),
		guest_test(test_killed_is_no_crash),
		guest_test(test_changed_connections),
		guest_test(test_keep_device),
		guest_test(test_idle),
		guest_test(test_leave),
		guest_test(test_connect),
		guest_test(test_regions),
		guest_test(test_connect_link),
		guest_test(test_max_guests),
		guest_test(test_stop),
		guest_test(test_no_program),
		guest_test(test_detach),
		guest_test(test_detach_device),
		guest_test(test_detach_stuck),
		guest_test(test_detach_early_and_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
