/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds sockets in a guest, and does with each what a test says, call by call.  Static: a guest has no
 * library.
 *
 *   vsock_puppet serve             holds the sockets; the others below ask it
 *   vsock_puppet SLOT VERB [WORD]...  prints what came of it: a number, a word, or the error's name
 *
 * SLOT is the socket's number.  The verbs:
 *
 *   kind stream|seqpacket     of the sockets made from now on; streams at first
 *   bind PORT                 a new socket with a port, which does not listen
 *   listen PORT
 *   accept SLOT               a new socket, of the one that listens
 *   connect CID PORT [PORT]   a new socket, from the second port if it is given
 *   send N                    prints how many bytes were taken; of 0 bytes only the error is of interest
 *   zerocopy SIZE[@OFFSET]... sends pieces of memory, each so far behind the start of a page, without
 *                             a copy; prints their sum, and "zerocopy" or "copied" once they are free again
 *   recv N                    waits for so many bytes, or the end, or for one message
 *   try N                     takes what is there, at most N
 *   peek N                    waits for N bytes, which stay
 *   fault                     reads into memory that is not there
 *   shutdown rd|wr
 *   close
 *   buffer N                  SO_VM_SOCKETS_BUFFER_SIZE
 *   lowat N                   SO_RCVLOWAT
 *   readable MS               waits for bytes to read: "yes" or "no"
 *   hangup                    waits until the peer sends no more
 *   unsent                    waits until all that was sent has been taken, prints what has not
 *   errors                    reads the error queue
 *
 * The bytes are those of a pattern, each way: recv, try and peek say "EBADMSG" where they are others.
 * Nothing waits for more than 10 s, "EAGAIN" then.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <linux/vm_sockets.h>

#define PATH "/tmp/vsock_puppet"
#define WAIT_MS 10000
#define SLOTS 256u
#define WORDS_MAX 12u
#define LINE_MAX_BYTES 512u
#define BYTES_MAX ((size_t)1 << 20)
#define PIECES_MAX 8u
#define PAGE_BYTES ((size_t)4096)

struct slot {
	int fd; /* 0: none */
	uint64_t sent, received;
};

/* What is said in reply to a call: result, and word behind it if there is one. */
struct reply {
	int64_t result; /* -errno: the error's name is said */
	const char *word;
};

static struct slot slots[SLOTS];
static int kind = SOCK_STREAM;
static unsigned char bytes[BYTES_MAX];

static void die(const char *what)
{
	fprintf(stderr, "vsock_puppet: %s: %s\n", what, strerrorname_np(errno));
	exit(1);
}

static struct reply number(int64_t result)
{
	return (struct reply){ .result = result };
}

static struct reply failed_if(bool failed)
{
	return number(failed ? -errno : 0);
}

static uint32_t parse(const char *text)
{
	return (uint32_t)strtoul(text, NULL, 10);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Byte number i of a direction: no power of two is its period. */
static unsigned char pattern(uint64_t i)
{
	return (unsigned char)(i % 251);
}

static bool is_pattern(const unsigned char *data, size_t n, uint64_t from)
{
	for (size_t i = 0; i < n; i++) {
		if (data[i] != pattern(from + i))
			return false;
	}
	return true;
}

/* CID 2 is the host, and only a guest that we have booted may talk to its host: see seed_guest.c. */
static bool in_our_guest(void)
{
	char line[4096] = "";
	FILE *file = fopen("/proc/cmdline", "re");

	if (file && !fgets(line, sizeof(line), file))
		line[0] = '\0';
	if (file)
		fclose(file);
	return strstr(line, "vsguest=1");
}

static int limit_waiting(int fd)
{
	const struct timeval wait = { .tv_sec = WAIT_MS / 1000 };

	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) |
	       setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
}

