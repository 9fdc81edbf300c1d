/* SPDX-License-Identifier: Apache-2.0 */
#include "front/parts.h"

#include <string.h>

#include "base/log.h"
#include "front/handle.h"

/* The guest waits to send: then it had better begin anew. */
#define FETCH_MS 5000u

/* One that the store has, and no upload. */
struct part {
	TAILQ_ENTRY(part) entry;
	unsigned char hash[STORE_HASH_BYTES];
	uint64_t size;
	uint64_t over_ms; /* of the loop's clock: until then it is kept */
};

TAILQ_HEAD(part_list, part);

struct parts {
	struct parts_host host;
	struct part_list list; /* the next one to go first */
	unsigned n;
	TAILQ_HEAD(, parts_fetch) fetches; /* in the order in which they were asked for */
	bool is_saving;
	uv_timer_t *timer;
};

static void on_time(uv_timer_t *timer);

int parts_new(const struct parts_host *host, struct parts **ret)
{
	struct parts *parts = calloc(1, sizeof(*parts));

	if (!parts)
		return -ENOMEM;
	parts->host = *host;
	TAILQ_INIT(&parts->list);
	TAILQ_INIT(&parts->fetches);
	parts->timer = handle_timer_new(host->loop, parts);
	if (!parts->timer) {
		free(parts);
		return -ENOMEM;
	}
	*ret = parts;
	return 0;
}

static void drop(struct parts *parts, struct part *part)
{
	TAILQ_REMOVE(&parts->list, part, entry);
	parts->n--;
	free(part);
}

void parts_free(struct parts *parts)
{
	struct part *part;

	if (!parts)
		return;
	while ((part = TAILQ_FIRST(&parts->list)))
		drop(parts, part);
	handle_free(parts->timer);
	free(parts);
}

static int send_hash(struct parts *parts, enum store_msg_type type, const unsigned char *hash)
{
	struct store_msg msg = store_msg_about(type, hash);

	return parts->host.send(parts->host.context, &msg, -1);
}

void parts_forget(struct parts *parts, const unsigned char hash[STORE_HASH_BYTES])
{
	/* One that cannot be told now is found by the next front, and is too old some time. */
	if (parts)
		(void)!send_hash(parts, STORE_REMOVE_PART, hash);
}

static void give_up(struct parts *parts, struct part *part)
{
	tsk_info("an unfinished upload of %llu bytes is dropped from the store",
		 (unsigned long long)part->size);
	parts_forget(parts, part->hash);
	drop(parts, part);
}

/* ---- What there is */

static void end_fetch(struct parts *parts, struct parts_fetch *fetch, int fd, uint64_t have)
{
	TAILQ_REMOVE(&parts->fetches, fetch, entry);
	fetch->is_waiting = false;
	fetch->done(fetch->context, fd, have);
}

