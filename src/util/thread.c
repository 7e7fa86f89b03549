/* SPDX-License-Identifier: MIT
 * thread.c - starting a thread that takes no signals
 */
#include "util/thread.h"

#include <signal.h>

int thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *arg)
{
	sigset_t blocked, before;
	int r;

	(void)sigfillset(&blocked);
	(void)sigdelset(&blocked, SIGBUS);
	(void)sigdelset(&blocked, SIGSEGV);
	(void)sigdelset(&blocked, SIGILL);
	(void)sigdelset(&blocked, SIGFPE);
	(void)pthread_sigmask(SIG_SETMASK, &blocked, &before);
	r = pthread_create(ret_thread, NULL, run, arg);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		(void)pthread_setname_np(*ret_thread, name);
	return -r;
}
