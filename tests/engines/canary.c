/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine for tests that tries to get out of its process.  The model is a text: "TSKCANARY WHEN
 * WHAT", WHEN load or run, WHAT one of the attacks below, or "ask": all questions.  Its one output, FP32
 * [32], are the errnos that the questions got when the model was loaded, and then those of the run; 0
 * where one was granted, -1 behind the last.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <tensock/engine.h>

#define MAGIC "TSKCANARY"
#define HALF 16u

struct model {
	char when[16], what[16];
	float errnos[2 * HALF];
};

static const struct tensock_tensor_info input = {
	.name = "x", .dtype = TENSOCK_FLOAT32, .rank = 1, .dims = { 4 }
};
static const struct tensock_tensor_info output = {
	.name = "errnos", .dtype = TENSOCK_FLOAT32, .rank = 1, .dims = { 2 * HALF }
};
static const struct tensock_model_description description = { .size = sizeof(description),
							      .n_inputs = 1,
							      .n_outputs = 1,
							      .inputs = &input,
							      .outputs = &output };

/* Questions: refused with an error, as an engine may ask them in good faith. */

static long ask_file(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static long ask_new_file(void)
{
	return open("/tmp/tensock-canary", O_WRONLY | O_CREAT, 0600);
}

static long ask_here(void)
{
	return open(".", O_RDONLY | O_DIRECTORY);
}

static long ask_internet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long ask_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long ask_vsock(void)
{
	return socket(AF_VSOCK, SOCK_STREAM, 0);
}

static long ask_memfd(void)
{
	return memfd_create("canary", 0);
}

static long ask_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long ask_code_later(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static long ask_process(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return pid;
}

static long ask_shared_memory(void)
{
	return shmget(1, 4096, IPC_CREAT);
}

static long ask_flags(void)
{
	return fcntl(3, F_SETFL, 0);
}

static long ask_limits(void)
{
	struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };

	return setrlimit(RLIMIT_AS, &none);
}

static long ask_traceable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long ask_watch(void)
{
	return inotify_init1(0);
}

static long ask_removal(void)
{
	return unlink("/tmp/tensock-canary");
}

static long (*const questions[])(void) = {
	ask_file,   ask_new_file,  ask_here,       ask_internet, ask_unix,          ask_vsock,
	ask_memfd,  ask_code,      ask_code_later, ask_process,  ask_shared_memory, ask_flags,
	ask_limits, ask_traceable, ask_watch,      ask_removal,
};
_Static_assert(sizeof(questions) / sizeof(questions[0]) == HALF, "a question lacks its place");

static void ask_all(float *ret)
{
	for (unsigned i = 0; i < HALF; i++)
		ret[i] = questions[i]() < 0 ? (float)errno : 0.0F;
}

/* Attacks: who tries is ended.  None would do harm if it were let. */

static void do_execve(void)
{
	execl("/bin/true", "true", NULL);
}

static void do_ptrace(void)
{
	ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static void do_kill(void)
{
	kill(-1, 0);
}

static void do_memory(void)
{
	process_vm_readv(1, NULL, 0, NULL, 0, 0);
}

static void do_mount(void)
{
	mount("none", "/", "tmpfs", 0, NULL);
}

static void do_unshare(void)
{
	syscall(SYS_unshare, CLONE_NEWUSER);
}

static void do_setuid(void)
{
	syscall(SYS_setuid, 0);
}

static void do_bpf(void)
{
	syscall(SYS_bpf, 0, NULL, 0);
}

static void do_io_uring(void)
{
	syscall(SYS_io_uring_setup, 1, NULL);
}

static const struct {
	const char *name;
	void (*act)(void);
} attacks[] = {
	{ "execve", do_execve }, { "ptrace", do_ptrace }, { "kill", do_kill },
	{ "memory", do_memory }, { "mount", do_mount },   { "unshare", do_unshare },
	{ "setuid", do_setuid }, { "bpf", do_bpf },       { "io_uring", do_io_uring },
};

static void misbehave(struct model *model, const char *when)
{
	if (strcmp(model->what, "ask") == 0)
		ask_all(model->errnos + (strcmp(when, "run") == 0 ? HALF : 0));
	for (unsigned i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		if (strcmp(model->when, when) == 0 && strcmp(model->what, attacks[i].name) == 0)
			attacks[i].act();
	}
}

static uint32_t probe(const void *bytes, uint64_t n_bytes, const char **ret_format)
{
	if (n_bytes < strlen(MAGIC) || memcmp(bytes, MAGIC, strlen(MAGIC)) != 0)
		return 0;
	*ret_format = "canary";
	return 100;
}

static uint32_t open_engine(const struct tensock_host *host, void **ret_engine,
			    struct tensock_error *reterr)
{
	static char engine;

	(void)host;
	(void)reterr;
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

	(void)engine;
	(void)reterr;
	if (!model || !text)
		abort();
	(void)sscanf(text, MAGIC " %15s %15s", model->when, model->what);
	free(text);
	for (unsigned i = 0; i < 2 * HALF; i++)
		model->errnos[i] = -1;
	misbehave(model, "load");
	*ret_model = model;
	return TENSOCK_OK;
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

static uint32_t run(void *arg, uint64_t run_id, const struct tensock_tensor *inputs,
		    uint32_t n_inputs, struct tensock_tensor *outputs, uint32_t n_outputs,
		    struct tensock_error *reterr)
{
	struct model *model = arg;

	(void)run_id;
	(void)inputs;
	(void)n_inputs;
	(void)reterr;
	misbehave(model, "run");
	if (n_outputs != 1 || !outputs[0].data || outputs[0].bytes != sizeof(model->errnos))
		return TENSOCK_INVALID_ARGUMENT;
	memcpy(outputs[0].data, model->errnos, sizeof(model->errnos));
	return TENSOCK_OK;
}

const struct tensock_engine *tensock_engine_entry(void)
{
	static const struct tensock_engine engine = {
		.size = sizeof(engine),
		.abi_major = TENSOCK_ENGINE_ABI_MAJOR,
		.name = "canary",
		.probe = probe,
		.open = open_engine,
		.close = close_engine,
		.version = version,
		.load = load,
		.unload = unload,
		.describe = describe,
		.run = run,
	};

	return &engine;
}
