/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Something that a host is asked, from its start to its one end.  Embedded in what each kind keeps.
 *
 *	WORKING → WAITING → UNDER_WAY → ENDED → done(), and freed
 *	             ↑ the connection broke ↓
 */
#ifndef TSK_CLIENT_REQUEST_H
#define TSK_CLIENT_REQUEST_H

#include <sys/queue.h>

#include <tensock/tensock.h>

#include "client/pieces.h"
#include "wire/frame.h"

struct tensock_client;

struct request_ops {
	/* Optional: a slice of work that comes before there is something to ask; sets the head with
	 * the last.  1: there is more. */
	int (*work)(struct tensock_request *request, struct tensock_error *reterr);
	/* Optional: it is about to be given to a connection that is open; the head may be another. */
	void (*begin)(struct tensock_request *request);
	/* Optional: the connection broke, or it is to be asked another way; all is as before the head was sent. */
	void (*restart)(struct tensock_request *request);
	/*
	 * A message that answers: one of those of frame.h, but neither ERROR nor CHUNK.  Of a RESULT
	 * the metadata; payload then goes to request->in.  1 ends the request (a RESULT: after its
	 * payload), 0 does not.  -EPROTO, and *reterr says why: the connection ends.  A failure of the
	 * request alone is told by request_fail().
	 */
	int (*answer)(struct tensock_request *request, uint32_t type, const void *body, size_t size,
		      struct tensock_error *reterr);
	/* Optional: what is to be told of how far it has got. */
	void (*progress)(struct tensock_request *request);
	/* Optional: just before the completion; hands over what came, unless error is set. */
	void (*done)(struct tensock_request *request, const struct tensock_error *error);
	/* Of what the kind keeps, and the memory. */
	void (*free)(struct tensock_request *request);
};

enum request_state {
	REQUEST_WORKING,
	REQUEST_WAITING,
	REQUEST_UNDER_WAY,
	REQUEST_ENDED,
	REQUEST_STATE_MAX
};

/* Which of the connection's lists of what is to be sent it stands in. */
enum request_turn {
	TURN_NONE,
	TURN_FIRST,  /* its first frame */
	TURN_FURTHER /* a CHUNK */
};

struct tensock_request {
	const struct request_ops *ops;
	struct tensock_client *client;
	struct tensock_completion completion;
	enum request_state state;
	uint32_t id;       /* of this connection; 0 before */
	uint64_t moved_ns; /* when something last came or went of it */

	/* The first frame: header, metadata, gap.  What it has of `out` goes with it. */
	unsigned char *head;
	size_t head_bytes;
	uint64_t head_payload;
	struct pieces out; /* the payload that is sent */
	struct pieces in;  /* where that of the RESULT goes */
	enum request_turn turn;
	bool head_is_sent;

	bool is_repeated;      /* it has been on a connection that broke */
	bool cancel_is_wanted; /* by the caller */
	bool cancel_is_due;    /* the host is to be told */
	bool is_answered;      /* nothing more comes; it ends when nothing more goes */
	bool is_left;          /* so it is, but the next connection gets it instead of its end */
	bool has_result;       /* a RESULT's metadata has come, payload is to come */
	bool progress_is_due;
	bool may_be_gone; /* repeated and NOT_FOUND, it has done what it should */
	bool has_failed;
	struct tensock_error error; /* when has_failed */

	TAILQ_ENTRY(tensock_request) entry; /* among those of its state */
	TAILQ_ENTRY(tensock_request) turn_entry;
	LIST_ENTRY(tensock_request) id_entry;
};

TAILQ_HEAD(request_list, tensock_request);
LIST_HEAD(request_bucket, tensock_request);

#define REQUEST_BUCKETS 64u

/* All of a client's requests. */
struct requests {
	struct request_list in[REQUEST_STATE_MAX];
	struct request_list turns[TURN_FURTHER + 1];
	struct request_bucket by_id[REQUEST_BUCKETS]; /* those under way */
	unsigned n_under_way;
	unsigned n_cancels; /* due */
	uint32_t last_id;
};

void requests_init(struct requests *requests);

/* Takes it over; is_working: ops->work() comes first.  completion may be NULL. */
void request_start(struct tensock_request *request, struct tensock_client *client,
		   const struct tensock_completion *completion, bool is_working);

/* Frees it without a word. */
void request_drop(struct tensock_request *request);

/* Room for a message of this type of at most size bytes.  -ENOMEM.  To be filled from
 * request->head + WIRE_HEADER_BYTES, then ended with request_head_done(). */
int request_head_init(struct tensock_request *request, size_t size, struct tsk_writer *ret_body)
	_nodiscard_;
/* `body` as it is, then a gap up to offset, then payload_bytes of request->out in the same frame. */
void request_head_done(struct tensock_request *request, uint32_t type, size_t offset,
		       uint64_t payload_bytes);

/* Its work is done. */
void request_set_waiting(struct tensock_request *request);
/* An id for the one of the state WAITING; it then stands in line to be sent. */
void request_set_under_way(struct tensock_request *request);
void request_set_turn(struct tensock_request *request, enum request_turn turn);
struct tensock_request *request_find(struct requests *requests, uint32_t id);

/* The connection is gone: as it was before. */
void request_set_waiting_again(struct tensock_request *request);
/* It is to be asked anew on the same one, before those that wait. */
void request_ask_again(struct tensock_request *request);

/* Remembers the first failure. */
void request_fail(struct tensock_request *request, const struct tensock_error *error);

/* Nothing more is to come for it.  Its memory is not used any more from here on. */
void request_end(struct tensock_request *request);
/* The same, and it has failed: the host does not do it. */
void request_end_cancelled(struct tensock_request *request);

/* Ended ones: done() of each, and freed. */
void requests_deliver(struct requests *requests);

/* Ends all with this error. */
void requests_end_all(struct requests *requests, const struct tensock_error *error);

/* One that the host is to be told to cancel, or NULL. */
struct tensock_request *requests_take_cancel(struct requests *requests);

/* Those that need a connection. */
bool requests_are_wanted(const struct requests *requests);

#endif
