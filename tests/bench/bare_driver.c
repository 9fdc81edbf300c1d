/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vsock driver without a guest, to measure a vhost-user back end alone: it is VMM and driver in one
 * process, makes packets as Linux does (64 KiB to the host, buffers of 4 KiB from it, a window of 256 KiB,
 * an interrupt wanted for every used chain that it has to wait for), and touches no payload.
 *
 *   bare_driver VHOST push PORT MIB | pull PORT MIB | ping PORT BYTES N | connect PORT N
 *
 * Prints what vsock_load prints, then the kicks and the interrupts.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "front/vhost/vhost_user.h"
#include "front/vhost/vsock_packet.h"
#include "load.h"

#define QUEUE_SIZE 128u
#define MEMORY_BYTES ((size_t)2 << 20)
#define USER_BASE UINT64_C(0x100000000)
#define QUEUE_AT(q) ((q)*0x4000u) /* desc, avail at +0x1000, used at +0x2000 */
#define RX_AT 0x10000u
#define RX_STEP 4096u
#define RX_BYTES 3776u /* what Linux 6.1 has of 4 KiB */
#define TX_AT 0x90000u
#define TX_STEP 64u /* header, and a small payload */
#define TX_SLOTS (QUEUE_SIZE / 2)
#define BULK_AT 0x100000u
#define WINDOW_BYTES 262144u
#define TIMEOUT_S 120u

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct queue {
	struct desc *desc;
	uint16_t *avail; /* flags, idx, ring, used_event */
	uint16_t *used;  /* flags, idx, then pairs of 32 bits, avail_event */
	uint16_t avail_idx, kicked_idx, last_used;
	int kick, call;
};

static unsigned char *memory;
static struct queue rx, tx;
static uint32_t free_slots[TX_SLOTS], n_free;
static unsigned kicks, interrupts;

/* The one connection. */
static uint32_t guest_port = 1000, host_port;
static uint32_t sent, peer_fwd, peer_alloc, received, told_fwd;
static bool is_open;

