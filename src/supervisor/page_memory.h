/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for a page of metrics, and the page of a guest's front: who writes it gets one descriptor,
 * tensock-metrics another one, by which nothing can be written.
 */
#ifndef SUPERVISOR_PAGE_MEMORY_H
#define SUPERVISOR_PAGE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct metrics_process;

int page_memory_new(uint64_t size, int *ret_fd, int *ret_read_fd) _nodiscard_;

/* A guest's: that of its front, or of the last one that it had. */
struct guest_page {
	int read_fd;                /* -1: none */
	bool is_told, is_loss_told; /* to tensock-metrics */
};

/* A new one, in the place of the one before: *ret_fd is for the front, and the caller's. */
int guest_page_renew(struct guest_page *page, int *ret_fd) _nodiscard_;

/* Tells what has not been told yet.  False: not now; metrics_process's may_tell() follows. */
bool guest_page_tell(struct guest_page *page, struct metrics_process *metrics, const char *guest,
		     bool has_front);

/* The guest is no more.  metrics may be NULL. */
void guest_page_done(struct guest_page *page, struct metrics_process *metrics, const char *guest);

#endif
