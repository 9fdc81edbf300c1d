/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device between a driver that this test is, on rings of the test's own, and real Unix sockets.
 */
#include "front/vhost/vsock_device.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>

#include "front/vhost/vsock_fake_driver.h"

static void the_cid_is_in_the_config_space(void **state)
{
	unsigned char bytes[16];

	(void)state;
	memset(bytes, 0xaa, sizeof(bytes));
	vmm->ops->config(vmm->device, 0, bytes, 16);
	assert_memory_equal(bytes, "\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	vmm->ops->config(vmm->device, 0, bytes, 1);
	assert_int_equal(bytes[0], 3);
	vmm->ops->config(vmm->device, UINT32_MAX, bytes, 2);
	assert_memory_equal(bytes, "\0\0", 2);
}

static void a_chain_may_be_cut_anywhere(void **state)
{
	struct fixture *f = *state;
	char text[100];

	offer_rx(f, RING, 256, 256);
	send_op(f, VSOCK_OP_REQUEST, 1, 9999, 0);
	expect(f, VSOCK_OP_RESPONSE);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('!' + i % 90);
	for (size_t first = 1; first < VSOCK_HEADER_BYTES + sizeof(text); first++) {
		struct vsock_header h = packet(VSOCK_OP_RW, 1, 9999);

		h.len = sizeof(text);
		h.fwd_cnt = (uint32_t)(sizeof(text) * (first - 1));
		text[0] = (char)first;
		send_cut(f, &h, text, sizeof(text), first, 2 + first % 5);
		expect_data(f, text, sizeof(text));
	}
}

static void a_large_packet_in_many_pieces_arrives(void **state)
{
	static char bytes[33000], got[33000];
	struct fixture *f = *state;
	struct vsock_header h = packet(VSOCK_OP_RW, 1, 80);
	int host;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 13 + (i >> 8));
	offer_rx(f, 8, 256, 256);
	host = connect_unix(f, 1);
	h.len = sizeof(bytes);
	/* As guests from Linux 6.12 on send it: the header, then pages. */
	send_cut(f, &h, bytes, sizeof(bytes), VSOCK_HEADER_BYTES, 4096);
	turn(f);
	assert_int_equal(recv(host, got, sizeof(got), 0), sizeof(bytes));
	assert_memory_equal(got, bytes, sizeof(bytes));
	close(host);
}

static void the_signal_for_taken_data_is_held(void **state)
{
	struct fixture *f = *state;
	int host;

	offer_rx(f, 8, 256, 256);
	host = connect_unix(f, 1);
	send_data(f, 1, 80, "x", 1);
	turn(f);
	/* The driver may see it at once. */
	assert_int_equal(f->tx->shown, f->tx->offered);
	assert_true(f->tx->owes);
	/* With no signal owed, none is given. */
	f->tx->owes = false;
	f->tx->flushes = 0;
	turn(f);
	assert_int_equal(write(host, "y", 1), 1);
	expect_data(f, "y", 1);
	assert_int_equal(f->tx->flushes, 0);
	/* One that is waited for comes of its own accord. */
	send_data(f, 1, 80, "x", 1);
	assert_true(f->tx->owes);
	while (f->tx->owes)
		uv_run(&f->loop, UV_RUN_ONCE);
	close(host);
}

static void rx_buffers_may_be_cut_anywhere(void **state)
{
	struct fixture *f = *state;
	int host;

	offer_rx(f, 1, 44, 44);
	host = connect_unix(f, 1);
	for (size_t piece = 1; piece <= 50; piece++) {
		char text[6] = { 'h', 'e', 'l', 'l', 'o', (char)piece };

		offer_rx(f, 1, 50, piece);
		assert_int_equal(write(host, text, sizeof(text)), sizeof(text));
		expect_data(f, text, sizeof(text));
	}
	close(host);
}

