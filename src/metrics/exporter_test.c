/* SPDX-License-Identifier: Apache-2.0 */
/* The exporter as a process, with pages and a supervisor of ours. */
#include "metrics/exporter.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memfd.h"
#include "base/seqpacket.h"
#include "base/testing.h"
#include "channel/metrics_control.h"
#include "channel/metrics_page.h"
#include "metrics/scrape.h"

static const char request[] = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
static char answer[1 << 20];

struct rig {
	pid_t pid;
	int control, listener;
	struct sockaddr_un name;
	socklen_t name_len;
};

static void tell(struct rig *rig, enum metrics_msg_type type, const char *name, int fd)
{
	struct metrics_msg msg = { .type = type };

	memcpy(msg.name, name, strlen(name));
	assert_int_equal(metrics_control_send(rig->control, &msg, fd), 0);
}

static void rig_start(struct rig *rig)
{
	int fds[2];

	assert_int_equal(tsk_seqpacket_pair(fds), 0);
	rig->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	rig->name = (struct sockaddr_un){ .sun_family = AF_UNIX };
	/* Of no file: the kernel names it. */
	assert_int_equal(bind(rig->listener, (struct sockaddr *)&rig->name,
			      sizeof(rig->name.sun_family)),
			 0);
	rig->name_len = sizeof(rig->name);
	assert_int_equal(getsockname(rig->listener, (struct sockaddr *)&rig->name, &rig->name_len),
			 0);
	assert_int_equal(listen(rig->listener, 200), 0);
	rig->pid = fork();
	if (rig->pid == 0) {
		close(fds[0]);
		_exit(exporter_serve(fds[1], 0, NULL) == 0 ? 0 : 1);
	}
	close(fds[1]);
	rig->control = fds[0];
	tell(rig, METRICS_START, "", rig->listener);
}

static void rig_stop(struct rig *rig, int expected)
{
	int status;

	close(rig->control);
	close(rig->listener);
	assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), expected);
}

static int rig_connect(const struct rig *rig)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&rig->name, rig->name_len), 0);
	return fd;
}

/* All that comes until the end; closes fd. */
static const char *read_answer(int fd)
{
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0)) > 0)
		len += (size_t)n;
	answer[len] = '\0';
	close(fd);
	return answer;
}

static const char *ask(const struct rig *rig)
{
	int fd = rig_connect(rig);

	assert_int_equal(send(fd, request, strlen(request), 0), (int)strlen(request));
	return read_answer(fd);
}

/* Until the text has, or lacks, that. */
static bool comes(const struct rig *rig, const char *line, bool is_there)
{
	for (int i = 0; i < 200; i++) {
		if (!strstr(ask(rig), line) == !is_there)
			return true;
		usleep(20000);
	}
	return false;
}

static int page_new(struct tsk_map *ret)
{
	int fd;

	assert_int_equal(tsk_memfd_new("page", METRICS_FRONT_PAGE_BYTES, &fd), 0);
	assert_int_equal(tsk_map_new(fd, METRICS_FRONT_PAGE_BYTES, true, ret), 0);
	return fd;
}

static void page_write(const struct tsk_map *map, uint64_t received, uint64_t memory)
{
	struct tsk_writer w = metrics_page_begin(map->addr, map->size);
	struct metrics_sample a = { .id = METRICS_RECEIVED, .value = received },
			      b = { .id = METRICS_MEMORY, .value = memory };

	metrics_write(&w, &a);
	metrics_write(&w, &b);
	metrics_page_commit(map->addr, &w);
}

