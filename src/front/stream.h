/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte connection between what carries it (a socket, or the vsock device: the carrier) and what
 * speaks on it (a protocol session: the stream).  The stream does no I/O: it says where received
 * bytes are to be put, so that payload lands in its final buffer, and which bytes are to go out.
 *
 * One thread, one loop.  The carrier calls the ops; the stream calls host->wake() whenever what
 * window(), output() or finished() answer has changed outside of a call from the carrier.  wake()
 * only schedules: it never calls back into the stream.  No op calls wake().
 */
#ifndef FRONT_STREAM_H
#define FRONT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define STREAM_SCATTER_MAX 2u

struct stream_host {
	void (*wake)(struct stream_host *host);
};

struct stream_ops {
	/* Room for the next bytes from the peer, at *ret_buf; 0 while the stream wants none. */
	size_t (*window)(void *stream, void **ret_buf);

	/*
	 * Optional.  The same as pieces that can be filled in one call, at most STREAM_SCATTER_MAX: the
	 * first is window()'s.  How many.
	 */
	unsigned (*scatter)(void *stream, struct iovec *iov);

	/* n bytes, 1 to window() or to the sum of scatter()'s, now stand there. */
	void (*received)(void *stream, size_t n);

	/* The peer sends no more.  Once. */
	void (*ended)(void *stream);

	/* Bytes to send, valid until sent(); 0 when there are none now. */
	size_t (*output)(void *stream, const void **ret_buf);

	/*
	 * Optional.  The same as pieces that can go out in one call, at most max (≥ 1): the first is
	 * output()'s.  How many.
	 */
	unsigned (*gather)(void *stream, struct iovec *iov, unsigned max);

	/* The first n bytes of output(), or gather(), have been taken. */
	void (*sent)(void *stream, size_t n);

	/* The stream wants the connection closed once output() is empty. */
	bool (*finished)(void *stream);

	/* The connection is gone; frees the stream.  Always the last call. */
	void (*close)(void *stream);
};

/* scatter() of any stream, be it one without. */
static inline unsigned stream_scatter(const struct stream_ops *ops, void *stream,
				      struct iovec iov[STREAM_SCATTER_MAX])
{
	if (ops->scatter)
		return ops->scatter(stream, iov);
	iov->iov_len = ops->window(stream, &iov->iov_base);
	return iov->iov_len > 0;
}

/* gather() of any stream, be it one without. */
static inline unsigned stream_gather(const struct stream_ops *ops, void *stream, struct iovec *iov,
				     unsigned max)
{
	const void *bytes;

	if (ops->gather)
		return ops->gather(stream, iov, max);
	iov->iov_len = ops->output(stream, &bytes);
	iov->iov_base = (void *)(uintptr_t)bytes;
	return iov->iov_len > 0;
}

/* What begins a stream: given to each carrier of guests' connections. */
struct stream_service {
	const struct stream_ops *ops;
	void *context;
	/* host lives until ops->close().  NULL when there are too many: close the connection. */
	void *(*open)(void *context, struct stream_host *host);
};

#endif
