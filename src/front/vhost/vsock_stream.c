/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_stream.h"

#include <stddef.h>
#include <string.h>

#include "front/vhost/vsock_table.h"

struct vsock_stream {
	struct stream_host host;
	const struct stream_ops *ops;
	void *stream;
	struct vsock_conn *conn;
	void (*woken)(void *context);
	void *context;
};

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Copies one piece into the stream's windows; returns how much they held. */
static size_t write_piece(struct vsock_stream *s, const unsigned char *bytes, size_t len)
{
	size_t done = 0;

	while (done < len) {
		void *window;
		size_t part = smaller(s->ops->window(s->stream, &window), len - done);

		if (part == 0)
			break;
		memcpy(window, bytes + done, part);
		s->ops->received(s->stream, part);
		done += part;
	}
	return done;
}

static ssize_t stream_write(void *end, const struct iovec *iov, unsigned n)
{
	struct vsock_stream *s = end;
	size_t total = 0;

	for (unsigned i = 0; i < n; i++) {
		size_t done = write_piece(s, iov[i].iov_base, iov[i].iov_len);

		total += done;
		if (done < iov[i].iov_len)
			break;
	}
	return total ? (ssize_t)total : -EAGAIN;
}

static bool stream_deaf(void *end)
{
	struct vsock_stream *s = end;
	const void *bytes;

	/* Not before its last words are out: the guest may be told of both at once. */
	return s->ops->finished(s->stream) && s->ops->output(s->stream, &bytes) == 0;
}

/* Fills one piece with the stream's output; returns how much there was. */
static size_t read_piece(struct vsock_stream *s, unsigned char *room, size_t len)
{
	size_t done = 0;

	while (done < len) {
		const void *bytes;
		size_t part = smaller(s->ops->output(s->stream, &bytes), len - done);

		if (part == 0)
			break;
		memcpy(room + done, bytes, part);
		s->ops->sent(s->stream, part);
		done += part;
	}
	return done;
}

static ssize_t stream_read(void *end, const struct iovec *iov, unsigned n)
{
	struct vsock_stream *s = end;
	size_t total = 0;

	for (unsigned i = 0; i < n; i++) {
		size_t done = read_piece(s, iov[i].iov_base, iov[i].iov_len);

		total += done;
		if (done < iov[i].iov_len)
			break;
	}
	if (total)
		return (ssize_t)total;
	return s->ops->finished(s->stream) ? 0 : -EAGAIN;
}

static void stream_shutdown(void *end, unsigned flags)
{
	struct vsock_stream *s = end;

	if (flags & VSOCK_SHUTDOWN_SEND)
		s->ops->ended(s->stream);
}

static void stream_close(void *end)
{
	struct vsock_stream *s = end;

	s->ops->close(s->stream);
	free(s);
}

static const struct vsock_end_ops stream_end_ops = {
	.write = stream_write,
	.read = stream_read,
	.deaf = stream_deaf,
	.shutdown = stream_shutdown,
	.close = stream_close,
	.talks_back = true,
};

static void wake(struct stream_host *host)
{
	struct vsock_stream *s = (void *)((char *)host - offsetof(struct vsock_stream, host));

	vsock_table_host_event(s->conn, VSOCK_EVENT_READABLE | VSOCK_EVENT_WRITABLE);
	s->woken(s->context);
}

int vsock_stream_new(const struct stream_service *service, struct vsock_conn *conn,
		     void (*woken)(void *context), void *context, struct vsock_end *ret)
{
	_cleanup_free_ struct vsock_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->host.wake = wake;
	s->ops = service->ops;
	s->conn = conn;
	s->woken = woken;
	s->context = context;
	s->stream = service->open(service->context, &s->host);
	if (!s->stream)
		return -ECONNREFUSED;
	*ret = (struct vsock_end){ .ops = &stream_end_ops, .object = TAKE_PTR(s) };
	return 0;
}
