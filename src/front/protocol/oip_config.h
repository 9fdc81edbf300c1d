/* SPDX-License-Identifier: Apache-2.0 */
/* A model's configuration, as clients give it with a load, by JSON or protobuf: JSON in both.  Pure. */
#ifndef PROTOCOL_OIP_CONFIG_H
#define PROTOCOL_OIP_CONFIG_H

#include <tensock/types.h>

#include "base/cleanup.h"
#include "tensor/model_info.h"
#include "wire/frame.h"

/*
 * INVALID_ARGUMENT for what is none, or says something else than is true of the model (info may be
 * NULL); UNSUPPORTED, named, for what this host does not do.
 */
int oip_config_check(struct wire_string config, const char *name, const struct tsk_model_info *info,
		     struct tensock_error *reterr) _nodiscard_;

#endif
