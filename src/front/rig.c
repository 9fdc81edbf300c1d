/* SPDX-License-Identifier: Apache-2.0 */
#include "front/rig.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/seqpacket.h"

#define PATIENCE_MS 5000u

int rig_warm_up(void **state)
{
	uv_loop_t loop;

	(void)state;
	return uv_loop_init(&loop) || uv_loop_close(&loop);
}

struct front_start rig_limits(void)
{
	return (struct front_start){
		.version = FRONT_CONTROL_VERSION,
		.log_level = TSK_LOG_DEBUG,
		.name = "rig",
		.model_bytes_max = 1 << 20,
		.request_bytes_max = 1 << 20,
		.memory_bytes_max = 8 << 20,
		.connections_max = 8,
		.workers_max = 2,
		.load_deadline_ms = 60000,
		.run_deadline_ms = 60000,
		.idle_timeout_ms = 60000,
		.model_idle_ms = 60000,
		.models_max = 4,
		.model_keep_ms = 60000,
		.requests_max = 64,
		.uploads_max = 2,
		.upload_keep_ms = 60000,
		.ports = { 9999 },
	};
}

void rig_run(struct rig *rig, unsigned ms)
{
	uint64_t end_ns = tsk_now_ns() + ms * TSK_NS_PER_MS;

	do {
		uv_run(&rig->loop, UV_RUN_NOWAIT);
		usleep(200);
	} while (tsk_now_ns() < end_ns);
}

/* Runs the front until fd can be read. */
static void await(struct rig *rig, int fd)
{
	for (uint64_t start_ns = tsk_now_ns();;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		rig_run(rig, 0);
		if (poll(&p, 1, 0) > 0)
			return;
		if (tsk_now_ns() - start_ns > PATIENCE_MS * TSK_NS_PER_MS)
			fail_msg("nothing came");
	}
}

static void take_stderr(struct rig *rig)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
	rig->saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	/* The log goes to descriptor 2, the test's own words go where they went. */
	rig->stderr_file = stderr;
	stderr = fdopen(rig->saved_stderr, "w");
	setvbuf(stderr, NULL, _IONBF, 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	rig->log = fds[0];
}

void rig_init(struct rig *rig, const struct front_start *limits)
{
	struct front_msg msg = { .type = FRONT_START, .start = *limits };
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	*rig = (struct rig){ 0 };
	take_stderr(rig);
	assert_int_equal(uv_loop_init(&rig->loop), 0);
	assert_int_equal(tsk_seqpacket_pair(fds), 0);
	rig->supervisor = fds[0];
	assert_int_equal(guest_new(&rig->loop, fds[1], &rig->guest), 0);
	assert_int_equal(front_control_send(rig->supervisor, &msg, -1), 0);
	rig_expect(rig, FRONT_READY);
}

static void check_counters(const struct guest *guest)
{
	const struct counters *c = &guest->counters;
	unsigned busy = 0;

	/* Tests end their connections, so nothing is under way. */
	assert_int_equal(guest->sessions.n, busy);
	assert_int_equal(counters_active(c), 0);
}

void rig_done(struct rig *rig)
{
	struct guest *guest = rig->guest;

	rig_run(rig, 5);
	check_counters(guest);
	uploads_free(guest->uploads);
	guest->uploads = NULL;
	models_free(guest->models);
	guest->models = NULL;
	workers_free(guest->workers);
	guest->workers = NULL;
	assert_int_equal(guest->account.used_bytes, 0);
	guest_free(guest);
	close(rig->supervisor);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&rig->loop), 0);
	dup2(rig->saved_stderr, STDERR_FILENO);
	fclose(stderr);
	stderr = rig->stderr_file;
	close(rig->log);
}

struct front_msg rig_expect(struct rig *rig, enum front_msg_type type)
{
	struct front_msg msg;
	int fd;

	await(rig, rig->supervisor);
	assert_int_equal(front_control_recv(rig->supervisor, &msg, &fd), 1);
	assert_int_equal(msg.type, type);
	return msg;
}

