/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/ms_file.h"

#include <string.h>

#include "base/status.h"
#include "translate/ms/ms.h"

/* Inputs and outputs of all nodes together: what a small file can say many times over. */
#define EDGES_MAX (1u << 20)

/* Fields by the schema's numbers, which are the same in all generations. */
enum {
	GRAPH_VERSION = 1,
	GRAPH_INPUTS = 3,
	GRAPH_OUTPUTS = 4,
	GRAPH_NODES = 6,
	GRAPH_TENSORS = 7,
	GRAPH_SUBGRAPHS = 8,
	GRAPH_OBFUSCATE = 9,
	GRAPH_OBFUSCATE_DATA = 10,
};

enum {
	SUBGRAPH_INPUTS = 1,
	SUBGRAPH_OUTPUTS = 2,
};

enum {
	NODE_NAME = 0,
	NODE_PRIMITIVE = 2,
	NODE_INPUTS = 3,
	NODE_OUTPUTS = 4,
};

enum {
	PRIMITIVE_TYPE = 0,
	PRIMITIVE_TABLE = 1,
};

enum {
	TENSOR_DATA_TYPE = 1,
	TENSOR_DIMS = 2,
	TENSOR_FORMAT = 3,
	TENSOR_DATA = 6,
	TENSOR_QUANT_PARAMS = 7,
	TENSOR_CLUSTERS = 8,
	TENSOR_NAME = 9,
	TENSOR_HUFFMAN = 10,
	TENSOR_CODING = 11,
	TENSOR_EXTERNAL = 12,
};

static const uint8_t dtypes[] = {
	[30] = TENSOCK_BOOL,    [32] = TENSOCK_INT8,    [33] = TENSOCK_INT16,
	[34] = TENSOCK_INT32,   [35] = TENSOCK_INT64,   [37] = TENSOCK_UINT8,
	[38] = TENSOCK_UINT16,  [39] = TENSOCK_UINT32,  [40] = TENSOCK_UINT64,
	[42] = TENSOCK_FLOAT16, [43] = TENSOCK_FLOAT32, [44] = TENSOCK_FLOAT64,
};

uint32_t ms_dtype(int64_t data_type)
{
	if (data_type < 0 || data_type >= (int64_t)ARRAY_SIZE(dtypes))
		return TENSOCK_DTYPE_INVALID;
	return dtypes[data_type];
}

static struct onnx_text text_of(const struct fb_table *table, unsigned field)
{
	struct fb_vector string = fb_string(table, field);

	return (struct onnx_text){ (const char *)string.bytes, string.n };
}

static int broken(struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_INVALID_MODEL,
			"the .ms file is broken: an offset or a length leads outside; get it anew");
}

static int tell_generation(struct ms_file *file, struct tensock_error *reterr)
{
	const struct flatbuffer *fb = &file->flatbuffer;

	if (fb_has_identifier(fb, "MSL2"))
		file->generation = MS_L2;
	else if (fb_has_identifier(fb, "MSL1"))
		file->generation = MS_L1;
	else if (fb->n_bytes >= 8 && memcmp(fb->bytes + 4, "MSL", 3) == 0)
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"a .ms file of a generation that is not known, \"MSL%c\": write it "
				"by a converter of MindSpore Lite 1.2 to 2.7",
				fb->bytes[7]);
	else
		file->generation = MS_1_0;
	return 0;
}

static int refuse_other_kinds(const struct fb_table *graph, struct tensock_error *reterr)
{
	struct fb_vector subgraphs = fb_vector(graph, GRAPH_SUBGRAPHS, FB_OFFSET);

	if (subgraphs.n > 1)
		return tsk_fail(
			reterr, TENSOCK_UNSUPPORTED,
			"a .ms file of %u subgraphs, that is with control flow (Switch, While, "
			"Partial): convert a model without it",
			subgraphs.n);
	if (fb_bool(graph, GRAPH_OBFUSCATE, false) || fb_vector(graph, GRAPH_OBFUSCATE_DATA, 1).n)
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"an obfuscated .ms file: convert the model without obfuscation");
	return 0;
}

