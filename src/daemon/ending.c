/* SPDX-License-Identifier: MIT
 * ending.c - ends the process on a signal, even if a thread is stuck
 *
 * The thread takes one lock, that of the log's ring, which no thread holds for long, and makes
 * no call that another thread could block. It lives as long as the process.
 */
#include "daemon/ending.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "util/fds.h"
#include "util/log.h"
#include "util/log_writer.h"
#include "util/loop.h"
#include "util/thread.h"

#define NS_PER_MS UINT64_C(1000000)

/**
 * struct ending
 * @signal_fd:	the signals
 * @begin_fd:	ending_begin() was called
 * @loop_fd:	a signal has come: the loop's
 * @epoll_fd:	waits for the first two
 */
static struct {
	int signal_fd;
	int begin_fd;
	int loop_fd;
	int epoll_fd;
	struct loop_watch *watch;
	void (*stop)(void *ctx);
	void *ctx;
} ending = {.signal_fd = -1, .begin_fd = -1, .loop_fd = -1, .epoll_fd = -1};

static void post(int fd)
{
	const uint64_t one = 1;

	/* full: it is readable anyway */
	(void)!write(fd, &one, sizeof(one));
}

/* Return: ms to @until_ns, as epoll_wait() wants them; -1 if that is 0. */
static int left_ms(uint64_t until_ns)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t left;

	if (until_ns == 0)
		return -1;
	if (now_ns >= until_ns)
		return 0;
	left = (until_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
	return left > INT_MAX ? INT_MAX : (int)left;
}

static uint64_t earlier(uint64_t until_ns, uint64_t in_ns)
{
	uint64_t at_ns = clock_now_ns() + in_ns;

	return until_ns == 0 ? at_ns : MIN_OF(until_ns, at_ns);
}

static void leave(void)
{
	log_error("the end takes too long, since something does not answer: leaving it "
		  "behind");
	(void)log_writer_flush(ENDING_LOG_NS);
	_exit(EXIT_FAILURE);
}

static void *ending_main(void *arg)
{
	struct signalfd_siginfo info;
	struct epoll_event event;
	bool signalled = false;
	uint64_t until_ns = 0, count;

	for (;;) {
		int n = epoll_wait(ending.epoll_fd, &event, 1, left_ms(until_ns));

		if (n == 0)
			leave();
		if (n > 0 && read(ending.signal_fd, &info, sizeof(info)) > 0) {
			until_ns = earlier(until_ns,
					   signalled ? ENDING_AGAIN_NS : ENDING_MAX_NS);
			signalled = true;
			post(ending.loop_fd);
		}
		if (n > 0 && read(ending.begin_fd, &count, sizeof(count)) > 0)
			until_ns = earlier(until_ns, ENDING_MAX_NS);
	}
	return arg;
}

static void on_signal(void *ctx, int fd, unsigned events)
{
	uint64_t count;

	(void)ctx;
	(void)events;
	if (read(fd, &count, sizeof(count)) < 0)
		return;
	for (; count > 0; count--)
		ending.stop(ending.ctx);
}

static int watch_both(void)
{
	struct epoll_event readable = {.events = EPOLLIN};

	ending.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (ending.epoll_fd < 0 ||
	    epoll_ctl(ending.epoll_fd, EPOLL_CTL_ADD, ending.signal_fd, &readable) < 0)
		return -1;
	return epoll_ctl(ending.epoll_fd, EPOLL_CTL_ADD, ending.begin_fd, &readable);
}

static int start_thread(void)
{
	pthread_t thread;
	int r = thread_start(&thread, "ending", ending_main, NULL);

	if (r == 0)
		(void)pthread_detach(thread);
	return r;
}

static sigset_t hold(void)
{
	sigset_t signals;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
	return signals;
}

void ending_hold_signals(void)
{
	(void)hold();
}

int ending_start(struct loop *loop, void (*stop)(void *ctx), void *ctx)
{
	sigset_t signals = hold();

	ending.stop = stop;
	ending.ctx = ctx;
	ending.signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	ending.begin_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ending.loop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (ending.signal_fd < 0 || ending.begin_fd < 0 || ending.loop_fd < 0)
		return -errno;
	if (watch_both() < 0)
		return -errno;
	ending.watch = loop_watch_fd(loop, ending.loop_fd, LOOP_READ, on_signal, NULL);
	return ending.watch ? start_thread() : -ENOMEM;
}

void ending_begin(void)
{
	if (ending.begin_fd >= 0)
		post(ending.begin_fd);
}

void ending_unwatch(void)
{
	loop_unwatch(ending.watch);
	ending.watch = NULL;
}

#ifdef __GLIBC__
/* The end of assert(): like the C library's, but by the log. So the lines before it appear, and a
 * stderr that no process reads does not keep a broken process alive. */
void __assert_fail(const char *assertion, const char *file, unsigned line, // NOLINT
		   const char *function)
{
	log_error("%s:%u: %s: Assertion `%s' failed.", file, line, function, assertion);
	(void)log_writer_flush(ENDING_LOG_NS);
	abort();
}
#endif
