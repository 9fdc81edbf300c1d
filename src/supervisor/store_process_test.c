/* SPDX-License-Identifier: Apache-2.0 */
/* With store_test_child in the place of the program, which does not read before it is told to. */
#include "supervisor/store_process.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/clock.h"

#define GUESTS 400u /* more than a socket takes messages */
#define TIMEOUT_NS (UINT64_C(20) * TSK_NS_PER_SEC)

struct fixture {
	uv_loop_t loop;
	uv_timer_t tick; /* so that the loop never waits for ever */
	struct config config;
	struct launcher launcher;
	struct store_process *store;
	unsigned restarts;
};

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

static void on_restarted(void *context)
{
	struct fixture *f = context;

	f->restarts++;
}

static int set_up(void **state)
{
	static struct fixture f;
	struct store_process_config config = { .folder_fd = open("/", O_PATH | O_CLOEXEC),
					       .restarted = on_restarted,
					       .context = &f };
	struct tensock_error error;

	f = (struct fixture){ .restarts = 0 };
	uv_loop_init(&f.loop);
	uv_timer_init(&f.loop, &f.tick);
	uv_timer_start(&f.tick, on_tick, 5, 5);
	config_init(&f.config);
	assert_int_equal(config_finish(&f.config, &error), 0);
	tsk_log_init("test", NULL, TSK_LOG_ERROR, 0);
	assert_int_equal(launcher_init(&f.launcher, &f.loop, &f.config), 0);
	snprintf(f.launcher.store, sizeof(f.launcher.store), "%s", TEST_CHILD);
	assert_int_equal(store_process_new(&f.launcher, &config, &f.store), 0);
	*state = &f;
	return 0;
}

/* The store goes on, if it stands still. */
static void turn(struct fixture *f)
{
	if (f->launcher.children.first)
		kill(f->launcher.children.first->pid, SIGCONT);
	uv_run(&f->loop, UV_RUN_ONCE);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	uint64_t end_ns = tsk_now_ns() + TIMEOUT_NS;

	store_process_stop(f->store);
	while (f->launcher.children.first && tsk_now_ns() < end_ns)
		turn(f);
	assert_null(f->launcher.children.first);
	store_process_free(f->store);
	launcher_done(&f->launcher);
	uv_close((uv_handle_t *)&f->tick, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	config_done(&f->config);
	return 0;
}

static int open_channel(struct fixture *f, const char *guest)
{
	int fd;

	assert_int_equal(store_process_open(f->store, guest, 0, &fd), 0);
	return fd;
}

/* What the store says of the channel; "" at its end.  Closes it. */
static void expect(struct fixture *f, int fd, const char *text)
{
	uint64_t end_ns = tsk_now_ns() + TIMEOUT_NS;
	char got[128] = "";
	ssize_t n;

	while ((n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT)) < 0) {
		assert_int_equal(errno, EAGAIN);
		assert_true(tsk_now_ns() < end_ns);
		turn(f);
	}
	assert_string_equal(got, text);
	close(fd);
}

/* All have their channel, however many there are, once it reads. */
static void test_more_guests_than_the_socket_takes(void **state)
{
	struct fixture *f = *state;
	char name[32];
	int fds[GUESTS];

	for (unsigned i = 0; i < GUESTS; i++) {
		snprintf(name, sizeof(name), "guest%u", i);
		fds[i] = open_channel(f, name);
	}
	for (unsigned i = 0; i < GUESTS; i++) {
		snprintf(name, sizeof(name), "guest%u 0", i);
		expect(f, fds[i], name);
	}
	assert_int_equal(f->restarts, 0);
}

static void fill(struct fixture *f, int *fds)
{
	char name[32];

	for (unsigned i = 0; i < GUESTS; i++) {
		snprintf(name, sizeof(name), "guest%u", i);
		fds[i] = open_channel(f, name);
	}
}

static void close_channels(const int *fds)
{
	for (unsigned i = 0; i < GUESTS; i++)
		close(fds[i]);
}

/* What waits is bounded by the number of guests, and is told in its order. */
static void test_one_guest_again_and_again(void **state)
{
	struct fixture *f = *state;
	int fds[GUESTS], before, after = -1;

	fill(f, fds);
	for (unsigned i = 0; i < 2000;
	     i++) { /* more than a process may have files, if all were kept */
		before = open_channel(f, "web");
		store_process_forget(f->store, "web");
		if (i)
			close(after);
		after = open_channel(f, "web");
		expect(f, before,
		       ""); /* its front is gone, and what is to be forgotten is so for the next */
	}
	expect(f, after, "web 1");
	close_channels(fds);
}

/* Channels end with the store; what is to be forgotten is the next one's to forget. */
static void test_dies_with_messages_waiting(void **state)
{
	struct fixture *f = *state;
	int fds[GUESTS], fd;

	fill(f, fds);
	fd = open_channel(f, "web");
	store_process_forget(f->store, "gone");
	kill(f->launcher.children.first->pid, SIGKILL);
	while (!f->restarts)
		uv_run(&f->loop, UV_RUN_ONCE);
	expect(f, fd, "");
	expect(f, open_channel(f, "web"), "web 1");
	close_channels(fds);
}

#define store_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(test_more_guests_than_the_socket_takes),
		store_test(test_one_guest_again_and_again),
		store_test(test_dies_with_messages_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
