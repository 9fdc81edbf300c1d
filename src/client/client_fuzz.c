/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host that says anything.  The first byte: bit 0, the greeting is in the input, too (else a good
 * one comes before it); the rest says what is asked, and whether memory is shared (bit 3), and outputs
 * go there (bit 4).  Then pieces of what the host says: u16 length,
 * bytes.  The client's requests have the ids from 1 on.
 *
 * The socket is played here, too (the linker leads the client's calls here): a real one would take most
 * of the time.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <tensock/tensock.h>

#include "base/bytes.h"
#include "client/client.h"
#include "client/model.h"
#include "wire/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GREETS 1u
#define REQUESTS 5u

#define INPUT_BYTES_MAX ((size_t)64 * 1024)
#define WELCOME_BYTES_MAX 128u

/* What the client can send before the host reads it; a request's input is larger. */
#define ROOM_BYTES ((size_t)200 * 1024)

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

struct rig {
	struct tensock_client *client;
	bool greets, has_memory, has_places, has_blocks;
	struct tsk_reader said;
	unsigned begun, ended;
};

/* The socket between them: one at a time. */
static struct {
	unsigned char said[INPUT_BYTES_MAX + WELCOME_BYTES_MAX]; /* by the host */
	size_t start, end;                                       /* of what is not received yet */
	bool is_shut;                                            /* nothing more comes */
	size_t room;
} wire;

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout_ms);

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	size_t done = 0;

	MUST(fd >= 0 && (flags & MSG_DONTWAIT));
	for (size_t i = 0; i < msg->msg_iovlen; i++) {
		size_t n = least(msg->msg_iov[i].iov_len, wire.end - wire.start);

		memcpy(msg->msg_iov[i].iov_base, wire.said + wire.start, n);
		wire.start += n;
		done += n;
	}
	if (done || wire.is_shut)
		return (ssize_t)done;
	errno = EAGAIN;
	return -1;
}

/* Each byte is read, so that a sanitizer sees those that are none of the client's. */
static void read_all(const unsigned char *bytes, size_t n)
{
	static unsigned char sink[4096];

	for (size_t at = 0; at < n; at += sizeof(sink))
		memcpy(sink, bytes + at, least(n - at, sizeof(sink)));
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	size_t done = 0;

	MUST(fd >= 0 && (flags & MSG_DONTWAIT));
	if (!wire.room) {
		errno = EAGAIN;
		return -1;
	}
	for (size_t i = 0; i < msg->msg_iovlen && wire.room; i++) {
		size_t n = least(msg->msg_iov[i].iov_len, wire.room);

		read_all(msg->msg_iov[i].iov_base, n);
		wire.room -= n;
		done += n;
	}
	return (ssize_t)done;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	if (n != 1 || fds->fd < 0)
		return __real_poll(fds, n, timeout_ms);
	fds->revents = fds->events & ((wire.room ? POLLOUT : 0) |
				      (wire.end > wire.start || wire.is_shut ? POLLIN : 0));
	MUST(fds->revents || timeout_ms == 0); /* nobody else would wake it */
	return fds->revents != 0;
}

static void put(const void *bytes, size_t n)
{
	MUST(n <= sizeof(wire.said) - wire.end);
	memcpy(wire.said + wire.end, bytes, n);
	wire.end += n;
}

static void on_done(void *user, const struct tensock_error *error)
{
	struct rig *rig = user;

	MUST(!error || (error->status && memchr(error->message, 0, sizeof(error->message))));
	rig->ended++;
}

static void welcome(const struct rig *rig)
{
	const struct wire_welcome welcome = {
		.version = WIRE_VERSION,
		.requests_max = 8,
		.features = rig->has_memory ? WIRE_FEATURE_MEMORY : 0,
		.model_bytes_max = 1 << 20,
		.request_bytes_max = 1 << 20,
	};
	unsigned char frame[WELCOME_BYTES_MAX];
	struct tsk_writer w =
		tsk_writer(frame + WIRE_HEADER_BYTES, sizeof(frame) - WIRE_HEADER_BYTES);
	struct wire_header header = { .type = WIRE_WELCOME };

	wire_welcome_write(&w, &welcome);
	header.size = tsk_writer_len(&w);
	wire_header_write(frame, &header);
	put(frame, WIRE_HEADER_BYTES + header.size);
}

static void begin(struct rig *rig)
{
	const struct tensock_client_options options = {
		.size = sizeof(options),
		.reconnects_max = UINT32_MAX,
	};

	wire.start = wire.end = 0;
	wire.is_shut = false;
	wire.room = ROOM_BYTES;
	MUST(tensock_client_new("unix:/nowhere/at/all", &options, &rig->client, NULL) == 0);
	rig->client->connection.fd = eventfd(0, EFD_CLOEXEC); /* to be closed */
	rig->client->connection.state = CONNECTION_GREETING;
	rig->client->connection.sender.hello_is_due = true;
	rig->client->connection.deadline_ns = UINT64_MAX;
	rig->client->has_asked_much = true;
	if (!rig->greets)
		welcome(rig);
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
	put(bytes, n);
	return true;
}

/* The last request's, where the host may find it. */
static void use_blocks(const struct rig *rig, struct tensock_input *input,
		       struct tensock_output *output)
{
	void *x, *y;

	if (!rig->has_blocks)
		return;
	MUST(tensock_alloc(rig->client, input->bytes, &x, NULL) == 0);
	MUST(tensock_alloc(rig->client, 64, &y, NULL) == 0);
	memset(x, 1, input->bytes);
	input->data = x;
	output->data = y;
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
		if (i == 4)
			use_blocks(rig, &input, &outputs[i][0]);
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
			wire.room = ROOM_BYTES;
		}
		if (rig->ended == 0 && tsk_reader_left(&rig->said) % 16 == 1)
			tensock_request_cancel(request);
	} while (rig->client->connection.fd >= 0 && say(rig));
	wire.is_shut = true;
	for (unsigned i = 0; i < 100 && rig->ended < REQUESTS; i++) {
		(void)tensock_client_process(rig->client, NULL);
		wire.room = ROOM_BYTES;
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
	wire.is_shut = true;
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
	rig.has_blocks = kind & 16;
	rig.said = tsk_reader(data + 1, size - 1);
	begin(&rig);
	if (kind % 4 == 0)
		fuzz_loop(&rig);
	else
		fuzz_question(&rig, kind / 4);
	tensock_client_free(rig.client);
	return 0;
}
