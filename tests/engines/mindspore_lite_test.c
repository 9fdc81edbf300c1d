/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plug-in for MindSpore Lite, by its ABI, with the library's stand-in under both of its names:
 * mindspore_lite_test PLUG-IN FOLDER_OF_STAND-INS.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <tensock/engine.h>

#include "engines/mindspore_lite/ms_writer.h"

#define FLOAT32 43
#define INT32 34

static const struct tensock_engine *plugin;
static char library_ms[4096], library_oh[4096];

/* The host: options, and all that was logged. */
static struct {
	const char *library, *threads, *fp16;
	char log[1 << 16];
	unsigned n_errors;
} rig;

static const char *option(void *context, const char *name)
{
	(void)context;
	if (strcmp(name, "library") == 0)
		return rig.library;
	if (strcmp(name, "threads") == 0)
		return rig.threads;
	return strcmp(name, "fp16") == 0 ? rig.fp16 : NULL;
}

static void log_line(void *context, uint32_t level, const char *text)
{
	size_t len = strlen(rig.log);

	(void)context;
	rig.n_errors += level != TENSOCK_LOG_DEBUG;
	snprintf(rig.log + len, sizeof(rig.log) - len, "%s\n", text);
}

static const struct tensock_host host = { .size = sizeof(host),
					  .abi_major = TENSOCK_ENGINE_ABI_MAJOR,
					  .log = log_line,
					  .option = option };

static int setup_ms(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig.library = library_ms;
	return 0;
}

static int setup_oh(void **state)
{
	setup_ms(state);
	rig.library = library_oh;
	return 0;
}

static struct tensock_error error;

static void *open_engine(void)
{
	void *engine = NULL;

	if (plugin->open(&host, &engine, &error) != TENSOCK_OK)
		fail_msg("%s", error.message);
	return engine;
}

/* Models */

static const struct ms_tensor one_in_three_out[] = {
	{ "x", FLOAT32, 2, { 1, 3 } },
	{ "Stack-12", FLOAT32, 2, { 1, 3 } },
	{ "Stack-8", FLOAT32, 2, { 1, 3 } },
	{ NULL, FLOAT32, 2, { 1, 3 } },
};
static const struct ms_tensor any_rows[] = { { "x", FLOAT32, 2, { -1, 2 } },
					     { "y", INT32, 1, { 2 } },
					     { "a", FLOAT32, 2, { -1, 2 } },
					     { "b", INT32, 1, { 2 } } };

static uint32_t load(void *engine, const struct ms_model *model, void **ret)
{
	static struct ms_writer w;
	unsigned char *bytes;
	uint32_t s;

	ms_write(&w, model);
	bytes = malloc(w.len);
	assert_non_null(bytes);
	memcpy(bytes, w.bytes, w.len);
	*ret = NULL;
	s = plugin->load(engine, bytes, w.len, ret, &error);
	free(bytes); /* they are gone when load() returns */
	return s;
}

static struct ms_model model_of(const char *name, const struct ms_tensor *tensors, uint32_t n,
				uint32_t n_inputs)
{
	return (struct ms_model){ .identifier = "MSL2",
				  .name = name,
				  .tensors = tensors,
				  .n_tensors = n,
				  .n_inputs = n_inputs };
}

static void *load_named(void *engine, const char *name)
{
	struct ms_model model = model_of(name, one_in_three_out, 4, 1);
	void *ret;

	if (load(engine, &model, &ret) != TENSOCK_OK)
		fail_msg("%s", error.message);
	return ret;
}

static float floats[] = { 1, -2, 3.5F, 4, 5, 6 };

static struct tensock_tensor tensor(uint32_t index, uint32_t dtype, void *data, uint32_t rank,
				    int64_t d0, int64_t d1)
{
	struct tensock_tensor t = { .index = index,
				    .dtype = dtype,
				    .rank = rank,
				    .dims = { d0, d1 },
				    .data = data,
				    .bytes = 4 };

	for (uint32_t i = 0; i < rank; i++)
		t.bytes *= (uint64_t)t.dims[i];
	return t;
}

