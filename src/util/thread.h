/* SPDX-License-Identifier: MIT
 * thread.h - start a thread that takes no signals
 */
#ifndef UTIL_THREAD_H
#define UTIL_THREAD_H

#include <pthread.h>
#include <signal.h>

#include "util/compiler.h"

/* The signals of a thread's own faults and of calls that the sandbox refuses. */
void thread_fault_signals(sigset_t *ret_faults);

/**
 * thread_start() - start a thread with all signals blocked except those of its own faults
 * @name:	at most 15 bytes
 *
 * So signals such as SIGTERM never interrupt it. Return: 0 or -errno.
 */
MUST_USE int thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *),
			  void *arg);

#endif /* UTIL_THREAD_H */
