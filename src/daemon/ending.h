/* SPDX-License-Identifier: MIT
 * ending.h - ends the process on a signal, even if a thread is stuck
 *
 * A thread of its own takes SIGTERM and SIGINT, and tells the loop. If the process has not ended
 * after ENDING_MAX_NS, because a thread waits in the kernel for a server or the loop is stuck, this
 * thread writes the log and exits. A second signal leaves ENDING_AGAIN_NS.
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

/* Blocks SIGTERM and SIGINT until ending_start(). Before the sockets exist: a process that sees them
 * may send a signal. */
void ending_hold_signals(void);
/* Blocks the signals in the calling thread: before others are started, which inherit that.
 * @stop is called in @loop for each signal. Once in the life of a process. Return: 0 or
 * -errno. */
MUST_USE int ending_start(struct loop *loop, void (*stop)(void *ctx), void *ctx);
/* Starts the time limit of the end without a signal. Does nothing if it runs already, or before
 * ending_start(). Loop thread. */
void ending_begin(void);
/* Stops watching the loop, which has ended; the time limit runs on. */
void ending_unwatch(void);

#endif /* DAEMON_ENDING_H */
