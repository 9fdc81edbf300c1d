/* SPDX-License-Identifier: Apache-2.0 */
#include "store/channel.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/log.h"
#include "base/memfd.h"
#include "store/job.h"

struct channel {
	TAILQ_ENTRY(channel) entry;
	struct channels *channels;
	struct shelf_guest *guest;
	int fd; /* -1: there is only what is to be forgotten */
	uv_poll_t poll;
	uint64_t bytes_max;
	uv_timer_t timer; /* while the front has not taken its answers */
	unsigned n_handles;
	bool has_job;
	bool has_ended; /* it ends as soon as it has no job */

	/* A PUT or PART of a file that another's job is about to remove: it waits for the end of that. */
	bool has_held;
	struct store_msg held;
	int held_fd;
};

/* How often to look whether it has. */
#define UNREAD_MS 5u

static void begin(struct channel *channel);

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void on_closed(uv_handle_t *handle)
{
	struct channel *channel = handle->data;

	if (--channel->n_handles == 0)
		free(channel);
}

/* The next one of the same guest begins. */
static void let_next_begin(struct channels *channels, struct shelf_guest *guest)
{
	struct channel *next;

	guest->channel = NULL;
	TAILQ_FOREACH(next, &channels->list, entry)
	{
		if (next->guest == guest) {
			begin(next);
			return;
		}
	}
	shelf_let_go(&channels->shelf, guest);
}

/* Nothing of it is under way. */
static void end(struct channel *channel)
{
	struct channels *channels = channel->channels;
	struct shelf_guest *guest = channel->guest;

	TAILQ_REMOVE(&channels->list, channel, entry);
	if (channel->fd < 0) {
		free(channel);
	} else {
		uv_close((uv_handle_t *)&channel->poll, on_closed);
		uv_close((uv_handle_t *)&channel->timer, on_closed);
		tsk_close(channel->fd);
	}
	let_next_begin(channels, guest);
	if (channels->ended)
		channels->ended(channels->context);
}

static void on_ready(uv_poll_t *poll, int status, int events);

static bool has_unread(const struct channel *channel)
{
	int bytes = 0;

	return ioctl(channel->fd, SIOCOUTQ, &bytes) == 0 && bytes > 0;
}

static void on_unread_time(uv_timer_t *timer);

/*
 * Reads on, once the front has taken all that it was answered: memory that is on its way to somebody
 * who does not take it is nobody's.
 */
static void go_on(struct channel *channel)
{
	if (channel->has_ended || channel->fd < 0) {
		end(channel);
	} else if (has_unread(channel)) {
		uv_poll_stop(&channel->poll);
		uv_timer_start(&channel->timer, on_unread_time, UNREAD_MS, 0);
	} else {
		uv_poll_start(&channel->poll, UV_READABLE, on_ready);
	}
}

static void on_unread_time(uv_timer_t *timer)
{
	go_on(timer->data);
}

/* One that is gone may have sent more before.  One that does not read its answers has no use for them. */
static void send_msg(struct channel *channel, const struct store_msg *msg, int fd)
{
	int r = store_control_send(channel->fd, msg, fd);

	if (r == 0 || r == -EPIPE || r == -ECONNRESET)
		return;
	tsk_warning("guest %s: its front cannot be answered: %s", channel->guest->name,
		    strerror(-r));
	channel->has_ended = true;
}

static void answer(struct channel *channel, enum store_msg_type type, const unsigned char *hash,
		   int result)
{
	struct store_msg msg = store_msg_about(type, hash);

	msg.result = result;
	send_msg(channel, &msg, -1);
}

/* ---- Files that go for others */

static bool is_leaving(const struct channels *channels, const char *guest,
		       const unsigned char *hash)
{
	const struct job *job;

	LIST_FOREACH(job, &channels->removing, entry)
	{
		if (job_has_victim(job, guest, hash))
			return true;
	}
	return false;
}

static void start_job(struct channels *channels, struct job *job,
		      void (*done)(void *context, struct job *job), void *context)
{
	if (job->n_victims)
		LIST_INSERT_HEAD(&channels->removing, job, entry);
	job_start(channels->loop, job, done, context);
}

