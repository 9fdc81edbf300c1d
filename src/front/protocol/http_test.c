/* SPDX-License-Identifier: Apache-2.0 */
/* Requests in pieces of all sizes: the same events, every byte in its place; and what is refused. */
#include "front/protocol/http.h"

#include <string.h>

#include "base/testing.h"

#define BODY_MAX (4u << 20)

/* What came, as text; the bodies one behind the other. */
struct trace {
	char text[4096];
	size_t len;
	unsigned char *body;
	size_t n_body, n_direct;
	uint64_t room; /* of each http_place(); 0: bodies are discarded */
	bool scatters;
	unsigned status;
	char message[256];
};

static void note(struct trace *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	t->len += (size_t)vsnprintf(t->text + t->len, sizeof(t->text) - t->len, fmt, args);
	va_end(args);
}

static void note_head(struct trace *t, const struct http_head *head)
{
	note(t, "%s", llhttp_method_name(head->method));
	for (unsigned i = 0; i < head->n_segments && i < HTTP_SEGMENTS_MAX; i++)
		note(t, " %.*s", head->segments[i].len, head->segments[i].bytes);
	if (head->n_segments > HTTP_SEGMENTS_MAX)
		note(t, " ...");
	if (head->query.len)
		note(t, " ?%.*s", head->query.len, head->query.bytes);
	if (head->has_length)
		note(t, " n=%zu", (size_t)head->length);
	if (head->is_chunked)
		note(t, " chunked");
	if (head->has_json_bytes)
		note(t, " json=%zu", (size_t)head->json_bytes);
	if (!head->keeps_alive)
		note(t, " close");
	if (head->expects_continue)
		note(t, " expects");
	if (head->takes_gzip || head->takes_deflate)
		note(t, " takes%s%s", head->takes_gzip ? ":gzip" : "",
		     head->takes_deflate ? ":deflate" : "");
	if (head->content_type.len)
		note(t, " type=%.*s", head->content_type.len, head->content_type.bytes);
	if (head->id.len)
		note(t, " id=%.*s", head->id.len, head->id.bytes);
	note(t, "|");
}

static void give_room(struct http_decoder *d, struct trace *t)
{
	if (!t->room) {
		http_discard(d);
		return;
	}
	assert_true(t->n_body + t->room <= BODY_MAX);
	http_place(d, t->body + t->n_body, t->room);
}

static bool take_event(struct http_decoder *d, struct trace *t)
{
	switch (http_next(d)) {
	case HTTP_MORE:
		return false;
	case HTTP_BEGUN:
		note_head(t, &d->head);
		if (d->head.has_length && d->head.coding == HTTP_IDENTITY)
			give_room(d, t);
		return true;
	case HTTP_ROOM:
		assert_int_equal(d->place_left, 0);
		give_room(d, t);
		return true;
	case HTTP_PLACED:
		assert_true(d->placed);
		t->n_body += d->placed;
		return true;
	case HTTP_ENDED:
		note(t, "end|");
		return true;
	case HTTP_BROKEN:
		note(t, "%u|", d->status);
		t->status = d->status;
		snprintf(t->message, sizeof(t->message), "%s", d->error.message);
		assert_int_equal(http_next(d), HTTP_BROKEN);
		return false;
	}
	return false;
}

static size_t receive(struct http_decoder *d, struct trace *t, const unsigned char *bytes, size_t n)
{
	struct iovec iov[HTTP_SCATTER_MAX];
	unsigned n_iov = t->scatters ? http_scatter(d, iov) : 1;
	size_t done = 0;

	if (!t->scatters)
		iov[0].iov_len = http_window(d, &iov[0].iov_base);
	for (unsigned i = 0; i < n_iov && done < n; i++) {
		size_t part = iov[i].iov_len < n - done ? iov[i].iov_len : n - done;
		unsigned char *to = iov[i].iov_base;

		if (part && to >= t->body && to < t->body + BODY_MAX)
			t->n_direct += part;
		if (part)
			memcpy(to, bytes + done, part);
		done += part;
	}
	if (done)
		http_received(d, done);
	return done;
}