/* A new socket, bound to the port unless it is "any". */
static int make(struct slot *slot, uint32_t port)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = port,
	};
	int fd = socket(AF_VSOCK, kind | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	*slot = (struct slot){ .fd = fd };
	if (limit_waiting(fd) < 0)
		return -errno;
	if (port != VMADDR_PORT_ANY &&
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return 0;
}

static struct reply do_kind(struct slot *slot, char **words)
{
	(void)slot;
	kind = strcmp(words[0], "seqpacket") == 0 ? SOCK_SEQPACKET : SOCK_STREAM;
	return number(0);
}

static struct reply do_bind(struct slot *slot, char **words)
{
	return number(make(slot, parse(words[0])));
}

static struct reply do_listen(struct slot *slot, char **words)
{
	int r = make(slot, parse(words[0]));

	return r < 0 ? number(r) : failed_if(listen(slot->fd, 8) < 0);
}

static struct reply do_accept(struct slot *slot, char **words)
{
	uint32_t listener = parse(words[0]);
	int fd = accept(listener < SLOTS ? slots[listener].fd : -1, NULL, NULL);

	if (fd < 0)
		return number(-errno);
	*slot = (struct slot){ .fd = fd };
	return failed_if(limit_waiting(fd) < 0);
}

static struct reply do_connect(struct slot *slot, char **words)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = parse(words[0]),
		.svm_port = parse(words[1]),
	};
	int r = make(slot, words[2] ? parse(words[2]) : VMADDR_PORT_ANY);

	if (r < 0)
		return number(r);
	return failed_if(connect(slot->fd, (const struct sockaddr *)&address, sizeof(address)) < 0);
}

static struct reply do_send(struct slot *slot, char **words)
{
	size_t n = parse(words[0]);
	size_t done = 0;

	for (size_t i = 0; i < n && i < BYTES_MAX; i++)
		bytes[i] = pattern(slot->sent + i);
	if (n > BYTES_MAX)
		return number(-EINVAL);
	do {
		ssize_t r = send(slot->fd, bytes + done, n - done, MSG_NOSIGNAL);

		if (r < 0)
			return number(-errno);
		done += (size_t)r;
		slot->sent += (size_t)r;
	} while (done < n);
	return number((int64_t)done);
}

/* What the error queue says of one sending without a copy. */
static struct reply read_errors(int fd)
{
	union {
		struct cmsghdr head;
		unsigned char room[128];
	} control = { 0 };
	struct msghdr message = { .msg_control = &control, .msg_controllen = sizeof(control) };
	const struct sock_extended_err *error;

	if (recvmsg(fd, &message, MSG_ERRQUEUE) < 0)
		return number(-errno);
	if (!CMSG_FIRSTHDR(&message))
		return number(-EPROTO);
	error = (const void *)CMSG_DATA(CMSG_FIRSTHDR(&message));
	if (error->ee_origin != SO_EE_ORIGIN_ZEROCOPY || error->ee_errno)
		return number(-EPROTO);
	return (struct reply){
		.word = error->ee_code & SO_EE_CODE_ZEROCOPY_COPIED ? "copied" : "zerocopy",
	};
}

static struct reply do_errors(struct slot *slot, char **words)
{
	(void)words;
	return read_errors(slot->fd);
}

/* Memory of its own for one piece of a message, "SIZE@OFFSET", filled with the pattern. */
static int make_piece(const char *word, uint64_t from, struct iovec *ret)
{
	const char *at = strchr(word, '@');
	size_t offset = at ? parse(at + 1) % PAGE_BYTES : 0;
	size_t size = parse(word);
	unsigned char *memory;

	if (size == 0 || size > BYTES_MAX)
		return -EINVAL;
	memory = mmap(NULL, offset + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (memory == MAP_FAILED)
		return -errno;
	*ret = (struct iovec){ .iov_base = memory + offset, .iov_len = size };
	for (size_t i = 0; i < size; i++)
		memory[offset + i] = pattern(from + i);
	return 0;
}

/* The memory of the pieces may be used again only when the error queue has told so. */
static struct reply send_pieces(struct slot *slot, struct iovec *pieces, unsigned n)
{
	struct msghdr message = { .msg_iov = pieces, .msg_iovlen = n };
	struct pollfd freed = { .fd = slot->fd };
	struct reply reply;
	ssize_t sent = sendmsg(slot->fd, &message, MSG_ZEROCOPY | MSG_NOSIGNAL);

	if (sent < 0)
		return number(-errno);
	slot->sent += (size_t)sent;
	if (poll(&freed, 1, WAIT_MS) <= 0)
		return number(-EAGAIN);
	reply = read_errors(slot->fd);
	if (reply.result == 0)
		reply.result = sent;
	return reply;
}

static struct reply do_zerocopy(struct slot *slot, char **words)
{
	struct iovec pieces[PIECES_MAX];
	struct reply reply;
	uint64_t from = slot->sent;
	unsigned n = 0;
	int on = 1;

	if (setsockopt(slot->fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)) < 0)
		return number(-errno);
	for (; n < PIECES_MAX && words[n]; n++) {
		int r = make_piece(words[n], from, &pieces[n]);

		if (r < 0)
			return number(r);
		from += pieces[n].iov_len;
	}
	reply = send_pieces(slot, pieces, n);
	for (unsigned i = 0; i < n; i++) {
		size_t offset = (uintptr_t)pieces[i].iov_base % PAGE_BYTES;

		munmap((unsigned char *)pieces[i].iov_base - offset, offset + pieces[i].iov_len);
	}
	return reply;
}

