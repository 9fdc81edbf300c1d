/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/limits.h"

#include <assert.h>
#include <string.h>

#include "base/status.h"
#include "supervisor/cgroup.h"
#include "supervisor/quantity.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define DAY_MS (UINT64_C(24) * 3600 * 1000)
#define MONTH_MS (30 * DAY_MS) /* fits 32 bits, as all times here */

/* What a front may have open: for each connection that it may have, one of the device's sockets, one
 * of a peer without the device, a descriptor that this peer has passed, and an upload; a worker's socket, doorbells and buffers; a
 * request's buffer; the bytes of the models, and of the uploads, that are kept; what there is once,
 * which are the uploads of the native protocol (UPLOADS_AT_ONCE_MAX) and regions of shared memory
 * (REGIONS_MAX) in the main. */
#define FILES_A_CONNECTION 4u
#define FILES_A_WORKER 16u
#define FILES_OF_A_FRONT 192u

const struct limits limits_default = { .value = {
					       [LIMIT_LOAD_DEADLINE_MS] = 30000,
					       [LIMIT_RUN_DEADLINE_MS] = 30000,
					       [LIMIT_IDLE_TIMEOUT_MS] = 30000,
					       [LIMIT_MODEL_IDLE_MS] = 60000,
					       [LIMIT_MODEL_BYTES] = 2 * GIB,
					       [LIMIT_REQUEST_BYTES] = 1 * GIB,
					       [LIMIT_MEMORY_BYTES] = 4 * GIB,
					       [LIMIT_CONNECTIONS] = 1024,
					       [LIMIT_WORKERS] = 16,
					       [LIMIT_MODELS] = 256,
					       [LIMIT_MODEL_KEEP_MS] = DAY_MS,
					       [LIMIT_REQUESTS] = 1024,
					       [LIMIT_UPLOADS] = 4,
					       [LIMIT_UPLOAD_KEEP_MS] = 600000,
					       [LIMIT_PAUSE_DEADLINE_MS] = 60000,
					       [LIMIT_QUARANTINE_MS] = 600000,
					       [LIMIT_CONNECTS] = 20000,
					       [LIMIT_CRASHES] = 100,
					       [LIMIT_CPU_WEIGHT] = CGROUP_WEIGHT_DEFAULT,
				       } };

