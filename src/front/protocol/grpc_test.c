/* SPDX-License-Identifier: Apache-2.0 */
/* Messages cut in pieces of all sizes: the same events, every byte in its place. */
#include "front/protocol/grpc.h"

#include <stdlib.h>
#include <string.h>

#include "base/testing.h"

#define RAWS_MAX 4u
#define RAW_MAX (1u << 18)

/* What came. */
struct trace {
	char text[2048];
	size_t len;
	unsigned char *raws; /* one behind the other */
	size_t n_raws;
	size_t n_message;  /* bytes of the last one */
	size_t n_in_place; /* bytes that were received there */
	bool discards;
	bool skips; /* messages that have raw contents */
};

static void note(struct trace *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	t->len += (size_t)vsnprintf(t->text + t->len, sizeof(t->text) - t->len, fmt, args);
	va_end(args);
	assert_true(t->len < sizeof(t->text));
}

static uint32_t sum(const unsigned char *bytes, size_t n)
{
	uint32_t s = 0;

	for (size_t i = 0; i < n; i++)
		s = 31 * s + bytes[i];
	return s;
}

/* False: more bytes are wanted. */
static bool take_event(struct grpc_decoder *d, struct trace *t)
{
	switch (grpc_next(d)) {
	case GRPC_MORE:
		return false;
	case GRPC_BEGIN:
		note(t, "begin %u ", d->length);
		break;
	case GRPC_FULL:
		assert_true(d->needed > d->size && d->needed <= d->length);
		/* As little as is asked for. */
		assert_int_equal(grpc_grow(d, d->needed), 0);
		break;
	case GRPC_RAW:
		note(t, "raw %zu ", (size_t)d->raw_bytes);
		assert_true(t->n_raws + d->raw_bytes <= RAWS_MAX * RAW_MAX);
		if (!t->discards)
			grpc_place(d, t->raws + t->n_raws);
		t->n_raws += (size_t)d->raw_bytes;
		if (t->skips)
			grpc_skip(d);
		break;
	case GRPC_RAW_END:
		note(t, "end ");
		break;
	case GRPC_MESSAGE:
		t->n_message = d->n;
		note(t, "message %zu/%08x inputs %u outputs %u name '%.*s' ", d->n,
		     sum(d->buffer, d->n), d->n_inputs, d->n_outputs, (int)d->name_bytes,
		     d->name_at ? (const char *)d->buffer + d->name_at : "");
		break;
	case GRPC_BROKEN:
		note(t, "broken %u: %s ", d->error.status, d->error.message);
		return false;
	}
	return true;
}

/* Feeds it in pieces of at most pace, into places where there are some. */
static void decode(struct grpc_decoder *d, struct trace *t, const unsigned char *bytes, size_t n,
		   size_t pace)
{
	unsigned char *staging = malloc(pace);

	assert_non_null(staging);
	for (size_t at = 0; at < n;) {
		size_t part = n - at < pace ? n - at : pace;
		void *place;
		uint64_t room = grpc_room(d, &place);

		if (room) {
			part = room < part ? (size_t)room : part;
			t->n_in_place += part;
		} else {
			place = staging;
		}
		memcpy(place, bytes + at, part);
		at += part;
		grpc_feed(d, place, part);
		while (take_event(d, t))
			;
	}
	free(staging);
}

static void trace_init(struct trace *t)
{
	*t = (struct trace){ .raws = calloc(RAWS_MAX, RAW_MAX) };
	assert_non_null(t->raws);
}

/* A message being written. */
struct text {
	unsigned char bytes[RAWS_MAX * RAW_MAX];
	size_t n;
};

static void put(struct text *m, const void *bytes, size_t n)
{
	assert_true(n <= sizeof(m->bytes) - m->n);
	memcpy(m->bytes + m->n, bytes, n);
	m->n += n;
}

static void put_varint(struct text *m, uint64_t v)
{
	do {
		unsigned char c = (unsigned char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));

		put(m, &c, 1);
		v >>= 7;
	} while (v);
}

static void put_field(struct text *m, unsigned field, const void *bytes, size_t n)
{
	put_varint(m, field << 3 | 2);
	put_varint(m, n);
	put(m, bytes, n);
}

