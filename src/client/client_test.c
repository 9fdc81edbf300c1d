/* SPDX-License-Identifier: Apache-2.0 */
#include "base/testing.h"

#include <stdlib.h>
#include <string.h>

#include <tensock/tensock.h>

#include "base/clock.h"
#include "client/client.h"
#include "client/fake_host.h"

/* All short, but for what a test is about. */
static const struct tensock_client_options quick = {
	.size = sizeof(quick),
	.connect_timeout_ms = 5000,
	.timeout_ms = 5000,
	.heartbeat_ms = 5000,
	.program = "test",
};

struct rig {
	struct fake_host host;
	struct tensock_client *client;
	struct tensock_error error;
};

static void begin(struct rig *rig, const struct tensock_client_options *options,
		  void (*script)(struct fake_host *host))
{
	rig->error = (struct tensock_error){ 0 };
	fake_host_start(&rig->host, script, rig);
	assert_int_equal(tensock_client_new(rig->host.address, options, &rig->client, &rig->error),
			 0);
}

static void end(struct rig *rig)
{
	tensock_client_free(rig->client);
	fake_host_done(&rig->host);
}

static void pong(struct fake_host *host)
{
	fake_host_expect(host, WIRE_PING);
	fake_host_write(host, WIRE_PONG, host->header.id, NULL, 0);
}

/*
 * ---- Without a host
 */

static void test_options(void **state)
{
	struct tensock_client_options options = { .size = sizeof(options) };
	struct tensock_client *client = NULL;

	(void)state;
	assert_int_equal(tensock_client_new("nowhere", NULL, &client, NULL),
			 TENSOCK_INVALID_ARGUMENT);
	options.size = 0;
	assert_int_equal(tensock_client_new("unix:/x", &options, &client, NULL),
			 TENSOCK_INVALID_ARGUMENT);
	options.size = sizeof(options);
	options.reserved = 1;
	assert_int_equal(tensock_client_new("unix:/x", &options, &client, NULL),
			 TENSOCK_INVALID_ARGUMENT);
	options.reserved = 0;
	options.program = "a name of more than forty bytes, which is too long";
	assert_int_equal(tensock_client_new("unix:/x", &options, &client, NULL),
			 TENSOCK_INVALID_ARGUMENT);
	assert_null(client);
	/* An older caller's structure ends earlier. */
	options.size = offsetof(struct tensock_client_options, timeout_ms);
	options.connect_timeout_ms = 7;
	assert_int_equal(tensock_client_new("unix:/x", &options, &client, NULL), 0);
	assert_int_equal(client->options.connect_timeout_ns, 7 * TSK_NS_PER_MS);
	assert_int_equal(client->options.timeout_ns, 60 * TSK_NS_PER_SEC);
	tensock_client_free(client);
	assert_int_equal(setenv("TENSOCK_HOST", "unix:/by/the/environment", 1), 0);
	assert_int_equal(tensock_client_new(NULL, NULL, &client, NULL), 0);
	assert_string_equal(client->address.text, "unix:/by/the/environment");
	tensock_client_free(client);
	assert_int_equal(unsetenv("TENSOCK_HOST"), 0);
}

static void test_nobody_listens(void **state)
{
	struct tensock_client *client;
	struct tensock_error error;
	uint64_t begin_ns = tsk_now_ns();

	(void)state;
	assert_int_equal(tensock_client_new("unix:/nowhere/at/all", NULL, &client, NULL), 0);
	assert_int_equal(tensock_ping(client, NULL, &error), TENSOCK_UNAVAILABLE);
	assert_string_equal(error.message,
			    "cannot connect to unix:/nowhere/at/all: there is no such socket");
	assert_int_equal(tensock_client_get_fd(client), -1);
	assert_int_equal(tensock_client_get_timeout(client), -1);
	assert_true(tsk_now_ns() - begin_ns < TSK_NS_PER_SEC);
	tensock_client_free(client);
}

/*
 * ---- Greetings
 */

static void host_pongs(struct fake_host *host)
{
	fake_host_greet(host);
	while (fake_host_read(host))
		fake_host_write(host, WIRE_PONG, host->header.id, NULL, 0);
}

