/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Something that a guest has asked on a native connection and that has no answer yet: what INFER
 * (native_request.c), OFFER (native_upload.c), INFO and UNLOAD (native_model.c) have in common, and
 * what these three and the session (native_session.c) know of each other.
 *
 * Each call ends exactly once: by its answer, by an error, or with its connection.
 */
#ifndef FRONT_NATIVE_CALL_H
#define FRONT_NATIVE_CALL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/guest.h"
#include "front/native_output.h"
#include "wire/model.h"

struct native_session;
struct native_call;

struct native_call_ops {
	/* While is_receiving: where its next bytes go, and how many of them are missing. */
	uint64_t (*room)(struct native_call *call, void **ret_room);
	/* So many have come, no more than were missing.  May end the call. */
	void (*received)(struct native_call *call, uint64_t n);
	/*
	 * Lets go of all that goes on for it, and frees it.  is_unwanted: the guest has said so; else
	 * it may come back for it, or has its answer.  Mandatory, unlike the others.
	 */
	void (*free)(struct native_call *call, bool is_unwanted);
};

struct native_call {
	const struct native_call_ops *ops;
	TAILQ_ENTRY(native_call) entry;
	struct native_session *session;
	struct request *request; /* within it: what the access log is told of */
	uint32_t id;
	bool is_receiving;    /* payload is awaited */
	uint64_t deadline_ms; /* of the loop's clock; 0: none */
};

/* Of the session. */
struct guest *native_guest(struct native_session *session);
struct native_output *native_answers(struct native_session *session);
bool native_has_operators(const struct native_session *session); /* WIRE_FEATURE_OPERATORS holds */

/* A new call, zeroed but for its ops and its request.  It is freed with its end, or that of the session. */
void native_call_begin(struct native_session *session, struct native_call *call, uint32_t id);

/* Also has sent what stands in the output. */
void native_call_set_receiving(struct native_call *call, bool is_receiving);

/* From now on, of the loop's clock; 0: no end. */
void native_call_set_deadline(struct native_call *call, uint32_t ms);

/* The answer stands in the output.  Frees the call. */
void native_call_answered(struct native_call *call);
/* The error is its answer.  Frees the call. */
void native_call_failed(struct native_call *call, const struct tensock_error *error);

/* An answer, or an error, to what has not become a call. */
void native_answered(struct native_session *session);
void native_refuse(struct native_session *session, uint32_t id, const struct tensock_error *error);

/*
 * What a message asks; body is private memory that is valid during the call only.  -EPROTO: it is no
 * such message.  Everything else is answered.  region: INFER_MEMORY, whose payload lies there; NULL: INFER.
 */
int native_request_begin(struct native_session *session, uint32_t id, const void *meta,
			 size_t meta_bytes, struct region *region) _nodiscard_;
int native_upload_begin(struct native_session *session, uint32_t id, const void *body, size_t size)
	_nodiscard_;
int native_model_info(struct native_session *session, uint32_t id, const void *body, size_t size)
	_nodiscard_;
int native_model_unload(struct native_session *session, uint32_t id, const void *body, size_t size)
	_nodiscard_;
void native_model_list(struct native_session *session, uint32_t id);
void native_stats(struct native_session *session, uint32_t id);

/* NULL and *reterr: the guest has none of this name. */
struct model *native_model_find(struct guest *guest, const struct wire_model_ref *ref,
				struct tensock_error *reterr);

/* Whether MODEL could be sent, of a model that may be gone (NULL); else *reterr says why not. */
bool native_model_send(struct native_session *session, uint32_t id, const struct model *model,
		       struct tensock_error *reterr);

/* Has the model loaded, and answers with MODEL then. */
void native_model_load(struct native_session *session, uint32_t id, struct model *model);

#endif
