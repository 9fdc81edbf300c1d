/* SPDX-License-Identifier: Apache-2.0 */
/* All methods but inference: a message in, and one out, at once or when a task has been done. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "front/grpc_stream.h"
#include "front/limit_hits.h"
#include "front/oip_told.h"
#include "front/protocol/oip_config.h"

/* Of a message that names something, and of one beside a model's bytes. */
#define MESSAGE_MAX 65536u

/* What has been asked. */
struct asked {
	struct grpc_message *message;
	struct guest *guest;
	enum oip_pb_method method;
	struct oip_pb_named named;
};

/* 0: *ret answers it.  LATER: a task does.  Else the error. */
#define LATER 1
typedef int (*answer_fn)(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr);

static int written(int r, struct tensock_error *reterr)
{
	return r == 0 ? 0 : tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the answer");
}

/* A message without fields, as it is: of no bytes. */
static int nothing(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	(void)asked;
	(void)reterr;
	*ret = (struct oip_pb){ 0 };
	return 0;
}

/*
 * ---- The host
 */

static int server_live(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	(void)asked;
	return written(oip_pb_bool(true, ret), reterr);
}

static int server_ready(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	return written(oip_pb_bool(!asked->guest->is_stopping, ret), reterr);
}

static int server_metadata(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	(void)asked;
	return written(oip_pb_server(OIP_SERVER_NAME, TENSOCK_VERSION, oip_extensions, ret),
		       reterr);
}

static int trace_setting(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	if (asked->named.has_settings)
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED, "this host keeps no traces");
	return written(oip_pb_settings(asked->method, ret), reterr);
}

static int log_settings(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	if (asked->named.has_settings)
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"what is logged is for the host's operator to say");
	return written(oip_pb_settings(asked->method, ret), reterr);
}

/*
 * ---- Models
 */

static int model_ready(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	struct oip_model m;
	bool is_ready =
		oip_find(asked->guest, asked->named.name, asked->named.version, &m, NULL) == 0 &&
		m.is_ready;

	return written(oip_pb_bool(is_ready, ret), reterr);
}

static int model_told(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	bool is_config = asked->method == OIP_PB_MODEL_CONFIG;
	struct oip_told told;
	int r = oip_told_one(asked->guest, asked->named.name, asked->named.version, true, &told,
			     reterr);

	if (r == 0)
		r = written(is_config ? oip_pb_model_config(told.models, ret)
				      : oip_pb_model_metadata(told.models, ret),
			    reterr);
	oip_told_done(&told);
	return r;
}

static int model_statistics(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	struct oip_told told = { 0 };
	int r = oip_told_stats(asked->guest, asked->named.name, asked->named.version, &told,
			       reterr);

	if (r == 0)
		r = written(oip_pb_stats(told.models, told.n, ret), reterr);
	oip_told_done(&told);
	return r;
}

static int repository_index(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	struct oip_told told;
	int r = oip_told_all(asked->guest, (struct wire_string){ 0 }, asked->named.is_ready, &told,
			     reterr);

	if (r == 0)
		r = written(oip_pb_index(told.models, told.n, ret), reterr);
	oip_told_done(&told);
	return r;
}

/*
 * ---- Models come and go
 */

static void on_task_done(struct oip_task *task, const struct tensock_error *error)
{
	struct grpc_message *m =
		(struct grpc_message *)(void *)((char *)task - offsetof(struct grpc_message, task));

	if (error)
		grpc_message_fail(m, error);
	else
		grpc_message_answer(m, &(struct oip_pb){ 0 });
}

static struct oip_task *task_new(struct asked *asked)
{
	struct oip_task *task = &asked->message->task;

	*task = (struct oip_task){ .done = on_task_done };
	asked->message->has_task = true;
	return task;
}

/* What a client says of its model, which may be there already. */
static int check_config(const struct asked *asked, struct tensock_error *reterr)
{
	const struct oip_pb_named *named = &asked->named;
	const struct tsk_model_info *info = NULL;
	char name[OIP_NAME_MAX + 1];
	struct oip_model m;

	if (!named->config.len)
		return 0;
	if (!named->file && oip_find(asked->guest, named->name, named->file_version, &m, NULL) == 0)
		info = m.info;
	snprintf(name, sizeof(name), "%.*s", named->name.len, named->name.bytes);
	return oip_config_check(named->config, name, info, reterr);
}

