/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/http_head.h"

#include <string.h>
#include <strings.h>

#include "base/checked.h"
#include "base/hex.h"
#include "base/status.h"

#define SCHEME "http://"
#define VERSION_BYTES 8u /* "HTTP/1.1" */

/* What reading goes on with: the fields that may stand once have a bit each. */
struct reading {
	const struct http_raw_head *raw;
	struct http_head *head;
	unsigned seen;
	bool names_host;
	unsigned *status;
	struct tensock_error *reterr;
};

static int refuse(const struct reading *r, unsigned status, const char *how)
{
	*r->status = status;
	return tsk_fail(r->reterr, status == 501 ? TENSOCK_UNSUPPORTED : TENSOCK_PROTOCOL, "%s",
			how);
}

bool http_is_word(struct wire_string string, const char *word)
{
	return string.len == strlen(word) && strncasecmp(string.bytes, word, string.len) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct wire_string trimmed(struct wire_string s)
{
	while (s.len && is_blank(s.bytes[0])) {
		s.bytes++;
		s.len--;
	}
	while (s.len && is_blank(s.bytes[s.len - 1]))
		s.len--;
	return s;
}

static struct wire_string string_of(const struct http_raw_head *raw, struct http_span span)
{
	return (struct wire_string){ .bytes = raw->bytes + span.at, .len = span.len };
}

/* What stands before `delimiter`, trimmed; *list is what stands behind it.  False: *list is empty. */
static bool cut(struct wire_string *list, char delimiter, struct wire_string *ret)
{
	const char *end;
	size_t n;

	if (!list->len)
		return false;
	end = memchr(list->bytes, delimiter, list->len);
	n = end ? (size_t)(end - list->bytes) : list->len;
	*ret = trimmed((struct wire_string){ .bytes = list->bytes, .len = (uint16_t)n });
	n += end != NULL;
	list->bytes += n;
	list->len = (uint16_t)(list->len - n);
	return true;
}

/*
 * ---- Fields
 */

static int on_host(struct reading *r, struct wire_string value)
{
	r->names_host = true;
	for (size_t i = 0; i < value.len; i++) {
		if (!strchr("-._~:[]%!$&'()*+;=", value.bytes[i]) &&
		    !(value.bytes[i] >= '0' && value.bytes[i] <= '9') &&
		    !((value.bytes[i] | 0x20) >= 'a' && (value.bytes[i] | 0x20) <= 'z'))
			return refuse(r, 400, "Host: this is no host");
	}
	return 0;
}

static int on_transfer_encoding(struct reading *r, struct wire_string value)
{
	if (!http_is_word(value, "chunked"))
		return refuse(r, 501, "Transfer-Encoding: only \"chunked\" is understood");
	r->head->is_chunked = true;
	return 0;
}

static int on_content_encoding(struct reading *r, struct wire_string value)
{
	if (http_is_word(value, "gzip") || http_is_word(value, "x-gzip"))
		r->head->coding = HTTP_GZIP;
	else if (http_is_word(value, "deflate"))
		r->head->coding = HTTP_DEFLATE;
	else if (value.len && !http_is_word(value, "identity"))
		return refuse(
			r, 415,
			"Content-Encoding: gzip and deflate are understood, and one of them at a time");
	return 0;
}

static int on_json_bytes(struct reading *r, struct wire_string value)
{
	uint64_t n = 0;

	for (size_t i = 0; i < value.len; i++) {
		char c = value.bytes[i];

		if (c < '0' || c > '9' || !tsk_mul(n, 10u, &n) ||
		    !tsk_add(n, (unsigned)(c - '0'), &n))
			return refuse(r, 400, "Inference-Header-Content-Length: this is no length");
	}
	if (!value.len)
		return refuse(r, 400, "Inference-Header-Content-Length: it says no length");
	r->head->has_json_bytes = true;
	r->head->json_bytes = n;
	return 0;
}

static int on_expect(struct reading *r, struct wire_string value)
{
	if (!http_is_word(value, "100-continue"))
		return refuse(r, 417, "Expect: only \"100-continue\" is understood");
	r->head->expects_continue = true;
	return 0;
}

/* Whether a weight, "q=0.5" or none, is above 0. */
static bool is_wanted(struct wire_string weight)
{
	weight = trimmed(weight);
	if (weight.len < 2 || (weight.bytes[0] | 0x20) != 'q')
		return true;
	for (size_t i = 1; i < weight.len; i++) {
		if (weight.bytes[i] >= '1' && weight.bytes[i] <= '9')
			return true;
	}
	return false;
}

static int on_accept_encoding(struct reading *r, struct wire_string value)
{
	struct wire_string item, name;

	while (cut(&value, ',', &item)) {
		if (!cut(&item, ';', &name) || !is_wanted(item))
			continue;
		if (http_is_word(name, "gzip"))
			r->head->takes_gzip = true;
		else if (http_is_word(name, "deflate"))
			r->head->takes_deflate = true;
	}
	return 0;
}

static int on_content_type(struct reading *r, struct wire_string value)
{
	r->head->content_type = value;
	return 0;
}

static int on_content_length(struct reading *r, struct wire_string value)
{
	(void)r;
	(void)value; /* the parser has read it, digit by digit */
	return 0;
}

static const struct {
	const char *name;
	bool may_repeat;
	int (*read)(struct reading *r, struct wire_string value);
} known[] = {
	{ "Host", false, on_host },
	{ "Content-Length", false, on_content_length },
	{ "Transfer-Encoding", false, on_transfer_encoding },
	{ "Content-Encoding", false, on_content_encoding },
	{ "Content-Type", false, on_content_type },
	{ "Inference-Header-Content-Length", false, on_json_bytes },
	{ "Expect", false, on_expect },
	{ "Accept-Encoding", true, on_accept_encoding },
};

/* It is echoed: one that does not fit is as none. */
static void read_id(struct http_head *head, struct wire_string name, struct wire_string value)
{
	if (!http_is_word(name, "X-Request-Id") && !http_is_word(name, "Triton-Request-Id"))
		return;
	if (head->id.len || value.len > 256)
		return;
	head->id_field = name;
	head->id = value;
}

static int read_field(struct reading *r, const struct http_field *field)
{
	struct wire_string name = string_of(r->raw, field->name);
	struct wire_string value = trimmed(string_of(r->raw, field->value));

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!http_is_word(name, known[i].name))
			continue;
		if ((r->seen & 1u << i) && !known[i].may_repeat) {
			*r->status = 400;
			return tsk_fail(r->reterr, TENSOCK_PROTOCOL, "%s: it stands there twice",
					known[i].name);
		}
		r->seen |= 1u << i;
		return known[i].read(r, value);
	}
	read_id(r->head, name, value);
	return 0;
}

