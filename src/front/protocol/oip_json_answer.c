/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/status.h"
#include "front/protocol/json_number.h"
#include "front/protocol/json_text.h"
#include "front/protocol/oip_json.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

/* Elements that are copied at once out of memory where the worker may still write. */
#define PIECE JSON_DOUBLES_MAX

union piece {
	uint8_t u8[PIECE];
	int8_t i8[PIECE];
	uint16_t u16[PIECE];
	int16_t i16[PIECE];
	uint32_t u32[PIECE];
	int32_t i32[PIECE];
	uint64_t u64[PIECE];
	int64_t i64[PIECE];
	float f32[PIECE];
	double f64[PIECE];
};

static char *write_bool(char *to, uint8_t v)
{
	size_t n = v ? 4 : 5;

	memcpy(to, v ? "true" : "false", n);
	return to + n;
}

/* Characters that an element takes at most, its comma among them; 0: JSON cannot carry the type. */
static unsigned element_chars(uint32_t dtype)
{
	switch (dtype) {
	case TENSOCK_BOOL:
	case TENSOCK_UINT8:
	case TENSOCK_INT8:
	case TENSOCK_UINT16:
	case TENSOCK_INT16:
		return 8;
	case TENSOCK_UINT32:
	case TENSOCK_INT32:
		return 12;
	case TENSOCK_UINT64:
	case TENSOCK_INT64:
	case TENSOCK_FLOAT32:
		return 21;
	case TENSOCK_FLOAT64:
		return JSON_NUMBER_MAX + 1;
	default:
		return 0;
	}
}

#define WRITE_EACH(member, write)                         \
	do {                                              \
		for (size_t i = 0; i < n; i++) {          \
			to = write(to, piece->member[i]); \
			*to++ = ',';                      \
		}                                         \
	} while (0)

/* n elements, a comma behind each. */
static char *write_piece(char *to, uint32_t dtype, const union piece *piece, size_t n)
{
	switch (dtype) {
	case TENSOCK_BOOL:
		WRITE_EACH(u8, write_bool);
		break;
	case TENSOCK_UINT8:
		WRITE_EACH(u8, json_write_uint);
		break;
	case TENSOCK_INT8:
		WRITE_EACH(i8, json_write_int);
		break;
	case TENSOCK_UINT16:
		WRITE_EACH(u16, json_write_uint);
		break;
	case TENSOCK_INT16:
		WRITE_EACH(i16, json_write_int);
		break;
	case TENSOCK_UINT32:
		WRITE_EACH(u32, json_write_uint);
		break;
	case TENSOCK_INT32:
		WRITE_EACH(i32, json_write_int);
		break;
	case TENSOCK_UINT64:
		WRITE_EACH(u64, json_write_uint);
		break;
	case TENSOCK_INT64:
		WRITE_EACH(i64, json_write_int);
		break;
	case TENSOCK_FLOAT32:
		WRITE_EACH(f32, json_write_float);
		break;
	default:
		if (json_write_doubles(&to, piece->f64, n) < 0)
			return NULL;
		*to++ = ',';
	}
	return to;
}

static void put_piece(struct json_text *text, uint32_t dtype, const union piece *piece, size_t n)
{
	char *room = json_text_room(text, n * element_chars(dtype)), *end;

	if (!room)
		return;
	end = write_piece(room, dtype, piece, n);
	if (end)
		text->n += (size_t)(end - room);
	else
		text->bad = true;
}

/* The next elements of a result, until *room is used up: once, where it is small. */
static void put_numbers(struct oip_json_answer *w, const struct oip_result *result, size_t *room)
{
	size_t width = tsk_dtype_bits(result->dtype) / 8;
	const unsigned char *data = result->data;
	union piece piece;

	while (w->elems && *room && !w->text.bad) {
		size_t n = w->elems < PIECE ? w->elems : PIECE;

		tsk_copy_once(&piece, data + w->at, n * width);
		put_piece(&w->text, result->dtype, &piece, n);
		w->at += n * width;
		w->elems -= n;
		*room -= *room < n * width ? *room : n * width;
	}
	/* The last comma. */
	if (w->at && !w->elems && !w->text.bad)
		w->text.n--;
}