void parts_lost(struct parts *parts)
{
	struct parts_fetch *fetch;
	struct part *part;

	while ((part = TAILQ_FIRST(&parts->list)))
		drop(parts, part);
	while ((fetch = TAILQ_FIRST(&parts->fetches)))
		end_fetch(parts, fetch, -1, 0);
	parts->is_saving = false;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When there is something to do next. */
static void watch(struct parts *parts)
{
	const struct part *part = TAILQ_FIRST(&parts->list);
	const struct parts_fetch *fetch = TAILQ_FIRST(&parts->fetches);
	uint64_t now_ms = uv_now(parts->host.loop), at_ms = UINT64_MAX;

	if (part)
		at_ms = part->over_ms;
	if (fetch)
		at_ms = least(at_ms, fetch->since_ms + FETCH_MS);
	if (at_ms == UINT64_MAX)
		uv_timer_stop(parts->timer);
	else
		uv_timer_start(parts->timer, on_time, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

static void on_time(uv_timer_t *timer)
{
	struct parts *parts = timer->data;
	uint64_t now_ms = uv_now(parts->host.loop);
	struct parts_fetch *fetch;
	struct part *part;

	while ((fetch = TAILQ_FIRST(&parts->fetches)) && now_ms - fetch->since_ms >= FETCH_MS)
		end_fetch(parts, fetch, -1, 0);
	while ((part = TAILQ_FIRST(&parts->list)) && part->over_ms <= now_ms)
		give_up(parts, part);
	watch(parts);
	if (!parts->n)
		parts->host.emptied(parts->host.context);
}

static void insert(struct parts *parts, struct part *part)
{
	struct part *next;

	TAILQ_FOREACH(next, &parts->list, entry)
	{
		if (next->over_ms > part->over_ms)
			break;
	}
	if (next)
		TAILQ_INSERT_BEFORE(next, part, entry);
	else
		TAILQ_INSERT_TAIL(&parts->list, part, entry);
	parts->n++;
}

void parts_found(struct parts *parts, const struct store_entry *entry)
{
	const struct front_start *limits = parts->host.limits;
	struct part *part = calloc(1, sizeof(*part));

	if (!part || entry->age_ms >= limits->upload_keep_ms) {
		free(part);
		parts_forget(parts, entry->hash);
		return;
	}
	memcpy(part->hash, entry->hash, sizeof(part->hash));
	part->size = entry->size;
	part->over_ms = uv_now(parts->host.loop) + limits->upload_keep_ms - entry->age_ms;
	insert(parts, part);
	if (parts->n > limits->uploads_max)
		give_up(parts, TAILQ_FIRST(&parts->list));
	watch(parts);
}

unsigned parts_count(const struct parts *parts)
{
	return parts->n;
}

/* ---- Saving */

bool parts_save(struct parts *parts, const unsigned char hash[STORE_HASH_BYTES], int fd,
		uint64_t size, uint64_t have, bool is_last)
{
	struct store_msg msg = store_msg_about(STORE_PART, hash);

	if (!parts || (parts->is_saving && !is_last))
		return false;
	msg.bytes = size;
	msg.value = have;
	if (parts->host.send(parts->host.context, &msg, fd) < 0)
		return false;
	parts->is_saving = true;
	return true;
}

/* Where it could not be saved, the guest will have to send more of it again. */
void parts_on_saved(struct parts *parts, const struct store_msg *msg)
{
	if (msg->result)
		tsk_debug("an upload is not saved: %s", strerror(-msg->result));
	parts->is_saving = false;
	parts->host.free_again(parts->host.context);
}

/* ---- Fetching */

bool parts_fetch(struct parts *parts, struct parts_fetch *fetch,
		 const unsigned char hash[STORE_HASH_BYTES], uint64_t size)
{
	struct part *part;

	if (!parts)
		return false;
	TAILQ_FOREACH(part, &parts->list, entry)
	{
		if (part->size == size && memcmp(part->hash, hash, STORE_HASH_BYTES) == 0)
			break;
	}
	if (!part || send_hash(parts, STORE_GET_PART, hash) < 0)
		return false;
	drop(parts, part);
	memcpy(fetch->hash, hash, sizeof(fetch->hash));
	fetch->size = size;
	fetch->since_ms = uv_now(parts->host.loop);
	fetch->is_waiting = true;
	TAILQ_INSERT_TAIL(&parts->fetches, fetch, entry);
	watch(parts);
	return true;
}

void parts_cancel(struct parts *parts, struct parts_fetch *fetch)
{
	if (!fetch->is_waiting)
		return;
	TAILQ_REMOVE(&parts->fetches, fetch, entry);
	fetch->is_waiting = false;
	watch(parts);
}

void parts_on_bytes(struct parts *parts, const struct store_msg *msg, int fd)
{
	struct parts_fetch *fetch;

	TAILQ_FOREACH(fetch, &parts->fetches, entry)
	{
		if (memcmp(fetch->hash, msg->hash, STORE_HASH_BYTES) == 0)
			break;
	}
	if (!fetch) {
		tsk_close(fd);
	} else if (msg->result == 0 && msg->bytes == fetch->size && msg->value < msg->bytes) {
		end_fetch(parts, fetch, fd, msg->value);
	} else {
		tsk_close(fd);
		end_fetch(parts, fetch, -1, 0);
	}
	watch(parts);
}
