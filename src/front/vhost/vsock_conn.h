/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection between a port of the guest and the host, as a machine: packets and events go in,
 * packets to be sent come out.  It does no I/O but by its end.  The table (vsock_table.h) owns it,
 * and after each call here looks at what it wants (vsock_table_relink()).
 *
 *   GREETING ──► REQUESTED ──► OPEN ──► CLOSING ──► RESET ──► DEAD      the host connects
 *                CONNECTING ──┘                └──► DRAINING ──┘         the guest connects
 *
 * RESET and DEAD are reached from every state before them.
 */
#ifndef VHOST_VSOCK_CONN_H
#define VHOST_VSOCK_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "front/vhost/ledger.h"
#include "front/vhost/vsock_buffer.h"
#include "front/vhost/vsock_credit.h"
#include "front/vhost/vsock_end.h"
#include "front/vhost/vsock_message.h"
#include "front/vhost/vsock_pace.h"
#include "front/vhost/vsock_packet.h"
#include "front/vhost/vsock_window.h"

enum vsock_conn_state {
	VSOCK_CONN_GREETING,   /* the host's CONNECT line is not whole; no ports yet */
	VSOCK_CONN_REQUESTED,  /* the guest was asked, or is to be, and has not answered */
	VSOCK_CONN_CONNECTING, /* the guest has asked; there is no end yet */
	VSOCK_CONN_OPEN,
	VSOCK_CONN_CLOSING,  /* the guest has closed both ways; its last bytes go to the end */
	VSOCK_CONN_DRAINING, /* as CLOSING, and the guest has forgotten the connection */
	VSOCK_CONN_RESET,    /* RST is to be handed to the guest; the end stays open until then */
	VSOCK_CONN_DEAD,     /* over; to be freed */
	VSOCK_CONN_STATE_MAX
};

/* Packets that are to be sent, in the order of their urgency. */
enum vsock_out {
	VSOCK_OUT_RST = 1,
	VSOCK_OUT_REQUEST = 2,
	VSOCK_OUT_RESPONSE = 4,
	VSOCK_OUT_SHUTDOWN = 8,
	VSOCK_OUT_CREDIT = 16,
	VSOCK_OUT_ASK = 32, /* CREDIT_REQUEST: see vsock_pace.h */
};

/* What an end has become, for vsock_conn_host_event(). */
#define VSOCK_EVENT_READABLE 1u
#define VSOCK_EVENT_WRITABLE 2u

#define VSOCK_NEVER_NS UINT64_MAX
#define VSOCK_GREETING_NS (5 * TSK_NS_PER_SEC) /* for the host's CONNECT line */
#define VSOCK_REQUEST_NS (2 * TSK_NS_PER_SEC)  /* for an answer, as Linux's connect() waits */
#define VSOCK_LOOK_NS (200 * TSK_NS_PER_MS)    /* until a full end is asked whether it is deaf */
#define VSOCK_LINGER_NS (8 * TSK_NS_PER_SEC)   /* for the guest's RST, as Linux waits for ours */

struct vsock_conn {
	enum vsock_conn_state state;
	uint16_t type; /* enum vsock_type */
	uint32_t guest_port, host_port;
	struct vsock_credit credit;
	struct vsock_pace pace; /* of the bytes to the guest */
	bool paced;             /* it is kept to; set by the table, beside other connections */
	/* From the guest, not yet taken by the end; within credit. */
	struct vsock_buffer buffer;     /* of a stream */
	struct vsock_messages messages; /* of a seqpacket connection */
	struct vsock_window window;     /* to the guest; of a seqpacket connection */
	struct vsock_end end;
	uint64_t deadline_ns; /* of the state; VSOCK_NEVER_NS: none */
	unsigned out;         /* enum vsock_out */
	unsigned guest_shut;  /* VSOCK_SHUTDOWN_* that the guest has said */
	unsigned host_shut;   /* VSOCK_SHUTDOWN_* that the guest hears, or will */
	bool readable;        /* the end may have bytes, or its end of them */
	bool broken;          /* the end is gone: RST when what it had sent has been read */
	bool end_told;        /* the end knows that the guest sends no more */
	bool in_message;      /* a part of a message has been sent, and its end has not */

	/* The table's. */
	struct vsock_table *table;
	uint64_t connect_id; /* of an unanswered ops->open(); 0: none */
	uint64_t give_up_ns; /* CONNECTING: when to stop trying */
	unsigned events;     /* VSOCK_EVENT_* not yet handled */
	int place;           /* in the ledger, or LEDGER_NONE */
	bool hashed, in_control, in_readers, in_events, in_dead;
	TAILQ_ENTRY(vsock_conn) all_link;
	TAILQ_ENTRY(vsock_conn) hash_link;
	TAILQ_ENTRY(vsock_conn) control_link;
	TAILQ_ENTRY(vsock_conn) reader_link;
	TAILQ_ENTRY(vsock_conn) event_link;
	TAILQ_ENTRY(vsock_conn) dead_link;
};

/* The guest's request is granted; conn->end is set. */
void vsock_conn_accept(struct vsock_conn *conn);
/* The host's CONNECT line came; ports are set. */
void vsock_conn_request(struct vsock_conn *conn, uint64_t now_ns);
/* A packet of the guest.  The pieces hold header->len bytes. */
void vsock_conn_packet(struct vsock_conn *conn, const struct vsock_header *header,
		       const struct iovec *iov, unsigned n);
void vsock_conn_host_event(struct vsock_conn *conn, unsigned events);
/*
 * To be called when bytes may have been left in the buffer.  Linux tells nobody that a reader has shut
 * down while its socket is full: so the end is asked from time to time, or the guest would wait for
 * credit for ever.
 */
void vsock_conn_watch(struct vsock_conn *conn, uint64_t now_ns);
/* The deadline has passed; not for CONNECTING. */
void vsock_conn_expired(struct vsock_conn *conn);
/* Gives the connection up: the guest gets RST, if it knows of it. */
void vsock_conn_reset(struct vsock_conn *conn);
/* A connection, just made, of which nothing is left but that the guest believes in it: RST. */
void vsock_conn_lost(struct vsock_conn *conn);
/* Forgets the connection without a word. */
void vsock_conn_kill(struct vsock_conn *conn);
/* Closes the end, which the connection has no more from now on. */
void vsock_conn_close_end(struct vsock_conn *conn);

/* Bytes that may be read for the guest now; 0: do not read. */
uint32_t vsock_conn_readable(const struct vsock_conn *conn);
/*
 * Reads into the pieces, which hold at most vsock_conn_readable() bytes.  True: ret is the header of
 * a packet with ret->len bytes, maybe none.  False: there is none, whatever the reason is.
 */
bool vsock_conn_read(struct vsock_conn *conn, const struct iovec *iov, unsigned n,
		     struct vsock_header *ret);
/* Takes the next packet without payload that is to be sent.  False: there is none. */
bool vsock_conn_control(struct vsock_conn *conn, uint64_t now_ns, struct vsock_header *ret);

#endif
