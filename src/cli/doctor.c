/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <linux/vm_sockets.h>

#include "base/cmdline.h"
#include "cli/commands.h"
#include "cli/control.h"
#include "cli/findings.h"
#include "cli/guests.h"
#include "cli/metrics.h"
#include "cli/model.h"
#include "cli/outputs.h"
#include "cli/text.h"
#include "sandbox/feature.h"

static const char help[] =
	"usage: tensock doctor\n"
	"\n"
	"Looks at what lies between a guest and its tensockd, or at this host's own, and tells what\n"
	"is wrong with the command that mends it: vsock device and CID, local socket and its\n"
	"permissions, connection, version, and whether a model runs (a very small one of its own,\n"
	"which it removes again).  Where tensockd's control socket is, it asks for the guests, too,\n"
	"and whether its metrics can be had.\n"
	"\n"
	"  --yes-i-am-a-guest  this machine is a guest of yours: connect to CID 2, its host.  Not\n"
	"                     needed where the kernel's command line has vsguest=1\n"
	"  --json             print one JSON document\n"
	"  --host ADDRESS     as in tensock --help\n"
	"\n"
	"Exit status 1 when something failed.\n";

#define METRICS_TIMEOUT_MS 5000

#define LOAD_GUEST "modprobe vmw_vsock_virtio_transport"

/* An ONNX model: x [1] → Identity → y [1], both FP32. */
static const unsigned char identity[] = {
	0x08, 0x06, 0x32, 0x00, 0x42, 0x04, 0x0a, 0x00, 0x10, 0x0b, 0x3a, 0x37, 0x0a, 0x10,
	0x0a, 0x01, 0x78, 0x12, 0x01, 0x79, 0x22, 0x08, 0x49, 0x64, 0x65, 0x6e, 0x74, 0x69,
	0x74, 0x79, 0x5a, 0x0f, 0x0a, 0x01, 0x78, 0x12, 0x0a, 0x0a, 0x08, 0x08, 0x01, 0x12,
	0x04, 0x0a, 0x02, 0x08, 0x01, 0x62, 0x0f, 0x0a, 0x01, 0x79, 0x12, 0x0a, 0x0a, 0x08,
	0x08, 0x01, 0x12, 0x04, 0x0a, 0x02, 0x08, 0x01, 0x12, 0x01, 0x67,
};

/* This machine's own CID, as the kernel has it; connects to nobody. */
static void look_at_cid(struct findings *findings)
{
	_cleanup_close_ int fd = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
	unsigned cid = VMADDR_CID_ANY;

	if (fd < 0)
		findings_add(findings, FINDING_WARN, "run it as root, or chmod a+r /dev/vsock",
			     "cannot open /dev/vsock to ask for the CID: %s", strerror(errno));
	else if (ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) < 0)
		findings_add(findings, FINDING_WARN, NULL, "the kernel does not tell its CID: %s",
			     strerror(errno));
	else if (cid == VMADDR_CID_ANY)
		findings_add(findings, FINDING_FAIL,
			     LOAD_GUEST " (and give the VM a device: -device vhost-user-vsock-pci)",
			     "the kernel has vsock, but no device for it");
	else if (cid == VMADDR_CID_HOST)
		findings_add(findings, FINDING_WARN, "give --host unix:PATH here",
			     "this machine has CID 2: it is a host, not a guest");
	else
		findings_add(findings, FINDING_OK, NULL, "this machine's CID is %u", cid);
}

/* What a guest needs of its own kernel. */
static void look_at_guest(struct findings *findings)
{
	if (access("/dev/vsock", F_OK) < 0) {
		findings_add(findings, FINDING_FAIL, LOAD_GUEST,
			     "there is no /dev/vsock: the kernel's vsock is not loaded");
		return;
	}
	findings_add(findings, FINDING_OK, NULL, "/dev/vsock is there");
	/* Built into the kernel it may not be told. */
	if (access("/sys/module/vmw_vsock_virtio_transport", F_OK) == 0)
		findings_add(findings, FINDING_OK, NULL,
			     "the module vmw_vsock_virtio_transport is loaded");
	look_at_cid(findings);
}

