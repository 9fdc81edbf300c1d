/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/setting.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "supervisor/quantity.h"

static int given_twice(const char *key, struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%s is given twice", key);
}

int setting_text(const char *key, const char *value, char *ret, size_t size,
		 struct tensock_error *reterr)
{
	if (ret[0])
		return given_twice(key, reterr);
	if (!value[0])
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%s has no value", key);
	if (strlen(value) >= size)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%s is too long", key);
	snprintf(ret, size, "%s", value);
	return 0;
}

int setting_number(const char *key, const char *value, uint64_t min, uint64_t max, uint64_t *ret,
		   struct tensock_error *reterr)
{
	if (*ret)
		return given_twice(key, reterr);
	if (quantity_number(value, min, max, ret) < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"%s cannot be '%.80s'; write a number from %llu to %llu", key,
				value, (unsigned long long)min, (unsigned long long)max);
	return 0;
}

int setting_bool(const char *key, const char *value, int *ret, struct tensock_error *reterr)
{
	bool v;

	if (*ret >= 0)
		return given_twice(key, reterr);
	if (quantity_bool(value, &v) < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"%s cannot be '%.80s'; write yes or no", key, value);
	*ret = v;
	return 0;
}

size_t setting_word(const char **text, const char **ret)
{
	size_t len;

	*text += strspn(*text, " \t,");
	len = strcspn(*text, " \t,");
	*ret = *text;
	*text += len;
	return len;
}
