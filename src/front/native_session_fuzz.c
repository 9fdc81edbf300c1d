/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native frames to a whole front (session_fuzz.h): what goes out are whole frames.
 *
 * The corpus pushes a model; no other will be found by chance.
 */
#include "front/native_session.h"

#include "front/session_fuzz.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t look_at_header(const unsigned char *bytes)
{
	struct wire_header header;

	check(wire_header_read(bytes, &header) == 0);
	check(header.type >= WIRE_CHUNK && header.type != WIRE_PING);
	return header.size;
}

static struct fuzz_frames taken;

static void take_bytes(const unsigned char *bytes, size_t n)
{
	fuzz_frames_take(&taken, bytes, n);
}

static void look_over_taken(bool has_ended, bool is_finished)
{
	if (has_ended || is_finished)
		check(is_finished && fuzz_frames_are_whole(&taken));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct session_fuzz fuzz = { .protocol = &native_protocol,
						  .take = take_bytes,
						  .look_over = look_over_taken };

	taken = (struct fuzz_frames){ .header_bytes = WIRE_HEADER_BYTES,
				      .look_at = look_at_header };
	return session_fuzz(&fuzz, data, size);
}
