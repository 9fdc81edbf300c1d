/* SPDX-License-Identifier: Apache-2.0 */
/* What goes out: every byte once, whatever is taken at a time, and nobody waits for another's end. */
#include "front/native_output.h"

#include <string.h>

#include "base/testing.h"

#define LARGE (3u * WIRE_BODY_MAX + 1000)

static struct account account;
static struct buffer_pool pool;

static void on_forget(void *context, const struct buffer *buffer)
{
	(void)context;
	(void)buffer;
}

static unsigned held;

static void begin(struct native_output *o)
{
	account = (struct account){ .max_bytes = 64 << 20 };
	buffer_pool_init(&pool, &account, on_forget, NULL);
	assert_int_equal(native_output_init(o, &pool, &held), 0);
}

static void end(struct native_output *o)
{
	native_output_done(o);
	buffer_pool_done(&pool);
	assert_int_equal(held, 0);
	assert_int_equal(account.used_bytes, 0);
}

static void put_small(struct native_output *o, uint32_t id, size_t bytes)
{
	struct tsk_writer w = native_output_begin(o, bytes + 10);
	unsigned char *room = tsk_write_room(&w, bytes);

	assert_non_null(room);
	memset(room, (int)id, bytes);
	native_output_commit(o, &w, bytes ? WIRE_COUNTERS : WIRE_PONG, id);
}

/* Its bytes are those of their place, and of the id. */
static unsigned char byte_at(uint32_t id, size_t at)
{
	return (unsigned char)(at * 5 + at / 1000 + id);
}

static void put_result(struct native_output *o, uint32_t id, size_t bytes)
{
	struct tsk_tensor_info info = {
		.name = (char *)(uintptr_t) "y", .dtype = TENSOCK_UINT8, .rank = 1, .dims = { -1 }
	};
	struct tsk_model_info model = { .outputs = &info, .n_outputs = 1 };
	struct run_tensor t = { .dtype = TENSOCK_UINT8,
				.rank = 1,
				.offset = 192,
				.bytes = bytes,
				.dims = { (int64_t)bytes } };
	struct native_result result;
	struct buffer *buffer;
	unsigned char *region;

	assert_int_equal(buffer_pool_take(&pool, 0, 192 + bytes, &buffer), 0);
	region = buffer->map.addr;
	for (size_t i = 0; i < bytes; i++)
		region[192 + i] = byte_at(id, i);
	assert_int_equal(native_result_init(&result, &model, &t, NULL, 0), 0);
	assert_int_equal(native_output_result(o, id, &result, &t, region, &buffer), 0);
	native_result_done(&result);
	buffer_pool_put(&pool, buffer);
}

/* The frames that went out, as "ID ID ..."; results are put together, small frames are checked. */
struct taken {
	char ids[4096];
	size_t len;
	unsigned char bytes[WIRE_HEADER_BYTES + WIRE_BODY_MAX];
	size_t n;
	size_t payload[10]; /* by id */
	unsigned n_pieces;
};

static void check_payload(struct taken *t, uint32_t id, const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(bytes[i], byte_at(id, t->payload[id] + i));
	t->payload[id] += n;
}

static void check_result(struct taken *t, uint32_t id, const unsigned char *body, size_t size)
{
	struct wire_tensor *tensors;
	struct wire_result result;
	uint64_t offset, n;
	uint32_t meta;

	assert_int_equal(wire_meta_bytes(body, size, &meta), 0);
	assert_int_equal(wire_result_read(body, meta, &result, &tensors), 0);
	free(tensors);
	assert_int_equal(wire_body_payload(size, meta, result.payload_bytes, &offset, &n), 0);
	check_payload(t, id, body + offset, n);
}

static void check_frame(struct taken *t, const struct wire_header *h, const unsigned char *body)
{
	t->len += (size_t)snprintf(t->ids + t->len, sizeof(t->ids) - t->len, "%u ", h->id);
	if (h->type == WIRE_RESULT) {
		check_result(t, h->id, body, h->size);
	} else if (h->type == WIRE_CHUNK) {
		check_payload(t, h->id, body, h->size);
	} else {
		for (size_t i = 0; i < h->size; i++)
			assert_int_equal(body[i], h->id);
	}
}

