/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/rights.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memfd.h"
#include "base/testing.h"

#define HASH "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define OTHER "ff112233445566778899aabbccddeeff00112233445566778899aabbccddee00"

static struct rights rights, others;
static struct tensock_error error;

static void begin(void)
{
	memset(&rights, 0, sizeof(rights));
	memset(&others, 0, sizeof(others));
}

static void test_engines(void **state)
{
	(void)state;
	begin();
	assert_true(rights_has_engine(&rights, "onnxruntime"));
	assert_int_equal(rights_set(&rights, "engines", "onnxruntime mine,other", &error), 0);
	assert_int_equal(rights.n_engines, 3);
	assert_true(rights_has_engine(&rights, "mine"));
	assert_false(rights_has_engine(&rights, "min"));
	assert_false(rights_has_engine(&rights, "mindspore_lite"));
	assert_int_equal(rights_set(&rights, "engines", "again", &error), -EINVAL);
	assert_string_equal(error.message, "engines is given twice");
	assert_int_equal(rights_set(&rights, "engine", "x", &error), 1);
}

static void test_models(void **state)
{
	(void)state;
	begin();
	assert_int_equal(rights_set(&rights, "models", HASH " \t" OTHER, &error), 0);
	assert_int_equal(rights_set(&rights, "models", OTHER, &error), 0); /* may come again */
	assert_int_equal(rights.n_models, 3);
	assert_int_equal(rights.models[0][1], 0x11);
	assert_int_equal(rights.models[0][31], 0xff);
	assert_int_equal(rights.models[1][0], 0xff);
	assert_memory_equal(rights.models[1], rights.models[2], RIGHTS_HASH_BYTES);
	assert_int_equal(rights_set(&rights, "models", "any", &error), -EINVAL);
}

static void test_bad_values(void **state)
{
	static const char *const bad[][2] = {
		{ "models", "" },
		{ "models", " , " },
		{ "models", "00" },
		{ "models", HASH "0" },
		{ "models", "any " HASH },
		{ "models", HASH " any" },
		{ "models", "any any" },
		{ "models", "anything" },
		{ "models", "gf112233445566778899aabbccddeeff00112233445566778899aabbccddee00" },
		{ "models", "ff112233445566778899aabbccddeeff00112233445566778899aabbccddee0:" },
		{ "engines", "" },
		{ "engines", "a b c d e f g h i" },
		{ "engines", HASH },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		begin();
		assert_int_equal(rights_set(&rights, bad[i][0], bad[i][1], &error), -EINVAL);
	}
	begin();
	for (unsigned i = 0; i < RIGHTS_MODELS_MAX; i++)
		assert_int_equal(rights_set(&rights, "models", HASH, &error), 0);
	assert_int_equal(rights_set(&rights, "models", HASH, &error), -EINVAL);
}

/* A guest's own word wins, key by key. */
static void test_default(void **state)
{
	(void)state;
	begin();
	assert_int_equal(rights_set(&others, "engines", "a", &error), 0);
	assert_int_equal(rights_set(&others, "models", HASH, &error), 0);
	rights_default(&rights, &others);
	assert_true(rights_has_engine(&rights, "a"));
	assert_false(rights_has_engine(&rights, "b"));
	assert_int_equal(rights.n_models, 1);
	begin();
	assert_int_equal(rights_set(&others, "models", HASH, &error), 0);
	assert_int_equal(rights_set(&rights, "models", "any", &error), 0);
	assert_int_equal(rights_set(&rights, "engines", "b", &error), 0);
	rights_default(&rights, &others);
	assert_int_equal(rights.n_models, 0);
	assert_true(rights_has_engine(&rights, "b"));
}

static void test_check(void **state)
{
	static struct engines engines;

	(void)state;
	begin();
	engines = (struct engines){ .n = 1 };
	snprintf(engines.list[0].name, sizeof(engines.list[0].name), "echo");
	assert_int_equal(rights_check(&rights, &engines, &error), 0);
	assert_int_equal(rights_set(&rights, "engines", "echo", &error), 0);
	assert_int_equal(rights_check(&rights, &engines, &error), 0);
	begin();
	assert_int_equal(rights_set(&rights, "engines", "echo typo", &error), 0);
	assert_int_equal(rights_check(&rights, &engines, &error), -EINVAL);
	assert_non_null(strstr(error.message, "typo"));
}

static void test_models_fd(void **state)
{
	struct tsk_map map;
	uint64_t size;
	int fd;

	(void)state;
	begin();
	assert_int_equal(rights_set(&rights, "models", HASH " " OTHER, &error), 0);
	assert_int_equal(rights_models_fd(&rights, &fd), 0);
	assert_int_equal(tsk_memfd_check(fd, true, &size), 0);
	assert_int_equal(size, 2 * RIGHTS_HASH_BYTES);
	assert_int_equal(tsk_map_new(fd, size, false, &map), 0);
	assert_memory_equal(map.addr, rights.models, size);
	tsk_map_done(&map);
	tsk_close(fd);
}

static void test_regions(void **state)
{
	static const char *const bad[] = { "", "root", "1000 x", "-1", "4294967295", "yes" };
	struct rights own = { 0 }, guest = { 0 };

	(void)state;
	assert_false(rights_has_region_of(&own, 0));
	assert_int_equal(rights_set(&own, "shared-memory", "1000, 0", &error), 0);
	assert_true(rights_has_region_of(&own, 1000));
	assert_true(rights_has_region_of(&own, 0));
	assert_false(rights_has_region_of(&own, 1));
	assert_int_equal(rights_set(&own, "shared-memory", "no", &error), -EINVAL);
	rights_default(&guest, &own);
	assert_true(rights_has_region_of(&guest, 1000));
	guest = (struct rights){ 0 };
	assert_int_equal(rights_set(&guest, "shared-memory", "no", &error), 0);
	rights_default(&guest, &own);
	assert_false(rights_has_region_of(&guest, 1000));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		guest = (struct rights){ 0 };
		assert_int_equal(rights_set(&guest, "shared-memory", bad[i], &error), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_regions),    TSK_TEST(test_engines), TSK_TEST(test_models),
		TSK_TEST(test_bad_values), TSK_TEST(test_default), TSK_TEST(test_check),
		TSK_TEST(test_models_fd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
