/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libtensock: models and tensors to a host's tensockd, tensors back.
 *
 *	struct tensock_client *client;
 *	struct tensock_model *model;
 *	struct tensock_error error;
 *
 *	tensock_client_new(NULL, NULL, &client, &error);
 *	tensock_push_file(client, "model.onnx", NULL, &model, &error);
 *	tensock_infer(client, model, inputs, 1, outputs, 1, NULL, &error);
 *
 * Results.  Functions that return int return an enum tensock_status.  On any but TENSOCK_OK they fill
 * *reterr (may be NULL) and leave every ret_ output untouched; tensock_status_hint() says what can be
 * done about it.
 *
 * Threads.  A client and its requests belong to one thread at a time; different clients, and models,
 * have nothing to do with each other.  The library starts no thread, handles no signal (and raises no
 * SIGPIPE), keeps no global state and needs nothing but libc.
 *
 * Waiting.  Every blocking function ends at a deadline, also when the host has gone silent without a
 * word, as it does to a VM that was restored from a snapshot: while something is awaited the client
 * asks the host for a sign of life every heartbeat_ms.  A connection that breaks is made again, and
 * what had no answer yet is asked again where that is safe: everything here but a wait in progress
 * is (an inference has no effect but its answer; an upload goes on where it stood).
 *
 * Growth.  Structures that begin with `size` are append only: set it to sizeof, the rest to zero.
 * The others are frozen.  Opaque ones are made and freed here; every free function takes NULL.
 */
#ifndef TENSOCK_TENSOCK_H
#define TENSOCK_TENSOCK_H

#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TENSOCK_API __attribute__((visibility("default")))
#else
#define TENSOCK_API
#endif

struct tensock_client;  /* a connection to one host, made when it is needed */
struct tensock_model;   /* what is known of one model; does not refer to a client */
struct tensock_request; /* something that was asked and is not answered */

/* "0.1.0": of the library. */
TENSOCK_API const char *tensock_version(void);

/* "too-large" · a sentence · what can be done about it, also a sentence.  Never NULL. */
TENSOCK_API const char *tensock_status_name(int status);
TENSOCK_API const char *tensock_status_text(int status);
TENSOCK_API const char *tensock_status_hint(int status);

/* "FP32" · TENSOCK_DTYPE_INVALID for a name that is none · NULL for a number that is none. */
TENSOCK_API const char *tensock_dtype_name(uint32_t dtype);
TENSOCK_API uint32_t tensock_dtype_from_name(const char *name);

/* Bytes of a tensor of fixed-width elements.  INVALID_ARGUMENT for a shape that has none, or BYTES. */
TENSOCK_API int tensock_tensor_bytes(uint32_t dtype, const int64_t *dims, uint32_t rank,
				     uint64_t *ret_bytes);

/*
 * ---- Clients
 */

/* Append only. */
struct tensock_client_options {
	uint32_t size;
	uint32_t connect_timeout_ms; /* for connection and welcome; 0: 10 s */
	/* The longest that a blocking function waits without anything coming or going; 0: 60 s. */
	uint32_t timeout_ms;
	/* Silence after which a sign of life is asked for; as long again without one ends the
	 * connection.  0: 10 s. */
	uint32_t heartbeat_ms;
	uint32_t reconnects_max; /* in a row, without an answer between; 0: 5.  UINT32_MAX: none */
	uint32_t reserved;       /* 0 */
	const char *program;     /* for the host's log; NULL: "libtensock".  At most 40 bytes */
	/* end of 1.0 */
};

/*
 * address: "vsock:CID:PORT" ("vsock:2:9999": the host, from a guest), "unix:PATH",
 * "tcp:HOST:PORT" (an address, not a name: nothing is looked up).  NULL: the environment's TENSOCK_HOST,
 * else the socket of this user's own tensockd ("unix:$XDG_RUNTIME_DIR/tensock/tensock.sock") where it is
 * there, else "vsock:2:9999" where this is said to be a guest ("vsguest=1" on the kernel's command
 * line: on a host that is a VM itself CID 2 is somebody else's) and there is no local socket, else
 * "unix:/run/tensock/tensock.sock".
 * Does not connect.  INVALID_ARGUMENT for an address that is none, OUT_OF_MEMORY.
 */
