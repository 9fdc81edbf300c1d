/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine for tests that fails as real ones do.  The model is a text: "TSKFAULT", then one word
 * that says when and how.  When: load, run.  How: segv, fpe, bus, abort, kill, exit, hang, spin, error, empty-error,
 * eat (memory, until there is none), garbage-control (a message that is none, to the front),
 * flood-control (such messages for ever), garbage-ring (noise over both rings, then go on),
 * garbage-reply (both), chatter (a hundred lines for the log, then go on), bad-output.  Without a fault it gives its one FP32 [4] input back.
 *
 * "TSKFAULT poison": several runs may be under way at once, and each takes a tenth of a second; one whose first input is
 * -666 ends the process in the middle of it.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tensock/engine.h>

#define MAGIC "TSKFAULT"
#define CONTROL_FD 3

struct model {
	char fault[64];
};

/* Opened before the process is sealed: an empty file, and what is mapped where. */
static int nothing_fd = -1;
static FILE *maps;
static const struct tensock_host *host;

static const struct tensock_tensor_info tensor = {
	.name = "x", .dtype = TENSOCK_FLOAT32, .rank = 1, .dims = { 4 }
};

static const struct tensock_model_description description = { .size = sizeof(description),
							      .n_inputs = 1,
							      .n_outputs = 1,
							      .inputs = &tensor,
							      .outputs = &tensor };

static void do_segv(void)
{
	volatile int *volatile nowhere = NULL;

	*nowhere = 1;
}

static void do_fpe(void)
{
	volatile int zero = 0, many = 1234;

	*(volatile int[]){ 0 } = many / zero;
	/* Where the processor does not mind. */
	raise(SIGFPE);
}

/* A page that the file behind it does not have. */
static void do_bus(void)
{
	volatile char *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, nothing_fd, 0);

	(void)page[0];
}

static void do_hang(void)
{
	/* What a sealed worker may wait by. */
	for (;;)
		poll(NULL, 0, -1);
}

static void do_spin(void)
{
	for (volatile int forever = 1; forever;)
		;
}

static void do_kill(void)
{
	kill(getpid(), SIGKILL);
}

static void do_exit(void)
{
	exit(0);
}

static void do_eat(void)
{
	for (;;) {
		char *p = malloc(1 << 24);

		if (!p)
			abort();
		memset(p, 1, 1 << 24);
	}
}

static void do_garbage_control(void)
{
	char noise[100];
	struct iovec iov = { .iov_base = noise, .iov_len = sizeof(noise) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	memset(noise, 0xa5, sizeof(noise));
	(void)!sendmsg(CONTROL_FD, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void do_flood_control(void)
{
	for (;;)
		do_garbage_control();
}

/* Finds the rings' mapping by its name. */
static void do_garbage_ring(void)
{
	unsigned long from, to;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps)) {
		if (strstr(line, "tensock-rings") && sscanf(line, "%lx-%lx", &from, &to) == 2)
			memset((void *)from, 0xa5, to - from);
	}
}

static void do_garbage_reply(void)
{
	do_garbage_ring();
	do_garbage_control();
}

static void do_chatter(void)
{
	for (unsigned i = 0; i < 100; i++)
		host->log(host->context, TENSOCK_LOG_WARNING, "as the model wished");
}

static const struct {
	const char *name;
	void (*act)(void);
} faults[] = {
	{ "segv", do_segv },
	{ "fpe", do_fpe },
	{ "bus", do_bus },
	{ "abort", abort },
	{ "kill", do_kill },
	{ "exit", do_exit },
	{ "hang", do_hang },
	{ "spin", do_spin },
	{ "eat", do_eat },
	{ "garbage-control", do_garbage_control },
	{ "flood-control", do_flood_control },
	{ "garbage-ring", do_garbage_ring },
	{ "garbage-reply", do_garbage_reply },
	{ "chatter", do_chatter },
};

/* "load:segv" at the time of "load:". */
static const char *fault_at(const struct model *model, const char *time)
{
	return strncmp(model->fault, time, strlen(time)) == 0 ? model->fault + strlen(time) : "";
}

static uint32_t misbehave(const struct model *model, const char *time, struct tensock_error *reterr)
{
	const char *fault = fault_at(model, time);

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		if (strcmp(fault, faults[i].name) == 0)
			faults[i].act();
	}
	if (strcmp(fault, "empty-error") == 0)
		return TENSOCK_ENGINE_FAILED;
	if (strcmp(fault, "error") != 0)
		return TENSOCK_OK;
	reterr->status = TENSOCK_ENGINE_FAILED;
	snprintf(reterr->message, sizeof(reterr->message), "as the model wished");
	return TENSOCK_ENGINE_FAILED;
}

