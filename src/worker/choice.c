/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/choice.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "tensor/model_info.h"
#include "translate/translate.h"
#include "worker/onnx_scan.h"

/* The formats that we know, what people call them, what they begin like, and how we check them ourselves. */
static const struct {
	const char *text;
	const char *sample;
	size_t sample_bytes;
	int (*check)(const void *bytes, size_t size, struct tensock_error *reterr);
} formats[MODEL_FORMAT_MAX] = {
	[MODEL_FORMAT_ONNX] = { "ONNX", "\x08\x08\x3a\x00", 4, onnx_scan },
	[MODEL_FORMAT_MINDIR] = { "MindSpore's .mindir", "\x0a\x03\x31.1", 5, NULL },
	[MODEL_FORMAT_MS] = { "MindSpore's .ms", "\x10\0\0\0MSL2", 8, NULL },
};

#define FORMAT_FIRST (MODEL_FORMAT_UNKNOWN + 1)

/* An engine that takes some bytes. */
struct candidate {
	const struct plugin *plugin;
	const char *format; /* a literal of the engine's */
	uint32_t score;
};

/* What was tried, as the one who asked hears of it. */
struct refusals {
	unsigned n;
	struct tensock_error last;
	char last_by[80]; /* who that was */
	char before[120]; /* what was before it, told briefly */
};

static void refuse(struct refusals *refusals, const char *by, const struct tensock_error *error)
{
	size_t len = strlen(refusals->before);

	if (refusals->n++)
		snprintf(refusals->before + len, sizeof(refusals->before) - len, "%s: %.80s; ",
			 refusals->last_by, refusals->last.message);
	snprintf(refusals->last_by, sizeof(refusals->last_by), "%s", by);
	refusals->last = *error;
}

/* One refusal speaks for itself. */
static int tell(const struct refusals *refusals, struct tensock_error *reterr)
{
	enum tensock_status status = (enum tensock_status)refusals->last.status;

	if (refusals->n == 1)
		return tsk_fail(reterr, status, "%s", refusals->last.message);
	return tsk_fail(reterr, status, "%s%s: %s", refusals->before, refusals->last_by,
			refusals->last.message);
}

static uint32_t probe(const struct plugin *plugin, const void *bytes, size_t n_bytes,
		      const char **ret_format)
{
	uint32_t score;

	*ret_format = NULL;
	score = plugin->engine->probe(bytes, n_bytes, ret_format);
	return *ret_format ? score : 0;
}

/* Of an engine's word; UNKNOWN for a format of its own. */
static enum model_format format_of(const char *word)
{
	for (unsigned i = FORMAT_FIRST; i < MODEL_FORMAT_MAX; i++) {
		if (strcmp(model_format_name(i), word) == 0)
			return i;
	}
	return MODEL_FORMAT_UNKNOWN;
}

/* Whether an engine's word for a format is that of another one than we see ourselves. */
static bool is_other(enum model_format format, const char *word)
{
	enum model_format said = format_of(word);

	return format != MODEL_FORMAT_UNKNOWN && said != MODEL_FORMAT_UNKNOWN && said != format;
}

/* The best first; equals in the operator's order. */
static unsigned find(const struct engines *engines, const void *bytes, size_t n_bytes,
		     enum model_format format, struct candidate ret[ENGINES_MAX])
{
	unsigned n = 0;

	for (unsigned i = 0; i < engines->n; i++) {
		struct candidate c = { .plugin = &engines->plugins[i] };
		unsigned at = n;

		c.score = probe(c.plugin, bytes, n_bytes, &c.format);
		if (!c.score || is_other(format, c.format))
			continue;
		for (; at > 0 && ret[at - 1].score < c.score; at--)
			ret[at] = ret[at - 1];
		ret[at] = c;
		n++;
	}
	return n;
}

static int check(const char *word, const void *bytes, size_t n_bytes, struct tensock_error *reterr)
{
	enum model_format format = format_of(word);

	return formats[format].check ? formats[format].check(bytes, n_bytes, reterr) : 0;
}

static bool description_is_valid(const struct tensock_model_description *d)
{
	return d && d->size >= sizeof(*d) && d->n_inputs <= TSK_MODEL_TENSORS_MAX &&
	       d->n_outputs <= TSK_MODEL_TENSORS_MAX && (d->inputs || !d->n_inputs) &&
	       (d->outputs || !d->n_outputs);
}

static int load(const struct candidate *candidate, const void *bytes, size_t n_bytes,
		struct model *ret, struct tensock_error *reterr)
{
	const struct plugin *plugin = candidate->plugin;
	struct model model = { .plugin = plugin };
	int r = check(candidate->format, bytes, n_bytes, reterr);
	uint32_t status;

