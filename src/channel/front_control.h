/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the supervisor and a front say to each other over their SOCK_SEQPACKET pair: fixed-size
 * messages, at most one fd each.  The front's end is its fd FRONT_CONTROL_FD.  No message carries a
 * byte that a guest wrote but the number of a port, and the key of a region of shared memory.  Each
 * side checks what it gets: the supervisor does not trust a front.
 */
#ifndef CHANNEL_FRONT_CONTROL_H
#define CHANNEL_FRONT_CONTROL_H

#include <stdint.h>

#include "base/cleanup.h"

#define FRONT_CONTROL_FD 3
#define FRONT_CONTROL_VERSION 6u
#define FRONT_MAY_LACK_MAX 7u
#define FRONT_NAME_SIZE 64u /* a guest's name with its NUL byte */
#define FRONT_PORTS_MAX 8u

enum front_msg_type {
	/* supervisor → front */
	FRONT_START = 1,       /* the first message, once; `start` is set */
	FRONT_CONNECTION = 2,  /* fd: a guest's stream to one of its ports */
	FRONT_HOST_STREAM = 3, /* fd: a host program's socket, of either type; CONNECT follows */
	FRONT_DEVICE =
		4, /* fd: the channel of the built-in device (channel/device_control.h), once */
	/*
	 * Answers SPAWN. id; result 0: fd is its control socket, else -errno.  -EAGAIN: value
	 * milliseconds must pass before the next one, because the guest's processes crash too often.
	 */
	FRONT_WORKER = 5,
	/*
	 * id; value: the wait status, and a bit of FRONT_EXITED where the kernel has ended it for memory.
	 * Comes once for each FRONT_WORKER with result 0.
	 */
	FRONT_WORKER_EXITED = 6,
	FRONT_CONNECTED = 7, /* answers CONNECT. id; result 0: fd is the socket, else -errno */
	FRONT_STOP = 8,      /* take no new work, finish what runs, then exit 0 */
	/* fd: a channel to the store (channel/store_control.h): at once after START where there is one;
	 * again when there is another one */
	FRONT_STORE = 9,

	/*
	 * fd: a frozen memfd with the SHA-256 of each model that the guest may run, one behind the
	 * other, START's models_listed of them.  Right after START, if that is not 0.
	 */
	FRONT_MODELS = 12,

	/* fd: a page of metrics (channel/metrics_page.h), to be written: at most once, where operators want them */
	FRONT_METRICS = 13,

	/* Answers REGION. id; result 0: fd is the region, a regular file, else -errno; -EAGAIN: above max-connects */
	FRONT_REGION_OPENED = 14,

	/* front → supervisor */
	FRONT_READY = 64, /* answers START */
	FRONT_SPAWN = 65, /* start a worker; id: the front's name for it, used once */
	/*
	 * id: SIGKILL that worker; nothing happens when it is gone already.  value: FRONT_KILL_ROGUE
	 * if it broke the rules, or left in the middle of its work, which counts as a crash.
	 */
	FRONT_KILL = 66,
	FRONT_CONNECT = 67, /* connect to PATH_<value>, as said below; id: names the answer */
	FRONT_IDLE = 68,    /* nothing is open; value: messages received so far.  The supervisor may
			     * close the socket if it has sent no more than these; the front then exits */
	/* id: names the answer.  `key`: of a region that the guest wants to use, where its operator
	 * lets it: the one message with bytes that a guest chose. */
	FRONT_REGION = 69,
};

#define FRONT_KILL_ROGUE UINT64_C(1)

/* In the value of WORKER_EXITED, above the wait status: it took too much for its guest, or for the host. */
#define FRONT_EXITED_GUEST_MEMORY (UINT64_C(1) << 32)
#define FRONT_EXITED_HOST_MEMORY (UINT64_C(1) << 33)

/*
 * A key of POSIX shared memory, without the slash before it, and its NUL byte: letters, digits and
 * "._-+@:" (FRONT_REGION_KEY_SIZE with the NUL byte, zeros behind it), not "." or "..".
 */
