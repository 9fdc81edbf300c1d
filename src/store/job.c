/* SPDX-License-Identifier: Apache-2.0 */
#include "store/job.h"

#include <errno.h>
#include <string.h>

struct job *job_new(const struct files *files, const char *guest, const struct store_msg *msg,
		    int fd)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job) {
		tsk_close(fd);
		return NULL;
	}
	job->files = files;
	memcpy(job->guest, guest, strnlen(guest, sizeof(job->guest) - 1));
	if (msg)
		job->msg = *msg;
	job->fd = fd;
	job->ret_fd = -1;
	return job;
}

void job_free(struct job *job)
{
	if (!job)
		return;
	tsk_close(job->fd);
	tsk_close(job->ret_fd);
	free(job->victims);
	free(job->entries);
	free(job);
}

int job_add_victim(struct job *job, const char *guest, const unsigned char *hash)
{
	struct job_victim *victims =
		reallocarray(job->victims, job->n_victims + 1, sizeof(*victims));
	struct job_victim *victim;

	if (!victims)
		return -ENOMEM;
	job->victims = victims;
	victim = &victims[job->n_victims++];
	*victim = (struct job_victim){ 0 };
	memcpy(victim->guest, guest, strnlen(guest, sizeof(victim->guest) - 1));
	memcpy(victim->hash, hash, sizeof(victim->hash));
	return 0;
}

bool job_has_victim(const struct job *job, const char *guest, const unsigned char *hash)
{
	for (unsigned i = 0; i < job->n_victims; i++) {
		if (strcmp(job->victims[i].guest, guest) == 0 &&
		    memcmp(job->victims[i].hash, hash, STORE_HASH_BYTES) == 0)
			return true;
	}
	return false;
}

bool job_failed_for_now(int result)
{
	return result == -ENOMEM || result == -EMFILE || result == -ENFILE;
}

/* What cannot be read, or is something else, is there no more. */
static int drop_if_bad(struct job *job, int r)
{
	if (r < 0 && !job_failed_for_now(r) && r != -ENOENT)
		(void)!files_remove(job->files, job->guest, job->msg.hash);
	return r;
}

/* What could not be written is counted no more: nothing is left of it, nor of what was there before. */
static int drop_unwritten(const struct job *job, int r)
{
	if (r < 0)
		(void)!files_remove(job->files, job->guest, job->msg.hash);
	return r;
}

static int get(struct job *job)
{
	int r = files_get(job->files, job->guest, job->msg.hash, job->msg.bytes, &job->ret_fd);

	if (r < 0)
		return drop_if_bad(job, r);
	/* Where it cannot be written down, it is only a little older. */
	(void)!files_touch(job->files, job->guest, job->msg.hash);
	return 0;
}

static int get_part(struct job *job)
{
	return drop_if_bad(job, files_get_part(job->files, job->guest, job->msg.hash,
					       job->msg.bytes, job->msg.value, &job->ret_fd));
}

/* Copies the labels, which have been read once. */
struct labels {
	struct tsk_writer *w;
	unsigned n;
};

static void count_label(void *context, const struct store_label *label)
{
	(void)label;
	((struct labels *)context)->n++;
}

static void copy_label(void *context, const struct store_label *label)
{
	store_index_label(((struct labels *)context)->w, label->hash, label->name, label->version);
}

static int write_index(const struct job *job, const void *bytes, size_t n_bytes,
		       struct tsk_writer *w)
{
	static const struct store_index_ops count = { .label = count_label },
					    copy = { .label = copy_label };
	struct labels labels = { .w = w };

	/* What is no index says nothing. */
	if (bytes && store_index_read(bytes, n_bytes, &count, &labels) < 0)
		bytes = NULL;
	store_index_begin(w, job->n_entries);
	for (unsigned i = 0; i < job->n_entries; i++)
		store_index_entry(w, &job->entries[i]);
	store_index_labels(w, labels.n);
	return bytes ? store_index_read(bytes, n_bytes, &copy, &labels) : 0;
}

static int get_index(struct job *job)
{
	_cleanup_free_ void *labels = NULL, *index = NULL;
	size_t n_labels = 0, n;
	struct tsk_writer w;
	int r = files_get_labels(job->files, job->guest, &labels, &n_labels);

	if (job_failed_for_now(r))
		return r;
	/* The labels' bytes on disk are as many as in the index. */
	n = store_index_bytes(job->n_entries, 0) + n_labels;
	index = malloc(n);
	if (!index)
		return -ENOMEM;
	w = tsk_writer(index, n);
	r = write_index(job, labels, n_labels, &w);
	if (r == 0)
		r = store_index_to_fd(&w, &job->ret_fd);
	job->ret_bytes = tsk_writer_len(&w);
	return r;
}

static int run(struct job *job)
{
	const struct files *files = job->files;
	const struct store_msg *msg = &job->msg;

	switch (msg->type) {
	case STORE_PUT:
		return drop_unwritten(job,
				      files_put(files, job->guest, msg->hash, job->fd, msg->bytes));
	case STORE_GET:
		return get(job);
	case STORE_USED:
		return files_touch(files, job->guest, msg->hash);
	case STORE_REMOVE:
		return files_remove(files, job->guest, msg->hash);
	case STORE_REMOVE_PART:
		return files_remove_part(files, job->guest, msg->hash);
	case STORE_LABELS:
		return files_put_labels(files, job->guest, job->fd, msg->bytes);
	case STORE_PART:
		return drop_unwritten(job, files_put_part(files, job->guest, msg->hash, job->fd,
							  msg->bytes, job->from, msg->value));
	case STORE_GET_PART:
		return get_part(job);
	case STORE_INDEX:
		return get_index(job);
	case STORE_FORGET:
		return files_forget(files, job->guest);
	default:
		return 0;
	}
}

void job_run(struct job *job)
{
	for (unsigned i = 0; i < job->n_victims; i++)
		(void)!files_remove(job->files, job->victims[i].guest, job->victims[i].hash);
	job->result = run(job);
}

static void on_work(uv_work_t *work)
{
	job_run(work->data);
}

static void on_after(uv_work_t *work, int status)
{
	struct job *job = work->data;

	(void)status;
	job->done(job->context, job);
}

void job_start(uv_loop_t *loop, struct job *job, void (*done)(void *context, struct job *job),
	       void *context)
{
	job->done = done;
	job->context = context;
	job->work.data = job;
	/* Fails only without a function to call. */
	(void)uv_queue_work(loop, &job->work, on_work, on_after);
}
