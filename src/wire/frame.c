/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/frame.h"

#include <errno.h>

#include "base/checked.h"
#include "wire/infer.h"
#include "wire/session.h"

#define STRING(max) (2u + (max))
#define ERROR_BYTES_MAX (4u + STRING(WIRE_ERROR_TEXT_MAX))
#define REF_BYTES_MAX (1u + STRING(WIRE_NAME_MAX) + STRING(WIRE_LABEL_MAX))
#define MODEL_BYTES_MAX \
	(WIRE_HASH_BYTES + 3u * 8 + 4u + STRING(WIRE_NAME_MAX) + STRING(WIRE_LABEL_MAX))

enum id_rule {
	ID_NONE,    /* 0 */
	ID_REQUEST, /* not 0 */
	ID_ANY
};

static const struct {
	const char *name;
	enum id_rule id;
	uint32_t min,
		max; /* bytes of the body; what is less than a message's fields, its reader sees */
} rows[] = {
	[WIRE_HELLO] = { "HELLO", ID_NONE, 1, WIRE_HELLO_BYTES_MAX },
	[WIRE_OFFER] = { "OFFER", ID_REQUEST, 1,
			 WIRE_HASH_BYTES + 8 + STRING(WIRE_NAME_MAX) + STRING(WIRE_LABEL_MAX) },
	[WIRE_INFO] = { "INFO", ID_REQUEST, 1, REF_BYTES_MAX + 4 },
	[WIRE_LIST] = { "LIST", ID_REQUEST, 0, 0 },
	[WIRE_UNLOAD] = { "UNLOAD", ID_REQUEST, 1, REF_BYTES_MAX + 4 },
	[WIRE_INFER] = { "INFER", ID_REQUEST, 1, WIRE_BODY_MAX },
	[WIRE_CANCEL] = { "CANCEL", ID_REQUEST, 0, 0 },
	[WIRE_STATS] = { "STATS", ID_REQUEST, 0, 0 },
	[WIRE_MEMORY] = { "MEMORY", ID_NONE, 1, 8 },
	[WIRE_INFER_MEMORY] = { "INFER_MEMORY", ID_REQUEST, 1, WIRE_META_MAX },
	[WIRE_CHUNK] = { "CHUNK", ID_REQUEST, 1, WIRE_BODY_MAX },
	[WIRE_PING] = { "PING", ID_ANY, 0, 0 },
	[WIRE_PONG] = { "PONG", ID_ANY, 0, 0 },
	[WIRE_WELCOME] = { "WELCOME", ID_NONE, 1, WIRE_HELLO_BYTES_MAX },
	[WIRE_SEND] = { "SEND", ID_REQUEST, 1, 8 },
	[WIRE_MODEL] = { "MODEL", ID_REQUEST, 1, MODEL_BYTES_MAX + 4 + WIRE_META_MAX },
	[WIRE_MODELS] = { "MODELS", ID_REQUEST, 1, 4 + WIRE_MODELS_MAX *MODEL_BYTES_MAX },
	[WIRE_DONE] = { "DONE", ID_REQUEST, 0, 0 },
	[WIRE_RESULT] = { "RESULT", ID_REQUEST, 1, WIRE_BODY_MAX },
	[WIRE_COUNTERS] = { "COUNTERS", ID_REQUEST, 1,
			    4 + WIRE_COUNTERS_MAX *(STRING(WIRE_LABEL_MAX) + 8) },
	[WIRE_ERROR] = { "ERROR", ID_ANY, 1, ERROR_BYTES_MAX },
	[WIRE_GOAWAY] = { "GOAWAY", ID_NONE, 1, ERROR_BYTES_MAX },
	[WIRE_RESULT_MEMORY] = { "RESULT_MEMORY", ID_REQUEST, 1, WIRE_META_MAX },
	[WIRE_INLINE] = { "INLINE", ID_REQUEST, 0, 0 },
};

_Static_assert(4 + WIRE_MODELS_MAX * MODEL_BYTES_MAX <= WIRE_BODY_MAX &&
		       MODEL_BYTES_MAX + 4 + WIRE_META_MAX <= WIRE_BODY_MAX,
	       "what a message may hold does not fit a frame");

const char *wire_type_name(uint32_t type)
{
	return type < ARRAY_SIZE(rows) ? rows[type].name : NULL;
}

void wire_header_write(unsigned char bytes[WIRE_HEADER_BYTES], const struct wire_header *header)
{
	struct tsk_writer w = tsk_writer(bytes, WIRE_HEADER_BYTES);

	tsk_write_u32(&w, header->type);
	tsk_write_u32(&w, header->id);
	tsk_write_u64(&w, header->size);
}

static bool id_is_valid(enum id_rule rule, uint32_t id)
{
	return rule == ID_ANY || (id == 0) == (rule == ID_NONE);
}

int wire_header_read(const unsigned char bytes[WIRE_HEADER_BYTES], struct wire_header *ret)
{
	struct tsk_reader r = tsk_reader(bytes, WIRE_HEADER_BYTES);
	struct wire_header h;

	h.type = tsk_read_u32(&r);
	h.id = tsk_read_u32(&r);
	h.size = tsk_read_u64(&r);
	if (!wire_type_name(h.type) || !id_is_valid(rows[h.type].id, h.id) ||
	    h.size < rows[h.type].min || h.size > rows[h.type].max)
		return -EPROTO;
	*ret = h;
	return 0;
}

struct wire_string wire_string(const char *text)
{
	if (!text)
		text = "";
	return (struct wire_string){ .bytes = text, .len = (uint16_t)strnlen(text, UINT16_MAX) };
}

bool wire_string_equals(struct wire_string string, const char *text)
{
	size_t len = strlen(text);

	return string.len == len && (!len || memcmp(string.bytes, text, len) == 0);
}

static bool string_is_valid(struct wire_string string, size_t max)
{
	return string.len <= max && (!string.len || !memchr(string.bytes, '\0', string.len));
}

void wire_string_write(struct tsk_writer *w, struct wire_string string, size_t max)
{
	if (!string_is_valid(string, max))
		w->bad = true;
	tsk_write_u16(w, string.len);
	tsk_write_bytes(w, string.bytes, string.len);
}

struct wire_string wire_string_read(struct tsk_reader *r, size_t max)
{
	struct wire_string string = { .len = tsk_read_u16(r) };

	string.bytes = tsk_read_bytes(r, string.len);
	if (!string.bytes || !string_is_valid(string, max)) {
		r->bad = true;
		return wire_string(NULL);
	}
	return string;
}
