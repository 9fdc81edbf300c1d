/* SPDX-License-Identifier: Apache-2.0 */
/* A connection that speaks the seed's frames: model in, printed lines and "OK" or "ER" out. */
#ifndef FRONT_SEED_SESSION_H
#define FRONT_SEED_SESSION_H

#include "front/session.h"

extern const struct protocol seed_protocol;

#endif
