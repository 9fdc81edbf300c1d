/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/model.h"

#include <errno.h>
#include <string.h>

#include "base/sha256.h"
#include "tensor/model_info.h"
#include "wire/testing.h"

/* What the vectors' SHA-256 is of. */
static const char model_bytes[] = "These bytes stand for a model.\n";

static void hash_of_model(unsigned char ret[WIRE_HASH_BYTES])
{
	tsk_sha256(model_bytes, strlen(model_bytes), ret);
}

static void assert_same_string(struct wire_string a, struct wire_string b)
{
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.bytes, b.bytes, a.len);
}

static void assert_offer(const char *name, const struct wire_offer *offer)
{
	struct wire_frame frame = wire_frame(name, WIRE_OFFER);
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));
	struct wire_offer got;

	assert_int_equal(wire_offer_read(frame.body, frame.size, &got), 0);
	assert_memory_equal(got.hash, offer->hash, WIRE_HASH_BYTES);
	assert_true(got.size == offer->size);
	assert_same_string(got.name, offer->name);
	assert_same_string(got.version, offer->version);
	wire_offer_write(&w, offer);
	wire_frame_assert_written(&frame, &w);
	free(frame.body);
}

static void test_offer(void **state)
{
	struct wire_offer offer = { .size = 31,
				    .name = wire_string("greeting"),
				    .version = wire_string("2") };

	(void)state;
	hash_of_model(offer.hash);
	assert_offer("offer", &offer);
	offer.size = UINT64_C(3) << 30;
	offer.name = offer.version = wire_string(NULL);
	assert_offer("offer-nameless", &offer);
}

static void test_send(void **state)
{
	struct wire_frame all = wire_frame("send", WIRE_SEND);
	struct wire_frame rest = wire_frame("send-rest", WIRE_SEND);
	struct wire_frame chunk = wire_frame("chunk", WIRE_CHUNK);
	struct wire_frame chunk_rest = wire_frame("chunk-rest", WIRE_CHUNK);
	unsigned char body[8];
	struct tsk_writer w = tsk_writer(body, sizeof(body));
	uint64_t offset = 77;

	(void)state;
	assert_int_equal(wire_send_read(all.body, all.size, &offset), 0);
	assert_int_equal(offset, 0);
	assert_int_equal(wire_send_read(rest.body, rest.size, &offset), 0);
	assert_int_equal(offset, 16);
	wire_send_write(&w, 16);
	wire_frame_assert_written(&rest, &w);
	assert_int_equal(chunk.size, strlen(model_bytes));
	assert_memory_equal(chunk.body, model_bytes, chunk.size);
	assert_int_equal(chunk_rest.size, strlen(model_bytes) - 16);
	assert_memory_equal(chunk_rest.body, model_bytes + 16, chunk_rest.size);
	free(all.body);
	free(rest.body);
	free(chunk.body);
	free(chunk_rest.body);
}

static void assert_about(const char *name, uint32_t type, const struct wire_about *about)
{
	struct wire_frame frame = wire_frame(name, type);
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));
	struct wire_about got;

	assert_int_equal(wire_about_read(frame.body, frame.size, 1, &got), 0);
	assert_int_equal(got.model.kind, about->model.kind);
	assert_memory_equal(got.model.hash, about->model.hash, WIRE_HASH_BYTES);
	assert_same_string(got.model.name, about->model.name);
	assert_same_string(got.model.version, about->model.version);
	assert_int_equal(got.flags, about->flags);
	wire_about_write(&w, about);
	wire_frame_assert_written(&frame, &w);
	if (about->flags)
		assert_int_equal(wire_about_read(frame.body, frame.size, 0, &got), -EPROTO);
	free(frame.body);
}

static void test_about(void **state)
{
	struct wire_about by_name = { .model = { .kind = WIRE_BY_NAME,
						 .name = wire_string("greeting"),
						 .version = wire_string("") } };
	struct wire_about by_hash = { .model = { .kind = WIRE_BY_HASH,
						 .name = wire_string(""),
						 .version = wire_string("") } };

	(void)state;
	hash_of_model(by_hash.model.hash);
	assert_about("info", WIRE_INFO, &by_name);
	by_hash.flags = WIRE_INFO_LOAD;
	assert_about("info-load", WIRE_INFO, &by_hash);
	by_name.model.version = wire_string("2");
	assert_about("unload", WIRE_UNLOAD, &by_name);
	by_hash.flags = WIRE_UNLOAD_REMOVE;
	assert_about("unload-remove", WIRE_UNLOAD, &by_hash);
}

static void assert_same_model(const struct wire_model *a, const struct wire_model *b)
{
	assert_memory_equal(a->hash, b->hash, WIRE_HASH_BYTES);
	assert_true(a->size == b->size && a->memory == b->memory && a->runs == b->runs);
	assert_int_equal(a->state, b->state);
	assert_same_string(a->name, b->name);
	assert_same_string(a->version, b->version);
}

