/* SPDX-License-Identifier: MIT
 * calls.h - the system calls of a daemon that serves, by seccomp
 */
#ifndef DAEMON_SANDBOX_CALLS_H
#define DAEMON_SANDBOX_CALLS_H

#include "daemon/sandbox/access.h"
#include "util/compiler.h"

/* Room for the name of a call. */
#define SANDBOX_NAME_BYTES 32u

/**
 * sandbox_calls_load() - shut all system calls but those listed, for all threads
 * @mode:	SANDBOX_MODE_ON: others raise SIGSYS, or end the process; SANDBOX_MODE_LOG: others wait for
 *		an answer on @ret_listener
 *
 * Return: 0 or -errno.
 */
MUST_USE int sandbox_calls_load(enum sandbox_mode mode, int *ret_listener);
/* How many are on the list. */
unsigned sandbox_calls_count(void);
/* The name of a call of this architecture: "execve". */
void sandbox_calls_name(int number, char name[SANDBOX_NAME_BYTES]);

#endif /* DAEMON_SANDBOX_CALLS_H */