static void name_result(const struct oip_result *result, struct tensock_error *reterr)
{
	tsk_error_prefix(reterr, "output '%.*s'", OIP_SAID(result->name));
}

static int fail_broken(const struct oip_result *result, struct tensock_error *reterr)
{
	int r = tsk_fail(reterr, TENSOCK_INTERNAL,
			 "its bytes are not as its shape and datatype say");

	name_result(result, reterr);
	return r;
}

/* Little-endian, as all machines that this runs on. */
static const void *read_string(struct tsk_reader *r, uint32_t *ret_len)
{
	const void *length = tsk_read_bytes(r, sizeof(*ret_len));

	if (!length)
		return NULL;
	tsk_copy_once(ret_len, length, sizeof(*ret_len));
	return tsk_read_bytes(r, *ret_len);
}

static int put_strings(struct oip_json_answer *w, const struct oip_result *result, size_t *room,
		       struct tensock_error *reterr)
{
	struct tsk_reader r =
		tsk_reader((const unsigned char *)result->data + w->at, result->bytes - w->at);

	while (w->elems && *room && !w->text.bad) {
		size_t before = tsk_reader_left(&r), taken;
		uint32_t len = 0;
		const void *bytes = read_string(&r, &len);

		if (!bytes)
			return fail_broken(result, reterr);
		if (!json_text_bytes(&w->text, bytes, len)) {
			int e = tsk_fail(
				reterr, TENSOCK_UNSUPPORTED,
				"an element is not UTF-8, and JSON cannot carry it: ask for "
				"binary data (\"binary_data\": true)");

			name_result(result, reterr);
			return e;
		}
		taken = before - tsk_reader_left(&r);
		w->at += taken;
		w->elems--;
		*room -= *room < taken ? *room : taken;
	}
	return w->elems || tsk_reader_end(&r) ? 0 : fail_broken(result, reterr);
}

/* Whether its bytes are as many as its shape and datatype say; of BYTES only reading them tells. */
static int begin_data(struct oip_json_answer *w, const struct oip_result *result,
		      struct tensock_error *reterr)
{
	uint64_t bytes = result->bytes;

	if (result->dtype != TENSOCK_BYTES && !element_chars(result->dtype))
		return tsk_fail(
			reterr, TENSOCK_UNSUPPORTED,
			"sending %s data via JSON is not supported. Please use the binary data "
			"format for output %.*s",
			tsk_dtype_name(result->dtype), OIP_SAID(result->name));
	if (tsk_shape_elems(result->dims, result->rank, &w->elems) < 0 ||
	    (result->dtype != TENSOCK_BYTES &&
	     tsk_shape_bytes(result->dtype, result->dims, result->rank, &bytes) < 0) ||
	    bytes != result->bytes)
		return fail_broken(result, reterr);
	w->at = 0;
	json_text_key(&w->text, "data");
	json_text_open(&w->text, '[');
	return 0;
}

static void put_binary(struct json_text *text, const struct oip_result *result)
{
	json_text_key(text, "parameters");
	json_text_open(text, '{');
	json_text_key(text, "binary_data_size");
	json_text_uint(text, result->bytes);
	json_text_close(text, '}');
}

/*
 * Of one in a region no more is told than its shape: Triton's C++ client takes any parameters for those of a
 * binary one.
 */
static bool has_data(const struct oip_result *result)
{
	return !result->is_binary && !result->region.name.len;
}

static int begin_result(struct oip_json_answer *w, const struct oip_result *result,
			struct tensock_error *reterr)
{
	const char *datatype = tsk_dtype_name(result->dtype);
	struct json_text *text = &w->text;

