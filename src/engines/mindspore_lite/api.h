/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MindSpore Lite's C API (2.0 to 2.7), as far as it is used here: found by name at run time, so that no
 * header of theirs is needed.  The names are MS... or, in OpenHarmony's library, OH_AI_...; the functions,
 * and the numbers that they take and give, are the same.
 */
#ifndef ENGINE_MINDSPORE_LITE_API_H
#define ENGINE_MINDSPORE_LITE_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tensock/engine.h>

#define MSLITE_OK 0u
#define MSLITE_MODEL_MINDIR 0u /* MSModelType; of .ms files, too */
#define MSLITE_DEVICE_CPU 0    /* MSDeviceType */
#define MSLITE_RANK_MAX 32u    /* MS_MAX_SHAPE_NUM */

/* MSTensorHandleArray.  The list is the model's. */
struct mslite_tensors {
	size_t n;
	void **list;
};

/* MSShapeInfo */
struct mslite_shape {
	size_t rank;
	int64_t dims[MSLITE_RANK_MAX];
};

/* Handles are void pointers.  Destroying takes the handle's address. */
struct mslite_api {
	void *(*context_create)(void);
	void (*context_destroy)(void **context);
	void (*context_set_threads)(void *context, int32_t n);
	/* Takes the device over. */
	void (*context_add_device)(void *context, void *device);

	void *(*device_create)(int type);
	void (*device_set_fp16)(void *device, bool on);

	void *(*model_create)(void);
	void (*model_destroy)(void **model);
	/* Takes the context over, also when it fails.  Done with the data when it returns. */
	uint32_t (*model_build)(void *model, const void *data, size_t size, uint32_t type,
				void *context);
	uint32_t (*model_resize)(void *model, struct mslite_tensors inputs,
				 struct mslite_shape *shapes, size_t n_shapes);
	/* The last two are called before and after each operator; NULL. */
	uint32_t (*model_predict)(void *model, struct mslite_tensors inputs,
				  struct mslite_tensors *outputs, void (*before)(void),
				  void (*after)(void));
	/* In the graph's order; the tensors are the model's. */
	struct mslite_tensors (*model_inputs)(void *model);
	/* In the order of a hash table. */
	struct mslite_tensors (*model_outputs)(void *model);

	const char *(*tensor_name)(void *tensor);
	int (*tensor_type)(void *tensor);
	const int64_t *(*tensor_shape)(void *tensor, size_t *rank);
	size_t (*tensor_bytes)(void *tensor);
	const void *(*tensor_data)(void *tensor); /* NULL where it has none */
	void *(*tensor_room)(void *tensor);       /* allocates it */

	const char *(*version)(void); /* NULL: no release that we know of has it */
};

/*
 * Finds and loads the library, which is never unloaded: the file that the option "library" names, or
 * libmindspore-lite.so beside this plug-in, or where the system has it.
 */
uint32_t mslite_api_open(const struct tensock_host *host, struct mslite_api *ret,
			 struct tensock_error *reterr);

#endif
