/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP connections of a whole front, whose supervisor and workers the test plays. */
#include "front/http_session.h"

#include <string.h>

#include "base/log.h"
#include "base/testing.h"
#include "front/limit_hits.h"
#include "front/models_asked.h"
#include "front/rig.h"

#define HOST "Host: h\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define INFER "POST /v2/models/name/infer HTTP/1.1\r\n" HOST

/* The input of [1,3] behind its JSON, which are 12 and 116 bytes. */
#define JSON                                                               \
	"{\"id\":\"7\",\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\"," \
	"\"shape\":[1,3],\"parameters\":{\"binary_data_size\":12}}],"      \
	"\"parameters\":{\"binary_data_output\":true}}"
#define JSON_TEXT                                                             \
	"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,3]," \
	"\"data\":[[1,2,3]]}]}"

/* What a connection is answered, until it is looked at. */
struct peer {
	struct rig *rig;
	int fd;
	char bytes[16384];
	size_t n;

	/* The last answer; they lie in bytes. */
	unsigned status;
	char head[2048];
	char body[8192];
	size_t n_body;
};

static void connect_peer(struct peer *p, struct rig *rig)
{
	*p = (struct peer){ .rig = rig, .fd = rig_connect(rig) };
}

static void say_bytes(struct peer *p, const void *bytes, size_t n)
{
	rig_write(p->rig, p->fd, bytes, n);
}

static void say(struct peer *p, const char *text)
{
	say_bytes(p, text, strlen(text));
}

/* Reads what there is; false at the end. */
static bool take_bytes(struct peer *p)
{
	ssize_t n;

	rig_run(p->rig, 1);
	n = recv(p->fd, p->bytes + p->n, sizeof(p->bytes) - 1 - p->n, MSG_DONTWAIT);
	if (n > 0)
		p->n += (size_t)n;
	p->bytes[p->n] = '\0';
	return n != 0 && !(n < 0 && errno == ECONNRESET);
}

/* False: it has not come whole. */
static bool take_answer(struct peer *p, bool has_body)
{
	char *end = strstr(p->bytes, "\r\n\r\n"), *length;
	size_t n_head, n_body = 0;

	if (!end)
		return false;
	n_head = (size_t)(end + 4 - p->bytes);
	assert_true(n_head < sizeof(p->head));
	memcpy(p->head, p->bytes, n_head);
	p->head[n_head] = '\0';
	assert_int_equal(sscanf(p->head, "HTTP/1.1 %u ", &p->status), 1);
	length = strstr(p->head, "Content-Length: ");
	if (has_body && p->status != 100)
		assert_non_null(length);
	if (has_body && length) {
		/* Not that of Inference-Header-Content-Length. */
		while (length[-1] != '\n')
			assert_non_null(length = strstr(length + 1, "Content-Length: "));
		n_body = strtoul(length + 16, NULL, 10);
	}
	if (p->n < n_head + n_body)
		return false;
	assert_true(n_body < sizeof(p->body));
	memcpy(p->body, p->bytes + n_head, n_body);
	p->body[n_body] = '\0';
	p->n_body = n_body;
	p->n -= n_head + n_body;
	memmove(p->bytes, p->bytes + n_head + n_body, p->n + 1);
	return true;
}

static void expect_head(struct peer *p, unsigned status, const char *body)
{
	for (int i = 0; i < 2000 && !take_answer(p, body != NULL); i++)
		assert_true(take_bytes(p) || p->n);
	assert_int_equal(p->status, status);
	p->status = 0;
	if (body && !strstr(p->body, body))
		fail_msg("\"%s\" does not say \"%s\"", p->body, body);
}

static void expect(struct peer *p, unsigned status, const char *body)
{
	expect_head(p, status, body);
	assert_null(strstr(p->head, "Connection: close"));
}

