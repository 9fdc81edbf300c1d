/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/outputs.h"

#include <string.h>

int outputs_init(struct outputs *outputs, uint32_t n)
{
	*outputs = (struct outputs){ .n = n };
	outputs->tensors = calloc((size_t)n + 1, sizeof(*outputs->tensors));
	outputs->kept = calloc((size_t)n + 1, sizeof(*outputs->kept));
	if (!outputs->tensors || !outputs->kept) {
		outputs_done(outputs);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		outputs->tensors[i].index = i;
	return 0;
}

void outputs_reuse(struct outputs *outputs)
{
	for (uint32_t i = 0; i < outputs->n; i++) {
		struct tensock_output *tensor = &outputs->tensors[i];

		if (tensor->flags & TENSOCK_OUTPUT_ALLOCATED) {
			tensock_outputs_done(&outputs->kept[i], 1);
			outputs->kept[i] = *tensor;
			tensor->capacity = tensor->bytes;
		}
		tensor->flags = 0;
	}
}

void outputs_done(struct outputs *outputs)
{
	if (outputs->tensors)
		tensock_outputs_done(outputs->tensors, outputs->n);
	if (outputs->kept)
		tensock_outputs_done(outputs->kept, outputs->n);
	free(outputs->tensors);
	free(outputs->kept);
	*outputs = (struct outputs){ 0 };
}
