/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/infer.h"

#include <errno.h>

#include "base/checked.h"
#include "tensor/dtype.h"
#include "tensor/model_info.h"
#include "tensor/shape.h"

#define HEAD_BYTES 12u /* meta_bytes and payload_bytes */

/* The least that a description of a tensor, and the name of a wanted one, take. */
#define TENSOR_BYTES_MIN 22u
#define WANTED_BYTES_MIN 6u

_Static_assert(TENSOCK_RANK_MAX == 16, "a tensor's description on the wire has room for 16");

/*
 * ---- Payload
 */

uint64_t wire_first_payload(size_t meta_bytes, uint64_t payload_bytes, size_t *ret_offset)
{
	size_t offset = payload_bytes ? (meta_bytes + WIRE_ALIGN - 1) & ~(size_t)(WIRE_ALIGN - 1)
				      : meta_bytes;
	uint64_t room = offset < WIRE_BODY_MAX ? WIRE_BODY_MAX - offset : 0;

	*ret_offset = offset;
	return payload_bytes < room ? payload_bytes : room;
}

int wire_body_payload(uint64_t body_size, uint32_t meta_bytes, uint64_t payload_bytes,
		      uint64_t *ret_offset, uint64_t *ret_n)
{
	size_t offset;
	uint64_t n;

	(void)wire_first_payload(meta_bytes, payload_bytes, &offset);
	if (body_size == meta_bytes) {
		*ret_offset = meta_bytes;
		*ret_n = 0;
		return 0;
	}
	if (body_size <= offset)
		return -EPROTO;
	n = body_size - offset;
	if (n > payload_bytes)
		return -EPROTO;
	*ret_offset = offset;
	*ret_n = n;
	return 0;
}

static bool bytes_are_valid(const struct wire_tensor *tensor)
{
	uint64_t elems, bytes;

	if (tensor->dtype != TENSOCK_BYTES)
		return tsk_shape_bytes(tensor->dtype, tensor->dims, tensor->rank, &bytes) == 0 &&
		       tensor->bytes == bytes;
	if (tsk_shape_elems(tensor->dims, tensor->rank, &elems) < 0)
		return false;
	/* A length of 4 bytes each; no element, no byte. */
	return tsk_mul(elems, UINT64_C(4), &bytes) && tensor->bytes >= bytes &&
	       (elems || !tensor->bytes);
}

int wire_tensors_layout(struct wire_tensor *tensors, uint32_t n, uint64_t *ret_payload_bytes)
{
	uint64_t end = 0;

	if (n > WIRE_TENSORS_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < n; i++) {
		if (!bytes_are_valid(&tensors[i]))
			return -EINVAL;
		if (!tsk_align_up(end, WIRE_ALIGN, &tensors[i].offset) ||
		    !tsk_add(tensors[i].offset, tensors[i].bytes, &end))
			return -EOVERFLOW;
	}
	*ret_payload_bytes = end;
	return 0;
}

/*
 * ---- Metadata
 */

int wire_meta_bytes(const unsigned char bytes[4], uint64_t body_size, uint32_t *ret)
{
	struct tsk_reader r = tsk_reader(bytes, 4);
	uint32_t n = tsk_read_u32(&r);

	if (n < HEAD_BYTES || n > WIRE_META_MAX || n > body_size)
		return -EPROTO;
	*ret = n;
	return 0;
}

/* Where the head goes: its meta_bytes are known at the end. */
static unsigned char *begin_meta(struct tsk_writer *w)
{
	return tsk_write_room(w, HEAD_BYTES);
}

static void end_meta(struct tsk_writer *w, unsigned char *head, uint64_t payload_bytes)
{
	size_t n = head ? (size_t)(w->p - head) : 0;
	struct tsk_writer at = tsk_writer(head, HEAD_BYTES);

	if (n > WIRE_META_MAX)
		w->bad = true;
	if (w->bad || !head)
		return;
	tsk_write_u32(&at, (uint32_t)n);
	tsk_write_u64(&at, payload_bytes);
}

/* The head, as it has to be. */
static uint64_t read_head(struct tsk_reader *r, size_t meta_bytes)
{
	if (tsk_read_u32(r) != meta_bytes || meta_bytes > WIRE_META_MAX)
		r->bad = true;
	return tsk_read_u64(r);
}

/* The one way to name an input, or an output that is wanted: by name, or else by index. */
static void write_choice(struct tsk_writer *w, const struct wire_tensor *tensor)
{
	if (!tensor->name.len && tensor->index >= WIRE_TENSORS_MAX)
		w->bad = true;
	wire_string_write(w, tensor->name, TSK_TENSOR_NAME_MAX);
	tsk_write_u32(w, tensor->name.len ? WIRE_INDEX_NONE : tensor->index);
}

static void read_choice(struct tsk_reader *r, struct wire_tensor *ret)
{
	ret->name = wire_string_read(r, TSK_TENSOR_NAME_MAX);
	ret->index = tsk_read_u32(r);
	if (ret->name.len ? ret->index != WIRE_INDEX_NONE : ret->index >= WIRE_TENSORS_MAX)
		r->bad = true;
}

