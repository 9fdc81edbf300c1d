/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/oip_json_region.h"

#include <string.h>

#include "base/testing.h"

static void test_read(void **state)
{
	static const char text[] =
		"{\"key\":\"/a\",\"offset\":64,\"byte_size\":18446744073709551615}";
	struct oip_json_region region;
	struct tensock_error error;

	(void)state;
	assert_int_equal(oip_json_region_read(text, strlen(text), &region, &error), 0);
	assert_true(wire_string_equals(region.key, "/a"));
	assert_int_equal(region.offset, 64);
	assert_true(region.bytes == UINT64_MAX);
	oip_json_region_done(&region);
	oip_json_region_done(&region);
}

static void test_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{",
		"{\"key\":\"a\"}",
		"{\"byte_size\":1}",
		"{\"key\":1,\"byte_size\":1}",
		"{\"key\":\"a\",\"byte_size\":-1}",
		"{\"key\":\"a\",\"byte_size\":1.5}",
		"{\"key\":\"a\",\"byte_size\":1,\"offset\":\"0\"}",
		"{\"key\":\"a\",\"key\":\"b\",\"byte_size\":1}",
		"{\"key\":\"a\\u0000b\",\"byte_size\":1}",
	};
	struct oip_json_region region;
	struct tensock_error error;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_true(oip_json_region_read(texts[i], strlen(texts[i]), &region, &error) < 0);
		assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
	}
}

static void test_written(void **state)
{
	static const char expected[] =
		"[{\"name\":\"a\\\"\",\"key\":\"k\",\"offset\":0,\"byte_size\":1},"
		"{\"name\":\"b\",\"key\":\"k\",\"offset\":2,\"byte_size\":3}]";
	static const struct oip_region_view regions[] = { { "a\"", "k", 0, 1 },
							  { "b", "k", 2, 3 } };
	struct json_text text = { 0 };
	struct oip_json json;

	(void)state;
	oip_json_regions_begin(&text);
	for (size_t i = 0; i < ARRAY_SIZE(regions); i++)
		oip_json_regions_add(&text, &regions[i]);
	assert_int_equal(oip_json_regions_end(&text, &json), 0);
	assert_int_equal(json.n, strlen(expected));
	assert_memory_equal(json.bytes, expected, json.n);
	free(json.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_read),
		TSK_TEST(test_refused),
		TSK_TEST(test_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
