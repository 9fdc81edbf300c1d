/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For fuzzing: a thread that does one thing over and over while its caller does another.  It is made once,
 * for all inputs: to make one takes longer than a race.
 */
#ifndef VHOST_DEVICE_FUZZ_RACE_H
#define VHOST_DEVICE_FUZZ_RACE_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "front/vhost/fuzz_untraced.h"

static struct {
	pthread_t thread;
	sem_t begin, ended;
	atomic_bool runs, stop;
	void (*step)(void);
	unsigned n;
} race;

UNTRACED static void *race_on(void *context)
{
	for (;;) {
		while (sem_wait(&race.begin) < 0)
			;
		atomic_store(&race.runs, true);
		for (unsigned i = 0; i < race.n; i++) {
			if (atomic_load_explicit(&race.stop, memory_order_relaxed))
				break;
			race.step();
		}
		sem_post(&race.ended);
	}
	return context;
}

static int race_init(void)
{
	if (sem_init(&race.begin, 0, 0) < 0 || sem_init(&race.ended, 0, 0) < 0)
		return -errno;
	return -pthread_create(&race.thread, NULL, race_on, NULL);
}

/*
 * Returns when the thread is at work.  It takes n steps at most: without an end, one that was given its
 * caller's CPU would keep it for milliseconds, in which nothing is raced.
 */
UNTRACED static void race_begin(void (*step)(void), unsigned n)
{
	race.step = step;
	race.n = n;
	atomic_store(&race.stop, false);
	atomic_store(&race.runs, false);
	sem_post(&race.begin);
	while (!atomic_load(&race.runs))
		sched_yield();
}

/* When it returns, so has the last step. */
static void race_end(void)
{
	atomic_store(&race.stop, true);
	while (sem_wait(&race.ended) < 0)
		;
}

#endif