	if (r < 0)
		return r;
	status = plugin->engine->load(plugin->instance, bytes, n_bytes, &model.handle, reterr);
	if (status != TENSOCK_OK)
		return plugin_failed(status, reterr);
	model.description = plugin->engine->describe(model.handle);
	if (!description_is_valid(model.description)) {
		model_unload(&model);
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"the model has too many inputs or outputs");
	}
	snprintf(model.format, sizeof(model.format), "%s", candidate->format);
	if (!operators_of(bytes, n_bytes, model.operators))
		model.operators[0] = '\0';
	*ret = model;
	return 0;
}

/* By the first of the engines that does; by: who refuses when it does not, NULL for its name. */
static int load_by_any(const struct engines *engines, const void *bytes, size_t n_bytes,
		       enum model_format format, const char *by, struct model *ret,
		       struct refusals *refusals)
{
	struct candidate candidates[ENGINES_MAX];
	unsigned n = find(engines, bytes, n_bytes, format, candidates);
	int r = -ENOENT;

	for (unsigned i = 0; i < n; i++) {
		const char *name = candidates[i].plugin->engine->name;
		struct tensock_error error = { 0 };

		r = load(&candidates[i], bytes, n_bytes, ret, &error);
		if (r == 0)
			return 0;
		refuse(refusals, by ? by : name, &error);
		if (error.status == TENSOCK_OUT_OF_MEMORY)
			break;
	}
	return r;
}

static bool is_taken(const struct engines *engines, enum model_format format)
{
	const char *word;

	for (unsigned i = 0; i < engines->n; i++) {
		if (probe(&engines->plugins[i], formats[format].sample,
			  formats[format].sample_bytes, &word))
			return true;
	}
	return false;
}

static bool takes_any_known(const struct plugin *plugin)
{
	const char *word;

	for (unsigned i = FORMAT_FIRST; i < MODEL_FORMAT_MAX; i++) {
		if (probe(plugin, formats[i].sample, formats[i].sample_bytes, &word))
			return true;
	}
	return false;
}

/* "ONNX, MindSpore's .mindir, MindSpore's .ms" */
static void list_formats(const struct engines *engines, char *ret, size_t size)
{
	bool translates = is_taken(engines, MODEL_FORMAT_ONNX);
	size_t len = 0;

	for (unsigned i = FORMAT_FIRST; i < MODEL_FORMAT_MAX && len < size; i++) {
		if (translates || is_taken(engines, i))
			len += (size_t)snprintf(ret + len, size - len, "%s%s", len ? ", " : "",
						formats[i].text);
	}
	for (unsigned i = 0; i < engines->n && len < size; i++) {
		if (!takes_any_known(&engines->plugins[i]))
			len += (size_t)snprintf(ret + len, size - len, "%swhat %s takes",
						len ? ", " : "", engines->plugins[i].engine->name);
	}
}

static void refuse_unknown(const struct engines *engines, struct refusals *refusals)
{
	struct tensock_error error;
	char list[160] = "";

	list_formats(engines, list, sizeof(list));
	tsk_fail(&error, TENSOCK_INVALID_MODEL,
		 "the bytes are no model of a kind that this host takes: %s", list);
	refuse(refusals, "", &error);
}

/* As ONNX, by the first of the engines that takes that. */
static int load_translated(const struct engines *engines, const void *bytes, size_t n_bytes,
			   enum model_format format, struct model *ret, struct refusals *refusals)
{
	struct translation onnx = { 0 };
	struct tensock_error error = { 0 };
	int r;

	if (is_taken(engines, MODEL_FORMAT_ONNX))
		r = translate(bytes, n_bytes, &onnx, &error);
	else
		r = tsk_fail(&error, TENSOCK_UNSUPPORTED,
			     "no engine of this host takes ONNX, which a .%s model becomes",
			     model_format_name(format));
	if (r < 0) {
		refuse(refusals, "translation", &error);
		return r;
	}
	r = load_by_any(engines, onnx.onnx, onnx.n_bytes, MODEL_FORMAT_ONNX, "translated to ONNX",
			ret, refusals);
	translation_done(&onnx);
	if (r == 0)
		snprintf(ret->format, sizeof(ret->format), "%s, translated to onnx",
			 model_format_name(format));
	return r;
}

int choice_load(const struct engines *engines, const void *bytes, size_t n_bytes, struct model *ret,
		struct tensock_error *reterr)
{
	struct refusals refusals = { 0 };
	enum model_format format = model_format(bytes, n_bytes);
	int r = load_by_any(engines, bytes, n_bytes, format, NULL, ret, &refusals);

	if (r < 0 && refusals.last.status != TENSOCK_OUT_OF_MEMORY &&
	    format != MODEL_FORMAT_UNKNOWN && format != MODEL_FORMAT_ONNX)
		r = load_translated(engines, bytes, n_bytes, format, ret, &refusals);
	/* Where nobody takes it the answer says all this: a guest must not write two lines for each. */
	if (r == 0 && refusals.n)
		tsk_info("%s%s does not take the model: %s", refusals.before, refusals.last_by,
			 refusals.last.message);
	if (r == 0)
		return 0;
	if (!refusals.n)
		refuse_unknown(engines, &refusals);
	return tell(&refusals, reterr);
}
