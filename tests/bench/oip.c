/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Open Inference Protocol over HTTP with binary tensors, as lean as it goes: what a server costs
 * shows where its client costs next to nothing.
 *
 *   oip load PATH MODEL INPUT SHAPE C SECONDS [identity | region OUTPUT]
 *   oip copy SHAPE SECONDS
 *   oip serve PATH
 *
 * load: C connections to a Unix socket, a thread each, one request at a time on each.  SHAPE: of the
 * one input, FP32, as 1,3,48,192.  identity: the output must have the bytes of the input.  region: so it must
 * here, and both lie in shared memory of the host, a region for each connection.  Prints
 * "p50_us p99_us requests_per_s requests".
 *
 * copy: the same figures of the copy from one such half of a region to the other, by nobody but itself.
 *
 * serve: answers each request with the bytes that it brought: the floor of such a server.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "latencies.h"

#define CONNECTIONS_MAX 256
#define HEAD_MAX 4096u
#define READ_MORE 65536u

static void die(const char *what, const char *why)
{
	fprintf(stderr, "oip: %s: %s\n", what, why);
	exit(1);
}

static int open_socket(const char *path, bool listens)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(addr.sun_path))
		die(path, "no socket");
	memcpy(addr.sun_path, path, strlen(path));
	if (listens && (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 128)))
		die(path, strerror(errno));
	if (!listens && connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die(path, strerror(errno));
	return fd;
}

static bool send_all(int fd, struct iovec *iov, int n)
{
	while (n) {
		ssize_t sent = writev(fd, iov, n);

		if (sent <= 0)
			return false;
		while (n && (size_t)sent >= iov->iov_len) {
			sent -= (ssize_t)iov->iov_len;
			iov++;
			n--;
		}
		if (n) {
			iov->iov_base = (char *)iov->iov_base + sent;
			iov->iov_len -= (size_t)sent;
		}
	}
	return true;
}

/* One message: head, JSON, bytes. */
struct message {
	char *buf;
	size_t room, have;
	size_t head, json, body; /* lengths; body: with the JSON */
};

static bool read_some(int fd, struct message *m, size_t want)
{
	ssize_t n;

	if (m->room - m->have < want) {
		m->room = m->have + want;
		m->buf = realloc(m->buf, m->room + 1);
		if (!m->buf)
			die("message", "no memory");
	}
	n = read(fd, m->buf + m->have, want);
	if (n <= 0)
		return false;
	m->have += (size_t)n;
	return true;
}

/* The number behind a header's name, or none. */
static size_t header(const struct message *m, const char *name, size_t none)
{
	size_t len = strlen(name);

	for (const char *at = m->buf; at + len < m->buf + m->head; at++) {
		if (at[0] == '\n' && strncasecmp(at + 1, name, len) == 0 && at[1 + len] == ':')
			return strtoull(at + 2 + len, NULL, 10);
	}
	return none;
}

/* False at the end of the connection. */
static bool receive(int fd, struct message *m)
{
	const char *end;

	m->have = 0;
	do {
		if (m->have > HEAD_MAX || !read_some(fd, m, READ_MORE))
			return false;
		end = memmem(m->buf, m->have, "\r\n\r\n", 4);
	} while (!end);
	m->head = (size_t)(end - m->buf) + 4;
	m->body = header(m, "content-length", 0);
	m->json = header(m, "inference-header-content-length", m->body);
	while (m->have < m->head + m->body) {
		if (!read_some(fd, m, m->head + m->body - m->have))
			return false;
	}
	return m->json <= m->body;
}

static char *payload(const struct message *m, size_t *ret_bytes)
{
	*ret_bytes = m->body - m->json;
	return m->buf + m->head + m->json;
}

/*
 * ---- serve
 */

