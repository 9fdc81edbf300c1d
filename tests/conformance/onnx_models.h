/* SPDX-License-Identifier: Apache-2.0 */
/* Small ONNX models, good and evil, made as they are needed.  The caller frees .bytes. */
#ifndef TESTS_CONFORMANCE_ONNX_MODELS_H
#define TESTS_CONFORMANCE_ONNX_MODELS_H

#include <stdint.h>

#include "worker/pb.h"

/* TensorProto.DataType */
#define ONNX_FLOAT 1
#define ONNX_INT64 7
#define ONNX_STRING 8
#define ONNX_BOOL 9

/* y = Identity(x) of that type; dims: of both, -1 is not fixed. */
struct pb onnx_identity(uint64_t type, const int64_t *dims, unsigned rank);

/* y = NonZero(x) on int64 [4], which claims to give [1, 4] whatever comes. */
struct pb onnx_liar(void);

/* y = a Loop that never ends, once x (int64 scalar) is given. */
struct pb onnx_endless_loop(void);

/* y = ConstantOfShape(x): as large as x (int64 [1]) says. */
struct pb onnx_of_shape(void);

/* An initializer out of /etc/passwd. */
struct pb onnx_thief(void);

/* An operator that there is not. */
struct pb onnx_unknown_operator(void);

#endif
