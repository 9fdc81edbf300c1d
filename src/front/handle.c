/* SPDX-License-Identifier: Apache-2.0 */
#include "front/handle.h"

#include <stdlib.h>

/* The handle if it could be made (r == 0); else frees it. */
static void *made(void *handle, int r, void *data)
{
	if (r < 0) {
		free(handle);
		return NULL;
	}
	((uv_handle_t *)handle)->data = data;
	return handle;
}

uv_poll_t *handle_poll_new(uv_loop_t *loop, int fd, void *data)
{
	uv_poll_t *poll = calloc(1, sizeof(*poll));

	return poll ? made(poll, uv_poll_init(loop, poll, fd), data) : NULL;
}

uv_timer_t *handle_timer_new(uv_loop_t *loop, void *data)
{
	uv_timer_t *timer = calloc(1, sizeof(*timer));

	return timer ? made(timer, uv_timer_init(loop, timer), data) : NULL;
}

uv_idle_t *handle_idle_new(uv_loop_t *loop, void *data)
{
	uv_idle_t *idle = calloc(1, sizeof(*idle));

	return idle ? made(idle, uv_idle_init(loop, idle), data) : NULL;
}

uv_prepare_t *handle_prepare_new(uv_loop_t *loop, void *data)
{
	uv_prepare_t *prepare = calloc(1, sizeof(*prepare));

	return prepare ? made(prepare, uv_prepare_init(loop, prepare), data) : NULL;
}

uv_check_t *handle_check_new(uv_loop_t *loop, void *data)
{
	uv_check_t *check = calloc(1, sizeof(*check));

	return check ? made(check, uv_check_init(loop, check), data) : NULL;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

void handle_free(void *handle)
{
	if (handle)
		uv_close(handle, on_closed);
}
