/* SPDX-License-Identifier: Apache-2.0 */
#include "client/infer_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/memory.h"

static const char model_bytes[] = "bytes of a model";

void rig_greet(struct fake_host *host)
{
	host->features = WIRE_FEATURE_MEMORY;
	fake_host_greet(host);
}

void rig_take(struct fake_host *host, uint32_t type, struct fake_infer *ret)
{
	fake_host_expect(host, type);
	fake_host_infer(host, ret);
}

void rig_echo(struct fake_host *host, uint32_t type)
{
	struct fake_infer infer;

	rig_take(host, type, &infer);
	fake_host_echo(host, &infer);
	fake_infer_done(&infer);
}

void rig_host_plain_model(struct fake_host *host)
{
	fake_host_greet(host);
	fake_host_has_model(host, model_bytes, sizeof(model_bytes));
}

void rig_host_model(struct fake_host *host)
{
	host->features = WIRE_FEATURE_MEMORY;
	rig_host_plain_model(host);
	rig_echo(host, WIRE_INFER);
}

void rig_refuse(struct fake_host *host, const struct fake_infer *infer, uint32_t status)
{
	fake_host_error(host, WIRE_ERROR, infer->id, status, "no");
}

void rig_wait_for_the_end(struct fake_host *host)
{
	while (fake_host_read(host))
		;
}

void rig_end(struct rig *rig)
{
	tensock_model_free(rig->model);
	tensock_client_free(rig->client);
	fake_host_done(&rig->host);
}

struct run run_new(uint64_t bytes, unsigned seed)
{
	struct run run = { .x = malloc(bytes), .y = calloc(1, bytes), .status = -1 };

	assert_true(run.x && run.y);
	for (uint64_t k = 0; k < bytes; k++)
		run.x[k] = (unsigned char)(k * 7 + k / 256 + seed);
	run.input = (struct tensock_input){
		.name = "x",
		.dtype = TENSOCK_UINT8,
		.rank = 1,
		.dims = { (int64_t)bytes },
		.data = run.x,
		.bytes = bytes,
	};
	run.output = (struct tensock_output){ .name = "y", .data = run.y, .capacity = bytes };
	return run;
}

void run_done(struct run *run)
{
	tensock_outputs_done(&run->output, 1);
	free(run->x);
	free(run->y);
}

int rig_infer(struct rig *rig, struct run *run)
{
	return tensock_infer(rig->client, rig->model, &run->input, 1, &run->output, 1, NULL,
			     &rig->error);
}

void rig_infer_well(struct rig *rig, struct run *run)
{
	/* What an earlier one has left there is no answer. */
	if (run->output.data)
		memset(run->output.data, 0, run->input.bytes);
	assert_int_equal(rig_infer(rig, run), 0);
	run_check(run);
}

void run_on_done(void *user, const struct tensock_error *error)
{
	struct run *run = user;

	assert_int_equal(run->status, -1);
	run->status = error ? (int)error->status : 0;
}

void rig_start(struct rig *rig, struct run *run)
{
	const struct tensock_completion completion = { run_on_done, run };

	assert_int_equal(tensock_infer_start(rig->client, rig->model, &run->input, 1, &run->output,
					     1, NULL, &completion, &run->request, NULL),
			 0);
	assert_int_equal(tensock_client_process(rig->client, NULL), 0);
}

void rig_await(struct rig *rig, const struct run *run)
{
	while (run->status < 0)
		assert_int_equal(tensock_client_wait(rig->client, -1, NULL), 0);
}

void run_check(const struct run *run)
{
	assert_int_equal(run->output.bytes, run->input.bytes);
	assert_int_equal(run->output.rank, 1);
	assert_int_equal(run->output.dims[0], run->input.bytes);
	assert_int_equal(memcmp(run->output.data, run->x, run->input.bytes), 0);
}

void rig_finish(struct rig *rig, struct run *runs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		rig_await(rig, &runs[i]);
		assert_int_equal(runs[i].status, 0);
		run_check(&runs[i]);
		run_done(&runs[i]);
	}
}

void rig_infer_one(struct rig *rig, uint64_t bytes, unsigned seed)
{
	struct run run = run_new(bytes, seed);

	rig_infer_well(rig, &run);
	run_done(&run);
}

void rig_open(struct rig *rig, void (*script)(struct fake_host *host), uint32_t reconnects_max)
{
	const struct tensock_client_options options = {
		.size = sizeof(options),
		.reconnects_max = reconnects_max,
	};

	fake_host_start(&rig->host, script, rig);
	assert_int_equal(tensock_client_new(rig->host.address, &options, &rig->client, &rig->error),
			 0);
	assert_int_equal(tensock_push(rig->client, model_bytes, sizeof(model_bytes), NULL,
				      &rig->model, &rig->error),
			 0);
}

void rig_begin(struct rig *rig, void (*script)(struct fake_host *host))
{
	rig_open(rig, script, 1);
	rig_infer_one(rig, MEMORY_WORTH_BYTES / 2, 99);
}
