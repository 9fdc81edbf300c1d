/* SPDX-License-Identifier: Apache-2.0 */
/* Requests whose tensors are in shared memory, and hosts that do as they should with it, or not. */
#include "base/testing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tensock/tensock.h>

#include "client/client.h"
#include "client/infer_rig.h"

#define MIB ((uint64_t)1 << 20)

/*
 * ---- As it should be
 */

/* The second has the memory of the first; what is small stays out of it. */
static void host_echoes(struct fake_host *host)
{
	rig_host_model(host);
	fake_host_memory(host);
	for (unsigned i = 0; i < 3; i++) {
		struct fake_infer infer;

		rig_take(host, WIRE_INFER_MEMORY, &infer);
		assert_int_equal(infer.at, 0);
		assert_int_equal(infer.n_places, 1);
		assert_int_equal(infer.places[0].at, i == 2 ? 32 * 1024 : MIB + 64);
		fake_host_echo(host, &infer);
		fake_infer_done(&infer);
	}
	rig_echo(host, WIRE_INFER);
	rig_wait_for_the_end(host);
}

static void test_in_memory(void **state)
{
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_echoes);
	for (unsigned i = 0; i < 2; i++)
		rig_infer_one(&rig, MIB + 3, i);
	rig_infer_one(&rig, 32 * 1024, 3);
	rig_infer_one(&rig, 32 * 1024 - 64, 4);
	rig_end(&rig);
}

/* An output that the library allocates comes in frames. */
static void host_without_places(struct fake_host *host)
{
	rig_host_model(host);
	fake_host_memory(host);
	for (unsigned i = 0; i < 2; i++) {
		struct fake_infer infer;

		rig_take(host, WIRE_INFER_MEMORY, &infer);
		assert_int_equal(infer.at, 0);
		assert_int_equal(infer.n_places, 0);
		fake_host_echo(host, &infer);
		fake_infer_done(&infer);
	}
	rig_wait_for_the_end(host);
}

/* So does one with more room than there can be. */
static void test_without_places(void **state)
{
	static const uint64_t capacities[] = { 0, UINT64_MAX };
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_without_places);
	for (unsigned i = 0; i < 2; i++) {
		struct run run = run_new(MIB, i);

		run.output.capacity = capacities[i];
		run.output.data = i ? run.y : NULL;
		rig_infer_well(&rig, &run);
		assert_int_equal(run.output.flags, i ? 0 : TENSOCK_OUTPUT_ALLOCATED);
		run_done(&run);
	}
	rig_end(&rig);
}

/* Sizes that leave gaps, one of no bytes; what is behind the last one's room stays. */
static void host_many(struct fake_host *host)
{
	rig_host_model(host);
	fake_host_memory(host);
	rig_echo(host, WIRE_INFER_MEMORY);
	rig_wait_for_the_end(host);
}

static void test_many_tensors(void **state)
{
	static const uint64_t sizes[] = { 100001, 1, 0, 63, 300000 };
	enum {
		N = 5
	};
	struct tensock_output outputs[N] = { 0 };
	struct tensock_input inputs[N] = { 0 };
	struct run runs[N];
	struct rig rig;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		runs[i] = run_new(sizes[i] + 1, i);
		runs[i].y[sizes[i]] = 42;
		inputs[i] = runs[i].input;
		inputs[i].name = NULL;
		inputs[i].index = outputs[i].index = i;
		inputs[i].bytes = sizes[i];
		inputs[i].dims[0] = (int64_t)sizes[i];
		outputs[i].data = runs[i].y;
		outputs[i].capacity = sizes[i];
	}
	rig_begin(&rig, host_many);
	assert_int_equal(tensock_infer(rig.client, rig.model, inputs, N, outputs, N, NULL, NULL),
			 0);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(outputs[i].bytes, sizes[i]);
		assert_int_equal(memcmp(runs[i].y, runs[i].x, sizes[i]), 0);
		assert_int_equal(runs[i].y[sizes[i]], 42);
		run_done(&runs[i]);
	}
	rig_end(&rig);
}

