/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's program on libtensock that asks as fast as it is answered.
 *
 *   native ADDRESS MODEL SHAPE C SECONDS [identity] [alloc]
 *
 * C connections, one request at a time on each, all in one thread by the calls that do not block.  SHAPE:
 * of the first input, FP32, as 1,3,48,192.  identity: the first output must have the bytes of the input.
 * alloc: both lie in memory of the library's.
 * Prints "p50_us p99_us requests_per_s requests".
 */
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tensock/tensock.h>

#include "latencies.h"

#define CONNECTIONS_MAX 256

struct bench {
	struct tensock_input input; /* but data */
	bool is_identity, is_allocated;
	double seconds;
	uint64_t began_ns, end_ns, ended_ns; /* 0: not yet */
	unsigned n_warm, n_running, n;
	struct latencies latencies;
};

struct connection {
	struct bench *bench;
	struct tensock_client *client;
	struct tensock_model *model;
	struct tensock_input input;
	struct tensock_output output;
	uint64_t count, before_ns;
	bool is_waiting; /* for others to be warm */
};

static struct connection connections[CONNECTIONS_MAX];

static void die(const char *what, const char *why)
{
	fprintf(stderr, "native: %s: %s\n", what, why);
	exit(1);
}

static void check(int status, const char *what, const struct tensock_error *error)
{
	if (status != TENSOCK_OK)
		die(what, error->message);
}

static void done(void *user, const struct tensock_error *error);

static void ask(struct connection *c)
{
	const struct tensock_completion completion = { .done = done, .user = c };
	struct tensock_request *request;
	struct tensock_error error;

	if (c->bench->is_identity)
		stamp((void *)(uintptr_t)c->input.data, c->input.bytes, c->count);
	c->output.flags = 0;
	c->before_ns = bench_now_ns();
	check(tensock_infer_start(c->client, c->model, &c->input, 1, &c->output, 1, NULL,
				  &completion, &request, &error),
	      "infer", &error);
}

static void start_counting(struct bench *bench)
{
	bench->began_ns = bench_now_ns();
	bench->end_ns = bench->began_ns + (uint64_t)(bench->seconds * 1e9);
	for (unsigned i = 0; i < bench->n; i++) {
		if (connections[i].is_waiting)
			ask(&connections[i]);
	}
}

static void done(void *user, const struct tensock_error *error)
{
	uint64_t now_ns = bench_now_ns();
	struct connection *c = user;
	struct bench *bench = c->bench;

	if (error)
		die("infer", error->message);
	if (bench->is_identity && (c->output.bytes != c->input.bytes ||
				   !is_stamped(c->output.data, c->output.bytes, c->count)))
		die("identity", "the bytes are not those that were sent");
	if (c->count++ >= warm_up(c->input.bytes))
		latencies_add(&bench->latencies, now_ns - c->before_ns);
	if (c->count == warm_up(c->input.bytes)) {
		c->is_waiting = true;
		if (++bench->n_warm == bench->n)
			start_counting(bench);
	} else if (!bench->end_ns || now_ns < bench->end_ns) {
		ask(c);
	} else {
		bench->ended_ns = now_ns;
		bench->n_running--;
	}
}

/* Memory for tensors; the client is connected. */
static void *allocate(const struct connection *c)
{
	uint64_t bytes = c->bench->input.bytes;
	struct tensock_error error;
	void *data;

	if (c->bench->is_allocated)
		check(tensock_alloc(c->client, bytes, &data, &error), "alloc", &error);
	else if (!(data = aligned_alloc(64, (bytes + 63) & ~UINT64_C(63))))
		die("tensors", "not enough memory");
	return data;
}

static void fill_input(const struct bench *bench, void *data)
{
	fill(data, bench->input.bytes);
	/* Numbers that a model may see. */
	for (uint64_t i = 0; !bench->is_identity && i < bench->input.bytes / sizeof(float); i++)
		((float *)data)[i] = (float)(i % 255) / 255.0f;
}

