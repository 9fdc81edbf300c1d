/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an engine takes by itself, in one process that trusts everybody: the measure for tensockd.
 *
 *   engine_alone ROUNDS PLUGIN LIBRARY MODEL
 *
 * Each round starts a new process that opens the plug-in, loads the model from memory, fills inputs of
 * the shapes that a seed frame gets, and runs once.  Prints a line a round: the milliseconds from before
 * fork() until the parent has heard that the outputs are there.
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

#define IMAGE_SIDE 224
#define TENSORS_MAX 64u

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
	for (uint32_t i = 0; i < info->rank; i++) {
		ret->dims[i] = info->dims[i] >= 0          ? info->dims[i]
			       : info->rank == 4 && i >= 2 ? IMAGE_SIDE
							   : 1;
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

static void run_once(const char *plugin, char *library, const char *path)
{
	const struct tensock_host host = {
		.size = sizeof(host),
		.abi_major = TENSOCK_ENGINE_ABI_MAJOR,
		.context = library,
		.log = host_log,
		.option = host_option,
	};
	struct tensock_error error = { 0 };
	struct tensock_tensor inputs[TENSORS_MAX];
	struct tensock_tensor outputs[TENSORS_MAX];
	void *context;
	void *loaded;
	size_t bytes;
	const struct tensock_engine *engine = open_plugin(plugin);
	const void *model = map_model(path, &bytes);

	check(engine->open(&host, &context, &error), &error);
	check(engine->load(context, model, bytes, &loaded, &error), &error);
	const struct tensock_model_description *description = engine->describe(loaded);
	if (description->n_inputs > TENSORS_MAX || description->n_outputs > TENSORS_MAX)
		die(path, "too many tensors");
	for (uint32_t i = 0; i < description->n_inputs; i++)
		fill_input(&description->inputs[i], i, &inputs[i]);
	for (uint32_t i = 0; i < description->n_outputs; i++)
		outputs[i] = (struct tensock_tensor){ .index = i };
	check(engine->run(loaded, 1, inputs, description->n_inputs, outputs, description->n_outputs,
			  &error),
	      &error);
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
	if (argc != 5) {
		fputs("usage: engine_alone ROUNDS PLUGIN LIBRARY MODEL\n", stderr);
		return 2;
	}
	for (long rounds = strtol(argv[1], NULL, 10); rounds > 0; rounds--)
		measure(argv + 2);
	return 0;
}
