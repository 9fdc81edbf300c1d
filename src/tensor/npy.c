/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/npy.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/status.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

#define MAGIC "\x93NUMPY"
#define MAGIC_BYTES 6u

/* The dictionary: a text of Python, of which NumPy writes only a little. */
struct dictionary {
	const char *p, *end;
	struct tensock_error *reterr;
};

static int malformed(const struct dictionary *d, const char *what)
{
	return tsk_fail(d->reterr, TENSOCK_INVALID_ARGUMENT,
			"not a .npy file that can be read: its header has %s", what);
}

static void skip_space(struct dictionary *d)
{
	while (d->p < d->end && (*d->p == ' ' || *d->p == '\n' || *d->p == '\t'))
		d->p++;
}

static bool take(struct dictionary *d, char c)
{
	skip_space(d);
	if (d->p == d->end || *d->p != c)
		return false;
	d->p++;
	return true;
}

static bool take_word(struct dictionary *d, const char *word)
{
	size_t n = strlen(word);

	skip_space(d);
	if (n > (size_t)(d->end - d->p) || memcmp(d->p, word, n) != 0)
		return false;
	d->p += n;
	return true;
}

/* A string in quotes, without escapes, of at most size - 1 bytes. */
static bool take_string(struct dictionary *d, char *ret, size_t size)
{
	const char *start;
	char quote;
	size_t n;

	skip_space(d);
	if (d->p == d->end || (*d->p != '\'' && *d->p != '"'))
		return false;
	quote = *d->p++;
	start = d->p;
	while (d->p < d->end && *d->p != quote)
		d->p++;
	n = (size_t)(d->p - start);
	if (d->p == d->end || n >= size || memchr(start, '\0', n) || memchr(start, '\\', n))
		return false;
	d->p++;
	memcpy(ret, start, n);
	ret[n] = '\0';
	return true;
}

static bool take_number(struct dictionary *d, int64_t *ret)
{
	const char *start;
	int64_t v = 0;

	skip_space(d);
	start = d->p;
	while (d->p < d->end && *d->p >= '0' && *d->p <= '9') {
		if (!tsk_mul(v, INT64_C(10), &v) || !tsk_add(v, (int64_t)(*d->p - '0'), &v))
			return false;
		d->p++;
	}
	if (d->p == start)
		return false;
	if (d->p < d->end && *d->p == 'L') /* Python 2 wrote that */
		d->p++;
	*ret = v;
	return true;
}

/* A tuple: (), (3,), (3, 4). */
static int take_shape(struct dictionary *d, struct tsk_npy *npy)
{
	if (!take(d, '('))
		return malformed(d, "no shape");
	npy->rank = 0;
	while (!take(d, ')')) {
		if (npy->rank == TENSOCK_RANK_MAX)
			return tsk_fail(d->reterr, TENSOCK_UNSUPPORTED,
					"the array has more than %u dimensions", TENSOCK_RANK_MAX);
		if (!take_number(d, &npy->dims[npy->rank++]))
			return malformed(d, "a shape that is none");
		if (!take(d, ',') && !(d->p < d->end && *d->p == ')'))
			return malformed(d, "a shape that is none");
	}
	return 0;
}

/* "<f4": order, kind, width. */
static int take_type(struct dictionary *d, struct tsk_npy *npy)
{
	char text[32];
	struct dictionary width = { .reterr = d->reterr };
	int64_t n;

	if (!take_string(d, text, sizeof(text)))
		return malformed(d, "no simple element type (arrays of structures are not read)");
	if (text[0] == '\0' || !strchr("<>|=", text[0]) || text[1] == '\0')
		return malformed(d, "an element type that is none");
	npy->kind = text[1];
	if (npy->kind == 'O')
		return tsk_fail(
			d->reterr, TENSOCK_UNSUPPORTED,
			"an array of Python objects; save strings with .astype('S') or 'U'");
	if (!strchr("biufcVSU", npy->kind))
		return tsk_fail(d->reterr, TENSOCK_UNSUPPORTED, "no tensor has elements of type %s",
				text);
	width.p = text + 2;
	width.end = text + strlen(text);
	if (!take_number(&width, &n) || width.p != width.end || n > INT32_MAX / 4)
		return malformed(d, "an element type that is none");
	npy->item_bytes = (uint32_t)n * (npy->kind == 'U' ? 4 : 1);
	if (!npy->item_bytes)
		return malformed(d, "elements of no bytes");
	if (text[0] == '>' && npy->item_bytes > 1 && npy->kind != 'S' && npy->kind != 'V')
		return tsk_fail(d->reterr, TENSOCK_UNSUPPORTED,
				"big-endian numbers (%s); save the array with .astype('<%c%" PRIi64
				"')",
				text, npy->kind, n);
	return 0;
}

