/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of an HTTP/1 request, without I/O: whoever sends it may be any program of this host.  What is
 * asked for is said by a status; a body is not looked at.
 */
#ifndef METRICS_HEAD_H
#define METRICS_HEAD_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>

#define HEAD_BYTES_MAX 8192u
#define HEAD_TARGET_MAX 256u

struct head {
	llhttp_t parser;
	char target[HEAD_TARGET_MAX];
	size_t target_bytes; /* also those that did not fit */
	size_t bytes;
	bool is_complete;
};

void head_init(struct head *head); /* must stay where it is */

/*
 * The next n bytes.  0: there is more to come; else the status of the answer: 200 for a GET or HEAD of
 * /metrics, with or without a query; 400, 404, 405, 431 for what cannot be answered.
 */
unsigned head_received(struct head *head, const void *bytes, size_t n);

/* Whether it asks for the answer's head only; after a status. */
bool head_is_bodiless(const struct head *head);

#endif
