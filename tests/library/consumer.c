/* SPDX-License-Identifier: Apache-2.0 */
/* A program of somebody else, in C99 and in C++17: every function of the library is there. */
#include <stdio.h>
#include <string.h>

#include <tensock/tensock.h>

static int failed;

static void check(int condition, const char *what)
{
	if (!condition) {
		printf("failed: %s\n", what);
		failed = 1;
	}
}

static void done(void *user, const struct tensock_error *error)
{
	*(int *)user = error ? (int)error->status : -1;
}

/* Nobody listens there: each function says so. */
static void use_client(struct tensock_client *client)
{
	struct tensock_error error;
	struct tensock_model *model = NULL, **models = NULL;
	struct tensock_counter *counters = NULL;
	struct tensock_completion completion;
	struct tensock_request *request = NULL;
	struct tensock_host_info host;
	struct tensock_push_options push;
	void *memory = NULL;
	size_t n = 0;
	uint64_t ns = 0;
	int status = 0;

	memset(&host, 0, sizeof(host));
	host.size = (uint32_t)sizeof(host);
	memset(&push, 0, sizeof(push));
	push.size = (uint32_t)sizeof(push);
	check(tensock_client_connect(client, &error) == TENSOCK_UNAVAILABLE, "connect");
	check(strstr(error.message, "unix:/nowhere/at/all") != NULL, error.message);
	check(tensock_client_host(client, &host, NULL) == TENSOCK_UNAVAILABLE, "host");
	check(tensock_ping(client, &ns, NULL) == TENSOCK_UNAVAILABLE, "ping");
	check(tensock_push(client, "x", 1, &push, &model, NULL) == TENSOCK_UNAVAILABLE, "push");
	check(tensock_push_file(client, "/nowhere/at/all", NULL, &model, NULL) == TENSOCK_NOT_FOUND,
	      "push_file");
	check(tensock_open(client, "name", NULL, &model, NULL) == TENSOCK_UNAVAILABLE, "open");
	check(tensock_list(client, &models, &n, NULL) == TENSOCK_UNAVAILABLE, "list");
	check(tensock_stats(client, &counters, &n, NULL) == TENSOCK_UNAVAILABLE, "stats");
	check(tensock_alloc(client, 5, &memory, NULL) == TENSOCK_OK && memory, "alloc");
	tensock_free(client, memory);
	completion.done = done;
	completion.user = &status;
	check(tensock_push_start(client, "x", 1, NULL, &model, &completion, &request, NULL) ==
		      TENSOCK_OK,
	      "push_start");
	tensock_request_cancel(request);
	check(tensock_client_get_fd(client) == -1, "get_fd");
	check(tensock_client_get_events(client) == 0, "get_events");
	check(tensock_client_get_timeout(client) == 0, "get_timeout");
	check(tensock_client_process(client, NULL) == TENSOCK_OK, "process");
	check(status == TENSOCK_CANCELLED, "cancel");
	check(tensock_client_wait(client, 0, NULL) == TENSOCK_OK, "wait");
	check(model == NULL && models == NULL && counters == NULL, "outputs are untouched");
}

int main(void)
{
	const int64_t dims[2] = { 3, 5 };
	struct tensock_client *client = NULL;
	struct tensock_client_options options;
	uint64_t bytes = 0;

	memset(&options, 0, sizeof(options));
	options.size = (uint32_t)sizeof(options);
	options.program = "consumer";
	check(strcmp(tensock_version(), VERSION) == 0, "version");
	check(strcmp(tensock_status_name(TENSOCK_TOO_LARGE), "too-large") == 0, "status_name");
	check(tensock_status_text(999)[0] && tensock_status_hint(-1)[0], "status_text");
	check(strcmp(tensock_dtype_name(TENSOCK_FLOAT32), "FP32") == 0, "dtype_name");
	check(tensock_dtype_from_name("BF16") == TENSOCK_BFLOAT16, "dtype_from_name");
	check(tensock_tensor_bytes(TENSOCK_FLOAT32, dims, 2, &bytes) == TENSOCK_OK && bytes == 60,
	      "tensor_bytes");
	check(tensock_client_new("unix:/nowhere/at/all", &options, &client, NULL) == TENSOCK_OK,
	      "client_new");
	if (client)
		use_client(client);
	tensock_client_free(client);
	tensock_client_free(NULL);
	tensock_model_free(NULL);
	tensock_models_free(NULL, 0);
	tensock_outputs_done(NULL, 0);
	printf(failed ? "failed\n" : "passed\n");
	return failed;
}
