/* SPDX-License-Identifier: MIT
 * log_writer.c - a thread that writes log lines and may wait for the reader
 *
 * The thread owns the bytes from start on while it writes them; others append behind them. So it
 * writes without the lock.
 */
#include "util/log_writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "util/thread.h"

#define NS_PER_S    1000000000u
#define NOTE_BYTES  128u
#define NOTE_PREFIX "usbvfiod: "

/**
 * struct writer
 * @started:	there is a thread
 * @start, @used: bytes of @ring that have not been written
 * @dropped:	lines since the ring was last empty
 * @epoll_fd:	waits until stderr takes more
 * @wake:	there is something to write
 * @written:	the ring is empty
 */
static struct {
	atomic_bool started;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_cond_t written;
	size_t start;
	size_t used;
	unsigned long dropped;
	int epoll_fd;
	char ring[LOG_WRITER_RING_BYTES];
} writer = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/* Writes all of it, unless the reader is gone. */
static void write_out(const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, bytes, len);

		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			/* another process has set O_NONBLOCK */
			struct epoll_event event;

			(void)epoll_wait(writer.epoll_fd, &event, 1, -1);
		} else if (n == 0 || errno != EINTR) {
			return;
		}
	}
}

/* Says how many lines were dropped, when the ring is empty. Called with the lock, which it releases
 * meanwhile. */
static void report_dropped(void)
{
	char note[NOTE_BYTES];
	int len = snprintf(note, sizeof(note),
			   NOTE_PREFIX "%lu log lines dropped: stderr was not read\n",
			   writer.dropped);

	writer.dropped = 0;
	pthread_mutex_unlock(&writer.lock);
	write_out(note, (size_t)len);
	pthread_mutex_lock(&writer.lock);
}

static void *writer_main(void *arg)
{
	pthread_mutex_lock(&writer.lock);
	for (;;) {
		size_t at = writer.start;
		size_t len = MIN_OF(writer.used, LOG_WRITER_RING_BYTES - at);

		if (len > 0) {
			pthread_mutex_unlock(&writer.lock);
			write_out(writer.ring + at, len);
			pthread_mutex_lock(&writer.lock);
			writer.used -= len;
			/* from the start again, so that few pages are ever touched */
			writer.start =
				writer.used > 0 ? (at + len) % LOG_WRITER_RING_BYTES : 0;
		} else if (writer.dropped > 0) {
			report_dropped();
		} else {
			pthread_cond_broadcast(&writer.written);
			pthread_cond_wait(&writer.wake, &writer.lock);
		}
	}
	return arg;
}

int log_writer_start(void)
{
	struct epoll_event writable = {.events = EPOLLOUT};
	pthread_condattr_t attr;
	pthread_t thread;
	int r;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&writer.written, &attr);
	(void)pthread_condattr_destroy(&attr);
	/* epoll refuses a file, which is never full */
	writer.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (writer.epoll_fd < 0)
		return -errno;
	(void)epoll_ctl(writer.epoll_fd, EPOLL_CTL_ADD, STDERR_FILENO, &writable);
	r = thread_start(&thread, "log", writer_main, NULL);
	if (r < 0)
		return r;
	(void)pthread_detach(thread);
	atomic_store(&writer.started, true);
	return 0;
}

static void append(const char *line, size_t len)
{
	size_t end = (writer.start + writer.used) % LOG_WRITER_RING_BYTES;
	size_t first = MIN_OF(len, LOG_WRITER_RING_BYTES - end);

	memcpy(writer.ring + end, line, first);
	memcpy(writer.ring, line + first, len - first);
	writer.used += len;
}

bool log_writer_put(const char *line, size_t len)
{
	if (!atomic_load(&writer.started))
		return false;
	pthread_mutex_lock(&writer.lock);
	if (writer.dropped > 0 || len > LOG_WRITER_RING_BYTES - writer.used) {
		writer.dropped++;
	} else {
		append(line, len);
		pthread_cond_signal(&writer.wake);
	}
	pthread_mutex_unlock(&writer.lock);
	return true;
}

bool log_writer_flush(uint64_t limit_ns)
{
	struct timespec until = {0};
	bool all;

	if (!atomic_load(&writer.started))
		return true;
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	limit_ns += (uint64_t)until.tv_nsec;
	until.tv_sec += (time_t)(limit_ns / NS_PER_S);
	until.tv_nsec = (long)(limit_ns % NS_PER_S);
	pthread_mutex_lock(&writer.lock);
	while ((writer.used > 0 || writer.dropped > 0) &&
	       pthread_cond_timedwait(&writer.written, &writer.lock, &until) == 0)
		;
	all = writer.used == 0 && writer.dropped == 0;
	pthread_mutex_unlock(&writer.lock);
	return all;
}
