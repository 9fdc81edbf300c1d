/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/mindspore_lite/outputs.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ms_output outputs[16];
	uint32_t n = ms_outputs_read(data, size, outputs, 16);

	if (n > 16)
		abort();
	for (uint32_t i = 0; i < n; i++) {
		const char *end = (const char *)data + size;

		if (outputs[i].name_bytes && outputs[i].name + outputs[i].name_bytes > end)
			abort(); /* it lies outside of the file */
		(void)ms_output_is(&outputs[i], "x");
	}
	return 0;
}
