/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that lie in pieces.  Ranges are counted from the first byte of the first piece. */
#ifndef VHOST_IOV_H
#define VHOST_IOV_H

#include <stddef.h>
#include <sys/uio.h>

#include "base/cleanup.h"

/* Copies the first len bytes out of, or into, the pieces; returns how many there were room for. */
size_t iov_get(const struct iovec *iov, unsigned n, void *dst, size_t len);
size_t iov_put(const struct iovec *iov, unsigned n, const void *src, size_t len);

/*
 * The range of at most len bytes that begins skip bytes in, as pieces at ret, which has room for n.
 * Returns the number of pieces, none of them empty; *ret_len: the bytes in them.
 */
unsigned iov_cut(const struct iovec *iov, unsigned n, size_t skip, size_t len, struct iovec *ret,
		 size_t *ret_len);

#endif
