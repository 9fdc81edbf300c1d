/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/control.h"
#include "cli/guests.h"

static const char help[] =
	"usage: tensock attach NAME --vhost-socket PATH [--cid N] [--uds PATH]\n"
	"       tensock attach NAME --hybrid PATH\n"
	"\n"
	"On the host: gives the running tensockd one more VM, called NAME.  It is not written to the\n"
	"configuration: the next start of tensockd does not know of it.\n"
	"\n"
	"  --vhost-socket PATH  with tensockd's own vhost-user-vsock device: the VMM (QEMU's chardev,\n"
	"                       for example) connects there\n"
	"  --cid N              the guest's CID, from 3 up; else the lowest free one\n"
	"  --uds PATH           its other ports: PATH_PORT from the guest, PATH and \"CONNECT PORT\" to it\n"
	"  --hybrid PATH        with the VMM's own vsock device (Firecracker, Cloud Hypervisor):\n"
	"                       tensockd listens on PATH_9999\n"
	"  --control PATH       tensockd's control socket; else $TENSOCK_CONTROL, else the one that is\n"
	"                       there of $XDG_RUNTIME_DIR/tensock/ and /run/tensock/control.sock\n"
	"  --json               print one JSON document\n";

#define CID_FIRST 3u
#define CID_LAST UINT64_C(0xfffffffe)

enum {
	VHOST_SOCKET = 1,
	CID,
	UDS,
	HYBRID,
	CONTROL
};

static const struct arg_option options[] = {
	{ "vhost-socket", '\0', true, VHOST_SOCKET },
	{ "cid", '\0', true, CID },
	{ "uds", '\0', true, UDS },
	{ "hybrid", '\0', true, HYBRID },
	{ "control", '\0', true, CONTROL },
	CLI_OPTIONS_END,
};

struct line {
	const char *name, *vhost_socket, *cid, *uds, *hybrid, *control;
};

static int read_line(struct cli *cli, struct args *args, struct line *line)
{
	const char **const places[] = { [VHOST_SOCKET] = &line->vhost_socket,
					[CID] = &line->cid,
					[UDS] = &line->uds,
					[HYBRID] = &line->hybrid,
					[CONTROL] = &line->control };
	const char *value;
	int id;

	while ((id = cli_next(cli, args, options, &value)) != ARG_END) {
		if (id == CLI_STOP)
			return CLI_STOP;
		if (id != ARG_WORD)
			*places[id] = value;
		else if (line->name)
			return cli_usage(cli, "'%.80s' is too much", value);
		else
			line->name = value;
	}
	if (!line->name)
		return cli_usage(cli, "NAME is missing");
	if (!line->vhost_socket == !line->hybrid)
		return cli_usage(cli, "give one of --vhost-socket and --hybrid");
	if (line->hybrid && (line->cid || line->uds))
		return cli_usage(cli, "--cid and --uds belong to --vhost-socket");
	return 0;
}

static int make_request(const struct line *line, struct operator_request *ret,
			struct tensock_error *reterr)
{
	uint64_t cid = 0;
	int r = control_set_name(ret, line->name, reterr);

	ret->type = line->hybrid ? OPERATOR_ATTACH_HYBRID : OPERATOR_ATTACH_VM;
	if (r == 0 && line->hybrid)
		r = control_set_path("--hybrid", line->hybrid, ret->path, reterr);
	if (r == 0 && line->vhost_socket)
		r = control_set_path("--vhost-socket", line->vhost_socket, ret->path, reterr);
	if (r == 0 && line->uds)
		r = control_set_path("--uds", line->uds, ret->uds, reterr);
	if (r == 0 && line->cid)
		r = args_number("--cid", line->cid, CID_FIRST, CID_LAST, &cid, reterr);
	ret->cid = (uint32_t)cid;
	return r;
}

static void attach_run(struct cli *cli, struct args *args)
{
	struct operator_request request = { 0 };
	struct operator_answer guest = { 0 };
	struct tensock_error error = { 0 };
	struct line line = { 0 };

	if (read_line(cli, args, &line) < 0)
		return;
	if (make_request(&line, &request, &error) < 0) {
		cli_fail_as(cli, CLI_USAGE, &error);
		return;
	}
	if (control_ask_once(line.control, &request, guest_keep, &guest, &error) < 0) {
		cli_fail_here(cli, &error);
		return;
	}
	if (cli->json)
		guest_print_json(&guest);
	else
		guest_print_attached(&guest);
}

const struct cli_command cli_attach = {
	.name = "attach",
	.summary = "on the host: give the running tensockd one more VM",
	.help = help,
	.run = attach_run,
};
