/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST .../infer.  The JSON is collected, and read; then binary tensors are received right where the
 * worker will read them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/status.h"
#include "channel/run.h"
#include "front/http_exchange.h"
#include "front/limit_hits.h"
#include "front/models.h"
#include "tensor/dtype.h"

#define US_PER_MS 1000u
/* Bytes of results that become JSON in a turn of the loop: some 2 ms. */
#define WRITE_BYTES ((size_t)128 << 10)

static struct http_exchange *exchange_of(struct oip_call *call)
{
	return (struct http_exchange *)(void *)((char *)call -
						offsetof(struct http_exchange, infer.call));
}

/* Whether its results are there, and not yet told. */
static bool is_writing(const struct http_exchange *x)
{
	return x->infer.work.is_queued;
}

void http_infer_fail(struct http_exchange *x, const struct tensock_error *error)
{
	if (is_writing(x))
		oip_call_untold(&x->infer.call, error);
	else
		oip_call_fail(&x->infer.call, error);
	work_remove(&x->guest->work, &x->infer.work);
}

void http_infer_end(struct http_exchange *x)
{
	struct http_infer *i = &x->infer;

	if (is_writing(x))
		oip_call_untold(&i->call, NULL);
	work_remove(&x->guest->work, &i->work);
	oip_json_answer_done(&i->answer);
	buffer_pool_put(&x->guest->workers->buffers, TAKE_PTR(i->buffer));
	oip_infer_done(&i->infer);
	oip_call_end(&i->call);
	account_give(&x->guest->account, i->json_bytes + i->answer_bytes);
	i->json_bytes = i->answer_bytes = 0;
}

/* It ends by this error before it was submitted. */
static void refuse(struct http_exchange *x, const struct tensock_error *error)
{
	oip_call_fail(&x->infer.call, error);
	http_answer_error(x, error);
}

static void refuse_body(struct http_exchange *x, const char *how)
{
	struct tensock_error error;

	(void)tsk_fail(&error, TENSOCK_INVALID_ARGUMENT, "%s", how);
	refuse(x, &error);
}

/*
 * ---- Its answer
 */

/* Its JSON's memory, for which there must be room. */
static int begin_json(struct http_exchange *x, const struct oip_answer *answer,
		      struct tensock_error *reterr)
{
	uint64_t bytes = oip_json_answer_memory(answer);

	if (account_take(&x->guest->account, bytes) < 0)
		return limit_fail(
			METRICS_LIMIT_MEMORY, reterr, TENSOCK_LIMIT_REACHED,
			"no room for an answer of up to %llu bytes of JSON beside what is in use "
			"(max-memory): binary outputs need none",
			(unsigned long long)bytes);
	x->infer.answer_bytes = bytes;
	oip_json_answer_begin(&x->infer.answer, answer);
	return 0;
}

static void answer_untold(struct http_exchange *x, const struct tensock_error *error)
{
	oip_call_untold(&x->infer.call, error);
	http_answer_error(x, error);
}

static void answer_json(struct http_exchange *x, struct oip_json *json)
{
	struct http_infer *i = &x->infer;
	struct buffer_pool *buffers = &x->guest->workers->buffers;
	struct buffer *buffer = TAKE_PTR(i->buffer);

	if (json->n < i->answer_bytes) {
		account_give(&x->guest->account, i->answer_bytes - json->n);
		i->answer_bytes = json->n;
	}
	http_answer_results(x, json, &i->answer.answer, &buffer);
	buffer_pool_put(buffers, buffer);
}

/* A piece of it.  True: there is more. */
static bool write_json(struct http_exchange *x)
{
	struct tensock_error error;
	struct oip_json json;
	int r = oip_json_answer_write(&x->infer.answer, WRITE_BYTES, &json, &error);

	if (r > 0)
		return true;
	if (r < 0)
		answer_untold(x, &error);
	else
		answer_json(x, &json);
	return false;
}

static bool on_turn(struct work *work)
{
	struct http_infer *i =
		(struct http_infer *)(void *)((char *)work - offsetof(struct http_infer, work));

	return write_json(exchange_of(&i->call));
}

