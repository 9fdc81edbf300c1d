/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#include "supervisor/device.h"
#include "supervisor/log_budget.h"
#include "supervisor/page_memory.h"
#include "supervisor/penalty.h"
#include "supervisor/rate.h"

/*
 * How long to wait before a front is started again that has been lost for the nth time in a row, by a
 * crash of its own.  Never for long where that was not its own doing, and for a VM whose device is
 * served by it, which waits with all of its connections.
 */
#define RESTARTS 6u
static const uint64_t restart_crashed_ms[RESTARTS] = { 0, 0, 100, 1000, 5000, 5000 };
static const uint64_t restart_ms[RESTARTS] = { 0, 0, 20, 50, 100, 200 };

/* A front that has lived so long has not been lost in a row with the one before it. */
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
	unsigned losses;               /* of fronts, in a row */
	bool is_unsteady;              /* the last one did not live for long */
	uint64_t not_before_ns;        /* the next front */
	uv_timer_t restart;
	struct guest_page page;
	struct guest_counts counts;
	uint64_t refused; /* connections */
	struct rate connects;
	struct penalty penalty;
	struct log_budget log, refusals; /* of what is said about it */
	int log_fd;                      /* the budget of what its own processes say */
};

/* A VM's device does not wait for longer: its driver waits with it. */
#define PENALTY_DEVICE_MS 5000u

static int start_front(struct guest *guest);
static void on_ended(void *context, const struct process_end *end);
static void forget_detached(struct guest *guest);

void guest_table_init(struct guest_table *table, struct launcher *launcher,
		      const struct config *config)
{
	*table = (struct guest_table){ .launcher = launcher, .config = config };
	launcher->ended = on_ended;
	launcher->ended_context = table;
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
		log_about_guest(&guest->log, TSK_LOG_ERROR, guest->name,
				"no front can be started: %s", strerror(-r));
}

/* The next front is not before now, nor before a penalty is over.  In milliseconds from now. */
static uint64_t wait_ms_of(const struct guest *guest)
{
	uint64_t now_ns = tsk_now_ns(), penalty_ms = penalty_left_ms(&guest->penalty, now_ns);
	uint64_t wait_ms = 0;

	if (now_ns < guest->not_before_ns)
		wait_ms = (guest->not_before_ns - now_ns - 1) / TSK_NS_PER_MS + 1;
	if (guest->device && penalty_ms > PENALTY_DEVICE_MS)
		penalty_ms = PENALTY_DEVICE_MS;
	return penalty_ms > wait_ms ? penalty_ms : wait_ms;
}

/* One that shall always have a front, and has none, has the next as soon as it may. */
static void restart_when_due(struct guest *guest)
{
	if (guest->keep && !guest->front && !guest->leaving && !guest->table->stopping)
		uv_timer_start(&guest->restart, on_restart, wait_ms_of(guest), 0);
}

/* Its front is lost, or could not be started: sets when the next one may come. */
static void back_off(struct guest *guest, bool is_crash)
{
	unsigned i = guest->losses < RESTARTS ? guest->losses : RESTARTS - 1;
	uint64_t wait_ms = is_crash && !guest->device ? restart_crashed_ms[i] : restart_ms[i];

	guest->not_before_ns = tsk_now_ns() + wait_ms * TSK_NS_PER_MS;
	restart_when_due(guest);
}

static void count_crash(struct guest *guest, unsigned weight)
{
	uint64_t max = guest->limits.value[LIMIT_CRASHES];
	uint64_t ms = penalty_crash(&guest->penalty, weight, max, tsk_now_ns());

	if (ms)
		log_about_guest(&guest->log, TSK_LOG_WARNING, guest->name,
				"its processes crash too often (max-crashes): none is started for "
				"%llu s",
				(unsigned long long)ms / 1000);
}