enum {
	KEY_TYPE = 1,
	KEY_ORDER = 2,
	KEY_SHAPE = 4,
	KEYS_ALL = 7
};

/* One key and its value; the key's bit is set in *seen. */
static int take_entry(struct dictionary *d, struct tsk_npy *npy, bool *is_fortran, unsigned *seen)
{
	char key[16];
	unsigned bit;
	int r = 0;

	if (!take_string(d, key, sizeof(key)) || !take(d, ':'))
		return malformed(d, "no key where one should be");
	bit = strcmp(key, "descr") == 0           ? KEY_TYPE
	      : strcmp(key, "fortran_order") == 0 ? KEY_ORDER
	      : strcmp(key, "shape") == 0         ? KEY_SHAPE
						  : 0;
	if (!bit || (*seen & bit))
		return malformed(d, "a key that is unknown or there twice");
	*seen |= bit;
	if (bit == KEY_TYPE) {
		r = take_type(d, npy);
	} else if (bit == KEY_SHAPE) {
		r = take_shape(d, npy);
	} else {
		*is_fortran = take_word(d, "True");
		if (!*is_fortran && !take_word(d, "False"))
			r = malformed(d, "no fortran_order");
	}
	return r;
}

static int read_dictionary(struct dictionary *d, struct tsk_npy *npy)
{
	bool is_fortran = false;
	unsigned seen = 0;
	int r;

	if (!take(d, '{'))
		return malformed(d, "no dictionary");
	while (!take(d, '}')) {
		r = take_entry(d, npy, &is_fortran, &seen);
		if (r < 0)
			return r;
		if (!take(d, ',') && !(d->p < d->end && *d->p == '}'))
			return malformed(d, "no comma where one should be");
	}
	skip_space(d);
	if (d->p != d->end)
		return malformed(d, "more than a dictionary");
	if (seen != KEYS_ALL)
		return malformed(d, "no descr, fortran_order or shape");
	if (is_fortran && npy->rank > 1)
		return tsk_fail(d->reterr, TENSOCK_UNSUPPORTED,
				"the array is in Fortran's order; save it through "
				"numpy.ascontiguousarray()");
	return 0;
}

/* The file after magic and version: the dictionary's length, which grew with version 2. */
static int read_header(struct tsk_reader *r, struct tsk_npy *npy, struct tensock_error *reterr)
{
	struct dictionary d = { .reterr = reterr };
	const char *magic = tsk_read_bytes(r, MAGIC_BYTES);
	unsigned major = tsk_read_u8(r), minor = tsk_read_u8(r);
	uint64_t len;

	if (r->bad || memcmp(magic, MAGIC, MAGIC_BYTES) != 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "not a .npy file");
	if (major < 1 || major > 3 || minor != 0)
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"version %u.%u of .npy is not known here", major, minor);
	len = tsk_read_uint(r, major == 1 ? 2 : 4);
	if (len > TSK_NPY_HEADER_MAX)
		return malformed(&d, "too many bytes");
	d.p = tsk_read_bytes(r, (size_t)len);
	if (r->bad)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"the .npy file ends within its header");
	d.end = d.p + len;
	return read_dictionary(&d, npy);
}

int tsk_npy_parse(const void *file, size_t len, struct tsk_npy *ret, struct tensock_error *reterr)
{
	struct tsk_reader reader = tsk_reader(file, len);
	struct tsk_npy npy = { 0 };
	uint64_t left;
	int r;

	r = read_header(&reader, &npy, reterr);
	if (r < 0)
		return r;
	if (tsk_shape_elems(npy.dims, npy.rank, &npy.n_elems) < 0 ||
	    !tsk_mul(npy.n_elems, (uint64_t)npy.item_bytes, &npy.bytes))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"the shape in the .npy file is larger than any memory");
	left = tsk_reader_left(&reader);
	if (left != npy.bytes)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"the .npy file has %" PRIu64
				" bytes of elements, its shape %" PRIu64,
				left, npy.bytes);
	npy.data = reader.p;
	*ret = npy;
	return 0;
}