static void rx_buffers_that_are_too_short_are_given_back(void **state)
{
	struct fixture *f = *state;
	int host;

	offer_rx(f, 2, 43, 43);
	offer_rx(f, 1, 44, 44);
	send_op(f, VSOCK_OP_RW, 1, 80, 0);
	turn(f);
	assert_true(f->rx->used[0] && f->rx->used[1] && f->rx->used[2]);
	assert_int_equal(f->rx->written[0] + f->rx->written[1], 0);
	f->seen = 2;
	expect(f, VSOCK_OP_RST);
	/* One with room for a header carries no data, and the data waits for the next. */
	offer_rx(f, 1, 44, 44);
	host = connect_unix(f, 1);
	offer_rx(f, 1, 44, 44);
	assert_int_equal(write(host, "x", 1), 1);
	turn(f);
	assert_int_equal(f->rx->written[4], 0);
	f->seen++;
	offer_rx(f, 1, 45, 45);
	expect_data(f, "x", 1);
	close(host);
}

static void tx_chains_that_are_too_short_are_dropped(void **state)
{
	struct fixture *f = *state;

	offer_rx(f, 4, 64, 64);
	for (size_t len = 0; len < VSOCK_HEADER_BYTES; len++) {
		struct vring_chain *chain = offer(f->tx);

		chain->iov[0] = (struct iovec){ guest_memory_take(f, len), len };
		chain->n_out = len > 0;
		chain->out_bytes = len;
		memset(chain->iov[0].iov_base, 0xff, len);
		kick(f->tx, 1);
		turn(f);
		assert_true(f->tx->used[chain->head]);
	}
	expect_nothing(f);
}

static void a_length_that_lies_is_reset(void **state)
{
	struct fixture *f = *state;
	struct vsock_header h;

	offer_rx(f, 16, 64, 64);
	for (unsigned i = 0; i < 3; i++) {
		static const uint32_t lens[] = { 11, VSOCK_PAYLOAD_MAX + 1, UINT32_MAX };
		int host = connect_unix(f, 1);
		char c;

		h = packet(VSOCK_OP_RW, 1, 80);
		h.len = lens[i];
		send_cut(f, &h, "0123456789", 10, 44, 100);
		expect(f, VSOCK_OP_RST);
		assert_int_equal(recv(host, &c, 1, 0), 0);
		close(host);
	}
}

static void the_service_takes_and_gives(void **state)
{
	static char bytes[65536];
	struct fixture *f = *state;
	char got[512];
	size_t n = 0;

	offer_rx(f, RING, 300, 300);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i ^ i >> 7);
	send_op(f, VSOCK_OP_REQUEST, 1, 9999, 0);
	expect(f, VSOCK_OP_RESPONSE);
	/* Its window is 1000 bytes: the rest waits for its own output to go. */
	send_data(f, 1, 9999, bytes, sizeof(bytes));
	while (n < sizeof(bytes)) {
		struct vsock_header h;

		assert_true(receive(f, &h, got, sizeof(got)));
		if (h.op == VSOCK_OP_RW)
			assert_memory_equal(got, bytes + n, h.len);
		n += h.len;
	}
	send_data(f, 1, 9999, "bye", 3);
	expect_data(f, "bye", 3);
	assert_int_equal(expect(f, VSOCK_OP_SHUTDOWN).flags & VSOCK_SHUTDOWN_SEND,
			 VSOCK_SHUTDOWN_SEND);
	send_op(f, VSOCK_OP_RST, 1, 9999, 0);
	turn(f);
	assert_int_equal(n_echoes, 0);
}

/* Each of its ports, and none that only looks like one. */
static void the_service_is_at_its_ports(void **state)
{
	static const uint32_t others[] = { 0, 8001, 9998, 0x1f40u << 16 | 8000 };
	struct fixture *f = *state;

	offer_rx(f, 8, 300, 300);
	send_op(f, VSOCK_OP_REQUEST, 1, 8000, 0);
	expect(f, VSOCK_OP_RESPONSE);
	send_data(f, 1, 8000, "http", 4);
	expect_data(f, "http", 4);
	assert_int_equal(n_echoes, 1);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		unsigned asked = f->asked;

		send_op(f, VSOCK_OP_REQUEST, 2 + (uint32_t)i, others[i], 0);
		turn(f);
		assert_int_equal(n_echoes, 1);
		assert_int_equal(f->asked, asked + 1);
	}
}

