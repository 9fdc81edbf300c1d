/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/status.h"
#include "front/protocol/json_document.h"
#include "front/protocol/json_text.h"
#include "front/protocol/oip_json.h"

static int read_value(yyjson_val *value, struct wire_string key, struct oip_setting_value *ret,
		      struct tensock_error *reterr)
{
	*ret = (struct oip_setting_value){ .kind = OIP_SETTING_NUMBER };
	if (yyjson_is_str(value)) {
		ret->kind = OIP_SETTING_STRING;
		return json_get_string(value, "a setting's value", UINT16_MAX, &ret->string,
				       reterr);
	}
	if (yyjson_is_bool(value)) {
		ret->kind = OIP_SETTING_BOOL;
		ret->number = yyjson_get_bool(value);
	} else if (yyjson_is_uint(value)) {
		ret->number = yyjson_get_uint(value);
	} else {
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"setting '%.*s' is neither a string nor a bool nor a number",
				OIP_SAID(key));
	}
	return 0;
}

static int check_value(const struct oip_settings *settings, struct wire_string key,
		       yyjson_val *value, struct tensock_error *reterr)
{
	struct oip_setting_value wanted;
	int r;

	if (yyjson_is_null(value))
		return oip_setting_check(settings, key, NULL, reterr);
	r = read_value(value, key, &wanted, reterr);
	return r < 0 ? r : oip_setting_check(settings, key, &wanted, reterr);
}

static int check_setting(const struct oip_settings *settings, yyjson_val *name, yyjson_val *value,
			 struct tensock_error *reterr)
{
	struct wire_string key;
	yyjson_val *each;
	size_t i, n;
	int r = json_get_string(name, "setting's key", OIP_KEY_MAX, &key, reterr);

	if (r < 0 || !settings->is_trace || !yyjson_is_arr(value))
		return r < 0 ? r : check_value(settings, key, value, reterr);
	r = json_get_array(value, "a setting's value", OIP_SETTING_VALUES_MAX, reterr);
	if (r == 0 && yyjson_arr_size(value) == 0)
		r = oip_setting_check(settings, key, NULL, reterr);
	if (r < 0)
		return r;
	yyjson_arr_foreach(value, i, n, each)
	{
		r = check_value(settings, key, each, reterr);
		if (r < 0)
			break;
	}
	return r;
}

int oip_json_settings_check(const char *text, size_t n, const struct oip_settings *settings,
			    struct tensock_error *reterr)
{
	_cleanup_(json_document_done) struct json_document document = { 0 };
	yyjson_val *key, *value;
	size_t i, max;
	int r = n ? json_document_read(text, n, &document, reterr) : 0;

	if (r < 0 || !n)
		return r;
	if (!yyjson_is_obj(document.root))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"the request is not a JSON object");
	yyjson_obj_foreach(document.root, i, max, key, value)
	{
		r = check_setting(settings, key, value, reterr);
		if (r < 0)
			break;
	}
	return r;
}

static void write_setting(struct json_text *text, const struct oip_setting *setting)
{
	json_text_key(text, setting->key);
	if (setting->kind == OIP_SETTING_STRING)
		json_text_string(text, setting->string);
	else if (setting->kind == OIP_SETTING_BOOL)
		json_text_bool(text, setting->number);
	else
		json_text_uint(text, setting->number);
}

int oip_json_settings(const struct oip_settings *settings, struct oip_json *ret)
{
	struct json_text text = { 0 };

	json_text_open(&text, '{');
	for (unsigned i = 0; i < settings->n; i++) {
		const struct oip_setting *setting = &settings->list[i];

		/* Levels may be several. */
		if (strcmp(setting->key, "trace_level") == 0) {
			json_text_key(&text, setting->key);
			json_text_open(&text, '[');
			json_text_string(&text, setting->string);
			json_text_close(&text, ']');
		} else {
			write_setting(&text, setting);
		}
	}
	json_text_close(&text, '}');
	return json_text_take(&text, &ret->bytes, &ret->n);
}
