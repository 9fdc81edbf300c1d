/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the library prints: its logger writes to standard output and error, as much as a guest's model
 * makes it.  Around each call of it both go into a pipe, and what is found there afterwards goes to the
 * host's log, at the level of debugging; what the pipe does not hold is lost.
 *
 * A signal that ends the process within a call lets out the pipe's last lines on its way, to the standard
 * error of before: the words of an abort() must not die with it.
 *
 * One a process: standard output and error are the process's.
 */
#ifndef ENGINE_MINDSPORE_LITE_CAPTURE_H
#define ENGINE_MINDSPORE_LITE_CAPTURE_H

#include <stdbool.h>

#include <tensock/engine.h>

struct capture {
	const struct tensock_host *host;
	int reader, writer;
	int saved[2]; /* what 1 and 2 were */
	bool is_on; /* false: there are no descriptors left, and the library prints where it likes */
};

void capture_init(struct capture *capture, const struct tensock_host *host);
void capture_done(struct capture *capture);

/* Nothing is logged between the two: the host's log is standard error. */
void capture_begin(struct capture *capture);
void capture_end(struct capture *capture);

#endif