/* How a process ended is known only now; by then the front's loss has been dealt with. */
static void on_ended(void *context, const struct process_end *end)
{
	struct guest *guest = guest_table_find(context, end->guest);

	if (!guest || guest->table->stopping || guest->detached)
		return;
	if (end->is_crash) {
		*(end->is_front ? &guest->counts.front_crashes : &guest->counts.worker_crashes) +=
			1;
		count_crash(guest, end->is_front ? PENALTY_FRONT : 1);
	}
	if (!end->is_front)
		return;
	guest->losses = guest->is_unsteady ? guest->losses + 1 : 1;
	back_off(guest, end->is_crash);
}

static uint64_t on_penalty_asked(void *context)
{
	const struct guest *guest = context;

	return penalty_left_ms(&guest->penalty, tsk_now_ns());
}

static void on_worker(void *context, enum front_process_worker event)
{
	struct guest_counts *counts = &((struct guest *)context)->counts;

	switch (event) {
	case FRONT_PROCESS_STARTED:
		counts->workers_started++;
		break;
	case FRONT_PROCESS_REFUSED:
		counts->workers_refused++;
		break;
	case FRONT_PROCESS_KILLED:
		counts->worker_kills++;
		break;
	}
}

/* What tensock-metrics does not know yet of the guest. */
static bool tell_metrics(struct guest *guest)
{
	return !guest->table->metrics || guest_page_tell(&guest->page, guest->table->metrics,
							 guest->name, guest->front != NULL);
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
	tell_metrics(guest);
	if (guest->table->stopping || guest->detached)
		return;
	guest->counts.fronts_lost++;
	guest->is_unsteady = lived_ms < STEADY_MS;
	log_about_guest(&guest->log, TSK_LOG_WARNING, guest->name,
			"its front is gone, and its connections with it");
}

static void on_front_exited(void *context)
{
	struct guest *guest = context;

	guest->leaving = NULL;
	if (guest->detached) {
		forget_detached(guest);
		return;
	}
	device_close_channel(guest->device);
	restart_when_due(guest);
}

static void on_front_idle(void *context)
{
	struct guest *guest = context;

	if (guest->keep || guest->table->stopping)
		return;
	tsk_debug("guest %s: its front is idle, and is ended", guest->name);
	front_process_abandon(guest->front);
	guest->front = NULL;
	guest->losses = 0;
	tell_metrics(guest);
}

/* Gives the front that has just been started what is its guest's.  fd is taken over. */
static int hand_over(struct guest *guest, enum front_msg_type type, int fd)
{
	int r = front_process_send(guest->front, type, fd);

	tsk_close(fd);
	return r;
}

static int hand_device_over(struct guest *guest)
{
	int fd, r = device_open_channel(guest->device, &fd);

	return r < 0 ? r : hand_over(guest, FRONT_DEVICE, fd);
}

/* Its front can do without. */
static void hand_store_over(struct guest *guest)
{
	int fd, r;

	if (!guest->is_stored || !guest->table->store || !guest->front)
		return;
	r = store_process_open(guest->table->store, guest->name, guest->store_bytes, &fd);
	if (r == 0)
		r = hand_over(guest, FRONT_STORE, fd);
	if (r < 0 && r != -ENOTCONN)
		tsk_warning("guest %s: its front has no store: %s", guest->name, strerror(-r));
}

/* What the front that has just been started may let its guest run. */
static int hand_models_over(struct guest *guest, const struct rights *rights)
{
	int fd, r = rights_models_fd(rights, &fd);

	return r < 0 ? r : hand_over(guest, FRONT_MODELS, fd);
}

/* Its guest can do without.  What the page of the front before has is no more. */
static void hand_page_over(struct guest *guest)
{
	int fd, r;

	if (!guest->table->metrics)
		return;
	r = guest_page_renew(&guest->page, &fd);
	if (r == 0)
		r = hand_over(guest, FRONT_METRICS, fd);
	if (r == 0)
		tell_metrics(guest);
	else if (r != -EPIPE)
		tsk_warning("guest %s: its front tells no metrics: %s", guest->name, strerror(-r));
}

