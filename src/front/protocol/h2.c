/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/h2.h"

#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "front/protocol/h2_memory.h"

#define PREFACE_BYTES 24u /* NGHTTP2_CLIENT_MAGIC_LEN */
#define FRAME_HEADER_BYTES 9u

/*
 * A header block that is within H2_HEADERS_MAX is no longer than that: each field counts 32 bytes there,
 * and its encoding takes fewer beside its text.  One frame of it may be padded, and carry a priority.
 */
#define BLOCK_MAX (H2_HEADERS_MAX + 512u)

/* A body is received past the buffer where at least so much is missing of its frame. */
#define DIRECT_MIN (H2_BUFFER_BYTES / 2)

/* What goes out at once: headers and small frames in the block, pieces of answers where they lie. */
#define SEND_BLOCK_BYTES 32768u
#define SEND_FRAME_MAX (16384u + 64u) /* that nghttp2 writes itself */
#define SEND_PIECES_MAX 64u
/* Of DATA that we send, where the peer takes so much: nghttp2 makes room for as much, which it does not use. */
#define SEND_DATA_MAX 65536u

/* Of SETTINGS and PING that are to be acknowledged. */
#define ACKS_MAX 128u
/* nghttp2's own limit counts cancels, be they one in a thousand calls: ours are by what comes to nothing. */
#define RESETS_MAX 1000000u
#define CONTINUATIONS_MAX 6u /* nghttp2 takes 8, and says nothing */

struct h2 {
	const struct h2_ops *ops;
	void *context;
	struct h2_memory memory;
	nghttp2_session *session;

	/* Where the bytes that come stand in the frames. */
	unsigned char frame[FRAME_HEADER_BYTES]; /* its header, n_frame bytes of it */
	unsigned n_frame;
	size_t preface_left, frame_left;
	size_t block_bytes; /* of the header block that is coming */
	size_t n_continuations;
	unsigned char *buffer;

	/* The request whose header is coming: one at a time. */
	struct h2_head head;
	size_t head_bytes;

	/* What goes out, in pieces, of which first have gone. */
	struct iovec out[SEND_PIECES_MAX];
	unsigned n_out, first_out;
	unsigned char *block;
	size_t n_block;
	struct h2_frame answer; /* that is being sent */

	unsigned n_spoiled;
	const char *reason;
	bool is_broken; /* nothing is sent any more, either */
	bool is_ending; /* nothing is read any more; with its GOAWAY it is over */
	bool has_ended;
};

static void end(struct h2 *h2, uint32_t code, const char *reason)
{
	if (h2->is_ending || h2->is_broken)
		return;
	h2->is_ending = true;
	h2->reason = reason;
	if (nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
				  nghttp2_session_get_last_proc_stream_id(h2->session), code,
				  (const uint8_t *)reason, strlen(reason)) != 0)
		h2->is_broken = true;
}

static void spoil(struct h2 *h2)
{
	if (++h2->n_spoiled >= H2_SPOILED_MAX)
		end(h2, NGHTTP2_ENHANCE_YOUR_CALM, "too many streams that come to nothing");
}

static void *stream_of(const struct h2 *h2, int32_t id)
{
	return nghttp2_session_get_stream_user_data(h2->session, id);
}

static void reset(struct h2 *h2, int32_t id, uint32_t code)
{
	if (nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, id, code) != 0)
		h2->is_broken = true;
}

/*
 * ---- What nghttp2 tells
 */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2 *h2 = user;

	(void)session;
	h2->head_bytes = 0;
	if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		h2->head = (struct h2_head){ 0 };
	return 0;
}

static char *value_of(struct h2_head *head, const uint8_t *name, size_t n)
{
	static const char *const names[H2_FIELDS] = {
		[H2_METHOD] = ":method",
		[H2_PATH] = ":path",
		[H2_CONTENT_TYPE] = "content-type",
		[H2_TE] = "te",
		[H2_GRPC_TIMEOUT] = "grpc-timeout",
		[H2_GRPC_ENCODING] = "grpc-encoding",
	};

	for (unsigned i = 0; i < H2_FIELDS; i++) {
		if (n == strlen(names[i]) && memcmp(name, names[i], n) == 0)
			return head->values[i];
	}
	return NULL;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t n_name, const uint8_t *value, size_t n_value, uint8_t flags, void *user)
{
	struct h2 *h2 = user;
	char *to;

	(void)session;
	(void)flags;
	h2->head_bytes += n_name + n_value + 32;
	if (h2->head_bytes > H2_HEADERS_MAX)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	to = value_of(&h2->head, name, n_name);
	if (!to)
		return 0;
	n_value = n_value < H2_VALUE_MAX ? n_value : H2_VALUE_MAX;
	memcpy(to, value, n_value);
	to[n_value] = '\0';
	return 0;
}

