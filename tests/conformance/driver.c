/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance/driver.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/seqpacket.h"

#define BUFFER_ID 1u

/* A test cannot go on without. */
static void must(bool ok, const char *what)
{
	if (!ok) {
		perror(what);
		abort();
	}
}

/* A model that wants terabytes gets a refusal, not the machine.  (Sanitizers map more than that.) */
static void limit_memory(void)
{
#ifndef TESTS_SANITIZED
	const struct rlimit limit = { .rlim_cur = UINT64_C(16) << 30,
				      .rlim_max = UINT64_C(16) << 30 };

	must(setrlimit(RLIMIT_AS, &limit) == 0, "setrlimit");
#endif
}

#define ARGUMENTS_MAX 64

static void run_child(int control_fd, const char *worker, const char *const *arguments)
{
	char *argv[ARGUMENTS_MAX + 2] = { (char *)(uintptr_t)worker };

	for (unsigned i = 0; arguments[i] && i < ARGUMENTS_MAX; i++)
		argv[1 + i] = (char *)(uintptr_t)arguments[i];
	if (control_fd == WORKER_CONTROL_FD)
		fcntl(control_fd, F_SETFD, 0);
	else
		dup2(control_fd, WORKER_CONTROL_FD);
	limit_memory();
	execv(worker, argv);
	_exit(127);
}

static void attach(struct driver *d)
{
	struct worker_msg msg = { .type = WORKER_ATTACH };
	int to_worker[2], to_front[2];
	int memfd;

	must(ring_memfd_new(&memfd) == 0, "rings");
	must(ring_doorbell_new(&to_worker[0], &to_worker[1]) == 0, "doorbell");
	must(ring_doorbell_new(&to_front[0], &to_front[1]) == 0, "doorbell");
	(void)!worker_control_send(d->control_fd, &msg, NULL, 0,
				   (int[]){ memfd, to_worker[1], to_front[0] }, 3);
	must(ring_pair_init(&d->rings, RING_FRONT, memfd, to_worker[0], to_front[1]) == 0, "rings");
	tsk_close(memfd);
	tsk_close(to_worker[1]);
	tsk_close(to_front[0]);
}

static void give_buffer(struct driver *d)
{
	struct worker_msg msg = { .type = WORKER_BUFFER,
				  .id = BUFFER_ID,
				  .value = 2 * DRIVER_REGION_BYTES };
	int fd;

	must(tsk_memfd_new("test-buffer", msg.value, &fd) == 0, "buffer");
	must(tsk_map_new(fd, msg.value, true, &d->map) == 0, "buffer");
	/* A worker that is dead already is found out by whoever waits for it. */
	(void)!worker_control_send(d->control_fd, &msg, NULL, 0, &fd, 1);
	tsk_close(fd);
}

void driver_start(struct driver *d, const char *worker, const char *engine, const char *option)
{
	const char *const arguments[] = { "--engine", engine, option ? "--option" : NULL, option,
					  NULL };

	driver_start_with(d, worker, arguments);
}

void driver_start_with(struct driver *d, const char *worker, const char *const *arguments)
{
	int fds[2];

	memset(d, 0, sizeof(*d));
	must(tsk_seqpacket_pair(fds) == 0, "socketpair");
	d->pid = fork();
	must(d->pid >= 0, "fork");
	if (d->pid == 0)
		run_child(fds[1], worker, arguments);
	tsk_close(fds[1]);
	d->control_fd = fds[0];
	attach(d);
	give_buffer(d);
}

static int left_ms(uint64_t deadline_ns)
{
	uint64_t now = tsk_now_ns();

	return now < deadline_ns ? (int)((deadline_ns - now) / TSK_NS_PER_MS) + 1 : 0;
}

static uint64_t deadline(int timeout_ms)
{
	return tsk_now_ns() + (uint64_t)timeout_ms * TSK_NS_PER_MS;
}

static enum driver_result reap(struct driver *d)
{
	while (waitpid(d->pid, &d->wait_status, 0) < 0)
		must(errno == EINTR, "waitpid");
	d->pid = 0;
	return DRIVER_DIED;
}

