/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every model of libonnx-testdata through a real tensockd, by libtensock: through_daemon TENSOCKD
 * [DATA_FOLDER [-v]].  Each is pushed, gets all its sets of inputs at once, by the names that the host
 * tells, and is removed with its labels.  Of every other model the outputs are received into memory
 * that has just the size that they shall have, of the others into the library's.  The models are
 * divided among a few connections by their bytes: so no model is removed that another thread has
 * pushed under another name.  Nobody reconnects, so that a front that dies is seen.  Verdicts, and
 * when they fail, are those of conformance.c.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tensock/tensock.h>

#include "base/clock.h"
#include "conformance/cases.h"
#include "conformance/verdict.h"

#define CONNECTIONS 3u
#define SETS_MAX 16u
#define START_TIMEOUT_MS 20000
#define STOP_TIMEOUT_MS 20000

struct runner {
	pthread_t thread;
	const struct cases *cases;
	const unsigned *owners; /* by case: which runner has it */
	unsigned index;
	struct tensock_client *client;
	struct verdict *verdicts; /* by case */
};

/* A set that has been asked for. */
struct asked {
	struct case_set set;
	struct tensock_output got[CASE_TENSORS_MAX];
	bool is_ended, has_failed;
	struct tensock_error error;
};

static void must(bool ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static void done(void *user, const struct tensock_error *error)
{
	struct asked *asked = user;

	asked->is_ended = true;
	asked->has_failed = error;
	if (error)
		asked->error = *error;
}

static void fill_inputs(struct asked *asked, const struct tensock_model_info *info,
			struct tensock_input *ret)
{
	for (unsigned i = 0; i < asked->set.n_inputs; i++) {
		struct driver_tensor *t = &asked->set.inputs[i];

		if (i < info->n_inputs)
			case_mend_bfloat16(t, info->inputs[i].dtype);
		ret[i] = (struct tensock_input){ .name = i < info->n_inputs ? info->inputs[i].name
									    : NULL,
						 .index = i,
						 .dtype = t->descriptor.dtype,
						 .rank = t->descriptor.rank,
						 .data = t->data,
						 .bytes = t->descriptor.bytes };
		memcpy(ret[i].dims, t->descriptor.dims, sizeof(ret[i].dims));
	}
}

static void fill_outputs(struct asked *asked, const struct tensock_model_info *info, bool is_own)
{
	for (unsigned i = 0; i < asked->set.n_wanted; i++) {
		struct driver_tensor *t = &asked->set.wanted[i];

		case_mend_bfloat16(t, info->outputs[i].dtype);
		asked->got[i] = (struct tensock_output){ .name = info->outputs[i].name };
		if (!is_own)
			continue;
		asked->got[i].capacity = t->descriptor.bytes;
		asked->got[i].data = malloc(t->descriptor.bytes + 1);
		must(asked->got[i].data, "memory");
	}
}

/* False, with a verdict, where it cannot be asked for. */
static bool ask(struct runner *runner, const struct tensock_model *model, bool is_own,
		struct asked *asked, struct verdict *verdict)
{
	const struct tensock_completion completion = { .done = done, .user = asked };
	struct tensock_model_info info = { .size = sizeof(info) };
	struct tensock_input inputs[CASE_TENSORS_MAX];
	struct tensock_request *request;

	tensock_model_get_info(model, &info);
	if (!verdict_compare_count(verdict, info.n_outputs, asked->set.n_wanted))
		return false;
	fill_inputs(asked, &info, inputs);
	fill_outputs(asked, &info, is_own);
	if (tensock_infer_start(runner->client, model, inputs, asked->set.n_inputs, asked->got,
				asked->set.n_wanted, NULL, &completion, &request,
				&asked->error) == TENSOCK_OK)
		return true;
	verdict_set_refused(verdict, "run", &asked->error);
	return false;
}

static bool compare(const struct asked *asked, struct verdict *verdict)
{
	if (asked->has_failed) {
		verdict_set_refused(verdict, "run", &asked->error);
		verdict->died = asked->error.status == TENSOCK_WORKER_DIED;
		return false;
	}
	for (unsigned i = 0; i < asked->set.n_wanted; i++) {
		const struct tensock_output *o = &asked->got[i];
		struct driver_tensor got = { .descriptor = { .index = i,
							     .dtype = o->dtype,
							     .rank = o->rank,
							     .bytes = o->bytes },
					     .data = o->data };

		memcpy(got.descriptor.dims, o->dims, sizeof(got.descriptor.dims));
		if (!verdict_compare(verdict, i, o->name, &got, &asked->set.wanted[i]))
			return false;
	}
	return true;
}

/* Until all that was asked has ended; whether the connection held. */
static bool wait_for(struct runner *runner, const struct asked *asked, unsigned n,
		     struct verdict *verdict)
{
	struct tensock_error error;

	for (unsigned i = 0; i < n; i++) {
		while (!asked[i].is_ended) {
			if (tensock_client_wait(runner->client, -1, &error) == TENSOCK_OK)
				continue;
			verdict_set(verdict, VERDICT_WRONG, "wait: %s", error.message);
			return false;
		}
	}
	return true;
}

static void free_asked(struct asked *asked, bool is_own)
{
	for (unsigned i = 0; is_own && i < asked->set.n_wanted; i++)
		free(asked->got[i].data);
	if (!is_own)
		tensock_outputs_done(asked->got, asked->set.n_wanted);
	case_set_done(&asked->set);
}

/* All sets of the model at once. */
static void run_sets(struct runner *runner, const struct tensock_model *model, const char *path,
		     bool is_own, struct verdict *verdict)
{
	unsigned n = case_sets(path), n_read = 0, n_asked = 0;
	struct asked *asked = calloc(n + 1, sizeof(*asked));
	bool is_right;

	must(asked, "memory");
	verdict_set(verdict, VERDICT_WRONG, n ? "its data cannot be read" : "it has no data");
	while (n_read < n && case_set_read(path, n_read, &asked[n_read].set))
		n_read++;
	is_right = n && n_read == n;
	while (is_right && n_asked < n) {
		is_right = ask(runner, model, is_own, &asked[n_asked], verdict);
		n_asked += is_right;
	}
	is_right = wait_for(runner, asked, n_asked, verdict) && is_right;
	for (unsigned i = 0; is_right && i < n; i++)
		is_right = compare(&asked[i], verdict);
	if (is_right)
		verdict_set(verdict, VERDICT_RIGHT, " ");
	for (unsigned i = 0; i < n_read + (n_read < n); i++)
		free_asked(&asked[i], is_own);
	free(asked);
}

static void run_model(struct runner *runner, size_t i, struct verdict *verdict)
{
	const char *path = runner->cases->paths[i];
	const struct tensock_push_options options = { .size = sizeof(options),
						      .name = case_name(path) };
	struct tensock_model *model = NULL;
	struct tensock_error error;
	size_t n = 0;
	void *bytes = case_read_model(path, &n);

	if (tensock_push(runner->client, bytes, n, &options, &model, &error) == TENSOCK_OK) {
		run_sets(runner, model, path, i % 2, verdict);
		if (tensock_unload(runner->client, model, 1, &error) != TENSOCK_OK &&
		    verdict->class == VERDICT_RIGHT)
			verdict_set(verdict, VERDICT_WRONG, "unload: %s", error.message);
	} else {
		verdict_set_refused(verdict, "load", &error);
		verdict->died = error.status == TENSOCK_WORKER_DIED;
	}
	tensock_model_free(model);
	free(bytes);
}

static void *run_share(void *arg)
{
	struct runner *runner = arg;

	for (size_t i = 0; i < runner->cases->n; i++) {
		if (runner->owners[i] == runner->index)
			run_model(runner, i, &runner->verdicts[i]);
	}
	return NULL;
}

/* By the model's bytes (FNV-1a). */
static unsigned owner(const char *path)
{
	size_t n = 0;
	unsigned char *bytes = case_read_model(path, &n);
	uint32_t hash = 2166136261;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ bytes[i]) * 16777619;
	free(bytes);
	return hash % CONNECTIONS;
}

