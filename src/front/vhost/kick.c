/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/kick.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>

#define POLL_MS 2u /* between two looks at a queue without an eventfd */
#define PAUSE_MS 2u

struct kick {
	uv_poll_t poll; /* only with an fd */
	uv_timer_t timer;
	unsigned handles; /* not closed yet */
	int fd;
	void (*notify)(void *context);
	void *context;
};

bool kick_is_eventfd(int fd)
{
	static const uint64_t nothing = 0;
	struct stat st;
	int flags;

	/* An anonymous inode has no type, and of these only an eventfd takes 8 bytes: it adds 0. */
	if (fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != 0)
		return false;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return false;
	return write(fd, &nothing, sizeof(nothing)) == (ssize_t)sizeof(nothing);
}

static void on_timer(uv_timer_t *timer)
{
	struct kick *kick = timer->data;

	if (kick->fd >= 0)
		kick_start(kick); /* the pause is over */
	kick->notify(kick->context);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct kick *kick = poll->data;
	uint64_t count;

	(void)events;
	/* Read once: what comes meanwhile makes it readable again. */
	if (status < 0 || (read(kick->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)) {
		kick_pause(kick);
		return;
	}
	kick->notify(kick->context);
}

int kick_new(uv_loop_t *loop, int fd, void (*notify)(void *context), void *context,
	     struct kick **ret)
{
	_cleanup_close_ int taken = fd;
	_cleanup_free_ struct kick *kick = malloc(sizeof(*kick));

	if (!kick)
		return -ENOMEM;
	*kick = (struct kick){ .fd = fd, .notify = notify, .context = context };
	if (fd >= 0) {
		int r = uv_poll_init(loop, &kick->poll, fd);

		if (r < 0)
			return r;
		kick->poll.data = kick;
		kick->handles++;
	}
	uv_timer_init(loop, &kick->timer); /* cannot fail */
	kick->timer.data = kick;
	kick->handles++;
	(void)TAKE_FD(taken);
	*ret = TAKE_PTR(kick);
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct kick *kick = handle->data;

	if (--kick->handles == 0)
		free(kick);
}

void kick_free(struct kick *kick)
{
	if (!kick)
		return;
	uv_close((uv_handle_t *)&kick->timer, on_closed);
	if (kick->fd >= 0) {
		uv_close((uv_handle_t *)&kick->poll, on_closed);
		kick->fd = tsk_close(kick->fd);
	}
}

void kick_start(struct kick *kick)
{
	if (kick->fd < 0)
		uv_timer_start(&kick->timer, on_timer, POLL_MS, POLL_MS);
	else if (uv_poll_start(&kick->poll, UV_READABLE, on_readable) < 0)
		kick_pause(kick);
}

void kick_stop(struct kick *kick)
{
	uv_timer_stop(&kick->timer);
	if (kick->fd >= 0)
		uv_poll_stop(&kick->poll);
}

void kick_pause(struct kick *kick)
{
	if (kick->fd < 0)
		return; /* its timer is a pause already */
	uv_poll_stop(&kick->poll);
	uv_timer_start(&kick->timer, on_timer, PAUSE_MS, 0);
}
