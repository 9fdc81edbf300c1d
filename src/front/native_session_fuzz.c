/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native frames to a whole front (session_fuzz.h): what goes out are whole frames.
 *
 * The corpus pushes a model; no other will be found by chance.
 */
#include "front/native_session.h"

#include <string.h>

#include "front/session_fuzz.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Frames that go out: only their headers are kept. */
struct taken {
	unsigned char header[WIRE_HEADER_BYTES];
	size_t n;
	uint64_t left;
};

static struct taken taken;

static void take_bytes(const unsigned char *bytes, size_t n)
{
	struct taken *t = &taken;

	while (n) {
		struct wire_header header;
		size_t part;

		if (t->left) {
			part = t->left < n ? (size_t)t->left : n;
			t->left -= part;
		} else {
			part = sizeof(t->header) - t->n < n ? sizeof(t->header) - t->n : n;
			memcpy(t->header + t->n, bytes, part);
			t->n += part;
		}
		bytes += part;
		n -= part;
		if (t->n < sizeof(t->header))
			continue;
		t->n = 0;
		check(wire_header_read(t->header, &header) == 0);
		check(header.type >= WIRE_CHUNK && header.type != WIRE_PING);
		t->left = header.size;
	}
}

static void look_over_taken(bool has_ended, bool is_finished)
{
	if (has_ended || is_finished)
		check(is_finished && taken.n == 0 && taken.left == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct session_fuzz fuzz = { .protocol = &native_protocol,
						  .take = take_bytes,
						  .look_over = look_over_taken };

	taken = (struct taken){ 0 };
	return session_fuzz(&fuzz, data, size);
}
