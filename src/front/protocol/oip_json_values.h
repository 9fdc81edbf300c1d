/* SPDX-License-Identifier: Apache-2.0 */
/* "data" of an input: values in row-major order, flat, or nested as the shape says. */
#ifndef PROTOCOL_OIP_JSON_VALUES_H
#define PROTOCOL_OIP_JSON_VALUES_H

#include <yyjson.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "wire/infer.h"

/*
 * That each value is one of the tensor's type, and that they are as many as its shape says; bytes is set
 * for BYTES.  An integer is as good as a float, as in Triton; a float is no integer; BOOL may be 0 and 1.
 * INVALID_ARGUMENT, TOO_LARGE; UNSUPPORTED for a type that JSON cannot carry.
 */
int oip_json_values_check(yyjson_val *data, struct wire_tensor *tensor,
			  struct tensock_error *reterr) _nodiscard_;

#endif
