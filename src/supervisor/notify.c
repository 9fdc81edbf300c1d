/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/quantity.h"

#define AGAIN_MS 50
#define WATCHDOG_MAX_US (UINT64_C(1) << 50)

static void on_again(uv_timer_t *timer);

static bool send_text(struct notify *notify, const char *text)
{
	int r = service_manager_tell(&notify->manager, text);

	if (r == -EAGAIN)
		return false;
	if (r < 0)
		tsk_debug("the service manager cannot be told: %s", strerror(-r));
	return true;
}

/* A state that is not told yet is the past by the time that the next one comes. */
static void send_state(struct notify *notify, const char *text)
{
	notify->unsent[0] = '\0';
	if (send_text(notify, text))
		return;
	snprintf(notify->unsent, sizeof(notify->unsent), "%s", text);
	uv_timer_start(&notify->again, on_again, AGAIN_MS, 0);
}

static void on_again(uv_timer_t *timer)
{
	struct notify *notify = timer->data;
	char text[NOTIFY_TEXT_SIZE];

	memcpy(text, notify->unsent, sizeof(text));
	if (text[0])
		send_state(notify, text);
}

/* One that finds no room is missed by nobody: the manager waits for two. */
static void on_watchdog(uv_timer_t *timer)
{
	(void)send_text(timer->data, "WATCHDOG=1");
}

/* In milliseconds; 0 where no sign of life is wanted from this process. */
static uint64_t watchdog_interval_ms(void)
{
	const char *pid = getenv("WATCHDOG_PID"), *usec = getenv("WATCHDOG_USEC");
	uint64_t number, interval_us;

	if (!usec || quantity_number(usec, 1, WATCHDOG_MAX_US, &interval_us) < 0)
		return 0;
	if (pid &&
	    (quantity_number(pid, 1, INT32_MAX, &number) < 0 || number != (uint64_t)getpid()))
		return 0;
	return interval_us / 2000 ? interval_us / 2000 : 1;
}

void notify_init(struct notify *notify, uv_loop_t *loop)
{
	uint64_t interval_ms = watchdog_interval_ms();
	int r;

	*notify = (struct notify){ 0 };
	uv_timer_init(loop, &notify->watchdog);
	uv_timer_init(loop, &notify->again);
	notify->watchdog.data = notify->again.data = notify;
	r = service_manager_init(&notify->manager);
	if (r < 0)
		tsk_warning("the service manager cannot be told anything: %s", strerror(-r));
	else if (notify->manager.fd >= 0 && interval_ms)
		uv_timer_start(&notify->watchdog, on_watchdog, 0, interval_ms);
}

void notify_done(struct notify *notify)
{
	service_manager_done(&notify->manager);
	uv_close((uv_handle_t *)&notify->watchdog, NULL);
	uv_close((uv_handle_t *)&notify->again, NULL);
}

/* A sentence is one line, whatever is in it. */
static void tell(struct notify *notify, const char *state, const char *status)
{
	char text[NOTIFY_TEXT_SIZE];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s\nSTATUS=", state);

	for (; *status && len < sizeof(text) - 1; status++)
		text[len++] = *status == '\n' ? ' ' : *status;
	text[len] = '\0';
	send_state(notify, text);
}

void notify_ready(struct notify *notify, const char *status)
{
	tell(notify, "READY=1", status);
}

void notify_reloading(struct notify *notify, const char *status)
{
	char state[80];

	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, tsk_now_ns() / 1000);
	tell(notify, state, status);
}

void notify_stopping(struct notify *notify, const char *status)
{
	tell(notify, "STOPPING=1", status);
}
