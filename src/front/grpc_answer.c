/* SPDX-License-Identifier: Apache-2.0 */
#include "front/grpc_answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/status.h"

/* One of raw_output_contents. */
struct grpc_raw {
	unsigned char head[OIP_PB_RAW_MAX];
	uint8_t n_head;
	const void *data;
	uint64_t bytes;
};

void grpc_answer_init(struct grpc_answer *answer, struct oip_pb *pb)
{
	*answer = (struct grpc_answer){ .pb = *pb, .n_head = GRPC_PREFIX_BYTES };
	*pb = (struct oip_pb){ 0 };
	grpc_prefix_write((uint32_t)answer->pb.n, answer->head);
}

static int no_memory(struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the answer");
}

/* What stands before each result; *n grows by all of it. */
static int add_raws(struct grpc_answer *a, const struct oip_answer *results, uint64_t *n)
{
	a->raws = calloc((size_t)results->n_results + 1, sizeof(*a->raws));
	if (!a->raws)
		return -ENOMEM;
	a->n_raws = results->n_results;
	for (uint32_t i = 0; i < a->n_raws; i++) {
		const struct oip_result *result = &results->results[i];
		struct grpc_raw *raw = &a->raws[i];

		raw->data = result->data;
		raw->bytes = result->data ? result->bytes : 0;
		raw->n_head = (uint8_t)oip_pb_raw_head(raw->bytes, raw->head);
		if (!tsk_add(*n, raw->n_head, n) || !tsk_add(*n, raw->bytes, n))
			return -EOVERFLOW;
	}
	return 0;
}

int grpc_answer_results(struct grpc_answer *ret, const struct oip_answer *results, bool in_stream,
			struct tensock_error *reterr)
{
	struct grpc_answer a = { .n_head = GRPC_PREFIX_BYTES };
	uint64_t n;
	int r = oip_pb_answer(results, &a.pb);

	n = a.pb.n;
	if (r == 0)
		r = add_raws(&a, results, &n);
	if (r == 0 && in_stream) {
		size_t head = oip_pb_stream_head(n, a.head + GRPC_PREFIX_BYTES);

		a.n_head += head;
		n += head;
	}
	if (r == 0 && n > UINT32_MAX)
		r = -EOVERFLOW;
	if (r < 0) {
		grpc_answer_done(&a);
		return r == -EOVERFLOW ? tsk_fail(reterr, TENSOCK_TOO_LARGE,
						  "outputs that no message of gRPC can carry")
				       : no_memory(reterr);
	}
	grpc_prefix_write((uint32_t)n, a.head);
	*ret = a;
	return 0;
}

uint64_t grpc_answer_memory(const struct grpc_answer *answer)
{
	return answer->pb.n + answer->n_raws * sizeof(struct grpc_raw);
}

/* The head, what protobuf wrote, then of each result what stands before it, and itself. */
static bool piece_of(const struct grpc_answer *a, const void **ret_bytes, uint64_t *ret_n)
{
	const struct grpc_raw *raw = NULL;

	if (a->piece >= 2 && (a->piece - 2) / 2 < a->n_raws)
		raw = &a->raws[(a->piece - 2) / 2];
	if (a->piece == 0) {
		*ret_bytes = a->head;
		*ret_n = a->n_head;
	} else if (a->piece == 1) {
		*ret_bytes = a->pb.bytes;
		*ret_n = a->pb.n;
	} else if (!raw) {
		return false;
	} else if (a->piece % 2 == 0) {
		*ret_bytes = raw->head;
		*ret_n = raw->n_head;
	} else {
		*ret_bytes = raw->data;
		*ret_n = raw->bytes;
	}
	return true;
}

bool grpc_answer_take(struct grpc_answer *answer, size_t max, struct h2_frame *frame)
{
	const void *bytes;
	uint64_t n;

	while (piece_of(answer, &bytes, &n)) {
		uint64_t left = n - answer->done;
		size_t room = max - frame->bytes, part = left < room ? (size_t)left : room;

		if (left && (!part || frame->n_pieces == H2_PIECES_MAX))
			return false;
		if (part) {
			frame->pieces[frame->n_pieces++] = (struct iovec){
				.iov_base = (unsigned char *)(uintptr_t)bytes + answer->done,
				.iov_len = part,
			};
			frame->bytes += part;
			answer->done += part;
		}
		if (answer->done < n)
			return false;
		answer->piece++;
		answer->done = 0;
	}
	return true;
}

void grpc_answer_done(struct grpc_answer *answer)
{
	free(answer->pb.bytes);
	free(answer->raws);
	*answer = (struct grpc_answer){ 0 };
}
