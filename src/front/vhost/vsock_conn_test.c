/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_conn.h"

#include "front/vhost/vsock_fake.h"

#define BOTH_EVENTS (VSOCK_EVENT_READABLE | VSOCK_EVENT_WRITABLE)

static char big[VSOCK_BUF_ALLOC + VSOCK_PAYLOAD_MAX];

static int set_up(void **state)
{
	*state = fake_new(16);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + (i >> 8));
	return 0;
}

static int tear_down(void **state)
{
	fake_free(*state);
	return 0;
}

static void send_big(struct fake *f, size_t from, size_t len)
{
	for (size_t done = 0; done < len; done += VSOCK_PAYLOAD_MAX)
		fake_send_data(f, big + from + done,
			       len - done < VSOCK_PAYLOAD_MAX ? (uint32_t)(len - done)
							      : VSOCK_PAYLOAD_MAX);
}

static void bytes_go_both_ways(void **state)
{
	struct fake *f = *state;
	struct vsock_header h;
	struct fake_end *end;
	char buf[10];

	fake_connect(f, &end);
	fake_send_data(f, "hello", 5);
	assert_int_equal(end->n_taken, 5);
	assert_memory_equal(end->taken, "hello", 5);
	end->give = "world";
	end->n_give = 5;
	assert_int_equal(fake_data(f, buf, sizeof(buf), &h), 5);
	assert_memory_equal(buf, "world", 5);
	assert_int_equal(h.op, VSOCK_OP_RW);
	assert_int_equal(h.len, 5);
	assert_int_equal(h.src_port, 80);
	assert_int_equal(h.dst_port, FAKE_PORT);
	assert_int_equal(h.fwd_cnt, 5);
	fake_expect_nothing(f);
}

static void what_the_end_does_not_take_is_kept_in_order(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = fake_connect(f, &end);

	end->room = 1000;
	send_big(f, 0, 200000);
	assert_int_equal(end->n_taken, 1000);
	assert_int_equal(conn->buffer.len, 199000);
	end->room = 70000;
	fake_event(f, conn, VSOCK_EVENT_WRITABLE);
	assert_int_equal(end->n_taken, 71000);
	end->room = 200000;
	fake_event(f, conn, VSOCK_EVENT_WRITABLE);
	assert_int_equal(end->n_taken, 200000);
	assert_memory_equal(end->taken, big, 200000);
	assert_null(conn->buffer.memory);
}

static void the_window_is_exact(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = fake_connect(f, &end);

	end->room = 0;
	send_big(f, 0, VSOCK_BUF_ALLOC);
	fake_expect_nothing(f);
	assert_int_equal(conn->buffer.len, VSOCK_BUF_ALLOC);
	fake_send_data(f, "x", 1);
	fake_expect(f, VSOCK_OP_RST);
	assert_true(end->closed);
}

