/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello MODEL.onnx: the model goes to the host, zeros go in, what comes out is printed.
 * A dimension that the model leaves open is 1.  cc -static -o hello hello.c -ltensock
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <tensock/tensock.h>

static void check(int status, const struct tensock_error *error)
{
	if (status == TENSOCK_OK)
		return;
	fprintf(stderr, "hello: %s\n%s\n", error->message, tensock_status_hint(status));
	exit(1);
}

static struct tensock_input zeros(const struct tensock_tensor_info *info, uint32_t index)
{
	struct tensock_input input = { .index = index, .dtype = info->dtype, .rank = info->rank };

	for (uint32_t i = 0; i < info->rank; i++)
		input.dims[i] = info->dims[i] < 0 ? 1 : info->dims[i];
	if (tensock_tensor_bytes(input.dtype, input.dims, input.rank, &input.bytes) != TENSOCK_OK)
		input.bytes = 4; /* of the type BYTES: one empty string */
	input.data = calloc(1, input.bytes + 1);
	return input;
}

int main(int argc, char **argv)
{
	struct tensock_model_info info = { .size = sizeof(info) };
	struct tensock_client *client;
	struct tensock_model *model;
	struct tensock_error error;

	if (argc != 2)
		return fprintf(stderr, "usage: hello MODEL.onnx\n"), 2;
	check(tensock_client_new(NULL, NULL, &client, &error), &error);
	check(tensock_push_file(client, argv[1], NULL, &model, &error), &error);
	tensock_model_get_info(model, &info);

	struct tensock_input *inputs = calloc(info.n_inputs + 1, sizeof(*inputs));
	struct tensock_output output = { .index = 0 };

	for (uint32_t i = 0; i < info.n_inputs; i++)
		inputs[i] = zeros(&info.inputs[i], i);
	check(tensock_infer(client, model, inputs, info.n_inputs, &output, 1, NULL, &error),
	      &error);
	printf("%s: %" PRIu64 " bytes of %s:", info.outputs[0].name, output.bytes,
	       tensock_dtype_name(output.dtype));
	for (uint64_t i = 0; output.dtype == TENSOCK_FLOAT32 && i < output.bytes / 4 && i < 10; i++)
		printf(" %g", (double)((const float *)output.data)[i]);
	putchar('\n');
	tensock_outputs_done(&output, 1);
	for (uint32_t i = 0; i < info.n_inputs; i++)
		free((void *)(uintptr_t)inputs[i].data);
	free(inputs);
	tensock_model_free(model);
	tensock_client_free(client);
	return 0;
}
