/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/engines.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "supervisor/setting.h"

static const struct {
	const char *name;
	bool has_library; /* comes with Tensock */
} built_in[] = {
	{ "onnxruntime", true },
	{ "mindspore_lite", false },
};

static int built_in_index(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(built_in); i++) {
		if (strcmp(built_in[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

const struct engine *engines_find(const struct engines *engines, const char *name)
{
	for (unsigned i = 0; i < engines->n; i++) {
		if (strcmp(engines->list[i].name, name) == 0)
			return &engines->list[i];
	}
	return NULL;
}

/* There is room, or an error. */
static int append(struct engines *engines, const struct engine *engine,
		  struct tensock_error *reterr)
{
	if (engines->n == ENGINES_MAX)
		return tsk_fail(reterr, TENSOCK_LIMIT_REACHED, "there are more than %u engines",
				ENGINES_MAX);
	engines->list[engines->n++] = *engine;
	return 0;
}

static struct engine unset(const char *name)
{
	struct engine engine = { .fp16 = -1, .enabled = -1, .generates_code = -1 };

	snprintf(engine.name, sizeof(engine.name), "%s", name);
	return engine;
}

int engines_begin(struct engines *engines, const char *name, struct tensock_error *reterr)
{
	struct engine engine = unset("");
	int r = setting_text("the engine's name", name, engine.name, sizeof(engine.name), reterr);

	if (r < 0)
		return r;
	if (engines_find(engines, name))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "[engine %s] is there twice",
				name);
	return append(engines, &engine, reterr);
}

int engines_set(struct engines *engines, const char *key, const char *value,
		struct tensock_error *reterr)
{
	struct engine *e = &engines->list[engines->n - 1];

	if (strcmp(key, "plugin") == 0)
		return setting_text(key, value, e->plugin, sizeof(e->plugin), reterr);
	if (strcmp(key, "library") == 0)
		return setting_text(key, value, e->library, sizeof(e->library), reterr);
	if (strcmp(key, "threads") == 0)
		return setting_number(key, value, 1, ENGINES_THREADS_MAX, &e->threads, reterr);
	if (strcmp(key, "parallel") == 0)
		return setting_number(key, value, 1, ENGINES_PARALLEL_MAX, &e->parallel, reterr);
	if (strcmp(key, "fp16") == 0)
		return setting_bool(key, value, &e->fp16, reterr);
	if (strcmp(key, "generates-code") == 0)
		return setting_bool(key, value, &e->generates_code, reterr);
	if (strcmp(key, "enabled") == 0)
		return setting_bool(key, value, &e->enabled, reterr);
	return 1;
}

int engines_add_only(struct engines *engines, const char *name, struct tensock_error *reterr)
{
	char(*place)[FRONT_NAME_SIZE] = &engines->only[engines->n_only];

	for (unsigned i = 0; i < engines->n_only; i++) {
		if (strcmp(engines->only[i], name) == 0)
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%.80s is given twice",
					name);
	}
	if (engines->n_only == ENGINES_MAX)
		return tsk_fail(reterr, TENSOCK_LIMIT_REACHED, "there are more than %u engines",
				ENGINES_MAX);
	(*place)[0] = '\0';
	if (setting_text("the engine's name", name, *place, sizeof(*place), reterr) < 0)
		return -EINVAL;
	engines->n_only++;
	return 0;
}

/* "onnxruntime, mindspore_lite, mine" */
static void list_names(const struct engines *engines, char *ret, size_t size)
{
	size_t len = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(built_in) && len < size; i++)
		len += (size_t)snprintf(ret + len, size - len, "%s%s", i ? ", " : "",
					built_in[i].name);
	for (unsigned i = 0; i < engines->n && len < size; i++) {
		if (built_in_index(engines->list[i].name) < 0)
			len += (size_t)snprintf(ret + len, size - len, ", %s",
						engines->list[i].name);
	}
}

/* What --engine names, whether a section disables it or not: who names it wants it, or an error. */
static int select_only(const struct engines *engines, struct engines *ret,
		       struct tensock_error *reterr)
{
	int r = 0;

	for (unsigned i = 0; i < engines->n_only && r == 0; i++) {
		const char *name = engines->only[i];
		const struct engine *section = engines_find(engines, name);
		struct engine engine = section ? *section : unset(name);
		char names[200];

		if (!section && built_in_index(name) < 0) {
			list_names(engines, names, sizeof(names));
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"there is no engine %.40s; there are %s", name, names);
		}
		r = append(ret, &engine, reterr);
	}
	return r;
}

static int append_built_in(const struct engines *engines, struct engines *ret,
			   struct tensock_error *reterr)
{
	int r = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(built_in) && r == 0; i++) {
		struct engine engine = unset(built_in[i].name);

		if (!engines_find(engines, engine.name))
			r = append(ret, &engine, reterr);
	}
	return r;
}

static int select_enabled(const struct engines *engines, struct engines *ret,
			  struct tensock_error *reterr)
{
	bool has_own = false;
	int r = 0;

	for (unsigned i = 0; i < engines->n && r == 0; i++) {
		if (engines->list[i].enabled == 0)
			continue;
		has_own = has_own || engines->list[i].plugin[0];
		r = append(ret, &engines->list[i], reterr);
	}
	if (r == 0 && !has_own)
		r = append_built_in(engines, ret, reterr);
	for (unsigned i = 0; i < ret->n; i++) {
		int at = built_in_index(ret->list[i].name);

		ret->list[i].may_be_missing = at >= 0 && !built_in[at].has_library &&
					      !ret->list[i].plugin[0] && !ret->list[i].library[0];
	}
	return r;
}

static int check(const struct engine *engine, struct tensock_error *reterr)
{
	if (engine->plugin[0] || built_in_index(engine->name) >= 0)
		return 0;
	return tsk_fail(
		reterr, TENSOCK_INVALID_ARGUMENT,
		"[engine %s] has no plugin; name its file, or use [engine onnxruntime] or [engine mindspore_lite]",
		engine->name);
}

int engines_finish(struct engines *engines, struct tensock_error *reterr)
{
	struct engines on = { 0 };
	int r = 0;

	for (unsigned i = 0; i < engines->n && r == 0; i++)
		r = check(&engines->list[i], reterr);
	if (r < 0)
		return r;
	r = engines->n_only ? select_only(engines, &on, reterr)
			    : select_enabled(engines, &on, reterr);
	if (r < 0)
		return r;
	if (!on.n)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"every engine is disabled; leave one on");
	for (unsigned i = 0; i < on.n; i++) {
		if (!on.list[i].threads)
			on.list[i].threads = 1;
	}
	*engines = on;
	return 0;
}
