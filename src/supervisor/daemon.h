/* SPDX-License-Identifier: Apache-2.0 */
/* tensockd at work: the listeners, the guests, the signals. */
#ifndef SUPERVISOR_DAEMON_H
#define SUPERVISOR_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "supervisor/activation.h"
#include "supervisor/config.h"
#include "supervisor/control_socket.h"
#include "supervisor/guest.h"
#include "supervisor/launcher.h"
#include "supervisor/listener.h"
#include "supervisor/notify.h"
#include "supervisor/upgrade.h"

enum daemon_signal {
	DAEMON_SIGNAL_TERM,
	DAEMON_SIGNAL_INT,
	DAEMON_SIGNAL_HUP,
	DAEMON_SIGNAL_USR2,
	DAEMON_SIGNAL_MAX
};

struct daemon {
	struct config *config;
	int argc;
	char **argv;
	struct notify notify;
	uint64_t started_ns;
	uint64_t store_restarts;
	unsigned lacks; /* of enum sandbox_feature; known where there are metrics */
	uv_loop_t loop;
	struct launcher launcher;
	struct guest_table guests;

	/* What listens (listen.h), and what is done with those who come (the first two: listener.h). */
	void (*accepted)(struct listener *listener, const char *guest, int fd);
	bool (*has_room)(struct listener *listener);
	const struct control_socket_ops *control_ops;
	struct listener **listeners;
	unsigned n_listeners;
	struct activation activation;        /* sockets that were there before us */
	struct control_socket *control;      /* NULL: none */
	char made_folder[ADDRESS_PATH_SIZE]; /* of the default socket, if we made it; else empty */

	uv_signal_t signals[DAEMON_SIGNAL_MAX];
	uv_timer_t drain;
	struct upgrade upgrade;
	bool stopping;
};

/*
 * Serves until SIGTERM or SIGINT, and all that was under way is finished: 0.  -errno with *reterr
 * when it cannot start; nothing is left over then.  Lowers limits that the system does not allow, with a
 * warning.  argc, argv: what *config was read from, and is read from again at SIGHUP.
 * takeover: what the tensockd has left whose place this one takes, or NULL.
 */
int daemon_run(struct config *config, int argc, char **argv, struct takeover *takeover,
	       struct tensock_error *reterr) _nodiscard_;

/* What the supervisor's own log takes; bits: what stands beside a level (base/log.h). */
void daemon_set_log(enum tsk_log_level level, unsigned bits);

/* Lowers max-connections to what RLIMIT_NOFILE allows, with a warning. */
void daemon_fit_fd_limit(struct config *config);

#endif