static struct channel *find_held(const struct channels *channels)
{
	struct channel *channel;

	TAILQ_FOREACH(channel, &channels->list, entry)
	{
		if (channel->has_held &&
		    !is_leaving(channels, channel->guest->name, channel->held.hash))
			return channel;
	}
	return NULL;
}

static void dispatch(struct channel *channel, struct store_msg *msg, int fd);

/* Frees it.  Who has waited for what it removed goes on. */
static void end_job(struct channels *channels, struct job *job)
{
	struct channel *channel;

	if (job->n_victims)
		LIST_REMOVE(job, entry);
	job_free(job);
	while ((channel = find_held(channels))) {
		channel->has_held = false;
		dispatch(channel, &channel->held, channel->held_fd);
		if (!channel->has_job)
			go_on(channel);
	}
}

/* ---- Ends of jobs */

/* The entry that the job was about: there still, for nobody else touches it. */
static struct shelf_entry *entry_of(const struct channel *channel, const struct job *job)
{
	return shelf_find(channel->guest, job->msg.hash);
}

static enum store_msg_type answer_to(const struct store_msg *put)
{
	return put->type == STORE_PART ? STORE_PART_STORED : STORE_STORED;
}

static void stored(struct channel *channel, struct job *job)
{
	struct shelf_entry *entry = entry_of(channel, job);

	if (entry) {
		entry->is_busy = false;
		if (job->result < 0)
			shelf_remove(&channel->channels->shelf, entry);
	}
	answer(channel, answer_to(&job->msg), job->msg.hash, job->result);
}

static void got(struct channel *channel, struct job *job, enum store_msg_type type)
{
	struct store_msg msg = store_msg_about(type, job->msg.hash);
	struct shelf_entry *entry = entry_of(channel, job);
	bool is_there = job_failed_for_now(job->result);

	if (entry)
		entry->is_busy = false;
	if (job->result == 0) {
		msg.bytes = job->msg.bytes;
		msg.value = type == STORE_PART_BYTES ? job->msg.value : 0;
		send_msg(channel, &msg, job->ret_fd);
		return;
	}
	if (!is_there) {
		if (entry)
			shelf_remove(&channel->channels->shelf, entry);
		channel->channels->n_damaged++;
		tsk_warning("guest %s: a stored model is dropped: %s (%llu so far)",
			    channel->guest->name,
			    job->result == -EBADMSG ? "its bytes have changed"
						    : strerror(-job->result),
			    (unsigned long long)channel->channels->n_damaged);
	}
	answer(channel, type, job->msg.hash, is_there ? job->result : -ENOENT);
}

static void indexed(struct channel *channel, struct job *job)
{
	struct store_msg msg = { .type = STORE_INDEX, .bytes = job->ret_bytes };

	if (job->result == 0) {
		send_msg(channel, &msg, job->ret_fd);
		return;
	}
	tsk_warning("guest %s: what it has stored cannot be told: %s", channel->guest->name,
		    strerror(-job->result));
	channel->has_ended = true;
}

static void labeled(struct channel *channel, const struct job *job)
{
	const struct store_msg msg = { .type = STORE_LABELED, .result = job->result };

	send_msg(channel, &msg, -1);
}

static void on_done(void *context, struct job *job)
{
	struct channel *channel = context;
	struct channels *channels = channel->channels;

	channel->has_job = false;
	switch (job->msg.type) {
	case STORE_PUT:
	case STORE_PART:
		stored(channel, job);
		break;
	case STORE_GET:
		got(channel, job, STORE_BYTES);
		break;
	case STORE_GET_PART:
		got(channel, job, STORE_PART_BYTES);
		break;
	case STORE_INDEX:
		indexed(channel, job);
		break;
	case STORE_LABELS:
		labeled(channel, job);
		break;
	default:
		if (job->result < 0 && job->result != -ENOENT)
			tsk_warning("guest %s: the store cannot be written: %s",
				    channel->guest->name, strerror(-job->result));
	}
	go_on(channel);
	end_job(channels, job);
}

