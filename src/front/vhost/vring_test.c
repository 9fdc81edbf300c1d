/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vring.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/memfd.h"
#include "front/vhost/test_driver.h"
#include "front/vhost/vring_internal.h"

#define GUEST UINT64_C(0x40000000)
#define USER UINT64_C(0x7f0000000000)
#define MEMORY 0x20000u
#define SPLIT 0x18000u /* where one region ends and the next begins, both in the same file */
#define DATA (GUEST + DRIVER_DATA)

struct fixture {
	struct driver driver;
	struct tsk_map map; /* as the VMM sees it */
	struct guest_memory *memory;
	int memory_fd, call_fd;
	struct vring_config config;
	struct vring *ring;
	unsigned broken;
	const char *why;
};

static void on_broke(void *context, const char *why)
{
	struct fixture *f = context;

	f->broken++;
	f->why = why;
}

/* The queue starts with all that the test has written before. */
static void start(struct fixture *f)
{
	assert_int_equal(vring_new(&f->config, f->memory, f->call_fd, &f->ring), 0);
}

static int try_start(struct fixture *f)
{
	struct vring *ring = NULL;
	int r = vring_new(&f->config, f->memory, f->call_fd, &ring);

	assert_true((r == 0) == (ring != NULL));
	vring_free(ring);
	return r;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct guest_region regions[] = {
		{ GUEST, SPLIT, USER, 0 },
		{ GUEST + SPLIT, MEMORY - SPLIT, USER + SPLIT + 0x100000, SPLIT },
	};
	int fds[2];

	assert_non_null(f);
	assert_int_equal(tsk_memfd_new("guest", MEMORY, &f->memory_fd), 0);
	assert_int_equal(tsk_map_new(f->memory_fd, MEMORY, true, &f->map), 0);
	fds[0] = fds[1] = f->memory_fd;
	assert_int_equal(guest_memory_new(regions, fds, 2, &f->memory), 0);
	f->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->driver = (struct driver){ .mem = f->map.addr, .size = 8 };
	f->config = (struct vring_config){
		.size = 8,
		.event_idx = true,
		.indirect = true,
		.desc = USER + DRIVER_DESC,
		.avail = USER + DRIVER_AVAIL,
		.used = USER + DRIVER_USED,
		.broke = on_broke,
		.context = f,
	};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	vring_free(f->ring);
	guest_memory_unref(f->memory);
	tsk_map_done(&f->map);
	tsk_close(f->memory_fd);
	tsk_close(f->call_fd);
	free(f);
	return 0;
}

/* Signals since the last look. */
static unsigned signals(struct fixture *f)
{
	uint64_t n = 0;

	return read(f->call_fd, &n, sizeof(n)) < 0 ? 0 : (unsigned)n;
}

/* The queue breaks at the next pop, says so once, and stays so. */
static void assert_breaks(struct fixture *f)
{
	struct vring_chain chain;

	assert_int_equal(vring_pop(f->ring, &chain), -EPROTO);
	assert_true(vring_is_broken(f->ring));
	assert_int_equal(f->broken, 1);
	assert_int_equal(vring_pop(f->ring, &chain), -EPROTO);
	assert_int_equal(vring_pending(f->ring), 0);
	assert_false(vring_want_kicks(f->ring, true));
	vring_push(f->ring, 0, 1);
	vring_flush(f->ring);
	vring_unpop(f->ring, 1);
	assert_int_equal(driver_used_idx(&f->driver), 0);
	assert_int_equal(f->broken, 1);
}

/* ---- the good case ---- */

