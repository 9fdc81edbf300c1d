/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handshake of hybrid vsock, as Firecracker has it: a host program connects to a VM's Unix
 * socket, writes "CONNECT <guest port>\n" and gets "OK <host port>\n" once the guest has accepted.
 */
#ifndef VHOST_HYBRID_H
#define VHOST_HYBRID_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define HYBRID_LINE_MAX 32u /* bytes, the end of the line among them; both ways */

/*
 * Looks for the line at the start of what has come so far.  Returns the line's length and the port;
 * 0 when it is not whole yet; -EBADMSG when it never will be right.
 */
int hybrid_parse(const char *bytes, size_t len, uint32_t *ret_port) _nodiscard_;

/*
 * Takes the line off a socket, once it is whole, and nothing behind it.  Never blocks.  1 and the
 * port; 0: not whole yet; -EBADMSG; -ECONNRESET: the peer closed before the end of its line.
 */
int hybrid_receive(int fd, uint32_t *ret_port) _nodiscard_;

/*
 * The same on a SOCK_SEQPACKET socket: the line is a message, and its newline may be left out.  An
 * empty message is taken for the peer's end.
 */
int hybrid_receive_message(int fd, uint32_t *ret_port) _nodiscard_;

/* Writes the answer for a guest that has accepted; returns its length. */
size_t hybrid_answer(uint32_t host_port, char ret[HYBRID_LINE_MAX]);

#endif
