/* SPDX-License-Identifier: Apache-2.0 */
#include "front/account.h"

#include <assert.h>
#include <stdbool.h>

static bool fits(const struct account *account, uint64_t bytes)
{
	return bytes <= account->max_bytes - account->used_bytes;
}

int account_take(struct account *account, uint64_t bytes)
{
	if (bytes > account->max_bytes)
		return -EBUSY;
	if (!fits(account, bytes) && account->reclaim)
		account->reclaim(account->context, bytes);
	if (!fits(account, bytes))
		return -EBUSY;
	account->used_bytes += bytes;
	return 0;
}

void account_give(struct account *account, uint64_t bytes)
{
	assert(bytes <= account->used_bytes);
	account->used_bytes -= bytes;
}
