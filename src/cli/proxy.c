/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/service_manager.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/proxy_loop.h"

static const char help[] =
	"usage: tensock proxy [--listen LOCAL[=HOST]]... [--max-connections N] [--allow-remote]\n"
	"\n"
	"In a guest: listens where clients of HTTP and gRPC look for a server, and carries each\n"
	"connection to the host, which tells the protocols apart.  So any client of the Open\n"
	"Inference Protocol works in a machine without a network card.  Runs until SIGTERM.\n"
	"\n"
	"  --listen LOCAL[=HOST]  repeatable; LOCAL is tcp:127.0.0.1:PORT, tcp:[::1]:PORT or\n"
	"                       unix:PATH, HOST where its connections go, else --host.  In the\n"
	"                       place of 127.0.0.1's ports 8000 (HTTP), 8001 (gRPC), 8002 (metrics)\n"
	"  --max-connections N  at once; one more is closed (default 1024)\n"
	"  --allow-remote       LOCAL may be an address that other machines reach: what comes from\n"
	"                       them is this guest's, to its host\n"
	"  --host ADDRESS       as in tensock --help, and TENSOCK_HOST\n"
	"  --json               print one JSON document once it listens\n"
	"\n"
	"A host that cannot be reached is tried for 2 s, then the client's connection is closed; the\n"
	"next one is tried again.\n";

#define LISTENS_MAX 64u
#define CONNECTIONS_DEFAULT 1024u
#define CONNECTIONS_MAX 65536u
#define LOG_NAME "tensock proxy"
#define LOG_LINES_A_SECOND 10u

static const char *const default_listens[] = { "tcp:127.0.0.1:8000", "tcp:127.0.0.1:8001",
					       "tcp:127.0.0.1:8002" };

enum {
	LISTEN = 1,
	MAX_CONNECTIONS,
	ALLOW_REMOTE
};

static const struct arg_option options[] = {
	{ "listen", '\0', true, LISTEN },
	{ "max-connections", '\0', true, MAX_CONNECTIONS },
	{ "allow-remote", '\0', false, ALLOW_REMOTE },
	CLI_OPTIONS_END,
};

struct line {
	const char *listens[LISTENS_MAX];
	unsigned n_listens;
	const char *max_connections; /* NULL: not given */
	bool allow_remote;
};

static int read_line(struct cli *cli, struct args *args, struct line *line)
{
	const char *value;
	int id;

	while ((id = cli_next(cli, args, options, &value)) != ARG_END) {
		if (id == CLI_STOP)
			return CLI_STOP;
		if (id == ARG_WORD)
			return cli_usage(cli, "'%.80s' is too much", value);
		if (id == LISTEN && line->n_listens == LISTENS_MAX)
			return cli_usage(cli, "there may be %u --listen", LISTENS_MAX);
		if (id == LISTEN)
			line->listens[line->n_listens++] = value;
		else if (id == MAX_CONNECTIONS)
			line->max_connections = value;
		else
			line->allow_remote = true;
	}
	if (line->n_listens == 0) {
		memcpy(line->listens, default_listens, sizeof(default_listens));
		line->n_listens = ARRAY_SIZE(default_listens);
	}
	return 0;
}

struct service {
	struct cli *cli;
	struct forward forwards[LISTENS_MAX];
	unsigned n_forwards;
	unsigned max_connections;
};

/* The host is looked for only where it is needed. */
static int parse_forwards(struct service *service, const struct line *line)
{
	struct cli *cli = service->cli;
	struct tensock_error error;

	for (unsigned i = 0; i < line->n_listens; i++) {
		if (!forward_has_host(line->listens[i]) && !cli->address[0] &&
		    cli_find_host(cli) < 0)
			return CLI_STOP;
		if (forward_parse(line->listens[i], cli->address, line->allow_remote,
				  &service->forwards[i], &error) < 0)
			return cli_fail_as(cli, CLI_USAGE, &error);
	}
	service->n_forwards = line->n_listens;
	return 0;
}

