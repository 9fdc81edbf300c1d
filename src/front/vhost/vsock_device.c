/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_device.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "front/vhost/iov.h"
#include "front/vhost/vsock_batch.h"
#include "front/vhost/vsock_hold.h"
#include "front/vhost/vsock_packet.h"
#include "front/vhost/vsock_pause.h"
#include "front/vhost/vsock_seqpacket.h"
#include "front/vhost/vsock_socket.h"
#include "front/vhost/vsock_stream.h"
#include "front/vhost/vsock_table.h"

#define VIRTIO_VSOCK_F_SEQPACKET (UINT64_C(1) << 1)

/* Work of one turn of the loop, so that the rest of the process gets its share. */
#define TX_PACKETS_A_TURN 16u
#define RX_PACKETS_A_TURN 64u
#define EVENTS_A_TURN 64u
#define BURST_BESIDE_OTHERS 4u /* packets to one connection in a row while others wait */

enum queue {
	QUEUE_RX = 0, /* named as the driver sees them: rx is to the guest */
	QUEUE_TX = 1,
	QUEUE_EVENT = 2, /* QEMU keeps it for itself; other VMMs hand it over */
};

/* VIRTIO 1.2 §5.10.6.7: all connections are gone.  le32 id */
static const unsigned char transport_reset[4] = { 0 };

struct vsock_device {
	struct vsock_device_config config;
	uv_loop_t *loop;
	struct vsock_table *table;
	struct vhost_backend *backend; /* NULL: no VMM */
	struct ledger *ledger;
	struct vring *rx, *tx; /* NULL: not started */
	struct vsock_pause pause;
	bool tx_waits;          /* for answers to be taken by the guest */
	struct vsock_hold hold; /* of the signal for tx */
	unsigned burst;         /* chains for the next read */
	struct vring *event;
	bool reset_is_due; /* the guest is to hear of a front that died */

	/*
	 * The Unix sockets are watched through an epoll set of our own: libuv has no edge-triggered
	 * watching, without which a peer's SHUT_RD goes unseen.
	 */
	int epoll_fd;
	uv_poll_t poll;   /* of epoll_fd */
	uv_timer_t timer; /* fires at timer_ns, VSOCK_NEVER_NS: is not armed */
	uint64_t timer_ns;
	uv_idle_t idle; /* active: there is work left for the next turn */
	unsigned n_handles;
};

/* How many chains the next read of conn may fill. */
static unsigned chains_for(const struct vsock_device *device, const struct vsock_conn *conn)
{
	/* Each packet of a message is marked as what it is of it. */
	if (conn->type == VSOCK_TYPE_SEQPACKET)
		return 1;
	if (device->burst > BURST_BESIDE_OTHERS && !vsock_table_reader_is_alone(device->table))
		return BURST_BESIDE_OTHERS;
	return device->burst;
}

/* Reads bytes of one connection into chains[0] and such as follow it.  Returns how many are packets. */
static unsigned hand_over_data(struct vsock_device *device, struct vsock_batch *batch)
{
	struct vsock_conn *conn = vsock_table_reader(device->table);
	bool is_message = conn->type == VSOCK_TYPE_SEQPACKET;
	struct vsock_header header;
	bool read;

	if (!vsock_batch_fill(batch, device->rx, chains_for(device, conn),
			      vsock_conn_readable(conn))) {
		vring_push(device->rx, batch->chains[0].head, 0);
		return 1;
	}
	read = vsock_conn_read(conn, batch->iov, batch->n_iov, &header);
	vsock_table_relink(conn);
	vsock_table_rotate(device->table, conn);
	/* Where there is little to read, few chains are popped in vain. */
	if (!read || header.len < batch->room)
		device->burst = 1;
	else if (device->burst < VSOCK_BATCH_MAX)
		device->burst *= 4;
	if (!read) {
		vring_unpop(device->rx, batch->n);
		return 0;
	}
	vsock_table_address(device->table, &header);
	if (!is_message)
		return vsock_batch_give(batch, device->rx, &header, header.len);
	vsock_batch_give_one(device->rx, &batch->chains[0], &header); /* may be empty */
	return 1;
}

