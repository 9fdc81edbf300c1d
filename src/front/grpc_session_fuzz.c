/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 and gRPC to a whole front (session_fuzz.h): what goes out are whole frames, of the kinds that a
 * server sends.
 *
 * The corpus loads a model; no other will be found by chance.
 */
#include "front/grpc_session.h"

#include <nghttp2/nghttp2.h>

#include "front/session_fuzz.h"

#define HEADER_BYTES 9u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t look_at_header(const unsigned char *h)
{
	check(h[3] <= NGHTTP2_CONTINUATION && h[3] != NGHTTP2_PRIORITY &&
	      h[3] != NGHTTP2_PUSH_PROMISE);
	return (uint64_t)h[0] << 16 | (uint64_t)h[1] << 8 | h[2];
}

static struct fuzz_frames taken;

static void take_bytes(const unsigned char *bytes, size_t n)
{
	fuzz_frames_take(&taken, bytes, n);
}

/* A guest that opens no window is waited for, longer than this lasts. */
static void look_over_taken(bool has_ended, bool is_finished)
{
	(void)has_ended;
	check(!is_finished || fuzz_frames_are_whole(&taken));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct session_fuzz fuzz = { .protocol = &grpc_protocol,
						  .take = take_bytes,
						  .look_over = look_over_taken };

	taken = (struct fuzz_frames){ .header_bytes = HEADER_BYTES, .look_at = look_at_header };
	return session_fuzz(&fuzz, data, size);
}
