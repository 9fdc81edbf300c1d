/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/guest_memory.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/checked.h"

/* The mapping of one region: shared by all tables that hold the region. */
struct mapping {
	unsigned refs;
	void *addr; /* of the mapping; the region may begin somewhat later */
	size_t size;
};

struct slot {
	struct guest_region region;
	struct mapping *mapping;
	unsigned char *start; /* the region's first byte, here */
};

struct guest_memory {
	unsigned refs;
	unsigned n;
	struct slot slots[GUEST_MEMORY_REGIONS_MAX]; /* by rising guest address */
};

static void mapping_unref(struct mapping *mapping)
{
	if (!mapping || --mapping->refs)
		return;
	munmap(mapping->addr, mapping->size);
	free(mapping);
}

/* Both address ranges and the span of the file exist without wrap-around. */
static bool region_is_sane(const struct guest_region *region)
{
	uint64_t end;

	return region->size && tsk_add(region->guest_addr, region->size, &end) &&
	       tsk_add(region->user_addr, region->size, &end) &&
	       tsk_add(region->mmap_offset, region->size, &end);
}

static bool ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b ? b - a < a_size : a - b < b_size;
}

static bool regions_overlap(const struct guest_region *a, const struct guest_region *b)
{
	return ranges_overlap(a->guest_addr, a->size, b->guest_addr, b->size) ||
	       ranges_overlap(a->user_addr, a->size, b->user_addr, b->size);
}

/*
 * What offset and length of a mapping of this file are rounded to.  For hugetlbfs st_blksize is the
 * size of a huge page, and munmap() insists on multiples of it; elsewhere rounding does no harm.
 */
static uint64_t mapping_step(const struct stat *st)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t block = st->st_blksize > 0 ? (uint64_t)st->st_blksize : 0;

	return block > page && (block & (block - 1)) == 0 ? block : page;
}

/* Maps a sane region's span of fd, rounded outward. */
static int slot_map(struct slot *slot, int fd)
{
	const struct guest_region *region = &slot->region;
	uint64_t step, offset, size;
	struct mapping *mapping;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < 0 ||
	    region->mmap_offset + region->size > (uint64_t)st.st_size)
		return -EINVAL;
	step = mapping_step(&st);
	offset = region->mmap_offset & ~(step - 1);
	if (!tsk_align_up(region->mmap_offset - offset + region->size, step, &size))
		return -EINVAL;

	mapping = malloc(sizeof(*mapping));
	if (!mapping)
		return -ENOMEM;
	*mapping = (struct mapping){ .refs = 1, .size = size };
	mapping->addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
			     (off_t)offset);
	if (mapping->addr == MAP_FAILED) {
		int r = -errno;

		free(mapping);
		return r;
	}
	slot->mapping = mapping;
	slot->start = (unsigned char *)mapping->addr + (region->mmap_offset - offset);
	return 0;
}

/* Opens a place for region, by guest address.  -EINVAL when it overlaps or is one too many. */
static int insert(struct guest_memory *mem, const struct guest_region *region, struct slot **ret)
{
	unsigned at = 0;

	if (mem->n == GUEST_MEMORY_REGIONS_MAX || !region_is_sane(region))
		return -EINVAL;
	for (unsigned i = 0; i < mem->n; i++) {
		if (regions_overlap(&mem->slots[i].region, region))
			return -EINVAL;
		if (mem->slots[i].region.guest_addr < region->guest_addr)
			at = i + 1;
	}
	memmove(&mem->slots[at + 1], &mem->slots[at], (mem->n - at) * sizeof(mem->slots[0]));
	mem->slots[at] = (struct slot){ .region = *region };
	mem->n++;
	*ret = &mem->slots[at];
	return 0;
}

static int insert_mapped(struct guest_memory *mem, const struct guest_region *region, int fd)
{
	struct slot *slot;
	int r = insert(mem, region, &slot);

	return r < 0 ? r : slot_map(slot, fd);
}

static void memory_freep(struct guest_memory **mem)
{
	guest_memory_unref(*mem);
}

int guest_memory_new(const struct guest_region *regions, const int *fds, unsigned n,
		     struct guest_memory **ret)
{
	_cleanup_(memory_freep) struct guest_memory *mem = calloc(1, sizeof(*mem));

