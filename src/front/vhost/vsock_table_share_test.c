/* SPDX-License-Identifier: Apache-2.0 */
/* What connections take from each other: room, and turns. */
#include "front/vhost/vsock_table.h"

#include "front/vhost/vsock_fake.h"

static int set_up(void **state)
{
	*state = fake_new(4);
	return 0;
}

static int tear_down(void **state)
{
	fake_free(*state);
	return 0;
}

static void send(struct fake *f, unsigned op, uint32_t guest_port, uint32_t host_port)
{
	struct vsock_header h = fake_header(op, guest_port, host_port);

	fake_packet(f, &h, "");
}

#define EXTRA (VSOCK_BUF_ALLOC - VSOCK_BUF_ALLOC_MIN)

static void windows_share_what_there_is(void **state)
{
	static const uint32_t wanted[] = { VSOCK_BUF_ALLOC, VSOCK_BUF_ALLOC, VSOCK_BUF_ALLOC_MIN };
	struct fake *f = fake_new_sharing(8, 3 * EXTRA - 1);
	struct vsock_header h;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		send(f, VSOCK_OP_REQUEST, i, 80);
		assert_int_equal(fake_expect(f, VSOCK_OP_RESPONSE).buf_alloc, wanted[i]);
	}
	/* Whoever has been told of a wide one keeps it, whatever becomes of the others. */
	send(f, VSOCK_OP_CREDIT_REQUEST, 2, 80);
	assert_int_equal(fake_expect(f, VSOCK_OP_CREDIT_UPDATE).buf_alloc, VSOCK_BUF_ALLOC_MIN);
	send(f, VSOCK_OP_CREDIT_REQUEST, 0, 80);
	assert_int_equal(fake_expect(f, VSOCK_OP_CREDIT_UPDATE).buf_alloc, VSOCK_BUF_ALLOC);
	/* Room that one leaves is the next one's that asks. */
	send(f, VSOCK_OP_RST, 0, 80);
	send(f, VSOCK_OP_CREDIT_REQUEST, 2, 80);
	assert_int_equal(fake_expect(f, VSOCK_OP_CREDIT_UPDATE).buf_alloc, VSOCK_BUF_ALLOC);
	send(f, VSOCK_OP_REQUEST, 3, 80);
	assert_int_equal(fake_expect(f, VSOCK_OP_RESPONSE).buf_alloc, VSOCK_BUF_ALLOC_MIN);
	/* All of it comes back, also by a stop. */
	vsock_table_stop(f->table);
	while (vsock_table_next_control(f->table, f->now_ns, &h))
		;
	vsock_table_reap(f->table);
	for (uint32_t i = 0; i < 2; i++) {
		send(f, VSOCK_OP_REQUEST, i, 80);
		assert_int_equal(fake_expect(f, VSOCK_OP_RESPONSE).buf_alloc, VSOCK_BUF_ALLOC);
	}
	fake_free(f);
}

#define CROWD 1024u

static struct vsock_conn *crowd[CROWD];
static unsigned n_crowd;

static ssize_t takes_nothing(void *end, const struct iovec *iov, unsigned n)
{
	(void)end;
	(void)iov;
	(void)n;
	return -EAGAIN;
}

static void closes(void *end)
{
	(void)end;
}

static int open_unread(void *context, uint64_t id, uint32_t port, struct vsock_conn *conn)
{
	static const struct vsock_end_ops ops = { .write = takes_nothing, .close = closes };

	(void)context;
	(void)id;
	(void)port;
	crowd[n_crowd++] = conn;
	conn->end.ops = &ops;
	return 1;
}

/* Sends n bytes that nobody takes, in packets as large as Linux has them. */
static void fill(struct fake *f, uint32_t guest_port, uint32_t n)
{
	static char bytes[VSOCK_PAYLOAD_MAX];
	struct vsock_header h = fake_header(VSOCK_OP_RW, guest_port, 80);

	for (; n; n -= h.len) {
		h.len = n < sizeof(bytes) ? n : (uint32_t)sizeof(bytes);
		fake_packet(f, &h, bytes);
	}
}

/* The worst that a guest can do: all connections, each window full, and nobody reads. */
static void what_is_held_for_a_guest_is_bounded(void **state)
{
	struct fake f = { .now_ns = TSK_NS_PER_SEC };
	struct vsock_table_config config = { .guest_cid = FAKE_CID,
					     .connections_max = CROWD,
					     .window_bytes_max = 64u << 20,
					     .open = open_unread };
	uint64_t bound = config.window_bytes_max + (uint64_t)CROWD * VSOCK_BUF_ALLOC_MIN;
	uint64_t held = 0;

	(void)state;
	n_crowd = 0;
	assert_int_equal(vsock_table_new(&config, &f.table), 0);
	for (uint32_t i = 0; i < CROWD; i++) {
		send(&f, VSOCK_OP_REQUEST, i, 80);
		fill(&f, i, fake_expect(&f, VSOCK_OP_RESPONSE).buf_alloc);
	}
	/* What was announced was taken, to the last byte, and no more is announced. */
	fake_expect_nothing(&f);
	assert_int_equal(vsock_table_connections(f.table), CROWD);
	for (uint32_t i = 0; i < CROWD; i++)
		held += crowd[i]->buffer.size;
	assert_in_range(held, bound - EXTRA, bound);
	fill(&f, 7, 1);
	fake_expect(&f, VSOCK_OP_RST);
	vsock_table_free(f.table);
}