static void look_at_socket(struct findings *findings, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		findings_add(findings, FINDING_FAIL,
			     errno == EACCES ? "run it as a user that may look there" : "tensockd",
			     "no local socket %.150s: %s", path, strerror(errno));
	else if (!S_ISSOCK(st.st_mode))
		findings_add(findings, FINDING_FAIL, "remove it, and start tensockd",
			     "%.150s is no socket", path);
	else if (access(path, W_OK) < 0)
		findings_add(findings, FINDING_FAIL,
			     "run it as the socket's owner or a member of its group",
			     "may not connect to %.150s (mode %03o)", path,
			     (unsigned)st.st_mode & 0777);
	else
		findings_add(findings, FINDING_OK, NULL, "the socket %.150s is there", path);
}

/* What a host's kernel has for guests; none of it is a must. */
static void look_at_host(struct findings *findings)
{
	if (access("/dev/vhost-vsock", F_OK) == 0)
		findings_add(findings, FINDING_OK, NULL,
			     "the kernel can give guests a vsock device");
	else
		findings_add(
			findings, FINDING_WARN, "modprobe vhost_vsock",
			"no /dev/vhost-vsock: guests need the built-in device (tensockd --vm) or "
			"a hybrid socket");
}

/* What tensockd needs here to seal its processes.  As this user, who is perhaps not tensockd's. */
static void look_at_sandbox(struct findings *findings)
{
	unsigned missing = sandbox_missing();
	char name[SANDBOX_TEXT_SIZE];

	for (unsigned i = 0; i < SANDBOX_FEATURES; i++) {
		enum sandbox_feature feature = (enum sandbox_feature)(1u << i);

		if (!(missing & feature))
			continue;
		sandbox_features_text(feature, name);
		findings_add(findings, FINDING_WARN, sandbox_feature_advice(feature),
			     "the kernel gives this user no %s: tensockd does not start without "
			     "--allow-unsandboxed=%s",
			     name, name);
	}
	if (!missing)
		findings_add(findings, FINDING_OK, NULL,
			     "the kernel has what seals the processes that serve guests");
}

/* "web (device), db (hybrid)", as many as there is room for. */
static void join_guests(const struct guest_list *list, char *ret, size_t size)
{
	size_t len = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < list->n && len < size; i++)
		len += (size_t)snprintf(ret + len, size - len, "%s%s (%s)", i ? ", " : ": ",
					list->guests[i].name, guest_kind(&list->guests[i]));
	if (len >= size)
		memcpy(ret + size - 4, "...", 4);
}

/* Whether the operator's programs get what it counts. */
static void look_at_metrics(struct findings *findings, const char *address)
{
	struct tensock_error error;

	if (!address[0])
		findings_add(findings, FINDING_OK, NULL,
			     "no metrics are told: there is no \"metrics\" in [daemon]");
	else if (metrics_ask(address, METRICS_TIMEOUT_MS, &error) == 0)
		findings_add(findings, FINDING_OK, NULL, "the metrics at %.150s answer", address);
	else if (error.status == TENSOCK_PERMISSION_DENIED)
		findings_add(findings, FINDING_WARN, "sudo tensock doctor",
			     "the metrics at %.150s cannot be asked for: %s", address,
			     error.message);
	else
		findings_add(findings, FINDING_FAIL, "look into tensockd's log",
			     "the metrics at %.150s do not answer: %s", address, error.message);
}