/* A CID of the kernel's vsock may be another VM's tomorrow, unless the operator says whose it is. */
static bool is_borrowed(const struct guest *guest)
{
	return strncmp(guest->name, "cid-", 4) == 0 &&
	       !config_knows(guest->table->config, guest->name);
}

static int start_front(struct guest *guest)
{
	static const struct front_process_ops ops = { .penalty_ms = on_penalty_asked,
						      .worker = on_worker,
						      .idle = on_front_idle,
						      .lost = on_front_lost,
						      .exited = on_front_exited };
	const struct rights *rights = config_rights(guest->table->config, guest->name);
	struct launcher *launcher = guest->table->launcher;
	struct front_start start = { .version = FRONT_CONTROL_VERSION,
				     .log_level = launcher->log_level | launcher->log_bits,
				     .cid = guest->cid,
				     .models_listed = rights->n_models,
				     .may_lack = launcher->may_lack,
				     .is_borrowed = is_borrowed(guest) };
	int r;

	memcpy(start.name, guest->name, sizeof(start.name));
	memcpy(start.ports, config_ports(guest->table->config, guest->name)->list,
	       sizeof(start.ports));
	limits_to_start(&guest->limits, &start);
	r = front_process_new(launcher, &start, guest->uds, guest->log_fd, &ops, guest,
			      &guest->front);
	if (r < 0) {
		guest->losses++;
		back_off(guest, true);
		return r;
	}
	tsk_debug("guest %s: front started", guest->name);
	guest->counts.fronts_started++;
	hand_store_over(guest);
	if (!guest->front)
		return -EPIPE; /* gone already */
	if (rights->n_models)
		r = hand_models_over(guest, rights);
	if (r == 0)
		hand_page_over(guest);
	if (!guest->front)
		return -EPIPE;
	if (r == 0 && guest->device)
		r = hand_device_over(guest);
	if (r < 0 && guest->front)
		front_process_condemn(guest->front);
	return r;
}

int guest_keep(struct guest *guest)
{
	guest->keep = true;
	/* One that is on its way out is followed by the next when it has gone. */
	return guest->front || guest->leaving ? 0 : start_front(guest);
}

static int get_front(struct guest *guest)
{
	if (guest->front)
		return 0;
	if (guest->table->stopping)
		return -ESHUTDOWN;
	if (guest->leaving || guest->detached)
		return -EAGAIN;
	if (wait_ms_of(guest))
		return -EAGAIN; /* it crashes again and again */
	return start_front(guest);
}

static void refuse(struct guest *guest, int fd, enum metrics_reason reason, const char *why)
{
	guest->counts.refused[reason]++;
	guest->refused++;
	/* A line a second: there may be thousands, and other lines are to be seen beside them. */
	log_about_refusal(&guest->refusals, guest->name,
			  "a connection is closed: %s (%llu closed so far)", why,
			  (unsigned long long)guest->refused);
	tsk_close(fd);
}

