/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine ABI: how tensock-worker and an inference engine's plug-in meet.
 *
 * A plug-in is a shared object that exports one symbol, tensock_engine_entry(), and links to nothing
 * of Tensock: all that it needs of its host comes in struct tensock_host.  One worker process opens
 * each of the operator's engines once and loads one model, into one of them; a crash of the plug-in
 * ends that process and nothing else.
 *
 * Growth.  Structures that say "append only" begin with their size as their maker was built; members
 * are only ever appended, each under a line that names the version of the ABI that brought it, and
 * are asked for with TENSOCK_HAS().  Those that say "frozen" keep their shape as long as
 * TENSOCK_ENGINE_ABI_MAJOR does, for they stand in arrays.
 *
 * Threads.  Every entry is called from one and the same thread, one at a time, but for those that
 * say "any thread", and for run() where concurrency() allows more.
 *
 * Statuses.  Entries return an enum tensock_status; on any but TENSOCK_OK they fill *reterr and leave
 * every ret_ output untouched.  No entry may end the process, or throw across the border.
 *
 * The seal.  All files an engine needs it opens in open(): afterwards the process is sealed, before it
 * sees a model, and opening anything fails with EACCES; so do sockets, and memory that is to be
 * executable (unless the operator says "generates-code" of the engine).  Threads can be started until
 * load() returns, and no later.  Most system calls are gone then, among them those to sleep by: a
 * thread waits for a condition.  Signals cannot be sent, nor processes started: to try ends this one.
 */
#ifndef TENSOCK_ENGINE_H
#define TENSOCK_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TENSOCK_ENGINE_ABI_MAJOR 1u

/* Whether an append-only structure has a member (which must be a pointer), and it is set. */
#define TENSOCK_HAS(v, member)                                                          \
	((size_t)((const char *)(&(v)->member + 1) - (const char *)(v)) <= (v)->size && \
	 (v)->member != NULL)

enum tensock_log_level {
	TENSOCK_LOG_ERROR = 0,
	TENSOCK_LOG_WARNING = 1,
	TENSOCK_LOG_INFO = 2,
	TENSOCK_LOG_DEBUG = 3
};

/* What a host gives to an engine.  Append only.  Valid until the engine's close() returns. */
struct tensock_host {
	uint32_t size;
	uint32_t abi_major;
	void *context; /* the first argument of each function below */

	/* Mandatory; any thread; does not block; text is copied.  Lines may be dropped by a limit. */
	void (*log)(void *context, uint32_t level, const char *text);

	/*
	 * Mandatory; in open() only.  The operator's setting of that name, or NULL.  Names that every
	 * engine is asked to know: "threads", how many threads one run may use; "library", the file
	 * of the engine proper; "fp16", "yes" or "no", whether it may compute in half precision.  The
	 * text lives as long as the host.
	 */
	const char *(*option)(void *context, const char *name);
	/* end of 1.0 */
};

/* What a model takes and gives.  Append only.  Lives as long as the loaded model. */
struct tensock_model_description {
	uint32_t size;
	uint32_t n_inputs, n_outputs; /* at most 1024 each */
	uint32_t reserved;            /* 0 */
	const struct tensock_tensor_info *inputs, *outputs;
	/* end of 1.0 */
};

/*
 * A tensor.  Frozen.  Elements lie dense, outermost dimension first.  TENSOCK_BYTES: each element a
 * u32 little-endian length, then its bytes; whoever reads them checks every length against `bytes`,
 * and reads each once: another process may write there.
 */
struct tensock_tensor {
	uint32_t index; /* into the description's inputs or outputs */
	uint32_t dtype; /* enum tensock_dtype */
	uint32_t rank;
	uint32_t reserved; /* 0 */
	int64_t dims[TENSOCK_RANK_MAX];
	void *data;
	uint64_t bytes;

	/* Ends the life of data that its maker allocated: whoever took the tensor calls it once, on
	 * any thread where the model's concurrency is above 1.  NULL where there is nothing to
	 * release.  private_data is the maker's. */
	void (*release)(struct tensock_tensor *tensor);
	void *private_data;
};

