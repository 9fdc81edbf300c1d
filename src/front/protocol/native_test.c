/* SPDX-License-Identifier: Apache-2.0 */
/* Frames in pieces of all sizes: the same events, every byte in its place. */
#include "front/protocol/native.h"

#include <string.h>

#include "base/testing.h"
#include "tensor/model_info.h"
#include "wire/infer.h"
#include "wire/session.h"

#define PAYLOAD_MAX (1u << 20)

/* What came, as text; payload is put one piece behind the other. */
struct trace {
	char text[4096];
	size_t len;
	unsigned char *payload;
	size_t n_payload;
	bool discards;
	bool scatters;     /* receives into all pieces at once */
	uint64_t more;     /* as native_place() takes it */
	size_t window_max; /* the widest window of the buffer */
};

static void note(struct trace *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	t->len += (size_t)vsnprintf(t->text + t->len, sizeof(t->text) - t->len, fmt, args);
	va_end(args);
}

static bool take_event(struct native_decoder *d, struct trace *t)
{
	enum native_event event = native_next(d);

	switch (event) {
	case NATIVE_MORE:
	case NATIVE_BROKEN:
		if (event == NATIVE_BROKEN)
			note(t, "BROKEN ");
		return false;
	case NATIVE_MESSAGE:
		note(t, "%s/%u:%zu ", wire_type_name(d->header.type), d->header.id, d->body_bytes);
		break;
	case NATIVE_INFER:
	case NATIVE_CHUNK:
		note(t, "%s/%u:%zu+%zu ", wire_type_name(d->header.type), d->header.id,
		     event == NATIVE_INFER ? d->body_bytes : 0, (size_t)d->left);
		if (!t->discards)
			native_place(d, t->payload + t->n_payload, t->more);
		break;
	case NATIVE_PAYLOAD:
		t->n_payload += d->placed;
		break;
	}
	return true;
}

/* One call's worth, into the window or as far as all pieces go. */
static size_t put(struct native_decoder *d, bool scatters, const unsigned char *bytes, size_t n)
{
	struct iovec iov[NATIVE_SCATTER_MAX];
	unsigned n_pieces = 1;
	size_t done = 0;

	if (scatters)
		n_pieces = native_scatter(d, iov);
	else
		iov->iov_len = native_window(d, &iov->iov_base);
	for (unsigned i = 0; i < n_pieces; i++) {
		size_t part = n - done < iov[i].iov_len ? n - done : iov[i].iov_len;

		memcpy(iov[i].iov_base, bytes + done, part);
		done += part;
	}
	if (done)
		native_received(d, done);
	return done;
}

static void feed(struct native_decoder *d, struct trace *t, const unsigned char *bytes, size_t n,
		 size_t pace)
{
	while (n) {
		size_t part = put(d, t->scatters, bytes, n < pace ? n : pace);

		if (!part)
			break;
		bytes += part;
		n -= part;
		while (take_event(d, t))
			;
	}
}

static size_t put_header(unsigned char *at, uint32_t type, uint32_t id, uint64_t size)
{
	struct wire_header header = { .type = type, .id = id, .size = size };

	wire_header_write(at, &header);
	return WIRE_HEADER_BYTES;
}

static void fill(unsigned char *at, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		at[i] = (unsigned char)((i * 7 + seed) % 251);
}

/* An INFER of one tensor, `first` bytes of it in this frame; names make its metadata long. */
static size_t put_infer(unsigned char *at, uint32_t id, unsigned n_names, uint64_t bytes,
			uint64_t first)
{
	static struct wire_tensor wanted[WIRE_TENSORS_MAX];
	static char name[TSK_TENSOR_NAME_MAX + 1];
	struct wire_tensor in = { .name = wire_string("x"),
				  .dtype = TENSOCK_UINT8,
				  .rank = 1,
				  .dims = { (int64_t)bytes },
				  .bytes = bytes };
	struct wire_infer infer = { .model = { .kind = WIRE_BY_HASH },
				    .n_inputs = 1,
				    .n_outputs = n_names };
	struct tsk_writer w = tsk_writer(at + WIRE_HEADER_BYTES, WIRE_META_MAX);
	size_t offset, meta;

	memset(name, 'n', sizeof(name) - 1);
	for (unsigned i = 0; i < n_names; i++)
		wanted[i] =
			(struct wire_tensor){ .name = wire_string(name), .index = WIRE_INDEX_NONE };
	assert_int_equal(wire_tensors_layout(&in, 1, &infer.payload_bytes), 0);
	wire_infer_write(&w, &infer, &in, wanted);
	assert_false(w.bad);
	meta = tsk_writer_len(&w);
	(void)wire_first_payload(meta, bytes, &offset);
	if (!first)
		offset = meta;
	memset(w.p, 0, offset - meta);
	fill(at + WIRE_HEADER_BYTES + offset, first, 1);
	put_header(at, WIRE_INFER, id, offset + first);
	return WIRE_HEADER_BYTES + offset + first;
}

