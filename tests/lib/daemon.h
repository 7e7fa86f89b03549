/* SPDX-License-Identifier: MIT
 * daemon.h - starts the daemon under test, watches it, ends it
 *
 * The binary is $USBVFIOD (meson sets it). Each daemon has a folder of its own
 * with its socket, images and what it wrote to stderr. Nothing here waits by
 * time: connecting waits for the socket to appear, ending for the process.
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
 * @pidfd:	readable when it has ended
 * @dir:	its folder, removed by daemon_finish()
 * @socket:	vfio-user socket path
 * @stderr_path: what it writes to stderr (and stdout)
 * @wrapper:	words put before the command, e.g. valgrind and its options; NULL ends
 */
struct daemon {
	pid_t pid;
	int pidfd;
	char dir[64];
	char socket[DAEMON_PATH_MAX];
	char stderr_path[DAEMON_PATH_MAX];
	const char *wrapper[8];
};

/* Where a process' memory and time went; see daemon_usage(). */
struct daemon_usage {
	uint64_t rss_anon_kib;
	uint64_t rss_file_kib;
	uint64_t rss_shmem_kib; /* guest RAM: not the daemon's own */
	uint64_t wakeups;       /* voluntary context switches of all threads */
	uint64_t threads;
	uint64_t threads_awake; /* that run, or would if they had a processor */
	uint64_t cpu_ticks;
};

/* Makes the folder; nothing is started yet. Return: 0 or -errno. */
MUST_USE int daemon_init(struct daemon *daemon);
/* Ends the daemon if it runs (SIGKILL), removes the folder. */
void daemon_finish(struct daemon *daemon);

/* Writes "@dir/@name" to @path. */
void daemon_path(const struct daemon *daemon, const char *name,
		 char path[DAEMON_PATH_MAX]);
/* A file of @size_bytes in the folder, sparse, zeros. @path gets its name. */
MUST_USE int daemon_image(const struct daemon *daemon, const char *name,
			  uint64_t size_bytes, char path[DAEMON_PATH_MAX]);

/* Starts "usbvfiod --socket-path SOCKET @args..." (NULL-terminated list). Does not wait. */
MUST_USE int daemon_start(struct daemon *daemon, const char *const *args);
/* The same without --socket-path; @inherit: fd that shall be fd 3 of the daemon, or
 * -1; @activation: sets LISTEN_FDS=1 and LISTEN_PID. */
MUST_USE int daemon_start_fd(struct daemon *daemon, const char *const *args, int inherit,
			     bool activation);
/* Connects to the vfio-user socket as soon as it listens. Return: fd, or -errno
 * (-ETIMEDOUT, -ECHILD if the daemon has ended). */
MUST_USE int daemon_connect(const struct daemon *daemon);
/* Waits until @path in the folder is a socket that listens, by a connection that says
 * nothing. Return: 0 or -errno as above. */
MUST_USE int daemon_wait_listening(const struct daemon *daemon, const char *path);

bool daemon_running(const struct daemon *daemon);
MUST_USE int daemon_signal(const struct daemon *daemon, int signal);
/* Waits for its end. Return: exit status 0-255, 256 + signal, or -ETIMEDOUT. */
MUST_USE int daemon_wait(struct daemon *daemon, int timeout_ms);
/* SIGTERM and daemon_wait(). */
MUST_USE int daemon_stop(struct daemon *daemon);

/* What it has written so far: malloc'd, NUL-terminated. NULL without memory. */
char *daemon_stderr(const struct daemon *daemon);
/* Waits until it has written @text there: its log comes a moment later than what it tells of.
 * Return: 0, -ETIMEDOUT or another -errno. */
MUST_USE int daemon_await_stderr(const struct daemon *daemon, const char *text,
				 int timeout_ms);
/* True if a sanitizer or assert complained there. */
bool daemon_complained(const struct daemon *daemon);
/* Reads /proc. Return: 0 or -errno. */
MUST_USE int daemon_usage(const struct daemon *daemon, struct daemon_usage *ret_usage);
/* Waits until nothing has run for a moment, at most some seconds: what is still to be done after the last answer, such as
 * closing aside, takes longer on a busy machine. Then demands that nothing runs for @ms, once more if something did: a timer
 * that was stopped fires once for nothing (util/loop_timer.c). @ret_before, @ret_after: those @ms.
 * Return: 0, -ETIMEDOUT it does not come to rest, -EBUSY it is not idle, or another -errno. */
MUST_USE int daemon_await_idle(const struct daemon *daemon, int ms,
			       struct daemon_usage *ret_before,
			       struct daemon_usage *ret_after);
/* Open file descriptors. Return: count or -errno. */
MUST_USE int daemon_fd_count(const struct daemon *daemon);
/* The same, once it is @count, or after some seconds: descriptors that others sent are closed
 * aside. */
MUST_USE int daemon_fd_count_wait(const struct daemon *daemon, int count);

#endif /* TESTS_LIB_DAEMON_H */
