/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "front/protocol/oip_pb_testing.h"

static struct oip_settings trace, logging;
static struct tensock_error error;

/* One entry of a TraceSettingRequest, with n of the values. */
static int check_trace(const char *key, char **values, size_t n)
{
	Inference__TraceSettingRequest__SettingValue value =
		INFERENCE__TRACE_SETTING_REQUEST__SETTING_VALUE__INIT;
	Inference__TraceSettingRequest__SettingsEntry entry =
		INFERENCE__TRACE_SETTING_REQUEST__SETTINGS_ENTRY__INIT;
	Inference__TraceSettingRequest__SettingsEntry *entries[] = { &entry };
	Inference__TraceSettingRequest request = INFERENCE__TRACE_SETTING_REQUEST__INIT;
	struct oip_pb pb;
	int r;

	value.value = values;
	value.n_value = n;
	entry.key = (char *)key;
	entry.value = &value;
	request.settings = entries;
	request.n_settings = 1;
	pb = packed(&request);
	r = oip_pb_settings_check(pb.bytes, pb.n, &trace, &error);
	free_pb(&pb);
	return r;
}

static int check_log(const char *key, Inference__LogSettingsRequest__SettingValue *value)
{
	Inference__LogSettingsRequest__SettingsEntry entry =
		INFERENCE__LOG_SETTINGS_REQUEST__SETTINGS_ENTRY__INIT;
	Inference__LogSettingsRequest__SettingsEntry *entries[] = { &entry };
	Inference__LogSettingsRequest request = INFERENCE__LOG_SETTINGS_REQUEST__INIT;
	struct oip_pb pb;
	int r;

	entry.key = (char *)key;
	entry.value = value;
	request.settings = entries;
	request.n_settings = 1;
	pb = packed(&request);
	r = oip_pb_settings_check(pb.bytes, pb.n, &logging, &error);
	free_pb(&pb);
	return r;
}

static void assert_bad(const struct oip_settings *settings, const char *bytes, size_t n)
{
	if (oip_pb_settings_check((const unsigned char *)bytes, n, settings, &error) == 0)
		fail_msg("taken: %zu bytes", n);
	assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
	assert_non_null(strstr(error.message, "the bytes are no "));
}

static void test_trace(void **state)
{
	char *off[] = { (char *)"OFF", (char *)"TENSORS" };

	(void)state;
	assert_int_equal(oip_pb_settings_check(NULL, 0, &trace, &error), 0);
	assert_int_equal(check_trace("trace_level", off, 1), 0);
	/* It is to be as it is by default. */
	assert_int_equal(check_trace("trace_level", off, 0), 0);
	assert_true(check_trace("trace_level", off, 2) < 0);
	assert_int_equal(error.status, TENSOCK_UNSUPPORTED);
	assert_non_null(strstr(error.message, "'trace_level'"));
	assert_true(check_trace("trace_rate", off, 1) < 0);
	assert_int_equal(error.status, TENSOCK_UNSUPPORTED);
	assert_true(check_trace("level", off, 0) < 0);
	assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
}

static void test_log(void **state)
{
	Inference__LogSettingsRequest__SettingValue value =
		INFERENCE__LOG_SETTINGS_REQUEST__SETTING_VALUE__INIT;

	(void)state;
	assert_int_equal(check_log("log_info", &value), 0);
	value.parameter_choice_case = 1;
	value.bool_param = false;
	assert_int_equal(check_log("log_info", &value), 0);
	value.bool_param = true;
	assert_true(check_log("log_info", &value) < 0);
	assert_int_equal(error.status, TENSOCK_UNSUPPORTED);
	value.parameter_choice_case = 2;
	value.uint32_param = 0;
	assert_int_equal(check_log("log_verbose_level", &value), 0);
	value.uint32_param = 2;
	assert_true(check_log("log_verbose_level", &value) < 0);
	value.parameter_choice_case = 3;
	value.string_param = (char *)"default";
	assert_int_equal(check_log("log_format", &value), 0);
	value.string_param = (char *)"ISO8601";
	assert_true(check_log("log_format", &value) < 0);
	assert_non_null(strstr(error.message, "'log_format'"));
}

/* A key, and a list, that are as long as they may be are looked at; longer ones are not. */
static void test_bounds(void **state)
{
	char *off[OIP_SETTING_VALUES_MAX + 1], key[OIP_KEY_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(off); i++)
		off[i] = (char *)"OFF";
	assert_int_equal(check_trace("trace_level", off, OIP_SETTING_VALUES_MAX), 0);
	assert_true(check_trace("trace_level", off, OIP_SETTING_VALUES_MAX + 1) < 0);
	assert_int_equal(error.status, TENSOCK_TOO_LARGE);
	memset(key, 'k', sizeof(key));
	key[OIP_KEY_MAX + 1] = '\0';
	assert_true(check_trace(key, off, 1) < 0);
	assert_non_null(strstr(error.message, "1025 bytes long, more than 1024"));
	key[OIP_KEY_MAX] = '\0';
	assert_true(check_trace(key, off, 1) < 0);
	assert_non_null(strstr(error.message, "there is no trace setting"));
}

