/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/pages.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "channel/metrics_page.h"

int pages_init(struct pages *pages)
{
	*pages = (struct pages){ .scratch = malloc(METRICS_DAEMON_PAGE_BYTES) };
	TAILQ_INIT(&pages->list);
	return pages->scratch ? 0 : -ENOMEM;
}

static void page_free(struct pages *pages, struct page *page)
{
	TAILQ_REMOVE(&pages->list, page, entry);
	pages->n--;
	tsk_map_done(&page->map);
	exposition_done(&page->exposition);
	free(page);
}

void pages_done(struct pages *pages)
{
	while (pages->n)
		page_free(pages, TAILQ_FIRST(&pages->list));
	free(pages->scratch);
}

static struct page *find(const struct pages *pages, const char *guest)
{
	struct page *page;

	TAILQ_FOREACH(page, &pages->list, entry)
	{
		if (strcmp(page->guest, guest) == 0)
			return page;
	}
	return NULL;
}

static struct page *get(struct pages *pages, const char *guest)
{
	struct page *page = find(pages, guest);

	if (page)
		return page;
	page = calloc(1, sizeof(*page));
	if (!page)
		return NULL;
	memcpy(page->guest, guest, strnlen(guest, sizeof(page->guest) - 1));
	if (guest[0])
		TAILQ_INSERT_TAIL(&pages->list, page, entry);
	else
		TAILQ_INSERT_HEAD(&pages->list, page, entry);
	pages->n++;
	return page;
}

int pages_set(struct pages *pages, const char *guest, int fd)
{
	uint64_t size, wanted = guest[0] ? METRICS_FRONT_PAGE_BYTES : METRICS_DAEMON_PAGE_BYTES;
	struct tsk_map map;
	struct page *page;
	int r = tsk_memfd_check(fd, false, &size);

	if (r == 0 && size != wanted)
		r = -EPROTO;
	if (r == 0)
		r = tsk_map_new(fd, size, false, &map);
	if (r < 0)
		return r;
	page = get(pages, guest);
	if (!page) {
		tsk_map_done(&map);
		return -ENOMEM;
	}
	tsk_map_done(&page->map);
	exposition_done(&page->exposition);
	page->map = map;
	page->sequence = 0;
	page->is_bad = false;
	return 0;
}

void pages_lost(struct pages *pages, const char *guest)
{
	struct page *page = find(pages, guest);

	if (page)
		page->exposition.is_lost = true;
}

void pages_forget(struct pages *pages, const char *guest)
{
	struct page *page = find(pages, guest);

	if (page)
		page_free(pages, page);
}

/* The log has one line of each page: what a front writes there is its guest's affair. */
static void complain(struct pages *pages, struct page *page, int error)
{
	pages->n_errors++;
	if (page->is_bad)
		return;
	page->is_bad = true;
	tsk_warning("guest %s: its front's metrics cannot be read: %s", page->guest,
		    error == -EFBIG ? "they are too many" : strerror(-error));
}

static void read_page(struct pages *pages, struct page *page, size_t share)
{
	const struct metrics_page *memory = page->map.addr;
	uint64_t sequence = atomic_load(&memory->sequence);
	size_t n;
	int r;

	if (sequence == 0 || sequence == page->sequence)
		return;
	r = metrics_page_copy(memory, page->map.size, pages->scratch, &n);
	if (r == 0)
		r = exposition_make(pages->scratch, n, page->guest[0] ? page->guest : NULL,
				    page->guest[0] ? share : PAGES_TEXT_MAX, &page->exposition);
	if (r < 0) {
		complain(pages, page, r);
		return;
	}
	page->sequence = sequence;
}

char *pages_text(struct pages *pages, size_t *ret_len)
{
	const struct exposition **list = calloc(pages->n + 1, sizeof(*list));
	size_t share = pages->n ? PAGES_TEXT_MAX / pages->n : 0;
	struct page *page;
	unsigned n = 0;
	char *text;

	if (!list)
		return NULL;
	if (share < PAGES_SHARE_MIN)
		share = PAGES_SHARE_MIN;
	TAILQ_FOREACH(page, &pages->list, entry)
	{
		read_page(pages, page, share);
		list[n++] = &page->exposition;
	}
	text = exposition_join(list, n, pages->n_errors, ret_len);
	free(list);
	return text;
}
