/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "sandbox/feature.h"
#include "supervisor/spawn.h"

/* Threads of a front, or of a worker beside its engines'; runs at once where nothing is said. */
#define PIDS_A_PROCESS 32u
#define PARALLEL_DEFAULT_MAX 4u

/*
 * Of fronts and workers: who answers a guest is not to wait for the whole turn of one that computes, or of
 * another program.  It is no larger share: they have their turns more often, and shorter ones.
 */
#define SLICE_NS 100000u

/* The folder of this program, without '/' at its end. */
static int own_folder(char ret[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", ret, PATH_MAX - 1);
	char *slash;

	if (len < 0)
		return -errno;
	ret[len] = '\0';
	slash = strrchr(ret, '/');
	if (!slash)
		return -ENOENT;
	*slash = '\0';
	return 0;
}

/* name in folder, or in installed; *ret is set to the first that this process may use so. */
static int find(const char *folder, const char *installed, const char *name, int mode,
		char ret[PATH_MAX], struct tensock_error *reterr)
{
	const char *const folders[] = { folder, installed };

	for (unsigned i = 0; i < ARRAY_SIZE(folders); i++) {
		int n = snprintf(ret, PATH_MAX, "%s/%s", folders[i], name);

		if (n > 0 && n < PATH_MAX && access(ret, mode) == 0)
			return 0;
	}
	return tsk_fail(reterr, TENSOCK_UNAVAILABLE,
			"%s is neither in %.60s nor in %.60s; build or install all of Tensock",
			name, folder, installed);
}

static int find_library(struct launcher_engine *ret, const struct engine *engine,
			struct tensock_error *reterr)
{
	char path[PATH_MAX];

	if (!engine->library[0])
		return 0;
	if (!realpath(engine->library, path))
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE, "the library of engine %s, %.100s: %s",
				engine->name, engine->library, strerror(errno));
	if (snprintf(ret->library_option, sizeof(ret->library_option), "library=%s", path) >=
	    (int)sizeof(ret->library_option))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"the library of engine %s has too long a path", engine->name);
	return 0;
}

static int find_plugin(struct launcher_engine *ret, const struct engine *engine, const char *folder,
		       struct tensock_error *reterr)
{
	char name[FRONT_NAME_SIZE + 32];

	if (!engine->plugin[0]) {
		snprintf(name, sizeof(name), "tensock-engine-%s.so", engine->name);
		return find(folder, TENSOCK_LIBDIR, name, R_OK, ret->plugin, reterr);
	}
	/* The worker's working directory is another one. */
	if (!realpath(engine->plugin, ret->plugin))
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE, "the plug-in of engine %s, %.100s: %s",
				engine->name, engine->plugin, strerror(errno));
	return 0;
}

static int find_engine(struct launcher *launcher, const struct engine *engine, const char *folder,
		       struct tensock_error *reterr)
{
	struct launcher_engine *ret = &launcher->engines[launcher->n_engines];
	int r;

	*ret = (struct launcher_engine){ .may_be_missing = engine->may_be_missing };
	r = find_plugin(ret, engine, folder, reterr);
	/* Who packages Tensock may leave it out. */
	if (r < 0 && engine->may_be_missing)
		return 0;
	if (r == 0)
		r = find_library(ret, engine, reterr);
	if (r < 0)
		return r;
	snprintf(ret->name, sizeof(ret->name), "%s", engine->name);
	snprintf(ret->threads_option, sizeof(ret->threads_option), "threads=%llu",
		 (unsigned long long)engine->threads);
	if (engine->parallel)
		snprintf(ret->parallel_option, sizeof(ret->parallel_option), "parallel=%llu",
			 (unsigned long long)engine->parallel);
	if (engine->fp16 >= 0)
		snprintf(ret->fp16_option, sizeof(ret->fp16_option), "fp16=%s",
			 engine->fp16 ? "yes" : "no");
	launcher->generates_code |= engine->generates_code == 1;
	launcher->n_engines++;
	return 0;
}

int launcher_find_programs(struct launcher *launcher, const struct engines *engines,
			   struct tensock_error *reterr)
{
	char folder[PATH_MAX];
	int r = own_folder(folder);

