/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a TensorProto, as input_N.pb and output_N.pb hold it, into the form that Tensock carries. */
#ifndef TESTS_CONFORMANCE_ONNX_TENSOR_H
#define TESTS_CONFORMANCE_ONNX_TENSOR_H

#include <stddef.h>

#include "conformance/driver.h"

/* False for what is not a TensorProto of a type that we know.  ret->data is the caller's to free. */
bool onnx_tensor_read(const void *bytes, size_t len, struct driver_tensor *ret);

#endif