static int read_tensor(const struct fb_table *table, struct ms_tensor *tensor,
		       struct tensock_error *reterr)
{
	tensor->data_type = fb_i32(table, TENSOR_DATA_TYPE, 0);
	tensor->dtype = ms_dtype(tensor->data_type);
	tensor->format = fb_i32(table, TENSOR_FORMAT, 0);
	tensor->coding = fb_i32(table, TENSOR_CODING, MS_CODING_NONE);
	tensor->is_huffman = fb_bool(table, TENSOR_HUFFMAN, false);
	tensor->name = text_of(table, TENSOR_NAME);
	tensor->dims = fb_vector(table, TENSOR_DIMS, 4);
	tensor->data = fb_vector(table, TENSOR_DATA, 1);
	tensor->quant_params = fb_vector(table, TENSOR_QUANT_PARAMS, FB_OFFSET);
	tensor->clusters = fb_vector(table, TENSOR_CLUSTERS, 4);
	if (fb_vector(table, TENSOR_EXTERNAL, FB_OFFSET).n)
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"tensor %u '%.*s' has its data in another file: convert the model "
				"into one file",
				tensor->number, MS_TEXT(tensor->name));
	return 0;
}

static int read_tensors(struct ms_file *file, const struct fb_table *graph, struct tsk_arena *arena,
			struct tensock_error *reterr)
{
	struct fb_vector tables = fb_vector(graph, GRAPH_TENSORS, FB_OFFSET);

