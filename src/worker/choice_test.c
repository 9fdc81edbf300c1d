/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/choice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"

/* Engines that say what they are told to.  An engine's functions know nothing of it, so there are two. */
static struct rig {
	uint32_t score, status;
	const char *format, *message;
	unsigned n_loads, n_unloads;
	bool no_description;
} rigs[2];

static const struct tensock_model_description description = { .size = sizeof(description) };

static uint32_t rig_probe(const struct rig *rig, const char **ret_format)
{
	if (rig->score)
		*ret_format = rig->format;
	return rig->score;
}

static uint32_t rig_load(struct rig *rig, void **ret, struct tensock_error *reterr)
{
	rig->n_loads++;
	if (rig->status) {
		reterr->status = rig->status;
		snprintf(reterr->message, sizeof(reterr->message), "%s", rig->message);
		return rig->status;
	}
	*ret = rig;
	return TENSOCK_OK;
}

static void rig_unload(void *model)
{
	((struct rig *)model)->n_unloads++;
}

static const struct tensock_model_description *rig_describe(void *model)
{
	return ((const struct rig *)model)->no_description ? NULL : &description;
}

#define RIG(i)                                                                                  \
	static uint32_t probe_##i(const void *bytes, uint64_t n_bytes, const char **ret)        \
	{                                                                                       \
		(void)bytes;                                                                    \
		(void)n_bytes;                                                                  \
		return rig_probe(&rigs[i], ret);                                                \
	}                                                                                       \
	static uint32_t load_##i(void *engine, const void *bytes, uint64_t n_bytes, void **ret, \
				 struct tensock_error *reterr)                                  \
	{                                                                                       \
		(void)engine;                                                                   \
		(void)bytes;                                                                    \
		(void)n_bytes;                                                                  \
		return rig_load(&rigs[i], ret, reterr);                                         \
	}

RIG(0)
RIG(1)

static const struct tensock_engine first = { .name = "first",
					     .probe = probe_0,
					     .load = load_0,
					     .unload = rig_unload,
					     .describe = rig_describe };
static const struct tensock_engine second = { .name = "second",
					      .probe = probe_1,
					      .load = load_1,
					      .unload = rig_unload,
					      .describe = rig_describe };
static struct engines engines = { .plugins = { { .engine = &first }, { .engine = &second } },
				  .n = 2 };

static int setup(void **state)
{
	(void)state;
	engines.n = 2;
	tsk_log_init("choice_test", NULL, TSK_LOG_ERROR, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(rigs); i++)
		rigs[i] = (struct rig){ .score = 50, .format = "text", .message = "no" };
	return 0;
}

/* Loads; NULL: refused. */
static const char *chosen(const char *bytes, struct tensock_error *error)
{
	static struct model model;

	*error = (struct tensock_error){ 0 };
	if (choice_load(&engines, bytes, strlen(bytes), &model, error) < 0)
		return NULL;
	return model.plugin->engine->name;
}

static void expect(const char *name)
{
	struct tensock_error error;
	const char *found = chosen("bytes", &error);

	if (!found)
		fail_msg("%s", error.message);
	assert_string_equal(found, name);
}

static void expect_error(uint32_t status, const char *message)
{
	struct tensock_error error;

	assert_null(chosen("bytes", &error));
	assert_string_equal(error.message, message);
	assert_int_equal(error.status, status);
}

static void test_order(void **state)
{
	(void)state;
	expect("first");
	rigs[1].score = 51;
	expect("second");
	rigs[0].score = 0;
	expect("second");
	rigs[0].score = 100;
	rigs[1].score = 0;
	expect("first");
	/* A score without a format is none. */
	rigs[0].format = NULL;
	rigs[1].score = 1;
	expect("second");
	assert_int_equal(rigs[0].n_loads, 2);
	assert_int_equal(rigs[1].n_loads, 3);
}

static void test_format(void **state)
{
	struct tensock_error error;
	struct model model;

	(void)state;
	assert_int_equal(choice_load(&engines, "bytes", 5, &model, &error), 0);
	assert_string_equal(model.format, "text");
	assert_ptr_equal(model.description, &description);
	assert_ptr_equal(model.handle, &rigs[0]);
}

static void test_refusals(void **state)
{
	(void)state;
	rigs[0].status = TENSOCK_UNSUPPORTED;
	expect("second");
	rigs[1].status = TENSOCK_INVALID_MODEL;
	rigs[1].message = "neither";
	expect_error(TENSOCK_INVALID_MODEL, "first: no; second: neither");
	/* One alone needs no name. */
	rigs[0].score = 0;
	expect_error(TENSOCK_INVALID_MODEL, "neither");
	/* A status that is none, and no text. */
	rigs[1].status = 4711;
	rigs[1].message = "";
	expect_error(TENSOCK_ENGINE_FAILED, "the engine failed");
}

