/* SPDX-License-Identifier: MIT
 * aside.h - a thread for slow calls whose result no one needs
 *
 * The thread is never joined: another party may keep it in the kernel for as long as that party
 * likes, and nothing but its own queue waits behind it. Calls that need an answer belong in
 * util/worker.h.
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

/* Starts the thread now; without this the first call starts it. Use it before the process counts
 * its memory or gives up rights. Return: false if no thread can be made. */
bool aside_start(struct aside *aside);
/* Queues @fn(@arg, @size) for the thread. Return: false if the queue is full or no thread can be
 * made; then @fn is never called. Any thread. */
MUST_USE bool aside_call(struct aside *aside, aside_fn *fn, uintptr_t arg, size_t size);
/* The number of calls that have not returned yet. Any thread. */
unsigned aside_waiting(struct aside *aside);
/* Waits up to @max_ms until all calls have returned, for the end of the process and for tests.
 * Return: true if they have. */
bool aside_wait(struct aside *aside, unsigned max_ms);

#endif /* UTIL_ASIDE_H */
