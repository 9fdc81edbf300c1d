/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storm PATH RATE SECONDS: connects to a Unix socket RATE times a second and closes at once, without a byte.
 * Prints "CONNECTED FAILED SECONDS": how many did, how many could not, and how long it took.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void wait_until(int64_t ns)
{
	const struct timespec ts = { .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/* Whether it was accepted, or stands in the line to be. */
static int connect_once(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -1;
	do
		r = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	while (r < 0 && errno == EINTR);
	close(fd);
	return r;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	long long rate, seconds, connected = 0, failed = 0;
	int64_t began;

	if (argc != 4 || strlen(argv[1]) >= sizeof(address.sun_path)) {
		fprintf(stderr, "usage: storm PATH RATE SECONDS\n");
		return EXIT_FAILURE;
	}
	memcpy(address.sun_path, argv[1], strlen(argv[1]));
	rate = atoll(argv[2]);
	seconds = atoll(argv[3]);
	began = now_ns();
	/* In bunches of a millisecond's; one that is late is made up for. */
	for (long long ms = 0; ms < seconds * 1000; ms++) {
		wait_until(began + ms * NS_PER_S / 1000);
		for (long long i = ms * rate / 1000; i < (ms + 1) * rate / 1000; i++) {
			if (connect_once(&address) == 0)
				connected++;
			else
				failed++;
		}
	}
	printf("%lld %lld %.3f\n", connected, failed,
	       (double)(now_ns() - began) / (double)NS_PER_S);
	return EXIT_SUCCESS;
}
