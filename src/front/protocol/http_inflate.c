/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/http_inflate.h"

#include <string.h>

#include "base/status.h"

/* windowBits, as inflateInit2() takes them. */
#define BITS_GZIP (16 + MAX_WBITS)
#define BITS_ZLIB MAX_WBITS
#define BITS_RAW (-MAX_WBITS)

static int begin_stream(struct http_inflate *inflater, int bits)
{
	if (inflateInit2(&inflater->z, bits) != Z_OK)
		return -ENOMEM;
	inflater->has_stream = true;
	return 0;
}

int http_inflate_init(struct http_inflate *inflater, enum http_coding coding)
{
	*inflater = (struct http_inflate){ .has_format = coding == HTTP_GZIP };
	/* Which form of deflate it is, is seen later; by then there must be no lack of memory. */
	return begin_stream(inflater, coding == HTTP_GZIP ? BITS_GZIP : BITS_ZLIB);
}

void http_inflate_done(struct http_inflate *inflater)
{
	if (inflater->has_stream)
		inflateEnd(&inflater->z);
	inflater->has_stream = false;
}

static int run(struct http_inflate *inflater, const unsigned char **from, size_t *n, void *to,
	       size_t room, size_t *ret_made, struct tensock_error *reterr)
{
	z_stream *z = &inflater->z;
	uInt in = *n < UINT32_MAX ? (uInt)*n : UINT32_MAX;
	uInt out = room < UINT32_MAX ? (uInt)room : UINT32_MAX, taken;
	int r;

	z->next_in = *from;
	z->avail_in = in;
	z->next_out = to;
	z->avail_out = out;
	r = inflate(z, Z_NO_FLUSH);
	taken = in - z->avail_in;
	if (taken)
		*from += taken;
	*n -= taken;
	*ret_made = out - z->avail_out;
	inflater->n_in += taken;
	inflater->n_out += *ret_made;
	inflater->is_over = r == Z_STREAM_END;
	/* Z_BUF_ERROR: there was nothing to do. */
	if (r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR)
		return 0;
	return tsk_fail(reterr, TENSOCK_PROTOCOL, "the compressed body is broken: %s",
			z->msg ? z->msg : "it needs a dictionary, or memory");
}

/* The first two bytes decide: those of zlib's frame are its method, and a multiple of 31. */
static int choose_format(struct http_inflate *inflater, const unsigned char **from, size_t *n,
			 struct tensock_error *reterr)
{
	const unsigned char *first = inflater->first;
	size_t n_first, made;
	unsigned char none;

	while (inflater->n_first < sizeof(inflater->first) && *n) {
		inflater->first[inflater->n_first++] = *(*from)++;
		--*n;
	}
	if (inflater->n_first < sizeof(inflater->first))
		return 0;
	inflater->has_format = true;
	if ((first[0] & 0xf) != Z_DEFLATED || (first[0] << 8 | first[1]) % 31 != 0)
		(void)inflateReset2(&inflater->z, BITS_RAW);
	/* Both are taken without room: the first block's head and symbol reach into the second one. */
	n_first = inflater->n_first;
	return run(inflater, &first, &n_first, &none, 0, &made, reterr);
}

static int look_at_ratio(const struct http_inflate *inflater, struct tensock_error *reterr)
{
	if (inflater->n_out <= HTTP_RATIO_FREE ||
	    inflater->n_out / HTTP_RATIO_MAX <= inflater->n_in)
		return 0;
	return tsk_fail(reterr, TENSOCK_PROTOCOL,
			"the compressed body grows to more than %u times its size, as only a "
			"decompression bomb does: send it as it is",
			HTTP_RATIO_MAX);
}

int http_inflate_step(struct http_inflate *inflater, const unsigned char **from, size_t *n,
		      void *to, size_t room, size_t *ret_made, struct tensock_error *reterr)
{
	int r = 0;

	*ret_made = 0;
	if (!inflater->has_format)
		r = choose_format(inflater, from, n, reterr);
	if (r == 0 && inflater->has_format && !inflater->is_over)
		r = run(inflater, from, n, to, room, ret_made, reterr);
	return r < 0 ? r : look_at_ratio(inflater, reterr);
}
