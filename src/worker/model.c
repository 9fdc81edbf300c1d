/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/model.h"

#include <string.h>

#include "base/memfd.h"
#include "base/status.h"
#include "tensor/model_info.h"
#include "worker/onnx_scan.h"

/* The formats that we check ourselves, by the names that engines give them. */
static const struct {
	const char *format;
	int (*check)(const void *bytes, size_t size, struct tensock_error *reterr);
} checks[] = {
	{ "onnx", onnx_scan },
};

static void unmapp(struct tsk_map *map)
{
	tsk_map_done(map);
}

static int check_format(const struct plugin *plugin, const struct tsk_map *map, const char **ret,
			struct tensock_error *reterr)
{
	const char *format = NULL;

	if (!plugin->engine->probe(map->addr, map->size, &format) || !format)
		return tsk_fail(reterr, TENSOCK_INVALID_MODEL,
				"the bytes are no model of a kind that %s takes",
				plugin->engine->name);
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		int r = 0;

		if (strcmp(checks[i].format, format) == 0)
			r = checks[i].check(map->addr, map->size, reterr);
		if (r < 0)
			return r;
	}
	*ret = format;
	return 0;
}

static int map_model(int fd, uint64_t bytes, struct tsk_map *ret, struct tensock_error *reterr)
{
	uint64_t size;
	int r = tsk_memfd_check(fd, true, &size);

	if (r < 0 || size != bytes)
		return tsk_fail(reterr, TENSOCK_PROTOCOL,
				"the model is not in a frozen memfd of the size that was said");
	if (!size)
		return tsk_fail(reterr, TENSOCK_INVALID_MODEL, "the model is empty");
	r = tsk_map_new(fd, size, false, ret);
	if (r < 0)
		return tsk_fail(reterr, tsk_status_from_errno(-r), "the model cannot be mapped: %s",
				strerror(-r));
	return 0;
}

static bool description_is_valid(const struct tensock_model_description *d)
{
	return d && d->size >= sizeof(*d) && d->n_inputs <= TSK_MODEL_TENSORS_MAX &&
	       d->n_outputs <= TSK_MODEL_TENSORS_MAX && (d->inputs || !d->n_inputs) &&
	       (d->outputs || !d->n_outputs);
}

int model_load(const struct plugin *plugin, int fd, uint64_t bytes, struct model *ret,
	       struct tensock_error *reterr)
{
	_cleanup_(unmapp) struct tsk_map map = { 0 };
	struct model model = { .plugin = plugin };
	struct tensock_error error = { 0 };
	uint32_t status;
	int r;

	r = map_model(fd, bytes, &map, reterr);
	if (r < 0)
		return r;
	r = check_format(plugin, &map, &model.format, reterr);
	if (r < 0)
		return r;
	status = plugin->engine->load(plugin->instance, map.addr, map.size, &model.handle, &error);
	if (status != TENSOCK_OK) {
		r = plugin_failed(status, &error);
		if (reterr)
			*reterr = error;
		return r;
	}
	model.description = plugin->engine->describe(model.handle);
	if (!description_is_valid(model.description)) {
		model_unload(&model);
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"the model has too many inputs or outputs");
	}
	*ret = model;
	return 0;
}

void model_unload(struct model *model)
{
	if (model && model->plugin)
		model->plugin->engine->unload(model->handle);
	if (model)
		*model = (struct model){ 0 };
}

/* Borrows the texts: free the array only.  NULL without memory. */
static struct tsk_tensor_info *borrow_tensors(const struct tensock_tensor_info *from, uint32_t n)
{
	struct tsk_tensor_info *to = calloc(n ? n : 1, sizeof(*to));

	if (!to)
		return NULL;
	for (uint32_t i = 0; i < n; i++) {
		to[i].name = (char *)(uintptr_t)from[i].name;
		to[i].dtype = from[i].dtype;
		to[i].rank = from[i].rank;
		for (uint32_t d = 0; d < from[i].rank && d < TENSOCK_RANK_MAX; d++) {
			to[i].dims[d] = from[i].dims[d];
			to[i].dim_names[d] = (char *)(uintptr_t)from[i].dim_names[d];
		}
	}
	return to;
}

int model_encode(const struct model *model, void *buf, size_t size, size_t *ret_len,
		 struct tensock_error *reterr)
{
	const struct tensock_model_description *d = model->description;
	_cleanup_free_ struct tsk_tensor_info *inputs = borrow_tensors(d->inputs, d->n_inputs);
	_cleanup_free_ struct tsk_tensor_info *outputs = borrow_tensors(d->outputs, d->n_outputs);
	char title[128];
	struct tsk_model_info info = { .engine = title,
				       .format = (char *)(uintptr_t)model->format,
				       .inputs = inputs,
				       .outputs = outputs,
				       .n_inputs = d->n_inputs,
				       .n_outputs = d->n_outputs };
	int r;

	if (!inputs || !outputs)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	plugin_title(model->plugin, title, sizeof(title));
	r = tsk_model_info_encode(&info, buf, size, ret_len);
	if (r == -ENOSPC)
		return tsk_fail(reterr, TENSOCK_TOO_LARGE,
				"the model's description is above %zu bytes", size);
	if (r < 0)
		return tsk_fail(
			reterr, TENSOCK_UNSUPPORTED,
			"a name, type or shape of the model's inputs or outputs is out of bounds");
	return 0;
}
