/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/inputs.h"
#include "cli/latency_print.h"
#include "cli/model.h"
#include "cli/outputs.h"
#include "cli/text.h"

#define CONCURRENCY_MAX 512u
#define DURATION_DEFAULT_NS (5 * TSK_NS_PER_SEC)
#define WARM_UP_DEFAULT_NS TSK_NS_PER_SEC
/* Nothing waits longer without looking whether it is time to end. */
#define TICK_MS 100

static const char help[] =
	"usage: tensock bench MODEL [OPTION]...\n"
	"\n"
	"Runs a model over and over on several connections, one request under way on each, and\n"
	"tells requests a second and how long each took from here and back.  MODEL, --input and\n"
	"--shape as in tensock run --help.\n"
	"\n"
	"  --concurrency N        so many connections (default: 1)\n"
	"  --duration TIME        measure for so long (default: 5s)\n"
	"  --warm-up TIME         after having run for so long (default: 1s)\n"
	"  --deadline TIME        give a run up after this\n"
	"  --input NAME=WHAT, --shape NAME=1,3,8,8\n"
	"  --json                 print one JSON document\n"
	"  --host ADDRESS         as in tensock --help\n"
	"\n"
	"Exit status 1 when a run failed.\n";

enum {
	INPUT = 1,
	SHAPE = 2,
	CONCURRENCY = 3,
	DURATION = 4,
	WARM_UP = 5,
	DEADLINE = 6
};

static const struct arg_option options[] = {
	{ "input", 'i', true, INPUT },
	{ "shape", '\0', true, SHAPE },
	{ "concurrency", 'c', true, CONCURRENCY },
	{ "duration", 'd', true, DURATION },
	{ "warm-up", '\0', true, WARM_UP },
	{ "deadline", '\0', true, DEADLINE },
	CLI_OPTIONS_END,
};

struct bench;

/* A connection, with one request under way. */
struct lane {
	struct bench *bench;
	struct tensock_client *client;
	struct outputs outputs;
	uint64_t start_ns;
	bool is_busy, is_warm; /* warm: its last run went well */
	bool is_over;          /* nothing more can be asked here */
};

struct bench {
	struct cli *cli;
	const char *model_text;
	struct settings input_settings, shape_settings;
	uint64_t concurrency, duration_ns, warm_up_ns, deadline_ns;

	struct tensock_model *model;
	struct inputs inputs;
	struct lane *lanes;
	struct pollfd *polls;
	uint64_t begin_ns, end_ns; /* of what is measured */
	struct latency *latency;
	uint64_t failures;
	struct tensock_error first_error;
};

static int take_option(struct bench *bench, int id, const char *value, struct tensock_error *reterr)
{
	switch (id) {
	case INPUT:
	case SHAPE:
		if (settings_add(id == INPUT ? &bench->input_settings : &bench->shape_settings,
				 value) < 0)
			return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory");
		return 0;
	case CONCURRENCY:
		return args_number("--concurrency", value, 1, CONCURRENCY_MAX, &bench->concurrency,
				   reterr);
	case DURATION:
		return args_duration("--duration", value, &bench->duration_ns, reterr);
	case WARM_UP:
		return args_duration("--warm-up", value, &bench->warm_up_ns, reterr);
	case DEADLINE:
		return args_duration("--deadline", value, &bench->deadline_ns, reterr);
	default:
		if (bench->model_text)
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "'%.80s' is too much",
					value);
		bench->model_text = value;
		return 0;
	}
}

static int read_line(struct bench *bench, struct args *args)
{
	struct tensock_error error;
	const char *value;
	int id;

	while ((id = cli_next(bench->cli, args, options, &value)) != ARG_END) {
		if (id == CLI_STOP)
			return CLI_STOP;
		if (take_option(bench, id, value, &error) < 0)
			return cli_fail_as(bench->cli, CLI_USAGE, &error);
	}
	return bench->model_text ? 0 : cli_usage(bench->cli, "MODEL is missing");
}

static void count_failure(struct bench *bench, const struct tensock_error *error)
{
	if (bench->failures++ == 0)
		bench->first_error = *error;
}

static void begin_run(struct lane *lane);

static void run_ended(void *user, const struct tensock_error *error)
{
	struct lane *lane = user;
	struct bench *bench = lane->bench;
	uint64_t now_ns = tsk_now_ns();

	lane->is_busy = false;
	lane->is_warm = !error;
	if (error)
		count_failure(bench, error);
	else if (lane->start_ns >= bench->begin_ns && now_ns <= bench->end_ns)
		latency_add(bench->latency, now_ns - lane->start_ns);
	/* What cannot be asked again is not asked in a circle without end. */
	if (error && error->status == TENSOCK_UNAVAILABLE)
		lane->is_over = true;
	else if (now_ns < bench->end_ns)
		begin_run(lane);
}

static void begin_run(struct lane *lane)
{
	struct bench *bench = lane->bench;
	const struct tensock_infer_options infer_options = {
		.size = sizeof(infer_options),
		.deadline_ms = (uint32_t)((bench->deadline_ns + TSK_NS_PER_MS - 1) / TSK_NS_PER_MS),
	};
	const struct tensock_completion completion = { .done = run_ended, .user = lane };
	struct tensock_error error;

	if (lane->is_warm)
		outputs_reuse(&lane->outputs);
	lane->start_ns = tsk_now_ns();
	lane->is_busy = true;
	if (tensock_infer_start(lane->client, bench->model, bench->inputs.tensors, bench->inputs.n,
				lane->outputs.tensors, lane->outputs.n, &infer_options, &completion,
				NULL, &error) == TENSOCK_OK)
		return;
	lane->is_busy = false;
	lane->is_over = true;
	count_failure(bench, &error);
}

