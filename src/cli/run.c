/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/expect.h"
#include "cli/inputs.h"
#include "cli/latency_print.h"
#include "cli/model_print.h"
#include "cli/outputs.h"
#include "cli/text.h"
#include "cli/values.h"
#include "tensor/shape.h"

#define REPEAT_MAX UINT64_C(1000000000)
#define TOLERANCE_DEFAULT 1e-4

static const char help[] =
	"usage: tensock run MODEL [OPTION]...\n"
	"\n"
	"Runs a model once and prints its outputs.  MODEL: a file, which is uploaded unless the\n"
	"host has it; or NAME, NAME:VERSION or sha256:DIGITS that the host holds.\n"
	"NAME of an input or output may be its index, from 0.  Options with NAME may be repeated.\n"
	"\n"
	"  --input NAME=WHAT      file.npy · @file of raw bytes · random (the default: floats of\n"
	"                         0.1 to 1, ever the same; other types zero) · zeros\n"
	"  --shape NAME=1,3,8,8   the shape of an input that the model leaves open (else 1, height\n"
	"                         and width of an image 224)\n"
	"  --full                 print all values, not the first 51\n"
	"  --output NAME=FILE     write an output to file.npy, or raw to @file\n"
	"  --expect NAME=FILE.npy compare an output; exit status 4 where it differs\n"
	"  --tolerance T          by so much of the largest number expected (default: 1e-4)\n"
	"  --repeat N             run N times, tell how long it took\n"
	"  --deadline TIME        give a run up after this, as 500ms or 10s\n"
	"  --json                 print one JSON document, numbers exactly\n"
	"  --host ADDRESS         as in tensock --help\n";

enum {
	INPUT = 1,
	SHAPE = 2,
	OUTPUT = 3,
	EXPECT = 4,
	TOLERANCE = 5,
	REPEAT = 6,
	DEADLINE = 7,
	FULL = 8
};

static const struct arg_option options[] = {
	{ "input", 'i', true, INPUT },
	{ "shape", '\0', true, SHAPE },
	{ "output", 'o', true, OUTPUT },
	{ "expect", '\0', true, EXPECT },
	{ "tolerance", '\0', true, TOLERANCE },
	{ "repeat", 'n', true, REPEAT },
	{ "deadline", '\0', true, DEADLINE },
	{ "full", '\0', false, FULL },
	CLI_OPTIONS_END,
};

struct run {
	struct cli *cli;
	const char *model_text;
	struct settings input_settings, shape_settings, output_settings, expect_settings;
	double tolerance;
	uint64_t repeat; /* 0: not asked for */
	uint64_t deadline_ns;
	bool full;

	struct tensock_model *model;
	struct tensock_model_info info;
	struct inputs inputs;
	struct outputs outputs;
	struct expectation *expectations;
	unsigned n_expectations;
	struct latency *latency;
	uint64_t queue_ns, compute_ns;
};

static int take_option(struct run *run, int id, const char *value, struct tensock_error *reterr)
{
	struct settings *settings = id == INPUT    ? &run->input_settings
				    : id == SHAPE  ? &run->shape_settings
				    : id == OUTPUT ? &run->output_settings
				    : id == EXPECT ? &run->expect_settings
						   : NULL;

	if (settings)
		return settings_add(settings, value) == 0
			       ? 0
			       : tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory");
	switch (id) {
	case TOLERANCE:
		return args_fraction("--tolerance", value, &run->tolerance, reterr);
	case REPEAT:
		return args_number("--repeat", value, 1, REPEAT_MAX, &run->repeat, reterr);
	case DEADLINE:
		return args_duration("--deadline", value, &run->deadline_ns, reterr);
	case FULL:
		run->full = true;
		return 0;
	default:
		if (run->model_text)
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "'%.80s' is too much",
					value);
		run->model_text = value;
		return 0;
	}
}

static int read_line(struct run *run, struct args *args)
{
	struct tensock_error error;
	const char *value;
	int id;

	while ((id = cli_next(run->cli, args, options, &value)) != ARG_END) {
		if (id == CLI_STOP)
			return CLI_STOP;
		if (take_option(run, id, value, &error) < 0)
			return cli_fail_as(run->cli, CLI_USAGE, &error);
	}
	return run->model_text ? 0 : cli_usage(run->cli, "MODEL is missing");
}

/* Settings that mean no tensor are told before anything runs. */
static int check_settings(struct run *run, const char *option, const struct settings *settings,
			  const struct tensock_tensor_info *infos, uint32_t n)
{
	struct tensock_error error;
	const char *value;
	uint32_t index;

	for (unsigned i = 0; i < settings->n; i++) {
		if (settings_find(option, settings->texts[i], infos, n, &index, &value, &error) < 0)
			return cli_fail_as(run->cli, CLI_USAGE, &error);
	}
	return 0;
}