void rig_expect_nothing(struct rig *rig, unsigned ms)
{
	struct front_msg msg;
	int fd;

	rig_run(rig, ms);
	if (front_control_recv(rig->supervisor, &msg, &fd) != -EAGAIN)
		fail_msg("a message of type %u came", msg.type);
}

void rig_send(struct rig *rig, enum front_msg_type type, uint64_t id, uint64_t value, int result,
	      int fd)
{
	struct front_msg msg = { .type = type, .id = id, .value = value, .result = result };

	assert_int_equal(front_control_send(rig->supervisor, &msg, fd), 0);
	rig_run(rig, 0);
}

int rig_connect(struct rig *rig)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	rig_send(rig, FRONT_CONNECTION, 0, 0, 0, fds[1]);
	close(fds[1]);
	return fds[0];
}

void rig_write(struct rig *rig, int fd, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		assert_true(sent > 0 || errno == EAGAIN);
		p += sent > 0 ? sent : 0;
		n -= sent > 0 ? (size_t)sent : 0;
		rig_run(rig, 0);
	}
}

void rig_write_frame(struct rig *rig, int fd, uint32_t id, const char *model)
{
	unsigned char header[16];
	struct tsk_writer w = tsk_writer(header, sizeof(header));

	tsk_write_u32(&w, 1);
	tsk_write_u32(&w, id);
	tsk_write_u64(&w, strlen(model));
	rig_write(rig, fd, header, sizeof(header));
	rig_write(rig, fd, model, strlen(model));
}

void rig_expect_bytes(struct rig *rig, int fd, const char *bytes)
{
	size_t n = strlen(bytes);

	for (size_t i = 0; i < n; i++) {
		char c;

		await(rig, fd);
		assert_int_equal(read(fd, &c, 1), 1);
		assert_int_equal(c, bytes[i]);
	}
}