static void a_chain_comes_and_goes(void **state)
{
	struct fixture *f = *state;
	struct vring_chain chain;

	start(f);
	assert_int_equal(vring_pop(f->ring, &chain), 0);
	driver_desc(&f->driver, 3, DATA, 44, D_NEXT, 5);
	driver_desc(&f->driver, 5, DATA + 0x100, 100, D_NEXT, 1);
	driver_desc(&f->driver, 1, DATA + 0x1000, 4096, D_WRITE, 0);
	driver_offer(&f->driver, 3);
	assert_int_equal(vring_pending(f->ring), 1);
	assert_int_equal(vring_pop(f->ring, &chain), 1);
	assert_int_equal(chain.head, 3);
	assert_int_equal(chain.n_out, 2);
	assert_int_equal(chain.n_in, 1);
	assert_int_equal(chain.out_bytes, 144);
	assert_int_equal(chain.in_bytes, 4096);
	assert_int_equal(chain.iov[1].iov_len, 100);
	assert_ptr_equal(chain.iov[2].iov_base,
			 guest_memory_user(f->memory, USER + DRIVER_DATA + 0x1000, 1));
	assert_int_equal(vring_pop(f->ring, &chain), 0);

	vring_push(f->ring, 3, 17);
	assert_int_equal(driver_used_idx(&f->driver), 0); /* not before the flush */
	assert_int_equal(signals(f), 0);
	vring_flush(f->ring);
	assert_int_equal(driver_used_idx(&f->driver), 1);
	assert_int_equal(driver_used_id(&f->driver, 0), 3);
	assert_int_equal(driver_used_len(&f->driver, 0), 17);
	assert_int_equal(signals(f), 1);
	vring_flush(f->ring);
	assert_int_equal(signals(f), 0);
}

static void a_chain_can_be_put_back(void **state)
{
	struct fixture *f = *state;
	struct vring_chain chain;

	driver_desc(&f->driver, 0, DATA, 1, 0, 0);
	driver_desc(&f->driver, 1, DATA, 2, 0, 0);
	start(f);
	driver_offer(&f->driver, 0);
	driver_offer(&f->driver, 1);
	assert_int_equal(vring_pop(f->ring, &chain), 1);
	assert_int_equal(vring_base(f->ring), 0);
	vring_push(f->ring, 0, 0);
	assert_int_equal(vring_base(f->ring), 1);
	assert_int_equal(vring_pop(f->ring, &chain), 1);
	assert_int_equal(chain.head, 1);
	vring_unpop(f->ring, 1);
	assert_int_equal(vring_pending(f->ring), 1);
	assert_int_equal(vring_base(f->ring), 1);
	assert_int_equal(vring_pop(f->ring, &chain), 1);
	assert_int_equal(chain.head, 1);
	assert_int_equal(vring_pop(f->ring, &chain), 0);
	driver_offer(&f->driver, 0);
	assert_int_equal(vring_pop(f->ring, &chain), 1);
	vring_unpop(f->ring, 3); /* there are two */
	assert_int_equal(vring_base(f->ring), 1);
	vring_unpop(f->ring, 2);
	assert_int_equal(vring_pending(f->ring), 2);
}

static void a_buffer_crosses_regions(void **state)
{
	struct fixture *f = *state;
	struct vring_chain chain;

	driver_desc(&f->driver, 0, GUEST + SPLIT - 10, 30, D_WRITE, 0);
	start(f);
	driver_offer(&f->driver, 0);
	assert_int_equal(vring_pop(f->ring, &chain), 1);
	assert_int_equal(chain.n_in, 2);
	assert_int_equal(chain.iov[0].iov_len, 10);
	assert_int_equal(chain.iov[1].iov_len, 20);
	assert_int_equal(chain.in_bytes, 30);
}