static int check_all_settings(struct run *run)
{
	const struct tensock_model_info *info = &run->info;

	if (check_settings(run, "--input", &run->input_settings, info->inputs, info->n_inputs) <
		    0 ||
	    check_settings(run, "--shape", &run->shape_settings, info->inputs, info->n_inputs) <
		    0 ||
	    check_settings(run, "--output", &run->output_settings, info->outputs, info->n_outputs) <
		    0 ||
	    check_settings(run, "--expect", &run->expect_settings, info->outputs, info->n_outputs) <
		    0)
		return CLI_STOP;
	return 0;
}

static int prepare(struct run *run)
{
	struct tensock_error error;

	if (cli_connect(run->cli) < 0 || model_get(run->cli, run->model_text, &run->model) < 0)
		return CLI_STOP;
	run->info = model_info(run->model);
	if (check_all_settings(run) < 0)
		return CLI_STOP;
	if (inputs_make(run->info.inputs, run->info.n_inputs, &run->input_settings,
			&run->shape_settings, &run->inputs, &error) < 0)
		return cli_fail_here(run->cli, &error);
	run->latency = calloc(1, sizeof(*run->latency));
	run->expectations = calloc(run->expect_settings.n + 1, sizeof(*run->expectations));
	if (!run->latency || !run->expectations ||
	    outputs_init(&run->outputs, run->info.n_outputs) < 0) {
		tsk_fail(&error, TENSOCK_OUT_OF_MEMORY, "no memory");
		return cli_fail_here(run->cli, &error);
	}
	return 0;
}

static int ask(struct run *run, const struct tensock_infer_options *infer_options,
	       struct tensock_error *reterr)
{
	return tensock_infer(run->cli->client, run->model, run->inputs.tensors, run->inputs.n,
			     run->outputs.tensors, run->outputs.n, infer_options, reterr);
}

/* A host that has lost the model meanwhile, with the process that kept it, is given the file again. */
static int ask_or_push(struct run *run, const struct tensock_infer_options *infer_options,
		       struct tensock_error *reterr)
{
	struct tensock_model *again;
	int status = ask(run, infer_options, reterr);

	if (status != TENSOCK_NOT_FOUND || access(run->model_text, F_OK) < 0)
		return status;
	status = tensock_push_file(run->cli->client, run->model_text, NULL, &again, reterr);
	if (status != TENSOCK_OK)
		return status;
	tensock_model_free(again);
	return ask(run, infer_options, reterr);
}

static int infer(struct run *run)
{
	uint64_t deadline_ms = (run->deadline_ns + TSK_NS_PER_MS - 1) / TSK_NS_PER_MS;
	const struct tensock_infer_options infer_options = {
		.size = sizeof(infer_options),
		.deadline_ms = (uint32_t)deadline_ms,
		.ret_queue_ns = &run->queue_ns,
		.ret_compute_ns = &run->compute_ns,
	};
	struct tensock_error error;

	for (uint64_t i = 0; i < (run->repeat ? run->repeat : 1); i++) {
		uint64_t start_ns;

		if (i)
			outputs_reuse(&run->outputs);
		start_ns = tsk_now_ns();
		if (ask_or_push(run, &infer_options, &error) != TENSOCK_OK)
			return cli_fail(run->cli, &error);
		latency_add(run->latency, tsk_now_ns() - start_ns);
	}
	return 0;
}

static int save_outputs(struct run *run)
{
	struct tensock_error error;
	const char *path;
	uint32_t index;

	for (unsigned i = 0; i < run->output_settings.n; i++) {
		if (settings_find("--output", run->output_settings.texts[i], run->info.outputs,
				  run->info.n_outputs, &index, &path, &error) < 0 ||
		    expect_save(&run->outputs.tensors[index], path, &error) < 0)
			return cli_fail_here(run->cli, &error);
	}
	return 0;
}

static int compare_outputs(struct run *run)
{
	struct tensock_error error;
	const char *path;

	for (unsigned i = 0; i < run->expect_settings.n; i++) {
		struct expectation *expectation = &run->expectations[i];

		if (settings_find("--expect", run->expect_settings.texts[i], run->info.outputs,
				  run->info.n_outputs, &expectation->index, &path, &error) < 0 ||
		    expect_file(&run->outputs.tensors[expectation->index], path, run->tolerance,
				expectation, &error) < 0)
			return cli_fail_here(run->cli, &error);
		run->n_expectations++;
		if (!expectation->is_met)
			run->cli->exit_status = CLI_DIFFERS;
	}
	return 0;
}

static uint64_t count_elems(const struct tensock_output *output)
{
	uint64_t n;

	return tsk_shape_elems(output->dims, output->rank, &n) < 0 ? 0 : n;
}