static struct tensock_tensor row(void)
{
	return tensor(0, TENSOCK_FLOAT32, floats, 2, 1, 3);
}

/* Runs on one row; the output of that index, which is the caller's to release. */
static uint32_t run_row(void *model, uint32_t index, struct tensock_tensor *ret)
{
	struct tensock_tensor in = row();

	*ret = (struct tensock_tensor){ .index = index };
	return plugin->run(model, 1, &in, 1, ret, 1, &error);
}

/* Tests */

static void test_probe(void **state)
{
	static const struct {
		const char *bytes;
		uint64_t n;
		const char *format;
	} rows[] = {
		{ "\x20\0\0\0MSL2....", 12, "ms" },
		{ "\x20\0\0\0MSL2", 8, "ms" },
		{ "\x20\0\0\0MSL", 7, NULL },
		{ "\x20\0\0\0MSL1....", 12, NULL },
		{ "\x20\0\0\0\x10\0\0\0....", 12, NULL },
		{ "\x0a\x03"
		  "1.1\x12\0",
		  7, "mindir" },
		{ "\x0a\x03"
		  "1.",
		  4, NULL },
		{ "\x0a\x00\x12\0", 4, NULL },
		{ "\x0a\x03"
		  "abc\x12\0",
		  7, NULL },
		{ "\x08\x08\x3a\0", 4, NULL },
		{ "", 0, NULL },
		{ "\x0a", 1, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *format = NULL;
		uint32_t score = plugin->probe(rows[i].bytes, rows[i].n, &format);

		assert_int_equal(score > 0, rows[i].format != NULL);
		if (rows[i].format)
			assert_string_equal(format, rows[i].format);
	}
}

static void test_open_and_close(void **state)
{
	void *engine = open_engine();

	(void)state;
	assert_string_equal(plugin->version(engine),
			    rig.library == library_ms ? "2.0.0-standin" : "of unknown version");
	plugin->close(engine);
	plugin->close(NULL);
	plugin->unload(NULL);
}

static void refuse_open(uint32_t status, const char *words)
{
	void *engine;

	assert_int_equal(plugin->open(&host, &engine, &error), status);
	assert_int_equal(error.status, status);
	if (!strstr(error.message, words) || strchr(error.message, '/'))
		fail_msg("\"%s\" does not say \"%s\"", error.message, words);
}

static void test_refused_settings(void **state)
{
	static const char *const threads[] = { "0", "257", "", "3x", "-1", "99999999999999999999" };

	(void)state;
	for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
		rig.threads = threads[i];
		refuse_open(TENSOCK_INVALID_ARGUMENT, "threads is 1 to 256");
	}
	rig.threads = "1";
	rig.fp16 = "maybe";
	refuse_open(TENSOCK_INVALID_ARGUMENT, "fp16 is yes or no");
	rig.fp16 = NULL;
	rig.library = "libm.so.6";
	refuse_open(TENSOCK_UNSUPPORTED, "it has no OH_AI_ContextCreate");
	assert_int_equal(rig.n_errors, 0);
	rig.library = "/nonexistent/lib.so";
	refuse_open(TENSOCK_UNAVAILABLE, "cannot be loaded");
	assert_int_equal(rig.n_errors, 1);
	/* Where none is named, most hosts have none: nobody wants to hear of it. */
	rig.library = NULL;
	if (plugin->open(&host, &(void *){ NULL }, &error) != TENSOCK_OK)
		assert_int_equal(error.status, TENSOCK_UNAVAILABLE);
	assert_int_equal(rig.n_errors, 1);
}

