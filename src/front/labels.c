/* SPDX-License-Identifier: Apache-2.0 */
#include "front/labels.h"

#include <string.h>

#include "base/status.h"

void labels_init(struct labels *labels)
{
	TAILQ_INIT(&labels->list);
}

static void drop(struct labels *labels, struct label *label)
{
	TAILQ_REMOVE(&labels->list, label, entry);
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
	TAILQ_REMOVE(&labels->list, label, entry);
	TAILQ_INSERT_HEAD(&labels->list, label, entry);
}

static struct label *find_own(const struct labels *labels, const struct model *model,
			      const char *name, const char *version, unsigned *ret_n)
{
	struct label *label, *found = NULL;

	*ret_n = 0;
	TAILQ_FOREACH(label, &labels->list, entry)
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
		TAILQ_INSERT_HEAD(&labels->list, label, entry);
	}
	if (!is_pending)
		make_true(labels, label);
	return 0;
}

void labels_settle(struct labels *labels, const struct model *model)
{
	struct label *label = TAILQ_LAST(&labels->list, label_list), *next;

	/* In the order in which they were given; those that become true go to the other end. */
	for (; label; label = next) {
		next = TAILQ_PREV(label, label_list, entry);
		if (label->model != model || !label->is_pending)
			continue;
		make_true(labels, label);
		/* What it took the pair from may have been next. */
		next = TAILQ_LAST(&labels->list, label_list);
	}
}

static void drop_those(struct labels *labels, const struct model *model, bool only_pending)
{
	struct label *label, *next;

	for (label = TAILQ_FIRST(&labels->list); label; label = next) {
		next = TAILQ_NEXT(label, entry);
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

struct model *labels_find(const struct labels *labels, const char *name, const char *version)
{
	struct label *label;

	TAILQ_FOREACH(label, &labels->list, entry)
	{
		if (label->is_pending || strcmp(label->name, name) != 0)
			continue;
		if (!version || !version[0] || strcmp(label->version, version) == 0)
			return label->model;
	}
	return NULL;
}

const struct label *labels_of(const struct labels *labels, const struct model *model)
{
	const struct label *label, *pending = NULL;

	TAILQ_FOREACH(label, &labels->list, entry)
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
