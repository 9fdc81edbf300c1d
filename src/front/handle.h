/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libuv handles on the heap.  libuv lets go of a handle a turn after it has been closed; these are
 * freed then, by themselves, so that what they served can be freed at once.  No callback comes
 * after handle_free(), and a polled fd may be closed right after it.
 */
#ifndef FRONT_HANDLE_H
#define FRONT_HANDLE_H

#include <uv.h>

/* NULL without memory, and for an fd that cannot be polled.  data: for the callbacks. */
uv_poll_t *handle_poll_new(uv_loop_t *loop, int fd, void *data);
uv_timer_t *handle_timer_new(uv_loop_t *loop, void *data);
uv_idle_t *handle_idle_new(uv_loop_t *loop, void *data);
uv_prepare_t *handle_prepare_new(uv_loop_t *loop, void *data);
uv_check_t *handle_check_new(uv_loop_t *loop, void *data);

/* A handle of any of these kinds, or NULL. */
void handle_free(void *handle);

#endif
