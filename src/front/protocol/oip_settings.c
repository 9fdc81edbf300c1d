/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/oip_settings.h"

#include "base/status.h"
#include "front/protocol/oip.h"

void oip_trace_settings(struct oip_settings *ret)
{
	*ret = (struct oip_settings){
		.is_trace = true,
		.n = 6,
		.list = {
			{ "trace_level", OIP_SETTING_STRING, "OFF", 0 },
			{ "trace_rate", OIP_SETTING_STRING, "1000", 0 },
			{ "trace_count", OIP_SETTING_STRING, "-1", 0 },
			{ "log_frequency", OIP_SETTING_STRING, "0", 0 },
			{ "trace_file", OIP_SETTING_STRING, "", 0 },
			{ "trace_mode", OIP_SETTING_STRING, "triton", 0 },
		},
	};
}

void oip_log_settings(enum tsk_log_level level, struct oip_settings *ret)
{
	*ret = (struct oip_settings){
		.n = 6,
		.list = {
			{ "log_file", OIP_SETTING_STRING, "", 0 },
			{ "log_info", OIP_SETTING_BOOL, NULL, level >= TSK_LOG_INFO },
			{ "log_warning", OIP_SETTING_BOOL, NULL, level >= TSK_LOG_WARNING },
			{ "log_error", OIP_SETTING_BOOL, NULL, true },
			{ "log_verbose_level", OIP_SETTING_NUMBER, NULL, level >= TSK_LOG_DEBUG },
			{ "log_format", OIP_SETTING_STRING, "default", 0 },
		},
	};
}

static const struct oip_setting *find(const struct oip_settings *settings, struct wire_string key)
{
	for (unsigned i = 0; i < settings->n; i++) {
		if (wire_string_equals(key, settings->list[i].key))
			return &settings->list[i];
	}
	return NULL;
}

static bool holds(const struct oip_setting *setting, const struct oip_setting_value *value)
{
	if (value->kind != setting->kind)
		return false;
	if (value->kind == OIP_SETTING_STRING)
		return wire_string_equals(value->string, setting->string);
	return value->number == setting->number;
}

int oip_setting_check(const struct oip_settings *settings, struct wire_string key,
		      const struct oip_setting_value *value, struct tensock_error *reterr)
{
	const struct oip_setting *setting = find(settings, key);

	if (!setting)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "there is no %s setting '%.*s'",
				settings->is_trace ? "trace" : "log", OIP_SAID(key));
	if (!value || holds(setting, value))
		return 0;
	if (settings->is_trace)
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"trace setting '%s' stays \"%s\": this host traces no requests",
				setting->key, setting->string);
	return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
			"log setting '%s' stays as it is: what is logged is for the host's "
			"operator to say",
			setting->key);
}