static uint32_t probe(const void *bytes, uint64_t n_bytes, const char **ret_format)
{
	if (n_bytes < strlen(MAGIC) || memcmp(bytes, MAGIC, strlen(MAGIC)) != 0)
		return 0;
	*ret_format = "faulty";
	return 100;
}

static uint32_t open_engine(const struct tensock_host *its_host, void **ret_engine,
			    struct tensock_error *reterr)
{
	static char engine;

	(void)reterr;
	host = its_host;
	nothing_fd = memfd_create("nothing", MFD_CLOEXEC);
	maps = fopen("/proc/self/maps", "re");
	*ret_engine = &engine;
	return TENSOCK_OK;
}

static void close_engine(void *engine)
{
	(void)engine;
}

static const char *version(void *engine)
{
	(void)engine;
	return "1";
}

static uint32_t load(void *engine, const void *bytes, uint64_t n_bytes, void **ret_model,
		     struct tensock_error *reterr)
{
	struct model *model = calloc(1, sizeof(*model));
	char *text = strndup(bytes, n_bytes);
	uint32_t s;

	(void)engine;
	if (!model || !text)
		abort();
	(void)sscanf(text, MAGIC " %63s", model->fault);
	free(text);
	s = misbehave(model, "load:", reterr);
	if (s == TENSOCK_OK)
		*ret_model = model;
	else
		free(model);
	return s;
}

static void unload(void *model)
{
	free(model);
}

static const struct tensock_model_description *describe(void *model)
{
	(void)model;
	return &description;
}

static bool is_poison(const struct model *model)
{
	return strcmp(model->fault, "poison") == 0;
}

static void take_time(const float *values)
{
	poll(NULL, 0, 50);
	if (values && values[0] == -666.0F)
		abort();
	poll(NULL, 0, 50);
}

static uint32_t concurrency(void *model)
{
	return is_poison(model) ? UINT32_MAX : 1;
}

static uint32_t run(void *model, uint64_t run_id, const struct tensock_tensor *inputs,
		    uint32_t n_inputs, struct tensock_tensor *outputs, uint32_t n_outputs,
		    struct tensock_error *reterr)
{
	uint32_t s = misbehave(model, "run:", reterr);

	(void)run_id;
	if (is_poison(model))
		take_time(n_inputs ? inputs[0].data : NULL);
	if (s != TENSOCK_OK || n_inputs != 1 || n_outputs != 1)
		return s;
	if (strcmp(fault_at(model, "run:"), "bad-output") == 0 || !outputs[0].data) {
		outputs[0].rank = 1000;
		outputs[0].bytes = UINT64_MAX;
		return TENSOCK_OK;
	}
	memcpy(outputs[0].data, inputs[0].data, inputs[0].bytes);
	return TENSOCK_OK;
}

const struct tensock_engine *tensock_engine_entry(void)
{
	static const struct tensock_engine engine = {
		.size = sizeof(engine),
		.abi_major = TENSOCK_ENGINE_ABI_MAJOR,
		.name = "faulty",
		.probe = probe,
		.open = open_engine,
		.close = close_engine,
		.version = version,
		.load = load,
		.unload = unload,
		.describe = describe,
		.run = run,
		.concurrency = concurrency,
	};

	return &engine;
}
