/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/expect.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "cli/file.h"
#include "tensor/npy.h"

static bool has_shape(const struct tensock_output *output, const struct tsk_npy *npy)
{
	if (output->rank != npy->rank)
		return false;
	for (uint32_t i = 0; i < npy->rank; i++) {
		if (output->dims[i] != npy->dims[i])
			return false;
	}
	return true;
}

static void not_comparable(struct expectation *ret, const char *why)
{
	ret->is_met = false;
	snprintf(ret->why, sizeof(ret->why), "%s", why);
}

static void compare(const struct tensock_output *output, const struct tsk_npy_tensor *expected,
		    double tolerance, struct expectation *ret)
{
	if (compare_tensors(output->dtype, output->data, output->bytes, expected->data,
			    expected->bytes, &ret->comparison) < 0) {
		not_comparable(ret, "the output has not as many elements as its shape");
		return;
	}
	ret->is_comparable = true;
	ret->is_met = comparison_relative(&ret->comparison) <= tolerance;
}

int expect_file(const struct tensock_output *output, const char *path, double tolerance,
		struct expectation *ret, struct tensock_error *reterr)
{
	_cleanup_free_ unsigned char *file = NULL;
	struct tsk_npy_tensor tensor;
	struct tensock_error error;
	struct tsk_npy npy;
	int r = file_read_npy(path, &file, &npy, reterr);

	if (r < 0)
		return r;
	if (!has_shape(output, &npy)) {
		not_comparable(ret, "the output has another shape");
	} else if (tsk_npy_tensor(&npy, output->dtype, &tensor, &error) < 0) {
		not_comparable(ret, error.message);
	} else {
		compare(output, &tensor, tolerance, ret);
		tsk_npy_tensor_done(&tensor);
	}
	return 0;
}

int expect_save(const struct tensock_output *output, const char *path, struct tensock_error *reterr)
{
	bool is_raw = *path == '@';
	_cleanup_free_ char *temporary = NULL;
	struct tensock_error error;
	FILE *file;
	int r, r2;

	path += is_raw;
	r = file_create(path, &file, &temporary, reterr);
	if (r < 0)
		return r;
	if (!is_raw)
		r = tsk_npy_write(file, output->dtype, output->dims, output->rank, output->data,
				  output->bytes, reterr);
	else if (output->bytes)
		fwrite(output->data, 1, (size_t)output->bytes, file);
	r2 = file_finish(file, path, temporary, r == 0, &error);
	if (r == 0 && r2 < 0 && reterr)
		*reterr = error;
	return r < 0 ? r : r2;
}
