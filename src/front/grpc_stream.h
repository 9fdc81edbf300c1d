/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of gRPC, which is one call of a method, and the messages of its request, each with its answer:
 * what the session (grpc_session.c), the streams (grpc_stream.c), inferences (grpc_infer.c) and all other
 * methods (grpc_method.c) know of each other.
 *
 * A message is answered once, by a message or by an error; answers go out in the order of their messages.
 * What an answer refers to is let go of when it has gone, or with its connection.
 */
#ifndef FRONT_GRPC_STREAM_H
#define FRONT_GRPC_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/grpc_answer.h"
#include "front/guest.h"
#include "front/oip_call.h"
#include "front/oip_models.h"
#include "front/protocol/http_head.h"

struct grpc_session;
struct grpc_stream;

/*
 * Messages of one stream whose answers have not gone: more are not looked at.  What the peer sends
 * nevertheless, at most H2_STREAM_WINDOW, is kept until then.
 */
#define GRPC_MESSAGES_MAX 16u

/* An inference's tensors, as they come. */
struct grpc_infer {
	/* For n_room inputs and places of outputs, and bytes; NULL: none has been taken. */
	unsigned char *room;
	uint32_t n_room;
	uint64_t room_bytes, used_bytes;
	struct oip_pb_raw *raws; /* n_raws of raws_max */
	uint32_t n_raws, raws_max;
};

struct grpc_message {
	TAILQ_ENTRY(grpc_message) entry;
	struct grpc_stream
		*stream; /* NULL: it has been answered, and only that is still under way */
	struct guest *guest;
	uint64_t private_bytes; /* of the guest's memory */

	struct oip_call call;
	struct grpc_infer infer;
	struct oip_task task;
	struct region_task region;
	bool has_call, has_task;

	uint64_t begun_ns; /* for the access log */
	bool is_answered;
	struct grpc_answer answer;
	struct buffer *buffer; /* that it refers to, or NULL */
};

TAILQ_HEAD(grpc_messages, grpc_message);

struct grpc_stream {
	TAILQ_ENTRY(grpc_stream) entry;
	struct grpc_session *session;
	struct guest *guest;
	uint64_t connection; /* the session's number */
	int32_t id;
	enum oip_pb_method method;
	struct grpc_decoder decoder;
	enum http_coding coding;       /* of packed messages */
	uint64_t deadline_ms;          /* of the loop's clock; 0: none */
	struct grpc_messages messages; /* whose answers have not gone */
	unsigned n_messages;
	struct grpc_message *receiver; /* the last one, until it is whole */

	unsigned char *backlog; /* what came beyond GRPC_MESSAGES_MAX */
	size_t backlog_at, n_backlog, backlog_size;

	bool has_ended;   /* the peer sends no more */
	bool has_message; /* one has begun */
	bool has_head;    /* the answer's header has been submitted */
	bool is_finished; /* status is decided; nothing more of the request is looked at */
	bool is_told;     /* a message of it is told of by the access log, or it is itself */
	bool is_watching; /* its answers go on until the peer has enough */
	struct tensock_error status; /* TENSOCK_OK, or the error */
};

/*
 * ---- The session
 */

struct h2 *grpc_h2(const struct grpc_session *session);
bool grpc_is_stopping(const struct grpc_session *session);
/* What is to go, or is wanted, may have changed. */
void grpc_changed(struct grpc_session *session);
/* As stream_host has it. */
int grpc_take_fd(const struct grpc_session *session);
/* It may be referred to by what is going out: it is freed when that has gone. */
void grpc_leave(struct grpc_session *session, struct grpc_message *message);
/* How many have left so, of all its streams, and are still there: max-requests counts them. */
unsigned grpc_leaving(const struct grpc_session *session);

/*
 * ---- Streams
 */

/* NULL: no memory. */
struct grpc_stream *grpc_stream_new(struct grpc_session *session, struct guest *guest, int32_t id);
/* Its messages without an answer end with it. */
void grpc_stream_free(struct grpc_stream *stream);

/* As h2_ops have them. */
void grpc_stream_begin(struct grpc_stream *stream, const struct h2_head *head);
uint64_t grpc_stream_place(struct grpc_stream *stream, void **ret_place);
size_t grpc_stream_body(struct grpc_stream *stream, const unsigned char *bytes, size_t n);
void grpc_stream_ended(struct grpc_stream *stream);
void grpc_stream_answer(struct grpc_stream *stream, size_t max, struct h2_frame *ret);

/* Goes on with what waits in its backlog, if it may. */
void grpc_stream_resume(struct grpc_stream *stream);
/* No new messages: once those that are there have been answered, it ends. */
void grpc_stream_stop(struct grpc_stream *stream);
/* Another answer, to nothing in particular, and the end.  NULL: no memory. */
struct grpc_message *grpc_stream_say(struct grpc_stream *stream);
void grpc_stream_finish(struct grpc_stream *stream);
/* What has no answer has this error. */
void grpc_stream_give_up(struct grpc_stream *stream, const struct tensock_error *error);
/* True while the peer is to send, or to take, bytes of it. */
bool grpc_stream_is_waiting(const struct grpc_stream *stream);

/* True where a request is one message, and has one answer. */
bool grpc_stream_is_unary(const struct grpc_stream *stream);

/*
 * ---- Messages
 */

/* Memory of the guest's, until the message goes.  LIMIT_REACHED. */
int grpc_message_account(struct grpc_message *message, uint64_t bytes, struct tensock_error *reterr)
	_nodiscard_;
/* By *pb, which is taken. */
void grpc_message_answer(struct grpc_message *message, struct oip_pb *pb);
/* message->answer has been set. */
void grpc_message_answered(struct grpc_message *message);
void grpc_message_fail(struct grpc_message *message, const struct tensock_error *error);
void grpc_message_free(struct grpc_message *message);

/*
 * ---- ModelInfer, ModelStreamInfer
 */

/* The message begins. */
void grpc_infer_begin(struct grpc_message *message);
/* Raw contents begin. */
void grpc_infer_raw(struct grpc_message *message);
/* All of it is there. */
void grpc_infer_submit(struct grpc_message *message);
/* It will not be answered otherwise. */
void grpc_infer_give_up(struct grpc_message *message, const struct tensock_error *error);
void grpc_infer_done(struct grpc_message *message);

/*
 * ---- All other methods
 */

/* The whole message is in the stream's decoder: answers it, now or later. */
void grpc_method_call(struct grpc_message *message);
/* To one that is watching: the host is going down. */
void grpc_method_stop(struct grpc_stream *stream);
/*
 * The longest message that it takes, packed or not: no more than gRPC can say the length of.  *ret_limit:
 * the key that says so, or what else does.
 */
uint64_t grpc_method_length_max(const struct guest *guest, enum oip_pb_method method,
				const char **ret_limit);

#endif
