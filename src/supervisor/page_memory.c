/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/page_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/memfd.h"
#include "channel/metrics_page.h"
#include "supervisor/metrics_process.h"

int page_memory_new(uint64_t size, int *ret_fd, int *ret_read_fd)
{
	_cleanup_close_ int fd = -1;
	char path[40];
	int read_fd, r = tsk_memfd_new("tensock-metrics", size, &fd);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (read_fd < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	*ret_read_fd = read_fd;
	return 0;
}

int guest_page_renew(struct guest_page *page, int *ret_fd)
{
	int read_fd, r = page_memory_new(METRICS_FRONT_PAGE_BYTES, ret_fd, &read_fd);

	if (r < 0)
		return r;
	tsk_close(page->read_fd);
	*page = (struct guest_page){ .read_fd = read_fd };
	return 0;
}

bool guest_page_tell(struct guest_page *page, struct metrics_process *metrics, const char *guest,
		     bool has_front)
{
	if (page->read_fd < 0)
		return true;
	if (!page->is_told) {
		if (metrics_process_tell(metrics, METRICS_FRONT, guest, page->read_fd) < 0)
			return false;
		page->is_told = true;
		page->is_loss_told = false;
	}
	if (has_front || page->is_loss_told)
		return true;
	page->is_loss_told = metrics_process_tell(metrics, METRICS_LOST, guest, -1) == 0;
	return page->is_loss_told;
}

void guest_page_done(struct guest_page *page, struct metrics_process *metrics, const char *guest)
{
	if (metrics && page->is_told)
		(void)!metrics_process_tell(metrics, METRICS_FORGET, guest, -1);
	page->read_fd = tsk_close(page->read_fd);
	page->is_told = false;
}