static void start(struct channel *channel, struct job *job)
{
	if (!job) {
		tsk_error("guest %s: no memory for what it asks of the store",
			  channel->guest->name);
		channel->has_ended = true;
		return;
	}
	channel->has_job = true;
	if (channel->fd >= 0)
		uv_poll_stop(&channel->poll);
	start_job(channel->channels, job, on_done, channel);
}

/* ---- Messages */

static struct job *job_of(struct channel *channel, const struct store_msg *msg, int fd)
{
	return job_new(&channel->channels->files, channel->guest->name, msg, fd);
}

/* Tells another front that its model is there no more.  One that takes no answers is served no more. */
static void tell_dropped(struct channel *channel, const unsigned char *hash)
{
	if (channel->fd < 0)
		return;
	answer(channel, STORE_DROPPED, hash, 0);
	if (channel->has_ended && !channel->has_job && !channel->has_held)
		end(channel);
}

static int drop_victim(struct channel *channel, struct job *job, struct shelf_entry *victim)
{
	struct shelf *shelf = &channel->channels->shelf;
	struct shelf_guest *guest = victim->guest;
	unsigned char hash[STORE_HASH_BYTES];
	int r = job_add_victim(job, guest->name, victim->hash);

	if (r < 0)
		return r;
	tsk_info("guest %s: a stored model of %llu bytes goes: its room is needed", guest->name,
		 (unsigned long long)victim->have);
	memcpy(hash, victim->hash, sizeof(hash));
	shelf_remove(shelf, victim);
	if (guest == channel->guest)
		answer(channel, STORE_DROPPED, hash, 0);
	else if (guest->channel)
		tell_dropped(guest->channel, hash);
	else
		shelf_let_go(shelf, guest);
	return 0;
}

/* Room for `have` bytes of that model: its entry, is_busy. */
static int make_room(struct channel *channel, struct job *job, uint64_t have,
		     struct shelf_entry **ret)
{
	struct shelf *shelf = &channel->channels->shelf;
	struct shelf_entry *entry, *victim;

	for (;;) {
		int r;

		/* It may be a victim itself. */
		entry = shelf_find(channel->guest, job->msg.hash);
		r = shelf_make_room(shelf, channel->guest, have - (entry ? entry->have : 0), !entry,
				    &victim);
		if (r == 0)
			break;
		if (r > 0)
			r = drop_victim(channel, job, victim);
		if (r < 0)
			return r;
	}
	job->from = entry ? entry->have : 0;
	if (!entry)
		entry = shelf_add(shelf, channel->guest, job->msg.hash, job->msg.bytes, 0, 0);
	if (!entry)
		return -ENOMEM;
	shelf_set_have(shelf, entry, have);
	entry->used_ms = now_ms();
	entry->is_busy = true;
	*ret = entry;
	return 0;
}

static void hold(struct channel *channel, const struct store_msg *msg, int fd)
{
	channel->held = *msg;
	channel->held_fd = fd;
	channel->has_held = true;
	uv_poll_stop(&channel->poll);
}

/* All of it, or as much as has come. */
static void put(struct channel *channel, const struct store_msg *msg, int fd)
{
	uint64_t have = msg->type == STORE_PART ? msg->value : msg->bytes, size;
	struct shelf_entry *entry = shelf_find(channel->guest, msg->hash);
	struct job *job;
	int r = tsk_memfd_check(fd, msg->type == STORE_PUT, &size);

	if (r < 0 || size != msg->bytes || !size ||
	    (msg->type == STORE_PART && (!have || have >= size))) {
		tsk_warning("guest %s: its front breaks the rules", channel->guest->name);
		tsk_close(fd);
		channel->has_ended = true;
		return;
	}
	if (is_leaving(channel->channels, channel->guest->name, msg->hash)) {
		hold(channel, msg, fd);
		return;
	}
	if (entry && entry->size == size && entry->have >= have) {
		tsk_close(fd);
		answer(channel, answer_to(msg), msg->hash, 0);
		return;
	}
	job = job_of(channel, msg, fd);
	r = job ? 0 : -ENOMEM;
	if (r == 0 && entry && entry->size != size) {
		/* Of the same hash: of two claims one is wrong, and the hash will tell. */
		r = job_add_victim(job, channel->guest->name, msg->hash);
		if (r == 0)
			shelf_remove(&channel->channels->shelf, entry);
	}
	if (r == 0)
		r = make_room(channel, job, have, &entry);
	if (r == 0) {
		start(channel, job);
		return;
	}
	answer(channel, answer_to(msg), msg->hash, r);
	/* What had to go for it is gone. */
	if (job)
		job->msg = (struct store_msg){ 0 };
	start(channel, job);
}

