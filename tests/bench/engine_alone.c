/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an engine takes by itself, in one process that trusts everybody: the measure for tensockd.
 *
 *   engine_alone ROUNDS PLUGIN LIBRARY MODEL
 *
 * Each round starts a new process that opens the plug-in, loads the model from memory, fills inputs of
 * the shapes that a seed frame gets, and runs once.  Prints a line a round: the milliseconds from before
 * fork() until the parent has heard that the outputs are there.
 *
 *   engine_alone --loop SECONDS PROCESSES PAUSE_US SHAPE PLUGIN LIBRARY MODEL
 *
 * As many processes as said, each with the model loaded, run it again and again with an input of that
 * shape, and sleep so long before each run, as one that waits for requests does.  Prints "p50_us p99_us runs_per_s runs".
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <tensock/engine.h>

#include "latencies.h"

#define IMAGE_SIDE 224
#define TENSORS_MAX 64u
#define PROCESSES_MAX 64u

static long pause_us; /* before each run */
static const char *shape; /* "1,3,48,192": of every input; NULL: as below */

static void die(const char *what, const char *why)
{
	fprintf(stderr, "engine_alone: %s: %s\n", what, why);
	exit(1);
}

static void check(uint32_t status, const struct tensock_error *error)
{
	if (status != TENSOCK_OK)
		die("engine", error->message);
}

static void host_log(void *context, uint32_t level, const char *text)
{
	(void)context;
	if (level <= TENSOCK_LOG_WARNING)
		fprintf(stderr, "engine_alone: %s\n", text);
}

static const char *host_option(void *library, const char *name)
{
	if (strcmp(name, "threads") == 0)
		return "1";
	return strcmp(name, "library") == 0 ? library : NULL;
}

static const struct tensock_engine *open_plugin(const char *path)
{
	const struct tensock_engine *(*entry)(void);
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		die("dlopen", dlerror());
	*(void **)&entry = dlsym(handle, TENSOCK_ENGINE_ENTRY);
	if (!entry)
		die("dlsym", dlerror());
	return entry();
}

static const void *map_model(const char *path, size_t *ret_bytes)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		die(path, strerror(errno));
	void *model = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (model == MAP_FAILED)
		die("mmap", strerror(errno));
	close(fd);
	*ret_bytes = (size_t)st.st_size;
	return model;
}

/* Open dimensions as src/front/protocol/seed_input.h says. */
static void fill_input(const struct tensock_tensor_info *info, uint32_t index,
		       struct tensock_tensor *ret)
{
	uint64_t n = 1;
	float *values;

	if (info->dtype != TENSOCK_FLOAT32)
		die(info->name, "only inputs of FP32 are supported here");
	*ret = (struct tensock_tensor){ .index = index, .dtype = info->dtype, .rank = info->rank };
	const char *rest = shape;
	for (uint32_t i = 0; i < info->rank; i++) {
		ret->dims[i] = info->dims[i] >= 0          ? info->dims[i]
			       : info->rank == 4 && i >= 2 ? IMAGE_SIDE
							   : 1;
		if (rest && *rest)
			ret->dims[i] = strtoll(rest, (char **)(uintptr_t)&rest, 10);
		if (rest && *rest == ',')
			rest++;
		n *= (uint64_t)ret->dims[i];
	}
	ret->bytes = n * sizeof(float);
	values = aligned_alloc(64, (ret->bytes + 63) & ~UINT64_C(63));
	if (!values)
		die(info->name, strerror(ENOMEM));
	for (uint64_t i = 0; i < n; i++)
		values[i] = 0.5f;
	ret->data = values;
}

/* A model that is loaded, with its inputs. */
struct loaded {
	const struct tensock_engine *engine;
	void *model;
	uint32_t n_inputs, n_outputs;
	struct tensock_tensor inputs[TENSORS_MAX];
};

/* The engine keeps host. */
static void load(const struct tensock_host *host, const char *plugin, const char *path,
		 struct loaded *ret)
{
	struct tensock_error error = { 0 };
	void *context;
	size_t bytes;
	const struct tensock_engine *engine = open_plugin(plugin);
	const void *model = map_model(path, &bytes);

	check(engine->open(host, &context, &error), &error);
	check(engine->load(context, model, bytes, &ret->model, &error), &error);
	const struct tensock_model_description *description = engine->describe(ret->model);
	if (description->n_inputs > TENSORS_MAX || description->n_outputs > TENSORS_MAX)
		die(path, "too many tensors");
	for (uint32_t i = 0; i < description->n_inputs; i++)
		fill_input(&description->inputs[i], i, &ret->inputs[i]);
	ret->engine = engine;
	ret->n_inputs = description->n_inputs;
	ret->n_outputs = description->n_outputs;
}

static void run(struct loaded *loaded, struct tensock_tensor *outputs)
{
	struct tensock_error error = { 0 };

	check(loaded->engine->run(loaded->model, 1, loaded->inputs, loaded->n_inputs, outputs,
				  loaded->n_outputs, &error),
	      &error);
}

static struct tensock_host make_host(char *library)
{
	return (struct tensock_host){
		.size = sizeof(struct tensock_host),
		.abi_major = TENSOCK_ENGINE_ABI_MAJOR,
		.context = library,
		.log = host_log,
		.option = host_option,
	};
}

static void run_once(const char *plugin, char *library, const char *path)
{
	const struct tensock_host host = make_host(library);
	struct tensock_tensor outputs[TENSORS_MAX];
	struct loaded loaded;

	load(&host, plugin, path, &loaded);
	for (uint32_t i = 0; i < loaded.n_outputs; i++)
		outputs[i] = (struct tensock_tensor){ .index = i };
	run(&loaded, outputs);
}

