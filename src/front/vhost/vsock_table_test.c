/* SPDX-License-Identifier: Apache-2.0 */
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

/* A packet of a connection of its own; returns nothing, the answer is looked at by the caller. */
static void send(struct fake *f, unsigned op, uint32_t guest_port, uint32_t host_port)
{
	struct vsock_header h = fake_header(op, guest_port, host_port);

	fake_packet(f, &h, "");
}

static void answer(struct fake *f, int result)
{
	struct vsock_conn *conn = vsock_table_waiting(f->table, f->id);
	struct vsock_end end = { 0 };

	assert_non_null(conn);
	if (result == 0)
		end = fake_end(f);
	vsock_table_connected(conn, result, end, f->now_ns);
	assert_null(vsock_table_waiting(f->table, f->id));
}

static void a_packet_of_no_connection_is_reset(void **state)
{
	struct fake *f = *state;

	for (unsigned op = 0; op < 10; op++) {
		struct vsock_header h;

		if (op == VSOCK_OP_REQUEST || op == VSOCK_OP_RST)
			continue;
		send(f, op, 77, 88);
		h = fake_expect(f, VSOCK_OP_RST);
		assert_int_equal(h.src_port, 88);
		assert_int_equal(h.dst_port, 77);
		assert_int_equal(h.type, VSOCK_TYPE_STREAM);
		assert_int_equal(h.flags | h.buf_alloc | h.fwd_cnt, 0);
	}
}

static void a_reset_is_never_answered(void **state)
{
	struct fake *f = *state;
	struct vsock_header h = fake_header(VSOCK_OP_RST, 77, 88);

	fake_packet(f, &h, "");
	h.type = VSOCK_TYPE_SEQPACKET;
	fake_packet(f, &h, "");
	h.type = 9;
	fake_packet(f, &h, "");
	vsock_table_packet(f->table, &h, NULL, 0, false, f->now_ns);
	fake_expect_nothing(f);
}

static void other_types_are_refused_in_kind(void **state)
{
	static const struct {
		uint16_t type, answer;
	} cases[] = { { 2, 2 }, { 0, 1 }, { 9, 1 }, { 65535, 1 } };
	struct fake *f = *state;
	struct fake_end *end;

	fake_connect(f, &end);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vsock_header h = fake_header(VSOCK_OP_REQUEST, FAKE_PORT, 80);

		h.type = cases[i].type;
		fake_packet(f, &h, "");
		assert_int_equal(fake_expect(f, VSOCK_OP_RST).type, cases[i].answer);
	}
	/* The stream between the same ports is another connection. */
	fake_send_data(f, "x", 1);
	assert_int_equal(end->n_taken, 1);
}

static void the_types_are_apart(void **state)
{
	struct fake *f = *state;
	struct vsock_header h = fake_message_header(VSOCK_OP_REQUEST, 0);
	struct fake_end *stream, *messages;

	fake_connect(f, &stream);
	vsock_table_set_seqpacket(f->table, true);
	fake_packet(f, &h, "");
	assert_int_equal(fake_expect(f, VSOCK_OP_RESPONSE).type, VSOCK_TYPE_SEQPACKET);
	messages = &f->ends[1];
	messages->room = 100;
	fake_send_data(f, "x", 1);
	h = fake_message_header(VSOCK_OP_RW, VSOCK_SEQ_EOM);
	h.len = 2;
	fake_packet(f, &h, "yz");
	assert_int_equal(stream->n_taken, 1);
	assert_int_equal(messages->n_taken, 2);
	/* A driver that comes after knows of streams only. */
	vsock_table_set_seqpacket(f->table, false);
	fake_packet(f, &h, "yz");
	assert_int_equal(fake_expect(f, VSOCK_OP_RST).type, VSOCK_TYPE_SEQPACKET);
	vsock_table_set_seqpacket(f->table, true);
	h = fake_message_header(VSOCK_OP_RST, 0);
	fake_packet(f, &h, "");
	vsock_table_reap(f->table);
	assert_true(messages->closed);
	assert_false(stream->closed);
	fake_expect_nothing(f);
	h = fake_message_header(VSOCK_OP_RW, VSOCK_SEQ_EOM);
	fake_packet(f, &h, "");
	assert_int_equal(fake_expect(f, VSOCK_OP_RST).type, VSOCK_TYPE_SEQPACKET);
	fake_send_data(f, "x", 1);
	assert_int_equal(stream->n_taken, 2);
}

