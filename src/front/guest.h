/* SPDX-License-Identifier: Apache-2.0 */
/* Everything this process holds for its one guest, and what the supervisor says about it. */
#ifndef FRONT_GUEST_H
#define FRONT_GUEST_H

#include <stdbool.h>
#include <uv.h>

#include "base/cleanup.h"
#include "channel/front_control.h"
#include "front/account.h"
#include "front/counters.h"
#include "front/device_link.h"
#include "front/models.h"
#include "front/regions.h"
#include "front/session.h"
#include "front/socket_carrier.h"
#include "front/stored.h"
#include "front/supervisor_link.h"
#include "front/uploads.h"
#include "front/work.h"
#include "front/workers.h"

struct metrics;

struct guest {
	uv_loop_t *loop;
	struct supervisor_link *supervisor;
	/* Before READY; NULL, for tests: it is not sealed. */
	int (*seal)(unsigned may_lack, struct tensock_error *reterr);
	bool has_started;
	bool is_stopping; /* no new work */
	bool has_ended;   /* the loop is to be left */
	int result;       /* 0, or -errno when it ended by a failure */

	/* From FRONT_START on. */
	struct front_start limits;
	struct account account;
	struct work_queue work;
	struct workers *workers;
	struct models *models;
	struct stored *stored; /* of them */
	struct uploads *uploads;
	struct regions regions;
	struct sessions sessions;
	struct socket_carriers *carriers;
	struct vsock_device *device; /* NULL without the built-in device */
	struct device_link *device_link;
	uv_timer_t *timer; /* the time to be idle, or to stop */
	struct counters counters;
	struct metrics *metrics; /* NULL: nobody wants any */
	unsigned n_calls;   /* that count against max-requests, on all connections */
	unsigned n_held;    /* answers to such calls that their guest has not taken whole */
	unsigned n_uploads; /* of them, until the bytes are whole and of their hash */
};

/* Takes the control socket over, also when this fails.  The rest comes with FRONT_START. */
int guest_new(uv_loop_t *loop, int control_fd, struct guest **ret) _nodiscard_;

/*
 * Whether another call may be under way, beside n_calls and the answers that are held: UNAVAILABLE
 * while it is stopping, LIMIT_REACHED (max-requests).
 */
int guest_may_call(const struct guest *guest, struct tensock_error *reterr) _nodiscard_;

/* Closes everything; run the loop until it is empty afterwards. */
void guest_free(struct guest *guest);

#endif
