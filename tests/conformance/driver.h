/* SPDX-License-Identifier: Apache-2.0 */
/* The front's place, taken by a test: starts a real worker and speaks to it over its real channel. */
#ifndef TESTS_CONFORMANCE_DRIVER_H
#define TESTS_CONFORMANCE_DRIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/memfd.h"
#include "channel/ring.h"
#include "channel/run.h"
#include "channel/worker_control.h"
#include "tensor/model_info.h"

/* Of each buffer: a region for inputs, then one for outputs.  Pages are taken when touched. */
#define DRIVER_REGION_BYTES (UINT64_C(256) << 20)

/* What became of a step. */
enum driver_result {
	DRIVER_OK,
	DRIVER_REFUSED, /* the worker said why: driver->error */
	DRIVER_DIED,    /* driver->wait_status */
	DRIVER_LATE,    /* nothing came in time; the worker has been killed */
};

struct driver {
	pid_t pid;
	int control_fd;
	int wait_status;
	struct ring_pair rings;
	bool attached;
	struct tsk_map map; /* buffer 1 */
	struct tsk_model_info info;
	struct tensock_error error;
	char title[256]; /* the engine's */
	uint64_t last_request_id;
	uint64_t lane_bytes; /* 0: all runs lie in the same place; else one in 64 does */
	struct worker_received received;
};

/* A tensor that the test gives or gets. */
struct driver_tensor {
	struct run_tensor descriptor;
	void *data; /* of an output: within the shared buffer */
};

/* Starts `worker --engine engine` plus up to one option (NULL: none).  Does not wait. */
void driver_start(struct driver *d, const char *worker, const char *engine, const char *option);

/* The same with any arguments, up to a NULL. */
void driver_start_with(struct driver *d, const char *worker, const char *const *arguments);

enum driver_result driver_wait_ready(struct driver *d, int timeout_ms);
enum driver_result driver_load(struct driver *d, const void *model, size_t bytes, int timeout_ms);

/* Writes the inputs and says START.  room: of the output region.  Returns the request's id. */
uint64_t driver_send_run(struct driver *d, const struct driver_tensor *inputs, unsigned n,
			 uint64_t room);
void driver_send_entry(struct driver *d, const struct run_entry *entry);

/* The next DONE. */
enum driver_result driver_recv_done(struct driver *d, struct run_entry *ret, int timeout_ms);

/* Both, with a FETCH where the room was too small; outputs lie in the buffer until the next run. */
enum driver_result driver_run(struct driver *d, const struct driver_tensor *inputs, unsigned n,
			      uint64_t room, struct driver_tensor *outputs, unsigned max,
			      unsigned *ret_n, int timeout_ms);

/* Hangs up, and waits (then kills): DRIVER_OK for an exit with 0, else DRIVER_DIED or _LATE. */
enum driver_result driver_stop(struct driver *d, int timeout_ms);

#endif
