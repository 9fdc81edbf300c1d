/* SPDX-License-Identifier: Apache-2.0 */
/* Shared-memory regions: system shared memory as front/regions.h has it, and CUDA's, of which there is none. */
#include "base/status.h"
#include "front/http_exchange.h"
#include "front/region_fd.h"
#include "front/protocol/oip_json_region.h"

static struct http_exchange *exchange_of(struct region_task *task)
{
	return (struct http_exchange *)(void *)((char *)task -
						offsetof(struct http_exchange, region));
}

static void answer_nothing(struct http_exchange *x)
{
	struct oip_json none = { 0 };

	http_count_ok(x);
	http_answer(x, 200, &none);
}

static void on_registered(struct region_task *task, const struct tensock_error *error)
{
	struct http_exchange *x = exchange_of(task);

	if (error)
		http_refuse(x, error);
	else
		answer_nothing(x);
}

/* The region that is named, or the one whose descriptor has come. */
static int begin_register(struct http_exchange *x, const struct oip_json_region *region,
			  struct tensock_error *reterr)
{
	struct regions *regions = &x->guest->regions;
	int r;

	if (!wire_string_equals(region->key, REGION_FD_KEY))
		return regions_register(regions, &x->region, x->route.region, region->key,
					region->offset, region->bytes, reterr);
	r = regions_register_fd(regions, x->route.region, region->offset, region->bytes,
				http_take_fd(x), reterr);
	if (r == 0)
		answer_nothing(x);
	return r;
}

static void answer_register(struct http_exchange *x)
{
	struct oip_json_region region = { 0 };
	struct tensock_error error;
	int r;

	if (x->route.is_cuda) {
		(void)tsk_fail(&error, TENSOCK_UNSUPPORTED,
			       "CUDA shared memory: this host has none for guests");
		http_refuse(x, &error);
		return;
	}
	r = oip_json_region_read(x->body.bytes, x->body.n, &region, &error);
	x->region.done = on_registered;
	if (r == 0)
		r = begin_register(x, &region, &error);
	oip_json_region_done(&region);
	if (r < 0)
		http_refuse(x, &error);
}

/* All of them, or the one that is named. */
static void answer_status(struct http_exchange *x)
{
	const struct regions *regions = &x->guest->regions;
	const struct region *at = NULL;
	struct json_text text = { 0 };
	struct oip_region_view view;
	struct tensock_error error;
	struct oip_json json;

	if (x->route.region.len && (x->route.is_cuda || !regions_have(regions, x->route.region))) {
		(void)tsk_fail(&error, TENSOCK_NOT_FOUND,
			       "Unable to find %s shared memory region: '%.*s'",
			       x->route.is_cuda ? "cuda" : "system", OIP_SAID(x->route.region));
		http_refuse(x, &error);
		return;
	}
	oip_json_regions_begin(&text);
	while (!x->route.is_cuda && regions_next(regions, &at, &view)) {
		if (!x->route.region.len || wire_string_equals(x->route.region, view.name))
			oip_json_regions_add(&text, &view);
	}
	if (oip_json_regions_end(&text, &json) < 0) {
		(void)tsk_fail(&error, TENSOCK_OUT_OF_MEMORY, "no memory for the answer");
		http_refuse(x, &error);
		return;
	}
	http_count_ok(x);
	http_answer(x, 200, &json);
}

void http_memory_answer(struct http_exchange *x)
{
	if (x->route.resource == ROUTE_MEMORY_REGISTER) {
		answer_register(x);
	} else if (x->route.resource == ROUTE_MEMORY_STATUS) {
		answer_status(x);
	} else {
		if (!x->route.is_cuda)
			regions_unregister(&x->guest->regions, x->route.region);
		answer_nothing(x);
	}
}