/* All of it, at most `pace` bytes a time. */
static void converse(struct trace *t, const void *bytes, size_t n, size_t pace)
{
	struct http_decoder d;

	t->len = t->n_body = t->n_direct = 0;
	t->text[0] = t->message[0] = '\0';
	t->status = 0;
	if (!t->body)
		t->body = malloc(BODY_MAX);
	assert_non_null(t->body);
	assert_int_equal(http_decoder_init(&d), 0);
	for (size_t at = 0; at < n && !t->status;) {
		size_t part = n - at < pace ? n - at : pace;
		size_t done = receive(&d, t, (const unsigned char *)bytes + at, part);

		assert_true(done);
		at += done;
		while (take_event(&d, t))
			;
	}
	if (!t->status && http_is_between(&d))
		note(t, "between");
	http_decoder_done(&d);
}

static const size_t paces[] = { 1, 2, 3, 7, 64, 1000, SIZE_MAX };

static void expect_bytes(const void *bytes, size_t n, const char *text, const char *body)
{
	for (size_t i = 0; i < ARRAY_SIZE(paces); i++) {
		struct trace t = { .room = 3 };

		converse(&t, bytes, n, paces[i]);
		assert_string_equal(t.text, text);
		assert_int_equal(t.n_body, strlen(body));
		assert_memory_equal(t.body, body, t.n_body);
		t.room = 0;
		converse(&t, bytes, n, paces[i]);
		assert_string_equal(t.text, text);
		assert_int_equal(t.n_body, 0);
		free(t.body);
	}
}

static void expect(const char *request, const char *text, const char *body)
{
	expect_bytes(request, strlen(request), text, body);
}

/* With this status, whatever sizes the pieces have, and a sentence with `what` in it. */
static void expect_refused_bytes(const void *bytes, size_t n, unsigned status, const char *what)
{
	for (size_t i = 0; i < ARRAY_SIZE(paces); i++) {
		struct trace t = { .room = 64 };

		converse(&t, bytes, n, paces[i]);
		assert_int_equal(t.status, status);
		if (!strstr(t.message, what))
			fail_msg("\"%s\" does not say \"%s\"", t.message, what);
		free(t.body);
	}
}

static void expect_refused(const char *request, unsigned status, const char *what)
{
	expect_refused_bytes(request, strlen(request), status, what);
}

#define HOST "Host: h\r\n"
#define GET "GET /v2 HTTP/1.1\r\n" HOST
#define POST "POST /v2/x HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static void test_heads(void **state)
{
	(void)state;
	expect(GET "\r\n", "GET v2|end|between", "");
	expect("GET /v2/models/a%2fb%20c/?x=%41&y HTTP/1.1\r\n" HOST "\r\n",
	       "GET v2 models a/b c ?x=%41&y|end|between", "");
	expect("HEAD http://[::1]:8000/v2 HTTP/1.1\r\n" HOST "\r\n", "HEAD v2|end|between", "");
	expect("GET / HTTP/1.0\r\n\r\n", "GET close|end|between", "");
	expect("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET|end|between", "");
	expect("GET //a HTTP/1.1\r\nHost:\r\nConnection: x, close\r\n\r\n",
	       "GET  a close|end|between", "");
	expect("\r\n\r\nGET /1/2/3/4/5/6/7/8/9 HTTP/1.1\r\n" HOST "\r\n",
	       "GET 1 2 3 4 5 6 7 8 ...|end|between", "");
	expect(GET "Accept-Encoding: br, gzip;q=0.5\r\naccept-encoding: deflate; q=1\r\n"
		   "X-Request-Id:  a b \t\r\nContent-Type: application/json\r\n\r\n",
	       "GET v2 takes:gzip:deflate type=application/json id=a b|end|between", "");
	expect(GET "Accept-Encoding: gzip;q=0, deflate; q=0.000\r\n\r\n", "GET v2|end|between", "");
	expect(GET "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" GET "\r\n",
	       "GET v2|end|GET v2|end|between", "");
	expect("GET /v2", "", "");
}

