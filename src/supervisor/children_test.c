/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/children.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/testing.h"

#define N_CHILDREN 3u

struct told {
	struct child child; /* the first member */
	unsigned n;
	int wait_status;
};

static void on_exited(struct child *child, int wait_status)
{
	struct told *told = (struct told *)child;

	told->n++;
	told->wait_status = wait_status;
}

static void on_none_left(void *context)
{
	++*(unsigned *)context;
}

static pid_t start(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		pause();
		_exit(1);
	}
	return pid;
}

static void begin(struct children *children, struct told told[N_CHILDREN], unsigned *n_left)
{
	children->none_left = on_none_left;
	children->context = n_left;
	for (unsigned i = 0; i < N_CHILDREN; i++) {
		told[i] = (struct told){ .child = { .pid = start(), .exited = on_exited } };
		children_add(children, &told[i].child);
	}
}

static void wait_until_gone(struct children *children)
{
	for (unsigned i = 0; i < 2000 && children->first; i++) {
		children_reap(children);
		usleep(5000);
	}
	assert_null(children->first);
}

static void test_killed(void **state)
{
	struct children children = { .first = NULL };
	struct told told[N_CHILDREN];
	unsigned n_left = 0;

	(void)state;
	begin(&children, told, &n_left);
	children_kill(&children);
	wait_until_gone(&children);
	assert_int_equal(n_left, 1);
	for (unsigned i = 0; i < N_CHILDREN; i++) {
		assert_int_equal(told[i].n, 1);
		assert_int_equal(WTERMSIG(told[i].wait_status), SIGKILL);
	}
}

/* Each is told of once, as killed, though none has ended. */
static void test_left(void **state)
{
	struct children children = { .first = NULL };
	struct told told[N_CHILDREN];
	unsigned n_left = 0;

	(void)state;
	begin(&children, told, &n_left);
	children_leave(&children);
	assert_null(children.first);
	assert_int_equal(n_left, 1);
	for (unsigned i = 0; i < N_CHILDREN; i++) {
		assert_int_equal(told[i].n, 1);
		assert_true(WIFSIGNALED(told[i].wait_status));
		assert_int_equal(WTERMSIG(told[i].wait_status), SIGKILL);
		assert_int_equal(kill(told[i].child.pid, 0), 0);
		kill(told[i].child.pid, SIGKILL);
		assert_int_equal(waitpid(told[i].child.pid, NULL, 0), told[i].child.pid);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_killed),
		TSK_TEST(test_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