/* What stands for what.  The first row of a kind and width is what it is if nothing is wanted. */
static const struct row {
	char kind;
	uint32_t item_bytes;
	uint32_t dtype;
} rows[] = {
	{ 'b', 1, TENSOCK_BOOL },           { 'u', 1, TENSOCK_UINT8 },
	{ 'u', 2, TENSOCK_UINT16 },         { 'u', 4, TENSOCK_UINT32 },
	{ 'u', 8, TENSOCK_UINT64 },         { 'i', 1, TENSOCK_INT8 },
	{ 'i', 2, TENSOCK_INT16 },          { 'i', 4, TENSOCK_INT32 },
	{ 'i', 8, TENSOCK_INT64 },          { 'f', 2, TENSOCK_FLOAT16 },
	{ 'f', 4, TENSOCK_FLOAT32 },        { 'f', 8, TENSOCK_FLOAT64 },
	{ 'c', 8, TENSOCK_COMPLEX64 },      { 'c', 16, TENSOCK_COMPLEX128 },
	{ 'V', 2, TENSOCK_BFLOAT16 },       { 'u', 2, TENSOCK_BFLOAT16 },
	{ 'V', 1, TENSOCK_FLOAT8E4M3FN },   { 'u', 1, TENSOCK_FLOAT8E4M3FN },
	{ 'V', 1, TENSOCK_FLOAT8E4M3FNUZ }, { 'u', 1, TENSOCK_FLOAT8E4M3FNUZ },
	{ 'V', 1, TENSOCK_FLOAT8E5M2 },     { 'u', 1, TENSOCK_FLOAT8E5M2 },
	{ 'V', 1, TENSOCK_FLOAT8E5M2FNUZ }, { 'u', 1, TENSOCK_FLOAT8E5M2FNUZ },
	{ 'u', 1, TENSOCK_UINT4 },          { 'V', 1, TENSOCK_UINT4 },
	{ 'i', 1, TENSOCK_INT4 },           { 'V', 1, TENSOCK_INT4 },
	{ 'u', 1, TENSOCK_FLOAT4E2M1 },     { 'V', 1, TENSOCK_FLOAT4E2M1 },
};

static uint32_t natural_dtype(const struct tsk_npy *npy)
{
	if (npy->kind == 'V' && npy->item_bytes == 1)
		return TENSOCK_DTYPE_INVALID; /* four types are that */
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].kind == npy->kind && rows[i].item_bytes == npy->item_bytes)
			return rows[i].dtype;
	}
	return TENSOCK_DTYPE_INVALID;
}

static bool stands_for(const struct tsk_npy *npy, uint32_t dtype)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].kind == npy->kind && rows[i].item_bytes == npy->item_bytes &&
		    rows[i].dtype == dtype)
			return true;
	}
	return false;
}

/* The bytes of one element as UTF-8, or 0 for a code point that is none. */
static unsigned utf8_encode(uint32_t c, unsigned char ret[4])
{
	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	if (c < 0x80) {
		ret[0] = (unsigned char)c;
		return 1;
	}
	if (c < 0x800) {
		ret[0] = (unsigned char)(0xc0 | c >> 6);
		ret[1] = (unsigned char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		ret[0] = (unsigned char)(0xe0 | c >> 12);
		ret[1] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
		ret[2] = (unsigned char)(0x80 | (c & 0x3f));
		return 3;
	}
	ret[0] = (unsigned char)(0xf0 | c >> 18);
	ret[1] = (unsigned char)(0x80 | (c >> 12 & 0x3f));
	ret[2] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
	ret[3] = (unsigned char)(0x80 | (c & 0x3f));
	return 4;
}

/* Appends one element as BYTES have it.  False for a character that is none. */
static bool put_text(const struct tsk_npy *npy, const unsigned char *item, struct tsk_writer *w)
{
	unsigned step = npy->kind == 'U' ? 4 : 1;
	uint32_t n = npy->item_bytes / step;
	struct tsk_reader r = tsk_reader(item, npy->item_bytes);
	unsigned char *length = tsk_write_room(w, 4);
	struct tsk_writer head = tsk_writer(length, 4);
	unsigned char *start = w->p;
	uint32_t used = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (tsk_read_uint(&r, step) != 0)
			used = i + 1;
	}
	r = tsk_reader(item, npy->item_bytes);
	for (uint32_t i = 0; i < used; i++) {
		uint32_t c = (uint32_t)tsk_read_uint(&r, step);
		unsigned char utf8[4];
		unsigned len = step == 4 ? utf8_encode(c, utf8) : 1;

		if (!len)
			return false;
		if (step == 1)
			utf8[0] = (unsigned char)c;
		tsk_write_bytes(w, utf8, len);
	}
	tsk_write_u32(&head, (uint32_t)(w->p - start));
	return !w->bad && !head.bad;
}

