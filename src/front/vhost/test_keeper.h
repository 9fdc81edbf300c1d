/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: a keeper in the same process, which makes each step at once, and remembers it. */
#ifndef VHOST_TEST_KEEPER_H
#define VHOST_TEST_KEEPER_H

#include "front/vhost/backend.h"

struct test_keeper {
	int fd;                   /* the VMM's socket, a duplicate */
	int kept[DEVICE_FDS_MAX]; /* duplicates, -1: none */
	struct device_msg last;
	unsigned steps;
	bool waits;   /* answer later: test_keeper_answer() */
	bool forgets; /* steps get lost, as those of a front that dies */
};

static inline int test_keeper_make(struct test_keeper *keeper, const struct device_msg *step,
				   const int *fds)
{
	unsigned n = 0;

	for (unsigned i = 0; i < DEVICE_FDS_MAX; i++) {
		uint64_t bit = UINT64_C(1) << i;

		if ((step->dropped | step->kept) & bit)
			keeper->kept[i] = tsk_close(keeper->kept[i]);
		if (step->kept & bit)
			keeper->kept[i] = dup(fds[n++]);
	}
	keeper->last = *step;
	keeper->steps++;
	return device_step_answer(keeper->fd, step);
}

static inline int test_keeper_step(void *context, const struct device_msg *step, const int *fds)
{
	struct test_keeper *keeper = context;
	int r;

	if (keeper->forgets)
		return 0;
	r = test_keeper_make(keeper, step, fds);
	return r < 0 ? r : !keeper->waits;
}

/* One without a session. */
static inline void test_keeper_init(struct test_keeper *keeper)
{
	*keeper = (struct test_keeper){ .fd = -1 };
	for (unsigned i = 0; i < DEVICE_FDS_MAX; i++)
		keeper->kept[i] = -1;
}

/* A session that begins on fd, which the session takes. */
static inline struct vhost_session test_keeper_begin(struct test_keeper *keeper, int fd)
{
	struct vhost_session session = {
		.fd = fd, .keeper = { .step = test_keeper_step, .context = keeper }
	};

	test_keeper_init(keeper);
	keeper->fd = dup(fd);
	for (unsigned i = 0; i < DEVICE_FDS_MAX; i++)
		session.kept[i] = -1;
	return session;
}

/* The same session for the next process, as far as it was kept. */
static inline struct vhost_session test_keeper_again(struct test_keeper *keeper)
{
	struct vhost_session session = { .fd = dup(keeper->fd),
					 .state = keeper->last.state,
					 .state_bytes = keeper->last.state_bytes,
					 .keeper = { .step = test_keeper_step,
						     .context = keeper } };

	for (unsigned i = 0; i < DEVICE_FDS_MAX; i++)
		session.kept[i] = keeper->kept[i] < 0 ? -1 : dup(keeper->kept[i]);
	return session;
}

static inline void test_keeper_done(struct test_keeper *keeper)
{
	keeper->fd = tsk_close(keeper->fd);
	for (unsigned i = 0; i < DEVICE_FDS_MAX; i++)
		keeper->kept[i] = tsk_close(keeper->kept[i]);
}

#endif
