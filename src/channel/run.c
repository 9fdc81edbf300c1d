/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/run.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "channel/ring.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

/* The start of a region; its descriptors follow. */
struct region_header {
	uint32_t n_tensors;
	uint32_t n_places; /* which follow them */
};

static_assert(sizeof(struct run_entry) == RING_ENTRY_BYTES, "a run_entry is an entry of a ring");
static_assert(sizeof(struct run_tensor) == 32 + 8 * TENSOCK_RANK_MAX, "run_tensor has padding");

/* The bytes of the header and n descriptors; n is at most RUN_TENSORS_MAX. */
static uint64_t block_bytes(unsigned n)
{
	return sizeof(struct region_header) + (uint64_t)n * sizeof(struct run_tensor);
}

uint64_t run_payload_at(unsigned n)
{
	return (block_bytes(n) + RUN_ALIGN - 1) & ~(uint64_t)(RUN_ALIGN - 1);
}

int run_layout(const uint64_t *bytes, unsigned n, uint64_t *offsets, uint64_t *ret_total)
{
	uint64_t end;

	if (n > RUN_TENSORS_MAX)
		return -E2BIG;
	end = run_payload_at(n);
	for (unsigned i = 0; i < n; i++) {
		if (offsets)
			offsets[i] = end;
		if (!tsk_add(end, bytes[i], &end) || !tsk_align_up(end, RUN_ALIGN, &end))
			return -EOVERFLOW;
	}
	*ret_total = end;
	return 0;
}

int run_write_places(void *region, uint64_t size, const struct run_tensor *tensors, unsigned n,
		     const struct run_tensor *places, unsigned n_places)
{
	struct region_header header = { .n_tensors = n, .n_places = n_places };
	unsigned char *at = (unsigned char *)region + sizeof(header);

	if (n > RUN_TENSORS_MAX || n_places > RUN_TENSORS_MAX - n)
		return -E2BIG;
	if (size < block_bytes(n + n_places))
		return -ENOSPC;
	memcpy(region, &header, sizeof(header));
	if (n)
		memcpy(at, tensors, n * sizeof(*tensors));
	if (n_places)
		memcpy(at + n * sizeof(*tensors), places, n_places * sizeof(*places));
	return 0;
}

int run_write(void *region, uint64_t size, const struct run_tensor *tensors, unsigned n)
{
	return run_write_places(region, size, tensors, n, NULL, 0);
}

static bool payload_is_valid(const struct run_tensor *t, uint64_t block, uint64_t size)
{
	if (t->offset % RUN_ALIGN)
		return false;
	if (t->foreign)
		return t->dtype != TENSOCK_BYTES;
	return t->offset >= block && t->offset <= size && t->bytes <= size - t->offset;
}

static bool place_is_valid(const struct run_tensor *t)
{
	return t->foreign && t->offset % RUN_ALIGN == 0 && !t->dtype && !t->rank;
}

static bool bytes_are_valid(const struct run_tensor *t)
{
	uint64_t wanted;

	if (!tsk_dtype_is_valid(t->dtype))
		return false;
	if (t->dtype == TENSOCK_BYTES)
		return tsk_shape_elems(t->dims, t->rank, &wanted) == 0 && t->bytes / 4 >= wanted;
	return tsk_shape_bytes(t->dtype, t->dims, t->rank, &wanted) == 0 && t->bytes == wanted;
}

/* The block, copied once: n of it at ret. */
static int read_block(const void *region, uint64_t size, struct run_tensor *ret, unsigned max,
		      struct region_header *ret_header)
{
	struct region_header header;
	unsigned n;

	if (size < sizeof(header))
		return -EPROTO;
	tsk_copy_once(&header, region, sizeof(header));
	if (max > RUN_TENSORS_MAX)
		max = RUN_TENSORS_MAX;
	if (header.n_tensors > max || header.n_places > max - header.n_tensors)
		return -EPROTO;
	n = header.n_tensors + header.n_places;
	if (size < block_bytes(n))
		return -EPROTO;
	if (n)
		tsk_copy_once(ret, (const unsigned char *)region + sizeof(header),
			      n * sizeof(*ret));
	*ret_header = header;
	return 0;
}

int run_read_foreign(const void *region, uint64_t size, struct run_tensor *ret, unsigned max,
		     unsigned *ret_n, unsigned *ret_n_places)
{
	struct region_header header;
	uint64_t block;
	int r = read_block(region, size, ret, max, &header);

	if (r < 0 || (header.n_places && !ret_n_places))
		return -EPROTO;
	block = block_bytes(header.n_tensors + header.n_places);
	for (unsigned i = 0; i < header.n_tensors; i++) {
		if (!bytes_are_valid(&ret[i]) || !payload_is_valid(&ret[i], block, size))
			return -EPROTO;
	}
	for (unsigned i = 0; i < header.n_places; i++) {
		if (!place_is_valid(&ret[header.n_tensors + i]))
			return -EPROTO;
	}
	*ret_n = header.n_tensors;
	if (ret_n_places)
		*ret_n_places = header.n_places;
	return 0;
}

int run_read(const void *region, uint64_t size, struct run_tensor *ret, unsigned max,
	     unsigned *ret_n)
{
	unsigned n;
	int r = run_read_foreign(region, size, ret, max, &n, NULL);

	for (unsigned i = 0; r == 0 && i < n; i++) {
		if (ret[i].foreign)
			return -EPROTO;
	}
	if (r == 0)
		*ret_n = n;
	return r;
}

uint64_t run_pace(uint64_t pace_ns, uint64_t ns, uint64_t ns_max)
{
	if (ns > ns_max)
		ns = ns_max;
	if (!pace_ns)
		return ns;
	return ns < pace_ns ? (3 * pace_ns + ns) / 4 : pace_ns + (ns - pace_ns) / 16;
}
