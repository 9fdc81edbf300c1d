/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole front between a carrier, a supervisor and a worker that are played here: the first byte of
 * the input chooses the sizes of the pieces, the rest is what the guest sends.  Whatever comes, what
 * goes out are whole frames, each request that was accepted has one end, and nothing is left behind.
 *
 * The corpus pushes a model; no other will be found by chance.
 */
#include "front/native_session.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/seqpacket.h"
#include "channel/ring.h"
#include "channel/run.h"
#include "channel/worker_control.h"
#include "front/guest.h"
#include "wire/frame.h"

#define BUFFERS_MAX 256u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct player {
	int socket; /* -1: there is none */
	uint64_t id;
	struct ring_pair rings;
	bool has_rings;
	struct {
		uint32_t id;
		struct tsk_map map;
	} buffers[BUFFERS_MAX];
};

static struct player player = { .socket = -1 };

static void check(bool ok)
{
	if (!ok)
		abort();
}

/*
 * ---- The worker: its model takes any x of FP32 and gives y, as many of them as bytes came
 */

static void send_loaded(void)
{
	static unsigned char bytes[WORKER_DESCRIPTION_MAX];
	struct tsk_tensor_info x = { .name = (char *)(uintptr_t) "x", .dtype = TENSOCK_FLOAT32 };
	struct tsk_tensor_info y = {
		.name = (char *)(uintptr_t) "y", .dtype = TENSOCK_FLOAT32, .rank = 1, .dims = { -1 }
	};
	struct tsk_model_info info = { .engine = (char *)(uintptr_t) "fuzz",
				       .format = (char *)(uintptr_t) "text",
				       .inputs = &x,
				       .n_inputs = 1,
				       .outputs = &y,
				       .n_outputs = 1 };
	struct worker_msg msg = { .type = WORKER_LOADED };
	size_t len;

	check(tsk_model_info_encode(&info, bytes, sizeof(bytes), &len) == 0);
	(void)!worker_control_send(player.socket, &msg, bytes, len, NULL, 0);
}

static struct tsk_map *map_of(uint32_t id)
{
	for (unsigned i = 0; i < BUFFERS_MAX; i++) {
		if (player.buffers[i].map.addr && player.buffers[i].id == id)
			return &player.buffers[i].map;
	}
	return NULL;
}

static void add_buffer(const struct worker_received *received)
{
	unsigned i = 0;

	while (i < BUFFERS_MAX && player.buffers[i].map.addr)
		i++;
	check(i < BUFFERS_MAX);
	player.buffers[i].id = (uint32_t)received->msg.id;
	check(tsk_map_new(received->fds[0], received->msg.value, true, &player.buffers[i].map) ==
	      0);
}

static void attach(struct worker_received *received)
{
	struct worker_msg ready = { .type = WORKER_READY, .text = "fuzz 1" };

	check(ring_pair_init(&player.rings, RING_WORKER, received->fds[0], received->fds[2],
			     received->fds[1]) == 0);
	received->fds[1] = received->fds[2] = -1;
	player.has_rings = true;
	(void)!worker_control_send(player.socket, &ready, NULL, 0, NULL, 0);
}

static void take_messages(void)
{
	static struct worker_received received;

	while (player.socket >= 0 && worker_control_recv(player.socket, &received) == 1) {
		if (received.msg.type == WORKER_ATTACH)
			attach(&received);
		else if (received.msg.type == WORKER_LOAD)
			send_loaded();
		else if (received.msg.type == WORKER_BUFFER)
			add_buffer(&received);
		else if (received.msg.type == WORKER_BUFFER_DROP)
			tsk_map_done(map_of((uint32_t)received.msg.id));
		worker_received_done(&received);
	}
}

/* Every byte of the inputs can be read, and their descriptors are right. */
static uint64_t read_inputs(const struct run_entry *entry)
{
	const struct tsk_map *map = map_of(entry->in_buffer);
	volatile unsigned char touched;
	struct run_tensor x;
	unsigned n;

	check(map && entry->in_bytes <= map->size);
	check(run_read(map->addr, entry->in_bytes, &x, 1, &n) == 0 && n == 1 && x.index == 0);
	check(x.dtype == TENSOCK_FLOAT32);
	if (x.bytes)
		touched = ((unsigned char *)map->addr)[x.offset + x.bytes - 1];
	(void)touched;
	return x.bytes / 4;
}

