/* SPDX-License-Identifier: Apache-2.0 */
/* Requests whose body, if they have one, is a text that is read when it is whole. */
#include "front/http_exchange.h"

/* Of what is no model: names and flags. */
#define SMALL_MAX 65536u
/* A model in a text of JSON: base64, and what else a request to load it says. */
#define BASE64_OF(bytes) ((bytes) / 3 * 4 + 4)

static void begin(struct http_exchange *x)
{
	const struct http_head *head = x->head;
	uint64_t known = head->coding == HTTP_IDENTITY ? head->length : 0;
	struct http_body_limit limit = { .bytes = SMALL_MAX,
					 .name = "what such a request takes",
					 .hits = METRICS_LIMIT_MAX };
	struct tensock_error error;

	if (x->route.resource == ROUTE_LOAD) {
		limit.bytes += BASE64_OF(x->guest->limits.model_bytes_max);
		limit.name = "what a model of max-model-size takes";
		limit.hits = METRICS_LIMIT_MODEL_SIZE;
	}
	if (http_body_begin(&x->body, &x->guest->account, known, limit, &error) < 0) {
		http_refuse(x, &error);
		return;
	}
	if (known)
		http_set_place(x, x->body.bytes, known);
	http_want_body(x);
}

static void placed(struct http_exchange *x, size_t n)
{
	x->body.n += n;
}

static void room(struct http_exchange *x)
{
	struct tensock_error error;

	if (http_body_grow(&x->body, &error) < 0)
		http_refuse(x, &error);
	else
		http_set_place(x, x->body.bytes + x->body.n, x->body.size - x->body.n);
}

static void ended(struct http_exchange *x)
{
	switch (x->route.resource) {
	case ROUTE_MODEL:
	case ROUTE_MODEL_READY:
	case ROUTE_MODEL_CONFIG:
	case ROUTE_MODEL_STATS:
	case ROUTE_MODELS_STATS:
	case ROUTE_INDEX:
	case ROUTE_LOAD:
	case ROUTE_UNLOAD:
		http_models_answer(x);
		break;
	case ROUTE_MEMORY_STATUS:
	case ROUTE_MEMORY_REGISTER:
	case ROUTE_MEMORY_UNREGISTER:
		http_memory_answer(x);
		break;
	default:
		http_server_answer(x);
	}
}

const struct http_handler http_text_handler = {
	.begin = begin,
	.placed = placed,
	.room = room,
	.ended = ended,
};
