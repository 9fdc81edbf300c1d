/* SPDX-License-Identifier: Apache-2.0 */
/* The device while its queues are stopped, and what it makes of how they start again. */
#include "front/vhost/vsock_device.h"

#include <stdio.h>

#include "front/vhost/vsock_fake_driver.h"

#define AGAIN VHOST_BEGINS_AGAIN
#define UNUSED VHOST_BEGINS_UNUSED
#define ANEW VHOST_BEGINS_ANEW

static bool is_open(int host)
{
	char c;
	ssize_t r = recv(host, &c, 1, MSG_PEEK);

	return r > 0 || (r < 0 && errno == EAGAIN);
}

/* Runs the loop for at least so long. */
static void run_for(struct fixture *f, uint64_t ms)
{
	uint64_t end_ms = uv_hrtime() / 1000000 + ms;

	while (uv_hrtime() / 1000000 <= end_ms) {
		uv_run(&f->loop, UV_RUN_NOWAIT);
		uv_sleep(1);
	}
}

static void bytes_of_both_sides_wait(void **state)
{
	struct fixture *f = *state;
	char buf[16];
	int host;

	offer_rx(f, 8, 64, 64);
	host = connect_unix(f, 1);
	halt(f);
	assert_int_equal(write(host, "from host", 9), 9);
	/* Behind the device's back: it has no queue to be kicked at. */
	f->tx->kicks = f->rx->kicks = false;
	send_data(f, 1, 80, "from guest", 10);
	run_for(f, 10);
	assert_int_equal(uv_backend_timeout(&f->loop) == 0, 0);
	assert_int_equal(recv(host, buf, sizeof(buf), 0), -1);
	assert_int_equal(f->seen, f->rx->pushed);
	assert_int_equal(vsock_device_connections(f->device), 1);
	start_again(f, AGAIN, AGAIN);
	expect_data(f, "from host", 9);
	assert_int_equal(recv(host, buf, sizeof(buf), 0), 10);
	assert_memory_equal(buf, "from guest", 10);
	assert_int_equal(recv(host, buf, sizeof(buf), 0), -1);
	close(host);
}

/* What a program did meanwhile is not lost, and comes in its order. */
static void a_program_that_goes_meanwhile_is_heard_of_later(void **state)
{
	struct fixture *f = *state;
	int host;

	offer_rx(f, 8, 64, 64);
	host = connect_unix(f, 1);
	halt(f);
	assert_int_equal(write(host, "last words", 10), 10);
	close(host);
	run_for(f, 10);
	start_again(f, UNUSED, AGAIN);
	/* That nobody reads any more goes before data. */
	assert_int_equal(expect(f, VSOCK_OP_SHUTDOWN).flags, VSOCK_SHUTDOWN_RECEIVE);
	expect_data(f, "last words", 10);
	assert_int_equal(expect(f, VSOCK_OP_SHUTDOWN).flags, VSOCK_SHUTDOWN_BOTH);
}

static void control_packets_wait(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	send_op(f, VSOCK_OP_REQUEST, 1, 80, 0);
	send_op(f, VSOCK_OP_RW, 9, 9, 0);
	turn(f);
	halt(f);
	/* The supervisor answers in the middle of it. */
	vsock_device_connected(f->device, f->id, 0, fds[0]);
	run_for(f, 5);
	start_again(f, UNUSED, AGAIN);
	offer_rx(f, 8, 64, 64);
	assert_int_equal(expect(f, VSOCK_OP_RST).dst_port, 9);
	assert_int_equal(expect(f, VSOCK_OP_RESPONSE).dst_port, 1);
	send_data(f, 1, 80, "x", 1);
	turn(f);
	assert_int_equal(recv(fds[1], &(char){ 0 }, 1, 0), 1);
	close(fds[1]);
}

