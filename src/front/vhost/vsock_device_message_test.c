/* SPDX-License-Identifier: Apache-2.0 */
/* Seqpacket connections through the whole device, between its driver and real Unix sockets. */
#include "front/vhost/vsock_device.h"

#include <stdio.h>

#include "front/vhost/vsock_conn.h"
#include "front/vhost/vsock_fake_driver.h"

#define F_SEQPACKET 2u

static char big[300000], got[300000];

static int set_up_messages(void **state)
{
	int r = set_up(state);

	vmm->ops->acknowledged(vmm->device, F_SEQPACKET);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + (i >> 8));
	return r;
}

static struct vsock_header message_packet(unsigned op, uint32_t guest_port, uint32_t host_port)
{
	struct vsock_header h = packet(op, guest_port, host_port);

	h.type = VSOCK_TYPE_SEQPACKET;
	h.buf_alloc = VSOCK_BUF_ALLOC;
	return h;
}

static void send_message_op(struct fixture *f, unsigned op, uint32_t guest_port, uint32_t host_port)
{
	struct vsock_header h = message_packet(op, guest_port, host_port);

	send_packet(f, &h, "");
}

static void send_message(struct fixture *f, uint32_t guest_port, uint32_t host_port, size_t len)
{
	struct vsock_header h = message_packet(VSOCK_OP_RW, guest_port, host_port);

	for (size_t done = 0; done < len || !h.flags; done += h.len) {
		h.len = (uint32_t)(len - done);
		if (h.len > VSOCK_PAYLOAD_MAX)
			h.len = VSOCK_PAYLOAD_MAX;
		h.flags = done + h.len == len ? VSOCK_SEQ_EOM : 0;
		send_packet(f, &h, big + done);
		turn(f);
	}
}

static int pair(int fds[2])
{
	int size = 1 << 20;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	return fds[1];
}

/* Connects guest_port to host port 80; returns the host program's end. */
static int connect_messages(struct fixture *f, uint32_t guest_port)
{
	struct vsock_header h;
	int fds[2], host = pair(fds);

	send_message_op(f, VSOCK_OP_REQUEST, guest_port, 80);
	turn(f);
	assert_int_equal(f->port, 80);
	assert_int_equal(f->type, SOCK_SEQPACKET);
	vsock_device_connected(f->device, f->id, 0, fds[0]);
	h = expect(f, VSOCK_OP_RESPONSE);
	assert_int_equal(h.type, VSOCK_TYPE_SEQPACKET);
	return host;
}

/* The next message for the guest has this length, and is the start of big. */
static void expect_message(struct fixture *f, size_t len)
{
	struct vsock_header h;
	size_t done = 0;

	do {
		assert_true(receive(f, &h, got + done, sizeof(got) - done));
		if (h.op == VSOCK_OP_CREDIT_UPDATE || h.op == VSOCK_OP_CREDIT_REQUEST)
			continue;
		assert_int_equal(h.op, VSOCK_OP_RW);
		assert_int_equal(h.type, VSOCK_TYPE_SEQPACKET);
		done += h.len;
	} while (!(h.flags & VSOCK_SEQ_EOM));
	assert_int_equal(done, len);
	assert_memory_equal(got, big, len);
}

static void it_is_offered_and_waits_for_the_drivers_word(void **state)
{
	struct fixture *f = *state;
	int fds[2], host = pair(fds);
	char c;

	assert_true(vmm->ops->features & F_SEQPACKET);
	offer_rx(f, 8, 256, 256);
	send_message_op(f, VSOCK_OP_REQUEST, 1, 80);
	assert_int_equal(expect(f, VSOCK_OP_RST).type, VSOCK_TYPE_SEQPACKET);
	assert_int_equal(f->asked, 0);
	vsock_device_host_stream(f->device, fds[0]);
	assert_int_equal(recv(host, &c, 1, 0), 0);
	close(host);
	vmm->ops->acknowledged(vmm->device, F_SEQPACKET);
	close(connect_messages(f, 1));
	vmm->ops->acknowledged(vmm->device, 0);
	send_message_op(f, VSOCK_OP_REQUEST, 2, 80);
	assert_int_equal(f->asked, 1);
}

