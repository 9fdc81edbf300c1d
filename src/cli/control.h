/* SPDX-License-Identifier: Apache-2.0 */
/* The tensockd that runs on this host, by its control socket (wire/operator.h). */
#ifndef CLI_CONTROL_H
#define CLI_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "wire/operator.h"

#define CONTROL_SOCKET "/run/tensock/control.sock"
/* Above all that a daemon which is well takes: it ends the processes of a guest that is detached. */
#define CONTROL_TIMEOUT_MS 15000

/* Whether there is a socket where control_connect(NULL) would go. */
bool control_is_there(void);

/*
 * path: as the operator gave it.  NULL: that of TENSOCK_CONTROL, or $XDG_RUNTIME_DIR/tensock/control.sock
 * if it is there (a user's own tensockd), or CONTROL_SOCKET.  The error says which, and what to do.
 */
int control_connect(const char *path, int *ret_fd, struct tensock_error *reterr) _nodiscard_;

/*
 * Asks, and waits for the RESULT: 0, or what it says went wrong.  each (may be NULL) is called with every
 * answer before it, and with the RESULT of a success that has a text.  timeout_ms: for each message.  After any
 * failure but the daemon's own "no" the connection is of no use any more.
 */
int control_ask(int fd, const struct operator_request *request, int timeout_ms,
		void (*each)(void *user, const struct operator_answer *answer), void *user,
		struct tensock_error *reterr) _nodiscard_;

/* Connects, asks, and hangs up. */
int control_ask_once(const char *path, const struct operator_request *request,
		     void (*each)(void *user, const struct operator_answer *answer), void *user,
		     struct tensock_error *reterr) _nodiscard_;

/* These refuse what does not fit; what: for the sentence, as "--uds". */
int control_set_name(struct operator_request *request, const char *name,
		     struct tensock_error *reterr) _nodiscard_;
/* Absolute: the daemon's working directory is another. */
int control_set_path(const char *what, const char *path, char ret[OPERATOR_PATH_SIZE],
		     struct tensock_error *reterr) _nodiscard_;

#endif
