/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one tensockd leaves to the next, which takes its place in the same process (upgrade.h): a list of
 * records of one size in a sealed memfd.  fds stand in it by their numbers, which an exec keeps.
 *
 * Both are programs of ours, but perhaps of different versions: what is read is checked, and a list of
 * another version or record size is not read at all.
 */
#ifndef SUPERVISOR_TAKEOVER_H
#define SUPERVISOR_TAKEOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "channel/device_control.h"
#include "channel/front_control.h"
#include "supervisor/address.h"

/* Goes up with any change of what stands below. */
#define TAKEOVER_VERSION 1u
#define TAKEOVER_RECORDS_MAX (1u << 16)
#define TAKEOVER_FD_MAX (1 << 20)
#define TAKEOVER_DEADLINE_MAX_MS UINT32_MAX

enum takeover_type {
	TAKEOVER_DAEMON = 1, /* once, first */
	TAKEOVER_LISTENER,
	TAKEOVER_GUEST,  /* one of the configuration that has sockets of its own */
	TAKEOVER_DEVICE, /* the built-in device of a guest, which has come before */
	TAKEOVER_FRONT,
	TAKEOVER_WORKER,  /* of the FRONT that came last */
	TAKEOVER_WAITING, /* a connection that the FRONT that came last had no room for yet */
	TAKEOVER_TYPE_MAX
};

struct takeover_daemon {
	uint64_t started_ns;
	uint32_t front_version; /* FRONT_CONTROL_VERSION of the fronts */
	char made_folder[ADDRESS_PATH_SIZE];
};

struct takeover_listener {
	int32_t fd;
	char path[ADDRESS_PATH_SIZE]; /* of the file that is ours to remove; or empty */
	uint64_t dev, ino;            /* of that file */
};

struct takeover_guest {
	uint64_t cid;
	uint32_t is_attached;
	char name[FRONT_NAME_SIZE];
	char vhost_socket[ADDRESS_PATH_SIZE], uds[ADDRESS_PATH_SIZE], hybrid[ADDRESS_PATH_SIZE];
};

/* fds: -1: none. */
struct takeover_device {
	char name[FRONT_NAME_SIZE];
	uint64_t cid;
	int32_t channel_fd;
	int32_t vmm_fd, ledger_fd, next_vmm_fd;
	int32_t kept[DEVICE_FDS_MAX];
	uint32_t state_bytes;
	unsigned char state[DEVICE_STATE_MAX];
};

struct takeover_front {
	char name[FRONT_NAME_SIZE];
	int32_t pid, fd;
	uint32_t workers_max, has_device;
	uint64_t run_deadline_ms;
	uint64_t memory_bytes_max;
	uint64_t n_sent; /* messages */
	/* An answer that found no room yet. */
	uint32_t has_answer, answer_type;
	int32_t answer_result, answer_fd;
	uint64_t answer_id;
};

struct takeover_worker {
	int32_t pid;
	uint32_t has_exited;
	int32_t wait_status;
	uint64_t id;
};

struct takeover_waiting {
	uint32_t msg_type; /* enum front_msg_type: CONNECTION, HOST_STREAM */
	int32_t fd;
};

struct takeover_record {
	uint32_t type; /* enum takeover_type */
	union {
		struct takeover_daemon daemon;
		struct takeover_listener listener;
		struct takeover_guest guest;
		struct takeover_device device;
		struct takeover_front front;
		struct takeover_worker worker;
		struct takeover_waiting waiting;
	};
};

struct takeover {
	struct takeover_record *list;
	unsigned n;
};

/* A new record of that type, all zeros; NULL: no memory, or too many.  Pointers to others end here. */
struct takeover_record *takeover_add(struct takeover *takeover, enum takeover_type type);

/* "VERSION.SIZE": what a program must say that reads the records of another. */
#define TAKEOVER_TAG_SIZE 32u
void takeover_tag(char ret[TAKEOVER_TAG_SIZE]);

/*
 * Reads the records of bytes, which need not be aligned.  -EPROTONOSUPPORT: they are of another version;
 * -EPROTO: they are none, or break the rules, as an fd that stands there twice does.
 */
int takeover_parse(const void *bytes, size_t size, struct takeover *ret) _nodiscard_;

/* The records in a new memfd. */
int takeover_write(const struct takeover *takeover, int *ret_fd) _nodiscard_;
/* Those of that memfd, which is closed.  Their fds are then the caller's, and close-on-exec again. */
int takeover_read(int fd, struct takeover *ret) _nodiscard_;

/* Whether an exec shall close the fds of the records, or keep them. */
int takeover_set_cloexec(const struct takeover *takeover, bool on) _nodiscard_;

/* Closes the fds that nobody has taken (TAKE_FD) from their records. */
void takeover_close(struct takeover *takeover);
/* Forgets the records, and leaves the fds alone. */
void takeover_done(struct takeover *takeover);

#endif