static void print_output(const struct run *run, uint32_t i)
{
	const struct tensock_output *output = &run->outputs.tensors[i];
	const char *dtype = tensock_dtype_name(output->dtype);

	text_print(stdout, run->info.outputs[i].name);
	printf("  %s [", dtype ? dtype : "?");
	for (uint32_t j = 0; j < output->rank; j++)
		printf("%s%" PRId64, j ? ", " : "", output->dims[j]);
	printf("]\n");
	values_print(stdout, output->dtype, output->data, output->bytes, count_elems(output),
		     run->full ? UINT64_MAX : VALUES_SHOWN);
}

static void print_expectation(const struct run *run, const struct expectation *e)
{
	text_print(stdout, run->info.outputs[e->index].name);
	if (e->is_met && e->comparison.n_differ == 0)
		printf("  as expected: all the same\n");
	else if (e->is_comparable)
		printf("  %s: largest difference %g (of the largest expected: %g) at element %" PRIu64
		       ", %" PRIu64 " not equal\n",
		       e->is_met ? "as expected" : "DIFFERS", e->comparison.largest,
		       comparison_relative(&e->comparison), e->comparison.at,
		       e->comparison.n_differ);
	else
		printf("  DIFFERS: %s\n", e->why);
}

static void print(const struct run *run)
{
	char queue[TEXT_QUANTITY_BYTES], compute[TEXT_QUANTITY_BYTES];

	for (uint32_t i = 0; i < run->outputs.n; i++)
		print_output(run, i);
	for (unsigned i = 0; i < run->n_expectations; i++)
		print_expectation(run, &run->expectations[i]);
	if (!run->repeat)
		return;
	latency_print(stdout, run->repeat == 1 ? "run" : "runs", run->latency);
	printf("the last: %s in the host's queue, %s in the engine\n",
	       text_duration(run->queue_ns, queue), text_duration(run->compute_ns, compute));
}

static void output_json(struct json *json, const struct run *run, uint32_t i)
{
	const struct tensock_output *output = &run->outputs.tensors[i];
	const char *dtype = tensock_dtype_name(output->dtype);

	json_object(json);
	json_key(json, "name");
	json_string(json, run->info.outputs[i].name);
	json_key(json, "dtype");
	json_string(json, dtype ? dtype : "?");
	json_key(json, "shape");
	model_json_shape(json, output->dims, output->rank);
	json_key(json, "n");
	json_uint(json, count_elems(output));
	json_key(json, "values");
	values_json(json, output->dtype, output->data, output->bytes,
		    run->full ? count_elems(output) : VALUES_SHOWN);
	json_end_object(json);
}

static void expectation_json(struct json *json, const struct run *run, const struct expectation *e)
{
	json_object(json);
	json_key(json, "name");
	json_string(json, run->info.outputs[e->index].name);
	json_key(json, "as-expected");
	json_bool(json, e->is_met);
	if (e->is_comparable) {
		json_key(json, "largest-difference");
		json_number(json, e->comparison.largest, true);
		json_key(json, "relative");
		json_number(json, comparison_relative(&e->comparison), true);
		json_key(json, "at");
		json_uint(json, e->comparison.at);
		json_key(json, "n-not-equal");
		json_uint(json, e->comparison.n_differ);
	} else {
		json_key(json, "why");
		json_string(json, e->why);
	}
	json_end_object(json);
}

static void print_json(const struct run *run)
{
	struct json json = json_of(stdout);

	json_object(&json);
	json_key(&json, "sha256");
	json_string(&json, run->info.hash);
	json_key(&json, "outputs");
	json_array(&json);
	for (uint32_t i = 0; i < run->outputs.n; i++)
		output_json(&json, run, i);
	json_end_array(&json);
	if (run->n_expectations) {
		json_key(&json, "expect");
		json_array(&json);
		for (unsigned i = 0; i < run->n_expectations; i++)
			expectation_json(&json, run, &run->expectations[i]);
		json_end_array(&json);
	}
	json_key(&json, "latency");
	latency_json(&json, run->latency);
	json_key(&json, "queue-ns");
	json_uint(&json, run->queue_ns);
	json_key(&json, "compute-ns");
	json_uint(&json, run->compute_ns);
	json_end_object(&json);
}

static void run_done(struct run *run)
{
	outputs_done(&run->outputs);
	inputs_done(&run->inputs);
	tensock_model_free(run->model);
	settings_done(&run->input_settings);
	settings_done(&run->shape_settings);
	settings_done(&run->output_settings);
	settings_done(&run->expect_settings);
	free(run->expectations);
	free(run->latency);
}

static void run_run(struct cli *cli, struct args *args)
{
	struct run run = { .cli = cli, .tolerance = TOLERANCE_DEFAULT };

	/* All that can fail comes before the first line of the result. */
	if (read_line(&run, args) == 0 && prepare(&run) == 0 && infer(&run) == 0 &&
	    save_outputs(&run) == 0 && compare_outputs(&run) == 0) {
		if (cli->json)
			print_json(&run);
		else
			print(&run);
	}
	run_done(&run);
}

const struct cli_command cli_run = {
	.name = "run",
	.summary = "run a model on inputs, print its outputs",
	.help = help,
	.run = run_run,
};
