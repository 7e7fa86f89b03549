/* SPDX-License-Identifier: MIT
 * fd_kinds.h - file descriptors of all kinds, for fuzzers that pass them
 */
#ifndef TESTS_FUZZ_FD_KINDS_H
#define TESTS_FUZZ_FD_KINDS_H

enum fd_kind {
	FD_EVENTFD,
	FD_EVENTFD_NONBLOCK,
	FD_EVENTFD_FULL,
	FD_EVENTFD_SEMAPHORE,
	FD_MEMORY,
	FD_MEMORY_SEALED,
	FD_MEMORY_TRUNCATED, /* fd_kinds_truncate() truncates it later */
	FD_MEMORY_EMPTY,
	FD_MEMORY_READ_ONLY,
	FD_HUGE_PAGES,
	FD_FILE,
	FD_PATH,
	FD_FOLDER,
	FD_PIPE_READ,
	FD_PIPE_WRITE,
	FD_PIPE_FULL,
	FD_SOCKET,
	FD_SOCKET_CLOSED, /* its peer is closed */
	FD_SOCKET_LISTENING,
	FD_EPOLL,
	FD_TIMERFD,
	FD_SIGNALFD,
	FD_INOTIFY,
	FD_PIDFD,
	FD_NULL,
	FD_ZERO,
	FD_FULL,
	FD_RANDOM,
	FD_PROC_MEM, /* of the process itself */
	FD_PROC_MAPS,
	FD_PTY,
	FD_FUSE, /* its file system may stop answering, see fd_kinds_hold() */
	FD_KINDS,
};

/* Opens one descriptor of each kind. An eventfd replaces a kind that the machine lacks. */
void fd_kinds_make(void);
/* Borrowed. Between two calls of fd_kinds_restore() only some are FD_FUSE, because the close of
 * each takes a process; then FD_EVENTFD replaces it. */
int fd_of(unsigned kind);
/* Restores sizes, counters and contents of pipes to those after fd_kinds_make(). */
void fd_kinds_restore(void);
void fd_kinds_truncate(unsigned long bytes);
/* Makes calls into FD_FUSE's file system wait until fd_kinds_restore(). */
void fd_kinds_hold(void);
/* Fills the counters of eventfds until a write would wait. */
void fd_kinds_fill(void);
/* Fills FD_EVENTFD's counter, the last part one by one. May wait, so call it on another thread. */
void fd_kinds_fill_slowly(void);

#endif /* TESTS_FUZZ_FD_KINDS_H */
