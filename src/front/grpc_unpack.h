/* SPDX-License-Identifier: Apache-2.0 */
/* A compressed message of gRPC, unpacked in one piece: what bounds it is what bounds one that is not. */
#ifndef FRONT_GRPC_UNPACK_H
#define FRONT_GRPC_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/account.h"
#include "front/protocol/http_inflate.h"

struct grpc_unpacked_bytes {
	struct account *account; /* size bytes of it */
	unsigned char *bytes;
	uint64_t n, size;
};

/*
 * coding: HTTP_GZIP or HTTP_DEFLATE.  TOO_LARGE above max bytes, which `limit` says (as that of a decoder
 * does), LIMIT_REACHED, OUT_OF_MEMORY, PROTOCOL: a failure leaves nothing to be given back.
 */
int grpc_unpack(struct grpc_unpacked_bytes *ret, struct account *account, enum http_coding coding,
		const unsigned char *packed, size_t n, uint64_t max, const char *limit,
		struct tensock_error *reterr) _nodiscard_;
void grpc_unpack_done(struct grpc_unpacked_bytes *unpacked);

#endif
