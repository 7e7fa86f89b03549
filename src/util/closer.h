/* SPDX-License-Identifier: MIT
 * closer.h - close descriptors that others gave us, without waiting
 *
 * close() of a file calls its file system (FUSE_FLUSH), which may never answer. Not even SIGKILL
 * ends that wait, and a process ends only with the last of its threads. So a thread of the closer
 * makes a process that shares our table of descriptors and closes each descriptor that may be
 * harmful; if that process is stuck when we end, it stays behind.
 *
 * System calls of the thread: those of apart.h, and futex.
 */
#ifndef UTIL_CLOSER_H
#define UTIL_CLOSER_H

#include <stdbool.h>

/* If more descriptors wait, the closer is behind: a peer that sends more loses its connection, and
 * new connections wait in their queue (acceptor.h). */
#define CLOSER_BEHIND 1024u
/* How many can wait: more than this process has descriptors. */
#define CLOSER_WAITING_MAX 8192u

/* See aside_start(). */
bool closer_start(void);
/* Closes *@fd, now or later, and leaves -1; -1 is fine. If CLOSER_WAITING_MAX descriptors wait
 * already, it leaves the descriptor open for good and logs that. Keeps errno. Never waits.
 * Any thread. */
void closer_close(int *fd);
/* The same for a connected socket, whose peer sees the end at once. Data that the peer sent and we
 * did not receive may carry descriptors, which close() releases. */
void closer_close_socket(int *fd);

/* How many descriptors wait. */
unsigned closer_waiting(void);
/* True if more than CLOSER_BEHIND wait. */
bool closer_is_behind(void);
/* True if twice as many wait: more than peers can send whom CLOSER_BEHIND stops. */
bool closer_is_far_behind(void);
/* Waits up to @max_ms until none waits, before the process ends and in tests. Return: true if none
 * does. */
bool closer_wait(unsigned max_ms);

#endif /* UTIL_CLOSER_H */
