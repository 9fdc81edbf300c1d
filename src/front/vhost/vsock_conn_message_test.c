/* SPDX-License-Identifier: Apache-2.0 */
/* Seqpacket connections, between a guest that the test is and an end without I/O. */
#include "front/vhost/vsock_conn.h"

#include "front/vhost/vsock_fake.h"

#define EOM VSOCK_SEQ_EOM
#define CHUNK 4052u /* what a Linux guest's receive buffer holds */

static char big[VSOCK_BUF_ALLOC + VSOCK_PAYLOAD_MAX];

static int set_up(void **state)
{
	struct fake *f = fake_new(16);

	vsock_table_set_seqpacket(f->table, true);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + (i >> 8));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	fake_free(*state);
	return 0;
}

static void send_op(struct fake *f, unsigned op, uint32_t flags)
{
	struct vsock_header h = fake_message_header(op, flags);

	fake_packet(f, &h, "");
}

/* One packet of big, from there on. */
static void send_part(struct fake *f, size_t from, size_t len, uint32_t flags)
{
	struct vsock_header h = fake_message_header(VSOCK_OP_RW, flags);

	h.len = (uint32_t)len;
	fake_packet(f, &h, big + from);
}

/* A whole message, in packets as long as they may be. */
static void send_message(struct fake *f, size_t from, size_t len)
{
	for (; len > VSOCK_PAYLOAD_MAX; len -= VSOCK_PAYLOAD_MAX, from += VSOCK_PAYLOAD_MAX)
		send_part(f, from, VSOCK_PAYLOAD_MAX, 0);
	send_part(f, from, len, EOM);
}

static void send_credit(struct fake *f, uint32_t fwd_cnt, uint32_t buf_alloc)
{
	struct vsock_header h = fake_message_header(VSOCK_OP_CREDIT_UPDATE, 0);

	h.fwd_cnt = fwd_cnt;
	h.buf_alloc = buf_alloc;
	fake_packet(f, &h, "");
}

static struct vsock_header expect(struct fake *f, unsigned op)
{
	struct vsock_header h = fake_expect(f, op);

	assert_int_equal(h.type, VSOCK_TYPE_SEQPACKET);
	return h;
}

static struct vsock_conn *connect_to(struct fake *f, struct fake_end **ret_end)
{
	struct vsock_conn *conn;

	send_op(f, VSOCK_OP_REQUEST, 0);
	assert_int_equal(expect(f, VSOCK_OP_RESPONSE).buf_alloc, VSOCK_BUF_ALLOC);
	conn = vsock_table_reader(f->table);
	assert_non_null(conn);
	assert_int_equal(conn->type, VSOCK_TYPE_SEQPACKET);
	*ret_end = &f->ends[f->n_ends - 1];
	(*ret_end)->room = sizeof((*ret_end)->taken);
	(*ret_end)->give = big;
	return conn;
}

/* The next packet of data has this many bytes of big, from there on. */
static void expect_part(struct fake *f, size_t from, size_t room, size_t len, uint32_t flags)
{
	static char buf[VSOCK_PAYLOAD_MAX];
	struct vsock_header h;

	assert_true(fake_data_packet(f, buf, room, &h));
	assert_int_equal(h.op, VSOCK_OP_RW);
	assert_int_equal(h.type, VSOCK_TYPE_SEQPACKET);
	assert_int_equal(h.len, len);
	assert_int_equal(h.flags, flags);
	assert_memory_equal(buf, big + from, len);
}

static void expect_no_data(struct fake *f)
{
	struct vsock_header h;
	char c;

	assert_false(fake_data_packet(f, &c, 1, &h));
}

static void messages_of_the_guest_arrive_whole(void **state)
{
	static const size_t sizes[] = { 1, 0, 4096, 65536, 65537, 200000, 262144, 3 };
	struct fake *f = *state;
	struct fake_end *end;
	size_t taken = 0;

	connect_to(f, &end);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		send_message(f, i, sizes[i]);
		assert_int_equal(end->n_taken_lens, i + 1);
		assert_int_equal(end->taken_lens[i], sizes[i]);
		assert_memory_equal(end->taken + taken, big + i, sizes[i]);
		taken += sizes[i];
		send_op(f, VSOCK_OP_CREDIT_REQUEST, 0);
		assert_int_equal(expect(f, VSOCK_OP_CREDIT_UPDATE).fwd_cnt, taken);
	}
	fake_expect_nothing(f);
}

static void no_part_of_a_message_is_passed_on(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;

	connect_to(f, &end);
	send_part(f, 0, 10, 0);
	send_part(f, 10, 0, 0);
	send_part(f, 10, 5, 0);
	assert_int_equal(end->n_taken_lens, 0);
	/* Its end may come alone. */
	send_part(f, 15, 0, EOM);
	assert_int_equal(end->n_taken_lens, 1);
	assert_int_equal(end->taken_lens[0], 15);
	assert_memory_equal(end->taken, big, 15);
}

