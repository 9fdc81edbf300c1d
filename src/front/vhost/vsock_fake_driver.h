/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the test of the device: a driver and a VMM that the test is itself, on rings of its own,
 * and a service on ports 9999 and 8000.
 */
#ifndef VHOST_VSOCK_FAKE_DRIVER_H
#define VHOST_VSOCK_FAKE_DRIVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "front/vhost/backend.h"
#include "front/vhost/iov.h"
#include "front/vhost/vsock_device.h"
#include "front/vhost/vsock_packet.h"

#define CID 3u
#define RING 512u
#define PAUSE_MS 300u

/* A ring as the device sees it: chains are offered at the end, and used ones counted. */
struct vring {
	struct vring_chain chains[RING];
	uint32_t written[RING];
	bool used[RING];
	unsigned offered, popped, flushes, pushed, shown;
	bool kicks, broken, owes;
};

int vring_pop(struct vring *ring, struct vring_chain *ret)
{
	if (ring->broken)
		return -EPROTO;
	if (ring->popped == ring->offered)
		return 0;
	*ret = ring->chains[ring->popped % RING];
	ring->popped++;
	return 1;
}

void vring_unpop(struct vring *ring, unsigned n)
{
	assert_true(n <= ring->popped - ring->pushed);
	ring->popped -= n;
}

void vring_push(struct vring *ring, uint16_t head, uint32_t written)
{
	assert_false(ring->used[head]);
	assert_int_equal(head, ring->chains[ring->pushed % RING].head); /* in order */
	assert_true(written <= ring->chains[head].in_bytes);
	ring->used[head] = true;
	ring->written[head] = written;
	ring->pushed++;
}

/* Called before what was pushed is published. */
static void (*at_flush)(struct vring *ring);

void vring_show(struct vring *ring)
{
	if (at_flush)
		at_flush(ring);
	ring->owes |= ring->shown != ring->pushed;
	ring->shown = ring->pushed;
}

bool vring_owes_signal(struct vring *ring)
{
	return ring->owes;
}

void vring_flush(struct vring *ring)
{
	vring_show(ring);
	ring->owes = false;
	ring->flushes++;
}

bool vring_want_kicks(struct vring *ring, bool on)
{
	ring->kicks = on;
	return on && ring->popped != ring->offered;
}

struct vhost_backend {
	const struct vhost_device_ops *ops;
	void *device;
	int fd;
	unsigned resumed;
};

static struct vhost_backend *vmm;

int vhost_backend_new(uv_loop_t *loop, struct vhost_session *session,
		      const struct vhost_device_ops *ops, void *device, struct vhost_backend **ret)
{
	(void)loop;
	vmm = malloc(sizeof(*vmm));
	assert_non_null(vmm);
	*vmm = (struct vhost_backend){ ops, device, session->fd, 0 };
	*ret = vmm;
	return 0;
}

int vhost_backend_resume(struct vhost_backend *backend)
{
	backend->resumed++;
	return 0;
}

void vhost_backend_stepped(struct vhost_backend *backend, int result)
{
	(void)backend;
	(void)result;
}

void vhost_session_close(struct vhost_session *session)
{
	close(session->fd);
}

void vhost_backend_free(struct vhost_backend *backend)
{
	if (!backend)
		return;
	backend->ops->stopped(backend->device, 0);
	backend->ops->stopped(backend->device, 1);
	close(backend->fd);
	free(backend);
	vmm = NULL;
}

/*
 * The service: echoes, through a window of 1000 bytes; after "bye" it wants to be closed.  One
 * that rouses another makes it say "up" whenever it receives something itself.
 */
struct echo {
	struct stream_host *host;
	struct echo *rouses;
	char bytes[1000];
	size_t len;
	bool ended, finished;
};

static unsigned n_echoes;
static struct echo *last_echo;
static bool service_is_full;

static void *echo_open(void *context, struct stream_host *host)
{
	(void)context;
	if (service_is_full)
		return NULL;
	last_echo = calloc(1, sizeof(*last_echo));
	assert_non_null(last_echo);
	last_echo->host = host;
	n_echoes++;
	return last_echo;
}

static size_t echo_window(void *stream, void **ret_buf)
{
	struct echo *e = stream;

	*ret_buf = e->bytes + e->len;
	return e->finished ? 0 : sizeof(e->bytes) - e->len;
}

static void echo_received(void *stream, size_t n)
{
	struct echo *e = stream;

	e->len += n;
	assert_true(e->len <= sizeof(e->bytes));
	if (e->len >= 3 && memcmp(e->bytes + e->len - 3, "bye", 3) == 0)
		e->finished = true;
	if (e->rouses) {
		memcpy(e->rouses->bytes, "up", 2);
		e->rouses->len = 2;
		e->rouses->host->wake(e->rouses->host);
	}
}

static void echo_ended(void *stream)
{
	struct echo *e = stream;

	assert_false(e->ended);
	e->ended = e->finished = true;
}

