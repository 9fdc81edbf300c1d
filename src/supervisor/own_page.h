/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's own page of metrics: written within a second after the loop has turned. */
#ifndef SUPERVISOR_OWN_PAGE_H
#define SUPERVISOR_OWN_PAGE_H

#include <uv.h>

#include "base/bytes.h"
#include "base/cleanup.h"

struct own_page;

int own_page_new(uv_loop_t *loop, void (*write)(void *context, struct tsk_writer *w), void *context,
		 struct own_page **ret) _nodiscard_;

/* For who only reads it; stays the page's. */
int own_page_fd(const struct own_page *page);

/* NULL is fine. */
void own_page_free(struct own_page *page);

#endif
