/* SPDX-License-Identifier: MIT
 * notify.h - tells the service manager our state (sd_notify(3))
 */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stdint.h>

#include "util/compiler.h"

/**
 * notify_open() - connect to the socket that NOTIFY_SOCKET names
 * @ret_fd:	owned by the caller; -1 if there is no such variable
 *
 * Before the sandbox, in which there are no new sockets.
 * Return: 0, or -errno if it names no socket.
 */
MUST_USE int notify_open(int *ret_fd);

/* Sends @state ("READY=1") to it. Never waits. Return: 0, also with @fd -1; or -errno. */
MUST_USE int notify_manager(int fd, const char *state);

/* How often to send "WATCHDOG=1": half of the time after which the manager takes us for
 * stuck (WATCHDOG_USEC, if WATCHDOG_PID is us or not set), in ns; 0: not at all. */
uint64_t notify_watchdog_ns(void);

#endif /* DAEMON_NOTIFY_H */
