/* SPDX-License-Identifier: Apache-2.0 */
/* The work of `tensock proxy`: accepts, connects to the host, carries (cli/relay.h), in one epoll loop. */
#ifndef CLI_PROXY_LOOP_H
#define CLI_PROXY_LOOP_H

#include <tensock/types.h>

#include "base/cleanup.h"
#include "cli/forward.h"

/* Files that are open at most: two sockets and two pipes a connection; listeners, kept pipes and the like. */
#define PROXY_LOOP_FILES_EACH 6u
#define PROXY_LOOP_FILES_OTHERS 256u

/*
 * Serves the forwards, which are open, until SIGTERM or SIGINT; then closes them, and returns when the
 * connections have ended: those where an answer is due have some seconds for it, and none after a second
 * signal.  A connection whose host cannot be reached is tried again for a moment, then closed; one above
 * max_connections is closed at once.  Both signals are blocked, SIGPIPE ignored, from here on.
 *
 * ready is called when it listens to signals, too.  Fails only before that.
 */
int proxy_loop_run(struct forward *forwards, unsigned n_forwards, unsigned max_connections,
		   void (*ready)(void *user), void *user, struct tensock_error *reterr) _nodiscard_;

#endif