void guest_deliver(struct guest *guest, enum front_msg_type type, int fd)
{
	char why[128];
	uint64_t max = guest->limits.value[LIMIT_CONNECTS];
	bool is_penalty;
	int r = -EPIPE;

	if (type == FRONT_CONNECTION &&
	    !rate_take(&guest->connects, max, TSK_NS_PER_SEC, tsk_now_ns())) {
		refuse(guest, fd, METRICS_REASON_CONNECTS,
		       "it makes more than max-connects in a second");
		return;
	}
	/* A front that has just died is found out by this: its successor takes the connection. */
	for (int tries = 0; tries < 2 && r == -EPIPE; tries++) {
		r = get_front(guest);
		if (r == 0)
			r = front_process_send(guest->front, type, fd);
	}
	if (r == 0) {
		guest->counts.accepted++;
		tsk_close(fd);
		return;
	}
	is_penalty = penalty_left_ms(&guest->penalty, tsk_now_ns()) > 0;
	snprintf(why, sizeof(why), "its front %s: %s",
		 guest->front ? "does not keep up" : "is not there",
		 is_penalty ? "max-crashes" : strerror(-r));
	refuse(guest, fd, is_penalty ? METRICS_REASON_CRASHES : METRICS_REASON_BUSY, why);
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

bool guest_may_connect(const struct guest *guest)
{
	return rate_has(&guest->connects, guest->limits.value[LIMIT_CONNECTS], TSK_NS_PER_SEC,
			tsk_now_ns());
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
	guest_page_done(&guest->page, table->metrics, guest->name);
	tsk_close(guest->log_fd);
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
	for (struct guest **p = &table->first; *p; p = &(*p)->next) {
		if (!(*p)->front && !(*p)->leaving && !(*p)->keep && !wait_ms_of(*p)) {
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

	guest->limits = *config_limits(config, guest->name);
	guest->is_stored =
		store_setting_allows(&config->store, guest->name, given ? &given->store : NULL);
	guest->store_bytes = given ? given->store.bytes : 0;
	memset(guest->uds, 0, sizeof(guest->uds));
	if (given)
		memcpy(guest->uds, given->uds, sizeof(guest->uds));
	if (guest->device)
		device_allow_connections(guest->device, guest->limits.value[LIMIT_CONNECTIONS]);
}

static int set_up(struct guest *guest, const struct config *config, uv_loop_t *loop,
		  const char *name)
{
	const struct config_guest *given = config_guest(config, name);

	int r = tsk_log_budget_new(&guest->log_fd);

	if (r < 0)
		return r;
	snprintf(guest->name, sizeof(guest->name), "%s", name);
	guest->cid = given ? given->cid : 0;
	configure(guest, config);
	if (guest->cid)
		r = device_new(loop, guest->name, guest->limits.value[LIMIT_CONNECTIONS],
			       on_device_broke, guest, &guest->device);
	if (r < 0)
		tsk_close(guest->log_fd);
	return r;
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
		.counts = &guest->counts,
	};
}

int guest_table_get(struct guest_table *table, const char *name, struct guest **ret)
{
	struct guest *guest = guest_table_find(table, name);

	if (guest) {
		*ret = guest;
		return 0;
	}
	if (table->n_guests >= table->config->guests_max && !forget_one(table)) {
		table->n_refused++;
		return -EDQUOT;
	}
	guest = calloc(1, sizeof(*guest));
	if (!guest)
		return -ENOMEM;
	if (set_up(guest, table->config, table->launcher->loop, name) < 0) {
		free(guest);
		return -ENOMEM;
	}
	guest->table = table;
	guest->page.read_fd = -1;
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

void guest_table_tell_metrics(struct guest_table *table, bool is_new)
{
	bool has_room = true;

	for (struct guest *guest = table->first; guest; guest = guest->next) {
		if (is_new)
			guest->page.is_told = false;
		has_room = has_room && tell_metrics(guest);
	}
}

uint64_t guest_table_drain_ms(const struct guest_table *table)
{
	uint64_t now_ns = tsk_now_ns(), longest_ms = 0;

	if (table->retired_until_ns > now_ns)
		longest_ms = (table->retired_until_ns - now_ns) / TSK_NS_PER_MS;
	for (const struct guest *guest = table->first; guest; guest = guest->next) {
		uint64_t run_ms = guest->limits.value[LIMIT_RUN_DEADLINE_MS];

		if (guest->front && run_ms > longest_ms)
			longest_ms = run_ms;
	}
	return longest_ms;
}

/* One tensockd takes another's place */

/* Beyond the longest run, for last words: as the daemon gives its fronts when it ends. */
#define RETIRE_EXTRA_MS 2000

static int save_device(const struct guest *guest, struct takeover *takeover)
{
	struct takeover_record *record;

	if (guest->leaving)
		return -EBUSY;
	record = takeover_add(takeover, TAKEOVER_DEVICE);
	if (!record)
		return -ENOMEM;
	memcpy(record->device.name, guest->name, sizeof(guest->name));
	record->device.cid = guest->cid;
	device_save(guest->device, &record->device);
	return 0;
}

int guest_table_save(const struct guest_table *table, struct takeover *takeover)
{
	int r = 0;

	for (const struct guest *guest = table->first; guest && r == 0; guest = guest->next) {
		if (guest->device && !guest->detached)
			r = save_device(guest, takeover);
	}
	return r < 0 ? r : front_process_save_all(table->launcher, takeover);
}

static void on_old_front(void *context)
{
	(void)context;
}

static void on_old_front_lost(void *context, uint64_t lived_ms)
{
	(void)context;
	(void)lived_ms;
}

static int adopt_device(struct guest_table *table, struct takeover_device *saved)
{
	const struct config_guest *given = config_guest(table->config, saved->name);
	struct guest *guest;
	int r;

	if (!given || !given->cid || given->cid != saved->cid)
		return 0; /* it is gone, or another one now */
	r = guest_table_get(table, saved->name, &guest);
	return r < 0 ? r : device_adopt(guest->device, saved);
}

/* record: a FRONT, with n_workers behind it. */
static int adopt_front(struct guest_table *table, struct takeover_record *record,
		       unsigned n_workers, bool is_understood)
{
	static const struct front_process_ops ops = { .idle = on_old_front,
						      .lost = on_old_front_lost,
						      .exited = on_front_exited };
	uint64_t deadline_ms = record->front.run_deadline_ms + RETIRE_EXTRA_MS;
	bool has_device = record->front.has_device;
	struct guest *guest = guest_table_find(table, record->front.name);
	struct front_process *front;
	int r = front_process_adopt(table->launcher, record, n_workers, &ops, guest, &front);

	if (r < 0)
		return r;
	if (has_device && guest && guest->device) {
		guest->leaving = front;
		front_process_kill(front);
	} else if (has_device || !is_understood) {
		front_process_abandon(front);
	} else {
		uint64_t until_ns = tsk_now_ns() + deadline_ms * TSK_NS_PER_MS;

		if (until_ns > table->retired_until_ns)
			table->retired_until_ns = until_ns;
		front_process_retire(front, deadline_ms);
	}
	return 0;
}

/* What its front had no room for goes to the front that there is now. */
static int adopt_waiting(struct guest_table *table, struct takeover_waiting *saved,
			 const char *name)
{
	struct guest *guest;
	int r = guest_table_get(table, name, &guest);

	if (r == 0)
		guest_deliver(guest, (enum front_msg_type)saved->msg_type, TAKE_FD(saved->fd));
	return r;
}

/* The WORKER records behind the i-th one. */
static unsigned count_workers(const struct takeover *takeover, unsigned i)
{
	unsigned n = 0;

	while (i + n + 1 < takeover->n && takeover->list[i + n + 1].type == TAKEOVER_WORKER)
		n++;
	return n;
}

void guest_table_adopt(struct guest_table *table, struct takeover *takeover)
{
	const char *front_name = "";
	bool is_understood = false;

	for (unsigned i = 0; i < takeover->n; i++) {
		struct takeover_record *record = &takeover->list[i];
		int r = 0;

		if (record->type == TAKEOVER_DAEMON)
			is_understood = record->daemon.front_version == FRONT_CONTROL_VERSION;
		else if (record->type == TAKEOVER_DEVICE)
			r = adopt_device(table, &record->device);
		else if (record->type == TAKEOVER_WAITING)
			r = adopt_waiting(table, &record->waiting, front_name);
		else if (record->type == TAKEOVER_FRONT)
			r = adopt_front(table, record, count_workers(takeover, i), is_understood);
		if (record->type == TAKEOVER_FRONT)
			front_name = record->front.name;
		if (r < 0)
			tsk_error("guest %s: what it had cannot be taken over: %s",
				  record->type == TAKEOVER_DEVICE ? record->device.name
								  : front_name,
				  strerror(-r));
	}
}
