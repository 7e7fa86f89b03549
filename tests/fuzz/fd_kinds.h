/* SPDX-License-Identifier: MIT
 * fd_kinds.h - descriptors of all kinds, for fuzzers that pass them
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
	FD_MEMORY_TRUNCATED, /* later, by fd_kinds_truncate() */
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
	FD_SOCKET_CLOSED, /* its peer is */
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
	FD_FUSE, /* its file system may take its time, see fd_kinds_hold() */
	FD_KINDS,
};

/* What the machine does not have is an eventfd. */
void fd_kinds_make(void);
/* Borrowed. Only some are FD_FUSE before it is as after fd_kinds_make() again: closing each
 * takes a process. */
int fd_of(unsigned kind);
/* As after fd_kinds_make(): sizes, counters, contents of pipes. */
void fd_kinds_restore(void);
void fd_kinds_truncate(unsigned long bytes);
/* Who calls FD_FUSE's file system waits until fd_kinds_restore(). */
void fd_kinds_hold(void);
/* Fills the counters of eventfds up to where a write would wait. */
void fd_kinds_fill(void);
/* FD_EVENTFD's, the last of it one by one. May wait; for a thread of its own. */
void fd_kinds_fill_slowly(void);

#endif /* TESTS_FUZZ_FD_KINDS_H */
