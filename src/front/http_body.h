/* SPDX-License-Identifier: Apache-2.0 */
/* A request's body, or the JSON at its beginning, collected in private memory of the guest's. */
#ifndef FRONT_HTTP_BODY_H
#define FRONT_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/account.h"

struct http_body {
	struct account *account;
	char *bytes;
	size_t n, size; /* received; what there is room for, which the account knows of */
	uint64_t max;
	const char *limit; /* the key that max is of, or what else says it */
};

/*
 * Of `known` bytes; or, 0, of as many as come.  At most max.  TOO_LARGE, LIMIT_REACHED, OUT_OF_MEMORY;
 * what it has is freed by http_body_done() in any case.
 */
int http_body_begin(struct http_body *body, struct account *account, uint64_t known, uint64_t max,
		    const char *limit, struct tensock_error *reterr) _nodiscard_;

/* More room, behind what has come.  As begin(). */
int http_body_grow(struct http_body *body, struct tensock_error *reterr) _nodiscard_;

/* Also of one that is zero, and of one that is done. */
void http_body_done(struct http_body *body);

#endif
