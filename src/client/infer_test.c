/* SPDX-License-Identifier: Apache-2.0 */
#include "base/testing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tensock/tensock.h>

#include "client/client.h"
#include "client/infer_rig.h"

static void echo_one(struct fake_host *host)
{
	struct fake_infer infer;

	fake_host_infer(host, &infer);
	fake_host_echo(host, &infer);
	fake_infer_done(&infer);
}

/* y = x until the guest has enough. */
static void host_echoes(struct fake_host *host)
{
	rig_host_plain_model(host);
	while (fake_host_read(host))
		echo_one(host);
}

static void begin(struct rig *rig, void (*script)(struct fake_host *host))
{
	rig_open(rig, script, UINT32_MAX);
}

static int infer(struct rig *rig, const struct tensock_input *inputs, uint32_t n_inputs,
		 struct tensock_output *outputs, uint32_t n_outputs)
{
	rig->error = (struct tensock_error){ 0 };
	return tensock_infer(rig->client, rig->model, inputs, n_inputs, outputs, n_outputs, NULL,
			     &rig->error);
}

static const float x_data[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
static const struct tensock_input x_input = {
	.name = "x",
	.dtype = TENSOCK_FLOAT32,
	.rank = 2,
	.dims = { 2, 4 },
	.data = x_data,
	.bytes = sizeof(x_data),
};

static void test_allocated(void **state)
{
	struct tensock_output output = { .name = "y" };
	struct tensock_infer_options options = { .size = sizeof(options), .deadline_ms = 500 };
	uint64_t queue_ns = 0, compute_ns = 0;
	struct rig rig;

	(void)state;
	begin(&rig, host_echoes);
	options.ret_queue_ns = &queue_ns;
	options.ret_compute_ns = &compute_ns;
	assert_int_equal(tensock_infer(rig.client, rig.model, &x_input, 1, &output, 1, &options,
				       &rig.error),
			 0);
	assert_int_equal(output.bytes, sizeof(x_data));
	assert_int_equal(output.flags, TENSOCK_OUTPUT_ALLOCATED);
	assert_int_equal(output.dtype, TENSOCK_FLOAT32);
	assert_int_equal(output.rank, 2);
	assert_int_equal(output.dims[0], 2);
	assert_int_equal(output.dims[1], 4);
	assert_memory_equal(output.data, x_data, sizeof(x_data));
	assert_int_equal(queue_ns, 11);
	assert_int_equal(compute_ns, 22);
	tensock_outputs_done(&output, 1);
	assert_null(output.data);
	rig_end(&rig);
}

/* Into the caller's memory, found by index; what is behind it stays. */
static void test_in_place(void **state)
{
	float y[9] = { 0 };
	struct tensock_output output = { .index = 3, .data = y, .capacity = sizeof(x_data) };
	struct rig rig;

	(void)state;
	begin(&rig, host_echoes);
	y[8] = 42;
	assert_int_equal(infer(&rig, &x_input, 1, &output, 1), 0);
	assert_int_equal(output.flags, 0);
	assert_memory_equal(y, x_data, sizeof(x_data));
	assert_true(y[8] == 42);
	assert_int_equal(output.index, 3);
	rig_end(&rig);
}

/* Many megabytes, sizes that leave gaps, one of no bytes: there and back unharmed. */
static void test_large(void **state)
{
	static const uint64_t sizes[] = { 5000001, 1, 0, 63, 3000000, 64, 0 };
	enum {
		N = 7
	};
	struct tensock_input inputs[N] = { 0 };
	struct tensock_output outputs[N] = { 0 };
	unsigned char *back = calloc(1, 3000000);
	struct rig rig;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		unsigned char *data = malloc(sizes[i] + 1);

		assert_non_null(data);
		for (uint64_t k = 0; k < sizes[i]; k++)
			data[k] = (unsigned char)(k * 7 + k / 256 + i);
		inputs[i] = (struct tensock_input){
			.index = i,
			.dtype = TENSOCK_UINT8,
			.rank = 1,
			.dims = { (int64_t)sizes[i] },
			.data = data,
			.bytes = sizes[i],
		};
		outputs[i].index = i;
	}
	outputs[4].data = back;
	outputs[4].capacity = 3000000;
	begin(&rig, host_echoes);
	for (unsigned turn = 0; turn < 2; turn++) {
		assert_int_equal(infer(&rig, inputs, N, outputs, N), 0);
		for (unsigned i = 0; i < N; i++) {
			assert_int_equal(outputs[i].bytes, sizes[i]);
			assert_non_null(outputs[i].data);
			assert_int_equal(memcmp(outputs[i].data, inputs[i].data, sizes[i]), 0);
		}
		assert_ptr_equal(outputs[4].data, back);
		tensock_outputs_done(outputs, N);
	}
	for (unsigned i = 0; i < N; i++)
		free((void *)(uintptr_t)inputs[i].data);
	free(back);
	rig_end(&rig);
}

