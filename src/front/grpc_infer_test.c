/* SPDX-License-Identifier: Apache-2.0 */
/* ModelInfer, from clients of gRPC's and such as do not keep its rules, against a whole front. */
#include "front/grpc_stream.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <zlib.h>

#include "front/grpc_testing.h"
#include "front/limit_hits.h"
#include "front/oip_shared.h"

static struct client client;

static void test_inference(void **state)
{
	struct front_start limits = rig_limits();
	struct said said = infer_of("name");
	struct rig_worker *worker;
	struct h2_peer_stream *s;
	struct run_entry start;
	struct rig rig;

	(void)state;
	worker = begin_loaded(&client, &rig, &limits);
	for (unsigned i = 0; i < 3; i++) {
		s = client_call(&client, INFERENCE "ModelInfer", &said);
		start = expect_run(&client, worker);
		assert_int_equal(rig.guest->n_calls, 1);
		rig_worker_done(worker, &start, values, 2);
		client_expect(&client, s, 0, "");
		expect_result(s);
	}
	assert_int_equal(rig.guest->counters.ok, 3);
	assert_int_equal(rig.guest->n_calls, 0);
	end_loaded(&client, worker);
	said_done(&said);
}

/* In whatever order the fields come, and however they are cut. */
static void test_inputs_behind_raw_contents(void **state)
{
	struct front_start limits = rig_limits();
	struct said normal = infer_of("name"), said = { 0 };
	size_t n_raw = 2 + sizeof(x), n_rest = normal.n - GRPC_PREFIX_BYTES - n_raw;
	struct rig_worker *worker;
	struct h2_peer_stream *s;
	struct rig rig;

	(void)state;
	worker = begin_loaded(&client, &rig, &limits);
	said.n = normal.n;
	said.bytes = malloc(said.n);
	assert_non_null(said.bytes);
	memcpy(said.bytes, normal.bytes, GRPC_PREFIX_BYTES);
	memcpy(said.bytes + GRPC_PREFIX_BYTES, normal.bytes + normal.n - n_raw, n_raw);
	memcpy(said.bytes + GRPC_PREFIX_BYTES + n_raw, normal.bytes + GRPC_PREFIX_BYTES, n_rest);
	s = client_call(&client, INFERENCE "ModelInfer", &said);
	play_run(&client, worker);
	client_expect(&client, s, 0, "");
	expect_result(s);
	client.h2.frame_max = 1;
	s = client_call(&client, INFERENCE "ModelInfer", &normal);
	play_run(&client, worker);
	client_expect(&client, s, 0, "");
	end_loaded(&client, worker);
	said_done(&said);
	said_done(&normal);
}

static void on_region(struct region_task *task, const struct tensock_error *error)
{
	(void)task;
	assert_null(error);
}

/* Region "one", of this size. */
static void register_region(struct rig *rig, struct region_task *task, uint64_t bytes)
{
	int fd = memfd_create("region", MFD_CLOEXEC);
	struct tensock_error error;

	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	*task = (struct region_task){ .done = on_region };
	assert_int_equal(regions_register(&rig->guest->regions, task, wire_string("one"),
					  wire_string("key"), 0, bytes, &error),
			 0);
	rig_send(rig, FRONT_REGION_OPENED, rig_expect(rig, FRONT_REGION).id, 0, 0, fd);
	close(fd);
}

/* A request whose input is raw, and whose output goes to region "one". */
static struct said infer_to_region(int64_t bytes)
{
	static Inference__InferParameter name, size;
	static Inference__ModelInferRequest__InferRequestedOutputTensor__ParametersEntry entries[2],
		*p_entries[] = { &entries[0], &entries[1] };
	Inference__ModelInferRequest__InferRequestedOutputTensor *output;
	struct test_request r = { 0 };
	struct said said = { 0 };

