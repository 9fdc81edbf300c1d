/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that do not keep the rules of HTTP/2, or keep them to do harm. */
#include "base/testing.h"
#include "front/protocol/h2_pair.h"

/* Bytes to be sent. */
struct raw {
	unsigned char bytes[1 << 20];
	size_t n;
};

static struct raw raw;

static void put(const void *bytes, size_t n)
{
	assert_true(n <= sizeof(raw.bytes) - raw.n);
	if (n)
		memcpy(raw.bytes + raw.n, bytes, n);
	raw.n += n;
}

static void put_frame(unsigned type, unsigned flags, uint32_t id, const void *payload, size_t n)
{
	const unsigned char header[9] = { (unsigned char)(n >> 16),  (unsigned char)(n >> 8),
					  (unsigned char)n,          (unsigned char)type,
					  (unsigned char)flags,      (unsigned char)(id >> 24),
					  (unsigned char)(id >> 16), (unsigned char)(id >> 8),
					  (unsigned char)id };

	put(header, sizeof(header));
	put(payload, n);
}

/* What each connection begins with. */
static void put_preface(void)
{
	raw.n = 0;
	put(NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
	put_frame(NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

static struct test *begin_raw(void)
{
	struct test *t = begin(SIZE_MAX);

	/* The peer's side of nghttp2 only listens. */
	(void)!nghttp2_session_mem_send(t->peer.session, &(const uint8_t *){ NULL });
	put_preface();
	return t;
}

/* POST, http, /, of HPACK's static table, and an :authority. */
#define HEAD                   \
	"\x83\x86\x84\x01\x01" \
	"a"
static const unsigned char plain_head[6] = HEAD;

static bool says(struct test *t, unsigned type, uint32_t code)
{
	struct iovec iov[64];
	bool found = false;
	unsigned n;

	while ((n = h2_gather(t->h2, iov, 64))) {
		size_t all = 0;

		for (unsigned i = 0; i < n; i++) {
			const unsigned char *p = iov[i].iov_base;
			size_t len = iov[i].iov_len;

			all += len;
			while (len >= 9) {
				size_t size = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
				size_t at = type == NGHTTP2_GOAWAY ? 13 : 9;

				if (p[3] == type && size >= 4)
					found |= (p[at] | p[at + 1] | p[at + 2]) == 0 &&
						 p[at + 3] == code;
				if (size + 9 > len)
					break;
				p += size + 9;
				len -= size + 9;
			}
		}
		h2_sent(t->h2, all);
	}
	return found;
}

static void expect_end(struct test *t, uint32_t code)
{
	give_all(t, raw.bytes, raw.n);
	assert_true(says(t, NGHTTP2_GOAWAY, code));
	assert_true(h2_is_over(t->h2));
	done(t);
}

static void expect_reset(struct test *t, uint32_t code)
{
	give_all(t, raw.bytes, raw.n);
	assert_true(says(t, NGHTTP2_RST_STREAM, code));
	assert_false(h2_is_over(t->h2));
	done(t);
}

static void test_rapid_reset(void **state)
{
	static const unsigned char cancel[4] = { 0, 0, 0, NGHTTP2_CANCEL };
	struct test *t = begin_raw();

	(void)state;
	for (uint32_t i = 0; i < PEER_STREAMS_MAX - 1; i++) {
		put_frame(NGHTTP2_HEADERS, 4, 2 * i + 1, plain_head, sizeof(plain_head));
		put_frame(NGHTTP2_RST_STREAM, 0, 2 * i + 1, cancel, 4);
	}
	give_all(t, raw.bytes, raw.n);
	assert_false(says(t, NGHTTP2_GOAWAY, NGHTTP2_ENHANCE_YOUR_CALM));
	/* The last 160th begins anew in the table. */
	for (uint32_t i = PEER_STREAMS_MAX - 1; i < H2_SPOILED_MAX; i++) {
		t->n_streams = 0;
		raw.n = 0;
		put_frame(NGHTTP2_HEADERS, 4, 2 * i + 1, plain_head, sizeof(plain_head));
		put_frame(NGHTTP2_RST_STREAM, 0, 2 * i + 1, cancel, 4);
		give_all(t, raw.bytes, raw.n);
	}
	raw.n = 0;
	assert_true(h2_reason(t->h2) && strstr(h2_reason(t->h2), "come to nothing"));
	expect_end(t, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* Streams that the peer makes us reset count, too. */
static void test_resets_that_we_are_made_to_send(void **state)
{
	static const unsigned char most[4] = { 0x7f, 0xff, 0xff, 0xff };
	struct test *t = begin_raw();
	bool is_over = false;
	uint32_t i;

	(void)state;
	for (i = 0; i < H2_SPOILED_MAX && !is_over; i++) {
		t->n_streams = 0;
		put_frame(NGHTTP2_HEADERS, 4, 2 * i + 1, plain_head, sizeof(plain_head));
		put_frame(NGHTTP2_WINDOW_UPDATE, 0, 2 * i + 1, most, 4);
		give_all(t, raw.bytes, raw.n);
		raw.n = 0;
		is_over = says(t, NGHTTP2_GOAWAY, NGHTTP2_ENHANCE_YOUR_CALM);
	}
	assert_true(i >= H2_SPOILED_MAX / 2 && is_over && h2_is_over(t->h2));
	done(t);
}

/* Who is answered in between may cancel as much as it likes. */
static void test_cancels_between_answers(void **state)
{
	struct test *t = begin(SIZE_MAX);

	(void)state;
	for (unsigned i = 0; i < 3 * H2_SPOILED_MAX; i++) {
		struct h2_peer_stream *a;

		for (size_t k = 0; k < t->n_streams; k++)
			free(t->streams[k].body);
		free(t->peer.streams[0].answer);
		t->n_streams = t->peer.n_streams = 0;
		a = peer_request(&t->peer, "/a", NULL, i % 2 ? "x" : "", i % 2, !(i % 2));
		talk(t);
		if (i % 2)
			expect_answer(a, "x", 1);
		else
			assert_int_equal(nghttp2_submit_rst_stream(t->peer.session, 0, a->id,
								   NGHTTP2_CANCEL),
					 0);
		talk(t);
	}
	assert_false(t->peer.has_goaway || h2_is_over(t->h2));
	done(t);
}

static void test_continuations_without_end(void **state)
{
	static const unsigned char zeros[8192];
	struct test *t = begin_raw();

	(void)state;
	put_frame(NGHTTP2_HEADERS, 0, 1, plain_head, sizeof(plain_head));
	for (unsigned i = 0; i < 3; i++)
		put_frame(NGHTTP2_CONTINUATION, 0, 1, zeros, sizeof(zeros));
	expect_end(t, NGHTTP2_ENHANCE_YOUR_CALM);
	/* Nor with nothing in them. */
	t = begin_raw();
	put_frame(NGHTTP2_HEADERS, 0, 1, plain_head, sizeof(plain_head));
	for (unsigned i = 0; i < 10; i++)
		put_frame(NGHTTP2_CONTINUATION, 0, 1, NULL, 0);
	expect_end(t, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void test_frames_of_control_that_are_too_large(void **state)
{
	static const unsigned char zeros[20000];
	static const unsigned types[] = { NGHTTP2_HEADERS, NGHTTP2_GOAWAY, NGHTTP2_SETTINGS, 0x42 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct test *t = begin_raw();

		put_frame(types[i], 0, 0, zeros, sizeof(zeros));
		expect_end(t, NGHTTP2_ENHANCE_YOUR_CALM);
	}
}

/* A large field, put into the table, then named again and again. */
static void test_an_hpack_bomb(void **state)
{
	unsigned char head[14000] = HEAD "\x40\1x\x7f\x81\x1e";
	struct test *t = begin_raw();
	size_t before = h2_memory(t->h2);

	(void)state;
	memset(head + 12, 'y', 3968);
	memset(head + 12 + 3968, 0xbe, sizeof(head) - 12 - 3968);
	put_frame(NGHTTP2_HEADERS, 5, 1, head, sizeof(head));
	give_all(t, raw.bytes, raw.n);
	assert_int_equal(t->n_streams, 0);
	assert_true(h2_memory(t->h2) < before + 65536);
	assert_true(says(t, NGHTTP2_RST_STREAM, NGHTTP2_INTERNAL_ERROR));
	assert_false(h2_is_over(t->h2));
	done(t);
}

/* Acknowledgements that nobody takes. */
static void flood(unsigned type, const void *payload, size_t n)
{
	struct test *t = begin_raw();

	for (unsigned i = 0; i < 10000 && !h2_is_over(t->h2); i++) {
		raw.n = raw.n > 1000 ? 0 : raw.n;
		put_frame(type, 0, 0, payload, n);
		give_all(t, raw.bytes, raw.n);
		raw.n = 0;
	}
	assert_true(h2_is_over(t->h2));
	assert_true(h2_memory(t->h2) < H2_MEMORY_MAX);
	done(t);
}

static void test_floods(void **state)
{
	(void)state;
	flood(NGHTTP2_PING, "12345678", 8);
	flood(NGHTTP2_SETTINGS, NULL, 0);
}

static void test_windows_that_overflow(void **state)
{
	static const unsigned char most[4] = { 0x7f, 0xff, 0xff, 0xff };
	static const unsigned char nothing[4] = { 0, 0, 0, 0 };
	struct test *t = begin_raw();

	(void)state;
	put_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, most, 4);
	expect_end(t, NGHTTP2_FLOW_CONTROL_ERROR);
	t = begin_raw();
	put_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, nothing, 4);
	expect_end(t, NGHTTP2_PROTOCOL_ERROR);
	t = begin_raw();
	put_frame(NGHTTP2_HEADERS, 4, 1, plain_head, sizeof(plain_head));
	put_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, most, 4);
	expect_reset(t, NGHTTP2_FLOW_CONTROL_ERROR);
}

/* More than the window allows. */
static void test_who_sends_more_than_it_may(void **state)
{
	static const unsigned char zeros[65536];
	struct test *t = begin_raw();

	(void)state;
	t->is_silent = true;
	put_frame(NGHTTP2_HEADERS, 4, 1, plain_head, sizeof(plain_head));
	for (size_t sent = 0; sent <= H2_STREAM_WINDOW; sent += sizeof(zeros)) {
		put_frame(NGHTTP2_DATA, 0, 1, zeros, sizeof(zeros));
		give_all(t, raw.bytes, raw.n);
		raw.n = 0;
	}
	assert_true(says(t, NGHTTP2_RST_STREAM, NGHTTP2_FLOW_CONTROL_ERROR) || h2_is_over(t->h2));
	assert_true(t->streams[0].n_body <= H2_STREAM_WINDOW);
	done(t);
}

static void test_headers_that_http_2_forbids(void **state)
{
	static const char *const heads[] = {
		HEAD "\x40\x01X\x01y", /* an upper-case name */
		HEAD "\x40\x0a"
		     "connection"
		     "\x05"
		     "close",              /* the connection's own */
		HEAD "\x40\x02te\x04gzip", /* no other but trailers */
		HEAD "\x83",               /* a second :method */
		"\x83\x86\x01\x01"
		"a"
		"\x40\x01x\x01y\x84", /* a pseudo header behind */
		"\x83\x84\x01\x01"
		"a",            /* no :scheme */
		"\x83\x86\x84", /* no :authority */
		HEAD "\x40\x08:strange\x01y",
		HEAD "\x40\x01x\x01\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		struct test *t = begin_raw();

		put_frame(NGHTTP2_HEADERS, 4, 1, heads[i], strlen(heads[i]));
		give_all(t, raw.bytes, raw.n);
		assert_int_equal(t->n_streams, 0);
		assert_true(says(t, NGHTTP2_RST_STREAM, NGHTTP2_PROTOCOL_ERROR));
		done(t);
	}
}

static void test_more_streams_than_are_allowed(void **state)
{
	struct test *t = begin_raw();

	(void)state;
	for (uint32_t i = 0; i < 101; i++)
		put_frame(NGHTTP2_HEADERS, 4, 2 * i + 1, plain_head, sizeof(plain_head));
	give_all(t, raw.bytes, raw.n);
	assert_int_equal(t->n_streams, 100);
	assert_true(says(t, NGHTTP2_RST_STREAM, NGHTTP2_REFUSED_STREAM));
	done(t);
}

static void test_priorities_are_of_no_use(void **state)
{
	struct test *t = begin_raw();

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		put_frame(NGHTTP2_PRIORITY, 0, 2 * i + 1, "\0\0\0\11\20", 5);
	give_all(t, raw.bytes, raw.n);
	assert_true(h2_memory(t->h2) < 65536);
	assert_false(h2_is_over(t->h2));
	done(t);
}

static void test_what_is_no_http_2(void **state)
{
	struct test *t = begin(SIZE_MAX);

	(void)state;
	give_all(t, "PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n", 24);
	assert_true(h2_is_over(t->h2));
	done(t);
	t = begin_raw();
	put_frame(NGHTTP2_DATA, 0, 1, "x", 1); /* of a stream that was not opened */
	expect_end(t, NGHTTP2_PROTOCOL_ERROR);
	t = begin_raw();
	put_frame(NGHTTP2_HEADERS, 4, 2, plain_head, sizeof(plain_head)); /* the server's number */
	expect_end(t, NGHTTP2_PROTOCOL_ERROR);
	t = begin_raw();
	put_frame(NGHTTP2_HEADERS, 4, 1, "\xff\xff\xff\xff\xff", 5);
	expect_end(t, NGHTTP2_COMPRESSION_ERROR);
}

/* As many streams as may be, with answers that nobody takes. */
static void test_memory_is_bounded(void **state)
{
	struct test *t = begin(SIZE_MAX);
	const uint8_t *bytes;
	ssize_t n;

	(void)state;
	talk(t);
	for (unsigned i = 0; i < 100; i++)
		peer_request(&t->peer, "/a", NULL, pattern, 100, false);
	while ((n = nghttp2_session_mem_send(t->peer.session, &bytes)) > 0)
		give_all(t, bytes, (size_t)n);
	assert_int_equal(t->n_streams, 100);
	assert_false(h2_is_over(t->h2));
	assert_true(h2_memory(t->h2) < H2_MEMORY_MAX / 2);
	talk(t);
	for (unsigned i = 0; i < 100; i++)
		expect_answer(&t->peer.streams[i], pattern, 100);
	done(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_rapid_reset),
		TSK_TEST(test_resets_that_we_are_made_to_send),
		TSK_TEST(test_cancels_between_answers),
		TSK_TEST(test_continuations_without_end),
		TSK_TEST(test_frames_of_control_that_are_too_large),
		TSK_TEST(test_an_hpack_bomb),
		TSK_TEST(test_floods),
		TSK_TEST(test_windows_that_overflow),
		TSK_TEST(test_who_sends_more_than_it_may),
		TSK_TEST(test_headers_that_http_2_forbids),
		TSK_TEST(test_more_streams_than_are_allowed),
		TSK_TEST(test_priorities_are_of_no_use),
		TSK_TEST(test_what_is_no_http_2),
		TSK_TEST(test_memory_is_bounded),
	};

	make_pattern();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
