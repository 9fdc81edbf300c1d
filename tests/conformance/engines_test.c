/* SPDX-License-Identifier: Apache-2.0 */
/* A real worker with several engines: engines_test BUILD_FOLDER. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "conformance/driver.h"
#include "conformance/onnx_models.h"
#include "engines/mindspore_lite/ms_writer.h"

#define TIMEOUT_MS 20000
#define ROOM 65536u
#define START(...) driver_start_with(&driver, worker, (const char *const[]){ __VA_ARGS__, NULL })
#define MISSING "--option", "library=/nonexistent/lib.so"

static char worker[4096], ort[4096], lite[4096], echo[4096], standin[4200];
static struct driver driver;

static void ready(const char *title)
{
	assert_int_equal(driver_wait_ready(&driver, TIMEOUT_MS), DRIVER_OK);
	if (!strstr(driver.title, title))
		fail_msg("\"%s\" is not \"%s\"", driver.title, title);
}

static void stop(void)
{
	assert_int_equal(driver_stop(&driver, TIMEOUT_MS), DRIVER_OK);
}

static void loaded(const void *bytes, size_t n, const char *engine, const char *format)
{
	if (driver_load(&driver, bytes, n, TIMEOUT_MS) != DRIVER_OK)
		fail_msg("%s", driver.error.message);
	assert_memory_equal(driver.info.engine, engine, strlen(engine));
	assert_string_equal(driver.info.format, format);
}

static void refused(const void *bytes, size_t n, uint32_t status, const char *words)
{
	assert_int_equal(driver_load(&driver, bytes, n, TIMEOUT_MS), DRIVER_REFUSED);
	assert_int_equal(driver.error.status, status);
	if (!strstr(driver.error.message, words))
		fail_msg("\"%s\" does not say \"%s\"", driver.error.message, words);
}

static void loaded_onnx(void)
{
	int64_t dims[] = { 1, 4 };
	struct pb model = onnx_identity(ONNX_FLOAT, dims, 2);

	loaded(model.bytes, model.len, "onnxruntime ", "onnx");
	free(model.bytes);
}

static const struct ms_tensor tensors[] = { { "x", 43, 2, { 1, 4 } },
					    { "Stack-12", 43, 2, { 1, 4 } },
					    { "Stack-8", 43, 2, { 1, 4 } } };

static const struct ms_writer *ms_model(void)
{
	static struct ms_writer w;
	const struct ms_model model = {
		.identifier = "MSL2", .name = "m", .tensors = tensors, .n_tensors = 3, .n_inputs = 1
	};

	ms_write(&w, &model);
	return &w;
}

/* Each model goes to the engine that takes it. */
static void test_two(void **state)
{
	(void)state;
	START("--engine", echo, "--engine", ort);
	ready("echo 1, onnxruntime ");
	loaded_onnx();
	stop();
	START("--engine", ort, "--engine", echo);
	ready(", echo 1");
	loaded("TSKECHO1", 8, "echo 1", "echo");
	stop();
	START("--engine", ort, "--engine", echo);
	ready("echo");
	refused("nothing", 7, TENSOCK_INVALID_MODEL, "what echo takes");
	stop();
}

static void test_options_are_the_engines(void **state)
{
	(void)state;
	START("--engine", echo, "--option", "refuse=because", "--engine", ort);
	ready("onnxruntime ");
	loaded_onnx();
	stop();
	START("--engine", ort, "--option", "refuse=because", "--engine", echo);
	ready(", echo 1");
	stop();
}

static void test_missing(void **state)
{
	(void)state;
	START("--engine-if-present", lite, MISSING, "--engine", ort);
	ready("onnxruntime ");
	assert_null(strchr(driver.title, ','));
	loaded_onnx();
	stop();
	START("--engine", ort, "--engine", "/nonexistent/engine.so");
	ready("onnxruntime ");
	stop();
	/* Nothing is left: the error is of the one that should be there. */
	START("--engine-if-present", lite, MISSING, "--engine", ort, "--option", "threads=0");
	assert_int_equal(driver_wait_ready(&driver, TIMEOUT_MS), DRIVER_REFUSED);
	assert_int_equal(driver.error.status, TENSOCK_INVALID_ARGUMENT);
	assert_string_equal(driver.error.message, "threads is 1 to 256");
	driver_stop(&driver, TIMEOUT_MS);
	START("--engine-if-present", lite, MISSING);
	assert_int_equal(driver_wait_ready(&driver, TIMEOUT_MS), DRIVER_REFUSED);
	assert_int_equal(driver.error.status, TENSOCK_UNAVAILABLE);
	driver_stop(&driver, TIMEOUT_MS);
}