static struct vsock_header call_by(struct fake *f, enum vsock_type type)
{
	struct vsock_conn *conn = vsock_table_greet(f->table, type, f->now_ns);

	assert_non_null(conn);
	conn->end = fake_end_of(f, type);
	f->ends[f->n_ends - 1].greeting = 1;
	f->ends[f->n_ends - 1].greeting_port = 5;
	fake_event(f, conn, VSOCK_EVENT_READABLE);
	return fake_expect(f, VSOCK_OP_REQUEST);
}

static void the_host_calls_by_either_type(void **state)
{
	struct fake *f = *state;
	struct vsock_header stream, messages, answer;

	assert_null(vsock_table_greet(f->table, VSOCK_TYPE_SEQPACKET, f->now_ns));
	vsock_table_set_seqpacket(f->table, true);
	stream = call_by(f, VSOCK_TYPE_STREAM);
	messages = call_by(f, VSOCK_TYPE_SEQPACKET);
	assert_int_equal(stream.type, VSOCK_TYPE_STREAM);
	assert_int_equal(messages.type, VSOCK_TYPE_SEQPACKET);
	assert_int_not_equal(stream.src_port, messages.src_port);
	/* The guest does not know the one, and serves the other. */
	answer = fake_message_header(VSOCK_OP_RST, 0);
	answer.src_port = 5;
	answer.dst_port = stream.src_port;
	fake_packet(f, &answer, "");
	vsock_table_reap(f->table);
	assert_false(f->ends[0].closed);
	answer.op = VSOCK_OP_RESPONSE;
	answer.dst_port = messages.src_port;
	f->ends[1].room = 100;
	fake_packet(f, &answer, "");
	/* The answer is a message. */
	assert_int_equal(f->ends[1].n_taken_lens, 1);
	assert_memory_equal(f->ends[1].taken, "OK ", 3);
}

static void ports_are_not_used_for_both_types(void **state)
{
	struct fake *f = *state;
	struct vsock_header h;

	/* The guest has taken the next ports itself: Linux looks at nothing but the ports. */
	vsock_table_set_seqpacket(f->table, true);
	h = fake_message_header(VSOCK_OP_REQUEST, 0);
	h.src_port = 5;
	h.dst_port = VSOCK_HOST_PORT_MIN;
	fake_packet(f, &h, "");
	fake_expect(f, VSOCK_OP_RESPONSE);
	send(f, VSOCK_OP_REQUEST, 5, VSOCK_HOST_PORT_MIN + 1);
	fake_expect(f, VSOCK_OP_RESPONSE);
	assert_int_equal(call_by(f, VSOCK_TYPE_STREAM).src_port, VSOCK_HOST_PORT_MIN + 2);
	assert_int_equal(call_by(f, VSOCK_TYPE_SEQPACKET).src_port, VSOCK_HOST_PORT_MIN + 3);
}

static void forged_addresses_are_dropped_and_counted(void **state)
{
	static const struct {
		uint64_t src, dst;
	} cases[] = {
		{ 4, 2 },
		{ 2, 2 },
		{ 0, 2 },
		{ FAKE_CID, 3 },
		{ FAKE_CID, 1 },
		{ FAKE_CID, 0 },
		{ FAKE_CID | UINT64_C(1) << 32, 2 },
		{ FAKE_CID, 2 | UINT64_C(1) << 32 },
	};
	struct fake *f = *state;
	struct fake_end *end;

	fake_connect(f, &end);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vsock_header h = fake_header(VSOCK_OP_RST, FAKE_PORT, 80);

		h.src_cid = cases[i].src;
		h.dst_cid = cases[i].dst;
		fake_packet(f, &h, "");
		h.op = VSOCK_OP_REQUEST;
		h.src_port = 5;
		fake_packet(f, &h, "");
	}
	fake_expect_nothing(f);
	assert_int_equal(vsock_table_forged(f->table), 2 * ARRAY_SIZE(cases));
	assert_int_equal(f->asked, 1);
	fake_send_data(f, "x", 1);
	assert_int_equal(end->n_taken, 1);
}