/* The description is one that the library can decode. */
static void assert_description(const void *description, size_t n)
{
	struct tsk_model_info info;

	assert_int_equal(tsk_model_info_decode(description, n, &info), 0);
	assert_string_equal(info.engine, "onnxruntime 1.28.0");
	assert_string_equal(info.format, "onnx");
	assert_int_equal(info.n_inputs, 1);
	assert_int_equal(info.n_outputs, 1);
	assert_string_equal(info.inputs[0].name, "x");
	assert_int_equal(info.inputs[0].dtype, TENSOCK_FLOAT32);
	assert_int_equal(info.inputs[0].rank, 2);
	assert_int_equal(info.inputs[0].dims[0], -1);
	assert_string_equal(info.inputs[0].dim_names[0], "N");
	assert_int_equal(info.inputs[0].dims[1], 3);
	assert_null(info.inputs[0].dim_names[1]);
	assert_string_equal(info.outputs[0].name, "y");
	assert_int_equal(info.outputs[0].dtype, TENSOCK_INT64);
	tsk_model_info_done(&info);
}

static void test_model(void **state)
{
	struct wire_frame frame = wire_frame("model", WIRE_MODEL);
	struct wire_frame stored = wire_frame("model-stored", WIRE_MODEL);
	struct wire_model model = { .size = 31,
				    .memory = 4096,
				    .state = WIRE_MODEL_READY,
				    .name = wire_string("greeting"),
				    .version = wire_string("2") };
	struct wire_model got;
	unsigned char body[1024];
	struct tsk_writer w = tsk_writer(body, sizeof(body));
	const void *description;
	size_t n;

	(void)state;
	hash_of_model(model.hash);
	assert_int_equal(wire_model_read(frame.body, frame.size, &got, &description, &n), 0);
	assert_same_model(&got, &model);
	assert_description(description, n);
	wire_model_write(&w, &model, description, n);
	wire_frame_assert_written(&frame, &w);
	free(frame.body);

	model.memory = 0;
	model.state = WIRE_MODEL_STORED;
	model.name = model.version = wire_string("");
	assert_int_equal(wire_model_read(stored.body, stored.size, &got, &description, &n), 0);
	assert_same_model(&got, &model);
	assert_int_equal(n, 0);
	w = tsk_writer(body, sizeof(body));
	wire_model_write(&w, &model, NULL, 0);
	wire_frame_assert_written(&stored, &w);
	free(stored.body);
}

static void test_models(void **state)
{
	struct wire_frame frame = wire_frame("models", WIRE_MODELS);
	struct wire_model models[2] = { { .size = 31,
					  .memory = 8192,
					  .runs = 3,
					  .state = WIRE_MODEL_READY,
					  .name = wire_string("greeting"),
					  .version = wire_string("2") },
					{ .size = UINT64_C(1) << 32,
					  .runs = 12,
					  .name = wire_string(""),
					  .version = wire_string("") } };
	unsigned char body[1024];
	struct tsk_writer w = tsk_writer(body, sizeof(body));
	struct tsk_reader r;
	struct wire_model got;
	uint32_t n;

	(void)state;
	hash_of_model(models[0].hash);
	for (unsigned i = 0; i < WIRE_HASH_BYTES; i++)
		models[1].hash[i] = (unsigned char)i;
	assert_int_equal(wire_models_read(frame.body, frame.size, &r, &n), 0);
	assert_int_equal(n, 2);
	wire_models_begin(&w, n);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(wire_models_next(&r, i + 1 == n, &got), 0);
		assert_same_model(&got, &models[i]);
		wire_models_add(&w, &models[i]);
	}
	wire_frame_assert_written(&frame, &w);
	free(frame.body);

	frame = wire_frame("models-none", WIRE_MODELS);
	assert_int_equal(wire_models_read(frame.body, frame.size, &r, &n), 0);
	assert_int_equal(n, 0);
	free(frame.body);
}

/* A name of n bytes. */
static struct wire_string long_string(size_t n)
{
	static char bytes[WIRE_NAME_MAX + 2];

	assert_true(n < sizeof(bytes));
	memset(bytes, 'n', sizeof(bytes));
	return (struct wire_string){ .bytes = bytes, .len = (uint16_t)n };
}

static int announce(uint32_t type, uint64_t size)
{
	struct wire_header header = { .type = type, .id = 1, .size = size };
	unsigned char bytes[WIRE_HEADER_BYTES];

	wire_header_write(bytes, &header);
	return wire_header_read(bytes, &header);
}

