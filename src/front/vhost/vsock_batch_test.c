/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define CHAINS 40u

/* A ring that offers chains of one piece each, and wants them back in order. */
struct vring {
	unsigned char memory[CHAINS][512];
	size_t size[CHAINS];
	uint32_t written[CHAINS];
	unsigned offered, popped, pushed;
};

int vring_pop(struct vring *ring, struct vring_chain *ret)
{
	unsigned i = ring->popped;

	if (i == ring->offered)
		return 0;
	ring->popped++;
	ret->head = (uint16_t)i;
	ret->n_out = 0;
	ret->n_in = 1;
	ret->iov[0] = (struct iovec){ ring->memory[i], ring->size[i] };
	ret->in_bytes = ring->size[i];
	return 1;
}

void vring_unpop(struct vring *ring, unsigned n)
{
	assert_true(n <= ring->popped - ring->pushed);
	ring->popped -= n;
}

void vring_push(struct vring *ring, uint16_t head, uint32_t written)
{
	assert_int_equal(head, ring->pushed);
	assert_true(ring->pushed < ring->popped);
	ring->written[ring->pushed++] = written;
}

static struct vring *ring_new(unsigned n, size_t size)
{
	struct vring *ring = calloc(1, sizeof(*ring));

	assert_non_null(ring);
	ring->offered = n;
	for (unsigned i = 0; i < n; i++)
		ring->size[i] = size;
	return ring;
}

static bool begin(struct vsock_batch *batch, struct vring *ring, unsigned max, size_t bytes)
{
	assert_int_equal(vring_pop(ring, &batch->chains[0]), 1);
	return vsock_batch_fill(batch, ring, max, bytes);
}

/* Fills the first len bytes of the room with their numbers. */
static void fill(struct vsock_batch *batch, uint32_t len)
{
	uint32_t done = 0;

	for (unsigned i = 0; i < batch->n_iov; i++)
		for (size_t k = 0; k < batch->iov[i].iov_len && done < len; k++)
			((unsigned char *)batch->iov[i].iov_base)[k] = (unsigned char)done++;
	assert_int_equal(done, len);
}

static uint32_t give(struct vsock_batch *batch, struct vring *ring, uint32_t len)
{
	static const struct vsock_header header = { .src_port = 80, .op = VSOCK_OP_RW };

	return vsock_batch_give(batch, ring, &header, len);
}

static void one_read_becomes_several_packets(void **state)
{
	struct vring *ring = ring_new(8, VSOCK_HEADER_BYTES + 100);
	struct vsock_batch batch;
	uint32_t done = 0;

	(void)state;
	assert_true(begin(&batch, ring, 4, 1000));
	assert_int_equal(batch.n, 4);
	assert_int_equal(batch.room, 400);
	fill(&batch, 250);
	assert_int_equal(give(&batch, ring, 250), 3);
	for (unsigned i = 0; i < 3; i++) {
		struct vsock_header h;

		vsock_header_decode(ring->memory[i], &h);
		assert_int_equal(h.src_port, 80);
		assert_int_equal(h.len, i < 2 ? 100 : 50);
		assert_int_equal(ring->written[i], VSOCK_HEADER_BYTES + h.len);
		for (uint32_t k = 0; k < h.len; k++)
			assert_int_equal(ring->memory[i][VSOCK_HEADER_BYTES + k],
					 (unsigned char)done++);
	}
	/* The fourth is offered again. */
	assert_int_equal(ring->popped, 3);
	free(ring);
}

static void what_was_not_read_into_is_put_back(void **state)
{
	struct vring *ring = ring_new(3, VSOCK_HEADER_BYTES + 100);
	struct vsock_batch batch;

	(void)state;
	assert_true(begin(&batch, ring, 16, 1000));
	assert_int_equal(batch.n, 3);
	assert_int_equal(give(&batch, ring, 0), 0);
	assert_int_equal(ring->popped, 0);
	assert_int_equal(ring->pushed, 0);
	free(ring);
}

static void the_room_is_within_the_credit(void **state)
{
	struct vring *ring = ring_new(8, VSOCK_HEADER_BYTES + 100);
	struct vsock_batch batch;

	(void)state;
	assert_true(begin(&batch, ring, 16, 201));
	assert_int_equal(batch.n, 3);
	assert_int_equal(batch.room, 201);
	assert_int_equal(batch.rooms[2], 1);
	fill(&batch, 201);
	assert_int_equal(give(&batch, ring, 201), 3);
	assert_int_equal(ring->written[2], VSOCK_HEADER_BYTES + 1);
	free(ring);
}

static void a_chain_without_room_ends_it(void **state)
{
	struct vring *ring = ring_new(8, VSOCK_HEADER_BYTES + 100);
	struct vsock_batch batch;

	(void)state;
	ring->size[2] = VSOCK_HEADER_BYTES;
	assert_true(begin(&batch, ring, 16, 1000));
	assert_int_equal(batch.n, 2);
	assert_int_equal(ring->popped, 2);
	fill(&batch, 200);
	assert_int_equal(give(&batch, ring, 200), 2);
	assert_false(begin(&batch, ring, 16, 1000));
	assert_int_equal(ring->popped, 3);
	free(ring);
}

static void it_is_bounded(void **state)
{
	struct vring *ring = ring_new(CHAINS, VSOCK_HEADER_BYTES + 1);
	struct vsock_batch batch;

	(void)state;
	assert_true(begin(&batch, ring, UINT32_MAX, SIZE_MAX));
	assert_int_equal(batch.n, VSOCK_BATCH_MAX);
	assert_int_equal(ring->popped, VSOCK_BATCH_MAX);
	assert_int_equal(give(&batch, ring, 1), 1);
	free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_read_becomes_several_packets),
		cmocka_unit_test(what_was_not_read_into_is_put_back),
		cmocka_unit_test(the_room_is_within_the_credit),
		cmocka_unit_test(a_chain_without_room_ends_it),
		cmocka_unit_test(it_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
