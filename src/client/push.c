/* SPDX-License-Identifier: Apache-2.0 */
/* A model's bytes to the host: hashed, offered, and sent from where the host wants them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/sha256.h"
#include "base/status.h"
#include "client/client.h"
#include "client/model.h"
#include "client/options.h"

/* Hashed in one turn. */
#define HASH_SLICE_BYTES ((uint64_t)1024 * 1024)

/* Hash, size, two labels. */
#define OFFER_BYTES_MAX (WIRE_HASH_BYTES + 8 + 2 + WIRE_NAME_MAX + 2 + WIRE_LABEL_MAX)

struct push_request {
	struct tensock_request request;
	struct tensock_push_options options; /* without name and version */
	char name[WIRE_NAME_MAX + 1];
	char version[WIRE_LABEL_MAX + 1];
	const unsigned char *bytes; /* the caller's */
	uint64_t n_bytes;
	struct tsk_sha256 sha;
	uint64_t n_hashed;
	unsigned char hash[WIRE_HASH_BYTES];
	bool is_wanted;  /* the host has said SEND, */
	uint64_t offset; /* from here on */
	bool is_told;    /* to progress() */
	struct tensock_model *model;
	struct tensock_model **ret_model;
};

static struct push_request *push_of(struct tensock_request *request)
{
	return (struct push_request *)(void *)request;
}

static int offer(struct push_request *push, struct tensock_error *reterr)
{
	struct wire_offer offer = {
		.size = push->n_bytes,
		.name = wire_string(push->name),
		.version = wire_string(push->version),
	};
	struct tsk_writer w;

	memcpy(offer.hash, push->hash, sizeof(offer.hash));
	if (request_head_init(&push->request, OFFER_BYTES_MAX, &w) < 0)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for an offer");
	wire_offer_write(&w, &offer);
	request_head_done(&push->request, WIRE_OFFER, tsk_writer_len(&w), 0);
	return 0;
}

static int push_work(struct tensock_request *request, struct tensock_error *reterr)
{
	struct push_request *push = push_of(request);
	uint64_t n = push->n_bytes - push->n_hashed;

	if (n > HASH_SLICE_BYTES)
		n = HASH_SLICE_BYTES;
	tsk_sha256_update(&push->sha, push->bytes + push->n_hashed, (size_t)n);
	push->n_hashed += n;
	request->progress_is_due = true;
	if (push->n_hashed < push->n_bytes)
		return 1;
	tsk_sha256_final(&push->sha, push->hash);
	return offer(push, reterr);
}

/* The next connection gets a new OFFER, and says anew what it wants. */
static void push_restart(struct tensock_request *request)
{
	pieces_done(&request->out);
	push_of(request)->is_wanted = false;
	push_of(request)->is_told = false;
}

static int send_bytes(struct push_request *push, const void *body, size_t size,
		      struct tensock_error *reterr)
{
	struct tensock_request *request = &push->request;
	struct tensock_error error;
	uint64_t offset;

	if (push->is_wanted || wire_send_read(body, size, &offset) < 0 || offset > push->n_bytes)
		return connection_protocol_error(reterr, "a SEND that makes no sense");
	push->is_wanted = true;
	push->offset = offset;
	if (request->cancel_is_wanted)
		return 0;
	if (pieces_init(&request->out, 1) < 0) {
		(void)tsk_fail(&error, TENSOCK_OUT_OF_MEMORY, "no memory to send a model");
		request_fail(request, &error);
		tensock_request_cancel(request);
		return 0;
	}
	pieces_add(&request->out, push->bytes + offset, push->n_bytes - offset);
	request->progress_is_due = true;
	if (request->out.left)
		request_set_turn(request, TURN_FURTHER);
	return 0;
}

static int take_model(struct push_request *push, const void *body, size_t size,
		      struct tensock_error *reterr)
{
	_cleanup_(model_freep) struct tensock_model *model = NULL;
	struct tensock_error error;
	int r = model_read(body, size, &model);

	if (r == -ENOMEM) {
		(void)tsk_fail(&error, TENSOCK_OUT_OF_MEMORY, "no memory for a model");
		request_fail(&push->request, &error);
		return 1;
	}
	if (r < 0)
		return connection_protocol_error(reterr, "a broken MODEL");
	if (memcmp(model->hash, push->hash, sizeof(push->hash)) != 0 ||
	    model->bytes != push->n_bytes || !model->info.engine)
		return connection_protocol_error(reterr, "a MODEL that is not the one offered");
	push->model = TAKE_PTR(model);
	return 1;
}

static int push_answer(struct tensock_request *request, uint32_t type, const void *body,
		       size_t size, struct tensock_error *reterr)
{
	switch (type) {
	case WIRE_SEND:
		return send_bytes(push_of(request), body, size, reterr);
	case WIRE_MODEL:
		return take_model(push_of(request), body, size, reterr);
	default:
		return connection_protocol_error(reterr, "%s answers an OFFER",
						 wire_type_name(type));
	}
}