/* The last answer; and the connection ends. */
static void expect_last(struct peer *p, unsigned status, const char *body)
{
	expect_head(p, status, body);
	assert_non_null(strstr(p->head, "Connection: close"));
	shutdown(p->fd, SHUT_WR);
	for (int i = 0; i < 2000 && take_bytes(p); i++)
		;
	assert_int_equal(p->n, 0);
	close(p->fd);
}

static void expect_silence(struct peer *p)
{
	for (int i = 0; i < 5; i++)
		assert_true(take_bytes(p));
	assert_int_equal(p->n, 0);
}

/* head: of the request, but for its lengths. */
static void infer(struct peer *p, const char *head, const char *json, const void *binary, size_t n)
{
	char request[4096];
	int len =
		snprintf(request, sizeof(request),
			 "%sContent-Length: %zu\r\nInference-Header-Content-Length: %zu\r\n\r\n%s",
			 head, strlen(json) + n, strlen(json), json);

	memcpy(request + len, binary, n);
	say_bytes(p, request, (size_t)len + n);
}

static const float input[3] = { 1, 2, 3 };

static void infer_three(struct peer *p)
{
	infer(p, INFER, JSON, input, sizeof(input));
}

/* The worker's turn, which gets the three and answers 0.5 and 1. */
static void run_three(struct rig *rig, struct rig_worker *worker)
{
	struct run_entry start = rig_worker_expect(rig, worker, RUN_START);
	char *region = rig_worker_region(worker, start.in_buffer, start.in_offset, start.in_bytes);
	struct run_tensor t;
	unsigned n;

	assert_int_equal(run_read(region, start.in_bytes, &t, 1, &n), 0);
	assert_int_equal(t.bytes, sizeof(input));
	assert_memory_equal(region + t.offset, input, sizeof(input));
	rig_worker_done(worker, &start, values, 2);
}

static void expect_values(struct peer *p)
{
	char *length;
	size_t n;

	expect(p, 200, "\"model_name\":\"name\"");
	length = strstr(p->head, "Inference-Header-Content-Length: ");
	assert_non_null(length);
	n = strtoul(length + 33, NULL, 10);
	assert_int_equal(p->n_body, n + sizeof(values));
	assert_memory_equal(p->body + n, values, sizeof(values));
	assert_non_null(strstr(p->head, "Content-Type: application/octet-stream\r\n"));
}

/* A rig with the model, and a connection. */
struct scene {
	struct rig rig;
	struct rig_worker *worker;
	struct peer peer;
};

static void begin(struct scene *s)
{
	struct front_start limits = rig_limits();

	rig_init(&s->rig, &limits);
	s->worker = push_loaded(&s->rig, "model", "name", "");
	connect_peer(&s->peer, &s->rig);
}

static void end(struct scene *s)
{
	rig_worker_exit(&s->rig, s->worker, 0);
	rig_done(&s->rig);
}

static void end_peer(struct scene *s)
{
	close(s->peer.fd);
	rig_run(&s->rig, 2);
	end(s);
}

