/* SPDX-License-Identifier: Apache-2.0 */
/* For tests only: a client of HTTP/2 on nghttp2, without I/O. */
#ifndef PROTOCOL_H2_PEER_H
#define PROTOCOL_H2_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#define PEER_STREAMS_MAX 160u
#define PEER_TEXT_MAX 4096u

struct h2_peer_stream {
	int32_t id;
	/* What it sends. */
	const unsigned char *body;
	size_t n_body;
	bool is_open; /* more may follow: END_STREAM is not sent with the last byte */
	/* What has come: headers and trailers as "name: value\n". */
	char headers[PEER_TEXT_MAX];
	unsigned char *answer;
	size_t n_answer, answer_max;
	bool has_ended, is_closed;
	uint32_t error;
};

struct h2_peer {
	nghttp2_session *session;
	struct h2_peer_stream streams[PEER_STREAMS_MAX];
	size_t n_streams;
	bool has_goaway;
	uint32_t goaway;
	char goaway_text[256];
	int32_t goaway_last;
	size_t n_pads;    /* each DATA is padded by so many bytes */
	size_t frame_max; /* of DATA that it sends; 0: as it may */
};

static inline struct h2_peer_stream *peer_stream(struct h2_peer *p, int32_t id)
{
	for (size_t i = 0; i < p->n_streams; i++) {
		if (p->streams[i].id == id)
			return &p->streams[i];
	}
	return NULL;
}

static inline int peer_on_header(nghttp2_session *session, const nghttp2_frame *frame,
				 const uint8_t *name, size_t n_name, const uint8_t *value,
				 size_t n_value, uint8_t flags, void *user)
{
	struct h2_peer_stream *s = peer_stream(user, frame->hd.stream_id);
	size_t at = s ? strlen(s->headers) : 0;

	(void)session;
	(void)flags;
	if (!s || n_name + n_value + 4 > sizeof(s->headers) - at)
		return 0;
	memcpy(s->headers + at, name, n_name);
	memcpy(s->headers + at + n_name, ": ", 2);
	memcpy(s->headers + at + n_name + 2, value, n_value);
	memcpy(s->headers + at + n_name + 2 + n_value, "\n", 2);
	return 0;
}

/* Twice as much each time: one more frame each time is quadratic where realloc() copies always. */
static inline bool peer_has_room(struct h2_peer_stream *s, size_t n)
{
	size_t max = 2 * (s->n_answer + n);
	unsigned char *grown;

	if (n <= s->answer_max - s->n_answer)
		return true;
	grown = realloc(s->answer, max);
	if (!grown)
		return false;
	s->answer = grown;
	s->answer_max = max;
	return true;
}

static inline int peer_on_data(nghttp2_session *session, uint8_t flags, int32_t id,
			       const uint8_t *bytes, size_t n, void *user)
{
	struct h2_peer_stream *s = peer_stream(user, id);

	(void)session;
	(void)flags;
	if (!s || !peer_has_room(s, n))
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	memcpy(s->answer + s->n_answer, bytes, n);
	s->n_answer += n;
	return 0;
}

static inline int peer_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2_peer *p = user;
	struct h2_peer_stream *s = peer_stream(p, frame->hd.stream_id);

	(void)session;
	if (s && (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
	    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		s->has_ended = true;
	if (frame->hd.type == NGHTTP2_GOAWAY) {
		size_t n = frame->goaway.opaque_data_len;

		n = n < sizeof(p->goaway_text) ? n : sizeof(p->goaway_text) - 1;
		p->has_goaway = true;
		p->goaway = frame->goaway.error_code;
		p->goaway_last = frame->goaway.last_stream_id;
		if (n)
			memcpy(p->goaway_text, frame->goaway.opaque_data, n);
		p->goaway_text[n] = '\0';
	}
	return 0;
}

static inline int peer_on_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
	struct h2_peer_stream *s = peer_stream(user, id);

	(void)session;
	if (s) {
		s->is_closed = true;
		s->error = error;
	}
	return 0;
}

static inline ssize_t peer_on_padding(nghttp2_session *session, const nghttp2_frame *frame,
				      size_t max, void *user)
{
	const struct h2_peer *p = user;
	size_t n = frame->hd.length + p->n_pads;

	(void)session;
	return (ssize_t)(n < max ? n : max);
}