TENSOCK_API int tensock_client_new(const char *address,
				   const struct tensock_client_options *options,
				   struct tensock_client **ret, struct tensock_error *reterr);

/* What is not answered ends without its done() being called.  Not from within a done(). */
TENSOCK_API void tensock_client_free(struct tensock_client *client);

/*
 * Connects now, and waits until the host has answered.  Nobody has to: all else does so by itself.
 * UNAVAILABLE where nobody listens, PERMISSION_DENIED, UNSUPPORTED for a host of another version,
 * DEADLINE_EXCEEDED.
 */
TENSOCK_API int tensock_client_connect(struct tensock_client *client, struct tensock_error *reterr);

/* Of the host, as of the last connection.  Append only; the caller sets size.  Strings live until
 * the client's next call. */
struct tensock_host_info {
	uint32_t size;
	uint32_t requests_max; /* under way at once */
	uint64_t model_bytes_max, request_bytes_max;
	const char *program; /* "tensockd 0.1.0" */
	const char *guest;   /* the name that the host knows this guest by */
	const char *address; /* that is connected to */
	/* end of 1.0 */
};

/* UNAVAILABLE when there has been no connection yet. */
TENSOCK_API int tensock_client_host(struct tensock_client *client, struct tensock_host_info *ret,
				    struct tensock_error *reterr);

/* A round trip to the host and back, in nanoseconds. */
TENSOCK_API int tensock_ping(struct tensock_client *client, uint64_t *ret_ns,
			     struct tensock_error *reterr);

/*
 * ---- For a loop of one's own
 *
 * Wait with poll() for get_events() on get_fd(), at most get_timeout() ms, then call process(); ask
 * for all three afresh each time.  Requests are begun by the _start functions; their done() is called
 * from process() only, once each, and may start and cancel requests.
 */

/* -1 while there is no connection: then only the timeout counts. */
TENSOCK_API int tensock_client_get_fd(const struct tensock_client *client);
/* POLLIN, POLLOUT, both. */
TENSOCK_API short tensock_client_get_events(const struct tensock_client *client);
/* -1: for ever. */
TENSOCK_API int tensock_client_get_timeout(const struct tensock_client *client);

/*
 * Does what can be done without blocking.  Fails only where the connection cannot be made (again):
 * every request has then ended with the same error.
 */
TENSOCK_API int tensock_client_process(struct tensock_client *client, struct tensock_error *reterr);

/* Blocks as said above until process() has had something to do, or for timeout_ms (-1: no limit). */
TENSOCK_API int tensock_client_wait(struct tensock_client *client, int timeout_ms,
				    struct tensock_error *reterr);

/* error: NULL when it went well, else valid during the call.  The request is freed afterwards. */
struct tensock_completion {
	void (*done)(void *user, const struct tensock_error *error);
	void *user;
};

/* Its done() comes all the same, from process(): with CANCELLED, or what it brought before. */
TENSOCK_API void tensock_request_cancel(struct tensock_request *request);

/*
 * ---- Models
 */