static void test_answers(void **state)
{
	struct scene s;
	struct peer *p = &s.peer;

	(void)state;
	begin(&s);
	say(p, GET("/v2/health/live") GET("/v2/health/ready"));
	expect(p, 200, "{\"live\":true,\"ready\":true}");
	expect(p, 200, "{\"live\":true,\"ready\":true}");
	say(p, "HEAD /v2 HTTP/1.1\r\n" HOST "\r\n");
	expect(p, 200, NULL);
	say(p, GET("/v2"));
	expect(p, 200, "\"extensions\":[\"classification\"");
	say(p, GET("/v2/models/name"));
	expect(p, 200, "\"versions\":[\"1\"]");
	say(p, GET("/v2/models/name/versions/1/config"));
	expect(p, 200, "\"max_batch_size\":0");
	say(p, GET("/v2/models/name/ready"));
	expect(p, 200, "\"ready\":true");
	say(p, GET("/v2/models/stats"));
	expect(p, 200, "\"inference_count\":0");
	say(p, "POST /v2/repository/index HTTP/1.1\r\n" HOST "\r\n");
	expect(p, 200, "[{\"name\":\"name\"");
	say(p, GET("/v2/systemsharedmemory/status"));
	expect(p, 200, "[]");
	say(p, "POST /v2/cudasharedmemory/unregister HTTP/1.1\r\n" HOST "\r\n");
	expect(p, 200, "");
	say(p, "POST /v2/cudasharedmemory/region/a/register HTTP/1.1\r\n" HOST
	       "Content-Length: 2\r\n\r\n{}");
	expect(p, 501, "CUDA");
	say(p, GET("/v2/trace/setting") GET("/v2/logging"));
	expect(p, 200, "OFF");
	expect(p, 200, "log_verbose_level");
	say(p,
	    "POST /v2/logging HTTP/1.1\r\n" HOST "Content-Length: 18\r\n\r\n{\"log_info\":false}");
	expect(p, 501, "operator");
	end_peer(&s);
}

/* The level that holds, in whatever form the lines are. */
static void test_logging(void **state)
{
	struct front_start limits = rig_limits();
	struct peer p;
	struct rig rig;

	(void)state;
	limits.log_level = TSK_LOG_WARNING | TSK_LOG_JSON;
	rig_init(&rig, &limits);
	connect_peer(&p, &rig);
	say(&p, GET("/v2/logging"));
	expect(&p, 200,
	       "\"log_info\":false,\"log_warning\":true,\"log_error\":true,"
	       "\"log_verbose_level\":0");
	close(p.fd);
	rig_done(&rig);
}

static void test_refused(void **state)
{
	struct scene s;
	struct peer *p = &s.peer;

	(void)state;
	begin(&s);
	say(p, GET("/") GET("/metrics") GET("/v2/models/name/infer/x"));
	expect(p, 404, "/v2");
	expect(p, 404, "operator");
	expect(p, 404, "/v2");
	say(p, GET("/v2/models/other") GET("/v2/models/name/versions/9"));
	expect(p, 404, "Request for unknown model: 'other' is not found");
	expect(p, 404, "version 9 is not found");
	say(p, "DELETE /v2/models/name HTTP/1.1\r\n" HOST "\r\n");
	expect(p, 405, "DELETE");
	assert_non_null(strstr(p->head, "\r\nAllow: GET, HEAD\r\n"));
	say(p, GET("/v2/models/name/infer"));
	expect(p, 405, "POST");
	say(p, INFER "\r\n");
	expect(p, 411, "Content-Length");
	/* What was not looked at of a body is passed over. */
	say(p, "POST /v2/x HTTP/1.1\r\n" HOST "Content-Length: 30\r\n\r\n"
	       "GET /v2 HTTP/1.1\r\n123456789012");
	expect(p, 404, "/v2");
	say(p, GET("/v2/health/live"));
	expect(p, 200, "live");
	say(p, "GET /v2 HTTP/1.1\r\n" HOST "X-Request-ID: a b\r\n\r\n");
	expect(p, 200, "");
	assert_non_null(strstr(p->head, "\r\nX-Request-ID: a b\r\n"));
	end_peer(&s);
}

static void test_inference(void **state)
{
	struct scene s;
	struct peer *p = &s.peer;

	(void)state;
	begin(&s);
	for (int i = 0; i < 3; i++) {
		infer_three(p);
		run_three(&s.rig, s.worker);
		expect_values(p);
		assert_non_null(strstr(p->body, "\"id\":\"7\""));
	}
	assert_int_equal(s.rig.guest->counters.ok, 3);
	end_peer(&s);
}

