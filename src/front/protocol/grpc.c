/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/grpc.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum state {
	AT_PREFIX,
	AT_BEGIN,   /* the prefix is there, and has been told */
	IN_MESSAGE, /* all of it goes to the buffer */
	AT_KEY,     /* before a field, or in its tag and length */
	IN_FIELD,   /* which goes to the buffer */
	IN_RAW,
	IN_SKIPPED,
	AT_END, /* of a message that has been told */
	BROKEN,
};

/* Of protobuf's encoding (protobuf.dev/programming-guides/encoding). */
enum wire_type {
	VARINT = 0,
	FIXED64 = 1,
	BYTES = 2,
	FIXED32 = 5
};
#define TAG_BYTES_MAX 5u
#define VARINT_BYTES_MAX 10u

/* Of ModelInferRequest. */
enum infer_field {
	FIELD_NAME = 1,
	FIELD_INPUTS = 5,
	FIELD_OUTPUTS = 6,
	FIELD_RAW = 7
};

#define GO_ON ((enum grpc_event) - 1)

void grpc_decoder_done(struct grpc_decoder *d)
{
	free(TAKE_PTR(d->buffer));
	d->size = 0;
}

void grpc_feed(struct grpc_decoder *d, const unsigned char *bytes, size_t n)
{
	d->in = bytes;
	d->end = bytes + n;
}

size_t grpc_unused(const struct grpc_decoder *d)
{
	return (size_t)(d->end - d->in);
}

static size_t at_most(uint64_t n, size_t max)
{
	return n < max ? (size_t)n : max;
}

int grpc_grow(struct grpc_decoder *d, size_t size)
{
	unsigned char *grown = realloc(d->buffer, size);

	if (!grown)
		return -ENOMEM;
	d->buffer = grown;
	d->size = size;
	return 0;
}

/* d->error has been set. */
static enum grpc_event broken(struct grpc_decoder *d)
{
	d->state = BROKEN;
	return GRPC_BROKEN;
}

static enum grpc_event malformed(struct grpc_decoder *d)
{
	(void)tsk_fail(&d->error, TENSOCK_PROTOCOL,
		       "a message that is no ModelInferRequest of protobuf");
	return broken(d);
}

/* Of a message, length bytes. */
static void begin_bytes(struct grpc_decoder *d)
{
	d->left = d->length;
	d->n = 0;
	d->n_key = 0;
	d->n_inputs = d->n_outputs = 0;
	d->name_at = d->name_bytes = 0;
}

void grpc_unpacked(struct grpc_decoder *d, const unsigned char *bytes, uint32_t n)
{
	d->length = n;
	d->is_packed = false;
	begin_bytes(d);
	d->state = AT_BEGIN;
	grpc_feed(d, bytes, n);
}

static enum grpc_event begin(struct grpc_decoder *d)
{
	const unsigned char *p = d->prefix;

	d->length = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
	if (p[0] > 1)
		(void)tsk_fail(&d->error, TENSOCK_PROTOCOL, "bytes that are no message of gRPC");
	else if (p[0] == 1 && !d->takes_packed)
		(void)tsk_fail(&d->error, TENSOCK_PROTOCOL,
			       "a compressed message, and no grpc-encoding that says how");
	else if (d->length > d->length_max)
		(void)tsk_fail(&d->error, TENSOCK_TOO_LARGE,
			       "a message of %u bytes, above %s, which is %llu bytes", d->length,
			       d->limit, (unsigned long long)d->length_max);
	else
		d->state = AT_BEGIN;
	if (d->state != AT_BEGIN)
		return broken(d);
	d->is_packed = p[0];
	begin_bytes(d);
	return GRPC_BEGIN;
}

static enum grpc_event next_prefix(struct grpc_decoder *d)
{
	size_t n = at_most(grpc_unused(d), sizeof(d->prefix) - d->n_prefix);

	if (n)
		memcpy(d->prefix + d->n_prefix, d->in, n);
	d->in += n;
	d->n_prefix += (unsigned)n;
	if (d->n_prefix < sizeof(d->prefix))
		return GRPC_MORE;
	d->n_prefix = 0;
	return begin(d);
}

/* Puts up to max bytes of what was fed behind the buffer's; *ret_n: how many. */
static enum grpc_event collect(struct grpc_decoder *d, uint64_t max, size_t *ret_n)
{
	size_t n = at_most(max, grpc_unused(d));