static void take_frames(struct taken *t)
{
	struct wire_header h;

	while (t->n >= WIRE_HEADER_BYTES) {
		assert_int_equal(wire_header_read(t->bytes, &h), 0);
		if (t->n < WIRE_HEADER_BYTES + h.size)
			return;
		check_frame(t, &h, t->bytes + WIRE_HEADER_BYTES);
		t->n -= WIRE_HEADER_BYTES + h.size;
		memmove(t->bytes, t->bytes + WIRE_HEADER_BYTES + h.size, t->n);
	}
}

/* One piece, at most max bytes of it.  False: there is none. */
static bool take(struct native_output *o, struct taken *t, size_t max)
{
	const void *bytes;
	size_t n = native_output_bytes(o, &bytes);

	if (n == 0)
		return false;
	n = n < max ? n : max;
	n = n < sizeof(t->bytes) - t->n ? n : sizeof(t->bytes) - t->n;
	memcpy(t->bytes + t->n, bytes, n);
	t->n += n;
	t->n_pieces++;
	native_output_sent(o, n);
	take_frames(t);
	return true;
}

/* The same, of as many pieces as there are. */
static bool take_gathered(struct native_output *o, struct taken *t, unsigned pieces, size_t max)
{
	struct iovec iov[16];
	unsigned n = native_output_gather(o, iov, pieces);
	size_t total = 0;

	assert_in_range(n, 0, pieces);
	for (unsigned i = 0; i < n && max; i++) {
		const unsigned char *bytes = iov[i].iov_base;
		size_t left = iov[i].iov_len < max ? iov[i].iov_len : max;

		total += left;
		max -= left;
		while (left) {
			size_t part =
				sizeof(t->bytes) - t->n < left ? sizeof(t->bytes) - t->n : left;

			memcpy(t->bytes + t->n, bytes, part);
			t->n += part;
			bytes += part;
			left -= part;
			take_frames(t);
		}
	}
	t->n_pieces += n;
	native_output_sent(o, total);
	return n > 0;
}

static void test_small_ones_together(void **state)
{
	static struct taken t;
	struct native_output o;

	(void)state;
	t = (struct taken){ 0 };
	begin(&o);
	assert_true(native_output_is_empty(&o));
	put_small(&o, 1, 100);
	put_small(&o, 2, 0);
	put_result(&o, 3, 4096);
	assert_int_equal(pool.n_idle, 1); /* copied: its buffer is free */
	put_small(&o, 4, 1);
	assert_false(native_output_is_empty(&o));
	assert_true(take(&o, &t, SIZE_MAX));
	assert_false(take(&o, &t, SIZE_MAX));
	assert_string_equal(t.ids, "1 2 3 4 ");
	assert_int_equal(t.payload[3], 4096);
	assert_true(native_output_is_empty(&o));
	end(&o);
}

/* Whatever the peer takes at a time. */
static void test_every_pace(void **state)
{
	static const size_t paces[] = { 1, 15, 16, 17, 1000, 65536, SIZE_MAX };
	static struct taken t;
	struct native_output o;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paces); i++) {
		t = (struct taken){ 0 };
		begin(&o);
		put_result(&o, 1, 20000);
		put_small(&o, 2, 50);
		put_result(&o, 3, paces[i] > 100 ? LARGE : WIRE_BODY_MAX);
		put_result(&o, 4, 0);
		while (take(&o, &t, paces[i]))
			;
		assert_int_equal(t.payload[1], 20000);
		assert_int_equal(t.payload[3], paces[i] > 100 ? LARGE : WIRE_BODY_MAX);
		assert_non_null(strstr(t.ids, "2 "));
		assert_non_null(strstr(t.ids, "4 "));
		assert_int_equal(t.n, 0);
		assert_true(native_output_is_empty(&o));
		end(&o);
	}
}

