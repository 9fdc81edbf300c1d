/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for the inputs of a request, whatever protocol it comes by, in the words that its guest is told. */
#ifndef FRONT_INPUTS_H
#define FRONT_INPUTS_H

#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "channel/front_control.h"
#include "front/guest.h"

/* TOO_LARGE above max-request-size. */
int inputs_check_size(const struct front_start *limits, uint64_t bytes,
		      struct tensock_error *reterr) _nodiscard_;

/* A buffer of so many bytes (models_buffer()).  LIMIT_REACHED, OUT_OF_MEMORY. */
int inputs_take(struct guest *guest, const struct model *model, uint64_t bytes, struct buffer **ret,
		struct tensock_error *reterr) _nodiscard_;

/* Private memory for what is kept of it.  LIMIT_REACHED. */
int inputs_account(struct guest *guest, uint64_t bytes, struct tensock_error *reterr) _nodiscard_;

#endif
