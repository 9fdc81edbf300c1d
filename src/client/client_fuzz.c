/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host that says anything.  The first byte: bit 0, the greeting is in the input, too (else a good
 * one comes before it); the rest says what is asked, and whether memory is shared (bit 3), and outputs
 * go there (bit 4).  Then pieces of what the host says: u16 length,
 * bytes.  The client's requests have the ids from 1 on.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <tensock/tensock.h>

#include "base/bytes.h"
#include "client/client.h"
#include "client/model.h"
#include "wire/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GREETS 1u
#define REQUESTS 5u

/* The socket takes so much before anyone reads it. */
#define INPUT_BYTES_MAX ((size_t)64 * 1024)

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

struct rig {
	struct tensock_client *client;
	int host;
	bool greets, has_memory, has_places;
	struct tsk_reader said;
	unsigned begun, ended;
};

static void on_done(void *user, const struct tensock_error *error)
{
	struct rig *rig = user;

	MUST(!error || (error->status && memchr(error->message, 0, sizeof(error->message))));
	rig->ended++;
}

static void welcome(struct rig *rig)
{
	const struct wire_welcome welcome = {
		.version = WIRE_VERSION,
		.requests_max = 8,
		.features = rig->has_memory ? WIRE_FEATURE_MEMORY : 0,
		.model_bytes_max = 1 << 20,
		.request_bytes_max = 1 << 20,
	};
	unsigned char frame[128];
	struct tsk_writer w =
		tsk_writer(frame + WIRE_HEADER_BYTES, sizeof(frame) - WIRE_HEADER_BYTES);
	struct wire_header header = { .type = WIRE_WELCOME };

	wire_welcome_write(&w, &welcome);
	header.size = tsk_writer_len(&w);
	wire_header_write(frame, &header);
	MUST(send(rig->host, frame, WIRE_HEADER_BYTES + header.size, 0) > 0);
}

static void begin(struct rig *rig)
{
	const struct tensock_client_options options = {
		.size = sizeof(options),
		.reconnects_max = UINT32_MAX,
	};
	int fds[2];

	MUST(tensock_client_new("unix:/nowhere/at/all", &options, &rig->client, NULL) == 0);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	rig->host = fds[1];
	rig->client->connection.fd = fds[0];
	rig->client->connection.state = CONNECTION_GREETING;
	rig->client->connection.sender.hello_is_due = true;
	rig->client->connection.deadline_ns = UINT64_MAX;
	if (!rig->greets)
		welcome(rig);
}

static void end(struct rig *rig)
{
	tensock_client_free(rig->client);
	tsk_close(rig->host);
}

/* The next piece; false after the last. */
static bool say(struct rig *rig)
{
	size_t n = tsk_read_u16(&rig->said);
	const void *bytes;

	if (n > tsk_reader_left(&rig->said))
		n = tsk_reader_left(&rig->said);
	bytes = tsk_read_bytes(&rig->said, n);
	if (!bytes || !n)
		return false;
	return send(rig->host, bytes, n, MSG_NOSIGNAL) > 0;
}

static void listen_to(struct rig *rig)
{
	char bytes[4096];

	while (recv(rig->host, bytes, sizeof(bytes), 0) > 0)
		;
}

/* Several requests at once, piece after piece. */
static void fuzz_loop(struct rig *rig)
{
	static const unsigned char bytes[300000] = { 1 };
	const struct tensock_completion completion = { on_done, rig };
	struct tensock_model model = { .bytes = 1 };
	struct tensock_model *pushed = NULL;
	struct tensock_request *request = NULL;
	unsigned char y[REQUESTS][64];
	struct tensock_output outputs[REQUESTS][2] = { 0 };
	struct tensock_input input = {
		.name = "x",
		.dtype = TENSOCK_UINT8,
		.rank = 1,
		.dims = { 4 },
		.data = bytes,
		.bytes = 4,
	};

	MUST(tensock_push_start(rig->client, bytes, 300, NULL, &pushed, &completion, NULL, NULL) ==
	     0);
	/* Hashed, it stands first in line. */
	(void)tensock_client_process(rig->client, NULL);
	for (unsigned i = 1; i < REQUESTS; i++) {
		if (i == 4)
			input.dims[0] = (int64_t)(input.bytes = sizeof(bytes));
		outputs[i][0] =
			(struct tensock_output){ .name = "y", .data = y[i], .capacity = 32 };
		outputs[i][1] = (struct tensock_output){ .index = 1 };
		if (rig->has_places)
			outputs[i][1] = (struct tensock_output){ .index = 1,
								 .data = y[i] + 32,
								 .capacity = 32 };
		/* What is allocated is what the host allows, and that is ours to say here. */
		MUST(tensock_infer_start(rig->client, &model, &input, 1, outputs[i],
					 rig->greets ? 1 : 2, NULL, &completion, &request,
					 NULL) == 0);
	}
	do {
		for (unsigned i = 0; i < 3; i++) {
			(void)tensock_client_process(rig->client, NULL);
			listen_to(rig);
		}
		if (rig->ended == 0 && tsk_reader_left(&rig->said) % 16 == 1)
			tensock_request_cancel(request);
	} while (rig->client->connection.fd >= 0 && say(rig));
	shutdown(rig->host, SHUT_WR);
	for (unsigned i = 0; i < 100 && rig->ended < REQUESTS; i++) {
		(void)tensock_client_process(rig->client, NULL);
		listen_to(rig);
	}
	MUST(rig->ended == REQUESTS);
	for (unsigned i = 1; i < REQUESTS; i++)
		tensock_outputs_done(outputs[i], 2);
	tensock_model_free(pushed);
}

/* One question; all is said before it is asked. */
static void fuzz_question(struct rig *rig, unsigned kind)
{
	struct tensock_model_info info = { .size = sizeof(info) };
	struct tensock_model known = { .bytes = 1 }, *model = NULL, **models = NULL;
	struct tensock_counter *counters = NULL;
	size_t n = 0;

	while (say(rig))
		;
	shutdown(rig->host, SHUT_WR);
	switch (kind % 5) {
	case 0:
		if (tensock_open(rig->client, "m", NULL, &model, NULL) == 0)
			tensock_model_get_info(model, &info);
		break;
	case 1:
		(void)tensock_list(rig->client, &models, &n, NULL);
		break;
	case 2:
		(void)tensock_stats(rig->client, &counters, &n, NULL);
		break;
	case 3:
		(void)tensock_unload(rig->client, &known, 1, NULL);
		break;
	default:
		(void)tensock_ping(rig->client, NULL, NULL);
		break;
	}
	tensock_model_free(model);
	tensock_models_free(models, n);
	free(counters);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rig rig = { 0 };
	unsigned kind;

	if (!size || size > INPUT_BYTES_MAX)
		return 0;
	rig.greets = data[0] & GREETS;
	kind = data[0] >> 1;
	rig.has_memory = kind & 4;
	rig.has_places = kind & 8;
	rig.said = tsk_reader(data + 1, size - 1);
	begin(&rig);
	if (kind % 4 == 0)
		fuzz_loop(&rig);
	else
		fuzz_question(&rig, kind / 4);
	end(&rig);
	return 0;
}
