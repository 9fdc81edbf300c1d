/* SPDX-License-Identifier: Apache-2.0 */
#include "front/stored.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "channel/store_index.h"
#include "front/handle.h"
#include "front/limit_hits.h"
#include "front/model.h"
#include "front/store_link.h"
#include "wire/frame.h"

/* How exactly the store is to know when a model was used. */
#define USED_EVERY_MS 60000u
#define WARNING_EVERY_MS 60000u

static_assert(STORE_HASH_BYTES == MODEL_HASH_BYTES,
	      "a model's name has another length in the store");
static_assert(STORE_LABEL_NAME_MAX == WIRE_NAME_MAX && STORE_LABEL_VERSION_MAX == WIRE_LABEL_MAX,
	      "a label has another length in the store");

struct removal {
	TAILQ_ENTRY(removal) entry;
	unsigned char hash[STORE_HASH_BYTES];
};

struct stored {
	uv_loop_t *loop;
	struct models *models;
	const struct front_start *limits;
	const struct stored_ops *ops;
	void *context;
	struct parts *parts;
	struct store_link *link;          /* NULL: none now */
	bool has_index;                   /* of this link: what is there is known */
	bool had_index;                   /* of any */
	bool is_storing;                  /* one at a time, for the store holds it, too */
	bool labels_changed, is_labeling; /* one at a time, too */
	uint64_t warned_ms;               /* of the loop's clock; 0: never */
	TAILQ_HEAD(, removal) removals;   /* that have not been sent */
	uv_timer_t *timer;                /* while something is being fetched */
};

/* ---- What is sent */

static int send_hash(struct stored *stored, enum store_msg_type type, const unsigned char *hash)
{
	struct store_msg msg = store_msg_about(type, hash);

	return store_link_send(stored->link, &msg, -1);
}

static int send_removals(struct stored *stored)
{
	struct removal *first;

	while ((first = TAILQ_FIRST(&stored->removals))) {
		int r = send_hash(stored, STORE_REMOVE, first->hash);

		if (r < 0)
			return r;
		TAILQ_REMOVE(&stored->removals, first, entry);
		free(first);
	}
	return 0;
}

static int send_gets(struct stored *stored)
{
	struct model *model;
	int r = 0;

	TAILQ_FOREACH(model, &stored->models->list, entry)
	{
		if (r < 0 || !model->is_fetching || model->is_asked_for)
			continue;
		r = send_hash(stored, STORE_GET, models_hash(model));
		model->is_asked_for = r == 0;
	}
	return r;
}

static bool is_to_be_stored(const struct model *model)
{
	return model->is_kept && model->has_info && !model->is_removed &&
	       model_file_is_here(model->file) && model->stored == MODEL_NOT_STORED;
}

static int send_put(struct stored *stored)
{
	struct store_msg msg;
	struct model *model;
	int r;

	if (stored->is_storing)
		return 0;
	TAILQ_FOREACH(model, &stored->models->list, entry)
	{
		if (is_to_be_stored(model))
			break;
	}
	if (!model)
		return 0;
	msg = store_msg_about(STORE_PUT, models_hash(model));
	msg.bytes = model_file_size(model->file);
	r = store_link_send(stored->link, &msg, model_file_fd(model->file));
	if (r < 0)
		return r;
	model->stored = MODEL_STORING;
	stored->is_storing = true;
	return 0;
}

static bool is_told(const struct label *label)
{
	return !label->is_pending && label->model->is_kept;
}

/* The one given last comes last. */
static void write_labels(const struct labels *labels, uint32_t n, struct tsk_writer *w)
{
	const struct label *label;

	store_index_begin(w, 0);
	store_index_labels(w, n);
	TAILQ_FOREACH_REVERSE(label, &labels->list, label_list, entry)
	{
		if (is_told(label) && n-- > 0)
			store_index_label(w, models_hash(label->model), label->name,
					  label->version);
	}
}

