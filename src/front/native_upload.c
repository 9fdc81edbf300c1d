/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OFFER → SEND, payload, MODEL; or MODEL at once where the guest's model is there already.  The model
 * is loaded before MODEL tells of it, for only its worker can say whether it is one, and what it takes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "front/native_call.h"

struct native_upload {
	struct native_call call;
	struct request request;  /* since the bytes are whole */
	struct upload *upload;   /* until then */
	uint64_t size;           /* while the store may yet say that it has lost it; else 0 */
	struct parts_fetch part; /* what the store has of it */
	unsigned char hash[MODEL_HASH_BYTES];
	char name[WIRE_NAME_MAX + 1], version[WIRE_LABEL_MAX + 1];
};

static struct native_upload *of_call(struct native_call *call)
{
	return (struct native_upload *)(void *)call;
}

static struct native_upload *of_request(struct request *request)
{
	return (struct native_upload *)(void *)((char *)request -
						offsetof(struct native_upload, request));
}

/*
 * ---- Loading
 */

static bool ask_instead(struct native_upload *u, struct tensock_error *error);

static void upload_done(struct request *request, struct request_outputs *outputs,
			const struct tensock_error *error)
{
	struct native_upload *u = of_request(request);
	const struct model_name name = { .hash = u->hash };
	struct native_session *session = u->call.session;
	struct tensock_error own;

	(void)outputs;
	if (error && u->size && error->status == TENSOCK_NOT_FOUND &&
	    !models_find(native_guest(session)->models, &name)) {
		if (ask_instead(u, &own))
			return;
		error = &own;
	}
	if (!error && !native_model_send(session, u->call.id,
					 models_find(native_guest(session)->models, &name), &own))
		error = &own;
	if (error)
		native_call_failed(&u->call, error);
	else
		native_call_answered(&u->call);
}

static const struct request_ops request_ops = {
	.prepare = request_load_prepare,
	.fill = request_load_fill,
	.done = upload_done,
	.is_load = true,
};

static void set_upload(struct native_upload *u, struct upload *upload)
{
	struct guest *guest = native_guest(u->call.session);

	guest->n_uploads += upload != NULL;
	guest->n_uploads -= u->upload != NULL;
	u->upload = upload;
}

static void on_finished(void *context, struct model_file *file, const struct tensock_error *error)
{
	struct native_upload *u = context;
	const struct model_labels labels = { .name = u->name, .version = u->version };

	set_upload(u, NULL);
	if (file)
		models_keep(native_guest(u->call.session)->models, file, &labels, &u->request);
	else
		native_call_failed(&u->call, error);
}

/*
 * ---- Receiving
 */

static uint64_t offer_room(struct native_call *call, void **ret_room)
{
	return upload_room(of_call(call)->upload, ret_room);
}

static void finish_if_whole(struct native_upload *u)
{
	void *room;

	if (upload_room(u->upload, &room))
		return;
	native_call_set_receiving(&u->call, false);
	upload_finish(u->upload, on_finished, u);
}

static void offer_received(struct native_call *call, uint64_t n)
{
	struct native_upload *u = of_call(call);

	upload_received(u->upload, n);
	finish_if_whole(u);
}

static void offer_free(struct native_call *call, bool is_unwanted)
{
	struct native_upload *u = of_call(call);

	if (u->upload && is_unwanted)
		upload_cancel(u->upload);
	else if (u->upload)
		upload_leave(u->upload);
	set_upload(u, NULL);
	parts_cancel(stored_parts(native_guest(call->session)->stored), &u->part);
	models_cancel(native_guest(call->session)->models, &u->request);
	free(u);
}

static const struct native_call_ops call_ops = {
	.room = offer_room,
	.received = offer_received,
	.free = offer_free,
};

/*
 * ---- Its beginning
 */

static struct native_upload *upload_new(const struct wire_offer *offer)
{
	struct native_upload *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->call.ops = &call_ops;
	u->call.request = &u->request;
	u->request.origin.model = u->name;
	u->request.origin.version = u->version;
	u->request.ops = &request_ops;
	memcpy(u->hash, offer->hash, sizeof(u->hash));
	memcpy(u->name, offer->name.bytes, offer->name.len);
	memcpy(u->version, offer->version.bytes, offer->version.len);
	return u;
}

static void send_offset(struct native_upload *u, uint64_t offset)
{
	struct native_output *output = native_answers(u->call.session);
	struct tsk_writer w = native_output_begin(output, 8);

	wire_send_write(&w, offset);
	native_output_commit(output, &w, WIRE_SEND, u->call.id);
}

