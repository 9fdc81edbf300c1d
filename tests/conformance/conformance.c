/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every model of libonnx-testdata, with its inputs and expected outputs, through a real worker:
 * conformance WORKER ENGINE [DATA_FOLDER [-v]].  Each model gets a worker of its own; while one is
 * driven the next one starts.  Fails when a verdict is wrong, or a worker dies that is not in the
 * list.  77, skipped, where there is no data.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "conformance/cases.h"
#include "conformance/verdict.h"

#define TIMEOUT_MS 30000
#define ROOM (UINT64_C(1) << 20)

static void conclude_step(struct verdict *verdict, const struct driver *d, enum driver_result step,
			  const char *name)
{
	if (step == DRIVER_REFUSED)
		verdict_set_refused(verdict, name, &d->error);
	else if (step == DRIVER_LATE)
		verdict_set(verdict, VERDICT_WRONG, "%s: nothing for %d s", name,
			    TIMEOUT_MS / 1000);
	else if (WIFSIGNALED(d->wait_status))
		verdict_set(verdict, VERDICT_WRONG, "%s: the worker died of signal %d", name,
			    WTERMSIG(d->wait_status));
	else
		verdict_set(verdict, VERDICT_WRONG, "%s: the worker exited with %d", name,
			    WEXITSTATUS(d->wait_status));
	verdict->died = step != DRIVER_REFUSED;
}

static void compare_outputs(struct verdict *verdict, const struct driver *d,
			    const struct driver_tensor *got, unsigned n_got,
			    const struct case_set *set)
{
	if (!verdict_compare_count(verdict, n_got, set->n_wanted))
		return;
	for (unsigned i = 0; i < set->n_wanted; i++) {
		if (!verdict_compare(verdict, i, d->info.outputs[i].name, &got[i], &set->wanted[i]))
			return;
	}
	verdict_set(verdict, VERDICT_RIGHT, " ");
}

static void mend(struct driver_tensor *tensors, unsigned n, const struct tsk_tensor_info *infos,
		 unsigned n_infos)
{
	for (unsigned i = 0; i < n && i < n_infos; i++)
		case_mend_bfloat16(&tensors[i], infos[i].dtype);
}

static void run_set(struct driver *d, const char *path, unsigned i, struct verdict *verdict)
{
	struct driver_tensor got[CASE_TENSORS_MAX];
	enum driver_result step;
	struct case_set set;
	unsigned n_got = 0;

	if (!case_set_read(path, i, &set)) {
		verdict_set(verdict, VERDICT_WRONG, "its data cannot be read");
	} else {
		mend(set.inputs, set.n_inputs, d->info.inputs, d->info.n_inputs);
		mend(set.wanted, set.n_wanted, d->info.outputs, d->info.n_outputs);
		step = driver_run(d, set.inputs, set.n_inputs, ROOM, got, CASE_TENSORS_MAX, &n_got,
				  TIMEOUT_MS);
		if (step == DRIVER_OK)
			compare_outputs(verdict, d, got, n_got, &set);
		else
			conclude_step(verdict, d, step, "run");
	}
	case_set_done(&set);
}

static void run_sets(struct driver *d, const char *path, struct verdict *verdict)
{
	unsigned n = case_sets(path);

	verdict_set(verdict, VERDICT_WRONG, "it has no data");
	for (unsigned i = 0; i < n && (i == 0 || verdict->class == VERDICT_RIGHT); i++)
		run_set(d, path, i, verdict);
}

static void run_model(struct driver *d, const char *path, struct verdict *verdict)
{
	enum driver_result step;
	size_t n = 0;
	void *model = case_read_model(path, &n);

	step = driver_wait_ready(d, TIMEOUT_MS);
	if (step == DRIVER_OK)
		step = driver_load(d, model, n, TIMEOUT_MS);
	if (step == DRIVER_OK)
		run_sets(d, path, verdict);
	else
		conclude_step(verdict, d, step, "load");
	free(model);
	if (driver_stop(d, 10000) != DRIVER_OK && verdict->class == VERDICT_RIGHT)
		verdict_set(verdict, VERDICT_WRONG, "the worker's end: status %#x",
			    (unsigned)d->wait_status);
}

static void run_all(const struct cases *cases, const char *worker, const char *engine, bool verbose,
		    unsigned counts[VERDICT_CLASS_MAX])
{
	static struct driver drivers[2];

	driver_start(&drivers[0], worker, engine, NULL);
	for (size_t i = 0; i < cases->n; i++) {
		struct verdict verdict;

		if (i + 1 < cases->n)
			driver_start(&drivers[(i + 1) % 2], worker, engine, NULL);
		run_model(&drivers[i % 2], cases->paths[i], &verdict);
		verdict_count(&verdict, case_name(cases->paths[i]), verbose, counts);
	}
}

int main(int argc, char **argv)
{
	const char *folder = argc > 3 ? argv[3] : CASES_FOLDER;
	unsigned counts[VERDICT_CLASS_MAX] = { 0 };
	uint64_t begun_ns = tsk_now_ns();
	struct cases cases = { 0 };

	if (argc < 3) {
		fprintf(stderr, "usage: conformance WORKER ENGINE [DATA_FOLDER [-v]]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	cases_find(&cases, folder);
	if (!cases.n) {
		printf("skipped: there are no models in %s (Debian: libonnx-testdata)\n", folder);
		return CASES_SKIPPED;
	}
	run_all(&cases, argv[1], argv[2], argc > 4, counts);
	cases_done(&cases);
	return verdict_print(counts, begun_ns);
}