static void *serve_connection(void *context)
{
	int fd = (int)(intptr_t)context;
	struct message m = { 0 };

	while (receive(fd, &m)) {
		char json[256], head[256];
		struct iovec iov[3];
		size_t bytes;

		iov[2].iov_base = payload(&m, &bytes);
		iov[2].iov_len = bytes;
		iov[1].iov_base = json;
		iov[1].iov_len = (size_t)snprintf(
			json, sizeof(json),
			"{\"model_name\":\"identity\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"y\","
			"\"datatype\":\"FP32\",\"shape\":[%zu],\"parameters\":{\"binary_data_size\":%zu}}]}",
			bytes / 4, bytes);
		iov[0].iov_base = head;
		iov[0].iov_len = (size_t)snprintf(
			head, sizeof(head),
			"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
			"Inference-Header-Content-Length: %zu\r\nContent-Length: %zu\r\n\r\n",
			iov[1].iov_len, iov[1].iov_len + bytes);
		if (!send_all(fd, iov, 3))
			break;
	}
	close(fd);
	free(m.buf);
	return NULL;
}

static _Noreturn void serve(const char *path)
{
	int fd = open_socket(path, true);

	for (;;) {
		pthread_t thread;
		int peer = accept(fd, NULL, NULL);

		if (peer < 0 ||
		    pthread_create(&thread, NULL, serve_connection, (void *)(intptr_t)peer) != 0)
			die("accept", strerror(errno));
		pthread_detach(thread);
	}
}

/*
 * ---- load
 */

struct bench {
	const char *path, *model, *input, *shape;
	size_t bytes;
	double seconds;
	bool is_identity;
	const char *output; /* wanted in a region; NULL: none is used */
	pthread_barrier_t warm;
	uint64_t began_ns;
};

struct connection {
	struct bench *bench;
	pthread_t thread;
	struct latencies latencies;
	uint64_t ended_ns;
};

static void check_answer(const struct bench *bench, const struct message *m, uint64_t count)
{
	size_t bytes;
	const char *back = payload(m, &bytes);

	if (memcmp(m->buf, "HTTP/1.1 200 ", 13) != 0) {
		fprintf(stderr, "oip: %.*s\n", (int)(m->have < 1000 ? m->have : 1000), m->buf);
		exit(1);
	}
	if (!bench->output && bench->is_identity &&
	    (bytes != bench->bytes || !is_stamped(back, bytes, count)))
		die("answer", "other bytes came back");
}

static void ask(const struct bench *bench, int fd, const struct iovec *request, uint64_t count,
		struct message *m)
{
	struct iovec iov[3];

	stamp(request[2].iov_base, bench->bytes, count);
	memcpy(iov, request, sizeof(iov));
	if (!send_all(fd, iov, bench->output ? 2 : 3) || !receive(fd, m))
		die("connection", "it broke");
	check_answer(bench, m, count);
	if (bench->output &&
	    !is_stamped((char *)request[2].iov_base + request[2].iov_len, bench->bytes, count))
		die("region", "other bytes came back");
}