static void on_done(struct oip_call *call, const struct oip_answer *answer, struct buffer **buffer,
		    const struct tensock_error *error)
{
	struct http_exchange *x = exchange_of(call);
	struct tensock_error own;

	if (error) {
		http_answer_error(x, error);
	} else if (begin_json(x, answer, &own) < 0) {
		answer_untold(x, &own);
	} else {
		x->infer.buffer = TAKE_PTR(*buffer);
		x->infer.work.step = on_turn;
		if (write_json(x))
			work_add(&x->guest->work, &x->infer.work);
	}
}

static const struct oip_call_ops call_ops = { .done = on_done };

/*
 * ---- Its inputs
 */

/* Each at its place in the room; the bytes of all. */
static bool lay_out(struct oip_infer *infer, uint64_t *ret_bytes)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < infer->n_inputs; i++) {
		struct wire_tensor *tensor = &infer->inputs[i].tensor;

		if (!tsk_align_up(end, RUN_ALIGN, &tensor->offset) ||
		    !tsk_add(tensor->offset, tensor->bytes, &end))
			return false;
	}
	*ret_bytes = end;
	return true;
}

/* What must stand behind the JSON. */
static uint64_t binary_bytes(const struct oip_infer *infer)
{
	uint64_t bytes = 0;

	/* They were laid out: their sum fits. */
	for (uint32_t i = 0; i < infer->n_inputs; i++) {
		if (infer->inputs[i].source == OIP_BINARY)
			bytes += infer->inputs[i].tensor.bytes;
	}
	return bytes;
}

/* The next one that is binary is received to its place; values are written there. */
static void next_input(struct http_exchange *x)
{
	struct http_infer *i = &x->infer;

	for (; i->next < i->infer.n_inputs; i->next++) {
		const struct oip_input *input = &i->infer.inputs[i->next];

		if (input->source == OIP_VALUES) {
			oip_json_values_write(input, i->room + input->tensor.offset);
		} else if (input->source == OIP_BINARY && input->tensor.bytes) {
			i->left = input->tensor.bytes;
			http_set_place(x, i->room + input->tensor.offset, i->left);
			i->next++;
			return;
		}
	}
	http_set_place(x, NULL, 0);
}

/* Whether as much as the JSON says stands behind it, where that is known. */
static int check_length(const struct http_exchange *x, struct tensock_error *reterr)
{
	const struct http_head *head = x->head;
	uint64_t wanted = binary_bytes(&x->infer.infer), there;

	if (head->is_chunked || head->coding != HTTP_IDENTITY)
		return 0;
	there = head->length - x->body.n;
	if (wanted == there)
		return 0;
	return tsk_fail(
		reterr, TENSOCK_INVALID_ARGUMENT,
		"%llu bytes stand behind the JSON, and its inputs' binary_data_size are %llu: they "
		"must be the same, and Inference-Header-Content-Length the JSON's length",
		(unsigned long long)there, (unsigned long long)wanted);
}

static int read_json(struct http_exchange *x, struct tensock_error *reterr)
{
	struct http_infer *i = &x->infer;
	uint64_t bytes = oip_json_memory(x->body.bytes, x->body.n), payload = 0;
	int r;

	if (account_take(&x->guest->account, bytes) < 0)
		return limit_fail(
			METRICS_LIMIT_MEMORY, reterr, TENSOCK_LIMIT_REACHED,
			"no room for %zu bytes of JSON beside what is in use (max-memory): binary "
			"tensors take less",
			x->body.n);
	i->json_bytes = bytes;
	r = oip_json_infer_read(x->body.bytes, x->body.n, &i->infer, reterr);
	if (r < 0)
		return r;
	if (!lay_out(&i->infer, &payload))
		payload = UINT64_MAX;
	return oip_call_take(&i->call, x->route.model, oip_infer_described(&i->infer), payload,
			     &i->room, reterr);
}

/* The JSON is there. */
static void end_json(struct http_exchange *x)
{
	struct http_infer *i = &x->infer;
	struct tensock_error error;

	i->has_json = true;
	if (read_json(x, &error) < 0 || check_length(x, &error) < 0) {
		refuse(x, &error);
		return;
	}
	if (i->infer.timeout_us)
		oip_call_set_deadline(&i->call, i->infer.timeout_us / US_PER_MS + 1);
	next_input(x);
}

