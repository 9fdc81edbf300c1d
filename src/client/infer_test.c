/* SPDX-License-Identifier: Apache-2.0 */
#include "base/testing.h"

#include <stdlib.h>
#include <string.h>

#include <tensock/tensock.h>

#include "base/sha256.h"
#include "client/fake_host.h"

static const char model_bytes[] = "bytes of a model";

static struct wire_model the_model(void)
{
	struct wire_model model = { .size = sizeof(model_bytes), .state = WIRE_MODEL_READY };

	tsk_sha256(model_bytes, sizeof(model_bytes), model.hash);
	return model;
}

/* Has the model at once. */
static void host_model(struct fake_host *host)
{
	struct wire_model model = the_model();

	fake_host_greet(host);
	fake_host_expect(host, WIRE_OFFER);
	fake_host_model(host, host->header.id, &model);
}

/* y = x until the guest has enough. */
static void host_echoes(struct fake_host *host)
{
	host_model(host);
	while (fake_host_read(host)) {
		struct fake_infer infer;

		fake_host_infer(host, &infer);
		fake_host_echo(host, &infer);
		fake_infer_done(&infer);
	}
}

struct rig {
	struct fake_host host;
	struct tensock_client *client;
	struct tensock_model *model;
	struct tensock_error error;
};

static void begin(struct rig *rig, void (*script)(struct fake_host *host))
{
	fake_host_start(&rig->host, script, rig);
	assert_int_equal(tensock_client_new(rig->host.address, NULL, &rig->client, &rig->error), 0);
	assert_int_equal(tensock_push(rig->client, model_bytes, sizeof(model_bytes), NULL,
				      &rig->model, &rig->error),
			 0);
}

static void end(struct rig *rig)
{
	tensock_model_free(rig->model);
	tensock_client_free(rig->client);
	fake_host_done(&rig->host);
}

static void test_small(void **state)
{
	const float x[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct tensock_input input = {
		.name = "x",
		.dtype = TENSOCK_FLOAT32,
		.rank = 2,
		.dims = { 2, 4 },
		.data = x,
		.bytes = sizeof(x),
	};
	struct tensock_output output = { .name = "y" };
	struct rig rig;

	(void)state;
	begin(&rig, host_echoes);
	assert_int_equal(tensock_infer(rig.client, rig.model, &input, 1, &output, 1, NULL,
				       &rig.error),
			 0);
	assert_int_equal(output.bytes, sizeof(x));
	assert_int_equal(output.flags, TENSOCK_OUTPUT_ALLOCATED);
	assert_memory_equal(output.data, x, sizeof(x));
	tensock_outputs_done(&output, 1);
	assert_null(output.data);
	end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
