/* SPDX-License-Identifier: MIT
 * aside.h - calls that may take long and whose end nobody waits for
 *
 * A thread that is never joined: it may be stuck in the
 * kernel for as long as another party likes, and takes nothing but its own queue with it.
 * What needs an answer is for util/worker.h.
 */
#ifndef UTIL_ASIDE_H
#define UTIL_ASIDE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

/* Calls waiting at one time, the running one included. */
#define ASIDE_CALLS_MAX 16384u

typedef void aside_fn(uintptr_t arg, size_t size);

struct aside_call {
	aside_fn *fn;
	uintptr_t arg;
	size_t size;
};

/**
 * struct aside - a thread and its queue; static, as the thread may outlive everything
 * @calls:	a ring: @count of them from @first on; the first one is running
 */
struct aside {
	const char *name;
	pthread_mutex_t lock;
	pthread_cond_t more;
	pthread_cond_t idle;
	bool started;
	unsigned first;
	unsigned count;
	struct aside_call calls[ASIDE_CALLS_MAX];
};

/* @thread_name: at most 15 bytes. */
#define ASIDE_INIT(thread_name)                                                    \
	{                                                                          \
		.name = (thread_name), .lock = PTHREAD_MUTEX_INITIALIZER,          \
		.more = PTHREAD_COND_INITIALIZER, .idle = PTHREAD_COND_INITIALIZER \
	}

/* Starts the thread, if it is not there: before memory is counted, or rights are given up.
 * Else it is started with the first call. False: there can be none now. */
bool aside_start(struct aside *aside);
/* Has @fn(@arg, @size) called on the thread, behind those before it. False: the queue is
 * full or there can be no thread; nothing will be called. Any thread. */
MUST_USE bool aside_call(struct aside *aside, aside_fn *fn, uintptr_t arg, size_t size);
/* Calls that have not ended. Any thread. */
unsigned aside_waiting(struct aside *aside);
/* Waits until all have ended, @max_ms at most: for the end of the process and tests.
 * True: they have. */
bool aside_wait(struct aside *aside, unsigned max_ms);

#endif /* UTIL_ASIDE_H */