	make(&r, "name");
	output = request_output(&r, "y");
	inference__infer_parameter__init(&name);
	name.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_STRING_PARAM;
	name.string_param = "one";
	inference__infer_parameter__init(&size);
	size.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_INT64_PARAM;
	size.int64_param = bytes;
	for (unsigned i = 0; i < 2; i++)
		inference__model_infer_request__infer_requested_output_tensor__parameters_entry__init(
			&entries[i]);
	entries[0].key = "shared_memory_region";
	entries[0].value = &name;
	entries[1].key = "shared_memory_byte_size";
	entries[1].value = &size;
	output->parameters = p_entries;
	output->n_parameters = 2;
	said_add(&said, &r.message);
	return said;
}

/* Beside raw contents, too, an output is written where it is wanted, once the worker has the region. */
static void test_output_in_place(void **state)
{
	struct front_start limits = rig_limits();
	struct said said = infer_to_region(WORKER_FOREIGN_BYTES_MIN);
	struct region_task task;
	struct rig_worker *worker;
	struct rig rig;

	(void)state;
	worker = begin_loaded(&client, &rig, &limits);
	register_region(&rig, &task, WORKER_FOREIGN_BYTES_MIN);
	for (unsigned i = 0; i < 2; i++) {
		struct h2_peer_stream *s = client_call(&client, INFERENCE "ModelInfer", &said);
		unsigned n, n_places;
		struct run_entry start;
		struct run_tensor t[2];
		char *region;

		client_say_all(&client);
		start = rig_worker_expect(&rig, worker, RUN_START);
		region =
			rig_worker_region(worker, start.in_buffer, start.in_offset, start.in_bytes);
		assert_int_equal(run_read_foreign(region, start.in_bytes, t, 2, &n, &n_places), 0);
		assert_int_equal(n, 1);
		assert_memory_equal(region + t[0].offset, x, sizeof(x));
		assert_int_equal(n_places, i);
		if (n_places)
			assert_int_equal(t[1].bytes, WORKER_FOREIGN_BYTES_MIN);
		rig_worker_done(worker, &start, values, 2);
		client_expect(&client, s, 0, "");
		if (i == 0)
			rig_worker_foreign_mapped(&rig, worker, true);
	}
	region_task_end(&rig.guest->regions, &task);
	end_loaded(&client, worker);
	said_done(&said);
}

static void test_typed_contents(void **state)
{
	struct front_start limits = rig_limits();
	struct test_request r = { 0 };
	struct said said = { 0 };
	struct rig_worker *worker;
	struct h2_peer_stream *s;
	struct rig rig;

	(void)state;
	worker = begin_loaded(&client, &rig, &limits);
	make(&r, "name");
	r.message.n_raw_input_contents = 0;
	request_contents(&r)->fp32_contents = (float *)(uintptr_t)x;
	request_contents(&r)->n_fp32_contents = 3;
	said_add(&said, &r.message);
	s = client_call(&client, INFERENCE "ModelInfer", &said);
	play_run(&client, worker);
	client_expect(&client, s, 0, "");
	expect_result(s);
	end_loaded(&client, worker);
	said_done(&said);
}

/* Larger than any window, each way: what the worker reads and writes is not copied. */
static void test_large_tensors(void **state)
{
	static float large[1 << 21];
	struct front_start limits = rig_limits();
	int64_t dims[] = { ARRAY_SIZE(large) / 4, 4 };
	ProtobufCBinaryData raw = { .data = (uint8_t *)large, .len = sizeof(large) };
	Inference__ModelInferResponse *answer;
	struct test_request r = { 0 };
	struct said said = { 0 };
	struct rig_worker *worker;
	struct h2_peer_stream *s;
	struct run_entry start;
	struct run_tensor t;
	struct rig rig;
	unsigned n;
	char *region;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(large); i++)
		large[i] = (float)i;
	limits.request_bytes_max = 64 << 20;
	limits.memory_bytes_max = 64 << 20;
	worker = begin_loaded(&client, &rig, &limits);
	make(&r, "name");
	r.inputs[0].shape = dims;
	r.inputs[0].n_shape = 2;
	r.message.raw_input_contents = &raw;
	said_add(&said, &r.message);
	/* The rig's model takes [-1,3] only: the worker is asked all the same, by one that does not check. */
	s = client_call(&client, INFERENCE "ModelInfer", &said);
	client_expect(&client, s, 3, "x");
	dims[0] = ARRAY_SIZE(large) / 3;
	dims[1] = 3;
	raw.len = (size_t)dims[0] * 12;
	said_done(&said);
	said_add(&said, &r.message);
	s = client_call(&client, INFERENCE "ModelInfer", &said);
	client_say_all(&client);
	start = rig_worker_expect(&rig, worker, RUN_START);
	region = rig_worker_region(worker, start.in_buffer, start.in_offset, start.in_bytes);
	assert_int_equal(run_read(region, start.in_bytes, &t, 1, &n), 0);
	assert_int_equal(t.bytes, raw.len);
	assert_memory_equal(region + t.offset, large, raw.len);
	rig_worker_done(worker, &start, large, 1000);
	client_expect(&client, s, 0, "");
	answer = client_message(s, 0, &inference__model_infer_response__descriptor);
	assert_int_equal(answer->raw_output_contents[0].len, 4000);
	assert_memory_equal(answer->raw_output_contents[0].data, large, 4000);
	free_unpacked(answer);
	end_loaded(&client, worker);
	said_done(&said);
}

