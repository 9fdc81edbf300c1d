/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native frames in pieces of hostile sizes: the first byte of the input chooses the sizes, and which
 * payload is wanted; the rest is the stream.  Whatever comes, each byte lands in the buffer or in the
 * place of announced payload; and what an INFER names is held against a model.
 */
#include "front/protocol/native.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "front/protocol/native_input.h"

#define NAME(text) ((char *)(uintptr_t)(text))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Exactly sized, so that a sanitizer sees the first byte too far. */
struct place {
	unsigned char *bytes;
	size_t size, filled;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void place_done(struct place *place)
{
	free(place->bytes);
	*place = (struct place){ 0 };
}

static void resolve(const struct wire_infer *infer, const struct wire_tensor *tensors)
{
	struct tsk_tensor_info infos[2] = {
		{ .name = NAME("x"), .dtype = TENSOCK_UINT8, .rank = 1, .dims = { -1 } },
		{ .name = NAME("y"), .dtype = TENSOCK_FLOAT32, .rank = 2, .dims = { -1, 3 } },
	};
	struct tsk_model_info info = {
		.inputs = infos, .n_inputs = 2, .outputs = infos, .n_outputs = 2
	};
	struct run_tensor *run = calloc(infer->n_inputs + 1, sizeof(*run));
	uint32_t *wanted = calloc(infer->n_outputs + 1, sizeof(*wanted));
	struct tensock_error error = { 0 };
	uint64_t at, region;

	check(run && wanted);
	if (native_input_layout(tensors, infer->n_inputs, infer->n_outputs, &at, &region) == 0) {
		check(at <= region && infer->payload_bytes <= region - at);
		if (native_input_resolve(&info, tensors, infer->n_inputs, at, run, &error) == 0) {
			check(infer->n_inputs == 2);
			(void)native_output_guess(&info, run, 2);
		} else {
			check(error.status && error.message[0]);
		}
	}
	if (native_wanted_resolve(&info, tensors + infer->n_inputs, infer->n_outputs, wanted,
				  &error) == 0)
		check(infer->n_outputs <= 2);
	free(run);
	free(wanted);
}

static void read_infer(const struct native_decoder *d)
{
	struct wire_tensor *tensors;
	struct wire_infer infer;

	if (wire_infer_read(d->body, d->body_bytes, &infer, &tensors) < 0)
		return;
	resolve(&infer, tensors);
	free(tensors);
}

/* True while there is more to look at. */
static bool take_event(struct native_decoder *d, struct place *place, bool is_wanted)
{
	volatile unsigned char touched;

	switch (native_next(d)) {
	case NATIVE_MORE:
		return false;
	case NATIVE_BROKEN:
		check(d->error.status && d->error.message[0]);
		return false;
	case NATIVE_MESSAGE:
		check(d->body_bytes == d->header.size && d->body_bytes <= NATIVE_BUFFER_BYTES);
		if (d->body_bytes)
			touched = d->body[d->body_bytes - 1];
		(void)touched;
		return true;
	case NATIVE_INFER:
		check(d->body_bytes <= WIRE_META_MAX);
		read_infer(d);
		break;
	case NATIVE_CHUNK:
		check(d->left == d->header.size);
		break;
	case NATIVE_PAYLOAD:
		place->filled += d->placed;
		if (place->bytes)
			check(place->filled + d->left == place->size);
		if (!d->left)
			place_done(place);
		return true;
	}
	check(d->left <= WIRE_BODY_MAX);
	if (is_wanted && d->left) {
		*place =
			(struct place){ .bytes = malloc((size_t)d->left), .size = (size_t)d->left };
		check(place->bytes);
		native_place(d, place->bytes, 0);
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t pace = size ? data[0] % 64u * (data[0] % 64u) * 8 + 1 : 1;
	bool is_wanted = size && data[0] < 192;
	struct place place = { 0 };
	struct native_decoder d;

	check(native_decoder_init(&d) == 0);
	for (size_t at = 1; at < size;) {
		void *buf = NULL;
		size_t n = native_window(&d, &buf);

		if (n == 0)
			break;
		n = n < pace ? n : pace;
		n = n < size - at ? n : size - at;
		memcpy(buf, data + at, n);
		native_received(&d, n);
		at += n;
		while (take_event(&d, &place, is_wanted))
			;
		check(d.size <= NATIVE_BUFFER_MAX);
	}
	place_done(&place);
	native_decoder_done(&d);
	return 0;
}