static int repository_load(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	const struct oip_pb_named *named = &asked->named;
	struct tensock_error error;
	struct oip_task *task;
	void *room;
	int r = check_config(asked, reterr);

	(void)ret;
	if (r < 0)
		return r;
	task = task_new(asked);
	if (named->file) {
		/* It has been counted: it is the task that fails. */
		if (oip_load_room(task, asked->guest, named->file_bytes, &room, &error) < 0) {
			grpc_message_fail(asked->message, &error);
			return LATER;
		}
		memcpy(room, named->file, named->file_bytes);
	}
	oip_load(task, asked->guest, named->name, named->file_version);
	return LATER;
}

static int repository_unload(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	(void)ret;
	(void)reterr;
	oip_unload(task_new(asked), asked->guest, asked->named.name, asked->named.version);
	return LATER;
}

/*
 * ---- Shared memory
 */

static int no_region(struct wire_string name, struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_NOT_FOUND, "Unable to find shared memory region: '%.*s'",
			OIP_SAID(name));
}

/* Of the one that is named, or of all. */
static int region_status(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	const struct regions *regions = &asked->guest->regions;
	struct wire_string name = asked->named.name;
	struct oip_region_view views[REGIONS_MAX], view;
	const struct region *at = NULL;
	size_t n = 0;

	if (name.len && !regions_have(regions, name))
		return no_region(name, reterr);
	while (regions_next(regions, &at, &view)) {
		if (!name.len || wire_string_equals(name, view.name))
			views[n++] = view;
	}
	return written(oip_pb_regions(views, n, ret), reterr);
}

/* Counted only now: whoever goes before has asked for nothing. */
static void on_registered(struct region_task *task, const struct tensock_error *error)
{
	struct grpc_message *m =
		(struct grpc_message *)(void *)((char *)task -
						offsetof(struct grpc_message, region));

	m->guest->counters.accepted++;
	if (error) {
		m->guest->counters.error++;
		grpc_message_fail(m, error);
	} else {
		m->guest->counters.ok++;
		grpc_message_answer(m, &(struct oip_pb){ 0 });
	}
}

static int region_register(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	const struct oip_pb_named *named = &asked->named;
	int r;

	(void)ret;
	asked->message->region.done = on_registered;
	r = regions_register(&asked->guest->regions, &asked->message->region, named->name,
			     named->key, named->offset, named->byte_size, reterr);
	if (r < 0)
		return r;
	return LATER;
}

static int region_unregister(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	regions_unregister(&asked->guest->regions, asked->named.name);
	return nothing(asked, ret, reterr);
}

/* CUDA's: there is none. */
static int cuda_status(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	return asked->named.name.len ? no_region(asked->named.name, reterr)
				     : nothing(asked, ret, reterr);
}

static int cuda_register(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	(void)asked;
	(void)ret;
	return tsk_fail(reterr, TENSOCK_UNSUPPORTED, "this host takes no regions of CUDA memory");
}

/*
 * ---- Health
 */

static int look_up_service(const struct asked *asked, struct tensock_error *reterr)
{
	static const char *const services[] = { "", "inference.GRPCInferenceService",
						"grpc.health.v1.Health" };

	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		if (wire_string_equals(asked->named.name, services[i]))
			return 0;
	}
	return tsk_fail(reterr, TENSOCK_NOT_FOUND, "unknown service");
}

static int health_check(struct asked *asked, struct oip_pb *ret, struct tensock_error *reterr)
{
	int r = look_up_service(asked, reterr);

	if (r < 0)
		return r;
	asked->message->stream->is_watching = asked->method == OIP_PB_HEALTH_WATCH;
	return written(oip_pb_health(!asked->guest->is_stopping, ret), reterr);
}

void grpc_method_stop(struct grpc_stream *stream)
{
	struct grpc_message *m = grpc_stream_say(stream);
	struct oip_pb pb;

	if (m && oip_pb_health(false, &pb) == 0)
		grpc_message_answer(m, &pb);
	grpc_stream_finish(stream);
}

