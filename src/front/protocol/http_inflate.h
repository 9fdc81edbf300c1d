/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body with Content-Encoding, decompressed piece by piece.  Pure, but for memory from malloc.
 *
 * What grows out of all proportion is refused: above HTTP_RATIO_FREE bytes at most HTTP_RATIO_MAX
 * bytes may come of each one that was sent.
 */
#ifndef PROTOCOL_HTTP_INFLATE_H
#define PROTOCOL_HTTP_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZLIB_CONST
#include <zlib.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/protocol/http_head.h"

#define HTTP_RATIO_MAX 200u
#define HTTP_RATIO_FREE (UINT64_C(1) << 20)
/* What one takes at most while it is at work, the decoder's own block among it. */
#define HTTP_INFLATE_MEMORY 65536u

struct http_inflate {
	z_stream z;
	bool has_stream, has_format, is_over;
	uint64_t n_in, n_out;
	unsigned char first[2]; /* bytes, which tell zlib's frame from none */
	unsigned n_first;
};

/* coding: HTTP_GZIP or HTTP_DEFLATE.  -ENOMEM. */
int http_inflate_init(struct http_inflate *inflater, enum http_coding coding) _nodiscard_;
/* Also of one that is zero. */
void http_inflate_done(struct http_inflate *inflater);

/*
 * Takes from the *n bytes at *from, and makes up to room bytes at to.  All of *n has been taken, or
 * *ret_made is room, or it is over (is_over: no more must come).  -EPROTO, and *reterr says why.
 */
int http_inflate_step(struct http_inflate *inflater, const unsigned char **from, size_t *n,
		      void *to, size_t room, size_t *ret_made, struct tensock_error *reterr)
	_nodiscard_;

#endif
