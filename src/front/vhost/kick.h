/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's kicks to one queue: the eventfd that the VMM sent, polled, or a timer where the VMM
 * asks to be polled.  Whoever holds the other end of the eventfd decides how often it is readable.
 */
#ifndef VHOST_KICK_H
#define VHOST_KICK_H

#include <stdbool.h>
#include <uv.h>

#include "base/cleanup.h"

struct kick;

/* Whether fd is an eventfd; changes nothing but, when it is one, makes it non-blocking. */
bool kick_is_eventfd(int fd);

/*
 * fd: an eventfd (kick_is_eventfd()), or -1: notify every few milliseconds.  Taken over also on
 * failure.  notify is called from the loop between kick_start() and kick_stop(); it may free.
 */
int kick_new(uv_loop_t *loop, int fd, void (*notify)(void *context), void *context,
	     struct kick **ret) _nodiscard_;
void kick_free(struct kick *kick); /* NULL */

void kick_start(struct kick *kick);
void kick_stop(struct kick *kick);

/* Started, but the eventfd is left alone for a moment; then notify comes once whatever it says. */
void kick_pause(struct kick *kick);

#endif
