/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/model.h"

#include <string.h>

#include "base/memfd.h"
#include "base/status.h"
#include "tensor/model_info.h"
#include "worker/choice.h"

static void unmapp(struct tsk_map *map)
{
	tsk_map_done(map);
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

int model_load(const struct engines *engines, int fd, uint64_t bytes, struct model *ret,
	       struct tensock_error *reterr)
{
	_cleanup_(unmapp) struct tsk_map map = { 0 };
	int r = map_model(fd, bytes, &map, reterr);

	return r < 0 ? r : choice_load(engines, map.addr, map.size, ret, reterr);
}

void model_unload(struct model *model)
{
	if (model && model->plugin)
		model->plugin->engine->unload(model->handle);
	if (model)
		*model = (struct model){ 0 };
}

unsigned model_parallel(const struct model *model)
{
	const struct tensock_engine *engine = model->plugin->engine;
	uint32_t n = TENSOCK_HAS(engine, concurrency) ? engine->concurrency(model->handle) : 1;

	if (n > model->plugin->parallel)
		n = model->plugin->parallel;
	return n ? n : 1;
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

	if (model->operators[0])
		info.operators = (char *)(uintptr_t)model->operators;
	if (!inputs || !outputs)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	plugin_title(model->plugin, title, sizeof(title));
	r = tsk_model_info_encode(&info, buf, size, ret_len);
	if (r == -ENOSPC && info.operators) {
		info.operators = NULL;
		r = tsk_model_info_encode(&info, buf, size, ret_len);
	}
	if (r == -ENOSPC)
		return tsk_fail(reterr, TENSOCK_TOO_LARGE,
				"the model's description is above %zu bytes", size);
	if (r < 0)
		return tsk_fail(
			reterr, TENSOCK_UNSUPPORTED,
			"a name, type or shape of the model's inputs or outputs is out of bounds");
	return 0;
}
