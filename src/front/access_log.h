/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of the log for each request that has ended, where the operator wants them: who asked what, what
 * became of it, and, of one that came to its model, how long its parts took.  Within the budget of lines
 * that the guest has.
 */
#ifndef FRONT_ACCESS_LOG_H
#define FRONT_ACCESS_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "front/request.h"

/* Of the process, as its log is.  Off at first. */
void access_log_set(bool is_on);
/* So that nobody puts together what is not written. */
bool access_log_is_on(void);

/*
 * The request's end, as its peer sees it: by its protocol, when it answers, or lets go of it without an
 * answer.  Once: what is said of a request that has its line (origin.is_told) is not written.  error: NULL,
 * or what it was answered with.
 */
void access_log(struct request *request, uint32_t status, const struct tensock_error *error);

#endif