/* Gives the guest what there is for it.  True: there is more, and perhaps room for it. */
static bool pump_rx(struct vsock_device *device, uint64_t now_ns)
{
	struct vsock_table *table = device->table;

	vring_want_kicks(device->rx, false);
	for (unsigned n = 0; n < RX_PACKETS_A_TURN; n++) {
		struct vsock_batch batch;
		struct vring_chain *chain = &batch.chains[0];
		struct vsock_header header;
		int r;

		if (!vsock_table_has_control(table) && !vsock_table_reader(table))
			return false;
		r = vring_pop(device->rx, chain);
		if (r < 0 || (r == 0 && !vring_want_kicks(device->rx, true)))
			return false;
		if (r == 0)
			continue;
		if (chain->in_bytes < VSOCK_HEADER_BYTES)
			vring_push(device->rx, chain->head, 0);
		else if (vsock_table_next_control(table, now_ns, &header))
			vsock_batch_give_one(device->rx, chain, &header);
		else
			n += hand_over_data(device, &batch);
	}
	return vsock_table_has_control(table) || vsock_table_reader(table);
}

/*
 * Says on the event queue that the connections of the front before are gone: Linux gives their
 * programs ECONNRESET then, while an RST reads as the end of the stream.
 */
static void tell_reset(struct vsock_device *device)
{
	struct vring_chain chain;

	if (!device->reset_is_due || !device->event || vring_pop(device->event, &chain) <= 0)
		return;
	if (iov_put(chain.iov + chain.n_out, chain.n_in, transport_reset,
		    sizeof(transport_reset)) == sizeof(transport_reset)) {
		vring_push(device->event, chain.head, sizeof(transport_reset));
		device->reset_is_due = false;
	} else {
		vring_push(device->event, chain.head, 0);
	}
	vring_flush(device->event);
}

static void take_packet(struct vsock_device *device, const struct vring_chain *chain,
			uint64_t now_ns)
{
	unsigned char bytes[VSOCK_HEADER_BYTES];
	struct iovec iov[VRING_IOV_MAX];
	struct vsock_header header;
	unsigned n;
	size_t len;

	/* Without a header there is nobody to answer. */
	if (iov_get(chain->iov, chain->n_out, bytes, sizeof(bytes)) < sizeof(bytes))
		return;
	vsock_header_decode(bytes, &header);
	n = iov_cut(chain->iov, chain->n_out, VSOCK_HEADER_BYTES, header.len, iov, &len);
	vsock_table_packet(device->table, &header, iov, n,
			   header.len <= VSOCK_PAYLOAD_MAX && len == header.len, now_ns);
}

/* Takes what the guest has sent.  True: there may be more. */
static bool pump_tx(struct vsock_device *device, uint64_t now_ns)
{
	vring_want_kicks(device->tx, false);
	for (unsigned i = 0; i < TX_PACKETS_A_TURN; i++) {
		struct vring_chain chain;
		int r;

		device->tx_waits = vsock_table_is_full(device->table);
		if (device->tx_waits)
			return false;
		r = vring_pop(device->tx, &chain);
		if (r < 0 || (r == 0 && !vring_want_kicks(device->tx, true)))
			return false;
		if (r == 0)
			continue;
		take_packet(device, &chain, now_ns);
		vring_push(device->tx, chain.head, 0);
		vsock_hold_add(&device->hold, chain.n_out + chain.n_in);
	}
	return true;
}

/* The time that connections know. */
static uint64_t time_ns(const struct vsock_device *device)
{
	return vsock_pause_time_ns(&device->pause, tsk_now_ns());
}

static void on_idle(uv_idle_t *idle);
static void on_timer(uv_timer_t *timer);

static void schedule(void *context)
{
	struct vsock_device *device = context;

	uv_idle_start(&device->idle, on_idle);
}

static void arm_timer(struct vsock_device *device, uint64_t now_ns)
{
	uint64_t deadline_ns = vsock_table_deadline_ns(device->table), wait_ns;
	uint64_t hold_ns = vsock_hold_deadline_ns(&device->hold);

	if (hold_ns < deadline_ns)
		deadline_ns = hold_ns;
	if (deadline_ns == device->timer_ns)
		return;
	device->timer_ns = deadline_ns;
	if (deadline_ns == VSOCK_NEVER_NS) {
		uv_timer_stop(&device->timer);
		return;
	}
	wait_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	uv_timer_start(&device->timer, on_timer, wait_ns / TSK_NS_PER_MS + 1, 0);
}

