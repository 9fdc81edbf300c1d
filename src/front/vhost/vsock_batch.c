/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_batch.h"

#include "front/vhost/iov.h"

/* Adds chains[n], with room for at most `bytes`.  False: it has none. */
static bool add(struct vsock_batch *batch, size_t bytes)
{
	const struct vring_chain *chain = &batch->chains[batch->n];
	size_t room;
	unsigned n = iov_cut(chain->iov + chain->n_out, chain->n_in, VSOCK_HEADER_BYTES, bytes,
			     batch->iov + batch->n_iov, &room);

	if (room == 0)
		return false;
	batch->rooms[batch->n++] = room;
	batch->room += room;
	batch->n_iov += n;
	return true;
}

bool vsock_batch_fill(struct vsock_batch *batch, struct vring *rx, unsigned max, size_t bytes)
{
	batch->n = batch->n_iov = 0;
	batch->room = 0;
	if (!add(batch, bytes))
		return false;
	while (batch->n < max && batch->n < VSOCK_BATCH_MAX && batch->room < bytes &&
	       batch->n_iov < VSOCK_BATCH_IOV_MAX) {
		if (vring_pop(rx, &batch->chains[batch->n]) <= 0)
			break;
		if (!add(batch, bytes - batch->room)) {
			vring_unpop(rx, 1);
			break;
		}
	}
	return true;
}

void vsock_batch_give_one(struct vring *rx, const struct vring_chain *chain,
			  const struct vsock_header *header)
{
	unsigned char bytes[VSOCK_HEADER_BYTES];

	vsock_header_encode(header, bytes);
	iov_put(chain->iov + chain->n_out, chain->n_in, bytes, sizeof(bytes));
	vring_push(rx, chain->head, VSOCK_HEADER_BYTES + header->len);
}

unsigned vsock_batch_give(const struct vsock_batch *batch, struct vring *rx,
			  const struct vsock_header *header, uint32_t len)
{
	struct vsock_header part = *header;
	unsigned i;

	for (i = 0; i < batch->n && len > 0; i++) {
		part.len = len < batch->rooms[i] ? len : (uint32_t)batch->rooms[i];
		len -= part.len;
		vsock_batch_give_one(rx, &batch->chains[i], &part);
	}
	vring_unpop(rx, batch->n - i);
	return i;
}