	if (r < 0)
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE,
				"this program's own folder cannot be found (is /proc mounted?): %s",
				strerror(-r));
	r = find(folder, TENSOCK_LIBEXECDIR, "tensock-front", X_OK, launcher->front, reterr);
	if (r == 0)
		r = find(folder, TENSOCK_LIBEXECDIR, "tensock-worker", X_OK, launcher->worker,
			 reterr);
	launcher->n_engines = 0;
	launcher->generates_code = false;
	for (unsigned i = 0; i < engines->n && r == 0; i++)
		r = find_engine(launcher, &engines->list[i], folder, reterr);
	if (r == 0 && !launcher->n_engines)
		r = tsk_fail(reterr, TENSOCK_UNAVAILABLE,
			     "no engine is left: the plug-in of %s is missing",
			     engines->list[0].name);
	return r;
}

void launcher_take_programs(struct launcher *launcher, const struct launcher *found)
{
	memcpy(launcher->front, found->front, sizeof(found->front));
	memcpy(launcher->worker, found->worker, sizeof(found->worker));
	memcpy(launcher->engines, found->engines, sizeof(found->engines));
	launcher->n_engines = found->n_engines;
	launcher->generates_code = found->generates_code;
}

static int find_helper(const char *name, char ret[PATH_MAX], struct tensock_error *reterr)
{
	char folder[PATH_MAX];

	if (own_folder(folder) < 0)
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE,
				"this program's own folder cannot be found");
	return find(folder, TENSOCK_LIBEXECDIR, name, X_OK, ret, reterr);
}

int launcher_find_store(struct launcher *launcher, struct tensock_error *reterr)
{
	return find_helper("tensock-store", launcher->store, reterr);
}

int launcher_find_metrics(struct launcher *launcher, struct tensock_error *reterr)
{
	return find_helper("tensock-metrics", launcher->metrics, reterr);
}

/* An empty folder that is gone from where it was made: -1 where none can be made. */
static int open_empty_folder(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	const char *const bases[] = { "/run", runtime && runtime[0] == '/' ? runtime : "/run",
				      "/tmp" };

	for (unsigned i = 0; i < ARRAY_SIZE(bases); i++) {
		char path[PATH_MAX];
		int fd;

		if (snprintf(path, sizeof(path), "%s/tensockd-XXXXXX", bases[i]) >= PATH_MAX ||
		    !mkdtemp(path))
			continue;
		fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		rmdir(path);
		if (fd >= 0)
			return fd;
	}
	return -1;
}

static bool are_cgroups_wanted(const struct config *config)
{
	bool are_wanted = limits_want_cgroup(&config->limits);

	for (unsigned i = 0; i < config->n_guests; i++)
		are_wanted |= limits_want_cgroup(&config->guests[i].limits);
	return are_wanted;
}

static void find_cgroups(struct launcher *launcher)
{
	char root[PATH_MAX];
	int r = cgroup_find_own(root, sizeof(root));

	if (r == 0)
		r = cgroups_init(&launcher->cgroups, root);
	if (r == 0)
		tsk_debug("each guest has a cgroup, in %s", root);
	else if (are_cgroups_wanted(launcher->config))
		tsk_warning(
			"cpu-quota and max-process-memory are not in force, and cpu-weight only "
			"as a nice value: this daemon has no cgroup of version 2 that is its own "
			"to divide (%s; see tensockd.conf(5))",
			strerror(-r));
}

