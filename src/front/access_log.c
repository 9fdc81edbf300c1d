/* SPDX-License-Identifier: Apache-2.0 */
#include "front/access_log.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "front/models.h"

#define NS_PER_US 1000u
#define ID_MAX 128u /* bytes of a request's own id that are told */

static bool is_on;

void access_log_set(bool on)
{
	is_on = on;
}

static uint64_t bytes_of(const struct request_outputs *outputs)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; outputs && i < outputs->n_tensors; i++)
		bytes += outputs->tensors[i].bytes;
	return bytes;
}

void access_log(const struct request *request, const struct request_outputs *outputs,
		const struct tensock_error *error, uint32_t status)
{
	const struct request_origin *origin = &request->origin;
	uint64_t begun_ns = origin->begun_ns ? origin->begun_ns : request->queued_ns;
	int n_text = origin->text.len < ID_MAX ? (int)origin->text.len : (int)ID_MAX;
	struct model_called model;
	char id[ID_MAX + 1];

	if (!is_on || !origin->protocol)
		return;
	models_called(request->model, &model);
	snprintf(id, sizeof(id), "%.*s", n_text, origin->text.bytes ? origin->text.bytes : "");
	const struct tsk_log_field fields[] = {
		{ .name = "protocol", .text = origin->protocol },
		{ .name = "connection", .number = origin->connection },
		{ .name = "request", .text = id[0] ? id : NULL, .number = origin->id },
		{ .name = "model", .text = model.name },
		{ .name = "version", .text = model.version },
		{ .name = "outcome", .text = tsk_status(status)->name },
		{ .name = "status", .number = status },
		{ .name = "bytes_in", .number = origin->bytes },
		{ .name = "bytes_out", .number = bytes_of(outputs) },
		{ .name = "transfer_us", .number = (request->queued_ns - begun_ns) / NS_PER_US },
		{ .name = "queue_us", .number = outputs ? outputs->queue_ns / NS_PER_US : 0 },
		{ .name = "compute_us", .number = outputs ? outputs->compute_ns / NS_PER_US : 0 },
		{ .name = "total_us", .number = (tsk_now_ns() - begun_ns) / NS_PER_US },
		{ .name = "error", .text = error ? error->message : "" },
	};

	unsigned n = (unsigned)ARRAY_SIZE(fields) - (error ? 0 : 1);

	tsk_log_event(TSK_LOG_INFO, "access", fields, n);
}