#define FRONT_REGION_KEY_SIZE 128u
int front_region_key_check(const char key[FRONT_REGION_KEY_SIZE]) _nodiscard_; /* -EINVAL */

/*
 * In the value of CONNECT, beside the port, which is its low 32 bits: connect by SOCK_SEQPACKET, not
 * by SOCK_STREAM.  A value with any other bit is refused as a port that nobody serves.
 */
#define FRONT_CONNECT_SEQPACKET (UINT64_C(1) << 32)

/* What a front must know of its guest.  Sizes in bytes, times in milliseconds. */
struct front_start {
	uint32_t version; /* FRONT_CONTROL_VERSION */
	uint32_t log_level; /* and what stands beside it (base/log.h) */
	char name[FRONT_NAME_SIZE];
	uint64_t cid;               /* the guest's CID where it has the built-in device, else 0 */
	uint64_t model_bytes_max;   /* the largest model */
	uint64_t request_bytes_max; /* tensors of one request, in and out together */
	uint64_t memory_bytes_max;  /* models and buffers, all together */
	/*
	 * What the guest's processes may take together, where the kernel watches it, and WORKER_EXITED tells what
	 * it did about it; UINT64_MAX: as much as there is; 0: nobody watches.
	 */
	uint64_t process_bytes_max;
	uint32_t connections_max;
	uint32_t workers_max;       /* worker processes at once */
	uint32_t load_deadline_ms;  /* from the hand-over of the model to its worker's "loaded" */
	uint32_t run_deadline_ms;   /* of one run */
	uint32_t idle_timeout_ms;   /* a connection in the middle of a frame that brings no byte */
	uint32_t model_idle_ms;     /* a loaded model is unloaded after so long without a request */
	uint32_t models_max;        /* that are kept */
	uint32_t model_keep_ms;     /* a kept model that nobody uses is forgotten after this */
	uint32_t requests_max;      /* under way at once */
	uint32_t uploads_max;       /* unfinished ones that are kept while nobody sends them */
	uint32_t upload_keep_ms;    /* and for how long */
	uint32_t pause_deadline_ms; /* connections of a paused VM are kept so long */
	uint32_t quarantine_ms; /* a model that kills its workers is refused for this; 0: never */
	uint32_t models_listed; /* FRONT_MODELS lists so many that it may run; 0: it may run any */
	uint64_t
		flight_bytes_max; /* tensors of all requests under way; 0: memory_bytes_max alone */
	/*
	 * 1: another guest may come under this name one day, and must not find what this one left:
	 * the front is idle without connections, whatever it keeps, after model_idle_ms.
	 */
	uint32_t is_borrowed;
	uint32_t may_lack; /* bits: what its seal may lack (sandbox/feature.h) */
	/* The vsock ports at which the guest reaches Tensock, by the built-in device, too; zeros behind them. */
	uint32_t ports[FRONT_PORTS_MAX];
};

struct front_msg {
	uint32_t type; /* enum front_msg_type */
	int32_t result;
	uint64_t id;
	uint64_t value;
	union {
		struct front_start start;        /* FRONT_START only, else zero */
		char key[FRONT_REGION_KEY_SIZE]; /* FRONT_REGION only */
	};
};

/*
 * Sends *msg and fd (or -1).  The fd stays the caller's.  -EAGAIN: the peer does not keep up.
 * -EINVAL for a message that the other side would refuse as malformed.
 */
int front_control_send(int socket_fd, const struct front_msg *msg, int fd) _nodiscard_;

/*
 * Receives one message.  1 with *ret_fd the caller's (or -1), 0 at the end of the connection,
 * -EAGAIN when there is none now, -EPROTO for one that is malformed (length, unknown type, a number
 * of fds or a result that does not go with the type, a START out of bounds), or another -errno.  A
 * type that only the other side may send passes: the caller's switch refuses it.
 */
int front_control_recv(int socket_fd, struct front_msg *ret, int *ret_fd) _nodiscard_;

#endif
