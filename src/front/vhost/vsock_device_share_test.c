/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of one device beside each other, slow ones and such as never end. */
#include "front/vhost/vsock_device.h"

#include "front/vhost/vsock_fake_driver.h"

static void a_slow_reader_delays_nobody(void **state)
{
	static char bytes[65536];
	struct fixture *f = *state;
	char buf[8];
	int slow, quick;

	offer_rx(f, 64, 64, 64);
	slow = connect_unix(f, 1);
	quick = connect_unix(f, 2);
	/* More than the socket takes. */
	for (unsigned i = 0; i < 10; i++) {
		send_data(f, 1, 80, bytes, sizeof(bytes));
		turn(f);
	}
	send_data(f, 2, 80, "ping", 4);
	turn(f);
	assert_int_equal(recv(quick, buf, sizeof(buf), 0), 4);
	assert_int_equal(f->tx->pushed, f->tx->offered);
	close(slow);
	close(quick);
}

#define BULK 3u

/* One turn beside endless data; the packets of data before the first one to guest_port, or all. */
static unsigned bulk_before(struct fixture *f, const int bulk[BULK], uint32_t guest_port)
{
	static char bytes[65536];
	struct vsock_header h;
	bool met = false;
	unsigned n = 0;

	for (unsigned i = 0; i < BULK; i++)
		(void)send(bulk[i], bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	while (take(f, &h, bytes, sizeof(bytes))) {
		offer_rx(f, 1, 300, 300);
		met |= h.dst_port == guest_port;
		n += !met && h.op == VSOCK_OP_RW;
	}
	return n;
}

/* Endless data on some connections: what happens on another one waits for a few packets of each. */
static void bulk_delays_nobody(void **state)
{
	struct fixture *f = *state;
	int bulk[BULK];

	offer_rx(f, BULK + 1, 300, 300);
	for (unsigned i = 0; i < BULK; i++)
		bulk[i] = connect_unix(f, 10 + i);
	send_op(f, VSOCK_OP_REQUEST, 1, 9999, 0);
	expect(f, VSOCK_OP_RESPONSE);
	offer_rx(f, 300, 300, 300);
	for (unsigned i = 0; i < 20; i++) {
		assert_true(bulk_before(f, bulk, 1) > 4 * BULK); /* it flows */
		send_data(f, 1, 9999, "ping", 4);
		assert_in_range(bulk_before(f, bulk, 1), 0, BULK * 4);
		/* Control packets do not even wait for those. */
		send_op(f, VSOCK_OP_RW, 3, 80, 0);
		assert_int_equal(bulk_before(f, bulk, 3), 0);
	}
	for (unsigned i = 0; i < BULK; i++)
		close(bulk[i]);
}

static void the_slow_reader_gets_it_all_in_the_end(void **state)
{
	static char bytes[65536], got[65536];
	struct fixture *f = *state;
	struct vsock_header h;
	size_t sent = 0, n = 0;
	uint32_t fwd = 0;
	int host;

	offer_rx(f, 200, 64, 64);
	host = connect_unix(f, 1);
	while (n < 4u << 20) {
		ssize_t r;

		while (sent - fwd <= (262144 - 65536) && sent < 4u << 20) {
			for (size_t i = 0; i < sizeof(bytes); i++)
				bytes[i] = (char)((sent + i) * 2654435761u >> 13);
			send_data(f, 1, 80, bytes, sizeof(bytes));
			sent += sizeof(bytes);
		}
		while (receive(f, &h, NULL, 0))
			fwd = h.fwd_cnt;
		r = recv(host, got, sizeof(got), 0);
		assert_true(r > 0);
		for (ssize_t i = 0; i < r; i++)
			assert_int_equal(got[i], (char)((n + (size_t)i) * 2654435761u >> 13));
		n += (size_t)r;
	}
	close(host);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_slow_reader_delays_nobody),
		CASE(bulk_delays_nobody),
		CASE(the_slow_reader_gets_it_all_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
