/* SPDX-License-Identifier: Apache-2.0 */
#include "base/testing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <tensock/tensock.h>

#include "base/sha256.h"
#include "client/fake_host.h"

enum {
	BYTES = 3 * 1024 * 1024 + 17
};

/* What the host is to say, and what it saw. */
struct rig {
	struct fake_host host;
	struct tensock_client *client;
	struct tensock_model *model;
	struct tensock_error error;
	unsigned char *bytes;      /* the guest's */
	unsigned char *host_bytes; /* of them, what came */
	uint64_t break_at;
	struct wire_model offered;
	char name[256], version[64];
	uint64_t told_first, told_last, told_total;
	unsigned told, told_zero;
	bool went_back;
};

static void begin(struct rig *rig, void (*script)(struct fake_host *host))
{
	*rig = (struct rig){ .break_at = UINT64_MAX };
	rig->bytes = malloc(BYTES);
	rig->host_bytes = calloc(1, BYTES);
	assert_true(rig->bytes && rig->host_bytes);
	for (unsigned i = 0; i < BYTES; i++)
		rig->bytes[i] = (unsigned char)(i * 13 + i / 1000);
	fake_host_start(&rig->host, script, rig);
	assert_int_equal(tensock_client_new(rig->host.address, NULL, &rig->client, &rig->error), 0);
}

static void end(struct rig *rig)
{
	tensock_model_free(rig->model);
	tensock_client_free(rig->client);
	fake_host_done(&rig->host);
	free(rig->bytes);
	free(rig->host_bytes);
}

static void progress(void *user, uint64_t done_bytes, uint64_t total_bytes)
{
	struct rig *rig = user;

	if (!rig->told++)
		rig->told_first = done_bytes;
	rig->told_zero += !done_bytes;
	rig->went_back |= done_bytes < rig->told_last;
	rig->told_last = done_bytes;
	rig->told_total = total_bytes;
}

static int push(struct rig *rig)
{
	const struct tensock_push_options options = {
		.size = sizeof(options),
		.name = "digits",
		.version = "2",
		.progress = progress,
		.user = rig,
	};

	return tensock_push(rig->client, rig->bytes, BYTES, &options, &rig->model, &rig->error);
}

/* OFFER: its id. */
static uint32_t take_offer(struct fake_host *host)
{
	struct rig *rig = host->context;
	struct wire_offer offer;

	fake_host_expect(host, WIRE_OFFER);
	if (wire_offer_read(host->body, (size_t)host->header.size, &offer) < 0)
		abort();
	snprintf(rig->name, sizeof(rig->name), "%.*s", (int)offer.name.len, offer.name.bytes);
	snprintf(rig->version, sizeof(rig->version), "%.*s", (int)offer.version.len,
		 offer.version.bytes);
	rig->offered = (struct wire_model){
		.size = offer.size,
		.state = WIRE_MODEL_READY,
		.memory = 5,
		.runs = 6,
		.name = wire_string(rig->name),
		.version = wire_string(rig->version),
	};
	memcpy(rig->offered.hash, offer.hash, sizeof(offer.hash));
	return host->header.id;
}

/* Asks for the bytes from there on, and takes them.  False: enough of this connection. */
static bool take_bytes(struct fake_host *host, uint32_t id, uint64_t from)
{
	struct rig *rig = host->context;
	unsigned char body[8];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	wire_send_write(&w, from);
	fake_host_write(host, WIRE_SEND, id, body, sizeof(body));
	while (from < BYTES && from < rig->break_at) {
		fake_host_expect(host, WIRE_CHUNK);
		if (host->header.id != id || host->header.size > BYTES - from)
			abort();
		memcpy(rig->host_bytes + from, host->body, (size_t)host->header.size);
		from += host->header.size;
	}
	return from == BYTES;
}

static void host_wants_all(struct fake_host *host)
{
	struct rig *rig = host->context;
	uint32_t id;

	fake_host_greet(host);
	id = take_offer(host);
	take_bytes(host, id, 0);
	fake_host_model(host, id, &rig->offered);
}