static void test_pages(void **state)
{
	struct tsk_map map, next;
	struct rig rig;
	int fd, next_fd;

	(void)state;
	rig_start(&rig);
	fd = page_new(&map);
	tell(&rig, METRICS_FRONT, "vm1", fd);
	assert_true(comes(&rig, "200 OK", true));
	page_write(&map, 5, 7);
	assert_true(comes(&rig, "tensock_received_bytes_total{guest=\"vm1\"} 5\n", true));
	page_write(&map, 6, 7);
	assert_true(comes(&rig, "tensock_received_bytes_total{guest=\"vm1\"} 6\n", true));
	assert_true(comes(&rig, "tensock_memory_bytes{guest=\"vm1\"} 7\n", true));
	/* A front that is gone holds no memory, be it while it wrote; what it has counted stays. */
	((struct metrics_page *)map.addr)->sequence |= 1;
	tell(&rig, METRICS_LOST, "vm1", -1);
	assert_true(comes(&rig, "tensock_memory_bytes", false));
	assert_true(comes(&rig, "tensock_received_bytes_total{guest=\"vm1\"} 6\n", true));
	next_fd = page_new(&next);
	page_write(&next, 1, 2);
	tell(&rig, METRICS_FRONT, "vm1", next_fd);
	assert_true(comes(&rig, "tensock_received_bytes_total{guest=\"vm1\"} 1\n", true));
	assert_true(comes(&rig, "tensock_memory_bytes{guest=\"vm1\"} 2\n", true));
	tell(&rig, METRICS_FORGET, "vm1", -1);
	assert_true(comes(&rig, "vm1", false));
	rig_stop(&rig, 0);
	tsk_map_done(&map);
	tsk_map_done(&next);
	close(fd);
	close(next_fd);
}

/* One guest's page does what it likes; the other's is told of all the same. */
static void test_hostile_page(void **state)
{
	struct tsk_map bad, good;
	struct rig rig;
	int bad_fd = page_new(&bad), good_fd = page_new(&good);
	struct metrics_page *page = bad.addr;

	(void)state;
	rig_start(&rig);
	tell(&rig, METRICS_FRONT, "bad", bad_fd);
	tell(&rig, METRICS_FRONT, "good", good_fd);
	page_write(&good, 1, 1);
	page_write(&bad, 8, 8);
	assert_true(comes(&rig, "tensock_received_bytes_total{guest=\"bad\"} 8\n", true));
	for (unsigned i = 0; i < 4; i++) {
		memset(page + 1, i % 2 ? 0xff : METRICS_MODELS, 4096);
		page->bytes = i < 2 ? 4096 : UINT64_MAX;
		page->sequence = i % 2 ? 100 : 101; /* at rest; being written */
		page_write(&good, 10 + i, 1);
		usleep(300000);
		assert_non_null(strstr(ask(&rig), "200 OK"));
		assert_non_null(strstr(answer, "tensock_received_bytes_total{guest=\"good\"} 1"));
		/* What could be read last */
		assert_non_null(strstr(answer, "tensock_received_bytes_total{guest=\"bad\"} 8\n"));
		assert_null(strstr(answer, "tensock_metrics_errors_total 0\n"));
	}
	rig_stop(&rig, 0);
	tsk_map_done(&bad);
	tsk_map_done(&good);
	close(bad_fd);
	close(good_fd);
}

/* More than may be open at once, who say nothing: the oldest go, and who asks is answered. */
static void test_silent_peers(void **state)
{
	int fds[SCRAPES_MAX + 20];
	uint64_t begun_ns;
	struct rig rig;

	(void)state;
	rig_start(&rig);
	begun_ns = tsk_now_ns();
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = rig_connect(&rig);
	assert_non_null(strstr(ask(&rig), "200 OK"));
	assert_string_equal(read_answer(fds[0]), "");
	/* It went before its time was over. */
	assert_true(tsk_now_ns() - begun_ns < SCRAPE_HEAD_MS * TSK_NS_PER_MS);
	for (unsigned i = 1; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	rig_stop(&rig, 0);
}

/* What is not to be said, said by a supervisor: none of ours. */
static void test_bad_supervisor(void **state)
{
	int small_fd;
	struct rig rig;

	(void)state;
	rig_start(&rig);
	assert_int_equal(tsk_memfd_new("page", 4096, &small_fd), 0);
	tell(&rig, METRICS_FRONT, "vm1", small_fd);
	rig_stop(&rig, 1);
	close(small_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_pages), TSK_TEST(test_hostile_page),
					    TSK_TEST(test_silent_peers),
					    TSK_TEST(test_bad_supervisor) };

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
