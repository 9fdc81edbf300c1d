/* SPDX-License-Identifier: Apache-2.0 */
/* The plug-in's pieces.  One process has one engine. */
#ifndef ENGINE_ONNXRUNTIME_ORT_H
#define ENGINE_ONNXRUNTIME_ORT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <onnxruntime_c_api.h>

#include <tensock/engine.h>

/* The engine: ONNX Runtime's library and its environment. */
struct ort {
	const struct tensock_host *host;
	const OrtApi *api;
	const char *version; /* the library's own */
	OrtEnv *env;
	OrtMemoryInfo *cpu;
	OrtAllocator *allocator;   /* the default one; not to be freed */
	struct ort_arenas *arenas; /* NULL: all runs share the library's one */
	int threads;
};

/* Of those that were named by a cancel and do not run. */
#define ORT_CANCELLED_MAX 64u

/* What one run needs for itself.  The first four are under the model's mutex. */
struct ort_run {
	struct ort_run *next;
	uint64_t id; /* 0: it is free */
	bool is_cancelled;
	unsigned number; /* of the model's, from 0 */
	OrtRunOptions *options;
	const char **input_names, **output_names; /* for Run: the description's texts */
	OrtValue **in_values, **out_values;
};

/* A loaded model. */
struct ort_model {
	struct ort *ort; /* borrowed */
	OrtSession *session;
	struct tensock_model_description description;
	struct tensock_tensor_info *inputs, *outputs; /* description points here; texts are ours */

	pthread_mutex_t mutex; /* of the rest: between runs and cancels */
	struct ort_run *runs;  /* as many as were ever under way at once; they go with the model */
	uint64_t cancelled[ORT_CANCELLED_MAX]; /* the latest: a ring */
	unsigned n_cancelled;
};

/* library.c: finds, loads and asks the library.  Never unloads it. */
uint32_t ort_library_open(const struct tensock_host *host, const OrtApi **ret_api,
			  const char **ret_version, struct tensock_error *reterr);

/* status.c: fills *reterr and returns status. */
__attribute__((format(printf, 3, 4))) uint32_t ort_fail(struct tensock_error *reterr,
							uint32_t status, const char *fmt, ...);

/* TENSOCK_OK for NULL; else translates and frees it. */
uint32_t ort_check(const struct ort *ort, OrtStatus *status, struct tensock_error *reterr);

/* dtype.c: TENSOCK_DTYPE_INVALID, or UNDEFINED, for what the other side lacks. */
uint32_t ort_dtype_to_tensock(ONNXTensorElementDataType type);
ONNXTensorElementDataType ort_dtype_from_tensock(uint32_t dtype);
unsigned ort_dtype_bits(uint32_t dtype); /* 0 for TENSOCK_BYTES */

/* describe.c: fills inputs, outputs and description of a model with a session. */
uint32_t ort_describe(struct ort_model *model, struct tensock_error *reterr);
void ort_describe_done(struct ort_model *model);

/* model.c */
uint32_t ort_load(void *engine, const void *bytes, uint64_t n_bytes, void **ret_model,
		  struct tensock_error *reterr);
void ort_unload(void *model);

/*
 * warm.c: a session of almost nothing.  The library sets itself up with its first one (schemas,
 * kernels): the one that a guest waits for then takes 26 ms instead of 29 (a 0.6 MB model, best
 * eight of 15), and a worker's life from start to answer is no longer.
 */
uint32_t ort_load_tiny(struct ort *ort, void **ret_model, struct tensock_error *reterr);

/*
 * Reads what the library reads when a model or a line of its log asks for it: then it is too late to open
 * files.  The C library keeps it.
 */
void ort_read_files(void);

/*
 * arenas.c: the memory of all sessions, an arena for each run that is under way at once, as many as there
 * are processors for (eight at most; more runs share).  With one arena for all, the runs wait for
 * its lock: two of a small model, 220 pieces each, did no more in a second than one (docs/benchmarks.md).
 * What a run leaves of an arena serves the next run of it; nothing goes back before the end.
 */
uint32_t ort_arenas_start(struct ort *ort, struct tensock_error *reterr);

/* No session is left.  arenas may be NULL. */
void ort_arenas_free(const struct ort *ort, struct ort_arenas *arenas);

/* What this thread takes from here on is of the run's arena, by its number; 0 is also that of loading. */
void ort_arenas_use(unsigned run);

/* value.c: a tensor as ONNX Runtime wants it, over the tensor's memory where the type allows. */
uint32_t ort_value_new(const struct ort *ort, const struct tensock_tensor *tensor, OrtValue **ret,
		       struct tensock_error *reterr);

/* Takes *value over: its memory becomes the tensor's data, index is kept. */
uint32_t ort_value_to_tensor(const struct ort *ort, OrtValue **value, struct tensock_tensor *tensor,
			     struct tensock_error *reterr);

/* run.c */
uint32_t ort_run_new(struct ort_model *model, struct ort_run **ret, struct tensock_error *reterr);
void ort_run_free(struct ort_model *model, struct ort_run *run);
uint32_t ort_run(void *model, uint64_t run_id, const struct tensock_tensor *inputs,
		 uint32_t n_inputs, struct tensock_tensor *outputs, uint32_t n_outputs,
		 struct tensock_error *reterr);
void ort_cancel(void *model, uint64_t run_id);

#endif