/* ---- pauses ---- */

static void end_pause(struct vsock_device *device)
{
	vsock_pause_end(&device->pause, tsk_now_ns());
	uv_timer_stop(&device->timer);
	device->timer_ns = VSOCK_NEVER_NS;
}

/* The driver that knew of the connections is gone for good. */
static void lose_driver(struct vsock_device *device)
{
	end_pause(device);
	device->reset_is_due = false;
	vsock_table_stop(device->table);
}

/* It may only be paused for long, but nobody can know that. */
static void give_driver_up(struct vsock_device *device)
{
	unsigned n = vsock_table_connections(device->table);

	if (n)
		tsk_warning("vsock: the queues have not been started for %u ms: "
			    "%u connections are reset",
			    device->config.pause_ms, n);
	lose_driver(device);
}

static void begin_pause(struct vsock_device *device)
{
	vsock_pause_begin(&device->pause, tsk_now_ns());
	device->timer_ns = VSOCK_NEVER_NS;
	uv_timer_start(&device->timer, on_timer, device->config.pause_ms, 0);
}

/* Queue q runs again. */
static void queue_is_back(struct vsock_device *device, unsigned q, enum vhost_begin begin)
{
	bool both = device->rx && device->tx;

	switch (vsock_pause_started(&device->pause, q, begin, both)) {
	case VSOCK_PAUSE_OPEN:
		break;
	case VSOCK_PAUSE_OVER:
		end_pause(device);
		break;
	case VSOCK_PAUSE_NEW:
		lose_driver(device);
		break;
	}
}

/* ---- turns ---- */

/* Notes what has become of the sockets. */
static void look_at_sockets(struct vsock_device *device)
{
	struct epoll_event ready[EVENTS_A_TURN];
	int n = epoll_wait(device->epoll_fd, ready, EVENTS_A_TURN, 0);

	for (int i = 0; i < n; i++)
		vsock_table_host_event(ready[i].data.ptr, vsock_socket_events(ready[i].events));
}

/* Gives the chains back. */
static void give_back(struct vsock_device *device, uint64_t now_ns)
{
	vring_flush(device->rx);
	if (!vring_owes_signal(device->tx))
		vsock_hold_drop(&device->hold);
	else if (!vsock_hold_waits(&device->hold, now_ns))
		vring_flush(device->tx);
}

/* One turn: everything that happens to connections and queues happens in here. */
static void pump(struct vsock_device *device)
{
	uint64_t now_ns = time_ns(device);
	bool more;

	/* First, not last: what a stream schedules from within its calls must stand. */
	uv_idle_stop(&device->idle);
	if (device->pause.on) {
		look_at_sockets(device); /* what they have become waits for the guest */
		return;
	}
	vsock_table_expire(device->table, now_ns);
	/* Whatever this turn is for: a socket's end must not be overtaken by bytes of a later one. */
	look_at_sockets(device);
	more = !vsock_table_run_events(device->table, EVENTS_A_TURN, now_ns);
	tell_reset(device);
	if (device->rx && device->tx) {
		if (!vring_owes_signal(device->tx))
			vsock_hold_drop(&device->hold);
		more |= pump_tx(device, now_ns);
		/* Questions before answers: what a dead front had answered is never asked again. */
		vring_show(device->tx);
		more |= pump_rx(device, now_ns);
		more |= device->tx_waits && !vsock_table_is_full(device->table);
		give_back(device, now_ns);
	}
	vsock_table_reap(device->table);
	arm_timer(device, now_ns);
	if (more)
		schedule(device);
}

static void on_idle(uv_idle_t *idle)
{
	pump(idle->data);
}

static void on_timer(uv_timer_t *timer)
{
	struct vsock_device *device = timer->data;

	device->timer_ns = VSOCK_NEVER_NS;
	if (device->pause.on)
		give_driver_up(device);
	pump(device);
}

static void on_sockets(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	pump(poll->data);
}

