/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte says what the others are: 'i' an inference request, behind a u8 number of raw contents
 * and a u16 of the bytes that each has; 'r' a reflection request; else the message of the method of that
 * number.  What a request says of tensors must go together, and values fill their room exactly.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "front/protocol/oip_pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* Each byte of the room is written, whatever stood there, and (by a sanitizer's word) no other. */
static void try_values(const struct oip_input *input)
{
	uint64_t n = input->tensor.bytes;
	unsigned char *rooms[2];

	for (unsigned i = 0; i < 2; i++) {
		rooms[i] = malloc(n ? n : 1);
		require(rooms[i]);
		memset(rooms[i], i ? 0xff : 0, n);
		oip_pb_values_write(input, rooms[i]);
	}
	require(memcmp(rooms[0], rooms[1], n) == 0);
	free(rooms[0]);
	free(rooms[1]);
}

static void try_input(const struct oip_input *input)
{
	struct wire_tensor tensor = input->tensor;
	uint64_t payload;

	require(tensor.name.len && !memchr(tensor.name.bytes, 0, tensor.name.len));
	require(wire_tensors_layout(&tensor, 1, &payload) == 0);
	require((input->source == OIP_REGION) == (input->region.name.len > 0));
	if (input->source == OIP_VALUES)
		try_values(input);
}

static void try_infer(const uint8_t *data, size_t size)
{
	struct tsk_reader r = tsk_reader(data, size);
	uint32_t n_raws = tsk_read_u8(&r);
	uint64_t bytes = tsk_read_u16(&r);
	struct oip_pb_raw raws[UINT8_MAX];
	struct wire_string name, version;
	struct tensock_error error = { 0 };
	struct oip_infer infer;

	for (uint32_t i = 0; i < n_raws; i++)
		raws[i] = (struct oip_pb_raw){ .offset = 64 * i, .bytes = bytes };
	if (oip_pb_infer_read(r.p, tsk_reader_left(&r), raws, n_raws, &infer, &name, &version,
			      &error) < 0) {
		require(error.status != TENSOCK_OK && error.message[0]);
		return;
	}
	require(infer.n_inputs <= OIP_TENSORS_MAX && infer.n_outputs <= OIP_TENSORS_MAX);
	for (uint32_t i = 0; i < infer.n_inputs; i++) {
		try_input(&infer.inputs[i]);
		n_raws -= infer.inputs[i].source == OIP_BINARY;
	}
	require(n_raws == 0);
	for (uint32_t i = 0; i < infer.n_outputs; i++)
		require(infer.outputs[i].name.len);
	oip_infer_done(&infer);
}

static void try_named(enum oip_pb_method method, const uint8_t *data, size_t size)
{
	struct oip_pb_named named;

	if (oip_pb_named_read(method, data, size, &named, NULL) < 0)
		return;
	require(!named.file || named.file_bytes <= size);
	require(!named.name.len || !memchr(named.name.bytes, 0, named.name.len));
	oip_pb_named_done(&named);
}

static void try_reflection(const uint8_t *data, size_t size)
{
	struct oip_pb pb;

	if (oip_pb_reflection(data, size, &pb, NULL) < 0)
		return;
	require(pb.n >= size);
	free(pb.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] == 'i')
		try_infer(data + 1, size - 1);
	else if (data[0] == 'r')
		try_reflection(data + 1, size - 1);
	else
		try_named(data[0] % OIP_PB_METHODS, data + 1, size - 1);
	return 0;
}