/* The longest of each, which is what a header may announce and not a byte less. */
static void test_longest(void **state)
{
	struct wire_model model = { .size = 1,
				    .name = long_string(WIRE_NAME_MAX),
				    .version = long_string(WIRE_LABEL_MAX) };
	struct wire_offer offer = { .size = 1, .name = model.name, .version = model.version };
	struct wire_about about = {
		.model = { .kind = WIRE_BY_NAME, .name = model.name, .version = model.version }
	};
	_cleanup_free_ unsigned char *body = malloc(WIRE_BODY_MAX);
	_cleanup_free_ unsigned char *description = calloc(1, WIRE_META_MAX + 1);
	struct tsk_writer w;

	(void)state;
	assert_non_null(body);
	assert_non_null(description);
	w = tsk_writer(body, WIRE_BODY_MAX);
	wire_model_write(&w, &model, description, WIRE_META_MAX);
	assert_false(w.bad);
	assert_int_equal(announce(WIRE_MODEL, tsk_writer_len(&w)), 0);
	assert_int_equal(announce(WIRE_MODEL, tsk_writer_len(&w) + 1), -EPROTO);
	w = tsk_writer(body, WIRE_BODY_MAX);
	wire_model_write(&w, &model, description, WIRE_META_MAX + 1);
	assert_true(w.bad);
	w = tsk_writer(body, WIRE_BODY_MAX);
	wire_models_begin(&w, WIRE_MODELS_MAX);
	for (unsigned i = 0; i < WIRE_MODELS_MAX; i++)
		wire_models_add(&w, &model);
	assert_false(w.bad);
	assert_int_equal(announce(WIRE_MODELS, tsk_writer_len(&w)), 0);
	assert_int_equal(announce(WIRE_MODELS, tsk_writer_len(&w) + 1), -EPROTO);
	w = tsk_writer(body, WIRE_BODY_MAX);
	wire_offer_write(&w, &offer);
	assert_int_equal(announce(WIRE_OFFER, tsk_writer_len(&w)), 0);
	assert_int_equal(announce(WIRE_OFFER, tsk_writer_len(&w) + 1), -EPROTO);
	w = tsk_writer(body, WIRE_BODY_MAX);
	wire_about_write(&w, &about);
	assert_int_equal(announce(WIRE_INFO, tsk_writer_len(&w)), 0);
	assert_int_equal(announce(WIRE_INFO, tsk_writer_len(&w) + 1), -EPROTO);
	assert_int_equal(announce(WIRE_UNLOAD, tsk_writer_len(&w)), 0);
	assert_int_equal(announce(WIRE_UNLOAD, tsk_writer_len(&w) + 1), -EPROTO);
}

static bool offer_fits(const struct wire_offer *offer)
{
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	wire_offer_write(&w, offer);
	return !w.bad;
}

static bool ref_fits(const struct wire_model_ref *ref)
{
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	wire_model_ref_write(&w, ref);
	return !w.bad;
}

static void test_writers_refuse(void **state)
{
	struct wire_offer offer = { .size = 1 };
	struct wire_model_ref ref = { .kind = WIRE_BY_NAME, .version = wire_string("2") };
	struct wire_model model = { .size = 1, .state = WIRE_MODEL_STATE_MAX };
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	(void)state;
	assert_true(offer_fits(&offer));
	offer.name = long_string(WIRE_NAME_MAX + 1);
	assert_false(offer_fits(&offer));
	offer = (struct wire_offer){ .size = 1, .version = long_string(WIRE_LABEL_MAX + 1) };
	assert_false(offer_fits(&offer));
	offer = (struct wire_offer){ .size = 1, .name = { .bytes = "a\0b", .len = 3 } };
	assert_false(offer_fits(&offer));
	offer = (struct wire_offer){ .size = 0 };
	assert_false(offer_fits(&offer));

	assert_false(ref_fits(&ref));
	ref.name = wire_string("n");
	assert_true(ref_fits(&ref));
	ref.kind = (enum wire_model_kind)0;
	assert_false(ref_fits(&ref));

	wire_models_add(&w, &model);
	assert_true(w.bad);
	w = tsk_writer(body, sizeof(body));
	wire_models_begin(&w, WIRE_MODELS_MAX + 1);
	assert_true(w.bad);
}

/* Outputs stay as they were. */
static void test_refused_without_a_trace(void **state)
{
	static const unsigned char body[4] = { 1, 2 }; /* 513 models */
	struct wire_offer offer = { .size = 77 };
	struct wire_model model = { .size = 77 };
	struct wire_about about = { .flags = 77 };
	struct tsk_reader r = tsk_reader(NULL, 0);
	const void *description = &model;
	size_t n = 77;
	uint64_t offset = 77;
	uint32_t count = 77;

	(void)state;
	assert_int_equal(wire_offer_read(NULL, 0, &offer), -EPROTO);
	assert_int_equal(wire_send_read(NULL, 0, &offset), -EPROTO);
	assert_int_equal(wire_about_read(NULL, 0, 1, &about), -EPROTO);
	assert_int_equal(wire_model_read(NULL, 0, &model, &description, &n), -EPROTO);
	assert_int_equal(wire_models_read(body, sizeof(body), &r, &count), -EPROTO);
	assert_int_equal(wire_models_read(NULL, 0, &r, &count), -EPROTO);
	assert_int_equal(wire_models_next(&r, true, &model), -EPROTO);
	assert_true(offer.size == 77 && model.size == 77 && about.flags == 77);
	assert_true(n == 77 && offset == 77 && count == 77 && description == &model);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_offer),          TSK_TEST(test_send),
		TSK_TEST(test_about),          TSK_TEST(test_model),
		TSK_TEST(test_models),         TSK_TEST(test_longest),
		TSK_TEST(test_writers_refuse), TSK_TEST(test_refused_without_a_trace),
	};

	return cmocka_run_group_tests_name("wire_model", tests, NULL, NULL);
}
