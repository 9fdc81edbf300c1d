/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_table.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"

#define BUCKETS 1024u
#define REPLIES_MAX 128u               /* RSTs for packets that belong to no connection */
#define REFUSED_TOLD_NS TSK_NS_PER_SEC /* how often the log tells of refused connections */
#define SHARED_TURNS 1024u             /* packets to one connection, until it counts as alone */
#define RETRY_NS (20 * TSK_NS_PER_MS)  /* after a full backlog */

TAILQ_HEAD(conn_list, vsock_conn);

struct reply {
	uint32_t guest_port, host_port;
	uint16_t type;
	int place; /* in the ledger */
};

struct vsock_table {
	struct vsock_table_config config;
	uint64_t window_bytes; /* taken of config.window_bytes_max */
	bool seqpacket;        /* the driver knows of it */
	unsigned n_conns;      /* all, down to those that wait to be freed */
	struct conn_list all;
	struct conn_list control; /* conn->out is not 0 */
	struct conn_list readers; /* vsock_conn_readable() is not 0 */
	struct conn_list events;  /* conn->events is not 0 */
	struct conn_list dead;    /* DEAD and not waited for */
	struct conn_list buckets[BUCKETS];
	uint32_t seed;

	struct reply replies[REPLIES_MAX];
	unsigned first_reply, n_replies;
	struct ledger *ledger;
	int said[REPLIES_MAX]; /* places of those that were taken since the last reap */
	unsigned n_said;

	/* Whose packets go to the guest: as long as those of several do, nobody fills its queue. */
	uint64_t n_turns;
	uint64_t other_turn;           /* when another one's packet went than before */
	const struct vsock_conn *last; /* only compared; NULL: it is gone */

	uint64_t last_id;
	uint32_t next_port;
	uint64_t deadline_ns;
	uint64_t forged;
	uint64_t refused;         /* connections, because there were too many */
	uint64_t refused_next_ns; /* not to be told before */
};

int vsock_table_new(const struct vsock_table_config *config, struct vsock_table **ret)
{
	struct vsock_table *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	table->config = *config;
	table->next_port = VSOCK_HOST_PORT_MIN;
	table->deadline_ns = VSOCK_NEVER_NS;
	table->n_turns = SHARED_TURNS;
	TAILQ_INIT(&table->all);
	TAILQ_INIT(&table->control);
	TAILQ_INIT(&table->readers);
	TAILQ_INIT(&table->events);
	TAILQ_INIT(&table->dead);
	for (unsigned i = 0; i < BUCKETS; i++)
		TAILQ_INIT(&table->buckets[i]);
	/* A guest chooses its ports; it should not choose the buckets, too. */
	if (getrandom(&table->seed, sizeof(table->seed), GRND_NONBLOCK) < 0)
		table->seed = (uint32_t)tsk_now_ns();
	*ret = table;
	return 0;
}

void vsock_table_set_seqpacket(struct vsock_table *table, bool on)
{
	table->seqpacket = on;
}

static bool is_known(const struct vsock_table *table, unsigned type)
{
	return type == VSOCK_TYPE_STREAM || (type == VSOCK_TYPE_SEQPACKET && table->seqpacket);
}

static struct conn_list *bucket(struct vsock_table *table, uint32_t guest_port, uint32_t host_port)
{
	uint64_t key = (uint64_t)guest_port << 32 | host_port;