static void refuse_arguments(const char *const *arguments)
{
	driver_start_with(&driver, worker, arguments);
	assert_int_equal(driver_wait_ready(&driver, TIMEOUT_MS), DRIVER_DIED);
	assert_true(WIFEXITED(driver.wait_status) && WEXITSTATUS(driver.wait_status) == 2);
	driver_stop(&driver, TIMEOUT_MS);
}

static void test_arguments(void **state)
{
	const char *const option_first[] = { "--option", "threads=1", "--engine", ort, NULL };
	const char *const none[] = { "--log-level", "info", NULL };
	const char *const half[] = { "--engine", NULL };
	const char *nine[19] = { NULL };

	(void)state;
	for (unsigned i = 0; i < 18; i++)
		nine[i] = i % 2 ? echo : "--engine";
	refuse_arguments(option_first);
	refuse_arguments(none);
	refuse_arguments(half);
	refuse_arguments(nine);
	nine[16] = NULL;
	driver_start_with(&driver, worker, nine);
	ready("echo 1, echo 1, echo 1, echo 1, echo 1, echo 1, echo 1, echo 1");
	stop();
}

static void run_ms(void)
{
	float x[] = { 1, -2, 3.5F, 0 };
	struct driver_tensor out[2], in = { .descriptor = { .dtype = TENSOCK_FLOAT32,
							    .rank = 2,
							    .bytes = 16,
							    .dims = { 1, 4 } },
					    .data = x };
	unsigned n = 0;

	assert_int_equal(driver_run(&driver, &in, 1, ROOM, out, 2, &n, TIMEOUT_MS), DRIVER_OK);
	assert_int_equal(n, 2);
	for (unsigned k = 0; k < n; k++) {
		assert_int_equal(out[k].descriptor.index, k);
		for (unsigned i = 0; i < 4; i++)
			assert_float_equal(((float *)out[k].data)[i], 2 * x[i] + 1 + (float)k,
					   1e-6);
	}
}

/* The library itself, where there is one. */
static void test_mindspore_lite(void **state)
{
	const struct ms_writer *w = ms_model();

	(void)state;
	START("--engine", ort, "--engine-if-present", lite, "--option", standin);
	ready(", mindspore_lite 2.0.0-standin");
	loaded(w->bytes, w->len, "mindspore_lite 2.0.0-standin", "ms");
	assert_string_equal(driver.info.outputs[0].name, "Stack-12");
	assert_string_equal(driver.info.outputs[1].name, "Stack-8");
	run_ms();
	run_ms();
	stop();
}

static void test_only_mindspore_lite(void **state)
{
	(void)state;
	START("--engine", lite, "--option", standin);
	ready("mindspore_lite ");
	refused("nothing", 7, TENSOCK_INVALID_MODEL, "that this host takes: MindSpore's .");
	stop();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two),
		cmocka_unit_test(test_options_are_the_engines),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_mindspore_lite),
		cmocka_unit_test(test_only_mindspore_lite),
	};

	if (argc != 2)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	snprintf(worker, sizeof(worker), "%s/tensock-worker", argv[1]);
	snprintf(ort, sizeof(ort), "%s/tensock-engine-onnxruntime.so", argv[1]);
	snprintf(lite, sizeof(lite), "%s/tensock-engine-mindspore_lite.so", argv[1]);
	snprintf(echo, sizeof(echo), "%s/tests/engines/tensock-engine-echo.so", argv[1]);
	snprintf(standin, sizeof(standin),
		 "library=%s/tests/engines/libmindspore-lite-standin-ms.so", argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
