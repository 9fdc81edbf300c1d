/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#include "supervisor/device.h"

/*
 * How long to wait before a front is started again that has crashed for the nth time in a row.  A VM
 * whose device is served by it waits with all of its connections: never for long.
 */
#define RESTARTS 6u
static const uint64_t restart_ms[RESTARTS] = { 0, 0, 100, 1000, 5000, 5000 };
static const uint64_t restart_device_ms[RESTARTS] = { 0, 0, 20, 50, 100, 200 };

/* A front that has lived so long has not crashed in a row with the one before it. */
#define STEADY_MS 10000

struct guest {
	struct guest_table *table;
	struct guest *next;
	char name[FRONT_NAME_SIZE];
	struct limits limits;
	bool is_stored;              /* its models may be */
	uint64_t store_bytes;        /* of them; 0: no bound of its own */
	uint64_t cid;                /* of the built-in device, else 0 */
	char uds[ADDRESS_PATH_SIZE]; /* or empty */

	struct device *device;         /* NULL without the built-in device */
	struct front_process *front;   /* NULL: none now */
	struct front_process *leaving; /* lost, but not gone: it may still write to the device */
	bool keep;                     /* it shall always have one */
	bool detached;                 /* it is forgotten when its front has exited */
	unsigned crashes;              /* in a row */
	uint64_t not_before_ns;        /* the next front */
	uv_timer_t restart;
	uint64_t refused; /* connections */
};

static int start_front(struct guest *guest);
static void forget_detached(struct guest *guest);

void guest_table_init(struct guest_table *table, struct launcher *launcher,
		      const struct config *config)
{
	*table = (struct guest_table){ .launcher = launcher, .config = config };
}

/* Fronts come and go */

static void on_restart(uv_timer_t *timer)
{
	struct guest *guest = timer->data;
	int r;

	if (guest->front || guest->table->stopping)
		return;
	r = start_front(guest);
	if (r < 0)
		tsk_error("guest %s: no front can be started: %s", guest->name, strerror(-r));
}

/* Its front is gone, or could not be started: sets when the next one may come.  In milliseconds. */
static uint64_t back_off(struct guest *guest)
{
	unsigned i = guest->crashes < RESTARTS ? guest->crashes : RESTARTS - 1;
	uint64_t wait_ms = guest->device ? restart_device_ms[i] : restart_ms[i];

	guest->not_before_ns = tsk_now_ns() + wait_ms * TSK_NS_PER_MS;
	if (guest->keep && !guest->leaving && !guest->table->stopping)
		uv_timer_start(&guest->restart, on_restart, wait_ms, 0);
	return wait_ms;
}

static void on_front_lost(void *context, uint64_t lived_ms)
{
	struct guest *guest = context;

	/* A device is handed on when nobody else can touch it; others need not wait. */
	if (guest->device || guest->detached)
		guest->leaving = guest->front;
	else
		front_process_abandon(guest->front);
	guest->front = NULL;
	if (guest->table->stopping || guest->detached)
		return;
	guest->crashes = lived_ms >= STEADY_MS ? 1 : guest->crashes + 1;
	tsk_warning(
		"guest %s: its front is gone, and its connections with it; the next one may start in %llu ms",
		guest->name, (unsigned long long)back_off(guest));
}

static void on_front_exited(void *context)
{
	struct guest *guest = context;
	uint64_t now_ns = tsk_now_ns(), wait_ms = 0;

	guest->leaving = NULL;
	if (guest->detached) {
		forget_detached(guest);
		return;
	}
	device_close_channel(guest->device);
	if (!guest->keep || guest->table->stopping)
		return;
	if (now_ns < guest->not_before_ns)
		wait_ms = (guest->not_before_ns - now_ns) / TSK_NS_PER_MS + 1;
	uv_timer_start(&guest->restart, on_restart, wait_ms, 0);
}

static void on_front_idle(void *context)
{
	struct guest *guest = context;

	if (guest->keep || guest->table->stopping)
		return;
	tsk_debug("guest %s: its front is idle, and is ended", guest->name);
	front_process_abandon(guest->front);
	guest->front = NULL;
	guest->crashes = 0;
}

/* Gives the front that has just been started the guest's device. */
static int hand_device_over(struct guest *guest)
{
	int fd, r = device_open_channel(guest->device, &fd);

	if (r == 0) {
		r = front_process_send(guest->front, FRONT_DEVICE, fd);
		tsk_close(fd);
	}
	if (r < 0 && guest->front)
		front_process_condemn(guest->front);
	return r;
}