static void begin_stream(struct h2 *h2, int32_t id)
{
	/* Priorities are ours: answers take turns. */
	const nghttp2_extpri turns = { .urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1 };
	void *stream = h2->ops->request(h2->context, id, &h2->head);

	if (!stream) {
		reset(h2, id, NGHTTP2_REFUSED_STREAM);
		return;
	}
	if (nghttp2_session_set_stream_user_data(h2->session, id, stream) != 0 ||
	    nghttp2_session_change_extpri_stream_priority(h2->session, id, &turns, 1) != 0)
		h2->is_broken = true;
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2 *h2 = user;
	bool is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	void *stream;

	(void)session;
	if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		begin_stream(h2, frame->hd.stream_id);
	stream = stream_of(h2, frame->hd.stream_id);
	if (stream && is_end)
		h2->ops->ended(stream);
	return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
			    void *user)
{
	(void)session;
	(void)frame;
	(void)error;
	spoil(user);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
		   size_t n, void *user)
{
	struct h2 *h2 = user;
	void *stream = stream_of(h2, id);
	size_t consumed = stream ? h2->ops->body(stream, bytes, n) : n;

	(void)flags;
	/* The connection's window is all streams': one that waits must not keep the others waiting. */
	if (nghttp2_session_consume_connection(session, n) != 0 ||
	    nghttp2_session_consume_stream(session, id, consumed) != 0)
		h2->is_broken = true;
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
	struct h2 *h2 = user;
	void *stream = stream_of(h2, id);

	(void)code;
	if (!stream || nghttp2_session_get_stream_local_close(session, id) != 1)
		spoil(h2);
	else
		h2->n_spoiled -= h2->n_spoiled > 0;
	if (stream)
		h2->ops->closed(stream);
	return 0;
}

/* Who has its whole answer before we had the whole request need not send the rest. */
static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2 *h2 = user;

	if (frame->hd.type == NGHTTP2_GOAWAY && h2->is_ending)
		h2->has_ended = true;
	if (frame->hd.type == NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) &&
	    nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0)
		reset(h2, frame->hd.stream_id, NGHTTP2_NO_ERROR);
	return 0;
}

/*
 * ---- What goes out
 */

static void append(struct h2 *h2, const void *bytes, size_t n)
{
	h2->out[h2->n_out++] = (struct iovec){ .iov_base = (void *)(uintptr_t)bytes, .iov_len = n };
}

/* There is room: nothing is asked for that does not find it (has_send_room()). */
static void append_copy(struct h2 *h2, const void *bytes, size_t n)
{
	unsigned char *at = h2->block + h2->n_block;
	struct iovec *last = h2->n_out ? &h2->out[h2->n_out - 1] : NULL;

	if (n > SEND_BLOCK_BYTES - h2->n_block) {
		h2->is_broken = true;
		return;
	}
	memcpy(at, bytes, n);
	h2->n_block += n;
	if (last && (unsigned char *)last->iov_base + last->iov_len == at)
		last->iov_len += n;
	else
		append(h2, at, n);
}

static bool has_send_room(const struct h2 *h2)
{
	return SEND_PIECES_MAX - h2->n_out > H2_PIECES_MAX + 1 &&
	       SEND_BLOCK_BYTES - h2->n_block >= SEND_FRAME_MAX;
}

#define ANSWER_HEADERS_MAX 8u

/* How many of them: the callers give no more than there is room for. */
static size_t to_nv(const struct h2_header *headers, size_t n, nghttp2_nv nv[ANSWER_HEADERS_MAX])
{
	n = n < ANSWER_HEADERS_MAX ? n : ANSWER_HEADERS_MAX;
	for (size_t i = 0; i < n; i++)
		nv[i] = (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)headers[i].name,
				      .value = (uint8_t *)(uintptr_t)headers[i].value,
				      .namelen = strlen(headers[i].name),
				      .valuelen = strlen(headers[i].value) };
	return n;
}

