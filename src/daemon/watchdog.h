/* SPDX-License-Identifier: MIT
 * watchdog.h - tells the service manager at intervals that the loop turns
 *
 * Loop thread only.
 */
#ifndef DAEMON_WATCHDOG_H
#define DAEMON_WATCHDOG_H

#include <stdint.h>

#include "util/compiler.h"

struct loop;
struct loop_timer;

/* All zero: not started. */
struct watchdog {
	struct loop_timer *timer;
	uint64_t interval_ns;
	int notify_fd;
};

/* Starts it if the manager asks for it (notify_watchdog_ns()); @notify_fd: of notify_open(). Else does
 * nothing: an idle daemon does not wake up. Return: 0 or -ENOMEM. */
MUST_USE int watchdog_start(struct watchdog *watchdog, struct loop *loop, int notify_fd);
/* Fine if it was not started. */
void watchdog_finish(struct watchdog *watchdog);

#endif /* DAEMON_WATCHDOG_H */
