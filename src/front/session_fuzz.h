/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For fuzz targets only: a whole front between a carrier, a supervisor and a worker that are played here.
 * The first byte of the input chooses how bytes are carried, the rest is what the guest sends.  Whatever
 * comes, each request that was accepted has one end, and nothing is left behind.
 */
#ifndef FRONT_SESSION_FUZZ_H
#define FRONT_SESSION_FUZZ_H

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/log.h"
#include "base/memfd.h"
#include "base/seqpacket.h"
#include "channel/ring.h"
#include "channel/run.h"
#include "channel/worker_control.h"
#include "front/guest.h"

/* A protocol, and who looks at what its session sends. */
struct session_fuzz {
	const struct protocol *protocol;
	void (*take)(const unsigned char *bytes, size_t n);
	/* At the end: whether the guest has ended its side, and the session itself. */
	void (*look_over)(bool has_ended, bool is_finished);
};

#define BUFFERS_MAX 256u

/* Of a file in memory that comes with whatever the guest says. */
#define FUZZ_MEMORY_BYTES (UINT64_C(256) << 10)

struct player {
	int socket;     /* -1: there is none */
	bool is_let_go; /* the front has closed its end */
	uint64_t id;
	struct ring_pair rings;
	bool has_rings;
	struct {
		uint32_t id;
		struct tsk_map map;
	} buffers[BUFFERS_MAX];
};

static struct player player = { .socket = -1 };

static inline void check(bool ok)
{
	if (!ok)
		abort();
}

/* Frames that go out: only their headers are kept. */
#define FUZZ_HEADER_MAX 16u
struct fuzz_frames {
	size_t header_bytes;
	uint64_t (*look_at)(const unsigned char *header); /* how many bytes follow it */
	unsigned char header[FUZZ_HEADER_MAX];
	size_t n; /* bytes of a header that are there */
	uint64_t left;
};

static inline void fuzz_frames_take(struct fuzz_frames *f, const unsigned char *bytes, size_t n)
{
	while (n) {
		uint64_t room = f->left ? f->left : f->header_bytes - f->n;
		size_t part = n < room ? n : (size_t)room;

		if (f->left) {
			f->left -= part;
		} else {
			memcpy(f->header + f->n, bytes, part);
			f->n += part;
		}
		bytes += part;
		n -= part;
		if (f->n == f->header_bytes) {
			f->n = 0;
			f->left = f->look_at(f->header);
		}
	}
}

static inline bool fuzz_frames_are_whole(const struct fuzz_frames *f)
{
	return f->n == 0 && f->left == 0;
}

/*
 * ---- The worker: its model takes any x of FP32 and gives y, as many of them as bytes came
 */

static inline void send_loaded(void)
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

static inline struct tsk_map *map_of(uint32_t id)
{
	for (unsigned i = 0; i < BUFFERS_MAX; i++) {
		if (player.buffers[i].map.addr && player.buffers[i].id == id)
			return &player.buffers[i].map;
	}
	return NULL;
}

static inline void add_buffer(const struct worker_received *received)
{
	unsigned i = 0;

	while (i < BUFFERS_MAX && player.buffers[i].map.addr)
		i++;
	check(i < BUFFERS_MAX);
	player.buffers[i].id = (uint32_t)received->msg.id;
	check(tsk_map_new(received->fds[0], received->msg.value, true, &player.buffers[i].map) ==
	      0);
}

static inline void attach(struct worker_received *received)
{
	struct worker_msg ready = { .type = WORKER_READY, .text = "fuzz 1" };

	check(ring_pair_init(&player.rings, RING_WORKER, received->fds[0], received->fds[2],
			     received->fds[1]) == 0);
	received->fds[1] = received->fds[2] = -1;
	player.has_rings = true;
	(void)!worker_control_send(player.socket, &ready, NULL, 0, NULL, 0);
}

/* It says so, and maps nothing: only the front's arithmetic is looked at. */
static inline void tell_mapped(uint64_t id)
{
	struct worker_msg mapped = { .type = WORKER_FOREIGN_MAPPED, .id = id, .value = 1 };

	(void)!worker_control_send(player.socket, &mapped, NULL, 0, NULL, 0);
}

/* Whether there was any. */
static inline bool take_messages(void)
{
	static struct worker_received received;
	bool any = false;
	int r = -EAGAIN;

	while (player.socket >= 0 && (r = worker_control_recv(player.socket, &received)) == 1) {
		any = true;
		if (received.msg.type == WORKER_ATTACH)
			attach(&received);
		else if (received.msg.type == WORKER_LOAD)
			send_loaded();
		else if (received.msg.type == WORKER_BUFFER)
			add_buffer(&received);
		else if (received.msg.type == WORKER_BUFFER_DROP)
			tsk_map_done(map_of((uint32_t)received.msg.id));
		else if (received.msg.type == WORKER_FOREIGN)
			tell_mapped(received.msg.id);
		worker_received_done(&received);
	}
	player.is_let_go = r == 0;
	return any;
}

