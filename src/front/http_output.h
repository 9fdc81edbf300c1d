/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes out on an HTTP connection: one answer at a time, perhaps behind a "100 Continue".  Binary
 * results go out of the worker's buffer.
 */
#ifndef FRONT_HTTP_OUTPUT_H
#define FRONT_HTTP_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "front/buffer_pool.h"
#include "front/protocol/http_head.h"
#include "front/protocol/oip.h"
#include "front/protocol/oip_json.h"

#define HTTP_OUTPUT_HEAD_MAX 2048u
#define HTTP_PIECES_INLINE 10u

/*
 * JSON with results is compressed where its client takes that, and it is so large, and no larger: it is
 * done in one turn.  Nothing else is: tritonclient's aio client says of all its requests that it takes
 * gzip, and unpacks the answers to inferences alone.
 */
#define HTTP_COMPRESS_MIN 1024u
#define HTTP_COMPRESS_MAX (4u << 20)

struct http_answer {
	unsigned status;
	const struct http_head *to; /* NULL: the request could not be read */
	const char *allow;          /* of 405, or NULL */
	bool closes;                /* it says that it is the last one */
	struct oip_json json;       /* n 0: no body.  Is taken */

	/* Binary ones go behind it; NULL: there are none. */
	const struct oip_result *results;
	uint32_t n_results;
	struct buffer **buffer; /* is taken where they lie in it */
};

struct http_output {
	struct buffer_pool *buffers;
	char head[HTTP_OUTPUT_HEAD_MAX];
	size_t n_head;
	struct oip_json json;
	struct buffer *buffer;
	struct iovec *pieces, inline_pieces[HTTP_PIECES_INLINE];
	unsigned n_pieces, piece; /* the next one */
	size_t done;              /* and what of it has gone */
};

void http_output_init(struct http_output *output, struct buffer_pool *buffers);
void http_output_done(struct http_output *output);

/* Where the client waits for it before it sends its body. */
void http_output_continue(struct http_output *output);

/*
 * Takes answer->json, also when this fails.  Results must stay until it has been sent.  -ENOMEM, and
 * nothing goes out.
 */
int http_output_answer(struct http_output *output, struct http_answer *answer) _nodiscard_;

unsigned http_output_gather(struct http_output *output, struct iovec *iov, unsigned max);
void http_output_sent(struct http_output *output, size_t n);
bool http_output_is_empty(const struct http_output *output);

#endif
