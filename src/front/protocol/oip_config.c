/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of Triton's ModelConfig, in JSON, means something here.  A configuration changes nothing: it may
 * say what is so anyway, and what only hints at how to be fast.  Whatever else it asks for is refused by
 * name, rather than not done.
 */
#include "front/protocol/oip_config.h"

#include <assert.h>

#include "base/status.h"
#include "front/protocol/json_document.h"
#include "front/protocol/oip.h"

struct config {
	const char *name;
	const struct tsk_model_info *info;
	const struct tsk_tensor_info *tensors; /* of info: its inputs, or its outputs */
	uint32_t n_tensors;
	const char *what; /* "input", "output" */
};

typedef int check_field(const struct config *config, const char *key, yyjson_val *value,
			struct tensock_error *reterr);

struct rule {
	const char *key;
	check_field *check; /* NULL: whatever it says */
};

#define RULES_MAX 32u

/* Each field is known, is there once, and passes its check; null is as if it were not there. */
static int check_object(const struct config *config, const char *what, yyjson_val *object,
			const struct rule *rules, size_t n, struct tensock_error *reterr)
{
	bool is_seen[RULES_MAX] = { false };
	yyjson_val *key, *value;
	size_t i, count;

	if (!yyjson_is_obj(object))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%s is not a JSON object", what);
	yyjson_obj_foreach(object, i, count, key, value)
	{
		size_t at = 0;
		int r = 0;

		while (at < n && !json_key_equals(key, rules[at].key))
			at++;
		if (at == n || is_seen[at])
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%s has %s field '%.64s'",
					what, at == n ? "an unknown" : "twice the",
					yyjson_get_str(key));
		is_seen[at] = true;
		if (rules[at].check && !yyjson_is_null(value))
			r = rules[at].check(config, rules[at].key, value, reterr);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What a field has that nobody has set. */
static bool is_default(yyjson_val *value)
{
	if (yyjson_is_ctn(value))
		return unsafe_yyjson_get_len(value) == 0;
	if (yyjson_is_str(value))
		return yyjson_get_len(value) == 0;
	if (yyjson_is_num(value))
		return yyjson_get_num(value) == 0;
	return yyjson_is_false(value) || yyjson_is_null(value);
}

static int fail_unsupported(const char *key, struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
			"the model's configuration asks for '%s', which this host does not do",
			key);
}

static int check_default(const struct config *config, const char *key, yyjson_val *value,
			 struct tensock_error *reterr)
{
	(void)config;
	return is_default(value) ? 0 : fail_unsupported(key, reterr);
}

/* An empty object asks for it, too: "dynamic_batching": {} */
static int check_missing(const struct config *config, const char *key, yyjson_val *value,
			 struct tensock_error *reterr)
{
	(void)config;
	(void)value;
	return fail_unsupported(key, reterr);
}

static int check_string(const struct config *config, const char *key, yyjson_val *value,
			struct tensock_error *reterr)
{
	(void)config;
	if (!yyjson_is_str(value))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "'%s' is not a string", key);
	return 0;
}

/* wanted: what it is.  An empty text says nothing. */
static int check_same(const char *key, yyjson_val *value, struct wire_string wanted,
		      struct tensock_error *reterr)
{
	int r = check_string(NULL, key, value, reterr);

	if (r < 0 || yyjson_get_len(value) == 0 ||
	    yyjson_equals_strn(value, wanted.bytes, wanted.len))
		return r;
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"the model's configuration says the %s is '%.64s', and it is '%.*s'", key,
			yyjson_get_str(value), OIP_SAID(wanted));
}

static int check_name(const struct config *config, const char *key, yyjson_val *value,
		      struct tensock_error *reterr)
{
	return check_same(key, value, wire_string(config->name), reterr);
}

static int check_platform(const struct config *config, const char *key, yyjson_val *value,
			  struct tensock_error *reterr)
{
	char platform[OIP_PLATFORM_BYTES];

	if (!config->info)
		return check_string(config, key, value, reterr);
	oip_platform(config->info, platform);
	return check_same(key, value, wire_string(platform), reterr);
}

static int check_backend(const struct config *config, const char *key, yyjson_val *value,
			 struct tensock_error *reterr)
{
	if (!config->info)
		return check_string(config, key, value, reterr);
	return check_same(key, value, oip_backend(config->info), reterr);
}

/* The one labelled last is what a request without a version gets; all stay. */
static int check_version_policy(const struct config *config, const char *key, yyjson_val *value,
				struct tensock_error *reterr)
{
	static const struct rule rules[] = {
		{ "all", NULL },
		{ "latest", NULL },
		{ "specific", check_missing },
	};

	return check_object(config, key, value, rules, ARRAY_SIZE(rules), reterr);
}

