/* SPDX-License-Identifier: Apache-2.0 */
/* A whole store in a process of its own, between a supervisor and fronts that the test plays. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/log.h"
#include "base/memfd.h"
#include "base/seqpacket.h"
#include "base/sha256.h"
#include "base/testing.h"
#include "channel/store_index.h"
#include "store/names.h"

#define PATIENCE_MS 60000
#define KIB 1024u
#define HOUR_MS 3600000u

static char folder[64];
static int control;
static pid_t pid;

static void start(uint64_t bytes, uint64_t keep_ms)
{
	struct store_msg msg = {
		.type = STORE_START, .bytes = bytes, .ms = keep_ms, .value = TSK_LOG_ERROR
	};
	int fds[2], fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(tsk_seqpacket_pair(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		close(fd);
		_exit(store_serve(fds[1], 0) == 0 ? 0 : 1);
	}
	close(fds[1]);
	control = fds[0];
	assert_int_equal(store_control_send(control, &msg, fd), 0);
	close(fd);
}

/* Its end by itself: nobody has a socket to it any more. */
static void stop(void)
{
	int status;

	close(control);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int set_up(void **state)
{
	(void)tsk_test_setup(state);
	snprintf(folder, sizeof(folder), "/tmp/tensock-store-XXXXXX");
	assert_non_null(mkdtemp(folder));
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "%s", folder);
	pid = fork();
	if (pid == 0)
		execlp("rm", "rm", "-rf", command, NULL);
	waitpid(pid, NULL, 0);
	return tsk_test_teardown(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* ---- A front */

static struct store_msg await(int channel, enum store_msg_type type, int *ret_fd)
{
	struct pollfd p = { .fd = channel, .events = POLLIN };
	struct store_msg msg;
	int fd = -1;

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_int_equal(store_control_recv(channel, &msg, &fd), 1);
	assert_int_equal(msg.type, type);
	if (ret_fd)
		*ret_fd = fd;
	else
		tsk_close(fd);
	return msg;
}

static void expect_end(int channel)
{
	struct pollfd p = { .fd = channel, .events = POLLIN };
	struct store_msg msg;
	int fd;

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_true(store_control_recv(channel, &msg, &fd) <= 0);
	close(channel);
}

struct index {
	unsigned n_entries, n_labels;
	struct store_entry entries[8];
	struct store_label labels[8];
};

static void on_entry(void *context, const struct store_entry *entry)
{
	struct index *index = context;

	index->entries[index->n_entries++ % 8] = *entry;
}

static void on_label(void *context, const struct store_label *label)
{
	struct index *index = context;

	index->labels[index->n_labels++ % 8] = *label;
}

static int open_channel(const char *guest, uint64_t bytes)
{
	struct store_msg msg = { .type = STORE_GUEST, .bytes = bytes };
	int fds[2];

	snprintf(msg.name, sizeof(msg.name), "%s", guest);
	assert_int_equal(tsk_seqpacket_pair(fds), 0);
	assert_int_equal(store_control_send(control, &msg, fds[1]), 0);
	close(fds[1]);
	return fds[0];
}

static struct index index_of(int channel)
{
	static const struct store_index_ops ops = { .entry = on_entry, .label = on_label };
	struct index index = { 0 };
	int fd;

	await(channel, STORE_INDEX, &fd);
	assert_int_equal(store_index_from_fd(fd, &ops, &index), 0);
	close(fd);
	return index;
}

static int open_front(const char *guest, struct index *ret)
{
	int channel = open_channel(guest, 0);
	struct index index = index_of(channel);

	if (ret)
		*ret = index;
	return channel;
}

static unsigned char content[64 * KIB];

/* The model of that number: n bytes; its hash. */
static int model(unsigned char number, size_t n, unsigned char hash[STORE_HASH_BYTES])
{
	struct tsk_map map;
	int fd;

	memset(content, number, n);
	tsk_sha256(content, n, hash);
	assert_int_equal(tsk_memfd_new("test", n, &fd), 0);
	assert_int_equal(tsk_map_new(fd, n, true, &map), 0);
	memcpy(map.addr, content, n);
	tsk_map_done(&map);
	return fd;
}

static void send_put(int channel, unsigned char number, size_t n)
{
	struct store_msg msg = { .type = STORE_PUT, .bytes = n };
	int fd = model(number, n, msg.hash);

	assert_int_equal(tsk_memfd_freeze(fd), 0);
	assert_int_equal(store_control_send(channel, &msg, fd), 0);
	close(fd);
}

static int put(int channel, unsigned char number, size_t n)
{
	send_put(channel, number, n);
	return await(channel, STORE_STORED, NULL).result;
}

static void send_hash(int channel, enum store_msg_type type, unsigned char number, size_t n)
{
	struct store_msg msg = { .type = type };

	close(model(number, n, msg.hash));
	assert_int_equal(store_control_send(channel, &msg, -1), 0);
}

static int get(int channel, unsigned char number, size_t n)
{
	struct store_msg msg;
	struct tsk_map map;
	int fd;

	send_hash(channel, STORE_GET, number, n);
	msg = await(channel, STORE_BYTES, &fd);
	if (msg.result)
		return msg.result;
	assert_int_equal(msg.bytes, n);
	assert_int_equal(tsk_map_new(fd, n, false, &map), 0);
	memset(content, number, n);
	assert_memory_equal(map.addr, content, n);
	tsk_map_done(&map);
	close(fd);
	return 0;
}

static void path_of(const char *guest, unsigned char number, size_t n, char ret[256])
{
	unsigned char hash[STORE_HASH_BYTES];
	char name[NAMES_SIZE];

	close(model(number, n, hash));
	names_of_model(hash, name);
	snprintf(ret, 256, "%s/%s/%s", folder, guest, name);
}

static void part_path_of(const char *guest, unsigned char number, size_t n, char ret[256])
{
	path_of(guest, number, n, ret);
	snprintf(ret + strlen(ret), 256 - strlen(ret), ".part");
}

static void test_kept_over_lives(void **state)
{
	struct index index;
	int channel;

	(void)state;
	start(1 << 20, HOUR_MS);
	channel = open_front("g", &index);
	assert_int_equal(index.n_entries, 0);
	assert_int_equal(put(channel, 1, 5000), 0);
	assert_int_equal(put(channel, 1, 5000), 0); /* again */
	assert_int_equal(get(channel, 1, 5000), 0);
	assert_int_equal(get(channel, 2, 5000), -ENOENT);
	/* Sent, and gone at once: what was sent is done all the same. */
	send_put(channel, 2, 100);
	send_put(channel, 3, 100);
	send_hash(channel, STORE_REMOVE, 2, 100);
	close(channel);
	channel = open_front("g", &index);
	assert_int_equal(index.n_entries, 2);
	close(channel);
	stop();
	start(1 << 20, HOUR_MS);
	channel = open_front("g", &index);
	assert_int_equal(index.n_entries, 2);
	assert_int_equal(get(channel, 1, 5000), 0);
	assert_int_equal(get(channel, 2, 100), -ENOENT);
	assert_int_equal(get(channel, 3, 100), 0);
	close(channel);
	stop();
}

/* Nobody is answered for another, whatever he asks. */
static void test_two_guests(void **state)
{
	struct index index;
	int g, h;

	(void)state;
	start(1 << 20, HOUR_MS);
	g = open_front("g", NULL);
	assert_int_equal(put(g, 1, 100), 0);
	h = open_front("h", &index);
	assert_int_equal(index.n_entries, 0);
	assert_int_equal(get(h, 1, 100), -ENOENT);
	send_hash(h, STORE_REMOVE, 1, 100);
	send_hash(h, STORE_USED, 1, 100);
	assert_int_equal(put(h, 1, 100), 0);
	assert_int_equal(get(h, 1, 100), 0);
	send_hash(h, STORE_REMOVE, 1, 100);
	assert_int_equal(get(h, 1, 100), -ENOENT);
	assert_int_equal(get(g, 1, 100), 0);
	close(g);
	close(h);
	stop();
}

static void test_labels(void **state)
{
	unsigned char bytes[4096];
	struct tsk_writer w = tsk_writer(bytes, sizeof(bytes));
	struct store_msg msg = { .type = STORE_LABELS };
	unsigned char hash[STORE_HASH_BYTES] = { 1 };
	struct index index;
	int channel, fd;

	(void)state;
	store_index_begin(&w, 0);
	store_index_labels(&w, 2);
	store_index_label(&w, hash, "a", "1");
	store_index_label(&w, hash, "b", "");
	assert_int_equal(store_index_to_fd(&w, &fd), 0);
	msg.bytes = tsk_writer_len(&w);
	start(1 << 20, HOUR_MS);
	channel = open_front("g", NULL);
	assert_int_equal(store_control_send(channel, &msg, fd), 0);
	assert_int_equal(await(channel, STORE_LABELED, NULL).result, 0);
	assert_int_equal(put(channel, 1, 100), 0);
	close(channel);
	channel = open_front("g", &index);
	assert_int_equal(index.n_labels, 2);
	assert_string_equal(index.labels[0].name, "a");
	assert_string_equal(index.labels[1].name, "b");
	/* Some that are none: whoever sends them is served no more. */
	msg.bytes--;
	assert_int_equal(store_control_send(channel, &msg, fd), 0);
	expect_end(channel);
	close(fd);
	close(model(0, 100, hash));
	channel = open_front("g", &index);
	assert_int_equal(index.n_labels, 2);
	fd = model(0, 100, hash);
	assert_int_equal(tsk_memfd_freeze(fd), 0);
	msg.bytes = 100;
	assert_int_equal(store_control_send(channel, &msg, fd), 0);
	expect_end(channel);
	close(fd);
	stop();
}

static void test_room(void **state)
{
	int g, h;

	(void)state;
	start(100 * KIB, HOUR_MS);
	g = open_front("g", NULL);
	h = open_front("h", NULL);
	assert_int_equal(put(g, 1, 40 * KIB), 0);
	assert_int_equal(put(g, 2, 40 * KIB), 0);
	assert_int_equal(get(g, 1, 40 * KIB), 0); /* 2 is the one to go */
	assert_int_equal(put(h, 3, 50 * KIB), 0);
	await(g, STORE_DROPPED, NULL);
	assert_int_equal(get(g, 2, 40 * KIB), -ENOENT);
	assert_int_equal(get(g, 1, 40 * KIB), 0);
	/* Above its half: its own goes. */
	send_put(h, 4, 20 * KIB);
	await(h, STORE_DROPPED, NULL);
	assert_int_equal(await(h, STORE_STORED, NULL).result, 0);
	assert_int_equal(get(g, 1, 40 * KIB), 0);
	assert_int_equal(get(h, 4, 20 * KIB), 0);
	close(g);
	close(h);
	stop();
}

static void test_own_bound(void **state)
{
	int g;

	(void)state;
	start(100 * KIB, HOUR_MS);
	g = open_channel("g", 30 * KIB);
	index_of(g);
	assert_int_equal(put(g, 1, 20 * KIB), 0);
	assert_int_equal(put(g, 2, 31 * KIB), -ENOSPC);
	assert_int_equal(get(g, 1, 20 * KIB), 0);
	send_put(g, 3, 20 * KIB);
	await(g, STORE_DROPPED, NULL);
	assert_int_equal(await(g, STORE_STORED, NULL).result, 0);
	close(g);
	stop();
}

static void test_damaged(void **state)
{
	char path[256];
	int g, fd;

	(void)state;
	start(1 << 20, HOUR_MS);
	g = open_front("g", NULL);
	assert_int_equal(put(g, 1, 5000), 0);
	path_of("g", 1, 5000, path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "x", 1, 4999), 1);
	close(fd);
	assert_int_equal(get(g, 1, 5000), -ENOENT);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(put(g, 1, 5000), 0);
	assert_int_equal(get(g, 1, 5000), 0);
	unlink(path);
	assert_int_equal(get(g, 1, 5000), -ENOENT);
	close(g);
	stop();
}

/* Sends what has come of a model. */
static int put_part(int channel, unsigned char number, size_t n, uint64_t have)
{
	struct store_msg msg = { .type = STORE_PART, .bytes = n, .value = have };
	int fd = model(number, n, msg.hash);

	assert_int_equal(store_control_send(channel, &msg, fd), 0);
	close(fd);
	return await(channel, STORE_PART_STORED, NULL).result;
}

static int get_part(int channel, unsigned char number, size_t n, uint64_t *ret_have)
{
	struct store_msg msg;
	int fd;

	send_hash(channel, STORE_GET_PART, number, n);
	msg = await(channel, STORE_PART_BYTES, &fd);
	tsk_close(fd);
	*ret_have = msg.value;
	return msg.result;
}

static void test_parts(void **state)
{
	struct store_msg whole = { .type = STORE_PART, .bytes = 100, .value = 100 };
	struct index index;
	uint64_t have;
	int g, fd;

	(void)state;
	start(100 * KIB, HOUR_MS);
	g = open_front("g", NULL);
	assert_int_equal(put_part(g, 1, 5000, 1000), 0);
	assert_int_equal(put_part(g, 1, 5000, 3000), 0);
	assert_int_equal(put_part(g, 1, 5000, 2000), 0); /* it has more */
	assert_int_equal(get(g, 1, 5000), -ENOENT);      /* it is no model */
	close(g);
	stop();
	start(100 * KIB, HOUR_MS);
	g = open_front("g", &index);
	assert_int_equal(index.n_entries, 1);
	assert_int_equal(index.entries[0].size, 5000);
	assert_int_equal(index.entries[0].have, 3000);
	assert_int_equal(get_part(g, 1, 5000, &have), 0);
	assert_int_equal(have, 3000);
	assert_int_equal(put(g, 1, 5000), 0);
	assert_int_equal(get_part(g, 1, 5000, &have), -ENOENT);
	assert_int_equal(get(g, 1, 5000), 0);
	/* What removes a part leaves the model. */
	send_hash(g, STORE_REMOVE_PART, 1, 5000);
	assert_int_equal(get(g, 1, 5000), 0);
	assert_int_equal(put_part(g, 2, 5000, 10), 0);
	send_hash(g, STORE_REMOVE_PART, 2, 5000);
	assert_int_equal(get_part(g, 2, 5000, &have), -ENOENT);
	assert_int_equal(put_part(g, 3, 50 * KIB, 40 * KIB), 0);
	/* It makes room for what is newer, as a model does. */
	send_put(g, 4, 60 * KIB);
	await(g, STORE_DROPPED, NULL);
	assert_int_equal(await(g, STORE_STORED, NULL).result, 0);
	fd = model(5, 100, whole.hash);
	assert_int_equal(store_control_send(g, &whole, fd), 0);
	expect_end(g);
	close(fd);
	stop();
}

/* Two sizes of one hash: what is counted no more is on the disk no more. */
static void test_other_size(void **state)
{
	struct store_msg part = { .type = STORE_PART, .bytes = 5000, .value = 10 };
	unsigned char other[STORE_HASH_BYTES];
	char path[256];
	int g, fd;

	(void)state;
	path_of("g", 1, 60 * KIB, path);
	close(model(1, 60 * KIB, part.hash));
	start(100 * KIB, HOUR_MS);
	g = open_front("g", NULL);
	assert_int_equal(put(g, 1, 60 * KIB), 0);
	fd = model(2, 5000, other);
	assert_int_equal(store_control_send(g, &part, fd), 0);
	assert_int_equal(await(g, STORE_PART_STORED, NULL).result, 0);
	close(fd);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(get(g, 1, 60 * KIB), -ENOENT);
	close(g);
	stop();
}

/* Killed between the two: the whole has its name, and the part has not lost it yet. */
static void test_part_beside_whole(void **state)
{
	const char bytes[] = "\x88\x13\0\0\0\0\0\0 of 5000";
	struct index index;
	char path[256];
	int g, fd;

	(void)state;
	start(100 * KIB, HOUR_MS);
	g = open_front("g", NULL);
	assert_int_equal(put(g, 1, 5000), 0);
	close(g);
	stop();
	part_path_of("g", 1, 5000, path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	close(fd);
	start(100 * KIB, HOUR_MS);
	g = open_front("g", &index);
	assert_int_equal(index.n_entries, 1);
	assert_int_equal(index.entries[0].have, 5000);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(get(g, 1, 5000), 0);
	close(g);
	stop();
}

/* The disk takes no more in the middle of a file: what it has taken of it is given back. */
static void test_not_written(void **state)
{
	struct rlimit limit, small;
	unsigned n = 0;
	char path[256];
	int g;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = (struct rlimit){ 20 * KIB, limit.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	start(100 * KIB, HOUR_MS);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	g = open_front("g", NULL);
	part_path_of("g", 1, 50 * KIB, path);
	for (int whole = 0; whole < 2; whole++) {
		assert_int_equal(put_part(g, 1, 50 * KIB, 10 * KIB), 0);
		n += access(path, F_OK) == 0;
		assert_int_equal(whole ? put(g, 1, 50 * KIB) : put_part(g, 1, 50 * KIB, 40 * KIB),
				 -EFBIG);
		assert_int_equal(access(path, F_OK), -1);
	}
	assert_int_equal(n, 2);
	close(g);
	stop();
}

static void test_forget(void **state)
{
	struct store_msg msg = { .type = STORE_FORGET, .name = "g" };
	struct index index;
	char path[256];
	int g;

	(void)state;
	start(1 << 20, HOUR_MS);
	g = open_front("g", NULL);
	send_put(g, 1, 5000);
	/* It waits for the front's end, and the next front for it. */
	assert_int_equal(store_control_send(control, &msg, -1), 0);
	close(g);
	g = open_front("g", &index);
	assert_int_equal(index.n_entries, 0);
	snprintf(path, sizeof(path), "%s/g", folder);
	assert_int_equal(access(path, F_OK), -1);
	close(g);
	stop();
}

static void test_age(void **state)
{
	const struct timespec old[2] = { { .tv_sec = time(NULL) - 100 },
					 { .tv_sec = time(NULL) - 100 } };
	struct index index;
	char path[256];
	int g;

	(void)state;
	start(1 << 20, HOUR_MS);
	g = open_front("g", NULL);
	assert_int_equal(put(g, 1, 50), 0);
	assert_int_equal(put(g, 2, 50), 0);
	close(g);
	stop();
	path_of("g", 1, 50, path);
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	start(1 << 20, 1000000);
	g = open_front("g", &index);
	assert_int_equal(index.n_entries, 2);
	assert_true(index.entries[0].age_ms >= 100000 || index.entries[1].age_ms >= 100000);
	close(g);
	stop();
	start(1 << 20, 90000);
	g = open_front("g", &index);
	assert_int_equal(index.n_entries, 1);
	assert_int_equal(get(g, 2, 50), 0);
	close(g);
	stop();
	assert_int_equal(access(path, F_OK), -1);
}

/* What breaks the rules ends its own channel, and nobody else's. */
static void test_rogues(void **state)
{
	struct store_msg unfrozen = { .type = STORE_PUT, .bytes = 100 },
			 larger = { .type = STORE_PUT, .bytes = 101 },
			 not_its = { .type = STORE_DROPPED };
	int fd = model(1, 100, unfrozen.hash), g, h;

	(void)state;
	start(1 << 20, HOUR_MS);
	h = open_front("h", NULL);
	g = open_front("g", NULL);
	assert_int_equal(store_control_send(g, &unfrozen, fd), 0);
	expect_end(g);
	assert_int_equal(tsk_memfd_freeze(fd), 0);
	g = open_front("g", NULL);
	assert_int_equal(store_control_send(g, &larger, fd), 0);
	expect_end(g);
	g = open_front("g", NULL);
	assert_int_equal(store_control_send(g, &not_its, -1), 0);
	expect_end(g);
	g = open_front("g", NULL);
	assert_int_equal(send(g, "x", 1, 0), 1);
	expect_end(g);
	assert_int_equal(put(h, 1, 100), 0);
	/* Other bytes than their hash says are stored, and never given out. */
	larger.bytes = 100;
	larger.hash[0] = 1;
	assert_int_equal(store_control_send(h, &larger, fd), 0);
	assert_int_equal(await(h, STORE_STORED, NULL).result, 0);
	larger.type = STORE_GET;
	larger.bytes = 0;
	assert_int_equal(store_control_send(h, &larger, -1), 0);
	assert_int_equal(await(h, STORE_BYTES, NULL).result, -ENOENT);
	close(fd);
	close(h);
	stop();
}

/* Memory is given to a front only once it has taken what it was given before. */
static void test_takes_nothing(void **state)
{
	struct pollfd p = { .events = POLLIN };
	struct store_msg msg;
	struct index index;
	int g, fd;

	(void)state;
	start(1 << 20, HOUR_MS);
	g = p.fd = open_front("g", NULL);
	assert_int_equal(put(g, 1, 100), 0);
	for (int i = 0; i < 10; i++)
		send_hash(g, STORE_GET, 1, 100);
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	usleep(50000);
	/* No second one is waiting for it. */
	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
	await(g, STORE_BYTES, NULL);
	assert_int_equal(store_control_recv(g, &msg, &fd), -EAGAIN);
	kill(pid, SIGCONT);
	for (int i = 1; i < 10; i++)
		await(g, STORE_BYTES, NULL);
	/* One that never does is let go of with its process, and what it has sent is done. */
	send_hash(g, STORE_GET, 1, 100);
	send_hash(g, STORE_GET, 1, 100);
	send_put(g, 2, 100);
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	close(g);
	g = open_front("g", &index);
	assert_int_equal(index.n_entries, 2);
	close(g);
	stop();
}

/* Answers that cost the store no work wait as others do: none is lost, and the front's questions wait. */
static void test_asks_and_does_not_read(void **state)
{
	struct store_msg msg = { .type = STORE_GET };
	struct pollfd p = { .events = POLLOUT };
	int n = 0;

	(void)state;
	start(1 << 20, HOUR_MS);
	p.fd = open_front("g", NULL);
	while (n < 2000 && poll(&p, 1, 200) == 1 && store_control_send(p.fd, &msg, -1) == 0)
		n++;
	assert_in_range(n, 1, 1999);
	for (; n; n--)
		assert_int_equal(await(p.fd, STORE_BYTES, NULL).result, -ENOENT);
	assert_int_equal(put(p.fd, 1, 100), 0);
	close(p.fd);
	stop();
}

/* The supervisor goes while it waits for another store's end. */
static void test_waits_and_ends(void **state)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(flock(fd, LOCK_EX), 0);
	start(1 << 20, HOUR_MS);
	usleep(30000);
	stop();
	close(fd);
}

/* Two daemons at one folder: the second one waits until the first one is gone. */
static void test_two_stores(void **state)
{
	struct pollfd p = { .events = POLLIN };
	int first_control, g;
	pid_t first_pid;
	struct index index;

	(void)state;
	start(1 << 20, HOUR_MS);
	g = open_front("g", NULL);
	assert_int_equal(put(g, 1, 100), 0);
	close(g);
	first_control = control;
	first_pid = pid;
	start(1 << 20, HOUR_MS);
	g = open_channel("g", 0);
	p.fd = g;
	assert_int_equal(poll(&p, 1, 100), 0);
	kill(first_pid, SIGKILL);
	waitpid(first_pid, NULL, 0);
	close(first_control);
	index = index_of(g);
	assert_int_equal(index.n_entries, 1);
	close(g);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_kept_over_lives),
		TEST(test_two_guests),
		TEST(test_labels),
		TEST(test_room),
		TEST(test_own_bound),
		TEST(test_damaged),
		TEST(test_parts),
		TEST(test_other_size),
		TEST(test_part_beside_whole),
		TEST(test_not_written),
		TEST(test_forget),
		TEST(test_age),
		TEST(test_rogues),
		TEST(test_two_stores),
		TEST(test_takes_nothing),
		TEST(test_asks_and_does_not_read),
		TEST(test_waits_and_ends),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