/* As many open files as the connections need.  How many there can be, where nobody has said how many. */
static int allow_files(struct service *service, bool is_given, struct tensock_error *reterr)
{
	rlim_t wanted =
		(rlim_t)service->max_connections * PROXY_LOOP_FILES_EACH + PROXY_LOOP_FILES_OTHERS;
	struct rlimit limit;
	rlim_t before;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return tsk_fail(reterr, TENSOCK_INTERNAL, "RLIMIT_NOFILE: %s", strerror(errno));
	if (limit.rlim_cur >= wanted)
		return 0;
	before = limit.rlim_max;
	limit = (struct rlimit){ wanted, wanted > before ? wanted : before };
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return 0;
	limit = (struct rlimit){ before, before };
	if (is_given || before < PROXY_LOOP_FILES_EACH + PROXY_LOOP_FILES_OTHERS ||
	    setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return tsk_fail(
			reterr, TENSOCK_LIMIT_REACHED,
			"--max-connections %u needs %llu open files, this process may have %llu; "
			"raise ulimit -n (LimitNOFILE= of a unit), or lower it",
			service->max_connections, (unsigned long long)wanted,
			(unsigned long long)before);
	service->max_connections =
		(unsigned)((before - PROXY_LOOP_FILES_OTHERS) / PROXY_LOOP_FILES_EACH);
	return 0;
}

static int set_limits(struct service *service, const struct line *line)
{
	struct tensock_error error;
	uint64_t n = CONNECTIONS_DEFAULT;

	if (line->max_connections && args_number("--max-connections", line->max_connections, 1,
						 CONNECTIONS_MAX, &n, &error) < 0)
		return cli_fail_as(service->cli, CLI_USAGE, &error);
	service->max_connections = (unsigned)n;
	if (allow_files(service, line->max_connections != NULL, &error) < 0)
		return cli_fail_here(service->cli, &error);
	return 0;
}

/* Those that a service manager has opened.  One that nobody takes is somebody's mistake. */
static int take_sockets(struct service *service, struct tensock_error *reterr)
{
	unsigned n;
	int r = service_manager_sockets(&n, reterr);

	for (unsigned i = 0; r == 0 && i < n; i++) {
		int fd = SERVICE_MANAGER_FDS_FIRST + (int)i;
		bool is_taken = false;

		for (unsigned k = 0; k < service->n_forwards && !is_taken; k++)
			is_taken = forward_take(&service->forwards[k], fd);
		if (!is_taken)
			r = tsk_fail(
				reterr, TENSOCK_INVALID_ARGUMENT,
				"socket %u of the service manager's is at none of the addresses to "
				"listen on; add it by --listen, or remove it from the unit",
				i + 1);
	}
	return r;
}

static int open_forwards(struct service *service, struct tensock_error *reterr)
{
	int r = take_sockets(service, reterr);

	for (unsigned i = 0; r == 0 && i < service->n_forwards; i++) {
		if (service->forwards[i].fd < 0)
			r = forward_open(&service->forwards[i], reterr);
	}
	return r;
}

static void print_json(const struct service *service)
{
	struct json json = json_of(stdout);

	json_object(&json);
	json_key(&json, "listen");
	json_array(&json);
	for (unsigned i = 0; i < service->n_forwards; i++) {
		json_object(&json);
		json_key(&json, "address");
		json_string(&json, service->forwards[i].local.text);
		json_key(&json, "host");
		json_string(&json, service->forwards[i].host.text);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_key(&json, "max_connections");
	json_uint(&json, service->max_connections);
	json_end_object(&json);
	fflush(stdout);
}

/* Who runs without a manager has nobody to tell; one that does not listen is not waited for. */
static void tell_manager(void)
{
	struct service_manager manager;
	int r = service_manager_init(&manager);

	if (r == 0)
		r = service_manager_tell(&manager, "READY=1");
	if (r < 0)
		tsk_warning("the service manager cannot be told: %s", strerror(-r));
	service_manager_done(&manager);
}

static void on_ready(void *user)
{
	const struct service *service = user;

	for (unsigned i = 0; i < service->n_forwards; i++)
		tsk_info("%s leads to %s", service->forwards[i].local.text,
			 service->forwards[i].host.text);
	for (unsigned i = 0; i < service->n_forwards; i++) {
		if (forward_is_down(&service->forwards[i])) {
			tsk_warning("nobody can connect to 127.0.0.1 yet, its interface is down: "
				    "ip link set lo up");
			break;
		}
	}
	tsk_info("ready, for %u connections at once", service->max_connections);
	if (service->cli->json)
		print_json(service);
	tell_manager();
	/* From now on clients cause what is told. */
	tsk_log_init(LOG_NAME, NULL, TSK_LOG_INFO, LOG_LINES_A_SECOND);
}

static void proxy_run(struct cli *cli, struct args *args)
{
	struct service service = { .cli = cli };
	struct tensock_error error = { 0 };
	struct line line = { 0 };

	if (read_line(cli, args, &line) < 0 || parse_forwards(&service, &line) < 0 ||
	    set_limits(&service, &line) < 0)
		return;
	tsk_log_init(LOG_NAME, NULL, TSK_LOG_INFO, 0);
	if (open_forwards(&service, &error) < 0 ||
	    proxy_loop_run(service.forwards, service.n_forwards, service.max_connections, on_ready,
			   &service, &error) < 0)
		cli_fail_here(cli, &error);
	for (unsigned i = 0; i < service.n_forwards; i++)
		forward_close(&service.forwards[i]);
}

const struct cli_command cli_proxy = {
	.name = "proxy",
	.summary = "in a guest: HTTP and gRPC on 127.0.0.1, carried to the host",
	.help = help,
	.run = proxy_run,
};