	key = (key ^ table->seed) * UINT64_C(0x9e3779b97f4a7c15);
	key = (key ^ key >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return &table->buckets[(key >> 32) % BUCKETS];
}

static struct vsock_conn *find(struct vsock_table *table, unsigned type, uint32_t guest_port,
			       uint32_t host_port)
{
	struct vsock_conn *conn;

	TAILQ_FOREACH(conn, bucket(table, guest_port, host_port), hash_link)
	{
		if (conn->guest_port == guest_port && conn->host_port == host_port &&
		    conn->type == type)
			return conn;
	}
	return NULL;
}

void vsock_table_set_ledger(struct vsock_table *table, struct ledger *ledger)
{
	struct vsock_conn *conn;

	/* Some wait for an answer of the supervisor's, though nobody else knows of them any more. */
	TAILQ_FOREACH(conn, &table->all, all_link)
	conn->place = LEDGER_NONE;
	for (unsigned i = 0; i < REPLIES_MAX; i++)
		table->replies[i].place = LEDGER_NONE;
	table->n_said = 0;
	table->ledger = ledger;
}

static int enter(struct vsock_table *table, uint32_t type, uint32_t guest_port, uint32_t host_port)
{
	struct ledger_entry entry = { guest_port, host_port, type };

	return ledger_enter(table->ledger, &entry);
}

static void insert(struct vsock_conn *conn)
{
	TAILQ_INSERT_HEAD(bucket(conn->table, conn->guest_port, conn->host_port), conn, hash_link);
	conn->hashed = true;
}

static struct vsock_conn *conn_add(struct vsock_table *table, enum vsock_conn_state state,
				   uint16_t type)
{
	struct vsock_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->state = state;
	conn->type = type;
	conn->table = table;
	conn->place = LEDGER_NONE;
	conn->deadline_ns = VSOCK_NEVER_NS;
	TAILQ_INSERT_TAIL(&table->all, conn, all_link);
	table->n_conns++;
	return conn;
}

static void refuse(struct vsock_table *table, uint64_t now_ns)
{
	table->refused++;
	/* A guest may try as often as it likes; the log is for others, too. */
	if (now_ns < table->refused_next_ns)
		return;
	table->refused_next_ns = now_ns + REFUSED_TOLD_NS;
	tsk_warning("vsock: a connection was refused: %u are open, which is max-connections "
		    "(%" PRIu64 " refused so far)",
		    table->n_conns, table->refused);
}

static struct vsock_conn *conn_new(struct vsock_table *table, enum vsock_conn_state state,
				   uint16_t type, uint64_t now_ns)
{
	if (table->n_conns < table->config.connections_max)
		return conn_add(table, state, type);
	refuse(table, now_ns);
	return NULL;
}

/* Puts conn into, or takes it out of, one of the lists. */
#define relink_in(list, conn, member, link, wanted)          \
	do {                                                 \
		bool _wanted = (wanted);                     \
		if (_wanted && !(conn)->member)              \
			TAILQ_INSERT_TAIL(list, conn, link); \
		else if (!_wanted && (conn)->member)         \
			TAILQ_REMOVE(list, conn, link);      \
		(conn)->member = _wanted;                    \
	} while (0)

/*
 * Widens the window as soon as there is room for that, and gives the room back when no more bytes
 * can come.  In between a window is never made smaller: the guest has been told of it.
 */
static void size_window(struct vsock_conn *conn)
{
	const uint64_t extra_bytes = VSOCK_BUF_ALLOC - VSOCK_BUF_ALLOC_MIN;
	struct vsock_table *table = conn->table;

	if (conn->credit.wide && conn->state >= VSOCK_CONN_RESET) {
		conn->credit.wide = false;
		table->window_bytes -= extra_bytes;
	} else if (!conn->credit.wide && conn->state > VSOCK_CONN_GREETING &&
		   conn->state <= VSOCK_CONN_OPEN &&
		   table->config.window_bytes_max - table->window_bytes >= extra_bytes) {
		conn->credit.wide = true;
		table->window_bytes += extra_bytes;
	}
}

/* A packet of conn's goes to the guest. */
static void count_turn(struct vsock_table *table, const struct vsock_conn *conn)
{
	table->n_turns++;
	if (table->last && conn != table->last)
		table->other_turn = table->n_turns;
	table->last = conn;
}

/*
 * Asks how far the guest has come, if others share its queue.  Only here does it change whether the
 * answer counts, as the lists go by it.
 */
static void pace(struct vsock_conn *conn)
{
	const struct vsock_table *table = conn->table;

	conn->paced = table->n_conns > 1 && table->n_turns - table->other_turn < SHARED_TURNS;
	if (conn->paced && conn->state == VSOCK_CONN_OPEN &&
	    !(conn->host_shut & VSOCK_SHUTDOWN_SEND) &&
	    vsock_pace_ask_due(&conn->pace, conn->credit.sent))
		conn->out |= VSOCK_OUT_ASK;
}

void vsock_table_relink(struct vsock_conn *conn)
{
	struct vsock_table *table = conn->table;
	bool dead = conn->state == VSOCK_CONN_DEAD;

	size_window(conn);
	pace(conn);
	if (conn->hashed && (dead || conn->state == VSOCK_CONN_DRAINING)) {
		TAILQ_REMOVE(bucket(table, conn->guest_port, conn->host_port), conn, hash_link);
		conn->hashed = false;
		/* The guest has forgotten it. */
		if (!dead) {
			ledger_strike(table->ledger, conn->place);
			conn->place = LEDGER_NONE;
		}
	}
	relink_in(&table->control, conn, in_control, control_link, conn->out != 0);
	relink_in(&table->readers, conn, in_readers, reader_link, vsock_conn_readable(conn) > 0);
	relink_in(&table->events, conn, in_events, event_link, conn->events && !dead);
	relink_in(&table->dead, conn, in_dead, dead_link, dead && !conn->connect_id);
	if (conn->deadline_ns < table->deadline_ns)
		table->deadline_ns = conn->deadline_ns;
}

void vsock_table_reap(struct vsock_table *table)
{
	struct vsock_conn *conn;

	while ((conn = TAILQ_FIRST(&table->dead))) {
		TAILQ_REMOVE(&table->dead, conn, dead_link);
		TAILQ_REMOVE(&table->all, conn, all_link);
		table->n_conns--;
		if (table->last == conn)
			table->last = NULL;
		vsock_conn_close_end(conn);
		vsock_buffer_done(&conn->buffer);
		vsock_messages_done(&conn->messages);
		ledger_strike(table->ledger, conn->place);
		free(conn);
	}
	while (table->n_said)
		ledger_strike(table->ledger, table->said[--table->n_said]);
}

void vsock_table_free(struct vsock_table *table)
{
	struct vsock_conn *conn;

	if (!table)
		return;
	TAILQ_FOREACH(conn, &table->all, all_link)
	{
		vsock_conn_kill(conn);
		conn->connect_id = 0;
		vsock_table_relink(conn);
	}
	vsock_table_reap(table);
	free(table);
}

static void reply_rst(struct vsock_table *table, const struct vsock_header *header)
{
	struct reply *reply;

	if (header->op == VSOCK_OP_RST || vsock_table_is_full(table))
		return;
	reply = &table->replies[(table->first_reply + table->n_replies++) % REPLIES_MAX];
	reply->guest_port = header->src_port;
	reply->host_port = header->dst_port;
	/* Linux passes over an RST of another type than its socket's. */
	reply->type =
		header->type == VSOCK_TYPE_SEQPACKET ? VSOCK_TYPE_SEQPACKET : VSOCK_TYPE_STREAM;
	reply->place = enter(table, reply->type, reply->guest_port, reply->host_port);
}

bool vsock_table_is_full(const struct vsock_table *table)
{
	return table->n_replies == REPLIES_MAX;
}

/* Asks for the host's end of conn. */
static void ask(struct vsock_conn *conn)
{
	struct vsock_table *table = conn->table;
	int r;

	conn->deadline_ns = VSOCK_NEVER_NS;
	conn->connect_id = ++table->last_id;
	r = table->config.open(table->config.context, conn->connect_id, conn->host_port, conn);
	if (r == 0)
		return;
	conn->connect_id = 0;
	if (r > 0)
		vsock_conn_accept(conn);
	else
		vsock_conn_reset(conn);
}

static void request(struct vsock_table *table, const struct vsock_header *header, uint64_t now_ns)
{
	struct vsock_conn *conn = conn_new(table, VSOCK_CONN_CONNECTING, header->type, now_ns);

	if (!conn) {
		reply_rst(table, header);
		return;
	}
	conn->guest_port = header->src_port;
	conn->host_port = header->dst_port;
	conn->give_up_ns = now_ns + VSOCK_REQUEST_NS;
	insert(conn);
	conn->place = enter(table, conn->type, conn->guest_port, conn->host_port);
	if (vsock_credit_hear(&conn->credit, header) < 0)
		vsock_conn_reset(conn);
	else
		ask(conn);
	vsock_table_relink(conn);
}

void vsock_table_packet(struct vsock_table *table, const struct vsock_header *header,
			const struct iovec *iov, unsigned n, bool whole, uint64_t now_ns)
{
	struct vsock_conn *conn;

	if (header->src_cid != table->config.guest_cid || header->dst_cid != VSOCK_CID_HOST) {
		if (table->forged++ == 0)
			tsk_warning("vsock: a packet with forged addresses was dropped; "
				    "later ones are only counted");
		return;
	}
	if (!is_known(table, header->type)) {
		reply_rst(table, header);
		return;
	}
	conn = find(table, header->type, header->src_port, header->dst_port);
	if (conn) {
		if (whole)
			vsock_conn_packet(conn, header, iov, n);
		else
			vsock_conn_reset(conn);
		vsock_conn_watch(conn, now_ns);
		vsock_table_relink(conn);
	} else if (whole && header->op == VSOCK_OP_REQUEST) {
		request(table, header, now_ns);
	} else {
		reply_rst(table, header);
	}
}

bool vsock_table_has_control(const struct vsock_table *table)
{
	return table->n_replies || !TAILQ_EMPTY(&table->control);
}

void vsock_table_address(const struct vsock_table *table, struct vsock_header *header)
{
	header->src_cid = VSOCK_CID_HOST;
	header->dst_cid = table->config.guest_cid;
}

static bool next_reply(struct vsock_table *table, struct vsock_header *ret)
{
	const struct reply *reply = &table->replies[table->first_reply];

	if (table->n_replies == 0)
		return false;
	*ret = (struct vsock_header){
		.src_port = reply->host_port,
		.dst_port = reply->guest_port,
		.type = reply->type,
		.op = VSOCK_OP_RST,
	};
	if (table->n_said < REPLIES_MAX)
		table->said[table->n_said++] = reply->place;
	table->first_reply = (table->first_reply + 1) % REPLIES_MAX;
	table->n_replies--;
	return true;
}

bool vsock_table_next_control(struct vsock_table *table, uint64_t now_ns, struct vsock_header *ret)
{
	struct vsock_conn *conn;

	if (!next_reply(table, ret)) {
		conn = TAILQ_FIRST(&table->control);
		if (!conn || !vsock_conn_control(conn, now_ns, ret))
			return false;
		count_turn(table, conn);
		vsock_table_relink(conn);
	}
	vsock_table_address(table, ret);
	return true;
}

struct vsock_conn *vsock_table_reader(struct vsock_table *table)
{
	return TAILQ_FIRST(&table->readers);
}

bool vsock_table_reader_is_alone(const struct vsock_table *table)
{
	const struct vsock_conn *first = TAILQ_FIRST(&table->readers);

	return !first || !TAILQ_NEXT(first, reader_link);
}

void vsock_table_rotate(struct vsock_table *table, struct vsock_conn *conn)
{
	count_turn(table, conn);
	if (!conn->in_readers)
		return;
	TAILQ_REMOVE(&table->readers, conn, reader_link);
	TAILQ_INSERT_TAIL(&table->readers, conn, reader_link);
}

struct vsock_conn *vsock_table_greet(struct vsock_table *table, enum vsock_type type,
				     uint64_t now_ns)
{
	struct vsock_conn *conn = NULL;

	if (is_known(table, type))
		conn = conn_new(table, VSOCK_CONN_GREETING, (uint16_t)type, now_ns);
	if (!conn)
		return NULL;
	conn->deadline_ns = now_ns + VSOCK_GREETING_NS;
	vsock_table_relink(conn);
	return conn;
}

/* A port of the host's that is not in use towards guest_port: Linux tells connections by ports only. */
static uint32_t fresh_port(struct vsock_table *table, uint32_t guest_port)
{
	uint32_t port;

	do {
		port = table->next_port++;
		if (table->next_port == UINT32_MAX) /* "any" */
			table->next_port = VSOCK_HOST_PORT_MIN;
	} while (find(table, VSOCK_TYPE_STREAM, guest_port, port) ||
		 find(table, VSOCK_TYPE_SEQPACKET, guest_port, port));
	return port;
}

static void greeting(struct vsock_conn *conn, uint64_t now_ns)
{
	uint32_t port;
	int r = conn->end.ops->greeting(conn->end.object, &port);

	if (r < 0) {
		vsock_conn_kill(conn);
	} else if (r > 0) {
		conn->guest_port = port;
		conn->host_port = fresh_port(conn->table, port);
		insert(conn);
		conn->place = enter(conn->table, conn->type, conn->guest_port, conn->host_port);
		vsock_conn_request(conn, now_ns);
	}
}

struct vsock_conn *vsock_table_waiting(struct vsock_table *table, uint64_t id)
{
	struct vsock_conn *conn;