/* In pieces of one byte; and several requests in one piece, which wait for each other. */
static void test_pieces(void **state)
{
	char request[2048];
	int n = snprintf(request, sizeof(request),
			 INFER "Content-Length: %zu\r\n\r\n" JSON_TEXT GET("/v2/health/live") INFER
			 "Content-Length: %zu\r\n\r\n" JSON_TEXT,
			 strlen(JSON_TEXT), strlen(JSON_TEXT));
	struct scene s;
	struct peer *p = &s.peer;

	(void)state;
	begin(&s);
	for (int pace = 1; pace <= n; pace += n - 1) {
		for (int at = 0; at < n; at += pace)
			say_bytes(p, request + at, (size_t)pace);
		run_three(&s.rig, s.worker);
		expect(p, 200, "\"data\":[0.5,1");
		expect(p, 200, "live");
		run_three(&s.rig, s.worker);
		expect(p, 200, "\"data\":[0.5,1");
		assert_non_null(strstr(p->head, "Content-Type: application/json\r\n"));
	}
	end_peer(&s);
}

static void test_raw(void **state)
{
	struct scene s;
	struct peer *p = &s.peer;

	(void)state;
	begin(&s);
	infer(p, INFER, "", input, sizeof(input));
	run_three(&s.rig, s.worker);
	expect_values(p);
	say(p,
	    INFER "Transfer-Encoding: chunked\r\nInference-Header-Content-Length: 0\r\n\r\nC\r\n");
	say_bytes(p, input, sizeof(input));
	say(p, "\r\n0\r\n\r\n");
	run_three(&s.rig, s.worker);
	expect_values(p);
	infer(p, INFER, "", input, sizeof(input) - 1);
	expect(p, 400, "11 bytes are no whole number of 12");
	end_peer(&s);
}

static void test_chunked(void **state)
{
	char request[2048];
	int n = snprintf(request, sizeof(request),
			 INFER "Transfer-Encoding: chunked\r\n"
			       "Inference-Header-Content-Length: %zu\r\n\r\n%zx\r\n" JSON
			       "\r\nC\r\n",
			 strlen(JSON), strlen(JSON));
	struct scene s;
	struct peer *p = &s.peer;

	(void)state;
	begin(&s);
	memcpy(request + n, input, sizeof(input));
	memcpy(request + n + sizeof(input), "\r\n0\r\n\r\n", 7);
	say_bytes(p, request, (size_t)n + sizeof(input) + 7);
	run_three(&s.rig, s.worker);
	expect_values(p);
	/* A byte more than the inputs take. */
	memcpy(request + n + sizeof(input), "\r\n1\r\nx\r\n0\r\n\r\n", 14);
	say_bytes(p, request, (size_t)n + sizeof(input) + 13);
	expect_last(p, 400, "more bytes");
	connect_peer(p, &s.rig);
	/* And fewer. */
	memcpy(strstr(request, "\r\nC\r\n"), "\r\nB\r\n", 5);
	memcpy(request + n + sizeof(input) - 1, "\r\n0\r\n\r\n", 7);
	say_bytes(p, request, (size_t)n + sizeof(input) - 1 + 7);
	expect(p, 400, "fewer bytes");
	end_peer(&s);
}

/* What is said of sizes must be true. */
static void test_sizes(void **state)
{
	uint64_t n_hits;
	struct scene s;
	struct peer *p = &s.peer;

	(void)state;
	begin(&s);
	infer(p, INFER, JSON, input, sizeof(input) - 1);
	expect(p, 400, "11 bytes stand behind the JSON");
	infer(p, INFER, JSON_TEXT, input, 1);
	expect(p, 400, "1 bytes stand behind the JSON");
	say(p, INFER "Content-Length: 2\r\nInference-Header-Content-Length: 3\r\n\r\n{}");
	expect(p, 400, "more than Content-Length");
	say(p, INFER "Content-Length: 9\r\n\r\n{\"inputs\"");
	expect(p, 400, "JSON");
	say(p, INFER "Content-Length: 1048577\r\n\r\n");
	expect_last(p, 413, "max-request-size");
	connect_peer(p, &s.rig);
	say(p, INFER "Content-Length: 9223372036854775807\r\nInference-Header-Content-Length: "
		     "9223372036854775807\r\n\r\n");
	expect_last(p, 413, "max-request-size");
	connect_peer(p, &s.rig);
	n_hits = limit_hits(METRICS_LIMIT_MODEL_SIZE);
	say(p, "POST /v2/repository/models/a/load HTTP/1.1\r\n" HOST
	       "Content-Length: 2000000\r\n\r\n");
	expect_last(p, 413, "max-model-size");
	assert_int_equal(limit_hits(METRICS_LIMIT_MODEL_SIZE), n_hits + 1);
	end(&s);
}

