/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "base/base64.h"
#include "base/status.h"
#include "front/protocol/json_document.h"
#include "front/protocol/oip_json.h"

static_assert(OIP_JSON_PADDING >= JSON_PADDING, "a text that is read in place is too short");

struct parsed {
	struct json_document document;
	yyjson_val *file; /* in base64 */
};

int oip_json_index_read(const char *text, size_t n, bool *ret_ready, struct tensock_error *reterr)
{
	_cleanup_(json_document_done) struct json_document document = { 0 };
	yyjson_val *ready;
	const struct json_field field = { "ready", &ready };
	bool is_ready = false;
	int r = 0;

	if (n) {
		r = json_document_read(text, n, &document, reterr);
		if (r == 0)
			r = json_get_fields(document.root, "the request", &field, 1, reterr);
		if (r == 0 && ready)
			r = json_get_bool(ready, "'ready'", &is_ready, reterr);
	}
	if (r == 0)
		*ret_ready = is_ready;
	return r;
}

static int read_file(struct wire_string key, struct wire_string version, yyjson_val *value,
		     struct oip_json_load *load, struct tensock_error *reterr)
{
	struct parsed *parsed = load->own;
	size_t bytes = 0;

	if (load->has_file)
		return tsk_fail(
			reterr, TENSOCK_UNSUPPORTED,
			"parameter '%.*s': a model is one file here, and another one is there",
			OIP_SAID(key));
	if (!yyjson_is_str(value) ||
	    tsk_base64_decode(yyjson_get_str(value), yyjson_get_len(value), NULL, &bytes) < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "parameter '%.*s' is not base64",
				OIP_SAID(key));
	if (bytes == 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "parameter '%.*s' is empty",
				OIP_SAID(key));
	parsed->file = value;
	load->has_file = true;
	load->version = version;
	load->file_bytes = bytes;
	return 0;
}

static int read_config(yyjson_val *value, struct oip_json_load *load, struct tensock_error *reterr)
{
	if (load->config.bytes)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"parameter 'config' is there twice");
	return json_get_string(value, "'config'", UINT16_MAX, &load->config, reterr);
}

static int read_parameter(yyjson_val *name, yyjson_val *value, struct oip_json_load *load,
			  struct tensock_error *reterr)
{
	struct wire_string key, version;
	bool ignored; /* a model has no dependents here */
	int r = json_get_string(name, "parameter's key", OIP_KEY_MAX, &key, reterr);

	if (r < 0)
		return r;
	if (wire_string_equals(key, "config"))
		return read_config(value, load, reterr);
	if (wire_string_equals(key, "unload_dependents"))
		return json_get_bool(value, "'unload_dependents'", &ignored, reterr);
	if (oip_file_key(key, &version))
		return read_file(key, version, value, load, reterr);
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "unknown parameter '%.*s'",
			OIP_SAID(key));
}

static int read_parameters(yyjson_val *parameters, struct oip_json_load *load,
			   struct tensock_error *reterr)
{
	yyjson_val *key, *value;
	size_t i, n;
	int r = 0;

	if (!yyjson_is_obj(parameters))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"'parameters' is not a JSON object");
	yyjson_obj_foreach(parameters, i, n, key, value)
	{
		r = read_parameter(key, value, load, reterr);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_request(char *text, size_t n, struct oip_json_load *load,
			struct tensock_error *reterr)
{
	struct parsed *parsed = load->own;
	yyjson_val *parameters;
	const struct json_field field = { "parameters", &parameters };
	int r = json_document_read_in_place(text, n, &parsed->document, reterr);

	if (r == 0)
		r = json_get_fields(parsed->document.root, "the request", &field, 1, reterr);
	return r < 0 || !parameters ? r : read_parameters(parameters, load, reterr);
}

uint64_t oip_json_load_memory(const char *text, size_t n)
{
	return json_document_memory_in_place(text, n) + sizeof(struct parsed);
}

int oip_json_load_read(char *text, size_t n, struct oip_json_load *ret,
		       struct tensock_error *reterr)
{
	struct oip_json_load load = { 0 };
	int r;

	load.own = calloc(1, sizeof(struct parsed));
	if (!load.own)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the request");
	r = n ? read_request(text, n, &load, reterr) : 0;
	if (r < 0) {
		oip_json_load_done(&load);
		return r;
	}
	*ret = load;
	return 0;
}

void oip_json_load_file(const struct oip_json_load *load, void *to)
{
	const struct parsed *parsed = load->own;
	size_t bytes;
	int r = tsk_base64_decode(yyjson_get_str(parsed->file), yyjson_get_len(parsed->file), to,
				  &bytes);

	/* It has been decoded before. */
	(void)r;
}

void oip_json_load_done(struct oip_json_load *load)
{
	struct parsed *parsed = load->own;

	if (parsed)
		json_document_done(&parsed->document);
	free(parsed);
	*load = (struct oip_json_load){ 0 };
}