static size_t echo_output(void *stream, const void **ret_buf)
{
	struct echo *e = stream;

	*ret_buf = e->bytes;
	return e->len;
}

static void echo_sent(void *stream, size_t n)
{
	struct echo *e = stream;

	e->len -= n;
	memmove(e->bytes, e->bytes + n, e->len);
}

static bool echo_finished(void *stream)
{
	return ((struct echo *)stream)->finished;
}

static void echo_close(void *stream)
{
	n_echoes--;
	free(stream);
}

static const struct stream_ops echo_ops = {
	.window = echo_window,
	.received = echo_received,
	.ended = echo_ended,
	.output = echo_output,
	.sent = echo_sent,
	.finished = echo_finished,
	.close = echo_close,
};

struct fixture {
	unsigned sessions_ended;
	uv_loop_t loop;
	struct vsock_device *device;
	struct vring *rx, *tx;
	unsigned seen; /* chains of rx that the test has looked at */
	uint64_t id;
	uint32_t port;
	int type;
	unsigned asked;
	char *memory; /* the guest's, for what it sends and receives */
	size_t memory_used;
};

#define MEMORY (16u << 20)

static int ask(void *context, uint64_t id, uint32_t port, int type)
{
	struct fixture *f = context;

	f->id = id;
	f->port = port;
	f->type = type;
	f->asked++;
	return 0;
}

/* The same driver's queues run again: they have all that they had. */
static inline void start_again(struct fixture *f, enum vhost_begin rx, enum vhost_begin tx)
{
	vmm->ops->started(vmm->device, 0, f->rx, rx);
	vmm->ops->kicked(vmm->device, 0);
	vmm->ops->started(vmm->device, 1, f->tx, tx);
	vmm->ops->kicked(vmm->device, 1);
}

static void start(struct fixture *f)
{
	f->rx = calloc(1, sizeof(*f->rx));
	f->tx = calloc(1, sizeof(*f->tx));
	assert_true(f->rx && f->tx);
	f->seen = 0;
	start_again(f, VHOST_BEGINS_ANEW, VHOST_BEGINS_ANEW);
}

/* The queues stop, and the driver may be the same afterwards. */
static inline void halt(struct fixture *f)
{
	(void)f;
	vmm->ops->stopped(vmm->device, 0);
	vmm->ops->stopped(vmm->device, 1);
}

static inline void stop(struct fixture *f)
{
	halt(f);
	free(f->rx);
	free(f->tx);
	f->rx = f->tx = NULL;
}

/* A VMM comes, or comes again to a device that goes on with its session. */
static int attach(struct fixture *f, bool goes_on, struct ledger *ledger)
{
	struct vhost_session session = { .fd = dup(0), .state_bytes = goes_on, .ledger = ledger };

	return vsock_device_attach(f->device, &session);
}

