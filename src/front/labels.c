/* SPDX-License-Identifier: Apache-2.0 */
#include "front/labels.h"

#include <stdint.h>
#include <string.h>

#include "base/status.h"

void labels_init(struct labels *labels)
{
	TAILQ_INIT(&labels->list);
	for (unsigned i = 0; i < LABELS_BUCKETS; i++)
		TAILQ_INIT(&labels->own[i]);
}

/* Where a model's labels stand, among those of few others. */
static unsigned bucket_of(const struct model *model)
{
	uint64_t address = (uint64_t)(uintptr_t)model;

	return (unsigned)((address * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % LABELS_BUCKETS;
}

static void put_first(struct labels *labels, struct label *label)
{
	TAILQ_INSERT_HEAD(&labels->list, label, entry);
	TAILQ_INSERT_HEAD(&labels->own[bucket_of(label->model)], label, own_entry);
}

static void take_out(struct labels *labels, struct label *label)
{
	TAILQ_REMOVE(&labels->list, label, entry);
	TAILQ_REMOVE(&labels->own[bucket_of(label->model)], label, own_entry);
}

static void drop(struct labels *labels, struct label *label)
{
	take_out(labels, label);
	free(label->name);
	free(label->version);
	free(label);
}

void labels_done(struct labels *labels)
{
	struct label *label;

	while ((label = TAILQ_FIRST(&labels->list)))
		drop(labels, label);
}

static bool is_pair(const struct label *label, const char *name, const char *version)
{
	return strcmp(label->name, name) == 0 && strcmp(label->version, version) == 0;
}

/* From now on the pair is the label's model's, and the last one given. */
static void make_true(struct labels *labels, struct label *label)
{
	struct label *other, *next;

	for (other = TAILQ_FIRST(&labels->list); other; other = next) {
		next = TAILQ_NEXT(other, entry);
		if (other != label && !other->is_pending &&
		    is_pair(other, label->name, label->version))
			drop(labels, other);
	}
	label->is_pending = false;
	take_out(labels, label);
	put_first(labels, label);
}

static struct label *find_own(const struct labels *labels, const struct model *model,
			      const char *name, const char *version, unsigned *ret_n)
{
	struct label *label, *found = NULL;

	*ret_n = 0;
	TAILQ_FOREACH(label, &labels->own[bucket_of(model)], own_entry)
	{
		if (label->model != model)
			continue;
		(*ret_n)++;
		if (is_pair(label, name, version))
			found = label;
	}
	return found;
}

static int make(struct model *model, const char *name, const char *version, struct label **ret)
{
	struct label *label = calloc(1, sizeof(*label));

	if (!label)
		return -ENOMEM;
	label->model = model;
	label->is_pending = true;
	label->name = strdup(name);
	label->version = strdup(version);
	if (!label->name || !label->version) {
		free(label->name);
		free(label->version);
		free(label);
		return -ENOMEM;
	}
	*ret = label;
	return 0;
}

int labels_add(struct labels *labels, struct model *model, const char *name, const char *version,
	       bool is_pending, struct tensock_error *reterr)
{
	struct label *label;
	unsigned n;

	if (!name || !name[0])
		return 0;
	if (!version)
		version = "";
	label = find_own(labels, model, name, version, &n);
	if (!label && n >= LABELS_A_MODEL_MAX)
		return tsk_fail(reterr, TENSOCK_LIMIT_REACHED,
				"the model has %u names already, as many as one may have", n);
	if (!label) {
		if (make(model, name, version, &label) < 0)
			return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory");
		put_first(labels, label);
	}
	label->is_withdrawn = false;
	if (!is_pending)
		make_true(labels, label);
	return 0;
}

bool labels_settle(struct labels *labels, const struct model *model)
{
	const struct label_list *own = &labels->own[bucket_of(model)];
	struct label *label = TAILQ_LAST(own, label_list), *next;
	bool any = false;

	/* In the order in which they were given; those that become true go to the other end. */
	for (; label; label = next) {
		next = TAILQ_PREV(label, label_list, own_entry);
		if (label->model != model || !label->is_pending)
			continue;
		make_true(labels, label);
		any = true;
		/* What it took the pair from may have been next. */
		next = TAILQ_LAST(own, label_list);
	}
	return any;
}

static void drop_those(struct labels *labels, const struct model *model, bool only_pending)
{
	struct label *label, *next;

	for (label = TAILQ_FIRST(&labels->own[bucket_of(model)]); label; label = next) {
		next = TAILQ_NEXT(label, own_entry);
		if (label->model == model && (label->is_pending || !only_pending))
			drop(labels, label);
	}
}

void labels_drop_pending(struct labels *labels, const struct model *model)
{
	drop_those(labels, model, true);
}

void labels_drop(struct labels *labels, const struct model *model)
{
	drop_those(labels, model, false);
}

const struct label *labels_look_up(const struct labels *labels, const char *name,
				   const char *version)
{
	const struct label *label;

	TAILQ_FOREACH(label, &labels->list, entry)
	{
		if (label->is_pending || strcmp(label->name, name) != 0)
			continue;
		if (!version || !version[0] || strcmp(label->version, version) == 0)
			return label;
	}
	return NULL;
}

struct model *labels_find(const struct labels *labels, const char *name, const char *version)
{
	const struct label *label = labels_look_up(labels, name, version);

	return label ? label->model : NULL;
}

bool labels_have(const struct labels *labels, const char *name, const char *version)
{
	const struct label *label;

	TAILQ_FOREACH(label, &labels->list, entry)
	{
		if (!label->is_pending && is_pair(label, name, version))
			return true;
	}
	return false;
}

const struct label *labels_next(const struct labels *labels, const struct model *model,
				const struct label *after)
{
	const struct label *label =
		after ? TAILQ_NEXT(after, own_entry) : TAILQ_FIRST(&labels->own[bucket_of(model)]);

	while (label && (label->model != model || label->is_pending))
		label = TAILQ_NEXT(label, own_entry);
	return label;
}

const struct label *labels_of(const struct labels *labels, const struct model *model)
{
	const struct label *label, *pending = NULL;

	TAILQ_FOREACH(label, &labels->own[bucket_of(model)], own_entry)
	{
		if (label->model != model)
			continue;
		if (!label->is_pending)
			return label;
		if (!pending)
			pending = label;
	}
	return pending;
}
