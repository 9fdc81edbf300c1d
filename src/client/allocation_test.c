/* SPDX-License-Identifier: Apache-2.0 */
/* Each allocation of a conversation fails once: an error, or it goes on without; no crash, nothing lost (under ASan). */
#include "base/testing.h"

#include <stdlib.h>
#include <string.h>

#include <tensock/tensock.h>

#include "client/fake_host.h"

/* The linker puts these before libc's; the host's thread is left alone. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strndup(const char *text, size_t n);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strndup(const char *text, size_t n);

static __thread unsigned countdown; /* 0: none fails */

static bool fails(void)
{
	return countdown && --countdown == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strndup(const char *text, size_t n)
{
	return fails() ? NULL : __real_strndup(text, n);
}

static void answer_offer(struct fake_host *host, struct wire_model *model)
{
	const unsigned char from[8] = { 0 };
	struct wire_offer offer;
	uint32_t id = host->header.id;

	if (wire_offer_read(host->body, (size_t)host->header.size, &offer) < 0)
		abort();
	memcpy(model->hash, offer.hash, sizeof(offer.hash));
	model->size = offer.size;
	fake_host_write(host, WIRE_SEND, id, from, sizeof(from));
	/* Or the client has no memory to send it. */
	if (fake_host_read(host) && host->header.type == WIRE_CHUNK)
		fake_host_model(host, id, model);
	else if (host->fd >= 0)
		fake_host_error(host, WIRE_ERROR, id, TENSOCK_CANCELLED, "cancelled");
}

static void answer_list(struct fake_host *host, const struct wire_model *model)
{
	unsigned char body[256];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	wire_models_begin(&w, 1);
	wire_models_add(&w, model);
	fake_host_write(host, WIRE_MODELS, host->header.id, body, tsk_writer_len(&w));
}

static unsigned n_in_memory;

static void host_serves(struct fake_host *host)
{
	struct wire_model model = { .state = WIRE_MODEL_READY, .name = wire_string("m") };
	struct fake_infer infer;

	/* The client may fail before it connects: then it says so by this. */
	host->features = WIRE_FEATURE_MEMORY;
	fake_host_accept(host);
	if (!fake_host_read(host))
		return;
	fake_host_welcome(host);
	while (fake_host_read(host)) {
		switch (host->header.type) {
		case WIRE_MEMORY:
			fake_host_map(host);
			break;
		case WIRE_OFFER:
			answer_offer(host, &model);
			break;
		case WIRE_INFER:
		case WIRE_INFER_MEMORY:
			n_in_memory += host->header.type == WIRE_INFER_MEMORY;
			fake_host_infer(host, &infer);
			fake_host_echo(host, &infer);
			fake_infer_done(&infer);
			break;
		case WIRE_INFO:
			fake_host_model(host, host->header.id, &model);
			break;
		case WIRE_LIST:
			answer_list(host, &model);
			break;
		case WIRE_UNLOAD:
			fake_host_write(host, WIRE_DONE, host->header.id, NULL, 0);
			break;
		default:
			fake_host_write(host, WIRE_COUNTERS, host->header.id, "\0\0\0\0", 4);
			break;
		}
	}
}

enum {
	X_BYTES = 100000
};

static int infer(struct tensock_client *client, const struct tensock_model *model, const void *x,
		 void *y, struct tensock_error *error)
{
	const struct tensock_input input = {
		.name = "x",
		.dtype = TENSOCK_UINT8,
		.rank = 1,
		.dims = { X_BYTES },
		.data = x,
		.bytes = X_BYTES,
	};
	struct tensock_output output = { .name = "y", .data = y, .capacity = X_BYTES };
	int r = tensock_infer(client, model, &input, 1, &output, 1, NULL, error);

	assert_true(r != TENSOCK_OK || memcmp(output.data, x, X_BYTES) == 0);
	assert_true(r == TENSOCK_OK || output.data == y);
	tensock_outputs_done(&output, 1);
	return r;
}

/* Through the socket, by a slice, and where they lie. */
static int infer_each_way(struct tensock_client *client, const struct tensock_model *model,
			  struct tensock_error *error)
{
	static unsigned char x[X_BYTES], y[X_BYTES];
	void *memory = NULL;
	int r;

	memset(x, 7, sizeof(x));
	r = infer(client, model, x, NULL, error);
	if (r == TENSOCK_OK)
		r = infer(client, model, x, y, error);
	if (r == TENSOCK_OK)
		r = tensock_alloc(client, X_BYTES, &memory, error);
	if (r == TENSOCK_OK)
		memset(memory, 8, X_BYTES);
	if (r == TENSOCK_OK)
		r = infer(client, model, memory, y, error);
	tensock_free(client, memory);
	return r;
}

static int talk(struct tensock_client *client, struct tensock_error *error)
{
	struct tensock_model *model = NULL, *opened = NULL, **models = NULL;
	struct tensock_counter *counters = NULL;
	size_t n = 0;
	int r = tensock_push(client, "model", 5, NULL, &model, error);

	if (r == TENSOCK_OK)
		r = infer_each_way(client, model, error);
	if (r == TENSOCK_OK)
		r = tensock_open(client, "m", NULL, &opened, error);
	if (r == TENSOCK_OK)
		r = tensock_list(client, &models, &n, error);
	if (r == TENSOCK_OK)
		r = tensock_stats(client, &counters, &n, error);
	if (r == TENSOCK_OK)
		r = tensock_unload(client, model, 0, error);
	tensock_model_free(model);
	tensock_model_free(opened);
	tensock_models_free(models, models ? 1 : 0);
	free(counters);
	return r;
}

/* A client that has no memory to connect leaves the host waiting. */
static void knock(struct fake_host *host)
{
	struct tensock_client_options options = { .size = sizeof(options),
						  .connect_timeout_ms = 1 };
	struct tensock_client *client;

	assert_int_equal(tensock_client_new(host->address, &options, &client, NULL), 0);
	(void)tensock_client_connect(client, NULL);
	tensock_client_free(client);
}

/* The nth allocation fails, if there are so many; *ret_status is what became of it.  False: there are not. */
static bool talk_without(unsigned n, int *ret_status)
{
	const struct tensock_client_options options = {
		.size = sizeof(options),
		.reconnects_max = UINT32_MAX,
	};
	struct tensock_error error = { 0 };
	struct tensock_client *client = NULL;
	struct fake_host host;
	unsigned left;
	int r;

	fake_host_start(&host, host_serves, NULL);
	countdown = n;
	r = tensock_client_new(host.address, &options, &client, &error);
	if (r == TENSOCK_OK)
		r = talk(client, &error);
	left = countdown;
	countdown = 0;
	tensock_client_free(client);
	knock(&host);
	fake_host_done(&host);
	if (r != TENSOCK_OK && (r != TENSOCK_OUT_OF_MEMORY || left))
		print_error("allocation %u: %d %s\n", n, r, error.message);
	assert_true(r == TENSOCK_OK || (r == TENSOCK_OUT_OF_MEMORY && !left));
	*ret_status = r;
	return left == 0;
}

static void test_each_allocation(void **state)
{
	unsigned n = 1, n_without = 0;
	int r;

	(void)state;
	for (; talk_without(n, &r); n++)
		n_without += r == TENSOCK_OK;
	assert_true(n > 40);
	assert_int_equal(r, TENSOCK_OK);
	/* Of INFER_MEMORY and the memory: they go through the socket instead. */
	print_message("%u of %u went on without\n", n_without, n);
	assert_in_range(n_without, 1, 8);
	assert_true(n_in_memory > n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_each_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
