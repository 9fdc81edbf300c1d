/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_credit.h"

/* No more is ever under way to a guest: it keeps the wrapping counters comparable. */
#define PEER_ALLOC_MAX (UINT32_C(1) << 30)

/* Distances up to here are ahead, longer ones behind. */
#define AHEAD_MAX (UINT32_C(1) << 31)

int vsock_credit_hear(struct vsock_credit *credit, const struct vsock_header *header)
{
	uint32_t under_way = credit->sent - header->fwd_cnt;

	if (under_way > AHEAD_MAX)
		return -EPROTO;
	if (header->fwd_cnt - credit->peer_fwd < AHEAD_MAX)
		credit->peer_fwd = header->fwd_cnt;
	credit->peer_alloc =
		header->buf_alloc < PEER_ALLOC_MAX ? header->buf_alloc : PEER_ALLOC_MAX;
	return 0;
}

uint32_t vsock_credit_left(const struct vsock_credit *credit)
{
	uint32_t under_way = credit->sent - credit->peer_fwd;

	/* The guest may have shrunk its buffer below what is under way. */
	return under_way < credit->peer_alloc ? credit->peer_alloc - under_way : 0;
}

void vsock_credit_sent(struct vsock_credit *credit, uint32_t n)
{
	credit->sent += n;
}

static uint32_t guest_may_send(const struct vsock_credit *credit)
{
	return credit->told_alloc - (credit->received - credit->told_fwd);
}

int vsock_credit_receive(struct vsock_credit *credit, uint32_t n)
{
	if (n > guest_may_send(credit))
		return -EPROTO;
	credit->received += n;
	return 0;
}

void vsock_credit_pass_on(struct vsock_credit *credit, uint32_t n)
{
	credit->fwd += n;
}

/* What we would grant now; the guest may have heard of less. */
static uint32_t window(const struct vsock_credit *credit)
{
	return credit->wide ? VSOCK_BUF_ALLOC : VSOCK_BUF_ALLOC_MIN;
}

/* Of that, what the guest will have under way: Linux (2026) no more than its own buffer holds. */
static uint32_t guest_window(const struct vsock_credit *credit, uint32_t ours)
{
	return credit->peer_alloc && credit->peer_alloc < ours ? credit->peer_alloc : ours;
}

bool vsock_credit_update_due(const struct vsock_credit *credit)
{
	uint32_t wanted = guest_window(credit, window(credit));
	uint32_t told = guest_window(credit, credit->told_alloc);
	uint32_t under_way = credit->received - credit->told_fwd;
	uint32_t left = under_way < told ? told - under_way : 0;

	/*
	 * With a quarter of a large window left a sender of full packets has one to send meanwhile.
	 * Each update costs the guest an interrupt; and a sender that never has to wait for credit
	 * keeps a CPU from whoever else waits for it.
	 */
	return credit->told_alloc &&
	       (credit->fwd != credit->told_fwd || window(credit) != credit->told_alloc) &&
	       left <= wanted / 4;
}

void vsock_credit_tell(struct vsock_credit *credit, struct vsock_header *header)
{
	credit->told_alloc = window(credit);
	credit->told_fwd = credit->fwd;
	header->buf_alloc = credit->told_alloc;
	header->fwd_cnt = credit->told_fwd;
}
