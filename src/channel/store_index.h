/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest has in the store, in bytes: its models, then what it calls them.  It travels between
 * store and front as a memfd, and lies on disk (labels only); all are read as if a guest had written
 * them.
 *
 *   u32 magic · u32 n, n times {32 bytes SHA-256, u64 size, u64 have, u64 age_ms} ·
 *   u32 n, n times {32 bytes SHA-256, u16 bytes and a name, u16 bytes and a version}
 */
#ifndef CHANNEL_STORE_INDEX_H
#define CHANNEL_STORE_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "channel/store_control.h"

#define STORE_ENTRIES_MAX 1024u
#define STORE_LABELS_MAX 8192u
#define STORE_LABEL_NAME_MAX 255u
#define STORE_LABEL_VERSION_MAX 63u

struct store_entry {
	unsigned char hash[STORE_HASH_BYTES];
	uint64_t size;
	uint64_t have;   /* less than size: of an upload that broke off */
	uint64_t age_ms; /* since it was last asked for */
};

struct store_label {
	unsigned char hash[STORE_HASH_BYTES];
	char name[STORE_LABEL_NAME_MAX + 1];       /* not empty */
	char version[STORE_LABEL_VERSION_MAX + 1]; /* may be */
};

/* Room that is enough for so many. */
size_t store_index_bytes(unsigned n_entries, unsigned n_labels);

/* In this order: begin, its entries, labels, its labels. */
void store_index_begin(struct tsk_writer *w, uint32_t n_entries);
void store_index_entry(struct tsk_writer *w, const struct store_entry *entry);
void store_index_labels(struct tsk_writer *w, uint32_t n_labels);
void store_index_label(struct tsk_writer *w, const unsigned char *hash, const char *name,
		       const char *version);

/* Each may be NULL. */
struct store_index_ops {
	void (*entry)(void *context, const struct store_entry *entry);
	void (*label)(void *context, const struct store_label *label);
};

/* Checks all of it, then calls ops for each.  -EPROTO, and nothing has been called. */
int store_index_read(const void *bytes, size_t len, const struct store_index_ops *ops,
		     void *context) _nodiscard_;

/* The same as a frozen memfd. */
int store_index_to_fd(const struct tsk_writer *w, int *ret_fd) _nodiscard_;
/* And back: -EPROTO also where it is not frozen, or is larger than any index.  fd stays the caller's. */
int store_index_from_fd(int fd, const struct store_index_ops *ops, void *context) _nodiscard_;

#endif
