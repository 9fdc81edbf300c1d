/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http_routes.h"

#include <string.h>

#include "base/status.h"

#define READ "GET, HEAD"
#define WRITE "POST"
#define BOTH "GET, HEAD, POST"

/* A pattern's segments: words, or one of these. */
#define MODEL "{model}"
#define VERSION "{version}"
#define REGION "{region}"
#define MEMORY "{memory}"

struct row {
	const char *pattern[HTTP_SEGMENTS_MAX];
	enum http_resource resource;
	const char *allow;
};

/* Without VERSION, "versions/V" may stand behind MODEL in each of them that is beneath "models". */
static const struct row rows[] = {
	{ { "v2" }, ROUTE_SERVER, READ },
	{ { "v2", "health", "live" }, ROUTE_HEALTH_LIVE, READ },
	{ { "v2", "health", "ready" }, ROUTE_HEALTH_READY, READ },
	{ { "v2", "models", "stats" }, ROUTE_MODELS_STATS, READ },
	{ { "v2", "models", MODEL }, ROUTE_MODEL, READ },
	{ { "v2", "models", MODEL, "ready" }, ROUTE_MODEL_READY, READ },
	{ { "v2", "models", MODEL, "config" }, ROUTE_MODEL_CONFIG, READ },
	{ { "v2", "models", MODEL, "stats" }, ROUTE_MODEL_STATS, READ },
	{ { "v2", "models", MODEL, "infer" }, ROUTE_MODEL_INFER, WRITE },
	{ { "v2", "models", MODEL, "trace", "setting" }, ROUTE_TRACE, BOTH },
	{ { "v2", "models", MODEL, "versions", VERSION }, ROUTE_MODEL, READ },
	{ { "v2", "models", MODEL, "versions", VERSION, "ready" }, ROUTE_MODEL_READY, READ },
	{ { "v2", "models", MODEL, "versions", VERSION, "config" }, ROUTE_MODEL_CONFIG, READ },
	{ { "v2", "models", MODEL, "versions", VERSION, "stats" }, ROUTE_MODEL_STATS, READ },
	{ { "v2", "models", MODEL, "versions", VERSION, "infer" }, ROUTE_MODEL_INFER, WRITE },
	{ { "v2", "repository", "index" }, ROUTE_INDEX, WRITE },
	{ { "v2", "repository", "models", MODEL, "load" }, ROUTE_LOAD, WRITE },
	{ { "v2", "repository", "models", MODEL, "unload" }, ROUTE_UNLOAD, WRITE },
	{ { "v2", MEMORY, "status" }, ROUTE_MEMORY_STATUS, READ },
	{ { "v2", MEMORY, "region", REGION, "status" }, ROUTE_MEMORY_STATUS, READ },
	{ { "v2", MEMORY, "region", REGION, "register" }, ROUTE_MEMORY_REGISTER, WRITE },
	{ { "v2", MEMORY, "unregister" }, ROUTE_MEMORY_UNREGISTER, WRITE },
	{ { "v2", MEMORY, "region", REGION, "unregister" }, ROUTE_MEMORY_UNREGISTER, WRITE },
	{ { "v2", "trace", "setting" }, ROUTE_TRACE, BOTH },
	{ { "v2", "logging" }, ROUTE_LOGGING, BOTH },
};

static bool take_memory(struct wire_string segment, struct http_route *route)
{
	route->is_cuda = wire_string_equals(segment, "cudasharedmemory");
	return route->is_cuda || wire_string_equals(segment, "systemsharedmemory");
}

/* Whether the segment is of the pattern's; what it names is kept. */
static bool take_segment(const char *pattern, struct wire_string segment, struct http_route *route)
{
	if (pattern[0] != '{')
		return wire_string_equals(segment, pattern);
	if (strcmp(pattern, MEMORY) == 0)
		return take_memory(segment, route);
	if (strcmp(pattern, MODEL) == 0)
		route->model = segment;
	else if (strcmp(pattern, VERSION) == 0)
		route->version = segment;
	else
		route->region = segment;
	return segment.len > 0;
}

static bool matches(const struct row *row, const struct http_head *head, struct http_route *ret)
{
	*ret = (struct http_route){ .resource = row->resource, .allow = row->allow };
	for (unsigned i = 0; i < HTTP_SEGMENTS_MAX && row->pattern[i]; i++) {
		if (i >= head->n_segments || !take_segment(row->pattern[i], head->segments[i], ret))
			return false;
		if (i + 1 == head->n_segments)
			return i + 1 == HTTP_SEGMENTS_MAX || !row->pattern[i + 1];
	}
	return false;
}

static bool is_allowed(const char *allow, llhttp_method_t method)
{
	switch (method) {
	case HTTP_GET:
	case HTTP_HEAD:
		return allow[0] == 'G';
	case HTTP_POST:
		return strstr(allow, WRITE) != NULL;
	default:
		return false;
	}
}

static int refuse_path(const struct http_head *head, struct tensock_error *reterr)
{
	if (head->n_segments == 1 && wire_string_equals(head->segments[0], "metrics"))
		return tsk_fail(
			reterr, TENSOCK_NOT_FOUND,
			"metrics are the operator's, who finds them on the host: a guest's own "
			"figures are at /v2/models/stats");
	return tsk_fail(
		reterr, TENSOCK_NOT_FOUND,
		"there is nothing here: this host speaks the Open Inference Protocol at /v2");
}

int http_route_find(const struct http_head *head, struct http_route *ret, unsigned *ret_status,
		    struct tensock_error *reterr)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!matches(&rows[i], head, ret))
			continue;
		if (is_allowed(ret->allow, head->method))
			return 0;
		*ret_status = 405;
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"the method %s is not for this path, which takes %s",
				llhttp_method_name(head->method), ret->allow);
	}
	*ret_status = 404;
	return refuse_path(head, reterr);
}