static void test_does_not_fit(void **state)
{
	struct run run = run_new(MIB, 1);
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_many);
	run.output.capacity = MIB - 1;
	assert_int_equal(rig_infer(&rig, &run), TENSOCK_TOO_LARGE);
	assert_int_equal(run.output.bytes, MIB);
	assert_int_equal(run.y[0], 0);
	run_done(&run);
	rig_end(&rig);
}

/* Two at once, the second is answered first; a third finds no room. */
static void host_turns_round(struct fake_host *host)
{
	struct fake_infer infers[3];

	rig_host_model(host);
	fake_host_memory(host);
	rig_take(host, WIRE_INFER_MEMORY, &infers[0]);
	rig_take(host, WIRE_INFER_MEMORY, &infers[1]);
	rig_take(host, WIRE_INFER, &infers[2]);
	assert_true(infers[1].at >= infers[0].places[0].at + infers[0].places[0].bytes);
	for (unsigned i = 3; i-- > 0;) {
		fake_host_echo(host, &infers[i]);
		fake_infer_done(&infers[i]);
	}
	rig_wait_for_the_end(host);
}

static void test_several(void **state)
{
	struct run runs[3];
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_turns_round);
	for (unsigned i = 0; i < 3; i++) {
		runs[i] = run_new(20 * MIB, i);
		rig_start(&rig, &runs[i]);
	}
	rig_finish(&rig, runs, 3);
	rig_end(&rig);
}

/* The descriptor goes when there is room for its frame, with that. */
static void host_reads_late(struct fake_host *host)
{
	rig_host_model(host);
	usleep(50000);
	rig_echo(host, WIRE_INFER);
	fake_host_memory(host);
	rig_echo(host, WIRE_INFER_MEMORY);
	rig_wait_for_the_end(host);
}

static void test_late(void **state)
{
	struct run runs[2] = { run_new(30000, 0), run_new(MIB, 1) };
	int little = 4096;
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_reads_late);
	assert_int_equal(setsockopt(tensock_client_get_fd(rig.client), SOL_SOCKET, SO_SNDBUF,
				    &little, sizeof(little)),
			 0);
	rig_start(&rig, &runs[0]);
	rig_start(&rig, &runs[1]);
	assert_int_equal(rig.client->connection.memory.state, MEMORY_NEW);
	rig_finish(&rig, runs, 2);
	rig_end(&rig);
}

/* Through vsock no descriptor goes, and it is not offered. */
static void test_offered(void **state)
{
	static const char *const addresses[] = { "unix:/nowhere", "vsock:1:9999" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
		struct tensock_client *client;

		assert_int_equal(tensock_client_new(addresses[i], NULL, &client, NULL), 0);
		assert_int_equal(connection_features(client),
				 i ? WIRE_FEATURE_OPERATORS : WIRE_FEATURES);
		tensock_client_free(client);
	}
}

/*
 * ---- Hosts that cannot use it
 */

static void host_says_inline(struct fake_host *host)
{
	struct fake_infer infers[2];

	rig_host_model(host);
	fake_host_expect(host, WIRE_MEMORY);
	/* As a proxy between the two would have done. */
	host->descriptor = tsk_close(host->descriptor);
	rig_take(host, WIRE_INFER_MEMORY, &infers[0]);
	rig_take(host, WIRE_INFER_MEMORY, &infers[1]);
	fake_host_write(host, WIRE_INLINE, infers[0].id, NULL, 0);
	fake_host_write(host, WIRE_INLINE, infers[1].id, NULL, 0);
	fake_infer_done(&infers[0]);
	fake_infer_done(&infers[1]);
	while (fake_host_read(host)) {
		assert_int_equal(host->header.type, WIRE_INFER);
		fake_host_infer(host, &infers[0]);
		fake_host_echo(host, &infers[0]);
		fake_infer_done(&infers[0]);
	}
}

/* Both are asked again on the same connection, and what follows does not try. */
static void test_inline(void **state)
{
	struct run runs[2];
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_says_inline);
	for (unsigned i = 0; i < 2; i++) {
		runs[i] = run_new(100000, i);
		rig_start(&rig, &runs[i]);
	}
	rig_finish(&rig, runs, 2);
	assert_int_equal(rig.client->connection.memory.fd, -1);
	rig_infer_one(&rig, MIB, 2);
	rig_end(&rig);
}

