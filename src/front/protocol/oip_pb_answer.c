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
	RESPONSE_PARAMETERS = 4,
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
	BOOL_PARAM = 1,
	INT64_PARAM = 2,
	STRING_PARAM = 3,
};

/* ModelStreamInferResponse. */
enum stream_field {
	STREAM_ERROR_MESSAGE = 1,
	STREAM_INFER_RESPONSE = 2,
};

/* A map's entry: key 1, value 2. */
static size_t begin_parameter(struct pb_writer *w, uint32_t map, const char *key, size_t *ret_entry)
{
	*ret_entry = pb_message_begin(w, map);
	pb_text(w, 1, key);
	return pb_message_begin(w, 2);
}

static void write_string_parameter(struct pb_writer *w, uint32_t map, const char *key,
				   struct wire_string value)
{
	size_t entry, at = begin_parameter(w, map, key, &entry);

	pb_string(w, STRING_PARAM, value);
	pb_message_end(w, at);
	pb_message_end(w, entry);
}

/* A choice is written also where it is 0. */
static void write_number_parameter(struct pb_writer *w, uint32_t map, const char *key,
				   enum parameter_field choice, uint64_t value)
{
	size_t entry, at = begin_parameter(w, map, key, &entry);

	pb_list_number(w, choice, value);
	pb_message_end(w, at);
	pb_message_end(w, entry);
}

/* Clients of a stream wait for it: no more comes for this request. */
static void write_final(struct pb_writer *w)
{
	write_number_parameter(w, RESPONSE_PARAMETERS, "triton_final_response", BOOL_PARAM, true);
}

static void write_region(struct pb_writer *w, const struct oip_result *result)
{
	const struct oip_region *region = &result->region;

	write_string_parameter(w, OUTPUT_PARAMETERS, "shared_memory_region", region->name);
	write_number_parameter(w, OUTPUT_PARAMETERS, "shared_memory_offset", INT64_PARAM,
			       region->offset);
	write_number_parameter(w, OUTPUT_PARAMETERS, "shared_memory_byte_size", INT64_PARAM,
			       result->bytes);
}

static void write_output(struct pb_writer *w, const struct oip_result *result)
{
	size_t at = pb_message_begin(w, RESPONSE_OUTPUTS);

	pb_string(w, OUTPUT_NAME, result->name);
	pb_text(w, OUTPUT_DATATYPE, tsk_dtype_name(result->dtype));
	pb_dims(w, OUTPUT_SHAPE, result->dims, result->rank);
	if (result->region.name.len)
		write_region(w, result);
	pb_message_end(w, at);
}

int oip_pb_answer(const struct oip_answer *answer, struct oip_pb *ret)
{
	struct pb_writer w;

	pb_writer_init(&w);
	pb_text(&w, RESPONSE_MODEL_NAME, answer->model);
	pb_text(&w, RESPONSE_MODEL_VERSION, answer->version);
	pb_string(&w, RESPONSE_ID, answer->id);
	write_final(&w);
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

int oip_pb_stream_error(const char *error, struct wire_string id, struct oip_pb *ret)
{
	struct pb_writer w;
	size_t at;

	pb_writer_init(&w);
	pb_list_text(&w, STREAM_ERROR_MESSAGE, error);
	at = pb_message_begin(&w, STREAM_INFER_RESPONSE);
	pb_string(&w, RESPONSE_ID, id);
	write_final(&w);
	pb_message_end(&w, at);
	return pb_writer_end(&w, ret);
}

size_t oip_pb_stream_head(uint64_t n, unsigned char to[OIP_PB_RAW_MAX])
{
	return put_head(STREAM_INFER_RESPONSE, n, to);
}