static void the_service_hears_of_the_guests_end(void **state)
{
	struct fixture *f = *state;

	offer_rx(f, 8, 300, 300);
	send_op(f, VSOCK_OP_REQUEST, 1, 9999, 0);
	expect(f, VSOCK_OP_RESPONSE);
	send_data(f, 1, 9999, "abc", 3);
	send_op(f, VSOCK_OP_SHUTDOWN, 1, 9999, VSOCK_SHUTDOWN_SEND);
	expect_data(f, "abc", 3);
	assert_true(last_echo->ended);
	assert_int_equal(expect(f, VSOCK_OP_SHUTDOWN).flags, VSOCK_SHUTDOWN_BOTH);
}

static void the_service_wakes_its_connection(void **state)
{
	struct fixture *f = *state;

	offer_rx(f, 8, 300, 300);
	send_op(f, VSOCK_OP_REQUEST, 1, 9999, 0);
	expect(f, VSOCK_OP_RESPONSE);
	expect_nothing(f);
	memcpy(last_echo->bytes, "news", 4);
	last_echo->len = 4;
	last_echo->host->wake(last_echo->host);
	expect_data(f, "news", 4);
	last_echo->finished = true;
	last_echo->host->wake(last_echo->host);
	while (expect(f, VSOCK_OP_SHUTDOWN).flags != VSOCK_SHUTDOWN_BOTH)
		;
}

/* One stream's call may wake another: it ends, and a request that waited for its worker fails. */
static void a_stream_that_another_one_wakes_has_its_turn(void **state)
{
	struct fixture *f = *state;
	struct vsock_header h;
	struct echo *other;
	char bytes[8];

	offer_rx(f, 8, 300, 300);
	send_op(f, VSOCK_OP_REQUEST, 1, 9999, 0);
	expect(f, VSOCK_OP_RESPONSE);
	other = last_echo;
	send_op(f, VSOCK_OP_REQUEST, 2, 9999, 0);
	expect(f, VSOCK_OP_RESPONSE);
	expect_nothing(f);
	last_echo->rouses = other;
	send_data(f, 2, 9999, "x", 1);
	expect_data(f, "x", 1);
	assert_true(receive(f, &h, bytes, sizeof(bytes)));
	assert_int_equal(h.dst_port, 1);
	assert_int_equal(h.len, 2);
	assert_memory_equal(bytes, "up", 2);
}

/* Its answers to what is still to come would have no reader: it does not wait for its turn. */
static void a_guest_that_closes_amid_its_requests_is_reset_at_once(void **state)
{
	struct fixture *f = *state;
	static const char bytes[5000];

	send_op(f, VSOCK_OP_REQUEST, 1, 9999, 0);
	offer_rx(f, 1, 300, 300);
	expect(f, VSOCK_OP_RESPONSE);
	send_data(f, 1, 9999, bytes, sizeof(bytes));
	send_op(f, VSOCK_OP_SHUTDOWN, 1, 9999, VSOCK_SHUTDOWN_BOTH);
	offer_rx(f, 8, 300, 300);
	expect(f, VSOCK_OP_RST);
	turn(f);
	assert_int_equal(n_echoes, 0);
}

/* The end of a stream that has nothing more to say needs no room at the guest. */
static void a_finished_service_is_told_to_a_guest_without_room(void **state)
{
	struct fixture *f = *state;
	struct vsock_header h = packet(VSOCK_OP_REQUEST, 1, 9999);

	offer_rx(f, 8, 300, 300);
	h.buf_alloc = 0;
	for (unsigned half_closed = 0; half_closed < 2; half_closed++) {
		h.op = VSOCK_OP_REQUEST;
		h.src_port++;
		send_packet(f, &h, "");
		expect(f, VSOCK_OP_RESPONSE);
		last_echo->len = 2;
		if (half_closed) {
			h.op = VSOCK_OP_SHUTDOWN;
			h.flags = VSOCK_SHUTDOWN_SEND;
			send_packet(f, &h, "");
		}
		expect_nothing(f);
		last_echo->len = 0; /* it has waited too long */
		last_echo->finished = true;
		last_echo->host->wake(last_echo->host);
		assert_int_equal(expect(f, VSOCK_OP_SHUTDOWN).flags, VSOCK_SHUTDOWN_BOTH);
	}
}

