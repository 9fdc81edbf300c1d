/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anonymous shared memory.  Every memfd that crosses a process border cannot shrink or grow
 * (F_SEAL_SHRINK, F_SEAL_GROW), so no peer can turn our mapping into SIGBUS; a model cannot be
 * written any more either (F_SEAL_WRITE).
 */
#ifndef TSK_BASE_MEMFD_H
#define TSK_BASE_MEMFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* A mapping; addr NULL when there is none (also for a size of 0). */
struct tsk_map {
	void *addr;
	size_t size;
};

/*
 * A memfd of size bytes, all zero, close-on-exec, sealed against any change of size.  name: for
 * /proc only.  Pages are taken when they are first touched.
 */
int tsk_memfd_new(const char *name, uint64_t size, int *ret_fd) _nodiscard_;

/*
 * Seals fd against every later change of its bytes, too.  -EBUSY while any writable shared
 * mapping of it exists.
 */
int tsk_memfd_freeze(int fd) _nodiscard_;

/*
 * Checks a memfd that a peer sent: sealed against a change of size (and of its bytes, when
 * frozen is true), and says its size.  -EPROTO when it is not.
 */
int tsk_memfd_check(int fd, bool frozen, uint64_t *ret_size) _nodiscard_;

int tsk_map_new(int fd, uint64_t size, bool writable, struct tsk_map *ret) _nodiscard_;
void tsk_map_done(struct tsk_map *map);

#endif
