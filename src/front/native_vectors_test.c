/* SPDX-License-Identifier: Apache-2.0 */
/* What docs/protocol-vectors.txt says a guest may send is taken by the front; all the rest is refused. */
#include "base/testing.h"
#include "front/native_peer.h"
#include "wire/testing.h"

static struct peer peer;

/* What the front is to make of the vectors: of all, or only of those of one type. */
struct trial {
	struct rig *rig;
	uint32_t only; /* 0: all */
	unsigned n_taken, n_refused;
};

static bool is_guests(const struct wire_header *header)
{
	switch (header->type) {
	case WIRE_HELLO:
	case WIRE_OFFER:
	case WIRE_INFO:
	case WIRE_LIST:
	case WIRE_UNLOAD:
	case WIRE_INFER:
	case WIRE_CANCEL:
	case WIRE_STATS:
	case WIRE_CHUNK:
	case WIRE_PING:
	case WIRE_PONG:
		return true;
	default:
		return false;
	}
}

/* The connection goes on.  The vector may have an answer, of its own id, or none. */
static void expect_taken(const struct wire_vector *vector, const struct wire_header *header)
{
	const uint32_t last = UINT32_MAX;

	peer_send(&peer, WIRE_PING, last, NULL, 0);
	do {
		peer_take(&peer);
		if (peer.header.id != last && peer.header.id != header->id)
			fail_msg("%s: an answer to %u", vector->name, peer.header.id);
		if (peer.header.type == WIRE_ERROR && !peer.header.id)
			fail_msg("%s is refused", vector->name);
	} while (peer.header.type != WIRE_PONG || peer.header.id != last);
}

static void expect_refused(const struct wire_vector *vector)
{
	struct tensock_error error;

	peer_take(&peer);
	if (peer.header.type != WIRE_ERROR || peer.header.id != 0)
		fail_msg("%s is answered by %u of %u", vector->name, peer.header.type,
			 peer.header.id);
	assert_int_equal(wire_error_read(peer.body, peer.header.size, &error), 0);
	if (error.status != TENSOCK_PROTOCOL)
		fail_msg("%s: %s", vector->name, error.message);
	rig_expect_end(peer.rig, peer.fd);
}

static void try(const struct wire_vector *vector, void *user)
{
	struct trial *trial = user;
	struct tsk_reader r = tsk_reader(vector->bytes, vector->n);
	bool is_broken = strncmp(vector->name, "refused-", 8) == 0;
	struct wire_header header;

	header.type = tsk_read_u32(&r);
	header.id = tsk_read_u32(&r);
	if (trial->only && header.type != trial->only)
		return;
	if (header.type == WIRE_HELLO)
		peer = (struct peer){ .rig = trial->rig, .fd = rig_connect(trial->rig) };
	else
		peer_connect(&peer, trial->rig);
	rig_write(trial->rig, peer.fd, vector->bytes, vector->n);
	if (is_broken || !is_guests(&header)) {
		expect_refused(vector);
		trial->n_refused++;
	} else {
		expect_taken(vector, &header);
		trial->n_taken++;
	}
	peer_close(&peer);
}

static void test_all(void **state)
{
	struct front_start limits = rig_limits();
	struct trial trial = { .only = 0 };
	struct rig rig;
	unsigned n;

	(void)state;
	rig_init(&rig, &limits);
	trial.rig = &rig;
	n = wire_vectors_each(try, &trial);
	assert_int_equal(trial.n_taken + trial.n_refused, n);
	assert_true(trial.n_taken > 15 && trial.n_refused > 50);
	rig_done(&rig);
}

/* An INFER of a model that is there is looked at by another hand as well: the same must come of it. */
static void test_infer_of_a_model(void **state)
{
	struct front_start limits = rig_limits();
	struct trial trial = { .only = WIRE_INFER };
	struct rig_worker *worker;
	static struct peer owner;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	trial.rig = &rig;
	peer_connect(&owner, &rig);
	worker = peer_push(&owner, 1, "These bytes stand for a model.\n", "greeting");
	(void)wire_vectors_each(try, &trial);
	assert_true(trial.n_taken > 3 && trial.n_refused > 15);
	peer_close(&owner);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_all),
		TSK_TEST(test_infer_of_a_model),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