/* A program whose socket is full, the guest's bytes in our buffer, and its end behind them. */
static void what_was_taken_goes_on_to_the_program(void **state)
{
	static char sent[60000], got[60000];
	struct fixture *f = *state;
	struct vsock_header h;
	size_t n = 0, filled = 0;
	int host, size = 4096;

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 7 + (i >> 8));
	offer_rx(f, 64, 64, 64);
	host = connect_unix(f, 1);
	(void)setsockopt(host, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	while (filled < 240000) {
		send_data(f, 1, 80, sent, sizeof(sent));
		filled += sizeof(sent);
	}
	send_op(f, VSOCK_OP_SHUTDOWN, 1, 80, VSOCK_SHUTDOWN_BOTH);
	turn(f);
	halt(f);
	/* Its socket's bytes are its own, but no more come. */
	for (bool on = false; n < filled;) {
		ssize_t r = recv(host, got, sizeof(got), 0);

		if (r < 0 && errno == EAGAIN) {
			if (!on) {
				run_for(f, 5);
				assert_int_equal(recv(host, got, 1, 0), -1);
				start_again(f, AGAIN, AGAIN);
				on = true;
			}
			turn(f);
			continue;
		}
		assert_true(r > 0);
		for (ssize_t i = 0; i < r; i++)
			assert_int_equal(got[i], sent[(n + (size_t)i) % sizeof(sent)]);
		n += (size_t)r;
		assert_true(on || n < filled);
	}
	do
		assert_true(receive(f, &h, NULL, 0));
	while (h.op == VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(h.op, VSOCK_OP_RST);
	turn(f);
	assert_int_equal(recv(host, got, 1, 0), 0);
	close(host);
}

/* The 2 s in which a guest answers: the clock is not waited for, but the device's time is. */
static void no_time_passes_for_connections(void **state)
{
	struct fixture *f = *state;
	struct vsock_header h;
	int fds[2], other;

	offer_rx(f, 8, 64, 64);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	vsock_device_host_stream(f->device, fds[0]);
	assert_int_equal(write(fds[1], "CONNECT 5\n", 10), 10);
	h = expect(f, VSOCK_OP_REQUEST);
	/* It has a full backlog, and is tried again for 2 s, too. */
	send_op(f, VSOCK_OP_REQUEST, 1, 80, 0);
	turn(f);
	assert_int_equal(f->asked, 1);
	for (unsigned i = 0; i < 10; i++) {
		halt(f);
		run_for(f, PAUSE_MS * 4 / 5);
		if (i == 0)
			vsock_device_connected(f->device, f->id, -EAGAIN, -1);
		assert_int_equal(f->asked, 1 + (i > 0));
		start_again(f, AGAIN, AGAIN);
		run_for(f, i == 0 ? 30 : 1);
		assert_int_equal(f->asked, 2);
	}
	assert_true(is_open(fds[1]));
	send_op(f, VSOCK_OP_RESPONSE, 5, h.src_port, 0);
	turn(f);
	assert_true(is_open(fds[1]));
	other = fds[1];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	vsock_device_connected(f->device, f->id, 0, fds[0]);
	expect(f, VSOCK_OP_RESPONSE);
	close(other);
	close(fds[1]);
}

static void a_new_driver_hears_of_no_byte(void **state)
{
	static const enum vhost_begin begins[][2] = {
		{ ANEW, AGAIN },  { AGAIN, ANEW },    { ANEW, ANEW },
		{ UNUSED, ANEW }, { UNUSED, UNUSED },
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(begins); i++) {
		char c;
		int host;

		offer_rx(f, 8, 64, 64);
		host = connect_unix(f, 1);
		halt(f);
		assert_int_equal(write(host, "old", 3), 3);
		turn(f);
		assert_true(is_open(host));
		start_again(f, begins[i][0], begins[i][1]);
		assert_int_equal(recv(host, &c, 1, 0), -1);
		assert_int_equal(errno, ECONNRESET);
		expect(f, VSOCK_OP_RST);
		expect_nothing(f);
		assert_int_equal(vsock_device_connections(f->device), 0);
		close(host);
	}
}

/* A driver that begins anew with one queue is a new one, even if it stops once more. */
static void a_new_driver_stays_one(void **state)
{
	struct fixture *f = *state;
	char c;
	int host;

	offer_rx(f, 8, 64, 64);
	host = connect_unix(f, 1);
	halt(f);
	vmm->ops->started(vmm->device, 0, f->rx, ANEW);
	assert_int_equal(recv(host, &c, 1, 0), 0);
	vmm->ops->stopped(vmm->device, 0);
	start_again(f, AGAIN, AGAIN);
	expect(f, VSOCK_OP_RST);
	close(host);
}

static void one_queue_stops_and_starts(void **state)
{
	struct fixture *f = *state;
	int host;

	offer_rx(f, 8, 64, 64);
	host = connect_unix(f, 1);
	for (unsigned q = 0; q < 2; q++) {
		vmm->ops->stopped(vmm->device, q);
		assert_int_equal(write(host, "x", 1), 1);
		run_for(f, 5);
		assert_int_equal(f->seen, f->rx->pushed);
		vmm->ops->started(vmm->device, q, q ? f->tx : f->rx, q ? AGAIN : UNUSED);
		vmm->ops->kicked(vmm->device, q);
		expect_data(f, "x", 1);
	}
	close(host);
}

/* A driver that never comes back is waited for, but not for ever. */
static void after_a_while_all_are_reset(void **state)
{
	struct fixture *f = *state;
	char c;
	int host;

	for (unsigned n_stopped = 1; n_stopped <= 2; n_stopped++) {
		int fds[2];

		offer_rx(f, 8, 64, 64);
		host = connect_unix(f, 1);
		/* One that has a deadline of its own, and comes to be heard of in the pause. */
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
		vsock_device_host_stream(f->device, fds[0]);
		send_op(f, VSOCK_OP_REQUEST, 2, 9999, 0);
		expect(f, VSOCK_OP_RESPONSE);
		vmm->ops->stopped(vmm->device, 0);
		if (n_stopped == 2)
			vmm->ops->stopped(vmm->device, 1);
		assert_int_equal(write(fds[1], "CONN", 4), 4);
		run_for(f, PAUSE_MS / 2);
		assert_true(is_open(host) && is_open(fds[1]));
		assert_int_equal(n_echoes, 1);
		run_for(f, PAUSE_MS);
		assert_int_equal(recv(host, &c, 1, 0), 0);
		assert_int_equal(n_echoes, 0);
		assert_false(is_open(fds[1]));
		close(fds[1]);
		close(host);
		/* If it was but a very long pause, the guest hears of it. */
		vmm->ops->started(vmm->device, 0, f->rx, AGAIN);
		vmm->ops->kicked(vmm->device, 0);
		if (n_stopped == 2) {
			vmm->ops->started(vmm->device, 1, f->tx, AGAIN);
			vmm->ops->kicked(vmm->device, 1);
		}
		expect(f, VSOCK_OP_RST);
		expect(f, VSOCK_OP_RST);
		expect_nothing(f);
	}
	/* A pause is counted from its beginning. */
	host = connect_unix(f, 1);
	for (unsigned i = 0; i < 3; i++) {
		halt(f);
		run_for(f, PAUSE_MS / 2);
		start_again(f, AGAIN, AGAIN);
	}
	run_for(f, PAUSE_MS + 10);
	assert_true(is_open(host));
	close(host);
}

static void a_vmm_that_goes_in_the_middle_of_it_ends_all(void **state)
{
	struct fixture *f = *state;
	char c;
	int host;

	offer_rx(f, 8, 64, 64);
	host = connect_unix(f, 1);
	stop(f);
	vmm->ops->disconnected(vmm->device);
	assert_int_equal(recv(host, &c, 1, 0), 0);
	close(host);
	/* Nothing of it is left for the next one, which may begin as it had stopped. */
	assert_int_equal(attach(f, false, NULL), 0);
	start(f);
	offer_rx(f, 8, 64, 64);
	expect_nothing(f);
	host = connect_unix(f, 1);
	run_for(f, PAUSE_MS + 10);
	assert_true(is_open(host));
	close(host);
}

static void new_programs_are_refused_meanwhile(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	halt(f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	vsock_device_host_stream(f->device, fds[0]);
	assert_false(is_open(fds[1]));
	close(fds[1]);
	start_again(f, UNUSED, UNUSED);
}

/* The service's streams are woken by workers, which know of no pause. */
static void the_service_goes_on_where_it_was(void **state)
{
	struct fixture *f = *state;

	offer_rx(f, 8, 300, 300);
	send_op(f, VSOCK_OP_REQUEST, 1, 9999, 0);
	expect(f, VSOCK_OP_RESPONSE);
	send_data(f, 1, 9999, "abc", 3);
	expect_data(f, "abc", 3);
	halt(f);
	memcpy(last_echo->bytes, "news", 4);
	last_echo->len = 4;
	last_echo->host->wake(last_echo->host);
	run_for(f, 5);
	assert_true(uv_backend_timeout(&f->loop) > 0);
	assert_int_equal(f->seen, f->rx->pushed);
	start_again(f, AGAIN, AGAIN);
	expect_data(f, "news", 4);
	send_data(f, 1, 9999, "bye", 3);
	expect_data(f, "bye", 3);
	expect(f, VSOCK_OP_SHUTDOWN);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(bytes_of_both_sides_wait),
		CASE(a_program_that_goes_meanwhile_is_heard_of_later),
		CASE(control_packets_wait),
		CASE(what_was_taken_goes_on_to_the_program),
		CASE(no_time_passes_for_connections),
		CASE(a_new_driver_hears_of_no_byte),
		CASE(a_new_driver_stays_one),
		CASE(one_queue_stops_and_starts),
		CASE(after_a_while_all_are_reset),
		CASE(a_vmm_that_goes_in_the_middle_of_it_ends_all),
		CASE(new_programs_are_refused_meanwhile),
		CASE(the_service_goes_on_where_it_was),
	};

	return cmocka_run_group_tests_name("vsock_device_pause", tests, NULL, NULL);
}