/* An output that is there has both; its name is what the model's author wrote, if only "". */
static void write_identity(struct tsk_writer *w, const struct wire_tensor *tensor)
{
	if (tensor->index >= WIRE_TENSORS_MAX)
		w->bad = true;
	wire_string_write(w, tensor->name, TSK_TENSOR_NAME_MAX);
	tsk_write_u32(w, tensor->index);
}

static void read_identity(struct tsk_reader *r, struct wire_tensor *ret)
{
	ret->name = wire_string_read(r, TSK_TENSOR_NAME_MAX);
	ret->index = tsk_read_u32(r);
	if (ret->index >= WIRE_TENSORS_MAX)
		r->bad = true;
}

static void write_shape(struct tsk_writer *w, const struct wire_tensor *tensor)
{
	if (!bytes_are_valid(tensor)) {
		w->bad = true;
		return;
	}
	tsk_write_u32(w, tensor->dtype);
	tsk_write_u32(w, tensor->rank);
	for (uint32_t d = 0; d < tensor->rank; d++)
		tsk_write_u64(w, (uint64_t)tensor->dims[d]);
	tsk_write_u64(w, tensor->bytes);
}

static void read_shape(struct tsk_reader *r, struct wire_tensor *ret)
{
	ret->dtype = tsk_read_u32(r);
	ret->rank = tsk_read_u32(r);
	if (ret->rank > TENSOCK_RANK_MAX) {
		r->bad = true;
		return;
	}
	for (uint32_t d = 0; d < ret->rank; d++)
		ret->dims[d] = (int64_t)tsk_read_u64(r);
	ret->bytes = tsk_read_u64(r);
}

/* The payload of tensors that are laid out; the writer is bad when it is another. */
static void check_payload(struct tsk_writer *w, const struct wire_tensor *tensors, uint32_t n,
			  uint64_t payload_bytes)
{
	const struct wire_tensor *last = n && n <= WIRE_TENSORS_MAX ? &tensors[n - 1] : NULL;

	if (n > WIRE_TENSORS_MAX || payload_bytes != (last ? last->offset + last->bytes : 0))
		w->bad = true;
}

void wire_infer_write(struct tsk_writer *w, const struct wire_infer *infer,
		      const struct wire_tensor *inputs, const struct wire_tensor *wanted)
{
	unsigned char *head = begin_meta(w);

	check_payload(w, inputs, infer->n_inputs, infer->payload_bytes);
	if (infer->n_outputs > WIRE_TENSORS_MAX)
		w->bad = true;
	tsk_write_u32(w, infer->deadline_ms);
	wire_model_ref_write(w, &infer->model);
	tsk_write_u32(w, infer->n_inputs);
	tsk_write_u32(w, infer->n_outputs);
	for (uint32_t i = 0; i < infer->n_inputs && !w->bad; i++) {
		write_choice(w, &inputs[i]);
		write_shape(w, &inputs[i]);
	}
	for (uint32_t i = 0; i < infer->n_outputs && !w->bad; i++)
		write_choice(w, &wanted[i]);
	end_meta(w, head, infer->payload_bytes);
}

static bool is_aligned(uint64_t at)
{
	return at % WIRE_ALIGN == 0;
}

void wire_infer_memory_write(struct tsk_writer *w, const void *meta, size_t meta_bytes, uint64_t at,
			     const struct wire_place *places, uint32_t n_places)
{
	struct tsk_reader r = tsk_reader(meta, meta_bytes);
	unsigned char *head = begin_meta(w);
	uint64_t payload_bytes = read_head(&r, meta_bytes);
	size_t n = tsk_reader_left(&r);

	if (r.bad || !is_aligned(at))
		w->bad = true;
	tsk_write_bytes(w, tsk_read_bytes(&r, n), n);
	tsk_write_u64(w, at);
	tsk_write_u32(w, n_places);
	for (uint32_t i = 0; i < n_places && !w->bad; i++) {
		if (!is_aligned(places[i].at))
			w->bad = true;
		tsk_write_u64(w, places[i].at);
		tsk_write_u64(w, places[i].bytes);
	}
	end_meta(w, head, payload_bytes);
}

