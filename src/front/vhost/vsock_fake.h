/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of connections: host ends without I/O, and a guest's driver for a table of them.
 * All tests speak as the guest: they send packets and look at what comes back.
 */
#ifndef VHOST_VSOCK_FAKE_H
#define VHOST_VSOCK_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "front/vhost/hybrid.h"
#include "front/vhost/iov.h"
#include "front/vhost/vsock_table.h"

#define FAKE_CID 3u
#define FAKE_PORT 1000u /* the guest's, of the connection that most tests use */
#define FAKE_ENDS 8u
#define FAKE_MESSAGES 2000u

struct fake_end {
	size_t room; /* bytes it takes before it says -EAGAIN */
	char taken[600000];
	size_t n_taken;
	const char *give; /* what it sends */
	size_t n_give;
	/* At a seqpacket end: the lengths of what it has taken, and of what it sends. */
	size_t taken_lens[FAKE_MESSAGES], give_lens[FAKE_MESSAGES];
	unsigned n_taken_lens, n_give_lens, next_give;
	size_t given;                /* of the message at next_give */
	int write_error, read_error; /* instead of -EAGAIN */
	bool ended, deaf;
	unsigned shut; /* VSOCK_SHUTDOWN_* that it was told */
	int greeting;  /* what it answers, and the port */
	uint32_t greeting_port;
	bool opened, closed;
};

struct fake {
	struct vsock_table *table;
	struct fake_end ends[FAKE_ENDS];
	unsigned n_ends;
	bool later;     /* ops->open(): the end comes by vsock_table_connected() */
	int refuse;     /* ops->open() answers this */
	unsigned asked; /* times that ops->open() was called */
	uint64_t id;    /* of its last call */
	uint32_t port;
	uint64_t now_ns;
};

static inline ssize_t fake_write(void *object, const struct iovec *iov, unsigned n)
{
	struct fake_end *end = object;
	size_t got;

	assert_false(end->closed);
	got = iov_get(iov, n, end->taken + end->n_taken, end->room);
	end->room -= got;
	end->n_taken += got;
	if (got)
		return (ssize_t)got;
	return end->write_error ? end->write_error : -EAGAIN;
}

static inline ssize_t fake_read(void *object, const struct iovec *iov, unsigned n)
{
	struct fake_end *end = object;
	size_t got;

	assert_false(end->closed);
	got = iov_put(iov, n, end->give, end->n_give);
	end->give += got;
	end->n_give -= got;
	if (got)
		return (ssize_t)got;
	return end->read_error ? end->read_error : end->ended ? 0 : -EAGAIN;
}

static inline ssize_t fake_write_message(void *object, const struct iovec *iov, unsigned n)
{
	struct fake_end *end = object;
	size_t len = 0;

	assert_false(end->closed);
	for (unsigned i = 0; i < n; i++)
		len += iov[i].iov_len;
	if (end->write_error || len > end->room)
		return end->write_error ? end->write_error : -EAGAIN;
	end->room -= len;
	end->n_taken += iov_get(iov, n, end->taken + end->n_taken, len);
	assert_true(end->n_taken_lens < FAKE_MESSAGES);
	end->taken_lens[end->n_taken_lens++] = len;
	return (ssize_t)len;
}

static inline ssize_t fake_read_message(void *object, const struct iovec *iov, unsigned n,
					size_t max_bytes, bool *ret_ends)
{
	struct fake_end *end = object;
	size_t len, got;

	assert_false(end->closed);
	if (end->next_give == end->n_give_lens)
		return end->read_error ? end->read_error : end->ended ? -ESHUTDOWN : -EAGAIN;
	len = end->give_lens[end->next_give];
	if (len > max_bytes)
		return -EMSGSIZE;
	got = iov_put(iov, n, end->give, len - end->given);
	end->give += got;
	end->given += got;
	*ret_ends = end->given == len;
	if (*ret_ends) {
		end->next_give++;
		end->given = 0;
	}
	return (ssize_t)got;
}

static inline bool fake_deaf(void *object)
{
	return ((struct fake_end *)object)->deaf;
}

static inline void fake_shutdown(void *object, unsigned flags)
{
	struct fake_end *end = object;

	assert_int_equal(end->shut & flags, 0);
	end->shut |= flags;
}

static inline int fake_greeting(void *object, uint32_t *ret_port)
{
	struct fake_end *end = object;

	*ret_port = end->greeting_port;
	return end->greeting;
}

static inline void fake_close(void *object)
{
	struct fake_end *end = object;

	assert_false(end->closed);
	end->closed = true;
}

static const struct vsock_end_ops fake_ops = {
	.write = fake_write,
	.read = fake_read,
	.deaf = fake_deaf,
	.shutdown = fake_shutdown,
	.greeting = fake_greeting,
	.close = fake_close,
};

static const struct vsock_end_ops fake_message_ops = {
	.write = fake_write_message,
	.read_message = fake_read_message,
	.deaf = fake_deaf,
	.shutdown = fake_shutdown,
	.greeting = fake_greeting,
	.close = fake_close,
};

static inline struct vsock_end fake_end_of(struct fake *f, unsigned type)
{
	struct fake_end *end = &f->ends[f->n_ends++];

	assert_true(f->n_ends <= FAKE_ENDS);
	end->opened = true;
	return (struct vsock_end){
		.ops = type == VSOCK_TYPE_SEQPACKET ? &fake_message_ops : &fake_ops,
		.object = end,
	};
}

static inline struct vsock_end fake_end(struct fake *f)
{
	return fake_end_of(f, VSOCK_TYPE_STREAM);
}