static enum driver_result kill_late(struct driver *d)
{
	kill(d->pid, SIGKILL);
	reap(d);
	return DRIVER_LATE;
}

/* The next control message of this type, or FAILED. */
static enum driver_result recv_control(struct driver *d, uint32_t type, int timeout_ms)
{
	uint64_t until = deadline(timeout_ms);

	for (;;) {
		struct pollfd fd = { .fd = d->control_fd, .events = POLLIN };
		int r = worker_control_recv(d->control_fd, &d->received);

		if (r == 1 && d->received.msg.type == type)
			return DRIVER_OK;
		if (r == 1 && d->received.msg.type == WORKER_FAILED) {
			d->error.status = d->received.msg.status;
			memcpy(d->error.message, d->received.msg.text, sizeof(d->error.message));
			return DRIVER_REFUSED;
		}
		if (r != -EAGAIN)
			return reap(d);
		if (poll(&fd, 1, left_ms(until)) == 0)
			return kill_late(d);
	}
}

enum driver_result driver_wait_ready(struct driver *d, int timeout_ms)
{
	enum driver_result result = recv_control(d, WORKER_READY, timeout_ms);

	if (result == DRIVER_OK)
		memcpy(d->title, d->received.msg.text, sizeof(d->received.msg.text));
	return result;
}

static int model_memfd(const void *model, size_t bytes)
{
	int fd;

	must(tsk_memfd_new("test-model", bytes, &fd) == 0, "model");
	must(write(fd, model, bytes) == (ssize_t)bytes, "model");
	must(tsk_memfd_freeze(fd) == 0, "model");
	return fd;
}

enum driver_result driver_load(struct driver *d, const void *model, size_t bytes, int timeout_ms)
{
	struct worker_msg msg = { .type = WORKER_LOAD, .value = bytes };
	_cleanup_close_ int fd = model_memfd(model, bytes);
	enum driver_result result;

	(void)!worker_control_send(d->control_fd, &msg, NULL, 0, &fd, 1);
	result = recv_control(d, WORKER_LOADED, timeout_ms);
	if (result == DRIVER_OK)
		must(tsk_model_info_decode(d->received.description, d->received.description_bytes,
					   &d->info) == 0,
		     "the worker's description");
	return result;
}

void driver_send_entry(struct driver *d, const struct run_entry *entry)
{
	must(ring_push(&d->rings.out, entry), "ring");
	if (entry->type == RUN_CANCEL)
		ring_ring_urgently(&d->rings.out);
	else
		ring_ring(&d->rings.out);
}

uint64_t driver_send_run(struct driver *d, const struct driver_tensor *inputs, unsigned n,
			 uint64_t room)
{
	uint64_t bytes[RUN_TENSORS_MAX], offsets[RUN_TENSORS_MAX];
	struct run_tensor descriptors[64];
	struct run_entry entry = { .type = RUN_START,
				   .request_id = ++d->last_request_id,
				   .in_buffer = BUFFER_ID,
				   .out_buffer = BUFFER_ID,
				   .out_offset = DRIVER_REGION_BYTES,
				   .out_bytes = room };
	uint64_t lane = d->last_request_id % 64 * d->lane_bytes;
	unsigned char *region = (unsigned char *)d->map.addr + lane;

	must(n <= ARRAY_SIZE(descriptors), "inputs");
	entry.in_offset = lane;
	entry.out_offset += lane;
	for (unsigned i = 0; i < n; i++)
		bytes[i] = inputs[i].descriptor.bytes;
	must(run_layout(bytes, n, offsets, &entry.in_bytes) == 0 &&
		     entry.in_bytes <= DRIVER_REGION_BYTES,
	     "inputs");
	for (unsigned i = 0; i < n; i++) {
		descriptors[i] = inputs[i].descriptor;
		descriptors[i].offset = offsets[i];
		if (bytes[i])
			memcpy(region + offsets[i], inputs[i].data, bytes[i]);
	}
	must(run_write(region, entry.in_bytes, descriptors, n) == 0, "inputs");
	/* What a run does not write must be seen to be unwritten. */
	memset(region + DRIVER_REGION_BYTES, 0xa5, room < 65536 ? room : 65536);
	driver_send_entry(d, &entry);
	return entry.request_id;
}