static int make_labels(const struct labels *labels, struct store_msg *ret_msg, int *ret_fd)
{
	_cleanup_free_ void *bytes = NULL;
	const struct label *label;
	struct tsk_writer w;
	uint32_t n = 0;

	TAILQ_FOREACH(label, &labels->list, entry)
	n += is_told(label) && n < STORE_LABELS_MAX;
	bytes = malloc(store_index_bytes(0, n));
	if (!bytes)
		return -ENOMEM;
	w = tsk_writer(bytes, store_index_bytes(0, n));
	write_labels(labels, n, &w);
	*ret_msg = (struct store_msg){ .type = STORE_LABELS, .bytes = tsk_writer_len(&w) };
	return store_index_to_fd(&w, ret_fd);
}

static int send_labels(struct stored *stored)
{
	_cleanup_close_ int fd = -1;
	struct store_msg msg;
	int r;

	if (!stored->labels_changed || stored->is_labeling)
		return 0;
	r = make_labels(&stored->models->labels, &msg, &fd);
	if (r == 0)
		r = store_link_send(stored->link, &msg, fd);
	if (r < 0)
		return r;
	stored->is_labeling = true;
	stored->labels_changed = false;
	return 0;
}

void stored_look(struct stored *stored, bool labels_changed)
{
	int r;

	if (!stored)
		return;
	stored->labels_changed |= labels_changed;
	if (!stored->link || !stored->has_index)
		return;
	/* A model before its labels: what is called something is there. */
	r = send_removals(stored);
	if (r == 0)
		r = send_gets(stored);
	if (r == 0)
		r = send_put(stored);
	if (r == 0)
		r = send_labels(stored);
	if (r < 0 && r != -EAGAIN && r != -EPIPE && r != -ECONNRESET)
		tsk_warning("the store cannot be told of the models: %s", strerror(-r));
}

void stored_flush(struct stored *stored)
{
	struct model *model;

	if (!stored)
		return;
	/* It takes all that there is room for in the socket, and holds it. */
	TAILQ_FOREACH(model, &stored->models->list, entry)
	{
		stored->is_storing = false;
		stored_look(stored, false);
	}
	stored->is_labeling = false;
	stored_look(stored, false);
}

void stored_used(struct stored *stored, struct model *model)
{
	uint64_t now_ms = uv_now(model->models->loop);

	if (!stored || !stored->link || model->stored != MODEL_IS_STORED ||
	    (model->told_ms && now_ms - model->told_ms < USED_EVERY_MS))
		return;
	if (send_hash(stored, STORE_USED, models_hash(model)) == 0)
		model->told_ms = now_ms;
}

static bool is_removal(const struct stored *stored, const unsigned char *hash)
{
	const struct removal *removal;

	TAILQ_FOREACH(removal, &stored->removals, entry)
	{
		if (memcmp(removal->hash, hash, STORE_HASH_BYTES) == 0)
			return true;
	}
	return false;
}

static void queue_removal(struct stored *stored, const unsigned char *hash)
{
	struct removal *removal;

	if (is_removal(stored, hash))
		return;
	removal = calloc(1, sizeof(*removal));
	if (!removal) {
		tsk_error("no memory to have a model taken off the disk");
		return;
	}
	memcpy(removal->hash, hash, sizeof(removal->hash));
	TAILQ_INSERT_TAIL(&stored->removals, removal, entry);
}

/* A model that has only been tried may have left something, too. */
void stored_remove(struct stored *stored, const struct model *model)
{
	if (!stored)
		return;
	queue_removal(stored, models_hash(model));
	stored_look(stored, true);
}

/* ---- Fetching */

static void fail(struct stored *stored, struct model *model, enum tensock_status status,
		 const char *text)
{
	struct tensock_error error;

	(void)tsk_fail(&error, status, "%s", text);
	models_fetched(stored->models, model, &error);
}

/* The one that has waited longest. */
static struct model *first_fetched(const struct stored *stored)
{
	struct model *found = NULL, *model;

	TAILQ_FOREACH(model, &stored->models->list, entry)
	{
		if (model->is_fetching && (!found || model->fetched_ms < found->fetched_ms))
			found = model;
	}
	return found;
}