static void run(const struct run_entry *entry)
{
	struct run_entry done = { .type = RUN_DONE, .request_id = entry->request_id };
	struct tsk_map *map = map_of(entry->out_buffer);
	struct run_tensor y = { .dtype = TENSOCK_FLOAT32, .rank = 1 };

	y.dims[0] = (int64_t)read_inputs(entry);
	y.bytes = 4 * (uint64_t)y.dims[0];
	check(map && entry->out_bytes <= map->size);
	check(run_layout(&y.bytes, 1, &y.offset, &done.out_bytes) == 0);
	if (done.out_bytes > entry->out_bytes) {
		done.status = TENSOCK_TOO_LARGE;
		done.needed = done.out_bytes;
		done.out_bytes = 0;
		((char *)map->addr)[0] = '\0';
	} else {
		check(run_write(map->addr, done.out_bytes, &y, 1) == 0);
	}
	check(ring_push(&player.rings.out, &done));
}

static void play_worker(void)
{
	struct run_entry entry;

	take_messages();
	while (player.has_rings && ring_pop(&player.rings.in, &entry)) {
		take_messages();
		if (entry.type != RUN_CANCEL)
			run(&entry);
	}
	if (player.has_rings)
		ring_ring(&player.rings.out);
}

static void end_worker(void)
{
	player.socket = tsk_close(player.socket);
	for (unsigned i = 0; i < BUFFERS_MAX; i++)
		tsk_map_done(&player.buffers[i].map);
	if (player.has_rings)
		ring_pair_done(&player.rings);
	player.has_rings = false;
}

/*
 * ---- The supervisor
 */

static void spawn(int supervisor, uint64_t id)
{
	struct front_msg msg = { .type = FRONT_WORKER, .id = id };
	int fds[2];

	check(player.socket < 0 && tsk_seqpacket_pair(fds) == 0);
	player.socket = fds[0];
	player.id = id;
	check(front_control_send(supervisor, &msg, fds[1]) == 0);
	close(fds[1]);
}

