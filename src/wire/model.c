/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/model.h"

#include <errno.h>

static void read_hash(struct tsk_reader *r, unsigned char ret[WIRE_HASH_BYTES])
{
	const void *hash = tsk_read_bytes(r, WIRE_HASH_BYTES);

	if (hash)
		memcpy(ret, hash, WIRE_HASH_BYTES);
	else
		memset(ret, 0, WIRE_HASH_BYTES);
}

static void write_labels(struct tsk_writer *w, struct wire_string name, struct wire_string version)
{
	wire_string_write(w, name, WIRE_NAME_MAX);
	wire_string_write(w, version, WIRE_LABEL_MAX);
}

static void read_labels(struct tsk_reader *r, struct wire_string *ret_name,
			struct wire_string *ret_version)
{
	*ret_name = wire_string_read(r, WIRE_NAME_MAX);
	*ret_version = wire_string_read(r, WIRE_LABEL_MAX);
}

void wire_offer_write(struct tsk_writer *w, const struct wire_offer *offer)
{
	if (!offer->size)
		w->bad = true;
	tsk_write_bytes(w, offer->hash, WIRE_HASH_BYTES);
	tsk_write_u64(w, offer->size);
	write_labels(w, offer->name, offer->version);
}

int wire_offer_read(const void *body, size_t size, struct wire_offer *ret)
{
	struct tsk_reader r = tsk_reader(body, size);
	struct wire_offer offer;

	read_hash(&r, offer.hash);
	offer.size = tsk_read_u64(&r);
	read_labels(&r, &offer.name, &offer.version);
	if (!tsk_reader_end(&r) || !offer.size)
		return -EPROTO;
	*ret = offer;
	return 0;
}

void wire_send_write(struct tsk_writer *w, uint64_t offset)
{
	tsk_write_u64(w, offset);
}

int wire_send_read(const void *body, size_t size, uint64_t *ret_offset)
{
	struct tsk_reader r = tsk_reader(body, size);
	uint64_t offset = tsk_read_u64(&r);

	if (!tsk_reader_end(&r))
		return -EPROTO;
	*ret_offset = offset;
	return 0;
}

void wire_model_ref_write(struct tsk_writer *w, const struct wire_model_ref *ref)
{
	tsk_write_u8(w, (uint8_t)ref->kind);
	switch (ref->kind) {
	case WIRE_BY_HASH:
		tsk_write_bytes(w, ref->hash, WIRE_HASH_BYTES);
		break;
	case WIRE_BY_NAME:
		if (!ref->name.len)
			w->bad = true;
		write_labels(w, ref->name, ref->version);
		break;
	default:
		w->bad = true;
	}
}

void wire_model_ref_read(struct tsk_reader *r, struct wire_model_ref *ret)
{
	*ret = (struct wire_model_ref){ .name = wire_string(NULL), .version = wire_string(NULL) };
	ret->kind = (enum wire_model_kind)tsk_read_u8(r);
	switch (ret->kind) {
	case WIRE_BY_HASH:
		read_hash(r, ret->hash);
		break;
	case WIRE_BY_NAME:
		read_labels(r, &ret->name, &ret->version);
		if (!ret->name.len)
			r->bad = true;
		break;
	default:
		r->bad = true;
	}
}

void wire_about_write(struct tsk_writer *w, const struct wire_about *about)
{
	wire_model_ref_write(w, &about->model);
	tsk_write_u32(w, about->flags);
}

int wire_about_read(const void *body, size_t size, uint32_t flags_known, struct wire_about *ret)
{
	struct tsk_reader r = tsk_reader(body, size);
	struct wire_about about;

	wire_model_ref_read(&r, &about.model);
	about.flags = tsk_read_u32(&r);
	if (!tsk_reader_end(&r) || (about.flags & ~flags_known))
		return -EPROTO;
	*ret = about;
	return 0;
}

static bool model_is_valid(const struct wire_model *model)
{
	return model->size && model->state < WIRE_MODEL_STATE_MAX;
}

static void write_model(struct tsk_writer *w, const struct wire_model *model)
{
	if (!model_is_valid(model))
		w->bad = true;
	tsk_write_bytes(w, model->hash, WIRE_HASH_BYTES);
	tsk_write_u64(w, model->size);
	tsk_write_u64(w, model->memory);
	tsk_write_u64(w, model->runs);
	tsk_write_u32(w, model->state);
	write_labels(w, model->name, model->version);
}

static void read_model(struct tsk_reader *r, struct wire_model *ret)
{
	read_hash(r, ret->hash);
	ret->size = tsk_read_u64(r);
	ret->memory = tsk_read_u64(r);
	ret->runs = tsk_read_u64(r);
	ret->state = tsk_read_u32(r);
	read_labels(r, &ret->name, &ret->version);
	if (!model_is_valid(ret))
		r->bad = true;
}

void wire_model_write(struct tsk_writer *w, const struct wire_model *model, const void *description,
		      size_t description_bytes)
{
	write_model(w, model);
	if (description_bytes > WIRE_META_MAX)
		w->bad = true;
	tsk_write_u32(w, (uint32_t)description_bytes);
	tsk_write_bytes(w, description, description_bytes);
}

int wire_model_read(const void *body, size_t size, struct wire_model *ret,
		    const void **ret_description, size_t *ret_description_bytes)
{
	struct tsk_reader r = tsk_reader(body, size);
	struct wire_model model;
	const void *description;
	uint32_t n;

	read_model(&r, &model);
	n = tsk_read_u32(&r);
	description = tsk_read_bytes(&r, n);
	if (!tsk_reader_end(&r) || n > WIRE_META_MAX)
		return -EPROTO;
	*ret = model;
	*ret_description = description;
	*ret_description_bytes = n;
	return 0;
}

void wire_models_begin(struct tsk_writer *w, uint32_t n)
{
	if (n > WIRE_MODELS_MAX)
		w->bad = true;
	tsk_write_u32(w, n);
}

void wire_models_add(struct tsk_writer *w, const struct wire_model *model)
{
	write_model(w, model);
}

int wire_models_read(const void *body, size_t size, struct tsk_reader *r, uint32_t *ret_n)
{
	struct tsk_reader models = tsk_reader(body, size);
	uint32_t n = tsk_read_u32(&models);

	if (models.bad || n > WIRE_MODELS_MAX || (!n && !tsk_reader_end(&models)))
		return -EPROTO;
	*r = models;
	*ret_n = n;
	return 0;
}

int wire_models_next(struct tsk_reader *r, bool is_last, struct wire_model *ret)
{
	struct wire_model model;

	read_model(r, &model);
	if (r->bad || (is_last && !tsk_reader_end(r)))
		return -EPROTO;
	*ret = model;
	return 0;
}