static void on_fetch_time(uv_timer_t *timer)
{
	struct stored *stored = timer->data;
	struct model *model;

	while ((model = first_fetched(stored))) {
		uint64_t age_ms = uv_now(stored->loop) - model->fetched_ms;

		if (age_ms < stored->limits->load_deadline_ms) {
			uv_timer_start(timer, on_fetch_time,
				       stored->limits->load_deadline_ms - age_ms, 0);
			return;
		}
		limit_hit(METRICS_LIMIT_LOAD_DEADLINE);
		fail(stored, model, TENSOCK_DEADLINE_EXCEEDED,
		     "the store has not given the model's bytes in time (load-deadline)");
	}
}

int stored_fetch(struct stored *stored, struct model *model, struct tensock_error *reterr)
{
	int r;

	assert(stored && !model->is_fetching);
	r = model_file_expect(model->file, reterr);
	if (r < 0)
		return r;
	model->is_fetching = true;
	model->is_asked_for = false;
	model->fetched_ms = uv_now(stored->loop);
	if (!uv_is_active((uv_handle_t *)stored->timer))
		uv_timer_start(stored->timer, on_fetch_time, stored->limits->load_deadline_ms, 0);
	stored_look(stored, false);
	return 0;
}

static struct model *find(const struct stored *stored, const unsigned char *hash)
{
	return models_find(stored->models, &(struct model_name){ .hash = hash });
}

static void on_bytes(struct stored *stored, const struct store_msg *msg, int fd)
{
	struct model *model = find(stored, msg->hash);
	int r = msg->result;

	if (!model || !model->is_fetching) {
		tsk_close(fd); /* it came otherwise, or too late */
		return;
	}
	model->told_ms = uv_now(stored->loop);
	if (r == 0)
		r = model_file_arrived(model->file, fd);
	if (r == 0)
		models_fetched(stored->models, model, NULL);
	else if (r == -ENOENT)
		fail(stored, model, TENSOCK_NOT_FOUND,
		     "the host has no model of this hash any more");
	else
		fail(stored, model, TENSOCK_UNAVAILABLE,
		     "the store cannot give the model's bytes just now");
}

/* ---- What the store says otherwise */

static void warn(struct stored *stored, const char *what, int result)
{
	uint64_t now_ms = uv_now(stored->loop);

	if (stored->warned_ms && now_ms - stored->warned_ms < WARNING_EVERY_MS)
		return;
	tsk_warning("%s in memory only: the store says: %s", what, strerror(-result));
	stored->warned_ms = now_ms;
}

static void on_stored(struct stored *stored, const struct store_msg *msg)
{
	struct model *model = find(stored, msg->hash);

	stored->is_storing = false;
	if (model && model->stored == MODEL_STORING) {
		model->stored = msg->result ? MODEL_CANNOT_BE_STORED : MODEL_IS_STORED;
		model->told_ms = uv_now(stored->loop);
	}
	if (msg->result)
		warn(stored, "a model is kept", msg->result);
	stored_look(stored, false);
	stored->ops->changed(stored->context);
}

static void on_labeled(struct stored *stored, const struct store_msg *msg)
{
	stored->is_labeling = false;
	if (msg->result)
		warn(stored, "the models' names are kept", msg->result);
	stored_look(stored, false);
	stored->ops->changed(stored->context);
}

/* Its file is gone.  Where its bytes are not here either, so is the model. */
static void lose(struct stored *stored, struct model *model)
{
	model->stored = MODEL_CANNOT_BE_STORED;
	stored->labels_changed = true;
	if (!model_file_is_here(model->file) && !model->is_fetching && !model_is_needed(model))
		model_forget(model);
	stored->ops->changed(stored->context);
}

static void on_dropped(struct stored *stored, const struct store_msg *msg)
{
	struct model *model = find(stored, msg->hash);

	if (model)
		lose(stored, model);
}

/* ---- What there is */

static uint64_t used_ms(const struct stored *stored, const struct store_entry *entry)
{
	uint64_t now_ms = uv_now(stored->loop);

	return entry->age_ms < now_ms ? now_ms - entry->age_ms : 0;
}

