/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/own_page.h"

#include <errno.h>

#include "base/memfd.h"
#include "channel/metrics_page.h"
#include "supervisor/page_memory.h"

#define REFRESH_MS 1000u

struct own_page {
	uv_timer_t timer; /* runs from when something may have changed */
	uv_check_t check; /* the loop has turned */
	unsigned n_handles;
	struct tsk_map map;
	int fd;
	void (*write)(void *context, struct tsk_writer *w);
	void *context;
};

static void refresh(struct own_page *page)
{
	struct tsk_writer w = metrics_page_begin(page->map.addr, page->map.size);

	page->write(page->context, &w);
	metrics_page_commit(page->map.addr, &w);
}

static void on_time(uv_timer_t *timer)
{
	refresh(timer->data);
}

static void on_turn(uv_check_t *check)
{
	struct own_page *page = check->data;

	if (!uv_is_active((const uv_handle_t *)&page->timer))
		uv_timer_start(&page->timer, on_time, REFRESH_MS, 0);
}

static void watch(struct own_page *page, uv_loop_t *loop)
{
	uv_timer_init(loop, &page->timer);
	uv_check_init(loop, &page->check);
	page->timer.data = page->check.data = page;
	page->n_handles = 2;
	uv_check_start(&page->check, on_turn);
	uv_timer_start(&page->timer, on_time, 0, 0);
}

int own_page_new(uv_loop_t *loop, void (*write)(void *context, struct tsk_writer *w), void *context,
		 struct own_page **ret)
{
	_cleanup_close_ int fd = -1;
	struct own_page *page;
	int read_fd, r = page_memory_new(METRICS_DAEMON_PAGE_BYTES, &fd, &read_fd);

	if (r < 0)
		return r;
	page = calloc(1, sizeof(*page));
	if (page)
		r = tsk_map_new(fd, METRICS_DAEMON_PAGE_BYTES, true, &page->map);
	if (!page || r < 0) {
		free(page);
		tsk_close(read_fd);
		return -ENOMEM;
	}
	page->fd = read_fd;
	page->write = write;
	page->context = context;
	watch(page, loop);
	*ret = page;
	return 0;
}

int own_page_fd(const struct own_page *page)
{
	return page->fd;
}

static void on_closed(uv_handle_t *handle)
{
	struct own_page *page = handle->data;

	if (--page->n_handles == 0)
		free(page);
}

void own_page_free(struct own_page *page)
{
	if (!page)
		return;
	tsk_map_done(&page->map);
	page->fd = tsk_close(page->fd);
	uv_close((uv_handle_t *)&page->timer, on_closed);
	uv_close((uv_handle_t *)&page->check, on_closed);
}