/* The widest that the trace's payload may be. */
static unsigned char *stream, *payload;

static int set_up(void **state)
{
	(void)state;
	stream = malloc(4 * PAYLOAD_MAX);
	payload = malloc(PAYLOAD_MAX);
	return !stream || !payload;
}

static int tear_down(void **state)
{
	(void)state;
	free(stream);
	free(payload);
	return 0;
}

static struct trace run_as(const struct trace *how, size_t n, size_t pace)
{
	struct trace t = *how;
	struct native_decoder d;

	memset(payload, 0xee, PAYLOAD_MAX);
	assert_int_equal(native_decoder_init(&d), 0);
	feed(&d, &t, stream, n, pace);
	if (!d.is_broken)
		assert_true(native_is_between(&d));
	native_decoder_done(&d);
	return t;
}

static struct trace run(size_t n, size_t pace, bool discards)
{
	const struct trace how = { .payload = payload, .discards = discards };

	return run_as(&how, n, pace);
}

static void check_payload(size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(payload[i], (unsigned char)((i * 7 + 1) % 251));
	assert_int_equal(payload[n], 0xee);
}

static void test_every_pace(void **state)
{
	static const size_t paces[] = { 1, 2, 3, 7, 15, 16, 17, 64, 100, 4096, 16384, 1 << 22 };
	struct wire_hello hello = { .version_min = 1,
				    .version_max = 1,
				    .program = wire_string("test") };
	struct tsk_writer w = tsk_writer(stream + WIRE_HEADER_BYTES, 1000);
	char expected[200];
	size_t n;

	(void)state;
	wire_hello_write(&w, &hello);
	n = put_header(stream, WIRE_HELLO, 0, tsk_writer_len(&w)) + tsk_writer_len(&w);
	n += put_header(stream + n, WIRE_PING, 7, 0);
	n += put_infer(stream + n, 8, 0, 10, 10);
	n += put_header(stream + n, WIRE_STATS, 9, 0);
	snprintf(expected, sizeof(expected), "HELLO/0:%zu PING/7:0 INFER/8:%u+10 STATS/9:0 ",
		 tsk_writer_len(&w), 12 + 4 + 33 + 8 + 2 + 1 + 12 + 8 + 8);
	for (size_t i = 0; i < ARRAY_SIZE(paces); i++) {
		struct trace t = run(n, paces[i], false);

		assert_string_equal(t.text, expected);
		assert_int_equal(t.n_payload, 10);
		check_payload(10);
		t = run(n, paces[i], true);
		assert_string_equal(t.text, expected);
		assert_int_equal(t.n_payload, 10);
		check_payload(0);
	}
}

/* Large payload in frames, others' between them; discarded, it leaves nothing. */
static void test_large_payload(void **state)
{
	static const size_t paces[] = { 1000, 8191, 8192, 8193, 16384, 16400, 1 << 22 };
	const size_t total = 600000, first = 100000;
	size_t n, at = first;

	(void)state;
	n = put_infer(stream, 3, 0, total, first);
	while (at < total) {
		size_t part = total - at < WIRE_BODY_MAX ? total - at : WIRE_BODY_MAX;

		n += put_header(stream + n, WIRE_PING, 1, 0);
		n += put_header(stream + n, WIRE_CHUNK, 3, part);
		for (size_t i = 0; i < part; i++)
			stream[n + i] = (unsigned char)(((at + i) * 7 + 1) % 251);
		n += part;
		at += part;
	}
	for (size_t i = 0; i < 3 * ARRAY_SIZE(paces); i++) {
		/* The decoder believes what it is told of more, and need not be told the truth. */
		const struct trace how = { .payload = payload,
					   .scatters = i % 3 > 0,
					   .more = i % 3 == 2 ? total : 0 };
		struct trace t = run_as(&how, n, paces[i / 3]);

		assert_string_equal(t.text, "INFER/3:88+100000 PING/1:0 CHUNK/3:0+262144 "
					    "PING/1:0 CHUNK/3:0+237856 ");
		assert_int_equal(t.n_payload, total);
		check_payload(total);
		t = run(n, paces[i / 3], true);
		assert_int_equal(t.n_payload, total);
		check_payload(0);
	}
}

