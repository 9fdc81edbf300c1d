/* SPDX-License-Identifier: Apache-2.0 */
/* Models that the host holds: one, all, one less. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/status.h"
#include "client/model.h"
#include "client/question.h"

#define HASH_PREFIX "sha256:"

static int ref_from_text(const char *name, const char *version, struct wire_model_ref *ret,
			 struct tensock_error *reterr)
{
	size_t prefix = strlen(HASH_PREFIX);

	*ret = (struct wire_model_ref){
		.kind = WIRE_BY_NAME,
		.name = wire_string(name),
		.version = wire_string(version),
	};
	if (!name || !*name || strlen(name) > WIRE_NAME_MAX ||
	    (version && strlen(version) > WIRE_LABEL_MAX))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"a model's name has 1 to %u bytes, its version at most %u",
				WIRE_NAME_MAX, WIRE_LABEL_MAX);
	if (strncmp(name, HASH_PREFIX, prefix) != 0)
		return 0;
	ret->kind = WIRE_BY_HASH;
	if (strlen(name + prefix) != 2 * WIRE_HASH_BYTES ||
	    !tsk_hex_read(name + prefix, WIRE_HASH_BYTES, ret->hash))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"'%.80s' is no hash; write sha256: and 64 hexadecimal digits",
				name);
	return 0;
}

/* What was asked about, and what is known of it. */
struct asked {
	const struct wire_model_ref *ref;
	bool is_to_be_loaded;
	struct tensock_model *model;
};

static bool is_the_one(const struct tensock_model *model, const struct wire_model_ref *ref)
{
	if (ref->kind == WIRE_BY_HASH)
		return memcmp(model->hash, ref->hash, sizeof(ref->hash)) == 0;
	return wire_string_equals(ref->name, model->name) &&
	       (!ref->version.len || wire_string_equals(ref->version, model->version));
}

static int read_model(void *context, const void *body, size_t size)
{
	struct asked *asked = context;
	_cleanup_(model_freep) struct tensock_model *model = NULL;
	int r = model_read(body, size, &model);

	if (r < 0)
		return r;
	if (!is_the_one(model, asked->ref) || (asked->is_to_be_loaded && !model->info.engine))
		return -EPROTO;
	asked->model = TAKE_PTR(model);
	return 0;
}

static int ask(struct tensock_client *client, const struct wire_model_ref *ref, bool load,
	       struct tensock_model **ret_model, struct tensock_error *reterr)
{
	struct asked asked = { .ref = ref, .is_to_be_loaded = load };
	const struct wire_about about = { .model = *ref, .flags = load ? WIRE_INFO_LOAD : 0 };
	const struct question question = {
		.type = WIRE_INFO,
		.answer_type = WIRE_MODEL,
		.about = &about,
		.read = read_model,
		.context = &asked,
	};
	int r = question_ask(client, &question, reterr);

	if (r == TENSOCK_OK)
		*ret_model = asked.model;
	return r;
}

int tensock_open(struct tensock_client *client, const char *name, const char *version,
		 struct tensock_model **ret_model, struct tensock_error *reterr)
{
	struct wire_model_ref ref;
	struct tensock_error error;

	if (ref_from_text(name, version, &ref, &error) < 0)
		return client_failed(&error, reterr);
	return ask(client, &ref, true, ret_model, reterr);
}

struct listed {
	struct tensock_model **models;
	uint32_t n;
};

static void listed_done(struct listed *listed)
{
	tensock_models_free(listed->models, listed->n);
}

static int read_models(void *context, const void *body, size_t size)
{
	_cleanup_(listed_done) struct listed listed = { 0 };
	struct listed *ret = context;
	struct tsk_reader reader;
	uint32_t n;
	int r = wire_models_read(body, size, &reader, &n);

	if (r < 0)
		return r;
	listed.models = calloc(n ? n : 1, sizeof(struct tensock_model *));
	if (!listed.models)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		struct wire_model wire;

		r = wire_models_next(&reader, i == n - 1, &wire);
		if (r < 0)
			return r;
		listed.models[i] = model_new(&wire);
		if (!listed.models[i])
			return -ENOMEM;
		listed.n = i + 1;
	}
	*ret = listed;
	listed = (struct listed){ 0 };
	return 0;
}

/* The list says nothing of inputs and outputs.  A model that is gone meanwhile stays as it was. */
static int describe(struct tensock_client *client, struct tensock_model **model,
		    struct tensock_error *reterr)
{
	struct wire_model_ref ref = { .kind = WIRE_BY_HASH };
	struct tensock_model *described;
	int r;

	memcpy(ref.hash, (*model)->hash, sizeof(ref.hash));
	r = ask(client, &ref, false, &described, reterr);
	if (r != TENSOCK_OK)
		return r == TENSOCK_NOT_FOUND ? TENSOCK_OK : r;
	/* One model may be listed under several labels: those of the list are kept. */
	memcpy(described->name, (*model)->name, sizeof(described->name));
	memcpy(described->version, (*model)->version, sizeof(described->version));
	tensock_model_free(*model);
	*model = described;
	return TENSOCK_OK;
}

int tensock_list(struct tensock_client *client, struct tensock_model ***ret_models, size_t *ret_n,
		 struct tensock_error *reterr)
{
	_cleanup_(listed_done) struct listed listed = { 0 };
	const struct question question = {
		.type = WIRE_LIST,
		.answer_type = WIRE_MODELS,
		.read = read_models,
		.context = &listed,
	};
	int r = question_ask(client, &question, reterr);

	for (uint32_t i = 0; r == TENSOCK_OK && i < listed.n; i++)
		r = describe(client, &listed.models[i], reterr);
	if (r != TENSOCK_OK)
		return r;
	*ret_n = listed.n;
	*ret_models = TAKE_PTR(listed.models);
	return TENSOCK_OK;
}

int tensock_unload(struct tensock_client *client, const struct tensock_model *model, int remove,
		   struct tensock_error *reterr)
{
	struct wire_about about = {
		.model.kind = WIRE_BY_HASH,
		.flags = remove ? WIRE_UNLOAD_REMOVE : 0,
	};
	const struct question question = {
		.type = WIRE_UNLOAD,
		.answer_type = WIRE_DONE,
		.about = &about,
		.may_be_gone = remove,
	};

	memcpy(about.model.hash, model->hash, sizeof(about.model.hash));
	return question_ask(client, &question, reterr);
}
