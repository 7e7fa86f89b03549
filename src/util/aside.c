/* SPDX-License-Identifier: MIT
 * aside.c - a thread for slow calls whose result no one needs
 */
#include "util/aside.h"

#include <time.h>

#include "util/thread.h"

static void *aside_main(void *arg)
{
	struct aside *aside = arg;

	pthread_mutex_lock(&aside->lock);
	for (;;) {
		struct aside_call call;

		while (aside->count == 0)
			pthread_cond_wait(&aside->more, &aside->lock);
		call = aside->calls[aside->first];
		pthread_mutex_unlock(&aside->lock);
		call.fn(call.arg, call.size);
		pthread_mutex_lock(&aside->lock);
		aside->first = (aside->first + 1) % ASIDE_CALLS_MAX;
		if (--aside->count == 0)
			pthread_cond_broadcast(&aside->idle);
	}
	return NULL;
}

/* Under the lock. */
static bool start(struct aside *aside)
{
	pthread_t thread;

	if (aside->started)
		return true;
	if (thread_start(&thread, aside->name, aside_main, aside) < 0)
		return false;
	(void)pthread_detach(thread);
	aside->started = true;
	return true;
}

bool aside_start(struct aside *aside)
{
	bool started;

	pthread_mutex_lock(&aside->lock);
	started = start(aside);
	pthread_mutex_unlock(&aside->lock);
	return started;
}

bool aside_call(struct aside *aside, aside_fn *fn, uintptr_t arg, size_t size)
{
	bool taken;

	pthread_mutex_lock(&aside->lock);
	taken = aside->count < ASIDE_CALLS_MAX && start(aside);
	if (taken) {
		aside->calls[(aside->first + aside->count) % ASIDE_CALLS_MAX] =
			(struct aside_call){.fn = fn, .arg = arg, .size = size};
		aside->count++;
		pthread_cond_signal(&aside->more);
	}
	pthread_mutex_unlock(&aside->lock);
	return taken;
}

unsigned aside_waiting(struct aside *aside)
{
	unsigned count;

	pthread_mutex_lock(&aside->lock);
	count = aside->count;
	pthread_mutex_unlock(&aside->lock);
	return count;
}

bool aside_wait(struct aside *aside, unsigned max_ms)
{
	struct timespec until;
	bool idle;
	int r = 0;

	/* a statically initialised condition uses the wall clock */
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += max_ms / 1000;
	until.tv_nsec += (long)(max_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&aside->lock);
	while (aside->count > 0 && r == 0)
		r = pthread_cond_timedwait(&aside->idle, &aside->lock, &until);
	idle = aside->count == 0;
	pthread_mutex_unlock(&aside->lock);
	return idle;
}
