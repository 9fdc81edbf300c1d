/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests only: a host that says what the test's script says, in a thread of its own.  Whatever
 * goes wrong on its side aborts the test.
 */
#ifndef TSK_CLIENT_FAKE_HOST_H
#define TSK_CLIENT_FAKE_HOST_H

#include <pthread.h>

#include "wire/infer.h"
#include "wire/model.h"
#include "wire/session.h"

struct fake_host {
	char folder[64];
	char address[96]; /* "unix:..." for the client */
	int listener, fd;
	pthread_t thread;
	void (*script)(struct fake_host *host);
	void *context;         /* the script's */
	uint32_t requests_max; /* to be said */
	uint64_t bytes_max;    /* of a request */
	uint64_t features;     /* to be agreed on */
	int descriptor;        /* the last that came, or -1 */
	unsigned char *memory; /* what the guest shares, since MEMORY came, or NULL */
	uint64_t memory_bytes;
	struct wire_header header; /* the last frame that came */
	unsigned char body[WIRE_BODY_MAX];
};

/* Listens, and runs the script. */
void fake_host_start(struct fake_host *host, void (*script)(struct fake_host *host), void *context);
/* Waits for its end. */
void fake_host_done(struct fake_host *host);

/* A connection: without a word, and with HELLO and WELCOME. */
void fake_host_accept(struct fake_host *host);
void fake_host_greet(struct fake_host *host);
void fake_host_welcome(struct fake_host *host);
void fake_host_close(struct fake_host *host);

/* The next bytes, whatever they are; false at the connection's end before the first of them. */
bool fake_host_read_raw(struct fake_host *host, void *bytes, size_t size);
/* The next frame; false at the connection's end. */
bool fake_host_read(struct fake_host *host);
/* The next one, which has this type. */
void fake_host_expect(struct fake_host *host, uint32_t type);

void fake_host_write(struct fake_host *host, uint32_t type, uint32_t id, const void *body,
		     size_t size);
void fake_host_raw(struct fake_host *host, const void *bytes, size_t size);
void fake_host_error(struct fake_host *host, uint32_t type, uint32_t id, uint32_t status,
		     const char *message);

/* MODEL for the request of the last frame: with one input "x" FP32 [-1, 4] and one output "y" of the
 * same.  hash, size, name and version are those of the offer. */
void fake_host_model(struct fake_host *host, uint32_t id, const struct wire_model *model);

/* OFFER of these bytes is to come next: it has them, loaded. */
void fake_host_has_model(struct fake_host *host, const void *bytes, size_t size);

/* After MEMORY came, with its descriptor: it takes the place of what was there. */
void fake_host_map(struct fake_host *host);
/* It is to come next. */
void fake_host_memory(struct fake_host *host);

/* After INFER or INFER_MEMORY came: all of it.  *ret_tensors, *ret_payload (a copy) and *ret_places are
 * the caller's to free. */
struct fake_infer {
	uint32_t id;
	struct wire_infer infer;
	unsigned char *meta, *payload;
	struct wire_tensor *tensors;
	bool is_in_memory;
	uint64_t at; /* in it */
	uint32_t n_places;
	struct wire_place *places;
};
void fake_host_infer(struct fake_host *host, struct fake_infer *ret);
void fake_infer_done(struct fake_infer *infer);

/* RESULT, with first bytes of payload in its first frame at most, CHUNKs of chunk bytes. */
void fake_host_result(struct fake_host *host, uint32_t id, struct wire_tensor *outputs, uint32_t n,
		      const unsigned char *payload, uint64_t first, uint64_t chunk);

/* RESULT_MEMORY: each output goes to its place, where it fits. */
void fake_host_result_memory(struct fake_host *host, const struct fake_infer *infer,
			     struct wire_tensor *outputs, uint32_t n, const unsigned char *payload);

/* The inputs as outputs, named as wanted: a model of y = x. */
void fake_host_echo(struct fake_host *host, const struct fake_infer *infer);

#endif