static void begin_message(struct text *m)
{
	m->n = GRPC_PREFIX_BYTES;
}

static void end_message(struct text *m)
{
	grpc_prefix_write((uint32_t)(m->n - GRPC_PREFIX_BYTES), m->bytes);
}

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 7 + i / 251);
}

static unsigned char *patterned(size_t n)
{
	unsigned char *bytes = malloc(n);

	assert_non_null(bytes);
	for (size_t i = 0; i < n; i++)
		bytes[i] = pattern(i);
	return bytes;
}

static struct text text;

static void write_infer(const unsigned char *raw, size_t n_first, size_t n_second)
{
	begin_message(&text);
	put_field(&text, 1, "resnet", 6);
	put_field(&text, 5, "in", 2);
	put_field(&text, 5, "in", 2);
	put_field(&text, 6, "out", 3);
	put_varint(&text, 9 << 3 | 0); /* a varint, of no known field */
	put_varint(&text, UINT64_MAX);
	put_varint(&text, 10 << 3 | 5);
	put(&text, "\1\2\3\4", 4);
	put_field(&text, 7, raw, n_first);
	put_field(&text, 7, raw, n_second);
	put_field(&text, 3, "id", 2); /* in whatever order */
	put_varint(&text, 11 << 3 | 1);
	put(&text, "12345678", 8);
	end_message(&text);
}

static void test_raw_contents_go_to_their_place(void **state)
{
	static const size_t paces[] = { 1, 2, 3, 7, 64, 4096, SIZE_MAX };
	unsigned char *raw = patterned(RAW_MAX);
	char wanted[2048] = "";

	(void)state;
	write_infer(raw, 70000, 3);
	for (size_t i = 0; i < ARRAY_SIZE(paces); i++) {
		struct grpc_decoder d = { .is_infer = true, .length_max = UINT32_MAX };
		struct trace t;

		trace_init(&t);
		decode(&d, &t, text.bytes, text.n, paces[i] < text.n ? paces[i] : text.n);
		if (i == 0)
			memcpy(wanted, t.text, sizeof(wanted));
		assert_string_equal(t.text, wanted);
		assert_non_null(strstr(t.text, "raw 70000 end raw 3 end message 50/"));
		assert_non_null(strstr(t.text, "inputs 2 outputs 1 name 'resnet'"));
		assert_int_equal(t.n_raws, 70003);
		assert_memory_equal(t.raws, raw, 70000);
		assert_memory_equal(t.raws + 70000, raw, 3);
		/* All but what stood with its head has been received where it belongs. */
		if (paces[i] <= 64)
			assert_true(t.n_in_place >= 70000 - 64);
		assert_true(grpc_is_between(&d));
		grpc_decoder_done(&d);
		free(t.raws);
	}
	free(raw);
}

static void test_the_rest_is_what_was_sent(void **state)
{
	struct grpc_decoder d = { .is_infer = true, .length_max = UINT32_MAX };
	struct trace t;

	(void)state;
	trace_init(&t);
	begin_message(&text);
	put_field(&text, 1, "m", 1);
	put_field(&text, 7, "abcd", 4);
	put_field(&text, 3, "id", 2);
	end_message(&text);
	decode(&d, &t, text.bytes, text.n, 5);
	assert_int_equal(t.n_message, 7);
	assert_memory_equal(d.buffer, "\012\1m\032\2id", 7);
	assert_memory_equal(t.raws, "abcd", 4);
	grpc_decoder_done(&d);
	free(t.raws);
}

static void test_messages_follow_one_another(void **state)
{
	for (size_t pace = 1; pace < 40; pace++) {
		struct grpc_decoder d = { .length_max = UINT32_MAX };
		unsigned char bytes[64];
		struct trace t;

		(void)state;
		trace_init(&t);
		grpc_prefix_write(3, bytes);
		memcpy(bytes + 5, "abc", 3);
		grpc_prefix_write(0, bytes + 8);
		grpc_prefix_write(20, bytes + 13);
		memcpy(bytes + 18, "0123456789abcdefghij", 20);
		decode(&d, &t, bytes, 38, pace);
		assert_non_null(strstr(t.text, "begin 3 message 3/"));
		assert_non_null(strstr(t.text, "begin 0 message 0/00000000"));
		assert_non_null(strstr(t.text, "begin 20 message 20/"));
		assert_memory_equal(d.buffer, "0123456789abcdefghij", 20);
		grpc_decoder_done(&d);
		free(t.raws);
	}
}

