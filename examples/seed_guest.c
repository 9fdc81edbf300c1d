/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's program in the oldest protocol of Tensock: send a model, learn whether it ran.
 *
 *   → header, 16 bytes, little-endian: u32 type = 1, u32 id, u64 size
 *   → size bytes: the model
 *   ← 2 bytes: "OK", the host has loaded the model and run it once, or "ER"
 *
 * Needs nothing but Linux: build it with `cc -static -o seed_guest seed_guest.c`, put it in a guest.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define SEED_PORT 9999u
#define SEED_TYPE_MODEL 1u
#define CHUNK_BYTES ((size_t)256 * 1024)

struct seed_header {
	uint32_t type;
	uint32_t id;
	uint64_t size_bytes;
};

_Static_assert(sizeof(struct seed_header) == 16, "as it goes over the wire");

struct options {
	uint32_t cid;
	uint32_t port;
	const char *unix_path; /* instead of vsock, if not NULL */
	bool surely_guest;
};

static const char usage[] =
	"usage: seed_guest [--cid N] [--port N] [--unix PATH] MODEL...\n"
	"Sends each MODEL to tensockd, which loads it and runs it once; prints the answers.\n"
	"\n"
	"  --cid N    the host to ask (default: 2, the host of this guest; 1 is this machine itself)\n"
	"  --port N   its vsock port (default: 9999)\n"
	"  --unix PATH  ask at a Unix socket instead of vsock\n"
	"  --yes-i-am-a-guest  connect to CID 2 although the kernel's command line has no vsguest=1\n"
	"\n"
	"Exit status: 0 when all answers were OK, 1 when one was not, 2 for a wrong command line.\n";

/* True when the words of the kernel's command line have vsguest=1. */
static bool cmdline_says_guest(void)
{
	char line[8192];
	FILE *file = fopen("/proc/cmdline", "re");

	if (!file)
		return false;
	bool found = false;
	if (fgets(line, sizeof(line), file)) {
		char *rest = line;
		char *word;

		while (!found && (word = strsep(&rest, " \n")))
			found = strcmp(word, "vsguest=1") == 0;
	}
	fclose(file);
	return found;
}

