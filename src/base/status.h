/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of statuses: what each is called at every border. */
#ifndef TSK_BASE_STATUS_H
#define TSK_BASE_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"

struct tsk_status_row {
	const char *name; /* as in logs and JSON: "invalid-model" */
	const char *text; /* a sentence without a full stop */
	int errno_value;  /* what -errno means inside, never on a wire */
	unsigned http;    /* HTTP status */
	unsigned grpc;    /* gRPC status code */
};

/* The row of a status; a number that is none gives TENSOCK_INTERNAL's. */
const struct tsk_status_row *tsk_status(uint32_t status);

/* The status that tells a peer best about an errno number. */
enum tensock_status tsk_status_from_errno(int errno_value);

/* Whether a character above ASCII steers a terminal, or shows a line as another than it is. */
bool tsk_is_steering(uint32_t c);

/*
 * What would steer a terminal (control characters, changes of direction), and bytes that are not UTF-8,
 * become '?': names of guests' models and tensors stand in what we say, and may have been cut short.
 */
void tsk_make_printable(char *text);

/*
 * Fills *reterr (may be NULL) and returns the status's -errno, to be returned in turn.  The text is made
 * printable: it goes to logs and peers.
 */
int tsk_fail(struct tensock_error *reterr, enum tensock_status status, const char *fmt, ...)
	_printf_(3, 4);

/* Puts "text: " before the message that *reterr (may be NULL) already holds. */
void tsk_error_prefix(struct tensock_error *reterr, const char *fmt, ...) _printf_(2, 3);

#endif
