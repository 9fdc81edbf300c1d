/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/text.h"

static const char help[] =
	"usage: tensock ps\n"
	"\n"
	"What the host counts for this guest: requests under way and done, workers, memory, and\n"
	"the limits that it has set.\n"
	"\n"
	"  --json             print one JSON document\n"
	"  --host ADDRESS     as in tensock --help\n";

static bool is_bytes(const char *name)
{
	return strstr(name, "bytes") != NULL;
}

static void print_value(const char *name, uint64_t value)
{
	char size[TEXT_QUANTITY_BYTES];

	printf("%-24.64s  ", name);
	if (is_bytes(name))
		printf("%s\n", text_size(value, size));
	else
		printf("%" PRIu64 "\n", value);
}

static void print(const struct tensock_host_info *host, const struct tensock_counter *counters,
		  size_t n)
{
	printf("%-24s  ", "host");
	text_print(stdout, host->program);
	printf(" at ");
	text_print(stdout, host->address);
	printf("\n%-24s  ", "guest");
	text_print(stdout, host->guest);
	putchar('\n');
	print_value("limit-requests", host->requests_max);
	print_value("limit-model-bytes", host->model_bytes_max);
	print_value("limit-request-bytes", host->request_bytes_max);
	for (size_t i = 0; i < n; i++) {
		char name[sizeof(counters->name)];

		/* A name of the host's: what is not plain is no counter that is known. */
		snprintf(name, sizeof(name), "%.63s", counters[i].name);
		for (char *p = name; *p; p++) {
			if (*p <= ' ' || *p > '~')
				*p = '?';
		}
		print_value(name, counters[i].value);
	}
}

static void print_json(const struct tensock_host_info *host, const struct tensock_counter *counters,
		       size_t n)
{
	struct json json = json_of(stdout);

	json_object(&json);
	json_key(&json, "host");
	json_string(&json, host->program);
	json_key(&json, "address");
	json_string(&json, host->address);
	json_key(&json, "guest");
	json_string(&json, host->guest);
	json_key(&json, "limits");
	json_object(&json);
	json_key(&json, "requests");
	json_uint(&json, host->requests_max);
	json_key(&json, "model-bytes");
	json_uint(&json, host->model_bytes_max);
	json_key(&json, "request-bytes");
	json_uint(&json, host->request_bytes_max);
	json_end_object(&json);
	json_key(&json, "counters");
	json_array(&json); /* no object: nobody has promised that the names differ */
	for (size_t i = 0; i < n; i++) {
		json_object(&json);
		json_key(&json, "name");
		json_bytes(&json, counters[i].name,
			   strnlen(counters[i].name, sizeof(counters[i].name)));
		json_key(&json, "value");
		json_uint(&json, counters[i].value);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_end_object(&json);
}

static void ps_run(struct cli *cli, struct args *args)
{
	struct tensock_host_info host = { .size = sizeof(host) };
	struct tensock_counter *counters;
	struct tensock_error error;
	size_t n;

	if (cli_no_words(cli, args) < 0 || cli_connect(cli) < 0)
		return;
	if (tensock_stats(cli->client, &counters, &n, &error) != TENSOCK_OK) {
		cli_fail(cli, &error);
		return;
	}
	/* Its strings live until the client's next call. */
	if (tensock_client_host(cli->client, &host, &error) != TENSOCK_OK)
		cli_fail(cli, &error);
	else if (cli->json)
		print_json(&host, counters, n);
	else
		print(&host, counters, n);
	free(counters);
}

const struct cli_command cli_ps = {
	.name = "ps",
	.summary = "requests, workers and memory of this guest",
	.help = help,
	.run = ps_run,
};
