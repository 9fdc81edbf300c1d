/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "supervisor/takeover.h"

#define VMS_MAX 256u

static const char help[] =
	"usage: tensockd [--config FILE] [--listen ADDRESS]... [--vm NAME=VHOST_SOCKET[,cid=N][,uds=PATH]]...\n"
	"                [--engine NAME]...\n"
	"\n"
	"Runs the neural networks that virtual machines send over vsock.\n"
	"\n"
	"  -c, --config FILE      read FILE, see tensockd.conf(5)\n"
	"  -l, --listen ADDRESS   listen there, and not on the default addresses (repeatable):\n"
	"                           vsock:PORT           the kernel's vsock\n"
	"                           unix:PATH            programs of this host\n"
	"                           hybrid:NAME=PATH     PATH_9999, for the VM of that name (Firecracker, ...)\n"
	"                           tcp:127.0.0.1:PORT   loopback only\n"
	"  -m, --vm NAME=VHOST_SOCKET[,cid=N][,uds=PATH]\n"
	"                         a VM with the built-in vhost-user-vsock device (repeatable).  Its other\n"
	"                         ports: PATH_PORT from the guest, PATH and \"CONNECT PORT\" to the guest\n"
	"      --engine NAME      run models by this engine only (repeatable, preferred ones first):\n"
	"                         onnxruntime, mindspore_lite, or one of FILE's\n"
	"      --allow-unsandboxed[=FEATURE,...]  start though the kernel lacks what seals fronts and workers\n"
	"      --control PATH     where \"tensock attach\" finds this daemon; none: nowhere\n"
	"      --log-level LEVEL  error, warning, info (the default) or debug\n"
	"  -h, --help             print this\n"
	"  -V, --version          print the version\n"
	"\n"
	"Without --listen: the local socket (/run/tensock/tensock.sock as root, else\n"
	"$XDG_RUNTIME_DIR/tensock/tensock.sock), control.sock beside it, and vsock:9999.\n";

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "listen", required_argument, NULL, 'l' },
	{ "vm", required_argument, NULL, 'm' },
	{ "control", required_argument, NULL, 'C' },
	{ "engine", required_argument, NULL, 'E' },
	{ "allow-unsandboxed", optional_argument, NULL, 'U' },
	{ "log-level", required_argument, NULL, 'L' },
	/* Asked by the tensockd whose place this one is to take: upgrade.c. */
	{ "can-take-over", required_argument, NULL, 'T' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

/* The command line as it stands: the file has to be read before it. */
struct command_line {
	const char *config_path, *control, *may_lack;
	const char *takeover_tag; /* NULL: not asked */
	const char *listens[CONFIG_LISTENS_MAX];
	const char *vms[VMS_MAX];
	const char *engines[ENGINES_MAX];
	unsigned n_listens, n_vms, n_engines;
	int log_level; /* -1: not given */
	bool done;
};

static int add_text(const char **texts, unsigned *n, unsigned max, const char *what,
		    struct tensock_error *reterr)
{
	if (*n == max)
		return tsk_fail(reterr, TENSOCK_LIMIT_REACHED, "more than %u times %s", max, what);
	texts[(*n)++] = optarg;
	return 0;
}

/* What getopt_long() gave back as `option`, of the command line in argv. */
static int take_option(struct command_line *line, int option, char **argv,
		       struct tensock_error *reterr)
{
	switch (option) {
	case 'c':
		line->config_path = optarg;
		return 0;
	case 'l':
		return add_text(line->listens, &line->n_listens, CONFIG_LISTENS_MAX, "--listen",
				reterr);
	case 'm':
		return add_text(line->vms, &line->n_vms, VMS_MAX, "--vm", reterr);
	case 'C':
		line->control = optarg;
		return 0;
	case 'E':
		return add_text(line->engines, &line->n_engines, ENGINES_MAX, "--engine", reterr);
	case 'U':
		line->may_lack = optarg ? optarg : "yes";
		return 0;
	case 'L':
		line->log_level = tsk_log_level_from_name(optarg);
		if (line->log_level < 0)
			return tsk_fail(
				reterr, TENSOCK_INVALID_ARGUMENT,
				"--log-level: '%.80s' is no level; write error, warning, info or debug",
				optarg);
		return 0;
	case 'T':
		line->takeover_tag = optarg;
		return 0;
	case 'h':
		fputs(help, stdout);
		line->done = true;
		return 0;
	case 'V':
		puts("tensockd " TENSOCK_VERSION);
		line->done = true;
		return 0;
	case ':':
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"'%.80s' lacks its value; see tensockd --help", argv[optind - 1]);
	default:
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"'%.80s' is no option of tensockd; see tensockd --help",
				argv[optind - 1]);
	}
}

static int read_line(int argc, char **argv, struct command_line *line, struct tensock_error *reterr)
{
	int option;

	optind = 0; /* starts anew, also when it is called a second time */
	while ((option = getopt_long(argc, argv, ":c:l:m:hV", long_options, NULL)) != -1) {
		int r = take_option(line, option, argv, reterr);

		if (r < 0 || line->done)
			return r;
	}
	if (optind < argc)
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"'%.80s' is too much: tensockd takes options only; see tensockd --help",
			argv[optind]);
	return 0;
}

static int apply(const struct command_line *line, struct config *config,
		 const struct config *running, struct tensock_error *reterr)
{
	if (line->n_listens)
		config->n_listens = 0;
	for (unsigned i = 0; i < line->n_listens; i++) {
		int r = config_add_listen(config, line->listens[i], reterr);

		if (r < 0) {
			tsk_error_prefix(reterr, "--listen");
			return r;
		}
	}
	for (unsigned i = 0; i < line->n_vms; i++) {
		int r = config_set_vm(config, line->vms[i], reterr);

		if (r < 0) {
			tsk_error_prefix(reterr, "--vm");
			return r;
		}
	}
	for (unsigned i = 0; i < line->n_engines; i++) {
		if (config_add_engine(config, line->engines[i], reterr) < 0) {
			tsk_error_prefix(reterr, "--engine");
			return -EINVAL;
		}
	}
	if (line->control && config_set_control(config, line->control, reterr) < 0) {
		tsk_error_prefix(reterr, "--control");
		return -EINVAL;
	}
	if (line->may_lack && config_set_may_lack(config, line->may_lack, reterr) < 0)
		return -EINVAL;
	if (line->log_level >= 0)
		config->log_level = line->log_level;
	if (running && config_carry(config, running, reterr) < 0)
		return -EINVAL;
	return config_finish(config, reterr);
}

static int check_tag(const char *theirs, struct tensock_error *reterr)
{
	char ours[TAKEOVER_TAG_SIZE];

	takeover_tag(ours);
	if (strcmp(theirs, ours) == 0)
		return OPTIONS_CHECK;
	return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
			"tensockd " TENSOCK_VERSION " cannot take over from the one that runs "
			"(%.20s, not %s): restart it",
			theirs, ours);
}

int options_read(int argc, char **argv, struct config *config, const struct config *running,
		 struct tensock_error *reterr)
{
	struct command_line line = { .log_level = -1 };
	int r = read_line(argc, argv, &line, reterr);

	if (r < 0)
		return r;
	if (line.done)
		return OPTIONS_DONE;
	if (line.config_path)
		r = config_load(config, line.config_path, reterr);
	if (r == 0)
		r = apply(&line, config, running, reterr);
	if (r < 0 || !line.takeover_tag)
		return r < 0 ? r : OPTIONS_RUN;
	return check_tag(line.takeover_tag, reterr);
}
