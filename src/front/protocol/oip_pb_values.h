/* SPDX-License-Identifier: Apache-2.0 */
/* Typed contents (InferTensorContents) of an input. */
#ifndef PROTOCOL_OIP_PB_VALUES_H
#define PROTOCOL_OIP_PB_VALUES_H

#include <stddef.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/protocol/oip.h"

#define OIP_PB_INPUT_CONTENTS 5u /* of InferInputTensor */

/* What input->values points to: the InferInputTensor that the contents are in. */
struct oip_pb_values {
	const unsigned char *bytes;
	size_t n;
};

/*
 * values, dtype and shape of the input are set: whether there is one value for each element, and each
 * fits; bytes are set.  INVALID_ARGUMENT.
 */
int oip_pb_values_check(struct oip_input *input, struct tensock_error *reterr) _nodiscard_;

#endif