static void test_settings(void **state)
{
	void *engine, *model;

	(void)state;
	engine = open_engine();
	model = load_named(engine, "m");
	assert_non_null(strstr(rig.log, "with 1 threads, fp16 off"));
	plugin->unload(model);
	plugin->close(engine);
	rig.threads = "3";
	rig.fp16 = "yes";
	engine = open_engine();
	model = load_named(engine, "m");
	assert_non_null(strstr(rig.log, "mindspore_lite: [INFO] standin: builds "));
	assert_non_null(strstr(rig.log, "with 3 threads, fp16 on"));
	plugin->unload(model);
	plugin->close(engine);
}

/* The library gives outputs in the order of a hash table: they must come out as the author has them. */
static void test_outputs_in_order(void **state)
{
	static const char *const names[] = { "Stack-12", "Stack-8", "3" };
	static const uint32_t turned[] = { 3, 1, 2 };
	void *engine = open_engine(), *model;
	const struct tensock_model_description *d;
	struct ms_model other = model_of("m", one_in_three_out, 4, 1);

	(void)state;
	model = load_named(engine, "m");
	d = plugin->describe(model);
	assert_int_equal(d->n_inputs, 1);
	assert_string_equal(d->inputs[0].name, "x");
	assert_int_equal(d->n_outputs, 3);
	for (uint32_t k = 0; k < 3; k++) {
		struct tensock_tensor out;

		assert_string_equal(d->outputs[k].name, names[k]);
		assert_int_equal(d->outputs[k].dtype, TENSOCK_FLOAT32);
		assert_int_equal(d->outputs[k].rank, 2);
		assert_int_equal(d->outputs[k].dims[1], 3);
		assert_int_equal(run_row(model, k, &out), TENSOCK_OK);
		assert_int_equal(out.bytes, 12);
		for (uint32_t i = 0; i < 3; i++)
			assert_float_equal(((float *)out.data)[i], 2 * floats[i] + 1 + (float)k,
					   1e-6);
		out.release(&out);
	}
	plugin->unload(model);

	/* In another order of the same, from which it follows that it is the file's. */
	other.outputs = turned;
	assert_int_equal(load(engine, &other, &model), TENSOCK_OK);
	d = plugin->describe(model);
	for (uint32_t k = 0; k < 3; k++)
		assert_string_equal(d->outputs[k].name, names[(k + 2) % 3]);
	plugin->unload(model);
	plugin->close(engine);
}

/* Where the file does not tell the order: by their names, as people count, so that it is always the same. */
static void test_outputs_by_name(void **state)
{
	static const char *const names[] = { "9", "10", "Stack" };
	static const struct ms_tensor tensors[] = { { "10", FLOAT32, 1, { 1 } },
						    { "Stack", FLOAT32, 1, { 1 } },
						    { "9", FLOAT32, 1, { 1 } },
						    { "x", FLOAT32, 1, { 1 } } };
	static const uint32_t none[] = { 9, 9, 9 };
	struct ms_model other = model_of("m", tensors, 4, 1);
	void *engine = open_engine(), *model;

	(void)state;
	/* The stand-in takes the model's own outputs, which are the first three. */
	other.has_subgraph = true;
	other.outputs = none;
	assert_int_equal(load(engine, &other, &model), TENSOCK_OK);
	for (uint32_t k = 0; k < 3; k++)
		assert_string_equal(plugin->describe(model)->outputs[k].name, names[k]);
	plugin->unload(model);
	plugin->close(engine);
}

static void test_in_place(void **state)
{
	void *engine = open_engine(), *model = load_named(engine, "m");
	float results[2][3] = { { 0 } };
	struct tensock_tensor in = row(),
			      out[2] = { tensor(2, TENSOCK_FLOAT32, results[0], 2, 1, 3),
					 tensor(0, TENSOCK_FLOAT32, results[1], 2, 1, 3) };

	(void)state;
	assert_int_equal(plugin->run(model, 1, &in, 1, out, 2, &error), TENSOCK_OK);
	assert_float_equal(results[0][2], 2 * 3.5 + 1 + 2, 1e-6);
	assert_float_equal(results[1][2], 2 * 3.5 + 1, 1e-6);
	/* Where its result does not go: the host asks once more, without a place. */
	out[1].dims[0] = 3;
	out[1].dims[1] = 1;
	assert_int_equal(plugin->run(model, 2, &in, 1, out, 2, &error), TENSOCK_ENGINE_FAILED);
	assert_non_null(strstr(error.message, "another shape"));
	out[1].data = NULL;
	assert_int_equal(plugin->run(model, 2, &in, 1, out, 2, &error), TENSOCK_OK);
	assert_int_equal(out[1].dims[1], 3);
	out[1].release(&out[1]);
	plugin->unload(model);
	plugin->close(engine);
}