static const struct {
	const char *key;
	int (*parse)(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
	uint64_t min, max;
	const char *example;
} rows[] = {
	[LIMIT_LOAD_DEADLINE_MS] = { "load-deadline", quantity_ms, 1, DAY_MS, "30s" },
	[LIMIT_RUN_DEADLINE_MS] = { "run-deadline", quantity_ms, 1, DAY_MS, "30s" },
	[LIMIT_IDLE_TIMEOUT_MS] = { "idle-timeout", quantity_ms, 1, DAY_MS, "30s" },
	[LIMIT_MODEL_IDLE_MS] = { "model-idle", quantity_ms, 0, DAY_MS, "60s" },
	[LIMIT_MODEL_BYTES] = { "max-model-size", quantity_bytes, 1, 1024 * GIB, "2GiB" },
	[LIMIT_REQUEST_BYTES] = { "max-request-size", quantity_bytes, 1, 1024 * GIB, "2GiB" },
	[LIMIT_MEMORY_BYTES] = { "max-memory", quantity_bytes, 1, 1024 * GIB, "4GiB" },
	[LIMIT_CONNECTIONS] = { "max-connections", quantity_number, 1, 65536, "1024" },
	[LIMIT_WORKERS] = { "max-workers", quantity_number, 1, 1024, "16" },
	[LIMIT_MODELS] = { "max-models", quantity_number, 1, 512, "256" },
	[LIMIT_MODEL_KEEP_MS] = { "model-keep", quantity_ms, 1, MONTH_MS, "24h" },
	[LIMIT_REQUESTS] = { "max-requests", quantity_number, 1, 65536, "1024" },
	[LIMIT_UPLOADS] = { "max-uploads", quantity_number, 0, 256, "4" },
	[LIMIT_UPLOAD_KEEP_MS] = { "upload-keep", quantity_ms, 0, DAY_MS, "10min" },
	[LIMIT_PAUSE_DEADLINE_MS] = { "pause-deadline", quantity_ms, 0, DAY_MS, "60s" },
	[LIMIT_QUARANTINE_MS] = { "quarantine", quantity_ms, 0, DAY_MS, "10min" },
	[LIMIT_CONNECTS] = { "max-connects", quantity_number, 1, 1000000, "1000" },
	[LIMIT_CRASHES] = { "max-crashes", quantity_number, 0, 1000000, "100" },
	[LIMIT_CPU_WEIGHT] = { "cpu-weight", quantity_number, 1, 10000, "100" },
	[LIMIT_CPU_PERCENT] = { "cpu-quota", quantity_percent, 1, 100000, "150%" },
	[LIMIT_FLIGHT_BYTES] = { "max-bytes-in-flight", quantity_bytes, 64 * KIB, 1024 * GIB,
				 "1GiB" },
	[LIMIT_PROCESS_BYTES] = { "max-process-memory", quantity_bytes, 64 * MIB, 1024 * GIB,
				  "8GiB" },
};
static_assert(ARRAY_SIZE(rows) == LIMIT_MAX, "a limit lacks its row");

int limits_set(struct limits *limits, const char *key, const char *text,
	       struct tensock_error *reterr)
{
	unsigned i = 0;
	uint64_t value;
	int r;

	while (i < LIMIT_MAX && strcmp(rows[i].key, key) != 0)
		i++;
	if (i == LIMIT_MAX)
		return 0;
	if (limits->set & 1u << i)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%s is given twice", key);
	r = rows[i].parse(text, rows[i].min, rows[i].max, &value);
	if (r < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"%s cannot be '%.80s'%s; write for example %s", key, text,
				r == -ERANGE ? ", which is out of bounds" : "", rows[i].example);
	limits->value[i] = value;
	limits->set |= 1u << i;
	return 1;
}

void limits_merge(struct limits *limits, const struct limits *over)
{
	for (unsigned i = 0; i < LIMIT_MAX; i++) {
		if (over->set & 1u << i)
			limits->value[i] = over->value[i];
	}
	limits->set |= over->set;
}

bool limits_fit_files(struct limits *limits, uint64_t files_max)
{
	uint64_t *connections = &limits->value[LIMIT_CONNECTIONS];
	uint64_t others = FILES_A_WORKER * limits->value[LIMIT_WORKERS] +
			  limits->value[LIMIT_REQUESTS] + limits->value[LIMIT_MODELS] +
			  limits->value[LIMIT_UPLOADS] + FILES_OF_A_FRONT;
	uint64_t most = files_max > others ? (files_max - others) / FILES_A_CONNECTION : 0;

	if (*connections <= most)
		return false;
	*connections = most ? most : 1;
	return true;
}

bool limits_want_cgroup(const struct limits *limits)
{
	const uint64_t *v = limits->value;

	return v[LIMIT_CPU_WEIGHT] != CGROUP_WEIGHT_DEFAULT || v[LIMIT_CPU_PERCENT] ||
	       v[LIMIT_PROCESS_BYTES];
}

void limits_to_start(const struct limits *limits, struct front_start *ret)
{
	const uint64_t *v = limits->value;

	/* rows[] bounds each: none is cut. */
	ret->load_deadline_ms = (uint32_t)v[LIMIT_LOAD_DEADLINE_MS];
	ret->run_deadline_ms = (uint32_t)v[LIMIT_RUN_DEADLINE_MS];
	ret->idle_timeout_ms = (uint32_t)v[LIMIT_IDLE_TIMEOUT_MS];
	ret->model_idle_ms = (uint32_t)v[LIMIT_MODEL_IDLE_MS];
	ret->model_bytes_max = v[LIMIT_MODEL_BYTES];
	ret->request_bytes_max = v[LIMIT_REQUEST_BYTES];
	ret->memory_bytes_max = v[LIMIT_MEMORY_BYTES];
	ret->connections_max = (uint32_t)v[LIMIT_CONNECTIONS];
	ret->workers_max = (uint32_t)v[LIMIT_WORKERS];
	ret->models_max = (uint32_t)v[LIMIT_MODELS];
	ret->model_keep_ms = (uint32_t)v[LIMIT_MODEL_KEEP_MS];
	ret->requests_max = (uint32_t)v[LIMIT_REQUESTS];
	ret->uploads_max = (uint32_t)v[LIMIT_UPLOADS];
	ret->upload_keep_ms = (uint32_t)v[LIMIT_UPLOAD_KEEP_MS];
	ret->pause_deadline_ms = (uint32_t)v[LIMIT_PAUSE_DEADLINE_MS];
	ret->quarantine_ms = (uint32_t)v[LIMIT_QUARANTINE_MS];
	ret->flight_bytes_max = v[LIMIT_FLIGHT_BYTES];
}
