/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http_body.h"

#include "base/status.h"
#include "front/limit_hits.h"

#define FIRST_BYTES 16384u

static int refuse_size(const struct http_body *body, struct tensock_error *reterr)
{
	const struct http_body_limit *limit = &body->limit;

	if (limit->hits < METRICS_LIMIT_MAX)
		limit_hit(limit->hits);
	return tsk_fail(reterr, TENSOCK_TOO_LARGE, "a body above %s, which is %llu bytes",
			limit->name, (unsigned long long)limit->bytes);
}

static int resize(struct http_body *body, size_t size, struct tensock_error *reterr)
{
	char *bytes;

	if (account_take(body->account, size - body->size) < 0)
		return limit_fail(
			METRICS_LIMIT_MEMORY, reterr, TENSOCK_LIMIT_REACHED,
			"no room for a body of %zu bytes beside what is in use (max-memory)", size);
	bytes = realloc(body->bytes, size + HTTP_BODY_PADDING);
	if (!bytes) {
		account_give(body->account, size - body->size);
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the body");
	}
	body->bytes = bytes;
	body->size = size;
	return 0;
}

int http_body_begin(struct http_body *body, struct account *account, uint64_t known,
		    struct http_body_limit limit, struct tensock_error *reterr)
{
	*body = (struct http_body){ .account = account, .limit = limit };
	if (known > limit.bytes)
		return refuse_size(body, reterr);
	return known ? resize(body, (size_t)known, reterr) : 0;
}

int http_body_grow(struct http_body *body, struct tensock_error *reterr)
{
	size_t size = body->size ? body->size : FIRST_BYTES / 2;

	if (body->size >= body->limit.bytes)
		return refuse_size(body, reterr);
	size = size < body->limit.bytes - size ? 2 * size : (size_t)body->limit.bytes;
	return resize(body, size, reterr);
}

void http_body_done(struct http_body *body)
{
	if (!body->account)
		return;
	free(body->bytes);
	account_give(body->account, body->size);
	*body = (struct http_body){ 0 };
}
