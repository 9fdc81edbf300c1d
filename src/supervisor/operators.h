/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators ask of the running daemon at its control socket (wire/operator.h).  The text of STATE's
 * RESULT is the address where its metrics are told (as of address_format()), or "".
 */
#ifndef SUPERVISOR_OPERATORS_H
#define SUPERVISOR_OPERATORS_H

#include "supervisor/daemon.h"

/* Their context is the daemon. */
extern const struct control_socket_ops operators_ops;

/* The guest of that name, which was detached, is there no more: tells those who wait for it. */
void operators_gone(void *context, const char *name);

#endif
