/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of the log for each inference that has ended, where the operator wants them: whose it was, of
 * which model, what became of it, and how long its parts took.  Within the budget of lines that the
 * guest has.
 */
#ifndef FRONT_ACCESS_LOG_H
#define FRONT_ACCESS_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "front/request.h"

/* Of the process, as its log is.  Off at first. */
void access_log_set(bool is_on);

/*
 * request->model is still set; outputs and error: as of done(), both NULL of one that was cancelled.
 * status: what became of it.
 */
void access_log(const struct request *request, const struct request_outputs *outputs,
		const struct tensock_error *error, uint32_t status);

#endif