static void on_session_ended(void *context)
{
	struct fixture *f = context;

	f->sessions_ended++;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct vsock_device_config config = {
		.guest_cid = CID,
		.connections_max = 8,
		.window_bytes_max = UINT64_MAX,
		.pause_ms = PAUSE_MS,
		.service = { .ops = &echo_ops, .open = echo_open },
		.ports = { 9999, 8000 },
		.connect = ask,
		.connect_context = f,
		.ended = on_session_ended,
		.ended_context = f,
	};

	assert_non_null(f);
	f->memory = malloc(MEMORY);
	assert_non_null(f->memory);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(vsock_device_new(&f->loop, &config, &f->device), 0);
	assert_int_equal(attach(f, false, NULL), 0);
	service_is_full = false;
	start(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	vsock_device_free(f->device);
	assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	assert_int_equal(n_echoes, 0);
	free(f->rx);
	free(f->tx);
	free(f->memory);
	free(f);
	return 0;
}

static void turn(struct fixture *f)
{
	for (unsigned i = 0; i < 4; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void *guest_memory_take(struct fixture *f, size_t len)
{
	char *p = f->memory + f->memory_used;

	if (MEMORY - f->memory_used < len) {
		f->memory_used = 0;
		p = f->memory;
	}
	f->memory_used += len;
	return p;
}

static struct vring_chain *offer(struct vring *ring)
{
	struct vring_chain *chain = &ring->chains[ring->offered % RING];

	assert_true(ring->offered - ring->popped < RING);
	memset(chain, 0, sizeof(*chain));
	chain->head = (uint16_t)(ring->offered % RING);
	ring->used[chain->head] = false;
	return chain;
}

static void kick(struct vring *ring, unsigned q)
{
	ring->offered++;
	if (ring->kicks)
		vmm->ops->kicked(vmm->device, q);
}

/* Offers n buffers of len bytes, each in pieces of at most `piece` bytes. */
static void offer_rx(struct fixture *f, unsigned n, size_t len, size_t piece)
{
	while (n--) {
		struct vring_chain *chain = offer(f->rx);
		char *p = guest_memory_take(f, len);

		for (size_t done = 0; done < len; done += piece) {
			size_t part = len - done < piece ? len - done : piece;

			assert_true(chain->n_in < VRING_IOV_MAX);
			chain->iov[chain->n_in++] = (struct iovec){ p + done, part };
		}
		chain->in_bytes = len;
		kick(f->rx, 0);
	}
}

static struct vsock_header packet(unsigned op, uint32_t guest_port, uint32_t host_port)
{
	return (struct vsock_header){
		.src_cid = CID,
		.dst_cid = VSOCK_CID_HOST,
		.src_port = guest_port,
		.dst_port = host_port,
		.type = VSOCK_TYPE_STREAM,
		.op = (uint16_t)op,
		.buf_alloc = 1u << 20,
	};
}

/* Sends a packet whose chain is cut after `first` bytes, and then every `piece` bytes. */
static void send_cut(struct fixture *f, const struct vsock_header *h, const void *bytes, size_t len,
		     size_t first, size_t piece)
{
	struct vring_chain *chain = offer(f->tx);
	size_t total = VSOCK_HEADER_BYTES + len, part = first;
	unsigned char *p = guest_memory_take(f, total);

	vsock_header_encode(h, p);
	if (len)
		memcpy(p + VSOCK_HEADER_BYTES, bytes, len);
	for (size_t done = 0; done < total; done += part, part = piece) {
		if (part > total - done)
			part = total - done;
		assert_true(chain->n_out < VRING_IOV_MAX);
		chain->iov[chain->n_out++] = (struct iovec){ p + done, part };
	}
	chain->out_bytes = total;
	kick(f->tx, 1);
}

static void send_packet(struct fixture *f, const struct vsock_header *h, const void *bytes)
{
	send_cut(f, h, bytes, h->len, VSOCK_HEADER_BYTES, VSOCK_PAYLOAD_MAX);
}

static void send_op(struct fixture *f, unsigned op, uint32_t guest_port, uint32_t host_port,
		    uint32_t flags)
{
	struct vsock_header h = packet(op, guest_port, host_port);

	h.flags = flags;
	send_packet(f, &h, "");
}

static inline void send_data(struct fixture *f, uint32_t guest_port, uint32_t host_port,
			     const void *bytes, size_t len)
{
	struct vsock_header h = packet(VSOCK_OP_RW, guest_port, host_port);

	h.len = (uint32_t)len;
	send_packet(f, &h, bytes);
}

/* The next packet that the device has handed over so far, false if there is none. */
static bool take(struct fixture *f, struct vsock_header *ret, void *bytes, size_t size)
{
	unsigned char header[VSOCK_HEADER_BYTES];
	const struct vring_chain *chain = &f->rx->chains[f->seen % RING];
	struct iovec iov[VRING_IOV_MAX];
	size_t len;
	unsigned n;

	if (f->seen == f->rx->offered || !f->rx->used[f->seen % RING])
		return false;
	f->seen++;
	assert_true(f->rx->written[chain->head] >= VSOCK_HEADER_BYTES);
	assert_int_equal(iov_get(chain->iov, chain->n_in, header, sizeof(header)), sizeof(header));
	vsock_header_decode(header, ret);
	assert_int_equal(f->rx->written[chain->head], VSOCK_HEADER_BYTES + ret->len);
	n = iov_cut(chain->iov, chain->n_in, VSOCK_HEADER_BYTES, ret->len, iov, &len);
	assert_true(len <= size);
	iov_get(iov, n, bytes, len);
	return true;
}

/* The same after some turns. */
static bool receive(struct fixture *f, struct vsock_header *ret, void *bytes, size_t size)
{
	turn(f);
	return take(f, ret, bytes, size);
}

static struct vsock_header expect(struct fixture *f, unsigned op)
{
	struct vsock_header h;

	assert_true(receive(f, &h, NULL, 0));
	assert_string_equal(vsock_op_name(h.op), vsock_op_name(op));
	return h;
}

static inline void expect_nothing(struct fixture *f)
{
	struct vsock_header h;

	assert_false(receive(f, &h, NULL, 0));
}

static inline void expect_data(struct fixture *f, const void *bytes, size_t len)
{
	char buf[70000];
	size_t done = 0;

	while (done < len) {
		struct vsock_header h;

		assert_true(receive(f, &h, buf + done, sizeof(buf) - done));
		if (h.op == VSOCK_OP_CREDIT_UPDATE)
			continue;
		assert_int_equal(h.op, VSOCK_OP_RW);
		done += h.len;
	}
	assert_int_equal(done, len);
	assert_memory_equal(buf, bytes, len);
}

/* Connects guest_port to host port 80; returns the host program's end. */
static int connect_unix(struct fixture *f, uint32_t guest_port)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	send_op(f, VSOCK_OP_REQUEST, guest_port, 80, 0);
	turn(f);
	assert_int_equal(f->port, 80);
	vsock_device_connected(f->device, f->id, 0, fds[0]);
	expect(f, VSOCK_OP_RESPONSE);
	return fds[1];
}

#endif
