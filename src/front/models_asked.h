/* SPDX-License-Identifier: Apache-2.0 */
/* For unit tests only: requests to the models of a rig, and what became of them. */
#ifndef FRONT_MODELS_ASKED_H
#define FRONT_MODELS_ASKED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/status.h"
#include "front/models.h"
#include "front/rig.h"

/* A request of ours, and what became of it. */
struct asked {
	struct request request;
	bool wants_run; /* else it only wants the model to be loaded, and says so by failing */
	unsigned n_done;
	bool has_outputs;
	uint32_t status;
	char message[252];
	uint64_t used_bytes; /* of the account, when it was done */
	const struct account *account;
};

static inline struct asked *asked_of(struct request *request)
{
	return (struct asked *)(void *)((char *)request - offsetof(struct asked, request));
}

static inline int asked_prepare(struct request *request, const struct tsk_model_info *info,
				uint64_t *ret_in_bytes, uint64_t *ret_out_bytes,
				struct tensock_error *reterr)
{
	assert_string_equal(info->engine, "rig");
	if (!asked_of(request)->wants_run)
		return tsk_fail(reterr, TENSOCK_CANCELLED, "loaded");
	*ret_in_bytes = 64;
	*ret_out_bytes = 4096;
	return 0;
}

static inline bool asked_fill(struct request *request, void *region)
{
	(void)request;
	memset(region, 0, 64);
	return false;
}

static inline void asked_done(struct request *request, struct request_outputs *outputs,
			      const struct tensock_error *error)
{
	struct asked *asked = asked_of(request);

	asked->n_done++;
	asked->has_outputs = outputs;
	asked->status = error ? error->status : TENSOCK_OK;
	snprintf(asked->message, sizeof(asked->message), "%s", error ? error->message : "");
	if (asked->account)
		asked->used_bytes = asked->account->used_bytes;
}

static const struct request_ops asked_ops = { .prepare = asked_prepare,
					      .fill = asked_fill,
					      .done = asked_done };

static inline struct asked to_load(void)
{
	return (struct asked){ .request.ops = &asked_ops };
}

static inline struct asked to_run(void)
{
	return (struct asked){ .request.ops = &asked_ops, .wants_run = true };
}

static inline void expect_loaded(struct rig *rig, const struct asked *asked)
{
	for (int i = 0; i < 2000 && !asked->n_done; i++)
		rig_run(rig, 1);
	assert_int_equal(asked->n_done, 1);
	assert_int_equal(asked->status, TENSOCK_CANCELLED);
	assert_string_equal(asked->message, "loaded");
}

static inline void expect_ok(struct rig *rig, const struct asked *asked, bool has_outputs)
{
	for (int i = 0; i < 2000 && !asked->n_done; i++)
		rig_run(rig, 1);
	assert_int_equal(asked->n_done, 1);
	assert_int_equal(asked->status, TENSOCK_OK);
	assert_int_equal(asked->has_outputs, has_outputs);
}

static inline void on_asked_hashed(void *context)
{
	*(bool *)context = true;
}

static inline struct model_file *file_of(struct rig *rig, const char *bytes)
{
	struct tensock_error error;
	struct model_file *file;
	bool is_hashed = false;

	assert_int_equal(model_file_new(&rig->guest->account, strlen(bytes), &file, &error), 0);
	memcpy(model_file_room(file), bytes, strlen(bytes));
	assert_int_equal(model_file_freeze(file, &rig->guest->work, on_asked_hashed, &is_hashed,
					   &error),
			 0);
	for (int i = 0; i < 100 && !is_hashed; i++)
		rig_run(rig, 0);
	assert_true(is_hashed);
	return file;
}

static inline void push(struct rig *rig, const char *bytes, const char *name, const char *version,
			struct asked *asked)
{
	struct model_labels labels = { .name = name, .version = version };

	models_keep(rig->guest->models, file_of(rig, bytes), &labels, &asked->request);
}

/* Pushes, and plays the worker until the model is loaded. */
static inline struct rig_worker *push_loaded(struct rig *rig, const char *bytes, const char *name,
					     const char *version)
{
	struct asked asked = to_load();
	struct rig_worker *worker;

	push(rig, bytes, name, version, &asked);
	worker = rig_worker_with(rig, bytes);
	expect_loaded(rig, &asked);
	return worker;
}

static inline struct model *named(struct rig *rig, const char *name, const char *version)
{
	struct model_name n = { .name = name, .version = version };

	return models_find(rig->guest->models, &n);
}

static inline struct model *of_bytes(struct rig *rig, const char *bytes)
{
	unsigned char hash[MODEL_HASH_BYTES];
	struct model_name n = { .hash = hash };

	assert_int_equal(EVP_Digest(bytes, strlen(bytes), hash, NULL, EVP_sha256(), NULL), 1);
	return models_find(rig->guest->models, &n);
}

static const float values[] = { 0.5f, 1 };

static inline void answer_run(struct rig *rig, struct rig_worker *worker)
{
	struct run_entry start = rig_worker_expect(rig, worker, RUN_START);

	rig_worker_done(worker, &start, values, 2);
}

static inline void ask(struct rig *rig, struct model *model, struct asked *asked)
{
	assert_non_null(model);
	models_request(rig->guest->models, model, &asked->request);
}

#endif
