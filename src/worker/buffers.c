/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/buffers.h"

#include <errno.h>

#include "channel/run.h"

static struct tsk_map *find(const struct buffers *buffers, uint64_t id)
{
	for (unsigned i = 0; i < buffers->n_used; i++) {
		if (buffers->places[i].map.addr && buffers->places[i].id == id)
			return (struct tsk_map *)(uintptr_t)&buffers->places[i].map;
	}
	return NULL;
}

static unsigned free_place(const struct buffers *buffers)
{
	unsigned i = 0;

	while (i < buffers->n_used && buffers->places[i].map.addr)
		i++;
	return i;
}

static int add(struct buffers *buffers, uint64_t id, int fd, uint64_t size)
{
	unsigned place = free_place(buffers);
	int r;

	if (find(buffers, id))
		return -EEXIST;
	if (place == BUFFERS_MAX)
		return -EBUSY;
	r = tsk_map_new(fd, size, true, &buffers->places[place].map);
	if (r < 0)
		return r;
	buffers->places[place].id = id;
	if (place == buffers->n_used)
		buffers->n_used++;
	return 0;
}

int buffers_add(struct buffers *buffers, uint64_t id, int fd, uint64_t bytes)
{
	uint64_t size;
	int r = tsk_memfd_check(fd, false, &size);

	if (r < 0)
		return r;
	if (size != bytes || size == 0)
		return -EPROTO;
	return add(buffers, id, fd, size);
}

int buffers_add_foreign(struct buffers *buffers, uint64_t id, int fd, uint64_t bytes)
{
	return bytes ? add(buffers, id, fd, bytes) : -EPROTO;
}

void buffers_drop(struct buffers *buffers, uint64_t id)
{
	struct tsk_map *map = find(buffers, id);

	if (map)
		tsk_map_done(map);
}

void buffers_done(struct buffers *buffers)
{
	for (unsigned i = 0; i < buffers->n_used; i++)
		tsk_map_done(&buffers->places[i].map);
}

void *buffers_region(const struct buffers *buffers, uint64_t id, uint64_t offset, uint64_t bytes)
{
	const struct tsk_map *map = find(buffers, id);

	if (!map || offset % RUN_ALIGN || offset > map->size || bytes > map->size - offset)
		return NULL;
	return (unsigned char *)map->addr + offset;
}