/* Returns the socket, or -1 after having said why. */
static int connect_vsock(uint32_t cid, uint32_t port)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = cid,
		.svm_port = port,
	};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		fprintf(stderr, "seed_guest: no vsock here: %s%s\n", strerror(errno),
			errno == EAFNOSUPPORT
				? " (is the module vmw_vsock_virtio_transport loaded?)"
				: "");
		return -1;
	}
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		fprintf(stderr,
			"seed_guest: cannot connect to CID %" PRIu32 " port %" PRIu32 ": %s%s\n",
			cid, port, strerror(errno),
			errno == ECONNRESET ? " (nobody listens there; is tensockd running?)"
			: errno == ENODEV   ? " (has this machine a vsock device?)"
					    : "");
		close(fd);
		return -1;
	}
	return fd;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(path);

	if (length >= sizeof(address.sun_path)) {
		fprintf(stderr, "seed_guest: the path is too long for a socket: %s\n", path);
		return -1;
	}
	memcpy(address.sun_path, path, length + 1);

	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		fprintf(stderr, "seed_guest: socket: %s\n", strerror(errno));
		return -1;
	}
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		fprintf(stderr, "seed_guest: cannot connect to %s: %s\n", path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

static int connect_host(const struct options *options)
{
	if (options->unix_path)
		return connect_unix(options->unix_path);
	return connect_vsock(options->cid, options->port);
}

/* 0, or -1 with errno set. */
static int send_all(int fd, const void *data, size_t size)
{
	const unsigned char *p = data;

	while (size > 0) {
		ssize_t n = send(fd, p, size, MSG_NOSIGNAL);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

/* 1 when size bytes have come, 0 when the connection ended before, or -1 with errno set. */
static int recv_all(int fd, void *data, size_t size)
{
	unsigned char *p = data;

	while (size > 0) {
		ssize_t n = recv(fd, p, size, 0);

		if (n == 0)
			return 0;
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		p += n;
		size -= (size_t)n;
	}
	return 1;
}

/* Returns the model's file with its size, or -1 after having said why. */
static int open_model(const char *path, uint64_t *ret_size_bytes)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0) {
		fprintf(stderr, "seed_guest: cannot open %s: %s\n", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		fprintf(stderr, "seed_guest: %s is not a regular file\n", path);
		close(fd);
		return -1;
	}
	*ret_size_bytes = (uint64_t)st.st_size;
	return fd;
}

/*
 * Sends size_bytes of the file.  0; 1 when the connection takes no more, with errno set; -1 when the
 * file could not be read, after having said why.
 */
static int send_file(int fd, int file, const char *path, uint64_t size_bytes)
{
	static unsigned char chunk[CHUNK_BYTES];

	while (size_bytes > 0) {
		size_t want = size_bytes < CHUNK_BYTES ? (size_t)size_bytes : CHUNK_BYTES;
		ssize_t n = read(file, chunk, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			fprintf(stderr, "seed_guest: cannot read %s: %s\n", path,
				n < 0 ? strerror(errno) : "it has become shorter");
			return -1;
		}
		if (send_all(fd, chunk, (size_t)n) < 0)
			return 1;
		size_bytes -= (uint64_t)n;
	}
	return 0;
}

/* Reads the two bytes of the answer.  True for OK. */
static bool receive_answer(int fd, const char *path, char ret_answer[static 3])
{
	int r = recv_all(fd, ret_answer, 2);

	ret_answer[2] = '\0';
	if (r < 0)
		fprintf(stderr, "seed_guest: no answer about %s: %s\n", path, strerror(errno));
	else if (r == 0)
		fprintf(stderr, "seed_guest: no answer about %s: the host closed the connection\n",
			path);
	else if (memcmp(ret_answer, "OK", 2) != 0 && memcmp(ret_answer, "ER", 2) != 0)
		fprintf(stderr, "seed_guest: an answer about %s that is none: bytes %02x %02x\n",
			path, (unsigned)(unsigned char)ret_answer[0],
			(unsigned)(unsigned char)ret_answer[1]);
	else
		return memcmp(ret_answer, "OK", 2) == 0;
	ret_answer[0] = '\0';
	return false;
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* One frame and its answer on a connection.  True for OK. */
static bool run_model(int fd, uint32_t id, const char *path)
{
	uint64_t size_bytes;
	int file = open_model(path, &size_bytes);

	if (file < 0)
		return false;

	const struct seed_header header = {
		.type = htole32(SEED_TYPE_MODEL),
		.id = htole32(id),
		.size_bytes = htole64(size_bytes),
	};
	double start_s = now_s();
	int r = send_all(fd, &header, sizeof(header)) < 0 ? 1
							  : send_file(fd, file, path, size_bytes);
	int send_errno = errno;
	double sent_s = now_s();

	close(file);
	if (r < 0)
		return false;

	/*
	 * A host that refuses a model answers before all of it has been sent, and closes: whatever
	 * became of the sending, the answer is what counts.
	 */
	char answer[3];
	bool ok = receive_answer(fd, path, answer);
	if (answer[0])
		printf("%s: %s (%" PRIu64 " bytes, sent in %.3f s, answered in %.3f s)\n", path,
		       answer, size_bytes, sent_s - start_s, now_s() - start_s);
	else if (r > 0)
		fprintf(stderr, "seed_guest: not all of %s was sent: %s\n", path,
			strerror(send_errno));
	fflush(stdout);
	return ok;
}

/* All models over one connection; a new one after each that failed.  True when all were OK. */
static bool run_models(const struct options *options, char *const *paths)
{
	bool all_ok = true;
	int fd = -1;

	for (uint32_t id = 1; *paths; id++, paths++) {
		if (fd < 0)
			fd = connect_host(options);
		if (fd < 0)
			return false;
		if (!run_model(fd, id, *paths)) {
			all_ok = false;
			close(fd);
			fd = -1;
		}
	}
	if (fd >= 0)
		close(fd);
	return all_ok;
}

static bool parse_u32(const char *text, uint32_t *ret)
{
	char *end;

	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* True when the command line makes sense; *ret_paths is then the list of models. */
static bool parse_options(int argc, char **argv, struct options *ret, char ***ret_paths)
{
	static const struct option known[] = {
		{ "cid", required_argument, NULL, 'c' },
		{ "port", required_argument, NULL, 'p' },
		{ "unix", required_argument, NULL, 'u' },
		{ "yes-i-am-a-guest", no_argument, NULL, 'y' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", known, NULL)) >= 0) {
		if (c == 'h') {
			fputs(usage, stdout);
			exit(0);
		} else if (c == 'u') {
			ret->unix_path = optarg;
		} else if (c == 'y') {
			ret->surely_guest = true;
		} else if (c == '?' || !parse_u32(optarg, c == 'c' ? &ret->cid : &ret->port)) {
			if (c != '?')
				fprintf(stderr, "seed_guest: not a number: %s\n", optarg);
			return false;
		}
	}
	*ret_paths = argv + optind;
	return optind < argc;
}

int main(int argc, char **argv)
{
	struct options options = { .cid = VMADDR_CID_HOST, .port = SEED_PORT };
	char **paths;

	if (!parse_options(argc, argv, &options, &paths)) {
		fputs(usage, stderr);
		return 2;
	}
	/*
	 * CID 2 is the host of the machine that this runs on.  On a host that is itself a virtual
	 * machine, as most are that one rents, this is the provider's, who has not asked for our
	 * bytes.  So connect only where somebody has said that this is a guest of their own.
	 */
	if (!options.unix_path && options.cid == VMADDR_CID_HOST && !options.surely_guest &&
	    !cmdline_says_guest()) {
		fputs("seed_guest: will not connect to CID 2: nothing says that this machine is a guest "
		      "of yours.\nBoot the guest with vsguest=1 on its kernel's command line, or give "
		      "--yes-i-am-a-guest.\n",
		      stderr);
		return 2;
	}
	return run_models(&options, paths) ? 0 : 1;
}
