/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of the host itself, and of what it does not have. */
#include <stdarg.h>
#include <stdio.h>

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

static void answer_json(struct http_exchange *x, struct oip_json *json)
{
	http_count_ok(x);
	http_answer(x, 200, json);
}

static void answer_server(struct http_exchange *x)
{
	struct oip_json json;

	if (oip_json_server(OIP_SERVER_NAME, TENSOCK_VERSION, oip_extensions, &json) < 0) {
		refuse(x, TENSOCK_OUT_OF_MEMORY, "no memory for the answer");
		return;
	}
	answer_json(x, &json);
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

/* All of them, where what the body wants to be set holds already. */
static void answer_settings(struct http_exchange *x)
{
	struct oip_settings settings;
	struct tensock_error error;
	struct oip_json json;

	if (x->route.resource == ROUTE_TRACE)
		oip_trace_settings(&settings);
	else
		oip_log_settings(tsk_log_level_of(x->guest->limits.log_level), &settings);
	if (oip_json_settings_check(x->body.bytes, x->body.n, &settings, &error) < 0)
		http_refuse(x, &error);
	else if (oip_json_settings(&settings, &json) < 0)
		refuse(x, TENSOCK_OUT_OF_MEMORY, "no memory for the answer");
	else
		answer_json(x, &json);
}

void http_server_answer(struct http_exchange *x)
{
	switch (x->route.resource) {
	case ROUTE_HEALTH_LIVE:
	case ROUTE_HEALTH_READY:
		answer_health(x);
		break;
	case ROUTE_TRACE:
	case ROUTE_LOGGING:
		answer_settings(x);
		break;
	default:
		answer_server(x);
	}
}
