/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's memory as its VMM shares it: regions, each an fd mapped here.  The one place that turns
 * an address of the guest or the VMM into a pointer.  Every address and length is hostile.
 *
 * A guest or VMM may write this memory at any time: whatever is decided on must be copied first.
 * It may also shrink the files (SIGBUS): that ends this front, and nobody else.
 */
#ifndef VHOST_GUEST_MEMORY_H
#define VHOST_GUEST_MEMORY_H

#include <stdint.h>
#include <sys/uio.h>

#include "base/cleanup.h"

#define GUEST_MEMORY_REGIONS_MAX 32u

/* As in VHOST_USER_SET_MEM_TABLE. */
struct guest_region {
	uint64_t guest_addr; /* guest physical */
	uint64_t size;
	uint64_t user_addr; /* in the VMM */
	uint64_t mmap_offset;
};

struct guest_memory; /* immutable once made; reference counted, so that a new table never pulls the
		      * old one away under a chain */

/*
 * Maps all regions.  fds: one a region, stay the caller's.  Refused with -EINVAL: none or too many,
 * zero size, wrap-around, overlap in either address space, past the file's end, not a regular file.
 */
int guest_memory_new(const struct guest_region *regions, const int *fds, unsigned n,
		     struct guest_memory **ret) _nodiscard_;
/*
 * A copy of mem (may be NULL: none yet) with one region more, or without the one of the same two
 * addresses and size (-ENOENT: there is none).  What both tables hold stays mapped where it is.
 */
int guest_memory_add(struct guest_memory *mem, const struct guest_region *region, int fd,
		     struct guest_memory **ret) _nodiscard_;
int guest_memory_remove(struct guest_memory *mem, const struct guest_region *region,
			struct guest_memory **ret) _nodiscard_;
struct guest_memory *guest_memory_ref(struct guest_memory *mem);
struct guest_memory *guest_memory_unref(struct guest_memory *mem); /* NULL */

/*
 * len bytes at a guest physical address, as pieces appended at iov (at most max, a range may cross
 * adjoining regions).  Returns the number of pieces, -EFAULT when a byte lies outside, -E2BIG when
 * they are more than max.  len 0 gives 0 pieces.
 */
int guest_memory_iov(const struct guest_memory *mem, uint64_t guest_addr, uint64_t len,
		     struct iovec *iov, unsigned max) _nodiscard_;

/* Copies len bytes at a guest physical address, once.  -EFAULT as above, *ret is then undefined. */
int guest_memory_read(const struct guest_memory *mem, uint64_t guest_addr, void *ret, uint64_t len)
	_nodiscard_;

/* len bytes at an address of the VMM, wholly in one region (rings); NULL when they are not. */
void *guest_memory_user(const struct guest_memory *mem, uint64_t user_addr, uint64_t len);

#endif
