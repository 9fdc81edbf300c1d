/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells the service manager how things stand (sd_notify(3)): a datagram to $NOTIFY_SOCKET, where there
 * is one, and every half of $WATCHDOG_USEC a sign of life from the loop.  Nothing here blocks or fails:
 * who runs without a manager has nobody to tell.
 */
#ifndef SUPERVISOR_NOTIFY_H
#define SUPERVISOR_NOTIFY_H

#include <stdbool.h>
#include <uv.h>

#include "base/cleanup.h"
#include "base/service_manager.h"

#define NOTIFY_TEXT_SIZE 512u

struct notify {
	struct service_manager manager;
	uv_timer_t watchdog, again;
	char unsent[NOTIFY_TEXT_SIZE]; /* the last state that found no room; or empty */
};

/* *notify must stay where it is until the loop has run after notify_done(). */
void notify_init(struct notify *notify, uv_loop_t *loop);
void notify_done(struct notify *notify);

/* Each with a sentence for people. */
void notify_ready(struct notify *notify, const char *status);
void notify_reloading(struct notify *notify, const char *status);
void notify_stopping(struct notify *notify, const char *status);

#endif