static void test_long_refusals(void **state)
{
	static char text[240];
	struct tensock_error error;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	rigs[0].status = rigs[1].status = TENSOCK_UNSUPPORTED;
	rigs[0].message = text;
	rigs[1].message = "what to do";
	assert_null(chosen("bytes", &error));
	assert_memory_equal(error.message, "first: xxx", 10);
	/* The last one, which is the one to act upon, is whole. */
	assert_string_equal(strchr(error.message, ';'), "; second: what to do");
	rigs[1].message = text;
	assert_null(chosen("bytes", &error));
	assert_non_null(strstr(error.message, "; second: xxx"));
}

/* Another engine would need as much. */
static void test_out_of_memory(void **state)
{
	(void)state;
	rigs[0].status = TENSOCK_OUT_OF_MEMORY;
	expect_error(TENSOCK_OUT_OF_MEMORY, "no");
	assert_int_equal(rigs[1].n_loads, 0);
}

static void test_bad_description(void **state)
{
	(void)state;
	rigs[0].no_description = true;
	expect("second");
	assert_int_equal(rigs[0].n_unloads, 1);
	assert_int_equal(rigs[1].n_unloads, 0);
}

static void test_unknown(void **state)
{
	struct tensock_error error;

	(void)state;
	rigs[0].score = rigs[1].score = 0;
	assert_null(chosen("bytes", &error));
	assert_int_equal(error.status, TENSOCK_INVALID_MODEL);
	assert_non_null(
		strstr(error.message, "this host takes: what first takes, what second takes"));
}

/* Our own check comes first, whatever the engine would say. */
static void test_own_check(void **state)
{
	struct tensock_error error;

	(void)state;
	rigs[0].format = "onnx";
	rigs[1].score = 0;
	assert_null(chosen("\x3a\x7f", &error));
	assert_int_equal(error.status, TENSOCK_INVALID_MODEL);
	assert_int_equal(rigs[0].n_loads, 0);
}

/* A file of MindSpore's that is none but for its mark: what was tried is told, the translation last. */
static int load_ms(struct tensock_error *error)
{
	static const char ms[64] = "\x20\0\0\0MSL2";
	struct model model;

	*error = (struct tensock_error){ 0 };
	return choice_load(&engines, ms, sizeof(ms), &model, error);
}

static void test_refused_and_translated(void **state)
{
	struct tensock_error error;

	(void)state;
	rigs[0].format = "ms";
	rigs[0].status = TENSOCK_UNSUPPORTED;
	rigs[1].format = "onnx";
	assert_true(load_ms(&error) < 0);
	assert_int_equal(error.status, TENSOCK_INVALID_MODEL);
	assert_memory_equal(error.message, "first: no; translation: ", 24);
	assert_int_equal(rigs[0].n_loads, 1);
	assert_int_equal(rigs[1].n_loads, 0);

	/* It is not ONNX, whoever says so: our eyes are better. */
	engines.n = 1;
	rigs[0].format = "onnx";
	rigs[0].status = 0;
	assert_true(load_ms(&error) < 0);
	assert_int_equal(rigs[0].n_loads, 1);
	assert_null(strstr(error.message, "translation"));
}

/* The translation would need more than what there was too little of. */
static void test_out_of_memory_is_not_translated(void **state)
{
	struct tensock_error error;

	(void)state;
	rigs[0].format = "ms";
	rigs[0].status = TENSOCK_OUT_OF_MEMORY;
	rigs[1].format = "onnx";
	assert_true(load_ms(&error) < 0);
	assert_int_equal(error.status, TENSOCK_OUT_OF_MEMORY);
	assert_string_equal(error.message, "no");
}

static void test_nobody_for_the_translation(void **state)
{
	struct tensock_error error;

	(void)state;
	rigs[0].score = rigs[1].score = 0;
	assert_true(load_ms(&error) < 0);
	assert_int_equal(error.status, TENSOCK_UNSUPPORTED);
	assert_non_null(strstr(error.message, "no engine of this host takes ONNX"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_order, setup),
		cmocka_unit_test_setup(test_format, setup),
		cmocka_unit_test_setup(test_refusals, setup),
		cmocka_unit_test_setup(test_long_refusals, setup),
		cmocka_unit_test_setup(test_out_of_memory, setup),
		cmocka_unit_test_setup(test_bad_description, setup),
		cmocka_unit_test_setup(test_unknown, setup),
		cmocka_unit_test_setup(test_own_check, setup),
		cmocka_unit_test_setup(test_refused_and_translated, setup),
		cmocka_unit_test_setup(test_out_of_memory_is_not_translated, setup),
		cmocka_unit_test_setup(test_nobody_for_the_translation, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