	if (!datatype || result->rank > TENSOCK_RANK_MAX)
		return fail_broken(result, reterr);
	json_text_open(text, '{');
	json_text_key(text, "name");
	json_text_bytes(text, result->name.bytes, result->name.len);
	json_text_key(text, "datatype");
	json_text_string(text, datatype);
	json_text_key(text, "shape");
	json_text_open(text, '[');
	for (uint32_t i = 0; i < result->rank; i++)
		json_text_int(text, result->dims[i]);
	json_text_close(text, ']');
	if (has_data(result))
		return begin_data(w, result, reterr);
	w->elems = 0;
	if (!result->region.name.len)
		put_binary(text, result);
	return 0;
}

/* What *room has room for. */
static int put_result(struct oip_json_answer *w, const struct oip_result *result, size_t *room,
		      struct tensock_error *reterr)
{
	int r = w->is_within ? 0 : begin_result(w, result, reterr);

	w->is_within = true;
	if (r == 0 && has_data(result) && result->dtype == TENSOCK_BYTES)
		r = put_strings(w, result, room, reterr);
	else if (r == 0 && has_data(result))
		put_numbers(w, result, room);
	if (r < 0 || w->elems)
		return r;
	if (has_data(result))
		json_text_close(&w->text, ']');
	json_text_close(&w->text, '}');
	w->is_within = false;
	w->next++;
	return 0;
}

#define RESULT_CHARS 512u /* of keys and numbers that stand around an output's values */

static uint64_t result_memory(const struct oip_result *result)
{
	uint64_t data = 0, width = tsk_dtype_bits(result->dtype) / 8;

	/* A character of BYTES takes six at most; its length, four bytes long, is less than what quotes it. */
	if (has_data(result)) {
		uint64_t elems = width ? result->bytes / width : result->bytes;

		if (!tsk_mul(elems, (uint64_t)(width ? element_chars(result->dtype) : 6), &data))
			return UINT64_MAX / 2;
	}
	return data + RESULT_CHARS + 6ULL * result->name.len;
}

uint64_t oip_json_answer_memory(const struct oip_answer *answer)
{
	uint64_t n = RESULT_CHARS +
		     6ULL * (strlen(answer->model) + strlen(answer->version) + answer->id.len);

	for (uint32_t i = 0; i < answer->n_results; i++) {
		if (!tsk_add(n, result_memory(&answer->results[i]), &n))
			return UINT64_MAX;
	}
	return n;
}

void oip_json_answer_begin(struct oip_json_answer *w, const struct oip_answer *answer)
{
	struct json_text *text = &w->text;

	*w = (struct oip_json_answer){ .answer = *answer };
	/* All at once: what is not written to is address space, and no memory. */
	json_text_room(text, oip_json_answer_memory(answer));
	json_text_open(text, '{');
	if (answer->id.len) {
		json_text_key(text, "id");
		json_text_bytes(text, answer->id.bytes, answer->id.len);
	}
	json_text_key(text, "model_name");
	json_text_string(text, answer->model);
	json_text_key(text, "model_version");
	json_text_string(text, answer->version);
	json_text_key(text, "outputs");
	json_text_open(text, '[');
}

int oip_json_answer_write(struct oip_json_answer *w, size_t max, struct oip_json *ret,
			  struct tensock_error *reterr)
{
	int r = 0;

	while (r == 0 && max && !w->text.bad && w->next < w->answer.n_results) {
		r = put_result(w, &w->answer.results[w->next], &max, reterr);
		max -= max < RESULT_CHARS ? max : RESULT_CHARS;
	}
	if (r < 0)
		return r;
	if (w->next < w->answer.n_results && !w->text.bad)
		return 1;
	json_text_close(&w->text, ']');
	json_text_close(&w->text, '}');
	if (json_text_take(&w->text, &ret->bytes, &ret->n) < 0)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the answer's JSON");
	return 0;
}

void oip_json_answer_done(struct oip_json_answer *w)
{
	json_text_done(&w->text);
}