static inline void check_foreign(const struct run_tensor *t)
{
	check(t->offset <= FUZZ_MEMORY_BYTES && t->bytes <= FUZZ_MEMORY_BYTES - t->offset);
}

/*
 * Every byte of the inputs can be read, and their descriptors are right.  *ret_place: where the output is to
 * go; foreign 0: anywhere.
 */
static inline uint64_t read_inputs(const struct run_entry *entry, struct run_tensor *ret_place)
{
	const struct tsk_map *map = map_of(entry->in_buffer);
	volatile unsigned char touched;
	struct run_tensor t[2] = { 0 };
	unsigned n, n_places;

	check(map && entry->in_bytes <= map->size);
	check(run_read_foreign(map->addr, entry->in_bytes, t, 2, &n, &n_places) == 0);
	check(n == 1 && t[0].index == 0 && t[0].dtype == TENSOCK_FLOAT32);
	if (t[0].foreign)
		check_foreign(&t[0]);
	else if (t[0].bytes)
		touched = ((unsigned char *)map->addr)[t[0].offset + t[0].bytes - 1];
	(void)touched;
	if (n_places)
		check_foreign(&t[1]);
	*ret_place = n_places ? t[1] : (struct run_tensor){ 0 };
	return t[0].bytes / 4;
}

