/* SPDX-License-Identifier: Apache-2.0 */
#include "front/native_memory.h"

#include <stdlib.h>

#include "base/checked.h"
#include "base/status.h"
#include "front/buffer_pool.h"
#include "front/worker_foreign.h"

/* Of the region, from its start. */
static bool is_within(const struct region *region, uint64_t at, uint64_t bytes)
{
	uint64_t end;
	int fd;

	return tsk_add(at, bytes, &end) && end <= region_memory(region, &fd);
}

static bool are_within(const struct region *region, const struct wire_infer_memory *infer,
		       const struct wire_place *places)
{
	if (!is_within(region, infer->at, infer->infer.payload_bytes))
		return false;
	for (uint32_t i = 0; i < infer->n_places; i++) {
		if (!is_within(region, places[i].at, places[i].bytes))
			return false;
	}
	return true;
}

int native_memory_init(struct native_memory *memory, struct region *region,
		       const struct wire_infer_memory *infer, struct wire_place **places,
		       struct tensock_error *reterr)
{
	_cleanup_free_ struct wire_place *taken = TAKE_PTR(*places);
	struct run_tensor *run_places;

	if (!are_within(region, infer, taken))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"tensors beyond the memory that this connection shares");
	run_places = calloc((size_t)infer->n_places + 1, sizeof(*run_places));
	if (!run_places)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the request");
	*memory = (struct native_memory){ .region = region_hold(region),
					  .at = infer->at,
					  .n_places = infer->n_places,
					  .places = TAKE_PTR(taken),
					  .run_places = run_places };
	return 0;
}

void native_memory_done(struct native_memory *memory, struct regions *regions)
{
	regions_release(regions, TAKE_PTR(memory->region));
	free(TAKE_PTR(memory->places));
	free(TAKE_PTR(memory->run_places));
}

uint64_t native_memory_bytes(const struct wire_infer_memory *infer)
{
	return infer->n_places * (sizeof(struct wire_place) + sizeof(struct run_tensor));
}

static int prepare_input(const struct native_memory *memory, const struct request *request,
			 const struct wire_tensor *tensor, struct run_tensor *input,
			 struct tensock_error *reterr)
{
	const struct oip_region part = { .offset = memory->at + tensor->offset,
					 .bytes = tensor->bytes };

	if (worker_foreign_point(request->worker, memory->region, &part, input->dtype, input))
		return 0;
	return region_read(memory->region, &part,
			   (unsigned char *)request->in->map.addr + input->offset, reterr);
}

/* Places are described behind the inputs: there is no room for more together. */
static uint32_t run_places_max(const struct native_memory *memory, uint32_t n_inputs)
{
	return memory->n_places < RUN_TENSORS_MAX - n_inputs ? memory->n_places
							     : RUN_TENSORS_MAX - n_inputs;
}

static void place_outputs(struct native_memory *memory, struct request *request, uint32_t n_inputs,
			  const struct tsk_model_info *info, const uint32_t *wanted)
{
	uint32_t n = run_places_max(memory, n_inputs);

	for (uint32_t i = 0; i < n; i++) {
		const struct oip_region part = { .offset = memory->places[i].at,
						 .bytes = memory->places[i].bytes };
		struct run_tensor place = { .index = wanted[i], .bytes = part.bytes };

		if (worker_foreign_point(request->worker, memory->region, &part,
					 info->outputs[wanted[i]].dtype, &place))
			memory->run_places[request->n_places++] = place;
	}
	request->places = memory->run_places;
}

int native_memory_prepare(struct native_memory *memory, struct request *request,
			  const struct wire_tensor *tensors, struct run_tensor *inputs,
			  uint32_t n_inputs, const struct tsk_model_info *info,
			  const uint32_t *wanted, struct tensock_error *reterr)
{
	int r = 0;

	for (uint32_t i = 0; i < n_inputs && r == 0; i++)
		r = prepare_input(memory, request, &tensors[i], &inputs[i], reterr);
	if (r == 0)
		place_outputs(memory, request, n_inputs, info, wanted);
	return r;
}

static int put(const struct native_memory *memory, const struct wire_place *place,
	       const struct run_tensor *t, const void *region, struct tensock_error *reterr)
{
	const struct oip_region part = { .offset = place->at, .bytes = place->bytes };

	/* It is there, or its answer says how much it takes. */
	if (t->foreign || t->bytes > place->bytes)
		return 0;
	return region_write(memory->region, &part, (const unsigned char *)region + t->offset,
			    t->bytes, reterr);
}

int native_memory_put(const struct native_memory *memory, const struct native_result *result,
		      const struct request_outputs *outputs, struct tensock_error *reterr)
{
	int r = 0;

	for (uint32_t i = 0; i < memory->n_places && r == 0; i++)
		r = put(memory, &memory->places[i], &outputs->tensors[result->outputs[i].index],
			outputs->region, reterr);
	return r;
}