static void test_host_info(void **state)
{
	struct tensock_host_info info = { .size = sizeof(info) };
	struct rig rig;
	uint64_t ns = 0;

	(void)state;
	begin(&rig, &quick, host_pongs);
	assert_int_equal(tensock_client_host(rig.client, &info, NULL), TENSOCK_UNAVAILABLE);
	assert_int_equal(tensock_client_connect(rig.client, &rig.error), 0);
	assert_int_equal(tensock_client_connect(rig.client, &rig.error), 0);
	assert_int_equal(tensock_client_host(rig.client, &info, NULL), 0);
	assert_int_equal(info.size, sizeof(info));
	assert_int_equal(info.requests_max, 8);
	assert_string_equal(info.program, "fake 1");
	assert_string_equal(info.guest, "test?");
	assert_string_equal(info.address, rig.host.address);
	assert_int_equal(tensock_ping(rig.client, &ns, &rig.error), 0);
	assert_true(ns > 0);
	end(&rig);
}

static void host_says(struct fake_host *host, const struct wire_welcome *welcome)
{
	unsigned char body[64];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	fake_host_accept(host);
	fake_host_expect(host, WIRE_HELLO);
	wire_welcome_write(&w, welcome);
	fake_host_write(host, WIRE_WELCOME, 0, body, tsk_writer_len(&w));
	while (fake_host_read(host))
		;
}

static void host_another_version(struct fake_host *host)
{
	const struct wire_welcome welcome = { .version = 2, .requests_max = 1 };

	host_says(host, &welcome);
}

static void host_gives_more(struct fake_host *host)
{
	const struct wire_welcome welcome = { .version = 1,
					      .requests_max = 1,
					      .features = WIRE_FEATURES | 4 };

	host_says(host, &welcome);
}

static void host_refuses(struct fake_host *host)
{
	fake_host_accept(host);
	fake_host_expect(host, WIRE_HELLO);
	fake_host_error(host, WIRE_ERROR, 0, TENSOCK_PERMISSION_DENIED, "not you");
	while (fake_host_read(host))
		;
}

/* A daemon without the protocol, as the seed's: it closes, or says "ER". */
static void host_closes(struct fake_host *host)
{
	fake_host_accept(host);
	fake_host_expect(host, WIRE_HELLO);
}

static void host_is_another(struct fake_host *host)
{
	fake_host_accept(host);
	fake_host_raw(host, "220 mail.example ESMTP ready\r\n", 30);
	while (fake_host_read(host))
		;
}

static void host_is_early(struct fake_host *host)
{
	fake_host_accept(host);
	fake_host_write(host, WIRE_PONG, 1, NULL, 0);
	while (fake_host_read(host))
		;
}

static void host_is_silent(struct fake_host *host)
{
	fake_host_accept(host);
	while (fake_host_read(host))
		;
}

static void test_greetings(void **state)
{
	static const struct {
		void (*script)(struct fake_host *host);
		int status;
		const char *text;
	} cases[] = {
		{ host_another_version, TENSOCK_UNSUPPORTED, "version 2" },
		{ host_gives_more, TENSOCK_PROTOCOL, "not offered" },
		{ host_refuses, TENSOCK_PERMISSION_DENIED, "not you" },
		{ host_closes, TENSOCK_UNAVAILABLE, "without a greeting" },
		{ host_is_another, TENSOCK_PROTOCOL, "does not speak" },
		{ host_is_early, TENSOCK_PROTOCOL, "PONG" },
		{ host_is_silent, TENSOCK_DEADLINE_EXCEEDED, "greeting" },
	};
	struct tensock_client_options options = quick;

	(void)state;
	options.connect_timeout_ms = 100;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig rig;

		begin(&rig, &options, cases[i].script);
		assert_int_equal(tensock_client_connect(rig.client, &rig.error), cases[i].status);
		if (!strstr(rig.error.message, cases[i].text))
			print_error("%u: %s\n", i, rig.error.message);
		assert_non_null(strstr(rig.error.message, cases[i].text));
		end(&rig);
	}
}

