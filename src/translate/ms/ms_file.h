/* SPDX-License-Identifier: Apache-2.0 */
/* What a .ms file holds: its tensors and nodes, checked, in an order that runs. */
#ifndef TRANSLATE_MS_MS_FILE_H
#define TRANSLATE_MS_MS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "translate/graph.h"
#include "translate/ms/flatbuffer.h"

#define MS_TENSORS_MAX 65536u
/* For "%.*s": names come long. */
#define MS_TEXT(text) (int)((text).len < 64 ? (text).len : 64), (text).bytes
#define MS_NODES_MAX ONNX_NODES_MAX

enum ms_generation {
	MS_1_0, /* without identifier: the old operators */
	MS_L1,  /* "MSL1": the old operators */
	MS_L2,  /* "MSL2" */
};

/* Tensor.format, and FormatTranspose's */
enum ms_format {
	MS_FORMAT_NCHW = 0,
	MS_FORMAT_NHWC = 1,
};

/* Tensor.weightQuantCompressType */
enum ms_coding {
	MS_CODING_NONE,
	MS_CODING_INDEXING,
	MS_CODING_SPARSE,
	MS_CODING_FSE,
	MS_CODING_BITPACKING,
	MS_CODING_FSE_INT,
	MS_CODING_FSE_INFER,
};

struct ms_tensor {
	uint32_t number;
	int32_t data_type; /* the file's number */
	uint32_t dtype;    /* enum tensock_dtype of it */
	int32_t format;
	int32_t coding;
	bool is_huffman;
	bool is_made;  /* a node writes it */
	bool is_input; /* of the graph */
	struct onnx_text name;
	struct fb_vector dims;         /* int; those of a tensor that a node makes may be stale */
	struct fb_vector data;         /* bytes; none: no constant */
	struct fb_vector quant_params; /* tables */
	struct fb_vector clusters;     /* float */

	/* translate/ms/ms_layout.h's: the tensor's two views, made when they are asked for. */
	struct onnx_value *plain, *nchw;
};

struct ms_node {
	struct onnx_text name;
	uint8_t type;           /* the union's: the operator */
	struct fb_table fields; /* the operator's table */
	struct fb_vector inputs, outputs; /* numbers of tensors: in range */
};

struct ms_file {
	struct flatbuffer flatbuffer;
	enum ms_generation generation;
	struct onnx_text version; /* "MindSpore Lite 1.5.0"; may be empty */
	struct ms_tensor *tensors;
	struct ms_node *nodes; /* each after those whose outputs it reads */
	uint32_t n_tensors, n_nodes;
	struct fb_vector inputs, outputs; /* numbers of tensors: in range */
	uint64_t n_decoded;               /* bytes that coded tensors have become */
	bool is_half; /* it takes FLOAT16: then constants of that type stay so */
};

/*
 * Reads and checks all of it but the operators' own fields: 0, or the -errno of *reterr.  Structures
 * come from the arena; texts and bytes are the file's.
 */
int ms_file_read(struct ms_file *file, const void *bytes, size_t n_bytes, struct tsk_arena *arena,
		 struct tensock_error *reterr) _nodiscard_;

/* The i-th input or output of a node: i must be below their number. */
struct ms_tensor *ms_file_tensor(struct ms_file *file, const struct fb_vector *numbers, uint32_t i);

/* enum tensock_dtype of a dataType; TENSOCK_DTYPE_INVALID for one that is no type of tensors. */
uint32_t ms_dtype(int64_t data_type);

#endif