static void test_expects(void **state)
{
	char head[512];
	struct scene s;
	struct peer *p = &s.peer;

	(void)state;
	begin(&s);
	snprintf(head, sizeof(head), INFER "Content-Length: %zu\r\nExpect: 100-continue\r\n\r\n",
		 strlen(JSON_TEXT));
	say(p, head);
	expect(p, 100, NULL);
	expect_silence(p);
	say(p, JSON_TEXT);
	run_three(&s.rig, s.worker);
	expect(p, 200, "0.5");
	/* Who does not wait is not told. */
	say(p, head);
	expect(p, 100, NULL);
	say(p, JSON_TEXT);
	run_three(&s.rig, s.worker);
	expect(p, 200, "0.5");
	say(p, "POST /v2/models/other/infer HTTP/1.1\r\n" HOST
	       "Content-Length: 100\r\nExpect: 100-continue\r\n\r\n");
	expect_last(p, 404, "other");
	connect_peer(p, &s.rig);
	say(p, INFER "Content-Length: 10000000\r\nExpect: 100-continue\r\n\r\n");
	expect_last(p, 413, "max-request-size");
	end(&s);
}

static void test_broken(void **state)
{
	static const char *const requests[] = {
		"GET /v2 HTTP/1.1\r\n\r\n",
		"POST /v2 HTTP/1.1\r\n" HOST
		"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		INFER "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
		INFER "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
	};
	struct scene s;
	struct peer *p = &s.peer;

	(void)state;
	begin(&s);
	close(p->fd);
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		connect_peer(p, &s.rig);
		say(p, requests[i]);
		say(p, GET("/v2"));
		expect_last(p, 400, "error");
	}
	end(&s);
}

/* A connection that ends takes with it what was under way for it. */
static void test_gone(void **state)
{
	struct scene s;
	struct peer *p = &s.peer;

	(void)state;
	begin(&s);
	infer_three(p);
	(void)rig_worker_expect(&s.rig, s.worker, RUN_START);
	close(p->fd);
	(void)rig_worker_expect(&s.rig, s.worker, RUN_CANCEL);
	assert_int_equal(s.rig.guest->counters.cancelled, 1);
	/* In the middle of its body. */
	connect_peer(p, &s.rig);
	say(p, INFER "Content-Length: 100\r\n\r\n{");
	close(p->fd);
	rig_run(&s.rig, 2);
	assert_int_equal(s.rig.guest->counters.reset, 1);
	assert_int_equal(s.rig.guest->n_calls, 0);
	/* One that sends no more has its answers. */
	connect_peer(p, &s.rig);
	say(p, GET("/v2/health/live") "GET /v2");
	shutdown(p->fd, SHUT_WR);
	expect(p, 200, "live");
	rig_expect_end(&s.rig, p->fd);
	end_peer(&s);
}

/* All that has come whole is answered. */
static void test_half_closed(void **state)
{
	struct scene s;
	struct peer *p = &s.peer;

	(void)state;
	begin(&s);
	infer_three(p);
	say(p, GET("/v2/health/live"));
	shutdown(p->fd, SHUT_WR);
	run_three(&s.rig, s.worker);
	expect_values(p);
	expect_last(p, 200, "live");
	end(&s);
}