/* Else the output's memory is made by the first, blocking request. */
static void open_connection(struct connection *c, struct bench *bench, const char *address,
			    const char *path)
{
	struct tensock_error error;
	void *data;

	*c = (struct connection){ .bench = bench, .input = bench->input };
	check(tensock_client_new(address, NULL, &c->client, &error), "client", &error);
	check(tensock_push_file(c->client, path, NULL, &c->model, &error), path, &error);
	data = allocate(c);
	fill_input(bench, data);
	c->input.data = data;
	if (bench->is_allocated) {
		c->output.data = allocate(c);
		c->output.capacity = bench->input.bytes;
	}
	check(tensock_infer(c->client, c->model, &c->input, 1, &c->output, 1, NULL, &error),
	      "infer", &error);
	c->output.capacity = c->output.bytes;
}

static void close_connection(struct connection *c)
{
	if (c->bench->is_identity && memcmp(c->input.data, c->output.data, c->input.bytes) != 0)
		die("identity", "the bytes are not those that were sent");
	if (!c->bench->is_allocated) {
		free(c->output.data);
		free((void *)(uintptr_t)c->input.data);
	}
	tensock_model_free(c->model);
	tensock_client_free(c->client);
}

static void turn(struct bench *bench)
{
	struct pollfd polls[CONNECTIONS_MAX];
	struct tensock_error error;
	int timeout_ms = -1;

	for (unsigned i = 0; i < bench->n; i++) {
		int one_ms = tensock_client_get_timeout(connections[i].client);

		polls[i].fd = tensock_client_get_fd(connections[i].client);
		polls[i].events = tensock_client_get_events(connections[i].client);
		if (one_ms >= 0 && (timeout_ms < 0 || one_ms < timeout_ms))
			timeout_ms = one_ms;
	}
	if (poll(polls, bench->n, timeout_ms) < 0)
		die("poll", "interrupted");
	for (unsigned i = 0; i < bench->n; i++) {
		/* Without a word from the socket, its time may have come. */
		if (polls[i].revents || tensock_client_get_timeout(connections[i].client) == 0)
			check(tensock_client_process(connections[i].client, &error), "process",
			      &error);
	}
}

static void read_shape(const char *text, struct tensock_input *ret)
{
	char *rest = (char *)(uintptr_t)text;

	ret->dtype = TENSOCK_FLOAT32;
	while (ret->rank < TENSOCK_RANK_MAX) {
		ret->dims[ret->rank++] = strtoll(rest, &rest, 10);
		if (*rest != ',')
			break;
		rest++;
	}
	if (tensock_tensor_bytes(ret->dtype, ret->dims, ret->rank, &ret->bytes) != TENSOCK_OK ||
	    ret->bytes < 16)
		die(text, "is no shape of 16 bytes or more");
}

int main(int argc, char **argv)
{
	struct bench bench = { 0 };

	for (int i = 6; i < argc; i++) {
		bench.is_identity |= strcmp(argv[i], "identity") == 0;
		bench.is_allocated |= strcmp(argv[i], "alloc") == 0;
	}
	if (argc < 6 || argc != 6 + bench.is_identity + bench.is_allocated) {
		fputs("usage: native ADDRESS MODEL SHAPE C SECONDS [identity] [alloc]\n", stderr);
		return 2;
	}
	read_shape(argv[3], &bench.input);
	bench.n = bench.n_running = (unsigned)strtoul(argv[4], NULL, 10);
	bench.seconds = strtod(argv[5], NULL);
	if (bench.n < 1 || bench.n > CONNECTIONS_MAX)
		die("C", "1 to 256");
	for (unsigned i = 0; i < bench.n; i++)
		open_connection(&connections[i], &bench, argv[1], argv[2]);
	for (unsigned i = 0; i < bench.n; i++)
		ask(&connections[i]);
	while (bench.n_running)
		turn(&bench);
	for (unsigned i = 0; i < bench.n; i++)
		close_connection(&connections[i]);
	latencies_print(&bench.latencies, bench.ended_ns - bench.began_ns);
	return 0;
}