static void a_packet_with_a_false_length_resets(void **state)
{
	struct fake *f = *state;
	struct vsock_header h = fake_header(VSOCK_OP_RW, FAKE_PORT, 80);
	struct fake_end *end;

	fake_connect(f, &end);
	h.len = UINT32_MAX;
	vsock_table_packet(f->table, &h, NULL, 0, false, f->now_ns);
	fake_expect(f, VSOCK_OP_RST);
	assert_true(end->closed);
	h.op = VSOCK_OP_REQUEST;
	vsock_table_packet(f->table, &h, NULL, 0, false, f->now_ns);
	fake_expect(f, VSOCK_OP_RST);
	assert_int_equal(f->asked, 1);
}

static void a_dead_port_is_reset_at_once(void **state)
{
	struct fake *f = *state;

	f->refuse = -ECONNREFUSED;
	send(f, VSOCK_OP_REQUEST, 5, 80);
	fake_expect(f, VSOCK_OP_RST);
	f->refuse = 0;
	f->later = true;
	send(f, VSOCK_OP_REQUEST, 5, 81);
	assert_int_equal(f->port, 81);
	fake_expect_nothing(f);
	answer(f, -ENOENT);
	fake_expect(f, VSOCK_OP_RST);
	fake_expect_nothing(f);
	assert_int_equal(vsock_table_connections(f->table), 0);
}

static void a_full_backlog_is_tried_again_for_two_seconds(void **state)
{
	struct fake *f = *state;
	uint64_t start_ns = f->now_ns;

	f->later = true;
	send(f, VSOCK_OP_REQUEST, 5, 80);
	while (!vsock_table_has_control(f->table)) {
		unsigned asked = f->asked;

		answer(f, -EAGAIN);
		if (vsock_table_has_control(f->table))
			break;
		f->now_ns = vsock_table_deadline_ns(f->table);
		assert_true(f->now_ns < start_ns + 3 * TSK_NS_PER_SEC);
		vsock_table_expire(f->table, f->now_ns);
		assert_int_equal(f->asked, asked + 1);
	}
	fake_expect(f, VSOCK_OP_RST);
	assert_in_range(f->now_ns - start_ns, 2 * TSK_NS_PER_SEC, 21 * TSK_NS_PER_SEC / 10);
	assert_in_range(f->asked, 50, 250);
}

static void a_backlog_that_clears_is_connected(void **state)
{
	struct fake *f = *state;

	f->later = true;
	send(f, VSOCK_OP_REQUEST, 5, 80);
	answer(f, -EAGAIN);
	f->now_ns = vsock_table_deadline_ns(f->table);
	vsock_table_expire(f->table, f->now_ns);
	answer(f, 0);
	fake_expect(f, VSOCK_OP_RESPONSE);
	/* The deadline of the attempt is not the connection's. */
	f->now_ns += 100 * TSK_NS_PER_SEC;
	vsock_table_expire(f->table, f->now_ns);
	fake_expect_nothing(f);
	assert_int_equal(vsock_table_connections(f->table), 1);
}

static void a_guest_that_leaves_meanwhile_is_not_connected(void **state)
{
	struct fake *f = *state;
	uint64_t first;

	f->later = true;
	send(f, VSOCK_OP_REQUEST, 5, 80);
	first = f->id;
	send(f, VSOCK_OP_RST, 5, 80);
	fake_expect_nothing(f);
	/* It comes again from the same port before the first answer is there. */
	send(f, VSOCK_OP_REQUEST, 5, 80);
	assert_true(f->id != first);
	answer(f, 0);
	fake_expect(f, VSOCK_OP_RESPONSE);
	f->id = first;
	answer(f, 0);
	vsock_table_reap(f->table);
	assert_true(f->ends[1].closed);
	assert_false(f->ends[0].closed);
	fake_expect_nothing(f);
}

