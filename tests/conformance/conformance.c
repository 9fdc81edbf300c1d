/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every model of libonnx-testdata, with its inputs and expected outputs, through a real worker:
 * conformance WORKER ENGINE [DATA_FOLDER [-v]].  Each model gets a worker of its own; while one is
 * driven the next one starts.  Each result is one of: right; refused, by a rule of ours; lacking, for
 * the engine does not do it; known, a fault of the engine listed below; wrong.  Fails when any is wrong,
 * or a worker dies that is not in the list.  77, skipped, where there is no data.
 */
#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "conformance/compare.h"
#include "conformance/driver.h"
#include "conformance/onnx_tensor.h"

#define DATA_FOLDER "/usr/share/libonnx-testdata/data"
#define SKIPPED 77
#define TIMEOUT_MS 30000
#define TENSORS_MAX 64u
#define ROOM (UINT64_C(1) << 20)

enum class {
	RIGHT,
	REFUSED,
	LACKING,
	KNOWN,
	WRONG,
	CLASS_MAX
};

static const char *const class_names[CLASS_MAX] = { "right", "refused", "lacking", "known",
						    "wrong" };

/*
 * What differs from the expected for a reason that is not ours.  The last three are those that
 * ONNX Runtime's own tests leave out, too.
 */
#define RANDOM "its answer is random"
#define DATA_OF_OTHER_SHAPE "its input \"like\" is [1], its model says [3,4]: rightly refused"
#define TEXT_OF_NUMBERS "ONNX does not say how a number is written; ONNX Runtime and numpy differ"
static const struct {
	const char *model, *reason;
} known_faults[] = {
	{ "test_bernoulli", RANDOM },
	{ "test_bernoulli_double", RANDOM },
	{ "test_bernoulli_double_expanded", RANDOM },
	{ "test_bernoulli_expanded", RANDOM },
	{ "test_bernoulli_seed", RANDOM },
	{ "test_bernoulli_seed_expanded", RANDOM },
	{ "test_training_dropout", RANDOM },
	{ "test_training_dropout_default", RANDOM },
	{ "test_training_dropout_default_mask", RANDOM },
	{ "test_training_dropout_mask", RANDOM },
	{ "test_cast_FLOAT_to_STRING", TEXT_OF_NUMBERS },
	{ "test_castlike_FLOAT_to_STRING", TEXT_OF_NUMBERS },
	{ "test_castlike_FLOAT_to_STRING_expanded", TEXT_OF_NUMBERS },
	{ "test_castlike_BFLOAT16_to_FLOAT", DATA_OF_OTHER_SHAPE },
	{ "test_castlike_BFLOAT16_to_FLOAT_expanded", DATA_OF_OTHER_SHAPE },
	{ "test_castlike_FLOAT_to_BFLOAT16", DATA_OF_OTHER_SHAPE },
	{ "test_castlike_FLOAT_to_BFLOAT16_expanded", DATA_OF_OTHER_SHAPE },
	{ "test_maxunpool_export_with_output_shape",
	  "the expected data is wrong (onnx issue 5398)" },
	{ "test_resize_downsample_scales_cubic_align_corners",
	  "the expected data rounds the output's size otherwise" },
	{ "test_resize_downsample_scales_linear_align_corners",
	  "the expected data rounds the output's size otherwise" },
};

struct result {
	enum class class;
	bool died; /* its worker did: no excuse is listed for that */
	char text[400];
};

struct file {
	unsigned char *bytes;
	size_t len;
};

static bool read_file(const char *folder, const char *name, struct file *ret)
{
	char path[4096];
	struct stat st;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "rb");
	if (!f)
		return false;
	if (fstat(fileno(f), &st) < 0)
		abort();
	ret->len = (size_t)st.st_size;
	ret->bytes = malloc(ret->len + 1);
	if (!ret->bytes || fread(ret->bytes, 1, ret->len, f) != ret->len)
		abort();
	fclose(f);
	return true;
}

static bool read_tensor(const char *folder, const char *prefix, unsigned i,
			struct driver_tensor *ret, bool *ret_broken)
{
	struct file file;
	char name[64];

	snprintf(name, sizeof(name), "%s_%u.pb", prefix, i);
	if (!read_file(folder, name, &file))
		return false;
	*ret_broken = !onnx_tensor_read(file.bytes, file.len, ret);
	free(file.bytes);
	return !*ret_broken;
}