/* A region for the input, then the output. */
static void *open_region(const struct bench *bench, const char *key)
{
	int memory = shm_open(key, O_RDWR | O_CREAT | O_EXCL, 0600);
	void *bytes;

	if (memory < 0 || ftruncate(memory, (off_t)(2 * bench->bytes)))
		die(key, strerror(errno));
	bytes = mmap(NULL, 2 * bench->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (bytes == MAP_FAILED)
		die(key, strerror(errno));
	close(memory);
	return bytes;
}

/* The same, registered under its key. */
static void *make_region(const struct bench *bench, int fd, const char *key)
{
	char head[HEAD_MAX], json[HEAD_MAX];
	struct iovec iov[2] = { { .iov_base = head }, { .iov_base = json } };
	struct message m = { 0 };
	void *bytes = open_region(bench, key);

	iov[1].iov_len = (size_t)snprintf(json, sizeof(json),
					  "{\"key\":\"%s\",\"offset\":0,\"byte_size\":%zu}", key,
					  2 * bench->bytes);
	iov[0].iov_len =
		(size_t)snprintf(head, sizeof(head),
				 "POST /v2/systemsharedmemory/region%s/register HTTP/1.1\r\n"
				 "Host: localhost\r\nContent-Length: %zu\r\n\r\n",
				 key, iov[1].iov_len);
	if (!send_all(fd, iov, 2) || !receive(fd, &m) || memcmp(m.buf, "HTTP/1.1 200 ", 13) != 0)
		die("region", m.buf ? m.buf : "it was not registered");
	shm_unlink(key);
	free(m.buf);
	return bytes;
}

/* The same as make_request(), of tensors in a region. */
static void make_region_request(const struct bench *bench, int fd, struct iovec iov[3])
{
	char *head = malloc(HEAD_MAX), *json = malloc(HEAD_MAX), key[64];
	size_t n = bench->bytes;

	snprintf(key, sizeof(key), "/tensock-bench-%d-%d", getpid(), fd);
	if (!head || !json)
		die("request", "no memory");
	iov[2] = (struct iovec){ make_region(bench, fd, key), n };
	fill(iov[2].iov_base, n);
	iov[1].iov_base = json;
	iov[1].iov_len = (size_t)snprintf(
		json, HEAD_MAX,
		"{\"inputs\":[{\"name\":\"%s\",\"shape\":[%s],\"datatype\":\"FP32\",\"parameters\":"
		"{\"shared_memory_region\":\"%s\",\"shared_memory_byte_size\":%zu}}],"
		"\"outputs\":[{\"name\":\"%s\",\"parameters\":{\"shared_memory_region\":\"%s\","
		"\"shared_memory_byte_size\":%zu,\"shared_memory_offset\":%zu}}]}",
		bench->input, bench->shape, key + 1, n, bench->output, key + 1, n, n);
	iov[0].iov_base = head;
	iov[0].iov_len = (size_t)snprintf(head, HEAD_MAX,
					  "POST /v2/models/%s/infer HTTP/1.1\r\nHost: localhost\r\n"
					  "Content-Length: %zu\r\n\r\n",
					  bench->model, iov[1].iov_len);
}

/* head, JSON, bytes; all of it from malloc. */
static void make_request(const struct bench *bench, struct iovec iov[3])
{
	char *head = malloc(HEAD_MAX), *json = malloc(HEAD_MAX);
	void *bytes = malloc(bench->bytes);

	if (!head || !json || !bytes)
		die("request", "no memory");
	fill(bytes, bench->bytes);
	iov[2] = (struct iovec){ bytes, bench->bytes };
	iov[1] = (struct iovec){ json,
				 (size_t)snprintf(json, HEAD_MAX,
						  "{\"inputs\":[{\"name\":\"%s\",\"shape\":[%s],"
						  "\"datatype\":\"FP32\",\"parameters\":"
						  "{\"binary_data_size\":%zu}}],\"parameters\":"
						  "{\"binary_data_output\":true}}",
						  bench->input, bench->shape, bench->bytes) };
	iov[0] = (struct iovec){ head, (size_t)snprintf(head, HEAD_MAX,
							"POST /v2/models/%s/infer HTTP/1.1\r\n"
							"Host: localhost\r\n"
							"Content-Type: application/octet-stream\r\n"
							"Inference-Header-Content-Length: %zu\r\n"
							"Content-Length: %zu\r\n\r\n",
							bench->model, iov[1].iov_len,
							iov[1].iov_len + bench->bytes) };
}

static void *load_connection(void *context)
{
	struct connection *c = context;
	struct bench *bench = c->bench;
	int fd = open_socket(bench->path, false);
	struct message m = { 0 };
	struct iovec request[3];
	uint64_t count = 0, end_ns;

	if (bench->output)
		make_region_request(bench, fd, request);
	else
		make_request(bench, request);
	while (count < warm_up(bench->bytes))
		ask(bench, fd, request, count++, &m);
	if (pthread_barrier_wait(&bench->warm) == PTHREAD_BARRIER_SERIAL_THREAD)
		bench->began_ns = bench_now_ns();
	pthread_barrier_wait(&bench->warm);
	end_ns = bench->began_ns + (uint64_t)(bench->seconds * 1e9);
	do {
		uint64_t before_ns = bench_now_ns();

		ask(bench, fd, request, count++, &m);
		c->ended_ns = bench_now_ns();
		latencies_add(&c->latencies, c->ended_ns - before_ns);
	} while (c->ended_ns < end_ns);
	close(fd);
	free(m.buf);
	free(request[0].iov_base);
	free(request[1].iov_base);
	if (bench->output)
		munmap(request[2].iov_base, 2 * bench->bytes);
	else
		free(request[2].iov_base);
	return NULL;
}

static int load(struct bench *bench, unsigned n)
{
	static struct connection connections[CONNECTIONS_MAX];
	struct latencies all = { 0 };
	uint64_t ended_ns = 0;

	pthread_barrier_init(&bench->warm, NULL, n);
	for (unsigned i = 0; i < n; i++) {
		connections[i].bench = bench;
		if (pthread_create(&connections[i].thread, NULL, load_connection,
				   &connections[i]) != 0)
			die("thread", "cannot be started");
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(connections[i].thread, NULL);
		latencies_take(&all, &connections[i].latencies);
		if (connections[i].ended_ns > ended_ns)
			ended_ns = connections[i].ended_ns;
	}
	latencies_print(&all, ended_ns - bench->began_ns);
	return 0;
}

static int copy(const struct bench *bench)
{
	struct latencies all = { 0 };
	uint64_t began_ns = 0, now_ns;
	char key[64], *bytes;

	snprintf(key, sizeof(key), "/tensock-bench-%d", getpid());
	bytes = open_region(bench, key);
	shm_unlink(key);
	fill(bytes, bench->bytes);
	for (uint64_t count = 0;; count++) {
		uint64_t before_ns = bench_now_ns();

		stamp(bytes, bench->bytes, count);
		memcpy(bytes + bench->bytes, bytes, bench->bytes);
		now_ns = bench_now_ns();
		if (count < warm_up(bench->bytes)) {
			began_ns = now_ns;
			continue;
		}
		latencies_add(&all, now_ns - before_ns);
		if ((double)(now_ns - began_ns) > bench->seconds * 1e9)
			break;
	}
	if (!is_stamped(bytes + bench->bytes, bench->bytes, warm_up(bench->bytes) + all.n - 1))
		die("copy", "it is another one");
	latencies_print(&all, now_ns - began_ns);
	return 0;
}

static size_t bytes_of(const char *shape)
{
	size_t bytes = 4;

	for (const char *at = shape; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		bytes *= strtoull(at, NULL, 10);
	return bytes;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(argv[2]);
	if (argc >= 8 && argc <= 10 && strcmp(argv[1], "load") == 0) {
		struct bench bench = { .path = argv[2],
				       .model = argv[3],
				       .input = argv[4],
				       .shape = argv[5],
				       .bytes = bytes_of(argv[5]),
				       .seconds = atof(argv[7]),
				       .is_identity = argc >= 9,
				       .output = argc == 10 ? argv[9] : NULL };
		unsigned long n = strtoul(argv[6], NULL, 10);

		if (n >= 1 && n <= CONNECTIONS_MAX && bench.bytes >= 16)
			return load(&bench, (unsigned)n);
	}
	if (argc == 4 && strcmp(argv[1], "copy") == 0) {
		struct bench bench = { .bytes = bytes_of(argv[2]), .seconds = atof(argv[3]) };

		if (bench.bytes >= 16)
			return copy(&bench);
	}
	fprintf(stderr,
		"usage: oip load PATH MODEL INPUT SHAPE C SECONDS [identity | region OUTPUT] | "
		"copy SHAPE SECONDS | serve PATH\n");
	return 2;
}
