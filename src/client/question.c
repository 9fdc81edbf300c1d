/* SPDX-License-Identifier: Apache-2.0 */
#include "client/question.h"

#include <errno.h>
#include <stdlib.h>

#include "base/status.h"

/* A reference and flags. */
#define ABOUT_BYTES_MAX (1 + WIRE_HASH_BYTES + 2 + WIRE_NAME_MAX + 2 + WIRE_LABEL_MAX + 4)

struct question_request {
	struct tensock_request request;
	const struct question *question; /* its asker's, who waits */
};

static int answer(struct tensock_request *request, uint32_t type, const void *body, size_t size,
		  struct tensock_error *reterr)
{
	const struct question *question = ((struct question_request *)(void *)request)->question;
	struct tensock_error error;
	int r = -EPROTO;

	if (type == question->answer_type)
		r = question->read ? question->read(question->context, body, size) : 0;
	if (r == -ENOMEM) {
		(void)tsk_fail(&error, TENSOCK_OUT_OF_MEMORY, "no memory for the host's answer");
		request_fail(request, &error);
		return 1;
	}
	if (r < 0)
		return connection_protocol_error(reterr, "%s, not what was asked, answers %s",
						 wire_type_name(type),
						 wire_type_name(question->type));
	return 1;
}

static void free_question(struct tensock_request *request)
{
	free(request);
}

static const struct request_ops ops = { .answer = answer, .free = free_question };

static struct tensock_request *question_new(const struct question *question)
{
	struct question_request *q = calloc(1, sizeof(*q));
	struct tsk_writer w;

	if (!q)
		return NULL;
	q->question = question;
	q->request.ops = &ops;
	q->request.may_be_gone = question->may_be_gone;
	if (request_head_init(&q->request, ABOUT_BYTES_MAX, &w) < 0) {
		free(q);
		return NULL;
	}
	if (question->about)
		wire_about_write(&w, question->about);
	request_head_done(&q->request, question->type, tsk_writer_len(&w), 0);
	return &q->request;
}

int question_ask(struct tensock_client *client, const struct question *question,
		 struct tensock_error *reterr)
{
	struct tensock_request *request = question_new(question);
	struct tensock_error error;

	if (!request) {
		(void)tsk_fail(&error, TENSOCK_OUT_OF_MEMORY, "no memory for a request");
		return client_failed(&error, reterr);
	}
	return client_call(client, request, false, 0, reterr);
}
