/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/quantity.h"

#include <errno.h>
#include <string.h>

#include "base/checked.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* The digits at the start of text; *ret_rest is what follows them. */
static int read_digits(const char *text, uint64_t *ret, const char **ret_rest)
{
	uint64_t v = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (!tsk_mul(v, UINT64_C(10), &v) || !tsk_add(v, (uint64_t)(*p - '0'), &v))
			return -ERANGE;
	}
	if (p == text)
		return -EINVAL;
	*ret = v;
	*ret_rest = p;
	return 0;
}

static int read_with_unit(const char *text, const struct unit *units, uint64_t min, uint64_t max,
			  uint64_t *ret)
{
	const char *rest;
	uint64_t v;
	int r = read_digits(text, &v, &rest);

	if (r < 0)
		return r;
	while (units->name && strcmp(units->name, rest) != 0)
		units++;
	if (!units->name)
		return -EINVAL;
	if (!tsk_mul(v, units->factor, &v) || v < min || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int quantity_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	static const struct unit units[] = { { "", 1 }, { NULL, 0 } };

	return read_with_unit(text, units, min, max, ret);
}

int quantity_bytes(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	static const struct unit units[] = { { "", 1 },
					     { "KiB", UINT64_C(1) << 10 },
					     { "MiB", UINT64_C(1) << 20 },
					     { "GiB", UINT64_C(1) << 30 },
					     { NULL, 0 } };

	return read_with_unit(text, units, min, max, ret);
}

int quantity_ms(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	static const struct unit units[] = { { "ms", 1 },
					     { "s", 1000 },
					     { "min", UINT64_C(60) * 1000 },
					     { "h", UINT64_C(3600) * 1000 },
					     { NULL, 0 } };

	return read_with_unit(text, units, min, max, ret);
}

int quantity_percent(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	static const struct unit units[] = { { "%", 1 }, { NULL, 0 } };

	return read_with_unit(text, units, min, max, ret);
}

int quantity_bool(const char *text, bool *ret)
{
	bool yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;

	if (!yes && strcmp(text, "no") != 0 && strcmp(text, "false") != 0)
		return -EINVAL;
	*ret = yes;
	return 0;
}
