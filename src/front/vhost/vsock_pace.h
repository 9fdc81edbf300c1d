/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of one connection's data lies in the guest's receive queue, where all that comes later for
 * other connections waits behind it.  Credit does not tell: it counts what a program has read.  So
 * the guest is sent CREDIT_REQUESTs among the data: its driver answers each when it comes to it.
 */
#ifndef VHOST_VSOCK_PACE_H
#define VHOST_VSOCK_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* A guest works off so much in less than a millisecond, even without KVM. */
#define VSOCK_PACE_BYTES 65536u
#define VSOCK_PACE_ASK_BYTES (VSOCK_PACE_BYTES / 2)

struct vsock_pace {
	uint32_t passed; /* bytes sent before the last request that was answered; wraps */
	uint32_t asked;  /* bytes sent before the last request */
	bool asking;     /* that one is not answered yet */
	bool answers;    /* the guest has answered one: older drivers never do */
};

/* sent: the bytes sent so far.  Whether a request should go out; as long as bytes may go, or it is. */
bool vsock_pace_ask_due(const struct vsock_pace *pace, uint32_t sent);
/* A request goes out. */
void vsock_pace_asked(struct vsock_pace *pace, uint32_t sent);
/* A CREDIT_UPDATE came.  One that answers nothing is taken for an answer: then a little more goes. */
void vsock_pace_answered(struct vsock_pace *pace);
/* Bytes that may go now; UINT32_MAX when nothing is known of the guest's queue. */
uint32_t vsock_pace_left(const struct vsock_pace *pace, uint32_t sent);

#endif
