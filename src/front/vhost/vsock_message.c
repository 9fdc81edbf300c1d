/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_message.h"

#include <string.h>

#define LENGTH_BYTES_MAX 3u /* of one length: 21 bits */

/* Writes a length; returns how many bytes it takes. */
static size_t write_length(uint32_t len, unsigned char ret[LENGTH_BYTES_MAX])
{
	size_t n = 0;

	do {
		ret[n++] = (unsigned char)((len & 0x7f) | (len > 0x7f ? 0x80 : 0));
		len >>= 7;
	} while (len);
	return n;
}

static unsigned char byte_at(const struct iovec iov[VSOCK_BUFFER_PIECES], size_t i)
{
	const unsigned char *first = iov[0].iov_base, *second = iov[1].iov_base;

	return i < iov[0].iov_len ? first[i] : second[i - iov[0].iov_len];
}

/* The first length; returns how many bytes it takes. */
static size_t read_length(const struct vsock_messages *messages, uint32_t *ret_len)
{
	struct iovec iov[VSOCK_BUFFER_PIECES] = { 0 };
	uint32_t len = 0;
	size_t n = 0;
	unsigned char byte;

	(void)vsock_buffer_bytes(&messages->lengths, iov);
	do {
		byte = byte_at(iov, n);
		len |= (uint32_t)(byte & 0x7f) << 7 * n;
		n++;
	} while (byte & 0x80);
	*ret_len = len;
	return n;
}

static int add_length(struct vsock_messages *messages, uint32_t len)
{
	unsigned char bytes[LENGTH_BYTES_MAX];
	struct iovec iov = { bytes, write_length(len, bytes) };

	if (messages->lengths.len + iov.iov_len > VSOCK_MESSAGE_MAX)
		return -ENOBUFS;
	return vsock_buffer_add(&messages->lengths, &iov, 1, 0);
}

/* Forgets the last n bytes. */
static void cut_bytes(struct vsock_messages *messages, size_t n)
{
	messages->bytes.len -= n;
	if (messages->bytes.len == 0)
		vsock_buffer_done(&messages->bytes);
}

int vsock_messages_add(struct vsock_messages *messages, const struct iovec *iov, unsigned n,
		       bool ends)
{
	size_t len = messages->begun, had = messages->bytes.len;
	int r;

	for (unsigned i = 0; i < n; i++)
		len += iov[i].iov_len;
	/* At the maximum, and without its end, the guest has no credit to go on with. */
	if (len > VSOCK_MESSAGE_MAX || (len == VSOCK_MESSAGE_MAX && !ends))
		return -EMSGSIZE;
	r = vsock_buffer_add(&messages->bytes, iov, n, 0);
	if (r < 0)
		return r;
	if (ends)
		r = add_length(messages, (uint32_t)len);
	if (r < 0) {
		cut_bytes(messages, messages->bytes.len - had);
		return r;
	}
	messages->begun = ends ? 0 : (uint32_t)len;
	return 0;
}

bool vsock_messages_ready(const struct vsock_messages *messages)
{
	return messages->lengths.len > 0;
}

bool vsock_messages_empty(const struct vsock_messages *messages)
{
	return messages->lengths.len == 0 && messages->begun == 0;
}

unsigned vsock_messages_first(const struct vsock_messages *messages,
			      struct iovec ret[VSOCK_BUFFER_PIECES])
{
	struct vsock_buffer first = messages->bytes;
	uint32_t len;

	(void)read_length(messages, &len);
	first.len = len;
	return vsock_buffer_bytes(&first, ret);
}

uint32_t vsock_messages_take(struct vsock_messages *messages)
{
	uint32_t len;
	size_t n = read_length(messages, &len);

	vsock_buffer_take(&messages->lengths, n);
	if (len)
		vsock_buffer_take(&messages->bytes, len);
	return len;
}

uint32_t vsock_messages_abandon(struct vsock_messages *messages)
{
	uint32_t len = messages->begun;

	cut_bytes(messages, len);
	messages->begun = 0;
	return len;
}

void vsock_messages_done(struct vsock_messages *messages)
{
	vsock_buffer_done(&messages->bytes);
	vsock_buffer_done(&messages->lengths);
	messages->begun = 0;
}
