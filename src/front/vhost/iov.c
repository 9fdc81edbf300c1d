/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/iov.h"

#include <string.h>

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t iov_get(const struct iovec *iov, unsigned n, void *dst, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		size_t part = smaller(iov[i].iov_len, len - done);

		if (part)
			memcpy((unsigned char *)dst + done, iov[i].iov_base, part);
		done += part;
	}
	/* The pieces may be a guest's: what was copied must not be read there a second time. */
	__asm__ volatile("" : : "r"(dst) : "memory");
	return done;
}

size_t iov_put(const struct iovec *iov, unsigned n, const void *src, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		size_t part = smaller(iov[i].iov_len, len - done);

		if (part)
			memcpy(iov[i].iov_base, (const unsigned char *)src + done, part);
		done += part;
	}
	return done;
}

unsigned iov_cut(const struct iovec *iov, unsigned n, size_t skip, size_t len, struct iovec *ret,
		 size_t *ret_len)
{
	unsigned n_ret = 0;
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		size_t off = smaller(skip, iov[i].iov_len);
		size_t part = smaller(iov[i].iov_len - off, len - done);

		skip -= off;
		if (part == 0)
			continue;
		ret[n_ret].iov_base = (unsigned char *)iov[i].iov_base + off;
		ret[n_ret++].iov_len = part;
		done += part;
	}
	*ret_len = done;
	return n_ret;
}
