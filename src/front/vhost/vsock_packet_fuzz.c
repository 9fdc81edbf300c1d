/* SPDX-License-Identifier: Apache-2.0 */
/* A header of any bytes, in a chain of any pieces: what is decoded is what was there. */
#include "front/vhost/vsock_packet.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "front/vhost/iov.h"

#define PIECES_MAX 16u

static void check(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first bytes say how long the pieces of the chain are; the rest is what they hold. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char in[VSOCK_HEADER_BYTES], out[VSOCK_HEADER_BYTES];
	struct iovec iov[PIECES_MAX], payload[PIECES_MAX];
	struct vsock_header header;
	size_t done = 0, len;
	unsigned char *chain;
	unsigned n;

	if (size < PIECES_MAX)
		return 0;
	size -= PIECES_MAX;
	chain = malloc(size + 1);
	check(chain);
	memcpy(chain, data + PIECES_MAX, size);
	for (unsigned i = 0; i < PIECES_MAX; i++) {
		iov[i].iov_base = chain + done;
		iov[i].iov_len = data[i] < size - done ? data[i] : size - done;
		done += iov[i].iov_len;
	}
	if (iov_get(iov, PIECES_MAX, in, sizeof(in)) == sizeof(in)) {
		check(memcmp(in, chain, sizeof(in)) == 0);
		vsock_header_decode(in, &header);
		vsock_header_encode(&header, out);
		check(memcmp(in, out, sizeof(in)) == 0);
		n = iov_cut(iov, PIECES_MAX, VSOCK_HEADER_BYTES, header.len, payload, &len);
		check(len <= header.len && len <= done - VSOCK_HEADER_BYTES);
		check(len == header.len || len == done - VSOCK_HEADER_BYTES);
		check(len == 0 || payload[0].iov_base == chain + VSOCK_HEADER_BYTES);
		for (unsigned i = 0; i < n; i++)
			len -= payload[i].iov_len;
		check(len == 0);
	}
	free(chain);
	return 0;
}
