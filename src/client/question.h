/* SPDX-License-Identifier: Apache-2.0 */
/* A request with one short message as its answer, asked by a blocking function. */
#ifndef TSK_CLIENT_QUESTION_H
#define TSK_CLIENT_QUESTION_H

#include "client/client.h"
#include "wire/model.h"

struct question {
	uint32_t type;        /* of the message that asks */
	uint32_t answer_type; /* and of the one that answers */
	/* What is asked about; NULL: the message is empty. */
	const struct wire_about *about;
	bool may_be_gone; /* NOT_FOUND, asked again after a connection broke, says that it is done */
	/* Of the answer: 0, -EPROTO, -ENOMEM.  NULL: it has nothing to say. */
	int (*read)(void *context, const void *body, size_t size);
	void *context;
};

/* enum tensock_status. */
int question_ask(struct tensock_client *client, const struct question *question,
		 struct tensock_error *reterr);

#endif
