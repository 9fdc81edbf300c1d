/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/onnx_scan.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/protowire.h"
#include "base/status.h"

/* Message types of onnx.proto.  Those of equal shape share one. */
enum kind {
	KIND_NONE,
	MODEL,
	GRAPH,
	NODE,
	ATTRIBUTE,
	TENSOR,
	SPARSE_TENSOR,
	FUNCTION,
	TRAINING_INFO,
	VALUE_INFO,
	TYPE,
	TENSOR_TYPE,  /* also that of sparse tensors */
	ELEMENT_TYPE, /* Sequence, Optional */
	MAP_TYPE,
	SHAPE,
	DIMENSION,
	ANNOTATION,
	STRINGS, /* StringStringEntryProto, Opaque */
	OPERATOR_SET,
	SEGMENT,
	KIND_MAX
};

static const char *const kind_names[] = {
	[KIND_NONE] = "",
	[MODEL] = "ModelProto",
	[GRAPH] = "GraphProto",
	[NODE] = "NodeProto",
	[ATTRIBUTE] = "AttributeProto",
	[TENSOR] = "TensorProto",
	[SPARSE_TENSOR] = "SparseTensorProto",
	[FUNCTION] = "FunctionProto",
	[TRAINING_INFO] = "TrainingInfoProto",
	[VALUE_INFO] = "ValueInfoProto",
	[TYPE] = "TypeProto",
	[TENSOR_TYPE] = "TypeProto.Tensor",
	[ELEMENT_TYPE] = "TypeProto.Sequence",
	[MAP_TYPE] = "TypeProto.Map",
	[SHAPE] = "TensorShapeProto",
	[DIMENSION] = "Dimension",
	[ANNOTATION] = "TensorAnnotation",
	[STRINGS] = "StringStringEntryProto",
	[OPERATOR_SET] = "OperatorSetIdProto",
	[SEGMENT] = "Segment",
};
static_assert(ARRAY_SIZE(kind_names) == KIND_MAX, "a message type lacks its name");

/* What a field may be on the wire, as a set of wire types, and what it needs. */
#define V (1u << PROTO_VARINT)
#define F32 (1u << PROTO_FIXED32)
#define F64 (1u << PROTO_FIXED64)
#define L (1u << PROTO_BYTES)

struct field {
	uint8_t wires;   /* 0: there is no such field */
	uint8_t message; /* enum kind of what its bytes hold, or KIND_NONE for plain bytes */
	bool external;   /* refused unless it is the number 0 */
};

/* clang-format off */
#define MSG(kind) { .wires = L, .message = (kind) }
#define ANY(set) { .wires = (set) }
#define FIELD_MAX 32u

