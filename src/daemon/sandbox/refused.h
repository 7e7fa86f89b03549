/* SPDX-License-Identifier: MIT
 * refused.h - reports which system calls the sandbox refuses, or would refuse
 */
#ifndef DAEMON_SANDBOX_REFUSED_H
#define DAEMON_SANDBOX_REFUSED_H

#include <stdint.h>

#include "daemon/sandbox/access.h"
#include "daemon/sandbox/calls.h"
#include "util/compiler.h"

struct loop;

/* How many kinds of refused calls sandbox_refused_state() can name. */
#define SANDBOX_LAST 4u

/**
 * struct sandbox_refused - the refused system calls so far
 * @count:	all; with SANDBOX_MODE_LOG, those that SANDBOX_MODE_ON would have refused
 * @last:	the names of the last kinds, each once, the newest first
 */
struct sandbox_refused {
	uint64_t count;
	unsigned last_count;
	char last[SANDBOX_LAST][SANDBOX_NAME_BYTES];
};

/* Before the filter is there. @mode SANDBOX_MODE_ON: catches SIGSYS from now on, the call fails with
 * EPERM, @loop logs it. Return: 0 or -errno. */
MUST_USE int sandbox_refused_listen(enum sandbox_mode mode, struct loop *loop);
/* With the filter, SANDBOX_MODE_LOG: a thread answers on @listener, taken. */
void sandbox_refused_answer(int listener);
/* Logs the refused calls not logged yet, then reports all. */
struct sandbox_refused sandbox_refused_state(void);
void sandbox_refused_finish(void);

#endif /* DAEMON_SANDBOX_REFUSED_H */
