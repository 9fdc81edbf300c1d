/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets at paths; type: SOCK_STREAM or SOCK_SEQPACKET.  None of this blocks. */
#ifndef TSK_BASE_UNIX_SOCKET_H
#define TSK_BASE_UNIX_SOCKET_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <tensock/types.h>

#include "base/cleanup.h"

#define UNIX_SOCKET_PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)

/* A socket file that we made. */
struct unix_socket_file {
	char path[UNIX_SOCKET_PATH_SIZE]; /* empty: none */
	dev_t dev;
	ino_t ino;
};

/*
 * Listens at path; mode: of the file.  A socket file that nobody answers on is replaced; any other
 * thing that stands there, and a socket that somebody serves, is refused.
 */
int unix_socket_listen(const char *path, int type, mode_t mode, int *ret_fd,
		       struct unix_socket_file *ret_file, struct tensock_error *reterr) _nodiscard_;

/* Removes the file, if it is still the one that we made.  Takes one that is none. */
void unix_socket_remove(struct unix_socket_file *file);

/*
 * A non-blocking connection.  -EAGAIN when the listener's queue is full, -EPROTOTYPE when it is of
 * the other type, or another -errno.
 */
int unix_socket_connect(const char *path, int type, int *ret_fd) _nodiscard_;

/*
 * The same for a name that a guest has chosen, in a folder where others may be, too.  What is checked
 * is what is connected to.  -ELOOP: a symbolic link.  -EPERM: everybody may make sockets there, and
 * this one is neither root's nor ours.
 */
int unix_socket_connect_checked(const char *path, int type, int *ret_fd) _nodiscard_;

#endif