static const struct field schema[KIND_MAX][FIELD_MAX] = {
	[MODEL] = { [1] = ANY(V), [2] = ANY(L), [3] = ANY(L), [4] = ANY(L), [5] = ANY(V),
		    [6] = ANY(L), [7] = MSG(GRAPH), [8] = MSG(OPERATOR_SET), [14] = MSG(STRINGS),
		    [20] = MSG(TRAINING_INFO), [25] = MSG(FUNCTION) },
	[GRAPH] = { [1] = MSG(NODE), [2] = ANY(L), [5] = MSG(TENSOR), [10] = ANY(L),
		    [11] = MSG(VALUE_INFO), [12] = MSG(VALUE_INFO), [13] = MSG(VALUE_INFO),
		    [14] = MSG(ANNOTATION), [15] = MSG(SPARSE_TENSOR), [16] = MSG(STRINGS) },
	[NODE] = { [1] = ANY(L), [2] = ANY(L), [3] = ANY(L), [4] = ANY(L), [5] = MSG(ATTRIBUTE),
		   [6] = ANY(L), [7] = ANY(L), [8] = ANY(L), [9] = MSG(STRINGS) },
	[ATTRIBUTE] = { [1] = ANY(L), [2] = ANY(F32), [3] = ANY(V), [4] = ANY(L), [5] = MSG(TENSOR),
			[6] = MSG(GRAPH), [7] = ANY(L | F32), [8] = ANY(L | V), [9] = ANY(L),
			[10] = MSG(TENSOR), [11] = MSG(GRAPH), [13] = ANY(L), [14] = MSG(TYPE),
			[15] = MSG(TYPE), [20] = ANY(V), [21] = ANY(L), [22] = MSG(SPARSE_TENSOR),
			[23] = MSG(SPARSE_TENSOR) },
	[TENSOR] = { [1] = ANY(L | V), [2] = ANY(V), [3] = MSG(SEGMENT), [4] = ANY(L | F32),
		     [5] = ANY(L | V), [6] = ANY(L), [7] = ANY(L | V), [8] = ANY(L), [9] = ANY(L),
		     [10] = ANY(L | F64), [11] = ANY(L | V), [12] = ANY(L),
		     [13] = { .wires = L, .external = true }, /* external_data */
		     [14] = { .wires = V, .external = true }, /* data_location */
		     [16] = MSG(STRINGS) },
	[SPARSE_TENSOR] = { [1] = MSG(TENSOR), [2] = MSG(TENSOR), [3] = ANY(L | V) },
	[FUNCTION] = { [1] = ANY(L), [4] = ANY(L), [5] = ANY(L), [6] = ANY(L), [7] = MSG(NODE),
		       [8] = ANY(L), [9] = MSG(OPERATOR_SET), [10] = ANY(L), [11] = MSG(ATTRIBUTE),
		       [12] = MSG(VALUE_INFO), [13] = ANY(L), [14] = MSG(STRINGS) },
	[TRAINING_INFO] = { [1] = MSG(GRAPH), [2] = MSG(GRAPH), [3] = MSG(STRINGS),
			    [4] = MSG(STRINGS) },
	[VALUE_INFO] = { [1] = ANY(L), [2] = MSG(TYPE), [3] = ANY(L), [4] = MSG(STRINGS) },
	[TYPE] = { [1] = MSG(TENSOR_TYPE), [4] = MSG(ELEMENT_TYPE), [5] = MSG(MAP_TYPE),
		   [6] = ANY(L), [7] = MSG(STRINGS), [8] = MSG(TENSOR_TYPE),
		   [9] = MSG(ELEMENT_TYPE) },
	[TENSOR_TYPE] = { [1] = ANY(V), [2] = MSG(SHAPE) },
	[ELEMENT_TYPE] = { [1] = MSG(TYPE) },
	[MAP_TYPE] = { [1] = ANY(V), [2] = MSG(TYPE) },
	[SHAPE] = { [1] = MSG(DIMENSION) },
	[DIMENSION] = { [1] = ANY(V), [2] = ANY(L), [3] = ANY(L) },
	[ANNOTATION] = { [1] = ANY(L), [2] = MSG(STRINGS) },
	[STRINGS] = { [1] = ANY(L), [2] = ANY(L) },
	[OPERATOR_SET] = { [1] = ANY(L), [2] = ANY(V) },
	[SEGMENT] = { [1] = ANY(V), [2] = ANY(V) },
};
/* clang-format on */

struct scan {
	const unsigned char *p;
	struct {
		const unsigned char *end;
		enum kind kind;
	} stack[ONNX_SCAN_DEPTH_MAX]; /* the messages that p stands in; ends never grow inwards */
	unsigned depth;
	uint32_t messages, fields;
	bool has_graph;
	struct tensock_error *reterr;
};

static const unsigned char *end_of(const struct scan *scan)
{
	return scan->stack[scan->depth - 1].end;
}

static enum kind kind_of(const struct scan *scan)
{
	return scan->stack[scan->depth - 1].kind;
}

static int broken(struct scan *scan)
{
	return tsk_fail(scan->reterr, TENSOCK_INVALID_MODEL, "not a whole ONNX model: broken %s",
			kind_names[kind_of(scan)]);
}

static bool read_varint(struct scan *scan, uint64_t *ret)
{
	struct tsk_reader reader = { .p = scan->p, .end = end_of(scan) };

	*ret = proto_varint(&reader);
	scan->p = reader.p;
	return !reader.bad;
}

/* Moves past len bytes; false when the message ends before. */
static bool skip(struct scan *scan, uint64_t len)
{
	if (len > (uint64_t)(end_of(scan) - scan->p))
		return false;
	scan->p += len;
	return true;
}