	if (!mem)
		return -ENOMEM;
	mem->refs = 1;
	if (n == 0 || n > GUEST_MEMORY_REGIONS_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		int r = insert_mapped(mem, &regions[i], fds[i]);

		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(mem);
	return 0;
}

/* A table of its own with the slots of mem (may be NULL), but for slot `without`. */
static struct guest_memory *copy(const struct guest_memory *mem, unsigned without)
{
	struct guest_memory *made = calloc(1, sizeof(*made));

	if (!made)
		return NULL;
	made->refs = 1;
	for (unsigned i = 0; mem && i < mem->n; i++) {
		if (i == without)
			continue;
		mem->slots[i].mapping->refs++;
		made->slots[made->n++] = mem->slots[i];
	}
	return made;
}

int guest_memory_add(struct guest_memory *mem, const struct guest_region *region, int fd,
		     struct guest_memory **ret)
{
	_cleanup_(memory_freep) struct guest_memory *made = copy(mem, GUEST_MEMORY_REGIONS_MAX);
	int r;

	if (!made)
		return -ENOMEM;
	r = insert_mapped(made, region, fd);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(made);
	return 0;
}

int guest_memory_remove(struct guest_memory *mem, const struct guest_region *region,
			struct guest_memory **ret)
{
	for (unsigned i = 0; mem && i < mem->n; i++) {
		const struct guest_region *have = &mem->slots[i].region;
		struct guest_memory *made;

		if (have->guest_addr != region->guest_addr || have->size != region->size ||
		    have->user_addr != region->user_addr)
			continue;
		made = copy(mem, i);
		if (!made)
			return -ENOMEM;
		*ret = made;
		return 0;
	}
	return -ENOENT;
}

struct guest_memory *guest_memory_ref(struct guest_memory *mem)
{
	if (mem)
		mem->refs++;
	return mem;
}

struct guest_memory *guest_memory_unref(struct guest_memory *mem)
{
	if (!mem || --mem->refs)
		return NULL;
	for (unsigned i = 0; i < mem->n; i++)
		mapping_unref(mem->slots[i].mapping);
	free(mem);
	return NULL;
}

static const struct slot *find_guest(const struct guest_memory *mem, uint64_t guest_addr)
{
	for (unsigned i = 0; i < mem->n; i++) {
		const struct slot *slot = &mem->slots[i];

		if (guest_addr - slot->region.guest_addr < slot->region.size)
			return slot;
	}
	return NULL;
}

int guest_memory_iov(const struct guest_memory *mem, uint64_t guest_addr, uint64_t len,
		     struct iovec *iov, unsigned max)
{
	unsigned n = 0;

	while (len) {
		const struct slot *slot = find_guest(mem, guest_addr);
		uint64_t offset, piece;

		if (!slot)
			return -EFAULT;
		if (n == max)
			return -E2BIG;
		offset = guest_addr - slot->region.guest_addr;
		piece = slot->region.size - offset;
		if (piece > len)
			piece = len;
		iov[n++] = (struct iovec){ .iov_base = slot->start + offset, .iov_len = piece };
		/* A region's end does not wrap, so neither does this. */
		guest_addr += piece;
		len -= piece;
	}
	return (int)n;
}

int guest_memory_read(const struct guest_memory *mem, uint64_t guest_addr, void *ret, uint64_t len)
{
	unsigned char *to = ret;
	struct iovec iov[4];
	int n = guest_memory_iov(mem, guest_addr, len, iov, ARRAY_SIZE(iov));

	for (int i = 0; i < n; i++) {
		memcpy(to, iov[i].iov_base, iov[i].iov_len);
		to += iov[i].iov_len;
	}
	/* The guest writes on: what was copied must not be read from its memory a second time. */
	__asm__ volatile("" : : "r"(ret) : "memory");
	return n < 0 ? n : 0;
}

void *guest_memory_user(const struct guest_memory *mem, uint64_t user_addr, uint64_t len)
{
	for (unsigned i = 0; i < mem->n; i++) {
		const struct slot *slot = &mem->slots[i];
		uint64_t offset = user_addr - slot->region.user_addr;

		if (offset < slot->region.size && len <= slot->region.size - offset)
			return slot->start + offset;
	}
	return NULL;
}