/*
 * ---- Connections that break
 */

static unsigned connections;

/* Three that end without an answer, then one with. */
static void host_breaks(struct fake_host *host)
{
	for (connections = 1; connections <= 3; connections++) {
		fake_host_greet(host);
		fake_host_expect(host, WIRE_PING);
	}
	fake_host_greet(host);
	pong(host);
}

static void test_repeats(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, &quick, host_breaks);
	assert_int_equal(tensock_ping(rig.client, NULL, &rig.error), 0);
	end(&rig);
	assert_int_equal(connections, 4);
}

static void host_breaks_always(struct fake_host *host)
{
	for (connections = 1; connections <= 3; connections++) {
		fake_host_greet(host);
		fake_host_expect(host, WIRE_PING);
	}
}

static void test_gives_up(void **state)
{
	struct tensock_client_options options = quick;
	struct rig rig;

	(void)state;
	options.reconnects_max = 2;
	begin(&rig, &options, host_breaks_always);
	assert_int_equal(tensock_ping(rig.client, NULL, &rig.error), TENSOCK_UNAVAILABLE);
	assert_non_null(strstr(rig.error.message, "given up after 2"));
	end(&rig);
	assert_int_equal(connections, 4);
}

/* Silent: a sign of life is asked for, and then another connection is made. */
static void host_falls_silent(struct fake_host *host)
{
	uint32_t id;

	fake_host_greet(host);
	fake_host_expect(host, WIRE_STATS);
	fake_host_expect(host, WIRE_PING);
	if (fake_host_read(host))
		abort();
	fake_host_greet(host);
	fake_host_expect(host, WIRE_STATS);
	id = host->header.id;
	for (unsigned i = 0; i < 3; i++)
		pong(host);
	fake_host_write(host, WIRE_COUNTERS, id, "\0\0\0\0", 4);
}

static void test_heartbeat(void **state)
{
	struct tensock_client_options options = quick;
	struct tensock_counter *counters = NULL;
	size_t n = 99;
	struct rig rig;

	(void)state;
	options.heartbeat_ms = 300;
	begin(&rig, &options, host_falls_silent);
	assert_int_equal(tensock_stats(rig.client, &counters, &n, &rig.error), 0);
	assert_int_equal(n, 0);
	free(counters);
	end(&rig);
}

/* Alive, but without an answer: the blocking call ends all the same, and the connection with it. */
static void host_only_pongs(struct fake_host *host)
{
	fake_host_greet(host);
	fake_host_expect(host, WIRE_STATS);
	while (fake_host_read(host))
		fake_host_write(host, WIRE_PONG, host->header.id, NULL, 0);
	fake_host_greet(host);
	pong(host);
}

static void test_deadline(void **state)
{
	struct tensock_client_options options = quick;
	struct tensock_counter *counters = NULL;
	uint64_t begin_ns;
	size_t n;
	struct rig rig;

	(void)state;
	options.timeout_ms = 1000;
	options.heartbeat_ms = 300;
	begin(&rig, &options, host_only_pongs);
	begin_ns = tsk_now_ns();
	assert_int_equal(tensock_stats(rig.client, &counters, &n, &rig.error),
			 TENSOCK_DEADLINE_EXCEEDED);
	assert_true(tsk_now_ns() - begin_ns >= 1000 * TSK_NS_PER_MS);
	assert_int_equal(tensock_ping(rig.client, NULL, &rig.error), 0);
	end(&rig);
}

/* The host asks, too. */
static void host_asks(struct fake_host *host)
{
	uint32_t id;

	fake_host_greet(host);
	fake_host_expect(host, WIRE_STATS);
	id = host->header.id;
	for (uint32_t i = 0; i < 10; i++) {
		fake_host_write(host, WIRE_PING, i, NULL, 0);
		fake_host_expect(host, WIRE_PONG);
		if (host->header.id != i)
			abort();
	}
	fake_host_write(host, WIRE_COUNTERS, id, "\0\0\0\0", 4);
}

