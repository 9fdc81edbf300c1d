/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/mindir/mindir_reading.h"

#include "base/status.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

enum { /* fields of TensorProto */
	DIMS = 1,
	DATA_TYPE = 2,
	FLOAT_DATA = 3,
	INT32_DATA = 4,
	INT64_DATA = 6,
	NAME = 7,
	RAW_DATA = 9,
	DOUBLE_DATA = 10,
	UINT64_DATA = 11,
	EXTERNAL_DATA = 12,
	COMPRESSION_TYPE = 16,
	QUANT_PARAMS = 17,
};

/* By TensorProto.DataType. */
static const uint32_t dtypes[] = {
	[1] = TENSOCK_FLOAT32,   [2] = TENSOCK_UINT8,    [3] = TENSOCK_INT8,
	[4] = TENSOCK_UINT16,    [5] = TENSOCK_INT16,    [6] = TENSOCK_INT32,
	[7] = TENSOCK_INT64,     [9] = TENSOCK_BOOL,     [10] = TENSOCK_FLOAT16,
	[11] = TENSOCK_FLOAT64,  [12] = TENSOCK_UINT32,  [13] = TENSOCK_UINT64,
	[16] = TENSOCK_BFLOAT16, [17] = TENSOCK_FLOAT64,
};

static const char *const compressions[] = { "none",        "INDEXING", "SPARSE",   "FSE",
					    "BIT_PACKING", "FSE_INT",  "FSE_INFER" };

static void add_dim(struct mindir_tensor *tensor, int64_t dims[static TENSOCK_RANK_MAX + 1],
		    int64_t dim)
{
	if (tensor->rank <= TENSOCK_RANK_MAX)
		dims[tensor->rank++] = dim < -2 ? -2 : dim;
}

/* Protobuf writers may pack them: both forms are read. */
static void add_dims(struct tsk_reader *wire, const struct proto_field *field,
		     struct mindir_tensor *tensor, int64_t dims[static TENSOCK_RANK_MAX + 1])
{
	struct tsk_reader packed;

	if (field->type != PROTO_BYTES) {
		add_dim(tensor, dims, proto_int(wire, field));
		return;
	}
	packed = proto_message(wire, field);
	while (!packed.bad && packed.p < packed.end && tensor->rank <= TENSOCK_RANK_MAX)
		add_dim(tensor, dims, (int64_t)proto_varint(&packed));
	wire->bad |= packed.bad;
}

static void refuse_compression(struct mindir_reading *reading, const struct mindir_tensor *tensor,
			       int64_t compression)
{
	const char *name = "of a kind not known";

	if (compression > 0 && (uint64_t)compression < ARRAY_SIZE(compressions))
		name = compressions[compression];
	mindir_reading_fail(reading, TENSOCK_UNSUPPORTED,
			    "the weight '%.*s' is compressed (%s): export the net again without "
			    "compression",
			    MINDIR_TEXT(tensor->name), name);
}

static void check_bytes(struct mindir_reading *reading, const struct mindir_tensor *tensor,
			bool is_weight)
{
	uint64_t n_bytes;

	if (!is_weight && !tensor->bytes)
		return; /* says a type and a shape only */
	if (!tensor->dtype ||
	    tsk_shape_bytes(tensor->dtype, tensor->dims, tensor->rank, &n_bytes) < 0)
		mindir_reading_fail(
			reading, TENSOCK_INVALID_MODEL,
			"the tensor '%.*s' has data, but no type and shape that hold them",
			MINDIR_TEXT(tensor->name));
	else if (n_bytes != tensor->n_bytes)
		mindir_reading_fail(
			reading, TENSOCK_INVALID_MODEL,
			"the tensor '%.*s' has %zu bytes, while its shape asks for %llu",
			MINDIR_TEXT(tensor->name), tensor->n_bytes, (unsigned long long)n_bytes);
}

static void refuse_elsewhere(struct mindir_reading *reading, const struct mindir_tensor *tensor,
			     const char *where, const char *advice)
{
	mindir_reading_fail(reading, TENSOCK_UNSUPPORTED, "the weight '%.*s' %s: %s",
			    MINDIR_TEXT(tensor->name), where, advice);
}

static void read_field(struct mindir_reading *reading, struct tsk_reader *wire,
		       const struct proto_field *field, struct mindir_tensor *tensor,
		       int64_t dims[static TENSOCK_RANK_MAX + 1])
{
	int64_t v;

	switch (field->number) {
	case DIMS:
		add_dims(wire, field, tensor, dims);
		break;
	case DATA_TYPE:
		v = proto_int(wire, field);
		tensor->dtype = v > 0 && (uint64_t)v < ARRAY_SIZE(dtypes) ? dtypes[v] : 0;
		break;
	case NAME:
		tensor->name = mindir_read_text(wire, field);
		break;
	case RAW_DATA:
		if (proto_is(wire, field, PROTO_BYTES) && field->n_bytes) {
			tensor->bytes = field->bytes;
			tensor->n_bytes = field->n_bytes;
		}
		break;
	case EXTERNAL_DATA:
		refuse_elsewhere(reading, tensor, "lies in another file (external data)",
				 "export the net with its weights inside, below 1 GiB");
		break;
	case QUANT_PARAMS:
		refuse_elsewhere(reading, tensor, "is quantised",
				 "export the net before its quantisation");
		break;
	case COMPRESSION_TYPE:
		v = proto_int(wire, field);
		if (v != 0)
			refuse_compression(reading, tensor, v);
		break;
	case FLOAT_DATA:
	case INT32_DATA:
	case INT64_DATA:
	case DOUBLE_DATA:
	case UINT64_DATA:
		refuse_elsewhere(reading, tensor,
				 "has its values in a field that MindSpore does not use",
				 "export the net with MindSpore");
		break;
	}
}

void mindir_read_tensor(struct mindir_reading *reading, struct tsk_reader wire, bool is_weight,
			struct mindir_tensor *ret)
{
	int64_t dims[TENSOCK_RANK_MAX + 1], *kept;
	struct mindir_tensor tensor = { 0 };
	struct proto_field field;

	while (proto_next(&wire, &field))
		read_field(reading, &wire, &field, &tensor, dims);
	if (wire.bad)
		mindir_reading_fail(reading, TENSOCK_INVALID_MODEL, "a tensor is broken");
	if (tensor.rank > TENSOCK_RANK_MAX)
		mindir_reading_fail(reading, TENSOCK_TOO_LARGE,
				    "a tensor has more than %u dimensions", TENSOCK_RANK_MAX);
	kept = mindir_reading_take(reading, tensor.rank, TENSOCK_RANK_MAX, sizeof(*kept),
				   "dimensions");
	if (!kept)
		return;
	memcpy(kept, dims, tensor.rank * sizeof(*kept));
	tensor.dims = kept;
	check_bytes(reading, &tensor, is_weight);
	*ret = tensor;
}
