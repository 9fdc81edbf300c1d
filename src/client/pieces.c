/* SPDX-License-Identifier: Apache-2.0 */
#include "client/pieces.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/frame.h"

/* What a gap is sent from: none is longer. */
static const unsigned char zeros[WIRE_ALIGN];

int pieces_init(struct pieces *pieces, unsigned max)
{
	struct piece *p = calloc(max ? max : 1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	*pieces = (struct pieces){ .pieces = p, .max = max };
	return 0;
}

void pieces_done(struct pieces *pieces)
{
	free(pieces->pieces);
	*pieces = (struct pieces){ 0 };
}

void pieces_add(struct pieces *pieces, const void *data, uint64_t bytes)
{
	if (!bytes)
		return;
	assert(pieces->n < pieces->max);
	/* What is sent is only read. */
	pieces->pieces[pieces->n++] = (struct piece){
		.data = (unsigned char *)(uintptr_t)data,
		.bytes = bytes,
	};
	pieces->left += bytes;
}

void pieces_discard(struct pieces *pieces, uint64_t bytes)
{
	assert(pieces->max > 0);
	pieces->pieces[0] = (struct piece){ .bytes = bytes };
	pieces->n = bytes ? 1 : 0;
	pieces->at = 0;
	pieces->begun = 0;
	pieces->left = bytes;
}

unsigned pieces_next(const struct pieces *pieces, bool is_sent, uint64_t limit, struct iovec *iov,
		     unsigned max, uint64_t *ret_bytes)
{
	uint64_t begun = pieces->begun, total = 0;
	unsigned n = 0;

	for (unsigned i = pieces->at; i < pieces->n && n < max && limit; i++) {
		const struct piece *piece = &pieces->pieces[i];
		uint64_t bytes = piece->bytes - begun;

		if (bytes > limit)
			bytes = limit;
		if (!piece->data) {
			if (!is_sent)
				break;
			assert(bytes <= sizeof(zeros));
			iov[n].iov_base = (void *)(uintptr_t)zeros;
		} else {
			iov[n].iov_base = piece->data + begun;
		}
		iov[n++].iov_len = (size_t)bytes;
		limit -= bytes;
		total += bytes;
		begun = 0;
	}
	*ret_bytes = total;
	return n;
}

void pieces_advance(struct pieces *pieces, uint64_t n)
{
	assert(n <= pieces->left);
	pieces->left -= n;
	while (n) {
		uint64_t bytes = pieces->pieces[pieces->at].bytes - pieces->begun;

		if (n < bytes) {
			pieces->begun += n;
			return;
		}
		n -= bytes;
		pieces->at++;
		pieces->begun = 0;
	}
}

void pieces_put(struct pieces *pieces, const unsigned char *bytes, size_t n)
{
	while (n) {
		const struct piece *piece = &pieces->pieces[pieces->at];
		uint64_t room = piece->bytes - pieces->begun;
		size_t part = n < room ? n : (size_t)room;

		if (piece->data)
			memcpy(piece->data + pieces->begun, bytes, part);
		pieces_advance(pieces, part);
		bytes += part;
		n -= part;
	}
}

void pieces_copy(const struct pieces *pieces, unsigned char *to)
{
	for (unsigned i = 0; i < pieces->n; i++) {
		const struct piece *piece = &pieces->pieces[i];

		if (piece->data)
			memcpy(to, piece->data, (size_t)piece->bytes);
		to += piece->bytes;
	}
}

void pieces_rewind(struct pieces *pieces)
{
	pieces->at = 0;
	pieces->begun = 0;
	pieces->left = 0;
	for (unsigned i = 0; i < pieces->n; i++)
		pieces->left += pieces->pieces[i].bytes;
}
