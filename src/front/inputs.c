/* SPDX-License-Identifier: Apache-2.0 */
#include "front/inputs.h"

#include "base/status.h"
#include "front/limit_hits.h"
#include "front/models.h"

int inputs_check_size(const struct front_start *limits, uint64_t bytes,
		      struct tensock_error *reterr)
{
	uint64_t max = limits->request_bytes_max;

	if (bytes <= max)
		return 0;
	return limit_fail(METRICS_LIMIT_REQUEST_SIZE, reterr, TENSOCK_TOO_LARGE,
			  "inputs of %llu bytes, above max-request-size, which is %llu",
			  (unsigned long long)bytes, (unsigned long long)max);
}

static int no_room(int error, uint64_t bytes, struct tensock_error *reterr)
{
	return tsk_fail(reterr, tsk_status_from_errno(-error),
			"no room for %llu bytes of inputs beside what is in use (%s)",
			(unsigned long long)bytes, buffer_pool_limit(error));
}

int inputs_take(struct guest *guest, const struct model *model, uint64_t bytes, struct buffer **ret,
		struct tensock_error *reterr)
{
	int r = models_buffer(guest->models, model, bytes, ret);

	return r < 0 ? no_room(r, bytes, reterr) : 0;
}

int inputs_account(struct guest *guest, uint64_t bytes, struct tensock_error *reterr)
{
	int r = account_take(&guest->account, bytes);

	return r < 0 ? no_room(r, bytes, reterr) : 0;
}
