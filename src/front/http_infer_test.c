/* SPDX-License-Identifier: Apache-2.0 */
/* Large answers in JSON, which are written in turns of the loop: what happens between these. */
#include <poll.h>
#include <string.h>

#include <yyjson.h>

#include "base/testing.h"
#include "front/models_asked.h"
#include "front/rig.h"

#define N 900000 /* elements: some thirty turns */
#define ROUNDS_MAX 2000

#define JSON                                                                  \
	"{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,3]," \
	"\"data\":[1,2,3]}]}"
#define PING "GET /v2/health/live HTTP/1.1\r\nHost: h\r\n\r\n"

/* A model of which an inference's answer is being written; and another connection. */
struct scene {
	struct rig rig;
	struct rig_worker *worker;
	int fd, other;
	float *results;
};

static void turn(struct scene *s)
{
	uv_run(&s->rig.loop, UV_RUN_NOWAIT);
}

static bool can_be_read(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* The worker answers with all its results, which take more room than it was given. */
static void run(struct scene *s)
{
	struct run_entry entry = rig_worker_expect(&s->rig, s->worker, RUN_START);
	struct run_entry needed = { .type = RUN_DONE,
				    .request_id = entry.request_id,
				    .status = TENSOCK_TOO_LARGE,
				    .needed = N * sizeof(float) + 4096 };

	rig_worker_push(s->worker, &needed);
	entry = rig_worker_expect(&s->rig, s->worker, RUN_FETCH);
	rig_worker_done(s->worker, &entry, s->results, N);
}

static void begin(struct scene *s)
{
	struct front_start limits = rig_limits();
	char request[1024];
	int n = snprintf(request, sizeof(request),
			 "POST /v2/models/name/infer HTTP/1.1\r\nHost: h\r\nContent-Length: "
			 "%zu\r\n\r\n%s",
			 strlen(JSON), JSON);

	limits.request_bytes_max = 4 << 20;
	limits.memory_bytes_max = 64 << 20;
	rig_init(&s->rig, &limits);
	s->worker = push_loaded(&s->rig, "model", "name", "");
	s->results = malloc(N * sizeof(float));
	assert_non_null(s->results);
	for (int i = 0; i < N; i++)
		s->results[i] = -1.0F / (float)(i + 1);
	s->other = rig_connect(&s->rig);
	s->fd = rig_connect(&s->rig);
	rig_write(&s->rig, s->fd, request, (size_t)n);
	run(s);
	for (int i = 0; i < ROUNDS_MAX && !s->rig.guest->counters.ok; i++)
		turn(s);
	assert_int_equal(s->rig.guest->counters.ok, 1);
	assert_false(can_be_read(s->fd));
}

static void end(struct scene *s)
{
	close(s->other);
	rig_run(&s->rig, 2);
	if (s->worker)
		rig_worker_exit(&s->rig, s->worker, 0);
	/* That counters add up, too, and no memory is accounted for. */
	rig_done(&s->rig);
	free(s->results);
}

/* All that comes until `end` does, from malloc. */
static char *receive(struct scene *s, const char *end, size_t *ret_n)
{
	size_t size = 16 << 20, n = 0, n_end = strlen(end);
	char *bytes = malloc(size);

	assert_non_null(bytes);
	for (int i = 0; i < ROUNDS_MAX; i++) {
		ssize_t got = recv(s->fd, bytes + n, size - n, MSG_DONTWAIT);

		n += got > 0 ? (size_t)got : 0;
		if (n >= n_end && memcmp(bytes + n - n_end, end, n_end) == 0)
			break;
		assert_true(got != 0);
		rig_run(&s->rig, 1);
	}
	*ret_n = n;
	return bytes;
}

/* It is whole, and has the worker's numbers. */
static void expect_results(struct scene *s)
{
	size_t n;
	char *bytes = receive(s, "]}]}", &n), *body = memmem(bytes, n, "\r\n\r\n", 4);
	yyjson_doc *doc;
	yyjson_val *output;

	assert_non_null(body);
	doc = yyjson_read(body + 4, n - (size_t)(body + 4 - bytes), 0);
	assert_non_null(doc);
	output = yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(doc), "outputs"));
	assert_string_equal(yyjson_get_str(yyjson_obj_get(output, "name")), "y");
	output = yyjson_obj_get(output, "data");
	assert_int_equal(yyjson_arr_size(output), N);
	for (size_t i = 0; i < N; i += 997)
		assert_true((float)yyjson_get_real(yyjson_arr_get(output, i)) == s->results[i]);
	yyjson_doc_free(doc);
	free(bytes);
}

static void test_others_are_answered_meanwhile(void **state)
{
	char answer[512];
	struct scene s;

	(void)state;
	begin(&s);
	assert_int_equal(send(s.other, PING, strlen(PING), 0), strlen(PING));
	for (int i = 0; i < ROUNDS_MAX && !can_be_read(s.other); i++)
		turn(&s);
	assert_false(can_be_read(s.fd));
	assert_true(recv(s.other, answer, sizeof(answer), 0) > 0);
	expect_results(&s);
	assert_int_equal(s.rig.guest->counters.ok, 2);
	close(s.fd);
	end(&s);
}

/* What the answer says of the model outlives it. */
static void test_model_goes_meanwhile(void **state)
{
	struct asked unload = to_load();
	struct scene s;

	(void)state;
	begin(&s);
	models_unload(s.rig.guest->models, named(&s.rig, "name", ""), true, &unload.request);
	rig_worker_exit(&s.rig, TAKE_PTR(s.worker), 0);
	for (int i = 0; i < ROUNDS_MAX && models_count(s.rig.guest->models); i++)
		turn(&s);
	assert_int_equal(models_count(s.rig.guest->models), 0);
	assert_false(can_be_read(s.fd));
	expect_results(&s);
	close(s.fd);
	end(&s);
}

static void test_client_goes_meanwhile(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	close(s.fd);
	for (int i = 0; i < ROUNDS_MAX && !s.rig.guest->counters.cancelled; i++)
		turn(&s);
	assert_int_equal(s.rig.guest->counters.cancelled, 1);
	assert_int_equal(s.rig.guest->counters.ok, 0);
	end(&s);
}

static void test_host_goes_down_meanwhile(void **state)
{
	struct scene s;
	char *bytes;
	size_t n;

	(void)state;
	begin(&s);
	sessions_give_up(&s.rig.guest->sessions);
	bytes = receive(&s, "\"}", &n);
	assert_non_null(memmem(bytes, n, "503", 3));
	assert_non_null(memmem(bytes, n, "goes down", 9));
	free(bytes);
	assert_int_equal(s.rig.guest->counters.error, 1);
	assert_int_equal(s.rig.guest->counters.ok, 0);
	close(s.fd);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_others_are_answered_meanwhile),
		TSK_TEST(test_model_goes_meanwhile),
		TSK_TEST(test_client_goes_meanwhile),
		TSK_TEST(test_host_goes_down_meanwhile),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
