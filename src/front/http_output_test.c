/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http_output.h"

#include <string.h>

#include "base/testing.h"

#include <zlib.h>

static void forget(void *context, const struct buffer *buffer)
{
	(void)context;
	(void)buffer;
}

struct scene {
	struct account account;
	struct buffer_pool buffers;
	struct http_output output;
	struct http_head head;
	char bytes[1 << 16];
	size_t n;
};

static void begin(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	s->account.max_bytes = 1 << 20;
	s->head.minor = 1;
	buffer_pool_init(&s->buffers, &s->account, forget, NULL);
	http_output_init(&s->output, &s->buffers);
}

static void end(struct scene *s)
{
	http_output_done(&s->output);
	buffer_pool_done(&s->buffers);
	assert_int_equal(s->account.used_bytes, 0);
}

static struct oip_json json_of(const char *text)
{
	struct oip_json json = { .bytes = strdup(text), .n = strlen(text) };

	assert_non_null(json.bytes);
	return json;
}

/* All that goes out, at most `pace` bytes and `max` pieces a time. */
static const char *send_all(struct scene *s, size_t pace, unsigned max)
{
	struct iovec iov[16];
	unsigned n_iov;

	s->n = 0;
	while ((n_iov = http_output_gather(&s->output, iov, max))) {
		size_t sent = 0;

		for (unsigned i = 0; i < n_iov && sent < pace; i++) {
			size_t n = iov[i].iov_len < pace - sent ? iov[i].iov_len : pace - sent;

			assert_true(n && s->n + n < sizeof(s->bytes));
			memcpy(s->bytes + s->n, iov[i].iov_base, n);
			s->n += n;
			sent += n;
		}
		http_output_sent(&s->output, sent);
	}
	assert_true(http_output_is_empty(&s->output));
	s->bytes[s->n] = '\0';
	return s->bytes;
}

static void test_text(void **state)
{
	struct scene s;
	struct http_answer answer = { .status = 200, .to = &s.head };

	(void)state;
	begin(&s);
	answer.json = json_of("{}");
	assert_int_equal(http_output_answer(&s.output, &answer), 0);
	assert_string_equal(send_all(&s, SIZE_MAX, 16),
			    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
			    "Content-Length: 2\r\n\r\n{}");
	answer.json = json_of("{}");
	s.head.method = HTTP_HEAD;
	assert_int_equal(http_output_answer(&s.output, &answer), 0);
	assert_string_equal(send_all(&s, 1, 1),
			    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
			    "Content-Length: 2\r\n\r\n");
	s.head = (struct http_head){ .id_field = wire_string("X-Id"), .id = wire_string("7") };
	answer = (struct http_answer){ .status = 405, .to = &s.head, .allow = "GET" };
	assert_int_equal(http_output_answer(&s.output, &answer), 0);
	assert_string_equal(send_all(&s, 7, 1),
			    "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nAllow: GET\r\n"
			    "X-Id: 7\r\nConnection: keep-alive\r\n\r\n");
	answer = (struct http_answer){ .status = 400, .closes = true };
	assert_int_equal(http_output_answer(&s.output, &answer), 0);
	assert_string_equal(send_all(&s, 7, 1), "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n"
						"Connection: close\r\n\r\n");
	end(&s);
}

/* Half of "100 Continue" has gone when the answer comes. */
static void test_continue(void **state)
{
	struct http_answer answer = { .status = 404 };
	struct iovec iov;
	struct scene s;

	(void)state;
	begin(&s);
	http_output_continue(&s.output);
	assert_int_equal(http_output_gather(&s.output, &iov, 1), 1);
	http_output_sent(&s.output, 10);
	assert_int_equal(http_output_answer(&s.output, &answer), 0);
	assert_string_equal(send_all(&s, SIZE_MAX, 16),
			    "00 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\n"
			    "Content-Length: 0\r\n\r\n");
	http_output_continue(&s.output);
	assert_string_equal(send_all(&s, 3, 1), "HTTP/1.1 100 Continue\r\n\r\n");
	end(&s);
}

