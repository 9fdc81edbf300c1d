/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/seed.h"

#include <string.h>

#include "base/bytes.h"
#include "base/testing.h"

#define BODY 5u
#define FRAME (SEED_HEADER_BYTES + BODY)
#define MODEL_MAX 1000u

static void make_header(unsigned char *p, uint32_t type, uint32_t id, uint64_t size)
{
	struct tsk_writer w = tsk_writer(p, SEED_HEADER_BYTES);

	tsk_write_u32(&w, type);
	tsk_write_u32(&w, id);
	tsk_write_u64(&w, size);
}

/*
 * Feeds bytes until the decoder takes no more; gives it body when it asks.  Returns what it took.
 */
static size_t feed(struct seed_decoder *d, const unsigned char *bytes, size_t n, void *body,
		   struct tensock_error *error)
{
	size_t taken = 0;

	while (taken < n) {
		void *buf = NULL;
		size_t room = seed_window(d, &buf);
		size_t piece = room < n - taken ? room : n - taken;

		if (!piece)
			break;
		memcpy(buf, bytes + taken, piece);
		seed_received(d, piece, error);
		taken += piece;
		if (d->state == SEED_BODY && !d->body)
			seed_body(d, body);
	}
	return taken;
}

/* Two frames one after the other, cut in three at every pair of places. */
static void test_every_split(void **state)
{
	unsigned char bytes[2 * FRAME], body[BODY];
	struct tensock_error error;

	(void)state;
	make_header(bytes, 1, 7, BODY);
	memcpy(bytes + SEED_HEADER_BYTES, "model", BODY);
	make_header(bytes + FRAME, 1, 8, BODY);
	memcpy(bytes + FRAME + SEED_HEADER_BYTES, "other", BODY);
	for (size_t a = 0; a <= FRAME; a++) {
		for (size_t b = a; b <= FRAME; b++) {
			struct seed_decoder d;

			seed_decoder_init(&d, MODEL_MAX);
			memset(body, 0, sizeof(body));
			assert_int_equal(feed(&d, bytes, a, body, &error), a);
			assert_int_equal(feed(&d, bytes + a, b - a, body, &error), b - a);
			/* Not a byte of the next frame before the first is dealt with. */
			assert_int_equal(feed(&d, bytes + b, 2 * FRAME - b, body, &error),
					 FRAME - b);
			assert_int_equal(d.state, SEED_WAITING);
			assert_int_equal(d.id, 7);
			assert_memory_equal(body, "model", BODY);
			seed_next(&d);
			assert_true(seed_is_between(&d));
			assert_int_equal(feed(&d, bytes + FRAME, FRAME, body, &error), FRAME);
			assert_int_equal(d.id, 8);
			assert_memory_equal(body, "other", BODY);
		}
	}
}

/* A peer that ends anywhere but between frames has ended in the middle of one. */
static void test_truncation(void **state)
{
	unsigned char bytes[FRAME], body[BODY];
	struct tensock_error error;

	(void)state;
	make_header(bytes, 1, 7, BODY);
	memcpy(bytes + SEED_HEADER_BYTES, "model", BODY);
	for (size_t n = 0; n < FRAME; n++) {
		struct seed_decoder d;

		seed_decoder_init(&d, MODEL_MAX);
		assert_int_equal(feed(&d, bytes, n, body, &error), n);
		assert_int_equal(seed_is_between(&d), n == 0);
		assert_int_equal(d.state, n < SEED_HEADER_BYTES ? SEED_HEADER : SEED_BODY);
	}
}

static void refused(uint32_t type, uint64_t size, uint32_t status)
{
	unsigned char bytes[SEED_HEADER_BYTES + 1] = { 0 };
	struct tensock_error error = { 0 };
	struct seed_decoder d;
	void *buf;

	make_header(bytes, type, 42, size);
	seed_decoder_init(&d, MODEL_MAX);
	assert_int_equal(feed(&d, bytes, sizeof(bytes), NULL, &error), SEED_HEADER_BYTES);
	assert_int_equal(d.state, SEED_REFUSED);
	assert_int_equal(d.id, 42);
	assert_int_equal(error.status, status);
	assert_int_equal(seed_window(&d, &buf), 0);
}

static void test_bad_headers(void **state)
{
	(void)state;
	refused(1, 0, TENSOCK_INVALID_MODEL);
	refused(1, MODEL_MAX + 1, TENSOCK_TOO_LARGE);
	refused(1, UINT64_C(1) << 63, TENSOCK_TOO_LARGE);
	refused(1, UINT64_MAX, TENSOCK_TOO_LARGE);
	refused(1, UINT64_MAX - SEED_HEADER_BYTES + 1, TENSOCK_TOO_LARGE);
	refused(0, BODY, TENSOCK_PROTOCOL);
	refused(2, BODY, TENSOCK_PROTOCOL);
	refused(0x01000000, BODY, TENSOCK_PROTOCOL);
}

static void test_largest(void **state)
{
	unsigned char bytes[SEED_HEADER_BYTES], body[MODEL_MAX];
	struct tensock_error error;
	struct seed_decoder d;
	void *buf;

	(void)state;
	make_header(bytes, 1, 1, MODEL_MAX);
	seed_decoder_init(&d, MODEL_MAX);
	feed(&d, bytes, sizeof(bytes), body, &error);
	assert_int_equal(seed_window(&d, &buf), MODEL_MAX);
	assert_ptr_equal(buf, body);
}

/* A frame that the session could not take: nothing more is read. */
static void test_refuse(void **state)
{
	unsigned char bytes[SEED_HEADER_BYTES];
	struct tensock_error error;
	struct seed_decoder d;
	void *buf;

	(void)state;
	make_header(bytes, 1, 1, BODY);
	seed_decoder_init(&d, MODEL_MAX);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(seed_window(&d, &buf), sizeof(bytes) - i);
		memcpy(buf, bytes + i, 1);
		seed_received(&d, 1, &error);
	}
	assert_int_equal(d.state, SEED_BODY);
	assert_int_equal(seed_window(&d, &buf), 0);
	seed_refuse(&d);
	assert_int_equal(seed_window(&d, &buf), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_every_split), TSK_TEST(test_truncation), TSK_TEST(test_bad_headers),
		TSK_TEST(test_largest),     TSK_TEST(test_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
