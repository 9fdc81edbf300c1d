/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any sequence of packets, host events and times through the whole device but its I/O.  Checked all
 * along: ends are closed exactly once, counts and buffers keep their bounds, a guest is never sent
 * more than it has allowed, and no packet goes out that it would not understand.
 */
#include "front/vhost/vsock_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "front/vhost/iov.h"

#define CID 3u
#define CONNECTIONS_MAX 6u
#define WINDOW_BYTES_MAX 500000u /* two wide windows */
#define ENDS_MAX 256u
#define STEPS_MAX 2000u

struct end {
	size_t room, n_give;
	size_t message; /* bytes left of the message that has begun to be given; 0: none has */
	int write_error, read_error, greeting;
	bool ended, deaf, closed, gives_empty;
	unsigned shut;
	struct vsock_conn *conn;
};

static struct {
	struct vsock_table *table;
	struct end ends[ENDS_MAX];
	unsigned n_ends;
	uint64_t ids[ENDS_MAX]; /* of unanswered opens */
	unsigned n_ids;
	uint64_t now_ns;
	unsigned how_to_open;
} f;

static unsigned char bytes[VSOCK_PAYLOAD_MAX];

/* Which bucket is whose: the same for the same input.  The linker leads the table's call here. */
ssize_t __wrap_getrandom(void *buf, size_t n, unsigned flags);

ssize_t __wrap_getrandom(void *buf, size_t n, unsigned flags)
{
	(void)flags;
	memset(buf, 7, n);
	return (ssize_t)n;
}

static void check(bool ok)
{
	if (!ok)
		abort();
}

static ssize_t end_write(void *object, const struct iovec *iov, unsigned n)
{
	struct end *end = object;
	size_t got = iov_get(iov, n, bytes, end->room < sizeof(bytes) ? end->room : sizeof(bytes));

	check(!end->closed);
	end->room -= got;
	if (got)
		return (ssize_t)got;
	return end->write_error ? end->write_error : -EAGAIN;
}

static ssize_t end_read(void *object, const struct iovec *iov, unsigned n)
{
	struct end *end = object;
	size_t got =
		iov_put(iov, n, bytes, end->n_give < sizeof(bytes) ? end->n_give : sizeof(bytes));

	check(!end->closed);
	end->n_give -= got;
	if (got)
		return (ssize_t)got;
	return end->read_error ? end->read_error : end->ended ? 0 : -EAGAIN;
}

/* Takes a message whole, or not. */
static ssize_t end_write_message(void *object, const struct iovec *iov, unsigned n)
{
	struct end *end = object;
	size_t len = 0;

	check(!end->closed);
	for (unsigned i = 0; i < n; i++)
		len += iov[i].iov_len;
	check(len <= VSOCK_MESSAGE_MAX);
	if (len > end->room || end->write_error)
		return end->write_error ? end->write_error : -EAGAIN;
	end->room -= len;
	return (ssize_t)len;
}

/* Gives what there is as one message; an empty one now and then. */
static ssize_t end_read_message(void *object, const struct iovec *iov, unsigned n, size_t max_bytes,
				bool *ret_ends)
{
	struct end *end = object;
	size_t got;

	check(!end->closed);
	if (!end->message && !end->n_give && !end->gives_empty)
		return end->read_error ? end->read_error : end->ended ? -ESHUTDOWN : -EAGAIN;
	end->gives_empty = false;
	if (!end->message) {
		end->message = end->n_give;
		end->n_give = 0;
	}
	if (end->message > max_bytes)
		return -EMSGSIZE;
	got = iov_put(iov, n, bytes, end->message < sizeof(bytes) ? end->message : sizeof(bytes));
	end->message -= got;
	*ret_ends = end->message == 0;
	return (ssize_t)got;
}

static bool end_deaf(void *object)
{
	check(!((struct end *)object)->closed);
	return ((struct end *)object)->deaf;
}

static void end_shutdown(void *object, unsigned flags)
{
	struct end *end = object;

	check(!end->closed && !(end->shut & flags));
	end->shut |= flags;
}

static int end_greeting(void *object, uint32_t *ret_port)
{
	struct end *end = object;

	check(!end->closed);
	*ret_port = 1;
	return end->greeting;
}

static void end_close(void *object)
{
	struct end *end = object;

	check(!end->closed);
	end->closed = true;
}

static const struct vsock_end_ops socket_like = {
	.write = end_write,
	.read = end_read,
	.deaf = end_deaf,
	.shutdown = end_shutdown,
	.greeting = end_greeting,
	.close = end_close,
};

static const struct vsock_end_ops seqpacket_like = {
	.write = end_write_message,
	.read_message = end_read_message,
	.deaf = end_deaf,
	.shutdown = end_shutdown,
	.greeting = end_greeting,
	.close = end_close,
};

