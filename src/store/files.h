/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's folder: in it one of each guest, by its name, and in that
 *
 *   SHA-256        the bytes of a model; the file's time says when it was last asked for
 *   SHA-256.part   8 bytes, its size, and as much as has come of it
 *   labels         what the guest calls them (channel/store_index.h)
 *   .new...        what was being written when the process died: removed by the next scan
 *
 * A name is there only when what it names is whole and on the disk.  No path leaves the folder, and
 * no link is followed.  All of it may block, and may be called from several threads at once, for
 * different guests.
 */
#ifndef STORE_FILES_H
#define STORE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "channel/store_control.h"

#define FILES_GUESTS_MAX 65536u

struct files {
	int root_fd;         /* the folder */
	bool has_no_tmpfile; /* the file system has no files without a name */
	/* NULL but in tests: before each operation that changes something.  Below 0: it fails so. */
	int (*before)(void *context, const char *operation);
	void *context;
};

/* Finds out what the file system can do: once, before anything else. */
void files_probe(struct files *files);

/* All fds given stay the caller's.  All return 0 or -errno; after a failure nothing has changed. */

/* The first `bytes` bytes of from_fd are the model. */
int files_put(const struct files *files, const char *guest, const unsigned char *hash, int from_fd,
	      uint64_t bytes) _nodiscard_;

/* A frozen memfd.  -EBADMSG: these are other bytes, or not so many.  -ENOENT. */
int files_get(const struct files *files, const char *guest, const unsigned char *hash,
	      uint64_t bytes, int *ret_fd) _nodiscard_;

/* It is asked for now. */
int files_touch(const struct files *files, const char *guest, const unsigned char *hash)
	_nodiscard_;

/* The model and its part, or the part alone; 0 also where there is none. */
int files_remove(const struct files *files, const char *guest, const unsigned char *hash)
	_nodiscard_;
int files_remove_part(const struct files *files, const char *guest, const unsigned char *hash)
	_nodiscard_;

/* In the place of those before.  What is read is not checked; *ret is the caller's to free. */
int files_put_labels(const struct files *files, const char *guest, int from_fd, uint64_t bytes)
	_nodiscard_;
int files_get_labels(const struct files *files, const char *guest, void **ret, size_t *ret_bytes)
	_nodiscard_;

/* Of an upload of `size` bytes, those up to `have`; those up to `from` are there.  Not flushed. */
int files_put_part(const struct files *files, const char *guest, const unsigned char *hash,
		   int from_fd, uint64_t size, uint64_t from, uint64_t have) _nodiscard_;
/* A memfd of size bytes, which can be written, the first `have` of them read. */
int files_get_part(const struct files *files, const char *guest, const unsigned char *hash,
		   uint64_t size, uint64_t have, int *ret_fd) _nodiscard_;

/* All that the guest has, and its folder. */
int files_forget(const struct files *files, const char *guest) _nodiscard_;

/* A file, as the scan finds it.  have is less than size for a part. */
struct files_found {
	const char *guest;
	unsigned char hash[STORE_HASH_BYTES];
	uint64_t size, have;
	int64_t used_ms; /* of the wall clock */
};

/* Calls found() for each model and part, in no order, and cleans up. */
int files_scan(const struct files *files,
	       void (*found)(void *context, const struct files_found *file), void *context)
	_nodiscard_;

#endif