/* Again and again, in processes that have nothing to do with each other. */

static void write_all(int fd, const void *bytes, size_t n)
{
	while (n) {
		ssize_t put = write(fd, bytes, n);

		if (put <= 0)
			die("pipe", strerror(errno));
		bytes = (const char *)bytes + put;
		n -= (size_t)put;
	}
}

static void read_all(int fd, void *bytes, size_t n)
{
	while (n) {
		ssize_t got = read(fd, bytes, n);

		if (got <= 0)
			die("loop", "a process has failed");
		bytes = (char *)bytes + got;
		n -= (size_t)got;
	}
}

/* The outputs' memory is made by the first run, and used again. */
static void run_first(struct loaded *loaded, struct tensock_tensor *outputs)
{
	for (uint32_t i = 0; i < loaded->n_outputs; i++)
		outputs[i] = (struct tensock_tensor){ .index = i };
	run(loaded, outputs);
	for (uint32_t i = 0; i < loaded->n_outputs; i++) {
		void *data = aligned_alloc(64, (outputs[i].bytes + 63) & ~UINT64_C(63));

		if (!data)
			die("output", strerror(ENOMEM));
		if (outputs[i].release)
			outputs[i].release(&outputs[i]);
		outputs[i].data = data;
		outputs[i].release = NULL;
	}
}

/* Runs once all are warm, which start_fd's end tells; then says how long each run took. */
static void run_for(double seconds, int start_fd, int out_fd, char **arguments)
{
	const struct tensock_host host = make_host(arguments[1]);
	struct tensock_tensor outputs[TENSORS_MAX];
	struct latencies latencies = { 0 };
	uint64_t now_ns, end_ns, n;
	struct loaded loaded;
	char byte = '+';

	load(&host, arguments[0], arguments[2], &loaded);
	run_first(&loaded, outputs);
	for (unsigned i = 0; i < warm_up(0); i++)
		run(&loaded, outputs);
	write_all(out_fd, &byte, 1);
	while (read(start_fd, &byte, 1) > 0)
		;
	end_ns = bench_now_ns() + (uint64_t)(seconds * 1e9);
	do {
		if (pause_us > 0)
			usleep((useconds_t)pause_us);
		uint64_t before_ns = bench_now_ns();

		run(&loaded, outputs);
		now_ns = bench_now_ns();
		latencies_add(&latencies, now_ns - before_ns);
	} while (now_ns < end_ns);
	n = latencies.n;
	write_all(out_fd, &n, sizeof(n));
	write_all(out_fd, latencies.ns, n * sizeof(uint64_t));
	exit(0);
}

static int start_process(double seconds, const int start[2], char **arguments)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		die("pipe2", strerror(errno));
	child = fork();
	if (child < 0)
		die("fork", strerror(errno));
	if (child == 0) {
		close(start[1]);
		close(ends[0]);
		run_for(seconds, start[0], ends[1], arguments);
	}
	close(ends[1]);
	return ends[0];
}

static void loop(double seconds, unsigned n, char **arguments)
{
	struct latencies all = { 0 };
	uint64_t began_ns, count, ns;
	int start[2], fds[PROCESSES_MAX];
	char byte;

	if (n < 1 || n > PROCESSES_MAX || pipe2(start, O_CLOEXEC) < 0)
		die("loop", "1 to 64 processes");
	for (unsigned i = 0; i < n; i++)
		fds[i] = start_process(seconds, start, arguments);
	for (unsigned i = 0; i < n; i++)
		read_all(fds[i], &byte, 1);
	began_ns = bench_now_ns();
	close(start[1]);
	for (unsigned i = 0; i < n; i++) {
		read_all(fds[i], &count, sizeof(count));
		while (count--) {
			read_all(fds[i], &ns, sizeof(ns));
			latencies_add(&all, ns);
		}
		close(fds[i]);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	latencies_print(&all, bench_now_ns() - began_ns);
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void measure(char **arguments)
{
	char *child_arguments[] = { (char *)(uintptr_t) "engine_alone",
				    (char *)(uintptr_t) "--once",
				    arguments[0],
				    arguments[1],
				    arguments[2],
				    NULL };
	int ends[2];
	char byte;
	double start_ms = now_ms();

	if (pipe2(ends, O_CLOEXEC) < 0)
		die("pipe2", strerror(errno));
	pid_t child = fork();
	if (child < 0)
		die("fork", strerror(errno));
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execv("/proc/self/exe", child_arguments);
		die("execv", strerror(errno));
	}
	close(ends[1]);
	if (read(ends[0], &byte, 1) != 1)
		die("round", "the child has failed");
	printf("%.3f\n", now_ms() - start_ms);
	fflush(stdout);
	close(ends[0]);
	waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "--once") == 0) {
		run_once(argv[2], argv[3], argv[4]);
		return write(STDOUT_FILENO, "+", 1) == 1 ? 0 : 1;
	}
	if (argc == 9 && strcmp(argv[1], "--loop") == 0) {
		pause_us = strtol(argv[4], NULL, 10);
		shape = argv[5];
		loop(strtod(argv[2], NULL), (unsigned)strtoul(argv[3], NULL, 10), argv + 6);
		return 0;
	}
	if (argc != 5) {
		fputs("usage: engine_alone ROUNDS PLUGIN LIBRARY MODEL\n"
		      "       engine_alone --loop SECONDS PROCESSES PAUSE_US SHAPE PLUGIN LIBRARY "
		      "MODEL\n",
		      stderr);
		return 2;
	}
	for (long rounds = strtol(argv[1], NULL, 10); rounds > 0; rounds--)
		measure(argv + 2);
	return 0;
}
