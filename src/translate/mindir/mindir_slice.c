/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/mindir/mindir_op.h"

const struct mindir_table mindir_slice_table = { NULL, 0 };
