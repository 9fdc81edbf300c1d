/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGUSR2: the program that is at tensockd's path now takes its place, in the same process, by exec.  Its
 * children stay its children.  It finds the listening sockets, where connections wait meanwhile, the
 * VMs' devices and the old fronts by takeover.h.
 */
#ifndef SUPERVISOR_UPGRADE_H
#define SUPERVISOR_UPGRADE_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <uv.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "supervisor/children.h"
#include "supervisor/config.h"
#include "supervisor/takeover.h"

struct daemon;

/* Part of the daemon. */
struct upgrade {
	struct child check;    /* the program that is asked whether it would */
	struct daemon *daemon; /* NULL: no upgrade is under way */
	uv_timer_t timer;
	unsigned tries;
	bool has_blocked; /* the signals that are handled */
	sigset_t blocked_before;
	char program[PATH_MAX];
};

/* Before anything has changed the program's file. */
void upgrade_init(struct upgrade *upgrade, uv_loop_t *loop);
void upgrade_done(struct upgrade *upgrade);

/* Begins one.  What prevents it is said in the log, and everything goes on as before. */
void upgrade_begin(struct daemon *d);

/*
 * What the tensockd before has left, if this one takes its place: 1, with the part of its configuration
 * that config_carry() wants in *ret_running, 0 where there was none, or -errno with *reterr.
 */
int upgrade_read(struct takeover *ret, struct config *ret_running, struct tensock_error *reterr)
	_nodiscard_;

/* Takes over what there is, before sockets are opened; what the configuration has no use for is closed. */
int upgrade_adopt(struct daemon *d, struct takeover *takeover) _nodiscard_;

/* Signals wait while one program takes another's place: they are handled now. */
void upgrade_unblock_signals(void);

#endif
