/* SPDX-License-Identifier: Apache-2.0 */
/* For tests only: a client, a host that the test scripts, and requests whose tensors may be in shared memory. */
#ifndef TSK_CLIENT_INFER_RIG_H
#define TSK_CLIENT_INFER_RIG_H

#include <tensock/tensock.h>

#include "client/fake_host.h"

struct rig {
	struct fake_host host;
	struct tensock_client *client;
	struct tensock_model *model;
	struct tensock_error error;
};

/* A request of y = x, each of so many bytes. */
struct run {
	unsigned char *x, *y;
	struct tensock_input input;
	struct tensock_output output;
	struct tensock_request *request;
	int status; /* -1: not over */
};

/* ---- The host's side */

void rig_greet(struct fake_host *host);
/* A request of this type is to come. */
void rig_take(struct fake_host *host, uint32_t type, struct fake_infer *ret);
/* One of them, answered as it should be. */
void rig_echo(struct fake_host *host, uint32_t type);
/* Has the model at once. */
void rig_host_plain_model(struct fake_host *host);
/* The same with memory, and answers what a client's first large tensors go by. */
void rig_host_model(struct fake_host *host);
void rig_refuse(struct fake_host *host, const struct fake_infer *infer, uint32_t status);
void rig_wait_for_the_end(struct fake_host *host);

/* ---- The client's side */

/* The model is pushed. */
void rig_open(struct rig *rig, void (*script)(struct fake_host *host), uint32_t reconnects_max);
/* The same, and one request has gone through the socket. */
void rig_begin(struct rig *rig, void (*script)(struct fake_host *host));
void rig_end(struct rig *rig);

struct run run_new(uint64_t bytes, unsigned seed);
void run_done(struct run *run);
void run_on_done(void *user, const struct tensock_error *error);
/* What came is what went. */
void run_check(const struct run *run);

/* Its status. */
int rig_infer(struct rig *rig, struct run *run);
/* It goes well. */
void rig_infer_well(struct rig *rig, struct run *run);
/* As far as the host's script lets it go now. */
void rig_start(struct rig *rig, struct run *run);
void rig_await(struct rig *rig, const struct run *run);
/* All of them, and they go well. */
void rig_finish(struct rig *rig, struct run *runs, unsigned n);
/* All in one go, and it goes well. */
void rig_infer_one(struct rig *rig, uint64_t bytes, unsigned seed);

#endif
