/* SPDX-License-Identifier: Apache-2.0 */
/* What the device enters in its ledger, and what the device of the next front makes of it. */
#include "front/vhost/vsock_device.h"

#include "base/memfd.h"
#include "front/vhost/vsock_fake_driver.h"
#include "front/vhost/vsock_table.h"

/* The ledger of the test, seen from outside the device. */
static struct ledger *outside;
static int ledger_fd;

static void new_session(struct fixture *f)
{
	struct ledger *ledger;

	assert_int_equal(tsk_memfd_new("ledger", DEVICE_LEDGER_BYTES(8), &ledger_fd), 0);
	assert_int_equal(ledger_new(ledger_fd, &ledger), 0);
	assert_int_equal(ledger_new(ledger_fd, &outside), 0);
	assert_int_equal(attach(f, false, ledger), 0);
	start(f);
}

static void forget_ledger(void)
{
	at_flush = NULL;
	outside = ledger_free(outside);
	close(ledger_fd);
}

/* The VMM of the fixture is followed by one whose session has a ledger. */
static int set_up_ledger(void **state)
{
	struct fixture *f;

	set_up(state);
	f = *state;
	stop(f);
	vmm->ops->disconnected(vmm->device);
	new_session(f);
	return 0;
}

static int tear_down_ledger(void **state)
{
	forget_ledger();
	return tear_down(state);
}

static unsigned entries(void)
{
	struct ledger_entry entry;
	unsigned n = 0;

	for (int place = 0; (place = ledger_next(outside, place, &entry)) != LEDGER_NONE; place++)
		n++;
	return n;
}

static void enter(uint32_t guest_port, uint32_t host_port)
{
	struct ledger_entry entry = { guest_port, host_port, VSOCK_TYPE_STREAM };

	assert_int_not_equal(ledger_enter(outside, &entry), LEDGER_NONE);
}

/* The front has died, with this in its ledger; the guest's buffers are as they were. */
static void go_on(struct fixture *f)
{
	struct ledger *ledger;

	stop(f);
	vmm->ops->disconnected(vmm->device);
	assert_int_equal(ledger_new(ledger_fd, &ledger), 0);
	assert_int_equal(attach(f, true, ledger), 0);
	assert_int_equal(vmm->resumed, 1);
	start(f);
}

static void expect_rst(struct fixture *f, uint32_t guest_port, uint32_t host_port)
{
	struct vsock_header h;

	do
		assert_true(receive(f, &h, NULL, 0));
	while (h.op == VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.op, VSOCK_OP_RST);
	assert_int_equal(h.dst_port, guest_port);
	assert_int_equal(h.src_port, host_port);
	assert_int_equal(h.type, VSOCK_TYPE_STREAM);
	assert_int_equal(h.dst_cid, CID);
}

/* What is entered when packets to the guest are published; the fewest of all times. */
static const struct vring *published;
static unsigned n_published, fewest;

static void note_entries(struct vring *ring)
{
	if (ring != published || ring->popped == n_published)
		return;
	n_published = ring->popped;
	if (entries() < fewest)
		fewest = entries();
}

static void watch_rx(const struct fixture *f)
{
	published = f->rx;
	n_published = f->rx->popped;
	fewest = UINT32_MAX;
	at_flush = note_entries;
}

static void a_connection_is_entered_as_long_as_the_guest_knows_it(void **state)
{
	struct fixture *f = *state;
	int host;

	offer_rx(f, 16, 64, 64);
	host = connect_unix(f, 1);
	assert_int_equal(entries(), 1);
	send_op(f, VSOCK_OP_REQUEST, 2, 9999, 0);
	expect(f, VSOCK_OP_RESPONSE);
	assert_int_equal(entries(), 2);
	/* The host closes: its RST is published before it is forgotten. */
	close(host);
	watch_rx(f);
	send_op(f, VSOCK_OP_SHUTDOWN, 1, 80, VSOCK_SHUTDOWN_BOTH);
	expect_rst(f, 1, 80);
	assert_int_equal(fewest, 2);
	at_flush = NULL;
	assert_int_equal(entries(), 1);
	/* The guest's own RST needs no answer. */
	send_op(f, VSOCK_OP_RST, 2, 9999, 0);
	turn(f);
	assert_int_equal(entries(), 0);
	expect_nothing(f);
}

static void a_refusal_is_entered_until_it_is_published(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 3; i++)
		send_op(f, VSOCK_OP_RW, 10 + i, 80, 0);
	turn(f);
	assert_int_equal(entries(), 3);
	watch_rx(f);
	offer_rx(f, 3, 64, 64);
	for (uint32_t i = 0; i < 3; i++)
		expect_rst(f, 10 + i, 80);
	assert_int_equal(fewest, 1);
	assert_int_equal(entries(), 0);
}

