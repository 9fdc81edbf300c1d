/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message that answers: its prefix, what protobuf writes, and results where the worker wrote them.
 * Given in pieces, for frames.
 */
#ifndef FRONT_GRPC_ANSWER_H
#define FRONT_GRPC_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/protocol/grpc.h"
#include "front/protocol/h2.h"
#include "front/protocol/oip_pb.h"

struct grpc_answer {
	unsigned char head[GRPC_PREFIX_BYTES + OIP_PB_RAW_MAX];
	size_t n_head;
	struct oip_pb pb;      /* its own */
	struct grpc_raw *raws; /* raw_output_contents */
	uint32_t n_raws;
	/* How far it has gone. */
	uint32_t piece;
	uint64_t done; /* of the piece */
};

/* A message of these bytes, which are taken, also where it fails. */
void grpc_answer_init(struct grpc_answer *answer, struct oip_pb *pb);

/*
 * What an inference is answered with; in_stream: as a ModelStreamInferResponse.  The results' bytes must
 * live until the answer has gone.  TOO_LARGE for a message of gRPC, OUT_OF_MEMORY; then there is nothing
 * to be given back.
 */
int grpc_answer_results(struct grpc_answer *ret, const struct oip_answer *results, bool in_stream,
			struct tensock_error *reterr) _nodiscard_;

/* Memory that it takes beside *answer and the results, for the guest's account. */
uint64_t grpc_answer_memory(const struct grpc_answer *answer);

/* Adds the next pieces to the frame, as far as max bytes and its room go.  True: that was all. */
bool grpc_answer_take(struct grpc_answer *answer, size_t max, struct h2_frame *frame);

void grpc_answer_done(struct grpc_answer *answer);

#endif