static void free_tensors(struct driver_tensor *tensors, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(tensors[i].data);
}

/* input_0.pb ...; false when one of them is not a tensor. */
static bool read_tensors(const char *folder, const char *prefix, struct driver_tensor *ret,
			 unsigned *ret_n)
{
	bool broken = false;
	unsigned n = 0;

	while (n < TENSORS_MAX && read_tensor(folder, prefix, n, &ret[n], &broken)) {
		ret[n].descriptor.index = n;
		n++;
	}
	*ret_n = n;
	return !broken;
}

__attribute__((format(printf, 3, 4))) static void conclude(struct result *result, enum class class,
							   const char *fmt, ...)
{
	va_list args;

	result->died = false;
	result->class = class;
	va_start(args, fmt);
	vsnprintf(result->text, sizeof(result->text), fmt, args);
	va_end(args);
}

/* The worker refused: by a rule of ours, or for its engine? */
static void conclude_refused(struct result *result, const struct driver *d, const char *step)
{
	bool ours = strstr(d->error.message, "only tensors are served") ||
		    strstr(d->error.message, "which is not served") ||
		    strstr(d->error.message, "external data");
	bool lacking = d->error.status == TENSOCK_UNSUPPORTED;

	conclude(result,
		 ours      ? REFUSED
		 : lacking ? LACKING
			   : WRONG,
		 "%s: %u %s", step, d->error.status, d->error.message);
}

static void conclude_step(struct result *result, const struct driver *d, enum driver_result step,
			  const char *name)
{
	if (step == DRIVER_REFUSED)
		conclude_refused(result, d, name);
	else if (step == DRIVER_LATE)
		conclude(result, WRONG, "%s: nothing for %d s", name, TIMEOUT_MS / 1000);
	else if (WIFSIGNALED(d->wait_status))
		conclude(result, WRONG, "%s: the worker died of signal %d", name,
			 WTERMSIG(d->wait_status));
	else
		conclude(result, WRONG, "%s: the worker exited with %d", name,
			 WEXITSTATUS(d->wait_status));
	result->died = step != DRIVER_REFUSED;
}

static void compare_outputs(struct result *result, const struct driver *d,
			    const struct driver_tensor *got, unsigned n_got,
			    const struct driver_tensor *wanted, unsigned n_wanted)
{
	char why[200] = "";

	if (n_got < n_wanted) {
		conclude(result, WRONG, "%u outputs, not %u", n_got, n_wanted);
		return;
	}
	for (unsigned i = 0; i < n_wanted; i++) {
		if (!compare_tensors(&got[i], &wanted[i], why, sizeof(why))) {
			conclude(result, WRONG, "output %u (%s): %s", i, d->info.outputs[i].name,
				 why);
			return;
		}
	}
	conclude(result, RIGHT, " ");
}

/* Test data of bfloat16 says that it is uint16: its writer had no other way. */
static void mend_bfloat16(struct driver_tensor *tensors, unsigned n,
			  const struct tsk_tensor_info *infos, unsigned n_infos)
{
	for (unsigned i = 0; i < n && i < n_infos; i++) {
		if (infos[i].dtype == TENSOCK_BFLOAT16 &&
		    tensors[i].descriptor.dtype == TENSOCK_UINT16)
			tensors[i].descriptor.dtype = TENSOCK_BFLOAT16;
	}
}

/* One set of inputs and outputs. */
static void run_set(struct driver *d, const char *folder, struct result *result)
{
	struct driver_tensor inputs[TENSORS_MAX], wanted[TENSORS_MAX], got[TENSORS_MAX];
	unsigned n_inputs = 0, n_wanted = 0, n_got = 0;
	enum driver_result step;

	if (!read_tensors(folder, "input", inputs, &n_inputs) ||
	    !read_tensors(folder, "output", wanted, &n_wanted)) {
		conclude(result, WRONG, "its data cannot be read");
	} else {
		mend_bfloat16(inputs, n_inputs, d->info.inputs, d->info.n_inputs);
		mend_bfloat16(wanted, n_wanted, d->info.outputs, d->info.n_outputs);
		step = driver_run(d, inputs, n_inputs, ROOM, got, TENSORS_MAX, &n_got, TIMEOUT_MS);
		if (step == DRIVER_OK)
			compare_outputs(result, d, got, n_got, wanted, n_wanted);
		else
			conclude_step(result, d, step, "run");
	}
	free_tensors(inputs, n_inputs);
	free_tensors(wanted, n_wanted);
}