static void a_service_that_is_full_resets(void **state)
{
	struct fixture *f = *state;

	offer_rx(f, 8, 300, 300);
	service_is_full = true;
	send_op(f, VSOCK_OP_REQUEST, 1, 9999, 0);
	expect(f, VSOCK_OP_RST);
}

static void without_rx_buffers_tx_stops_and_goes_on(void **state)
{
	struct fixture *f = *state;
	unsigned before;

	for (unsigned i = 0; i < 400; i++)
		send_op(f, VSOCK_OP_RW, i, 80, 0);
	for (unsigned i = 0; i < 100; i++)
		turn(f);
	before = f->tx->pushed;
	assert_true(before < 400);
	/* And it does not spin meanwhile: a signal is perhaps due, and then there is nothing. */
	for (unsigned i = 0; uv_backend_timeout(&f->loop) >= 0; i++) {
		assert_true(i < 2);
		uv_run(&f->loop, UV_RUN_ONCE);
	}
	for (unsigned i = 0; i < 400; i++)
		offer_rx(f, 1, 64, 64);
	for (unsigned i = 0; i < 400; i++)
		assert_int_equal(expect(f, VSOCK_OP_RST).dst_port, i);
	expect_nothing(f);
	assert_int_equal(f->tx->pushed, 400);
}

static void a_turn_is_bounded(void **state)
{
	struct fixture *f = *state;

	f->tx->kicks = false;
	for (unsigned i = 0; i < 300; i++)
		send_op(f, VSOCK_OP_CREDIT_UPDATE, 1, 80, 0);
	vmm->ops->kicked(vmm->device, 1);
	assert_in_range(f->tx->pushed, 1, 64);
	/* The rest is done in later turns, without another kick. */
	assert_int_equal(uv_backend_timeout(&f->loop), 0);
}

static void a_broken_ring_is_left_alone(void **state)
{
	struct fixture *f = *state;

	f->tx->broken = f->rx->broken = true;
	send_op(f, VSOCK_OP_RW, 1, 80, 0);
	vmm->ops->kicked(vmm->device, 0);
	vmm->ops->kicked(vmm->device, 1);
	turn(f);
	assert_int_equal(f->tx->pushed + f->rx->pushed, 0);
	assert_int_equal(uv_backend_timeout(&f->loop), -1);
}