static int check_kind(const struct config *config, const char *key, yyjson_val *value,
		      struct tensock_error *reterr)
{
	int r = check_string(config, key, value, reterr);

	if (r < 0 || yyjson_equals_str(value, "KIND_CPU") || yyjson_equals_str(value, "KIND_AUTO"))
		return r;
	return fail_unsupported(key, reterr);
}

static int check_group(const struct config *config, yyjson_val *group, struct tensock_error *reterr)
{
	static const struct rule rules[] = {
		{ "name", check_string },
		{ "kind", check_kind },
		{ "count", NULL },
		{ "rate_limiter", NULL },
		{ "gpus", check_default },
		{ "secondary_devices", check_default },
		{ "profile", check_default },
		{ "passive", check_default },
		{ "host_policy", NULL },
	};

	return check_object(config, "'instance_group'", group, rules, ARRAY_SIZE(rules), reterr);
}

static int check_groups(const struct config *config, const char *key, yyjson_val *value,
			struct tensock_error *reterr)
{
	yyjson_val *group;
	size_t i, n;
	int r = 0;

	if (!yyjson_is_arr(value))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "'%s' is not an array", key);
	yyjson_arr_foreach(value, i, n, group)
	{
		r = check_group(config, group, reterr);
		if (r < 0)
			break;
	}
	return r;
}

static int check_transactions(const struct config *config, const char *key, yyjson_val *value,
			      struct tensock_error *reterr)
{
	static const struct rule rules[] = { { "decoupled", check_default } };

	return check_object(config, key, value, rules, ARRAY_SIZE(rules), reterr);
}

static int check_cache(const struct config *config, const char *key, yyjson_val *value,
		       struct tensock_error *reterr)
{
	static const struct rule rules[] = { { "enable", check_default } };

	return check_object(config, key, value, rules, ARRAY_SIZE(rules), reterr);
}

static int check_optimization(const struct config *config, const char *key, yyjson_val *value,
			      struct tensock_error *reterr)
{
	static const struct rule rules[] = {
		{ "graph", NULL },
		{ "priority", NULL },
		{ "cuda", check_default },
		{ "execution_accelerators", check_default },
		{ "input_pinned_memory", NULL },
		{ "output_pinned_memory", NULL },
		{ "gather_kernel_buffer_threshold", NULL },
		{ "eager_batching", NULL },
	};

	return check_object(config, key, value, rules, ARRAY_SIZE(rules), reterr);
}

static const struct tsk_tensor_info *find_tensor(const struct config *config, yyjson_val *name)
{
	for (uint32_t i = 0; i < config->n_tensors; i++) {
		if (yyjson_equals_str(name, config->tensors[i].name))
			return &config->tensors[i];
	}
	return NULL;
}

/* The model's own type, or any where the model is not known yet. */
static int check_data_type(const struct tsk_tensor_info *tensor, yyjson_val *value,
			   struct tensock_error *reterr)
{
	const char *name;

	for (uint32_t dtype = TENSOCK_BOOL; dtype < TENSOCK_DTYPE_MAX; dtype++) {
		oip_config_type(dtype, &name);
		if (!yyjson_equals_str(value, name))
			continue;
		if (!tensor || oip_config_type(tensor->dtype, NULL) == oip_config_type(dtype, NULL))
			return 0;
		oip_config_type(tensor->dtype, &name);
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "the model's data_type is %s",
				name);
	}
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "'data_type' is none");
}

/* The model's own; one that it leaves open may be said. */
static bool is_dim(const struct tsk_tensor_info *tensor, size_t at, yyjson_val *dim)
{
	if (!yyjson_is_int(dim) || (yyjson_is_uint(dim) && yyjson_get_uint(dim) > INT64_MAX) ||
	    yyjson_get_sint(dim) < -1)
		return false;
	return !tensor || tensor->rank == 0 || tensor->dims[at] == -1 ||
	       tensor->dims[at] == yyjson_get_sint(dim);
}

static int check_dims(const struct tsk_tensor_info *tensor, yyjson_val *dims,
		      struct tensock_error *reterr)
{
	int r = json_get_array(dims, "'dims'", TENSOCK_RANK_MAX, reterr);
	yyjson_val *dim;
	size_t i, n;

	if (r < 0)
		return r;
	if (tensor && tensor->rank && yyjson_arr_size(dims) != tensor->rank)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "the model has %u dims, not %zu",
				(unsigned)tensor->rank, yyjson_arr_size(dims));
	yyjson_arr_foreach(dims, i, n, dim)
	{
		if (!is_dim(tensor, i, dim))
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"number %zu of 'dims' is not the model's", i);
	}
	return 0;
}