static void submit_trailers(struct h2 *h2, int32_t id)
{
	nghttp2_nv nv[ANSWER_HEADERS_MAX];
	size_t n = to_nv(h2->answer.trailers, h2->answer.n_trailers, nv);

	if (nghttp2_submit_trailer(h2->session, id, nv, n) != 0)
		h2->is_broken = true;
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t max,
		       uint32_t *ret_flags, nghttp2_data_source *source, void *user)
{
	struct h2 *h2 = user;
	struct h2_frame *answer = &h2->answer;

	(void)session;
	(void)to;
	if (!has_send_room(h2))
		return NGHTTP2_ERR_PAUSE;
	*answer = (struct h2_frame){ 0 };
	h2->ops->answer(source->ptr, max, answer);
	if (!answer->bytes && !answer->is_last)
		return NGHTTP2_ERR_DEFERRED;
	*ret_flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (answer->is_last) {
		*ret_flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
		submit_trailers(h2, id);
	}
	return (ssize_t)answer->bytes;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header,
			size_t length, nghttp2_data_source *source, void *user)
{
	struct h2 *h2 = user;

	(void)session;
	(void)frame;
	(void)length;
	(void)source;
	/* We pad nothing: the frame is its header, and what on_read() has had. */
	append_copy(h2, header, FRAME_HEADER_BYTES);
	for (unsigned i = 0; i < h2->answer.n_pieces; i++)
		append(h2, h2->answer.pieces[i].iov_base, h2->answer.pieces[i].iov_len);
	return 0;
}

/* nghttp2 itself bounds it by the windows, and what the peer takes. */
static ssize_t on_read_length(nghttp2_session *session, uint8_t type, int32_t id,
			      int32_t connection_window, int32_t stream_window, uint32_t frame_max,
			      void *user)
{
	(void)session;
	(void)type;
	(void)id;
	(void)connection_window;
	(void)stream_window;
	(void)user;
	return frame_max < SEND_DATA_MAX ? (ssize_t)frame_max : (ssize_t)SEND_DATA_MAX;
}

/* Has nghttp2 say what is to go, as much as there is room for. */
static void pump(struct h2 *h2)
{
	const uint8_t *bytes;
	ssize_t n = 1;

	while (n > 0 && has_send_room(h2) && !h2->has_ended) {
		n = nghttp2_session_mem_send(h2->session, &bytes);
		if (n > 0)
			append_copy(h2, bytes, (size_t)n);
	}
	if (n < 0)
		h2->is_broken = true;
}

unsigned h2_gather(struct h2 *h2, struct iovec *iov, unsigned max)
{
	unsigned n = 0;

	if (!h2_is_sending(h2))
		pump(h2);
	if (h2->is_broken)
		return 0;
	for (unsigned i = h2->first_out; i < h2->n_out && n < max; i++)
		iov[n++] = h2->out[i];
	return n;
}

void h2_sent(struct h2 *h2, size_t n)
{
	while (n) {
		struct iovec *piece = &h2->out[h2->first_out];
		size_t part = n < piece->iov_len ? n : piece->iov_len;

		piece->iov_base = (unsigned char *)piece->iov_base + part;
		piece->iov_len -= part;
		n -= part;
		h2->first_out += piece->iov_len == 0;
	}
	if (h2_is_sending(h2))
		return;
	h2->n_out = h2->first_out = 0;
	h2->n_block = 0;
	h2->ops->drained(h2->context);
}

/*
 * ---- What comes in
 */

static uint32_t stream_id(const struct h2 *h2)
{
	const unsigned char *f = h2->frame + 5;

	return ((uint32_t)f[0] << 24 | (uint32_t)f[1] << 16 | (uint32_t)f[2] << 8 | f[3]) &
	       INT32_MAX;
}

/* A frame's header is there.  Ends the connection of who sends what costs more than it may. */
static void begin_frame(struct h2 *h2)
{
	const unsigned char *f = h2->frame;
	unsigned type = f[3];

	h2->frame_left = (size_t)f[0] << 16 | (size_t)f[1] << 8 | f[2];
	if (type == NGHTTP2_DATA)
		return;
	if (type != NGHTTP2_CONTINUATION)
		h2->block_bytes = h2->n_continuations = 0;
	h2->n_continuations += type == NGHTTP2_CONTINUATION;
	h2->block_bytes += h2->frame_left;
	if (h2->block_bytes > BLOCK_MAX || h2->n_continuations > CONTINUATIONS_MAX)
		end(h2, NGHTTP2_ENHANCE_YOUR_CALM,
		    "a header, or a frame of control, that is too large");
}