static void test_push(void **state)
{
	struct tensock_model_info info = { .size = sizeof(info) };
	unsigned char hash[32];
	struct rig rig;

	(void)state;
	begin(&rig, host_wants_all);
	assert_int_equal(push(&rig), 0);
	tsk_sha256(rig.bytes, BYTES, hash);
	assert_memory_equal(rig.offered.hash, hash, sizeof(hash));
	assert_int_equal(rig.offered.size, BYTES);
	assert_string_equal(rig.name, "digits");
	assert_string_equal(rig.version, "2");
	assert_int_equal(memcmp(rig.bytes, rig.host_bytes, BYTES), 0);
	assert_int_equal(rig.told_first, 0);
	assert_int_equal(rig.told_last, BYTES);
	assert_int_equal(rig.told_total, BYTES);
	assert_false(rig.went_back);
	tensock_model_get_info(rig.model, &info);
	assert_int_equal(info.state, TENSOCK_MODEL_READY);
	assert_int_equal(info.bytes, BYTES);
	assert_int_equal(info.memory, 5);
	assert_int_equal(info.runs, 6);
	assert_int_equal(strlen(info.hash), 64);
	assert_string_equal(info.name, "digits");
	assert_string_equal(info.engine, "fake 1");
	assert_string_equal(info.format, "onnx");
	assert_int_equal(info.n_inputs, 1);
	assert_string_equal(info.inputs[0].name, "x");
	assert_int_equal(info.inputs[0].dims[0], -1);
	assert_string_equal(info.inputs[0].dim_names[0], "batch");
	assert_int_equal(info.outputs[0].dims[1], 4);
	end(&rig);
}

static void host_has_it(struct fake_host *host)
{
	struct rig *rig = host->context;
	uint32_t id;

	fake_host_greet(host);
	id = take_offer(host);
	fake_host_model(host, id, &rig->offered);
}

static void test_host_has_it(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, host_has_it);
	assert_int_equal(push(&rig), 0);
	/* While it was hashed, and at the end. */
	assert_true(rig.told_zero >= BYTES / 1024 / 1024);
	assert_int_equal(rig.told - rig.told_zero, 1);
	assert_int_equal(rig.told_last, BYTES);
	end(&rig);
}

/* The connection breaks twice; what has come stays. */
static void host_breaks(struct fake_host *host)
{
	struct rig *rig = host->context;
	uint32_t id;

	fake_host_greet(host);
	id = take_offer(host);
	rig->break_at = 1000000;
	if (take_bytes(host, id, 0))
		abort();
	fake_host_greet(host);
	id = take_offer(host);
	rig->break_at = 2000000;
	/* As it happens in the middle of a chunk. */
	if (take_bytes(host, id, 999999))
		abort();
	fake_host_greet(host);
	id = take_offer(host);
	rig->break_at = UINT64_MAX;
	take_bytes(host, id, 2000000);
	fake_host_model(host, id, &rig->offered);
}

static void test_goes_on(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, host_breaks);
	assert_int_equal(push(&rig), 0);
	assert_int_equal(memcmp(rig.bytes, rig.host_bytes, BYTES), 0);
	end(&rig);
}

/* It has all, and was only not told so. */
static void host_has_all_bytes(struct fake_host *host)
{
	struct rig *rig = host->context;
	uint32_t id;

	fake_host_greet(host);
	id = take_offer(host);
	take_bytes(host, id, BYTES);
	fake_host_model(host, id, &rig->offered);
}

static void test_nothing_missing(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, host_has_all_bytes);
	assert_int_equal(push(&rig), 0);
	end(&rig);
}

/* Says no while the bytes come: no more of them is sent, and the connection is good. */
static void host_refuses(struct fake_host *host)
{
	uint32_t id;

	fake_host_greet(host);
	id = take_offer(host);
	((struct rig *)host->context)->break_at = 1;
	take_bytes(host, id, 0);
	fake_host_error(host, WIRE_ERROR, id, TENSOCK_TOO_LARGE, "no room");
	while (fake_host_read(host)) {
		if (host->header.type == WIRE_PING)
			fake_host_write(host, WIRE_PONG, host->header.id, NULL, 0);
		else if (host->header.type != WIRE_CHUNK)
			abort();
	}
}

static void test_refused(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, host_refuses);
	assert_int_equal(push(&rig), TENSOCK_TOO_LARGE);
	assert_string_equal(rig.error.message, "no room");
	assert_null(rig.model);
	assert_int_equal(tensock_ping(rig.client, NULL, NULL), 0);
	end(&rig);
}

/*
 * ---- Hosts that lie
 */

static void host_other_hash(struct fake_host *host)
{
	struct rig *rig = host->context;
	uint32_t id;

	fake_host_greet(host);
	id = take_offer(host);
	rig->offered.hash[31] ^= 1;
	fake_host_model(host, id, &rig->offered);
}

static void host_other_size(struct fake_host *host)
{
	struct rig *rig = host->context;
	uint32_t id;

	fake_host_greet(host);
	id = take_offer(host);
	rig->offered.size++;
	fake_host_model(host, id, &rig->offered);
}

