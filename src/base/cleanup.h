/* SPDX-License-Identifier: Apache-2.0 */
/* Ownership that ends with the scope, and its visible hand-over. */
#ifndef TSK_BASE_CLEANUP_H
#define TSK_BASE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _nodiscard_ __attribute__((warn_unused_result))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))

static inline void tsk_freep(void *p)
{
	free(*(void **)p);
}

/* Closes a file descriptor unless it is negative; keeps errno; returns -1 for assigning. */
static inline int tsk_close(int fd)
{
	if (fd >= 0) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return -1;
}

static inline void tsk_closep(int *fd)
{
	*fd = tsk_close(*fd);
}

#define _cleanup_free_ _cleanup_(tsk_freep)
#define _cleanup_close_ _cleanup_(tsk_closep)

/* Both look at their argument once. */
#define TAKE_PTR(p)                             \
	({                                      \
		__typeof__(p) *_place = &(p);   \
		__typeof__(p) _taken = *_place; \
		*_place = NULL;                 \
		_taken;                         \
	})

#define TAKE_FD(fd)                   \
	({                            \
		int *_place = &(fd);  \
		int _taken = *_place; \
		*_place = -1;         \
		_taken;               \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
