/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared-memory regions that the guest has registered under names of its choice: parts of POSIX shared
 * memory of the host (the system_shared_memory extension).  Where the operator lets the guest have any
 * ("shared-memory"), the supervisor opens them; or the guest passes one that it has open itself.  The front
 * has bytes read and written by the kernel, and maps nothing: whoever made the region may cut it short at any
 * time.  A worker maps it, who then dies for its own guest alone (worker_foreign.h).
 */
#ifndef FRONT_REGIONS_H
#define FRONT_REGIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "channel/front_control.h"
#include "front/protocol/oip.h"
#include "front/supervisor_link.h"

/* Each holds an fd (supervisor/limits.c counts them). */
#define REGIONS_MAX 64u

struct region;

struct regions {
	struct supervisor_link *supervisor;
	TAILQ_HEAD(region_list, region) list;
	unsigned n; /* with those that are only held */
	uint64_t last_id;
	uint32_t last_number;
	/* One is used by no new request any more.  NULL: nobody wants to know. */
	void (*gone)(void *context, uint32_t number);
	void *context;
};

/* A region is being opened.  Embedded in what the protocol keeps of it. */
struct region_task {
	/* Once, not from within regions_register(); error NULL: it is registered. */
	void (*done)(struct region_task *task, const struct tensock_error *error);
	struct region *region; /* its own */
};

void regions_init(struct regions *regions, struct supervisor_link *supervisor);
void regions_done(struct regions *regions);

/*
 * key: with or without a slash before it.  ALREADY_EXISTS (the name), INVALID_ARGUMENT (a key that can
 * be none), LIMIT_REACHED, OUT_OF_MEMORY; else done() comes, PERMISSION_DENIED among its errors.
 */
int regions_register(struct regions *regions, struct region_task *task, struct wire_string name,
		     struct wire_string key, uint64_t offset, uint64_t bytes,
		     struct tensock_error *reterr) _nodiscard_;

/*
 * The same of a region whose descriptor the guest has passed, or -1 (front/region_fd.h): taken, also where this
 * fails.  It is registered at once.
 */
int regions_register_fd(struct regions *regions, struct wire_string name, uint64_t offset,
			uint64_t bytes, int fd, struct tensock_error *reterr) _nodiscard_;

/*
 * One without a name, of the first bytes of a descriptor that has been passed as above, or -1: taken, also
 * where this fails.  It is held by the caller, and gone when nobody holds it.
 */
int regions_share(struct regions *regions, uint64_t bytes, int fd, struct region **ret,
		  struct tensock_error *reterr) _nodiscard_;
struct region *region_hold(struct region *region);

/* done() is not wanted any more; it is not registered then.  Also of a task that is done, or zero. */
void region_task_end(struct regions *regions, struct region_task *task);

/* name len 0: all.  One that is not there is no error, as clients expect. */
void regions_unregister(struct regions *regions, struct wire_string name);

/* The next one after *at, which is NULL at the start.  False beyond the last. */
bool regions_next(const struct regions *regions, const struct region **at,
		  struct oip_region_view *ret);
bool regions_have(const struct regions *regions, struct wire_string name);

/*
 * The region of the part, which lies within it: it can be read and written until it is released, also once
 * it has been unregistered.  NOT_FOUND, INVALID_ARGUMENT.
 */
int regions_hold(struct regions *regions, const struct oip_region *part, struct region **ret,
		 struct tensock_error *reterr) _nodiscard_;
void regions_release(struct regions *regions, struct region *region);

/* Part of one, which was held for that part: all of its bytes; n of them at from, at most as many. */
int region_read(const struct region *region, const struct oip_region *part, void *to,
		struct tensock_error *reterr) _nodiscard_;
int region_write(const struct region *region, const struct oip_region *part, const void *from,
		 uint64_t n, struct tensock_error *reterr) _nodiscard_;

/* Whether it reaches to the part's end now. */
bool region_has(const struct region *region, const struct oip_region *part);

/* For worker_foreign.c.  Never 0, and no other region's. */
uint32_t region_number(const struct region *region);
bool region_is_gone(const struct region *region);
/* The fd, which stays the region's, and how many bytes of it, from its start, reach to the region's end. */
uint64_t region_memory(const struct region *region, int *ret_fd);

/* Where the part begins in that memory. */
uint64_t region_offset(const struct region *region, const struct oip_region *part);
/* Both are of the same memory, whatever they are called. */
bool region_is_same(const struct region *a, const struct region *b);

/* FRONT_REGION_OPENED: takes fd. */
void regions_opened(struct regions *regions, uint64_t id, int result, int fd);

#endif