static void get(struct channel *channel, struct store_msg *msg)
{
	bool wants_part = msg->type == STORE_GET_PART;
	struct shelf_entry *entry = shelf_find(channel->guest, msg->hash);

	if (!entry || (entry->have < entry->size) != wants_part) {
		answer(channel, wants_part ? STORE_PART_BYTES : STORE_BYTES, msg->hash, -ENOENT);
		return;
	}
	entry->used_ms = now_ms();
	entry->is_busy = true;
	msg->bytes = entry->size;
	msg->value = entry->have;
	start(channel, job_of(channel, msg, -1));
}

static void used(struct channel *channel, const struct store_msg *msg)
{
	struct shelf_entry *entry = shelf_find(channel->guest, msg->hash);

	if (!entry)
		return;
	entry->used_ms = now_ms();
	start(channel, job_of(channel, msg, -1));
}

static void remove_model(struct channel *channel, const struct store_msg *msg)
{
	struct shelf_entry *entry = shelf_find(channel->guest, msg->hash);
	bool only_part = msg->type == STORE_REMOVE_PART;

	if (entry && (entry->have < entry->size || !only_part))
		shelf_remove(&channel->channels->shelf, entry);
	/* Also without: what could not be written may have left something. */
	start(channel, job_of(channel, msg, -1));
}

static void labels(struct channel *channel, const struct store_msg *msg, int fd)
{
	static const struct store_index_ops none;
	uint64_t size;
	int r = tsk_memfd_check(fd, true, &size);

	if (r == 0 && size != msg->bytes)
		r = -EPROTO;
	if (r == 0)
		r = store_index_from_fd(fd, &none, NULL);
	if (r == 0) {
		start(channel, job_of(channel, msg, fd));
		return;
	}
	tsk_warning("guest %s: its front sent labels that are none", channel->guest->name);
	tsk_close(fd);
	channel->has_ended = true;
}

static void dispatch(struct channel *channel, struct store_msg *msg, int fd)
{
	switch (msg->type) {
	case STORE_PUT:
	case STORE_PART:
		put(channel, msg, fd);
		break;
	case STORE_GET:
	case STORE_GET_PART:
		get(channel, msg);
		break;
	case STORE_USED:
		used(channel, msg);
		break;
	case STORE_REMOVE:
	case STORE_REMOVE_PART:
		remove_model(channel, msg);
		break;
	case STORE_LABELS:
		labels(channel, msg, fd);
		break;
	default:
		tsk_warning("guest %s: its front sent a message that is not its to send",
			    channel->guest->name);
		tsk_close(fd);
		channel->has_ended = true;
	}
}

/* A front that went with answers unread is an error that comes first, once; what it had sent follows. */
static int receive(const struct channel *channel, struct store_msg *ret, int *ret_fd)
{
	int r = store_control_recv(channel->fd, ret, ret_fd);

	return r == -ECONNRESET ? store_control_recv(channel->fd, ret, ret_fd) : r;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct channel *channel = poll->data;
	struct store_msg msg;
	int fd = -1;
	int r = receive(channel, &msg, &fd);

	(void)events;
	if (r == -EAGAIN && status >= 0)
		return;
	if (r > 0) {
		dispatch(channel, &msg, fd);
		if (!channel->has_job && !channel->has_held)
			go_on(channel);
		return;
	}
	if (r < 0 && r != -EAGAIN)
		tsk_warning("guest %s: its front's channel fails: %s", channel->guest->name,
			    strerror(-r));
	end(channel);
}

