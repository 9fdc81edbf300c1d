/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile VMM, guest and host programs at the whole device: back end, rings, packets, connections
 * and their sockets, as the front has them.  The input is a row of steps, each a byte and what its
 * function in steps[] reads; its first byte says what is negotiated and whether the device is begun
 * in good order.  One step lets a thread change the guest's memory while packets are taken.
 *
 * Checked all along, beside what the sanitizers see: no handle, descriptor or stream is left, and a
 * guest that has kept the rules is given whole packets of its own.
 */
#include "front/vhost/vsock_device.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/memfd.h"
#include "front/vhost/device_fuzz_echo.h"
#include "front/vhost/device_fuzz_guard.h"
#include "front/vhost/device_fuzz_race.h"
#include "front/vhost/fuzz_untraced.h"
#include "front/vhost/test_driver.h"
#include "front/vhost/test_keeper.h"
#include "front/vhost/vhost_user.h"
#include "front/vhost/vsock_packet.h"

#define CID 3u
#define MEMORY 0x100000u
#define USER (UINT64_C(0x7f) << 40)
#define QUEUES 3u
#define QUEUE_STEP 0x8000u /* between the rings of two queues */
#define QUEUE_SIZE 16u
#define TABLES 0x18000u /* of indirect descriptors */
#define RX_BUFFERS \
	0x30000u /* one a slot, QUEUE_SIZE of RX_BUFFER bytes; the last ones cross a border */
#define RX_BUFFER 0x1100u
#define TX_BUFFERS 0x20000u
#define STEPS_MAX 400u
#define RACES_MAX 2u
#define PAUSE_MS (24u * 3600 * 1000) /* it ends when a step says so */
#define FDS_MAX 200u
#define HOSTS_MAX 8u
#define IDS_MAX 16u
#define LEDGER_BYTES DEVICE_LEDGER_BYTES(6)

/* Guest memory: the first two adjoin, a gap is before the third. */
static const struct guest_region regions[] = {
	{ 0, 0x40000, USER, 0 },
	{ 0x40000, 0x40000, USER + (UINT64_C(1) << 32), 0x40000 },
	{ 0x100000, 0x80000, USER + (UINT64_C(2) << 32), 0x80000 },
};

static struct {
	uv_loop_t loop;
	int memory_fd;
	unsigned char *memory;
	int kick_fds[QUEUES], call_fd, err_fd;

	struct vsock_device *device;
	struct test_keeper keeper;
	int ledger_fd;
	int vmm; /* the VMM's end of its socket */
	struct driver drivers[QUEUES];
	uint64_t features;
	bool rules_kept; /* by the guest, up to now */
	bool rx_offered[QUEUE_SIZE];
	uint16_t rx_used;

	int hosts[HOSTS_MAX]; /* host programs' ends */
	unsigned next_host;
	uint64_t ids[IDS_MAX]; /* of unanswered connects */
	unsigned n_ids;
	unsigned n_races, n_turns;
	bool is_forged; /* what the keeper has, or the ledger */
} f = { .memory_fd = -1 };

static int ask_for_port(void *context, uint64_t id, uint32_t port, int type)
{
	(void)context;
	(void)type;
	if (port % 2 || f.n_ids == IDS_MAX)
		return -ECONNREFUSED;
	f.ids[f.n_ids++] = id;
	return 0;
}

/* ---- the VMM ---- */