static void expect_refused(struct client *c, const char *path, const struct said *said,
			   unsigned status, const char *text)
{
	client_expect(c, client_call(c, path, said), status, text);
}

static void test_what_is_refused(void **state)
{
	struct front_start limits = rig_limits();
	struct said said = infer_of("nome"), none = { .bytes = (unsigned char *)"", .n = 0 };
	struct said cut = { .bytes = said.bytes, .n = said.n - 1 };
	struct said two = { 0 }, large = { 0 }, packed_up = message_of(0, NULL);
	struct test_request r = { 0 };
	uint64_t hits;
	struct rig rig;

	(void)state;
	limits.request_bytes_max = 1000;
	rig_init(&rig, &limits);
	client_connect(&client, &rig);
	expect_refused(&client, INFERENCE "ModelInfer", &said, 5,
		       "Request for unknown model: 'nome' is not found");
	expect_refused(&client, INFERENCE "ModelOutfer", &said, 12, "unknown method /inference");
	expect_refused(&client, INFERENCE "ModelInfer", &none, 3, "without a message");
	expect_refused(&client, INFERENCE "ModelInfer", &cut, 3, "within a message");
	make(&r, "name");
	said_add(&two, &r.message);
	r.inputs[0].datatype = "FP99";
	said_add(&two, &r.message);
	expect_refused(&client, INFERENCE "ModelInfer", &two, 5, "'name' is not found");
	packed_up.bytes[0] = 1;
	expect_refused(&client, INFERENCE "ServerLive", &packed_up, 3, "no grpc-encoding");
	large.bytes = calloc(1, 5);
	large.n = 5;
	grpc_prefix_write(1001, large.bytes);
	hits = limit_hits(METRICS_LIMIT_REQUEST_SIZE);
	expect_refused(&client, INFERENCE "ModelInfer", &large, 8, "max-request-size");
	assert_int_equal(limit_hits(METRICS_LIMIT_REQUEST_SIZE), hits + 1);
	assert_int_equal(counters_active(&rig.guest->counters), 0);
	assert_int_equal(rig.guest->n_calls, 0);
	client_close(&client);
	said_done(&said);
	said_done(&two);
	said_done(&large);
	said_done(&packed_up);
	rig_done(&rig);
}

static struct h2_peer_stream *call_with(struct client *c, const char *method, const char *type,
					const char *name, const char *value)
{
	nghttp2_nv nv[] = {
		peer_nv(":method", method),
		peer_nv(":scheme", "http"),
		peer_nv(":path", INFERENCE "ServerLive"),
		peer_nv(":authority", "tensock"),
		peer_nv("content-type", type),
		peer_nv(name, value),
	};

	return peer_request_with(&c->h2, nv, ARRAY_SIZE(nv), NULL, 0, false);
}

