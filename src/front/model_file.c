/* SPDX-License-Identifier: Apache-2.0 */
#include "front/model_file.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "base/status.h"
#include "front/limit_hits.h"

/* Some 2.5 ms at 1.7 GB/s. */
#define SLICE_BYTES (UINT64_C(4) << 20)

struct model_file {
	struct account *account;
	int fd;
	uint64_t size;
	uint64_t taken; /* of the account: size, or 0 */
	bool is_frozen;
	struct tsk_map map; /* writable until the freeze, read-only while hashing, then gone */
	unsigned char hash[MODEL_HASH_BYTES];

	struct work_queue *queue; /* set while hashing */
	struct work work;
	EVP_MD_CTX *digest;
	uint64_t hashed_bytes;
	void (*hashed)(void *context);
	void *context;
};

void model_file_stop(struct model_file *file)
{
	if (!file->queue)
		return;
	work_remove(file->queue, &file->work);
	file->queue = NULL;
	EVP_MD_CTX_free(TAKE_PTR(file->digest));
	tsk_map_done(&file->map);
}

void model_file_free(struct model_file *file)
{
	if (!file)
		return;
	model_file_stop(file);
	EVP_MD_CTX_free(file->digest);
	tsk_map_done(&file->map);
	model_file_drop_bytes(file);
	free(file);
}

/* fd: the memfd, or -1: a new one. */
static int open_memfd(struct model_file *file, int fd)
{
	uint64_t size;
	int r;

	if (fd < 0) {
		r = tsk_memfd_new("tensock-model", file->size, &file->fd);
	} else {
		file->fd = fd;
		r = tsk_memfd_check(fd, false, &size);
		if (r == 0 && size != file->size)
			r = -EPROTO;
	}
	return r < 0 ? r : tsk_map_new(file->fd, file->size, true, &file->map);
}

static int take_memory(struct account *account, uint64_t size, struct tensock_error *reterr)
{
	if (account_take(account, size) == 0)
		return 0;
	return limit_fail(
		METRICS_LIMIT_MEMORY, reterr, TENSOCK_LIMIT_REACHED,
		"a model of %llu bytes does not fit: of max-memory, %llu bytes, %llu are in use",
		(unsigned long long)size, (unsigned long long)account->max_bytes,
		(unsigned long long)account->used_bytes);
}

int model_file_new_stored(struct account *account, const unsigned char hash[MODEL_HASH_BYTES],
			  uint64_t size, struct model_file **ret)
{
	struct model_file *file = calloc(1, sizeof(*file));

	if (!file)
		return -ENOMEM;
	*file = (struct model_file){
		.account = account, .fd = -1, .size = size, .is_frozen = true
	};
	memcpy(file->hash, hash, sizeof(file->hash));
	*ret = file;
	return 0;
}

bool model_file_is_here(const struct model_file *file)
{
	return file->fd >= 0;
}

int model_file_expect(struct model_file *file, struct tensock_error *reterr)
{
	int r = take_memory(file->account, file->size, reterr);

	if (r == 0)
		file->taken = file->size;
	return r;
}

int model_file_arrived(struct model_file *file, int fd)
{
	uint64_t size;
	int r = tsk_memfd_check(fd, true, &size);

	if (r == 0 && size != file->size)
		r = -EPROTO;
	if (r < 0) {
		tsk_close(fd);
		return r;
	}
	file->fd = fd;
	return 0;
}

void model_file_drop_bytes(struct model_file *file)
{
	file->fd = tsk_close(file->fd);
	account_give(file->account, file->taken);
	file->taken = 0;
}

static int file_new(struct account *account, uint64_t size, int fd, struct model_file **ret,
		    struct tensock_error *reterr)
{
	struct model_file *file;
	int r = take_memory(account, size, reterr);

	file = r == 0 ? calloc(1, sizeof(*file)) : NULL;
	if (!file) {
		tsk_close(fd);
		if (r < 0)
			return r;
		account_give(account, size);
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory");
	}
	*file = (struct model_file){ .account = account, .fd = -1, .size = size, .taken = size };
	if (open_memfd(file, fd) < 0) {
		model_file_free(file);
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY,
				"no memory for a model of %llu bytes", (unsigned long long)size);
	}
	*ret = file;
	return 0;
}

int model_file_new(struct account *account, uint64_t size, struct model_file **ret,
		   struct tensock_error *reterr)
{
	return file_new(account, size, -1, ret, reterr);
}

int model_file_new_from(struct account *account, uint64_t size, int fd, struct model_file **ret,
			struct tensock_error *reterr)
{
	return file_new(account, size, fd, ret, reterr);
}

void *model_file_room(struct model_file *file)
{
	return file->map.addr;
}

const unsigned char *model_file_hash(const struct model_file *file)
{
	return file->hash;
}

int model_file_fd(const struct model_file *file)
{
	return file->fd;
}

uint64_t model_file_size(const struct model_file *file)
{
	return file->size;
}

static void finish(struct model_file *file)
{
	unsigned len = 0;

	EVP_DigestFinal_ex(file->digest, file->hash, &len);
	EVP_MD_CTX_free(TAKE_PTR(file->digest));
	assert(len == MODEL_HASH_BYTES);
	tsk_map_done(&file->map);
	file->queue = NULL;
	file->hashed(file->context); /* may free the file */
}

static bool hash_slice(struct work *work)
{
	struct model_file *file =
		(struct model_file *)(void *)((char *)work - offsetof(struct model_file, work));
	uint64_t left = file->size - file->hashed_bytes;
	uint64_t n = left < SLICE_BYTES ? left : SLICE_BYTES;

	EVP_DigestUpdate(file->digest, (const char *)file->map.addr + file->hashed_bytes, n);
	file->hashed_bytes += n;
	if (n < left)
		return true;
	finish(file);
	return false;
}

int model_file_freeze(struct model_file *file, struct work_queue *queue,
		      void (*hashed)(void *context), void *context, struct tensock_error *reterr)
{
	int r;

	/* No bytes can be sealed while a writable mapping exists. */
	tsk_map_done(&file->map);
	r = file->is_frozen ? 0 : tsk_memfd_freeze(file->fd);
	file->is_frozen = r == 0;
	if (r == 0)
		r = tsk_map_new(file->fd, file->size, false, &file->map);
	if (r < 0)
		return tsk_fail(reterr, TENSOCK_INTERNAL, "cannot freeze a model: %s",
				strerror(-r));
	file->digest = EVP_MD_CTX_new();
	if (!file->digest || EVP_DigestInit_ex(file->digest, EVP_sha256(), NULL) != 1)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory to hash a model");
	file->hashed_bytes = 0;
	file->hashed = hashed;
	file->context = context;
	file->queue = queue;
	file->work.step = hash_slice;
	work_add(queue, &file->work);
	return 0;
}