static void device_config(void *context, uint32_t offset, void *ret, uint32_t len)
{
	struct vsock_device *device = context;
	unsigned char *bytes = ret;

	/* struct virtio_vsock_config: le64 guest_cid */
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)(offset < 8 && i < 8 - offset
						   ? device->config.guest_cid >> 8 * (offset + i)
						   : 0);
}

static void device_acknowledged(void *context, uint64_t features)
{
	struct vsock_device *device = context;

	vsock_table_set_seqpacket(device->table, features & VIRTIO_VSOCK_F_SEQPACKET);
}

static void device_started(void *context, unsigned q, struct vring *ring, enum vhost_begin begin)
{
	struct vsock_device *device = context;

	if (q == QUEUE_RX) {
		device->rx = ring;
	} else if (q == QUEUE_TX) {
		device->tx = ring;
		/* The first signal, for which nothing is known of the driver, is given at once. */
		device->hold = (struct vsock_hold){ .pause = 1 };
	} else {
		device->event = ring;
		return;
	}
	queue_is_back(device, q, begin);
}

static void device_kicked(void *context, unsigned q)
{
	(void)q;
	pump(context);
}

static void device_stopped(void *context, unsigned q)
{
	struct vsock_device *device = context;

	if (q == QUEUE_EVENT) {
		device->event = NULL;
		return;
	}
	if (device->rx && device->tx)
		begin_pause(device);
	if (q == QUEUE_RX)
		device->rx = NULL;
	else
		device->tx = NULL;
	vsock_hold_drop(&device->hold); /* a ring that ends signals by itself */
	/* A driver that had but one of them knows of no connection. */
	if (!device->pause.on)
		lose_driver(device);
}

static void drop_ledger(struct vsock_device *device)
{
	vsock_table_set_ledger(device->table, NULL);
	device->ledger = ledger_free(device->ledger);
}

static void device_disconnected(void *context)
{
	struct vsock_device *device = context;
	struct vhost_backend *backend = TAKE_PTR(device->backend);

	vsock_table_clear(device->table);
	end_pause(device);
	vhost_backend_free(backend);
	drop_ledger(device);
	device->config.ended(device->config.ended_context);
}

static const struct vhost_device_ops device_ops = {
	.features = VIRTIO_VSOCK_F_SEQPACKET,
	.config = device_config,
	.acknowledged = device_acknowledged,
	.started = device_started,
	.kicked = device_kicked,
	.stopped = device_stopped,
	.disconnected = device_disconnected,
};

static bool is_port_of_service(const struct vsock_device *device, uint32_t port)
{
	const uint32_t *ports = device->config.ports;

	for (unsigned i = 0; i < FRONT_PORTS_MAX && ports[i]; i++) {
		if (ports[i] == port)
			return true;
	}
	return false;
}

/* The guest asks for a port of the host; see struct vsock_table_config. */
static int open_port(void *context, uint64_t id, uint32_t port, struct vsock_conn *conn)
{
	struct vsock_device *device = context;
	bool is_stream = conn->type == VSOCK_TYPE_STREAM;
	int r;

	if (!is_port_of_service(device, port))
		return device->config.connect(device->config.connect_context, id, port,
					      is_stream ? SOCK_STREAM : SOCK_SEQPACKET);
	if (!is_stream)
		return -ECONNREFUSED; /* the service speaks a stream */
	r = vsock_stream_new(&device->config.service, conn, schedule, device, &conn->end);
	return r < 0 ? r : 1;
}

static int start_handles(struct vsock_device *device)
{
	int r = uv_poll_init(device->loop, &device->poll, device->epoll_fd);

	if (r < 0)
		return r;
	/* Neither of these two can fail. */
	uv_timer_init(device->loop, &device->timer);
	uv_idle_init(device->loop, &device->idle);
	device->n_handles = 3;
	device->poll.data = device->timer.data = device->idle.data = device;
	return uv_poll_start(&device->poll, UV_READABLE, on_sockets);
}

int vsock_device_new(uv_loop_t *loop, const struct vsock_device_config *config,
		     struct vsock_device **ret)
{
	struct vsock_device *device = calloc(1, sizeof(*device));
	struct vsock_table_config table_config = {
		.guest_cid = config->guest_cid,
		.connections_max = config->connections_max,
		.window_bytes_max = config->window_bytes_max,
		.open = open_port,
		.context = device,
	};
	int r;

