/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte is a frame's type, what follows its body; a type that is none: a header.  What is
 * read is written to the same bytes, as far as wire_is_exact() says, and is then a frame that a
 * header may announce.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/again.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void try_header(const uint8_t *data, size_t size)
{
	unsigned char again[WIRE_HEADER_BYTES];
	struct wire_header header;

	if (size != WIRE_HEADER_BYTES || wire_header_read(data, &header) < 0)
		return;
	require(wire_type_name(header.type) && header.size <= WIRE_BODY_MAX);
	wire_header_write(again, &header);
	require(memcmp(again, data, sizeof(again)) == 0);
}

static void try_body(uint32_t type, const uint8_t *data, size_t size)
{
	/* A message that had been made printable, or given a status, is not longer. */
	unsigned char *first = malloc(size ? size : 1), *second = malloc(size ? size : 1);
	struct tsk_writer w, w2;

	require(first && second);
	w = tsk_writer(first, size);
	w2 = tsk_writer(second, size);
	if (wire_again(type, data, size, &w) == 0) {
		size_t n = tsk_writer_len(&w);

		require(!w.bad);
		if (wire_is_exact(type))
			require(n == size);
		if (wire_is_exact(type) || type == WIRE_HELLO || type == WIRE_WELCOME)
			require(!n || memcmp(first, data, n) == 0);
		if (type != WIRE_CHUNK || n)
			require(wire_is_announced(type, n));
		require(wire_again(type, first, n, &w2) == 0 && !w2.bad);
		require(tsk_writer_len(&w2) == n && (!n || memcmp(first, second, n) == 0));
	}
	free(first);
	free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size || size > WIRE_BODY_MAX)
		return 0;
	if (wire_type_name(data[0]))
		try_body(data[0], data + 1, size - 1);
	else
		try_header(data + 1, size - 1);
	return 0;
}