/* ---- Beginnings */

static void add_entry(struct job *job, const struct shelf_entry *entry, int64_t now)
{
	struct store_entry *e = &job->entries[job->n_entries++];

	*e = (struct store_entry){ .size = entry->size,
				   .have = entry->have,
				   .age_ms = entry->used_ms < now ? (uint64_t)(now - entry->used_ms)
								  : 0 };
	memcpy(e->hash, entry->hash, sizeof(e->hash));
}

/* What the guest has, as far as one index holds it. */
static struct job *index_job(struct channel *channel)
{
	const struct store_msg msg = { .type = STORE_INDEX };
	const struct shelf_guest *guest = channel->guest;
	struct job *job = job_of(channel, &msg, -1);
	int64_t now = now_ms();
	struct shelf_entry *entry;

	if (!job)
		return NULL;
	job->entries = calloc(guest->n_entries + 1, sizeof(*job->entries));
	if (!job->entries) {
		job_free(job);
		return NULL;
	}
	TAILQ_FOREACH(entry, &guest->entries, entry)
	{
		if (job->n_entries < STORE_ENTRIES_MAX)
			add_entry(job, entry, now);
	}
	return job;
}

static void begin(struct channel *channel)
{
	struct shelf_guest *guest = channel->guest;
	struct store_msg msg = { .type = STORE_FORGET };
	struct shelf_entry *entry;

	guest->channel = channel;
	if (channel->fd >= 0) {
		guest->bytes_max = channel->bytes_max ? channel->bytes_max : UINT64_MAX;
		start(channel, index_job(channel));
	} else {
		while ((entry = TAILQ_FIRST(&guest->entries)))
			shelf_remove(&channel->channels->shelf, entry);
		start(channel, job_of(channel, &msg, -1));
	}
	if (!channel->has_job)
		end(channel);
}

static void add(struct channels *channels, const char *name, uint64_t bytes, int fd)
{
	struct channel *channel = calloc(1, sizeof(*channel));
	struct shelf_guest *guest = shelf_guest(&channels->shelf, name);

	if (!channel || !guest ||
	    (fd >= 0 && uv_poll_init(channels->loop, &channel->poll, fd) < 0)) {
		tsk_error("guest %s: the store cannot serve it", name);
		free(channel);
		if (guest)
			shelf_let_go(&channels->shelf, guest);
		tsk_close(fd);
		return;
	}
	if (fd >= 0) {
		uv_timer_init(channels->loop, &channel->timer);
		channel->n_handles = 2;
	}
	channel->poll.data = channel->timer.data = channel;
	channel->channels = channels;
	channel->guest = guest;
	channel->fd = fd;
	channel->bytes_max = bytes;
	TAILQ_INSERT_TAIL(&channels->list, channel, entry);
	if (!guest->channel)
		begin(channel);
}

void channels_add(struct channels *channels, const char *guest, uint64_t bytes, int fd)
{
	add(channels, guest, bytes, fd);
}

void channels_forget(struct channels *channels, const char *guest)
{
	add(channels, guest, 0, -1);
}

static void on_expired(void *context, struct job *job)
{
	end_job(context, job);
}

void channels_expire(struct channels *channels, uint64_t ms)
{
	struct job *job = job_new(&channels->files, "", NULL, -1);
	int64_t since_ms = now_ms() - (int64_t)ms;
	struct shelf_entry *entry;

	while (job && (entry = shelf_expired(&channels->shelf, since_ms))) {
		struct shelf_guest *guest = entry->guest;

		if (job_add_victim(job, guest->name, entry->hash) < 0)
			break;
		tsk_info("guest %s: a stored model of %llu bytes goes: it is not used", guest->name,
			 (unsigned long long)entry->have);
		shelf_remove(&channels->shelf, entry);
		shelf_let_go(&channels->shelf, guest);
	}
	if (job && job->n_victims)
		start_job(channels, job, on_expired, channels);
	else
		job_free(job);
}
