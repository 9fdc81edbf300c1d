/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rings carry: one entry a run, one back.  Several runs may be in the worker's line: it
 * begins with them in order, perhaps with several at once, and answers them in order, whichever ends
 * first.  Tensors lie in a region of a shared buffer: a block of descriptors first, then the payloads,
 * each aligned to RUN_ALIGN.  Front and worker each lay out what they write; the front checks every
 * field that comes back.
 *
 * A payload may lie in foreign memory instead: what a program of the host shares with its guest, and the
 * worker has mapped (WORKER_FOREIGN).  Who made it may write it at any time, and may cut it short, which
 * ends the worker.  Places, behind the descriptors of a START's inputs, say where in such memory an output
 * is to lie, if it fits.  Never elements of TENSOCK_BYTES, whose lengths could change once they are checked.
 */
#ifndef CHANNEL_RUN_H
#define CHANNEL_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"

#define RUN_ALIGN 64u
#define RUN_TENSORS_MAX 1024u

enum run_type {
	RUN_START = 1,  /* front → worker: run the model on the tensors of the input region */
	RUN_FETCH = 2,  /* front → worker: the outputs did not fit; here is a larger region */
	RUN_CANCEL = 3, /* front → worker: end request_id if it still runs or waits, its DONE comes
			 * anyway; or its outputs that are kept are not wanted, and no DONE comes */
	RUN_DONE = 4,   /* worker → front: exactly one for each START, and one for each FETCH */
};

/* An entry of a ring: exactly RING_ENTRY_BYTES. */
struct run_entry {
	uint32_t type;   /* enum run_type */
	union {
		uint32_t status; /* DONE: enum tensock_status; its text begins the output region as
				  * a NUL-terminated string where it is an error (may be empty) */
		uint32_t cpu; /* START: 1 + the CPU that the worker's main thread is to be bound to;
				  * 0: to none (front/pairing.h) */
	};
	uint64_t request_id;
	uint32_t in_buffer, out_buffer; /* ids of WORKER_BUFFER */
	uint64_t in_offset, in_bytes;
	uint64_t out_offset, out_bytes; /* START, FETCH: the room there is; DONE: what was used */
	uint64_t
		needed; /* DONE with TENSOCK_TOO_LARGE: the room that FETCH must bring.  Before FETCH
			  * or CANCEL of this one no other DONE comes and nothing is begun.  Else 0 */
};

struct run_tensor {
	uint32_t index; /* into the model's inputs or outputs (tensor/model_info.h) */
	uint32_t dtype; /* enum tensock_dtype */
	uint32_t rank;
	uint32_t foreign; /* 0: the payload lies in the region; else the id of foreign memory */
	uint64_t offset;  /* of the payload, from the start of the region, or of that memory */
	uint64_t bytes;
	int64_t dims[TENSOCK_RANK_MAX];
};

/*
 * A place is a run_tensor of which only index (of the output), foreign, offset and bytes (the room that
 * there is) are used; the others are 0.
 */

/*
 * The layout of n tensors of the given byte sizes: *ret_total is the region's size, a multiple of
 * RUN_ALIGN.  offsets (n of them, may be NULL) are set, also when it fails.  -EOVERFLOW, or -E2BIG
 * above RUN_TENSORS_MAX.
 */
int run_layout(const uint64_t *bytes, unsigned n, uint64_t *offsets, uint64_t *ret_total)
	_nodiscard_;

/* Where payload begins in a region of n tensors and places, at most RUN_TENSORS_MAX: behind them. */
uint64_t run_payload_at(unsigned n);

/*
 * Writes the descriptors at the start of a region of size bytes.  -ENOSPC when they do not fit,
 * -E2BIG above RUN_TENSORS_MAX.
 */
int run_write(void *region, uint64_t size, const struct run_tensor *tensors, unsigned n)
	_nodiscard_;
/* The same with n_places behind the n tensors: together at most RUN_TENSORS_MAX. */
int run_write_places(void *region, uint64_t size, const struct run_tensor *tensors, unsigned n,
		     const struct run_tensor *places, unsigned n_places) _nodiscard_;

/*
 * Copies the descriptors out of a region and checks each: dtype known, rank and dims in bounds,
 * bytes right for dtype and dims (BYTES: at least 4 a element), payload within the region, aligned,
 * behind the descriptors.  Two payloads may overlap: that harms only who wrote them.
 * At most max of them; -EPROTO otherwise.  ret (max of them) is scratch when it fails.
 * Left to the caller: whether index, dtype and dims suit the model, and whether the region itself
 * begins at a multiple of RUN_ALIGN.
 */
int run_read(const void *region, uint64_t size, struct run_tensor *ret, unsigned max,
	     unsigned *ret_n) _nodiscard_;

/*
 * The same where foreign memory is allowed.  Of what lies there, only that the offset is aligned has been
 * looked at: id and bounds are the caller's to check.  Places follow the tensors in ret, and count in max;
 * ret_n_places NULL: none is allowed.
 */
int run_read_foreign(const void *region, uint64_t size, struct run_tensor *ret, unsigned max,
		     unsigned *ret_n, unsigned *ret_n_places) _nodiscard_;

/*
 * What runs take when nothing holds them up, from what it was until now (0: not known) and one more of
 * ns: it follows a shorter one at once, and a longer one slowly.  At most ns_max.
 */
uint64_t run_pace(uint64_t pace_ns, uint64_t ns, uint64_t ns_max);

#endif