static void messages_go_both_ways(void **state)
{
	static const size_t sizes[] = { 1, 4096, 0, 65536, 200000, 262144, 2 };
	struct fixture *f = *state;
	uint32_t sent = 0;
	int host;

	offer_rx(f, 1, 4096, 4096);
	host = connect_messages(f, 1);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct vsock_header h;

		offer_rx(f, 3 + (unsigned)(sizes[i] / 4052), 4096, 4096);
		send_message(f, 1, 80, sizes[i]);
		assert_int_equal(recv(host, got, sizeof(got), MSG_TRUNC), sizes[i]);
		assert_memory_equal(got, big, sizes[i]);
		assert_int_equal(send(host, big, sizes[i], 0), sizes[i]);
		expect_message(f, sizes[i]);
		/* The guest's program has read it. */
		sent += (uint32_t)sizes[i];
		h = message_packet(VSOCK_OP_CREDIT_UPDATE, 1, 80);
		h.fwd_cnt = sent;
		send_packet(f, &h, "");
	}
	close(host);
}

static void the_service_is_a_stream(void **state)
{
	struct fixture *f = *state;

	offer_rx(f, 8, 256, 256);
	send_message_op(f, VSOCK_OP_REQUEST, 1, 9999);
	assert_int_equal(expect(f, VSOCK_OP_RST).type, VSOCK_TYPE_SEQPACKET);
	assert_int_equal(n_echoes + f->asked, 0);
}

static void the_host_calls_the_guest(void **state)
{
	struct fixture *f = *state;
	char line[32];

	offer_rx(f, 32, 256, 256);
	for (unsigned newline = 0; newline < 2; newline++) {
		struct vsock_header h;
		int fds[2], host = pair(fds), len;

		vsock_device_host_stream(f->device, fds[0]);
		expect_nothing(f);
		assert_int_equal(send(host, "CONNECT 77\n", 10 + newline, 0), 10 + newline);
		assert_int_equal(send(host, big, 5, 0), 5);
		h = expect(f, VSOCK_OP_REQUEST);
		assert_int_equal(h.type, VSOCK_TYPE_SEQPACKET);
		assert_int_equal(h.dst_port, 77);
		send_message_op(f, VSOCK_OP_RESPONSE, 77, h.src_port);
		expect_message(f, 5);
		send_message(f, 77, h.src_port, 6);
		len = snprintf(line, sizeof(line), "OK %u\n", h.src_port);
		assert_int_equal(recv(host, got, sizeof(got), 0), len);
		assert_memory_equal(got, line, (size_t)len);
		assert_int_equal(recv(host, got, sizeof(got), 0), 6);
		send_message_op(f, VSOCK_OP_RST, 77, h.src_port);
		turn(f);
		assert_int_equal(recv(host, got, sizeof(got), 0), 0);
		close(host);
	}
}

static void nonsense_instead_of_the_line_is_refused(void **state)
{
	struct fixture *f = *state;

	offer_rx(f, 8, 256, 256);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const texts[] = { "CONNECT 77\nhello", "", "HELLO" };
		int fds[2], host = pair(fds);

		vsock_device_host_stream(f->device, fds[0]);
		assert_true(send(host, texts[i], strlen(texts[i]), 0) >= 0);
		expect_nothing(f);
		assert_int_equal(recv(host, got, sizeof(got), 0), 0);
		close(host);
	}
}

