/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages with file descriptors over an AF_UNIX SOCK_SEQPACKET pair: the control channels between
 * supervisor, fronts and workers.  Nothing here blocks.
 */
#ifndef TSK_BASE_SEQPACKET_H
#define TSK_BASE_SEQPACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/cleanup.h"

#define TSK_SEQPACKET_FDS_MAX 48u

/* Both ends non-blocking and close-on-exec. */
int tsk_seqpacket_pair(int ret_fds[2]) _nodiscard_;

/* Sends one message whole.  fds stay the caller's.  -EAGAIN when the peer does not keep up. */
int tsk_seqpacket_send(int fd, const void *msg, size_t len, const int *fds, unsigned n_fds)
	_nodiscard_;

/*
 * Receives one message of at most size bytes and at most TSK_SEQPACKET_FDS_MAX fds, which are then
 * the caller's (close-on-exec); entries of ret_fds beyond *ret_n_fds are -1.  Returns the
 * length, 0 at the end of the connection, -EAGAIN when there is no message now, -EMSGSIZE for one
 * that is longer, carries more fds, or nothing but fds (all of them are closed), -EMFILE when this
 * process may not have as many fds as it carries (it is lost), or another -errno.
 * An empty message reads as the end of the connection.
 */
ssize_t tsk_seqpacket_recv(int fd, void *msg, size_t size, int ret_fds[TSK_SEQPACKET_FDS_MAX],
			   unsigned *ret_n_fds) _nodiscard_;

/*
 * Whether an error of the two says no more than that the peer has closed its end: -EPIPE, or
 * -ECONNRESET where it had not read all.
 */
bool tsk_seqpacket_has_hung_up(ssize_t error);

/* Closes the n first fds and sets them to -1. */
void tsk_close_all(int *fds, unsigned n);

#endif