static void die(const char *what)
{
	fprintf(stderr, "bare_driver: %s: %s\n", what, strerrorname_np(errno));
	exit(1);
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- the queues ---- */

static uint16_t load(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void queue_init(struct queue *queue, unsigned q)
{
	queue->desc = (void *)(memory + QUEUE_AT(q));
	queue->avail = (void *)(memory + QUEUE_AT(q) + 0x1000);
	queue->used = (void *)(memory + QUEUE_AT(q) + 0x2000);
	queue->kick = eventfd(0, EFD_CLOEXEC);
	queue->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->kick < 0 || queue->call < 0)
		die("eventfd");
}

static void offer(struct queue *queue, uint32_t head)
{
	queue->avail[2 + queue->avail_idx % QUEUE_SIZE] = (uint16_t)head;
	__atomic_store_n(&queue->avail[1], ++queue->avail_idx, __ATOMIC_RELEASE);
}

/* Kicks if the device has asked for it. */
static void kick(struct queue *queue)
{
	static const uint64_t one = 1;
	uint16_t event, before = queue->kicked_idx;

	queue->kicked_idx = queue->avail_idx;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event = load(&queue->used[2 + 4 * QUEUE_SIZE]);
	if ((uint16_t)(queue->avail_idx - event - 1) >= (uint16_t)(queue->avail_idx - before))
		return;
	kicks++;
	if (write(queue->kick, &one, sizeof(one)) < 0)
		die("kick");
}

static bool take_used(struct queue *queue, uint32_t *ret_head)
{
	uint32_t element[2];

	if (load(&queue->used[1]) == queue->last_used)
		return false;
	memcpy(element, &queue->used[2 + 4 * (queue->last_used % QUEUE_SIZE)], sizeof(element));
	queue->last_used++;
	*ret_head = element[0];
	return true;
}

/* Asks for an interrupt at the next used chain.  True: there is one already. */
static bool ask(struct queue *queue)
{
	__atomic_store_n(&queue->avail[2 + QUEUE_SIZE], queue->last_used, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load(&queue->used[1]) != queue->last_used;
}

static void wait_for_used(void)
{
	struct pollfd fds[] = { { rx.call, POLLIN, 0 }, { tx.call, POLLIN, 0 } };
	uint64_t count;
	bool some = ask(&rx);

	if (ask(&tx) || some)
		return;
	if (poll(fds, 2, -1) < 0)
		die("poll");
	for (unsigned i = 0; i < 2; i++)
		interrupts += fds[i].revents && read(fds[i].fd, &count, sizeof(count)) > 0;
}

/* ---- packets ---- */

static void send_packet(unsigned op, const void *bytes, uint32_t len);

static void take_packet(const unsigned char *bytes)
{
	struct vsock_header h;

	vsock_header_decode(bytes, &h);
	if (h.dst_port != guest_port)
		return; /* of the connection before */
	peer_alloc = h.buf_alloc;
	peer_fwd = h.fwd_cnt;
	if (h.op == VSOCK_OP_RST)
		errno = ECONNRESET, die("the connection");
	is_open |= h.op == VSOCK_OP_RESPONSE;
	received += h.op == VSOCK_OP_RW ? h.len : 0;
}

static void take_all(void)
{
	uint32_t head;
	bool taken = false;

	while (take_used(&tx, &head))
		free_slots[n_free++] = head / 2;
	while (take_used(&rx, &head)) {
		take_packet(memory + RX_AT + head * RX_STEP);
		offer(&rx, head);
		taken = true;
	}
	if (taken)
		kick(&rx);
	if (is_open && received - told_fwd > WINDOW_BYTES - VSOCK_PAYLOAD_MAX)
		send_packet(VSOCK_OP_CREDIT_UPDATE, NULL, 0);
}

/* Bytes that may be sent now: Linux has no more under way than its own buffer would hold, either. */
static uint32_t credit(void)
{
	uint32_t window = peer_alloc < WINDOW_BYTES ? peer_alloc : WINDOW_BYTES;

	return sent - peer_fwd < window ? window - (sent - peer_fwd) : 0;
}

/* bytes: small, or NULL for the first of the bulk. */
static void send_packet(unsigned op, const void *bytes, uint32_t len)
{
	struct vsock_header h = {
		.src_cid = 3,
		.dst_cid = VSOCK_CID_HOST,
		.src_port = guest_port,
		.dst_port = host_port,
		.len = len,
		.type = VSOCK_TYPE_STREAM,
		.op = (uint16_t)op,
		.flags = op == VSOCK_OP_SHUTDOWN ? VSOCK_SHUTDOWN_BOTH : 0,
		.buf_alloc = WINDOW_BYTES,
		.fwd_cnt = told_fwd = received,
	};
	uint32_t slot, at;

	while (n_free == 0) {
		wait_for_used();
		take_all();
	}
	slot = free_slots[--n_free];
	at = TX_AT + slot * TX_STEP;
	vsock_header_encode(&h, memory + at);
	if (bytes)
		memcpy(memory + at + VSOCK_HEADER_BYTES, bytes, len);
	tx.desc[2 * slot] =
		(struct desc){ at, VSOCK_HEADER_BYTES, len ? 1 : 0, (uint16_t)(2 * slot + 1) };
	tx.desc[2 * slot + 1] =
		(struct desc){ bytes ? at + VSOCK_HEADER_BYTES : BULK_AT, len, 0, 0 };
	offer(&tx, 2 * slot);
	kick(&tx);
}

static void send_data(const void *bytes, uint64_t n)
{
	while (n > 0) {
		uint32_t part = n < VSOCK_PAYLOAD_MAX ? (uint32_t)n : VSOCK_PAYLOAD_MAX;

		take_all();
		if (part > credit())
			part = credit();
		if (part == 0) {
			wait_for_used();
			continue;
		}
		send_packet(VSOCK_OP_RW, bytes, part);
		sent += part;
		n -= part;
	}
}

static void receive(uint32_t n)
{
	uint32_t end = received + n;

	for (;;) {
		take_all();
		if ((int32_t)(received - end) >= 0)
			return;
		wait_for_used();
	}
}

static void connect_port(uint32_t port)
{
	guest_port++;
	host_port = port;
	sent = peer_fwd = peer_alloc = received = told_fwd = 0;
	is_open = false;
	send_packet(VSOCK_OP_REQUEST, NULL, 0);
	for (take_all(); !is_open; take_all())
		wait_for_used();
}

static void begin(uint32_t port, enum load_op op, uint64_t n)
{
	unsigned char request[1 + sizeof(n)] = { (unsigned char)op };

	memcpy(request + 1, &n, sizeof(n));
	connect_port(port);
	send_data(request, sizeof(request));
}

/* ---- the VMM ---- */

static void tell(int vmm, uint32_t request, const void *payload, uint32_t size, int fd)
{
	uint32_t header[3] = { request, 1, size };
	struct iovec iov[2] = { { header, sizeof(header) }, { (void *)(uintptr_t)payload, size } };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (fd >= 0) {
		control.align = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
						  .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	if (sendmsg(vmm, &msg, MSG_NOSIGNAL) != (ssize_t)(sizeof(header) + size))
		die("vhost-user");
}

static void tell_u64(int vmm, uint32_t request, uint64_t value, int fd)
{
	tell(vmm, request, &value, sizeof(value), fd);
}

static uint64_t get_u64(int vmm, uint32_t request)
{
	unsigned char reply[VHOST_USER_HEADER_SIZE + sizeof(uint64_t)];
	uint64_t value;

	tell(vmm, request, NULL, 0, -1);
	if (recv(vmm, reply, sizeof(reply), MSG_WAITALL) != (ssize_t)sizeof(reply))
		die("vhost-user");
	memcpy(&value, reply + VHOST_USER_HEADER_SIZE, sizeof(value));
	return value;
}

static void start_queue(int vmm, unsigned q, struct queue *queue)
{
	struct vhost_user_state num = { q, QUEUE_SIZE }, base = { q, 0 }, on = { q, 1 };
	uint64_t at = USER_BASE + QUEUE_AT(q);
	struct vhost_user_addr addr = { q, 0, at, at + 0x2000, at + 0x1000, 0 };

	tell(vmm, VHOST_USER_SET_VRING_NUM, &num, sizeof(num), -1);
	tell(vmm, VHOST_USER_SET_VRING_BASE, &base, sizeof(base), -1);
	tell(vmm, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1);
	tell_u64(vmm, VHOST_USER_SET_VRING_KICK, q, queue->kick);
	tell_u64(vmm, VHOST_USER_SET_VRING_CALL, q, queue->call);
	tell(vmm, VHOST_USER_SET_VRING_ENABLE, &on, sizeof(on), -1);
}

static void start_device(int vmm, int memory_fd)
{
	const uint64_t wanted =
		VIRTIO_F_VERSION_1 | VIRTIO_F_RING_EVENT_IDX | VHOST_USER_F_PROTOCOL_FEATURES;
	const uint64_t table[5] = { 1, 0, MEMORY_BYTES, USER_BASE, 0 };

	if ((get_u64(vmm, VHOST_USER_GET_FEATURES) & wanted) != wanted)
		errno = EPROTO, die("features");
	tell_u64(vmm, VHOST_USER_SET_PROTOCOL_FEATURES,
		 get_u64(vmm, VHOST_USER_GET_PROTOCOL_FEATURES) & VHOST_USER_PROTOCOL_F_CONFIG, -1);
	tell(vmm, VHOST_USER_SET_OWNER, NULL, 0, -1);
	tell_u64(vmm, VHOST_USER_SET_FEATURES, wanted, -1);
	tell(vmm, VHOST_USER_SET_MEM_TABLE, table, sizeof(table), memory_fd);
	start_queue(vmm, 0, &rx);
	start_queue(vmm, 1, &tx);
	/* Answered when all that has been done: the peer forgets a kick that comes earlier. */
	get_u64(vmm, VHOST_USER_GET_FEATURES);
}

static void start(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int memory_fd = memfd_create("driver", MFD_CLOEXEC);
	int vmm = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (memory_fd < 0 || vmm < 0 || ftruncate(memory_fd, (off_t)MEMORY_BYTES) < 0)
		die("memory");
	memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
	if (memory == MAP_FAILED)
		die("mmap");
	memset(memory, 0, MEMORY_BYTES);
	queue_init(&rx, 0);
	queue_init(&tx, 1);
	for (uint32_t i = 0; i < TX_SLOTS; i++)
		free_slots[n_free++] = i;
	for (uint32_t i = 0; i < QUEUE_SIZE; i++) {
		rx.desc[i] = (struct desc){ RX_AT + i * RX_STEP, RX_BYTES, 2, 0 };
		offer(&rx, i);
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(vmm, (const struct sockaddr *)&address, sizeof(address)) < 0)
		die(path);
	start_device(vmm, memory_fd);
	kick(&rx);
}

/* ---- the loads ---- */

static void run_push(uint32_t port, uint64_t n)
{
	double start_s;

	begin(port, LOAD_PUSH, n);
	start_s = now_s();
	send_data(NULL, n);
	receive(1);
	printf("%.6f", now_s() - start_s);
}

static void run_pull(uint32_t port, uint64_t n)
{
	double start_s = now_s();

	begin(port, LOAD_PULL, n);
	receive((uint32_t)n);
	printf("%.6f", now_s() - start_s);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_times(double *times_s, uint32_t n)
{
	qsort(times_s, n, sizeof(*times_s), compare);
	printf("%.1f %.1f", times_s[n / 2] * 1e6, times_s[(uint64_t)n * 99 / 100] * 1e6);
}

static void run_ping(uint32_t port, uint32_t bytes, uint32_t n, double *times_s)
{
	begin(port, LOAD_ECHO, bytes);
	for (uint32_t i = 0; i < n; i++) {
		double start_s = now_s();

		send_data(NULL, bytes);
		receive(bytes);
		times_s[i] = now_s() - start_s;
	}
	print_times(times_s, n);
}

static void run_connect(uint32_t port, uint32_t n, double *times_s)
{
	for (uint32_t i = 0; i < n; i++) {
		double start_s = now_s();
		unsigned char op = LOAD_TOUCH;

		connect_port(port);
		send_data(&op, 1);
		receive(1);
		times_s[i] = now_s() - start_s;
		send_packet(VSOCK_OP_SHUTDOWN, NULL, 0);
	}
	print_times(times_s, n);
}

int main(int argc, char **argv)
{
	unsigned long v[4] = { 0 };
	double *times_s;

	for (int i = 3; i < argc && i < 6; i++)
		v[i - 3] = strtoul(argv[i], NULL, 10);
	times_s = calloc(v[1] + v[2] + 1, sizeof(*times_s));
	if (argc < 5 || !times_s) {
		fputs("usage: bare_driver VHOST LOAD...: see the head of bare_driver.c\n", stderr);
		return 2;
	}
	alarm(TIMEOUT_S);
	start(argv[1]);
	if (strcmp(argv[2], "push") == 0)
		run_push((uint32_t)v[0], (uint64_t)v[1] << 20);
	else if (strcmp(argv[2], "pull") == 0)
		run_pull((uint32_t)v[0], (uint64_t)v[1] << 20);
	else if (strcmp(argv[2], "ping") == 0)
		run_ping((uint32_t)v[0], (uint32_t)v[1], (uint32_t)v[2], times_s);
	else
		run_connect((uint32_t)v[0], (uint32_t)v[1], times_s);
	printf(" %u %u\n", kicks, interrupts);
	return 0;
}