static void host_says_inline_late(struct fake_host *host)
{
	struct fake_infer infer;

	rig_host_model(host);
	fake_host_memory(host);
	rig_take(host, WIRE_INFER_MEMORY, &infer);
	fake_host_expect(host, WIRE_CANCEL);
	fake_host_write(host, WIRE_INLINE, infer.id, NULL, 0);
	fake_infer_done(&infer);
	rig_echo(host, WIRE_INFER);
	rig_wait_for_the_end(host);
}

static void test_inline_when_cancelled(void **state)
{
	struct run run = run_new(MIB, 0);
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_says_inline_late);
	rig_start(&rig, &run);
	tensock_request_cancel(run.request);
	rig_await(&rig, &run);
	assert_int_equal(run.status, TENSOCK_CANCELLED);
	run_done(&run);
	rig_infer_one(&rig, MIB, 1);
	rig_end(&rig);
}

/*
 * ---- Requests that end otherwise
 */

/* What has failed may still be running there. */
static void host_fails(struct fake_host *host)
{
	struct fake_infer infer;

	rig_host_model(host);
	fake_host_memory(host);
	rig_take(host, WIRE_INFER_MEMORY, &infer);
	rig_refuse(host, &infer, TENSOCK_ENGINE_FAILED);
	fake_infer_done(&infer);
	fake_host_memory(host);
	rig_echo(host, WIRE_INFER_MEMORY);
	rig_echo(host, WIRE_INFER_MEMORY);
	rig_wait_for_the_end(host);
}

static void test_failed(void **state)
{
	struct run run = run_new(MIB, 0);
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_fails);
	assert_int_equal(rig_infer(&rig, &run), TENSOCK_ENGINE_FAILED);
	run_done(&run);
	rig_infer_one(&rig, MIB, 1);
	rig_infer_one(&rig, MIB, 2);
	rig_end(&rig);
}

/* The one that is cancelled goes on writing as long as there is memory to write to. */
static void host_runs_on(struct fake_host *host)
{
	struct fake_infer infers[3];
	unsigned char *place;

	rig_host_model(host);
	fake_host_memory(host);
	rig_take(host, WIRE_INFER_MEMORY, &infers[0]);
	rig_take(host, WIRE_INFER_MEMORY, &infers[1]);
	fake_host_expect(host, WIRE_CANCEL);
	assert_int_equal(host->header.id, infers[0].id);
	rig_refuse(host, &infers[0], TENSOCK_CANCELLED);
	place = host->memory + infers[0].at;
	rig_take(host, WIRE_INFER, &infers[2]);
	memset(place, 0xee, MIB);
	fake_host_echo(host, &infers[2]);
	memset(place, 0xee, MIB);
	fake_host_echo(host, &infers[1]);
	memset(place, 0xee, MIB);
	for (unsigned i = 0; i < 3; i++)
		fake_infer_done(&infers[i]);
	fake_host_memory(host);
	rig_echo(host, WIRE_INFER_MEMORY);
	rig_wait_for_the_end(host);
}

static void test_cancelled(void **state)
{
	struct run runs[3];
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_runs_on);
	for (unsigned i = 0; i < 3; i++)
		runs[i] = run_new(MIB, i);
	rig_start(&rig, &runs[0]);
	rig_start(&rig, &runs[1]);
	tensock_request_cancel(runs[0].request);
	rig_await(&rig, &runs[0]);
	assert_int_equal(runs[0].status, TENSOCK_CANCELLED);
	rig_start(&rig, &runs[2]);
	rig_finish(&rig, runs + 1, 2);
	rig_infer_one(&rig, MIB, 3);
	run_done(&runs[0]);
	rig_end(&rig);
}