	TAILQ_FOREACH(conn, &table->all, all_link)
	{
		if (conn->connect_id == id && id)
			return conn;
	}
	return NULL;
}

void vsock_table_connected(struct vsock_conn *conn, int result, struct vsock_end end,
			   uint64_t now_ns)
{
	conn->connect_id = 0;
	conn->end = end;
	if (conn->state != VSOCK_CONN_CONNECTING) {
		vsock_conn_close_end(conn);
	} else if (result == 0) {
		vsock_conn_accept(conn);
	} else if (result == -EAGAIN && now_ns < conn->give_up_ns) {
		conn->deadline_ns = now_ns + RETRY_NS;
	} else {
		vsock_conn_reset(conn);
	}
	vsock_table_relink(conn);
}

void vsock_table_host_event(struct vsock_conn *conn, unsigned events)
{
	struct vsock_table *table = conn->table;

	conn->events |= events;
	relink_in(&table->events, conn, in_events, event_link, conn->state != VSOCK_CONN_DEAD);
}

bool vsock_table_run_events(struct vsock_table *table, unsigned max, uint64_t now_ns)
{
	for (unsigned i = 0; i < max; i++) {
		struct vsock_conn *conn = TAILQ_FIRST(&table->events);
		unsigned events;

		if (!conn)
			return true;
		events = conn->events;
		conn->events = 0;
		if (conn->state == VSOCK_CONN_GREETING)
			greeting(conn, now_ns);
		else
			vsock_conn_host_event(conn, events);
		vsock_table_relink(conn);
	}
	return TAILQ_EMPTY(&table->events);
}

uint64_t vsock_table_deadline_ns(const struct vsock_table *table)
{
	return table->deadline_ns;
}

void vsock_table_expire(struct vsock_table *table, uint64_t now_ns)
{
	struct vsock_conn *conn;

	if (now_ns < table->deadline_ns)
		return;
	table->deadline_ns = VSOCK_NEVER_NS;
	TAILQ_FOREACH(conn, &table->all, all_link)
	{
		if (now_ns >= conn->deadline_ns) {
			if (conn->state == VSOCK_CONN_CONNECTING)
				ask(conn);
			else
				vsock_conn_expired(conn);
			vsock_conn_watch(conn, now_ns);
		}
		vsock_table_relink(conn);
	}
}

void vsock_table_stop(struct vsock_table *table)
{
	struct vsock_conn *conn;

	TAILQ_FOREACH(conn, &table->all, all_link)
	{
		vsock_conn_reset(conn);
		conn->events = 0;
		vsock_conn_close_end(conn);
		vsock_table_relink(conn);
	}
	vsock_table_reap(table);
}

void vsock_table_clear(struct vsock_table *table)
{
	struct vsock_conn *conn;

	TAILQ_FOREACH(conn, &table->all, all_link)
	{
		vsock_conn_kill(conn);
		vsock_table_relink(conn);
	}
	table->n_replies = 0;
	vsock_table_reap(table);
}

static int recall_one(struct vsock_table *table, const struct ledger_entry *entry, int place)
{
	struct vsock_conn *conn = conn_add(table, VSOCK_CONN_RESET, (uint16_t)entry->type);

	if (!conn)
		return -ENOMEM;
	conn->guest_port = entry->guest_port;
	conn->host_port = entry->host_port;
	conn->place = place;
	insert(conn);
	vsock_conn_lost(conn);
	vsock_table_relink(conn);
	return 0;
}

int vsock_table_recall(struct vsock_table *table)
{
	struct ledger_entry entry;
	int place = 0, r = 0;

	while ((place = ledger_next(table->ledger, place, &entry)) != LEDGER_NONE) {
		if (find(table, (uint16_t)entry.type, entry.guest_port, entry.host_port))
			ledger_strike(table->ledger, place); /* one RST does for both */
		else if (recall_one(table, &entry, place) < 0)
			r = -ENOMEM;
		place++;
	}
	return r;
}

unsigned vsock_table_connections(const struct vsock_table *table)
{
	const struct vsock_conn *conn;
	unsigned n = 0;

	TAILQ_FOREACH(conn, &table->all, all_link)
	n += conn->state < VSOCK_CONN_RESET;
	return n;
}

uint64_t vsock_table_forged(const struct vsock_table *table)
{
	return table->forged;
}

uint64_t vsock_table_refused(const struct vsock_table *table)
{
	return table->refused;
}
