/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/operator.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"

static bool is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

/* Ended by a zero, only zeros from there on, nothing that would confuse a log or a terminal. */
static bool text_is_valid(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	if (len == size)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (is_control((unsigned char)text[i]))
			return false;
	}
	for (size_t i = len; i < size; i++) {
		if (text[i])
			return false;
	}
	return true;
}

static bool request_is_valid(const struct operator_request *request)
{
	bool has_path = false, may_have_uds = false, has_name = true;

	switch (request->type) {
	case OPERATOR_ATTACH_HYBRID:
		has_path = true;
		break;
	case OPERATOR_ATTACH_VM:
		has_path = may_have_uds = true;
		break;
	case OPERATOR_DETACH:
		break;
	case OPERATOR_LIST:
	case OPERATOR_STATE:
		has_name = false;
		break;
	default:
		return false;
	}
	return text_is_valid(request->name, sizeof(request->name)) &&
	       text_is_valid(request->path, sizeof(request->path)) &&
	       text_is_valid(request->uds, sizeof(request->uds)) &&
	       has_name == !!request->name[0] && has_path == !!request->path[0] &&
	       (may_have_uds || !request->uds[0]) &&
	       (request->type == OPERATOR_ATTACH_VM || !request->cid) &&
	       !(request->flags & ~(request->type == OPERATOR_DETACH ? OPERATOR_FORCE : 0));
}

static bool answer_is_valid(const struct operator_answer *answer)
{
	bool is_guest = answer->type == OPERATOR_GUEST, is_daemon = answer->type == OPERATOR_DAEMON;

	if (answer->type != OPERATOR_RESULT && !is_guest && !is_daemon)
		return false;
	return text_is_valid(answer->name, sizeof(answer->name)) &&
	       text_is_valid(answer->text, sizeof(answer->text)) && is_guest == !!answer->name[0] &&
	       (answer->type == OPERATOR_RESULT || !answer->status) &&
	       (is_guest || (!answer->ways && !answer->cid)) &&
	       !(answer->ways & ~OPERATOR_WAYS_ALL) && (is_guest || is_daemon || !answer->pid) &&
	       (is_daemon || (!answer->n_guests && !answer->uptime_ms));
}

int operator_request_write(const struct operator_request *request,
			   unsigned char ret[OPERATOR_REQUEST_BYTES])
{
	struct tsk_writer w = tsk_writer(ret, OPERATOR_REQUEST_BYTES);

	if (!request_is_valid(request))
		return -EINVAL;
	tsk_write_u32(&w, OPERATOR_VERSION);
	tsk_write_u32(&w, request->type);
	tsk_write_u32(&w, request->flags);
	tsk_write_u32(&w, request->cid);
	tsk_write_bytes(&w, request->name, sizeof(request->name));
	tsk_write_bytes(&w, request->path, sizeof(request->path));
	tsk_write_bytes(&w, request->uds, sizeof(request->uds));
	return 0;
}

static void read_text(struct tsk_reader *r, char *ret, size_t size)
{
	const void *bytes = tsk_read_bytes(r, size);

	if (bytes)
		memcpy(ret, bytes, size);
}

int operator_request_read(const void *bytes, size_t size, struct operator_request *ret)
{
	struct tsk_reader r = tsk_reader(bytes, size);
	struct operator_request request = { 0 };
	uint32_t version = tsk_read_u32(&r);

	/* Those of another version may have another length. */
	if (!r.bad && version != OPERATOR_VERSION)
		return -EPROTONOSUPPORT;
	request.type = tsk_read_u32(&r);
	request.flags = tsk_read_u32(&r);
	request.cid = tsk_read_u32(&r);
	read_text(&r, request.name, sizeof(request.name));
	read_text(&r, request.path, sizeof(request.path));
	read_text(&r, request.uds, sizeof(request.uds));
	if (!tsk_reader_end(&r) || !request_is_valid(&request))
		return -EPROTO;
	*ret = request;
	return 0;
}

int operator_answer_write(const struct operator_answer *answer,
			  unsigned char ret[OPERATOR_ANSWER_BYTES])
{
	struct tsk_writer w = tsk_writer(ret, OPERATOR_ANSWER_BYTES);

	if (!answer_is_valid(answer))
		return -EINVAL;
	tsk_write_u32(&w, OPERATOR_VERSION);
	tsk_write_u32(&w, answer->type);
	tsk_write_u32(&w, answer->status);
	tsk_write_u32(&w, answer->ways);
	tsk_write_u32(&w, answer->cid);
	tsk_write_u32(&w, answer->pid);
	tsk_write_u32(&w, answer->n_guests);
	tsk_write_u32(&w, 0);
	tsk_write_u64(&w, answer->uptime_ms);
	tsk_write_bytes(&w, answer->name, sizeof(answer->name));
	tsk_write_bytes(&w, answer->text, sizeof(answer->text));
	return 0;
}

int operator_answer_read(const void *bytes, size_t size, struct operator_answer *ret)
{
	struct tsk_reader r = tsk_reader(bytes, size);
	struct operator_answer answer = { 0 };
	uint32_t version = tsk_read_u32(&r), reserved;

	if (!r.bad && version != OPERATOR_VERSION)
		return -EPROTONOSUPPORT;
	answer.type = tsk_read_u32(&r);
	answer.status = tsk_read_u32(&r);
	answer.ways = tsk_read_u32(&r);
	answer.cid = tsk_read_u32(&r);
	answer.pid = tsk_read_u32(&r);
	answer.n_guests = tsk_read_u32(&r);
	reserved = tsk_read_u32(&r);
	answer.uptime_ms = tsk_read_u64(&r);
	read_text(&r, answer.name, sizeof(answer.name));
	read_text(&r, answer.text, sizeof(answer.text));
	if (!tsk_reader_end(&r) || reserved || !answer_is_valid(&answer))
		return -EPROTO;
	*ret = answer;
	return 0;
}

void operator_set_text(struct operator_answer *answer, const char *text)
{
	size_t len = strnlen(text, sizeof(answer->text) - 1);

	memset(answer->text, 0, sizeof(answer->text));
	for (size_t i = 0; i < len; i++)
		answer->text[i] = is_control((unsigned char)text[i]) ? '?' : text[i];
}

struct operator_answer operator_result(uint32_t status, const char *text)
{
	struct operator_answer answer = { .type = OPERATOR_RESULT, .status = status };

	operator_set_text(&answer, text);
	return answer;
}