static size_t at_most(size_t n, size_t max)
{
	return n < max ? n : max;
}

/* Goes over bytes that are to be fed, from frame to frame.  False: they are not to be. */
static bool walk(struct h2 *h2, const unsigned char *bytes, size_t n)
{
	while (n && !h2->is_ending) {
		size_t part;

		if (h2->preface_left) {
			part = at_most(n, h2->preface_left);
			h2->preface_left -= part;
		} else if (h2->frame_left) {
			part = at_most(n, h2->frame_left);
			h2->frame_left -= part;
		} else {
			part = at_most(n, sizeof(h2->frame) - h2->n_frame);
			memcpy(h2->frame + h2->n_frame, bytes, part);
			h2->n_frame += (unsigned)part;
			if (h2->n_frame == sizeof(h2->frame))
				begin_frame(h2);
		}
		if (h2->n_frame == sizeof(h2->frame) && !h2->frame_left)
			h2->n_frame = 0;
		bytes += part;
		n -= part;
	}
	return !h2->is_ending;
}

static void feed(struct h2 *h2, const unsigned char *bytes, size_t n)
{
	ssize_t r;

	if (h2->is_broken || !walk(h2, bytes, n))
		return;
	r = nghttp2_session_mem_recv(h2->session, bytes, n);
	if (r >= 0)
		return;
	h2->is_broken = true;
	h2->reason = nghttp2_strerror((int)r);
}

/* Where the bytes that come now have their place, and how many go on there, be it in later frames. */
static uint64_t place_of(const struct h2 *h2, void **ret_place)
{
	bool is_plain = h2->frame_left && h2->n_frame == sizeof(h2->frame) &&
			h2->frame[3] == NGHTTP2_DATA && !(h2->frame[4] & NGHTTP2_FLAG_PADDED);
	void *stream = is_plain ? stream_of(h2, (int32_t)stream_id(h2)) : NULL;

	return stream ? h2->ops->place(stream, ret_place) : 0;
}

/* How much of the frame is received right there, of room bytes. */
static size_t direct(const struct h2 *h2, uint64_t room)
{
	size_t n = room < h2->frame_left ? (size_t)room : h2->frame_left;

	return n >= DIRECT_MIN ? n : 0;
}

static bool is_deaf(const struct h2 *h2)
{
	return h2->is_broken || h2->is_ending || !nghttp2_session_want_read(h2->session);
}

unsigned h2_scatter(struct h2 *h2, struct iovec *iov)
{
	size_t n, n_buffer = H2_BUFFER_BYTES;
	void *place;
	uint64_t room;

	if (is_deaf(h2))
		return 0;
	room = place_of(h2, &place);
	n = direct(h2, room);
	/* No more than the next frame's header: what is behind it has its place, too. */
	if (room >= h2->frame_left && room - h2->frame_left >= DIRECT_MIN)
		n_buffer = h2->frame_left - n + FRAME_HEADER_BYTES;
	iov[0] = (struct iovec){ place, n };
	iov[n > 0] = (struct iovec){ h2->buffer, n_buffer };
	return 1 + (n > 0);
}

void h2_received(struct h2 *h2, size_t n)
{
	void *place;
	size_t n_direct = at_most(direct(h2, place_of(h2, &place)), n);

	if (n_direct)
		feed(h2, place, n_direct);
	if (n > n_direct)
		feed(h2, h2->buffer, n - n_direct);
}

/*
 * ---- The connection
 */