/* Append only. */
struct tensock_push_options {
	uint32_t size;
	uint32_t reserved;   /* 0 */
	const char *name;    /* labels in this guest's own namespace; NULL: none */
	const char *version; /* NULL: none */
	/*
	 * Of bytes that the host has, of all: 0 again and again while they are hashed here, then from
	 * what it has already, at last all.  NULL: none.
	 */
	void (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
	void *user;
	/* end of 1.0 */
};

/*
 * Has the host hold, check and load a model: its bytes are sent only where the host does not have
 * them from this guest already, and from where an earlier attempt ended.  The bytes stay the
 * caller's, and may be used again when this returns (done() is called).  *ret_model is the caller's.
 * INVALID_MODEL, UNSUPPORTED, TOO_LARGE, LIMIT_REACHED, and those of a connection.
 */
TENSOCK_API int tensock_push(struct tensock_client *client, const void *bytes, uint64_t n_bytes,
			     const struct tensock_push_options *options,
			     struct tensock_model **ret_model, struct tensock_error *reterr);
TENSOCK_API int tensock_push_start(struct tensock_client *client, const void *bytes,
				   uint64_t n_bytes, const struct tensock_push_options *options,
				   struct tensock_model **ret_model,
				   const struct tensock_completion *completion,
				   struct tensock_request **ret, struct tensock_error *reterr);

/* The same with a file, which is mapped: NOT_FOUND, PERMISSION_DENIED. */
TENSOCK_API int tensock_push_file(struct tensock_client *client, const char *path,
				  const struct tensock_push_options *options,
				  struct tensock_model **ret_model, struct tensock_error *reterr);

/*
 * One that the host holds: by name and version (NULL: the one labelled last), or, where name is
 * "sha256:" and 64 digits, by its bytes.  Loads it when it is not loaded.  NOT_FOUND.
 */
TENSOCK_API int tensock_open(struct tensock_client *client, const char *name, const char *version,
			     struct tensock_model **ret_model, struct tensock_error *reterr);

/* All that the host holds for this guest, once by each of their names; without the descriptions of those
 * never loaded. */
TENSOCK_API int tensock_list(struct tensock_client *client, struct tensock_model ***ret_models,
			     size_t *ret_n, struct tensock_error *reterr);
TENSOCK_API void tensock_models_free(struct tensock_model **models, size_t n);

/* Ends its worker process, and so gives back all its memory; the host keeps its bytes.  remove: those
 * and its labels go as well.  Requests under way end first; later ones load it anew. */
TENSOCK_API int tensock_unload(struct tensock_client *client, const struct tensock_model *model,
			       int remove, struct tensock_error *reterr);

TENSOCK_API void tensock_model_free(struct tensock_model *model);

enum tensock_model_state {
	TENSOCK_MODEL_STORED = 0, /* no worker has it */
	TENSOCK_MODEL_LOADING = 1,
	TENSOCK_MODEL_READY = 2
};

/* As it was when the host was asked.  Append only; the caller sets size.  Strings live as long as
 * the model, and are empty rather than NULL. */
struct tensock_model_info {
	uint32_t size;
	uint32_t state;    /* enum tensock_model_state */
	uint64_t bytes;    /* of the model */
	uint64_t memory;   /* of the guest's limit that it takes */
	uint64_t runs;     /* inferences that ended well */
	const char *hash;  /* SHA-256 of its bytes: 64 hexadecimal digits */
	const char *name, *version;
	const char *engine; /* "onnxruntime 1.28.0"; empty where it was never loaded */
	const char *format; /* "onnx" */
	uint32_t n_inputs, n_outputs;
	const struct tensock_tensor_info *inputs, *outputs;
	const char *operators; /* that run: "Conv 52, Add 10"; empty where the host does not say */
	/* end of 1.0 */
};

TENSOCK_API void tensock_model_get_info(const struct tensock_model *model,
					struct tensock_model_info *ret);

/*
 * ---- Inference
 */

/* Frozen.  data is the caller's, `bytes` of it, dense, outermost dimension first, at any alignment. */
struct tensock_input {
	const char *name; /* NULL: `index` says which of the model's inputs it is */
	uint32_t index;
	uint32_t dtype;
	uint32_t rank;
	uint32_t reserved; /* 0 */
	int64_t dims[TENSOCK_RANK_MAX];
	const void *data;
	uint64_t bytes;
};

/*
 * Frozen.  Before: which output, and where to.  data NULL: memory is allocated (flags get
 * TENSOCK_OUTPUT_ALLOCATED); else it goes to the caller's, of capacity bytes.  After: dtype, rank,
 * dims, bytes, and index are set.  An output that does not fit ends the request with TOO_LARGE, its
 * `bytes` saying what it takes.  After a failure the caller's memory may hold anything, and nothing
 * is allocated.
 */
struct tensock_output {
	const char *name; /* NULL: `index` says which of the model's outputs it is */
	uint32_t index;
	uint32_t dtype;
	uint32_t rank;
	uint32_t flags; /* 0 before */
	int64_t dims[TENSOCK_RANK_MAX];
	void *data;
	uint64_t capacity;
	uint64_t bytes;
};

#define TENSOCK_OUTPUT_ALLOCATED 1u

/* Frees what was allocated, and sets it to NULL. */
TENSOCK_API void tensock_outputs_done(struct tensock_output *outputs, uint32_t n_outputs);

/* Append only. */
struct tensock_infer_options {
	uint32_t size;
	/* After which the host gives it up, waiting or running: DEADLINE_EXCEEDED.  0: the host's own. */
	uint32_t deadline_ms;
	/* Where the host's times go when it went well (ns); NULL: nowhere. */
	uint64_t *ret_queue_ns, *ret_compute_ns;
	/* end of 1.0 */
};

/*
 * Runs the model once.  Inputs' data is sent from where it lies, or (over a Unix socket, where it is
 * much) copied into memory that is shared with the host; it may be used again when this returns (done()
 * is called); the array of inputs is copied.  outputs: those that are wanted, each once; the array must
 * live until then.
 * INVALID_ARGUMENT for a tensor that does not fit the model, NOT_FOUND when the host has forgotten
 * the model (push it again), LIMIT_REACHED, TOO_LARGE, DEADLINE_EXCEEDED, CANCELLED, WORKER_DIED,
 * ENGINE_FAILED.
 */
TENSOCK_API int tensock_infer(struct tensock_client *client, const struct tensock_model *model,
			      const struct tensock_input *inputs, uint32_t n_inputs,
			      struct tensock_output *outputs, uint32_t n_outputs,
			      const struct tensock_infer_options *options,
			      struct tensock_error *reterr);
TENSOCK_API int tensock_infer_start(struct tensock_client *client,
				    const struct tensock_model *model,
				    const struct tensock_input *inputs, uint32_t n_inputs,
				    struct tensock_output *outputs, uint32_t n_outputs,
				    const struct tensock_infer_options *options,
				    const struct tensock_completion *completion,
				    struct tensock_request **ret, struct tensock_error *reterr);

/*
 * Memory for tensors, `bytes` of it, at the start of a page; what is in it is not said.  It is used like
 * any other, with requests of this client or for something else.  But over a Unix socket the host reads
 * inputs, and writes outputs, where they lie in it, and nothing is copied on the way:
 * - the inputs of a request if all lie in one piece of it in their order, the first at a multiple of 64
 *   bytes from its start, each other at the next multiple of 64 behind the one before;
 * - its outputs if each has its `data`: those that lie in it at a multiple of 64 from its start;
 * and if the tensors take 64 KiB or more together.  All that is shared with the host is 64 MiB, or twice the first
 * allocation where that is more; what goes beyond is copied.  Once a request that used it has failed it
 * is ordinary memory, until the next one.  In a child process, after fork(), it is the parent's.
 * The caller's until tensock_free(), which no request may use it at, or tensock_client_free().
 * OUT_OF_MEMORY.
 */
TENSOCK_API int tensock_alloc(struct tensock_client *client, uint64_t bytes, void **ret,
			      struct tensock_error *reterr);

/* memory: what tensock_alloc() has returned for this client, or NULL. */
TENSOCK_API void tensock_free(struct tensock_client *client, void *memory);

/*
 * ---- What the host counts for this guest
 */

/* Frozen. */
struct tensock_counter {
	char name[64]; /* "requests-ok", "memory-bytes" ...: docs/protocol.md has the list */
	uint64_t value;
};

/* *ret_counters is the caller's to free(). */
TENSOCK_API int tensock_stats(struct tensock_client *client, struct tensock_counter **ret_counters,
			      size_t *ret_n, struct tensock_error *reterr);

#ifdef __cplusplus
}
#endif

#endif
