/* SPDX-License-Identifier: Apache-2.0 */
#include "client/fake_host.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/sha256.h"
#include "tensor/model_info.h"

/* A test that waits longer has failed. */
#define PATIENCE_MS 20000

#define MUST(condition)                                                                    \
	do {                                                                               \
		if (!(condition)) {                                                        \
			fprintf(stderr, "fake host: line %d: %s\n", __LINE__, #condition); \
			abort();                                                           \
		}                                                                          \
	} while (0)

static void *run(void *context)
{
	struct fake_host *host = context;

	host->script(host);
	fake_host_close(host);
	return NULL;
}

void fake_host_start(struct fake_host *host, void (*script)(struct fake_host *host), void *context)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	memset(host, 0, sizeof(*host));
	host->fd = -1;
	host->descriptor = -1;
	host->script = script;
	host->context = context;
	host->requests_max = 8;
	host->bytes_max = UINT64_C(1) << 30;
	snprintf(host->folder, sizeof(host->folder), "/tmp/tensock-client-XXXXXX");
	MUST(mkdtemp(host->folder));
	snprintf(host->address, sizeof(host->address), "unix:%s/host", host->folder);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/host", host->folder);
	host->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(host->listener >= 0);
	MUST(bind(host->listener, (struct sockaddr *)&un, sizeof(un)) == 0);
	MUST(listen(host->listener, 16) == 0);
	MUST(pthread_create(&host->thread, NULL, run, host) == 0);
}

void fake_host_done(struct fake_host *host)
{
	MUST(pthread_join(host->thread, NULL) == 0);
	close(host->listener);
	unlink(host->address + strlen("unix:"));
	rmdir(host->folder);
}

static void patient(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	MUST(poll(&pollfd, 1, PATIENCE_MS) == 1);
}

void fake_host_accept(struct fake_host *host)
{
	fake_host_close(host);
	patient(host->listener, POLLIN);
	host->fd = accept4(host->listener, NULL, NULL, SOCK_CLOEXEC);
	MUST(host->fd >= 0);
}

static void forget_memory(struct fake_host *host)
{
	if (host->memory)
		munmap(host->memory, (size_t)host->memory_bytes);
	host->memory = NULL;
}

void fake_host_close(struct fake_host *host)
{
	forget_memory(host);
	host->descriptor = tsk_close(host->descriptor);
	host->fd = tsk_close(host->fd);
}

void fake_host_welcome(struct fake_host *host)
{
	const struct wire_welcome welcome = {
		.version = WIRE_VERSION,
		.requests_max = host->requests_max,
		.features = host->features,
		.model_bytes_max = UINT64_C(1) << 32,
		.request_bytes_max = host->bytes_max,
		.program = wire_string("fake 1"),
		.guest = wire_string("test\n"),
	};
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	wire_welcome_write(&w, &welcome);
	MUST(!w.bad);
	fake_host_write(host, WIRE_WELCOME, 0, body, tsk_writer_len(&w));
}

void fake_host_greet(struct fake_host *host)
{
	struct wire_hello hello;

	fake_host_accept(host);
	fake_host_expect(host, WIRE_HELLO);
	MUST(wire_hello_read(host->body, (size_t)host->header.size, &hello) == 0);
	MUST(hello.version_min == WIRE_VERSION && hello.version_max == WIRE_VERSION);
	fake_host_welcome(host);
}

/* As recv(); keeps the descriptor that comes along. */
static ssize_t receive(struct fake_host *host, void *bytes, size_t size)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = bytes, .iov_len = size };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(host->fd, &msg, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	if (!header)
		return n;
	MUST(header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)));
	MUST(!(msg.msg_flags & MSG_CTRUNC));
	tsk_close(host->descriptor);
	memcpy(&host->descriptor, CMSG_DATA(header), sizeof(int));
	return n;
}

/* False at the end before the first byte. */
bool fake_host_read_raw(struct fake_host *host, void *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n;

		patient(host->fd, POLLIN);
		n = receive(host, (char *)bytes + done, size - done);
		if (n <= 0 && done == 0)
			return false;
		MUST(n > 0);
		done += (size_t)n;
	}
	return true;
}

bool fake_host_read(struct fake_host *host)
{
	unsigned char bytes[WIRE_HEADER_BYTES];

	if (!fake_host_read_raw(host, bytes, sizeof(bytes)))
		return false;
	MUST(wire_header_read(bytes, &host->header) == 0);
	return fake_host_read_raw(host, host->body, (size_t)host->header.size);
}

