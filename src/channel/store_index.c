/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/store_index.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/memfd.h"

#define MAGIC UINT32_C(0x314b5354) /* "TSK1" */
#define ENTRY_BYTES (STORE_HASH_BYTES + 3 * 8)
#define LABEL_BYTES_MAX (STORE_HASH_BYTES + 4 + STORE_LABEL_NAME_MAX + STORE_LABEL_VERSION_MAX)

size_t store_index_bytes(unsigned n_entries, unsigned n_labels)
{
	return 12 + (size_t)n_entries * ENTRY_BYTES + (size_t)n_labels * LABEL_BYTES_MAX;
}

void store_index_begin(struct tsk_writer *w, uint32_t n_entries)
{
	tsk_write_u32(w, MAGIC);
	tsk_write_u32(w, n_entries);
}

void store_index_entry(struct tsk_writer *w, const struct store_entry *entry)
{
	tsk_write_bytes(w, entry->hash, sizeof(entry->hash));
	tsk_write_u64(w, entry->size);
	tsk_write_u64(w, entry->have);
	tsk_write_u64(w, entry->age_ms);
}

static bool read_entry(struct tsk_reader *r, struct store_entry *ret)
{
	const void *hash = tsk_read_bytes(r, STORE_HASH_BYTES);

	ret->size = tsk_read_u64(r);
	ret->have = tsk_read_u64(r);
	ret->age_ms = tsk_read_u64(r);
	if (r->bad || ret->size == 0 || ret->have > ret->size)
		return false;
	memcpy(ret->hash, hash, STORE_HASH_BYTES);
	return true;
}

void store_index_labels(struct tsk_writer *w, uint32_t n_labels)
{
	tsk_write_u32(w, n_labels);
}

static void write_text(struct tsk_writer *w, const char *text)
{
	size_t len = strlen(text);

	tsk_write_u16(w, (uint16_t)len);
	tsk_write_bytes(w, text, len);
}

/* Within max bytes, none of them NUL. */
static bool read_text(struct tsk_reader *r, char *ret, size_t max)
{
	size_t len = tsk_read_u16(r);
	const char *text = len <= max ? tsk_read_bytes(r, len) : NULL;

	if (!text || memchr(text, '\0', len))
		return false;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return true;
}

void store_index_label(struct tsk_writer *w, const unsigned char *hash, const char *name,
		       const char *version)
{
	tsk_write_bytes(w, hash, STORE_HASH_BYTES);
	write_text(w, name);
	write_text(w, version);
}

static bool read_label(struct tsk_reader *r, struct store_label *ret)
{
	const void *hash = tsk_read_bytes(r, STORE_HASH_BYTES);

	if (!hash || !read_text(r, ret->name, STORE_LABEL_NAME_MAX) || !ret->name[0] ||
	    !read_text(r, ret->version, STORE_LABEL_VERSION_MAX))
		return false;
	memcpy(ret->hash, hash, STORE_HASH_BYTES);
	return true;
}

static bool read_all(struct tsk_reader r, const struct store_index_ops *ops, void *context)
{
	struct store_entry entry;
	struct store_label label;
	uint32_t n;

	if (tsk_read_u32(&r) != MAGIC)
		return false;
	n = tsk_read_u32(&r);
	if (n > STORE_ENTRIES_MAX)
		return false;
	for (; n; n--) {
		if (!read_entry(&r, &entry))
			return false;
		if (ops->entry)
			ops->entry(context, &entry);
	}
	n = tsk_read_u32(&r);
	if (n > STORE_LABELS_MAX)
		return false;
	for (; n; n--) {
		if (!read_label(&r, &label))
			return false;
		if (ops->label)
			ops->label(context, &label);
	}
	return tsk_reader_end(&r);
}

int store_index_read(const void *bytes, size_t len, const struct store_index_ops *ops,
		     void *context)
{
	static const struct store_index_ops none;
	struct tsk_reader r = tsk_reader(bytes, len);

	return read_all(r, &none, NULL) && read_all(r, ops, context) ? 0 : -EPROTO;
}

int store_index_to_fd(const struct tsk_writer *w, int *ret_fd)
{
	size_t len = tsk_writer_len(w);
	_cleanup_close_ int fd = -1;
	struct tsk_map map;
	int r;

	if (w->bad)
		return -EINVAL;
	r = tsk_memfd_new("tensock-index", len, &fd);
	if (r == 0)
		r = tsk_map_new(fd, len, true, &map);
	if (r < 0)
		return r;
	memcpy(map.addr, w->start, len);
	tsk_map_done(&map);
	r = tsk_memfd_freeze(fd);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int store_index_from_fd(int fd, const struct store_index_ops *ops, void *context)
{
	struct tsk_map map;
	uint64_t size;
	int r = tsk_memfd_check(fd, true, &size);

	if (r < 0)
		return r;
	if (size > store_index_bytes(STORE_ENTRIES_MAX, STORE_LABELS_MAX))
		return -EPROTO;
	r = tsk_map_new(fd, size, false, &map);
	if (r < 0)
		return r;
	r = store_index_read(map.addr, map.size, ops, context);
	tsk_map_done(&map);
	return r;
}