enum driver_result driver_recv_done(struct driver *d, struct run_entry *ret, int timeout_ms)
{
	uint64_t until = deadline(timeout_ms);

	for (;;) {
		struct pollfd fds[2] = { { .fd = d->rings.in.doorbell, .events = POLLIN },
					 { .fd = d->control_fd } };
		int n;

		if (ring_pop(&d->rings.in, ret))
			return DRIVER_OK;
		if (!ring_sleep(&d->rings.in))
			continue;
		n = poll(fds, 2, left_ms(until));
		ring_awake(&d->rings.in);
		if (n == 0)
			return kill_late(d);
		/* What it said before it died counts. */
		if (fds[1].revents & POLLHUP && !ring_pop(&d->rings.in, ret))
			return reap(d);
		if (fds[1].revents & POLLHUP)
			return DRIVER_OK;
	}
}

static enum driver_result read_outputs(struct driver *d, const struct run_entry *done,
				       struct driver_tensor *outputs, unsigned max, unsigned *ret_n)
{
	struct run_tensor descriptors[64];
	unsigned char *region = (unsigned char *)d->map.addr + DRIVER_REGION_BYTES;

	if (done->status != TENSOCK_OK) {
		d->error.status = done->status;
		snprintf(d->error.message, sizeof(d->error.message), "%.*s", (int)done->out_bytes,
			 (const char *)region);
		return DRIVER_REFUSED;
	}
	must(max <= ARRAY_SIZE(descriptors), "outputs");
	must(run_read(region, done->out_bytes, descriptors, max, ret_n) == 0,
	     "the worker's outputs are not well described");
	for (unsigned i = 0; i < *ret_n; i++) {
		outputs[i].descriptor = descriptors[i];
		outputs[i].data = region + descriptors[i].offset;
	}
	return DRIVER_OK;
}

enum driver_result driver_run(struct driver *d, const struct driver_tensor *inputs, unsigned n,
			      uint64_t room, struct driver_tensor *outputs, unsigned max,
			      unsigned *ret_n, int timeout_ms)
{
	uint64_t id = driver_send_run(d, inputs, n, room);
	struct run_entry done;
	enum driver_result result = driver_recv_done(d, &done, timeout_ms);

	if (result == DRIVER_OK && done.status == TENSOCK_TOO_LARGE && done.needed) {
		struct run_entry fetch = { .type = RUN_FETCH,
					   .request_id = id,
					   .out_buffer = BUFFER_ID,
					   .out_offset = DRIVER_REGION_BYTES,
					   .out_bytes = done.needed };

		driver_send_entry(d, &fetch);
		result = driver_recv_done(d, &done, timeout_ms);
	}
	if (result != DRIVER_OK)
		return result;
	must(done.type == RUN_DONE && done.request_id == id, "the worker's answer");
	return read_outputs(d, &done, outputs, max, ret_n);
}

static bool exits_within(struct driver *d, int timeout_ms)
{
	uint64_t until = deadline(timeout_ms);

	while (waitpid(d->pid, &d->wait_status, WNOHANG) == 0) {
		if (tsk_now_ns() > until)
			return false;
		usleep(1000);
	}
	d->pid = 0;
	return true;
}

enum driver_result driver_stop(struct driver *d, int timeout_ms)
{
	enum driver_result result = DRIVER_OK;

	d->control_fd = tsk_close(d->control_fd);
	if (d->pid && !exits_within(d, timeout_ms))
		result = kill_late(d);
	else if (d->wait_status != 0)
		result = DRIVER_DIED;
	ring_pair_done(&d->rings);
	tsk_map_done(&d->map);
	tsk_model_info_done(&d->info);
	return result;
}
