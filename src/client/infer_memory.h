/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of an INFER that has to do with memory shared with the host: where that is worth it the request is
 * asked by INFER_MEMORY instead (docs/protocol.md, "Tensors in shared memory").
 */
#ifndef TSK_CLIENT_INFER_MEMORY_H
#define TSK_CLIENT_INFER_MEMORY_H

#include <tensock/tensock.h>

#include "client/blocks.h"
#include "client/memory.h"
#include "client/request.h"
#include "wire/infer.h"

/* The INFER, while the request is asked by INFER_MEMORY instead. */
struct infer_inline {
	unsigned char *head; /* NULL: it is not */
	size_t head_bytes;
	uint64_t head_payload;
	struct pieces out;
};

/* All zeros before. */
struct infer_memory {
	struct infer_inline inlined;
	struct memory_slice slice; /* of what lies in no block: inputs, then the outputs' places */
	/* That each output lies in, then that its inputs do; NULL: none does. */
	struct block **blocks;
	uint32_t n_outputs;
	struct wire_place *places; /* of each output; NULL: they come in frames */
};

/*
 * Before the head of an INFER goes, on a connection that is open: makes it an INFER_MEMORY, with its inputs in the
 * memory, if it is worth it and there is memory.
 */
void infer_memory_ask(struct infer_memory *m, struct tensock_request *request,
		      const struct tensock_output *outputs, uint32_t n_outputs);

/* Whether it is asked by INFER_MEMORY now. */
bool infer_memory_is_asked(const struct infer_memory *m);

/* Whether the request was such that a message of this type may answer it. */
bool infer_memory_is_answered_by(const struct infer_memory *m, uint32_t type);

/* What the host has put in the place of output i, so many bytes, to `data`, where that is to be. */
void infer_memory_copy(const struct infer_memory *m, const struct tensock_request *request,
		       uint32_t i, void *data, uint64_t bytes);

/*
 * It has no more use for the memory.  is_running: the host has heard of it and given no answer that
 * ends it, so that it may be at it for all we know.  Nothing the second time.
 */
void infer_memory_leave(struct infer_memory *m, const struct tensock_request *request,
			bool is_running);

/* The host has said that it has no use for this memory. */
void infer_memory_refuse(struct infer_memory *m, const struct tensock_request *request);

/* As it was written first. */
void infer_memory_set_inline(struct infer_memory *m, struct tensock_request *request);

/* Also of a request that has not been asked. */
void infer_memory_done(struct infer_memory *m, const struct tensock_request *request);

#endif