static void unanswered_requests_count_as_connections(void **state)
{
	struct fake *f = *state;

	/* Else a guest could make the supervisor connect without bound. */
	f->later = true;
	for (uint32_t i = 0; i < 100; i++) {
		send(f, VSOCK_OP_REQUEST, i, 80);
		if (i >= 4)
			fake_expect(f, VSOCK_OP_RST);
		send(f, VSOCK_OP_RST, i, 80);
		vsock_table_reap(f->table);
	}
	assert_int_equal(f->asked, 4);
}

static void anything_but_patience_is_refused_while_connecting(void **state)
{
	struct fake *f = *state;

	f->later = true;
	send(f, VSOCK_OP_REQUEST, 5, 80);
	send(f, VSOCK_OP_REQUEST, 5, 80);
	fake_expect(f, VSOCK_OP_RST);
	answer(f, 0);
	vsock_table_reap(f->table);
	assert_true(f->ends[0].closed);
	fake_expect_nothing(f);
}

static void the_limit_is_kept(void **state)
{
	struct fake *f = *state;

	for (uint32_t i = 0; i < 4; i++) {
		send(f, VSOCK_OP_REQUEST, i, 80);
		fake_expect(f, VSOCK_OP_RESPONSE);
	}
	assert_int_equal(vsock_table_connections(f->table), 4);
	send(f, VSOCK_OP_REQUEST, 4, 80);
	fake_expect(f, VSOCK_OP_RST);
	assert_null(vsock_table_greet(f->table, VSOCK_TYPE_STREAM, f->now_ns));
	assert_int_equal(vsock_table_refused(f->table), 2);
	send(f, VSOCK_OP_RST, 0, 80);
	vsock_table_reap(f->table);
	send(f, VSOCK_OP_REQUEST, 4, 80);
	fake_expect(f, VSOCK_OP_RESPONSE);
}

static struct vsock_conn *greet(struct fake *f)
{
	struct vsock_conn *conn = vsock_table_greet(f->table, VSOCK_TYPE_STREAM, f->now_ns);

	assert_non_null(conn);
	conn->end = fake_end(f);
	((struct fake_end *)conn->end.object)->room = 1000;
	return conn;
}

/* A host program has said CONNECT 5000; returns the REQUEST. */
static struct vsock_header call(struct fake *f, struct vsock_conn *conn)
{
	struct fake_end *end = conn->end.object;

	end->greeting = 1;
	end->greeting_port = 5000;
	fake_event(f, conn, VSOCK_EVENT_READABLE);
	return fake_expect(f, VSOCK_OP_REQUEST);
}

static void the_host_connects_to_the_guest(void **state)
{
	struct fake *f = *state;
	struct vsock_conn *conn = greet(f);
	struct fake_end *end = conn->end.object;
	struct vsock_header h;
	char buf[16], line[HYBRID_LINE_MAX];

	/* The line comes in pieces; nothing happens before it is whole. */
	fake_event(f, conn, VSOCK_EVENT_READABLE | VSOCK_EVENT_WRITABLE);
	fake_expect_nothing(f);
	end->give = "early";
	end->n_give = 5;
	h = call(f, conn);
	assert_true(h.src_port >= VSOCK_HOST_PORT_MIN);
	assert_int_equal(h.dst_port, 5000);
	assert_int_equal(h.buf_alloc, VSOCK_BUF_ALLOC);
	assert_int_equal(fake_data(f, buf, sizeof(buf), &h), 0);
	assert_int_equal(end->n_taken, 0);
	send(f, VSOCK_OP_RESPONSE, 5000, conn->host_port);
	assert_int_equal(end->n_taken, hybrid_answer(conn->host_port, line));
	assert_memory_equal(end->taken, line, end->n_taken);
	/* What the host had sent behind its line is the guest's first data. */
	assert_int_equal(fake_data(f, buf, sizeof(buf), &h), 5);
	assert_memory_equal(buf, "early", 5);
	fake_expect_nothing(f);
}

