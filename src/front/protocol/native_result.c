/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/native_result.h"

#include <string.h>

#include "base/checked.h"

/* meta_bytes, payload_bytes, n_outputs, queue_ns, compute_ns. */
#define HEAD_BYTES 32u

static size_t described_bytes(const struct wire_tensor *t)
{
	return 2u + t->name.len + 3u * 4 + t->rank * 8u + 8;
}

int native_result_init(struct native_result *result, const struct tsk_model_info *info,
		       const struct run_tensor *tensors, const uint32_t *wanted, uint32_t n_wanted)
{
	uint32_t n = n_wanted ? n_wanted : info->n_outputs;
	_cleanup_free_ struct wire_tensor *outputs = calloc((size_t)n + 1, sizeof(*outputs));
	size_t meta_bytes = HEAD_BYTES;
	uint64_t payload_bytes;

	if (!outputs)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t index = n_wanted ? wanted[i] : i;
		const struct run_tensor *t = &tensors[index];

		outputs[i] = (struct wire_tensor){ .name = wire_string(info->outputs[index].name),
						   .index = index,
						   .dtype = t->dtype,
						   .rank = t->rank,
						   .bytes = t->bytes };
		memcpy(outputs[i].dims, t->dims, sizeof(outputs[i].dims));
		meta_bytes += described_bytes(&outputs[i]);
	}
	if (meta_bytes > WIRE_META_MAX || wire_tensors_layout(outputs, n, &payload_bytes) < 0)
		return -EINVAL;
	*result = (struct native_result){
		.wire = { .n_outputs = n, .payload_bytes = payload_bytes },
		.outputs = TAKE_PTR(outputs),
		.meta_bytes = meta_bytes,
	};
	return 0;
}

void native_result_done(struct native_result *result)
{
	free(TAKE_PTR(result->outputs));
}

size_t native_result_pieces(const struct native_result *result, const struct run_tensor *tensors,
			    const void *region, struct native_piece *ret)
{
	static const unsigned char zeros[WIRE_ALIGN];
	uint64_t at = 0; /* in the payload */
	size_t n = 0;

	for (uint32_t i = 0; i < result->wire.n_outputs; i++) {
		const struct wire_tensor *t = &result->outputs[i];

		if (t->offset > at)
			ret[n++] = (struct native_piece){ zeros, t->offset - at };
		if (t->bytes)
			ret[n++] = (struct native_piece){
				(const unsigned char *)region + tensors[t->index].offset, t->bytes
			};
		at = t->offset + t->bytes;
	}
	return n;
}
