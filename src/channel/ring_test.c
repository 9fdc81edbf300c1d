/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "base/testing.h"

/* Where a hostile peer writes: words of one direction, a cache line apart. */
#define WRITTEN_AT 0u
#define READ_AT 64u
#define SLEEPING_AT 128u
#define DIRECTION_BYTES ((size_t)192 + (size_t)RING_ENTRIES * RING_ENTRY_BYTES)

struct entry {
	uint64_t number;
	unsigned char rest[RING_ENTRY_BYTES - sizeof(uint64_t)];
};

struct fixture {
	struct ring_pair front, worker;
};

static void init(struct fixture *f)
{
	_cleanup_close_ int memfd = -1;
	int to_worker, at_worker, to_front, at_front;

	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(ring_memfd_new(&memfd), 0);
	assert_int_equal(ring_doorbell_new(&to_worker, &at_worker), 0);
	assert_int_equal(ring_doorbell_new(&to_front, &at_front), 0);
	assert_int_equal(ring_pair_init(&f->front, RING_FRONT, memfd, to_worker, at_front), 0);
	assert_int_equal(ring_pair_init(&f->worker, RING_WORKER, memfd, to_front, at_worker), 0);
}

static void done(struct fixture *f)
{
	ring_pair_done(&f->front);
	ring_pair_done(&f->worker);
}

static struct entry make_entry(uint64_t number)
{
	struct entry e = { .number = number };

	memset(e.rest, (int)(number % 251), sizeof(e.rest));
	return e;
}

static bool entry_is(const struct entry *e, uint64_t number)
{
	struct entry wanted = make_entry(number);

	return memcmp(e, &wanted, sizeof(wanted)) == 0;
}

static bool push(struct ring *ring, uint64_t number)
{
	struct entry e = make_entry(number);

	return ring_push(ring, &e);
}

static void assert_pops(struct ring *ring, uint64_t number)
{
	struct entry e;

	assert_true(ring_pop(ring, &e));
	assert_true(entry_is(&e, number));
}

static void assert_empty(struct ring *ring)
{
	struct entry e;

	assert_false(ring_pop(ring, &e));
	assert_false(ring->broken);
}

/* A shared word, as a hostile peer sees it; direction 0 is front to worker. */
static _Atomic uint32_t *word(struct fixture *f, unsigned direction, size_t at)
{
	return (_Atomic uint32_t *)(void *)((unsigned char *)f->worker.map.addr +
					    direction * DIRECTION_BYTES + at);
}