void fake_host_expect(struct fake_host *host, uint32_t type)
{
	MUST(fake_host_read(host));
	if (host->header.type != type)
		fprintf(stderr, "fake host: %s came, not %s\n", wire_type_name(host->header.type),
			wire_type_name(type));
	MUST(host->header.type == type);
}

void fake_host_raw(struct fake_host *host, const void *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = send(host->fd, (const char *)bytes + done, size - done, MSG_NOSIGNAL);

		/* The client may have had enough. */
		if (n <= 0)
			return;
		done += (size_t)n;
	}
}

void fake_host_write(struct fake_host *host, uint32_t type, uint32_t id, const void *body,
		     size_t size)
{
	const struct wire_header header = { .type = type, .id = id, .size = size };
	unsigned char bytes[WIRE_HEADER_BYTES];

	wire_header_write(bytes, &header);
	fake_host_raw(host, bytes, sizeof(bytes));
	fake_host_raw(host, body, size);
}

void fake_host_error(struct fake_host *host, uint32_t type, uint32_t id, uint32_t status,
		     const char *message)
{
	struct tensock_error error = { .status = status };
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	snprintf(error.message, sizeof(error.message), "%s", message);
	wire_error_write(&w, &error);
	MUST(!w.bad);
	fake_host_write(host, type, id, body, tsk_writer_len(&w));
}

void fake_host_model(struct fake_host *host, uint32_t id, const struct wire_model *model)
{
	char engine[] = "fake 1", format[] = "onnx", x[] = "x", y[] = "y", batch[] = "batch";
	struct tsk_tensor_info input = {
		.name = x,
		.dtype = TENSOCK_FLOAT32,
		.rank = 2,
		.dims = { -1, 4 },
	};
	struct tsk_tensor_info output = input;
	const struct tsk_model_info info = { engine, format, &input, &output, 1, 1 };
	unsigned char description[512], body[2048];
	struct tsk_writer w = tsk_writer(body, sizeof(body));
	size_t n;

	input.dim_names[0] = batch;
	output.name = y;
	MUST(tsk_model_info_encode(&info, description, sizeof(description), &n) == 0);
	wire_model_write(&w, model, description, n);
	MUST(!w.bad);
	fake_host_write(host, WIRE_MODEL, id, body, tsk_writer_len(&w));
}

void fake_host_has_model(struct fake_host *host, const void *bytes, size_t size)
{
	struct wire_model model = { .size = size, .state = WIRE_MODEL_READY };

	tsk_sha256(bytes, size, model.hash);
	fake_host_expect(host, WIRE_OFFER);
	fake_host_model(host, host->header.id, &model);
}

void fake_host_map(struct fake_host *host)
{
	forget_memory(host);
	MUST(wire_memory_read(host->body, (size_t)host->header.size, &host->memory_bytes) == 0);
	MUST(host->descriptor >= 0);
	host->memory = mmap(NULL, (size_t)host->memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			    host->descriptor, 0);
	MUST(host->memory != MAP_FAILED);
	host->descriptor = tsk_close(host->descriptor);
}

void fake_host_memory(struct fake_host *host)
{
	fake_host_expect(host, WIRE_MEMORY);
	fake_host_map(host);
}

static void read_in_memory(struct fake_host *host, struct fake_infer *ret)
{
	struct wire_infer_memory infer;

	*ret = (struct fake_infer){ .id = host->header.id, .is_in_memory = true };
	ret->meta = malloc((size_t)host->header.size);
	MUST(ret->meta);
	memcpy(ret->meta, host->body, (size_t)host->header.size);
	MUST(wire_infer_memory_read(ret->meta, (size_t)host->header.size, &infer, &ret->tensors,
				    &ret->places) == 0);
	ret->infer = infer.infer;
	ret->at = infer.at;
	ret->n_places = infer.n_places;
	if (!host->memory)
		return;
	MUST(infer.at <= host->memory_bytes &&
	     infer.infer.payload_bytes <= host->memory_bytes - infer.at);
	ret->payload = malloc(infer.infer.payload_bytes + 1);
	MUST(ret->payload);
	memcpy(ret->payload, host->memory + infer.at, (size_t)infer.infer.payload_bytes);
}

