/* SPDX-License-Identifier: Apache-2.0 */
/* What docs/protocol-vectors.txt says: the library writes it so, and takes it so. */
#include "wire/testing.h"

#include <tensock/tensock.h>

#include "client/fake_host.h"

static const char model_bytes[] = "These bytes stand for a model.\n";
#define MODEL_BYTES (sizeof(model_bytes) - 1)

/* "Q name": the guest is to say that.  "A name": the host says it. */
static const char *const conversation[] = {
	"Q hello",  "A welcome", "Q offer",    "A model",   "Q info-load",
	"A model",  "Q stats",   "A counters", "Q list",    "A models",
	"Q info-1", "A model",   "Q info-2",   "A gone-1",  "Q unload-remove",
	"A done",   "Q infer-1", "A result",   "Q infer-1", "A error-shape",
};

struct script {
	struct fake_host host;
	struct wire_vector vectors[ARRAY_SIZE(conversation)];
	const struct wire_vector *wrong; /* to be said after OFFER, instead of all that */
};

/* All but its id, which is the guest's to choose. */
static bool is_said(const struct fake_host *host, const struct wire_vector *vector)
{
	struct wire_header header;

	if (!vector->n)
		return true;
	return wire_header_read(vector->bytes, &header) == 0 && header.type == host->header.type &&
	       header.size == host->header.size &&
	       memcmp(vector->bytes + WIRE_HEADER_BYTES, host->body, (size_t)header.size) == 0;
}

static void say(struct fake_host *host, const struct wire_vector *vector, uint32_t id)
{
	unsigned char bytes[WIRE_VECTOR_MAX];
	struct tsk_writer w = tsk_writer(bytes + 4, 4);

	memcpy(bytes, vector->bytes, vector->n);
	if (id)
		tsk_write_u32(&w, id);
	fake_host_raw(host, bytes, vector->n);
}

static void host_says(struct fake_host *host)
{
	struct script *script = host->context;

	fake_host_accept(host);
	for (unsigned i = 0; i < ARRAY_SIZE(conversation); i++) {
		if (strcmp(conversation[i], "A gone-1") == 0) {
			fake_host_error(host, WIRE_ERROR, host->header.id, TENSOCK_NOT_FOUND, "");
			continue;
		}
		if (conversation[i][0] == 'A') {
			say(host, &script->vectors[i], host->header.id);
			continue;
		}
		if (!fake_host_read(host) || !is_said(host, &script->vectors[i])) {
			fprintf(stderr, "not as the vector %s\n", conversation[i]);
			abort();
		}
	}
	while (fake_host_read(host))
		;
}

static void begin(struct script *script, void (*says)(struct fake_host *host),
		  struct tensock_client **ret)
{
	const struct tensock_client_options options = {
		.size = sizeof(options),
		.reconnects_max = UINT32_MAX,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(conversation); i++) {
		const char *name = conversation[i] + 2;

		script->vectors[i].n = 0;
		/* Those with a number are asked in a way that no vector has. */
		if (!isdigit((unsigned char)name[strlen(name) - 1]))
			script->vectors[i] = wire_vector(name);
	}
	fake_host_start(&script->host, says, script);
	assert_int_equal(tensock_client_new(script->host.address, &options, ret, NULL), 0);
}

static const struct tensock_push_options labels = {
	.size = sizeof(labels),
	.name = "greeting",
	.version = "2",
};

/* The second of the list is gone when it is asked about. */
static void check_models(struct tensock_client *client)
{
	struct tensock_model_info info = { .size = sizeof(info) };
	struct tensock_model **models;
	size_t n;

	assert_int_equal(tensock_list(client, &models, &n, NULL), 0);
	assert_int_equal(n, 2);
	tensock_model_get_info(models[0], &info);
	assert_string_equal(info.name, "greeting");
	assert_int_equal(info.n_inputs, 1);
	tensock_model_get_info(models[1], &info);
	assert_int_equal(info.bytes, UINT64_C(4294967296));
	assert_int_equal(info.runs, 12);
	assert_int_equal(info.state, TENSOCK_MODEL_STORED);
	assert_int_equal(info.n_inputs, 0);
	tensock_models_free(models, n);
}

