/* SPDX-License-Identifier: Apache-2.0 */
/* Outputs of a run that did not fit their region: they wait for a FETCH. */
#ifndef WORKER_KEPT_H
#define WORKER_KEPT_H

#include <stdint.h>

#include <tensock/engine.h>

#include "base/cleanup.h"

struct kept {
	uint32_t n;
	struct tensock_tensor outputs[];
};

/*
 * Takes the n outputs over: those that lie in memory of the caller's (`release` is NULL) are copied.
 * -ENOMEM, and they are as they were.
 */
int kept_new(const struct tensock_tensor *outputs, uint32_t n, struct kept **ret) _nodiscard_;
/* Releases them. */
void kept_free(struct kept *kept);

/* Ends the life of each one's data; they are to be written anew. */
void kept_release(struct tensock_tensor *outputs, uint32_t n);

#endif