static void host_no_description(struct fake_host *host)
{
	struct rig *rig = host->context;
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));
	uint32_t id;

	fake_host_greet(host);
	id = take_offer(host);
	wire_model_write(&w, &rig->offered, NULL, 0);
	fake_host_write(host, WIRE_MODEL, id, body, tsk_writer_len(&w));
}

static void host_wants_beyond(struct fake_host *host)
{
	unsigned char body[8];
	struct tsk_writer w = tsk_writer(body, sizeof(body));
	uint32_t id;

	fake_host_greet(host);
	id = take_offer(host);
	wire_send_write(&w, BYTES + 1);
	fake_host_write(host, WIRE_SEND, id, body, sizeof(body));
}

static void host_wants_twice(struct fake_host *host)
{
	uint32_t id;

	fake_host_greet(host);
	id = take_offer(host);
	take_bytes(host, id, BYTES);
	take_bytes(host, id, BYTES);
}

static void host_broken_model(struct fake_host *host)
{
	unsigned char body[100];
	uint32_t id;

	fake_host_greet(host);
	id = take_offer(host);
	memset(body, 0xff, sizeof(body));
	fake_host_write(host, WIRE_MODEL, id, body, sizeof(body));
}

static void test_lies(void **state)
{
	static void (*const scripts[])(struct fake_host * host) = {
		host_other_hash,   host_other_size,  host_no_description,
		host_wants_beyond, host_wants_twice, host_broken_model,
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(scripts); i++) {
		struct rig rig;
		int r;

		begin(&rig, scripts[i]);
		r = push(&rig);
		if (r != TENSOCK_PROTOCOL)
			print_error("%u: %d %s\n", i, r, rig.error.message);
		assert_int_equal(r, TENSOCK_PROTOCOL);
		assert_null(rig.model);
		end(&rig);
	}
}

/*
 * ---- Arguments and files
 */

static void host_nothing(struct fake_host *host)
{
	(void)host;
}

static void test_bad_arguments(void **state)
{
	struct tensock_push_options options = { .size = sizeof(options) };
	char name[257];
	struct rig rig;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	begin(&rig, host_nothing);
	assert_int_equal(tensock_push(rig.client, rig.bytes, 0, NULL, &rig.model, NULL),
			 TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(tensock_push(rig.client, NULL, 1, NULL, &rig.model, NULL),
			 TENSOCK_INVALID_ARGUMENT);
	options.name = name;
	assert_int_equal(tensock_push(rig.client, rig.bytes, 1, &options, &rig.model, NULL),
			 TENSOCK_INVALID_ARGUMENT);
	options.name = NULL;
	options.version = name;
	assert_int_equal(tensock_push(rig.client, rig.bytes, 1, &options, &rig.model, NULL),
			 TENSOCK_INVALID_ARGUMENT);
	options.version = NULL;
	options.reserved = 1;
	assert_int_equal(tensock_push(rig.client, rig.bytes, 1, &options, &rig.model, NULL),
			 TENSOCK_INVALID_ARGUMENT);
	options.reserved = 0;
	options.size = 0;
	assert_int_equal(tensock_push(rig.client, rig.bytes, 1, &options, &rig.model, NULL),
			 TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(tensock_push_file(rig.client, rig.host.folder, NULL, &rig.model, NULL),
			 TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(tensock_push_file(rig.client, "/nowhere/x", NULL, &rig.model, &rig.error),
			 TENSOCK_NOT_FOUND);
	assert_string_equal(rig.error.message, "cannot open /nowhere/x: No such file or directory");
	assert_int_equal(tensock_push_file(rig.client, "/dev/null", NULL, &rig.model, NULL),
			 TENSOCK_INVALID_ARGUMENT);
	end(&rig);
}

static void test_file(void **state)
{
	char path[96];
	struct rig rig;
	FILE *file;

	(void)state;
	begin(&rig, host_wants_all);
	snprintf(path, sizeof(path), "%s/model", rig.host.folder);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(rig.bytes, 1, BYTES, file), BYTES);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(tensock_push_file(rig.client, path, NULL, &rig.model, &rig.error), 0);
	assert_int_equal(memcmp(rig.bytes, rig.host_bytes, BYTES), 0);
	assert_string_equal(rig.name, "");
	assert_int_equal(unlink(path), 0);
	end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_push),    TSK_TEST(test_host_has_it),
		TSK_TEST(test_goes_on), TSK_TEST(test_nothing_missing),
		TSK_TEST(test_refused), TSK_TEST(test_lies),
		TSK_TEST(test_file),    TSK_TEST(test_bad_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
