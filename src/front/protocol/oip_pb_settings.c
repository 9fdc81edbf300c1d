/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: a map, field 1 of requests and responses, of entries with key 1 and SettingValue 2. */
#include "base/status.h"
#include "front/protocol/oip_pb.h"
#include "front/protocol/oip_pb_read.h"
#include "front/protocol/oip_pb_write.h"

/* SettingValue: of tracing a list of strings; of the log a choice. */
enum value_field {
	TRACE_VALUE = 1,
	BOOL_PARAM = 1,
	UINT32_PARAM = 2,
	STRING_PARAM = 3,
};

/* False for a field that is no value, and for one of another type, which makes the message bad. */
static bool take_value(const struct oip_settings *settings, struct tsk_reader *message,
		       const struct proto_field *field, struct oip_setting_value *ret, int *ret_r,
		       struct tensock_error *reterr)
{
	uint32_t string = settings->is_trace ? TRACE_VALUE : STRING_PARAM;

	*ret = (struct oip_setting_value){ .kind = OIP_SETTING_STRING };
	if (field->number == string) {
		*ret_r = oip_pb_string(message, field, UINT16_MAX, "value of a setting",
				       &ret->string, reterr);
	} else if (!settings->is_trace && field->number < string) {
		ret->kind = field->number == BOOL_PARAM ? OIP_SETTING_BOOL : OIP_SETTING_NUMBER;
		ret->number = (uint64_t)proto_int(message, field);
	} else {
		return false;
	}
	return !message->bad;
}

/* Each value that stands there must hold; *n grows by how many. */
static int check_values(const struct oip_settings *settings, struct wire_string key,
			struct tsk_reader *message, size_t *n, struct tensock_error *reterr)
{
	struct oip_setting_value value;
	struct proto_field field;
	int r = 0;

	while (r == 0 && proto_next(message, &field)) {
		if (!take_value(settings, message, &field, &value, &r, reterr) || r < 0)
			continue;
		if (++*n > OIP_SETTING_VALUES_MAX)
			return tsk_fail(reterr, TENSOCK_TOO_LARGE,
					"a setting's value has more than %u elements",
					OIP_SETTING_VALUES_MAX);
		r = oip_setting_check(settings, key, &value, reterr);
	}
	return r;
}

/* Of an entry, wherever in it that stands. */
static int find_key(struct tsk_reader entry, struct wire_string *ret, struct tensock_error *reterr)
{
	struct proto_field field;
	int r = 0;

	while (r == 0 && proto_next(&entry, &field)) {
		if (field.number == 1)
			r = oip_pb_string(&entry, &field, OIP_KEY_MAX, "key of a setting", ret,
					  reterr);
	}
	return r;
}

static int check_entry(const struct oip_settings *settings, struct tsk_reader *entry,
		       struct tensock_error *reterr)
{
	struct wire_string key = { 0 };
	struct proto_field field;
	size_t n = 0;
	int r = find_key(*entry, &key, reterr);

	while (r == 0 && proto_next(entry, &field)) {
		struct tsk_reader value;

		/* Of the wrong type: then the entry is bad. */
		if (field.number == 1)
			(void)proto_is(entry, &field, PROTO_BYTES);
		if (field.number != 2)
			continue;
		value = proto_message(entry, &field);
		r = check_values(settings, key, &value, &n, reterr);
		entry->bad |= value.bad;
	}
	if (r == 0 && !entry->bad && n == 0)
		r = oip_setting_check(settings, key, NULL, reterr);
	return r;
}

int oip_pb_settings_check(const unsigned char *bytes, size_t n, const struct oip_settings *settings,
			  struct tensock_error *reterr)
{
	const char *name = settings->is_trace ? "TraceSettingRequest" : "LogSettingsRequest";
	struct tsk_reader message = tsk_reader(bytes, n);
	struct proto_field field;
	int r = 0;

	while (r == 0 && proto_next(&message, &field)) {
		struct tsk_reader entry;

		if (field.number != 1)
			continue;
		entry = proto_message(&message, &field);
		if (message.bad)
			break;
		r = check_entry(settings, &entry, reterr);
		message.bad |= entry.bad;
	}
	if (r == 0 && message.bad)
		return oip_pb_malformed(name, reterr);
	return r;
}

static void write_value(struct pb_writer *w, bool is_trace, const struct oip_setting *setting)
{
	if (setting->kind == OIP_SETTING_STRING)
		pb_list_text(w, is_trace ? TRACE_VALUE : STRING_PARAM, setting->string);
	else
		pb_list_number(w, setting->kind == OIP_SETTING_BOOL ? BOOL_PARAM : UINT32_PARAM,
			       setting->number);
}

int oip_pb_settings(const struct oip_settings *settings, struct oip_pb *ret)
{
	struct pb_writer w;

	pb_writer_init(&w);
	for (unsigned i = 0; i < settings->n; i++) {
		size_t entry = pb_message_begin(&w, 1), value;

		pb_text(&w, 1, settings->list[i].key);
		value = pb_message_begin(&w, 2);
		write_value(&w, settings->is_trace, &settings->list[i]);
		pb_message_end(&w, value);
		pb_message_end(&w, entry);
	}
	return pb_writer_end(&w, ret);
}