/* n tensors and n_wanted, for which there are bytes enough; zeroed. */
static int new_tensors(const struct tsk_reader *r, uint32_t n, uint32_t n_wanted,
		       struct wire_tensor **ret)
{
	if (r->bad || n > WIRE_TENSORS_MAX || n_wanted > WIRE_TENSORS_MAX ||
	    n * TENSOR_BYTES_MIN + n_wanted * WANTED_BYTES_MIN > tsk_reader_left(r))
		return -EPROTO;
	*ret = calloc(n + n_wanted ? n + n_wanted : 1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

/* All has been read: offsets, and whether it goes together. */
static int finish(const struct tsk_reader *r, struct wire_tensor *tensors, uint32_t n,
		  uint64_t payload_bytes)
{
	uint64_t bytes;

	if (!tsk_reader_end(r) || wire_tensors_layout(tensors, n, &bytes) < 0 ||
	    bytes != payload_bytes)
		return -EPROTO;
	return 0;
}

/* What write_question() writes, and the head.  *ret_tensors: the caller's also where r is bad now. */
static int read_question(struct tsk_reader *r, size_t meta_bytes, struct wire_infer *ret,
			 struct wire_tensor **ret_tensors)
{
	struct wire_tensor *tensors;
	int err;

	ret->payload_bytes = read_head(r, meta_bytes);
	ret->deadline_ms = tsk_read_u32(r);
	wire_model_ref_read(r, &ret->model);
	ret->n_inputs = tsk_read_u32(r);
	ret->n_outputs = tsk_read_u32(r);
	err = new_tensors(r, ret->n_inputs, ret->n_outputs, &tensors);
	if (err < 0)
		return err;
	for (uint32_t i = 0; i < ret->n_inputs; i++) {
		read_choice(r, &tensors[i]);
		read_shape(r, &tensors[i]);
	}
	for (uint32_t i = 0; i < ret->n_outputs; i++)
		read_choice(r, &tensors[ret->n_inputs + i]);
	*ret_tensors = tensors;
	return 0;
}

int wire_infer_read(const void *meta, size_t meta_bytes, struct wire_infer *ret,
		    struct wire_tensor **ret_tensors)
{
	struct tsk_reader r = tsk_reader(meta, meta_bytes);
	_cleanup_free_ struct wire_tensor *tensors = NULL;
	struct wire_infer infer;
	int err = read_question(&r, meta_bytes, &infer, &tensors);

	if (err == 0)
		err = finish(&r, tensors, infer.n_inputs, infer.payload_bytes);
	if (err < 0)
		return err;
	*ret = infer;
	*ret_tensors = TAKE_PTR(tensors);
	return 0;
}

static int read_places(struct tsk_reader *r, uint32_t n, uint32_t n_outputs,
		       struct wire_place **ret)
{
	struct wire_place *places;

	if (r->bad || (n && n != n_outputs) || n * UINT64_C(16) > tsk_reader_left(r))
		return -EPROTO;
	places = calloc(n ? n : 1, sizeof(*places));
	if (!places)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		places[i].at = tsk_read_u64(r);
		places[i].bytes = tsk_read_u64(r);
		if (!is_aligned(places[i].at))
			r->bad = true;
	}
	*ret = places;
	return 0;
}

int wire_infer_memory_read(const void *meta, size_t meta_bytes, struct wire_infer_memory *ret,
			   struct wire_tensor **ret_tensors, struct wire_place **ret_places)
{
	struct tsk_reader r = tsk_reader(meta, meta_bytes);
	_cleanup_free_ struct wire_tensor *tensors = NULL;
	_cleanup_free_ struct wire_place *places = NULL;
	struct wire_infer_memory infer;
	int err = read_question(&r, meta_bytes, &infer.infer, &tensors);

	if (err < 0)
		return err;
	infer.at = tsk_read_u64(&r);
	infer.n_places = tsk_read_u32(&r);
	if (!is_aligned(infer.at))
		r.bad = true;
	err = read_places(&r, infer.n_places, infer.infer.n_outputs, &places);
	if (err == 0)
		err = finish(&r, tensors, infer.infer.n_inputs, infer.infer.payload_bytes);
	if (err < 0)
		return err;
	*ret = infer;
	*ret_tensors = TAKE_PTR(tensors);
	*ret_places = TAKE_PTR(places);
	return 0;
}

void wire_result_write(struct tsk_writer *w, const struct wire_result *result,
		       const struct wire_tensor *outputs)
{
	unsigned char *head = begin_meta(w);

	check_payload(w, outputs, result->n_outputs, result->payload_bytes);
	tsk_write_u32(w, result->n_outputs);
	tsk_write_u64(w, result->queue_ns);
	tsk_write_u64(w, result->compute_ns);
	for (uint32_t i = 0; i < result->n_outputs && !w->bad; i++) {
		write_identity(w, &outputs[i]);
		write_shape(w, &outputs[i]);
	}
	end_meta(w, head, result->payload_bytes);
}

int wire_result_read(const void *meta, size_t meta_bytes, struct wire_result *ret,
		     struct wire_tensor **ret_tensors)
{
	struct tsk_reader r = tsk_reader(meta, meta_bytes);
	_cleanup_free_ struct wire_tensor *tensors = NULL;
	struct wire_result result;
	int err;

	result.payload_bytes = read_head(&r, meta_bytes);
	result.n_outputs = tsk_read_u32(&r);
	result.queue_ns = tsk_read_u64(&r);
	result.compute_ns = tsk_read_u64(&r);
	err = new_tensors(&r, result.n_outputs, 0, &tensors);
	if (err < 0)
		return err;
	for (uint32_t i = 0; i < result.n_outputs; i++) {
		read_identity(&r, &tensors[i]);
		read_shape(&r, &tensors[i]);
	}
	err = finish(&r, tensors, result.n_outputs, result.payload_bytes);
	if (err < 0)
		return err;
	*ret = result;
	*ret_tensors = TAKE_PTR(tensors);
	return 0;
}
