/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_buffer.h"

#include <stdint.h>
#include <string.h>

#include "front/vhost/iov.h"

#define SIZE_MIN 4096u

static int grow(struct vsock_buffer *buffer, size_t need)
{
	struct iovec held[VSOCK_BUFFER_PIECES];
	unsigned n_held = vsock_buffer_bytes(buffer, held);
	size_t size = SIZE_MIN;
	unsigned char *memory;

	while (size < need) {
		if (size > SIZE_MAX / 2)
			return -ENOMEM;
		size *= 2;
	}
	memory = malloc(size);
	if (!memory)
		return -ENOMEM;
	iov_get(held, n_held, memory, buffer->len);
	free(buffer->memory);
	*buffer = (struct vsock_buffer){ .memory = memory, .size = size, .len = buffer->len };
	return 0;
}

static void append(struct vsock_buffer *buffer, const unsigned char *bytes, size_t len)
{
	size_t at = (buffer->start + buffer->len) & (buffer->size - 1);
	size_t part = len < buffer->size - at ? len : buffer->size - at;

	memcpy(buffer->memory + at, bytes, part);
	memcpy(buffer->memory, bytes + part, len - part);
	buffer->len += len;
}

int vsock_buffer_add(struct vsock_buffer *buffer, const struct iovec *iov, unsigned n, size_t skip)
{
	size_t need = buffer->len;

	for (unsigned i = 0; i < n; i++)
		need += iov[i].iov_len;
	if (need - buffer->len <= skip)
		return 0;
	need -= skip;
	if (need > buffer->size) {
		int r = grow(buffer, need);

		if (r < 0)
			return r;
	}
	for (unsigned i = 0; i < n; i++) {
		size_t off = skip < iov[i].iov_len ? skip : iov[i].iov_len;

		skip -= off;
		if (off < iov[i].iov_len)
			append(buffer, (const unsigned char *)iov[i].iov_base + off,
			       iov[i].iov_len - off);
	}
	return 0;
}

unsigned vsock_buffer_bytes(const struct vsock_buffer *buffer,
			    struct iovec ret[VSOCK_BUFFER_PIECES])
{
	size_t first = buffer->size - buffer->start;

	if (buffer->len == 0)
		return 0;
	if (buffer->len <= first) {
		ret[0] = (struct iovec){ buffer->memory + buffer->start, buffer->len };
		return 1;
	}
	ret[0] = (struct iovec){ buffer->memory + buffer->start, first };
	ret[1] = (struct iovec){ buffer->memory, buffer->len - first };
	return 2;
}

void vsock_buffer_take(struct vsock_buffer *buffer, size_t n)
{
	if (n >= buffer->len) {
		vsock_buffer_done(buffer);
		return;
	}
	buffer->start = (buffer->start + n) & (buffer->size - 1);
	buffer->len -= n;
}

void vsock_buffer_done(struct vsock_buffer *buffer)
{
	free(buffer->memory);
	*buffer = (struct vsock_buffer){ 0 };
}