static int check_format(const struct config *config, const char *key, yyjson_val *value,
			struct tensock_error *reterr)
{
	(void)config;
	return yyjson_equals_str(value, "FORMAT_NONE") ? 0 : fail_unsupported(key, reterr);
}

static int check_tensor_fields(const struct config *config, yyjson_val *value,
			       struct tensock_error *reterr)
{
	static const struct rule rules[] = {
		{ "name", check_string },
		{ "data_type", check_string },
		{ "dims", NULL },
		{ "format", check_format },
		{ "reshape", check_missing },
		{ "is_shape_tensor", check_default },
		{ "allow_ragged_batch", check_default },
		{ "optional", check_default },
		{ "is_non_linear_format_io", check_default },
		{ "label_filename", check_default },
	};

	return check_object(config, "it", value, rules, ARRAY_SIZE(rules), reterr);
}

static int check_tensor(const struct config *config, yyjson_val *value,
			struct tensock_error *reterr)
{
	yyjson_val *name, *data_type, *dims;
	const struct json_field fields[] = {
		{ "name", &name },
		{ "data_type", &data_type },
		{ "dims", &dims },
	};
	const struct tsk_tensor_info *tensor;
	int r = check_tensor_fields(config, value, reterr);

	if (r == 0)
		r = json_get_fields(value, "it", fields, ARRAY_SIZE(fields), reterr);
	if (r < 0)
		return r;
	if (!name || yyjson_get_len(name) == 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "'name' is missing");
	tensor = find_tensor(config, name);
	if (!tensor && config->info)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "the model has no %s '%.64s'",
				config->what, yyjson_get_str(name));
	if (data_type)
		r = check_data_type(tensor, data_type, reterr);
	return r < 0 || !dims ? r : check_dims(tensor, dims, reterr);
}

static int check_tensors(const struct config *config, yyjson_val *value,
			 struct tensock_error *reterr)
{
	yyjson_val *each;
	size_t i, n;
	int r = json_get_array(value, "its list", TSK_MODEL_TENSORS_MAX, reterr);

	if (r < 0)
		return r;
	yyjson_arr_foreach(value, i, n, each)
	{
		r = check_tensor(config, each, reterr);
		if (r < 0) {
			tsk_error_prefix(reterr, "%s %zu of the model's configuration",
					 config->what, i);
			break;
		}
	}
	return r;
}

static int check_inputs(const struct config *config, const char *key, yyjson_val *value,
			struct tensock_error *reterr)
{
	struct config inputs = *config;

	inputs.what = key;
	inputs.tensors = config->info ? config->info->inputs : NULL;
	inputs.n_tensors = config->info ? config->info->n_inputs : 0;
	return check_tensors(&inputs, value, reterr);
}

static int check_outputs(const struct config *config, const char *key, yyjson_val *value,
			 struct tensock_error *reterr)
{
	struct config outputs = *config;

	outputs.what = key;
	outputs.tensors = config->info ? config->info->outputs : NULL;
	outputs.n_tensors = config->info ? config->info->n_outputs : 0;
	return check_tensors(&outputs, value, reterr);
}

int oip_config_check(struct wire_string text, const char *name, const struct tsk_model_info *info,
		     struct tensock_error *reterr)
{
	static const struct rule rules[] = {
		{ "name", check_name },
		{ "platform", check_platform },
		{ "backend", check_backend },
		{ "runtime", check_default },
		{ "version_policy", check_version_policy },
		{ "max_batch_size", check_default },
		{ "input", check_inputs },
		{ "output", check_outputs },
		{ "batch_input", check_default },
		{ "batch_output", check_default },
		{ "optimization", check_optimization },
		{ "dynamic_batching", check_missing },
		{ "sequence_batching", check_missing },
		{ "ensemble_scheduling", check_missing },
		{ "instance_group", check_groups },
		{ "default_model_filename", check_string },
		{ "cc_model_filenames", check_default },
		{ "metric_tags", check_default },
		{ "parameters", check_default },
		{ "model_warmup", check_default },
		{ "model_operations", check_default },
		{ "model_transaction_policy", check_transactions },
		{ "model_repository_agents", check_default },
		{ "response_cache", check_cache },
		{ "model_metrics", check_default },
	};
	struct config config = { .name = name, .info = info };
	_cleanup_(json_document_done) struct json_document document = { 0 };
	int r = json_document_read(text.bytes, text.len, &document, reterr);

	static_assert(ARRAY_SIZE(rules) <= RULES_MAX, "more fields than are remembered");
	if (r < 0) {
		tsk_error_prefix(reterr, "the model's configuration");
		return r;
	}
	return check_object(&config, "the model's configuration", document.root, rules,
			    ARRAY_SIZE(rules), reterr);
}