/*
 * ---- A body that is the model's one input
 */

static void free_raw(void *own)
{
	free(own);
}

/* Where one dimension is open, the number of bytes tells it. */
static int find_shape(const struct tsk_tensor_info *info, uint64_t bytes, int64_t *dims,
		      struct tensock_error *reterr)
{
	unsigned bits = tsk_dtype_bits(info->dtype);
	uint64_t elem = bits % 8 == 0 ? bits / 8 : 0, rest = elem;
	unsigned n_open = 0;

	for (uint32_t k = 0; k < info->rank; k++) {
		dims[k] = info->dims[k];
		n_open += dims[k] < 0;
		if (dims[k] >= 0 && !tsk_mul(rest, (uint64_t)dims[k], &rest))
			rest = 0;
	}
	if (!elem || n_open > 1)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"a raw binary request cannot tell the shape of input '%.60s', %s: "
				"say it in JSON before the bytes (shape, binary_data_size), and in "
				"Inference-Header-Content-Length that JSON's length",
				info->name,
				elem ? "where more than one dimension is open"
				     : "whose elements have no fixed size");
	if (n_open && (!rest || bytes % rest))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"%llu bytes are no whole number of %llu, as input '%s' takes them",
				(unsigned long long)bytes, (unsigned long long)rest, info->name);
	for (uint32_t k = 0; n_open && k < info->rank; k++) {
		if (dims[k] < 0)
			dims[k] = (int64_t)(bytes / rest);
	}
	return 0;
}

/* The inference that the body means, whose n bytes stand in the room. */
static int make_raw(struct http_exchange *x, const struct oip_model *m, uint64_t n,
		    struct tensock_error *reterr)
{
	struct oip_infer *infer = &x->infer.infer;
	const struct tsk_tensor_info *info = m->info->inputs;
	size_t len = m->info->n_inputs == 1 ? strlen(info->name) : 0;
	struct oip_input *input;
	int64_t dims[TENSOCK_RANK_MAX];

	if (m->info->n_inputs != 1)
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"a raw binary request is for a model of one input, and '%.64s' has %u",
			m->name, m->info->n_inputs);
	if (find_shape(info, n, dims, reterr) < 0)
		return -EINVAL;
	input = calloc(1, sizeof(*input) + len + 1);
	if (!input)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the request");
	*infer = (struct oip_infer){ .is_binary = true,
				     .n_inputs = 1,
				     .inputs = input,
				     .own = input,
				     .free_own = free_raw };
	memcpy(input + 1, info->name, len + 1);
	input->tensor.name = wire_string((const char *)(input + 1));
	input->tensor.index = WIRE_INDEX_NONE;
	input->source = OIP_BINARY;
	if (oip_input_set_shape(input, wire_string(tsk_dtype_name(info->dtype)), dims, info->rank,
				reterr) < 0)
		return -EINVAL;
	return oip_input_set_bytes(input, n, reterr);
}

static void submit(struct http_exchange *x)
{
	oip_call_submit(&x->infer.call, &x->infer.infer, x->route.model, x->route.version);
}

static void submit_raw(struct http_exchange *x)
{
	struct http_infer *i = &x->infer;
	uint64_t n = i->room ? x->head->length : x->body.n;
	struct tensock_error error;
	struct oip_model m;
	int r = oip_find(x->guest, x->route.model, x->route.version, &m, &error);

	if (r == 0 && !m.info)
		r = tsk_fail(&error, TENSOCK_UNAVAILABLE,
			     "Request for unknown model: '%.64s' is not ready", m.name);
	if (r == 0)
		r = make_raw(x, &m, n, &error);
	if (r == 0 && !i->room) {
		r = oip_call_take(&i->call, x->route.model, 1, n, &i->room, &error);
		if (r == 0)
			memcpy(i->room, x->body.bytes, x->body.n);
	}
	if (r < 0)
		refuse(x, &error);
	else
		submit(x);
}

/*
 * ---- As a handler
 */

