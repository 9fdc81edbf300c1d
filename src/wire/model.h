/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about models: OFFER, SEND, INFO and UNLOAD, MODEL, MODELS. */
#ifndef TSK_WIRE_MODEL_H
#define TSK_WIRE_MODEL_H

#include "wire/frame.h"

/*
 * OFFER: 32 bytes SHA-256, u64 size (not 0), string name, string version.  Name and version are
 * labels in the guest's own namespace, either may be empty; a name that another model of the guest
 * has under the same version moves to this one.
 */
struct wire_offer {
	unsigned char hash[WIRE_HASH_BYTES];
	uint64_t size;
	struct wire_string name;    /* WIRE_NAME_MAX */
	struct wire_string version; /* WIRE_LABEL_MAX */
};

void wire_offer_write(struct tsk_writer *w, const struct wire_offer *offer);
int wire_offer_read(const void *body, size_t size, struct wire_offer *ret) _nodiscard_;

/* SEND: u64 offset.  The guest sends the model's bytes from there to its end in CHUNKs of this id;
 * then MODEL or ERROR comes. */
void wire_send_write(struct tsk_writer *w, uint64_t offset);
int wire_send_read(const void *body, size_t size, uint64_t *ret_offset) _nodiscard_;

/*
 * How a message names a model: u8 kind, then for WIRE_BY_HASH 32 bytes, for WIRE_BY_NAME string name
 * (not empty), string version (empty: the one labelled last).
 */
enum wire_model_kind {
	WIRE_BY_HASH = 1,
	WIRE_BY_NAME = 2
};

struct wire_model_ref {
	enum wire_model_kind kind;
	unsigned char hash[WIRE_HASH_BYTES];
	struct wire_string name, version;
};

void wire_model_ref_write(struct tsk_writer *w, const struct wire_model_ref *ref);
/* Marks the reader bad. */
void wire_model_ref_read(struct tsk_reader *r, struct wire_model_ref *ret);

/* INFO: a reference, u32 flags.  UNLOAD: the same. */
#define WIRE_INFO_LOAD 1u     /* have it loaded, and answer then */
#define WIRE_UNLOAD_REMOVE 1u /* forget its bytes and labels, too */

struct wire_about {
	struct wire_model_ref model;
	uint32_t flags; /* others than the message's are refused */
};

void wire_about_write(struct tsk_writer *w, const struct wire_about *about);
int wire_about_read(const void *body, size_t size, uint32_t flags_known, struct wire_about *ret)
	_nodiscard_;

enum wire_model_state {
	WIRE_MODEL_STORED = 0, /* its bytes are here, no worker has it */
	WIRE_MODEL_LOADING = 1,
	WIRE_MODEL_READY = 2,
	WIRE_MODEL_STATE_MAX
};

/* A model in MODEL and MODELS: 32 bytes SHA-256, u64 size (not 0), u64 memory, u64 runs, u32 state, string
 * name, string version. */
struct wire_model {
	unsigned char hash[WIRE_HASH_BYTES];
	uint64_t size;
	uint64_t
		memory; /* bytes of the guest's limit that it takes now: its own and its buffers' */
	uint64_t runs;  /* inferences that ended well */
	uint32_t state; /* enum wire_model_state */
	struct wire_string name, version;
};

/*
 * MODEL: a model, u32 n, n bytes of description (tensor/model_info.h); n is 0 where it has never
 * been loaded.
 */
void wire_model_write(struct tsk_writer *w, const struct wire_model *model, const void *description,
		      size_t description_bytes);
int wire_model_read(const void *body, size_t size, struct wire_model *ret,
		    const void **ret_description, size_t *ret_description_bytes) _nodiscard_;

/* MODELS: u32 n, n models.  As many as one frame holds: WIRE_MODELS_MAX always fit. */
#define WIRE_MODELS_MAX 512u

void wire_models_begin(struct tsk_writer *w, uint32_t n);
void wire_models_add(struct tsk_writer *w, const struct wire_model *model);

/* Reads the count, and leaves *r at the first model.  -EPROTO above WIRE_MODELS_MAX, or when none is
 * said to come and something does. */
int wire_models_read(const void *body, size_t size, struct tsk_reader *r, uint32_t *ret_n)
	_nodiscard_;
/* The next one, and with the last (is_last) also that nothing follows. */
int wire_models_next(struct tsk_reader *r, bool is_last, struct wire_model *ret) _nodiscard_;

#endif