static void test_headers(void **state)
{
	struct front_start limits = rig_limits();
	struct h2_peer_stream *s;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	client_connect(&client, &rig);
	s = call_with(&client, "GET", "application/grpc", "te", "trailers");
	client_await_end(&client, s);
	assert_string_equal(s->headers, ":status: 405\n");
	s = call_with(&client, "POST", "application/json", "te", "trailers");
	client_await_end(&client, s);
	assert_string_equal(s->headers, ":status: 415\n");
	s = call_with(&client, "POST", "application/grpc", "x", "y");
	client_expect(&client, s, 3, "te: trailers");
	s = peer_request(&client.h2, INFERENCE "ServerLive", "1h", NULL, 0, false);
	client_expect(&client, s, 3, "grpc-timeout");
	client_close(&client);
	rig_done(&rig);
}

/* The message of said, compressed by zlib as the coding has it. */
static struct said packed_of(const struct said *said, int window_bits)
{
	z_stream z = { .next_in = said->bytes + GRPC_PREFIX_BYTES,
		       .avail_in = (uInt)(said->n - GRPC_PREFIX_BYTES) };
	struct said packed = { .bytes = malloc(said->n + 1000) };

	assert_non_null(packed.bytes);
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_out = packed.bytes + GRPC_PREFIX_BYTES;
	z.avail_out = (uInt)said->n + 900;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	packed.n = GRPC_PREFIX_BYTES + z.total_out;
	grpc_prefix_write((uint32_t)z.total_out, packed.bytes);
	packed.bytes[0] = 1;
	deflateEnd(&z);
	return packed;
}

static struct h2_peer_stream *call_packed(const char *coding, const struct said *said)
{
	const nghttp2_nv nv[] = {
		peer_nv(":method", "POST"),
		peer_nv(":scheme", "http"),
		peer_nv(":path", INFERENCE "ModelInfer"),
		peer_nv(":authority", "tensock"),
		peer_nv("te", "trailers"),
		peer_nv("content-type", "application/grpc"),
		peer_nv("grpc-encoding", coding),
	};

	return peer_request_with(&client.h2, nv, ARRAY_SIZE(nv), said->bytes, said->n, false);
}

static void test_compressed_messages(void **state)
{
	struct front_start limits = rig_limits();
	struct said said = infer_of("name"), gzip = packed_of(&said, 16 + MAX_WBITS);
	struct said zlib = packed_of(&said, MAX_WBITS), zeros, bomb, cut;
	uint64_t hits;
	struct rig_worker *worker;
	struct h2_peer_stream *s;
	struct rig rig;

	(void)state;
	limits.request_bytes_max = 512 << 10;
	worker = begin_loaded(&client, &rig, &limits);
	for (unsigned i = 0; i < 3; i++) {
		/* One that says that it may be compressed need not be. */
		s = call_packed(i ? "gzip" : "deflate", i == 0 ? &zlib : i == 1 ? &gzip : &said);
		play_run(&client, worker);
		client_expect(&client, s, 0, "");
		expect_result(s);
	}
	client_expect(&client, call_packed("br", &said), 12, "gzip and deflate");
	cut = (struct said){ .bytes = gzip.bytes, .n = gzip.n - 4 };
	grpc_prefix_write((uint32_t)cut.n - GRPC_PREFIX_BYTES, cut.bytes);
	cut.bytes[0] = 1;
	client_expect(&client, call_packed("gzip", &cut), 3, "does not end");
	client_expect(&client, call_packed("deflate", &gzip), 3, "compressed");
	zeros = (struct said){ .bytes = calloc(1, 8 << 20), .n = 8 << 20 };
	assert_non_null(zeros.bytes);
	bomb = packed_of(&zeros, 16 + MAX_WBITS);
	hits = limit_hits(METRICS_LIMIT_REQUEST_SIZE);
	client_expect(&client, call_packed("gzip", &bomb), 8, "max-request-size");
	assert_int_equal(limit_hits(METRICS_LIMIT_REQUEST_SIZE), hits + 1);
	assert_int_equal(rig.guest->counters.error, 4);
	assert_int_equal(counters_active(&rig.guest->counters), 0);
	end_loaded(&client, worker);
	said_done(&said);
	said_done(&gzip);
	said_done(&zlib);
	said_done(&zeros);
	said_done(&bomb);
}