static void answers_pile_up_to_a_bound(void **state)
{
	struct fake *f = *state;
	unsigned n = 0;

	while (!vsock_table_is_full(f->table)) {
		send(f, VSOCK_OP_RW, n, 80);
		assert_true(++n < 10000);
	}
	/* One who asks nevertheless gets nothing, and nothing breaks. */
	send(f, VSOCK_OP_RW, n, 80);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(fake_expect(f, VSOCK_OP_RST).dst_port, i);
	fake_expect_nothing(f);
	assert_false(vsock_table_is_full(f->table));
}

static void readers_take_turns(void **state)
{
	static const char bytes[100];
	struct fake *f = *state;
	struct vsock_header h;
	char buf[10];

	for (uint32_t i = 0; i < 3; i++) {
		send(f, VSOCK_OP_REQUEST, i, 80);
		fake_expect(f, VSOCK_OP_RESPONSE);
		f->ends[i].give = bytes;
		f->ends[i].n_give = sizeof(bytes);
	}
	for (uint32_t i = 0; i < 12; i++) {
		assert_int_equal(fake_data(f, buf, sizeof(buf), &h), 10);
		assert_int_equal(h.dst_port, i % 3);
	}
}

/* What the guest gets in one go of connection i, which has endless data; the control packets. */
static uint32_t read_bulk(struct fake *f, uint32_t i, unsigned *ret_asked)
{
	static const char bytes[4096];
	static char buf[sizeof(bytes)];
	struct vsock_header h;
	uint32_t total = 0;

	*ret_asked = 0;
	do {
		f->ends[i].give = bytes;
		f->ends[i].n_give = sizeof(bytes);
		while (vsock_table_next_control(f->table, f->now_ns, &h))
			*ret_asked += h.op == VSOCK_OP_CREDIT_REQUEST;
		total += fake_data(f, buf, sizeof(buf), &h);
	} while (vsock_table_reader(f->table));
	return total;
}

/* The guest has come to the last request. */
static void come_to_it(struct fake *f, uint32_t i, uint32_t taken)
{
	struct vsock_header h = fake_header(VSOCK_OP_CREDIT_UPDATE, i, 80);

	h.buf_alloc = VSOCK_BUF_ALLOC;
	h.fwd_cnt = taken;
	fake_packet(f, &h, "");
}

/* One that shares the guest's queue does not fill it; one that is alone does, credit allowing. */
static void bulk_is_paced_beside_others(void **state)
{
	struct fake *f = *state;
	uint32_t sent, n;
	unsigned asked;

	send(f, VSOCK_OP_REQUEST, 0, 80);
	fake_expect(f, VSOCK_OP_RESPONSE);
	come_to_it(f, 0, 0);
	sent = read_bulk(f, 0, &asked);
	assert_int_equal(sent, VSOCK_BUF_ALLOC);
	assert_int_equal(asked, 0);
	/* Another one's packets: as yet nothing is known of the guest's queue, and it is asked. */
	send(f, VSOCK_OP_REQUEST, 1, 80);
	fake_expect(f, VSOCK_OP_RESPONSE);
	come_to_it(f, 0, sent);
	sent += read_bulk(f, 0, &asked);
	assert_int_equal(sent, 2 * VSOCK_BUF_ALLOC);
	assert_int_equal(asked, 1);
	/* From its answer on only so much is under way, whatever the credit. */
	for (unsigned i = 0; i < 100; i++) {
		come_to_it(f, 0, sent);
		n = read_bulk(f, 0, &asked);
		sent += n;
		assert_in_range(n, i ? VSOCK_PACE_ASK_BYTES : 0, VSOCK_PACE_BYTES);
		assert_int_equal(asked, 1);
	}
	/* When the other one has been silent for long. */
	for (unsigned i = 0; n <= VSOCK_PACE_BYTES; i++) {
		assert_true(i < 4096);
		come_to_it(f, 0, sent);
		n = read_bulk(f, 0, &asked);
		sent += n;
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(windows_share_what_there_is), CASE(what_is_held_for_a_guest_is_bounded),
		CASE(answers_pile_up_to_a_bound),  CASE(readers_take_turns),
		CASE(bulk_is_paced_beside_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