static bool is_rung(int doorbell)
{
	struct pollfd p = { .fd = doorbell, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void test_first_in_first_out(void **state)
{
	struct fixture f;
	uint64_t in = 0, out = 0;

	(void)state;
	init(&f);
	for (unsigned lap = 1; lap <= 3 * RING_ENTRIES; lap += 7) {
		for (unsigned i = 0; i < lap % RING_ENTRIES; i++)
			assert_true(push(&f.front.out, in++));
		while (out < in)
			assert_pops(&f.worker.in, out++);
		assert_empty(&f.worker.in);
	}
	done(&f);
}

static void test_directions_are_apart(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	assert_true(push(&f.front.out, 1));
	assert_true(push(&f.worker.out, 2));
	assert_pops(&f.front.in, 2);
	assert_empty(&f.front.in);
	assert_pops(&f.worker.in, 1);
	assert_empty(&f.worker.in);
	done(&f);
}

static void test_full(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	for (unsigned i = 0; i < RING_ENTRIES; i++) {
		assert_int_equal(ring_room(&f.front.out), RING_ENTRIES - i);
		assert_true(push(&f.front.out, i));
	}
	assert_int_equal(ring_room(&f.front.out), 0);
	assert_false(push(&f.front.out, 999));
	assert_false(f.front.out.broken);
	assert_pops(&f.worker.in, 0);
	assert_int_equal(ring_room(&f.front.out), 1);
	assert_true(push(&f.front.out, RING_ENTRIES));
	for (unsigned i = 1; i <= RING_ENTRIES; i++)
		assert_pops(&f.worker.in, i);
	assert_empty(&f.worker.in);
	done(&f);
}

static void test_positions_wrap(void **state)
{
	struct fixture f;
	uint32_t start = UINT32_MAX - 99;

	(void)state;
	init(&f);
	f.front.out.position = f.worker.in.position = start;
	atomic_store(word(&f, 0, WRITTEN_AT), start);
	atomic_store(word(&f, 0, READ_AT), start);
	for (unsigned i = 0; i < RING_ENTRIES; i++)
		assert_true(push(&f.front.out, i));
	assert_false(push(&f.front.out, 999));
	for (unsigned i = 0; i < RING_ENTRIES; i++)
		assert_pops(&f.worker.in, i);
	assert_empty(&f.worker.in);
	assert_int_equal(ring_room(&f.front.out), RING_ENTRIES);
	done(&f);
}

static void test_doorbell_only_for_a_sleeper(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	assert_true(push(&f.front.out, 1));
	ring_ring(&f.front.out);
	assert_false(is_rung(f.worker.in.doorbell));
	assert_false(ring_sleep(&f.worker.in));
	assert_pops(&f.worker.in, 1);
	ring_ring(&f.front.out);
	assert_false(is_rung(f.worker.in.doorbell));

	assert_true(ring_sleep(&f.worker.in));
	assert_true(push(&f.front.out, 2));
	ring_ring(&f.front.out);
	assert_true(is_rung(f.worker.in.doorbell));
	assert_true(push(&f.front.out, 3));
	ring_ring(&f.front.out);
	ring_awake(&f.worker.in);
	assert_false(is_rung(f.worker.in.doorbell));
	assert_pops(&f.worker.in, 2);
	assert_pops(&f.worker.in, 3);
	assert_false(is_rung(f.front.in.doorbell));
	done(&f);
}

/* A timer or another fd woke the consumer: no bell is left over for later. */
static void test_awake_without_a_bell(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	assert_true(ring_sleep(&f.worker.in));
	ring_awake(&f.worker.in);
	assert_true(push(&f.front.out, 1));
	ring_ring(&f.front.out);
	assert_false(is_rung(f.worker.in.doorbell));
	done(&f);
}

static void test_lying_producer(void **state)
{
	static const uint32_t claims[] = { RING_ENTRIES + 1, INT32_MAX, 0x80000000, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(claims); i++) {
		struct fixture f;
		struct entry e = make_entry(7);

		init(&f);
		atomic_store(word(&f, 1, WRITTEN_AT), claims[i]);
		assert_false(ring_pop(&f.front.in, &e));
		assert_true(f.front.in.broken);
		assert_true(entry_is(&e, 7));
		/* For good, also when it mends its ways. */
		atomic_store(word(&f, 1, WRITTEN_AT), 1);
		assert_false(ring_pop(&f.front.in, &e));
		assert_true(ring_sleep(&f.front.in));
		assert_false(f.front.out.broken);
		done(&f);
	}
}

static void test_lying_producer_within_bounds(void **state)
{
	struct fixture f;
	struct entry e;

	(void)state;
	init(&f);
	atomic_store(word(&f, 1, WRITTEN_AT), RING_ENTRIES);
	for (unsigned i = 0; i < RING_ENTRIES; i++)
		assert_true(ring_pop(&f.front.in, &e));
	assert_empty(&f.front.in);
	/* Back: it claims 2^32 - 1 entries. */
	atomic_store(word(&f, 1, WRITTEN_AT), RING_ENTRIES - 1);
	assert_false(ring_pop(&f.front.in, &e));
	assert_true(f.front.in.broken);
	done(&f);
}

/* At work, a consumer hears what is urgent only; what came before it listens it finds itself. */
static void test_doorbell_for_a_listener(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	assert_true(push(&f.front.out, 1));
	assert_false(ring_listen(&f.worker.in));
	ring_ring_urgently(&f.front.out);
	assert_false(is_rung(f.worker.in.doorbell));
	assert_pops(&f.worker.in, 1);
	assert_true(ring_listen(&f.worker.in));
	assert_true(push(&f.front.out, 2));
	ring_ring(&f.front.out);
	assert_false(is_rung(f.worker.in.doorbell));
	ring_ring_urgently(&f.front.out);
	assert_true(is_rung(f.worker.in.doorbell));
	ring_awake_unrung(&f.worker.in);
	assert_true(is_rung(f.worker.in.doorbell));
	ring_awake(&f.worker.in);
	assert_false(is_rung(f.worker.in.doorbell));
	assert_pops(&f.worker.in, 2);
	/* Awake again, and asleep: both ring. */
	ring_ring_urgently(&f.front.out);
	assert_false(is_rung(f.worker.in.doorbell));
	assert_true(ring_sleep(&f.worker.in));
	ring_ring_urgently(&f.front.out);
	assert_true(is_rung(f.worker.in.doorbell));
	done(&f);
}

static void test_sleeping_finds_the_lie(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	atomic_store(word(&f, 1, WRITTEN_AT), 9999);
	assert_true(ring_sleep(&f.front.in));
	assert_true(f.front.in.broken);
	done(&f);
}

static void test_lying_consumer(void **state)
{
	static const uint32_t claims[] = { 1, INT32_MAX, UINT32_MAX - RING_ENTRIES };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(claims); i++) {
		struct fixture f;

		init(&f);
		atomic_store(word(&f, 0, READ_AT), claims[i]);
		assert_int_equal(ring_room(&f.front.out), 0);
		assert_true(f.front.out.broken);
		atomic_store(word(&f, 0, READ_AT), 0);
		assert_int_equal(ring_room(&f.front.out), 0);
		assert_false(push(&f.front.out, 1));
		assert_int_equal(atomic_load(word(&f, 0, WRITTEN_AT)), 0);
		ring_ring(&f.front.out);
		done(&f);
	}
}

/* What we count ourselves is not read back from where a peer can write. */
static void test_own_positions_are_private(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	assert_true(push(&f.front.out, 1));
	atomic_store(word(&f, 0, WRITTEN_AT), 1000);
	assert_true(push(&f.front.out, 2));
	assert_int_equal(atomic_load(word(&f, 0, WRITTEN_AT)), 2);
	assert_true(push(&f.worker.out, 3));
	assert_true(push(&f.worker.out, 4));
	assert_pops(&f.front.in, 3);
	atomic_store(word(&f, 1, READ_AT), 1000);
	assert_pops(&f.front.in, 4);
	assert_int_equal(atomic_load(word(&f, 1, READ_AT)), 2);
	done(&f);
}

static void test_hostile_sleeping_word(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	alarm(30);
	for (unsigned i = 0; i < 100000; i++) {
		atomic_store(word(&f, 0, SLEEPING_AT), UINT32_MAX - i);
		ring_ring(&f.front.out);
	}
	ring_awake(&f.worker.in);
	alarm(0);
	assert_false(f.front.out.broken);
	done(&f);
}

/* The peer fills the doorbell and makes its own end blocking: ours must not block. */
static void test_hostile_doorbell(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	alarm(30);
	assert_int_equal(fcntl(f.worker.in.doorbell, F_SETFL, 0), 0);
	for (unsigned i = 0; i < 100000; i++) {
		assert_true(ring_sleep(&f.worker.in));
		ring_ring(&f.front.out);
	}
	assert_int_equal(fcntl(f.worker.out.doorbell, F_SETFL, 0), 0);
	ring_awake(&f.front.in);
	alarm(0);
	done(&f);
}

static void test_dead_consumer(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	assert_true(ring_sleep(&f.worker.in));
	ring_pair_done(&f.worker);
	assert_true(push(&f.front.out, 1));
	ring_ring(&f.front.out);
	done(&f);
}

static void test_init_refuses_other_memory(void **state)
{
	_cleanup_close_ int small = -1, unsealed = -1;
	struct ring_pair pair;
	int a, b;

	(void)state;
	assert_int_equal(tsk_memfd_new("test", 4096, &small), 0);
	unsealed = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(unsealed, (off_t)(2 * DIRECTION_BYTES)), 0);
	assert_int_equal(ring_doorbell_new(&a, &b), 0);
	assert_int_equal(ring_pair_init(&pair, RING_FRONT, small, a, b), -EPROTO);
	assert_int_equal(ring_doorbell_new(&a, &b), 0);
	assert_int_equal(ring_pair_init(&pair, RING_WORKER, unsealed, a, b), -EPROTO);
	assert_int_equal(ring_doorbell_new(&a, &b), 0);
	assert_int_equal(ring_pair_init(&pair, RING_WORKER, -1, a, b), -EPROTO);
	ring_pair_done(&pair);
	ring_pair_done(NULL);
}