/* More than may be kept: the one that was used longest ago is not. */
static void keep_most(struct stored *stored)
{
	struct model *oldest = NULL, *model;

	if (stored->models->n_kept <= stored->limits->models_max)
		return;
	TAILQ_FOREACH(model, &stored->models->list, entry)
	{
		if (model->is_kept && !model_file_is_here(model->file) && !model_is_needed(model) &&
		    (!oldest || model->used_ms < oldest->used_ms))
			oldest = model;
	}
	if (!oldest)
		return;
	queue_removal(stored, models_hash(oldest));
	model_forget(oldest);
}

static void add(struct stored *stored, const struct store_entry *entry)
{
	struct model_file *file;
	struct model *model;

	if (model_file_new_stored(stored->models->account, entry->hash, entry->size, &file) < 0)
		return;
	model = model_new(stored->models, file);
	if (!model) {
		model_file_free(file);
		return;
	}
	model->stored = MODEL_IS_STORED;
	model->used_ms = used_ms(stored, entry);
	model_set_kept(model, true);
	model_watch(model);
	keep_most(stored);
}

static void on_entry(void *context, const struct store_entry *entry)
{
	struct stored *stored = context;
	struct model *model = find(stored, entry->hash);

	if (is_removal(stored, entry->hash))
		return;
	if (entry->have < entry->size) {
		if (!model)
			parts_found(stored->parts, entry);
		return;
	}
	if (entry->size > stored->limits->model_bytes_max)
		queue_removal(stored, entry->hash); /* the operator allows less than he did */
	else if (model && model_file_size(model->file) == entry->size)
		model->stored = MODEL_IS_STORED;
	else if (!model && !stored->had_index)
		add(stored, entry);
	else
		/* What this front does not know any more has been removed, and the store did not hear. */
		queue_removal(stored, entry->hash);
}

static void on_label(void *context, const struct store_label *label)
{
	struct stored *stored = context;
	struct model *model = find(stored, label->hash);

	/* What the guest has said to this front comes after that. */
	if (!model || stored->had_index ||
	    labels_have(&stored->models->labels, label->name, label->version))
		return;
	(void)!labels_add(&stored->models->labels, model, label->name, label->version, false, NULL);
}

/* Those that were in the store, as far as this front knew, and whose bytes are not here, are gone. */
static void drop_lost(struct stored *stored)
{
	struct model *model, *next;

	for (model = TAILQ_FIRST(&stored->models->list); model; model = next) {
		next = TAILQ_NEXT(model, entry);
		if (model->stored == MODEL_NOT_STORED && !model_file_is_here(model->file))
			lose(stored, model);
	}
}

static void on_index(struct stored *stored, int fd)
{
	static const struct store_index_ops ops = { .entry = on_entry, .label = on_label };
	struct model *model;
	int r;

	TAILQ_FOREACH(model, &stored->models->list, entry)
	{
		model->stored = MODEL_NOT_STORED;
		model->is_asked_for = false;
	}
	r = store_index_from_fd(fd, &ops, stored);
	if (r < 0)
		tsk_warning("what is stored is not known: %s", strerror(-r));
	drop_lost(stored);
	tsk_debug("%u models are kept, with those that are stored", models_kept(stored->models));
	stored->labels_changed |= stored->had_index || stored->models->n_kept > 0;
	stored->has_index = stored->had_index = true;
	stored_look(stored, false);
	stored->ops->may_save_upload(stored->context);
	stored->ops->changed(stored->context);
}

static void close_link(struct stored *stored)
{
	if (!stored->link)
		return;
	store_link_free(TAKE_PTR(stored->link));
	parts_lost(stored->parts);
	stored->has_index = stored->is_storing = stored->is_labeling = false;
}

static void on_message(void *context, const struct store_msg *msg, int fd)
{
	struct stored *stored = context;

	if (msg->type == STORE_INDEX && !stored->has_index) {
		on_index(stored, fd);
		tsk_close(fd);
	} else if (msg->type == STORE_BYTES) {
		on_bytes(stored, msg, fd);
	} else if (msg->type == STORE_STORED) {
		on_stored(stored, msg);
	} else if (msg->type == STORE_LABELED) {
		on_labeled(stored, msg);
	} else if (msg->type == STORE_PART_STORED) {
		parts_on_saved(stored->parts, msg);
	} else if (msg->type == STORE_PART_BYTES) {
		parts_on_bytes(stored->parts, msg, fd);
	} else if (msg->type == STORE_DROPPED) {
		on_dropped(stored, msg);
	} else {
		tsk_error("the store sent an unexpected message of type %u", msg->type);
		tsk_close(fd);
		close_link(stored);
	}
}