static void host_ports_are_fresh(void **state)
{
	struct fake *f = *state;
	uint32_t ports[3];

	for (unsigned i = 0; i < 3; i++) {
		ports[i] = call(f, greet(f)).src_port;
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(ports[i], ports[j]);
	}
	/* A guest may have taken the next one for a connection of its own. */
	send(f, VSOCK_OP_REQUEST, 5000, ports[2] + 1);
	fake_expect(f, VSOCK_OP_RESPONSE);
	send(f, VSOCK_OP_RST, 5000, ports[0]);
	vsock_table_reap(f->table);
	assert_int_not_equal(call(f, greet(f)).src_port, ports[2] + 1);
}

static void a_guest_that_refuses_closes_the_hosts_socket(void **state)
{
	struct fake *f = *state;
	struct vsock_conn *conn = greet(f);
	struct fake_end *end = conn->end.object;

	call(f, conn);
	send(f, VSOCK_OP_RST, 5000, conn->host_port);
	fake_expect_nothing(f);
	assert_int_equal(end->n_taken, 0);
	assert_true(end->closed);
}

static void a_guest_that_does_not_answer_is_given_two_seconds(void **state)
{
	struct fake *f = *state;
	struct vsock_conn *conn = greet(f);
	struct fake_end *end = conn->end.object;
	uint32_t port = call(f, conn).src_port;

	f->now_ns += VSOCK_REQUEST_NS - 1;
	vsock_table_expire(f->table, f->now_ns);
	vsock_table_reap(f->table);
	assert_false(end->closed);
	f->now_ns += 1;
	vsock_table_expire(f->table, f->now_ns);
	vsock_table_reap(f->table);
	assert_true(end->closed);
	/* Its answer comes too late. */
	send(f, VSOCK_OP_RESPONSE, 5000, port);
	fake_expect(f, VSOCK_OP_RST);
}

static void a_request_that_was_never_handed_over_is_forgotten(void **state)
{
	struct fake *f = *state;
	struct vsock_conn *conn = greet(f);
	struct fake_end *end = conn->end.object;

	end->greeting = 1;
	fake_event(f, conn, VSOCK_EVENT_READABLE);
	vsock_table_stop(f->table);
	fake_expect_nothing(f);
	assert_true(end->closed);
}

static void an_answer_of_another_kind_is_refused(void **state)
{
	struct fake *f = *state;
	struct vsock_conn *conn = greet(f);
	struct fake_end *end = conn->end.object;

	call(f, conn);
	send(f, VSOCK_OP_RW, 5000, conn->host_port);
	fake_expect(f, VSOCK_OP_RST);
	assert_true(end->closed);
	/* A guest that answers what it was not asked. */
	conn = greet(f);
	end = conn->end.object;
	end->greeting = 1;
	end->greeting_port = 5000;
	fake_event(f, conn, VSOCK_EVENT_READABLE);
	send(f, VSOCK_OP_RESPONSE, 5000, conn->host_port);
	fake_expect_nothing(f);
	assert_true(end->closed);
}

static void a_bad_line_or_none_closes_the_hosts_socket(void **state)
{
	struct fake *f = *state;
	struct vsock_conn *conn = greet(f);
	struct fake_end *end = conn->end.object;

	end->greeting = -EBADMSG;
	fake_event(f, conn, VSOCK_EVENT_READABLE);
	fake_expect_nothing(f);
	assert_true(end->closed);

	conn = greet(f);
	end = conn->end.object;
	f->now_ns += VSOCK_GREETING_NS;
	vsock_table_expire(f->table, f->now_ns);
	fake_expect_nothing(f);
	assert_true(end->closed);
}

static void a_host_that_cannot_take_its_ok_is_dropped(void **state)
{
	struct fake *f = *state;
	struct vsock_conn *conn = greet(f);
	struct fake_end *end = conn->end.object;

	end->room = 3;
	call(f, conn);
	send(f, VSOCK_OP_RESPONSE, 5000, conn->host_port);
	fake_expect(f, VSOCK_OP_RST);
	assert_true(end->closed);
}