static void test_answers_pings(void **state)
{
	struct tensock_client_options options = quick;
	struct tensock_counter *counters = NULL;
	size_t n;
	struct rig rig;

	(void)state;
	begin(&rig, &options, host_asks);
	assert_int_equal(tensock_stats(rig.client, &counters, &n, &rig.error), 0);
	free(counters);
	end(&rig);
}

/*
 * ---- Several requests
 */

struct result {
	int status; /* -1: not over */
	struct tensock_client *client;
	struct tensock_request *other; /* to be cancelled with it */
};

static void on_done(void *user, const struct tensock_error *error)
{
	struct result *result = user;

	assert_int_equal(result->status, -1);
	result->status = error ? (int)error->status : 0;
	tensock_request_cancel(result->other);
	/* Nothing that blocks may be called from here. */
	assert_int_equal(tensock_ping(result->client, NULL, NULL), TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(tensock_client_process(result->client, NULL), TENSOCK_INVALID_ARGUMENT);
}

static struct tensock_model *no_model;

static struct tensock_request *push(struct rig *rig, const char *bytes, struct result *result)
{
	const struct tensock_completion completion = { on_done, result };
	struct tensock_request *request = NULL;

	*result = (struct result){ .status = -1, .client = rig->client };
	assert_int_equal(tensock_push_start(rig->client, bytes, strlen(bytes), NULL, &no_model,
					    &completion, &request, NULL),
			 0);
	return request;
}

static void run_all(struct rig *rig, const struct result *results, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		while (results[i].status < 0)
			(void)tensock_client_wait(rig->client, -1, NULL);
	}
}

/* Two at once, and no more: the third is asked when one has its answer. */
static void host_takes_two(struct fake_host *host)
{
	uint32_t first;

	host->requests_max = 2;
	fake_host_greet(host);
	fake_host_expect(host, WIRE_OFFER);
	first = host->header.id;
	fake_host_expect(host, WIRE_OFFER);
	/* The third would come before this answer. */
	fake_host_write(host, WIRE_PING, 0, NULL, 0);
	fake_host_expect(host, WIRE_PONG);
	fake_host_error(host, WIRE_ERROR, first, TENSOCK_INVALID_MODEL, "1");
	fake_host_expect(host, WIRE_OFFER);
	fake_host_error(host, WIRE_ERROR, host->header.id, TENSOCK_TOO_LARGE, "3");
	fake_host_error(host, WIRE_ERROR, first + 1, TENSOCK_LIMIT_REACHED, "2");
	while (fake_host_read(host))
		;
}

static void test_requests_max(void **state)
{
	struct tensock_client_options options = quick;
	struct result results[3];
	struct rig rig;

	(void)state;
	begin(&rig, &options, host_takes_two);
	push(&rig, "one", &results[0]);
	push(&rig, "two", &results[1]);
	push(&rig, "three", &results[2]);
	run_all(&rig, results, 3);
	assert_int_equal(results[0].status, TENSOCK_INVALID_MODEL);
	assert_int_equal(results[1].status, TENSOCK_LIMIT_REACHED);
	assert_int_equal(results[2].status, TENSOCK_TOO_LARGE);
	end(&rig);
}

/* After GOAWAY the first is answered, and the second comes on another connection. */
static void host_goes(struct fake_host *host)
{
	uint32_t id;

	host->requests_max = 1;
	fake_host_greet(host);
	fake_host_expect(host, WIRE_OFFER);
	id = host->header.id;
	fake_host_error(host, WIRE_GOAWAY, 0, TENSOCK_UNAVAILABLE, "restarting");
	fake_host_error(host, WIRE_ERROR, id, TENSOCK_INVALID_MODEL, "1");
	if (fake_host_read(host))
		abort();
	fake_host_greet(host);
	fake_host_expect(host, WIRE_OFFER);
	/* This one says no in its haste. */
	id = host->header.id;
	fake_host_error(host, WIRE_GOAWAY, 0, TENSOCK_UNAVAILABLE, "restarting");
	fake_host_error(host, WIRE_ERROR, id, TENSOCK_UNAVAILABLE, "going down");
	if (fake_host_read(host))
		abort();
	fake_host_greet(host);
	fake_host_expect(host, WIRE_OFFER);
	fake_host_error(host, WIRE_ERROR, host->header.id, TENSOCK_TOO_LARGE, "2");
	while (fake_host_read(host))
		;
}

