/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/translate.h"

#include <stdlib.h>

#include "base/checked.h"
#include "base/status.h"
#include "translate/graph.h"
#include "translate/mindir/mindir.h"
#include "translate/ms/ms.h"
#include "translate/onnx_file.h"

/* What the graph and the file may take, each. */
#define MEMORY_FACTOR 2u
#define MEMORY_BASE ((size_t)32 << 20)

static void graph_donep(struct onnx_graph *graph)
{
	onnx_graph_done(graph);
}

static int build(const void *bytes, size_t n_bytes, struct onnx_graph *graph,
		 struct tensock_error *reterr)
{
	switch (model_format(bytes, n_bytes)) {
	case MODEL_FORMAT_MINDIR:
		return mindir_translate(bytes, n_bytes, graph, reterr);
	case MODEL_FORMAT_MS:
		return ms_translate(bytes, n_bytes, graph, reterr);
	default:
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"neither a .ms nor a .mindir model");
	}
}

int translate(const void *bytes, size_t n_bytes, struct translation *ret,
	      struct tensock_error *reterr)
{
	_cleanup_(graph_donep) struct onnx_graph graph = { 0 };
	size_t memory;
	int r;

	if (!tsk_mul(n_bytes, (size_t)MEMORY_FACTOR, &memory) ||
	    !tsk_add(memory, MEMORY_BASE, &memory))
		return tsk_fail(reterr, TENSOCK_TOO_LARGE, "the model is too large");
	onnx_graph_init(&graph, memory);
	r = build(bytes, n_bytes, &graph, reterr);
	/* A graph that has failed knows better why than those who went on building. */
	if (r < 0 && !graph.failed)
		return r;
	if (!graph.failed)
		onnx_prune(&graph);
	return onnx_file_write(&graph, memory, &ret->onnx, &ret->n_bytes, reterr);
}

void translation_done(struct translation *translation)
{
	free(translation->onnx);
	*translation = (struct translation){ 0 };
}
