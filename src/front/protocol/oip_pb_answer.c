/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/oip_pb.h"

#include "base/protowire.h"
#include "front/protocol/oip_pb_write.h"
#include "tensor/dtype.h"

/* ModelInferResponse. */
enum response_field {
	RESPONSE_MODEL_NAME = 1,
	RESPONSE_MODEL_VERSION = 2,
	RESPONSE_ID = 3,
	RESPONSE_OUTPUTS = 5,
	RESPONSE_RAW = 6,
};

/* InferOutputTensor. */
enum output_field {
	OUTPUT_NAME = 1,
	OUTPUT_DATATYPE = 2,
	OUTPUT_SHAPE = 3,
	OUTPUT_PARAMETERS = 4,
};

/* InferParameter. */
enum parameter_field {
	INT64_PARAM = 2,
	STRING_PARAM = 3,
};

/* ModelStreamInferResponse. */
enum stream_field {
	STREAM_ERROR_MESSAGE = 1,
	STREAM_INFER_RESPONSE = 2,
};

/* A map's entry: key 1, value 2. */
static size_t begin_parameter(struct pb_writer *w, const char *key, size_t *ret_entry)
{
	*ret_entry = pb_message_begin(w, OUTPUT_PARAMETERS);
	pb_text(w, 1, key);
	return pb_message_begin(w, 2);
}

static void write_string_parameter(struct pb_writer *w, const char *key, struct wire_string value)
{
	size_t entry, at = begin_parameter(w, key, &entry);

	pb_string(w, STRING_PARAM, value);
	pb_message_end(w, at);
	pb_message_end(w, entry);
}

/* Even 0 is one of the value's cases. */
static void write_int_parameter(struct pb_writer *w, const char *key, uint64_t value)
{
	size_t entry, at = begin_parameter(w, key, &entry);

	pb_list_number(w, INT64_PARAM, value);
	pb_message_end(w, at);
	pb_message_end(w, entry);
}

static void write_output(struct pb_writer *w, const struct oip_result *result)
{
	size_t at = pb_message_begin(w, RESPONSE_OUTPUTS);

	pb_string(w, OUTPUT_NAME, result->name);
	pb_text(w, OUTPUT_DATATYPE, tsk_dtype_name(result->dtype));
	pb_dims(w, OUTPUT_SHAPE, result->dims, result->rank);
	if (result->region.name.len) {
		write_string_parameter(w, "shared_memory_region", result->region.name);
		write_int_parameter(w, "shared_memory_offset", result->region.offset);
		write_int_parameter(w, "shared_memory_byte_size", result->bytes);
	}
	pb_message_end(w, at);
}

int oip_pb_answer(const struct oip_answer *answer, struct oip_pb *ret)
{
	struct pb_writer w;

	pb_writer_init(&w);
	pb_text(&w, RESPONSE_MODEL_NAME, answer->model);
	pb_text(&w, RESPONSE_MODEL_VERSION, answer->version);
	pb_string(&w, RESPONSE_ID, answer->id);
	for (uint32_t i = 0; i < answer->n_results; i++)
		write_output(&w, &answer->results[i]);
	return pb_writer_end(&w, ret);
}

static size_t put_head(uint32_t field, uint64_t n, unsigned char *to)
{
	size_t tag = proto_put_varint(to, proto_tag(field, PROTO_BYTES));

	return tag + proto_put_varint(to + tag, n);
}

size_t oip_pb_raw_head(uint64_t bytes, unsigned char to[OIP_PB_RAW_MAX])
{
	return put_head(RESPONSE_RAW, bytes, to);
}

int oip_pb_stream_error(const char *error, struct oip_pb *ret)
{
	struct pb_writer w;

	pb_writer_init(&w);
	pb_list_text(&w, STREAM_ERROR_MESSAGE, error);
	return pb_writer_end(&w, ret);
}

size_t oip_pb_stream_head(uint64_t n, unsigned char to[OIP_PB_RAW_MAX])
{
	return put_head(STREAM_INFER_RESPONSE, n, to);
}
