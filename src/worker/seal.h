/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a worker is sealed: namespaces at its start, all the rest when its engines are open, before it
 * reads a byte of its front or of a model; and once more, tighter, when the model is loaded.
 */
#ifndef WORKER_SEAL_H
#define WORKER_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"

/* Early in main(), with one thread. */
void worker_seal_begin(void);

/*
 * memory_bytes: the guest's max-memory, 0 without.  generates_code: an engine writes instructions and
 * runs them, so that memory may be made executable; nothing else is different for it.  may_lack: see
 * sandbox/seal.h.
 */
int worker_seal(uint64_t memory_bytes, bool generates_code, unsigned may_lack,
		struct tensock_error *reterr) _nodiscard_;

/* The model is loaded and all threads run: what only they needed goes. */
int worker_seal_loaded(struct tensock_error *reterr) _nodiscard_;

#endif