static void what_the_end_does_not_take_waits_in_order(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = connect_to(f, &end);

	end->room = 100;
	send_message(f, 0, 60);
	send_message(f, 60, 60);
	/* It would have room for this one, but it is not its turn. */
	send_message(f, 120, 20);
	send_message(f, 140, 0);
	assert_int_equal(end->n_taken_lens, 1);
	end->room = 79;
	fake_event(f, conn, VSOCK_EVENT_WRITABLE);
	assert_int_equal(end->n_taken_lens, 2);
	send_message(f, 140, 1);
	end->room = 100;
	fake_event(f, conn, VSOCK_EVENT_WRITABLE);
	assert_int_equal(end->n_taken_lens, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(end->taken_lens[i], ((const size_t[]){ 60, 60, 20, 0, 1 })[i]);
	assert_memory_equal(end->taken, big, 141);
	assert_true(vsock_messages_empty(&conn->messages));
}

static void the_window_is_exact(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = connect_to(f, &end);

	end->room = 0;
	send_message(f, 0, VSOCK_BUF_ALLOC - 10);
	send_message(f, 0, 10);
	fake_expect_nothing(f);
	assert_int_equal(conn->messages.bytes.len, VSOCK_BUF_ALLOC);
	send_message(f, 0, 1);
	expect(f, VSOCK_OP_RST);
	assert_true(end->closed);
}

static void a_message_longer_than_the_window_resets(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;

	connect_to(f, &end);
	for (unsigned i = 0; i < 3; i++)
		send_part(f, 0, VSOCK_PAYLOAD_MAX, 0);
	fake_expect_nothing(f);
	/* The guest could not go on: it has no credit, and gets none. */
	send_part(f, 0, VSOCK_PAYLOAD_MAX, 0);
	expect(f, VSOCK_OP_RST);
	assert_int_equal(end->n_taken_lens, 0);
	assert_true(end->closed);
}

static void a_long_message_gets_the_credit_that_it_needs(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;

	connect_to(f, &end);
	send_message(f, 0, 100000);
	fake_expect_nothing(f);
	/* The rest of the window, and then it must wait. */
	send_part(f, 0, VSOCK_PAYLOAD_MAX, 0);
	fake_expect_nothing(f);
	send_part(f, VSOCK_PAYLOAD_MAX, VSOCK_PAYLOAD_MAX, 0);
	assert_int_equal(expect(f, VSOCK_OP_CREDIT_UPDATE).fwd_cnt, 100000);
	send_part(f, 2 * VSOCK_PAYLOAD_MAX, VSOCK_PAYLOAD_MAX, 0);
	send_part(f, 3 * VSOCK_PAYLOAD_MAX, VSOCK_PAYLOAD_MAX, EOM);
	assert_int_equal(end->n_taken_lens, 2);
	assert_int_equal(end->taken_lens[1], VSOCK_BUF_ALLOC);
}

static void small_messages_fill_the_window_without_harm(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = connect_to(f, &end);

	end->room = 0;
	for (size_t i = 0; i < VSOCK_BUF_ALLOC; i++)
		send_part(f, i, 1, EOM);
	fake_expect_nothing(f);
	assert_true(conn->messages.bytes.size + conn->messages.lengths.size <= 2 * VSOCK_BUF_ALLOC);
	/* Each empty one would cost a byte more. */
	send_part(f, 0, 0, EOM);
	expect(f, VSOCK_OP_RST);
}

static void one_turn_writes_few_messages(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = connect_to(f, &end);
	unsigned turns = 0;

	end->room = 0;
	for (size_t i = 0; i < 1000; i++)
		send_part(f, i, 1, EOM);
	end->room = 1000;
	vsock_table_host_event(conn, VSOCK_EVENT_WRITABLE);
	while (!vsock_table_run_events(f->table, 1, f->now_ns)) {
		unsigned had = end->n_taken_lens;

		turns++;
		assert_true(had <= turns * 16);
	}
	assert_in_range(turns, 62, 63);
	assert_int_equal(end->n_taken_lens, 1000);
	assert_memory_equal(end->taken, big, 1000);
}

static void one_that_the_end_can_never_take_resets(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = connect_to(f, &end);

	end->room = 0;
	send_message(f, 0, 5);
	end->write_error = -EMSGSIZE;
	fake_event(f, conn, VSOCK_EVENT_WRITABLE);
	expect(f, VSOCK_OP_RST);
	connect_to(f, &end);
	end->write_error = -EMSGSIZE;
	send_message(f, 0, 5);
	expect(f, VSOCK_OP_RST);
}

static void messages_of_the_host_are_cut_into_packets(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;

	connect_to(f, &end);
	end->n_give_lens = 5;
	memcpy(end->give_lens, (const size_t[]){ 3, CHUNK, 0, CHUNK + 1, 2 }, 5 * sizeof(size_t));
	expect_part(f, 0, CHUNK, 3, EOM);
	expect_part(f, 3, CHUNK, CHUNK, EOM);
	expect_part(f, 3 + CHUNK, CHUNK, 0, EOM);
	expect_part(f, 3 + CHUNK, CHUNK, CHUNK, 0);
	expect_part(f, 3 + 2 * CHUNK, CHUNK, 1, EOM);
	expect_part(f, 4 + 2 * CHUNK, CHUNK, 2, EOM);
	expect_no_data(f);
	fake_expect_nothing(f);
}

static void a_message_waits_for_credit_in_its_middle(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	uint32_t before = VSOCK_BUF_ALLOC - 1000;

	connect_to(f, &end);
	end->n_give_lens = 5;
	for (unsigned i = 0; i < 4; i++)
		end->give_lens[i] = before / 4;
	end->give_lens[4] = 1500;
	for (unsigned i = 0; i < 4; i++)
		expect_part(f, i * before / 4, VSOCK_PAYLOAD_MAX, before / 4, EOM);
	expect_part(f, before, VSOCK_PAYLOAD_MAX, 1000, 0);
	expect_no_data(f);
	send_credit(f, 1, VSOCK_BUF_ALLOC);
	expect_part(f, before + 1000, VSOCK_PAYLOAD_MAX, 1, 0);
	send_credit(f, before / 4, VSOCK_BUF_ALLOC);
	expect_part(f, before + 1001, VSOCK_PAYLOAD_MAX, 499, EOM);
}

static void a_message_that_the_guest_cannot_hold_resets(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;

	connect_to(f, &end);
	end->n_give_lens = 2;
	end->give_lens[0] = 1000;
	end->give_lens[1] = 1001;
	send_credit(f, 0, 1000);
	expect_part(f, 0, CHUNK, 1000, EOM);
	send_credit(f, 1000, 1000);
	expect_no_data(f);
	expect(f, VSOCK_OP_RST);
	assert_true(end->closed);
}

static void a_guest_gets_so_many_messages_at_once(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;

	connect_to(f, &end);
	end->n_give_lens = 600;
	for (unsigned i = 0; i < 600; i++)
		end->give_lens[i] = 2;
	for (unsigned i = 0; i < 256; i++)
		expect_part(f, 2 * i, CHUNK, 2, EOM);
	expect_no_data(f);
	send_credit(f, 255, VSOCK_BUF_ALLOC);
	expect_no_data(f);
	send_credit(f, 256, VSOCK_BUF_ALLOC);
	for (unsigned i = 256; i < 384; i++)
		expect_part(f, 2 * i, CHUNK, 2, EOM);
	expect_no_data(f);
	/* A guest with a smaller buffer gets fewer, down to one. */
	send_credit(f, 768, 1000);
	expect_part(f, 768, CHUNK, 2, EOM);
	expect_no_data(f);
	send_credit(f, 770, 1000);
	expect_part(f, 770, CHUNK, 2, EOM);
	expect_no_data(f);
}

static void a_message_that_has_begun_is_not_held_up(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;

	connect_to(f, &end);
	send_credit(f, 0, 1000);
	end->n_give_lens = 4;
	for (unsigned i = 0; i < 4; i++)
		end->give_lens[i] = 100;
	/* A guest with tiny buffers: only whole messages are counted. */
	for (unsigned i = 0; i < 99; i++)
		expect_part(f, i, 1, 1, 0);
	expect_part(f, 99, 1, 1, EOM);
	expect_no_data(f);
	send_credit(f, 100, 2048);
	expect_part(f, 100, CHUNK, 100, EOM);
	/* Nor when the guest's buffer shrinks meanwhile. */
	expect_part(f, 200, 1, 1, 0);
	send_credit(f, 100, 1024);
	expect_part(f, 201, CHUNK, 99, EOM);
	expect_no_data(f);
}

static void a_row_of_empty_messages_resets(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;

	connect_to(f, &end);
	end->n_give_lens = 100;
	for (unsigned i = 0; i < 64; i++)
		expect_part(f, 0, CHUNK, 0, EOM);
	expect_no_data(f);
	expect(f, VSOCK_OP_RST);
}

static void the_hosts_end_comes_behind_its_messages(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;

	connect_to(f, &end);
	end->n_give_lens = 1;
	end->give_lens[0] = 5;
	end->ended = true;
	expect_part(f, 0, 4, 4, 0);
	fake_expect_nothing(f);
	expect_part(f, 4, 4, 1, EOM);
	expect_no_data(f);
	assert_int_equal(expect(f, VSOCK_OP_SHUTDOWN).flags, VSOCK_SHUTDOWN_SEND);
	/* The guest still sends. */
	send_message(f, 0, 4);
	assert_int_equal(end->taken_lens[0], 4);
}

static void the_guests_end_comes_behind_its_messages(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = connect_to(f, &end);

	end->room = 0;
	send_message(f, 0, 5);
	send_message(f, 5, 0);
	send_op(f, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_SEND);
	assert_int_equal(end->shut, 0);
	end->room = 5;
	fake_event(f, conn, VSOCK_EVENT_WRITABLE);
	assert_int_equal(end->n_taken_lens, 2);
	assert_int_equal(end->shut, VSOCK_SHUTDOWN_SEND);
	end->n_give_lens = 1;
	end->give_lens[0] = 7;
	fake_event(f, conn, VSOCK_EVENT_READABLE);
	expect_part(f, 0, CHUNK, 7, EOM);
	send_message(f, 0, 1);
	expect(f, VSOCK_OP_RST);
}

static void half_a_message_is_dropped_at_the_guests_end(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;

	for (unsigned both = 0; both < 2; both++) {
		struct vsock_conn *conn = connect_to(f, &end);

		send_message(f, 0, 3);
		send_part(f, 3, 1000, 0);
		send_op(f, VSOCK_OP_SHUTDOWN, both ? VSOCK_SHUTDOWN_BOTH : VSOCK_SHUTDOWN_SEND);
		assert_int_equal(end->n_taken_lens, 1);
		assert_true(vsock_messages_empty(&conn->messages));
		assert_int_equal(conn->credit.fwd, 1003);
		if (!both) {
			assert_int_equal(end->shut, VSOCK_SHUTDOWN_SEND);
			send_op(f, VSOCK_OP_RST, 0);
		} else {
			expect(f, VSOCK_OP_RST);
		}
		vsock_table_reap(f->table);
		assert_true(end->closed);
	}
}

static void a_host_that_reads_no_more_stops_the_guest(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = connect_to(f, &end);
	struct vsock_header h;

	end->room = 0;
	send_message(f, 0, 4);
	send_part(f, 4, 6, 0);
	end->deaf = true;
	fake_event(f, conn, VSOCK_EVENT_WRITABLE);
	h = expect(f, VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_SHUTDOWN_RECEIVE);
	assert_int_equal(h.fwd_cnt, 10);
	send_part(f, 10, 7, 0);
	send_part(f, 17, 0, EOM);
	send_message(f, 17, 70000);
	assert_int_equal(end->n_taken_lens, 0);
	assert_true(vsock_messages_empty(&conn->messages));
	end->n_give_lens = 1;
	end->give_lens[0] = 5;
	fake_event(f, conn, VSOCK_EVENT_READABLE);
	expect_part(f, 0, CHUNK, 5, EOM);
	assert_int_equal(conn->credit.told_fwd, 70017);
}

static void a_host_that_is_gone_leaves_its_messages(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = connect_to(f, &end);

	end->write_error = -ECONNRESET;
	send_message(f, 0, 4);
	assert_int_equal(expect(f, VSOCK_OP_SHUTDOWN).flags, VSOCK_SHUTDOWN_RECEIVE);
	end->n_give_lens = 1;
	end->give_lens[0] = 5;
	end->read_error = -ECONNRESET;
	fake_event(f, conn, VSOCK_EVENT_READABLE);
	expect_part(f, 0, CHUNK, 5, EOM);
	expect_no_data(f);
	expect(f, VSOCK_OP_RST);
}

#define conn_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		conn_test(messages_of_the_guest_arrive_whole),
		conn_test(no_part_of_a_message_is_passed_on),
		conn_test(what_the_end_does_not_take_waits_in_order),
		conn_test(the_window_is_exact),
		conn_test(a_message_longer_than_the_window_resets),
		conn_test(a_long_message_gets_the_credit_that_it_needs),
		conn_test(small_messages_fill_the_window_without_harm),
		conn_test(one_turn_writes_few_messages),
		conn_test(one_that_the_end_can_never_take_resets),
		conn_test(messages_of_the_host_are_cut_into_packets),
		conn_test(a_message_waits_for_credit_in_its_middle),
		conn_test(a_message_that_the_guest_cannot_hold_resets),
		conn_test(a_guest_gets_so_many_messages_at_once),
		conn_test(a_message_that_has_begun_is_not_held_up),
		conn_test(a_row_of_empty_messages_resets),
		conn_test(the_hosts_end_comes_behind_its_messages),
		conn_test(the_guests_end_comes_behind_its_messages),
		conn_test(half_a_message_is_dropped_at_the_guests_end),
		conn_test(a_host_that_reads_no_more_stops_the_guest),
		conn_test(a_host_that_is_gone_leaves_its_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