/* One that comes out smaller than the model says: not where the other was to lie, but as it is. */
static void test_smaller_than_described(void **state)
{
	void *engine = open_engine(), *model = load_named(engine, "shrink");
	float result[3] = { 7, 7, 7 };
	struct tensock_tensor in = row(), out = tensor(0, TENSOCK_FLOAT32, result, 2, 1, 3);

	(void)state;
	assert_int_equal(plugin->run(model, 1, &in, 1, &out, 1, &error), TENSOCK_ENGINE_FAILED);
	assert_non_null(strstr(error.message, "another shape"));
	assert_float_equal(result[0], 7, 0);
	assert_int_equal(run_row(model, 0, &out), TENSOCK_OK);
	assert_int_equal(out.rank, 2);
	assert_int_equal(out.dims[0], 0);
	assert_int_equal(out.bytes, 0);
	assert_non_null(out.data);
	out.release(&out);
	plugin->unload(model);
	plugin->close(engine);
}

/* Of two, one of which cannot be had, none is left behind. */
static void test_nothing_is_left(void **state)
{
	void *engine = open_engine(), *model = load_named(engine, "rename");
	struct tensock_tensor in = row(), out[2] = { { .index = 1 }, { .index = 0 } };

	(void)state;
	assert_int_equal(plugin->run(model, 1, &in, 1, out, 2, &error), TENSOCK_ENGINE_FAILED);
	assert_string_equal(error.message, "output \"Stack-12\" has no value");
	assert_null(out[0].data);
	assert_null(out[0].release);
	plugin->unload(model);
	plugin->close(engine);
}

static struct tensock_tensor rows_of(float *data, int64_t n)
{
	return tensor(0, TENSOCK_FLOAT32, data, 2, n, 2);
}

static void run_rows(void *model, int64_t n, uint32_t status)
{
	int32_t numbers[] = { 7, -8 };
	struct tensock_tensor in[] = { tensor(1, TENSOCK_INT32, numbers, 1, 2, 0),
				       rows_of(floats, n) };
	struct tensock_tensor out[] = { { .index = 0 }, { .index = 1 } };

	assert_int_equal(plugin->run(model, 1, in, 2, out, 2, &error), status);
	if (status != TENSOCK_OK)
		return;
	assert_int_equal(out[0].dims[0], n);
	assert_int_equal(out[0].bytes, n * 8);
	for (int64_t i = 0; i < 2 * n; i++)
		assert_float_equal(((float *)out[0].data)[i], 2 * floats[i] + 1, 1e-6);
	assert_int_equal(out[1].dtype, TENSOCK_INT32);
	assert_int_equal(((int32_t *)out[1].data)[1], 2 * -8 + 1 + 1);
	out[0].release(&out[0]);
	out[1].release(&out[1]);
}

static unsigned n_resizes(void)
{
	unsigned n = 0;

	for (const char *p = rig.log; (p = strstr(p, "resized")); p++)
		n++;
	return n;
}

