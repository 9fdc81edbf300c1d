/* SPDX-License-Identifier: Apache-2.0 */
/* Whole conversations of guests over sockets: what is answered, and when the connection ends. */
#include "front/seed_session.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/testing.h"
#include "front/rig.h"

static const float values[] = { 0.5f, 1 };

static void write_header(struct rig *rig, int fd, uint32_t type, uint32_t id, uint64_t size)
{
	unsigned char header[16];
	struct tsk_writer w = tsk_writer(header, sizeof(header));

	tsk_write_u32(&w, type);
	tsk_write_u32(&w, id);
	tsk_write_u64(&w, size);
	rig_write(rig, fd, header, sizeof(header));
}

/* One byte a send; two frames on one connection; then an orderly end. */
static void test_byte_by_byte(void **state)
{
	static const unsigned char frame[] = "\1\0\0\0\7\0\0\0\5\0\0\0\0\0\0\0model";
	struct front_start limits = rig_limits();
	struct rig_worker *worker = NULL;
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	for (int frames = 0; frames < 2; frames++) {
		for (size_t i = 0; i < sizeof(frame) - 1; i++)
			rig_write(&rig, fd, &frame[i], 1);
		if (!worker)
			worker = rig_worker_with(&rig, "model");
		rig_run_ok(&rig, worker, fd);
	}
	shutdown(fd, SHUT_WR);
	rig_expect_end(&rig, fd);
	assert_int_equal(rig.guest->counters.ok, 2);
	close(fd);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* A peer that goes at any byte of a frame: its memory and its connection are free at once. */
static void test_gone_at_every_byte(void **state)
{
	static const unsigned char frame[] = "\1\0\0\0\7\0\0\0\5\0\0\0\0\0\0\0model";
	struct front_start limits = rig_limits();
	uint64_t reset = 0;
	struct rig rig;

	(void)state;
	limits.workers_max = 0;
	rig_init(&rig, &limits);
	for (size_t n = 0; n < sizeof(frame) - 1; n++) {
		int fd = rig_connect(&rig);

		rig_write(&rig, fd, frame, n);
		if (n % 2) {
			shutdown(fd, SHUT_WR);
			rig_expect_end(&rig, fd);
		}
		close(fd);
		rig_run(&rig, 1);
		reset += n >= 16;
		assert_int_equal(rig.guest->sessions.n, 0);
		assert_int_equal(rig.guest->account.used_bytes, 0);
		assert_int_equal(rig.guest->counters.reset, reset);
	}
	assert_int_equal(rig.guest->counters.accepted, reset);
	rig_done(&rig);
}

static void refused(struct rig *rig, uint64_t size, const char *log)
{
	int fd = rig_connect(rig);

	write_header(rig, fd, 1, 5, size);
	rig_expect_bytes(rig, fd, "ER");
	rig_expect_end(rig, fd);
	close(fd);
	rig_expect_log(rig, log);
	assert_int_equal(rig->guest->account.used_bytes, 0);
}

static void test_refused_sizes(void **state)
{
	struct front_start limits = rig_limits();
	struct rig rig;

	(void)state;
	limits.memory_bytes_max = 1 << 19;
	rig_init(&rig, &limits);
	refused(&rig, 0, "frame 5: invalid-model: a model of 0 bytes");
	refused(&rig, UINT64_C(1) << 63, "frame 5: too-large: a model of 9223372036854775808");
	refused(&rig, UINT64_MAX, "frame 5: too-large: a model of 18446744073709551615");
	refused(&rig, limits.model_bytes_max + 1, "frame 5: too-large");
	refused(&rig, limits.model_bytes_max,
		"frame 5: limit-reached: a model of 1048576 bytes does");
	/* Nothing of this started a worker. */
	rig_expect_nothing(&rig, 2);
	rig_done(&rig);
}

static void test_unknown_words(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	rig_write(&rig, fd, "SSH-2.0-OpenSSH\r\n", 17);
	rig_expect_end(&rig, fd);
	rig_expect_log(&rig, "53 53 48 2d begins no known protocol");
	close(fd);
	/* After a good frame there is someone to tell. */
	fd = rig_connect(&rig);
	rig_write_frame(&rig, fd, 1, "model");
	worker = rig_worker_with(&rig, "model");
	rig_run_ok(&rig, worker, fd);
	write_header(&rig, fd, 2, 9, 5);
	rig_expect_bytes(&rig, fd, "ER");
	rig_expect_end(&rig, fd);
	rig_expect_log(&rig, "frame 9: protocol: unknown frame type 2");
	close(fd);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* Silence in the middle of something ends the connection; between frames it may last. */
static void test_silence(void **state)
{
	static const size_t places[] = { 1, 3, 4, 15, 16, 18 };
	static const unsigned char frame[] = "\1\0\0\0\7\0\0\0\5\0\0\0\0\0\0\0model";
	struct front_start limits = rig_limits();
	struct rig rig;
	int fd, quiet;

	(void)state;
	limits.workers_max = 0;
	limits.idle_timeout_ms = 20;
	rig_init(&rig, &limits);
	quiet = rig_connect(&rig);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		fd = rig_connect(&rig);
		rig_write(&rig, fd, frame, places[i]);
		rig_expect_end(&rig, fd);
		close(fd);
	}
	rig_run(&rig, 50);
	assert_int_equal(rig.guest->sessions.n, 1);
	assert_int_equal(rig.guest->account.used_bytes, 0);
	/* A byte now and then is as good as none. */
	for (size_t i = 0; i < sizeof(frame) - 2 && rig.guest->sessions.n; i++) {
		(void)send(quiet, &frame[i], 1, MSG_NOSIGNAL);
		rig_run(&rig, 5);
	}
	assert_int_equal(rig.guest->sessions.n, 0); /* before it fell silent */
	rig_expect_end(&rig, quiet);
	close(quiet);
	rig_done(&rig);
}

/* A slow sender is not a silent one. */
static void test_slow(void **state)
{
	static const unsigned char header[] = "\1\0\0\0\7\0\0\0\0\4\0\0\0\0\0\0";
	static const unsigned char piece[64];
	struct front_start limits = rig_limits();
	struct rig rig;
	int fd;

	(void)state;
	limits.workers_max = 0;
	/* Far more than between two pieces: a busy machine may stand still. */
	limits.idle_timeout_ms = 1000;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	rig_write(&rig, fd, header, 16);
	for (unsigned i = 0; i < 15; i++) {
		rig_write(&rig, fd, piece, sizeof(piece));
		rig_run(&rig, 80);
	}
	assert_int_equal(rig.guest->sessions.n, 1);
	assert_int_equal(rig.guest->counters.reset, 0);
	close(fd);
	rig_done(&rig);
}

/* A guest that has shut its side still gets its answer. */
static void test_half_close(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	rig_write_frame(&rig, fd, 1, "model");
	shutdown(fd, SHUT_WR);
	rig_run(&rig, 5);
	worker = rig_worker_with(&rig, "model");
	rig_run_ok(&rig, worker, fd);
	rig_expect_end(&rig, fd);
	close(fd);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* A guest that sends frame after frame and never reads: one frame at a time, no memory for more. */
static void test_never_reads(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct run_entry start;
	unsigned char frame[21] = "\1\0\0\0\7\0\0\0\5\0\0\0\0\0\0\0model";
	struct rig rig;
	size_t sent = 0;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	for (;;) {
		ssize_t n = send(fd, frame, sizeof(frame), MSG_NOSIGNAL);

		if (n < 0)
			break;
		sent += (size_t)n;
		rig_run(&rig, 0);
	}
	assert_int_equal(errno, EAGAIN);
	assert_true(sent > 10 * sizeof(frame));
	worker = rig_worker_with(&rig, "model");
	for (int i = 0; i < 3; i++) {
		start = rig_worker_expect(&rig, worker, RUN_START);
		assert_true(rig.guest->account.used_bytes < 1 << 20);
		assert_int_equal(rig.guest->counters.accepted, i + 1);
		rig_worker_done(worker, &start, values, 2);
	}
	(void)rig_worker_expect(&rig, worker, RUN_START);
	close(fd);
	rig_run(&rig, 5);
	assert_int_equal(rig.guest->counters.cancelled, 1);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

static void test_connections_max(void **state)
{
	struct front_start limits = rig_limits();
	struct rig rig;
	int fds[9];

	(void)state;
	rig_init(&rig, &limits);
	for (int i = 0; i < 9; i++)
		fds[i] = rig_connect(&rig);
	rig_expect_end(&rig, fds[8]);
	rig_expect_log(&rig, "a connection was refused: 8 are open");
	close(fds[0]);
	close(fds[8]);
	rig_run(&rig, 2);
	fds[0] = rig_connect(&rig);
	rig_run(&rig, 2);
	assert_int_equal(rig.guest->sessions.n, 8);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	rig_done(&rig);
}

/* What a user sees on standard output; and that nobody waits for a reader that does not come. */
static void test_printed_lines(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	char text[1 << 16], filler[4096] = "";
	int fd, saved = dup(STDOUT_FILENO), out[2];
	struct rig rig;
	ssize_t n;

	(void)state;
	assert_int_equal(pipe2(out, O_NONBLOCK), 0);
	fflush(stdout);
	dup2(out[1], STDOUT_FILENO);
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	rig_write_frame(&rig, fd, 1, "model");
	worker = rig_worker_with(&rig, "model");
	rig_run_ok(&rig, worker, fd);
	n = read(out[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	while (write(out[1], filler, sizeof(filler)) > 0)
		;
	rig_write_frame(&rig, fd, 2, "model");
	rig_run_ok(&rig, worker, fd);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	assert_string_equal(text, "output data is:0.5 1 \n");
	rig_expect_log(&rig, "standard output took 0 of 22 bytes of an answer");
	close(out[0]);
	close(out[1]);
	close(fd);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* A model of many slices, hashed while another connection is served. */
static void test_large_model(void **state)
{
	enum {
		SIZE = 20 << 20
	};
	struct front_start limits = rig_limits();
	struct rig_worker *worker, *second;
	char *model = malloc(SIZE + 1);
	struct rig rig;
	int fd, other;

	(void)state;
	limits.model_bytes_max = SIZE;
	limits.memory_bytes_max = 3 * SIZE;
	memset(model, 'm', SIZE);
	model[SIZE] = '\0';
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	other = rig_connect(&rig);
	rig_write_frame(&rig, other, 1, "model");
	worker = rig_worker_with(&rig, "model");
	rig_run_ok(&rig, worker, other);
	rig_write_frame(&rig, fd, 2, model);
	second = rig_worker_new(&rig);
	rig_worker_expect_load(&rig, second, model);
	rig_worker_loaded(second, TENSOCK_FLOAT32);
	rig_run_ok(&rig, second, fd);
	free(model);
	close(fd);
	close(other);
	rig_worker_exit(&rig, worker, 0);
	rig_worker_exit(&rig, second, 0);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_byte_by_byte),    TSK_TEST(test_gone_at_every_byte),
		TSK_TEST(test_refused_sizes),   TSK_TEST(test_unknown_words),
		TSK_TEST(test_silence),         TSK_TEST(test_slow),
		TSK_TEST(test_half_close),      TSK_TEST(test_never_reads),
		TSK_TEST(test_connections_max), TSK_TEST(test_printed_lines),
		TSK_TEST(test_large_model),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