static int prepare(struct bench *bench)
{
	struct tensock_model_info info;
	struct tensock_error error;
	int r = 0;

	if (cli_connect(bench->cli) < 0 ||
	    model_get(bench->cli, bench->model_text, &bench->model) < 0)
		return CLI_STOP;
	info = model_info(bench->model);
	if (inputs_make(info.inputs, info.n_inputs, &bench->input_settings, &bench->shape_settings,
			&bench->inputs, &error) < 0)
		return cli_fail_here(bench->cli, &error);
	bench->latency = calloc(1, sizeof(*bench->latency));
	bench->lanes = calloc((size_t)bench->concurrency, sizeof(*bench->lanes));
	bench->polls = calloc((size_t)bench->concurrency, sizeof(*bench->polls));
	if (!bench->latency || !bench->lanes || !bench->polls)
		r = -ENOMEM;
	for (uint64_t i = 0; i < bench->concurrency && r == 0; i++) {
		struct lane *lane = &bench->lanes[i];

		lane->bench = bench;
		r = outputs_init(&lane->outputs, info.n_outputs);
		if (r == 0 && cli_connect_more(bench->cli, &lane->client) < 0)
			return CLI_STOP;
	}
	if (r == 0)
		return 0;
	tsk_fail(&error, TENSOCK_OUT_OF_MEMORY, "no memory");
	return cli_fail_here(bench->cli, &error);
}

/* Waits until something comes for one of the lanes that are busy; returns how many these are. */
static unsigned wait_for_lanes(struct bench *bench)
{
	int timeout_ms = TICK_MS;
	unsigned n = 0;

	for (uint64_t i = 0; i < bench->concurrency; i++) {
		struct lane *lane = &bench->lanes[i];
		int lane_ms = tensock_client_get_timeout(lane->client);

		bench->polls[i] = (struct pollfd){
			.fd = lane->is_busy ? tensock_client_get_fd(lane->client) : -1,
			.events = tensock_client_get_events(lane->client),
		};
		if (!lane->is_busy)
			continue;
		n++;
		if (lane_ms >= 0 && lane_ms < timeout_ms)
			timeout_ms = lane_ms;
	}
	if (n)
		poll(bench->polls, (nfds_t)bench->concurrency, timeout_ms);
	return n;
}

static void measure(struct bench *bench)
{
	struct tensock_error error;
	uint64_t now_ns = tsk_now_ns();

	bench->begin_ns = now_ns + bench->warm_up_ns;
	bench->end_ns = bench->begin_ns + bench->duration_ns;
	for (uint64_t i = 0; i < bench->concurrency; i++)
		begin_run(&bench->lanes[i]);
	while (wait_for_lanes(bench)) {
		for (uint64_t i = 0; i < bench->concurrency; i++) {
			struct lane *lane = &bench->lanes[i];

			/* Where it fails, the request has ended with the same error. */
			if (lane->is_busy)
				(void)tensock_client_process(lane->client, &error);
		}
	}
}

static double per_second(const struct bench *bench)
{
	return bench->duration_ns ? (double)bench->latency->n * 1e9 / (double)bench->duration_ns
				  : 0;
}

static void print(const struct bench *bench)
{
	char duration[TEXT_QUANTITY_BYTES];

	printf("%" PRIu64 " connection%s, %s: %.1f requests/s\n", bench->concurrency,
	       bench->concurrency == 1 ? "" : "s", text_duration(bench->duration_ns, duration),
	       per_second(bench));
	latency_print(stdout, "requests", bench->latency);
	if (bench->failures) {
		printf("%" PRIu64 " failed; the first: ", bench->failures);
		text_print(stdout, bench->first_error.message);
		putchar('\n');
	}
}

static void print_json(const struct bench *bench)
{
	struct json json = json_of(stdout);

	json_object(&json);
	json_key(&json, "concurrency");
	json_uint(&json, bench->concurrency);
	json_key(&json, "duration-ns");
	json_uint(&json, bench->duration_ns);
	json_key(&json, "requests-per-second");
	json_number(&json, per_second(bench), true);
	json_key(&json, "latency");
	latency_json(&json, bench->latency);
	json_key(&json, "failures");
	json_uint(&json, bench->failures);
	if (bench->failures) {
		json_key(&json, "first-failure");
		json_string(&json, bench->first_error.message);
	}
	json_end_object(&json);
}

static void bench_done(struct bench *bench)
{
	for (uint64_t i = 0; bench->lanes && i < bench->concurrency; i++) {
		tensock_client_free(bench->lanes[i].client);
		outputs_done(&bench->lanes[i].outputs);
	}
	free(bench->lanes);
	free(bench->polls);
	free(bench->latency);
	inputs_done(&bench->inputs);
	tensock_model_free(bench->model);
	settings_done(&bench->input_settings);
	settings_done(&bench->shape_settings);
}

static void bench_run(struct cli *cli, struct args *args)
{
	struct bench bench = {
		.cli = cli,
		.concurrency = 1,
		.duration_ns = DURATION_DEFAULT_NS,
		.warm_up_ns = WARM_UP_DEFAULT_NS,
	};

	if (read_line(&bench, args) == 0 && prepare(&bench) == 0) {
		measure(&bench);
		if (cli->json)
			print_json(&bench);
		else
			print(&bench);
		if (bench.failures || bench.latency->n == 0)
			cli->exit_status = CLI_FAILED;
	}
	bench_done(&bench);
}

const struct cli_command cli_bench = {
	.name = "bench",
	.summary = "requests a second, and how long they take",
	.help = help,
	.run = bench_run,
};
