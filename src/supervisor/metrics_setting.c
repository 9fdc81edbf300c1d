/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/metrics_setting.h"

#include <string.h>

#include "base/status.h"

int metrics_setting_set(struct metrics_setting *setting, const char *key, const char *value,
			struct tensock_error *reterr)
{
	struct address address;

	if (strcmp(key, "metrics") != 0)
		return 0;
	if (setting->is_on)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "metrics is given twice");
	if (address_parse(value, &address, reterr) < 0) {
		tsk_error_prefix(reterr, "metrics");
		return -EINVAL;
	}
	if (address.kind != ADDRESS_TCP && address.kind != ADDRESS_UNIX)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"metrics cannot be at '%.80s', where guests may come in; write "
				"tcp:127.0.0.1:PORT or unix:PATH",
				value);
	setting->address = address;
	setting->is_on = true;
	return 1;
}

bool metrics_setting_equals(const struct metrics_setting *a, const struct metrics_setting *b)
{
	if (!a->is_on || !b->is_on)
		return a->is_on == b->is_on;
	return a->address.kind == b->address.kind && a->address.port == b->address.port &&
	       a->address.ipv4 == b->address.ipv4 && strcmp(a->address.path, b->address.path) == 0;
}