/* Its front can do without. */
static void hand_store_over(struct guest *guest)
{
	int fd, r;

	if (!guest->is_stored || !guest->table->store || !guest->front)
		return;
	r = store_process_open(guest->table->store, guest->name, guest->store_bytes, &fd);
	if (r == 0) {
		r = front_process_send(guest->front, FRONT_STORE, fd);
		tsk_close(fd);
	}
	if (r < 0 && r != -ENOTCONN)
		tsk_warning("guest %s: its front has no store: %s", guest->name, strerror(-r));
}

static int start_front(struct guest *guest)
{
	static const struct front_process_ops ops = { .idle = on_front_idle,
						      .lost = on_front_lost,
						      .exited = on_front_exited };
	struct launcher *launcher = guest->table->launcher;
	struct front_start start = { .version = FRONT_CONTROL_VERSION,
				     .log_level = launcher->log_level,
				     .cid = guest->cid,
				     .may_lack = launcher->may_lack };
	int r;

	memcpy(start.name, guest->name, sizeof(start.name));
	limits_to_start(&guest->limits, &start);
	r = front_process_new(launcher, &start, guest->uds, &ops, guest, &guest->front);
	if (r < 0) {
		guest->crashes++;
		back_off(guest);
		return r;
	}
	tsk_debug("guest %s: front started", guest->name);
	hand_store_over(guest);
	if (!guest->front)
		return -EPIPE; /* gone already */
	return guest->device ? hand_device_over(guest) : 0;
}

int guest_keep(struct guest *guest)
{
	guest->keep = true;
	return guest->front ? 0 : start_front(guest);
}

static int get_front(struct guest *guest)
{
	if (guest->front)
		return 0;
	if (guest->table->stopping)
		return -ESHUTDOWN;
	if (guest->leaving || guest->detached)
		return -EAGAIN;
	if (tsk_now_ns() < guest->not_before_ns)
		return -EAGAIN; /* it crashes again and again */
	return start_front(guest);
}

void guest_deliver(struct guest *guest, enum front_msg_type type, int fd)
{
	int r = -EPIPE;

	/* A front that has just died is found out by this: its successor takes the connection. */
	for (int tries = 0; tries < 2 && r == -EPIPE; tries++) {
		r = get_front(guest);
		if (r == 0)
			r = front_process_send(guest->front, type, fd);
	}
	tsk_close(fd);
	if (r == 0)
		return;
	guest->refused++;
	tsk_warning("guest %s: a connection is closed: its front %s (%s; %llu closed so far)",
		    guest->name, guest->front ? "does not keep up" : "is not there", strerror(-r),
		    (unsigned long long)guest->refused);
}

void guest_vmm(struct guest *guest, int fd)
{
	device_vmm(guest->device, fd);
}

static void on_device_broke(void *context)
{
	struct guest *guest = context;

	if (guest->front)
		front_process_condemn(guest->front);
}

bool guest_has_room(const struct guest *guest)
{
	if (guest->detached)
		return false; /* it may come back */
	/* One that always has a front gets its next one soon. */
	return guest->front ? front_process_has_room(guest->front) : !guest->keep;
}

/* The table */

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* Takes the guest that *place points to out of the table. */
static void forget(struct guest_table *table, struct guest **place)
{
	struct guest *guest = *place;

	*place = guest->next;
	table->n_guests--;
	if (guest->front)
		front_process_abandon(guest->front);
	if (guest->leaving)
		front_process_abandon(guest->leaving);
	device_free(guest->device);
	uv_close((uv_handle_t *)&guest->restart, on_timer_closed);
}

static void forget_detached(struct guest *guest)
{
	struct guest_table *table = guest->table;
	struct guest **place = &table->first;
	char name[FRONT_NAME_SIZE];

	while (*place != guest)
		place = &(*place)->next;
	memcpy(name, guest->name, sizeof(name));
	if (guest->is_stored && table->store)
		store_process_forget(table->store, name);
	forget(table, place);
	if (table->gone)
		table->gone(table->context, name);
}

void guest_detach(struct guest *guest)
{
	guest->detached = true;
	guest->keep = false;
	uv_timer_stop(&guest->restart);
	if (guest->front)
		front_process_end(guest->front);
	if (!guest->leaving)
		forget_detached(guest);
}

void guest_table_done(struct guest_table *table)
{
	while (table->first)
		forget(table, &table->first);
}