/* A great length costs no memory before its bytes are there. */
static void test_memory_grows_with_what_comes(void **state)
{
	struct grpc_decoder d = { .length_max = UINT32_MAX };
	unsigned char bytes[105] = { 0 };
	struct trace t;

	(void)state;
	trace_init(&t);
	grpc_prefix_write(UINT32_MAX - 1, bytes);
	decode(&d, &t, bytes, sizeof(bytes), 10);
	assert_true(d.size <= 100);
	assert_false(grpc_is_between(&d));
	grpc_decoder_done(&d);
	free(t.raws);
}

static void test_raw_contents_that_nobody_wants(void **state)
{
	struct grpc_decoder d = { .is_infer = true, .length_max = UINT32_MAX };
	unsigned char *raw = patterned(1000);
	struct trace t;

	(void)state;
	trace_init(&t);
	t.discards = true;
	write_infer(raw, 1000, 0);
	decode(&d, &t, text.bytes, text.n, 100);
	assert_non_null(strstr(t.text, "raw 1000 end raw 0 end message"));
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(t.raws[i], 0);
	grpc_decoder_done(&d);
	free(t.raws);
	free(raw);
}

static void test_a_message_that_nobody_wants(void **state)
{
	struct grpc_decoder d = { .is_infer = true, .length_max = UINT32_MAX };
	unsigned char *raw = patterned(1000);
	struct trace t;

	(void)state;
	trace_init(&t);
	t.skips = true;
	write_infer(raw, 1000, 0);
	decode(&d, &t, text.bytes, text.n, 100);
	assert_non_null(strstr(t.text, "raw 1000 message 0/"));
	/* The next one is looked at again. */
	begin_message(&text);
	put_field(&text, 3, "id", 2);
	end_message(&text);
	decode(&d, &t, text.bytes, text.n, 100);
	assert_non_null(strstr(t.text, "begin 4 message 4/"));
	grpc_decoder_done(&d);
	free(t.raws);
	free(raw);
}

/* What a compressed message says is told as if it had come so, and what follows it afterwards. */
static void test_packed_messages(void **state)
{
	struct grpc_decoder d = { .is_infer = true,
				  .length_max = UINT32_MAX,
				  .takes_packed = true };
	unsigned char *raw = patterned(1000);
	unsigned char packed[12] = { 1, 0, 0, 0, 2, '?', '!', 0, 0, 0, 0, 0 };
	struct trace t;

	(void)state;
	trace_init(&t);
	write_infer(raw, 1000, 3);
	grpc_feed(&d, packed, sizeof(packed));
	while (!strstr(t.text, "message"))
		assert_true(take_event(&d, &t));
	assert_non_null(strstr(t.text, "begin 2 message 2/"));
	assert_true(d.is_packed);
	assert_int_equal(grpc_unused(&d), 5);
	assert_memory_equal(d.buffer, "?!", 2);
	grpc_unpacked(&d, text.bytes + 5, (uint32_t)text.n - 5);
	while (take_event(&d, &t))
		;
	assert_non_null(strstr(t.text, "raw 1000 end raw 3 end message 50/"));
	assert_memory_equal(t.raws, raw, 1000);
	grpc_feed(&d, packed + 7, 5);
	while (take_event(&d, &t))
		;
	assert_non_null(strstr(t.text, "begin 0 message 0/"));
	grpc_decoder_done(&d);
	free(t.raws);
	free(raw);
}

struct bad {
	const char *bytes;
	size_t n;
	const char *how;
};