int launcher_init(struct launcher *launcher, uv_loop_t *loop, const struct config *config)
{
	*launcher = (struct launcher){ .loop = loop,
				       .config = config,
				       .cwd_fd = open_empty_folder(),
				       .may_lack = (unsigned)config->may_lack,
				       .log_level = (enum tsk_log_level)config->log_level,
				       .log_bits = log_setting_bits(&config->log) };
	if (launcher->cwd_fd < 0) {
		tsk_info(
			"no empty folder can be made in /run or /tmp: fronts and workers run in /");
		launcher->cwd_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	find_cgroups(launcher);
	return children_init(&launcher->children, loop);
}

void launcher_done(struct launcher *launcher)
{
	children_done(&launcher->children);
	cgroups_done(&launcher->cgroups);
	launcher->cwd_fd = tsk_close(launcher->cwd_fd);
}

/* What the engines' threads may come to, and what each process has beside. */
static uint64_t pids_of(const struct launcher *launcher, const struct limits *limits)
{
	const struct engines *engines = &launcher->config->engines;
	uint64_t a_worker = PIDS_A_PROCESS;

	for (unsigned i = 0; i < engines->n; i++) {
		uint64_t parallel = engines->list[i].parallel;

		a_worker += engines->list[i].threads * (parallel ? parallel : PARALLEL_DEFAULT_MAX);
	}
	return PIDS_A_PROCESS + limits->value[LIMIT_WORKERS] * a_worker;
}

/* What stands for the weight where there are no cgroups. */
static int nice_of(const struct launcher *launcher, const char *guest)
{
	uint64_t weight = config_limits(launcher->config, guest)->value[LIMIT_CPU_WEIGHT];

	if (launcher->cgroups.root[0] || weight == CGROUP_WEIGHT_DEFAULT)
		return 0;
	return cgroup_nice(weight);
}

/* Its share of the host, as the operator has it.  The process has seen nothing of the guest yet. */
static void set_share(struct launcher *launcher, const char *guest, pid_t pid)
{
	const struct limits *limits = config_limits(launcher->config, guest);
	const struct cgroup_limits bounds = {
		.cpu_weight = limits->value[LIMIT_CPU_WEIGHT],
		.cpu_percent = limits->value[LIMIT_CPU_PERCENT],
		.memory_bytes = limits->value[LIMIT_PROCESS_BYTES],
		.pids = pids_of(launcher, limits),
	};
	int r;

	if (!launcher->cgroups.root[0])
		return;
	r = cgroups_enter(&launcher->cgroups, guest, &bounds, pid);
	if (r < 0)
		log_about_refusal(&launcher->refusals, guest, "a process is not in its cgroup: %s",
				  strerror(-r));
}

static void tell_kernel(pid_t pid, const char *file, const char *value)
{
	char path[64];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, value, strlen(value)) < 0)
		tsk_debug("%s cannot be set: %s", file, strerror(errno));
}

/* Where the host's memory runs out, a model that can be loaded again goes first. */
static void offer_to_oom_killer(pid_t pid)
{
	tell_kernel(pid, "oom_score_adj", "1000");
}

/*
 * A nice value counts within a session only, where the kernel shares the processors between sessions
 * (sched_autogroup_enabled), and each process of ours has its own: so the session has it as well.
 */
static void set_session_nice(pid_t pid, int nice)
{
	char value[16];

	snprintf(value, sizeof(value), "%d", nice);
	if (nice)
		tell_kernel(pid, "autogroup", value);
}

int launcher_start_front(struct launcher *launcher, const char *guest, int log_fd, int control_fd,
			 pid_t *ret_pid)
{
	char *argv[] = { launcher->front, NULL };
	struct spawn front = { .argv = argv,
			       .control_fd = control_fd,
			       .cwd_fd = launcher->cwd_fd,
			       .log_fd = log_fd,
			       .slice_ns = SLICE_NS,
			       .nice = nice_of(launcher, guest) };
	int r = spawn_process(&front, ret_pid);

	if (r == 0) {
		set_share(launcher, guest, *ret_pid);
		set_session_nice(*ret_pid, front.nice);
	}
	return r;
}

/* One that serves all guests, and has seen nothing of any. */
static int start_helper(struct launcher *launcher, char *program, int control_fd, pid_t *ret_pid)
{
	char may_lack[SANDBOX_TEXT_SIZE];
	char *argv[] = { program, launcher->may_lack ? may_lack : NULL, NULL };
	struct spawn helper = { .argv = argv,
				.control_fd = control_fd,
				.cwd_fd = launcher->cwd_fd,
				.discard_stdout = true };

	sandbox_features_text(launcher->may_lack, may_lack);
	return spawn_process(&helper, ret_pid);
}