/* Makes room: false when every guest has a front, or one to come, or is shut out for a while. */
static bool forget_one(struct guest_table *table)
{
	uint64_t now_ns = tsk_now_ns();

	for (struct guest **p = &table->first; *p; p = &(*p)->next) {
		if (!(*p)->front && !(*p)->leaving && !(*p)->keep &&
		    now_ns >= (*p)->not_before_ns) {
			forget(table, p);
			return true;
		}
	}
	return false;
}

/* What may change at any time. */
static void configure(struct guest *guest, const struct config *config)
{
	const struct config_guest *given = config_guest(config, guest->name);

	guest->limits = given ? given->limits : config->limits;
	guest->is_stored = store_setting_allows(&config->store, guest->name,
						given ? &given->store : NULL);
	guest->store_bytes = given ? given->store.bytes : 0;
	memset(guest->uds, 0, sizeof(guest->uds));
	if (given)
		memcpy(guest->uds, given->uds, sizeof(guest->uds));
}

static int set_up(struct guest *guest, const struct config *config, uv_loop_t *loop,
		  const char *name)
{
	const struct config_guest *given = config_guest(config, name);

	snprintf(guest->name, sizeof(guest->name), "%s", name);
	guest->cid = given ? given->cid : 0;
	configure(guest, config);
	return guest->cid ? device_new(loop, guest->name, guest->limits.value[LIMIT_CONNECTIONS],
				       on_device_broke, guest, &guest->device)
			  : 0;
}

struct guest *guest_table_find(const struct guest_table *table, const char *name)
{
	struct guest *guest = table->first;

	while (guest && strcmp(guest->name, name) != 0)
		guest = guest->next;
	return guest;
}

const struct guest *guest_table_next(const struct guest_table *table, const struct guest *guest)
{
	return guest ? guest->next : table->first;
}

struct guest_info guest_info(const struct guest *guest)
{
	return (struct guest_info){
		.name = guest->name,
		.cid = guest->cid,
		.pid = guest->front ? front_process_pid(guest->front) : 0,
		.has_vmm = guest->device && device_has_vmm(guest->device),
	};
}

int guest_table_get(struct guest_table *table, const char *name, struct guest **ret)
{
	struct guest *guest = guest_table_find(table, name);

	if (guest) {
		*ret = guest;
		return 0;
	}
	if (table->n_guests >= table->config->guests_max && !forget_one(table))
		return -EDQUOT;
	guest = calloc(1, sizeof(*guest));
	if (!guest)
		return -ENOMEM;
	if (set_up(guest, table->config, table->launcher->loop, name) < 0) {
		free(guest);
		return -ENOMEM;
	}
	guest->table = table;
	uv_timer_init(table->launcher->loop, &guest->restart);
	guest->restart.data = guest;
	guest->next = table->first;
	table->first = guest;
	table->n_guests++;
	*ret = guest;
	return 0;
}

static bool is_to_go(const struct guest *guest, const struct config *before)
{
	const struct config *config = guest->table->config;
	const struct config_guest *given = config_guest(config, guest->name);

	if (guest->detached)
		return false; /* as it is */
	return guest->cid != (given ? given->cid : 0) || (config_has_sockets(before, guest->name) &&
							  !config_has_sockets(config, guest->name));
}

void guest_table_changed(struct guest_table *table, const struct config *before)
{
	struct guest *guest = table->first;

	while (guest) {
		if (is_to_go(guest, before)) {
			guest_detach(guest);
			guest = table->first; /* gone() may have changed the table */
			continue;
		}
		if (!guest->detached)
			configure(guest, table->config);
		guest = guest->next;
	}
}

void guest_table_stop(struct guest_table *table)
{
	table->stopping = true;
	for (struct guest *guest = table->first; guest; guest = guest->next) {
		uv_timer_stop(&guest->restart);
		if (guest->front)
			front_process_stop(guest->front);
	}
}

void guest_table_store_restarted(struct guest_table *table)
{
	for (struct guest *guest = table->first; guest; guest = guest->next)
		hand_store_over(guest);
}

uint64_t guest_table_drain_ms(const struct guest_table *table)
{
	uint64_t longest_ms = 0;

	for (const struct guest *guest = table->first; guest; guest = guest->next) {
		uint64_t run_ms = guest->limits.value[LIMIT_RUN_DEADLINE_MS];

		if (guest->front && run_ms > longest_ms)
			longest_ms = run_ms;
	}
	return longest_ms;
}