/*
 * ---- All of them
 */

static const answer_fn answers[OIP_PB_METHODS] = {
	[OIP_PB_SERVER_LIVE] = server_live,
	[OIP_PB_SERVER_READY] = server_ready,
	[OIP_PB_MODEL_READY] = model_ready,
	[OIP_PB_SERVER_METADATA] = server_metadata,
	[OIP_PB_MODEL_METADATA] = model_told,
	[OIP_PB_MODEL_CONFIG] = model_told,
	[OIP_PB_MODEL_STATISTICS] = model_statistics,
	[OIP_PB_REPOSITORY_INDEX] = repository_index,
	[OIP_PB_REPOSITORY_LOAD] = repository_load,
	[OIP_PB_REPOSITORY_UNLOAD] = repository_unload,
	[OIP_PB_SYSTEM_SHM_STATUS] = region_status,
	[OIP_PB_SYSTEM_SHM_REGISTER] = region_register,
	[OIP_PB_SYSTEM_SHM_UNREGISTER] = region_unregister,
	[OIP_PB_CUDA_SHM_STATUS] = cuda_status,
	[OIP_PB_CUDA_SHM_REGISTER] = cuda_register,
	[OIP_PB_CUDA_SHM_UNREGISTER] = nothing,
	[OIP_PB_TRACE_SETTING] = trace_setting,
	[OIP_PB_LOG_SETTINGS] = log_settings,
	[OIP_PB_HEALTH_CHECK] = health_check,
	[OIP_PB_HEALTH_WATCH] = health_check,
};

static bool is_reflection(enum oip_pb_method method)
{
	return method == OIP_PB_REFLECTION || method == OIP_PB_REFLECTION_ALPHA;
}

uint64_t grpc_method_length_max(const struct guest *guest, enum oip_pb_method method,
				const char **ret_limit)
{
	const char *limit = "what such a request takes";
	uint64_t max = MESSAGE_MAX;

	if (method == OIP_PB_MODEL_INFER || method == OIP_PB_MODEL_STREAM_INFER) {
		limit = "max-request-size";
		max = guest->limits.request_bytes_max;
	} else if (method == OIP_PB_REPOSITORY_LOAD) {
		limit = "what a model of max-model-size takes";
		max = guest->limits.model_bytes_max + MESSAGE_MAX;
	}
	*ret_limit = max < UINT32_MAX ? limit : "what gRPC can say the length of";
	return max < UINT32_MAX ? max : UINT32_MAX;
}

static int call_named(struct grpc_message *m, const struct grpc_decoder *d, struct oip_pb *ret,
		      struct tensock_error *reterr)
{
	struct asked asked = { .message = m, .guest = m->guest, .method = m->stream->method };
	struct account *account = &m->guest->account;
	size_t n = d->n;
	int r;

	/* For a copy of the message, until it has been answered, or its task has begun. */
	if (account_take(account, n) < 0)
		return limit_fail(METRICS_LIMIT_MEMORY, reterr, TENSOCK_LIMIT_REACHED,
				  "no room for a message of %zu bytes beside what is in use "
				  "(max-memory)",
				  n);
	r = oip_pb_named_read(asked.method, d->buffer, n, &asked.named, reterr);
	if (r == 0) {
		r = answers[asked.method](&asked, ret, reterr);
		oip_pb_named_done(&asked.named);
	}
	account_give(account, n);
	return r;
}

void grpc_method_call(struct grpc_message *message)
{
	const struct grpc_decoder *d = &message->stream->decoder;
	struct counters *counters = &message->guest->counters;
	struct tensock_error error;
	struct oip_pb pb = { 0 };
	int r;

	if (is_reflection(message->stream->method))
		r = oip_pb_reflection(d->buffer, d->n, &pb, &error);
	else
		r = call_named(message, d, &pb, &error);
	if (r == LATER)
		return;
	counters->accepted++;
	if (r < 0) {
		counters->error++;
		grpc_message_fail(message, &error);
	} else {
		counters->ok++;
		grpc_message_answer(message, &pb);
	}
}
