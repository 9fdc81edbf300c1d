/* SPDX-License-Identifier: Apache-2.0 */
/* For unit tests only: inferences of the Open Inference Protocol on a rig, and what became of them. */
#ifndef FRONT_OIP_ASKED_H
#define FRONT_OIP_ASKED_H

#include <string.h>

#include "front/models_asked.h"
#include "front/oip_call.h"

/* A call, and what became of it. */
struct oip_asked {
	struct oip_call call;
	struct oip_infer infer; /* to be submitted */
	struct oip_input inputs[2];
	struct oip_output outputs[2];
	struct tensock_error error;
	unsigned n_done;
	char model[64], version[16], id[16], name[16];
	uint32_t n_results;
	struct oip_result result; /* the first */
	unsigned char bytes[64];
	struct buffer *buffer;
	bool wants_buffer, ends_when_done;
};

static inline void oip_asked_done(struct oip_call *call, const struct oip_answer *answer,
				  struct buffer **buffer, const struct tensock_error *error)
{
	struct oip_asked *i = (struct oip_asked *)(void *)call;

	i->n_done++;
	i->error = error ? *error : (struct tensock_error){ 0 };
	if (answer) {
		snprintf(i->model, sizeof(i->model), "%s", answer->model);
		snprintf(i->version, sizeof(i->version), "%s", answer->version);
		snprintf(i->id, sizeof(i->id), "%.*s", answer->id.len, answer->id.bytes);
		i->n_results = answer->n_results;
		i->result = answer->results[0];
		snprintf(i->name, sizeof(i->name), "%.*s", i->result.name.len,
			 i->result.name.bytes);
		assert_true(!i->result.data || i->result.bytes <= sizeof(i->bytes));
		if (i->result.data)
			memcpy(i->bytes, i->result.data, i->result.bytes);
		if (i->wants_buffer)
			i->buffer = TAKE_PTR(*buffer);
	}
	if (i->ends_when_done)
		oip_call_end(call);
}

static const struct oip_call_ops oip_asked_ops = { .done = oip_asked_done };

/* One input "x", FP32 [1,3]. */
static inline void oip_asked_make(struct oip_asked *i)
{
	*i = (struct oip_asked){ 0 };
	i->infer.id = wire_string("one");
	i->infer.n_inputs = 1;
	i->infer.inputs = i->inputs;
	i->inputs[0].tensor = (struct wire_tensor){ .name = wire_string("x"),
						    .index = WIRE_INDEX_NONE,
						    .dtype = TENSOCK_FLOAT32,
						    .rank = 2,
						    .dims = { 1, 3 },
						    .bytes = 12 };
}

static inline void oip_asked_begin(struct rig *rig, struct oip_asked *i)
{
	struct tensock_error error;

	assert_int_equal(oip_call_begin(&i->call, rig->guest, &oip_asked_ops, &error), 0);
}

static const float oip_asked_input[3] = { 1, 2, 3 };

static inline void oip_asked_submit(struct rig *rig, struct oip_asked *i, const char *name,
				    const char *version)
{
	struct tensock_error error;
	unsigned char *room;

	oip_asked_begin(rig, i);
	assert_int_equal(oip_call_take(&i->call, wire_string(name), 1, 12, &room, &error), 0);
	assert_int_equal((uintptr_t)room % RUN_ALIGN, 0);
	memcpy(room, oip_asked_input, sizeof(oip_asked_input));
	oip_call_submit(&i->call, &i->infer, wire_string(name), wire_string(version));
}

static inline void oip_asked_expect_error(const struct oip_asked *i, enum tensock_status status,
					  const char *text)
{
	assert_int_equal(i->n_done, 1);
	if (!strstr(i->error.message, text))
		fail_msg("%s", i->error.message);
	assert_int_equal(i->error.status, status);
}

static inline void oip_asked_expect_done(struct rig *rig, struct oip_asked *i)
{
	for (int n = 0; n < 2000 && !i->n_done; n++)
		rig_run(rig, 1);
	assert_int_equal(i->n_done, 1);
}

#endif