void rig_expect_end(struct rig *rig, int fd)
{
	char c;
	ssize_t n;

	await(rig, fd);
	n = read(fd, &c, 1);
	assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

static struct worker_received received;

static void receive(struct rig *rig, struct rig_worker *worker, uint32_t type)
{
	await(rig, worker->socket);
	assert_int_equal(worker_control_recv(worker->socket, &received), 1);
	assert_int_equal(received.msg.type, type);
}

struct rig_worker *rig_worker_new(struct rig *rig)
{
	struct front_msg msg = rig_expect(rig, FRONT_SPAWN);
	struct rig_worker *worker = calloc(1, sizeof(*worker));
	int fds[2];

	assert_int_equal(tsk_seqpacket_pair(fds), 0);
	rig_send(rig, FRONT_WORKER, msg.id, 0, 0, fds[1]);
	close(fds[1]);
	*worker = (struct rig_worker){ .id = msg.id, .socket = fds[0], .model = -1 };
	receive(rig, worker, WORKER_ATTACH);
	assert_int_equal(ring_pair_init(&worker->rings, RING_WORKER, received.fds[0],
					received.fds[2], received.fds[1]),
			 0);
	worker->has_rings = true;
	close(received.fds[0]);
	rig_worker_send(worker, WORKER_READY, TENSOCK_OK, "rig 1");
	return worker;
}

void rig_worker_hang_up(struct rig_worker *worker)
{
	for (unsigned i = 0; i < ARRAY_SIZE(worker->buffers); i++)
		tsk_map_done(&worker->buffers[i].map);
	if (worker->has_rings)
		ring_pair_done(&worker->rings);
	worker->has_rings = false;
	worker->socket = tsk_close(worker->socket);
	worker->model = tsk_close(worker->model);
}

void rig_worker_exit(struct rig *rig, struct rig_worker *worker, int wait_status)
{
	rig_worker_hang_up(worker);
	rig_send(rig, FRONT_WORKER_EXITED, worker->id, (uint64_t)wait_status, 0, -1);
	free(worker);
}

void rig_worker_expect_load(struct rig *rig, struct rig_worker *worker, const char *model)
{
	struct tsk_map map;
	uint64_t size;

	receive(rig, worker, WORKER_LOAD);
	worker->model = received.fds[0];
	worker->model_bytes = received.msg.value;
	assert_int_equal(tsk_memfd_check(worker->model, true, &size), 0);
	assert_int_equal(size, strlen(model));
	assert_int_equal(worker->model_bytes, size);
	assert_int_equal(tsk_map_new(worker->model, size, false, &map), 0);
	assert_memory_equal(map.addr, model, size);
	tsk_map_done(&map);
}

void rig_worker_loaded(struct rig_worker *worker, uint32_t output_dtype)
{
	static unsigned char bytes[WORKER_DESCRIPTION_MAX];
	struct tsk_tensor_info in = { .name = (char *)(uintptr_t) "x",
				      .dtype = TENSOCK_FLOAT32,
				      .rank = 2,
				      .dims = { -1, 3 } };
	struct tsk_tensor_info out = {
		.name = (char *)(uintptr_t) "y", .dtype = output_dtype, .rank = 1, .dims = { -1 }
	};
	struct tsk_model_info info = { .engine = (char *)(uintptr_t) "rig",
				       .format = (char *)(uintptr_t) "text",
				       .inputs = &in,
				       .n_inputs = 1,
				       .outputs = &out,
				       .n_outputs = 1,
				       .operators = (char *)(uintptr_t) "Relu 1" };
	struct worker_msg msg = { .type = WORKER_LOADED, .value = worker->parallel };
	size_t len;

	assert_int_equal(tsk_model_info_encode(&info, bytes, sizeof(bytes), &len), 0);
	assert_int_equal(worker_control_send(worker->socket, &msg, bytes, len, NULL, 0), 0);
}

void rig_worker_send(struct rig_worker *worker, uint32_t type, uint32_t status, const char *text)
{
	struct worker_msg msg = { .type = type, .status = status };

	snprintf(msg.text, sizeof(msg.text), "%s", text);
	assert_int_equal(worker_control_send(worker->socket, &msg, NULL, 0, NULL, 0), 0);
}

static struct tsk_map *map_of(struct rig_worker *worker, uint32_t id)
{
	for (unsigned i = 0; i < RIG_BUFFERS_MAX; i++) {
		if (worker->buffers[i].map.addr && worker->buffers[i].id == id)
			return &worker->buffers[i].map;
	}
	return NULL;
}

static struct tsk_map *free_map(struct rig_worker *worker, uint32_t id)
{
	unsigned i = 0;

	while (worker->buffers[i].map.addr)
		assert_true(++i < RIG_BUFFERS_MAX);
	worker->buffers[i].id = id;
	return &worker->buffers[i].map;
}

/* Whether it was of foreign memory, which the test maps where it wants. */
static bool take_foreign(struct rig_worker *worker)
{
	bool is_foreign = received.msg.type == WORKER_FOREIGN;
	struct stat st;

	if (is_foreign) {
		worker->foreign = received.msg;
		worker->n_foreign++;
		assert_int_equal(fstat(received.fds[0], &st), 0);
		assert_in_range(received.msg.value, 1, st.st_size);
		assert_in_range(received.msg.id, 1, UINT32_MAX);
	} else if (received.msg.type == WORKER_FOREIGN_DROP) {
		worker->foreign_drop = received.msg;
		worker->n_foreign_drops++;
		is_foreign = true;
	}
	if (is_foreign)
		worker_received_done(&received);
	return is_foreign;
}

/* Takes what stands in the socket: buffers come and go. */
static void take_buffers(struct rig_worker *worker)
{
	while (worker_control_recv(worker->socket, &received) == 1) {
		bool drops = received.msg.type == WORKER_BUFFER_DROP;
		struct tsk_map *map = map_of(worker, (uint32_t)received.msg.id);

		if (take_foreign(worker))
			continue;
		if (drops) {
			assert_non_null(map);
			tsk_map_done(map);
			continue;
		}
		assert_int_equal(received.msg.type, WORKER_BUFFER);
		assert_null(map);
		map = free_map(worker, (uint32_t)received.msg.id);
		assert_int_equal(tsk_map_new(received.fds[0], received.msg.value, true, map), 0);
		worker_received_done(&received);
	}
}

void rig_worker_take(struct rig *rig, struct rig_worker *worker)
{
	rig_run(rig, 1);
	take_buffers(worker);
}

void rig_worker_foreign_mapped(struct rig *rig, struct rig_worker *worker, bool is_mapped)
{
	struct worker_msg msg = { .type = WORKER_FOREIGN_MAPPED,
				  .id = worker->foreign.id,
				  .value = is_mapped };

	assert_int_equal(worker_control_send(worker->socket, &msg, NULL, 0, NULL, 0), 0);
	rig_run(rig, 2);
}

struct run_entry rig_worker_expect(struct rig *rig, struct rig_worker *worker, uint32_t type)
{
	uint64_t start_ns = tsk_now_ns();
	struct run_entry entry;

	while (!ring_pop(&worker->rings.in, &entry)) {
		rig_run(rig, 0);
		if (tsk_now_ns() - start_ns > PATIENCE_MS * TSK_NS_PER_MS)
			fail_msg("no entry came");
	}
	take_buffers(worker);
	assert_int_equal(entry.type, type);
	return entry;
}

void *rig_worker_region(struct rig_worker *worker, uint32_t buffer, uint64_t offset, uint64_t bytes)
{
	const struct tsk_map *map = map_of(worker, buffer);

	assert_non_null(map);
	assert_true(offset <= map->size && bytes <= map->size - offset);
	return (unsigned char *)map->addr + offset;
}

void rig_worker_push(struct rig_worker *worker, const struct run_entry *entry)
{
	assert_true(ring_push(&worker->rings.out, entry));
	ring_ring(&worker->rings.out);
}

void rig_worker_done(struct rig_worker *worker, const struct run_entry *entry, const float *values,
		     unsigned n)
{
	struct run_entry done = { .type = RUN_DONE, .request_id = entry->request_id };
	struct run_tensor t = {
		.dtype = TENSOCK_FLOAT32, .rank = 1, .bytes = 4 * n, .dims = { n }
	};
	unsigned char *region =
		rig_worker_region(worker, entry->out_buffer, entry->out_offset, entry->out_bytes);

	assert_int_equal(run_layout(&t.bytes, 1, &t.offset, &done.out_bytes), 0);
	assert_true(done.out_bytes <= entry->out_bytes);
	assert_int_equal(run_write(region, done.out_bytes, &t, 1), 0);
	memcpy(region + t.offset, values, t.bytes);
	rig_worker_push(worker, &done);
}

void rig_worker_error(struct rig_worker *worker, const struct run_entry *entry, uint32_t status,
		      const char *text)
{
	struct run_entry done = { .type = RUN_DONE,
				  .request_id = entry->request_id,
				  .status = status };

	memcpy(rig_worker_region(worker, entry->out_buffer, entry->out_offset, entry->out_bytes),
	       text, strlen(text) + 1);
	rig_worker_push(worker, &done);
}

void rig_worker_expect_end(struct rig *rig, struct rig_worker *worker)
{
	int r;

	do {
		await(rig, worker->socket);
		r = worker_control_recv(worker->socket, &received);
		worker_received_done(&received);
	} while (r > 0);
	assert_true(r == 0 || r == -ECONNRESET);
}

struct rig_worker *rig_worker_with(struct rig *rig, const char *model)
{
	struct rig_worker *worker = rig_worker_new(rig);

	rig_worker_expect_load(rig, worker, model);
	rig_worker_loaded(worker, TENSOCK_FLOAT32);
	return worker;
}

void rig_run_ok(struct rig *rig, struct rig_worker *worker, int fd)
{
	static const float values[] = { 0.5f, 1 };
	struct run_entry start = rig_worker_expect(rig, worker, RUN_START);

	rig_worker_done(worker, &start, values, 2);
	rig_expect_bytes(rig, fd, "OK");
}

void rig_expect_log(struct rig *rig, const char *text)
{
	static char log[1 << 20];
	size_t len = 0;

	for (unsigned i = 0; i < 1000; i++) {
		ssize_t n = read(rig->log, log + len, sizeof(log) - len - 1);

		len += n > 0 ? (size_t)n : 0;
		log[len] = '\0';
		if (strstr(log, text))
			return;
		rig_run(rig, 1);
	}
	fail_msg("\"%s\" was not logged, but: %s", text, log);
}
