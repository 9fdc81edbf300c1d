/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the supervisor says to tensock-metrics, on its METRICS_CONTROL_FD: fixed-size messages over
 * SOCK_SEQPACKET, at most one fd each.  It is not answered.
 */
#ifndef CHANNEL_METRICS_CONTROL_H
#define CHANNEL_METRICS_CONTROL_H

#include <stdint.h>

#include "base/cleanup.h"

#define METRICS_CONTROL_FD 3
#define METRICS_NAME_SIZE 64u /* a guest's name with its NUL byte */

enum metrics_msg_type {
	/* the first message, once; fd: a socket that listens; value: the log's level, and what stands
	 * beside it (base/log.h) */
	METRICS_START = 1,
	METRICS_DAEMON = 2, /* fd: the supervisor's page (metrics_page.h) */
	METRICS_FRONT =
		3, /* fd: the page of guest `name`'s front, in the place of an earlier one's */
	METRICS_LOST = 4,   /* guest `name` has no front now: its gauges are no more */
	METRICS_FORGET = 5, /* guest `name` is no more */
};

struct metrics_msg {
	uint32_t type; /* enum metrics_msg_type */
	uint32_t value;
	char name[METRICS_NAME_SIZE];
};

/* Sends *msg and fd (or -1), which stays the caller's.  -EAGAIN: it does not keep up. */
int metrics_control_send(int socket_fd, const struct metrics_msg *msg, int fd) _nodiscard_;

/*
 * Receives one message.  1 with *ret_fd the caller's (or -1), 0 at the end of the connection, -EAGAIN
 * when there is none now, -EPROTO for one that is malformed.
 */
int metrics_control_recv(int socket_fd, struct metrics_msg *ret, int *ret_fd) _nodiscard_;

#endif
