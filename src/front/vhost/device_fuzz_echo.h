/* SPDX-License-Identifier: Apache-2.0 */
/* For fuzzing: a service that sends back what comes, and at most four streams of it at once. */
#ifndef VHOST_DEVICE_FUZZ_ECHO_H
#define VHOST_DEVICE_FUZZ_ECHO_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "front/stream.h"

static unsigned n_echoes;

static void check(bool ok)
{
	if (!ok)
		abort();
}

struct echo {
	char bytes[3000];
	size_t n;
	bool ended;
};

static size_t echo_window(void *stream, void **ret_buf)
{
	struct echo *echo = stream;

	*ret_buf = echo->bytes + echo->n;
	return sizeof(echo->bytes) - echo->n;
}

static void echo_received(void *stream, size_t n)
{
	((struct echo *)stream)->n += n;
}

static void echo_ended(void *stream)
{
	struct echo *echo = stream;

	check(!echo->ended);
	echo->ended = true;
}

static size_t echo_output(void *stream, const void **ret_buf)
{
	struct echo *echo = stream;

	*ret_buf = echo->bytes;
	return echo->n;
}

static void echo_sent(void *stream, size_t n)
{
	struct echo *echo = stream;

	check(n <= echo->n);
	memmove(echo->bytes, echo->bytes + n, echo->n - n);
	echo->n -= n;
}

static bool echo_finished(void *stream)
{
	return ((struct echo *)stream)->ended;
}

static void echo_close(void *stream)
{
	n_echoes--;
	free(stream);
}

static void *echo_open(void *context, struct stream_host *host)
{
	struct echo *echo = n_echoes < 4 ? calloc(1, sizeof(*echo)) : NULL;

	(void)context;
	(void)host;
	n_echoes += echo != NULL;
	return echo;
}

static const struct stream_ops echo_ops = {
	.window = echo_window,
	.received = echo_received,
	.ended = echo_ended,
	.output = echo_output,
	.sent = echo_sent,
	.finished = echo_finished,
	.close = echo_close,
};

#endif