static void push_progress(struct tensock_request *request)
{
	struct push_request *push = push_of(request);
	uint64_t done = push->model ? push->n_bytes : push->n_bytes - request->out.left;

	if (!push->options.progress)
		return;
	if (!push->is_wanted && !push->model) {
		/* Where an earlier connection has brought more, that is not taken back. */
		if (!request->is_repeated)
			push->options.progress(push->options.user, 0, push->n_bytes);
		return;
	}
	if (push->is_wanted && !push->is_told)
		push->options.progress(push->options.user, push->offset, push->n_bytes);
	push->is_told = true;
	push->options.progress(push->options.user, done, push->n_bytes);
}

static void push_done(struct tensock_request *request, const struct tensock_error *error)
{
	struct push_request *push = push_of(request);

	if (!error)
		*push->ret_model = TAKE_PTR(push->model);
}

static void push_free(struct tensock_request *request)
{
	struct push_request *push = push_of(request);

	tensock_model_free(push->model);
	free(push);
}

static const struct request_ops push_ops = {
	.work = push_work,
	.restart = push_restart,
	.answer = push_answer,
	.progress = push_progress,
	.done = push_done,
	.free = push_free,
};

/* NULL: no label. */
static int copy_label(char *ret, size_t size, const char *label, struct tensock_error *reterr)
{
	size_t len = label ? strlen(label) : 0;

	if (len >= size)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"the label '%.80s' has %zu bytes, at most %zu fit", label, len,
				size - 1);
	if (len)
		memcpy(ret, label, len);
	return 0;
}

static void push_freep(struct push_request **push)
{
	free(*push);
}

static int push_new(const void *bytes, uint64_t n_bytes, const struct tensock_push_options *options,
		    struct tensock_model **ret_model, struct push_request **ret,
		    struct tensock_error *reterr)
{
	_cleanup_(push_freep) struct push_request *push = NULL;
	int r;

	if (!bytes || !n_bytes || n_bytes > SIZE_MAX / 2)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "a model without bytes");
	push = calloc(1, sizeof(*push));
	if (!push)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory to push a model");
	push->request.ops = &push_ops;
	push->bytes = bytes;
	push->n_bytes = n_bytes;
	push->ret_model = ret_model;
	tsk_sha256_init(&push->sha);
	r = options_read(&push->options, sizeof(push->options), options, reterr);
	if (r == 0 && push->options.reserved)
		r = options_reserved(reterr);
	if (r == 0)
		r = copy_label(push->name, sizeof(push->name), push->options.name, reterr);
	if (r == 0)
		r = copy_label(push->version, sizeof(push->version), push->options.version, reterr);
	if (r == 0)
		*ret = TAKE_PTR(push);
	return r;
}

int tensock_push_start(struct tensock_client *client, const void *bytes, uint64_t n_bytes,
		       const struct tensock_push_options *options, struct tensock_model **ret_model,
		       const struct tensock_completion *completion, struct tensock_request **ret,
		       struct tensock_error *reterr)
{
	struct push_request *push;
	struct tensock_error error;

	if (push_new(bytes, n_bytes, options, ret_model, &push, &error) < 0)
		return client_failed(&error, reterr);
	request_start(&push->request, client, completion, true);
	if (ret)
		*ret = &push->request;
	return TENSOCK_OK;
}

int tensock_push(struct tensock_client *client, const void *bytes, uint64_t n_bytes,
		 const struct tensock_push_options *options, struct tensock_model **ret_model,
		 struct tensock_error *reterr)
{
	struct push_request *push;
	struct tensock_error error;

	if (push_new(bytes, n_bytes, options, ret_model, &push, &error) < 0)
		return client_failed(&error, reterr);
	return client_call(client, &push->request, true, 0, reterr);
}

static int map_file(const char *path, void **ret, size_t *ret_bytes, struct tensock_error *reterr)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	void *bytes;

	if (fd < 0 || fstat(fd, &st) < 0) {
		enum tensock_status status = errno == ENOENT || errno == ENOTDIR ? TENSOCK_NOT_FOUND
					     : errno == EACCES || errno == EPERM
						     ? TENSOCK_PERMISSION_DENIED
						     : tsk_status_from_errno(errno);

		return tsk_fail(reterr, status, "cannot open %.150s: %s", path,
				strerrordesc_np(errno));
	}
	if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%.150s is %s", path,
				S_ISREG(st.st_mode) ? "empty" : "no regular file");
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "cannot map %.150s: %s", path,
				strerrordesc_np(errno));
	*ret = bytes;
	*ret_bytes = (size_t)st.st_size;
	return 0;
}

int tensock_push_file(struct tensock_client *client, const char *path,
		      const struct tensock_push_options *options, struct tensock_model **ret_model,
		      struct tensock_error *reterr)
{
	struct tensock_error error;
	size_t n_bytes = 0;
	void *bytes = NULL;
	int r;

	if (map_file(path, &bytes, &n_bytes, &error) < 0)
		return client_failed(&error, reterr);
	r = tensock_push(client, bytes, n_bytes, options, ret_model, reterr);
	munmap(bytes, n_bytes);
	return r;
}