/* By hand: what protobuf-c writes no other way. */
static void test_entries(void **state)
{
	/* The value before its key; an entry without either; a field of the value that is unknown. */
	static const char ahead[] = "\x0a\x14\x12\x05\x0a\x03"
				    "OFF\x0a\x0b"
				    "trace_level";
	static const char other[] = "\x0a\x16\x12\x07\x0a\x03"
				    "OFF\x28\x01\x0a\x0b"
				    "trace_level";

	(void)state;
	assert_int_equal(oip_pb_settings_check((const unsigned char *)ahead, sizeof(ahead) - 1,
					       &trace, &error),
			 0);
	assert_int_equal(oip_pb_settings_check((const unsigned char *)other, sizeof(other) - 1,
					       &trace, &error),
			 0);
	assert_true(oip_pb_settings_check((const unsigned char *)"\x0a\x00", 2, &trace, &error) <
		    0);
	assert_string_equal(error.message, "there is no trace setting ''");
}

static void test_malformed(void **state)
{
	(void)state;
	assert_bad(&trace, "\x08\x01", 2);                 /* an entry that is a number */
	assert_bad(&trace, "\x0a\x05\x0a\x03", 4);         /* it ends within it */
	assert_bad(&trace, "\x0a\x02\x08\x01", 4);         /* a key that is one */
	assert_bad(&trace, "\x0a\x02\x10\x01", 4);         /* a value that is one */
	assert_bad(&trace, "\x0a\x04\x12\x02\x08\x01", 6); /* in which there is one */
	assert_bad(&logging, "\x0a\x04\x12\x02\x18\x01", 6);
	assert_bad(&logging, "\x0a\x04\x12\x02\x0a\x00", 6); /* a bool that is a text */
}

static void test_trace_written(void **state)
{
	Inference__TraceSettingResponse *response;
	struct oip_pb pb;

	(void)state;
	assert_int_equal(oip_pb_settings(&trace, &pb), 0);
	response = unpacked(&inference__trace_setting_response__descriptor, &pb);
	assert_int_equal(response->n_settings, trace.n);
	for (unsigned i = 0; i < trace.n; i++) {
		assert_string_equal(response->settings[i]->key, trace.list[i].key);
		assert_int_equal(response->settings[i]->value->n_value, 1);
		assert_string_equal(response->settings[i]->value->value[0], trace.list[i].string);
	}
	free_unpacked(response);
	/* What is told may be set. */
	assert_int_equal(oip_pb_settings_check(pb.bytes, pb.n, &trace, &error), 0);
	free_pb(&pb);
}

/* Each setting is of the choice that clients expect of it. */
static void test_log_written(void **state)
{
	Inference__LogSettingsResponse *response;
	const Inference__LogSettingsResponse__SettingValue *value;
	struct oip_pb pb;

	(void)state;
	assert_int_equal(oip_pb_settings(&logging, &pb), 0);
	response = unpacked(&inference__log_settings_response__descriptor, &pb);
	assert_int_equal(response->n_settings, logging.n);
	for (unsigned i = 0; i < logging.n; i++) {
		const struct oip_setting *setting = &logging.list[i];

		value = response->settings[i]->value;
		switch (setting->kind) {
		case OIP_SETTING_STRING:
			assert_int_equal(value->parameter_choice_case, 3);
			assert_string_equal(value->string_param, setting->string);
			break;
		case OIP_SETTING_BOOL:
			assert_int_equal(value->parameter_choice_case, 1);
			assert_int_equal(value->bool_param, setting->number);
			break;
		default:
			assert_int_equal(value->parameter_choice_case, 2);
			assert_int_equal(value->uint32_param, setting->number);
		}
	}
	free_unpacked(response);
	assert_int_equal(oip_pb_settings_check(pb.bytes, pb.n, &logging, &error), 0);
	free_pb(&pb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_trace),       TSK_TEST(test_log),       TSK_TEST(test_entries),
		TSK_TEST(test_bounds),      TSK_TEST(test_malformed), TSK_TEST(test_trace_written),
		TSK_TEST(test_log_written),
	};

	oip_trace_settings(&trace);
	oip_log_settings(TSK_LOG_WARNING, &logging);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