/* All that was pushed has been removed. */
static bool is_nothing_left(struct tensock_client *client)
{
	struct tensock_model **models;
	struct tensock_error error;
	size_t n;

	if (tensock_list(client, &models, &n, &error) != TENSOCK_OK) {
		printf("list: %s\n", error.message);
		return false;
	}
	if (n)
		printf("wrong: %zu models are left\n", n);
	tensock_models_free(models, n);
	return !n;
}

static struct tensock_client *connect_to(const char *address)
{
	const struct tensock_client_options options = { .size = sizeof(options),
							.timeout_ms = 120000,
							.reconnects_max = UINT32_MAX,
							.program = "conformance" };
	struct tensock_client *client;
	struct tensock_error error;

	if (tensock_client_new(address, &options, &client, &error) != TENSOCK_OK ||
	    tensock_client_connect(client, &error) != TENSOCK_OK) {
		printf("%s: %s\n", address, error.message);
		exit(1);
	}
	return client;
}

static bool run_all(const struct cases *cases, const char *address, struct verdict *verdicts)
{
	struct runner runners[CONNECTIONS];
	unsigned *owners = calloc(cases->n, sizeof(*owners));
	bool is_clean;

	must(owners, "memory");
	for (size_t i = 0; i < cases->n; i++)
		owners[i] = owner(cases->paths[i]);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		runners[i] = (struct runner){ .cases = cases,
					      .owners = owners,
					      .index = i,
					      .client = connect_to(address),
					      .verdicts = verdicts };
		must(pthread_create(&runners[i].thread, NULL, run_share, &runners[i]) == 0,
		     "thread");
	}
	for (unsigned i = 0; i < CONNECTIONS; i++)
		pthread_join(runners[i].thread, NULL);
	is_clean = is_nothing_left(runners[0].client);
	for (unsigned i = 0; i < CONNECTIONS; i++)
		tensock_client_free(runners[i].client);
	free(owners);
	return is_clean;
}