static inline int fake_open(void *context, uint64_t id, uint32_t port, struct vsock_conn *conn)
{
	struct fake *f = context;

	f->asked++;
	f->id = id;
	f->port = port;
	if (f->refuse)
		return f->refuse;
	if (f->later)
		return 0;
	conn->end = fake_end_of(f, conn->type);
	return 1;
}

static inline struct fake *fake_new_sharing(uint32_t connections_max, uint64_t window_bytes_max)
{
	struct fake *f = calloc(1, sizeof(*f));
	struct vsock_table_config config = {
		.guest_cid = FAKE_CID,
		.connections_max = connections_max,
		.window_bytes_max = window_bytes_max,
		.open = fake_open,
		.context = f,
	};

	assert_non_null(f);
	f->now_ns = TSK_NS_PER_SEC;
	assert_int_equal(vsock_table_new(&config, &f->table), 0);
	return f;
}

static inline struct fake *fake_new(uint32_t connections_max)
{
	return fake_new_sharing(connections_max, UINT64_MAX);
}

/* Every end that was opened must have been closed in the end. */
static inline void fake_free(struct fake *f)
{
	vsock_table_free(f->table);
	for (unsigned i = 0; i < f->n_ends; i++)
		assert_true(f->ends[i].closed);
	free(f);
}

static inline struct vsock_header fake_header(unsigned op, uint32_t guest_port, uint32_t host_port)
{
	return (struct vsock_header){
		.src_cid = FAKE_CID,
		.dst_cid = VSOCK_CID_HOST,
		.src_port = guest_port,
		.dst_port = host_port,
		.type = VSOCK_TYPE_STREAM,
		.op = (uint16_t)op,
		.buf_alloc = 65536,
	};
}

static inline struct vsock_header fake_message_header(unsigned op, uint32_t flags)
{
	struct vsock_header h = fake_header(op, FAKE_PORT, 80);

	h.type = VSOCK_TYPE_SEQPACKET;
	h.flags = flags;
	h.buf_alloc = VSOCK_BUF_ALLOC;
	return h;
}

static inline void fake_packet(struct fake *f, const struct vsock_header *h, const void *bytes)
{
	/* Two pieces, as a guest may well have them. */
	char *p = malloc(h->len + 1);
	struct iovec iov[2] = { { p, h->len / 2 }, { p + h->len / 2, h->len - h->len / 2 } };

	assert_non_null(p);
	if (h->len)
		memcpy(p, bytes, h->len);
	vsock_table_packet(f->table, h, iov, h->len ? 2 : 0, true, f->now_ns);
	free(p);
}

/* Packets of the connection FAKE_PORT → 80, with a guest that has taken nothing yet. */
static inline void fake_send(struct fake *f, unsigned op, uint32_t flags)
{
	struct vsock_header h = fake_header(op, FAKE_PORT, 80);

	h.flags = flags;
	fake_packet(f, &h, "");
}

static inline void fake_send_data(struct fake *f, const void *bytes, uint32_t len)
{
	struct vsock_header h = fake_header(VSOCK_OP_RW, FAKE_PORT, 80);

	h.len = len;
	fake_packet(f, &h, bytes);
}

/* The next packet without payload is this one. */
static inline struct vsock_header fake_expect(struct fake *f, unsigned op)
{
	struct vsock_header h = { 0 };

	assert_true(vsock_table_has_control(f->table));
	assert_true(vsock_table_next_control(f->table, f->now_ns, &h));
	vsock_table_reap(f->table);
	assert_string_equal(vsock_op_name(h.op), vsock_op_name(op));
	assert_true(h.src_cid == VSOCK_CID_HOST && h.dst_cid == FAKE_CID);
	assert_int_equal(h.len, 0);
	return h;
}

static inline void fake_expect_nothing(struct fake *f)
{
	struct vsock_header h;

	vsock_table_reap(f->table);
	assert_false(vsock_table_has_control(f->table));
	assert_false(vsock_table_next_control(f->table, f->now_ns, &h));
}

/* Reads one packet into buf of at most size bytes; false: none is to be had. */
static inline bool fake_data_packet(struct fake *f, char *buf, size_t size,
				    struct vsock_header *ret)
{
	struct vsock_conn *conn = vsock_table_reader(f->table);
	struct iovec iov = { buf, size };
	bool r;

	if (!conn)
		return false;
	if (iov.iov_len > vsock_conn_readable(conn))
		iov.iov_len = vsock_conn_readable(conn);
	r = vsock_conn_read(conn, &iov, 1, ret);
	vsock_table_relink(conn);
	vsock_table_rotate(f->table, conn);
	return r;
}

/* Reads one packet of data into buf of at most size bytes; 0: none is to be had. */
static inline uint32_t fake_data(struct fake *f, char *buf, size_t size, struct vsock_header *ret)
{
	return fake_data_packet(f, buf, size, ret) ? ret->len : 0;
}

static inline void fake_event(struct fake *f, struct vsock_conn *conn, unsigned events)
{
	vsock_table_host_event(conn, events);
	assert_true(vsock_table_run_events(f->table, 64, f->now_ns));
}

/* FAKE_PORT → 80 is open; *ret_end is its end, which takes all. */
static inline struct vsock_conn *fake_connect(struct fake *f, struct fake_end **ret_end)
{
	struct vsock_conn *conn;
	struct vsock_header h;

	fake_send(f, VSOCK_OP_REQUEST, 0);
	h = fake_expect(f, VSOCK_OP_RESPONSE);
	assert_int_equal(h.buf_alloc, VSOCK_BUF_ALLOC);
	/* A new connection is read once, which finds it. */
	conn = vsock_table_reader(f->table);
	assert_non_null(conn);
	*ret_end = &f->ends[f->n_ends - 1];
	(*ret_end)->room = sizeof((*ret_end)->taken);
	return conn;
}

#endif