/* The host refuses, or the output does not fit: the connection goes on. */
static void host_refuses_first(struct fake_host *host)
{
	struct fake_infer infer;

	rig_host_plain_model(host);
	fake_host_expect(host, WIRE_INFER);
	fake_host_infer(host, &infer);
	fake_host_error(host, WIRE_ERROR, infer.id, TENSOCK_INVALID_ARGUMENT, "x is\twrong");
	fake_infer_done(&infer);
	while (fake_host_read(host))
		echo_one(host);
}

static void test_refused(void **state)
{
	struct tensock_output output = { .name = "y" };
	struct rig rig;

	(void)state;
	begin(&rig, host_refuses_first);
	assert_int_equal(infer(&rig, &x_input, 1, &output, 1), TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(rig.error.status, TENSOCK_INVALID_ARGUMENT);
	assert_string_equal(rig.error.message, "x is?wrong");
	assert_null(output.data);
	assert_int_equal(infer(&rig, &x_input, 1, &output, 1), 0);
	tensock_outputs_done(&output, 1);
	rig_end(&rig);
}

static void test_does_not_fit(void **state)
{
	unsigned char y[31];
	struct tensock_output outputs[2] = {
		{ .index = 0, .data = y, .capacity = sizeof(y) },
		{ .index = 1 },
	};
	struct tensock_input inputs[2] = { x_input, x_input };
	struct rig rig;

	(void)state;
	inputs[0].name = inputs[1].name = NULL;
	inputs[1].index = 1;
	begin(&rig, host_echoes);
	assert_int_equal(infer(&rig, inputs, 2, outputs, 2), TENSOCK_TOO_LARGE);
	assert_int_equal(outputs[0].bytes, sizeof(x_data));
	assert_null(outputs[1].data);
	assert_int_equal(outputs[1].flags, 0);
	outputs[0].data = NULL;
	assert_int_equal(infer(&rig, inputs, 2, outputs, 2), 0);
	tensock_outputs_done(outputs, 2);
	rig_end(&rig);
}

static void test_bad_arguments(void **state)
{
	struct tensock_output output = { .name = "y" }, none = { .name = "" };
	struct tensock_output flagged = { .name = "y", .flags = 1 };
	struct tensock_infer_options unset = { 0 };
	struct tensock_input input;
	char name[1026];
	struct rig rig;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	begin(&rig, host_echoes);
	for (unsigned i = 0; i < 9; i++) {
		input = x_input;
		input.bytes -= i == 0;
		input.dtype = i == 1 ? 99 : input.dtype;
		input.rank = i == 2 ? 17 : input.rank;
		input.dims[0] = i == 3 ? -1 : input.dims[0];
		input.dims[0] = i == 4 ? INT64_MAX : input.dims[0];
		input.reserved = i == 5;
		input.data = i == 6 ? NULL : input.data;
		input.name = i == 7 ? "" : i == 8 ? name : input.name;
		assert_int_equal(infer(&rig, &input, 1, &output, 1), TENSOCK_INVALID_ARGUMENT);
	}
	input = x_input;
	input.name = NULL;
	input.index = 1024;
	assert_int_equal(infer(&rig, &input, 1, &output, 1), TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(infer(&rig, &x_input, 1, &none, 1), TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(infer(&rig, &x_input, 1, &flagged, 1), TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(infer(&rig, &x_input, 1, &output, 0), TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(infer(&rig, &x_input, 1025, &output, 1), TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(tensock_infer(rig.client, rig.model, &x_input, 1, &output, 1, &unset,
				       NULL),
			 TENSOCK_INVALID_ARGUMENT);
	/* BYTES: at least 4 an element. */
	input = x_input;
	input.dtype = TENSOCK_BYTES;
	input.bytes = 31;
	assert_int_equal(infer(&rig, &input, 1, &output, 1), TENSOCK_INVALID_ARGUMENT);
	input.bytes = 32;
	assert_int_equal(infer(&rig, &input, 1, &output, 1), 0);
	assert_int_equal(output.dtype, TENSOCK_BYTES);
	tensock_outputs_done(&output, 1);
	rig_end(&rig);
}

/*
 * ---- Hosts that lie
 */

struct lie {
	const char *what;
	void (*tell)(struct fake_host *host, struct fake_infer *infer);
};

static void tell_none(struct fake_host *host, struct fake_infer *infer)
{
	fake_host_result(host, infer->id, infer->tensors, 0, infer->payload, 0, 1);
}

static void tell_two(struct fake_host *host, struct fake_infer *infer)
{
	struct wire_tensor outputs[2] = { infer->tensors[0], infer->tensors[0] };
	const unsigned char payload[64 + 32] = { 0 };

	outputs[0].name = wire_string("y");
	outputs[0].index = 0;
	outputs[1].name = wire_string("z");
	outputs[1].index = 1;
	fake_host_result(host, infer->id, outputs, 2, payload, 0, 32);
}

static void tell_other(struct fake_host *host, struct fake_infer *infer)
{
	infer->tensors[1].name = wire_string("z");
	fake_host_echo(host, infer);
}

static void tell_twice(struct fake_host *host, struct fake_infer *infer)
{
	/* The first is right; so the second has to come before the client asks for more. */
	fake_host_echo(host, infer);
	fake_host_echo(host, infer);
}

static void tell_other_id(struct fake_host *host, struct fake_infer *infer)
{
	infer->id++;
	fake_host_echo(host, infer);
}

static void tell_more(struct fake_host *host, struct fake_infer *infer)
{
	struct wire_tensor output = infer->tensors[0];
	unsigned char more[64] = { 0 };

	output.name = wire_string("y");
	output.index = 0;
	/* All but one byte, then 64. */
	fake_host_result(host, infer->id, &output, 1, infer->payload, 0, 31);
	fake_host_write(host, WIRE_CHUNK, infer->id, more, sizeof(more));
}

static void tell_chunk_first(struct fake_host *host, struct fake_infer *infer)
{
	fake_host_write(host, WIRE_CHUNK, infer->id, infer->payload, 32);
}

static void tell_other_type(struct fake_host *host, struct fake_infer *infer)
{
	fake_host_write(host, WIRE_DONE, infer->id, NULL, 0);
}

static void tell_guests_type(struct fake_host *host, struct fake_infer *infer)
{
	fake_host_write(host, WIRE_CANCEL, infer->id, NULL, 0);
}

static void tell_welcome(struct fake_host *host, struct fake_infer *infer)
{
	(void)infer;
	fake_host_welcome(host);
}

static void tell_garbage(struct fake_host *host, struct fake_infer *infer)
{
	(void)infer;
	fake_host_raw(host, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
}

static void tell_result_within(struct fake_host *host, struct fake_infer *infer)
{
	struct wire_tensor output = infer->tensors[0];
	struct wire_result result = { .n_outputs = 1, .payload_bytes = 32 };
	unsigned char body[256];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	output.name = wire_string("y");
	output.index = 0;
	wire_result_write(&w, &result, &output);
	fake_host_write(host, WIRE_RESULT, infer->id, body, tsk_writer_len(&w));
	fake_host_write(host, WIRE_RESULT, infer->id, body, tsk_writer_len(&w));
}

static void tell_broken_result(struct fake_host *host, struct fake_infer *infer)
{
	unsigned char body[64];

	memset(body, 0xff, sizeof(body));
	fake_host_write(host, WIRE_RESULT, infer->id, body, sizeof(body));
}

static void tell_beyond_its_word(struct fake_host *host, struct fake_infer *infer)
{
	struct wire_tensor output = infer->tensors[0];
	struct wire_result result = { .n_outputs = 1 };
	unsigned char body[256];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	output.name = wire_string("y");
	output.index = 0;
	output.dtype = TENSOCK_UINT8;
	output.rank = 1;
	output.dims[0] = (int64_t)host->bytes_max + 1;
	output.bytes = host->bytes_max + 1;
	(void)!wire_tensors_layout(&output, 1, &result.payload_bytes);
	wire_result_write(&w, &result, &output);
	fake_host_write(host, WIRE_RESULT, infer->id, body, tsk_writer_len(&w));
}

static void tell_pings(struct fake_host *host, struct fake_infer *infer)
{
	unsigned char pings[100 * WIRE_HEADER_BYTES];
	struct wire_header header = { .type = WIRE_PING };

	(void)infer;
	for (unsigned i = 0; i < 100; i++) {
		header.id = i;
		wire_header_write(pings + (size_t)i * WIRE_HEADER_BYTES, &header);
	}
	fake_host_raw(host, pings, sizeof(pings));
}

static const struct lie lies[] = {
	{ "no output", tell_none },
	{ "two outputs", tell_two },
	{ "another output", tell_other },
	{ "another id", tell_other_id },
	{ "a chunk first", tell_chunk_first },
	{ "another message", tell_other_type },
	{ "a guest's message", tell_guests_type },
	{ "WELCOME again", tell_welcome },
	{ "garbage", tell_garbage },
	{ "RESULT twice", tell_result_within },
	{ "a broken RESULT", tell_broken_result },
	{ "more than it allows", tell_beyond_its_word },
	{ "a storm of PING", tell_pings },
};

static const struct lie *lie;

static void host_lies(struct fake_host *host)
{
	struct fake_infer infer;

	rig_host_plain_model(host);
	fake_host_expect(host, WIRE_INFER);
	fake_host_infer(host, &infer);
	lie->tell(host, &infer);
	fake_infer_done(&infer);
	/* The client ends it, not the host. */
	while (fake_host_read(host))
		;
}

static void test_lies(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		struct tensock_output output = { .name = "y" };
		struct rig rig;
		int r;

		lie = &lies[i];
		begin(&rig, host_lies);
		r = infer(&rig, &x_input, 1, &output, 1);
		if (r != TENSOCK_PROTOCOL)
			print_error("%s: %d %s\n", lie->what, r, rig.error.message);
		assert_int_equal(r, TENSOCK_PROTOCOL);
		assert_null(output.data);
		rig_end(&rig);
	}
}

/* The client leaves a host that says too much, and comes back. */
static void host_lies_once(struct fake_host *host)
{
	host_lies(host);
	fake_host_greet(host);
	fake_host_expect(host, WIRE_PING);
	fake_host_write(host, WIRE_PONG, host->header.id, NULL, 0);
}

/* After the answer nothing may come.  Whoever asks next may or may not be told. */
static void test_answers_too_much(void **state)
{
	static const struct lie late[] = { { "twice", tell_twice }, { "more", tell_more } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(late); i++) {
		struct tensock_output output = { .name = "y" };
		struct rig rig;
		int r;

		lie = &late[i];
		begin(&rig, host_lies_once);
		r = infer(&rig, &x_input, 1, &output, 1);
		assert_true(r == TENSOCK_OK || r == TENSOCK_PROTOCOL);
		tensock_outputs_done(&output, 1);
		r = tensock_ping(rig.client, NULL, NULL);
		if (r != TENSOCK_OK) {
			assert_int_equal(r, TENSOCK_PROTOCOL);
			assert_int_equal(tensock_ping(rig.client, NULL, NULL), 0);
		}
		rig_end(&rig);
	}
}

/*
 * ---- Many at once
 */

struct result {
	int status; /* -1: not over */
};

static void on_done(void *user, const struct tensock_error *error)
{
	((struct result *)user)->status = error ? (int)error->status : 0;
}

static unsigned frames_before_small;

/* Reads the large one up to where the small one begins. */
static void host_counts(struct fake_host *host)
{
	uint32_t large, small;

	rig_host_plain_model(host);
	fake_host_expect(host, WIRE_INFER);
	large = host->header.id;
	for (frames_before_small = 0;; frames_before_small++) {
		if (!fake_host_read(host) || host->header.id != large)
			break;
	}
	small = host->header.id;
	fake_host_error(host, WIRE_ERROR, small, TENSOCK_ENGINE_FAILED, "small");
	/* What is left of the large one is not sent when its answer is known. */
	fake_host_error(host, WIRE_ERROR, large, TENSOCK_TOO_LARGE, "large");
	while (fake_host_read(host))
		;
}

static void test_small_beside_large(void **state)
{
	enum {
		LARGE = 64 * 1024 * 1024
	};
	void *data = calloc(1, LARGE);
	struct tensock_input large = {
		.name = "x",
		.dtype = TENSOCK_UINT8,
		.rank = 1,
		.dims = { LARGE },
		.data = data,
		.bytes = LARGE,
	};
	struct tensock_output outputs[2] = { { .name = "y" }, { .name = "y" } };
	struct result results[2] = { { -1 }, { -1 } };
	struct rig rig;

	(void)state;
	begin(&rig, host_counts);
	for (unsigned i = 0; i < 2; i++) {
		const struct tensock_completion completion = { on_done, &results[i] };

		assert_int_equal(tensock_infer_start(rig.client, rig.model, i ? &x_input : &large,
						     1, &outputs[i], 1, NULL, &completion, NULL,
						     NULL),
				 0);
		/* The large one has begun to go. */
		if (i == 0)
			assert_int_equal(tensock_client_process(rig.client, NULL), 0);
	}
	while (results[0].status < 0 || results[1].status < 0)
		assert_int_equal(tensock_client_wait(rig.client, -1, NULL), 0);
	assert_int_equal(results[0].status, TENSOCK_TOO_LARGE);
	assert_int_equal(results[1].status, TENSOCK_ENGINE_FAILED);
	rig_end(&rig);
	/* What was in the socket before it was asked for, 8 MiB at most, and one more. */
	assert_true(frames_before_small <= 33);
	free(data);
}

/* Answers come in any order, also mixed. */
static void host_mixes(struct fake_host *host)
{
	struct fake_infer infers[3];
	unsigned char bodies[3][256];

	rig_host_plain_model(host);
	for (unsigned i = 0; i < 3; i++) {
		fake_host_expect(host, WIRE_INFER);
		fake_host_infer(host, &infers[i]);
	}
	for (unsigned i = 3; i-- > 0;) {
		struct wire_tensor output = infers[i].tensors[0];
		struct wire_result result = { .n_outputs = 1 };
		struct tsk_writer w = tsk_writer(bodies[i], sizeof(bodies[i]));

		output.name = wire_string("y");
		output.index = 0;
		(void)!wire_tensors_layout(&output, 1, &result.payload_bytes);
		wire_result_write(&w, &result, &output);
		fake_host_write(host, WIRE_RESULT, infers[i].id, bodies[i], tsk_writer_len(&w));
	}
	for (unsigned k = 0; k < 32; k++) {
		for (unsigned i = 0; i < 3; i++)
			fake_host_write(host, WIRE_CHUNK, infers[i].id, infers[i].payload + k, 1);
	}
	for (unsigned i = 0; i < 3; i++)
		fake_infer_done(&infers[i]);
	while (fake_host_read(host))
		;
}

static void test_mixed(void **state)
{
	float data[3][8];
	struct tensock_output outputs[3] = { { .name = "y" }, { .index = 0 }, { .name = "y" } };
	struct result results[3] = { { -1 }, { -1 }, { -1 } };
	struct rig rig;

	(void)state;
	begin(&rig, host_mixes);
	for (unsigned i = 0; i < 3; i++) {
		const struct tensock_completion completion = { on_done, &results[i] };
		struct tensock_input input = x_input;

		for (unsigned k = 0; k < 8; k++)
			data[i][k] = (float)(100 * i + k);
		input.data = data[i];
		assert_int_equal(tensock_infer_start(rig.client, rig.model, &input, 1, &outputs[i],
						     1, NULL, &completion, NULL, NULL),
				 0);
	}
	while (results[0].status < 0 || results[1].status < 0 || results[2].status < 0)
		assert_int_equal(tensock_client_wait(rig.client, -1, NULL), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(results[i].status, 0);
		assert_memory_equal(outputs[i].data, data[i], sizeof(data[i]));
	}
	tensock_outputs_done(outputs, 3);
	rig_end(&rig);
}

/* Metadata is all that a host needs for a no: it comes while the first frame is still going out. */
static void host_refuses_within_a_frame(struct fake_host *host)
{
	static unsigned char rest[WIRE_BODY_MAX];
	unsigned char bytes[WIRE_HEADER_BYTES];
	struct wire_header header;

	rig_host_plain_model(host);
	assert_true(fake_host_read_raw(host, bytes, sizeof(bytes)));
	assert_int_equal(wire_header_read(bytes, &header), 0);
	assert_int_equal(header.type, WIRE_INFER);
	assert_true(fake_host_read_raw(host, rest, 1024));
	fake_host_error(host, WIRE_ERROR, header.id, TENSOCK_NOT_FOUND, "no such model");
	/* What the client has to do with it before it can send more. */
	usleep(50000);
	assert_true(fake_host_read_raw(host, rest, (size_t)header.size - 1024));
	fake_host_expect(host, WIRE_PING);
	fake_host_write(host, WIRE_PONG, host->header.id, NULL, 0);
}

static void test_refused_within_a_frame(void **state)
{
	struct tensock_output output = { .name = "y" };
	struct tensock_input input = x_input;
	int little = 4096;
	struct rig rig;

	(void)state;
	input.bytes = UINT64_C(8) << 20;
	input.dims[0] = (int64_t)(input.bytes / 16);
	input.data = calloc(1, (size_t)input.bytes);
	assert_non_null(input.data);
	begin(&rig, host_refuses_within_a_frame);
	assert_int_equal(setsockopt(tensock_client_get_fd(rig.client), SOL_SOCKET, SO_SNDBUF,
				    &little, sizeof(little)),
			 0);
	assert_int_equal(infer(&rig, &input, 1, &output, 1), TENSOCK_NOT_FOUND);
	assert_string_equal(rig.error.message, "no such model");
	/* The frame is ended, and nothing follows it: the connection is as good as before. */
	assert_int_equal(tensock_ping(rig.client, NULL, &rig.error), 0);
	rig_end(&rig);
	free((void *)(uintptr_t)input.data);
}

struct ended {
	unsigned n;
	int status;
};

static void on_ended(void *user, const struct tensock_error *error)
{
	struct ended *ended = user;

	ended->n++;
	ended->status = error ? (int)error->status : TENSOCK_OK;
}

/* It goes down, and says so in the middle of a frame: the next connection gets the request. */
static void host_leaves_within_a_frame(struct fake_host *host)
{
	static unsigned char rest[WIRE_BODY_MAX];
	unsigned char bytes[WIRE_HEADER_BYTES];
	struct wire_header header;

	rig_host_plain_model(host);
	assert_true(fake_host_read_raw(host, bytes, sizeof(bytes)));
	assert_int_equal(wire_header_read(bytes, &header), 0);
	assert_true(fake_host_read_raw(host, rest, 1024));
	fake_host_error(host, WIRE_GOAWAY, 0, TENSOCK_UNAVAILABLE, "restarting");
	fake_host_error(host, WIRE_ERROR, header.id, TENSOCK_UNAVAILABLE, "restarting");
	usleep(50000);
	/* The frame is ended, and then the connection. */
	assert_true(fake_host_read_raw(host, rest, (size_t)header.size - 1024));
	assert_false(fake_host_read(host));
	fake_host_greet(host);
	while (fake_host_read(host))
		echo_one(host);
}

static void infer_while_it_leaves(bool is_cancelled)
{
	struct tensock_output output = { .name = "y" };
	struct tensock_input input = x_input;
	struct tensock_request *request;
	struct tensock_error *error;
	struct ended ended = { 0 };
	int little = 4096;
	struct rig rig;

	input.bytes = UINT64_C(8) << 20;
	input.dims[0] = (int64_t)(input.bytes / 16);
	input.data = calloc(1, (size_t)input.bytes);
	assert_non_null(input.data);
	begin(&rig, host_leaves_within_a_frame);
	error = &rig.error;
	rig.client->options.reconnects_max = 1;
	assert_int_equal(setsockopt(tensock_client_get_fd(rig.client), SOL_SOCKET, SO_SNDBUF,
				    &little, sizeof(little)),
			 0);
	assert_int_equal(tensock_infer_start(rig.client, rig.model, &input, 1, &output, 1, NULL,
					     &(struct tensock_completion){ on_ended, &ended },
					     &request, error),
			 0);
	while (!ended.n) {
		if (is_cancelled && request->is_left)
			tensock_request_cancel(request);
		assert_int_equal(tensock_client_wait(rig.client, 1000, error), 0);
	}
	assert_int_equal(ended.n, 1);
	assert_int_equal(ended.status, is_cancelled ? TENSOCK_CANCELLED : TENSOCK_OK);
	if (!is_cancelled)
		assert_int_equal(output.bytes, input.bytes);
	tensock_outputs_done(&output, 1);
	/* Whatever became of it, there is the next connection. */
	assert_int_equal(infer(&rig, &x_input, 1, &output, 1), 0);
	tensock_outputs_done(&output, 1);
	rig_end(&rig);
	free((void *)(uintptr_t)input.data);
}

static void test_left_within_a_frame(void **state)
{
	(void)state;
	infer_while_it_leaves(false);
	infer_while_it_leaves(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_allocated),
		TSK_TEST(test_in_place),
		TSK_TEST(test_large),
		TSK_TEST(test_refused),
		TSK_TEST(test_refused_within_a_frame),
		TSK_TEST(test_left_within_a_frame),
		TSK_TEST(test_does_not_fit),
		TSK_TEST(test_bad_arguments),
		TSK_TEST(test_lies),
		TSK_TEST(test_answers_too_much),
		TSK_TEST(test_small_beside_large),
		TSK_TEST(test_mixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
