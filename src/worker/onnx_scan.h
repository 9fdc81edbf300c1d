/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look at an ONNX model before any engine sees it.  It walks the protobuf wire format of the
 * whole ModelProto once, without allocating and without recursion, and refuses
 * - what is not a ModelProto with a graph: a length that does not fit, a group, a wire type that
 *   does not go with its field, a field that no version of onnx.proto up to IR 10 has (later ones
 *   added the split of a model over many devices, which no engine here does);
 * - external data, anywhere: a tensor's bytes come with the model or not at all.  Engines would
 *   otherwise open files of the host, or read memory, by a name that the guest chose;
 * - nesting that overflows stacks, and numbers of messages that amplify: an empty one takes two
 *   bytes here and hundreds in an engine;
 * - ONNX Runtime's own format.
 *
 * Protobuf merges a message that is split into several fields of one number.  Nothing hides in a
 * split: every piece is walked, and what is refused is refused in each piece by itself, whatever
 * stands in the others.
 */
#ifndef WORKER_ONNX_SCAN_H
#define WORKER_ONNX_SCAN_H

#include <stddef.h>

#include <tensock/types.h>

#include "base/cleanup.h"

#define ONNX_SCAN_DEPTH_MAX 64u /* messages within each other; the model is one */
#define ONNX_SCAN_MESSAGES_MAX 500000u
#define ONNX_SCAN_FIELDS_MAX \
	(1u << 26) /* of all kinds: trees keep a field for each of their nodes */

/*
 * 0, or the -errno of the status in *reterr: INVALID_MODEL, UNSUPPORTED (external data, a field that
 * is not known), TOO_LARGE (a bound above).  bytes may be shared memory that nobody can write.
 */
int onnx_scan(const void *bytes, size_t size, struct tensock_error *reterr) _nodiscard_;

#endif