/* The same bytes, however many pieces are asked for, and wherever the peer stops to take them. */
static void test_gathered(void **state)
{
	static const size_t paces[] = { 1000, WIRE_BODY_MAX + 5, 700000, SIZE_MAX };
	static struct taken t;
	struct native_output o;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paces) * 16; i++) {
		t = (struct taken){ 0 };
		begin(&o);
		put_result(&o, 1, LARGE);
		put_small(&o, 2, 50);
		while (take_gathered(&o, &t, 1 + i % 16, paces[i / 16]))
			;
		assert_int_equal(t.payload[1], LARGE);
		assert_non_null(strstr(t.ids, "2 "));
		assert_int_equal(t.n, 0);
		assert_true(native_output_is_empty(&o));
		end(&o);
	}
}

/* One that is alone goes out in few calls; not past another that waits. */
static void test_ahead(void **state)
{
	static struct taken t;
	struct native_output o;
	unsigned calls = 0;

	(void)state;
	t = (struct taken){ 0 };
	begin(&o);
	put_result(&o, 1, 2 * WIRE_BODY_MAX);
	while (take_gathered(&o, &t, 16, SIZE_MAX))
		calls++;
	assert_int_equal(calls, 1);
	assert_string_equal(t.ids, "1 1 1 ");
	t.len = 0;
	put_result(&o, 2, 2 * WIRE_BODY_MAX);
	put_result(&o, 3, 2 * WIRE_BODY_MAX);
	while (take_gathered(&o, &t, 16, SIZE_MAX))
		;
	assert_string_equal(t.ids, "2 3 2 3 2 3 ");
	end(&o);
}

/* Large ones take turns; a small one waits for one frame, and a stream of small ones lets them go on. */
static void test_turns(void **state)
{
	static struct taken t;
	struct native_output o;

	(void)state;
	t = (struct taken){ 0 };
	begin(&o);
	put_result(&o, 1, LARGE);
	put_result(&o, 2, LARGE);
	assert_int_equal(pool.n_idle, 0);
	assert_true(take(&o, &t, 1000));
	put_small(&o, 7, 10);
	while (!strstr(t.ids, "7"))
		assert_true(take(&o, &t, SIZE_MAX));
	assert_string_equal(t.ids, "1 7 ");
	while (take(&o, &t, SIZE_MAX)) {
		if (o.start == o.end && t.len < 40)
			put_small(&o, 8, 10);
	}
	assert_string_equal(t.ids, "1 7 2 8 1 8 2 8 1 8 2 8 1 8 2 8 8 8 8 8 ");
	assert_int_equal(t.payload[1], LARGE);
	assert_int_equal(t.payload[2], LARGE);
	assert_int_equal(pool.n_idle, 2);
	end(&o);
}

/* A peer that takes nothing: the block, then pieces of their own, then full. */
static void test_full(void **state)
{
	static struct taken t;
	struct native_output o;
	unsigned n = 0;

	(void)state;
	t = (struct taken){ 0 };
	begin(&o);
	for (; !native_output_is_full(&o); n++)
		put_small(&o, 1, 200);
	assert_in_range(n, 100, 400);
	assert_true(o.private_bytes < NATIVE_PRIVATE_MAX + 1000);
	while (take(&o, &t, 999))
		;
	assert_int_equal(t.len, 2 * n);
	assert_int_equal(o.private_bytes, 0);
	/* One frame may be larger than all that, once. */
	put_small(&o, 2, 200000);
	assert_true(native_output_is_full(&o));
	assert_false(o.has_failed);
	/* Its peer is gone. */
	put_result(&o, 3, LARGE);
	assert_true(take(&o, &t, 5));
	end(&o);
}

/* An answer that is not whole must not go out; then nothing does. */
static void test_no_memory(void **state)
{
	struct native_output o;
	struct tsk_writer w;
	const void *bytes;

	(void)state;
	begin(&o);
	put_small(&o, 1, 10);
	w = native_output_begin(&o, 4);
	tsk_write_u64(&w, 1);
	native_output_commit(&o, &w, WIRE_SEND, 1);
	assert_true(o.has_failed);
	assert_int_equal(native_output_bytes(&o, &bytes), 0);
	assert_true(native_output_is_empty(&o));
	end(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_small_ones_together),
		TSK_TEST(test_every_pace),
		TSK_TEST(test_gathered),
		TSK_TEST(test_ahead),
		TSK_TEST(test_turns),
		TSK_TEST(test_full),
		TSK_TEST(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