static void on_writable(void *context)
{
	stored_look(context, false);
}

static void on_ended(void *context, int result)
{
	struct stored *stored = context;

	tsk_info(
		"the store is gone, and models are kept in memory only, until the next one is there%s%s",
		result < 0 ? ": " : "", result < 0 ? strerror(-result) : "");
	close_link(stored);
}

void stored_open(struct stored *stored, int fd, unsigned wait_ms)
{
	static const struct store_link_ops ops = { .message = on_message,
						   .writable = on_writable,
						   .ended = on_ended };
	int r;

	close_link(stored);
	r = store_link_new(stored->loop, fd, &ops, stored, &stored->link);
	if (r < 0) {
		tsk_error("the store cannot be used: %s", strerror(-r));
		return;
	}
	if (wait_ms)
		store_link_await(stored->link, wait_ms);
}

bool stored_reclaim(struct stored *stored)
{
	struct model *oldest = NULL, *model;

	if (!stored)
		return false;
	TAILQ_FOREACH(model, &stored->models->list, entry)
	{
		if (model->state == MODEL_UNLOADED && model->stored == MODEL_IS_STORED &&
		    model_file_is_here(model->file) && !model_is_needed(model) &&
		    TAILQ_EMPTY(&model->ending) && (!oldest || model->used_ms < oldest->used_ms))
			oldest = model;
	}
	if (oldest)
		model_file_drop_bytes(oldest->file);
	return oldest;
}

bool stored_is_behind(const struct stored *stored)
{
	const struct model *model;

	if (!stored->link || !stored->has_index || parts_count(stored->parts) ||
	    stored->labels_changed || stored->is_labeling || !TAILQ_EMPTY(&stored->removals))
		return true;
	TAILQ_FOREACH(model, &stored->models->list, entry)
	{
		if (model->is_kept && model->stored != MODEL_IS_STORED)
			return true;
	}
	return false;
}

static int send_part(void *context, const struct store_msg *msg, int fd)
{
	struct stored *stored = context;

	return stored->link ? store_link_send(stored->link, msg, fd) : -ENOTCONN;
}

static void on_part_saved(void *context)
{
	struct stored *stored = context;

	stored->ops->may_save_upload(stored->context);
}

static void on_no_parts(void *context)
{
	struct stored *stored = context;

	stored->ops->changed(stored->context);
}

struct parts *stored_parts(struct stored *stored)
{
	return stored->parts;
}

static int open_parts(struct stored *stored)
{
	const struct parts_host host = { .loop = stored->loop,
					 .limits = stored->limits,
					 .send = send_part,
					 .free_again = on_part_saved,
					 .emptied = on_no_parts,
					 .context = stored };

	stored->timer = handle_timer_new(stored->loop, stored);
	return stored->timer ? parts_new(&host, &stored->parts) : -ENOMEM;
}

int stored_new(uv_loop_t *loop, struct models *models, const struct front_start *limits,
	       const struct stored_ops *ops, void *context, struct stored **ret)
{
	struct stored *stored = calloc(1, sizeof(*stored));

	if (!stored)
		return -ENOMEM;
	*stored = (struct stored){
		.loop = loop, .models = models, .limits = limits, .ops = ops, .context = context
	};
	TAILQ_INIT(&stored->removals);
	if (open_parts(stored) < 0) {
		stored_free(stored);
		return -ENOMEM;
	}
	models->stored = stored;
	*ret = stored;
	return 0;
}

void stored_free(struct stored *stored)
{
	struct removal *first;

	if (!stored)
		return;
	while ((first = TAILQ_FIRST(&stored->removals))) {
		TAILQ_REMOVE(&stored->removals, first, entry);
		free(first);
	}
	store_link_free(stored->link);
	parts_free(stored->parts);
	handle_free(stored->timer);
	free(stored);
}