/* Cancelled before the host has heard of it: nothing is wrong with its memory. */
static void test_cancelled_at_once(void **state)
{
	struct run run = run_new(MIB, 0);
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_many);
	assert_int_equal(tensock_infer_start(rig.client, rig.model, &run.input, 1, &run.output, 1,
					     NULL,
					     &(struct tensock_completion){ run_on_done, &run },
					     &run.request, NULL),
			 0);
	request_set_under_way(run.request);
	assert_int_equal(rig.client->connection.memory.state, MEMORY_NEW);
	tensock_request_cancel(run.request);
	rig_await(&rig, &run);
	assert_int_equal(run.status, TENSOCK_CANCELLED);
	assert_non_null(rig.client->connection.memory.start);
	run_done(&run);
	rig_infer_one(&rig, MIB, 1);
	rig_end(&rig);
}

/* On the next connection it begins anew. */
static void host_breaks(struct fake_host *host)
{
	struct fake_infer infers[2];

	rig_host_model(host);
	fake_host_memory(host);
	rig_take(host, WIRE_INFER_MEMORY, &infers[0]);
	rig_take(host, WIRE_INFER_MEMORY, &infers[1]);
	fake_host_echo(host, &infers[1]);
	fake_infer_done(&infers[0]);
	fake_infer_done(&infers[1]);
	rig_greet(host);
	fake_host_memory(host);
	rig_echo(host, WIRE_INFER_MEMORY);
	rig_echo(host, WIRE_INFER_MEMORY);
	rig_wait_for_the_end(host);
}

static void test_broken(void **state)
{
	struct run runs[2];
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_breaks);
	for (unsigned i = 0; i < 2; i++) {
		runs[i] = run_new(MIB, i);
		rig_start(&rig, &runs[i]);
	}
	rig_finish(&rig, runs, 2);
	rig_infer_one(&rig, MIB, 2);
	rig_end(&rig);
}

/* The next one's host has no memory. */
static void host_changes(struct fake_host *host)
{
	struct fake_infer infer;

	rig_host_model(host);
	fake_host_memory(host);
	rig_take(host, WIRE_INFER_MEMORY, &infer);
	fake_infer_done(&infer);
	host->features = 0;
	fake_host_greet(host);
	rig_echo(host, WIRE_INFER);
	rig_wait_for_the_end(host);
}

static void test_changed(void **state)
{
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_changes);
	rig_infer_one(&rig, MIB, 0);
	rig_end(&rig);
}

/* A turn copies a few of them; the next one is due at once. */
static void host_of_several(struct fake_host *host)
{
	rig_host_model(host);
	fake_host_memory(host);
	for (unsigned i = 0; i < 5; i++)
		rig_echo(host, WIRE_INFER_MEMORY);
	rig_wait_for_the_end(host);
}

static void test_turn_by_turn(void **state)
{
	struct run runs[5];
	struct rig rig;

	(void)state;
	rig_begin(&rig, host_of_several);
	rig.client->has_asked_much = true;
	for (unsigned i = 0; i < 5; i++) {
		runs[i] = run_new(6 * MIB, i);
		assert_int_equal(tensock_infer_start(rig.client, rig.model, &runs[i].input, 1,
						     &runs[i].output, 1, NULL,
						     &(struct tensock_completion){ run_on_done,
										   &runs[i] },
						     NULL, NULL),
				 0);
	}
	assert_int_equal(tensock_client_process(rig.client, NULL), 0);
	assert_int_equal(rig.client->requests.n_under_way, 3);
	assert_int_equal(tensock_client_get_timeout(rig.client), 0);
	rig_finish(&rig, runs, 5);
	rig_end(&rig);
}

/*
 * ---- Hosts that lie
 */

struct lie {
	const char *what;
	uint64_t bytes;
	bool is_allocated;
	void (*tell)(struct fake_host *host, struct fake_infer *infer);
};

static struct wire_tensor right_output(const struct fake_infer *infer)
{
	struct wire_tensor output = infer->tensors[0];

	output.name = wire_string("y");
	output.index = 0;
	return output;
}

static void tell_result_memory(struct fake_host *host, struct fake_infer *infer)
{
	struct wire_tensor output = right_output(infer);

	fake_host_result_memory(host, infer, &output, 1, infer->payload);
}

static void tell_result(struct fake_host *host, struct fake_infer *infer)
{
	struct wire_tensor output = right_output(infer);

	fake_host_result(host, infer->id, &output, 1, infer->payload, WIRE_BODY_MAX, WIRE_BODY_MAX);
}