static void an_indirect_table_is_followed(void **state)
{
	struct fixture *f = *state;
	struct vring_chain chain;
	/* The table itself crosses regions, in the middle of a descriptor, and is not aligned. */
	size_t table = SPLIT - 24;

	driver_desc(&f->driver, 2, DATA, 44, D_NEXT, 4);
	/* WRITE says nothing about a table. */
	driver_desc(&f->driver, 4, GUEST + table, 48, D_INDIRECT | D_WRITE, 0);
	driver_desc_at(&f->driver, table, DATA + 0x100, 1, D_NEXT, 2);
	driver_desc_at(&f->driver, table + 32, DATA + 0x200, 2, D_NEXT, 1);
	driver_desc_at(&f->driver, table + 16, DATA + 0x300, 3, D_WRITE, 0);
	start(f);
	driver_offer(&f->driver, 2);
	assert_int_equal(vring_pop(f->ring, &chain), 1);
	assert_int_equal(chain.n_out, 3);
	assert_int_equal(chain.out_bytes, 47);
	assert_int_equal(chain.n_in, 1);
	assert_int_equal(chain.in_bytes, 3);
	assert_int_equal(chain.iov[2].iov_len, 2);
	assert_int_equal(vring_pop(f->ring, &chain), 0);
}

static void indices_wrap(void **state)
{
	struct fixture *f = *state;
	struct vring_chain chain;

	for (unsigned i = 0; i < 8; i++)
		driver_desc(&f->driver, i, DATA + i, 1, D_WRITE, 0);
	f->config.base = 65533;
	driver_set_avail_idx(&f->driver, 65533);
	driver_put(&f->driver, DRIVER_USED + 2, 65533, 2);
	start(f);
	for (unsigned round = 0; round < 65536 / 8 + 3; round++) {
		for (unsigned i = 0; i < 8; i++)
			driver_offer(&f->driver, i);
		for (unsigned i = 0; i < 8; i++) {
			assert_int_equal(vring_pop(f->ring, &chain), 1);
			assert_int_equal(chain.head, i);
			vring_push(f->ring, chain.head, i);
		}
		vring_flush(f->ring);
		assert_int_equal(driver_used_idx(&f->driver), f->driver.avail_idx);
	}
	assert_int_equal(f->broken, 0);
}

static void a_full_chain_is_as_long_as_the_queue(void **state)
{
	struct fixture *f = *state;
	struct vring_chain chain;

	for (unsigned i = 0; i < 8; i++)
		driver_desc(&f->driver, i, DATA + 16 * i, 16, i < 7 ? D_NEXT : 0, i + 1);
	start(f);
	driver_offer(&f->driver, 0);
	assert_int_equal(vring_pop(f->ring, &chain), 1);
	assert_int_equal(chain.n_out, 8);
	assert_int_equal(chain.out_bytes, 128);
}

/* ---- notifications ---- */

static void the_driver_is_asked_to_kick(void **state)
{
	struct fixture *f = *state;
	struct vring_chain chain;

	start(f);
	assert_int_equal(driver_avail_event(&f->driver), 0);
	driver_offer(&f->driver, 0);
	assert_int_equal(vring_pop(f->ring, &chain), 1);
	assert_int_equal(driver_avail_event(&f->driver), 0);
	/* Empty: the next one is wanted. */
	assert_int_equal(vring_pop(f->ring, &chain), 0);
	assert_int_equal(driver_avail_event(&f->driver), 1);

	assert_false(vring_want_kicks(f->ring, false));
	driver_offer(&f->driver, 0);
	assert_int_equal(vring_pop(f->ring, &chain), 1);
	assert_int_equal(vring_pop(f->ring, &chain), 0);
	assert_int_equal(driver_avail_event(&f->driver), 1);
	driver_offer(&f->driver, 0);
	assert_true(vring_want_kicks(f->ring, true)); /* one came meanwhile */
	assert_int_equal(vring_pop(f->ring, &chain), 1);
	assert_false(vring_want_kicks(f->ring, true));
	assert_int_equal(driver_avail_event(&f->driver), 3);
	assert_int_equal(driver_used_flags(&f->driver), 0);
}

