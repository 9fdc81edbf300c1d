/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/onnx_scan.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tensock_error error = { 0 };
	int r = onnx_scan(data, size, &error);

	assert((r < 0) == (error.status != TENSOCK_OK));
	assert(memchr(error.message, '\0', sizeof(error.message)));
	return 0;
}
