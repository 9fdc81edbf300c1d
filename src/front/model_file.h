/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of one model, in a memfd: filled by whoever receives them, then frozen, then hashed.
 * What was hashed is what a worker gets.  They count against the guest's memory from the first
 * moment.
 */
#ifndef FRONT_MODEL_FILE_H
#define FRONT_MODEL_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "base/memfd.h"
#include "front/account.h"
#include "front/work.h"

#define MODEL_HASH_BYTES 32u /* SHA-256 */

struct model_file;

/* Room for size bytes, at least 1.  Fails with LIMIT_REACHED above the account's limit. */
int model_file_new(struct account *account, uint64_t size, struct model_file **ret,
		   struct tensock_error *reterr) _nodiscard_;

/* The same with a memfd that has this size already; takes fd in every case. */
int model_file_new_from(struct account *account, uint64_t size, int fd, struct model_file **ret,
			struct tensock_error *reterr) _nodiscard_;

/*
 * One whose bytes are in the store (front/stored.h) and not here: of that hash and size, and of no
 * memory until they are expected.  -ENOMEM.
 */
int model_file_new_stored(struct account *account, const unsigned char hash[MODEL_HASH_BYTES],
			  uint64_t size, struct model_file **ret) _nodiscard_;

bool model_file_is_here(const struct model_file *file);

/* Takes the memory for bytes that are not here.  LIMIT_REACHED. */
int model_file_expect(struct model_file *file, struct tensock_error *reterr) _nodiscard_;

/* They are here: a frozen memfd of the right size, else -EPROTO.  Takes fd in every case. */
int model_file_arrived(struct model_file *file, int fd) _nodiscard_;

/* They are not here any more, or not expected.  Never of a file that nobody has elsewhere. */
void model_file_drop_bytes(struct model_file *file);

/* Also while it is being hashed; hashed() is then not called. */
void model_file_free(struct model_file *file);

/* Where the bytes are to be written; until the freeze. */
void *model_file_room(struct model_file *file);

/*
 * All bytes have come.  Freezes them; hashed(context) is called later, from the loop.  After a
 * failure there is only model_file_free().  Again after model_file_stop().
 */
int model_file_freeze(struct model_file *file, struct work_queue *queue,
		      void (*hashed)(void *context), void *context, struct tensock_error *reterr)
	_nodiscard_;

/* While it is being hashed: hashed() will not be called, and the bytes stay, frozen. */
void model_file_stop(struct model_file *file);

/* MODEL_HASH_BYTES of them, once hashed() has been called. */
const unsigned char *model_file_hash(const struct model_file *file);

int model_file_fd(const struct model_file *file); /* the file's */
uint64_t model_file_size(const struct model_file *file);

#endif
