/* SPDX-License-Identifier: Apache-2.0 */
/* The Open Inference Protocol over gRPC (docs/oip.md), with the standard services for health and reflection. */
#ifndef FRONT_GRPC_SESSION_H
#define FRONT_GRPC_SESSION_H

#include "front/session.h"

extern const struct protocol grpc_protocol;

#endif