static void test_deadline(void **state)
{
	static const char json[] =
		"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,3],"
		"\"parameters\":{\"binary_data_size\":12}}],\"parameters\":{\"timeout\":1000}}";
	struct scene s;
	struct peer *p = &s.peer;
	char head[512];

	(void)state;
	begin(&s);
	infer(p, INFER, json, input, sizeof(input));
	(void)rig_worker_expect(&s.rig, s.worker, RUN_START);
	expect(p, 504, "deadline");
	/* Before the body is whole: what is missing of it is passed over. */
	snprintf(head, sizeof(head),
		 INFER "Content-Length: %zu\r\nInference-Header-Content-Length: %zu\r\n\r\n%s",
		 strlen(json) + sizeof(input), strlen(json), json);
	say(p, head);
	expect(p, 504, "deadline");
	say_bytes(p, input, sizeof(input));
	say(p, GET("/v2"));
	expect(p, 200, "tensock");
	end_peer(&s);
}

static void test_stop(void **state)
{
	struct scene s;
	struct peer *p = &s.peer, idle, late;

	(void)state;
	begin(&s);
	connect_peer(&idle, &s.rig);
	say(&idle, GET("/v2/health/live"));
	expect(&idle, 200, "live");
	connect_peer(&late, &s.rig);
	infer_three(p);
	infer_three(&late);
	(void)rig_worker_expect(&s.rig, s.worker, RUN_START);
	rig_send(&s.rig, FRONT_STOP, 0, 0, 0, -1);
	rig_expect_end(&s.rig, idle.fd);
	close(idle.fd);
	sessions_give_up(&s.rig.guest->sessions);
	expect_last(p, 503, "goes down");
	expect_last(&late, 503, "goes down");
	end(&s);
}

static void test_stop_finishes(void **state)
{
	struct scene s;
	struct peer *p = &s.peer;

	(void)state;
	begin(&s);
	infer_three(p);
	rig_run(&s.rig, 2);
	sessions_stop(&s.rig.guest->sessions);
	run_three(&s.rig, s.worker);
	expect_last(p, 200, "name");
	end(&s);
}

/* Above max-connections it is told so in its own words. */
static void test_too_many(void **state)
{
	struct front_start limits = rig_limits();
	struct peer first, second;
	struct rig rig;

	(void)state;
	limits.connections_max = 1;
	rig_init(&rig, &limits);
	connect_peer(&first, &rig);
	connect_peer(&second, &rig);
	say(&second, GET("/v2"));
	expect_last(&second, 429, "max-connections");
	say(&first, GET("/v2"));
	expect(&first, 200, "tensock");
	close(first.fd);
	rig_done(&rig);
}

/* As many requests as max-requests allows. */
static void test_too_many_requests(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct peer first, second;
	struct rig rig;

	(void)state;
	limits.requests_max = 1;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "");
	connect_peer(&first, &rig);
	connect_peer(&second, &rig);
	infer_three(&first);
	rig_run(&rig, 2);
	infer_three(&second);
	expect(&second, 429, "max-requests");
	run_three(&rig, worker);
	expect_values(&first);
	infer_three(&second);
	run_three(&rig, worker);
	expect_values(&second);
	close(first.fd);
	close(second.fd);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/*
 * Too few bytes: of a head, of a body.  The pauses are far from the timeout: a busy machine makes them
 * longer.
 */