static void an_empty_message_is_handed_over(void **state)
{
	struct fixture *f = *state;
	int host;

	offer_rx(f, 1, 256, 256);
	host = connect_messages(f, 1);
	assert_int_equal(send(host, "", 0, 0), 0);
	assert_int_equal(send(host, "", 0, 0), 0);
	assert_int_equal(send(host, big, 1, 0), 1);
	offer_rx(f, 3, 256, 256);
	expect_message(f, 0);
	expect_message(f, 0);
	expect_message(f, 1);
	shutdown(host, SHUT_WR);
	offer_rx(f, 1, 256, 256);
	assert_int_equal(expect(f, VSOCK_OP_SHUTDOWN).flags, VSOCK_SHUTDOWN_SEND);
	close(host);
}

static void a_message_that_waits_holds_up_nobody(void **state)
{
	struct vsock_header h, update = message_packet(VSOCK_OP_CREDIT_UPDATE, 1, 80);
	struct fixture *f = *state;
	int host, other, stream;

	offer_rx(f, RING - 1, 4096, 4096);
	host = connect_messages(f, 1);
	other = connect_messages(f, 2);
	stream = connect_unix(f, 3);
	assert_int_equal(send(host, big, 200000, 0), 200000);
	assert_int_equal(send(host, big, 200000, 0), 200000);
	expect_message(f, 200000);
	/* The second of them stops in its middle, for credit. */
	for (unsigned i = 0; receive(f, &h, got, sizeof(got)); i++)
		assert_true(h.flags == 0 && i < 20);
	assert_int_equal(send(other, big, 70000, 0), 70000);
	expect_message(f, 70000);
	assert_int_equal(send(stream, big, 10, 0), 10);
	expect_data(f, big, 10);
	send_data(f, 3, 80, big, 7);
	turn(f);
	assert_int_equal(recv(stream, got, sizeof(got), 0), 7);
	do {
		update.fwd_cnt = 200000;
		send_packet(f, &update, "");
		assert_true(receive(f, &h, got, sizeof(got)));
	} while (!(h.flags & VSOCK_SEQ_EOM));
	close(host);
	close(other);
	close(stream);
}

static void a_slow_reader_gets_all_of_them(void **state)
{
	struct fixture *f = *state;
	unsigned n = 0;
	int host;

	offer_rx(f, 256, 256, 256);
	host = connect_messages(f, 1);
	/* More than the socket takes, less than the window. */
	for (unsigned i = 0; i < 5000; i++) {
		big[0] = (char)i;
		send_message(f, 1, 80, 50);
	}
	for (unsigned tries = 0; n < 5000 && tries < 5000; tries++) {
		while (recv(host, got, sizeof(got), 0) == 50) {
			assert_int_equal(got[0], (char)n);
			n++;
		}
		turn(f);
	}
	assert_int_equal(n, 5000);
	close(host);
}

static void the_next_driver_may_know_less(void **state)
{
	struct fixture *f = *state;
	int host;

	offer_rx(f, 8, 256, 256);
	host = connect_messages(f, 1);
	send_message(f, 1, 80, 10);
	stop(f);
	vmm->ops->acknowledged(vmm->device, 0);
	start(f);
	assert_int_equal(recv(host, got, sizeof(got), 0), 10);
	assert_int_equal(recv(host, got, sizeof(got), 0), 0);
	close(host);
	offer_rx(f, 8, 256, 256);
	/* Of the old connection, for a guest that was only paused. */
	assert_int_equal(expect(f, VSOCK_OP_RST).type, VSOCK_TYPE_SEQPACKET);
	send_message_op(f, VSOCK_OP_REQUEST, 1, 80);
	assert_int_equal(expect(f, VSOCK_OP_RST).type, VSOCK_TYPE_SEQPACKET);
	assert_int_equal(f->asked, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up_messages, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_is_offered_and_waits_for_the_drivers_word,
						set_up, tear_down),
		CASE(messages_go_both_ways),
		CASE(the_service_is_a_stream),
		CASE(the_host_calls_the_guest),
		CASE(nonsense_instead_of_the_line_is_refused),
		CASE(an_empty_message_is_handed_over),
		CASE(a_message_that_waits_holds_up_nobody),
		CASE(a_slow_reader_gets_all_of_them),
		CASE(the_next_driver_may_know_less),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
