/* SPDX-License-Identifier: Apache-2.0 */
#include "base/testing.h"

#include <stdlib.h>
#include <string.h>

#include <tensock/tensock.h>

#include "client/fake_host.h"

struct rig {
	struct fake_host host;
	struct tensock_client *client;
	struct tensock_error error;
};

static void begin(struct rig *rig, void (*script)(struct fake_host *host))
{
	fake_host_start(&rig->host, script, rig);
	assert_int_equal(tensock_client_new(rig->host.address, NULL, &rig->client, &rig->error), 0);
}

static void end(struct rig *rig)
{
	tensock_client_free(rig->client);
	fake_host_done(&rig->host);
}

static struct wire_model model_named(unsigned number, const char *name)
{
	struct wire_model model = {
		.size = 100 + number,
		.state = number % WIRE_MODEL_STATE_MAX,
		.name = wire_string(name),
		.version = wire_string("1"),
	};

	memset(model.hash, (int)number, sizeof(model.hash));
	return model;
}

/* INFO: what is asked about. */
static struct wire_about take_info(struct fake_host *host, uint32_t type)
{
	struct wire_about about;

	fake_host_expect(host, type);
	if (wire_about_read(host->body, (size_t)host->header.size, 1, &about) < 0)
		abort();
	return about;
}

static void host_opens(struct fake_host *host)
{
	struct wire_model model = model_named(0x5a, "digits");
	struct wire_about about;

	fake_host_greet(host);
	for (unsigned i = 0; i < 3; i++) {
		about = take_info(host, WIRE_INFO);
		if (about.flags != WIRE_INFO_LOAD)
			abort();
		if (i == 2 ? about.model.kind != WIRE_BY_HASH || about.model.hash[31] != 0x5a
			   : !wire_string_equals(about.model.name, "digits"))
			abort();
		fake_host_model(host, host->header.id, &model);
	}
	take_info(host, WIRE_INFO);
	fake_host_error(host, WIRE_ERROR, host->header.id, TENSOCK_NOT_FOUND, "no such model");
}

