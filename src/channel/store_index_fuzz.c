/* SPDX-License-Identifier: Apache-2.0 */
/* What is read can be written again, and comes out as the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "channel/store_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	struct tsk_writer w;
	unsigned n_entries, n_labels;
};

static void on_entry(void *context, const struct store_entry *entry)
{
	struct seen *seen = context;

	if (!entry->size || entry->have > entry->size)
		abort();
	seen->n_entries++;
	store_index_entry(&seen->w, entry);
}

static void on_label(void *context, const struct store_label *label)
{
	struct seen *seen = context;

	if (!label->name[0] || strlen(label->name) > STORE_LABEL_NAME_MAX ||
	    strlen(label->version) > STORE_LABEL_VERSION_MAX)
		abort();
	store_index_label(&seen->w, label->hash, label->name, label->version);
}

static void count_entry(void *context, const struct store_entry *entry)
{
	(void)entry;
	((struct seen *)context)->n_entries++;
}

static void count_label(void *context, const struct store_label *label)
{
	(void)label;
	((struct seen *)context)->n_labels++;
}

static void read_with(const void *data, size_t size, const struct store_index_ops *ops,
		      struct seen *seen)
{
	if (store_index_read(data, size, ops, seen) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct store_index_ops count = { count_entry, count_label },
					    entries = { .entry = on_entry },
					    labels = { .label = on_label };
	struct seen n = { 0 }, seen = { 0 };
	void *bytes;

	if (store_index_read(data, size, &count, &n) < 0) {
		if (n.n_entries || n.n_labels)
			abort();
		return 0;
	}
	bytes = malloc(size);
	if (!bytes)
		return 0;
	seen.w = tsk_writer(bytes, size);
	store_index_begin(&seen.w, n.n_entries);
	read_with(data, size, &entries, &seen);
	store_index_labels(&seen.w, n.n_labels);
	read_with(data, size, &labels, &seen);
	if (seen.w.bad || tsk_writer_len(&seen.w) != size || memcmp(bytes, data, size) != 0)
		abort();
	free(bytes);
	return 0;
}