static void test_silence(void **state)
{
	const unsigned idle_ms = 400, pause_ms = 80;
	struct front_start limits = rig_limits();
	struct peer p;
	struct rig rig;

	(void)state;
	limits.idle_timeout_ms = idle_ms;
	rig_init(&rig, &limits);
	connect_peer(&p, &rig);
	say(&p, "GET /v2 HT");
	rig_expect_end(&rig, p.fd);
	close(p.fd);
	connect_peer(&p, &rig);
	say(&p, "POST /v2/repository/index HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n");
	rig_expect_end(&rig, p.fd);
	close(p.fd);
	/* Between requests it may be silent. */
	connect_peer(&p, &rig);
	say(&p, GET("/v2/health/live"));
	expect(&p, 200, "live");
	rig_run(&rig, 3 * idle_ms / 2);
	say(&p, GET("/v2/health/live"));
	expect(&p, 200, "live");
	/* A head that grows is not held for ever. */
	say(&p, "GET /v2 HTTP/1.1\r\n" HOST);
	for (unsigned i = 0; i <= idle_ms / pause_ms && !p.n; i++) {
		char field[80];

		snprintf(field, sizeof(field), "X: %065u\r\n", i);
		rig_run(&rig, pause_ms);
		if (take_bytes(&p) && !p.n)
			say(&p, field);
	}
	expect_last(&p, 408, "idle-timeout");
	rig_done(&rig);
}

static void test_load(void **state)
{
	static const char load[] =
		"{\"parameters\":{\"config\":\"{}\",\"file:3/model.onnx\":\"b3RoZXI=\"}}";
	char request[512];
	struct rig_worker *worker;
	uint64_t used;
	struct scene s;
	struct peer *p = &s.peer;

	(void)state;
	begin(&s);
	snprintf(request, sizeof(request),
		 "POST /v2/repository/models/new/load HTTP/1.1\r\n" HOST
		 "Content-Length: %zu\r\n\r\n%s",
		 strlen(load), load);
	used = s.rig.guest->account.used_bytes;
	say(p, request);
	for (int i = 0; i < 2000 && s.rig.guest->account.used_bytes == used; i++)
		rig_run(&s.rig, 1);
	/* While it is loaded, what it came in takes no memory any more. */
	assert_int_equal(s.rig.guest->account.used_bytes, used + strlen("other"));
	worker = rig_worker_with(&s.rig, "other");
	expect(p, 200, "");
	say(p, GET("/v2/models/new/versions/3"));
	expect(p, 200, "\"versions\":[\"3\"]");
	say(p, "POST /v2/repository/models/new/unload HTTP/1.1\r\n" HOST
	       "Content-Length: 45\r\n\r\n{\"parameters\":{\"unload_dependents\":false}}   ");
	rig_worker_expect_end(&s.rig, worker);
	rig_worker_exit(&s.rig, worker, 0);
	expect(p, 200, "");
	say(p, GET("/v2/models/new/ready"));
	expect(p, 400, "\"ready\":false");
	say(p,
	    "POST /v2/repository/models/none/load HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}");
	expect(p, 404, "none");
	say(p,
	    "POST /v2/repository/models/new/load HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n{");
	expect(p, 400, "JSON");
	end_peer(&s);
}

/* Answers that their client takes compressed: no inference's, and thus not. */
static void test_compressed(void **state)
{
	struct scene s;
	struct peer *p = &s.peer;

	(void)state;
	begin(&s);
	say(p, "GET /v2/models/stats HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n");
	expect(p, 200, "model_stats");
	assert_null(strstr(p->head, "Content-Encoding"));
	say(p, "GET /v2 HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n");
	expect(p, 200, "tensock");
	assert_null(strstr(p->head, "Content-Encoding"));
	end_peer(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_answers),
		TSK_TEST(test_logging),
		TSK_TEST(test_refused),
		TSK_TEST(test_inference),
		TSK_TEST(test_pieces),
		TSK_TEST(test_raw),
		TSK_TEST(test_chunked),
		TSK_TEST(test_sizes),
		TSK_TEST(test_expects),
		TSK_TEST(test_broken),
		TSK_TEST(test_gone),
		TSK_TEST(test_half_closed),
		TSK_TEST(test_deadline),
		TSK_TEST(test_stop),
		TSK_TEST(test_stop_finishes),
		TSK_TEST(test_too_many),
		TSK_TEST(test_too_many_requests),
		TSK_TEST(test_silence),
		TSK_TEST(test_load),
		TSK_TEST(test_compressed),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