static void run_sets(struct driver *d, const char *folder, struct result *result)
{
	char path[4096];
	struct stat st;

	conclude(result, WRONG, "it has no data");
	for (unsigned i = 0; i == 0 || result->class == RIGHT; i++) {
		snprintf(path, sizeof(path), "%s/test_data_set_%u", folder, i);
		if (stat(path, &st) < 0)
			return;
		run_set(d, path, result);
	}
}

static void run_model(struct driver *d, const char *folder, struct result *result)
{
	struct file model;
	enum driver_result step;

	if (!read_file(folder, "model.onnx", &model))
		abort();
	step = driver_wait_ready(d, TIMEOUT_MS);
	if (step == DRIVER_OK)
		step = driver_load(d, model.bytes, model.len, TIMEOUT_MS);
	if (step == DRIVER_OK)
		run_sets(d, folder, result);
	else
		conclude_step(result, d, step, "load");
	free(model.bytes);
	if (driver_stop(d, 10000) != DRIVER_OK && result->class == RIGHT)
		conclude(result, WRONG, "the worker's end: status %#x", (unsigned)d->wait_status);
}

static void excuse_known(const char *model, struct result *result)
{
	for (size_t i = 0; i < ARRAY_SIZE(known_faults); i++) {
		if (result->class == WRONG && !result->died &&
		    strcmp(model, known_faults[i].model) == 0)
			conclude(result, KNOWN, "%s", known_faults[i].reason);
	}
}

/* The folders with a model, sorted. */
struct list {
	char **paths;
	size_t n;
};

static void add_path(struct list *list, const char *path)
{
	list->paths = realloc(list->paths, (list->n + 1) * sizeof(*list->paths));
	if (!list->paths)
		abort();
	list->paths[list->n] = strdup(path);
	if (!list->paths[list->n++])
		abort();
}

/* depth: the models lie two folders deep. */
static void find_models(struct list *list, const char *folder, unsigned depth)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[4096];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (strcmp(entries[i]->d_name, "model.onnx") == 0)
			add_path(list, folder);
		else if (entries[i]->d_name[0] != '.' && depth && stat(path, &st) == 0 &&
			 S_ISDIR(st.st_mode))
			find_models(list, path, depth - 1);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static void free_list(struct list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->paths[i]);
	free(list->paths);
}

static void run_all(const struct list *list, const char *worker, const char *engine, bool verbose,
		    unsigned counts[CLASS_MAX])
{
	static struct driver drivers[2];

	driver_start(&drivers[0], worker, engine, NULL);
	for (size_t i = 0; i < list->n; i++) {
		const char *name = strrchr(list->paths[i], '/') + 1;
		struct result result;

		if (i + 1 < list->n)
			driver_start(&drivers[(i + 1) % 2], worker, engine, NULL);
		run_model(&drivers[i % 2], list->paths[i], &result);
		excuse_known(name, &result);
		counts[result.class]++;
		if (verbose || result.class == WRONG)
			printf("%s: %s: %s\n", class_names[result.class], name, result.text);
	}
}

int main(int argc, char **argv)
{
	struct list list = { 0 };
	unsigned counts[CLASS_MAX] = { 0 };
	uint64_t begun = tsk_now_ns();

	if (argc < 3) {
		fprintf(stderr, "usage: conformance WORKER ENGINE [DATA_FOLDER [-v]]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	find_models(&list, argc > 3 ? argv[3] : DATA_FOLDER, 2);
	if (!list.n) {
		printf("skipped: there are no models in %s (Debian: libonnx-testdata)\n",
		       argc > 3 ? argv[3] : DATA_FOLDER);
		return SKIPPED;
	}
	run_all(&list, argv[1], argv[2], argc > 4, counts);
	printf("%zu models in %.0f s:", list.n, (double)(tsk_now_ns() - begun) / 1e9);
	for (unsigned i = 0; i < CLASS_MAX; i++)
		printf(" %u %s%s", counts[i], class_names[i], i + 1 < CLASS_MAX ? "," : "\n");
	free_list(&list);
	return counts[WRONG] ? 1 : 0;
}