static void send_message(uint32_t request, uint32_t flags, const void *payload, size_t len,
			 const int *fds, unsigned n_fds)
{
	unsigned char bytes[VHOST_USER_HEADER_SIZE + 256];
	struct tsk_writer w = tsk_writer(bytes, sizeof(bytes));
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 8)];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = bytes };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	tsk_write_u32(&w, request);
	tsk_write_u32(&w, flags);
	tsk_write_u32(&w, (uint32_t)len);
	tsk_write_bytes(&w, payload, len);
	iov.iov_len = tsk_writer_len(&w);
	if (n_fds) {
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
						       .cmsg_type = SCM_RIGHTS,
						       .cmsg_len = CMSG_LEN(sizeof(int) * n_fds) };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), fds, sizeof(int) * n_fds);
	}
	if (sendmsg(f.vmm, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return; /* the device has hung up */
}

/* So that the device finds room for its answers, and the end of the socket rather than a reset. */
static void listen_to_device(void)
{
	static char bytes[4096];

	while (recv(f.vmm, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

static void turn(void)
{
	uv_run(&f.loop, UV_RUN_NOWAIT);
	if (f.n_turns++ % 16 == 15)
		listen_to_device();
}

static void say_u64(uint32_t request, uint64_t value, int fd)
{
	send_message(request, 1, &value, sizeof(value), &fd, fd >= 0);
}

static void say_state(uint32_t request, uint32_t index, uint32_t num)
{
	uint32_t state[] = { index, num };

	send_message(request, 1, state, sizeof(state), NULL, 0);
}

static void say_memory(unsigned n)
{
	int fds[] = { f.memory_fd, f.memory_fd, f.memory_fd };
	unsigned char bytes[8 + sizeof(regions)];

	memset(bytes, 0, sizeof(bytes));
	bytes[0] = (unsigned char)n;
	memcpy(bytes + 8, regions, n * sizeof(regions[0]));
	send_message(VHOST_USER_SET_MEM_TABLE, 1, bytes, 8 + n * sizeof(regions[0]), fds, n);
}

static void say_addresses(uint32_t q, uint64_t user)
{
	struct {
		uint32_t index, flags;
		uint64_t desc, used, avail, log;
	} addr = { q, 0, user + DRIVER_DESC, user + DRIVER_USED, user + DRIVER_AVAIL, 0 };

	send_message(VHOST_USER_SET_VRING_ADDR, 1, &addr, sizeof(addr), NULL, 0);
}

static void start_queue(uint32_t q)
{
	say_state(VHOST_USER_SET_VRING_NUM, q, QUEUE_SIZE);
	say_state(VHOST_USER_SET_VRING_BASE, q, driver_used_idx(&f.drivers[q]));
	say_addresses(q, USER + q * QUEUE_STEP);
	say_u64(VHOST_USER_SET_VRING_CALL, q, f.call_fd);
	say_u64(VHOST_USER_SET_VRING_ERR, q, f.err_fd);
	say_u64(VHOST_USER_SET_VRING_KICK, q, f.kick_fds[q]);
	say_state(VHOST_USER_SET_VRING_ENABLE, q, 1);
	turn();
}

static void forget_session(void)
{
	test_keeper_done(&f.keeper);
	f.ledger_fd = tsk_close(f.ledger_fd);
}

static void attach(void)
{
	struct test_keeper keeper;
	struct vhost_session session;
	int fds[2], ledger_fd;

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	f.vmm = fds[0];
	session = test_keeper_begin(&keeper, fds[1]);
	session.keeper.context = &f.keeper;
	check(tsk_memfd_new("ledger", LEDGER_BYTES, &ledger_fd) == 0);
	check(ledger_new(ledger_fd, &session.ledger) == 0);
	if (vsock_device_attach(f.device, &session) < 0) {
		test_keeper_done(&keeper);
		tsk_close(ledger_fd);
		turn();
	} else {
		forget_session();
		f.keeper = keeper;
		f.ledger_fd = ledger_fd;
	}
}

static void session_ended(void *context)
{
	(void)context;
	forget_session();
}

static void new_device(void)
{
	struct vsock_device_config config = {
		.guest_cid = CID,
		.connections_max = 6,
		.window_bytes_max = 600000, /* two wide ones */
		.pause_ms = PAUSE_MS,
		.service = { .ops = &echo_ops, .open = echo_open },
		.ports = { 9999 },
		.connect = ask_for_port,
		.ended = session_ended,
	};

	check(vsock_device_new(&f.loop, &config, &f.device) == 0);
	f.n_ids = 0;
}

/* The process dies, without what it writes at an orderly end, and the next one goes on. */
static void die_and_go_on(void)
{
	struct vhost_session session;

	if (f.keeper.fd < 0)
		return;
	check(guarded_detach(f.memory) == 0);
	vsock_device_free(f.device);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	check(n_echoes == 0);
	new_device();
	session = test_keeper_again(&f.keeper);
	check(ledger_new(f.ledger_fd, &session.ledger) == 0);
	if (vsock_device_attach(f.device, &session) < 0) {
		check(f.is_forged);
		forget_session();
	}
	turn();
}

static void start(void)
{
	say_u64(VHOST_USER_SET_FEATURES, f.features, -1);
	say_memory(ARRAY_SIZE(regions));
	for (uint32_t q = 0; q < 2; q++)
		start_queue(q);
}

/* ---- the guest ---- */

static void ring_bell(unsigned q)
{
	static const uint64_t one = 1;

	check(write(f.kick_fds[q], &one, sizeof(one)) == sizeof(one) || errno == EAGAIN);
}

static void kick(unsigned q)
{
	ring_bell(q);
	turn();
}

/* Takes back what the device has used of the receive queue. */
static void take_rx(void)
{
	struct driver *rx = &f.drivers[0];
	uint64_t broken;

	check(read(f.err_fd, &broken, sizeof(broken)) < 0 || !f.rules_kept);

	while (f.rules_kept && f.rx_used != (uint16_t)driver_used_idx(rx)) {
		unsigned id = driver_used_id(rx, f.rx_used), len = driver_used_len(rx, f.rx_used);
		struct vsock_header h;

		check(id % 2 == 0 && id < QUEUE_SIZE && f.rx_offered[id]);
		check(len >= VSOCK_HEADER_BYTES && len <= RX_BUFFER);
		vsock_header_decode(f.memory + RX_BUFFERS + id * RX_BUFFER, &h);
		check(h.src_cid == VSOCK_CID_HOST && h.dst_cid == CID);
		check(h.op >= VSOCK_OP_REQUEST && h.op < VSOCK_OP_MAX);
		check(len == VSOCK_HEADER_BYTES + h.len && (h.op == VSOCK_OP_RW) == (h.len > 0));
		f.rx_offered[id] = false;
		f.rx_used++;
	}
}

/* Offers the free receive buffers, laid out as older (two descriptors) or newer kernels do. */
static void offer_rx(bool linear)
{
	struct driver *rx = &f.drivers[0];

	take_rx();
	for (unsigned i = 0; i < QUEUE_SIZE; i += 2) {
		uint64_t addr = RX_BUFFERS + i * RX_BUFFER;

		if (f.rx_offered[i])
			continue;
		driver_desc(rx, i, addr, linear ? RX_BUFFER : VSOCK_HEADER_BYTES,
			    linear ? D_WRITE : D_WRITE | D_NEXT, i + 1);
		driver_desc(rx, i + 1, addr + VSOCK_HEADER_BYTES, RX_BUFFER - VSOCK_HEADER_BYTES,
			    D_WRITE, 0);
		driver_offer(rx, i);
		f.rx_offered[i] = true;
	}
	kick(0);
}

/* A packet in two descriptors, or in a table of its own. */
static void offer_tx(const struct vsock_header *header, bool indirect)
{
	struct driver *tx = &f.drivers[1];
	unsigned i = 2u * (tx->avail_idx % (QUEUE_SIZE / 2));
	uint64_t addr = TX_BUFFERS + i * 0x400u;
	size_t at = indirect ? TABLES + i * 16u - QUEUE_STEP : DRIVER_DESC + i * 16u;

	/* Full: what is on its way must not be written to. */
	if ((uint16_t)(tx->avail_idx - driver_used_idx(tx)) >= QUEUE_SIZE / 2)
		return;
	vsock_header_encode(header, f.memory + addr);
	driver_desc_at(tx, at, addr, VSOCK_HEADER_BYTES, header->len ? D_NEXT : 0,
		       indirect ? 1 : i + 1);
	driver_desc_at(tx, at + 16, addr + VSOCK_HEADER_BYTES, header->len, 0, 0);
	if (indirect)
		driver_desc(tx, i, TABLES + i * 16u, header->len ? 32 : 16, D_INDIRECT, 0);
	driver_offer(tx, i);
}

static struct vsock_header read_packet(struct tsk_reader *r)
{
	static const uint32_t host_ports[] = { 9999, 2, 4, 1 };
	unsigned odd = tsk_read_u8(r), ports = tsk_read_u8(r);
	struct vsock_header h = {
		.src_cid = CID,
		.dst_cid = VSOCK_CID_HOST,
		.src_port = ports % 4,
		.dst_port = host_ports[(ports >> 2) % 4],
		.type = VSOCK_TYPE_STREAM,
		.buf_alloc = 65536,
	};

	if (ports & 0x80)
		h.dst_port = (UINT32_C(1) << 30) + (ports >> 2) % 8;
	h.op = tsk_read_u8(r) % 9;
	h.flags = tsk_read_u8(r);
	if (odd & 1)
		h.len = tsk_read_u16(r) % 0x7d0;
	if (odd & 2)
		h.buf_alloc = tsk_read_u32(r);
	if (odd & 4)
		h.fwd_cnt = tsk_read_u32(r);
	if (odd & 8)
		h.type = tsk_read_u16(r);
	if (odd & 16)
		h.dst_cid = tsk_read_u8(r);
	return h;
}

/* ---- the steps ---- */

static void step_packet(struct tsk_reader *r)
{
	unsigned how = tsk_read_u8(r);
	struct vsock_header h = read_packet(r);

	offer_tx(&h, (how & 1) && (f.features & VIRTIO_F_RING_INDIRECT_DESC));
	if (!(how & 2))
		kick(1);
}

static void step_rx(struct tsk_reader *r)
{
	offer_rx(tsk_read_u8(r) & 1);
}

/* What waits for hours has waited long enough. */
static void end_wait(uv_handle_t *handle, void *context)
{
	uv_timer_t *timer = (uv_timer_t *)handle;

	(void)context;
	if (handle->type == UV_TIMER && uv_timer_get_due_in(timer) > PAUSE_MS / 2)
		uv_timer_start(timer, timer->timer_cb, 0, 0);
}

/* The VM is paused and goes on, in time or not: a guest that keeps the rules sees nothing of it. */
static void pause_vm(bool for_long)
{
	for (uint32_t q = 0; q < 2; q++)
		say_state(VHOST_USER_GET_VRING_BASE, q, 0);
	turn();
	if (for_long) {
		uv_walk(&f.loop, end_wait, NULL);
		turn();
	}
	start();
}

static void step_turn(struct tsk_reader *r)
{
	unsigned how = tsk_read_u8(r);

	if (how & 0x80)
		pause_vm(how & 0x40);
	for (unsigned n = how % 8; n; n--)
		turn();
}

/* Bytes anywhere: rings, tables, packets. */
static void step_write(struct tsk_reader *r)
{
	uint32_t at = tsk_read_u32(r) % MEMORY;
	size_t len = tsk_read_u8(r) % 33u;
	const void *bytes;

	if (len > tsk_reader_left(r))
		len = tsk_reader_left(r);
	bytes = tsk_read_bytes(r, len);
	if (bytes && len <= MEMORY - at)
		memcpy(f.memory + at, bytes, len);
	f.rules_kept = false;
}

static uint64_t read_address(struct tsk_reader *r)
{
	static const uint64_t places[] = { 0x20000,  TABLES,   0x3fff0,   0x3fffc,  0x7fff0,
					   0x7ffff,  0x80000,  0xffff8,   0x100000, 0x17fff0,
					   0x17ffff, 0x180000, UINT64_MAX };
	unsigned i = tsk_read_u8(r);

	return i < ARRAY_SIZE(places) ? places[i] : tsk_read_u64(r);
}

/* A descriptor of any values, in a queue's table or in an indirect one. */
static void step_descriptor(struct tsk_reader *r)
{
	unsigned where = tsk_read_u8(r), i = tsk_read_u8(r) % QUEUE_SIZE;
	struct driver *d = &f.drivers[where % QUEUES];
	uint64_t addr = read_address(r);
	uint32_t len = tsk_read_u16(r);
	unsigned flags = tsk_read_u8(r), next = tsk_read_u8(r);
	size_t at = where & 0x80 ? TABLES - (where % QUEUES) * QUEUE_STEP : DRIVER_DESC;

	driver_desc_at(d, at + 16u * i, addr, where & 0x40 ? len << 16 : len, flags % 8,
		       next & 0x80 ? next << 8 : next % (QUEUE_SIZE + 1));
	f.rules_kept = false;
}

static void step_offer(struct tsk_reader *r)
{
	unsigned q = tsk_read_u8(r), head = tsk_read_u8(r);

	driver_offer(&f.drivers[q % QUEUES], head % (QUEUE_SIZE + 1));
	f.rules_kept = false;
	kick(q % QUEUES);
}

static void step_index(struct tsk_reader *r)
{
	unsigned q = tsk_read_u8(r);

	driver_set_avail_idx(&f.drivers[q % QUEUES], tsk_read_u16(r));
	f.rules_kept = false;
	kick(q % QUEUES);
}

/* Any message with up to 4 fds of any kind. */
static void step_message(struct tsk_reader *r)
{
	const int kinds[] = { f.memory_fd, f.kick_fds[0], f.kick_fds[1], f.call_fd };
	unsigned request = tsk_read_u8(r) % 45, flags = tsk_read_u8(r), n_fds = tsk_read_u8(r) % 5;
	size_t len = tsk_read_u8(r);
	const void *payload;
	int fds[4];

	for (unsigned i = 0; i < n_fds; i++)
		fds[i] = kinds[tsk_read_u8(r) % 4];
	if (len > tsk_reader_left(r))
		len = tsk_reader_left(r);
	payload = tsk_read_bytes(r, len);
	send_message(request, flags & 0x80 ? flags : 1u | (flags & 8), payload, payload ? len : 0,
		     fds, n_fds);
	f.rules_kept = false;
	turn();
}

/* Messages in good order: another table, queues stopped and started. */
static void step_life(struct tsk_reader *r)
{
	unsigned how = tsk_read_u8(r), q = how / 16 % QUEUES;

	switch (how % 8) {
	case 0:
		say_memory(1 + how / 16 % 3);
		break;
	case 1:
		say_state(VHOST_USER_GET_VRING_BASE, q, 0);
		break;
	case 2:
		start_queue(q);
		break;
	case 3:
		say_state(VHOST_USER_SET_VRING_ENABLE, q, how / 128);
		break;
	case 4:
		say_u64(VHOST_USER_SET_VRING_KICK, q | (how & 0x80) << 1,
			how & 0x80 ? -1 : f.kick_fds[q]);
		break;
	case 5:
		say_addresses(q, regions[how / 16 % 3].user_addr);
		break;
	case 6:
		listen_to_device();
		close(f.vmm);
		uv_run(&f.loop, UV_RUN_NOWAIT);
		attach();
		start();
		break;
	default:
		if (how & 0x80)
			die_and_go_on();
		else
			start();
	}
	f.rules_kept = false;
	turn();
}

static void keep_host(int fd)
{
	int *at = &f.hosts[f.next_host++ % HOSTS_MAX];

	tsk_close(*at);
	*at = fd;
}

/* Answers the oldest connect to a Unix socket. */
static void step_connected(struct tsk_reader *r)
{
	unsigned how = tsk_read_u8(r);
	uint64_t id = f.ids[0];
	int fds[2];

	if (!f.n_ids)
		return;
	memmove(f.ids, f.ids + 1, --f.n_ids * sizeof(f.ids[0]));
	if (how % 4 == 0) {
		vsock_device_connected(f.device, id, how & 4 ? -EAGAIN : -ENOENT, -1);
		return;
	}
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
	keep_host(fds[1]);
	vsock_device_connected(f.device, id, 0, fds[0]);
}

/* A host program comes and says the beginning of CONNECT, all of it, or more. */
static void step_host_stream(struct tsk_reader *r)
{
	char line[] = "CONNECT 0\nand more";
	unsigned how = tsk_read_u8(r);
	int fds[2];

	line[8] = (char)('0' + how % 4);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
	check(write(fds[1], line, 1 + how / 4 % (sizeof(line) - 2)) > 0);
	keep_host(fds[1]);
	vsock_device_host_stream(f.device, fds[0]);
	turn();
}

static void step_host(struct tsk_reader *r)
{
	static char bytes[20000];
	unsigned how = tsk_read_u8(r), n = tsk_read_u8(r) * 70u + 1;
	int *fd = &f.hosts[how % HOSTS_MAX];

	if (*fd < 0)
		return;
	switch (how / 16 % 6) {
	case 0:
	case 1:
		if (send(*fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		break;
	case 2:
		if (recv(*fd, bytes, n, MSG_DONTWAIT) < 0)
			break;
		break;
	case 3:
		shutdown(*fd, SHUT_WR);
		break;
	case 4:
		shutdown(*fd, SHUT_RD);
		break;
	default:
		*fd = tsk_close(*fd);
	}
	turn();
}

/* ---- a race with the guest ---- */

/* About as long as a round takes. */
#define FLIPS_A_ROUND 1000u

static struct {
	uint32_t seed;
	unsigned what;
} flipper;

/* Changes one thing that the device copies, then checks, then uses. */
UNTRACED static void flip(void)
{
	uint32_t x = flipper.seed;
	unsigned char *tx = f.drivers[1].mem;
	unsigned char *at;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	flipper.seed = x;
	switch (flipper.what) {
	case 0: /* headers of packets */
		at = f.memory + TX_BUFFERS + x % QUEUE_SIZE * 0x400u + x / QUEUE_SIZE % 44;
		break;
	case 1: /* lengths and flags of descriptors, and their addresses' lowest bytes */
		at = tx + DRIVER_DESC + x % QUEUE_SIZE * 16u + (x & 0x800000 ? 8 : 0) + x / 256 % 6;
		break;
	case 2: /* tables of descriptors */
		at = f.memory + TABLES + x % 0x200;
		break;
	case 3: /* heads, and the ring that the device writes */
		at = tx + (x & 0x800000 ? DRIVER_AVAIL : DRIVER_USED) + 4 + x % (8 * QUEUE_SIZE);
		break;
	default: /* the receive queue's descriptors */
		at = f.memory + DRIVER_DESC + x % (16 * QUEUE_SIZE);
	}
	__atomic_store_n(at, (unsigned char)(x >> 24), __ATOMIC_RELAXED);
}

/* Packets are sent and taken while the thread is at work. */
static void step_race(struct tsk_reader *r)
{
	unsigned what = tsk_read_u8(r) % 5;
	uint32_t seed = tsk_read_u16(r) + 1u;
	struct vsock_header h = read_packet(r);
	unsigned rounds = tsk_read_u8(r) % 64;

	if (f.n_races++ == RACES_MAX)
		return;
	f.rules_kept = false;
	flipper.what = what;
	flipper.seed = seed;
	race_begin(flip, rounds * FLIPS_A_ROUND);
	for (unsigned i = 0; i < rounds; i++) {
		offer_tx(&h, (i & 1) && (f.features & VIRTIO_F_RING_INDIRECT_DESC));
		ring_bell(1);
		ring_bell(0);
		turn();
	}
	race_end();
}

/* A front that its guest has taken over leaves what it likes to the next one. */
static void step_forgery(struct tsk_reader *r)
{
	unsigned how = tsk_read_u8(r), at = tsk_read_u16(r);
	unsigned char value = tsk_read_u8(r);

	if (f.keeper.fd < 0)
		return;
	f.is_forged = true;
	f.rules_kept = false;
	if (how & 1)
		check(pwrite(f.ledger_fd, &value, 1, at % LEDGER_BYTES) == 1);
	else if (f.keeper.last.state_bytes)
		f.keeper.last.state[at % f.keeper.last.state_bytes] = value;
	if (how & 2)
		die_and_go_on();
}

static void (*const steps[])(struct tsk_reader *r) = {
	step_packet,     step_packet,      step_packet, step_rx,      step_turn,  step_host,
	step_connected,  step_host_stream, step_life,   step_message, step_write, step_offer,
	step_descriptor, step_index,       step_race,   step_forgery,
};

/* ---- one input ---- */

static void init_once(void)
{
	struct tsk_map map;

	if (f.memory_fd >= 0)
		return;
	tsk_log_init("fuzz", NULL, TSK_LOG_ERROR, 1);
	check(uv_loop_init(&f.loop) == 0);
	check(tsk_memfd_new("guest", MEMORY, &f.memory_fd) == 0);
	check(tsk_map_new(f.memory_fd, MEMORY, true, &map) == 0);
	f.memory = map.addr;
	f.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f.err_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (unsigned q = 0; q < QUEUES; q++)
		f.kick_fds[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	check(race_init() == 0);
}

static void begin(unsigned how)
{
	/* What no step but the wildest reaches need not be cleared. */
	memset(f.memory, 0, RX_BUFFERS);
	f.features = VIRTIO_F_VERSION_1 | VHOST_USER_F_PROTOCOL_FEATURES |
		     (how & 1 ? VIRTIO_F_RING_EVENT_IDX : 0) |
		     (how & 2 ? VIRTIO_F_RING_INDIRECT_DESC : 0);
	for (unsigned q = 0; q < QUEUES; q++)
		f.drivers[q] = (struct driver){ f.memory + q * QUEUE_STEP, QUEUE_SIZE, 0 };
	memset(f.rx_offered, 0, sizeof(f.rx_offered));
	f.rx_used = 0;
	f.n_ids = f.next_host = f.n_races = f.n_turns = 0;
	f.rules_kept = true;
	for (unsigned i = 0; i < HOSTS_MAX; i++)
		f.hosts[i] = -1;
	test_keeper_init(&f.keeper);
	f.ledger_fd = -1;
	f.is_forged = false;
	new_device();
	attach();
	if (how & 4)
		return;
	start();
	offer_rx(how & 8);
}

static void end(void)
{
	take_rx();
	vsock_device_free(f.device);
	forget_session();
	uv_run(&f.loop, UV_RUN_DEFAULT);
	check(!uv_loop_alive(&f.loop));
	check(n_echoes == 0);
	close(f.vmm);
	for (unsigned i = 0; i < HOSTS_MAX; i++)
		tsk_close(f.hosts[i]);
}

UNTRACED static unsigned open_fds(void)
{
	struct pollfd fds[FDS_MAX];
	unsigned n = 0;

	for (int fd = 0; fd < (int)FDS_MAX; fd++)
		fds[fd] = (struct pollfd){ .fd = fd };
	check(poll(fds, FDS_MAX, 0) >= 0);
	for (unsigned i = 0; i < FDS_MAX; i++)
		n += !(fds[i].revents & POLLNVAL);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tsk_reader r = tsk_reader(data, size);
	unsigned before;

	init_once();
	before = open_fds();
	begin(tsk_read_u8(&r));
	for (unsigned i = 0; i < STEPS_MAX && tsk_reader_left(&r); i++) {
		steps[tsk_read_u8(&r) % ARRAY_SIZE(steps)](&r);
		take_rx();
	}
	end();
	check(open_fds() == before);
	return 0;
}
