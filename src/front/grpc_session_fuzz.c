/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 and gRPC to a whole front (session_fuzz.h): what goes out are whole frames, of the kinds that a
 * server sends.
 *
 * The corpus loads a model; no other will be found by chance.
 */
#include "front/grpc_session.h"

#include <nghttp2/nghttp2.h>

#include <string.h>

#include "front/session_fuzz.h"

#define HEADER_BYTES 9u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Frames that go out: only their headers are kept. */
static struct {
	unsigned char header[HEADER_BYTES];
	size_t n, left;
} taken;

static void take_header(void)
{
	const unsigned char *h = taken.header;

	taken.n = 0;
	taken.left = (size_t)h[0] << 16 | (size_t)h[1] << 8 | h[2];
	check(h[3] <= NGHTTP2_CONTINUATION && h[3] != NGHTTP2_PRIORITY &&
	      h[3] != NGHTTP2_PUSH_PROMISE);
}

static void take_bytes(const unsigned char *bytes, size_t n)
{
	while (n) {
		size_t room = taken.left ? taken.left : HEADER_BYTES - taken.n;
		size_t part = n < room ? n : room;

		if (taken.left) {
			taken.left -= part;
		} else {
			memcpy(taken.header + taken.n, bytes, part);
			taken.n += part;
			if (taken.n == HEADER_BYTES)
				take_header();
		}
		bytes += part;
		n -= part;
	}
}

/* A guest that opens no window is waited for, longer than this lasts. */
static void look_over_taken(bool has_ended, bool is_finished)
{
	(void)has_ended;
	if (is_finished)
		check(taken.n == 0 && taken.left == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct session_fuzz fuzz = { .protocol = &grpc_protocol,
						  .take = take_bytes,
						  .look_over = look_over_taken };

	memset(&taken, 0, sizeof(taken));
	return session_fuzz(&fuzz, data, size);
}
