/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's worker processes: at most workers_max of them, one of which may be a spare that waits
 * for a model with its engine already open.
 */
#ifndef FRONT_WORKERS_H
#define FRONT_WORKERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/cleanup.h"
#include "channel/front_control.h"
#include "channel/worker_control.h"
#include "front/account.h"
#include "front/model_file.h"
#include "front/pairing.h"
#include "front/supervisor_link.h"
#include "front/work.h"
#include "front/worker_link.h"

struct workers {
	uv_loop_t *loop;
	struct supervisor_link *supervisor;
	struct work_queue *work;
	struct account *account;
	const struct front_start *limits;
	/* A process has ended, so that another may be started. */
	void (*room)(void *context);
	/*
	 * A process has died by itself, by a crash or an exit, of this model (link->blamed).  Comes
	 * before room().
	 */
	void (*died)(void *context, const unsigned char hash[MODEL_HASH_BYTES]);
	void *room_context;

	TAILQ_HEAD(worker_list, worker_link) list; /* also the closed ones, until they have ended */
	unsigned n;
	struct worker_link *spare; /* SPAWNING or SPARE */
	uint64_t last_id;
	uint64_t n_attacks; /* workers that tried what the sandbox kills for */
	struct buffer_pool buffers;
	struct pairing pairing;
	uv_prepare_t *prepare;
	uv_check_t *check;
	uv_idle_t *idle; /* active while the loop must not block */
	uv_timer_t *spare_timer;
	uv_timer_t *look_timer; /* at buffers that nobody wants */

	struct worker_received received; /* scratch: both are large */
	struct run_tensor tensors[RUN_TENSORS_MAX];
};

/* What it is given must outlive it. */
int workers_new(uv_loop_t *loop, struct supervisor_link *supervisor, struct work_queue *work,
		struct account *account, const struct front_start *limits, struct workers **ret)
	_nodiscard_;
void workers_free(struct workers *workers);

/* A model is on its way: has a spare started unless there is one, or no room. */
void workers_expect(struct workers *workers);

/*
 * Loads a model into the spare or a new worker.  -EBUSY: workers_max are there, or -errno.
 * *ret is set before user's lost() can be called, which may be at once: then it is not touched
 * again.
 */
int workers_load(struct workers *workers, const struct worker_model *model,
		 const struct worker_user_ops *ops, void *user, struct worker_link **ret)
	_nodiscard_;

/*
 * A buffer of the guest's pool, workers->buffers, for the inputs of a request; one that link (may be
 * NULL) knows already, if there is one.  -EBUSY when the guest's memory is used up, -EDQUOT when so much
 * is under way as may be, or -errno.
 */
int workers_buffer(struct workers *workers, const struct worker_link *link, uint64_t bytes,
		   struct buffer **ret) _nodiscard_;

/* For regions->gone: the workers that have mapped it are to forget it. */
void workers_forget_region(void *workers, uint32_t number);

/* Messages of the supervisor.  fd is taken over. */
void workers_spawned(struct workers *workers, uint64_t id, int result, uint64_t wait_ms, int fd);
/* value: of FRONT_WORKER_EXITED. */
void workers_exited(struct workers *workers, uint64_t id, uint64_t value);

/*
 * Whether any process that works for user, or did, is there still: of those that had been asked for
 * when last_id was up_to_id.
 */
bool workers_are_there(const struct workers *workers, const void *user, uint64_t up_to_id);

/* For worker_link.c: it has become useless. */
void workers_forget_spare(struct workers *workers, struct worker_link *link);
/* For worker_link.c: nothing more will come of it; frees it. */
void workers_remove(struct workers *workers, struct worker_link *link);

#endif
