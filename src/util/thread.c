/* SPDX-License-Identifier: MIT
 * thread.c - start a thread that takes no signals
 */
#include "util/thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* What the new thread needs; it owns this. */
struct start {
	void *(*run)(void *);
	void *arg;
	char name[16]; /* as long as the kernel keeps */
};

static void *thread_main(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	/* a thread names itself: the sandbox refuses the file in /proc that names another */
	(void)pthread_setname_np(pthread_self(), start.name);
	return start.run(start.arg);
}

void thread_fault_signals(sigset_t *ret_faults)
{
	static const int faults[] = {SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGSYS};

	(void)sigemptyset(ret_faults);
	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++)
		(void)sigaddset(ret_faults, faults[i]);
}

int thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *arg)
{
	struct start *start = malloc(sizeof(*start));
	sigset_t all, faults, before;
	int r;

	if (!start)
		return -ENOMEM;
	*start = (struct start){.run = run, .arg = arg};
	(void)snprintf(start->name, sizeof(start->name), "%s", name);
	thread_fault_signals(&faults);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	(void)pthread_sigmask(SIG_UNBLOCK, &faults, NULL);
	r = pthread_create(ret_thread, NULL, thread_main, start);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		free(start);
	return -r;
}