static void check_infer(struct tensock_client *client, const struct tensock_model *model)
{
	const float x[6] = { 1, 2, 3, 4, 5, 6 };
	const struct tensock_input input = {
		.name = "x",
		.dtype = TENSOCK_FLOAT32,
		.rank = 2,
		.dims = { 2, 3 },
		.data = x,
		.bytes = sizeof(x),
	};
	struct tensock_output output = { .name = "y" };
	struct tensock_error error;

	assert_int_equal(tensock_infer(client, model, &input, 1, &output, 1, NULL, NULL), 0);
	assert_int_equal(output.dtype, TENSOCK_INT64);
	assert_int_equal(output.bytes, 16);
	assert_int_equal(((int64_t *)output.data)[0], 6);
	assert_int_equal(((int64_t *)output.data)[1], 15);
	tensock_outputs_done(&output, 1);
	assert_int_equal(tensock_infer(client, model, &input, 1, &output, 1, NULL, &error),
			 TENSOCK_INVALID_ARGUMENT);
	assert_true(error.message[0]);
}

static void test_conversation(void **state)
{
	static struct script script;
	struct tensock_host_info host = { .size = sizeof(host) };
	struct tensock_model_info info = { .size = sizeof(info) };
	struct tensock_counter *counters;
	struct tensock_client *client;
	struct tensock_model *model, *opened;
	char name[80];
	size_t n;

	(void)state;
	begin(&script, host_says, &client);
	assert_int_equal(tensock_push(client, model_bytes, MODEL_BYTES, &labels, &model, NULL), 0);
	assert_int_equal(tensock_client_host(client, &host, NULL), 0);
	assert_string_equal(host.guest, "vm-7");
	assert_int_equal(host.requests_max, 64);
	tensock_model_get_info(model, &info);
	assert_string_equal(info.engine, "onnxruntime 1.28.0");
	assert_string_equal(info.inputs[0].dim_names[0], "N");
	snprintf(name, sizeof(name), "sha256:%s", info.hash);
	assert_int_equal(tensock_open(client, name, NULL, &opened, NULL), 0);
	tensock_model_free(opened);
	assert_int_equal(tensock_stats(client, &counters, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(counters[0].value, 41);
	free(counters);
	check_models(client);
	assert_int_equal(tensock_unload(client, model, 1, NULL), 0);
	check_infer(client, model);
	tensock_model_free(model);
	tensock_client_free(client);
	fake_host_done(&script.host);
}

/*
 * ---- What is to be refused
 */

static void host_is_wrong(struct fake_host *host)
{
	struct script *script = host->context;

	fake_host_greet(host);
	fake_host_expect(host, WIRE_OFFER);
	say(host, script->wrong, 0);
	while (fake_host_read(host))
		;
}

static void refuse(const struct wire_vector *vector, void *user)
{
	static struct script script;
	struct tensock_model *model = NULL;
	struct tensock_client *client;
	int r;

	if (strncmp(vector->name, "refused-", 8) != 0)
		return;
	++*(unsigned *)user;
	script.wrong = vector;
	begin(&script, host_is_wrong, &client);
	r = tensock_push(client, model_bytes, MODEL_BYTES, NULL, &model, NULL);
	if (r != TENSOCK_PROTOCOL)
		print_error("%s: %d\n", vector->name, r);
	assert_int_equal(r, TENSOCK_PROTOCOL);
	assert_null(model);
	tensock_client_free(client);
	fake_host_done(&script.host);
}

static void test_refused(void **state)
{
	unsigned n = 0;

	(void)state;
	(void)wire_vectors_each(refuse, &n);
	assert_true(n > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_conversation),
		TSK_TEST(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
