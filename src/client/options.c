/* SPDX-License-Identifier: Apache-2.0 */
#include "client/options.h"

#include <string.h>

#include "base/status.h"

static uint32_t size_of(const void *given)
{
	uint32_t size;

	memcpy(&size, given, sizeof(size));
	return size;
}

int options_read(void *ret, size_t size, const void *given, struct tensock_error *reterr)
{
	size_t given_size = given ? size_of(given) : 0;

	memset(ret, 0, size);
	if (!given)
		return 0;
	if (given_size < sizeof(uint32_t))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "the options' size is not set");
	memcpy(ret, given, given_size < size ? given_size : size);
	return 0;
}

int options_reserved(struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"a reserved field of the options is not 0");
}

void options_write(void *ret, const void *known, size_t size)
{
	uint32_t given = size_of(ret);

	memcpy(ret, known, given < size ? given : size);
	memcpy(ret, &given, given < sizeof(given) ? given : sizeof(given));
}
