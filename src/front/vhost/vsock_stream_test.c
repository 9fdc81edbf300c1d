/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_stream.h"

#include <string.h>

#include "front/vhost/vsock_fake.h"

/* A stream whose windows and outputs are as short as the test says. */
struct narrow {
	struct stream_host *host;
	char in[64], out[64];
	size_t n_in, window, n_out, portion;
	bool ended, finished, closed;
};

static struct narrow narrow;

static void *narrow_open(void *context, struct stream_host *host)
{
	narrow.host = host;
	return context;
}

static size_t narrow_window(void *stream, void **ret_buf)
{
	struct narrow *s = stream;
	size_t left = sizeof(s->in) - s->n_in;

	*ret_buf = s->in + s->n_in;
	return s->window < left ? s->window : left;
}

static void narrow_received(void *stream, size_t n)
{
	struct narrow *s = stream;

	assert_in_range(n, 1, s->window);
	s->n_in += n;
}

static void narrow_ended(void *stream)
{
	((struct narrow *)stream)->ended = true;
}

static size_t narrow_output(void *stream, const void **ret_buf)
{
	struct narrow *s = stream;

	*ret_buf = s->out;
	return s->n_out < s->portion ? s->n_out : s->portion;
}

static void narrow_sent(void *stream, size_t n)
{
	struct narrow *s = stream;

	assert_in_range(n, 1, s->portion);
	s->n_out -= n;
	memmove(s->out, s->out + n, s->n_out);
}

static bool narrow_finished(void *stream)
{
	return ((struct narrow *)stream)->finished;
}

static void narrow_close(void *stream)
{
	((struct narrow *)stream)->closed = true;
}

static const struct stream_ops narrow_ops = {
	.window = narrow_window,
	.received = narrow_received,
	.ended = narrow_ended,
	.output = narrow_output,
	.sent = narrow_sent,
	.finished = narrow_finished,
	.close = narrow_close,
};

static void count(void *context)
{
	++*(unsigned *)context;
}

struct fixture {
	struct fake *fake; /* for a connection that events can be noted of */
	struct vsock_conn *conn;
	struct vsock_end end;
	unsigned woken;
};

static int set_up(void **state)
{
	struct stream_service service = {
		.ops = &narrow_ops,
		.open = narrow_open,
		.context = &narrow,
	};
	struct fixture *f = calloc(1, sizeof(*f));
	struct fake_end *unused;

	assert_non_null(f);
	narrow = (struct narrow){ .window = 64, .portion = 64 };
	f->fake = fake_new(1);
	f->conn = fake_connect(f->fake, &unused);
	assert_int_equal(vsock_stream_new(&service, f->conn, count, &f->woken, &f->end), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	assert_false(narrow.closed);
	f->end.ops->close(f->end.object);
	assert_true(narrow.closed);
	fake_free(f->fake);
	free(f);
	return 0;
}

static void bytes_go_through_windows_of_any_size(void **state)
{
	struct fixture *f = *state;
	char bytes[] = "abcdefghijklmnopqrstuvwxyz";

	for (size_t window = 1; window < 30; window++) {
		struct iovec iov[3] = { { bytes, 1 }, { bytes + 1, 10 }, { bytes + 11, 15 } };

		narrow.window = window;
		narrow.n_in = 0;
		assert_int_equal(f->end.ops->write(f->end.object, iov, 3), 26);
		assert_memory_equal(narrow.in, bytes, 26);
	}
	narrow.window = 0;
	assert_int_equal(f->end.ops->write(f->end.object, &(struct iovec){ bytes, 26 }, 1),
			 -EAGAIN);
	/* Only as much as there is room for. */
	narrow.window = 7;
	narrow.n_in = 60;
	assert_int_equal(f->end.ops->write(f->end.object, &(struct iovec){ bytes, 26 }, 1), 4);
}

static void output_goes_in_portions_of_any_size(void **state)
{
	struct fixture *f = *state;
	char buf[32];

	for (size_t portion = 1; portion < 30; portion++) {
		struct iovec iov[2] = { { buf, 5 }, { buf + 5, 15 } };

		narrow.portion = portion;
		narrow.n_out = 26;
		memcpy(narrow.out, "abcdefghijklmnopqrstuvwxyz", 26);
		assert_int_equal(f->end.ops->read(f->end.object, iov, 2), 20);
		assert_memory_equal(buf, "abcdefghijklmnopqrst", 20);
		assert_int_equal(f->end.ops->read(f->end.object, iov, 2), 6);
		assert_memory_equal(buf, "uvwxyz", 6);
		assert_int_equal(f->end.ops->read(f->end.object, iov, 2), -EAGAIN);
	}
}

static void it_is_over_after_its_last_output(void **state)
{
	struct fixture *f = *state;
	char buf[8];
	struct iovec iov = { buf, sizeof(buf) };

	narrow.n_out = 3;
	narrow.finished = true;
	assert_false(f->end.ops->deaf(f->end.object));
	assert_int_equal(f->end.ops->read(f->end.object, &iov, 1), 3);
	assert_true(f->end.ops->deaf(f->end.object));
	assert_int_equal(f->end.ops->read(f->end.object, &iov, 1), 0);
}

static void it_hears_of_the_end_only_when_the_guest_sends_no_more(void **state)
{
	struct fixture *f = *state;

	f->end.ops->shutdown(f->end.object, VSOCK_SHUTDOWN_RECEIVE);
	assert_false(narrow.ended);
	f->end.ops->shutdown(f->end.object, VSOCK_SHUTDOWN_SEND);
	assert_true(narrow.ended);
}

static void waking_notes_an_event_and_tells(void **state)
{
	struct fixture *f = *state;

	narrow.host->wake(narrow.host);
	assert_int_equal(f->woken, 1);
	assert_int_equal(f->conn->events, VSOCK_EVENT_READABLE | VSOCK_EVENT_WRITABLE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(bytes_go_through_windows_of_any_size),
		CASE(output_goes_in_portions_of_any_size),
		CASE(it_is_over_after_its_last_output),
		CASE(it_hears_of_the_end_only_when_the_guest_sends_no_more),
		CASE(waking_notes_an_event_and_tells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