static void half_closes_pass_both_ways(void **state)
{
	struct fixture *f = *state;
	struct vsock_header h;
	char buf[8];
	int host;

	offer_rx(f, 32, 64, 64);
	host = connect_unix(f, 1);
	send_data(f, 1, 80, "abc", 3);
	send_op(f, VSOCK_OP_SHUTDOWN, 1, 80, VSOCK_SHUTDOWN_SEND);
	turn(f);
	assert_int_equal(recv(host, buf, sizeof(buf), 0), 3);
	assert_int_equal(recv(host, buf, sizeof(buf), 0), 0);
	assert_int_equal(write(host, "def", 3), 3);
	shutdown(host, SHUT_WR);
	expect_data(f, "def", 3);
	/* Neither way is left. */
	assert_int_equal(expect(f, VSOCK_OP_SHUTDOWN).flags, VSOCK_SHUTDOWN_BOTH);
	close(host);

	host = connect_unix(f, 4);
	assert_int_equal(write(host, "def", 3), 3);
	shutdown(host, SHUT_WR);
	expect_data(f, "def", 3);
	assert_int_equal(expect(f, VSOCK_OP_SHUTDOWN).flags, VSOCK_SHUTDOWN_SEND);
	send_data(f, 4, 80, "abc", 3);
	turn(f);
	assert_int_equal(recv(host, buf, sizeof(buf), 0), 3);
	close(host);
	while (receive(f, &h, NULL, 0))
		;

	host = connect_unix(f, 2);
	send_op(f, VSOCK_OP_SHUTDOWN, 2, 80, VSOCK_SHUTDOWN_RECEIVE);
	turn(f);
	assert_int_equal(send(host, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	close(host);

	while (receive(f, &h, NULL, 0))
		;
	host = connect_unix(f, 3);
	shutdown(host, SHUT_RD);
	assert_int_equal(expect(f, VSOCK_OP_SHUTDOWN).flags, VSOCK_SHUTDOWN_RECEIVE);
	close(host);
}

static void a_socket_closes_only_when_the_guest_has_its_reset(void **state)
{
	struct fixture *f = *state;
	char c;
	int host;

	offer_rx(f, 1, 64, 64);
	host = connect_unix(f, 1);
	send_op(f, VSOCK_OP_SHUTDOWN, 1, 80, VSOCK_SHUTDOWN_BOTH);
	turn(f);
	assert_int_equal(recv(host, &c, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	offer_rx(f, 1, 64, 64);
	expect(f, VSOCK_OP_RST);
	assert_int_equal(recv(host, &c, 1, 0), 0);
	close(host);
}

static void what_the_host_did_before_the_answer_comes_with_it(void **state)
{
	struct fixture *f = *state;
	struct vsock_header h;
	int fds[2];

	offer_rx(f, 8, 64, 64);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	send_op(f, VSOCK_OP_REQUEST, 1, 80, 0);
	turn(f);
	shutdown(fds[1], SHUT_RD);
	vsock_device_connected(f->device, f->id, 0, fds[0]);
	/* One turn, and one interrupt: the guest's first write fails, however quick it is. */
	vmm->ops->kicked(vmm->device, 0);
	assert_int_equal(f->rx->pushed, 2);
	expect(f, VSOCK_OP_RESPONSE);
	h = expect(f, VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_SHUTDOWN_RECEIVE);
	close(fds[1]);
}

static void a_lost_host_is_reset(void **state)
{
	struct fixture *f = *state;
	struct vsock_header h;
	int host;

	offer_rx(f, 4, 64, 64);
	host = connect_unix(f, 1);
	send_data(f, 1, 80, "unread", 6);
	turn(f);
	close(host);
	/* The guest may hear first that nobody reads any more. */
	do
		assert_true(receive(f, &h, NULL, 0));
	while (h.op == VSOCK_OP_SHUTDOWN && h.flags == VSOCK_SHUTDOWN_RECEIVE);
	assert_int_equal(h.op, VSOCK_OP_RST);
	assert_int_equal(vsock_device_connections(f->device), 0);
}

static int call(struct fixture *f)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	vsock_device_host_stream(f->device, fds[0]);
	return fds[1];
}

static void the_host_calls_the_guest(void **state)
{
	static const char *const lines[][3] = {
		{ "CONNECT 9999\nearly", "", "" },
		{ "CON", "NECT 99", "99\nearly" },
		{ "CONNECT 9999", "\n", "early" },
	};
	struct fixture *f = *state;

	offer_rx(f, 32, 64, 64);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct vsock_header h;
		char buf[64], want[32];
		int host = call(f);

		for (unsigned j = 0; j < 3; j++) {
			expect_nothing(f);
			assert_true(write(host, lines[i][j], strlen(lines[i][j])) >= 0);
			if (strchr(lines[i][j], '\n'))
				h = expect(f, VSOCK_OP_REQUEST);
		}
		/* Port 9999 of the guest is one as any other. */
		assert_int_equal(h.dst_port, 9999);
		assert_int_equal(recv(host, buf, sizeof(buf), 0), -1);
		send_op(f, VSOCK_OP_RESPONSE, 9999, h.src_port, 0);
		expect_data(f, "early", 5);
		send_data(f, 9999, h.src_port, "late", 4);
		turn(f);
		snprintf(want, sizeof(want), "OK %u\nlate", h.src_port);
		assert_int_equal(recv(host, buf, sizeof(buf), 0), strlen(want));
		assert_memory_equal(buf, want, strlen(want));
		close(host);
		while (receive(f, &h, NULL, 0))
			;
		send_op(f, VSOCK_OP_RST, 9999, h.dst_port ? h.src_port : 0, 0);
	}
	assert_int_equal(f->asked + n_echoes, 0);
}

static void a_host_that_leaves_at_any_byte_harms_nothing(void **state)
{
	static const char line[] = "CONNECT 5000\nbytes";
	struct fixture *f = *state;

	offer_rx(f, 200, 64, 64);
	for (size_t len = 0; len < sizeof(line); len++) {
		struct vsock_header h;
		int host = call(f);

		assert_int_equal(write(host, line, len), len);
		turn(f);
		close(host);
		while (receive(f, &h, NULL, 0)) {
			assert_int_equal(h.op, VSOCK_OP_REQUEST);
			send_op(f, VSOCK_OP_RST, 5000, h.src_port, 0);
		}
		/* What cannot be told from a slow one is ended by its deadline. */
		assert_true(vsock_device_connections(f->device) <= len);
		if (vsock_device_connections(f->device) == 8) {
			stop(f);
			start(f);
			offer_rx(f, 200, 64, 64);
		}
	}
}

static void without_a_driver_the_host_is_refused(void **state)
{
	struct fixture *f = *state;
	char c;
	int host;

	stop(f);
	host = call(f);
	assert_int_equal(recv(host, &c, 1, 0), 0);
	close(host);
	start(f);
}

static void a_stopped_driver_drops_all_and_the_next_begins_anew(void **state)
{
	struct fixture *f = *state;
	char c;
	int host;

	offer_rx(f, 8, 64, 64);
	host = connect_unix(f, 1);
	send_op(f, VSOCK_OP_REQUEST, 2, 9999, 0);
	expect(f, VSOCK_OP_RESPONSE);
	stop(f);
	start(f);
	assert_int_equal(recv(host, &c, 1, 0), 0);
	assert_int_equal(n_echoes, 0);
	assert_int_equal(vsock_device_connections(f->device), 0);
	close(host);
	offer_rx(f, 8, 64, 64);
	expect(f, VSOCK_OP_RST);
	expect(f, VSOCK_OP_RST);
	expect_nothing(f);
	host = connect_unix(f, 1);
	close(host);
}

static void one_vmm_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct vhost_session session = { .fd = dup(0) };

	assert_int_equal(vsock_device_attach(f->device, &session), -EBUSY);
	assert_int_equal(fcntl(session.fd, F_GETFD), -1);
	assert_int_equal(f->sessions_ended, 0);
	stop(f);
	vmm->ops->disconnected(vmm->device);
	assert_null(vmm);
	assert_int_equal(f->sessions_ended, 1);
	assert_int_equal(attach(f, false, NULL), 0);
	start(f);
}

static void a_late_answer_finds_nobody(void **state)
{
	struct fixture *f = *state;
	int fds[2];
	char c;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	vsock_device_connected(f->device, 12345, 0, fds[0]);
	assert_int_equal(recv(fds[1], &c, 1, 0), 0);
	close(fds[1]);
	vsock_device_connected(f->device, 0, -ENOENT, -1);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	send_op(f, VSOCK_OP_REQUEST, 1, 80, 0);
	send_op(f, VSOCK_OP_RST, 1, 80, 0);
	turn(f);
	vsock_device_connected(f->device, f->id, 0, fds[0]);
	assert_int_equal(recv(fds[1], &c, 1, 0), 0);
	close(fds[1]);
}

static void a_full_backlog_is_tried_again(void **state)
{
	struct fixture *f = *state;

	offer_rx(f, 4, 64, 64);
	send_op(f, VSOCK_OP_REQUEST, 1, 80, 0);
	turn(f);
	assert_int_equal(f->asked, 1);
	vsock_device_connected(f->device, f->id, -EAGAIN, -1);
	for (unsigned i = 0; i < 100 && f->asked == 1; i++)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->asked, 2);
	vsock_device_connected(f->device, f->id, -ECONNREFUSED, -1);
	expect(f, VSOCK_OP_RST);
}

