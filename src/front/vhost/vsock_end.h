/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands at the host's side of a connection: a Unix socket (vsock_socket.h, vsock_seqpacket.h)
 * or a stream of the front's own service (vsock_stream.h).  Nothing here blocks.  An end tells that
 * it may be read or written again by vsock_table_host_event().
 */
#ifndef VHOST_VSOCK_END_H
#define VHOST_VSOCK_END_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct vsock_end_ops {
	/*
	 * Takes bytes of the guest: how many were taken, or -EAGAIN: none before the next event;
	 * -EPIPE: the host takes no more for ever; another -errno: the host is gone.
	 * At a seqpacket end the pieces are a message, which is taken whole or not at all, and may
	 * be empty; -EMSGSIZE: it never will be.
	 */
	ssize_t (*write)(void *end, const struct iovec *iov, unsigned n);
	/*
	 * Gives bytes for the guest: how many, or 0: the host sends no more; -EAGAIN: none before
	 * the next event; another -errno: the host is gone.
	 */
	ssize_t (*read)(void *end, const struct iovec *iov, unsigned n);
	/*
	 * The same at a seqpacket end, which has no read(): the next bytes of a message; *ret_ends:
	 * up to its end.  0 is an empty message; -ESHUTDOWN: the host sends no more; -EMSGSIZE: the
	 * message is longer than max_bytes, and cannot be read any more.
	 */
	ssize_t (*read_message)(void *end, const struct iovec *iov, unsigned n, size_t max_bytes,
				bool *ret_ends);
	/*
	 * Whether the host takes no more bytes; an end that talks back has then given all of its
	 * own, too.  Only such an end is asked once the guest sends no more.
	 */
	bool (*deaf)(void *end);
	/* The guest will not do any more what flags (VSOCK_SHUTDOWN_*) say.  Once each. */
	void (*shutdown)(void *end, unsigned flags);
	/*
	 * The host program's CONNECT line (hybrid.h): 1 and the port, 0: not whole yet, -errno.
	 * Mandatory for an end given to vsock_table_greet(), else never called.
	 */
	int (*greeting)(void *end, uint32_t *ret_port);
	void (*close)(void *end);

	/* A write may make bytes to read without an event, and a read room to write. */
	bool talks_back;
};

struct vsock_end {
	const struct vsock_end_ops *ops; /* NULL: none yet, or none any more */
	void *object;
};

#endif