static inline void run(const struct run_entry *entry)
{
	struct run_entry done = { .type = RUN_DONE, .request_id = entry->request_id };
	struct tsk_map *map = map_of(entry->out_buffer);
	struct run_tensor y = { .dtype = TENSOCK_FLOAT32, .rank = 1 }, place;
	uint64_t bytes;

	y.dims[0] = (int64_t)read_inputs(entry, &place);
	y.bytes = 4 * (uint64_t)y.dims[0];
	check(map && entry->out_bytes <= map->size);
	bytes = place.foreign && y.bytes <= place.bytes ? 0 : y.bytes;
	check(run_layout(&bytes, 1, &y.offset, &done.out_bytes) == 0);
	if (!bytes && y.bytes) {
		y.foreign = place.foreign;
		y.offset = place.offset;
	}
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

/* Whether there was anything to do. */
static inline bool play_worker(void)
{
	struct run_entry entry;
	bool any = take_messages();

	while (player.has_rings && ring_pop(&player.rings.in, &entry)) {
		any = true;
		take_messages();
		if (entry.type != RUN_CANCEL)
			run(&entry);
	}
	if (player.has_rings)
		ring_ring(&player.rings.out);
	return any;
}

static inline void end_worker(void)
{
	player.socket = tsk_close(player.socket);
	player.is_let_go = false;
	for (unsigned i = 0; i < BUFFERS_MAX; i++)
		tsk_map_done(&player.buffers[i].map);
	if (player.has_rings)
		ring_pair_done(&player.rings);
	player.has_rings = false;
}

/*
 * ---- The supervisor
 */

static inline void spawn(int supervisor, uint64_t id)
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
static inline bool look_at_worker(int supervisor, bool is_killed)
{
	struct front_msg msg = { .type = FRONT_WORKER_EXITED, .id = player.id };

	if (player.socket < 0 || !(is_killed || player.is_let_go))
		return false;
	end_worker();
	check(front_control_send(supervisor, &msg, -1) == 0);
	return true;
}

/* One turn of everybody.  False: nothing comes of another one, before the guest says something. */
static inline bool turn(struct guest *guest, int supervisor)
{
	struct front_msg msg;
	bool any = false;
	int fd;

	uv_run(guest->loop, UV_RUN_NOWAIT);
	while (front_control_recv(supervisor, &msg, &fd) == 1) {
		any = true;
		tsk_close(fd);
		if (msg.type == FRONT_SPAWN)
			spawn(supervisor, msg.id);
		else if (msg.type == FRONT_KILL)
			look_at_worker(supervisor, true);
	}
	any |= play_worker();
	any |= look_at_worker(supervisor, false);
	return any || uv_backend_timeout(guest->loop) == 0;
}

/* Whether there was anything to do. */
static inline bool play(struct guest *guest, int supervisor)
{
	unsigned n = 1;

	while (turn(guest, supervisor) && n < 3)
		n++;
	return n > 1;
}

/*
 * ---- The guest's carrier
 */

static inline void on_wake(struct stream_host *host)
{
	(void)host;
}

static inline int pass_fd(struct stream_host *host)
{
	static int memory = -1;

	(void)host;
	if (memory < 0)
		check(tsk_memfd_new("fuzz", FUZZ_MEMORY_BYTES, &memory) == 0);
	return fcntl(memory, F_DUPFD_CLOEXEC, 0);
}

/* Whether there was any. */
static inline bool take_output(const struct session_fuzz *fuzz, void *stream, size_t pace)
{
	const struct stream_ops *ops = fuzz->protocol->stream;
	const void *bytes;
	bool any = false;
	size_t n;

	while ((n = ops->output(stream, &bytes))) {
		any = true;
		n = n < pace ? n : pace;
		fuzz->take(bytes, n);
		ops->sent(stream, n);
	}
	return any;
}

/* Fills the pieces that the stream has room for, or the first of them.  How many bytes. */
static inline size_t give(const struct stream_ops *ops, void *stream, const uint8_t *data,
			  size_t size, bool scatters)
{
	struct iovec iov[STREAM_SCATTER_MAX];
	unsigned n = stream_scatter(ops, stream, iov);
	size_t done = 0;

	for (unsigned i = 0; i < n && (i == 0 || scatters); i++) {
		size_t part = iov[i].iov_len < size - done ? iov[i].iov_len : size - done;

		memcpy(iov[i].iov_base, data + done, part);
		done += part;
	}
	if (done)
		ops->received(stream, done);
	return done;
}

/* Byte after byte where the first byte says so; but a long input is no more tested by that than a short one. */
#define FUZZ_PIECES_MAX 512u

static inline size_t pace_of(const uint8_t *data, size_t size)
{
	size_t pace = data[0] % 32u * (data[0] % 32u) * 16 + 1;
	size_t least = size / FUZZ_PIECES_MAX + 1;

	return pace > least ? pace : least;
}

static inline void converse(const struct session_fuzz *fuzz, struct guest *guest, int supervisor,
			    const uint8_t *data, size_t size)
{
	struct stream_host host = { .wake = on_wake, .take_fd = pass_fd };
	void *stream = fuzz->protocol->open(guest, &host);
	size_t pace = pace_of(data, size);
	bool is_lazy = data[0] & 32, ends = data[0] & 64, scatters = data[0] & 128;
	const struct stream_ops *ops = fuzz->protocol->stream;
	unsigned n_windows = 0;

	check(stream);
	for (size_t at = 1; at < size && !ops->finished(stream);) {
		size_t most = size - at < pace ? size - at : pace;
		size_t n = give(ops, stream, data + at, most, scatters);

		at += n;
		/* Small pieces come faster than anybody answers. */
		if (!n || pace > 100 || ++n_windows % 16 == 0)
			play(guest, supervisor);
		(void)fuzz->protocol->is_waiting(stream);
		if (!n || !is_lazy)
			take_output(fuzz, stream, pace);
	}
	if (ends)
		ops->ended(stream);
	for (unsigned i = 0; i < 8; i++) {
		bool any = play(guest, supervisor);

		if (!take_output(fuzz, stream, pace) && !any)
			break;
	}
	fuzz->look_over(ends, ops->finished(stream));
	ops->close(stream);
}

static inline struct front_start limits(void)
{
	return (struct front_start){ .version = FRONT_CONTROL_VERSION,
				     .log_level = TSK_LOG_ERROR | TSK_LOG_ACCESS,
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
				     .upload_keep_ms = 60000,
				     .ports = { 9999 } };
}

/* Regions that have a name stay; what a connection has shared has gone with it. */
static inline void look_over_regions(const struct regions *regions)
{
	const struct region *region = NULL;
	struct oip_region_view view;
	unsigned n = 0;

	while (regions_next(regions, &region, &view))
		n++;
	check(regions->n == n);
}

/* Everything but what the workers and models keep has been given back. */
static inline void look_over(struct guest *guest)
{
	look_over_regions(&guest->regions);
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

/* All inputs' own: it keeps nothing, once its handles are closed. */
static inline uv_loop_t *the_loop(void)
{
	static uv_loop_t loop;
	static bool is_there;

	if (!is_there) {
		signal(SIGPIPE, SIG_IGN);
		check(uv_loop_init(&loop) == 0);
		is_there = true;
	}
	return &loop;
}

static inline void fail_on_handle(uv_handle_t *handle, void *context)
{
	(void)handle;
	(void)context;
	abort();
}

static inline int session_fuzz(const struct session_fuzz *fuzz, const uint8_t *data, size_t size)
{
	struct front_msg start = { .type = FRONT_START, .start = limits() };
	struct guest *guest;
	int fds[2];

	if (size == 0)
		return 0;
	check(tsk_seqpacket_pair(fds) == 0);
	check(guest_new(the_loop(), fds[1], &guest) == 0);
	check(front_control_send(fds[0], &start, -1) == 0);
	play(guest, fds[0]);
	converse(fuzz, guest, fds[0], data, size);
	play(guest, fds[0]);
	look_over(guest);
	guest_free(guest);
	end_worker();
	close(fds[0]);
	uv_run(the_loop(), UV_RUN_DEFAULT);
	check(!uv_loop_alive(the_loop()));
	uv_walk(the_loop(), fail_on_handle, NULL);
	return 0;
}

#endif