/* One that was let go of, or is to be killed. */
static void look_at_worker(int supervisor, bool is_killed)
{
	struct front_msg msg = { .type = FRONT_WORKER_EXITED, .id = player.id };
	char byte;

	if (player.socket < 0 ||
	    (!is_killed && recv(player.socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0))
		return;
	end_worker();
	check(front_control_send(supervisor, &msg, -1) == 0);
}

static void play(struct guest *guest, int supervisor)
{
	for (unsigned i = 0; i < 3; i++) {
		struct front_msg msg;
		int fd;

		uv_run(guest->loop, UV_RUN_NOWAIT);
		while (front_control_recv(supervisor, &msg, &fd) == 1) {
			tsk_close(fd);
			if (msg.type == FRONT_SPAWN)
				spawn(supervisor, msg.id);
			else if (msg.type == FRONT_KILL)
				look_at_worker(supervisor, true);
		}
		play_worker();
		look_at_worker(supervisor, false);
	}
}

/*
 * ---- The guest's carrier
 */

static void on_wake(struct stream_host *host)
{
	(void)host;
}

/* Frames that go out: only their headers are kept. */
struct taken {
	unsigned char header[WIRE_HEADER_BYTES];
	size_t n;
	uint64_t left;
};

static void take_bytes(struct taken *t, const unsigned char *bytes, size_t n)
{
	while (n) {
		struct wire_header header;
		size_t part;

		if (t->left) {
			part = t->left < n ? (size_t)t->left : n;
			t->left -= part;
		} else {
			part = sizeof(t->header) - t->n < n ? sizeof(t->header) - t->n : n;
			memcpy(t->header + t->n, bytes, part);
			t->n += part;
		}
		bytes += part;
		n -= part;
		if (t->n < sizeof(t->header))
			continue;
		t->n = 0;
		check(wire_header_read(t->header, &header) == 0);
		check(header.type >= WIRE_CHUNK && header.type != WIRE_PING);
		t->left = header.size;
	}
}

static void take_output(void *stream, struct taken *taken, size_t pace)
{
	const void *bytes;
	size_t n;

	while ((n = native_protocol.stream->output(stream, &bytes))) {
		n = n < pace ? n : pace;
		take_bytes(taken, bytes, n);
		native_protocol.stream->sent(stream, n);
	}
}

static void converse(struct guest *guest, int supervisor, const uint8_t *data, size_t size)
{
	struct stream_host host = { .wake = on_wake };
	void *stream = native_protocol.open(guest, &host);
	size_t pace = data[0] % 32u * (data[0] % 32u) * 16 + 1;
	bool is_lazy = data[0] & 32, ends = data[0] & 64;
	const struct stream_ops *ops = native_protocol.stream;
	struct taken taken = { 0 };
	unsigned n_windows = 0;

	check(stream);
	for (size_t at = 1; at < size && !ops->finished(stream);) {
		void *buf;
		size_t n = ops->window(stream, &buf);

		if (n) {
			n = n < pace ? n : pace;
			n = n < size - at ? n : size - at;
			memcpy(buf, data + at, n);
			ops->received(stream, n);
			at += n;
		}
		/* Small pieces come faster than anybody answers. */
		if (!n || pace > 100 || ++n_windows % 16 == 0)
			play(guest, supervisor);
		(void)native_protocol.is_waiting(stream);
		if (!n || !is_lazy)
			take_output(stream, &taken, pace);
	}
	if (ends)
		ops->ended(stream);
	for (unsigned i = 0; i < 8; i++) {
		play(guest, supervisor);
		take_output(stream, &taken, pace);
	}
	if (ends || ops->finished(stream))
		check(ops->finished(stream) && taken.n == 0 && taken.left == 0);
	ops->close(stream);
}

static struct front_start limits(void)
{
	return (struct front_start){ .version = FRONT_CONTROL_VERSION,
				     .log_level = TSK_LOG_ERROR,
				     .name = "fuzz",
				     .model_bytes_max = 1 << 16,
				     .request_bytes_max = 1 << 18,
				     .memory_bytes_max = 2 << 20,
				     .connections_max = 1,
				     .workers_max = 1,
				     .load_deadline_ms = 60000,
				     .run_deadline_ms = 60000,
				     .idle_timeout_ms = 60000,
				     .model_idle_ms = 60000,
				     .models_max = 2,
				     .model_keep_ms = 60000,
				     .requests_max = 8,
				     .uploads_max = 1,
				     .upload_keep_ms = 60000 };
}

/* Everything but what the workers and models keep has been given back. */
static void look_over(struct guest *guest)
{
	check(guest->n_calls == 0 && guest->n_held == 0 && guest->n_uploads == 0);
	check(counters_active(&guest->counters) == 0);
	uploads_free(guest->uploads);
	guest->uploads = NULL;
	models_free(guest->models);
	guest->models = NULL;
	workers_free(guest->workers);
	guest->workers = NULL;
	check(guest->account.used_bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct front_msg start = { .type = FRONT_START, .start = limits() };
	struct guest *guest;
	uv_loop_t loop;
	int fds[2];

	if (size == 0)
		return 0;
	signal(SIGPIPE, SIG_IGN);
	check(uv_loop_init(&loop) == 0 && tsk_seqpacket_pair(fds) == 0);
	check(guest_new(&loop, fds[1], &guest) == 0);
	check(front_control_send(fds[0], &start, -1) == 0);
	play(guest, fds[0]);
	converse(guest, fds[0], data, size);
	play(guest, fds[0]);
	look_over(guest);
	guest_free(guest);
	end_worker();
	close(fds[0]);
	uv_run(&loop, UV_RUN_DEFAULT);
	check(uv_loop_close(&loop) == 0);
	return 0;
}
