/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/line.h"

static struct job *at(struct line *line, unsigned i)
{
	return &line->jobs[(line->head + i) % RING_ENTRIES];
}

bool line_has_room(const struct line *line)
{
	return line->count < RING_ENTRIES;
}

void line_add(struct line *line, const struct run_entry *entry)
{
	struct job *first = at(line, 0);

	if (entry->type == RUN_FETCH && line->count && first->state == JOB_KEPT &&
	    first->entry.request_id == entry->request_id) {
		first->entry = *entry;
		first->state = JOB_WAITS;
		return;
	}
	*at(line, line->count) = (struct job){ .state = JOB_WAITS, .entry = *entry };
	line->count++;
}

static void drop_first(struct line *line)
{
	line->head = (line->head + 1) % RING_ENTRIES;
	line->count--;
}

static void drop_kept(struct line *line, struct job *job)
{
	kept_free(TAKE_PTR(job->kept));
	line->n_kept--;
}

uint64_t line_cancel(struct line *line, uint64_t request_id)
{
	struct job *job = NULL;

	for (unsigned i = 0; i < line->count && !job; i++) {
		if (at(line, i)->entry.request_id == request_id)
			job = at(line, i);
	}
	if (!job)
		return 0;
	switch (job->state) {
	case JOB_WAITS:
		job->is_cancelled = true;
		return 0;
	case JOB_BUSY:
		return job->run_id;
	case JOB_DONE:
		/* One answer is awaited, and no FETCH will come. */
		if (job->kept) {
			drop_kept(line, job);
			job->done.status = TENSOCK_CANCELLED;
			job->done.out_bytes = job->done.needed = 0;
		}
		return 0;
	case JOB_KEPT:
		drop_kept(line, job);
		drop_first(line);
		return 0;
	}
	return 0;
}

struct job *line_next(struct line *line)
{
	for (unsigned i = 0; i < line->count; i++) {
		if (at(line, i)->state == JOB_WAITS)
			return at(line, i);
		if (line->n_kept)
			return NULL;
	}
	return NULL;
}

void line_begin(struct line *line, struct job *job)
{
	job->state = JOB_BUSY;
	job->begun_ns = 0;
	job->run_id = 0;
	if (job->entry.type == RUN_START && !job->is_cancelled)
		job->run_id = ++line->last_run_id;
	if (job->kept)
		line->n_kept--;
}

void line_finish(struct line *line, struct job *job)
{
	job->state = JOB_DONE;
	if (job->kept)
		line->n_kept++;
}

struct job *line_answered(struct line *line)
{
	struct job *first = at(line, 0);

	return line->count && first->state == JOB_DONE ? first : NULL;
}

void line_tell(struct line *line)
{
	struct job *first = at(line, 0);

	if (first->kept)
		first->state = JOB_KEPT;
	else
		drop_first(line);
}

void line_done(struct line *line)
{
	for (; line->count; drop_first(line))
		kept_free(TAKE_PTR(at(line, 0)->kept));
	line->n_kept = 0;
}