static inline ssize_t peer_on_length(nghttp2_session *session, uint8_t type, int32_t id,
				     int32_t connection_window, int32_t stream_window,
				     uint32_t frame_max, void *user)
{
	const struct h2_peer *p = user;

	(void)session;
	(void)type;
	(void)id;
	(void)connection_window;
	(void)stream_window;
	return (ssize_t)(p->frame_max && p->frame_max < frame_max ? p->frame_max : frame_max);
}

static inline ssize_t peer_on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t max,
				   uint32_t *ret_flags, nghttp2_data_source *source, void *user)
{
	struct h2_peer_stream *s = peer_stream(user, id);
	const struct h2_peer *p = user;
	size_t n;

	(void)session;
	(void)source;
	if (!s || max <= p->n_pads)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	max -= p->n_pads;
	n = s->n_body < max ? s->n_body : max;
	if (n == 0 && s->is_open)
		return NGHTTP2_ERR_DEFERRED;
	if (n)
		memcpy(to, s->body, n);
	s->body += n;
	s->n_body -= n;
	if (s->n_body == 0 && !s->is_open)
		*ret_flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

/* window: of each stream, for answers.  False: no memory. */
static inline bool peer_init(struct h2_peer *p, uint32_t window, uint32_t frame_max)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window },
		{ NGHTTP2_SETTINGS_MAX_FRAME_SIZE, frame_max },
	};
	nghttp2_session_callbacks *c;
	int r;

	memset(p, 0, sizeof(*p));
	if (nghttp2_session_callbacks_new(&c) != 0)
		return false;
	nghttp2_session_callbacks_set_on_header_callback(c, peer_on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, peer_on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, peer_on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(c, peer_on_close);
	nghttp2_session_callbacks_set_select_padding_callback(c, peer_on_padding);
	nghttp2_session_callbacks_set_data_source_read_length_callback(c, peer_on_length);
	r = nghttp2_session_client_new(&p->session, c, p);
	nghttp2_session_callbacks_del(c);
	return r == 0 && nghttp2_submit_settings(p->session, NGHTTP2_FLAG_NONE, settings, 3) == 0;
}

static inline void peer_done(struct h2_peer *p)
{
	for (size_t i = 0; i < p->n_streams; i++)
		free(p->streams[i].answer);
	nghttp2_session_del(p->session);
}

static inline nghttp2_nv peer_nv(const char *name, const char *value)
{
	return (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name,
			     .value = (uint8_t *)(uintptr_t)value,
			     .namelen = strlen(name),
			     .valuelen = strlen(value) };
}

/* A request of these headers; body NULL: none. */
static inline struct h2_peer_stream *peer_request_with(struct h2_peer *p, const nghttp2_nv *nv,
						       size_t n_nv, const void *body, size_t n,
						       bool is_open)
{
	nghttp2_data_provider provider = { .read_callback = peer_on_read };
	struct h2_peer_stream *s = &p->streams[p->n_streams];

	if (p->n_streams == PEER_STREAMS_MAX)
		abort();
	*s = (struct h2_peer_stream){ .body = body, .n_body = n, .is_open = is_open };
	s->id = nghttp2_submit_request(p->session, NULL, nv, n_nv, body ? &provider : NULL, NULL);
	if (s->id < 0)
		abort();
	p->n_streams++;
	return s;
}

/* One of gRPC; timeout may be NULL. */
static inline struct h2_peer_stream *peer_request(struct h2_peer *p, const char *path,
						  const char *timeout, const void *body, size_t n,
						  bool is_open)
{
	nghttp2_nv nv[] = {
		peer_nv(":method", "POST"),
		peer_nv(":scheme", "http"),
		peer_nv(":path", path),
		peer_nv(":authority", "tensock"),
		peer_nv("te", "trailers"),
		peer_nv("content-type", "application/grpc"),
		peer_nv("grpc-timeout", timeout ? timeout : ""),
	};

	return peer_request_with(p, nv, sizeof(nv) / sizeof(nv[0]) - !timeout, body, n, is_open);
}

/* More of the body, behind all that was to be sent before. */
static inline void peer_send_more(struct h2_peer *p, struct h2_peer_stream *s, const void *body,
				  size_t n, bool is_open)
{
	s->body = body;
	s->n_body = n;
	s->is_open = is_open;
	(void)!nghttp2_session_resume_data(p->session, s->id);
}

#endif