	*ret_n = 0;
	if (n == 0)
		return max ? GRPC_MORE : GO_ON;
	if (n > d->size - d->n) {
		d->needed = d->n + n;
		return GRPC_FULL;
	}
	if (d->in != d->buffer + d->n)
		memcpy(d->buffer + d->n, d->in, n);
	d->in += n;
	d->n += n;
	d->left -= n;
	*ret_n = n;
	return GO_ON;
}

static enum grpc_event end_message(struct grpc_decoder *d)
{
	d->state = AT_END;
	return GRPC_MESSAGE;
}

static enum grpc_event next_in_message(struct grpc_decoder *d)
{
	enum grpc_event event;
	size_t n;

	event = collect(d, d->left, &n);
	if (event == GO_ON && d->left == 0)
		return end_message(d);
	return event;
}

/* A varint at bytes; returns its length, 0 where it goes on beyond n, more than max where it is none. */
static size_t varint(const unsigned char *bytes, size_t n, size_t max, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n && i < max; i++) {
		v |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
		if (!(bytes[i] & 0x80)) {
			*ret = v;
			return i + 1;
		}
	}
	return n < max ? 0 : max + 1;
}

struct key {
	uint64_t tag, value;
	bool is_whole, is_bad;
};

/* Looks whether the tag, and the varint behind it, are there. */
static struct key read_key(const struct grpc_decoder *d)
{
	struct key key = { 0 };
	size_t n = varint(d->key, d->n_key, TAG_BYTES_MAX, &key.tag), more;

	key.is_bad = n > TAG_BYTES_MAX;
	if (n == 0 || key.is_bad)
		return key;
	switch (key.tag & 7) {
	case FIXED64:
	case FIXED32:
		key.value = (key.tag & 7) == FIXED64 ? 8 : 4;
		key.is_whole = true;
		break;
	case VARINT:
	case BYTES:
		more = varint(d->key + n, d->n_key - n, VARINT_BYTES_MAX, &key.value);
		key.is_bad = more > VARINT_BYTES_MAX;
		key.is_whole = more > 0 && !key.is_bad;
		break;
	default:
		key.is_bad = true;
	}
	return key;
}

/* The key is whole, and goes to the buffer with what follows it. */
static enum grpc_event begin_field(struct grpc_decoder *d, const struct key *key)
{
	if (d->n_key > d->size - d->n) {
		d->needed = d->n + d->n_key;
		return GRPC_FULL;
	}
	memcpy(d->buffer + d->n, d->key, d->n_key);
	d->n += d->n_key;
	d->n_key = 0;
	d->field_left = (key->tag & 7) == VARINT ? 0 : key->value;
	if (key->tag == (FIELD_NAME << 3 | BYTES)) {
		d->name_at = d->n;
		d->name_bytes = (size_t)key->value;
	}
	d->n_inputs += key->tag == (FIELD_INPUTS << 3 | BYTES);
	d->n_outputs += key->tag == (FIELD_OUTPUTS << 3 | BYTES);
	d->state = IN_FIELD;
	return GO_ON;
}

static enum grpc_event end_key(struct grpc_decoder *d, const struct key *key)
{
	if ((key->tag & 7) != VARINT && key->value > d->left)
		return malformed(d);
	if (key->tag != (FIELD_RAW << 3 | BYTES))
		return begin_field(d, key);
	d->n_key = 0;
	d->raw_bytes = d->raw_left = key->value;
	d->place = NULL;
	d->state = IN_RAW;
	return GRPC_RAW;
}

static enum grpc_event next_key(struct grpc_decoder *d)
{
	for (;;) {
		struct key key = read_key(d);

		if (key.is_bad)
			return malformed(d);
		if (key.is_whole)
			return end_key(d, &key);
		if (d->left == 0)
			return d->n_key ? malformed(d) : end_message(d);
		if (grpc_unused(d) == 0)
			return GRPC_MORE;
		d->key[d->n_key++] = *d->in++;
		d->left--;
	}
}

static enum grpc_event next_in_field(struct grpc_decoder *d)
{
	enum grpc_event event;
	size_t n;

	event = collect(d, d->field_left, &n);
	d->field_left -= n;
	if (event == GO_ON && d->field_left == 0)
		d->state = AT_KEY;
	return event;
}

static enum grpc_event next_in_raw(struct grpc_decoder *d)
{
	size_t n = at_most(d->raw_left, grpc_unused(d));

	if (n && d->place) {
		if (d->in != d->place)
			memcpy(d->place, d->in, n);
		d->place += n;
	}
	d->in += n;
	d->left -= n;
	d->raw_left -= n;
	if (d->raw_left)
		return GRPC_MORE;
	d->state = AT_KEY;
	return GRPC_RAW_END;
}

