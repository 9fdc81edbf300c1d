/* SPDX-License-Identifier: Apache-2.0 */
/* The host itself: is it there, what has it counted. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/question.h"
#include "wire/session.h"

int tensock_ping(struct tensock_client *client, uint64_t *ret_ns, struct tensock_error *reterr)
{
	const struct question question = { .type = WIRE_PING, .answer_type = WIRE_PONG };
	uint64_t begin;
	int r;

	/* The round trip is what is wanted, not the greeting before it. */
	r = tensock_client_connect(client, reterr);
	if (r != TENSOCK_OK)
		return r;
	begin = tsk_now_ns();
	r = question_ask(client, &question, reterr);
	if (r == TENSOCK_OK && ret_ns)
		*ret_ns = tsk_now_ns() - begin;
	return r;
}

static_assert(sizeof(((struct tensock_counter *)0)->name) > WIRE_LABEL_MAX,
	      "a counter's name does not fit");

struct counted {
	struct tensock_counter *counters;
	unsigned n;
};

static int read_counters(void *context, const void *body, size_t size)
{
	struct wire_counter wire[WIRE_COUNTERS_MAX];
	struct counted *counted = context;
	struct tensock_counter *counters;
	unsigned n;
	int r = wire_counters_read(body, size, wire, &n);

	if (r < 0)
		return r;
	counters = calloc(n ? n : 1, sizeof(*counters));
	if (!counters)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		memcpy(counters[i].name, wire[i].name.bytes, wire[i].name.len);
		counters[i].value = wire[i].value;
	}
	*counted = (struct counted){ counters, n };
	return 0;
}

int tensock_stats(struct tensock_client *client, struct tensock_counter **ret_counters,
		  size_t *ret_n, struct tensock_error *reterr)
{
	struct counted counted = { 0 };
	const struct question question = {
		.type = WIRE_STATS,
		.answer_type = WIRE_COUNTERS,
		.read = read_counters,
		.context = &counted,
	};
	int r = question_ask(client, &question, reterr);

	if (r != TENSOCK_OK)
		return r;
	*ret_counters = counted.counters;
	*ret_n = counted.n;
	return TENSOCK_OK;
}
