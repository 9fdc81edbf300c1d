/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/helper.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/seqpacket.h"

static void on_exited(struct child *child, int wait_status);

void helper_init(struct helper *helper, struct launcher *launcher, const struct helper_kind *kind)
{
	*helper = (struct helper){
		.child.exited = on_exited, .launcher = launcher, .kind = kind, .fd = -1
	};
	uv_timer_init(launcher->loop, &helper->restart);
	helper->restart.data = helper;
}

int helper_start(struct helper *helper)
{
	int fds[2];
	int r = tsk_seqpacket_pair(fds);

	if (r < 0)
		return r;
	r = helper->kind->launch(helper->launcher, fds[1], &helper->child.pid);
	tsk_close(fds[1]);
	if (r < 0) {
		tsk_close(fds[0]);
		return r;
	}
	helper->fd = fds[0];
	restarts_began(&helper->restarts, tsk_now_ns());
	children_add(&helper->launcher->children, &helper->child);
	r = helper->kind->introduce(helper);
	if (r < 0)
		kill(helper->child.pid, SIGKILL);
	return r;
}

static void on_restart(uv_timer_t *timer)
{
	struct helper *helper = timer->data;
	int r = helper_start(helper);

	if (r == 0) {
		helper->kind->restarted(helper);
		return;
	}
	tsk_error("%s cannot be started again: %s", helper->kind->name, strerror(-r));
	if (helper->fd < 0) /* else its end brings us back here */
		uv_timer_start(timer, on_restart, restarts_failed(&helper->restarts), 0);
}

static void on_exited(struct child *child, int wait_status)
{
	struct helper *helper = (struct helper *)child;

	helper->kind->ended(helper);
	helper->fd = tsk_close(helper->fd);
	if (helper->is_stopping)
		return;
	tsk_warning("%s %d %s %d%s", helper->kind->name, (int)child->pid,
		    WIFSIGNALED(wait_status) ? "was killed by signal" : "exited with status",
		    WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status),
		    helper->kind->loss);
	uv_timer_start(&helper->restart, on_restart,
		       restarts_ended(&helper->restarts, tsk_now_ns()), 0);
}

void helper_stop(struct helper *helper)
{
	helper->is_stopping = true;
	uv_timer_stop(&helper->restart);
}

void helper_close(struct helper *helper, uv_close_cb closed)
{
	helper->fd = tsk_close(helper->fd);
	uv_close((uv_handle_t *)&helper->restart, closed);
}