/* Longer metadata than the buffer: it grows, and shrinks again. */
static void test_long_metadata(void **state)
{
	static const size_t paces[] = { 999, 16384, 1 << 22 };
	size_t n = 0;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		n += put_infer(stream + n, 5 + i, 100, 1000, 1000);
		n += put_header(stream + n, WIRE_LIST, 7, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(paces); i++) {
		struct trace t = { .payload = payload };
		struct native_decoder d;
		void *buf;

		assert_int_equal(native_decoder_init(&d), 0);
		feed(&d, &t, stream, n, paces[i]);
		assert_string_equal(t.text, "INFER/5:103088+1000 LIST/7:0 "
					    "INFER/6:103088+1000 LIST/7:0 ");
		assert_true(native_window(&d, &buf) == NATIVE_BUFFER_BYTES);
		assert_int_equal(d.size, NATIVE_BUFFER_BYTES);
		native_decoder_done(&d);
	}
}

static void broken(size_t n, const char *trace, const char *why)
{
	for (size_t pace = 1; pace < 40; pace += 12) {
		struct trace t = { .payload = payload };
		struct native_decoder d;
		void *buf;

		assert_int_equal(native_decoder_init(&d), 0);
		feed(&d, &t, stream, n, pace);
		assert_string_equal(t.text, trace);
		assert_int_equal(d.error.status, TENSOCK_PROTOCOL);
		if (!strstr(d.error.message, why))
			fail_msg("%s", d.error.message);
		assert_int_equal(native_window(&d, &buf), 0);
		assert_int_equal(native_next(&d), NATIVE_BROKEN);
		native_decoder_done(&d);
	}
}

static void test_broken(void **state)
{
	size_t n;

	(void)state;
	n = put_header(stream, 99, 1, 0);
	broken(n, "BROKEN ", "header");
	n = put_header(stream, WIRE_PING, 1, 0);
	n += put_header(stream + n, WIRE_PING, 1, 1);
	broken(n, "PING/1:0 BROKEN ", "header");
	n = put_header(stream, WIRE_CHUNK, 1, WIRE_BODY_MAX + 1);
	broken(n, "BROKEN ", "header");
	n = put_header(stream, WIRE_CHUNK, 1, UINT64_MAX);
	broken(n, "BROKEN ", "header");
	/* What hosts send may be long: no guest's memory is taken for it. */
	n = put_header(stream, WIRE_MODELS, 1, 100000);
	broken(n, "BROKEN ", "MODELS: no guest");
	/* Metadata longer than its frame; payload longer than announced. */
	memset(stream, 0, 100);
	n = put_header(stream, WIRE_INFER, 1, 20);
	stream[n] = 21;
	broken(n + 12, "BROKEN ", "INFER: lengths");
	n = put_infer(stream, 1, 0, 10, 10);
	put_header(stream, WIRE_INFER, 1, n - WIRE_HEADER_BYTES + 1);
	broken(n, "BROKEN ", "INFER: lengths");
	n = put_header(stream, WIRE_INFER, 1, 11);
	broken(n, "BROKEN ", "INFER: metadata");
}

/* A call that ends while its payload comes: the rest goes nowhere. */
static void test_discard_midway(void **state)
{
	struct trace t = { .payload = payload };
	struct native_decoder d;
	size_t n = put_infer(stream, 3, 0, 100000, 100000);
	void *buf;

	(void)state;
	n += put_header(stream + n, WIRE_PING, 4, 0);
	memset(payload, 0xee, PAYLOAD_MAX);
	assert_int_equal(native_decoder_init(&d), 0);
	feed(&d, &t, stream, 40000, 20000);
	native_place(&d, NULL, 0);
	assert_true(native_window(&d, &buf) > 0);
	assert_true(buf < (void *)payload || buf >= (void *)(payload + PAYLOAD_MAX));
	feed(&d, &t, stream + 40000, n - 40000, 20000);
	assert_string_equal(t.text, "INFER/3:88+100000 PING/4:0 ");
	assert_int_equal(t.n_payload, 100000);
	check_payload(40000 - WIRE_HEADER_BYTES - 128);
	native_decoder_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_every_pace),     TSK_TEST(test_large_payload),
		TSK_TEST(test_long_metadata),  TSK_TEST(test_broken),
		TSK_TEST(test_discard_midway),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