/* The daemon's own word, where it runs on this machine and listens for it. */
static void look_at_daemon(struct findings *findings)
{
	struct guest_list list;
	struct tensock_error error;
	char guests[200];

	if (!control_is_there())
		return;
	if (guest_list_ask(NULL, &list, &error) < 0) {
		findings_add(findings, FINDING_WARN,
			     error.status == TENSOCK_PERMISSION_DENIED ? "sudo tensock doctor"
								       : "tensockd",
			     "the daemon cannot be asked for its guests: %s", error.message);
	} else {
		join_guests(&list, guests, sizeof(guests));
		findings_add(findings, FINDING_OK, NULL,
			     "tensockd %.40s, pid %u, has %zu guest%s%s", list.daemon.text,
			     list.daemon.pid, list.n, list.n == 1 ? "" : "s", guests);
		look_at_metrics(findings, list.metrics);
	}
	guest_list_done(&list);
}

/* Whether the host may be asked: false for CID 2 of a machine that nobody has called a guest. */
static bool may_connect(const struct cli *cli, struct findings *findings)
{
	static const char vsock[] = "vsock:";
	const char *cid = cli->address + sizeof(vsock) - 1;

	if (strncmp(cli->address, vsock, sizeof(vsock) - 1) != 0 ||
	    strtoul(cid, NULL, 10) != VMADDR_CID_HOST || cli->is_surely_guest ||
	    tsk_is_said_guest())
		return true;
	findings_add(findings, FINDING_FAIL,
		     "tensock doctor --yes-i-am-a-guest, or boot with vsguest=1",
		     "not connected to CID 2: nothing says that this machine is a guest of yours");
	return false;
}

static const char *how_to_reach(const struct cli *cli)
{
	if (strncmp(cli->address, "vsock:", 6) == 0)
		return "on the host: tensockd --listen vsock:9999, or --vm for the built-in device";
	return "tensockd";
}

/* Connects: NULL, or the client, which is the caller's. */
static struct tensock_client *look_at_connection(const struct cli *cli, struct findings *findings)
{
	static const struct tensock_client_options options = {
		.size = sizeof(options),
		.connect_timeout_ms = 5000,
		.program = "tensock " TENSOCK_VERSION,
	};
	struct tensock_host_info host = { .size = sizeof(host) };
	struct tensock_client *client = NULL;
	struct tensock_error error;

	if (tensock_client_new(cli->address, &options, &client, &error) != TENSOCK_OK ||
	    tensock_client_connect(client, &error) != TENSOCK_OK ||
	    tensock_client_host(client, &host, &error) != TENSOCK_OK) {
		findings_add(findings, FINDING_FAIL, how_to_reach(cli),
			     "no connection to %.100s: %s", cli->address, error.message);
		tensock_client_free(client);
		return NULL;
	}
	findings_add(findings, FINDING_OK, NULL, "%s answers at %.100s, and calls this guest %s",
		     host.program, cli->address, host.guest);
	if (strcmp(host.program, "tensockd " TENSOCK_VERSION) != 0)
		findings_add(findings, FINDING_WARN, "install the same version on both",
			     "this is tensock " TENSOCK_VERSION ", the host %s", host.program);
	return client;
}

static void look_at_round_trip(struct tensock_client *client, struct findings *findings)
{
	char text[TEXT_QUANTITY_BYTES];
	struct tensock_error error;
	uint64_t ns;

	if (tensock_ping(client, &ns, &error) == TENSOCK_OK)
		findings_add(findings, FINDING_OK, NULL, "there and back takes %s",
			     text_duration(ns, text));
	else
		findings_add(findings, FINDING_FAIL, "look into tensockd's log",
			     "no answer to a ping: %s", error.message);
}

/* x = 0.5 through the model, and y compared. */
static void run_identity(struct tensock_client *client, const struct tensock_model *model,
			 struct findings *findings)
{
	static const float x = 0.5f;
	const struct tensock_input input = {
		.dtype = TENSOCK_FLOAT32, .rank = 1, .dims = { 1 }, .data = &x, .bytes = sizeof(x)
	};
	float y = 0;
	struct tensock_output output = { .data = &y, .capacity = sizeof(y) };
	struct tensock_model_info info = model_info(model);
	struct tensock_error error;