static pid_t start(const char *tensockd, const char *listen, const char *path)
{
	struct stat st;
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM); /* however we end */
		execl(tensockd, tensockd, "--listen", listen, (char *)NULL);
		_exit(127);
	}
	for (unsigned i = 0; stat(path, &st) < 0; i++) {
		if (waitpid(pid, NULL, WNOHANG) != 0 || i > START_TIMEOUT_MS) {
			fputs("tensockd does not listen\n", stderr);
			exit(1);
		}
		usleep(1000);
	}
	return pid;
}

/* Whether it ends as it should. */
static bool stop(pid_t pid)
{
	int status;

	kill(pid, SIGTERM);
	for (unsigned i = 0; waitpid(pid, &status, WNOHANG) == 0; i++) {
		if (i == STOP_TIMEOUT_MS)
			kill(pid, SIGKILL);
		usleep(1000);
	}
	if (status != 0)
		printf("wrong: tensockd's end: status %#x\n", (unsigned)status);
	return status == 0;
}

/* Starts the daemon in a folder of its own; the exit status. */
static int test(const struct cases *cases, const char *tensockd, bool verbose)
{
	char folder[] = "/tmp/tensock-conformance.XXXXXX", path[sizeof(folder) + 16],
	     listen[sizeof(path) + 16];
	struct verdict *verdicts = calloc(cases->n, sizeof(*verdicts));
	unsigned counts[VERDICT_CLASS_MAX] = { 0 };
	uint64_t begun_ns = tsk_now_ns();
	bool is_clean;
	pid_t pid;
	int rc;

	must(verdicts && mkdtemp(folder), "a temporary folder");
	snprintf(path, sizeof(path), "%s/local.sock", folder);
	snprintf(listen, sizeof(listen), "unix:%s", path);
	pid = start(tensockd, listen, path);
	is_clean = run_all(cases, listen, verdicts);
	is_clean = stop(pid) && is_clean;
	rmdir(folder);
	for (size_t i = 0; i < cases->n; i++)
		verdict_count(&verdicts[i], case_name(cases->paths[i]), verbose, counts);
	rc = verdict_print(counts, begun_ns);
	free(verdicts);
	return is_clean ? rc : 1;
}

int main(int argc, char **argv)
{
	const char *folder = argc > 2 ? argv[2] : CASES_FOLDER;
	struct cases cases = { 0 };
	int rc;

	if (argc < 2) {
		fprintf(stderr, "usage: through_daemon TENSOCKD [DATA_FOLDER [-v]]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	cases_find(&cases, folder);
	if (!cases.n) {
		printf("skipped: there are no models in %s (Debian: libonnx-testdata)\n", folder);
		return CASES_SKIPPED;
	}
	rc = test(&cases, argv[1], argc > 3);
	cases_done(&cases);
	return rc;
}