/* A plug-in.  Append only; never reorder. */
struct tensock_engine {
	uint32_t size;
	uint32_t abi_major; /* TENSOCK_ENGINE_ABI_MAJOR: the host refuses any other */
	const char *name;   /* "onnxruntime" */

	/*
	 * Mandatory; any thread, also before open(); does not block.  Looks at a model's bytes (all of
	 * them, read-only) and says how likely this engine takes them: 0 no, 100 surely.  Above 0,
	 * *ret_format is a literal that names their format: "onnx", "ms" ...  The host has its own
	 * checks for the formats that it knows, and makes them before load().
	 */
	uint32_t (*probe)(const void *bytes, uint64_t n_bytes, const char **ret_format);

	/*
	 * Mandatory; once a process; may block, open files, start threads.  *host outlives the engine.
	 * Statuses: UNAVAILABLE when the engine proper is missing, UNSUPPORTED when it is too old,
	 * INVALID_ARGUMENT for an option.
	 */
	uint32_t (*open)(const struct tensock_host *host, void **ret_engine,
			 struct tensock_error *reterr);

	/* Mandatory; once; no model is loaded any more.  Accepts NULL. */
	void (*close)(void *engine);

	/* Mandatory; does not block.  Of the engine proper: "1.28.0".  Lives as long as the engine. */
	const char *(*version)(void *engine);

	/*
	 * Mandatory; may take long; opens no file.  The bytes are the host's and gone when this
	 * returns.  The model is hostile.  Statuses: INVALID_MODEL, UNSUPPORTED (an operator or type
	 * that the engine lacks), OUT_OF_MEMORY, ENGINE_FAILED.
	 */
	uint32_t (*load)(void *engine, const void *bytes, uint64_t n_bytes, void **ret_model,
			 struct tensock_error *reterr);

	/* Mandatory; once a model; no run is under way.  Accepts NULL. */
	void (*unload)(void *model);

	/* Mandatory; does not block, does not fail.  The model's, unchanged until unload(). */
	const struct tensock_model_description *(*describe)(void *model);

	/*
	 * Mandatory; may take long.  Runs the model once.  Several at once, each on a thread of its
	 * own, only where concurrency() says so.
	 *
	 * run_id: not 0, another for each run of a model; cancel() names it.  A run that failed with
	 * outputs in place may be tried once more without, under the same run_id.
	 * inputs: the host's, aligned to 64 bytes, read-only, each index at most once, checked against
	 * the description; an index that is missing is for the engine to judge.
	 * outputs: one for each that is wanted.  Where `data` is set, dtype, rank, dims and bytes are
	 * too, and the engine writes there, or fails when its result has another shape.  Where it is
	 * NULL, the engine sets all members but index, and `release` with data of its own.  After a
	 * failure nothing is to be released.
	 * Statuses: INVALID_ARGUMENT (an input does not fit), CANCELLED, OUT_OF_MEMORY, ENGINE_FAILED.
	 */
	uint32_t (*run)(void *model, uint64_t run_id, const struct tensock_tensor *inputs,
			uint32_t n_inputs, struct tensock_tensor *outputs, uint32_t n_outputs,
			struct tensock_error *reterr);

	/*
	 * Optional; any thread, at any time between load() and unload(); does not block; idempotent.
	 * Ends that run, and no other, as soon as the engine can: it then returns CANCELLED.  A run_id
	 * that has not begun is remembered (the latest ones, as many as may run at once), one that has
	 * ended does nothing.
	 */
	void (*cancel)(void *model, uint64_t run_id);
	/* end of 1.0 */

	/*
	 * Optional; does not block, does not fail; the same as long as the model is loaded.  How many
	 * runs of this model may be under way at once, each on a thread of the host's.  0 and 1, as
	 * without this entry: one, and always on the one thread.  UINT32_MAX: as many as the host
	 * likes.  A host may keep to fewer.
	 */
	uint32_t (*concurrency)(void *model);
	/* end of 1.1 */
};

/*
 * The one exported symbol.  Any thread, before anything else; does not fail; the result is valid as
 * long as the plug-in is.
 */
#define TENSOCK_ENGINE_ENTRY "tensock_engine_entry"
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const struct tensock_engine *
tensock_engine_entry(void);

#ifdef __cplusplus
}
#endif

#endif