static void test_bodies(void **state)
{
	(void)state;
	expect(POST "Content-Length: 5\r\n\r\nhello" GET "\r\n",
	       "POST v2 x n=5|end|GET v2|end|between", "hello");
	expect(POST "Content-Length: 0\r\n\r\n", "POST v2 x n=0|end|between", "");
	expect(POST "Content-Length:  0005 \r\nExpect: 100-Continue\r\n"
		    "Inference-Header-Content-Length: 3\r\n\r\nhello",
	       "POST v2 x n=5 json=3 expects|end|between", "hello");
	expect("POST /v2/x HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab",
	       "POST v2 x n=2 close|end|between", "ab");
	expect(POST "Content-Length: 5\r\n\r\nhel", "POST v2 x n=5|", "hel");
	expect(GET "Content-Length: 2\r\n\r\nab", "GET v2 n=2|end|between", "ab");
}

static void test_chunks(void **state)
{
	(void)state;
	expect(CHUNKED "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n" GET "\r\n",
	       "POST v2 x chunked|end|GET v2|end|between", "hello!");
	expect(CHUNKED "00005;a=b;c=\"d\"\r\nhello\r\n0\r\nX: y\r\nHost: z\r\n\r\n" GET "\r\n",
	       "POST v2 x chunked|end|GET v2|end|between", "hello");
	expect(CHUNKED "0\r\n\r\n", "POST v2 x chunked|end|between", "");
	expect(CHUNKED "5\r\nhel", "POST v2 x chunked|", "hel");
	expect(POST "transfer-encoding: \tCHUNKED \r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
	       "POST v2 x chunked|end|between", "0123456789");
	/* Another protocol is asked for: it is not gone over to. */
	expect(POST
	       "Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n"
	       "1\r\na\r\n0\r\n\r\n" GET "\r\n",
	       "POST v2 x chunked|end|GET v2|end|between", "a");
}

