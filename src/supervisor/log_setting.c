/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/log_setting.h"

#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "supervisor/setting.h"

static int set_format(const char *value, int *ret, struct tensock_error *reterr)
{
	bool is_json = strcmp(value, "json") == 0;

	if (*ret >= 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "log-format is given twice");
	if (!is_json && strcmp(value, "text") != 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"log-format cannot be '%.80s'; write text or json", value);
	*ret = is_json;
	return 0;
}

int log_setting_set(struct log_setting *setting, const char *key, const char *value,
		    struct tensock_error *reterr)
{
	int r;

	if (strcmp(key, "log-format") == 0)
		r = set_format(value, &setting->is_json, reterr);
	else if (strcmp(key, "access-log") == 0)
		r = setting_bool(key, value, &setting->has_access, reterr);
	else
		return 0;
	return r < 0 ? r : 1;
}

unsigned log_setting_bits(const struct log_setting *setting)
{
	return (setting->is_json == 1 ? TSK_LOG_JSON : 0) |
	       (setting->has_access == 1 ? TSK_LOG_ACCESS : 0);
}
