/* SPDX-License-Identifier: MIT
 * daemon.h - starts the daemon under test, watches it, ends it
 *
 * The binary is $USBVFIOD (meson sets it). Each daemon has its own folder with its
 * socket, images and stderr. Connecting waits for the socket to appear, ending waits for
 * the process. Only the checks for idleness and for open descriptors poll.
 */
#ifndef TESTS_LIB_DAEMON_H
#define TESTS_LIB_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/compiler.h"

#define DAEMON_ARGS_MAX 32u
#define DAEMON_PATH_MAX 108u

/**
 * struct daemon - one daemon process
 * @pid:	-1 = not running
 * @pidfd:	readable once the daemon has ended
 * @dir:	its folder, removed by daemon_finish()
 * @socket:	vfio-user socket path
 * @stderr_path: file of its stderr and stdout
 * @wrapper:	words before the command, e.g. valgrind and its options; NULL ends
 */
struct daemon {
	pid_t pid;
	int pidfd;
	char dir[64];
	char socket[DAEMON_PATH_MAX];
	char stderr_path[DAEMON_PATH_MAX];
	const char *wrapper[8];
};

/* Memory and time that a process has used; see daemon_usage(). */
struct daemon_usage {
	uint64_t rss_anon_kib;
	uint64_t rss_file_kib;
	uint64_t rss_shmem_kib; /* guest RAM, not the daemon's own */
	uint64_t wakeups;       /* voluntary context switches of all threads */
	uint64_t threads;
	uint64_t threads_awake; /* running or runnable */
	uint64_t cpu_ticks;
};

/* Makes the folder; starts nothing. Return: 0 or -errno. */
MUST_USE int daemon_init(struct daemon *daemon);
/* Ends a running daemon (SIGKILL), removes the folder. */
void daemon_finish(struct daemon *daemon);

/* Writes "@dir/@name" to @path. */
void daemon_path(const struct daemon *daemon, const char *name,
		 char path[DAEMON_PATH_MAX]);
/* Creates a sparse file of @size_bytes zeros in the folder. @path gets its name. */
MUST_USE int daemon_image(const struct daemon *daemon, const char *name,
			  uint64_t size_bytes, char path[DAEMON_PATH_MAX]);

/* Starts "usbvfiod --socket-path SOCKET @args..." (NULL-terminated list). Does not wait. */
MUST_USE int daemon_start(struct daemon *daemon, const char *const *args);
/* daemon_start() without --socket-path; @inherit: fd that becomes fd 3 of the daemon, or
 * -1; @activation: sets LISTEN_FDS=1 and LISTEN_PID. */
MUST_USE int daemon_start_fd(struct daemon *daemon, const char *const *args, int inherit,
			     bool activation);
/* Connects to the vfio-user socket as soon as it listens. Return: fd, or -errno
 * (-ETIMEDOUT, -ECHILD if the daemon has ended). */
MUST_USE int daemon_connect(const struct daemon *daemon);
/* Waits until @path in the folder is a listening socket, by connecting once and sending
 * nothing. Return: 0 or -errno as above. */
MUST_USE int daemon_wait_listening(const struct daemon *daemon, const char *path);

bool daemon_running(const struct daemon *daemon);
MUST_USE int daemon_signal(const struct daemon *daemon, int signal);
/* Waits until the daemon ends. Return: exit status 0-255, 256 + signal, or -ETIMEDOUT. */
MUST_USE int daemon_wait(struct daemon *daemon, int timeout_ms);
/* SIGTERM and daemon_wait(). */
MUST_USE int daemon_stop(struct daemon *daemon);

/* Its stderr so far: malloc'd, NUL-terminated. NULL without memory. */
char *daemon_stderr(const struct daemon *daemon);
/* Waits until stderr contains @text: the daemon logs an event a moment after it.
 * Return: 0, -ETIMEDOUT or another -errno. */
MUST_USE int daemon_await_stderr(const struct daemon *daemon, const char *text,
				 int timeout_ms);
/* True if stderr has a message of a sanitizer, valgrind, assert() or the sandbox. */
bool daemon_complained(const struct daemon *daemon);
/* Reads /proc. Return: 0 or -errno. */
MUST_USE int daemon_usage(const struct daemon *daemon, struct daemon_usage *ret_usage);
/* Waits until no thread has run for a moment, at most some seconds: work after the last
 * answer, such as closing in a worker, takes longer on a busy machine. Then checks that
 * no thread runs for @ms. Tries a second time if one did, because a stopped timer still
 * fires once (util/loop_timer.c). @ret_before, @ret_after: usage around those @ms.
 * Return: 0, -ETIMEDOUT never at rest, -EBUSY not idle, or another -errno. */
MUST_USE int daemon_await_idle(const struct daemon *daemon, int ms,
			       struct daemon_usage *ret_before,
			       struct daemon_usage *ret_after);
/* Open file descriptors. Return: count or -errno. */
MUST_USE int daemon_fd_count(const struct daemon *daemon);
/* Waits some seconds for daemon_fd_count() to be @count: a worker closes the descriptors
 * that others sent. Return: the last count. */
MUST_USE int daemon_fd_count_wait(const struct daemon *daemon, int count);

#endif /* TESTS_LIB_DAEMON_H */