static void test_open_dimensions(void **state)
{
	struct ms_model any = model_of("no-resize-to-3", any_rows, 4, 2);
	void *engine = open_engine(), *model;

	(void)state;
	assert_int_equal(load(engine, &any, &model), TENSOCK_OK);
	assert_int_equal(plugin->describe(model)->inputs[0].dims[0], -1);
	/* The library has [-1] for what it does not know; it is no shape. */
	assert_int_equal(plugin->describe(model)->outputs[0].rank, 0);
	run_rows(model, 1, TENSOCK_OK);
	assert_int_equal(n_resizes(), 1);
	run_rows(model, 1, TENSOCK_OK);
	assert_int_equal(n_resizes(), 1);
	run_rows(model, 2, TENSOCK_OK);
	assert_int_equal(n_resizes(), 2);
	/* A resize that failed has left shapes that nothing else goes with. */
	run_rows(model, 3, TENSOCK_INVALID_ARGUMENT);
	assert_non_null(strstr(error.message, "does not take inputs of these shapes"));
	run_rows(model, 3, TENSOCK_INVALID_ARGUMENT);
	run_rows(model, 2, TENSOCK_OK);
	assert_int_equal(plugin->describe(model)->inputs[0].dims[0], -1);
	plugin->unload(model);
	plugin->close(engine);
}

