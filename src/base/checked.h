/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic that says when it does not fit.  True means: fitted, *ret is set. */
#ifndef TSK_BASE_CHECKED_H
#define TSK_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

#define tsk_add(a, b, ret) (!__builtin_add_overflow(a, b, ret))
#define tsk_sub(a, b, ret) (!__builtin_sub_overflow(a, b, ret))
#define tsk_mul(a, b, ret) (!__builtin_mul_overflow(a, b, ret))

/* v rounded up to a multiple of step, a power of two. */
static inline bool tsk_align_up(uint64_t v, uint64_t step, uint64_t *ret)
{
	uint64_t sum;

	if (!tsk_add(v, step - 1, &sum))
		return false;
	*ret = sum & ~(step - 1);
	return true;
}

#endif
