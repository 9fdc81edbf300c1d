/* SPDX-License-Identifier: Apache-2.0 */
#include "front/permitted.h"

#include <errno.h>
#include <string.h>

void permitted_init(struct permitted *permitted, uint32_t n)
{
	*permitted = (struct permitted){ .n = n };
}

void permitted_done(struct permitted *permitted)
{
	tsk_map_done(&permitted->list);
}

int permitted_take(struct permitted *permitted, int fd)
{
	uint64_t bytes = (uint64_t)permitted->n * MODEL_HASH_BYTES, size;
	int r;

	if (!permitted->n || permitted->list.addr)
		return -EPROTO;
	r = tsk_memfd_check(fd, true, &size);
	if (r < 0)
		return r;
	return size == bytes ? tsk_map_new(fd, size, false, &permitted->list) : -EPROTO;
}

bool permitted_has(const struct permitted *permitted, const unsigned char hash[MODEL_HASH_BYTES])
{
	const unsigned char *list = permitted->list.addr;

	if (!permitted->n)
		return true;
	for (uint32_t i = 0; list && i < permitted->n; i++) {
		if (memcmp(list + (size_t)i * MODEL_HASH_BYTES, hash, MODEL_HASH_BYTES) == 0)
			return true;
	}
	return false;
}