static void the_driver_is_asked_to_kick_by_flags(void **state)
{
	struct fixture *f = *state;
	struct vring_chain chain;

	f->config.event_idx = false;
	driver_put(&f->driver, DRIVER_USED, 1, 2); /* left over */
	start(f);
	assert_int_equal(driver_used_flags(&f->driver), 0);
	assert_false(vring_want_kicks(f->ring, false));
	assert_int_equal(driver_used_flags(&f->driver), 1);
	driver_offer(&f->driver, 0);
	assert_true(vring_want_kicks(f->ring, true));
	assert_int_equal(driver_used_flags(&f->driver), 0);
	assert_int_equal(vring_pop(f->ring, &chain), 1);
	assert_int_equal(vring_pop(f->ring, &chain), 0);
	assert_int_equal(driver_avail_event(&f->driver), 0);
}

/* Pushes n chains, then flushes. */
static void complete(struct fixture *f, unsigned n)
{
	struct vring_chain chain;

	for (unsigned i = 0; i < n; i++) {
		driver_offer(&f->driver, i);
		assert_int_equal(vring_pop(f->ring, &chain), 1);
		vring_push(f->ring, chain.head, 0);
	}
	vring_flush(f->ring);
}

static void the_driver_is_signalled_when_it_wants(void **state)
{
	struct fixture *f = *state;

	start(f);
	driver_used_event(&f->driver, 1000);
	complete(f, 1);
	assert_int_equal(signals(f), 1); /* the first time in any case */
	driver_used_event(&f->driver, 3);
	complete(f, 2); /* 1 and 2 */
	assert_int_equal(signals(f), 0);
	complete(f, 1); /* 3 */
	assert_int_equal(signals(f), 1);
	complete(f, 3); /* 4, 5, 6 */
	assert_int_equal(signals(f), 0);
	driver_used_event(&f->driver, 8);
	complete(f, 5); /* 7 to 11 */
	assert_int_equal(signals(f), 1);
	driver_used_event(&f->driver, 12);
	complete(f, 0);
	assert_int_equal(signals(f), 0);
}

static void the_driver_is_signalled_by_flags(void **state)
{
	struct fixture *f = *state;

	f->config.event_idx = false;
	start(f);
	complete(f, 1);
	assert_int_equal(signals(f), 1);
	driver_avail_flags(&f->driver, 1);
	complete(f, 2);
	assert_int_equal(signals(f), 0);
	driver_avail_flags(&f->driver, 0);
	complete(f, 2);
	assert_int_equal(signals(f), 1);
}

static void a_call_fd_can_be_missing_or_change(void **state)
{
	struct fixture *f = *state;

	f->config.event_idx = false;
	start(f);
	vring_set_call(f->ring, -1);
	complete(f, 1);
	assert_int_equal(driver_used_idx(&f->driver), 1);
	vring_set_call(f->ring, f->call_fd);
	complete(f, 1);
	assert_int_equal(signals(f), 1);
}

static void what_was_pushed_is_published_at_the_end(void **state)
{
	struct fixture *f = *state;
	struct vring_chain chain;

	start(f);
	driver_offer(&f->driver, 2);
	assert_int_equal(vring_pop(f->ring, &chain), 1);
	vring_push(f->ring, 2, 9);
	f->ring = vring_free(f->ring);
	assert_int_equal(driver_used_idx(&f->driver), 1);
	assert_int_equal(signals(f), 1);
	vring_free(NULL);
}

/* A driver that refills behind us while nothing is flushed must not see slots written twice. */
static void pushes_without_a_flush_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct vring_chain chain;

	start(f);
	for (unsigned i = 0; i < 20; i++) {
		driver_offer(&f->driver, i % 8);
		assert_int_equal(vring_pop(f->ring, &chain), 1);
		vring_push(f->ring, chain.head, i);
	}
	assert_int_equal(driver_used_idx(&f->driver), 16);
}

/* ---- a driver that lies ---- */

static void the_used_index_is_our_own(void **state)
{
	struct fixture *f = *state;

	start(f);
	complete(f, 1);
	driver_put(&f->driver, DRIVER_USED + 2, 777, 2);
	complete(f, 1);
	assert_int_equal(driver_used_idx(&f->driver), 2);
	assert_int_equal(driver_used_id(&f->driver, 1), 0);
}