	if (tables.n > MS_TENSORS_MAX)
		return tsk_fail(reterr, TENSOCK_TOO_LARGE, "a .ms file of %u tensors, above %u",
				tables.n, MS_TENSORS_MAX);
	file->tensors = tsk_arena_array(arena, tables.n, sizeof(*file->tensors));
	if (!file->tensors)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for %u tensors",
				tables.n);
	file->n_tensors = tables.n;
	for (uint32_t i = 0; i < tables.n; i++) {
		struct fb_table table = fb_table_at(&tables, i);
		int r;

		file->tensors[i].number = i;
		r = read_tensor(&table, &file->tensors[i], reterr);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A list of numbers of tensors. */
static int check_numbers(const struct ms_file *file, const struct fb_vector *numbers,
			 struct tensock_error *reterr)
{
	for (uint32_t i = 0; i < numbers->n; i++) {
		uint32_t number = fb_u32_at(numbers, i);

		if (number >= file->n_tensors)
			return tsk_fail(
				reterr, TENSOCK_INVALID_MODEL,
				"the .ms file is broken: it speaks of tensor %u, and has %u",
				number, file->n_tensors);
	}
	return 0;
}

static int read_interface(struct ms_file *file, const struct fb_table *graph,
			  struct tensock_error *reterr)
{
	struct fb_vector subgraphs = fb_vector(graph, GRAPH_SUBGRAPHS, FB_OFFSET);
	struct fb_table subgraph = fb_table_at(&subgraphs, 0);
	int r;

	file->inputs = fb_vector(graph, GRAPH_INPUTS, 4);
	file->outputs = fb_vector(graph, GRAPH_OUTPUTS, 4);
	if (file->inputs.n == 0)
		file->inputs = fb_vector(&subgraph, SUBGRAPH_INPUTS, 4);
	if (file->outputs.n == 0)
		file->outputs = fb_vector(&subgraph, SUBGRAPH_OUTPUTS, 4);
	if (file->outputs.n == 0 || file->inputs.n > ONNX_NODE_INPUTS_MAX ||
	    file->outputs.n > ONNX_NODE_INPUTS_MAX)
		return tsk_fail(reterr, TENSOCK_INVALID_MODEL,
				"a .ms file of %u inputs and %u outputs: 1 to %u outputs are read",
				file->inputs.n, file->outputs.n, ONNX_NODE_INPUTS_MAX);
	r = check_numbers(file, &file->inputs, reterr);
	if (r == 0)
		r = check_numbers(file, &file->outputs, reterr);
	for (uint32_t i = 0; r == 0 && i < file->inputs.n; i++) {
		struct ms_tensor *tensor = ms_file_tensor(file, &file->inputs, i);

		if (tensor->is_input)
			return tsk_fail(reterr, TENSOCK_INVALID_MODEL,
					"the .ms file is broken: tensor %u is an input twice",
					tensor->number);
		tensor->is_input = true;
		file->is_half = file->is_half || tensor->dtype == TENSOCK_FLOAT16;
	}
	return r;
}

static void read_node(const struct fb_table *table, struct ms_node *node)
{
	struct fb_table primitive = fb_child(table, NODE_PRIMITIVE);

	node->name = text_of(table, NODE_NAME);
	node->inputs = fb_vector(table, NODE_INPUTS, 4);
	node->outputs = fb_vector(table, NODE_OUTPUTS, 4);
	node->type = fb_u8(&primitive, PRIMITIVE_TYPE, 0);
	node->fields = fb_child(&primitive, PRIMITIVE_TABLE);
}

/* Each tensor has one maker at most, which is neither the caller nor the file. */
static int claim_outputs(struct ms_file *file, const struct ms_node *node, uint32_t place,
			 uint32_t *makers, struct tensock_error *reterr)
{
	for (uint32_t i = 0; i < node->outputs.n; i++) {
		struct ms_tensor *tensor = ms_file_tensor(file, &node->outputs, i);

		if (tensor->is_made || tensor->is_input || tensor->data.n)
			return tsk_fail(
				reterr, TENSOCK_INVALID_MODEL,
				"the .ms file is broken: tensor %u, that node %u makes, is %s",
				tensor->number, place,
				tensor->is_made    ? "made by another"
				: tensor->is_input ? "an input"
						   : "a constant");
		tensor->is_made = true;
		makers[tensor->number] = place;
	}
	return 0;
}

static int read_nodes(struct ms_file *file, const struct fb_table *graph, struct ms_node *nodes,
		      uint32_t *makers, struct tensock_error *reterr)
{
	struct fb_vector tables = fb_vector(graph, GRAPH_NODES, FB_OFFSET);
	uint64_t n_edges = 0;

	for (uint32_t i = 0; i < tables.n; i++) {
		struct fb_table table = fb_table_at(&tables, i);
		struct ms_node *node = &nodes[i];
		int r;

		read_node(&table, node);
		n_edges += (uint64_t)node->inputs.n + node->outputs.n;
		if (n_edges > EDGES_MAX || node->inputs.n > ONNX_NODE_INPUTS_MAX ||
		    node->outputs.n > ONNX_NODE_INPUTS_MAX)
			return tsk_fail(reterr, TENSOCK_TOO_LARGE,
					"node %u of the .ms file has %u inputs and %u outputs: too "
					"many, in itself (%u) or of all (%u)",
					i, node->inputs.n, node->outputs.n, ONNX_NODE_INPUTS_MAX,
					EDGES_MAX);
		r = check_numbers(file, &node->inputs, reterr);
		if (r == 0)
			r = check_numbers(file, &node->outputs, reterr);
		if (r == 0)
			r = claim_outputs(file, node, i, makers, reterr);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The walk that puts nodes behind what they read: depth first, in the file's order. */
struct walk {
	struct ms_file *file;
	const struct ms_node *nodes; /* in the file's order */
	const uint32_t *makers;      /* of each tensor that is made */
	unsigned char *states;
	struct {
		uint32_t node, input;
	} * stack;
	uint32_t depth;
};

enum {
	NOT_SEEN,
	UNDER_WAY,
	DONE,
};

static void enter(struct walk *walk, uint32_t node)
{
	walk->states[node] = UNDER_WAY;
	walk->stack[walk->depth].node = node;
	walk->stack[walk->depth].input = 0;
	walk->depth++;
}

static void leave(struct walk *walk)
{
	uint32_t node = walk->stack[--walk->depth].node;

	walk->states[node] = DONE;
	walk->file->nodes[walk->file->n_nodes++] = walk->nodes[node];
}

/* One input of the node on top, or the node itself. */
static int step(struct walk *walk, struct tensock_error *reterr)
{
	uint32_t node = walk->stack[walk->depth - 1].node;
	const struct fb_vector *inputs = &walk->nodes[node].inputs;
	const struct ms_tensor *tensor;
	uint32_t maker;

	if (walk->stack[walk->depth - 1].input == inputs->n) {
		leave(walk);
		return 0;
	}
	tensor = ms_file_tensor(walk->file, inputs, walk->stack[walk->depth - 1].input++);
	if (!tensor->is_made)
		return 0;
	maker = walk->makers[tensor->number];
	if (walk->states[maker] == UNDER_WAY)
		return tsk_fail(
			reterr, TENSOCK_INVALID_MODEL,
			"the .ms file is broken: node %u reads what is made of its own output",
			node);
	if (walk->states[maker] == NOT_SEEN)
		enter(walk, maker);
	return 0;
}

static int sort_nodes(struct walk *walk, uint32_t n_nodes, struct tensock_error *reterr)
{
	for (uint32_t i = 0; i < n_nodes; i++) {
		if (walk->states[i] == NOT_SEEN)
			enter(walk, i);
		while (walk->depth > 0) {
			int r = step(walk, reterr);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int read_and_sort_nodes(struct ms_file *file, const struct fb_table *graph,
			       struct tsk_arena *arena, struct tensock_error *reterr)
{
	uint32_t n = fb_vector(graph, GRAPH_NODES, FB_OFFSET).n;
	struct ms_node *nodes;
	uint32_t *makers;
	struct walk walk = { .file = file };
	int r;

	if (n > MS_NODES_MAX)
		return tsk_fail(reterr, TENSOCK_TOO_LARGE, "a .ms file of %u nodes, above %u", n,
				MS_NODES_MAX);
	nodes = tsk_arena_array(arena, n, sizeof(*nodes));
	file->nodes = tsk_arena_array(arena, n, sizeof(*nodes));
	makers = tsk_arena_array(arena, file->n_tensors, sizeof(*makers));
	walk.states = tsk_arena_array(arena, n, 1);
	walk.stack = tsk_arena_array(arena, n, sizeof(*walk.stack));
	if (!nodes || !file->nodes || !makers || !walk.states || !walk.stack)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for %u nodes", n);
	r = read_nodes(file, graph, nodes, makers, reterr);
	if (r < 0)
		return r;
	walk.nodes = nodes;
	walk.makers = makers;
	return sort_nodes(&walk, n, reterr);
}

int ms_file_read(struct ms_file *file, const void *bytes, size_t n_bytes, struct tsk_arena *arena,
		 struct tensock_error *reterr)
{
	struct fb_table graph;
	int r;

	*file = (struct ms_file){ 0 };
	fb_open(&file->flatbuffer, bytes, n_bytes);
	r = tell_generation(file, reterr);
	if (r < 0)
		return r;
	graph = fb_root(&file->flatbuffer);
	if (file->flatbuffer.bad)
		return broken(reterr);
	file->version = text_of(&graph, GRAPH_VERSION);
	r = refuse_other_kinds(&graph, reterr);
	if (r == 0)
		r = read_tensors(file, &graph, arena, reterr);
	if (r == 0)
		r = read_interface(file, &graph, reterr);
	if (r == 0)
		r = read_and_sort_nodes(file, &graph, arena, reterr);
	if (file->flatbuffer.bad)
		return broken(reterr);
	return r;
}

struct ms_tensor *ms_file_tensor(struct ms_file *file, const struct fb_vector *numbers, uint32_t i)
{
	return &file->tensors[fb_u32_at(numbers, i)];
}

/* A file without identifier is told by what it must have. */
static bool looks_like_graph(const struct fb_table *graph)
{
	static const char writer[] = "MindSpore";
	struct onnx_text version = text_of(graph, GRAPH_VERSION);
	struct fb_vector nodes = fb_vector(graph, GRAPH_NODES, FB_OFFSET);
	struct fb_table node = fb_table_at(&nodes, 0);

	return version.len >= sizeof(writer) - 1 &&
	       memcmp(version.bytes, writer, sizeof(writer) - 1) == 0 &&
	       fb_has(&node, NODE_PRIMITIVE) && fb_vector(graph, GRAPH_TENSORS, FB_OFFSET).n > 0;
}

/* ModelProto: ir_version, a number of one byte, then producer_name, which begins where identifiers stand. */
static bool is_onnx_of_such_a_name(const unsigned char *p)
{
	return p[0] == 0x08 && p[1] < 0x80 && p[2] == 0x12;
}

bool ms_probe(const void *bytes, size_t n_bytes)
{
	struct flatbuffer file;
	struct fb_table graph;

	if (n_bytes < 8)
		return false;
	if (memcmp((const char *)bytes + 4, "MSL", 3) == 0)
		return !is_onnx_of_such_a_name(bytes);
	fb_open(&file, bytes, n_bytes);
	graph = fb_root(&file);
	return looks_like_graph(&graph) && !file.bad;
}
