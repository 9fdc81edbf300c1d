/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http_routes.h"

#include <string.h>

#include "base/testing.h"

/* A head with this path, whose segments stand as they are. */
static struct http_head head_of(llhttp_method_t method, const char *path)
{
	struct http_head head = { .method = method };

	while (*path == '/' && path[1]) {
		size_t n = strcspn(path + 1, "/");

		if (head.n_segments < HTTP_SEGMENTS_MAX)
			head.segments[head.n_segments] =
				(struct wire_string){ .bytes = path + 1, .len = (uint16_t)n };
		if (head.n_segments <= HTTP_SEGMENTS_MAX)
			head.n_segments++;
		path += n + 1;
	}
	return head;
}

static struct http_route expect(llhttp_method_t method, const char *path,
				enum http_resource resource)
{
	struct http_head head = head_of(method, path);
	struct http_route route;
	struct tensock_error error;
	unsigned status;

	assert_int_equal(http_route_find(&head, &route, &status, &error), 0);
	assert_int_equal(route.resource, resource);
	return route;
}

static void expect_refused(llhttp_method_t method, const char *path, unsigned status,
			   const char *allow)
{
	struct http_head head = head_of(method, path);
	struct http_route route;
	struct tensock_error error;
	unsigned said = 0;

	assert_true(http_route_find(&head, &route, &said, &error) < 0);
	assert_int_equal(said, status);
	assert_true(error.message[0]);
	if (allow) {
		assert_string_equal(route.allow, allow);
		assert_non_null(strstr(error.message, allow));
	}
}

static void test_found(void **state)
{
	struct http_route route;

	(void)state;
	expect(HTTP_GET, "/v2", ROUTE_SERVER);
	expect(HTTP_HEAD, "/v2/health/live", ROUTE_HEALTH_LIVE);
	expect(HTTP_GET, "/v2/health/ready", ROUTE_HEALTH_READY);
	expect(HTTP_GET, "/v2/models/stats", ROUTE_MODELS_STATS);
	route = expect(HTTP_GET, "/v2/models/a", ROUTE_MODEL);
	assert_true(wire_string_equals(route.model, "a") && !route.version.len);
	route = expect(HTTP_POST, "/v2/models/a/versions/7/infer", ROUTE_MODEL_INFER);
	assert_true(wire_string_equals(route.model, "a"));
	assert_true(wire_string_equals(route.version, "7"));
	expect(HTTP_GET, "/v2/models/a/versions/7", ROUTE_MODEL);
	expect(HTTP_GET, "/v2/models/versions/ready", ROUTE_MODEL_READY);
	expect(HTTP_GET, "/v2/models/a/config", ROUTE_MODEL_CONFIG);
	expect(HTTP_GET, "/v2/models/a/stats", ROUTE_MODEL_STATS);
	expect(HTTP_POST, "/v2/repository/index", ROUTE_INDEX);
	route = expect(HTTP_POST, "/v2/repository/models/m/load", ROUTE_LOAD);
	assert_true(wire_string_equals(route.model, "m"));
	expect(HTTP_POST, "/v2/repository/models/m/unload", ROUTE_UNLOAD);
	route = expect(HTTP_POST, "/v2/cudasharedmemory/region/r/register", ROUTE_MEMORY_REGISTER);
	assert_true(route.is_cuda && wire_string_equals(route.region, "r"));
	route = expect(HTTP_GET, "/v2/systemsharedmemory/status", ROUTE_MEMORY_STATUS);
	assert_true(!route.is_cuda && !route.region.len);
	expect(HTTP_POST, "/v2/systemsharedmemory/unregister", ROUTE_MEMORY_UNREGISTER);
	expect(HTTP_GET, "/v2/models/m/trace/setting", ROUTE_TRACE);
	expect(HTTP_POST, "/v2/trace/setting", ROUTE_TRACE);
	expect(HTTP_POST, "/v2/logging", ROUTE_LOGGING);
}

static void test_refused(void **state)
{
	static const char *const paths[] = {
		"",
		"/",
		"/v1",
		"/V2",
		"/v2/models",
		"/v2/models//infer",
		"/v2/models/a/infer/b",
		"/v2/models/a/versions",
		"/v2/models/a/versions//infer",
		"/v2/health",
		"/v2/repository/models/m",
		"/v2/othersharedmemory/status",
		"/v2/systemsharedmemory/region/r",
		"/v2/1/2/3/4/5/6/7/8/9",
		"/metrics",
		"/../v2",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		expect_refused(HTTP_GET, paths[i], 404, NULL);
	expect_refused(HTTP_POST, "/v2", 405, "GET, HEAD");
	expect_refused(HTTP_GET, "/v2/models/a/infer", 405, "POST");
	expect_refused(HTTP_HEAD, "/v2/models/a/infer", 405, "POST");
	expect_refused(HTTP_DELETE, "/v2/logging", 405, "GET, HEAD, POST");
	expect_refused(HTTP_OPTIONS, "/v2/models/a", 405, "GET, HEAD");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_found),
		TSK_TEST(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