static nghttp2_session_callbacks *callbacks_new(void)
{
	nghttp2_session_callbacks *c;

	if (nghttp2_session_callbacks_new(&c) != 0)
		return NULL;
	nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(c, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(c, on_invalid_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_send);
	nghttp2_session_callbacks_set_send_data_callback(c, on_send_data);
	nghttp2_session_callbacks_set_data_source_read_length_callback(c, on_read_length);
	return c;
}

static int session_new(struct h2 *h2)
{
	nghttp2_session_callbacks *callbacks = callbacks_new();
	nghttp2_mem mem = h2_memory_functions(&h2->memory);
	nghttp2_option *option = NULL;
	int r = -ENOMEM;

	if (callbacks && nghttp2_option_new(&option) == 0) {
		nghttp2_option_set_no_auto_window_update(option, 1);
		nghttp2_option_set_no_closed_streams(option, 1);
		nghttp2_option_set_max_outbound_ack(option, ACKS_MAX);
		nghttp2_option_set_stream_reset_rate_limit(option, RESETS_MAX, RESETS_MAX);
		r = nghttp2_session_server_new3(&h2->session, callbacks, h2, option, &mem);
	}
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	return r == 0 ? 0 : -ENOMEM;
}

static int greet(struct h2 *h2, uint32_t streams_max)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
		  streams_max < H2_STREAMS_MAX ? streams_max : H2_STREAMS_MAX },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_FRAME_SIZE, H2_FRAME_MAX },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_HEADERS_MAX },
		{ NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
	};

	if (nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings,
				    ARRAY_SIZE(settings)) != 0 ||
	    nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
						  H2_CONNECTION_WINDOW) != 0)
		return -ENOMEM;
	return 0;
}

struct h2 *h2_new(const struct h2_ops *ops, void *context, uint32_t streams_max)
{
	struct h2 *h2 = calloc(1, sizeof(*h2));

	if (!h2)
		return NULL;
	h2->ops = ops;
	h2->context = context;
	h2->preface_left = PREFACE_BYTES;
	h2->memory.max = H2_MEMORY_MAX - sizeof(*h2) - H2_BUFFER_BYTES - SEND_BLOCK_BYTES;
	h2->buffer = malloc(H2_BUFFER_BYTES);
	h2->block = malloc(SEND_BLOCK_BYTES);
	if (!h2->buffer || !h2->block || session_new(h2) < 0 || greet(h2, streams_max) < 0) {
		h2_free(h2);
		return NULL;
	}
	return h2;
}

void h2_free(struct h2 *h2)
{
	if (!h2)
		return;
	nghttp2_session_del(h2->session);
	free(h2->buffer);
	free(h2->block);
	free(h2);
}

bool h2_is_over(const struct h2 *h2)
{
	if (h2->is_broken)
		return true;
	return !h2_is_sending(h2) && (h2->has_ended || (!nghttp2_session_want_read(h2->session) &&
							!nghttp2_session_want_write(h2->session)));
}

bool h2_is_between(const struct h2 *h2)
{
	return !h2->preface_left && !h2->n_frame;
}

bool h2_is_sending(const struct h2 *h2)
{
	return h2->first_out < h2->n_out;
}

int h2_respond(struct h2 *h2, int32_t id, const struct h2_header *headers, size_t n, void *stream)
{
	nghttp2_data_provider body = { .source = { .ptr = stream }, .read_callback = on_read };
	nghttp2_nv nv[ANSWER_HEADERS_MAX];
	int r;

	n = to_nv(headers, n, nv);
	r = nghttp2_submit_response(h2->session, id, nv, n, stream ? &body : NULL);
	return r == 0 ? 0 : -ENOMEM;
}

void h2_resume(struct h2 *h2, int32_t id)
{
	if (nghttp2_is_fatal(nghttp2_session_resume_data(h2->session, id)))
		h2->is_broken = true;
}

void h2_consume(struct h2 *h2, int32_t id, size_t n)
{
	if (nghttp2_session_consume_stream(h2->session, id, n) != 0)
		h2->is_broken = true;
}

void h2_reset(struct h2 *h2, int32_t id)
{
	reset(h2, id, NGHTTP2_INTERNAL_ERROR);
}

void h2_go_away(struct h2 *h2, const char *text)
{
	if (h2->is_broken || h2->is_ending)
		return;
	if (nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
				  nghttp2_session_get_last_proc_stream_id(h2->session),
				  NGHTTP2_NO_ERROR, (const uint8_t *)text, strlen(text)) != 0)
		h2->is_broken = true;
}

void h2_refuse(struct h2 *h2, const char *text)
{
	end(h2, NGHTTP2_ENHANCE_YOUR_CALM, text);
	h2->reason = NULL;
}

const char *h2_reason(const struct h2 *h2)
{
	return h2->reason;
}

size_t h2_memory(const struct h2 *h2)
{
	return h2->memory.used;
}
