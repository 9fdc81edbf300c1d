/* SPDX-License-Identifier: Apache-2.0 */
/* A request's body, or the JSON at its beginning, collected in private memory of the guest's. */
#ifndef FRONT_HTTP_BODY_H
#define FRONT_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "channel/metrics_family.h"
#include "front/account.h"

struct http_body_limit {
	uint64_t bytes;
	const char *name;        /* the key that says it, or what else does */
	enum metrics_limit hits; /* where a body above it counts; METRICS_LIMIT_MAX: nowhere */
};

/* Behind what a body has room for there are so many bytes more, for who reads it in place. */
#define HTTP_BODY_PADDING 4u

struct http_body {
	struct account *account;
	char *bytes;
	size_t n, size; /* received; what there is room for, which the account knows of */
	struct http_body_limit limit;
};

/*
 * Of `known` bytes; or, 0, of as many as come.  TOO_LARGE, LIMIT_REACHED, OUT_OF_MEMORY; what it has is
 * freed by http_body_done() in any case.
 */
int http_body_begin(struct http_body *body, struct account *account, uint64_t known,
		    struct http_body_limit limit, struct tensock_error *reterr) _nodiscard_;

/* More room, behind what has come.  As begin(). */
int http_body_grow(struct http_body *body, struct tensock_error *reterr) _nodiscard_;

/* Also of one that is zero, and of one that is done. */
void http_body_done(struct http_body *body);

#endif
