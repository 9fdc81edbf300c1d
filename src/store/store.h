/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tensock-store: keeps guests' models on disk.  It opens nothing but what lies in the folder that the
 * supervisor gives it, and looks into no model.  It serves until the supervisor and all fronts have
 * closed their ends.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <uv.h>

#include "base/cleanup.h"

/*
 * Takes the control socket over.  may_lack: of what seals it (sandbox/feature.h).  Returns 0 or -errno when
 * all is done.
 */
int store_serve(int control_fd, unsigned may_lack) _nodiscard_;

#endif
