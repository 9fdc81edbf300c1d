/* SPDX-License-Identifier: Apache-2.0 */
/* What a host has said of a model. */
#ifndef TSK_CLIENT_MODEL_H
#define TSK_CLIENT_MODEL_H

#include <stddef.h>

#include <tensock/tensock.h>

#include "base/cleanup.h"
#include "tensor/model_info.h"
#include "wire/model.h"

struct tensock_model {
	unsigned char hash[WIRE_HASH_BYTES];
	char hash_text[2 * WIRE_HASH_BYTES + 1];
	uint64_t bytes, memory, runs;
	uint32_t state;
	char name[WIRE_NAME_MAX + 1];
	char version[WIRE_LABEL_MAX + 1];
	struct tsk_model_info info;                   /* all NULL where it was never loaded */
	struct tensock_tensor_info *inputs, *outputs; /* the same, as the caller sees it */
};

/* Without a description.  NULL without memory. */
struct tensock_model *model_new(const struct wire_model *wire);

/* Gives it the description that a MODEL has (none is none).  -EPROTO for a broken one, -ENOMEM. */
int model_describe(struct tensock_model *model, const void *description, size_t size) _nodiscard_;

/* A MODEL's body.  -EPROTO, -ENOMEM. */
int model_read(const void *body, size_t size, struct tensock_model **ret) _nodiscard_;

static inline void model_freep(struct tensock_model **model)
{
	tensock_model_free(*model);
}

#endif
