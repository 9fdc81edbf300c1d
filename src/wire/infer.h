/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INFER and RESULT: metadata, then payload.
 *
 * Both begin with u32 meta_bytes (of all metadata, these four included) and u64 payload_bytes (of all
 * payload).  Payload begins at the next multiple of WIRE_ALIGN of the body; what does not fit the frame
 * follows in CHUNKs of the same id.  Tensors stand in it in the order of their descriptions, each at
 * the next multiple of WIRE_ALIGN from payload's start, the gaps zero (nobody looks at them);
 * payload_bytes is the last one's offset and bytes.  So it can be received as one piece, be it into
 * memory that an engine works on.
 *
 * INFER_MEMORY and RESULT_MEMORY have their payload in the memory that the guest has shared (MEMORY), and
 * nothing behind their metadata.
 */
#ifndef TSK_WIRE_INFER_H
#define TSK_WIRE_INFER_H

#include "wire/model.h"

#define WIRE_TENSORS_MAX 1024u
#define WIRE_INDEX_NONE UINT32_MAX

/*
 * string name, u32 index, u32 dtype, u32 rank, rank times i64, u64 bytes.
 * An input is named by its name (the writer writes WIRE_INDEX_NONE then), or, where that is empty, by
 * its index among the model's inputs.  In a RESULT both are set, though a model may have an output
 * whose name is empty.  bytes are what dtype and dims say (tensor/shape.h); BYTES: at least 4 an
 * element, and none where there is no element.
 */
struct wire_tensor {
	struct wire_string name; /* at most TSK_TENSOR_NAME_MAX bytes */
	uint32_t index; /* below WIRE_TENSORS_MAX; as read: WIRE_INDEX_NONE beside a name */
	uint32_t dtype;
	uint32_t rank;
	int64_t dims[TENSOCK_RANK_MAX];
	uint64_t bytes;
	uint64_t offset; /* not on the wire: from payload's start, as it follows from the order */
};

/* Where a wanted output is to be written, from the memory's start, and the room there. */
struct wire_place {
	uint64_t at; /* a multiple of WIRE_ALIGN */
	uint64_t bytes;
};

/*
 * INFER: meta_bytes, payload_bytes, u32 deadline_ms, the model's reference, u32 n_inputs, u32
 * n_outputs, the inputs, then for each wanted output string name, u32 index.
 */
struct wire_infer {
	struct wire_model_ref model;
	uint32_t deadline_ms; /* from its receipt to its answer's first byte; 0: the host's own */
	uint32_t n_inputs;
	uint32_t n_outputs; /* wanted; 0: all */
	uint64_t payload_bytes;
};

/*
 * INFER_MEMORY: as INFER, then u64 at, u32 n_places (0, or n_outputs), and for each wanted output its
 * place.  Whoever gives places has the outputs written there, and is answered by RESULT_MEMORY.
 */
struct wire_infer_memory {
	struct wire_infer infer;
	uint64_t at; /* where payload begins in the memory: a multiple of WIRE_ALIGN */
	uint32_t n_places;
};

/* RESULT and RESULT_MEMORY (each output in its place, as far as it has room there): meta_bytes, payload_bytes, u32 n_outputs, u64 queue_ns, u64 compute_ns, the outputs
 * in the order in which they were wanted (all: the model's). */
struct wire_result {
	uint32_t n_outputs;
	uint64_t queue_ns;   /* from the receipt of the request until a worker had it */
	uint64_t compute_ns; /* in the worker */
	uint64_t payload_bytes;
};

/*
 * Sets each tensor's offset and *ret_payload_bytes.  -EOVERFLOW, -E2BIG above WIRE_TENSORS_MAX, or
 * -EINVAL for a dtype, shape and bytes that do not go together.
 */
int wire_tensors_layout(struct wire_tensor *tensors, uint32_t n, uint64_t *ret_payload_bytes)
	_nodiscard_;

/*
 * How much of payload_bytes the first frame's body has room for behind meta_bytes of metadata (at
 * most WIRE_META_MAX): *ret_offset is where payload begins in it, and its sum with what is returned
 * how long the body is then.  The rest follows in CHUNKs.
 */
uint64_t wire_first_payload(size_t meta_bytes, uint64_t payload_bytes, size_t *ret_offset);

/*
 * The receiver's side of it: *ret_n bytes of payload at *ret_offset of a first frame's body.  Less
 * than would fit is all right, also none (then the body ends with its metadata).  -EPROTO for a body
 * that ends within the gap or goes beyond the payload.
 */
int wire_body_payload(uint64_t body_size, uint32_t meta_bytes, uint64_t payload_bytes,
		      uint64_t *ret_offset, uint64_t *ret_n) _nodiscard_;

/*
 * Metadata.  Tensors as wire_tensors_layout() left them; of `wanted` only name and index count.
 * payload_bytes is the message's.  meta_bytes is filled in at the end; the writer is bad when the
 * metadata does not fit it, or is more than WIRE_META_MAX.
 */
void wire_infer_write(struct tsk_writer *w, const struct wire_infer *infer,
		      const struct wire_tensor *inputs, const struct wire_tensor *wanted);
void wire_result_write(struct tsk_writer *w, const struct wire_result *result,
		       const struct wire_tensor *outputs);

/*
 * How long the metadata is, from the body's first 4 bytes.  -EPROTO outside of the bounds: it is at
 * most WIRE_META_MAX, and stands whole in the first frame, whose body is body_size bytes long.
 */
int wire_meta_bytes(const unsigned char bytes[4], uint64_t body_size, uint32_t *ret) _nodiscard_;

/*
 * Reads metadata (meta_bytes of them).  *ret_tensors: n_inputs then n_outputs of them, the caller's
 * to free, their strings within meta.  Checks all but what only the model can tell: offsets are set,
 * payload_bytes is what the tensors make.  -EPROTO, or -ENOMEM.
 */
int wire_infer_read(const void *meta, size_t meta_bytes, struct wire_infer *ret,
		    struct wire_tensor **ret_tensors) _nodiscard_;

/*
 * INFER_MEMORY's metadata out of the same INFER's, meta_bytes of them, at a new writer's start.  n_places as
 * above.  *ret_places: so many, the caller's to free.
 */
void wire_infer_memory_write(struct tsk_writer *w, const void *meta, size_t meta_bytes, uint64_t at,
			     const struct wire_place *places, uint32_t n_places);
int wire_infer_memory_read(const void *meta, size_t meta_bytes, struct wire_infer_memory *ret,
			   struct wire_tensor **ret_tensors, struct wire_place **ret_places)
	_nodiscard_;

int wire_result_read(const void *meta, size_t meta_bytes, struct wire_result *ret,
		     struct wire_tensor **ret_tensors) _nodiscard_;

#endif