static struct reply do_recv(struct slot *slot, char **words)
{
	size_t n = parse(words[0]);
	size_t done = 0;

	while (done < n && n <= BYTES_MAX) {
		ssize_t r = recv(slot->fd, bytes + done, n - done, 0);

		if (r < 0)
			return number(-errno);
		if (r == 0)
			break;
		done += (size_t)r;
		if (kind == SOCK_SEQPACKET)
			break;
	}
	if (!is_pattern(bytes, done, slot->received))
		return number(-EBADMSG);
	slot->received += done;
	return number((int64_t)done);
}

static struct reply do_try(struct slot *slot, char **words)
{
	size_t n = parse(words[0]);
	ssize_t r = recv(slot->fd, bytes, n < BYTES_MAX ? n : BYTES_MAX, MSG_DONTWAIT);

	if (r < 0)
		return number(-errno);
	if (!is_pattern(bytes, (size_t)r, slot->received))
		return number(-EBADMSG);
	slot->received += (size_t)r;
	return number(r);
}

static struct reply do_peek(struct slot *slot, char **words)
{
	size_t n = parse(words[0]);
	int64_t end_ms = now_ms() + WAIT_MS;
	ssize_t r;

	/* MSG_WAITALL does not go with MSG_PEEK here, and poll tells of the first byte only. */
	do
		r = recv(slot->fd, bytes, n < BYTES_MAX ? n : BYTES_MAX, MSG_PEEK);
	while (r > 0 && (size_t)r < n && now_ms() < end_ms && usleep(1000) == 0);
	if (r < 0)
		return number(-errno);
	return number(is_pattern(bytes, (size_t)r, slot->received) ? r : -EBADMSG);
}

static struct reply do_fault(struct slot *slot, char **words)
{
	void *nowhere = mmap(NULL, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ssize_t r = recv(slot->fd, nowhere, PAGE_BYTES, 0);
	int error = errno;

	(void)words;
	munmap(nowhere, PAGE_BYTES);
	return number(r < 0 ? -error : r);
}

static struct reply do_shutdown(struct slot *slot, char **words)
{
	return failed_if(shutdown(slot->fd, strcmp(words[0], "rd") == 0 ? SHUT_RD : SHUT_WR) < 0);
}

static struct reply do_close(struct slot *slot, char **words)
{
	int fd = slot->fd;

	(void)words;
	*slot = (struct slot){ 0 };
	return failed_if(close(fd) < 0);
}

static struct reply do_buffer(struct slot *slot, char **words)
{
	uint64_t size = parse(words[0]);

	return failed_if(
		setsockopt(slot->fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof(size)) < 0);
}

static struct reply do_lowat(struct slot *slot, char **words)
{
	int size = (int)parse(words[0]);

	return failed_if(setsockopt(slot->fd, SOL_SOCKET, SO_RCVLOWAT, &size, sizeof(size)) < 0);
}

static struct reply do_readable(struct slot *slot, char **words)
{
	struct pollfd poll_fd = { .fd = slot->fd, .events = POLLIN | POLLRDNORM };
	int r = poll(&poll_fd, 1, (int)parse(words[0]));

	if (r < 0)
		return number(-errno);
	if (r > 0 && poll_fd.revents != (POLLIN | POLLRDNORM))
		return number(-EPROTO);
	return (struct reply){ .word = r ? "yes" : "no" };
}

static struct reply do_hangup(struct slot *slot, char **words)
{
	struct pollfd poll_fd = { .fd = slot->fd, .events = POLLRDHUP };

