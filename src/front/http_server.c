/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of the host itself, and of what it does not have. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "front/http_exchange.h"
#include "front/oip_told.h"

_printf_(3, 4) static void answer_text(struct http_exchange *x, unsigned status, const char *fmt,
				       ...)
{
	struct tensock_error error;
	struct oip_json json;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&json.bytes, fmt, args);
	va_end(args);
	if (n < 0) {
		(void)tsk_fail(&error, TENSOCK_OUT_OF_MEMORY, "no memory for the answer");
		http_refuse(x, &error);
		return;
	}
	json.n = (size_t)n;
	http_count_ok(x);
	http_answer(x, status, &json);
}

static void refuse(struct http_exchange *x, enum tensock_status status, const char *what)
{
	struct tensock_error error;

	(void)tsk_fail(&error, status, "%s", what);
	http_refuse(x, &error);
}

static void answer_server(struct http_exchange *x)
{
	struct oip_json json;

	if (oip_json_server(OIP_SERVER_NAME, TENSOCK_VERSION, oip_extensions, &json) < 0) {
		refuse(x, TENSOCK_OUT_OF_MEMORY, "no memory for the answer");
		return;
	}
	http_count_ok(x);
	http_answer(x, 200, &json);
}

static void answer_health(struct http_exchange *x)
{
	bool is_ready = !x->guest->is_stopping;

	answer_text(x, is_ready || x->route.resource == ROUTE_HEALTH_LIVE ? 200 : 400,
		    "{\"live\":true,\"ready\":%s}", is_ready ? "true" : "false");
}

/*
 * ---- Settings
 */

/* Whether the body asks for no change: nothing, or {}. */
static bool asks_nothing(const struct http_body *body)
{
	char seen[2];
	size_t n = 0;

	for (size_t i = 0; i < body->n; i++) {
		if (isspace((unsigned char)body->bytes[i]))
			continue;
		if (n == sizeof(seen))
			return false;
		seen[n++] = body->bytes[i];
	}
	return n == 0 || (n == 2 && seen[0] == '{' && seen[1] == '}');
}

static void answer_trace(struct http_exchange *x)
{
	if (x->head->method == HTTP_POST && !asks_nothing(&x->body))
		refuse(x, TENSOCK_UNSUPPORTED,
		       "trace settings cannot be changed: this host traces no requests");
	else
		answer_text(x, 200,
			    "{\"trace_level\":[\"OFF\"],\"trace_rate\":\"1000\",\"trace_count\":"
			    "\"-1\",\"log_frequency\":\"0\",\"trace_file\":\"\","
			    "\"trace_mode\":\"triton\"}");
}

static void answer_logging(struct http_exchange *x)
{
	enum tsk_log_level level = tsk_log_level_of(x->guest->limits.log_level);

	if (x->head->method == HTTP_POST && !asks_nothing(&x->body))
		refuse(x, TENSOCK_UNSUPPORTED,
		       "log settings cannot be changed by a guest: they are the operator's");
	else
		answer_text(
			x, 200,
			"{\"log_file\":\"\",\"log_info\":%s,\"log_warning\":%s,\"log_error\":true,"
			"\"log_verbose_level\":%d,\"log_format\":\"default\"}",
			level >= TSK_LOG_INFO ? "true" : "false",
			level >= TSK_LOG_WARNING ? "true" : "false", level >= TSK_LOG_DEBUG);
}

void http_server_answer(struct http_exchange *x)
{
	switch (x->route.resource) {
	case ROUTE_HEALTH_LIVE:
	case ROUTE_HEALTH_READY:
		answer_health(x);
		break;
	case ROUTE_TRACE:
		answer_trace(x);
		break;
	case ROUTE_LOGGING:
		answer_logging(x);
		break;
	default:
		answer_server(x);
	}
}
