/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>

#include "base/log.h"
#include "channel/store_control.h"
#include "store/channel.h"
#include "store/seal.h"

#define LOG_LINES_PER_SEC 10u
#define LOCK_WAIT_MS 20u
#define EXPIRE_EVERY_MS 60000u

struct store {
	uv_loop_t loop;
	struct channels channels;
	int control_fd; /* -1 once it has ended */
	uv_poll_t control;
	uv_timer_t
		timer; /* until the folder is ours: to try again; then: to look for what is old */
	unsigned may_lack;
	bool has_started; /* by a START */
	uint64_t keep_ms;
	bool is_waiting; /* said that another one has the folder */
	int result;
};

static void close_if_done(struct store *store)
{
	if (store->control_fd >= 0 || !TAILQ_EMPTY(&store->channels.list) ||
	    uv_is_closing((uv_handle_t *)&store->timer))
		return;
	uv_close((uv_handle_t *)&store->timer, NULL);
}

static void on_channel_ended(void *context)
{
	close_if_done(context);
}

static void end_control(struct store *store, int result)
{
	if (result < 0) {
		tsk_error("the control socket fails: %s", strerror(-result));
		store->result = result;
	}
	uv_close((uv_handle_t *)&store->control, NULL);
	store->control_fd = tsk_close(store->control_fd);
	close_if_done(store);
}

static void on_found(void *context, const struct files_found *file)
{
	struct store *store = context;
	struct shelf *shelf = &store->channels.shelf;
	struct shelf_guest *guest = shelf_guest(shelf, file->guest);
	struct shelf_entry *entry;

	if (!guest)
		return;
	entry = shelf_find(guest, file->hash);
	/* A part beside its whole: it was about to be removed. */
	if (entry)
		(void)!files_remove_part(&store->channels.files, file->guest, file->hash);
	if (entry && entry->have < entry->size && file->have == file->size)
		shelf_remove(shelf, entry);
	else if (entry)
		return;
	(void)!shelf_add(shelf, guest, file->hash, file->size, file->have, file->used_ms);
}

static void on_expire_time(uv_timer_t *timer)
{
	struct store *store = timer->data;

	channels_expire(&store->channels, store->keep_ms);
}

static void on_control(uv_poll_t *poll, int status, int events);

static void open_up(struct store *store)
{
	int r;

	files_probe(&store->channels.files);
	r = files_scan(&store->channels.files, on_found, store);

	if (r < 0)
		tsk_error("the folder cannot be read as a whole: %s", strerror(-r));
	tsk_debug("%llu bytes are stored", (unsigned long long)store->channels.shelf.bytes);
	channels_expire(&store->channels, store->keep_ms);
	uv_timer_start(&store->timer, on_expire_time, EXPIRE_EVERY_MS, EXPIRE_EVERY_MS);
	uv_poll_start(&store->control, UV_READABLE, on_control);
}

/* The supervisor is gone, or wants no store any more. */
static bool is_over(const struct store *store)
{
	struct pollfd p = { .fd = store->control_fd };

	return poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR);
}

/* Two that write there would take each other's room, and delete what the other one has begun. */
static void on_lock_time(uv_timer_t *timer)
{
	struct store *store = timer->data;

	if (flock(store->channels.files.root_fd, LOCK_EX | LOCK_NB) == 0) {
		open_up(store);
		return;
	}
	if (is_over(store)) {
		end_control(store, 0);
		return;
	}
	if (!store->is_waiting && errno == EWOULDBLOCK)
		tsk_info("the folder is another store's still; this one waits");
	store->is_waiting = true;
	uv_timer_start(timer, on_lock_time, LOCK_WAIT_MS, 0);
}

/* fd: the folder, in the supervisor's own opening of it, which would share the lock. */
static int on_start(struct store *store, const struct store_msg *msg, int fd)
{
	enum tsk_log_level told = tsk_log_level_of(msg->value);
	enum tsk_log_level level = told < TSK_LOG_LEVEL_MAX ? told : TSK_LOG_INFO;
	struct tensock_error error;
	int r;

	tsk_log_init("tensock-store", NULL, level, level < TSK_LOG_DEBUG ? LOG_LINES_PER_SEC : 0);
	tsk_log_set_json(msg->value & TSK_LOG_JSON);
	store->channels.files.root_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tsk_close(fd);
	if (store->channels.files.root_fd < 0)
		return -errno;
	r = store_seal(store->channels.files.root_fd, store->may_lack, &error);
	if (r < 0) {
		tsk_error("the store cannot be sealed: %s", error.message);
		tsk_close(store->channels.files.root_fd);
		return r;
	}
	shelf_init(&store->channels.shelf, msg->bytes);
	store->keep_ms = msg->ms;
	store->has_started = true;
	uv_poll_stop(&store->control);
	on_lock_time(&store->timer);
	return 0;
}

static int dispatch(struct store *store, const struct store_msg *msg, int fd)
{
	if (!store->has_started && msg->type == STORE_START)
		return on_start(store, msg, fd);
	if (store->has_started && msg->type == STORE_GUEST) {
		channels_add(&store->channels, msg->name, msg->bytes, fd);
		return 0;
	}
	tsk_close(fd);
	if (!store->has_started || msg->type != STORE_FORGET)
		return -EPROTO;
	channels_forget(&store->channels, msg->name);
	return 0;
}

static void on_control(uv_poll_t *poll, int status, int events)
{
	struct store *store = poll->data;
	struct store_msg msg;
	int fd = -1, r;

	(void)events;
	r = store_control_recv(store->control_fd, &msg, &fd);
	if (r == -EAGAIN && status >= 0)
		return;
	if (r > 0)
		r = dispatch(store, &msg, fd);
	else if (r == 0 || r == -ECONNRESET) {
		end_control(store, 0);
		return;
	}
	if (r < 0)
		end_control(store, r);
}

static void done(struct store *store)
{
	if (store->has_started) {
		shelf_done(&store->channels.shelf);
		tsk_close(store->channels.files.root_fd);
	}
	tsk_close(store->control_fd);
}

int store_serve(int control_fd, unsigned may_lack)
{
	struct store store = { .control_fd = control_fd, .may_lack = may_lack };
	int r = uv_loop_init(&store.loop);

	if (r < 0)
		return r;
	store.channels.loop = &store.loop;
	store.channels.ended = on_channel_ended;
	store.channels.context = &store;
	TAILQ_INIT(&store.channels.list);
	uv_timer_init(&store.loop, &store.timer);
	r = uv_poll_init(&store.loop, &store.control, control_fd);
	if (r == 0) {
		store.control.data = store.timer.data = &store;
		uv_poll_start(&store.control, UV_READABLE, on_control);
		uv_run(&store.loop, UV_RUN_DEFAULT);
		r = store.result;
	}
	uv_loop_close(&store.loop);
	done(&store);
	return r;
}