	if (!device)
		return -ENOMEM;
	device->config = *config;
	device->loop = loop;
	device->burst = 1;
	device->timer_ns = VSOCK_NEVER_NS;
	device->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r = device->epoll_fd < 0 ? -errno : vsock_table_new(&table_config, &device->table);
	if (r < 0)
		goto fail;
	r = start_handles(device);
	if (r < 0)
		goto fail;
	*ret = device;
	return 0;
fail:
	vsock_device_free(device);
	return r;
}

static void device_release(struct vsock_device *device)
{
	tsk_close(device->epoll_fd);
	free(device);
}

static void on_closed(uv_handle_t *handle)
{
	struct vsock_device *device = handle->data;

	if (--device->n_handles == 0)
		device_release(device);
}

void vsock_device_free(struct vsock_device *device)
{
	if (!device)
		return;
	vhost_backend_free(device->backend);
	device->rx = device->tx = device->event = NULL;
	/* What is entered there is the next front's to tell. */
	if (device->table)
		drop_ledger(device);
	vsock_table_free(device->table);
	if (!device->n_handles) {
		device_release(device);
		return;
	}
	uv_close((uv_handle_t *)&device->poll, on_closed);
	uv_close((uv_handle_t *)&device->timer, on_closed);
	uv_close((uv_handle_t *)&device->idle, on_closed);
}

int vsock_device_attach(struct vsock_device *device, struct vhost_session *session)
{
	bool goes_on = session->state_bytes;
	struct ledger *ledger = session->ledger;
	int r;

	if (device->backend) {
		vhost_session_close(session);
		ledger_free(ledger);
		return -EBUSY;
	}
	r = vhost_backend_new(device->loop, session, &device_ops, device, &device->backend);
	if (r < 0) {
		ledger_free(ledger);
		return r;
	}
	device->ledger = ledger;
	device->reset_is_due = goes_on;
	vsock_table_set_ledger(device->table, ledger);
	if (!goes_on)
		return 0;
	r = vsock_table_recall(device->table);
	return r < 0 ? r : vhost_backend_resume(device->backend);
}

void vsock_device_stepped(struct vsock_device *device, int result)
{
	if (device->backend)
		vhost_backend_stepped(device->backend, result);
}

static enum vsock_type type_of(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	(void)getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	return type == SOCK_SEQPACKET ? VSOCK_TYPE_SEQPACKET : VSOCK_TYPE_STREAM;
}

/* Makes fd, which is taken over, the end of conn, by conn's type. */
static int new_end(struct vsock_device *device, int fd, struct vsock_conn *conn,
		   struct vsock_end *ret)
{
	if (conn->type == VSOCK_TYPE_SEQPACKET)
		return vsock_seqpacket_new(device->epoll_fd, fd, conn, ret);
	return vsock_socket_new(device->epoll_fd, fd, conn, ret);
}

void vsock_device_host_stream(struct vsock_device *device, int fd)
{
	_cleanup_close_ int owned = fd;
	struct vsock_conn *conn;

	/* Without a driver there is nobody to connect to. */
	if (!device->rx || !device->tx)
		return;
	conn = vsock_table_greet(device->table, type_of(owned), time_ns(device));
	if (!conn)
		return;
	if (new_end(device, TAKE_FD(owned), conn, &conn->end) < 0) {
		vsock_conn_kill(conn);
		vsock_table_relink(conn);
	}
	schedule(device);
}

void vsock_device_connected(struct vsock_device *device, uint64_t id, int result, int fd)
{
	struct vsock_conn *conn = vsock_table_waiting(device->table, id);
	_cleanup_close_ int owned = fd;
	struct vsock_end end = { 0 };

	if (!conn)
		return;
	if (result == 0)
		result = new_end(device, TAKE_FD(owned), conn, &end);
	vsock_table_connected(conn, result, end, time_ns(device));
	schedule(device);
}

unsigned vsock_device_connections(const struct vsock_device *device)
{
	return vsock_table_connections(device->table);
}

uint64_t vsock_device_forged(const struct vsock_device *device)
{
	return vsock_table_forged(device->table);
}