static void lying_event_indices_only_cost_signals(void **state)
{
	struct fixture *f = *state;
	struct vring_chain chain;

	start(f);
	for (unsigned i = 0; i < 2000; i++) {
		driver_used_event(&f->driver, i * 40503u);
		driver_put(&f->driver, DRIVER_USED + 4 + 8 * 8, i * 7919u, 2);
		driver_avail_flags(&f->driver, i);
		complete(f, 1);
		assert_true(signals(f) <= 1);
		/* Whatever stands there: an empty queue is empty. */
		assert_false(vring_want_kicks(f->ring, true));
		assert_int_equal(vring_pop(f->ring, &chain), 0);
	}
	assert_int_equal(f->broken, 0);
}

static void the_available_index_may_not_jump(void **state)
{
	static const struct {
		uint16_t base, idx;
		bool breaks;
	} jumps[] = {
		{ 0, 8, false },     { 0, 9, true },      { 0, 32768, true }, { 0, 65535, true },
		{ 65535, 0, false }, { 65535, 7, false }, { 65535, 8, true }, { 5, 4, true },
		{ 65530, 2, false }, { 65530, 3, true },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(jumps); i++) {
		f->broken = 0;
		f->config.base = jumps[i].base;
		driver_set_avail_idx(&f->driver, jumps[i].base);
		start(f);
		driver_set_avail_idx(&f->driver, jumps[i].idx);
		if (jumps[i].breaks)
			assert_breaks(f);
		else
			assert_int_equal(vring_pending(f->ring),
					 (uint16_t)(jumps[i].idx - jumps[i].base));
		f->ring = vring_free(f->ring);
	}
}

static void the_available_index_may_not_go_back(void **state)
{
	struct fixture *f = *state;
	struct vring_chain chain;

	start(f);
	driver_set_avail_idx(&f->driver, 5);
	assert_int_equal(vring_pop(f->ring, &chain), 1);
	driver_set_avail_idx(&f->driver, 3);
	assert_int_equal(vring_pending(f->ring), 0);
	assert_true(vring_is_broken(f->ring));
	assert_string_equal(f->why, "avail index has gone backwards");
}

static void an_index_that_is_wrong_at_the_start_breaks_at_once(void **state)
{
	struct fixture *f = *state;

	driver_set_avail_idx(&f->driver, 100);
	start(f);
	assert_true(vring_is_broken(f->ring));
	assert_int_equal(f->broken, 1);
}

struct bad_desc {
	uint64_t addr;
	uint32_t len;
	unsigned flags, next;
};