static const struct vsock_end_ops stream_like = {
	.write = end_write,
	.read = end_read,
	.deaf = end_deaf,
	.shutdown = end_shutdown,
	.close = end_close,
	.talks_back = true,
};

static bool end_new(struct vsock_conn *conn, const struct vsock_end_ops *ops)
{
	bool is_seqpacket = conn->type == VSOCK_TYPE_SEQPACKET;
	struct end *end = &f.ends[f.n_ends];

	if (f.n_ends == ENDS_MAX)
		return false;
	f.n_ends++;
	end->room = 100;
	end->conn = conn;
	conn->end =
		(struct vsock_end){ .ops = is_seqpacket ? &seqpacket_like : ops, .object = end };
	return true;
}

static int open_end(void *context, uint64_t id, uint32_t port, struct vsock_conn *conn)
{
	(void)context;
	(void)port;
	switch (f.how_to_open % 3) {
	case 0:
		return end_new(conn, &stream_like) ? 1 : -ECONNREFUSED;
	case 1:
		if (f.n_ids == ENDS_MAX)
			return -ECONNREFUSED;
		f.ids[f.n_ids++] = id;
		return 0;
	default:
		return -ECONNREFUSED;
	}
}

static void packet(struct tsk_reader *r)
{
	struct vsock_header h = {
		.src_cid = CID,
		.dst_cid = VSOCK_CID_HOST,
		.type = VSOCK_TYPE_STREAM,
		.buf_alloc = 65536,
	};
	unsigned odd = tsk_read_u8(r);
	struct iovec iov = { bytes, 0 };

	h.op = tsk_read_u8(r) % 10;
	h.src_port = tsk_read_u8(r) % 4;
	h.dst_port = tsk_read_u8(r) % 8;
	if (h.dst_port >= 4)
		h.dst_port = VSOCK_HOST_PORT_MIN + h.dst_port - 4;
	h.flags = tsk_read_u8(r);
	h.len = tsk_read_u16(r);
	if (odd & 1)
		h.fwd_cnt = tsk_read_u32(r);
	if (odd & 2)
		h.buf_alloc = tsk_read_u32(r);
	if (odd & 4)
		h.type = tsk_read_u16(r);
	if (odd & 8)
		h.src_cid = tsk_read_u8(r);
	if (odd & 16)
		f.how_to_open++;
	if (odd & 64)
		h.type = VSOCK_TYPE_SEQPACKET;
	iov.iov_len = h.len;
	if (!vsock_table_is_full(f.table))
		vsock_table_packet(f.table, &h, &iov, h.len > 0, !(odd & 32), f.now_ns);
}

static void take_control(void)
{
	struct vsock_header h;
	bool has = vsock_table_has_control(f.table);

	check(vsock_table_next_control(f.table, f.now_ns, &h) == has);
	if (!has)
		return;
	check(h.op >= VSOCK_OP_REQUEST && h.op < VSOCK_OP_MAX && h.op != VSOCK_OP_RW);
	check(h.src_cid == VSOCK_CID_HOST && h.dst_cid == CID && h.len == 0);
	check(h.type == VSOCK_TYPE_STREAM || h.type == VSOCK_TYPE_SEQPACKET);
	check((h.flags != 0) == (h.op == VSOCK_OP_SHUTDOWN));
	check(h.flags <= VSOCK_SHUTDOWN_BOTH);
}

static void take_data(size_t size)
{
	struct vsock_conn *conn = vsock_table_reader(f.table);
	struct iovec iov = { bytes, size ? size : 1 };
	struct vsock_header h;
	bool in_message, has;
	uint32_t left;

	/* The device gives control packets first. */
	if (!conn || vsock_table_has_control(f.table))
		return;
	left = vsock_credit_left(&conn->credit);
	check(left > 0 && vsock_conn_readable(conn) <= left);
	if (iov.iov_len > vsock_conn_readable(conn))
		iov.iov_len = vsock_conn_readable(conn);
	in_message = conn->in_message;
	has = vsock_conn_read(conn, &iov, 1, &h);
	check(!has || (h.op == VSOCK_OP_RW && h.len <= iov.iov_len && h.type == conn->type));
	if (has && h.type == VSOCK_TYPE_STREAM)
		check(h.flags == 0 && h.len > 0);
	else if (has) /* nothing is empty but a whole message */
		check(h.flags <= VSOCK_SEQ_EOM && (h.len > 0 || (h.flags && !in_message)));
	vsock_table_relink(conn);
	vsock_table_rotate(f.table, conn);
}