static void a_guest_that_waits_hears_of_room(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = fake_connect(f, &end);
	struct vsock_header h;

	end->room = 0;
	send_big(f, 0, VSOCK_BUF_ALLOC);
	end->room = 10;
	fake_event(f, conn, VSOCK_EVENT_WRITABLE);
	h = fake_expect(f, VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(h.fwd_cnt, 10);
	assert_int_equal(h.buf_alloc, VSOCK_BUF_ALLOC);
	fake_send_data(f, big, 10);
	fake_expect_nothing(f);
	end->room = sizeof(end->taken) - end->n_taken;
	fake_event(f, conn, VSOCK_EVENT_WRITABLE);
	h = fake_expect(f, VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(h.fwd_cnt, VSOCK_BUF_ALLOC + 10);
}

static void a_guest_that_shrinks_its_buffer_hears_of_room(void **state)
{
	struct vsock_header h = fake_header(VSOCK_OP_CREDIT_UPDATE, FAKE_PORT, 80);
	struct fake *f = *state;
	struct fake_end *end;

	fake_connect(f, &end);
	send_big(f, 0, 10000);
	fake_expect_nothing(f);
	h.buf_alloc = 10000;
	fake_packet(f, &h, "");
	h = fake_expect(f, VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(h.fwd_cnt, 10000);
	fake_expect_nothing(f);
}

static void a_credit_request_is_answered(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_header h;

	fake_connect(f, &end);
	fake_send_data(f, "abc", 3);
	fake_expect_nothing(f);
	fake_send(f, VSOCK_OP_CREDIT_REQUEST, 0);
	fake_send(f, VSOCK_OP_CREDIT_REQUEST, 0);
	h = fake_expect(f, VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(h.fwd_cnt, 3);
	fake_expect_nothing(f);
}

static void a_guests_window_is_kept_to_the_byte(void **state)
{
	struct fake *f = *state;
	struct vsock_header h = fake_header(VSOCK_OP_CREDIT_UPDATE, FAKE_PORT, 80);
	struct fake_end *end;
	char *buf = malloc(VSOCK_PAYLOAD_MAX * 2);

	fake_connect(f, &end);
	end->give = big;
	end->n_give = sizeof(big);
	assert_int_equal(fake_data(f, buf, 1000, &h), 1000);
	assert_int_equal(fake_data(f, buf + 1000, VSOCK_PAYLOAD_MAX * 2 - 1000, &h), 64536);
	assert_int_equal(fake_data(f, buf, 1000, &h), 0);
	assert_memory_equal(buf, big, 65536);
	h = fake_header(VSOCK_OP_CREDIT_UPDATE, FAKE_PORT, 80);
	h.fwd_cnt = 3;
	fake_packet(f, &h, "");
	assert_int_equal(fake_data(f, buf, 1000, &h), 3);
	/* The guest's buffer shrinks below what is under way, and grows again. */
	h = fake_header(VSOCK_OP_CREDIT_UPDATE, FAKE_PORT, 80);
	h.buf_alloc = 100;
	h.fwd_cnt = 10;
	fake_packet(f, &h, "");
	assert_int_equal(fake_data(f, buf, 1000, &h), 0);
	h = fake_header(VSOCK_OP_CREDIT_UPDATE, FAKE_PORT, 80);
	h.buf_alloc = UINT32_MAX;
	h.fwd_cnt = 10;
	fake_packet(f, &h, "");
	assert_int_equal(fake_data(f, buf, VSOCK_PAYLOAD_MAX * 2, &h), VSOCK_PAYLOAD_MAX);
	free(buf);
}

static void a_forged_count_resets(void **state)
{
	struct fake *f = *state;
	struct vsock_header h = fake_header(VSOCK_OP_CREDIT_UPDATE, FAKE_PORT, 80);
	struct fake_end *end;

	fake_connect(f, &end);
	h.fwd_cnt = 1;
	fake_packet(f, &h, "");
	fake_expect(f, VSOCK_OP_RST);
	assert_true(end->closed);
}

static void the_guests_half_close_comes_after_its_bytes(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = fake_connect(f, &end);
	struct vsock_header h;
	char buf[10];

	end->room = 2;
	fake_send_data(f, "hello", 5);
	fake_send(f, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_SEND);
	assert_int_equal(end->shut, 0);
	end->room = 10;
	fake_event(f, conn, VSOCK_EVENT_WRITABLE);
	assert_memory_equal(end->taken, "hello", 5);
	assert_int_equal(end->shut, VSOCK_SHUTDOWN_SEND);
	/* Said twice it means nothing new. */
	fake_send(f, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_SEND);
	/* The way back is open. */
	end->give = "late";
	end->n_give = 4;
	fake_event(f, conn, VSOCK_EVENT_READABLE);
	assert_int_equal(fake_data(f, buf, sizeof(buf), &h), 4);
	/* No byte may follow. */
	fake_send_data(f, "x", 1);
	fake_expect(f, VSOCK_OP_RST);
}

static void the_hosts_half_close_comes_after_its_bytes(void **state)
{
	struct fake *f = *state;
	struct vsock_header h;
	struct fake_end *end;
	char buf[10];

	fake_connect(f, &end);
	end->give = "bye";
	end->n_give = 3;
	end->ended = true;
	assert_int_equal(fake_data(f, buf, 2, &h), 2);
	fake_expect_nothing(f);
	assert_int_equal(fake_data(f, buf, 2, &h), 1);
	assert_int_equal(fake_data(f, buf, 2, &h), 0);
	h = fake_expect(f, VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_SHUTDOWN_SEND);
	/* The guest still sends. */
	fake_send_data(f, "more", 4);
	assert_memory_equal(end->taken, "more", 4);
	assert_false(end->closed);
}

static void a_guest_that_reads_no_more_stops_the_host(void **state)
{
	struct fake *f = *state;
	struct vsock_header h;
	struct fake_end *end;
	char buf[10];

	fake_connect(f, &end);
	end->give = "lost";
	end->n_give = 4;
	fake_send(f, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_RECEIVE);
	assert_int_equal(end->shut, VSOCK_SHUTDOWN_RECEIVE);
	assert_int_equal(fake_data(f, buf, sizeof(buf), &h), 0);
	fake_send_data(f, "on", 2);
	assert_memory_equal(end->taken, "on", 2);
	fake_expect_nothing(f);
}

static void a_host_that_reads_no_more_stops_the_guest(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = fake_connect(f, &end);
	struct vsock_header h;
	char buf[10];

	end->room = 0;
	fake_send_data(f, "kept", 4);
	end->deaf = true;
	fake_event(f, conn, VSOCK_EVENT_WRITABLE);
	h = fake_expect(f, VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_SHUTDOWN_RECEIVE);
	assert_int_equal(h.fwd_cnt, 4);
	/* What was under way is dropped, and the host's bytes still come. */
	fake_send_data(f, "dropped", 7);
	assert_int_equal(end->n_taken, 0);
	end->give = "still";
	end->n_give = 5;
	fake_event(f, conn, VSOCK_EVENT_READABLE);
	assert_int_equal(fake_data(f, buf, sizeof(buf), &h), 5);
	assert_int_equal(h.fwd_cnt, 11);
}

/* No event tells that the reader of a full socket has shut down. */
static void a_full_end_is_asked_whether_it_is_deaf(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = fake_connect(f, &end);
	struct vsock_header h;

	assert_int_equal(vsock_table_deadline_ns(f->table), VSOCK_NEVER_NS);
	end->room = 0;
	fake_send_data(f, "kept", 4);
	/* It takes nothing yet, and is not deaf: it is asked again, and nothing else happens. */
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(vsock_table_deadline_ns(f->table), f->now_ns + VSOCK_LOOK_NS);
		f->now_ns += VSOCK_LOOK_NS;
		vsock_table_expire(f->table, f->now_ns);
		fake_expect_nothing(f);
	}
	end->deaf = true;
	f->now_ns += VSOCK_LOOK_NS;
	vsock_table_expire(f->table, f->now_ns);
	h = fake_expect(f, VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_SHUTDOWN_RECEIVE);
	assert_int_equal(h.fwd_cnt, 4);
	assert_int_equal(conn->deadline_ns, VSOCK_NEVER_NS);
}

static void an_end_that_has_room_is_not_asked(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = fake_connect(f, &end);

	end->room = 2;
	fake_send_data(f, "full", 4);
	end->room = 100;
	fake_event(f, conn, VSOCK_EVENT_WRITABLE);
	assert_int_equal(end->n_taken, 4);
	/* The look that is due finds nothing to do, and is the last. */
	f->now_ns += VSOCK_LOOK_NS;
	vsock_table_expire(f->table, f->now_ns);
	assert_int_equal(vsock_table_deadline_ns(f->table), VSOCK_NEVER_NS);
	fake_expect_nothing(f);
	assert_int_equal(conn->state, VSOCK_CONN_OPEN);
}

/* The time of a look is not the time for the guest's RST. */
static void a_close_after_a_look_was_due_has_its_time(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = fake_connect(f, &end);

	end->room = 0;
	fake_send_data(f, "kept", 4);
	end->deaf = end->ended = true;
	fake_event(f, conn, VSOCK_EVENT_READABLE | VSOCK_EVENT_WRITABLE);
	f->now_ns += 2 * VSOCK_LOOK_NS;
	vsock_table_expire(f->table, f->now_ns);
	assert_int_equal(conn->state, VSOCK_CONN_OPEN);
	fake_expect(f, VSOCK_OP_SHUTDOWN);
}

static void a_closing_guest_is_answered_when_all_is_flushed(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = fake_connect(f, &end);

	end->room = 1;
	fake_send_data(f, "last words", 10);
	fake_send(f, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_BOTH);
	fake_expect_nothing(f);
	/* The host's writer is not left hanging meanwhile. */
	assert_int_equal(end->shut, VSOCK_SHUTDOWN_RECEIVE);
	end->room = 100;
	fake_event(f, conn, BOTH_EVENTS);
	assert_memory_equal(end->taken, "last words", 10);
	/* The end is closed only once the guest has its answer. */
	vsock_table_reap(f->table);
	assert_false(end->closed);
	fake_expect(f, VSOCK_OP_RST);
	assert_true(end->closed);
	assert_int_equal(vsock_table_connections(f->table), 0);
}

static void two_half_closes_of_the_guest_are_a_close(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;

	fake_connect(f, &end);
	fake_send(f, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_SEND);
	fake_send(f, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_RECEIVE);
	fake_expect(f, VSOCK_OP_RST);
	fake_expect_nothing(f);
	/* Now it is unknown. */
	fake_send(f, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_BOTH);
	fake_expect(f, VSOCK_OP_RST);
}

static void a_close_in_two_steps_tells_the_end_once(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = fake_connect(f, &end);

	end->room = 0;
	fake_send_data(f, "x", 1);
	fake_send(f, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_RECEIVE);
	fake_send(f, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_SEND);
	assert_int_equal(end->shut, VSOCK_SHUTDOWN_RECEIVE);
	end->room = 1;
	fake_event(f, conn, VSOCK_EVENT_WRITABLE);
	fake_expect(f, VSOCK_OP_RST);
}

static void a_guest_that_stops_waiting_loses_no_bytes(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = fake_connect(f, &end);

	end->room = 1;
	fake_send_data(f, "last words", 10);
	fake_send(f, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_BOTH);
	fake_send(f, VSOCK_OP_RST, 0);
	fake_expect_nothing(f);
	assert_false(end->closed);
	/* Its port may be used anew at once. */
	fake_send(f, VSOCK_OP_REQUEST, 0);
	fake_expect(f, VSOCK_OP_RESPONSE);
	end->room = 100;
	fake_event(f, conn, VSOCK_EVENT_WRITABLE);
	vsock_table_reap(f->table);
	assert_memory_equal(end->taken, "last words", 10);
	assert_true(end->closed);
	assert_int_equal(vsock_table_connections(f->table), 1);
}

static void a_reset_by_the_guest_is_the_end(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;

	fake_connect(f, &end);
	end->room = 0;
	fake_send_data(f, "lost", 4);
	fake_send(f, VSOCK_OP_RST, 0);
	fake_expect_nothing(f);
	assert_true(end->closed);
}

static void a_host_that_closes_is_told_and_forgotten(void **state)
{
	struct fake *f = *state;
	struct vsock_header h;
	struct fake_end *end;
	char buf[4];

	fake_connect(f, &end);
	end->ended = end->deaf = true;
	assert_int_equal(fake_data(f, buf, sizeof(buf), &h), 0);
	h = fake_expect(f, VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_SHUTDOWN_BOTH);
	fake_send_data(f, "late", 4);
	fake_expect_nothing(f);
	f->now_ns += VSOCK_LINGER_NS - 1;
	vsock_table_expire(f->table, f->now_ns);
	fake_expect_nothing(f);
	f->now_ns += 1;
	vsock_table_expire(f->table, f->now_ns);
	fake_expect(f, VSOCK_OP_RST);
	assert_true(end->closed);
}

static void the_guests_answer_to_a_close_ends_it(void **state)
{
	struct fake *f = *state;
	struct vsock_header h;
	struct fake_end *end;
	char buf[4];

	fake_connect(f, &end);
	end->ended = end->deaf = true;
	assert_int_equal(fake_data(f, buf, sizeof(buf), &h), 0);
	fake_expect(f, VSOCK_OP_SHUTDOWN);
	fake_send(f, VSOCK_OP_RST, 0);
	fake_expect_nothing(f);
	assert_true(end->closed);
	assert_true(vsock_table_deadline_ns(f->table) >= f->now_ns);
}

static void a_lost_host_is_a_reset_after_its_last_bytes(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = fake_connect(f, &end);
	struct vsock_header h;
	char buf[10];

	end->room = 0;
	end->write_error = end->read_error = -ECONNRESET;
	end->give = "error";
	end->n_give = 5;
	fake_send_data(f, "question", 8);
	h = fake_expect(f, VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_SHUTDOWN_RECEIVE);
	assert_int_equal(fake_data(f, buf, sizeof(buf), &h), 5);
	assert_int_equal(fake_data(f, buf, sizeof(buf), &h), 0);
	fake_expect(f, VSOCK_OP_RST);
	assert_true(end->closed);
	(void)conn;
}

static void a_lost_host_is_a_reset_even_when_the_error_is_read_as_an_end(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_header h;
	char buf[10];

	fake_connect(f, &end);
	end->room = 0;
	end->write_error = -ECONNRESET;
	end->ended = true;
	fake_send_data(f, "question", 8);
	fake_expect(f, VSOCK_OP_SHUTDOWN);
	assert_int_equal(fake_data(f, buf, sizeof(buf), &h), 0);
	fake_expect(f, VSOCK_OP_RST);
}

static void a_lost_host_that_nobody_reads_is_a_reset_at_once(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;

	fake_connect(f, &end);
	fake_send(f, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_RECEIVE);
	end->room = 0;
	end->write_error = -ECONNRESET;
	fake_send_data(f, "x", 1);
	fake_expect(f, VSOCK_OP_RST);
}

static void a_lost_host_ends_a_close_that_waits_for_it(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = fake_connect(f, &end);

	end->room = 0;
	fake_send_data(f, "x", 1);
	fake_send(f, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_BOTH);
	end->write_error = -EPIPE;
	fake_event(f, conn, VSOCK_EVENT_WRITABLE);
	fake_expect(f, VSOCK_OP_RST);
	assert_true(end->closed);
}

static void each_side_reading_no_more_is_a_close(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = fake_connect(f, &end);
	struct vsock_header h;

	end->deaf = true;
	fake_event(f, conn, VSOCK_EVENT_WRITABLE);
	fake_expect(f, VSOCK_OP_SHUTDOWN);
	fake_send(f, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_RECEIVE);
	h = fake_expect(f, VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_SHUTDOWN_BOTH);
}

static void each_side_sending_no_more_is_a_close(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = fake_connect(f, &end);
	struct vsock_header h;
	char buf[4];

	end->room = 0;
	end->ended = true;
	assert_int_equal(fake_data(f, buf, sizeof(buf), &h), 0);
	assert_int_equal(fake_expect(f, VSOCK_OP_SHUTDOWN).flags, VSOCK_SHUTDOWN_SEND);
	fake_send_data(f, "last", 4);
	fake_send(f, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_SEND);
	fake_expect_nothing(f);
	end->room = 10;
	fake_event(f, conn, VSOCK_EVENT_WRITABLE);
	assert_memory_equal(end->taken, "last", 4);
	assert_int_equal(fake_expect(f, VSOCK_OP_SHUTDOWN).flags, VSOCK_SHUTDOWN_BOTH);
}

static void zero_length_packets_cost_nothing(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = fake_connect(f, &end);

	end->room = 0;
	for (unsigned i = 0; i < 100000; i++)
		fake_send_data(f, "", 0);
	fake_expect_nothing(f);
	assert_null(conn->buffer.memory);
	assert_int_equal(conn->state, VSOCK_CONN_OPEN);
}

static void out_of_place_packets_reset(void **state)
{
	static const unsigned ops[] = { VSOCK_OP_REQUEST, VSOCK_OP_RESPONSE, 0, 8, 65535 };
	struct fake *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		struct fake_end *end;

		fake_connect(f, &end);
		fake_send(f, ops[i], 0);
		fake_expect(f, VSOCK_OP_RST);
		fake_expect_nothing(f);
		assert_true(end->closed);
	}
}

static void data_before_the_response_is_not_believed(void **state)
{
	struct fake *f = *state;

	fake_send(f, VSOCK_OP_REQUEST, 0);
	fake_send_data(f, "x", 1);
	fake_expect(f, VSOCK_OP_RST);
	assert_int_equal(f->ends[0].n_taken, 0);
}

static void a_reset_connection_stays_until_the_guest_knows(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;

	fake_connect(f, &end);
	fake_send(f, VSOCK_OP_RESPONSE, 0);
	/* The guest goes on unaware: one RST answers all of it. */
	fake_send_data(f, "x", 1);
	fake_send(f, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_BOTH);
	fake_expect(f, VSOCK_OP_RST);
	fake_expect_nothing(f);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(bytes_go_both_ways),
		CASE(what_the_end_does_not_take_is_kept_in_order),
		CASE(the_window_is_exact),
		CASE(a_guest_that_waits_hears_of_room),
		CASE(a_guest_that_shrinks_its_buffer_hears_of_room),
		CASE(a_credit_request_is_answered),
		CASE(a_guests_window_is_kept_to_the_byte),
		CASE(a_forged_count_resets),
		CASE(the_guests_half_close_comes_after_its_bytes),
		CASE(the_hosts_half_close_comes_after_its_bytes),
		CASE(a_guest_that_reads_no_more_stops_the_host),
		CASE(a_host_that_reads_no_more_stops_the_guest),
		CASE(a_full_end_is_asked_whether_it_is_deaf),
		CASE(an_end_that_has_room_is_not_asked),
		CASE(a_close_after_a_look_was_due_has_its_time),
		CASE(a_closing_guest_is_answered_when_all_is_flushed),
		CASE(two_half_closes_of_the_guest_are_a_close),
		CASE(a_close_in_two_steps_tells_the_end_once),
		CASE(a_guest_that_stops_waiting_loses_no_bytes),
		CASE(a_reset_by_the_guest_is_the_end),
		CASE(a_host_that_closes_is_told_and_forgotten),
		CASE(the_guests_answer_to_a_close_ends_it),
		CASE(a_lost_host_is_a_reset_after_its_last_bytes),
		CASE(a_lost_host_is_a_reset_even_when_the_error_is_read_as_an_end),
		CASE(a_lost_host_that_nobody_reads_is_a_reset_at_once),
		CASE(a_lost_host_ends_a_close_that_waits_for_it),
		CASE(each_side_reading_no_more_is_a_close),
		CASE(each_side_sending_no_more_is_a_close),
		CASE(zero_length_packets_cost_nothing),
		CASE(out_of_place_packets_reset),
		CASE(data_before_the_response_is_not_believed),
		CASE(a_reset_connection_stays_until_the_guest_knows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
