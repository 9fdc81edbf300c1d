/* SPDX-License-Identifier: Apache-2.0 */
#include "front/grpc_unpack.h"

#include <stdlib.h>

#include "base/status.h"
#include "front/limit_hits.h"

#define ROOM_MIN 4096u

static int no_room(uint64_t bytes, struct tensock_error *reterr)
{
	return limit_fail(METRICS_LIMIT_MEMORY, reterr, TENSOCK_LIMIT_REACHED,
			  "no room for a message of %llu bytes beside what is in use (max-memory)",
			  (unsigned long long)bytes);
}

/* Twice as much, but no more than max and the byte that is too many. */
static int grow(struct grpc_unpacked_bytes *u, uint64_t max, struct tensock_error *reterr)
{
	uint64_t wanted = u->size ? 2 * u->size : ROOM_MIN;
	unsigned char *grown;

	wanted = wanted < max ? wanted : max + 1;
	if (account_take(u->account, wanted - u->size) < 0)
		return no_room(wanted, reterr);
	grown = realloc(u->bytes, wanted);
	if (!grown) {
		account_give(u->account, wanted - u->size);
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the message");
	}
	u->bytes = grown;
	u->size = wanted;
	return 0;
}

static int unpack(struct grpc_unpacked_bytes *u, struct http_inflate *inflater,
		  const unsigned char *packed, size_t n, uint64_t max, const char *limit,
		  struct tensock_error *reterr)
{
	size_t made = 1;
	int r = 0;

	while (r == 0 && !inflater->is_over && (n || made)) {
		if (u->n == u->size)
			r = grow(u, max, reterr);
		if (r == 0)
			r = http_inflate_step(inflater, &packed, &n, u->bytes + u->n,
					      u->size - u->n, &made, reterr);
		u->n += r == 0 ? made : 0;
		if (r == 0 && u->n > max)
			r = tsk_fail(reterr, TENSOCK_TOO_LARGE,
				     "a compressed message above %s, which is %llu bytes", limit,
				     (unsigned long long)max);
	}
	if (r == 0 && (!inflater->is_over || n))
		return tsk_fail(reterr, TENSOCK_PROTOCOL,
				"a compressed message that does not end where it should");
	return r;
}

int grpc_unpack(struct grpc_unpacked_bytes *ret, struct account *account, enum http_coding coding,
		const unsigned char *packed, size_t n, uint64_t max, const char *limit,
		struct tensock_error *reterr)
{
	struct http_inflate inflater;
	int r;

	*ret = (struct grpc_unpacked_bytes){ .account = account };
	if (account_take(account, HTTP_INFLATE_MEMORY) < 0)
		return no_room(HTTP_INFLATE_MEMORY, reterr);
	r = http_inflate_init(&inflater, coding);
	if (r == 0)
		r = unpack(ret, &inflater, packed, n, max, limit, reterr);
	else
		r = tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the message");
	http_inflate_done(&inflater);
	account_give(account, HTTP_INFLATE_MEMORY);
	if (r < 0)
		grpc_unpack_done(ret);
	return r;
}

void grpc_unpack_done(struct grpc_unpacked_bytes *unpacked)
{
	if (!unpacked->account)
		return;
	account_give(unpacked->account, unpacked->size);
	free(unpacked->bytes);
	*unpacked = (struct grpc_unpacked_bytes){ 0 };
}
