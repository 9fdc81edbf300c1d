/* SPDX-License-Identifier: Apache-2.0 */
#include "front/request.h"

#include "base/clock.h"
#include "front/model.h"

int request_load_prepare(struct request *request, const struct tsk_model_info *info,
			 uint64_t *ret_in_bytes, uint64_t *ret_out_bytes,
			 struct tensock_error *reterr)
{
	(void)request;
	(void)info;
	(void)ret_in_bytes;
	(void)ret_out_bytes;
	(void)reterr;
	return 1;
}

bool request_load_fill(struct request *request, void *region)
{
	(void)request;
	(void)region;
	return false;
}

static void add(struct oip_duration *duration, uint64_t ns)
{
	duration->count++;
	duration->ns += ns;
}

static void count(struct oip_stats *stats, const struct request *request,
		  const struct request_outputs *outputs)
{
	uint64_t ns = tsk_now_ns() - request->queued_ns;

	stats->last_ms = tsk_wall_ms() - ns / 1000000;
	if (!outputs) {
		add(&stats->fail, ns);
		return;
	}
	add(&stats->success, ns);
	add(&stats->queue, outputs->queue_ns);
	add(&stats->infer, outputs->compute_ns);
	/* The engine reads and writes in place. */
	add(&stats->input, 0);
	add(&stats->output, 0);
}

/* The parts of one that ended well. */
static void time_parts(struct inferences *inferences, const struct request *request,
		       const struct request_outputs *outputs)
{
	uint64_t begun_ns =
		request->origin.begun_ns ? request->origin.begun_ns : request->queued_ns;

	metrics_histogram_add(&inferences->transfer, request->queued_ns - begun_ns);
	metrics_histogram_add(&inferences->queue, outputs->queue_ns);
	metrics_histogram_add(&inferences->compute, outputs->compute_ns);
	metrics_histogram_add(&inferences->total, request->queued_ns - begun_ns +
							  outputs->queue_ns + outputs->compute_ns);
}

static void count_outcome(const struct request *request, const struct request_outputs *outputs,
			  uint32_t status)
{
	struct inferences *inferences = &request->model->inferences;

	inferences->outcomes[status]++;
	if (outputs)
		time_parts(inferences, request, outputs);
}

void request_cancelled(struct request *request)
{
	if (request->is_counted)
		count_outcome(request, NULL, TENSOCK_CANCELLED);
	request->is_counted = false;
}

static uint32_t status_of(const struct request_outputs *outputs, const struct tensock_error *error)
{
	if (outputs)
		return TENSOCK_OK;
	return error && error->status < TENSOCK_STATUS_MAX ? error->status : TENSOCK_INTERNAL;
}

/* Of those whose done() runs, the innermost one: it may be what another one's leads to. */
static const struct request_ending *innermost;

const struct request_ending *request_ending(const struct request *request)
{
	return innermost && innermost->request == request ? innermost : NULL;
}

void request_end(struct request *request, struct request_outputs *outputs,
		 const struct tensock_error *error)
{
	const struct request_ending *outer = innermost;
	/* One that was asked to go may have gone. */
	const struct request_ending this = { .request = request,
					     .model = request->is_counted ? request->model : NULL,
					     .outputs = outputs };

	if (request->is_counted) {
		count(&request->model->stats, request, outputs);
		count_outcome(request, outputs, status_of(outputs, error));
	}
	request->is_counted = false;
	request->model = NULL;
	request->is_running = false;
	innermost = &this;
	request->ops->done(request, outputs, error);
	innermost = outer;
}