static void tell_inline(struct fake_host *host, struct fake_infer *infer)
{
	fake_host_write(host, WIRE_INLINE, infer->id, NULL, 0);
}

static void tell_inline_twice(struct fake_host *host, struct fake_infer *infer)
{
	struct fake_infer again;

	tell_inline(host, infer);
	rig_take(host, WIRE_INFER, &again);
	tell_inline(host, &again);
	fake_infer_done(&again);
}

static void tell_other(struct fake_host *host, struct fake_infer *infer)
{
	struct wire_tensor output = right_output(infer);

	output.name = wire_string("z");
	fake_host_result_memory(host, infer, &output, 1, infer->payload);
}

static void tell_beyond_its_word(struct fake_host *host, struct fake_infer *infer)
{
	struct wire_tensor output = right_output(infer);

	output.bytes = host->bytes_max + 1;
	output.dims[0] = (int64_t)output.bytes;
	fake_host_result_memory(host, infer, &output, 1, NULL);
}

static void tell_payload(struct fake_host *host, struct fake_infer *infer)
{
	struct wire_tensor output = right_output(infer);
	struct wire_result result = { .n_outputs = 1 };
	unsigned char body[256] = { 0 };
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	(void)!wire_tensors_layout(&output, 1, &result.payload_bytes);
	wire_result_write(&w, &result, &output);
	fake_host_write(host, WIRE_RESULT_MEMORY, infer->id, body, tsk_writer_len(&w) + 1);
}

static void tell_garbage(struct fake_host *host, struct fake_infer *infer)
{
	unsigned char body[64];

	memset(body, 0xff, sizeof(body));
	fake_host_write(host, WIRE_RESULT_MEMORY, infer->id, body, sizeof(body));
}

static const struct lie lies[] = {
	{ "RESULT_MEMORY to INFER", 100, false, tell_result_memory },
	{ "INLINE to INFER", 100, false, tell_inline },
	{ "RESULT_MEMORY without places", MIB, true, tell_result_memory },
	{ "RESULT with places", MIB, false, tell_result },
	{ "INLINE twice", MIB, false, tell_inline_twice },
	{ "another output", MIB, false, tell_other },
	{ "more than it allows", MIB, false, tell_beyond_its_word },
	{ "payload behind it", MIB, false, tell_payload },
	{ "garbage", MIB, false, tell_garbage },
};

static const struct lie *lie;

static void host_lies(struct fake_host *host)
{
	struct fake_infer infer;

	rig_host_model(host);
	if (lie->bytes >= MIB)
		fake_host_memory(host);
	rig_take(host, lie->bytes >= MIB ? WIRE_INFER_MEMORY : WIRE_INFER, &infer);
	lie->tell(host, &infer);
	fake_infer_done(&infer);
	/* The client ends it, not the host. */
	rig_wait_for_the_end(host);
}

static void test_lies(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		struct run run = run_new(lies[i].bytes, i);
		struct rig rig;
		int r;

		lie = &lies[i];
		if (lie->is_allocated)
			run.output.data = NULL;
		rig_begin(&rig, host_lies);
		r = rig_infer(&rig, &run);
		if (r != TENSOCK_PROTOCOL)
			print_error("%s: %d %s\n", lie->what, r, rig.error.message);
		assert_int_equal(r, TENSOCK_PROTOCOL);
		run_done(&run);
		rig_end(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_in_memory),
		TSK_TEST(test_without_places),
		TSK_TEST(test_many_tensors),
		TSK_TEST(test_does_not_fit),
		TSK_TEST(test_several),
		TSK_TEST(test_late),
		TSK_TEST(test_offered),
		TSK_TEST(test_inline),
		TSK_TEST(test_inline_when_cancelled),
		TSK_TEST(test_failed),
		TSK_TEST(test_cancelled),
		TSK_TEST(test_cancelled_at_once),
		TSK_TEST(test_broken),
		TSK_TEST(test_changed),
		TSK_TEST(test_turn_by_turn),
		TSK_TEST(test_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
