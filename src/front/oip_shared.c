/* SPDX-License-Identifier: Apache-2.0 */
#include "front/oip_shared.h"

#include <stdlib.h>

#include "base/status.h"
#include "front/oip_classes.h"
#include "front/worker_foreign.h"

/* What holds the i-th output's region. */
static struct oip_part *part_of_output(const struct oip_call *call, uint32_t i)
{
	return &call->parts[call->infer.n_inputs + i];
}

static bool has_regions(const struct oip_infer *infer)
{
	for (uint32_t i = 0; i < infer->n_inputs; i++) {
		if (infer->inputs[i].source == OIP_REGION)
			return true;
	}
	for (uint32_t i = 0; i < infer->n_outputs; i++) {
		if (infer->outputs[i].region.name.len)
			return true;
	}
	return false;
}

static uint64_t n_parts(const struct oip_infer *infer)
{
	return (uint64_t)infer->n_inputs + infer->n_outputs;
}

static uint64_t n_places(const struct oip_infer *infer)
{
	return infer->n_outputs < OIP_PLACES_MAX ? infer->n_outputs : OIP_PLACES_MAX;
}

uint64_t oip_shared_bytes(const struct oip_infer *infer)
{
	return has_regions(infer) ? n_parts(infer) * sizeof(struct oip_part) +
					    n_places(infer) * sizeof(struct run_tensor)
				  : 0;
}

int oip_shared_hold(struct oip_call *call, struct tensock_error *reterr)
{
	struct regions *regions = &call->guest->regions;
	const struct oip_infer *infer = &call->infer;
	int r = 0;

	if (!has_regions(infer))
		return 0;
	call->parts = calloc(n_parts(infer), sizeof(*call->parts));
	call->places = calloc(n_places(infer) + 1, sizeof(*call->places));
	if (!call->parts || !call->places)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the request");

	for (uint32_t i = 0; i < infer->n_inputs && r == 0; i++) {
		if (infer->inputs[i].source == OIP_REGION)
			r = regions_hold(regions, &infer->inputs[i].region, &call->parts[i].region,
					 reterr);
	}
	for (uint32_t i = 0; i < infer->n_outputs && r == 0; i++) {
		if (infer->outputs[i].region.name.len)
			r = regions_hold(regions, &infer->outputs[i].region,
					 &part_of_output(call, i)->region, reterr);
	}
	return r;
}

void oip_shared_release(struct oip_call *call)
{
	uint64_t n = call->parts ? n_parts(&call->infer) : 0;

	for (uint64_t i = 0; i < n; i++)
		regions_release(&call->guest->regions, call->parts[i].region);
	free(TAKE_PTR(call->parts));
	free(TAKE_PTR(call->places));
}

static int prepare_input(struct oip_call *call, uint32_t i, struct tensock_error *reterr)
{
	const struct oip_input *input = &call->infer.inputs[i];
	struct run_tensor *t = &call->inputs[i];
	struct oip_part *part = &call->parts[i];
	int r;

	if (!part->region || part->is_read)
		return 0;
	if (worker_foreign_point(call->request.worker, part->region, &input->region, t->dtype, t))
		return 0;
	r = region_read(part->region, &input->region,
			(unsigned char *)call->request.in->map.addr + t->offset, reterr);
	part->is_read = r == 0;
	return r;
}

static bool overlap(const struct region *a, const struct oip_region *a_part, const struct region *b,
		    const struct oip_region *b_part)
{
	uint64_t a_at = region_offset(a, a_part), b_at = region_offset(b, b_part);

	return region_is_same(a, b) && a_at < b_at + b_part->bytes && b_at < a_at + a_part->bytes;
}

/* The model would see what it writes, or an earlier output would be lost in this one. */
static bool is_in_the_way(const struct oip_call *call, uint32_t i)
{
	const struct oip_infer *infer = &call->infer;
	const struct oip_region *part = &infer->outputs[i].region;
	const struct region *region = part_of_output(call, i)->region;

	for (uint32_t k = 0; k < infer->n_inputs; k++) {
		if (call->inputs[k].foreign &&
		    overlap(region, part, call->parts[k].region, &infer->inputs[k].region))
			return true;
	}
	for (uint32_t k = 0; k < infer->n_outputs; k++) {
		const struct region *other = part_of_output(call, k)->region;

		if (k != i && other && overlap(region, part, other, &infer->outputs[k].region))
			return true;
	}
	return false;
}

/* For how many there is room beside the inputs. */
static uint64_t places_max(const struct oip_call *call)
{
	uint64_t room = call->n_room - call->infer.n_inputs, n = n_places(&call->infer);

	return n < room ? n : room;
}

static void place_outputs(struct oip_call *call, const struct tsk_model_info *info)
{
	struct request *request = &call->request;

	for (uint32_t i = 0; i < call->infer.n_outputs && request->n_places < places_max(call);
	     i++) {
		const struct oip_output *output = &call->infer.outputs[i];
		const struct region *region = part_of_output(call, i)->region;
		struct run_tensor place = { .index = call->wanted[i],
					    .bytes = output->region.bytes };

		if (region && !output->classes && !is_in_the_way(call, i) &&
		    worker_foreign_point(request->worker, region, &output->region,
					 info->outputs[place.index].dtype, &place))
			call->places[request->n_places++] = place;
	}
	request->places = call->places;
}

int oip_shared_prepare(struct oip_call *call, const struct tsk_model_info *info,
		       struct tensock_error *reterr)
{
	int r = 0;

	if (!call->parts)
		return 0;
	for (uint32_t i = 0; i < call->infer.n_inputs && r == 0; i++)
		r = prepare_input(call, i, reterr);
	if (r == 0)
		place_outputs(call, info);
	return r;
}

int oip_shared_put(struct oip_call *call, struct oip_result *result, uint32_t i,
		   const struct run_tensor *t, struct tensock_error *reterr)
{
	const struct oip_infer *infer = &call->infer;
	int r = 0;

	if (i >= infer->n_outputs || !infer->outputs[i].region.name.len)
		return 0;
	if (!t->foreign)
		r = region_write(part_of_output(call, i)->region, &infer->outputs[i].region,
				 result->data, result->bytes, reterr);
	if (r < 0)
		return r;
	result->region = infer->outputs[i].region;
	result->region.bytes = result->bytes;
	oip_classes_free(result, infer, i, &call->guest->account);
	return 0;
}
