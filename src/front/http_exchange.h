/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request on an HTTP connection, from its head to the end of its answer: what the session
 * (http_session.c) and those who answer know of each other.  One at a time on a connection.
 *
 * http_infer.c answers inferences; http_models.c what is asked of models and the repository,
 * http_memory.c of shared memory; http_server.c the rest.
 */
#ifndef FRONT_HTTP_EXCHANGE_H
#define FRONT_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/guest.h"
#include "front/http_body.h"
#include "front/http_output.h"
#include "front/http_routes.h"
#include "front/oip_call.h"
#include "front/oip_models.h"
#include "front/work.h"

struct http_exchange;

struct http_handler {
	/* The head has come; the body, if there is one, is awaited.  May answer. */
	void (*begin)(struct http_exchange *x);
	/* So many bytes of it stand where http_set_place() said.  May answer. */
	void (*placed)(struct http_exchange *x, size_t n);
	/* There is more of it than place.  Gives it, or answers. */
	void (*room)(struct http_exchange *x);
	/* All of it has come.  Answers, now or later. */
	void (*ended)(struct http_exchange *x);
};

/* Of an inference (http_infer.c). */
struct http_infer {
	struct oip_call call;
	struct oip_infer infer;            /* until it is submitted */
	uint64_t json_bytes, answer_bytes; /* of memory, accounted for */
	struct oip_json_answer answer;     /* it is written in turns of the loop, by: */
	struct work work;
	struct buffer *buffer; /* that its results lie in, until the answer has it */
	unsigned char *room;
	uint32_t next; /* behind the input that is received */
	uint64_t left; /* bytes of that which are missing */
	bool has_json; /* it has been read */
	bool is_raw;   /* the body is the model's one input */
};

struct http_exchange {
	const struct http_handler *handler; /* NULL: none is under way */
	struct guest *guest;
	uint64_t begun_ns;            /* for the access log */
	const struct http_head *head; /* until the answer has been sent */
	struct http_route route;
	struct http_body body;
	struct http_infer infer;
	struct oip_task task;
	struct region_task region;
	uint64_t inflate_bytes; /* of memory, accounted for: to decompress the body */
	bool is_whole; /* all of the request has come */
	bool is_answered;
};

extern const struct http_handler http_infer_handler;
/* It collects the body, if there is one, and then calls one of those below. */
extern const struct http_handler http_text_handler;

void http_models_answer(struct http_exchange *x);
void http_memory_answer(struct http_exchange *x);
void http_server_answer(struct http_exchange *x);

/* Of http_infer.c.  The session answers with this error what has no answer yet: it counts as such. */
void http_infer_fail(struct http_exchange *x, const struct tensock_error *error);
/* Lets go of what is under way for it. */
void http_infer_end(struct http_exchange *x);

/*
 * ---- Of the session
 */

/* Where the next n bytes of the body go. */
void http_set_place(struct http_exchange *x, void *place, uint64_t n);
/* The body is wanted: a client that waits to be told so is. */
void http_want_body(struct http_exchange *x);
/* As stream_host has it. */
int http_take_fd(struct http_exchange *x);

/* The one answer.  json is taken.  The rest of the body, if any is missing, is discarded. */
void http_answer(struct http_exchange *x, unsigned status, struct oip_json *json);
void http_answer_results(struct http_exchange *x, struct oip_json *json,
			 const struct oip_answer *answer, struct buffer **buffer);
void http_answer_error(struct http_exchange *x, const struct tensock_error *error);
/* With another status than the error's. */
void http_answer_status(struct http_exchange *x, unsigned status,
			const struct tensock_error *error);

/* The same, of what no call or task counts. */
void http_count_ok(struct http_exchange *x);
void http_refuse(struct http_exchange *x, const struct tensock_error *error);

#endif
