/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All connections of one guest, and the packets that are to be sent to it: the vsock device without
 * its queues, sockets and clock.  Memory is bounded by connections_max whatever the guest sends:
 * what is to be sent is a set of flags at each connection, and a bounded queue of RSTs for packets
 * that belong to none.
 */
#ifndef VHOST_VSOCK_TABLE_H
#define VHOST_VSOCK_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "front/vhost/vsock_conn.h"

#define VSOCK_HOST_PORT_MIN (UINT32_C(1) << 30) /* of connections that the host begins */

struct vsock_table_config {
	uint64_t guest_cid;
	uint32_t connections_max;
	/*
	 * What the windows of all connections may be together, beyond the smallest one that each
	 * has.  So much, and connections_max × VSOCK_BUF_ALLOC_MIN, is the most that is ever held of
	 * the guest's bytes.
	 */
	uint64_t window_bytes_max;
	/*
	 * The guest asks for a port of the host, by conn->type.  1: conn->end is set.
	 * 0: vsock_table_connected()
	 * will be called, later.  -errno: refused.
	 */
	int (*open)(void *context, uint64_t id, uint32_t port, struct vsock_conn *conn);
	void *context;
};

struct vsock_table;

int vsock_table_new(const struct vsock_table_config *config, struct vsock_table **ret) _nodiscard_;
void vsock_table_free(struct vsock_table *table);

/* Whether the driver knows of seqpacket connections; at first it does not, and they are refused. */
void vsock_table_set_seqpacket(struct vsock_table *table, bool on);

/*
 * Where the connections that the guest knows of are entered from now on; it outlives the table, or
 * NULL.  What was entered in the one before stays there.
 */
void vsock_table_set_ledger(struct vsock_table *table, struct ledger *ledger);
/* Resets all connections that are entered there.  -ENOMEM: not all of them. */
int vsock_table_recall(struct vsock_table *table) _nodiscard_;

/*
 * A packet of the guest.  whole: header->len is within bounds and the pieces hold that many bytes;
 * otherwise the packet is an error of the guest's.
 */
void vsock_table_packet(struct vsock_table *table, const struct vsock_header *header,
			const struct iovec *iov, unsigned n, bool whole, uint64_t now_ns);
/* Answers have piled up: give no more packets before some have been taken. */
bool vsock_table_is_full(const struct vsock_table *table);

/* Takes the next packet without payload for the guest. */
bool vsock_table_has_control(const struct vsock_table *table);
bool vsock_table_next_control(struct vsock_table *table, uint64_t now_ns, struct vsock_header *ret);
/* The connection whose turn it is to be read (vsock_conn_read()) for the guest; NULL: none. */
struct vsock_conn *vsock_table_reader(struct vsock_table *table);
/* Whether nobody else waits for a turn. */
bool vsock_table_reader_is_alone(const struct vsock_table *table);
/* It has had its turn. */
void vsock_table_rotate(struct vsock_table *table, struct vsock_conn *conn);
/* Fills what every packet to the guest has. */
void vsock_table_address(const struct vsock_table *table, struct vsock_header *header);

/* To be called after any function of vsock_conn.h. */
void vsock_table_relink(struct vsock_conn *conn);

/*
 * A host program has come, and is to say which port it wants.  NULL: too many, or a type that the
 * driver does not know.  Set ->end.
 */
struct vsock_conn *vsock_table_greet(struct vsock_table *table, enum vsock_type type,
				     uint64_t now_ns);
/* The connection that waits for the answer to ops->open(id), NULL: none. */
struct vsock_conn *vsock_table_waiting(struct vsock_table *table, uint64_t id);
/* That answer: 0 and the end, which is closed if the guest has left; -EAGAIN: to be tried again. */
void vsock_table_connected(struct vsock_conn *conn, int result, struct vsock_end end,
			   uint64_t now_ns);

/* Notes VSOCK_EVENT_* of a connection's end; may be called from within the end's own calls. */
void vsock_table_host_event(struct vsock_conn *conn, unsigned events);
/* Handles at most max connections with events.  False: there are more. */
bool vsock_table_run_events(struct vsock_table *table, unsigned max, uint64_t now_ns);

/* When vsock_table_expire() is to be called, at the latest. */
uint64_t vsock_table_deadline_ns(const struct vsock_table *table);
void vsock_table_expire(struct vsock_table *table, uint64_t now_ns);

/*
 * The guest's driver has gone, or has not gone on for long: all ends are closed.  What the guest may
 * still believe to be connected is reset when its queues run again, for one that was only paused.
 */
void vsock_table_stop(struct vsock_table *table);
/* The VM is gone. */
void vsock_table_clear(struct vsock_table *table);
/*
 * Closes and frees what is over, and strikes it out.  Call it when the guest has been given what was
 * taken for it, and only then.
 */
void vsock_table_reap(struct vsock_table *table);

/* Connections that are open or being opened. */
unsigned vsock_table_connections(const struct vsock_table *table);
/* Packets dropped because their addresses were not the guest's own or not ours. */
uint64_t vsock_table_forged(const struct vsock_table *table);
/* Connections of either side that were refused because there were too many. */
uint64_t vsock_table_refused(const struct vsock_table *table);

#endif
