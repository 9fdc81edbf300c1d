/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory the guest's models and buffers take, against its limit. */
#ifndef FRONT_ACCOUNT_H
#define FRONT_ACCOUNT_H

#include <stdint.h>

#include "base/cleanup.h"

struct account {
	uint64_t used_bytes, max_bytes;
	/*
	 * Gives back what can be spared until `bytes` are free, or nothing more can be.  Calls
	 * account_give().  NULL where nothing is ever spared.
	 */
	void (*reclaim)(void *context, uint64_t bytes);
	void *context;
};

/* -EBUSY above the limit, and nothing is taken. */
int account_take(struct account *account, uint64_t bytes) _nodiscard_;
void account_give(struct account *account, uint64_t bytes);

#endif
