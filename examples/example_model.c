/* SPDX-License-Identifier: Apache-2.0 */
#include "example_model.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".onnx"

/* "filetype: magika.onnx: nobody listens there", and what can be done about it. */
static void say_why(const struct example_model *model, const struct tensock_error *error)
{
	fprintf(stderr, "%s%s: %s: %s\n%s\n", model->in_progress ? "\n" : "", model->program,
		model->path, error->message, tensock_status_hint((int)error->status));
}

static void show_progress(void *user, uint64_t done_bytes, uint64_t total_bytes)
{
	struct example_model *model = user;
	bool whole = done_bytes >= total_bytes;

	/* Nothing to show while it is hashed, nor where the host had all of it. */
	if (!done_bytes || (whole && !model->in_progress))
		return;
	fprintf(stderr, "\r%s: sending %s: %3" PRIu64 " %%%s", model->program, model->path,
		whole ? 100 : done_bytes / (total_bytes / 100 + 1), whole ? "\n" : "");
	model->in_progress = !whole;
}

bool example_model_open(const char *program, const char *address, const char *path,
			const char *name, struct example_model *ret)
{
	struct example_model model = { .program = program, .path = path };
	const struct tensock_client_options client = { .size = sizeof(client), .program = program };
	const struct tensock_push_options push = {
		.size = sizeof(push),
		.name = name,
		.progress = isatty(STDERR_FILENO) ? show_progress : NULL,
		.user = &model,
	};
	struct tensock_error error;

	if (tensock_client_new(address, &client, &model.client, &error) != TENSOCK_OK ||
	    tensock_push_file(model.client, path, &push, &model.model, &error) != TENSOCK_OK) {
		say_why(&model, &error);
		example_model_done(&model);
		return false;
	}
	*ret = model;
	return true;
}

void example_model_done(struct example_model *model)
{
	tensock_model_free(model->model);
	tensock_client_free(model->client);
	model->model = NULL;
	model->client = NULL;
}

static bool tensor_is(const struct tensock_tensor_info *tensor, struct example_shape shape)
{
	int64_t last =
		shape.rank > 0 && tensor->rank == shape.rank ? tensor->dims[shape.rank - 1] : -1;

	/* A rank of 0 and a dimension of -1: the model does not say. */
	return tensor->dtype == shape.dtype && (tensor->rank == 0 || tensor->rank == shape.rank) &&
	       (last == -1 || shape.last_dim == 0 || last == shape.last_dim);
}

bool example_model_is(const struct example_model *model, struct example_shape input,
		      struct example_shape output)
{
	struct tensock_model_info info = { .size = sizeof(info) };

	tensock_model_get_info(model->model, &info);
	if (info.n_inputs == 1 && info.n_outputs == 1 && tensor_is(&info.inputs[0], input) &&
	    tensor_is(&info.outputs[0], output))
		return true;
	fprintf(stderr, "%s: %s is another model than the one that this program knows\n",
		model->program, model->path);
	return false;
}

bool example_model_run(struct example_model *model, const struct tensock_input *input,
		       struct tensock_output *output)
{
	struct tensock_error error;

	if (tensock_infer(model->client, model->model, input, 1, output, 1, NULL, &error) !=
	    TENSOCK_OK) {
		say_why(model, &error);
		model->failed = true;
		return false;
	}
	return true;
}

/* The caller's to free; NULL without memory. */
static char *table_path(const struct example_table *table)
{
	size_t length = strlen(table->model_path), cut = strlen(SUFFIX);
	char *path;

	if (table->path)
		return strdup(table->path);
	if (length >= cut && strcmp(table->model_path + length - cut, SUFFIX) == 0)
		length -= cut;
	return asprintf(&path, "%.*s%s", (int)length, table->model_path, table->suffix) < 0 ? NULL
											    : path;
}

bool example_table_read(const struct example_table *table, void *ret)
{
	char *path = table_path(table);
	FILE *file = path ? fopen(path, "re") : NULL;
	unsigned line = 0;
	int r = file ? table->read(file, ret, &line) : -errno;

	if (file)
		fclose(file);
	if (r < 0 && line > 0)
		fprintf(stderr, "%s: line %u of %s is not as such a file has it\n", table->program,
			line, path);
	else if (r < 0)
		fprintf(stderr, "%s: cannot read %s: %s\n", table->program, path ? path : "a file",
			strerror(-r));
	free(path);
	return r == 0;
}