/*
 * ---- The request line
 */

/* In place.  -EINVAL: what follows a '%' is no byte, or is one of 0. */
static int decode(char *bytes, uint16_t *len)
{
	uint16_t to = 0;

	for (uint16_t i = 0; i < *len; i++) {
		if (bytes[i] == '%') {
			char byte = 0;

			if (*len - i <= 2 || !tsk_hex_read(bytes + i + 1, 1, &byte) || !byte)
				return -EINVAL;
			bytes[to++] = byte;
			i = (uint16_t)(i + 2);
		} else {
			bytes[to++] = bytes[i];
		}
	}
	*len = to;
	return 0;
}

/* path begins with '/'. */
static int read_path(struct reading *r, char *path, size_t n)
{
	struct http_head *head = r->head;

	while (n > 1) {
		char *segment = path + 1, *end = memchr(segment, '/', n - 1);
		uint16_t len = (uint16_t)(end ? (size_t)(end - segment) : n - 1);

		path += len + 1;
		n -= len + 1u;
		if (head->n_segments == HTTP_SEGMENTS_MAX) {
			head->n_segments++;
			return 0;
		}
		if (decode(segment, &len) < 0)
			return refuse(r, 400, "a '%' in the path does not name a byte");
		head->segments[head->n_segments++] =
			(struct wire_string){ .bytes = segment, .len = len };
	}
	return 0;
}

/* "/path?query", or the same behind the scheme and the host. */
static int read_target(struct reading *r)
{
	char *target = r->raw->bytes + r->raw->target.at, *query;
	size_t n = r->raw->target.len, scheme = strlen(SCHEME);

	if (n > scheme && strncasecmp(target, SCHEME, scheme) == 0) {
		char *path = memchr(target + scheme, '/', n - scheme);

		if (!path)
			return refuse(r, 400, "the request's target has no path");
		n -= (size_t)(path - target);
		target = path;
	}
	if (n == 0 || target[0] != '/')
		return refuse(r, 400, "the request's target does not begin with '/'");
	query = memchr(target, '?', n);
	if (query) {
		size_t len = n - (size_t)(query + 1 - target);

		r->head->query = (struct wire_string){ .bytes = query + 1, .len = (uint16_t)len };
		n = (size_t)(query - target);
	}
	return read_path(r, target, n);
}

/* One space before the target and one behind it: the parser takes several. */
static bool is_spaced_right(const struct http_raw_head *raw)
{
	size_t end = (size_t)raw->target.at + raw->target.len + 1 + VERSION_BYTES + 2;
	size_t next = raw->n_fields ? raw->fields[0].name.at : raw->n - 2;

	return raw->target.at >= 2 && raw->bytes[raw->target.at - 2] != ' ' && next == end;
}

/* What the fields say together. */
static int look_over(struct reading *r, const llhttp_t *parser)
{
	struct http_head *head = r->head;

	if (head->minor == 1 && !r->names_host)
		return refuse(r, 400, "an HTTP/1.1 request must say its Host");
	if (head->is_chunked && (head->minor == 0 || head->has_length))
		return refuse(r, 400,
			      "Transfer-Encoding: not in HTTP/1.0, nor beside Content-Length");
	/* Whoever speaks 1.0 would take the answer to it for the request's. */
	if (head->minor == 0)
		head->expects_continue = false;
	head->keeps_alive =
		head->minor == 1
			? !(parser->flags & F_CONNECTION_CLOSE)
			: (parser->flags & (F_CONNECTION_KEEP_ALIVE | F_CONNECTION_CLOSE)) ==
				  F_CONNECTION_KEEP_ALIVE;
	return 0;
}

int http_head_read(const llhttp_t *parser, struct http_raw_head *raw, struct http_head *ret,
		   unsigned *ret_status, struct tensock_error *reterr)
{
	struct reading r = { .raw = raw, .head = ret, .status = ret_status, .reterr = reterr };

	*ret = (struct http_head){
		.method = (llhttp_method_t)parser->method,
		.minor = parser->http_minor,
		.has_length = parser->flags & F_CONTENT_LENGTH,
		.length = parser->flags & F_CONTENT_LENGTH ? parser->content_length : 0,
	};
	if (parser->http_major != 1 || parser->http_minor > 1)
		return refuse(&r, 505, "this host speaks HTTP/1.1 and HTTP/1.0");
	if (!is_spaced_right(raw))
		return refuse(&r, 400, "the request line's parts stand one space apart");
	for (unsigned i = 0; i < raw->n_fields; i++) {
		int err = read_field(&r, &raw->fields[i]);

		if (err < 0)
			return err;
	}
	if (look_over(&r, parser) < 0)
		return -EPROTO;
	return read_target(&r);
}