int launcher_start_store(struct launcher *launcher, int control_fd, pid_t *ret_pid)
{
	return start_helper(launcher, launcher->store, control_fd, ret_pid);
}

int launcher_start_metrics(struct launcher *launcher, int control_fd, pid_t *ret_pid)
{
	return start_helper(launcher, launcher->metrics, control_fd, ret_pid);
}

/* Its name and six options take 13, each engine up to 10. */
#define WORKER_ARGUMENTS_MAX (13 + 10 * ENGINES_MAX)

struct arguments {
	char *v[WORKER_ARGUMENTS_MAX + 1];
	unsigned n;
};

/* Not for writing, but exec's argv is not const. */
static void put(struct arguments *arguments, const char *text)
{
	arguments->v[arguments->n++] = (char *)(uintptr_t)text;
}

static void put_option(struct arguments *arguments, const char *option)
{
	if (!option[0])
		return;
	put(arguments, "--option");
	put(arguments, option);
}

static void put_engine(struct arguments *arguments, const struct launcher_engine *engine)
{
	put(arguments, engine->may_be_missing ? "--engine-if-present" : "--engine");
	put(arguments, engine->plugin);
	put_option(arguments, engine->threads_option);
	put_option(arguments, engine->parallel_option);
	put_option(arguments, engine->library_option);
	put_option(arguments, engine->fp16_option);
}

/* Texts that a worker's arguments point to. */
struct argument_texts {
	char memory[24], may_lack[SANDBOX_TEXT_SIZE];
};

static void put_sealing(struct arguments *arguments, const struct launcher *launcher,
			uint64_t memory_bytes, struct argument_texts *texts)
{
	snprintf(texts->memory, sizeof(texts->memory), "%llu", (unsigned long long)memory_bytes);
	put(arguments, "--memory");
	put(arguments, texts->memory);
	if (launcher->generates_code) {
		put(arguments, "--generates-code");
		put(arguments, "yes");
	}
	if (launcher->may_lack) {
		sandbox_features_text(launcher->may_lack, texts->may_lack);
		put(arguments, "--allow-unsandboxed");
		put(arguments, texts->may_lack);
	}
}

/* Those that the guest may use. */
static int put_engines(struct arguments *arguments, const struct launcher *launcher,
		       const char *guest)
{
	const struct rights *rights = config_rights(launcher->config, guest);
	unsigned n = 0;

	for (unsigned i = 0; i < launcher->n_engines; i++) {
		if (!rights_has_engine(rights, launcher->engines[i].name))
			continue;
		put_engine(arguments, &launcher->engines[i]);
		n++;
	}
	return launcher->n_engines && !n ? -ENOPKG : 0;
}

int launcher_start_worker(struct launcher *launcher, const char *guest, uint64_t memory_bytes,
			  int log_fd, int control_fd, pid_t *ret_pid)
{
	static const char *const levels[TSK_LOG_LEVEL_MAX] = { "error", "warning", "info",
							       "debug" };
	struct arguments arguments = { .n = 0 };
	struct argument_texts texts;
	int r;
	struct spawn worker = { .argv = arguments.v,
				.control_fd = control_fd,
				.cwd_fd = launcher->cwd_fd,
				.log_fd = log_fd,
				.slice_ns = SLICE_NS,
				.nice = nice_of(launcher, guest),
				.discard_stdout = true };

	put(&arguments, launcher->worker);
	put(&arguments, "--log-level");
	put(&arguments, levels[launcher->log_level]);
	if (launcher->log_bits & TSK_LOG_JSON) {
		put(&arguments, "--log-format");
		put(&arguments, "json");
	}
	put(&arguments, "--guest");
	put(&arguments, guest);
	put_sealing(&arguments, launcher, memory_bytes, &texts);
	r = put_engines(&arguments, launcher, guest);
	if (r == 0)
		r = spawn_process(&worker, ret_pid);
	if (r < 0)
		return r;
	set_share(launcher, guest, *ret_pid);
	set_session_nice(*ret_pid, worker.nice);
	offer_to_oom_killer(*ret_pid);
	return 0;
}