static void bad_descriptors_break_the_queue(void **state)
{
	static const struct {
		const char *why;
		unsigned head;
		struct bad_desc desc[3];
	} cases[] = {
		{ "head is out of range", 8, { { 0 } } },
		{ "head is out of range", 65535, { { 0 } } },
		{ "descriptor index is out of range", 0, { { DATA, 1, D_NEXT, 8 } } },
		{ "descriptor index is out of range", 0, { { DATA, 1, D_NEXT, 65535 } } },
		{ "descriptor loop, or a chain longer than the queue",
		  0,
		  { { DATA, 1, D_NEXT, 0 } } },
		{ "descriptor loop, or a chain longer than the queue",
		  0,
		  { { DATA, 1, D_NEXT, 1 }, { DATA, 1, D_NEXT, 0 } } },
		{ "descriptor loop, or a chain longer than the queue",
		  0,
		  { { DATA, 0, D_NEXT, 1 }, { DATA, 0, D_NEXT, 0 } } },
		{ "readable buffer behind a writable one",
		  0,
		  { { DATA, 1, D_NEXT | D_WRITE, 1 }, { DATA, 1, 0, 0 } } },
		{ "buffer outside the guest's memory", 0, { { GUEST - 1, 1, 0, 0 } } },
		{ "buffer outside the guest's memory", 0, { { GUEST + MEMORY, 1, 0, 0 } } },
		{ "buffer outside the guest's memory", 0, { { GUEST + MEMORY - 1, 2, 0, 0 } } },
		{ "buffer outside the guest's memory", 0, { { DATA, UINT32_MAX, 0, 0 } } },
		{ "buffer outside the guest's memory", 0, { { UINT64_MAX, UINT32_MAX, 0, 0 } } },
		{ "buffer outside the guest's memory", 0, { { USER, 1, 0, 0 } } },
		{ "indirect table of an impossible length", 0, { { DATA, 0, D_INDIRECT, 0 } } },
		{ "indirect table of an impossible length", 0, { { DATA, 15, D_INDIRECT, 0 } } },
		{ "indirect table of an impossible length", 0, { { DATA, 17, D_INDIRECT, 0 } } },
		{ "indirect table of an impossible length",
		  0,
		  { { DATA, 9 * 16, D_INDIRECT, 0 } } },
		{ "indirect table of an impossible length",
		  0,
		  { { DATA, 0xfffffff0, D_INDIRECT, 0 } } },
		{ "indirect table outside the guest's memory",
		  0,
		  { { GUEST + MEMORY - 8, 16, D_INDIRECT, 0 } } },
		{ "indirect table outside the guest's memory",
		  0,
		  { { UINT64_MAX - 15, 16, D_INDIRECT, 0 } } },
		{ "indirect table outside the guest's memory",
		  0,
		  { { UINT64_MAX - 7, 16, D_INDIRECT, 0 } } },
		{ "indirect descriptor that is not the last one",
		  0,
		  { { DATA, 16, D_INDIRECT | D_NEXT, 1 }, { DATA, 1, 0, 0 } } },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		f->broken = 0;
		driver_set_avail_idx(&f->driver, 0);
		start(f);
		for (unsigned n = 0; n < 3; n++)
			driver_desc(&f->driver, n, cases[i].desc[n].addr, cases[i].desc[n].len,
				    cases[i].desc[n].flags, cases[i].desc[n].next);
		driver_offer(&f->driver, cases[i].head);
		assert_breaks(f);
		assert_string_equal(f->why, cases[i].why);
		f->ring = vring_free(f->ring);
	}
}

/* One indirect table of n descriptors; the queue has it to pop. */
static void offer_table(struct fixture *f, uint32_t n)
{
	driver_desc(&f->driver, 0, DATA, 16 * n, D_INDIRECT, 0);
	start(f);
	driver_offer(&f->driver, 0);
}

static void bad_indirect_tables_break_the_queue(void **state)
{
	struct fixture *f = *state;

	driver_desc_at(&f->driver, DRIVER_DATA, DATA, 16, D_INDIRECT, 0);
	offer_table(f, 1);
	assert_breaks(f);
	assert_string_equal(f->why, "indirect table in an indirect table");
	vring_free(f->ring);

	f->broken = 0;
	driver_set_avail_idx(&f->driver, 0);
	driver_desc_at(&f->driver, DRIVER_DATA, DATA, 1, D_NEXT, 1);
	offer_table(f, 1); /* 1 is an index of the queue, but not of this table */
	assert_breaks(f);
	assert_string_equal(f->why, "descriptor index is out of range");
	vring_free(f->ring);

	f->broken = 0;
	driver_set_avail_idx(&f->driver, 0);
	driver_desc_at(&f->driver, DRIVER_DATA, DATA, 1, D_NEXT, 0);
	offer_table(f, 1);
	assert_breaks(f);
	assert_string_equal(f->why, "descriptor loop, or a chain longer than the queue");
	vring_free(f->ring);

	f->broken = 0;
	f->config.indirect = false;
	driver_set_avail_idx(&f->driver, 0);
	driver_desc_at(&f->driver, DRIVER_DATA, DATA, 1, 0, 0);
	offer_table(f, 1);
	assert_breaks(f);
	assert_string_equal(f->why, "indirect descriptor, which was not negotiated");
}