/* Results of 3 bytes each, in a buffer: every third is in a region, or said in the JSON. */
static void test_results(void **state)
{
	static const size_t paces[] = { 1, 5, 1000, SIZE_MAX };
	struct oip_result results[30];
	struct buffer *buffer;
	struct scene s;
	char *data;

	(void)state;
	begin(&s);
	for (size_t k = 0; k < ARRAY_SIZE(paces) * 2; k++) {
		uint32_t n = k & 1 ? 30 : 4;
		struct http_answer answer = { .status = 200,
					      .to = &s.head,
					      .results = results,
					      .n_results = n,
					      .buffer = &buffer };
		char expected[128] = "";

		assert_int_equal(buffer_pool_take(&s.buffers, 0, 4096, &buffer), 0);
		data = buffer->map.addr;
		memset(results, 0, sizeof(results));
		for (uint32_t i = 0; i < n; i++) {
			memcpy(data + 64 * i, (char[]){ (char)('a' + i % 26), '0', '1' }, 3);
			results[i] = (struct oip_result){ .bytes = i == 1 ? 0 : 3,
							  .data = data + 64 * i,
							  .is_binary = i % 3 != 2 };
			if (i % 3 == 0 && i)
				results[i].region.name = wire_string("r");
			if (i % 3 == 1 && i > 1)
				strncat(expected, data + 64 * i, 3);
		}
		answer.json = json_of("{\"json\":1}");
		assert_int_equal(http_output_answer(&s.output, &answer), 0);
		assert_null(buffer);
		send_all(&s, paces[k / 2], k & 1 ? 16 : 1);
		assert_non_null(strstr(s.bytes, "Inference-Header-Content-Length: 10\r\n"));
		assert_non_null(strstr(s.bytes, "Content-Type: application/octet-stream\r\n"));
		assert_memory_equal(strstr(s.bytes, "\r\n\r\n") + 4, "{\"json\":1}a01", 13);
		assert_string_equal(strstr(s.bytes, "\r\n\r\n") + 17, expected);
	}
	end(&s);
}

/* The connection ends before the answer has gone. */
static void test_cut(void **state)
{
	struct oip_result result = { .bytes = 3, .is_binary = true };
	struct buffer *buffer;
	struct scene s;
	struct http_answer answer = {
		.status = 200, .to = &s.head, .results = &result, .n_results = 1, .buffer = &buffer
	};

	(void)state;
	begin(&s);
	assert_int_equal(buffer_pool_take(&s.buffers, 0, 4096, &buffer), 0);
	result.data = buffer->map.addr;
	answer.json = json_of("{}");
	assert_int_equal(http_output_answer(&s.output, &answer), 0);
	http_output_sent(&s.output, 9);
	end(&s);
}

static void expect_compressed(struct scene *s, const char *text, const char *coding, int bits)
{
	char *body = strstr(s->bytes, "\r\n\r\n") + 4;
	z_stream z = { .next_in = (Bytef *)body,
		       .avail_in = (uInt)(s->n - (size_t)(body - s->bytes)) };
	char back[8192];
	char said[64];

	snprintf(said, sizeof(said), "\r\nContent-Encoding: %s\r\n", coding);
	assert_non_null(strstr(s->bytes, said));
	assert_int_equal(inflateInit2(&z, bits), Z_OK);
	z.next_out = (Bytef *)back;
	z.avail_out = sizeof(back);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, strlen(text));
	assert_memory_equal(back, text, z.total_out);
	assert_int_equal(z.avail_in, 0);
	inflateEnd(&z);
}

static void test_compressed(void **state)
{
	struct scene s;
	const struct oip_result result = { .dtype = TENSOCK_FLOAT32 };
	struct http_answer answer = {
		.status = 200, .to = &s.head, .results = &result, .n_results = 1
	};
	char text[4096];

	(void)state;
	begin(&s);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('a' + i / 100 % 26);
	text[sizeof(text) - 1] = '\0';
	s.head.takes_deflate = true;
	answer.json = json_of(text);
	assert_int_equal(http_output_answer(&s.output, &answer), 0);
	send_all(&s, SIZE_MAX, 16);
	expect_compressed(&s, text, "deflate", 15);
	s.head.takes_gzip = true;
	answer.json = json_of(text);
	assert_int_equal(http_output_answer(&s.output, &answer), 0);
	send_all(&s, 100, 16);
	expect_compressed(&s, text, "gzip", 31);
	/* One without results, a short one, and one that does not become shorter. */
	answer.n_results = 0;
	answer.json = json_of(text);
	assert_int_equal(http_output_answer(&s.output, &answer), 0);
	send_all(&s, 100, 16);
	assert_null(strstr(s.bytes, "Content-Encoding"));
	answer.n_results = 1;
	answer.json = json_of("{}");
	assert_int_equal(http_output_answer(&s.output, &answer), 0);
	assert_null(strstr(send_all(&s, 100, 16), "Content-Encoding"));
	srandom(1);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)(random() % 255 + 1);
	answer.json = json_of(text);
	assert_int_equal(http_output_answer(&s.output, &answer), 0);
	send_all(&s, 100, 16);
	assert_null(strstr(s.bytes, "Content-Encoding"));
	assert_string_equal(strstr(s.bytes, "\r\n\r\n") + 4, text);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_text), TSK_TEST(test_continue),   TSK_TEST(test_results),
		TSK_TEST(test_cut),  TSK_TEST(test_compressed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