static void test_what_is_no_message(void **state)
{
	static const struct bad bads[] = {
		{ "\2\0\0\0\1x", 6, "no message of gRPC" },
		{ "\377\0\0\0\1x", 6, "no message of gRPC" },
		{ "\1\0\0\0\1x", 6, "no grpc-encoding" },
		{ "\0\0\1\0\1x", 6, "a message of 65537 bytes, above a key, which is 65536 bytes" },
		{ "\0\377\377\377\377", 5, "above a key" },
		/* Fields that go beyond the message, a tag without an end, groups, a varint of 11 bytes. */
		{ "\0\0\0\0\3\072\2x", 8, "no ModelInferRequest" },
		{ "\0\0\0\0\3\012\2x", 8, "no ModelInferRequest" },
		{ "\0\0\0\0\2\012\377", 7, "no ModelInferRequest" },
		{ "\0\0\0\0\1\012", 6, "no ModelInferRequest" },
		{ "\0\0\0\0\6\200\200\200\200\200\1", 11, "no ModelInferRequest" },
		{ "\0\0\0\0\1\013", 6, "no ModelInferRequest" },
		{ "\0\0\0\0\1\014", 6, "no ModelInferRequest" },
		{ "\0\0\0\0\1\016", 6, "no ModelInferRequest" },
		{ "\0\0\0\0\4\015\0\0\0", 9, "no ModelInferRequest" },
		{ "\0\0\0\0\14\010\377\377\377\377\377\377\377\377\377\377\1", 17,
		  "no ModelInferRequest" },
		{ "\0\0\0\0\14\072\377\377\377\377\377\377\377\377\377\1x", 17,
		  "no ModelInferRequest" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
		for (size_t pace = 1; pace < 20; pace += 6) {
			struct grpc_decoder d = { .is_infer = true,
						  .length_max = 65536,
						  .limit = "a key" };
			struct trace t;

			trace_init(&t);
			decode(&d, &t, (const unsigned char *)bads[i].bytes, bads[i].n, pace);
			if (!strstr(t.text, bads[i].how))
				fail_msg("%zu: %s", i, t.text);
			assert_int_equal(grpc_next(&d), GRPC_BROKEN);
			grpc_decoder_done(&d);
			free(t.raws);
		}
	}
}

static void test_timeouts(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = { { "1H", 3600000 },  { "2M", 120000 }, { "3S", 3000 },
		     { "4m", 4 },        { "5000u", 5 },   { "1u", 1 },
		     { "1n", 1 },        { "0m", 1 },      { "99999999H", 359999996400000 },
		     { "12345678n", 12 } };
	static const char *const bad[] = { "",           "H",   "1",    "1h", "1 m", "-1m",
					   "123456789m", "1mm", "0x1m", "m1", "1.5S" };
	uint64_t ms;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(grpc_timeout_read(good[i].text, &ms), 0);
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(grpc_timeout_read(bad[i], &ms), -EINVAL);
}

static void test_content_types(void **state)
{
	(void)state;
	assert_true(grpc_is_content_type("application/grpc"));
	assert_true(grpc_is_content_type("application/grpc+proto"));
	assert_true(grpc_is_content_type("application/grpc;charset=utf-8"));
	assert_false(grpc_is_content_type("application/grpc+json"));
	assert_false(grpc_is_content_type("application/grpc-web"));
	assert_false(grpc_is_content_type("application/json"));
	assert_false(grpc_is_content_type(""));
}

static void test_messages_of_statuses(void **state)
{
	char to[GRPC_PERCENT_MAX + 1], longest[300];

	(void)state;
	grpc_percent_encode("100% of \xc3\xa4\n", to);
	assert_string_equal(to, "100%25 of %C3%A4%0A");
	memset(longest, '\xff', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	grpc_percent_encode(longest, to);
	assert_int_equal(strlen(to), GRPC_PERCENT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_raw_contents_go_to_their_place),
		TSK_TEST(test_the_rest_is_what_was_sent),
		TSK_TEST(test_messages_follow_one_another),
		TSK_TEST(test_memory_grows_with_what_comes),
		TSK_TEST(test_raw_contents_that_nobody_wants),
		TSK_TEST(test_a_message_that_nobody_wants),
		TSK_TEST(test_packed_messages),
		TSK_TEST(test_what_is_no_message),
		TSK_TEST(test_timeouts),
		TSK_TEST(test_content_types),
		TSK_TEST(test_messages_of_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