static void host(struct tsk_reader *r)
{
	static const int errors[] = { 0, 0, 0, 0, 0, -EPIPE, -ECONNRESET, -EIO };
	struct end *end = f.n_ends ? &f.ends[tsk_read_u8(r) % f.n_ends] : NULL;
	unsigned how = tsk_read_u8(r);

	if (!end || end->closed)
		return;
	end->room = (size_t)tsk_read_u8(r) * 1000;
	end->n_give = (size_t)tsk_read_u8(r) * 1000;
	end->ended |= (how & 1) != 0;
	end->deaf |= (how & 2) != 0;
	end->greeting = (how & 4) ? 1 : (how & 8) ? -EBADMSG : 0;
	end->gives_empty = (how & 12) == 12;
	end->write_error = errors[(how >> 4) % 8];
	end->read_error = errors[(how >> 5) % 8];
	vsock_table_host_event(end->conn, 1 + tsk_read_u8(r) % 3);
}

static void answer(unsigned which, unsigned result)
{
	struct vsock_conn *conn;
	struct vsock_end end = { 0 };

	if (f.n_ids == 0)
		return;
	which %= f.n_ids;
	conn = vsock_table_waiting(f.table, f.ids[which]);
	f.ids[which] = f.ids[--f.n_ids];
	check(conn);
	if (result % 3 == 0 && end_new(conn, &socket_like))
		end = conn->end;
	vsock_table_connected(conn,
			      end.ops           ? 0
			      : result % 3 == 1 ? -EAGAIN
						: -ENOENT,
			      end, f.now_ns);
}

static void greet(enum vsock_type type)
{
	struct vsock_conn *conn = vsock_table_greet(f.table, type, f.now_ns);

	if (conn && !end_new(conn, &socket_like)) {
		vsock_conn_kill(conn);
		vsock_table_relink(conn);
	}
}

static void step(struct tsk_reader *r)
{
	unsigned what = tsk_read_u8(r);

	switch (what % 16) {
	default:
		packet(r);
		break;
	case 8:
		take_control();
		break;
	case 9:
		take_data(tsk_read_u16(r));
		break;
	case 10:
		host(r);
		break;
	case 11:
		vsock_table_run_events(f.table, tsk_read_u8(r), f.now_ns);
		break;
	case 12:
		answer(tsk_read_u8(r), tsk_read_u8(r));
		break;
	case 13:
		greet(what & 128 ? VSOCK_TYPE_SEQPACKET : VSOCK_TYPE_STREAM);
		break;
	case 14:
		f.now_ns += tsk_read_u8(r) * 40 * TSK_NS_PER_MS;
		vsock_table_expire(f.table, f.now_ns);
		check(vsock_table_deadline_ns(f.table) > f.now_ns);
		break;
	case 15:
		if (what & 128)
			vsock_table_set_seqpacket(f.table, what & 64);
		else if (tsk_read_u8(r) % 16 == 0)
			vsock_table_stop(f.table);
		else
			vsock_table_reap(f.table);
	}
}

static void check_bounds(void)
{
	size_t held = 0;

	check(vsock_table_connections(f.table) <= CONNECTIONS_MAX);
	for (unsigned i = 0; i < f.n_ends; i++) {
		const struct vsock_conn *conn = f.ends[i].conn;

		if (f.ends[i].closed)
			continue;
		held += conn->buffer.size;
		check(conn->buffer.len <= VSOCK_BUF_ALLOC);
		check(conn->messages.bytes.len <= VSOCK_BUF_ALLOC);
		check(conn->messages.lengths.len <= VSOCK_MESSAGE_MAX);
		check(conn->messages.begun <= conn->messages.bytes.len);
		check((uint32_t)conn->window.older + conn->window.newer <= VSOCK_WINDOW_MAX);
	}
	check(held <= WINDOW_BYTES_MAX + CONNECTIONS_MAX * VSOCK_BUF_ALLOC_MIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vsock_table_config config = {
		.guest_cid = CID,
		.connections_max = CONNECTIONS_MAX,
		.window_bytes_max = WINDOW_BYTES_MAX,
		.open = open_end,
	};
	struct tsk_reader r = tsk_reader(data, size);

	memset(&f, 0, sizeof(f));
	f.now_ns = TSK_NS_PER_SEC;
	if (vsock_table_new(&config, &f.table) < 0)
		return 0;
	vsock_table_set_seqpacket(f.table, true);
	for (unsigned i = 0; i < STEPS_MAX && tsk_reader_left(&r); i++) {
		step(&r);
		check_bounds();
	}
	if (size % 2)
		vsock_table_clear(f.table);
	vsock_table_free(f.table);
	for (unsigned i = 0; i < f.n_ends; i++)
		check(f.ends[i].closed);
	return 0;
}