static void a_chain_of_too_many_pieces_breaks_the_queue(void **state)
{
	struct fixture *f = *state;
	struct vring_chain chain;

	f->config.size = f->driver.size = 1024;
	for (unsigned i = 0; i < VRING_IOV_MAX; i++)
		driver_desc(&f->driver, i, DATA, 1, i < VRING_IOV_MAX - 1 ? D_NEXT : 0, i + 1);
	start(f);
	driver_offer(&f->driver, 0);
	assert_int_equal(vring_pop(f->ring, &chain), 1);
	assert_int_equal(chain.n_out, VRING_IOV_MAX);
	driver_desc(&f->driver, VRING_IOV_MAX - 1, DATA, 1, D_NEXT, VRING_IOV_MAX);
	driver_desc(&f->driver, VRING_IOV_MAX, DATA, 1, 0, 0);
	driver_offer(&f->driver, 0);
	assert_breaks(f);
	assert_string_equal(f->why, "chain of too many pieces");
}

static void impossible_queues_do_not_start(void **state)
{
	static const uint32_t sizes[] = { 0, 3, 7, 1025, 2048, 32768, 65536, UINT32_MAX };
	struct fixture *f = *state;
	uint64_t *const parts[] = { &f->config.desc, &f->config.avail, &f->config.used };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		f->config.size = sizes[i];
		assert_int_equal(try_start(f), -EINVAL);
	}
	f->config.size = 8;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		uint64_t good = *parts[i];

		*parts[i] = GUEST; /* an address of the guest is none of the VMM */
		assert_int_equal(try_start(f), -EFAULT);
		*parts[i] = USER + SPLIT - 16; /* the end would lie outside of the region */
		assert_int_equal(try_start(f), -EFAULT);
		*parts[i] = UINT64_MAX - 15;
		assert_int_equal(try_start(f), -EFAULT);
		*parts[i] = good + 1;
		assert_int_equal(try_start(f), -EINVAL);
		*parts[i] = good;
	}
	assert_int_equal(try_start(f), 0);
}

/* ---- a new memory table ---- */

static void a_running_queue_moves_to_a_new_table(void **state)
{
	struct fixture *f = *state;
	struct guest_region region = { GUEST, MEMORY, USER, 0 };
	struct guest_memory *whole, *other;

	start(f);
	complete(f, 3);
	assert_int_equal(guest_memory_new(&region, &f->memory_fd, 1, &whole), 0);
	region.user_addr += MEMORY;
	assert_int_equal(guest_memory_new(&region, &f->memory_fd, 1, &other), 0);
	assert_int_equal(vring_set_memory(f->ring, other), -EFAULT);
	complete(f, 1); /* still in the old one */
	assert_int_equal(vring_set_memory(f->ring, whole), 0);
	guest_memory_unref(whole);
	guest_memory_unref(other);
	f->memory = guest_memory_unref(f->memory);
	complete(f, 3);
	assert_int_equal(driver_used_idx(&f->driver), 7);
}

/* ---- a driver that writes while we read ---- */

struct flipper {
	struct fixture *f;
	bool stop;
	uint64_t flips;
};

/* Flips descriptors between good ones of two kinds and bad ones. */
static void *flip(void *arg)
{
	struct flipper *flipper = arg;
	struct driver *d = &flipper->f->driver;
	uint32_t x = 1;

	while (!__atomic_load_n(&flipper->stop, __ATOMIC_RELAXED)) {
		x = x * 1664525 + 1013904223;
		driver_put(d, DRIVER_DESC, x & 0x10000 ? DATA : UINT64_MAX - 4, 8);
		driver_put(d, DRIVER_DESC + 8, x & 0x20000 ? 64 : UINT32_MAX, 4);
		driver_put(d, DRIVER_DESC + 12, (x >> 18) & 7, 2);
		driver_put(d, DRIVER_DESC + 14, (x >> 21) & 15, 2);
		driver_put(d, DRIVER_DATA + 8, x >> 20, 4);
		driver_put(d, DRIVER_DATA + 12, (x >> 24) & 7, 2);
		driver_put(d, DRIVER_AVAIL + 4, (x >> 27) & 1 ? 0 : 9, 2);
		flipper->flips++;
	}
	return NULL;
}