static void receive(struct native_upload *u, struct upload *upload, uint64_t offset)
{
	set_upload(u, upload);
	send_offset(u, offset);
	native_call_set_receiving(&u->call, true);
	/* The engine of a new worker opens while the model comes. */
	workers_expect(native_guest(u->call.session)->workers);
	finish_if_whole(u);
}

/* The host wants the bytes.  Takes u if it succeeds. */
static int want(struct native_session *session, uint32_t id, struct native_upload *u, uint64_t size,
		struct tensock_error *reterr)
{
	struct guest *guest = native_guest(session);
	struct upload *upload;
	uint64_t offset;
	int r = uploads_begin(guest->uploads, u->hash, size, &upload, &offset, reterr);

	if (r < 0)
		return r;
	native_call_begin(session, &u->call, id);
	receive(u, upload, offset);
	return 0;
}

/* The host has had it, and its disk has lost it: the bytes are wanted after all. */
static bool ask_instead(struct native_upload *u, struct tensock_error *error)
{
	struct guest *guest = native_guest(u->call.session);
	struct upload *upload;
	uint64_t offset;

	if (uploads_begin(guest->uploads, u->hash, u->size, &upload, &offset, error) < 0)
		return false;
	u->size = 0;
	receive(u, upload, offset);
	return true;
}

/* What was saved of it before this front began is here, or is not to be had. */
static void on_part(void *context, int fd, uint64_t have)
{
	struct native_upload *u = context;
	struct tensock_error error;

	if (fd >= 0)
		uploads_adopt(native_guest(u->call.session)->uploads, u->hash, u->size, fd, have);
	if (!ask_instead(u, &error))
		native_call_failed(&u->call, &error);
}

/* Whether there is something to wait for.  Takes u then. */
static bool fetch_part(struct native_session *session, uint32_t id, struct native_upload *u,
		       uint64_t size)
{
	u->part.done = on_part;
	u->part.context = u;
	if (!parts_fetch(stored_parts(native_guest(session)->stored), &u->part, u->hash, size))
		return false;
	u->size = size;
	native_call_begin(session, &u->call, id);
	return true;
}

/* It has it on the disk.  Takes u. */
static void load_stored(struct native_session *session, uint32_t id, struct native_upload *u,
			struct model *model, uint64_t size)
{
	u->size = size;
	native_call_begin(session, &u->call, id);
	models_request(native_guest(session)->models, model, &u->request);
}

/* The host has it already.  1: it has taken u. */
static int have(struct native_session *session, uint32_t id, struct native_upload *u,
		struct model *model, uint64_t size, struct tensock_error *reterr)
{
	const struct model_labels labels = { .name = u->name, .version = u->version };
	struct model_view view;
	int r;

	models_view(model, &view);
	if (view.size != size)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"the model of this hash has %llu bytes, not %llu",
				(unsigned long long)view.size, (unsigned long long)size);
	r = models_label(native_guest(session)->models, model, &labels, reterr);
	if (r < 0)
		return r;
	if (!models_is_here(model)) {
		load_stored(session, id, u, model, size);
		return 1;
	}
	if (!view.info) {
		native_model_load(session, id, model);
		return 0;
	}
	if (!native_model_send(session, id, model, reterr))
		return -ENOMEM;
	native_answered(session);
	return 0;
}

int native_upload_begin(struct native_session *session, uint32_t id, const void *body, size_t size)
{
	struct models *models = native_guest(session)->models;
	struct native_upload *u;
	struct tensock_error error;
	struct wire_offer offer;
	struct model *model;
	int r;

	if (wire_offer_read(body, size, &offer) < 0)
		return -EPROTO;
	model = models_find(models, &(struct model_name){ .hash = offer.hash });
	if (models_check(models, offer.hash, &error) < 0) {
		native_refuse(session, id, &error);
		return 0;
	}
	u = upload_new(&offer);
	if (!u) {
		(void)tsk_fail(&error, TENSOCK_OUT_OF_MEMORY, "no memory for the request");
		native_refuse(session, id, &error);
		return 0;
	}
	r = model ? have(session, id, u, model, offer.size, &error)
	    : fetch_part(session, id, u, offer.size) ? 0
						     : want(session, id, u, offer.size, &error);
	if (r < 0 || (model && r == 0))
		free(u);
	if (r < 0)
		native_refuse(session, id, &error);
	return 0;
}