static void test_bad_inputs(void **state)
{
	void *engine = open_engine(), *model = load_named(engine, "m");
	struct tensock_tensor in = row(), out = { .index = 0 };

	(void)state;
	assert_int_equal(plugin->run(model, 1, &in, 0, &out, 1, &error), TENSOCK_INVALID_ARGUMENT);
	assert_string_equal(error.message, "input \"x\" is missing");
	in.dtype = TENSOCK_INT32;
	assert_int_equal(plugin->run(model, 1, &in, 1, &out, 1, &error), TENSOCK_INVALID_ARGUMENT);
	in = row();
	in.bytes = 8;
	assert_int_equal(plugin->run(model, 1, &in, 1, &out, 1, &error), TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(run_row(model, 0, &out), TENSOCK_OK);
	out.release(&out);
	plugin->unload(model);
	plugin->close(engine);
}

static void refuse_load(void *engine, struct ms_model model, uint32_t status, const char *words)
{
	void *ret;

	assert_int_equal(load(engine, &model, &ret), status);
	assert_int_equal(error.status, status);
	assert_null(ret);
	if (!strstr(error.message, words))
		fail_msg("\"%s\" does not say \"%s\"", error.message, words);
}

/* The context goes to the model also when it cannot be built: the stand-in aborts if it is destroyed. */
static void test_refused_models(void **state)
{
	struct ms_tensor long_name[] = { { "x", FLOAT32, 1, { 1 } }, { "y", 12, 1, { 1 } } };
	struct ms_model old = model_of("m", one_in_three_out, 4, 1);
	void *engine = open_engine(), *model;

	(void)state;
	old.identifier = "MSL1";
	refuse_load(engine, old, TENSOCK_INVALID_MODEL, "of a version that the library does not");
	old.identifier = "MSL2";
	old.n_inputs = 0;
	refuse_load(engine, old, TENSOCK_INVALID_MODEL, "error -200");
	refuse_load(engine, model_of("m", long_name, 2, 1), TENSOCK_UNSUPPORTED,
		    "\"y\" has element type 12");
	refuse_load(engine, model_of("bad-rank", one_in_three_out, 4, 1), TENSOCK_UNSUPPORTED,
		    "17 dimensions, above 16");
	refuse_load(engine, model_of("bad-type", one_in_three_out, 4, 1), TENSOCK_UNSUPPORTED,
		    "type 9999");
	refuse_load(engine, model_of("no-name", one_in_three_out, 4, 1), TENSOCK_ENGINE_FAILED,
		    "an output without a name");
	assert_int_equal(plugin->load(engine, "\x10\0\0\0MSL2", 8, &model, &error),
			 TENSOCK_INVALID_MODEL);
	assert_int_equal(plugin->load(engine, "", 0, &model, &error), TENSOCK_INVALID_MODEL);
	plugin->close(engine);
}

static void refuse_run(const char *name, const char *words)
{
	void *engine = open_engine(), *model = load_named(engine, name);
	struct tensock_tensor out;

	assert_int_equal(run_row(model, 2, &out), TENSOCK_ENGINE_FAILED);
	if (!strstr(error.message, words))
		fail_msg("\"%s\" does not say \"%s\"", error.message, words);
	assert_null(out.data);
	plugin->unload(model);
	plugin->close(engine);
}

static void test_refused_runs(void **state)
{
	(void)state;
	refuse_run("fail-run", "the model cannot be run: an operator failed (error -303)");
	refuse_run("wrong-size", "bytes, which its shape has not");
}

static bool is_same_file(const struct stat *a, int fd)
{
	struct stat b;

	assert_int_equal(fstat(fd, &b), 0);
	return a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

/* More than the pipe holds, and nobody waits for ever; what this program prints is still printed. */
static void test_flood(void **state)
{
	void *engine = open_engine(), *model = load_named(engine, "flood");
	struct tensock_tensor out;
	struct stat was[2];

	(void)state;
	rig.log[0] = '\0';
	assert_int_equal(fstat(STDOUT_FILENO, &was[0]), 0);
	assert_int_equal(fstat(STDERR_FILENO, &was[1]), 0);
	assert_int_equal(run_row(model, 0, &out), TENSOCK_OK);
	assert_true(is_same_file(&was[0], STDOUT_FILENO));
	assert_true(is_same_file(&was[1], STDERR_FILENO));
	assert_non_null(strstr(rig.log, "mindspore_lite: [ERROR] standin: line 0 of a flood\n"));
	assert_null(strstr(rig.log, "line 99999"));
	assert_int_equal(rig.n_errors, 0);
	out.release(&out);
	plugin->unload(model);
	plugin->close(engine);
}

/* What a process that dies in the library says on its standard error: its wait status. */
static int die(const char *name, char *ret, size_t size)
{
	size_t len = 0;
	ssize_t n;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct tensock_tensor out;
		void *engine, *model;

		dup2(fds[1], STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		signal(SIGSEGV, SIG_DFL);
		engine = open_engine();
		model = load_named(engine, name);
		run_row(model, 0, &out);
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], ret + len, size - 1 - len)) > 0)
		len += (size_t)n;
	ret[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_last_words(void **state)
{
	char text[8192];
	int status;

	(void)state;
	status = die("crash-run", text, sizeof(text));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(text, "mindspore_lite: [INFO] standin: predicts\n"));
	assert_non_null(
		strstr(text, "mindspore_lite: [CRITICAL] standin: asked to crash in a run\n"));
	status = die("crash-build", text, sizeof(text));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(text, "[CRITICAL] standin: asked to crash in build\n"));
	status = die("segv-run", text, sizeof(text));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	assert_non_null(strstr(text, "standin: predicts\n"));
}

#define BOTH(f)                                        \
	cmocka_unit_test_setup(f, setup_ms),           \
	{                                              \
#f " (OH_AI)", f, setup_oh, NULL, NULL \
	}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe),
		cmocka_unit_test_setup(test_refused_settings, setup_ms),
		BOTH(test_open_and_close),
		BOTH(test_settings),
		BOTH(test_outputs_in_order),
		BOTH(test_outputs_by_name),
		BOTH(test_in_place),
		BOTH(test_smaller_than_described),
		BOTH(test_nothing_is_left),
		BOTH(test_open_dimensions),
		BOTH(test_bad_inputs),
		BOTH(test_refused_models),
		BOTH(test_refused_runs),
		BOTH(test_flood),
		BOTH(test_last_words),
	};
	const struct tensock_engine *(*entry)(void);
	void *library;

	if (argc != 3)
		return 2;
	snprintf(library_ms, sizeof(library_ms), "%s/libmindspore-lite-standin-ms.so", argv[2]);
	snprintf(library_oh, sizeof(library_oh), "%s/libmindspore-lite-standin-oh.so", argv[2]);
	library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		return 2;
	}
	*(void **)&entry = dlsym(library, TENSOCK_ENGINE_ENTRY);
	plugin = entry();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