static enum grpc_event next_skipped(struct grpc_decoder *d)
{
	size_t n = at_most(d->left, grpc_unused(d));

	d->in += n;
	d->left -= n;
	return d->left ? GRPC_MORE : end_message(d);
}

static enum grpc_event step(struct grpc_decoder *d)
{
	switch ((enum state)d->state) {
	case AT_PREFIX:
		return next_prefix(d);
	case AT_BEGIN:
		d->state = d->is_infer && !d->is_packed ? AT_KEY : IN_MESSAGE;
		return GO_ON;
	case IN_MESSAGE:
		return next_in_message(d);
	case AT_KEY:
		return next_key(d);
	case IN_FIELD:
		return next_in_field(d);
	case IN_RAW:
		return next_in_raw(d);
	case IN_SKIPPED:
		return next_skipped(d);
	case AT_END:
		d->n = 0;
		d->state = AT_PREFIX;
		return GO_ON;
	case BROKEN:
		break;
	}
	return GRPC_BROKEN;
}

enum grpc_event grpc_next(struct grpc_decoder *d)
{
	enum grpc_event event;

	do
		event = step(d);
	while (event == GO_ON);
	return event;
}

void grpc_place(struct grpc_decoder *d, void *place)
{
	d->place = place;
}

void grpc_skip(struct grpc_decoder *d)
{
	if (d->state == AT_PREFIX || d->state == AT_END || d->state == BROKEN)
		return;
	d->n = 0;
	d->name_at = d->name_bytes = 0;
	d->state = IN_SKIPPED;
}

uint64_t grpc_room(const struct grpc_decoder *d, void **ret_place)
{
	uint64_t wanted = 0;

	if (d->state == IN_RAW && d->place) {
		*ret_place = d->place;
		return d->raw_left;
	}
	if (d->state == IN_MESSAGE)
		wanted = d->left;
	else if (d->state == IN_FIELD)
		wanted = d->field_left;
	*ret_place = d->buffer ? d->buffer + d->n : NULL;
	return at_most(wanted, d->size - d->n);
}

bool grpc_is_between(const struct grpc_decoder *d)
{
	return (d->state == AT_PREFIX && d->n_prefix == 0) || d->state == AT_END ||
	       d->state == BROKEN;
}

void grpc_prefix_write(uint32_t length, unsigned char to[GRPC_PREFIX_BYTES])
{
	to[0] = 0;
	for (unsigned i = 0; i < 4; i++)
		to[1 + i] = (unsigned char)(length >> (24 - 8 * i));
}

/*
 * ---- Headers
 */

bool grpc_is_content_type(const char *text)
{
	static const char type[] = "application/grpc";
	const char *rest = text + sizeof(type) - 1;

	if (strncmp(text, type, sizeof(type) - 1) != 0)
		return false;
	if (strncmp(rest, "+proto", 6) == 0)
		rest += 6;
	return *rest == '\0' || *rest == ';';
}

int grpc_timeout_read(const char *text, uint64_t *ret_ms)
{
	static const struct {
		char unit;
		uint32_t ms, parts; /* v units are v * ms / parts */
	} units[] = {
		{ 'H', 3600000, 1 }, { 'M', 60000, 1 }, { 'S', 1000, 1 },
		{ 'm', 1, 1 },       { 'u', 1, 1000 },  { 'n', 1, 1000000 },
	};
	uint64_t v = 0;
	size_t n = 0;

	/* At most 8 digits: nothing overflows. */
	for (; n < 8 && text[n] >= '0' && text[n] <= '9'; n++)
		v = 10 * v + (uint64_t)(text[n] - '0');
	if (n == 0 || text[n] == '\0' || text[n + 1] != '\0')
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (text[n] != units[i].unit)
			continue;
		v = v * units[i].ms / units[i].parts;
		*ret_ms = v ? v : 1;
		return 0;
	}
	return -EINVAL;
}

void grpc_percent_encode(const char *text, char to[GRPC_PERCENT_MAX + 1])
{
	static const char digits[] = "0123456789ABCDEF";
	size_t n = 0;

	for (; *text && n + 3 <= GRPC_PERCENT_MAX; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= ' ' && c <= '~' && c != '%') {
			to[n++] = (char)c;
			continue;
		}
		to[n++] = '%';
		to[n++] = digits[c >> 4];
		to[n++] = digits[c & 15];
	}
	to[n] = '\0';
}