static void what_is_entered_is_reset_by_the_next_front(void **state)
{
	struct fixture *f = *state;
	int host;

	enter(1, 80);
	enter(2, 9999);
	enter(2, 9999); /* a refusal and a connection, say */
	enter(3, VSOCK_HOST_PORT_MIN);
	go_on(f);
	assert_int_equal(vsock_device_connections(f->device), 0);
	assert_int_equal(entries(), 3);
	offer_rx(f, 8, 64, 64);
	expect_rst(f, 1, 80);
	expect_rst(f, 2, 9999);
	expect_rst(f, 3, VSOCK_HOST_PORT_MIN);
	expect_nothing(f);
	assert_int_equal(entries(), 0);
	host = connect_unix(f, 1);
	assert_int_equal(entries(), 1);
	close(host);
}

/* The dead front had taken the request, but the guest has not the chain back: it is met again. */
static void a_request_that_is_met_again_is_answered_once(void **state)
{
	struct fixture *f = *state;

	enter(1, 80);
	go_on(f);
	send_op(f, VSOCK_OP_REQUEST, 1, 80, 0);
	send_op(f, VSOCK_OP_RW, 1, 80, 0);
	offer_rx(f, 8, 64, 64);
	expect_rst(f, 1, 80);
	expect_nothing(f);
	assert_int_equal(f->asked, 0);
	/* After that the ports are free. */
	send_op(f, VSOCK_OP_REQUEST, 1, 80, 0);
	turn(f);
	assert_int_equal(f->asked, 1);
	vsock_device_connected(f->device, f->id, -ECONNREFUSED, -1);
	expect_rst(f, 1, 80);
}

static void a_guest_that_has_forgotten_too_is_not_told(void **state)
{
	struct fixture *f = *state;

	enter(1, 80);
	go_on(f);
	send_op(f, VSOCK_OP_RST, 1, 80, 0);
	turn(f);
	offer_rx(f, 8, 64, 64);
	expect_nothing(f);
	assert_int_equal(entries(), 0);
}

/* More than there may be connections: refusals are entered beside them. */
static void all_are_told_however_many_they_are(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 200; i++)
		enter(i, 80);
	go_on(f);
	for (uint32_t i = 0; i < 200; i++) {
		offer_rx(f, 1, 64, 64);
		expect_rst(f, i, 80);
	}
	assert_int_equal(entries(), 0);
}

/* A connection that waits for the supervisor survives its VM; the next VM's ledger is not its. */
static void the_ledger_of_the_next_vm_is_another(void **state)
{
	struct fixture *f = *state;
	uint64_t id;

	send_op(f, VSOCK_OP_REQUEST, 1, 80, 0);
	turn(f);
	id = f->id;
	stop(f);
	vmm->ops->disconnected(vmm->device);
	forget_ledger();
	new_session(f);
	enter(7, 7); /* where the other one was */
	vsock_device_connected(f->device, id, -ECONNREFUSED, -1);
	turn(f);
	assert_int_equal(entries(), 1);
}

/* A VMM that hands the event queue over lets the guest hear of it as a reset of the transport. */
static void the_event_queue_tells_of_it_once(void **state)
{
	struct fixture *f = *state;
	struct vring *event = calloc(1, sizeof(*event));
	unsigned char *bytes = guest_memory_take(f, 8);

	assert_non_null(event);
	go_on(f);
	vmm->ops->started(vmm->device, 2, event, VHOST_BEGINS_ANEW);
	vmm->ops->kicked(vmm->device, 2);
	memset(bytes, 0xff, 8);
	for (unsigned i = 0; i < 2; i++) {
		struct vring_chain *chain = offer(event);

		chain->iov[chain->n_in++] = (struct iovec){ bytes, 4 };
		chain->in_bytes = 4;
		event->offered++;
		vmm->ops->kicked(vmm->device, 2);
	}
	assert_memory_equal(bytes, "\0\0\0\0\xff\xff\xff\xff", 8);
	assert_int_equal(event->pushed, 1);
	assert_int_equal(event->written[0], 4);
	vmm->ops->stopped(vmm->device, 2);
	free(event);
}

/* An orderly end leaves the entries to the next front, as a death does. */
static void an_orderly_end_forgets_nothing(void **state)
{
	struct fixture *f = *state;

	offer_rx(f, 8, 64, 64);
	send_op(f, VSOCK_OP_REQUEST, 2, 9999, 0);
	expect(f, VSOCK_OP_RESPONSE);
	vsock_device_free(f->device);
	f->device = NULL;
	assert_int_equal(entries(), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up_ledger, tear_down_ledger)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_connection_is_entered_as_long_as_the_guest_knows_it),
		T(a_refusal_is_entered_until_it_is_published),
		T(what_is_entered_is_reset_by_the_next_front),
		T(a_request_that_is_met_again_is_answered_once),
		T(a_guest_that_has_forgotten_too_is_not_told),
		T(all_are_told_however_many_they_are),
		T(the_ledger_of_the_next_vm_is_another),
		T(the_event_queue_tells_of_it_once),
		T(an_orderly_end_forgets_nothing),
	};

	return cmocka_run_group_tests_name("vsock_takeover", tests, NULL, NULL);
}