/* A guest whose other processor changes a packet while it is looked at. */
struct flipper {
	unsigned char *bytes;
	bool stop;
};

static void *flip(void *arg)
{
	struct flipper *flipper = arg;
	static const unsigned char at[] = { 0, 8, 16, 20, 24, 25, 26, 28, 30, 36, 40 };

	for (unsigned i = 0; !__atomic_load_n(&flipper->stop, __ATOMIC_RELAXED); i++)
		__atomic_fetch_xor(&flipper->bytes[at[i % sizeof(at)]], (unsigned char)(1 << i % 7),
				   __ATOMIC_RELAXED);
	return NULL;
}

static void a_packet_that_changes_under_us_harms_nothing(void **state)
{
	struct fixture *f = *state;
	struct vsock_header h = packet(VSOCK_OP_RW, 1, 9999);
	struct flipper flipper = { .bytes = (unsigned char *)f->memory };
	pthread_t thread;

	f->memory_used = 4096;
	h.len = 100;
	vsock_header_encode(&h, flipper.bytes);
	assert_int_equal(pthread_create(&thread, NULL, flip, &flipper), 0);
	for (unsigned i = 0; i < 20000; i++) {
		struct vring_chain *chain = offer(f->tx);

		if (f->rx->offered - f->rx->popped < 16)
			offer_rx(f, 16, 64, 64);
		chain->iov[0] = (struct iovec){ flipper.bytes, 30 };
		chain->iov[1] = (struct iovec){ flipper.bytes + 30, 114 };
		chain->n_out = 2;
		chain->out_bytes = 144;
		kick(f->tx, 1);
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	__atomic_store_n(&flipper.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	turn(f);
	assert_int_equal(f->tx->pushed, 20000);
	assert_true(vsock_device_connections(f->device) <= 8);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_cid_is_in_the_config_space),
		CASE(a_chain_may_be_cut_anywhere),
		CASE(a_large_packet_in_many_pieces_arrives),
		CASE(the_signal_for_taken_data_is_held),
		CASE(rx_buffers_may_be_cut_anywhere),
		CASE(rx_buffers_that_are_too_short_are_given_back),
		CASE(tx_chains_that_are_too_short_are_dropped),
		CASE(a_length_that_lies_is_reset),
		CASE(the_service_takes_and_gives),
		CASE(the_service_is_at_its_ports),
		CASE(the_service_hears_of_the_guests_end),
		CASE(the_service_wakes_its_connection),
		CASE(a_stream_that_another_one_wakes_has_its_turn),
		CASE(a_guest_that_closes_amid_its_requests_is_reset_at_once),
		CASE(a_finished_service_is_told_to_a_guest_without_room),
		CASE(a_service_that_is_full_resets),
		CASE(without_rx_buffers_tx_stops_and_goes_on),
		CASE(a_turn_is_bounded),
		CASE(a_broken_ring_is_left_alone),
		CASE(half_closes_pass_both_ways),
		CASE(a_socket_closes_only_when_the_guest_has_its_reset),
		CASE(what_the_host_did_before_the_answer_comes_with_it),
		CASE(a_lost_host_is_reset),
		CASE(the_host_calls_the_guest),
		CASE(a_host_that_leaves_at_any_byte_harms_nothing),
		CASE(without_a_driver_the_host_is_refused),
		CASE(a_stopped_driver_drops_all_and_the_next_begins_anew),
		CASE(one_vmm_at_a_time),
		CASE(a_late_answer_finds_nobody),
		CASE(a_full_backlog_is_tried_again),
		CASE(a_packet_that_changes_under_us_harms_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