	(void)words;
	return number(poll(&poll_fd, 1, WAIT_MS) > 0 ? 0 : -EAGAIN);
}

static struct reply do_unsent(struct slot *slot, char **words)
{
	int64_t end_ms = now_ms() + WAIT_MS;
	int left;

	(void)words;
	do {
		if (ioctl(slot->fd, SIOCOUTQ, &left) < 0)
			return number(-errno);
	} while (left && now_ms() < end_ms && usleep(1000) == 0);
	return number(left);
}

static const struct verb {
	const char *name;
	unsigned n_words; /* at least */
	struct reply (*run)(struct slot *slot, char **words);
} verbs[] = {
	{ "accept", 1, do_accept },     { "bind", 1, do_bind },       { "buffer", 1, do_buffer },
	{ "close", 0, do_close },       { "connect", 2, do_connect }, { "errors", 0, do_errors },
	{ "fault", 0, do_fault },       { "hangup", 0, do_hangup },   { "kind", 1, do_kind },
	{ "listen", 1, do_listen },     { "lowat", 1, do_lowat },     { "peek", 1, do_peek },
	{ "readable", 1, do_readable }, { "recv", 1, do_recv },       { "send", 1, do_send },
	{ "shutdown", 1, do_shutdown }, { "try", 1, do_try },         { "unsent", 0, do_unsent },
	{ "zerocopy", 1, do_zerocopy },
};

/* Does what a line says, "SLOT VERB WORD...". */
static struct reply obey(char *line)
{
	char *words[WORDS_MAX + 1] = { NULL };
	unsigned n = 0;
	char *rest;

	for (char *word = strtok_r(line, " ", &rest); word && n < WORDS_MAX;
	     word = strtok_r(NULL, " ", &rest))
		words[n++] = word;
	if (n < 2 || parse(words[0]) >= SLOTS)
		return number(-EINVAL);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(words[1], verbs[i].name) == 0 && n - 2 >= verbs[i].n_words)
			return verbs[i].run(&slots[parse(words[0])], words + 2);
	}
	return number(-ENOSYS);
}

static const struct sockaddr_un path = { .sun_family = AF_UNIX, .sun_path = PATH };

/* Never returns. */
static void serve(void)
{
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (listener < 0 || bind(listener, (const struct sockaddr *)&path, sizeof(path)) < 0 ||
	    listen(listener, 8) < 0)
		die(PATH);
	for (;;) {
		char line[LINE_MAX_BYTES];
		int fd = accept(listener, NULL, NULL);
		ssize_t n = recv(fd, line, sizeof(line) - 1, 0);

		if (n < 0)
			die("recv");
		line[n] = '\0';
		struct reply reply = obey(line);
		const char *error = reply.result < 0 ? strerrorname_np((int)-reply.result) : NULL;
		int length = snprintf(line, sizeof(line), "%" PRId64 " %s",
				      error ? 0 : reply.result, reply.word ? reply.word : "");
		if (error)
			length = snprintf(line, sizeof(line), "%s", error);
		if (send(fd, line, (size_t)length, MSG_NOSIGNAL) < 0)
			die("send");
		close(fd);
	}
}

static int ask(char **words)
{
	char line[LINE_MAX_BYTES] = "";
	size_t length = 0;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	for (; *words && length < sizeof(line); words++)
		length += (size_t)snprintf(line + length, sizeof(line) - length, "%s ", *words);
	if (length >= sizeof(line)) {
		fputs("vsock_puppet: too long\n", stderr);
		return 2;
	}
	if (fd < 0 || connect(fd, (const struct sockaddr *)&path, sizeof(path)) < 0)
		die(PATH);
	if (send(fd, line, length, MSG_NOSIGNAL) < 0)
		die("send");
	ssize_t n = recv(fd, line, sizeof(line) - 1, 0);
	if (n < 0)
		die("recv");
	line[n] = '\0';
	puts(line);
	return 0;
}

int main(int argc, char **argv)
{
	if (!in_our_guest()) {
		fputs("vsock_puppet: not in a guest of ours\n", stderr);
		return 2;
	}
	if (argc == 2 && strcmp(argv[1], "serve") == 0)
		serve();
	if (argc > 2)
		return ask(argv + 1);
	fputs("usage: vsock_puppet SLOT VERB...: see the head of vsock_puppet.c\n", stderr);
	return 2;
}
