/* SPDX-License-Identifier: Apache-2.0 */
#include "front/oip_told.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "front/labels.h"
#include "front/models.h"

const char *const oip_extensions[] = {
	"classification",      "model_repository",     "model_repository(unload_dependents)",
	"model_configuration", "system_shared_memory", "binary_tensor_data",
	"parameters",          "statistics",           NULL,
};

static int no_memory(struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the answer");
}

static struct oip_model_view told_of(const struct oip_model *m, const char *const *versions)
{
	struct model_view view;

	models_view(m->model, &view);
	return (struct oip_model_view){
		.name = m->label ? m->name : m->digits,
		.version = m->version,
		.versions = versions,
		.info = m->info,
		.stats = m->stats,
		.state = m->is_ready    ? "READY"
			 : m->reason[0] ? "UNAVAILABLE"
					: "LOADING",
		.reason = m->reason,
		.memory = view.memory,
	};
}

/* Room for n of them. */
static int make_room(struct oip_told *told, size_t n, struct tensock_error *reterr)
{
	*told = (struct oip_told){
		.models = calloc(n + 1, sizeof(*told->models)),
		.found = calloc(n + 1, sizeof(*told->found)),
		.versions = calloc(n + 1, sizeof(*told->versions)),
		.room = n,
	};
	return told->models && told->found && told->versions ? 0 : no_memory(reterr);
}

static size_t count(struct guest *guest)
{
	struct oip_model m = { 0 };
	size_t n = 0;

	while (oip_next(guest, &m))
		n++;
	return n;
}

/* Of all those of this name. */
static void find_versions(struct guest *guest, const char *name, struct oip_told *told)
{
	struct oip_model m = { 0 };
	size_t n = 0;

	while (n < told->room && oip_next(guest, &m)) {
		if (m.label && strcmp(m.name, name) == 0)
			told->versions[n++] = m.version;
	}
}

int oip_told_one(struct guest *guest, struct wire_string name, struct wire_string version,
		 bool must_be_described, struct oip_told *ret, struct tensock_error *reterr)
{
	struct oip_model *m;
	int r = make_room(ret, count(guest) + 1, reterr);

	if (r < 0)
		return r;
	m = &ret->found[0];
	r = oip_find(guest, name, version, m, reterr);
	if (r < 0)
		return r;
	if (must_be_described && !m->info)
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE,
				"Request for unknown model: '%.64s' is not ready yet", m->name);
	if (m->label)
		find_versions(guest, m->name, ret);
	else
		ret->versions[0] = m->version;
	ret->models[0] = told_of(m, ret->versions);
	ret->n = 1;
	return 0;
}

int oip_told_all(struct guest *guest, struct wire_string name, bool ready, struct oip_told *ret,
		 struct tensock_error *reterr)
{
	struct oip_model m = { 0 };
	int r = make_room(ret, count(guest), reterr);

	if (r < 0)
		return r;
	while (ret->n < ret->room && oip_next(guest, &m)) {
		if ((ready && !m.is_ready) || (name.len && !wire_string_equals(name, m.name)))
			continue;
		ret->found[ret->n] = m;
		ret->models[ret->n] = told_of(&ret->found[ret->n], NULL);
		ret->n++;
	}
	return 0;
}

int oip_told_stats(struct guest *guest, struct wire_string name, struct wire_string version,
		   struct oip_told *ret, struct tensock_error *reterr)
{
	int r;

	if (version.len)
		return oip_told_one(guest, name, version, false, ret, reterr);
	r = oip_told_all(guest, name, false, ret, reterr);
	if (r < 0 || !name.len || ret->n)
		return r;
	/* It may be named by its hash. */
	oip_told_done(ret);
	return oip_told_one(guest, name, version, false, ret, reterr);
}

void oip_told_done(struct oip_told *told)
{
	free(told->models);
	free(told->found);
	free(told->versions);
	*told = (struct oip_told){ 0 };
}
