/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that speak HTTP/1.1: the Open Inference Protocol, version 2, as docs/oip.md has it. */
#ifndef FRONT_HTTP_SESSION_H
#define FRONT_HTTP_SESSION_H

#include "front/session.h"

extern const struct protocol http_protocol;

#endif
