/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/children.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/log.h"

static struct child *take(struct children *children, pid_t pid)
{
	for (struct child **p = &children->first; *p; p = &(*p)->next) {
		struct child *child = *p;

		if (child->pid == pid) {
			*p = child->next;
			return child;
		}
	}
	return NULL;
}

/* One signal may stand for many exits. */
void children_reap(struct children *children)
{
	bool reaped = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *child = take(children, pid);

		reaped = true;
		if (child)
			child->exited(child, status);
	}
	if (reaped && !children->first && children->none_left)
		children->none_left(children->context);
}

static void on_sigchld(uv_signal_t *handle, int signum)
{
	(void)signum;
	children_reap(handle->data);
}

int children_init(struct children *children, uv_loop_t *loop)
{
	int r;

	*children = (struct children){ 0 };
	r = uv_signal_init(loop, &children->sigchld);
	if (r < 0)
		return r;
	children->sigchld.data = children;
	return uv_signal_start(&children->sigchld, on_sigchld, SIGCHLD);
}

void children_done(struct children *children)
{
	if (children->sigchld.data)
		uv_close((uv_handle_t *)&children->sigchld, NULL);
	children->sigchld.data = NULL;
}

void children_add(struct children *children, struct child *child)
{
	child->next = children->first;
	children->first = child;
}

void children_kill(const struct children *children)
{
	for (const struct child *child = children->first; child; child = child->next)
		kill(child->pid, SIGKILL);
}

void children_leave(struct children *children)
{
	struct child *child;

	while ((child = children->first)) {
		children->first = child->next;
		tsk_warning("process %d was killed and does not end: it is left behind",
			    (int)child->pid);
		child->exited(child, SIGKILL);
	}
	if (children->none_left)
		children->none_left(children->context);
}