void fake_host_infer(struct fake_host *host, struct fake_infer *ret)
{
	uint64_t offset, n, done = 0;
	uint32_t meta_bytes;

	MUST(host->descriptor < 0);
	if (host->header.type == WIRE_INFER_MEMORY) {
		read_in_memory(host, ret);
		return;
	}
	MUST(host->header.type == WIRE_INFER);
	*ret = (struct fake_infer){ .id = host->header.id };
	MUST(wire_meta_bytes(host->body, host->header.size, &meta_bytes) == 0);
	ret->meta = malloc(meta_bytes);
	MUST(ret->meta);
	memcpy(ret->meta, host->body, meta_bytes);
	MUST(wire_infer_read(ret->meta, meta_bytes, &ret->infer, &ret->tensors) == 0);
	ret->payload = malloc(ret->infer.payload_bytes + 1);
	MUST(ret->payload);
	MUST(wire_body_payload(host->header.size, meta_bytes, ret->infer.payload_bytes, &offset,
			       &n) == 0);
	memcpy(ret->payload, host->body + offset, (size_t)n);
	for (done = n; done < ret->infer.payload_bytes; done += host->header.size) {
		fake_host_expect(host, WIRE_CHUNK);
		MUST(host->header.id == ret->id);
		MUST(host->header.size <= ret->infer.payload_bytes - done);
		memcpy(ret->payload + done, host->body, (size_t)host->header.size);
	}
}

void fake_infer_done(struct fake_infer *infer)
{
	free(infer->meta);
	free(infer->payload);
	free(infer->tensors);
	free(infer->places);
}

void fake_host_result(struct fake_host *host, uint32_t id, struct wire_tensor *outputs, uint32_t n,
		      const unsigned char *payload, uint64_t first, uint64_t chunk)
{
	struct wire_result result = { .n_outputs = n, .queue_ns = 11, .compute_ns = 22 };
	unsigned char *body = calloc(1, WIRE_BODY_MAX);
	struct tsk_writer w = tsk_writer(body, WIRE_META_MAX);
	uint64_t part, done;
	size_t offset;

	MUST(body);
	MUST(wire_tensors_layout(outputs, n, &result.payload_bytes) == 0);
	wire_result_write(&w, &result, outputs);
	MUST(!w.bad);
	part = wire_first_payload(tsk_writer_len(&w), result.payload_bytes, &offset);
	part = part < first ? part : first;
	if (part)
		memcpy(body + offset, payload, (size_t)part);
	else
		offset = tsk_writer_len(&w);
	fake_host_write(host, WIRE_RESULT, id, body, offset + (size_t)part);
	free(body);
	for (done = part; done < result.payload_bytes; done += part) {
		part = result.payload_bytes - done;
		part = part < chunk ? part : chunk;
		fake_host_write(host, WIRE_CHUNK, id, payload + done, (size_t)part);
	}
}

void fake_host_result_memory(struct fake_host *host, const struct fake_infer *infer,
			     struct wire_tensor *outputs, uint32_t n, const unsigned char *payload)
{
	struct wire_result result = { .n_outputs = n, .queue_ns = 11, .compute_ns = 22 };
	unsigned char *body = calloc(1, WIRE_META_MAX);
	struct tsk_writer w = tsk_writer(body, WIRE_META_MAX);

	MUST(body);
	MUST(wire_tensors_layout(outputs, n, &result.payload_bytes) == 0);
	wire_result_write(&w, &result, outputs);
	MUST(!w.bad);
	for (uint32_t i = 0; i < n && i < infer->n_places; i++) {
		const struct wire_place *place = &infer->places[i];

		MUST(place->at <= host->memory_bytes &&
		     place->bytes <= host->memory_bytes - place->at);
		if (outputs[i].bytes <= place->bytes)
			memcpy(host->memory + place->at, payload + outputs[i].offset,
			       (size_t)outputs[i].bytes);
	}
	fake_host_write(host, WIRE_RESULT_MEMORY, infer->id, body, tsk_writer_len(&w));
	free(body);
}

void fake_host_echo(struct fake_host *host, const struct fake_infer *infer)
{
	uint32_t n = infer->infer.n_outputs;
	struct wire_tensor *outputs = calloc(n, sizeof(*outputs));

	MUST(outputs && n <= infer->infer.n_inputs);
	for (uint32_t i = 0; i < n; i++) {
		const struct wire_tensor *wanted = &infer->tensors[infer->infer.n_inputs + i];

		outputs[i] = infer->tensors[i];
		outputs[i].name = wanted->name.len ? wanted->name : wire_string("y");
		outputs[i].index = wanted->name.len ? i : wanted->index;
	}
	if (infer->n_places)
		fake_host_result_memory(host, infer, outputs, n, infer->payload);
	else
		fake_host_result(host, infer->id, outputs, n, infer->payload, WIRE_BODY_MAX,
				 WIRE_BODY_MAX);
	free(outputs);
}