	if (tensock_infer(client, model, &input, 1, &output, 1, NULL, &error) != TENSOCK_OK)
		findings_add(findings, FINDING_FAIL, "look into tensockd's log",
			     "the engine does not run a model: %s", error.message);
	else if (output.bytes != sizeof(y) || memcmp(&x, &y, sizeof(y)) != 0)
		findings_add(findings, FINDING_FAIL, "look into tensockd's log",
			     "the engine %.60s gives wrong results", info.engine);
	else
		findings_add(findings, FINDING_OK, NULL, "the engine %.60s loads and runs a model",
			     info.engine);
}

static bool is_held(struct tensock_client *client, const char *hash)
{
	struct tensock_model **models;
	bool found = false;
	size_t n;

	if (tensock_list(client, &models, &n, NULL) != TENSOCK_OK)
		return true;
	for (size_t i = 0; i < n; i++)
		found |= strcmp(model_info(models[i]).hash, hash) == 0;
	tensock_models_free(models, n);
	return found;
}

static void look_at_engine(struct tensock_client *client, struct findings *findings)
{
	static const char hash[] =
		"e8d6873c45f2132843252a3d614497422ca19a84a30bbdf43e7b19cca6a0ba69";
	bool was_held = is_held(client, hash);
	struct tensock_model *model;
	struct tensock_error error;

	if (tensock_push(client, identity, sizeof(identity), NULL, &model, &error) != TENSOCK_OK) {
		findings_add(
			findings, FINDING_FAIL,
			"on the host: check the [engine] sections of tensockd.conf and its log",
			"the engine does not load a model: %s", error.message);
		return;
	}
	run_identity(client, model, findings);
	if (!was_held)
		(void)tensock_unload(client, model, 1, NULL);
	tensock_model_free(model);
}

static void look_at_address(struct cli *cli, struct findings *findings)
{
	static const char unix_prefix[] = "unix:";
	char path[HOST_ADDRESS_BYTES];
	struct tensock_error error;
	const char *environment;

	(void)host_local_socket(path, sizeof(path));
	if (host_address(cli->host, cli->is_surely_guest, cli->address, &error) < 0) {
		cli->address[0] = '\0';
		look_at_socket(findings, path);
		findings_add(
			findings, FINDING_FAIL,
			"start tensockd here; or, in a guest: tensock doctor --yes-i-am-a-guest",
			"%s", error.message);
		look_at_guest(findings);
		return;
	}
	environment = getenv("TENSOCK_HOST");
	findings_add(findings, FINDING_OK, NULL, "the host's address is %s (%s)", cli->address,
		     cli->host                     ? "--host"
		     : environment && *environment ? "TENSOCK_HOST"
						   : "by default");
	if (strncmp(cli->address, "vsock:", 6) == 0) {
		look_at_guest(findings);
	} else if (strncmp(cli->address, unix_prefix, sizeof(unix_prefix) - 1) == 0) {
		look_at_socket(findings, cli->address + sizeof(unix_prefix) - 1);
		look_at_host(findings);
		look_at_sandbox(findings);
	}
}

static void doctor_run(struct cli *cli, struct args *args)
{
	struct findings findings = { 0 };
	struct tensock_client *client = NULL;

	if (cli_no_words(cli, args) < 0)
		return;
	look_at_daemon(&findings);
	look_at_address(cli, &findings);
	if (cli->address[0] && may_connect(cli, &findings))
		client = look_at_connection(cli, &findings);
	if (client) {
		look_at_round_trip(client, &findings);
		look_at_engine(client, &findings);
	}
	tensock_client_free(client);
	if (cli->json)
		findings_json(stdout, &findings);
	else
		findings_print(stdout, &findings);
	if (findings_have(&findings, FINDING_FAIL))
		cli->exit_status = CLI_FAILED;
}

const struct cli_command cli_doctor = {
	.name = "doctor",
	.summary = "what is wrong between here and tensockd",
	.help = help,
	.run = doctor_run,
};