/* The hammer: numbers go to a thread that sends them back; both sleep whenever they can. */

#define HAMMER_ENTRIES 1000000u
#define LOST_MS 20000

static bool wait_for_entry(struct ring *ring)
{
	struct pollfd p = { .fd = ring->doorbell, .events = POLLIN };
	int r;

	if (!ring_sleep(ring))
		return true;
	r = poll(&p, 1, LOST_MS);
	ring_awake(ring);
	return r == 1;
}

/* Returns NULL when all came, in order, and each sleep was ended by a bell. */
static void *echo(void *arg)
{
	static char lost[] = "a wake-up was lost", wrong[] = "an entry is wrong";
	struct ring_pair *pair = arg;
	struct entry e;

	for (uint64_t next = 0; next < HAMMER_ENTRIES;) {
		while (ring_pop(&pair->in, &e)) {
			if (!entry_is(&e, next) || !ring_push(&pair->out, &e))
				return wrong;
			next++;
		}
		ring_ring(&pair->out);
		if (next < HAMMER_ENTRIES && !wait_for_entry(&pair->in))
			return lost;
	}
	return NULL;
}

static unsigned next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

static const char *hammer(struct ring_pair *pair)
{
	uint64_t sent = 0, got = 0;
	uint32_t seed = 1;

	while (got < HAMMER_ENTRIES) {
		unsigned batch = 1 + next_random(&seed) % RING_ENTRIES;
		unsigned leave = next_random(&seed) % 3 ? next_random(&seed) % RING_ENTRIES : 0;
		struct entry e;

		for (; batch && sent < HAMMER_ENTRIES && sent - got < RING_ENTRIES; batch--)
			if (!push(&pair->out, sent++))
				return "the ring is full before its time";
		ring_ring(&pair->out);
		while (sent - got > leave || (sent == HAMMER_ENTRIES && got < sent)) {
			if (!ring_pop(&pair->in, &e)) {
				if (!wait_for_entry(&pair->in))
					return "a wake-up was lost on the way back";
			} else if (!entry_is(&e, got++)) {
				return "an entry came back wrong";
			}
		}
	}
	return NULL;
}