/* S and U → BYTES.  A character of U takes four bytes in the file and at most as many in UTF-8. */
static int make_texts(const struct tsk_npy *npy, struct tsk_npy_tensor *ret,
		      struct tensock_error *reterr)
{
	_cleanup_free_ unsigned char *owned = NULL;
	struct tsk_writer w;
	uint64_t room;

	if (!tsk_mul(npy->n_elems, (uint64_t)npy->item_bytes + 4, &room) || room >= SIZE_MAX)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory");
	owned = malloc((size_t)room + 1);
	if (!owned)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory");
	w = tsk_writer(owned, (size_t)room);
	for (uint64_t i = 0; i < npy->n_elems; i++) {
		if (!put_text(npy, npy->data + i * npy->item_bytes, &w))
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"element %" PRIu64 " of the .npy file is not Unicode", i);
	}
	ret->dtype = TENSOCK_BYTES;
	ret->bytes = tsk_writer_len(&w);
	ret->data = ret->owned = TAKE_PTR(owned);
	return 0;
}

/* An element a byte → two.  Numbers that four bits do not hold are refused. */
static int pack(const struct tsk_npy *npy, uint32_t dtype, struct tsk_npy_tensor *ret,
		struct tensock_error *reterr)
{
	_cleanup_free_ unsigned char *owned = calloc(1, (size_t)npy->n_elems / 2 + 1);

	if (!owned)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory");
	for (uint64_t i = 0; i < npy->n_elems; i++) {
		unsigned v = npy->data[i];
		bool fits = dtype == TENSOCK_INT4 ? v < 8 || v >= 248 : v < 16;

		if (!fits)
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"element %" PRIu64 " of the .npy file is no %s", i,
					tsk_dtype_name(dtype));
		owned[i / 2] = (unsigned char)(owned[i / 2] | (v & 0xf) << (i % 2 ? 4 : 0));
	}
	ret->dtype = dtype;
	ret->bytes = npy->n_elems / 2 + npy->n_elems % 2;
	ret->data = ret->owned = TAKE_PTR(owned);
	return 0;
}

int tsk_npy_tensor(const struct tsk_npy *npy, uint32_t wanted, struct tsk_npy_tensor *ret,
		   struct tensock_error *reterr)
{
	bool is_text = npy->kind == 'S' || npy->kind == 'U';
	uint32_t dtype = wanted ? wanted : is_text ? (uint32_t)TENSOCK_BYTES : natural_dtype(npy);
	struct tsk_npy_tensor tensor = { .dtype = dtype, .data = npy->data, .bytes = npy->bytes };
	int r = 0;

	if (is_text ? dtype != TENSOCK_BYTES : !stands_for(npy, dtype))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"the .npy file has elements of type %c%u, which is no %s",
				npy->kind, npy->kind == 'U' ? npy->item_bytes / 4 : npy->item_bytes,
				tsk_dtype_is_valid(dtype) ? tsk_dtype_name(dtype) : "tensor's");
	if (is_text)
		r = make_texts(npy, &tensor, reterr);
	else if (tsk_dtype_bits(dtype) == 4)
		r = pack(npy, dtype, &tensor, reterr);
	for (uint64_t i = 0; dtype == TENSOCK_BOOL && i < npy->bytes; i++) {
		if (npy->data[i] > 1)
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"element %" PRIu64 " of the .npy file is no BOOL", i);
	}
	if (r == 0)
		*ret = tensor;
	return r;
}

void tsk_npy_tensor_done(struct tsk_npy_tensor *tensor)
{
	free(TAKE_PTR(tensor->owned));
}
