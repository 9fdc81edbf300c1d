/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of one real worker do again and again, with the one driver of their process. */
#ifndef TESTS_CONFORMANCE_STEPS_H
#define TESTS_CONFORMANCE_STEPS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "conformance/driver.h"

#define TIMEOUT_MS 20000
#define ROOM 65536u

static struct driver driver;

static float floats[64] = { 1.5F, -2, 3, 4, 5, 6, 7, 8 };

static inline void stop(void)
{
	assert_int_equal(driver_stop(&driver, TIMEOUT_MS), DRIVER_OK);
}

/* The first of the floats, as n rows of four. */
static inline struct driver_tensor rows(int64_t n)
{
	return (struct driver_tensor){ .descriptor = { .dtype = TENSOCK_FLOAT32,
						       .rank = 2,
						       .bytes = (uint64_t)n * 16,
						       .dims = { n, 4 } },
				       .data = floats };
}

static inline struct run_entry next_done(void)
{
	struct run_entry done;

	assert_int_equal(driver_recv_done(&driver, &done, TIMEOUT_MS), DRIVER_OK);
	assert_int_equal(done.type, RUN_DONE);
	return done;
}

static inline void send_cancel(uint64_t id)
{
	driver_send_entry(&driver, &(struct run_entry){ .type = RUN_CANCEL, .request_id = id });
}

static inline void sleep_ms(unsigned ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

#endif