static int refuse_size(const struct http_exchange *x, struct tensock_error *reterr)
{
	const struct http_head *head = x->head;
	uint64_t max = x->guest->limits.request_bytes_max;
	uint64_t json = head->has_json_bytes ? head->json_bytes : head->length;

	if (head->is_chunked || head->coding != HTTP_IDENTITY)
		return 0;
	if (json > head->length)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"Inference-Header-Content-Length is more than Content-Length");
	if (json <= max && head->length - json <= max)
		return 0;
	return limit_fail(METRICS_LIMIT_REQUEST_SIZE, reterr, TENSOCK_TOO_LARGE,
			  "a body of %llu bytes, above max-request-size, which is %llu",
			  (unsigned long long)head->length, (unsigned long long)max);
}

/* Room for the first bytes: the JSON's, or a raw body's. */
static int begin_body(struct http_exchange *x, struct tensock_error *reterr)
{
	const struct http_head *head = x->head;
	struct http_infer *i = &x->infer;
	bool is_known = !head->is_chunked && head->coding == HTTP_IDENTITY;
	uint64_t known = head->has_json_bytes ? head->json_bytes : is_known ? head->length : 0;
	const struct http_body_limit limit = { .bytes = x->guest->limits.request_bytes_max,
					       .name = "max-request-size",
					       .hits = METRICS_LIMIT_REQUEST_SIZE };
	int r;

	i->is_raw = head->has_json_bytes && !known;
	if (i->is_raw && is_known) {
		r = oip_call_take(&i->call, x->route.model, 1, head->length, &i->room, reterr);
		if (r == 0)
			http_set_place(x, i->room, head->length);
		return r;
	}
	r = http_body_begin(&x->body, &x->guest->account, known, limit, reterr);
	if (r == 0 && known)
		http_set_place(x, x->body.bytes, known);
	return r;
}

static void begin(struct http_exchange *x)
{
	struct tensock_error error;
	struct oip_model m;
	int r = oip_call_begin(&x->infer.call, x->guest, &call_ops, &error);

	if (r < 0) {
		http_answer_error(x, &error);
		return;
	}
	if (!x->head->is_chunked && !x->head->has_length) {
		(void)tsk_fail(&error, TENSOCK_INVALID_ARGUMENT,
			       "an inference without a body: send Content-Length, or chunks");
		oip_call_fail(&x->infer.call, &error);
		http_answer_status(x, 411, &error);
		return;
	}
	r = oip_find(x->guest, x->route.model, x->route.version, &m, &error);
	if (r == 0)
		r = refuse_size(x, &error);
	if (r == 0)
		r = begin_body(x, &error);
	if (r < 0)
		refuse(x, &error);
	else
		http_want_body(x);
}

static void placed(struct http_exchange *x, size_t n)
{
	struct http_infer *i = &x->infer;

	if (i->is_raw && i->room)
		return;
	if (i->has_json) {
		i->left -= n;
		if (!i->left)
			next_input(x);
		return;
	}
	x->body.n += n;
	if (x->head->has_json_bytes && !i->is_raw && x->body.n == x->head->json_bytes)
		end_json(x);
}

static void room(struct http_exchange *x)
{
	struct tensock_error error;

	if (x->infer.has_json || x->infer.room) {
		refuse_body(
			x,
			"there are more bytes behind the JSON than its inputs' binary_data_size say");
		return;
	}
	if (http_body_grow(&x->body, &error) < 0)
		refuse(x, &error);
	else
		http_set_place(x, x->body.bytes + x->body.n, x->body.size - x->body.n);
}

/* Whether each binary input has come. */
static bool has_all(const struct http_exchange *x)
{
	return !x->infer.left && x->infer.next >= x->infer.infer.n_inputs;
}

static void ended(struct http_exchange *x)
{
	struct http_infer *i = &x->infer;

	if (i->is_raw) {
		submit_raw(x);
		return;
	}
	if (!i->has_json) {
		if (x->head->has_json_bytes) {
			refuse_body(x, "the body is shorter than Inference-Header-Content-Length");
			return;
		}
		end_json(x);
	}
	if (x->is_answered)
		return;
	if (has_all(x))
		submit(x);
	else
		refuse_body(
			x,
			"there are fewer bytes behind the JSON than its inputs' binary_data_size say");
}

const struct http_handler http_infer_handler = {
	.begin = begin,
	.placed = placed,
	.room = room,
	.ended = ended,
};