static int enter(struct scan *scan, enum kind kind, uint64_t len)
{
	if (scan->depth == ONNX_SCAN_DEPTH_MAX)
		return tsk_fail(scan->reterr, TENSOCK_TOO_LARGE,
				"the model nests its parts deeper than %u", ONNX_SCAN_DEPTH_MAX);
	if (++scan->messages > ONNX_SCAN_MESSAGES_MAX)
		return tsk_fail(scan->reterr, TENSOCK_TOO_LARGE, "the model has more than %u parts",
				ONNX_SCAN_MESSAGES_MAX);
	if (kind == GRAPH && kind_of(scan) == MODEL)
		scan->has_graph = true;
	scan->stack[scan->depth].kind = kind;
	scan->stack[scan->depth].end = scan->p + len;
	scan->depth++;
	return 0;
}

static int refuse_external(struct scan *scan)
{
	return tsk_fail(
		scan->reterr, TENSOCK_UNSUPPORTED,
		"the model keeps weights in other files (external data); save it as one file");
}

static int refuse_unknown(struct scan *scan, uint64_t number)
{
	enum kind kind = kind_of(scan);

	/* Writers put little before the graph: some other file that looked like a protobuf so far. */
	if (kind == MODEL || !scan->has_graph)
		return tsk_fail(scan->reterr, TENSOCK_INVALID_MODEL, "not an ONNX model");
	return tsk_fail(scan->reterr, TENSOCK_UNSUPPORTED,
			"field %llu of a %s is none that this host knows",
			(unsigned long long)number, kind_names[kind]);
}

/* The value of a field whose tag has been read. */
static int scan_value(struct scan *scan, const struct field *field, unsigned wire)
{
	uint64_t v;

	switch (wire) {
	case PROTO_VARINT:
		if (!read_varint(scan, &v))
			return broken(scan);
		return field->external && v ? refuse_external(scan) : 0;
	case PROTO_FIXED64:
		return skip(scan, 8) ? 0 : broken(scan);
	case PROTO_FIXED32:
		return skip(scan, 4) ? 0 : broken(scan);
	default:
		break;
	}
	if (!read_varint(scan, &v) || v > (uint64_t)(end_of(scan) - scan->p))
		return broken(scan);
	if (field->external)
		return refuse_external(scan);
	if (field->message != KIND_NONE)
		return enter(scan, field->message, v);
	scan->p += v;
	return 0;
}

static int scan_field(struct scan *scan)
{
	const struct field *field;
	uint64_t tag, number;
	unsigned wire;

	if (++scan->fields > ONNX_SCAN_FIELDS_MAX)
		return tsk_fail(scan->reterr, TENSOCK_TOO_LARGE,
				"the model has more than %u fields", ONNX_SCAN_FIELDS_MAX);
	/* Parsers cut a longer tag to 32 bits, and would see another number than we do. */
	if (!read_varint(scan, &tag) || tag > UINT32_MAX)
		return broken(scan);
	number = tag >> 3;
	wire = (unsigned)(tag & 7);
	if (number == 0)
		return broken(scan);
	if (number >= FIELD_MAX || !schema[kind_of(scan)][number].wires)
		return refuse_unknown(scan, number);
	field = &schema[kind_of(scan)][number];
	if (!(field->wires & 1u << wire))
		return broken(scan);
	return scan_value(scan, field, wire);
}

static bool is_ort_format(const unsigned char *bytes, size_t size)
{
	return size >= 8 && memcmp(bytes + 4, "ORTM", 4) == 0;
}

int onnx_scan(const void *bytes, size_t size, struct tensock_error *reterr)
{
	struct scan scan = { .p = bytes, .depth = 1, .reterr = reterr };
	int r;

	if (!size)
		return tsk_fail(reterr, TENSOCK_INVALID_MODEL, "the model is empty");
	if (is_ort_format(bytes, size))
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"models in ONNX Runtime's own format (.ort) are not taken");
	scan.stack[0].kind = MODEL;
	scan.stack[0].end = scan.p + size;
	while (scan.depth) {
		if (scan.p == end_of(&scan)) {
			scan.depth--;
			continue;
		}
		r = scan_field(&scan);
		if (r < 0)
			return r;
	}
	if (!scan.has_graph)
		return tsk_fail(reterr, TENSOCK_INVALID_MODEL, "an ONNX model without a graph");
	return 0;
}
