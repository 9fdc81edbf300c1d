/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for tensock-store in the supervisor's tests.  It stands still at first; then it writes to each
 * channel that it is given whose that is, and how often it was told to forget anything.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "channel/store_control.h"

static unsigned n_forgotten;

static void answer(const struct store_msg *msg, int fd)
{
	char line[STORE_NAME_SIZE + 16];

	n_forgotten += msg->type == STORE_FORGET;
	snprintf(line, sizeof(line), "%s %u", msg->name, n_forgotten);
	if (msg->type == STORE_GUEST && write(fd, line, strlen(line)) < 0)
		_exit(1);
}

int main(void)
{
	struct pollfd pollfd = { .fd = STORE_CONTROL_FD, .events = POLLIN };

	raise(SIGSTOP);
	for (;;) {
		struct store_msg msg;
		int fd = -1, r = store_control_recv(STORE_CONTROL_FD, &msg, &fd);

		if (r == 0)
			return 0;
		if (r < 0 && r != -EAGAIN)
			return 1;
		if (r > 0)
			answer(&msg, fd);
		else
			poll(&pollfd, 1, -1);
		/* The channels stay open. */
	}
}