static void a_host_that_has_left_still_gets_its_bytes_through(void **state)
{
	struct fake *f = *state;
	struct vsock_conn *conn = greet(f);
	struct fake_end *end = conn->end.object;
	struct vsock_header h;
	char buf[16];

	end->room = 0;
	end->write_error = -EPIPE;
	end->give = "datagram";
	end->n_give = 8;
	end->ended = end->deaf = true;
	call(f, conn);
	send(f, VSOCK_OP_RESPONSE, 5000, conn->host_port);
	assert_int_equal(fake_data(f, buf, sizeof(buf), &h), 8);
	assert_int_equal(fake_data(f, buf, sizeof(buf), &h), 0);
	assert_int_equal(fake_expect(f, VSOCK_OP_SHUTDOWN).flags, VSOCK_SHUTDOWN_BOTH);
}

static void a_stopped_guest_hears_of_its_connections_when_it_runs_again(void **state)
{
	struct fake *f = *state;
	uint64_t id;

	f->later = true;
	send(f, VSOCK_OP_REQUEST, 3, 80);
	id = f->id;
	f->later = false;
	for (uint32_t i = 0; i < 2; i++) {
		send(f, VSOCK_OP_REQUEST, i, 80);
		fake_expect(f, VSOCK_OP_RESPONSE);
	}
	greet(f);
	vsock_table_stop(f->table);
	vsock_table_stop(f->table);
	for (unsigned i = 0; i < 3; i++)
		assert_true(f->ends[i].closed);
	assert_int_equal(vsock_table_connections(f->table), 0);
	for (unsigned i = 0; i < 3; i++)
		fake_expect(f, VSOCK_OP_RST);
	fake_expect_nothing(f);
	f->id = id;
	answer(f, 0);
	vsock_table_reap(f->table);
	assert_true(f->ends[3].closed);
	/* And it can begin anew. */
	send(f, VSOCK_OP_REQUEST, 0, 80);
	fake_expect(f, VSOCK_OP_RESPONSE);
}

static void a_vm_that_is_gone_leaves_nothing(void **state)
{
	struct fake *f = *state;

	send(f, VSOCK_OP_REQUEST, 0, 80);
	send(f, VSOCK_OP_RW, 9, 80);
	vsock_table_clear(f->table);
	fake_expect_nothing(f);
	assert_true(f->ends[0].closed);
}

static void an_end_may_tell_of_events_at_any_time(void **state)
{
	struct fake *f = *state;
	struct fake_end *end;
	struct vsock_conn *conn = fake_connect(f, &end);

	vsock_table_host_event(conn, VSOCK_EVENT_READABLE);
	fake_send(f, VSOCK_OP_RST, 0);
	vsock_table_host_event(conn, VSOCK_EVENT_WRITABLE);
	assert_true(vsock_table_run_events(f->table, 1, f->now_ns));
	fake_expect_nothing(f);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_packet_of_no_connection_is_reset),
		CASE(a_reset_is_never_answered),
		CASE(other_types_are_refused_in_kind),
		CASE(the_types_are_apart),
		CASE(the_host_calls_by_either_type),
		CASE(ports_are_not_used_for_both_types),
		CASE(forged_addresses_are_dropped_and_counted),
		CASE(a_packet_with_a_false_length_resets),
		CASE(a_dead_port_is_reset_at_once),
		CASE(a_full_backlog_is_tried_again_for_two_seconds),
		CASE(a_backlog_that_clears_is_connected),
		CASE(a_guest_that_leaves_meanwhile_is_not_connected),
		CASE(unanswered_requests_count_as_connections),
		CASE(anything_but_patience_is_refused_while_connecting),
		CASE(the_limit_is_kept),
		CASE(the_host_connects_to_the_guest),
		CASE(host_ports_are_fresh),
		CASE(a_guest_that_refuses_closes_the_hosts_socket),
		CASE(a_guest_that_does_not_answer_is_given_two_seconds),
		CASE(a_request_that_was_never_handed_over_is_forgotten),
		CASE(an_answer_of_another_kind_is_refused),
		CASE(a_bad_line_or_none_closes_the_hosts_socket),
		CASE(a_host_that_cannot_take_its_ok_is_dropped),
		CASE(a_host_that_has_left_still_gets_its_bytes_through),
		CASE(a_stopped_guest_hears_of_its_connections_when_it_runs_again),
		CASE(a_vm_that_is_gone_leaves_nothing),
		CASE(an_end_may_tell_of_events_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