static void test_hammer(void **state)
{
	const char *error;
	struct fixture f;
	pthread_t thread;
	void *echo_error;

	(void)state;
	init(&f);
	assert_int_equal(pthread_create(&thread, NULL, echo, &f.worker), 0);
	error = hammer(&f.front);
	assert_int_equal(pthread_join(thread, &echo_error), 0);
	if (error || echo_error)
		fail_msg("%s; %s", error ? error : "", echo_error ? (char *)echo_error : "");
	assert_empty(&f.front.in);
	done(&f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_first_in_first_out),
		TSK_TEST(test_directions_are_apart),
		TSK_TEST(test_full),
		TSK_TEST(test_positions_wrap),
		TSK_TEST(test_doorbell_only_for_a_sleeper),
		TSK_TEST(test_doorbell_for_a_listener),
		TSK_TEST(test_awake_without_a_bell),
		TSK_TEST(test_lying_producer),
		TSK_TEST(test_lying_producer_within_bounds),
		TSK_TEST(test_sleeping_finds_the_lie),
		TSK_TEST(test_lying_consumer),
		TSK_TEST(test_own_positions_are_private),
		TSK_TEST(test_hostile_sleeping_word),
		TSK_TEST(test_hostile_doorbell),
		TSK_TEST(test_dead_consumer),
		TSK_TEST(test_init_refuses_other_memory),
		TSK_TEST(test_hammer),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
