/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Triton's classification extension: in the place of an output, its largest values, each as BYTES
 * "value:index".
 */
#ifndef FRONT_OIP_CLASSES_H
#define FRONT_OIP_CLASSES_H

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/account.h"
#include "front/protocol/oip.h"

/* Of outputs of more elements none are looked for. */
#define OIP_CLASSES_ELEMENTS_MAX (1u << 18)

/*
 * Where infer wants classes of its i-th output, *result becomes them, in memory of its own, which is
 * accounted for.  INVALID_ARGUMENT for types that have no order, TOO_LARGE, LIMIT_REACHED, OUT_OF_MEMORY.
 */
int oip_classes_make(struct oip_result *result, const struct oip_infer *infer, uint32_t i,
		     struct account *account, struct tensock_error *reterr) _nodiscard_;

/* Frees that memory, if it has been made. */
void oip_classes_free(struct oip_result *result, const struct oip_infer *infer, uint32_t i,
		      struct account *account);

#endif