/* What two readers could take for different requests. */
static void test_smuggling(void **state)
{
	(void)state;
	expect_refused(POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
		       "Transfer-Encoding");
	expect_refused(POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400,
		       "Content-Length");
	expect_refused(POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400, "Duplicate");
	expect_refused(POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400, "Duplicate");
	expect_refused(POST "Content-Length: 3, 3\r\n\r\nabc", 400, "Content-Length");
	expect_refused(POST "Content-Length: +3\r\n\r\nabc", 400, "Content-Length");
	expect_refused(POST "Content-Length: -3\r\n\r\nabc", 400, "Content-Length");
	expect_refused(POST "Content-Length: 0x3\r\n\r\nabc", 400, "Content-Length");
	expect_refused(POST "Content-Length:\r\n\r\nabc", 400, "Content-Length");
	expect_refused(POST "Content-Length: 18446744073709551616\r\n\r\n", 400, "overflow");
	expect_refused(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "chunked");
	expect_refused(POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501, "chunked");
	expect_refused(POST "Transfer-Encoding: identity\r\n\r\n", 501, "chunked");
	expect_refused(POST
		       "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		       400, "");
	expect_refused(POST
		       "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		       501, "chunked");
	expect_refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
		       "1.0");
	expect_refused(POST "Transfer-Encoding:\r\n chunked\r\n\r\n", 400, "");
	expect_refused(GET "X: a\r\n b\r\n\r\n", 400, "");
	expect_refused(GET "X: a\r\n\tb\r\n\r\n", 400, "");
	expect_refused("GET /v2 HTTP/1.1\r\n Host: a\r\n\r\n", 400, "");
	expect_refused("GET /v2 HTTP/1.1\r\nHost : a\r\n\r\n", 400, "");
	expect_refused(GET ": a\r\n\r\n", 400, "");
	expect_refused(GET "X\r\n\r\n", 400, "");
	expect_refused("GET /v2 HTTP/1.1\nHost: a\n\n", 400, "");
	expect_refused(GET "X: a\n\r\n", 400, "");
	expect_refused(GET "X: a\r\n\n", 400, "");
	expect_refused(GET "X: a\rY: b\r\n\r\n", 400, "");
	expect_refused("GET /v2 HTTP/1.1\rHost: a\r\n\r\n", 400, "");
	expect_refused("GET  /v2 HTTP/1.1\r\n" HOST "\r\n", 400, "one space");
	expect_refused("GET /v2  HTTP/1.1\r\n" HOST "\r\n", 400, "one space");
	expect_refused("GET\t/v2 HTTP/1.1\r\n" HOST "\r\n", 501, "method");
}

static void test_bad_chunks(void **state)
{
	(void)state;
	expect_refused(CHUNKED "x\r\n", 400, "chunk size");
	expect_refused(CHUNKED "0x5\r\nhello\r\n", 400, "chunk size");
	expect_refused(CHUNKED "-5\r\nhello\r\n", 400, "chunk size");
	expect_refused(CHUNKED "5 \r\nhello\r\n", 400, "chunk size");
	expect_refused(CHUNKED "fffffffffffffffff\r\nhello", 400, "overflow");
	expect_refused(CHUNKED "5\nhello\r\n0\r\n\r\n", 400, "");
	expect_refused(CHUNKED "5\rhello\r\n0\r\n\r\n", 400, "");
	expect_refused(CHUNKED "5\r\nhello\n0\r\n\r\n", 400, "");
	expect_refused(CHUNKED "5\r\nhello\rX0\r\n\r\n", 400, "");
	expect_refused(CHUNKED "5\r\nhello!\r\n0\r\n\r\n", 400, "");
	expect_refused(CHUNKED "5;a\nb\r\nhello\r\n", 400, "");
	expect_refused(CHUNKED "5;a\"\r\nhello\r\n", 400, "");
	expect_refused(CHUNKED "0\r\nContent-Length: 5\r\n\r\nhello", 400, "");
	expect_refused(CHUNKED "0\r\nX : y\r\n\r\n", 400, "");
	expect_refused(CHUNKED "0\r\nX: y\n\r\n", 400, "");
}

static void test_nonsense(void **state)
{
	(void)state;
	expect_refused("GET /v2 HTTP/1.1\r\n\r\n", 400, "Host");
	expect_refused(GET HOST "\r\n", 400, "twice");
	expect_refused("GET /v2 HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "Host");
	expect_refused("GET /v2 HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "Host");
	expect_refused("GET /v2 HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "Host");
	expect_refused("GET /v2\r\n\r\n", 505, "");
	expect_refused("GET /v2 HTTP/2.0\r\n" HOST "\r\n", 505, "");
	expect_refused("GET /v2 HTTP/1.3\r\n" HOST "\r\n", 505, "");
	expect_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "");
	expect_refused("FROB /v2 HTTP/1.1\r\n" HOST "\r\n", 501, "");
	expect_refused("\1GET /v2 HTTP/1.1\r\n" HOST "\r\n", 400, "");
	expect_refused("GET v2 HTTP/1.1\r\n" HOST "\r\n", 400, "");
	expect_refused("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 400, "'/'");
	expect_refused("CONNECT h:80 HTTP/1.1\r\n" HOST "\r\n", 400, "'/'");
	expect_refused("GET ftp://h/v2 HTTP/1.1\r\n" HOST "\r\n", 400, "'/'");
	expect_refused("GET http://h HTTP/1.1\r\n" HOST "\r\n", 400, "path");
	expect_refused("GET /%zz HTTP/1.1\r\n" HOST "\r\n", 400, "'%'");
	expect_refused("GET /%4 HTTP/1.1\r\n" HOST "\r\n", 400, "'%'");
	expect_refused("GET /a%00b HTTP/1.1\r\n" HOST "\r\n", 400, "'%'");
	expect_refused("GET /a\x01 HTTP/1.1\r\n" HOST "\r\n", 400, "");
	expect_refused("GET /a\xff HTTP/1.1\r\n" HOST "\r\n", 400, "");
	expect_refused(GET "X: a\x01\r\n\r\n", 400, "");
	expect_refused_bytes("GET /v2 HTTP/1.1\r\nHost: a\0b\r\n\r\n", 31, 400, "");
	expect_refused(GET "Expect: 200-ok\r\n\r\n", 417, "Expect");
	expect_refused(POST "Content-Encoding: br\r\n\r\n", 415, "gzip");
	expect_refused(POST "Content-Encoding: gzip, gzip\r\n\r\n", 415, "gzip");
	expect_refused(POST "Inference-Header-Content-Length: x\r\n\r\n", 400, "no length");
	expect_refused(POST "Inference-Header-Content-Length: -1\r\n\r\n", 400, "no length");
	expect_refused(POST "Inference-Header-Content-Length:\r\n\r\n", 400, "no length");
	expect_refused(POST "Inference-Header-Content-Length: 18446744073709551616\r\n\r\n", 400,
		       "no length");
}

/* `n` times `what`, between two texts. */
static char *repeated(const char *before, const char *what, size_t n, const char *after)
{
	size_t len = strlen(what);
	char *text = malloc(strlen(before) + n * len + strlen(after) + 1), *at;

	assert_non_null(text);
	at = text + snprintf(text, strlen(before) + 1, "%s", before);
	for (size_t i = 0; i < n; i++, at += len)
		memcpy(at, what, len);
	memcpy(at, after, strlen(after) + 1);
	return text;
}

static void expect_refused_repeated(const char *before, const char *what, size_t n,
				    const char *after, unsigned status)
{
	char *text = repeated(before, what, n, after);

	expect_refused(text, status, "more than");
	free(text);
}

static void expect_repeated(const char *before, const char *what, size_t n, const char *after,
			    const char *text, const char *body)
{
	char *request = repeated(before, what, n, after);

	expect(request, text, body);
	free(request);
}

static void test_limits(void **state)
{
	(void)state;
	expect_repeated("GET /v2 HTTP/1.1\r\n" HOST "X: ", "a", 16300, "\r\n\r\n",
			"GET v2|end|between", "");
	expect_refused_repeated("GET /v2 HTTP/1.1\r\n" HOST "X: ", "a", 16400, "\r\n\r\n", 431);
	expect_refused_repeated("GET /v2?", "a", 16400, " HTTP/1.1\r\n" HOST "\r\n", 414);
	expect_repeated("GET /v2 HTTP/1.1\r\n" HOST, "X: a\r\n", 99, "\r\n", "GET v2|end|between",
			"");
	expect_refused_repeated("GET /v2 HTTP/1.1\r\n" HOST, "X: a\r\n", 100, "\r\n", 431);
	expect_refused_repeated("", "\r\n", 9000, GET "\r\n", 414);
	expect_repeated(CHUNKED "1;", "a", 8000, "\r\nx\r\n0\r\n\r\n",
			"POST v2 x chunked|end|between", "x");
	expect_refused_repeated(CHUNKED "1;", "a", 9000, "\r\nx\r\n0\r\n\r\n", 400);
	expect_refused_repeated(CHUNKED, "1;aaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n", 1000, "0\r\n\r\n",
				400);
	expect_refused_repeated(CHUNKED, "0", 9000, "1\r\nx\r\n0\r\n\r\n", 400);
	expect_repeated(CHUNKED "1\r\nx\r\n0\r\n", "X: a\r\n", 1000, "\r\n",
			"POST v2 x chunked|end|between", "x");
	expect_refused_repeated(CHUNKED "1\r\nx\r\n0\r\n", "X: a\r\n", 2000, "\r\n", 400);
}

/* Chunks as small as can be are not refused, however many there are. */
static void test_small_chunks(void **state)
{
	char *text = repeated(CHUNKED, "1\r\nx\r\n", 20000, "0\r\n\r\n");
	struct trace t = { .room = 1000 };

	(void)state;
	converse(&t, text, strlen(text), SIZE_MAX);
	assert_string_equal(t.text, "POST v2 x chunked|end|between");
	assert_int_equal(t.n_body, 20000);
	free(t.body);
	free(text);
}

/* A large body goes past the buffer, but for what came with the head. */
static void test_directly(void **state)
{
	const size_t n = 1 << 20;
	char head[128];
	int len = snprintf(head, sizeof(head), POST "Content-Length: %zu\r\n\r\n", n);
	unsigned char *request = malloc((size_t)len + n + 64);
	size_t total = (size_t)len + n;

	(void)state;
	assert_non_null(request);
	memcpy(request, head, (size_t)len);
	for (size_t i = 0; i < n; i++)
		request[(size_t)len + i] = (unsigned char)(i * 7 + i / 251);
	memcpy(request + total, GET "\r\n", strlen(GET "\r\n"));
	total += strlen(GET "\r\n");
	for (size_t i = 0; i < 4; i++) {
		struct trace t = { .room = i & 1 ? n : n / 3 + 1, .scatters = i & 2 };

		converse(&t, request, total, 100000);
		assert_int_equal(t.n_body, n);
		assert_memory_equal(t.body, request + len, n);
		assert_true(t.n_direct > n - 4 * HTTP_BUFFER_BYTES);
		assert_true(strstr(t.text, "end|GET v2|end|between"));
		free(t.body);
	}
	free(request);
}

/*
 * ---- Compressed bodies
 */

/* A request with `from`, n bytes, compressed; bits as deflateInit2() takes them. */
static unsigned char *compressed(const void *from, size_t n, int bits, const char *coding,
				 size_t *ret_n)
{
	z_stream z = { 0 };
	size_t room;
	unsigned char *request;
	int len;

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	room = deflateBound(&z, n) + 256;
	request = malloc(room);
	assert_non_null(request);
	z.next_in = from;
	z.avail_in = (uInt)n;
	z.next_out = request + 256;
	z.avail_out = (uInt)room - 256;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	len = snprintf((char *)request, 256,
		       POST "Content-Encoding: %s\r\nContent-Length: %lu\r\n\r\n", coding,
		       z.total_out);
	memmove(request + len, request + 256, z.total_out);
	*ret_n = (size_t)len + z.total_out;
	deflateEnd(&z);
	return request;
}

static void test_compressed(void **state)
{
	static const struct {
		int bits;
		const char *coding;
	} forms[] = { { 31, "gzip" }, { 15, "deflate" }, { -15, "deflate" }, { 31, "X-GZIP" } };
	const size_t n = 300000;
	unsigned char *body = malloc(n);

	(void)state;
	assert_non_null(body);
	for (size_t i = 0; i < n; i++)
		body[i] = (unsigned char)(i % 7 * (i / 1000));
	for (size_t i = 0; i < ARRAY_SIZE(forms) * ARRAY_SIZE(paces); i++) {
		size_t form = i / ARRAY_SIZE(paces), size;
		unsigned char *request =
			compressed(body, n, forms[form].bits, forms[form].coding, &size);
		struct trace t = { .room = 70000 };

		converse(&t, request, size, paces[i % ARRAY_SIZE(paces)]);
		assert_true(strstr(t.text, "|end|between"));
		assert_int_equal(t.n_body, n);
		assert_memory_equal(t.body, body, n);
		free(t.body);
		free(request);
	}
	free(body);
}

static void test_compressed_to_nothing(void **state)
{
	size_t size;
	unsigned char *request = compressed("", 0, -15, "deflate", &size);
	struct trace t = { .room = 10 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paces); i++) {
		converse(&t, request, size, paces[i]);
		assert_string_equal(t.text, "POST v2 x n=2|end|between");
	}
	free(t.body);
	free(request);
}

static void test_bomb(void **state)
{
	unsigned char *zeros = calloc(1, BODY_MAX);
	struct trace t = { .room = 50000 };
	size_t size;
	unsigned char *request;

	(void)state;
	assert_non_null(zeros);
	request = compressed(zeros, BODY_MAX, 31, "gzip", &size);
	converse(&t, request, size, SIZE_MAX);
	assert_int_equal(t.status, 400);
	assert_non_null(strstr(t.message, "bomb"));
	assert_true(t.n_body < 2 * HTTP_RATIO_FREE);
	free(request);
	/* A small one may be all zeros. */
	request = compressed(zeros, 1 << 20, 31, "gzip", &size);
	converse(&t, request, size, SIZE_MAX);
	assert_int_equal(t.status, 0);
	assert_int_equal(t.n_body, 1 << 20);
	free(request);
	free(zeros);
	free(t.body);
}

static void test_compressed_badly(void **state)
{
	size_t size;
	unsigned char *request = compressed("hello, hello", 12, 31, "gzip", &size);
	unsigned char *end = (unsigned char *)strstr((char *)request, "\r\n\r\n") + 4;
	size_t n = size - (size_t)(end - request);
	char head[160];
	unsigned char wrong[512];
	int len = snprintf(head, sizeof(head),
			   POST "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", n + 1);

	(void)state;
	/* A byte too many; one too few; one that is wrong. */
	memcpy(wrong, head, (size_t)len);
	memcpy(wrong + len, end, n);
	wrong[(size_t)len + n] = 0;
	expect_refused_bytes(wrong, (size_t)len + n + 1, 400, "behind the end");
	len = snprintf((char *)wrong, sizeof(wrong),
		       POST "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", n - 1);
	memcpy(wrong + len, end, n - 1);
	expect_refused_bytes(wrong, (size_t)len + n - 1, 400, "cut off");
	end[n - 8] ^= 1;
	expect_refused_bytes(request, size, 400, "broken");
	free(request);
	expect_refused(POST "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", 400,
		       "broken");
	expect_refused(POST
		       "Content-Encoding: deflate\r\nContent-Length: 5\r\n\r\n\377\377\377\377\377",
		       400, "broken");
	expect_refused(POST "Content-Encoding: deflate\r\nContent-Length: 0\r\n\r\n", 400,
		       "cut off");
	expect_refused(POST "Content-Encoding: deflate\r\nContent-Length: 1\r\n\r\nx", 400,
		       "cut off");
}

/* What nobody wants is not decompressed: it may be anything. */
static void test_compressed_unwanted(void **state)
{
	static const char *const requests[] = {
		POST "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello" GET "\r\n",
		POST "Content-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\n"
		     "5\r\nhello\r\n0\r\n\r\n" GET "\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		struct http_decoder d;
		void *window;

		assert_int_equal(http_decoder_init(&d), 0);
		assert_true(http_window(&d, &window) >= strlen(requests[i]));
		memcpy(window, requests[i], strlen(requests[i]));
		http_received(&d, strlen(requests[i]));
		assert_int_equal(http_next(&d), HTTP_BEGUN);
		http_discard(&d);
		assert_int_equal(http_next(&d), HTTP_ENDED);
		assert_int_equal(http_next(&d), HTTP_BEGUN);
		http_decoder_done(&d);
	}
}

/* Chunked and compressed, in chunks of 5 bytes. */
static void test_compressed_chunks(void **state)
{
	static const char text[] = "so it goes, so it goes, so it goes on and on and on";
	size_t size, n = 0;
	unsigned char *one = compressed(text, strlen(text), 15, "deflate", &size);
	unsigned char *body = (unsigned char *)strstr((char *)one, "\r\n\r\n") + 4;
	size_t left = size - (size_t)(body - one);
	char request[2048];

	(void)state;
	n = (size_t)snprintf(request, sizeof(request),
			     POST
			     "Transfer-Encoding: chunked\r\nContent-Encoding: deflate\r\n\r\n");
	while (left) {
		size_t part = left < 5 ? left : 5;

		n += (size_t)snprintf(request + n, sizeof(request) - n, "%zx\r\n", part);
		memcpy(request + n, body, part);
		memcpy(request + n + part, "\r\n", 2);
		n += part + 2;
		body += part;
		left -= part;
	}
	n += (size_t)snprintf(request + n, sizeof(request) - n, "0\r\n\r\n");
	expect_bytes(request, n, "POST v2 x chunked|end|between", text);
	free(one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_heads),
		TSK_TEST(test_bodies),
		TSK_TEST(test_chunks),
		TSK_TEST(test_smuggling),
		TSK_TEST(test_bad_chunks),
		TSK_TEST(test_nonsense),
		TSK_TEST(test_limits),
		TSK_TEST(test_small_chunks),
		TSK_TEST(test_directly),
		TSK_TEST(test_compressed),
		TSK_TEST(test_compressed_to_nothing),
		TSK_TEST(test_bomb),
		TSK_TEST(test_compressed_badly),
		TSK_TEST(test_compressed_unwanted),
		TSK_TEST(test_compressed_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
