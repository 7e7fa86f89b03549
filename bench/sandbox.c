/* SPDX-License-Identifier: MIT
 * sandbox.c - bench: system calls inside the daemon's sandbox against those outside
 *
 * One process measures first outside, then inside, because it cannot leave the sandbox.
 * The fastest of many rounds counts, because other work on the machine only makes rounds
 * slower.
 */
#include <float.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench/bench.h"
#include "daemon/sandbox/sandbox.h"
#include "util/loop.h"

#define ROUNDS      41u
#define ROUND_CALLS 20000u

struct costs {
	double plain_ns;   /* a call that the filter allows with any arguments */
	double checked_ns; /* a call whose request the filter checks */
};

static void plain(int epoll_fd, int pipe_fd)
{
	struct epoll_event event;

	(void)pipe_fd;
	(void)epoll_wait(epoll_fd, &event, 1, 0);
}

static void checked(int epoll_fd, int pipe_fd)
{
	int unread;

	(void)epoll_fd;
	(void)ioctl(pipe_fd, FIONREAD, &unread);
}

static double fastest_ns(void (*call)(int epoll_fd, int pipe_fd), int epoll_fd,
			 int pipe_fd)
{
	double best = DBL_MAX;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t begun_ns = clock_now_ns();
		double each_ns;

		for (unsigned i = 0; i < ROUND_CALLS; i++)
			call(epoll_fd, pipe_fd);
		each_ns = (double)(clock_now_ns() - begun_ns) / ROUND_CALLS;
		best = each_ns < best ? each_ns : best;
	}
	return best;
}

static struct costs measure(int epoll_fd, int pipe_fd)
{
	return (struct costs){.plain_ns = fastest_ns(plain, epoll_fd, pipe_fd),
			      .checked_ns = fastest_ns(checked, epoll_fd, pipe_fd)};
}

int main(void)
{
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct loop *loop = loop_create();
	struct costs without, with;
	struct err err = {0};
	int fds[2];

	if (epoll_fd < 0 || !loop || pipe(fds) < 0)
		bench_die("a loop", -1);
	without = measure(epoll_fd, fds[0]);
	bench_check("the sandbox", sandbox_confine(SANDBOX_MODE_ON, NULL, &err));
	bench_check("the sandbox", sandbox_seal(loop, &err));
	with = measure(epoll_fd, fds[0]);
	(void)printf("System calls, %s (fastest of %u rounds)\n"
		     "                     without       with    more\n"
		     "  epoll_wait         %5.0f ns   %5.0f ns   %3.0f ns\n"
		     "  ioctl, checked     %5.0f ns   %5.0f ns   %3.0f ns\n",
		     sandbox_describe(), ROUNDS, without.plain_ns, with.plain_ns,
		     with.plain_ns - without.plain_ns, without.checked_ns,
		     with.checked_ns, with.checked_ns - without.checked_ns);
	(void)fflush(stdout);
	/* a normal exit makes calls that the sandbox does not allow */
	_exit(0);
}