static void test_open(void **state)
{
	static const char hash[] =
		"sha256:5a5A5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
	struct tensock_model_info info = { .size = sizeof(info) };
	struct tensock_model *model = NULL;
	struct rig rig;

	(void)state;
	begin(&rig, host_opens);
	assert_int_equal(tensock_open(rig.client, "digits", NULL, &model, &rig.error), 0);
	tensock_model_get_info(model, &info);
	assert_string_equal(info.version, "1");
	assert_string_equal(info.hash, "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"
				       "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a");
	tensock_model_free(model);
	assert_int_equal(tensock_open(rig.client, "digits", "1", &model, &rig.error), 0);
	tensock_model_free(model);
	assert_int_equal(tensock_open(rig.client, hash, NULL, &model, &rig.error), 0);
	tensock_model_free(model);
	model = NULL;
	assert_int_equal(tensock_open(rig.client, "other", NULL, &model, &rig.error),
			 TENSOCK_NOT_FOUND);
	assert_int_equal(tensock_open(rig.client, "sha256:12", NULL, &model, &rig.error),
			 TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(tensock_open(rig.client, "", NULL, &model, NULL),
			 TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(tensock_open(rig.client, NULL, NULL, &model, NULL),
			 TENSOCK_INVALID_ARGUMENT);
	assert_null(model);
	end(&rig);
}

/* Another than was asked for: by name, by version, and without a description. */
static void host_opens_others(struct fake_host *host)
{
	struct wire_model model = model_named(1, "other");
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	fake_host_greet(host);
	take_info(host, WIRE_INFO);
	fake_host_model(host, host->header.id, &model);
	model = model_named(1, "digits");
	fake_host_greet(host);
	take_info(host, WIRE_INFO);
	fake_host_model(host, host->header.id, &model);
	fake_host_greet(host);
	take_info(host, WIRE_INFO);
	wire_model_write(&w, &model, NULL, 0);
	fake_host_write(host, WIRE_MODEL, host->header.id, body, tsk_writer_len(&w));
}

static void test_opens_others(void **state)
{
	struct tensock_model *model = NULL;
	struct rig rig;

	(void)state;
	begin(&rig, host_opens_others);
	assert_int_equal(tensock_open(rig.client, "digits", NULL, &model, NULL), TENSOCK_PROTOCOL);
	assert_int_equal(tensock_open(rig.client, "digits", "2", &model, NULL), TENSOCK_PROTOCOL);
	assert_int_equal(tensock_open(rig.client, "digits", NULL, &model, NULL), TENSOCK_PROTOCOL);
	assert_null(model);
	end(&rig);
}

enum {
	LISTED = 3
};

static void write_list(struct fake_host *host, unsigned n)
{
	unsigned char body[4096];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	wire_models_begin(&w, n);
	for (unsigned i = 0; i < LISTED; i++) {
		const struct wire_model model = model_named(i, i ? "b" : "a");

		wire_models_add(&w, &model);
	}
	fake_host_write(host, WIRE_MODELS, host->header.id, body, tsk_writer_len(&w));
}

/* The first was never loaded, the second is gone meanwhile. */
static void host_lists(struct fake_host *host)
{
	struct wire_model model = model_named(0, "under another name");
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	fake_host_greet(host);
	fake_host_expect(host, WIRE_LIST);
	write_list(host, LISTED);
	if (take_info(host, WIRE_INFO).flags)
		abort();
	wire_model_write(&w, &model, NULL, 0);
	fake_host_write(host, WIRE_MODEL, host->header.id, body, tsk_writer_len(&w));
	take_info(host, WIRE_INFO);
	fake_host_error(host, WIRE_ERROR, host->header.id, TENSOCK_NOT_FOUND, "gone");
	take_info(host, WIRE_INFO);
	model = model_named(2, "b");
	fake_host_model(host, host->header.id, &model);
	fake_host_expect(host, WIRE_LIST);
	write_list(host, LISTED + 1);
}

static void test_list(void **state)
{
	struct tensock_model_info info = { .size = sizeof(info) };
	struct tensock_model **models = NULL;
	size_t n = 0;
	struct rig rig;

	(void)state;
	begin(&rig, host_lists);
	assert_int_equal(tensock_list(rig.client, &models, &n, &rig.error), 0);
	assert_int_equal(n, LISTED);
	for (unsigned i = 0; i < LISTED; i++) {
		tensock_model_get_info(models[i], &info);
		assert_string_equal(info.name, i ? "b" : "a");
		assert_int_equal(info.bytes, 100 + i);
		assert_string_equal(info.engine, i == 2 ? "fake 1" : "");
		assert_int_equal(info.n_inputs, i == 2 ? 1 : 0);
	}
	tensock_models_free(models, n);
	models = NULL;
	assert_int_equal(tensock_list(rig.client, &models, &n, &rig.error), TENSOCK_PROTOCOL);
	assert_null(models);
	end(&rig);
}

/* The answer to the first is lost: when it is asked again, the model is gone. */
static void host_unloads(struct fake_host *host)
{
	fake_host_greet(host);
	if (take_info(host, WIRE_UNLOAD).flags != WIRE_UNLOAD_REMOVE)
		abort();
	fake_host_greet(host);
	take_info(host, WIRE_UNLOAD);
	fake_host_error(host, WIRE_ERROR, host->header.id, TENSOCK_NOT_FOUND, "gone");
	/* Not repeated, it is an error. */
	take_info(host, WIRE_UNLOAD);
	fake_host_error(host, WIRE_ERROR, host->header.id, TENSOCK_NOT_FOUND, "gone");
	if (take_info(host, WIRE_UNLOAD).flags)
		abort();
	fake_host_write(host, WIRE_DONE, host->header.id, NULL, 0);
}

static void host_opens_then_unloads(struct fake_host *host)
{
	struct wire_model model = model_named(7, "digits");

	fake_host_greet(host);
	take_info(host, WIRE_INFO);
	fake_host_model(host, host->header.id, &model);
	host_unloads(host);
}

static void test_unload(void **state)
{
	struct tensock_model *model = NULL;
	struct rig rig;

	(void)state;
	begin(&rig, host_opens_then_unloads);
	assert_int_equal(tensock_open(rig.client, "digits", NULL, &model, &rig.error), 0);
	assert_int_equal(tensock_unload(rig.client, model, 1, &rig.error), 0);
	assert_int_equal(tensock_unload(rig.client, model, 1, &rig.error), TENSOCK_NOT_FOUND);
	assert_int_equal(tensock_unload(rig.client, model, 0, &rig.error), 0);
	tensock_model_free(model);
	end(&rig);
}

static void host_counts(struct fake_host *host)
{
	const struct wire_counter counters[] = {
		{ wire_string("requests-ok"), 7 },
		{ wire_string("memory-bytes"), UINT64_MAX },
	};
	unsigned char body[256];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	fake_host_greet(host);
	fake_host_expect(host, WIRE_STATS);
	wire_counters_write(&w, counters, 2);
	fake_host_write(host, WIRE_COUNTERS, host->header.id, body, tsk_writer_len(&w));
}

static void test_stats(void **state)
{
	struct tensock_counter *counters = NULL;
	size_t n = 0;
	struct rig rig;

	(void)state;
	begin(&rig, host_counts);
	assert_int_equal(tensock_stats(rig.client, &counters, &n, &rig.error), 0);
	assert_int_equal(n, 2);
	assert_string_equal(counters[0].name, "requests-ok");
	assert_int_equal(counters[0].value, 7);
	assert_string_equal(counters[1].name, "memory-bytes");
	assert_true(counters[1].value == UINT64_MAX);
	free(counters);
	end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_open),   TSK_TEST(test_opens_others), TSK_TEST(test_list),
		TSK_TEST(test_unload), TSK_TEST(test_stats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
