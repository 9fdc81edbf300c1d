/* SPDX-License-Identifier: Apache-2.0 */
/* For unit tests only: the store of a rig's front, as a test plays it. */
#ifndef FRONT_STORE_PLAYED_H
#define FRONT_STORE_PLAYED_H

#include "base/seqpacket.h"
#include "channel/store_index.h"
#include "front/models_asked.h"
#include "front/native_peer.h"

#define PATIENCE 5000

static int store; /* the store's end */

struct held {
	const char *bytes, *name; /* of a model */
	uint64_t age_ms;
	uint64_t have; /* 0: all */
};

static inline void send_index(int channel, const struct held *held, unsigned n)
{
	unsigned char bytes[4096];
	struct tsk_writer w = tsk_writer(bytes, sizeof(bytes));
	struct store_msg msg = { .type = STORE_INDEX };
	struct store_entry entry;
	int fd;

	store_index_begin(&w, n);
	for (unsigned i = 0; i < n; i++) {
		entry = (struct store_entry){ .size = strlen(held[i].bytes),
					      .have = held[i].have ? held[i].have
								   : strlen(held[i].bytes),
					      .age_ms = held[i].age_ms };
		hash_of(held[i].bytes, entry.hash);
		store_index_entry(&w, &entry);
	}
	store_index_labels(&w, n);
	for (unsigned i = 0; i < n; i++) {
		hash_of(held[i].bytes, entry.hash);
		store_index_label(&w, entry.hash, held[i].name, "1");
	}
	assert_int_equal(store_index_to_fd(&w, &fd), 0);
	msg.bytes = tsk_writer_len(&w);
	assert_int_equal(store_control_send(channel, &msg, fd), 0);
	close(fd);
}

/* Gives the front a channel, on which the store has said what there is. */
static inline void open_store(struct rig *rig, const struct held *held, unsigned n)
{
	int fds[2];

	assert_int_equal(tsk_seqpacket_pair(fds), 0);
	store = fds[0];
	send_index(store, held, n);
	rig_send(rig, FRONT_STORE, 0, 0, 0, fds[1]);
	close(fds[1]);
	rig_run(rig, 1);
}

static inline struct store_msg await_msg(struct rig *rig, enum store_msg_type type, int *ret_fd)
{
	struct store_msg msg = { 0 };
	int fd = -1, r = -EAGAIN;

	for (int i = 0; i < PATIENCE && r == -EAGAIN; i++) {
		r = store_control_recv(store, &msg, &fd);
		if (r == -EAGAIN)
			rig_run(rig, 1);
	}
	assert_int_equal(r, 1);
	assert_int_equal(msg.type, type);
	if (ret_fd)
		*ret_fd = fd;
	else
		tsk_close(fd);
	return msg;
}

static inline void expect_silence(struct rig *rig)
{
	struct store_msg msg;
	int fd;

	rig_run(rig, 5);
	if (store_control_recv(store, &msg, &fd) != -EAGAIN)
		fail_msg("a message of type %u came", msg.type);
}

static inline void expect_hash(const struct store_msg *msg, const char *bytes)
{
	unsigned char hash[WIRE_HASH_BYTES];

	hash_of(bytes, hash);
	assert_memory_equal(msg->hash, hash, sizeof(hash));
}

static inline void answer(struct rig *rig, enum store_msg_type type, const char *bytes, int result,
			  int fd)
{
	struct store_msg msg = { .type = type, .result = result };

	if (type == STORE_BYTES && result == 0)
		msg.bytes = strlen(bytes);
	if (type != STORE_LABELED)
		hash_of(bytes, msg.hash);
	assert_int_equal(store_control_send(store, &msg, fd), 0);
	rig_run(rig, 1);
}

/* A model comes to be stored: takes it, and answers. */
static inline void expect_put(struct rig *rig, const char *bytes, int result)
{
	struct tsk_map map;
	uint64_t size;
	int fd;
	struct store_msg msg = await_msg(rig, STORE_PUT, &fd);

	expect_hash(&msg, bytes);
	assert_int_equal(msg.bytes, strlen(bytes));
	assert_int_equal(tsk_memfd_check(fd, true, &size), 0);
	assert_int_equal(size, strlen(bytes));
	assert_int_equal(tsk_map_new(fd, size, false, &map), 0);
	assert_memory_equal(map.addr, bytes, size);
	tsk_map_done(&map);
	close(fd);
	answer(rig, STORE_STORED, bytes, result, -1);
}

static char said[256]; /* names, in the order of the labels */

static inline void on_label(void *context, const struct store_label *label)
{
	size_t len = strlen(said);

	(void)context;
	snprintf(said + len, sizeof(said) - len, "%.20s:%.20s ", label->name, label->version);
}

static inline void expect_labels(struct rig *rig, const char *names)
{
	static const struct store_index_ops ops = { .label = on_label };
	int fd;

	said[0] = '\0';
	await_msg(rig, STORE_LABELS, &fd);
	assert_int_equal(store_index_from_fd(fd, &ops, NULL), 0);
	close(fd);
	assert_string_equal(said, names);
	answer(rig, STORE_LABELED, NULL, 0, -1);
}

/* The front asks for it: gives it `given` (NULL: it is not there). */
static inline void expect_get(struct rig *rig, const char *bytes, const char *given)
{
	struct store_msg msg = await_msg(rig, STORE_GET, NULL);
	struct tsk_map map;
	int fd;

	expect_hash(&msg, bytes);
	if (!given) {
		answer(rig, STORE_BYTES, bytes, -ENOENT, -1);
		return;
	}
	assert_int_equal(tsk_memfd_new("test", strlen(given), &fd), 0);
	assert_int_equal(tsk_map_new(fd, strlen(given), true, &map), 0);
	memcpy(map.addr, given, strlen(given));
	tsk_map_done(&map);
	assert_int_equal(tsk_memfd_freeze(fd), 0);
	answer(rig, STORE_BYTES, bytes, 0, fd);
	close(fd);
}

static inline void begin(struct rig *rig, const struct held *held, unsigned n)
{
	struct front_start limits = rig_limits();

	rig_init(rig, &limits);
	open_store(rig, held, n);
}

static inline void end(struct rig *rig)
{
	rig_done(rig);
	close(store);
}

#endif