static void test_cancel(void **state)
{
	struct front_start limits = rig_limits();
	struct said said = infer_of("name");
	struct rig_worker *worker;
	struct h2_peer_stream *s;
	struct run_entry start;
	struct rig rig;

	(void)state;
	worker = begin_loaded(&client, &rig, &limits);
	s = client_call(&client, INFERENCE "ModelInfer", &said);
	start = expect_run(&client, worker);
	assert_int_equal(nghttp2_submit_rst_stream(client.h2.session, 0, s->id, NGHTTP2_CANCEL), 0);
	client_talk(&client);
	rig_worker_expect(&rig, worker, RUN_CANCEL);
	rig_worker_done(worker, &start, values, 2);
	assert_int_equal(rig.guest->counters.cancelled, 1);
	assert_int_equal(rig.guest->n_calls, 0);
	/* In the middle of its message. */
	s = peer_request(&client.h2, INFERENCE "ModelInfer", NULL, said.bytes, said.n - 3, true);
	for (unsigned i = 0; i < 100 && !rig.guest->n_calls; i++)
		client_talk(&client);
	assert_int_equal(rig.guest->n_calls, 1);
	assert_int_equal(nghttp2_submit_rst_stream(client.h2.session, 0, s->id, NGHTTP2_CANCEL), 0);
	client_talk(&client);
	assert_int_equal(rig.guest->counters.reset, 1);
	/* With its connection. */
	client_call(&client, INFERENCE "ModelInfer", &said);
	start = expect_run(&client, worker);
	client_close(&client);
	rig_worker_expect(&rig, worker, RUN_CANCEL);
	rig_worker_done(worker, &start, values, 2);
	assert_int_equal(rig.guest->counters.cancelled, 2);
	said_done(&said);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* Its answer is there, and nobody takes it: with its stream it goes, though nothing is sent. */
static void test_cancel_of_what_is_answered(void **state)
{
	struct front_start limits = rig_limits();
	struct said said = infer_of("name");
	struct rig_worker *worker;
	struct h2_peer_stream *s;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "");
	client_connect_with(&client, &rig, 0);
	s = client_call(&client, INFERENCE "ModelInfer", &said);
	play_run(&client, worker);
	for (unsigned i = 0; i < PEER_PATIENCE && !s->headers[0]; i++)
		client_talk(&client);
	client_talk(&client);
	assert_int_equal(rig.guest->counters.ok, 1);
	assert_int_equal(rig.guest->n_calls, 1);
	assert_int_equal(nghttp2_submit_rst_stream(client.h2.session, 0, s->id, NGHTTP2_CANCEL), 0);
	for (unsigned i = 0; i < PEER_PATIENCE && rig.guest->n_calls; i++)
		client_talk(&client);
	assert_int_equal(rig.guest->n_calls, 0);
	end_loaded(&client, worker);
	said_done(&said);
}

static void test_deadline(void **state)
{
	struct front_start limits = rig_limits();
	struct said said = infer_of("name");
	struct rig_worker *worker;
	struct h2_peer_stream *s;
	struct run_entry start;
	struct rig rig;

	(void)state;
	worker = begin_loaded(&client, &rig, &limits);
	s = peer_request(&client.h2, INFERENCE "ModelInfer", "20m", said.bytes, said.n, false);
	start = expect_run(&client, worker);
	client_expect(&client, s, 4, "deadline");
	rig_worker_expect(&rig, worker, RUN_CANCEL);
	rig_worker_done(worker, &start, values, 2);
	/* In the middle of its message: what follows is of no use any more. */
	s = peer_request(&client.h2, INFERENCE "ModelInfer", "5m", said.bytes, said.n - 3, true);
	client_expect(&client, s, 4, "deadline");
	assert_int_equal(rig.guest->counters.error, 2);
	end_loaded(&client, worker);
	said_done(&said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_inference),       TSK_TEST(test_inputs_behind_raw_contents),
		TSK_TEST(test_output_in_place), TSK_TEST(test_typed_contents),
		TSK_TEST(test_large_tensors),   TSK_TEST(test_what_is_refused),
		TSK_TEST(test_headers),         TSK_TEST(test_compressed_messages),
		TSK_TEST(test_cancel),          TSK_TEST(test_cancel_of_what_is_answered),
		TSK_TEST(test_deadline),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
