/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is read as a tensor can be written, and read again as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_and_read(const struct tsk_npy *npy, const struct tsk_npy_tensor *tensor)
{
	struct tensock_error error;
	struct tsk_npy again;
	struct tsk_npy_tensor tensor_again = { 0 };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int r;

	if (!out)
		return;
	r = tsk_npy_write(out, tensor->dtype, npy->dims, npy->rank, tensor->data, tensor->bytes,
			  &error);
	fclose(out);
	/* Texts may be of too different lengths; nothing else that was read is refused. */
	if (r < 0 && error.status != TENSOCK_TOO_LARGE)
		abort();
	if (r == 0 && (tsk_npy_parse(text, len, &again, &error) < 0 || again.rank != npy->rank ||
		       memcmp(again.dims, npy->dims, sizeof(again.dims)) != 0 ||
		       tsk_npy_tensor(&again, tensor->dtype, &tensor_again, &error) < 0 ||
		       tensor_again.bytes != tensor->bytes ||
		       (tensor->bytes &&
			memcmp(tensor_again.data, tensor->data, (size_t)tensor->bytes) != 0)))
		abort();
	tsk_npy_tensor_done(&tensor_again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tensock_error error;
	struct tsk_npy npy;

	if (tsk_npy_parse(data, size, &npy, &error) < 0)
		return 0;
	for (uint32_t wanted = 0; wanted <= TENSOCK_DTYPE_MAX; wanted++) {
		struct tsk_npy_tensor tensor;

		if (tsk_npy_tensor(&npy, wanted, &tensor, &error) < 0)
			continue;
		write_and_read(&npy, &tensor);
		tsk_npy_tensor_done(&tensor);
	}
	return 0;
}
