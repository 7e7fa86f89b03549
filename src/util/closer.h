/* SPDX-License-Identifier: MIT
 * closer.h - closing descriptors that others gave us, without waiting
 *
 * close() of a file calls its file system (FUSE_FLUSH), which may never answer; not even
 * SIGKILL ends that wait, and a process does not end before the last of its threads. So
 * what is not known to be harmless is closed by a process of its own that shares the table
 * of descriptors, made by a thread for that, and left behind if it is stuck when we end.
 *
 * System calls of that thread: those of apart.h, and futex.
 */
#ifndef UTIL_CLOSER_H
#define UTIL_CLOSER_H

#include <stdbool.h>

/* More than that waiting, and the closer is behind: who sends more loses the connection, and new
 * connections wait in their queue (acceptor.h). */
#define CLOSER_BEHIND 1024u
/* So many can wait: more than we have descriptors. */
#define CLOSER_WAITING_MAX 8192u

/* See aside_start(). */
bool closer_start(void);
/* Closes *@fd, now or later, and leaves -1; -1 is fine. If CLOSER_WAITING_MAX wait
 * already, it stays open for good, which is logged. Keeps errno. Never waits.
 * Any thread. */
void closer_close(int *fd);
/* The same for a connected socket. Its peer sees the end now. What it sent and we did not
 * receive may have descriptors in it, which close() lets go. */
void closer_close_socket(int *fd);

/* Descriptors that wait for being closed. */
unsigned closer_waiting(void);
/* True: more than CLOSER_BEHIND wait. */
bool closer_is_behind(void);
/* True: twice as many wait, more than those who are held to CLOSER_BEHIND can send. */
bool closer_is_far_behind(void);
/* Waits for them, @max_ms at most: before the process ends, and in tests. True: none waits. */
bool closer_wait(unsigned max_ms);

#endif /* UTIL_CLOSER_H */
