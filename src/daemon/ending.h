/* SPDX-License-Identifier: MIT
 * ending.h - the process ends when it is told to, whatever thread is stuck
 *
 * SIGTERM and SIGINT are taken by a thread of its own, which tells the loop. What does not end by
 * itself within ENDING_MAX_NS then (a thread in the kernel that waits for a server, the loop
 * itself) is left to the kernel: the log is written and the process exits. The second signal
 * leaves ENDING_AGAIN_NS.
 */
#ifndef DAEMON_ENDING_H
#define DAEMON_ENDING_H

#include "util/compiler.h"

struct loop;

/* "Within 10 seconds", with a second for the log and the kernel. */
#define ENDING_MAX_NS   UINT64_C(8500000000)
#define ENDING_AGAIN_NS UINT64_C(1000000000)
/* For the last lines of the log. */
#define ENDING_LOG_NS UINT64_C(500000000)
/* For descriptors that wait for being closed. */
#define ENDING_CLOSER_MS 1000u

/* SIGTERM and SIGINT wait for ending_start() from now on: before the socket is there, as whoever
 * sees that may send one. */
void ending_hold_signals(void);
/* Blocks the signals in the calling thread: before others are started, which inherit that.
 * @stop is called in @loop for each signal. Once in the life of a process. Return: 0 or
 * -errno. */
MUST_USE int ending_start(struct loop *loop, void (*stop)(void *ctx), void *ctx);
/* The end has begun, without a signal: its time runs. Does nothing if it runs already, or before
 * ending_start(). Loop thread. */
void ending_begin(void);
/* The loop is over: nothing is watched in it any more, but the time runs on. */
void ending_unwatch(void);

#endif /* DAEMON_ENDING_H */
