/* SPDX-License-Identifier: Apache-2.0 */
/* Which resource of the Open Inference Protocol an HTTP request is for (docs/oip.md).  Pure. */
#ifndef FRONT_HTTP_ROUTES_H
#define FRONT_HTTP_ROUTES_H

#include <stdbool.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/protocol/http_head.h"

enum http_resource {
	ROUTE_SERVER, /* /v2 */
	ROUTE_HEALTH_LIVE,
	ROUTE_HEALTH_READY,
	ROUTE_MODEL,
	ROUTE_MODEL_READY,
	ROUTE_MODEL_CONFIG,
	ROUTE_MODEL_STATS,
	ROUTE_MODEL_INFER,
	ROUTE_MODELS_STATS,
	ROUTE_INDEX,
	ROUTE_LOAD,
	ROUTE_UNLOAD,
	ROUTE_MEMORY_STATUS, /* of system shared memory, or CUDA's */
	ROUTE_MEMORY_REGISTER,
	ROUTE_MEMORY_UNREGISTER,
	ROUTE_TRACE, /* of the server, or of a model */
	ROUTE_LOGGING,
};

struct http_route {
	enum http_resource resource;
	/* In the head; len 0: none. */
	struct wire_string model, version, region;
	bool is_cuda;
	const char *allow; /* the methods that it has, as the header Allow lists them */
};

/*
 * NOT_FOUND and 404; or *ret and 405, where it has other methods than this.  *ret_status is set where
 * it fails.
 */
int http_route_find(const struct http_head *head, struct http_route *ret, unsigned *ret_status,
		    struct tensock_error *reterr) _nodiscard_;

#endif