static void test_goaway(void **state)
{
	struct result results[2];
	struct rig rig;

	(void)state;
	begin(&rig, &quick, host_goes);
	push(&rig, "one", &results[0]);
	push(&rig, "two", &results[1]);
	run_all(&rig, results, 2);
	assert_int_equal(results[0].status, TENSOCK_INVALID_MODEL);
	assert_int_equal(results[1].status, TENSOCK_TOO_LARGE);
	end(&rig);
}

/* Comes only to go. */
static void host_goes_always(struct fake_host *host)
{
	for (connections = 1; connections <= 4; connections++) {
		fake_host_greet(host);
		fake_host_error(host, WIRE_GOAWAY, 0, TENSOCK_UNAVAILABLE, "restarting");
		while (fake_host_read(host))
			;
	}
}

static void test_goaway_always(void **state)
{
	struct tensock_client_options options = quick;
	struct result result;
	struct rig rig;

	(void)state;
	/* An OFFER that was quicker than the GOAWAY is never answered: that is found out by this. */
	options.heartbeat_ms = 200;
	begin(&rig, &options, host_goes_always);
	push(&rig, "one", &result);
	run_all(&rig, &result, 1);
	assert_int_equal(result.status, TENSOCK_UNAVAILABLE);
	end(&rig);
	assert_int_equal(connections, 5);
}

static void host_cancels(struct fake_host *host)
{
	uint32_t first;

	fake_host_greet(host);
	fake_host_expect(host, WIRE_OFFER);
	first = host->header.id;
	fake_host_expect(host, WIRE_CANCEL);
	if (host->header.id != first)
		abort();
	fake_host_error(host, WIRE_ERROR, first, TENSOCK_CANCELLED, "as you like");
	while (fake_host_read(host))
		;
}

static void test_cancel(void **state)
{
	struct result results[3];
	struct tensock_request *request;
	struct rig rig;

	(void)state;
	begin(&rig, &quick, host_cancels);
	request = push(&rig, "one", &results[0]);
	assert_int_equal(tensock_client_connect(rig.client, NULL), 0);
	assert_int_equal(tensock_client_process(rig.client, NULL), 0);
	tensock_request_cancel(request);
	tensock_request_cancel(request);
	/* These are never seen by the host: one is cancelled before, one by the other's end. */
	results[1].status = -1;
	request = push(&rig, "two", &results[1]);
	results[1].other = push(&rig, "three", &results[2]);
	tensock_request_cancel(request);
	run_all(&rig, results, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(results[i].status, TENSOCK_CANCELLED);
	end(&rig);
}

static void host_takes_one(struct fake_host *host)
{
	fake_host_greet(host);
	fake_host_expect(host, WIRE_OFFER);
	while (fake_host_read(host))
		;
}

/* What is not answered ends without a word. */
static void test_freed_early(void **state)
{
	struct result results[2];
	struct rig rig;

	(void)state;
	begin(&rig, &quick, host_takes_one);
	push(&rig, "one", &results[0]);
	assert_int_equal(tensock_client_connect(rig.client, NULL), 0);
	assert_int_equal(tensock_client_process(rig.client, NULL), 0);
	push(&rig, "two", &results[1]);
	end(&rig);
	assert_int_equal(results[0].status, -1);
	assert_int_equal(results[1].status, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_options),       TSK_TEST(test_nobody_listens),
		TSK_TEST(test_host_info),     TSK_TEST(test_greetings),
		TSK_TEST(test_repeats),       TSK_TEST(test_gives_up),
		TSK_TEST(test_heartbeat),     TSK_TEST(test_deadline),
		TSK_TEST(test_answers_pings), TSK_TEST(test_requests_max),
		TSK_TEST(test_goaway),        TSK_TEST(test_goaway_always),
		TSK_TEST(test_cancel),        TSK_TEST(test_freed_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
