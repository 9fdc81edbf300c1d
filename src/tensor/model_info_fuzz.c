/* SPDX-License-Identifier: Apache-2.0 */
/* What decodes encodes to the same bytes; what does not is refused without a trace. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/model_info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tsk_model_info info;
	unsigned char *again;
	size_t len;

	if (tsk_model_info_decode(data, size, &info) < 0)
		return 0;
	again = malloc(size);
	if (!again || tsk_model_info_encode(&info, again, size, &len) < 0 || len != size ||
	    memcmp(again, data, size) != 0)
		abort();
	free(again);
	tsk_model_info_done(&info);
	return 0;
}