/* Whatever was popped lies in the guest's memory, piece for piece, and adds up. */
static void assert_sane(struct fixture *f, const struct vring_chain *chain)
{
	const unsigned char *low = guest_memory_user(f->memory, USER, SPLIT);
	const unsigned char *high = guest_memory_user(f->memory, USER + SPLIT + 0x100000, 1);
	size_t sum = 0;

	assert_true(chain->head < 8);
	assert_true(chain->n_out + chain->n_in <= VRING_IOV_MAX);
	for (unsigned i = 0; i < chain->n_out + chain->n_in; i++) {
		const unsigned char *p = chain->iov[i].iov_base;
		size_t len = chain->iov[i].iov_len;

		sum += len;
		assert_true((p >= low && p < low + SPLIT && len <= (size_t)(low + SPLIT - p)) ||
			    (p >= high && p < high + MEMORY - SPLIT &&
			     len <= (size_t)(high + MEMORY - SPLIT - p)));
	}
	assert_int_equal(sum, chain->out_bytes + chain->in_bytes);
}

static void a_flipping_driver_gets_one_consistent_look(void **state)
{
	struct fixture *f = *state;
	struct flipper flipper = { .f = f };
	uint64_t end = tsk_now_ns() + TSK_NS_PER_SEC, popped = 0, broke = 0;
	struct vring_chain chain;
	pthread_t thread;

	driver_desc(&f->driver, 1, DATA, 64, D_WRITE, 0);
	assert_int_equal(pthread_create(&thread, NULL, flip, &flipper), 0);
	while (tsk_now_ns() < end) {
		driver_set_avail_idx(&f->driver, 0);
		vring_free(f->ring);
		start(f);
		driver_set_avail_idx(&f->driver, 1);
		if (vring_pop(f->ring, &chain) == 1) {
			assert_sane(f, &chain);
			popped++;
		} else {
			assert_true(vring_is_broken(f->ring));
			broke++;
		}
	}
	__atomic_store_n(&flipper.stop, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	/* Both happened, or the test has shown nothing. */
	assert_true(flipper.flips > 1000 && popped > 100 && broke > 100);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_chain_comes_and_goes),
		T(a_chain_can_be_put_back),
		T(a_buffer_crosses_regions),
		T(an_indirect_table_is_followed),
		T(indices_wrap),
		T(a_full_chain_is_as_long_as_the_queue),
		T(the_driver_is_asked_to_kick),
		T(the_driver_is_asked_to_kick_by_flags),
		T(the_driver_is_signalled_when_it_wants),
		T(the_driver_is_signalled_by_flags),
		T(a_call_fd_can_be_missing_or_change),
		T(what_was_pushed_is_published_at_the_end),
		T(pushes_without_a_flush_are_bounded),
		T(the_used_index_is_our_own),
		T(lying_event_indices_only_cost_signals),
		T(the_available_index_may_not_jump),
		T(the_available_index_may_not_go_back),
		T(an_index_that_is_wrong_at_the_start_breaks_at_once),
		T(bad_descriptors_break_the_queue),
		T(bad_indirect_tables_break_the_queue),
		T(a_chain_of_too_many_pieces_breaks_the_queue),
		T(impossible_queues_do_not_start),
		T(a_running_queue_moves_to_a_new_table),
		T(a_flipping_driver_gets_one_consistent_look),
	};

	return cmocka_run_group_tests_name("vring", tests, NULL, NULL);
}
