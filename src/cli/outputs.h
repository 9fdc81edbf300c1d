/* SPDX-License-Identifier: Apache-2.0 */
/* Room for all outputs of a model: allocated by the first run, used again by the next. */
#ifndef CLI_OUTPUTS_H
#define CLI_OUTPUTS_H

#include <tensock/tensock.h>

#include "base/cleanup.h"

struct outputs {
	struct tensock_output *tensors; /* for tensock_infer() */
	struct tensock_output *kept;    /* the first run's, with what it allocated */
	uint32_t n;
};

/* -ENOMEM. */
int outputs_init(struct outputs *outputs, uint32_t n) _nodiscard_;

/* Before a run that follows one that went well. */
void outputs_reuse(struct outputs *outputs);

void outputs_done(struct outputs *outputs);

#endif
