/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/guests.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "cli/commands.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/text.h"

static const char help[] =
	"usage: tensock guests\n"
	"\n"
	"On the host: the running tensockd and all guests that it knows of.  FRONT is the process that\n"
	"serves a guest: '-' where nothing of it is open.\n"
	"\n"
	"  --control PATH       tensockd's control socket; else $TENSOCK_CONTROL, else the one that is\n"
	"                       there of $XDG_RUNTIME_DIR/tensock/ and /run/tensock/control.sock\n"
	"  --json               print one JSON document\n";

/* More than tensockd has: what says so is none. */
#define GUESTS_MAX 65536u

void guest_keep(void *user, const struct operator_answer *answer)
{
	if (answer->type == OPERATOR_GUEST)
		*(struct operator_answer *)user = *answer;
}

const char *guest_kind(const struct operator_answer *guest)
{
	if (guest->ways & OPERATOR_HAS_DEVICE)
		return guest->ways & OPERATOR_HAS_VMM ? "device, VM running" : "device";
	return guest->ways & OPERATOR_HAS_HYBRID ? "hybrid" : "connection";
}

static void write_json(struct json *json, const struct operator_answer *guest)
{
	json_object(json);
	json_key(json, "name");
	json_string(json, guest->name);
	json_key(json, "device");
	json_bool(json, guest->ways & OPERATOR_HAS_DEVICE);
	json_key(json, "hybrid");
	json_bool(json, guest->ways & OPERATOR_HAS_HYBRID);
	json_key(json, "attached");
	json_bool(json, guest->ways & OPERATOR_IS_ATTACHED);
	json_key(json, "vmm");
	json_bool(json, guest->ways & OPERATOR_HAS_VMM);
	json_key(json, "cid");
	if (guest->cid)
		json_uint(json, guest->cid);
	else
		json_null(json);
	json_key(json, "front");
	if (guest->pid)
		json_uint(json, guest->pid);
	else
		json_null(json);
	json_key(json, "socket");
	if (guest->text[0])
		json_string(json, guest->text);
	else
		json_null(json);
	json_end_object(json);
}

void guest_print_json(const struct operator_answer *guest)
{
	struct json json = json_of(stdout);

	write_json(&json, guest);
}

void guest_print_attached(const struct operator_answer *guest)
{
	if (!(guest->ways & OPERATOR_HAS_DEVICE)) {
		text_print(stdout, guest->name);
		fputs(": tensockd listens on ", stdout);
		text_print(stdout, guest->text);
		putchar('\n');
		return;
	}
	text_print(stdout, guest->name);
	printf(" has the cid %" PRIu32 ".  QEMU, with memory that is shared, takes:\n"
	       "  -chardev socket,id=vsock0,path=",
	       guest->cid);
	text_print(stdout, guest->text);
	fputs(" -device vhost-user-vsock-pci,chardev=vsock0\n", stdout);
}

/* tensock guests */

static void take_answer(void *user, const struct operator_answer *answer)
{
	struct guest_list *list = user;
	struct operator_answer *guests;

	if (answer->type == OPERATOR_DAEMON)
		list->daemon = *answer;
	if (answer->type == OPERATOR_RESULT)
		memcpy(list->metrics, answer->text, sizeof(list->metrics));
	if (answer->type != OPERATOR_GUEST)
		return;
	guests = list->n < GUESTS_MAX ? reallocarray(list->guests, list->n + 1, sizeof(*guests))
				      : NULL;
	if (!guests) {
		list->is_lost = true;
		return;
	}
	list->guests = guests;
	guests[list->n++] = *answer;
}

static void print(const struct guest_list *list)
{
	char up[TEXT_QUANTITY_BYTES];

	fputs("tensockd ", stdout);
	text_print(stdout, list->daemon.text);
	printf(", pid %" PRIu32 ", up %s, %zu guest%s\n", list->daemon.pid,
	       text_duration(list->daemon.uptime_ms * 1000000u, up), list->n,
	       list->n == 1 ? "" : "s");
	if (list->n)
		printf("%-20s %10s %8s  %-18s  %s\n", "NAME", "CID", "FRONT", "BY", "SOCKET");
	for (size_t i = 0; i < list->n; i++) {
		const struct operator_answer *guest = &list->guests[i];
		char cid[16] = "-", pid[16] = "-";

		if (guest->cid)
			snprintf(cid, sizeof(cid), "%" PRIu32, guest->cid);
		if (guest->pid)
			snprintf(pid, sizeof(pid), "%" PRIu32, guest->pid);
		/* No name of a guest has a character that a terminal would not show as it is. */
		printf("%-20s %10s %8s  %-18s  ", guest->name, cid, pid, guest_kind(guest));
		text_print(stdout, guest->text[0] ? guest->text : "-");
		putchar('\n');
	}
}

static void print_json(const struct guest_list *list)
{
	struct json json = json_of(stdout);

	json_object(&json);
	json_key(&json, "version");
	json_string(&json, list->daemon.text);
	json_key(&json, "pid");
	json_uint(&json, list->daemon.pid);
	json_key(&json, "uptime-ms");
	json_uint(&json, list->daemon.uptime_ms);
	json_key(&json, "guests");
	json_array(&json);
	for (size_t i = 0; i < list->n; i++)
		write_json(&json, &list->guests[i]);
	json_end_array(&json);
	json_end_object(&json);
}

int guest_list_ask(const char *control, struct guest_list *ret, struct tensock_error *reterr)
{
	static const uint32_t types[] = { OPERATOR_STATE, OPERATOR_LIST };
	_cleanup_close_ int fd = -1;
	int r;

	*ret = (struct guest_list){ 0 };
	r = control_connect(control, &fd, reterr);

	for (unsigned i = 0; i < ARRAY_SIZE(types) && r == 0; i++) {
		struct operator_request request = { .type = types[i] };

		r = control_ask(fd, &request, CONTROL_TIMEOUT_MS, take_answer, ret, reterr);
	}
	if (r == 0 && ret->is_lost)
		r = tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory for all guests");
	return r;
}

void guest_list_done(struct guest_list *list)
{
	free(list->guests);
}

enum {
	CONTROL = 1
};

static const struct arg_option options[] = {
	{ "control", '\0', true, CONTROL },
	CLI_OPTIONS_END,
};

static void guests_run(struct cli *cli, struct args *args)
{
	const char *value, *control = NULL;
	struct tensock_error error;
	struct guest_list list;
	int id;

	while ((id = cli_next(cli, args, options, &value)) != ARG_END) {
		if (id == CLI_STOP)
			return;
		if (id == ARG_WORD) {
			cli_usage(cli, "'%.80s' is too much", value);
			return;
		}
		control = value;
	}
	if (guest_list_ask(control, &list, &error) < 0)
		cli_fail_here(cli, &error);
	else if (cli->json)
		print_json(&list);
	else
		print(&list);
	guest_list_done(&list);
}

const struct cli_command cli_guests = {
	.name = "guests",
	.summary = "on the host: the running tensockd and its guests",
	.help = help,
	.run = guests_run,
};
